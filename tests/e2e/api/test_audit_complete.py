"""Every change has exactly one record, made with it, and every record a change, on every surface (P-48).

What changes is counted by triggers of the test's own on every table, and compared with the audit trail row by row:
by the transaction that wrote both, the kind of thing and what happened to it.
"""

import re
from collections import Counter
from collections.abc import AsyncGenerator, Iterable, Iterator, Mapping
from contextlib import AsyncExitStack
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import msgspec
import pytest

from app.http.surfaces import Surface
from domain.access.model import Permission
from infra.postgres import Running
from tests.e2e.api.callers import KEY, code_of
from tests.e2e.api.company import (
    PASSWORD,
    Company,
    add_key,
    add_token,
    add_user,
    as_bearer,
    begin_session,
    found_company,
)
from tests.e2e.api.forms import bodies
from tests.e2e.api.inside import inside
from tests.e2e.api.operations import Operation, all_operations
from tests.lab import DatabaseUrls, a_database
from tests.ledger.promises import show

type Connection = asyncpg.Connection[Any]

OF_THE_LEDGER = {
    "abc_run_lines": "only added to, with the run that they are of",
    "audit_log": "the trail itself",
    "channel_usage": "adds up reservations",
    "cycle_count_approvals": "only added to: it is the record",
    "cycle_count_entries": "only added to: it is the record",
    "cycle_count_lines": "what was counted is an entry, what was decided a step of the batch's history",
    "document_history": "only added to: it is the record",
    "document_numbers": "counts documents",
    "events": "tells of what is on record already",
    "fill_layers": "follows from the imports",
    "idempotency_keys": "what was answered, for a retry",
    "import_files": "only added to, with the job that they are for",
    "import_layers": "only added to, with the import that they are of",
    "import_rows": "only added to, with the import that they are of",
    "ledger_heads": "counts the ledger",
    "movements": "the ledger is its own record",
    "postings": "the ledger is its own record",
    "reservation_lines": "which stock lines serve a reservation, which is on record itself",
    "stock_counts": "follows from the ledger",
    "stock_request_categories": "follows from the requests",
    "stock_request_comments": "only added to: it is the record",
    "stock_request_counted": "follows from the requests",
    "stock_request_counts": "follows from the requests",
    "stock_request_tiers": "the plan of a submission; each decision is on record itself",
    "stock_lines": "follows from the ledger",
    "transfer_picks": "follows from the ledger, and from the steps of the transfer's history",
    "transfer_receipts": "only added to: it is the record",
    "stock_totals": "follows from the ledger",
    "webhook_attempts": "a log itself",
    "webhook_cursors": "how far the sending has come",
    "webhook_deliveries": "what the sending has not done yet",
}
"""Tables whose changes leave no row in the log, and why."""
COUNTERS = {"version", "line_count", "counted_count", "waived_count", "variance_count", "accurate_count"}
NO_CHANGE = {
    "cycle_counts": COUNTERS,
    "jobs": {
        *("state", "arguments", "completed_steps", "total_steps", "current_step", "attempt", "attempts_max"),
        *("result", "error", "is_dead", "not_before", "started_at", "completed_at", "version"),
    },
    "sessions": {"seen_at"},
    "api_keys": {"used_at"},
    "users": {"password_hash"},
}
"""What may change without a record: uses are noted, a job tells itself how far it is, and a password's hash is
nobody's to read."""
ENTITIES = re.compile(r"EXECUTE FUNCTION audit_change\('([a-z_]+)'")
RECORDED = {"PERMISSION_DENIED", "LOCATION_DENIED", "CSRF_FAILED", "SELF_APPROVAL"}
SECRET = re.compile(r"sk_live_\w{16}|\$argon2|token_hash|key_hash|password_hash")

_TABLES = """
    SELECT c.relname, (
        SELECT pg_get_triggerdef(t.oid) FROM pg_trigger t
        WHERE t.tgrelid = c.oid AND t.tgname = 'changes_are_audited'
    ) AS audited
    FROM pg_class c
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND c.relname <> 'alembic_version'
    ORDER BY 1
"""
_WATCH = """
    CREATE SCHEMA watch;
    CREATE TABLE watch.changes (name text, op text, before jsonb, after jsonb);
    CREATE FUNCTION watch.note() RETURNS trigger LANGUAGE plpgsql
    SECURITY DEFINER SET search_path = public, pg_temp AS $$
    BEGIN
        INSERT INTO watch.changes VALUES (TG_TABLE_NAME, TG_OP,
            CASE WHEN TG_OP <> 'INSERT' THEN to_jsonb(OLD) END,
            CASE WHEN TG_OP <> 'DELETE' THEN to_jsonb(NEW) END);
        RETURN NULL;
    END
    $$;
"""
WALKED = """
    SELECT action, actor_id, request_id
    FROM (SELECT * FROM audit_log WHERE outcome = 'DONE' ORDER BY id OFFSET $1) since
    WHERE action NOT IN ('session.created', 'token.created') OR request_id IS NOT NULL
"""
_DONE = {"INSERT": "created", "UPDATE": "changed", "DELETE": "deleted"}


@pytest.fixture(scope="module")
def watched(cluster: Running, template: str) -> Iterator[DatabaseUrls]:
    """A database of its own, that gets triggers of the test's."""
    with a_database(cluster, template) as urls:
        yield urls


@pytest.fixture(scope="module")
async def owner(watched: DatabaseUrls) -> AsyncGenerator[Connection]:
    connection = await asyncpg.connect(watched.admin_url)
    yield connection
    await connection.close()


async def audited(owner: Connection) -> dict[str, str]:
    """The entity that each audited table is of."""
    found = {}
    for name, trigger in await owner.fetch(_TABLES):
        if trigger is not None:
            match = ENTITIES.search(trigger)
            assert match is not None, trigger
            found[name] = match[1]
    return found


async def watch(owner: Connection, tables: dict[str, str]) -> None:
    """Count every change from here on."""
    await owner.execute(_WATCH)
    for name in tables:
        await owner.execute(
            f"CREATE TRIGGER watched AFTER INSERT OR UPDATE OR DELETE ON {name} "
            "FOR EACH ROW EXECUTE FUNCTION watch.note()"
        )


async def changes(owner: Connection, tables: dict[str, str]) -> Counter[tuple[str, str]]:
    """What has changed, by transaction and action."""
    found: Counter[tuple[str, str]] = Counter()
    for row in await owner.fetch("SELECT xmin::text AS tx, * FROM watch.changes"):
        silent = NO_CHANGE.get(row["name"], set()) | {"updated_at"}
        before, after = (
            {name: value for name, value in msgspec.json.decode(row[side] or "{}").items() if name not in silent}
            for side in ("before", "after")
        )
        if before != after:
            found[row["tx"], f"{tables[row['name']]}.{_DONE[row['op']]}"] += 1
    return found


async def records(owner: Connection, before: int) -> Counter[tuple[str, str]]:
    """What is on record, by transaction and action."""
    rows = await owner.fetch(
        "SELECT xmin::text AS tx, action FROM audit_log WHERE outcome = 'DONE' ORDER BY id OFFSET $1", before
    )
    return Counter((row["tx"], row["action"]) for row in rows)


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody of a company, and the key of a program that may do as much."""

    company: Company
    user_id: UUID
    key: str


async def a_caller(owner: Connection, company: Company, role: str, permissions: Iterable[str]) -> Caller:
    user_id = await add_user(owner, company, role)
    return Caller(company=company, user_id=user_id, key=await add_key(owner, company, permissions))


class Walk:
    """Who sends every write that there is."""

    def __init__(self, http: httpx.AsyncClient, owner: Connection) -> None:
        self.http = http
        self.owner = owner
        self.codes: dict[str, str] = {}
        self.succeeded: set[str] = set()

    async def send(self, operation: Operation, body: Any, caller: Caller) -> None:
        """One request under an id of its own; in a session of its own, or by a token of its own."""
        headers = await self._credentials(operation, caller)
        request_id = f"walk-{operation.id}-{len(self.codes):04}"
        filled = caller.company.fill(body)
        answer = await self.http.request(
            operation.method,
            caller.company.path(operation.path, spare=operation.method == "DELETE"),
            params=caller.company.fill(operation.query),
            headers={**headers, "X-Request-ID": request_id},
            **({} if filled is None else {"json": filled}),
        )
        self.codes[request_id] = "" if answer.is_success else code_of(operation, answer)
        if answer.is_success:
            self.succeeded.add(operation.id)

    async def _credentials(self, operation: Operation, caller: Caller) -> Mapping[str, str]:
        if operation.is_public:
            return {}
        match operation.surface:
            case Surface.SESSION:
                return (await begin_session(self.owner, caller.company, caller.user_id)).headers
            case Surface.IMPORT:
                return as_bearer(await add_token(self.owner, caller.company, caller.user_id))
            case Surface.INTEGRATIONS:
                return {KEY: caller.key}


ABOUT = {
    Surface.IMPORT: "/{tenant}/api/v1/imports",
    Surface.INTEGRATIONS: "/api/integrations",
    Surface.SESSION: None,
}
"""What its company is founded for: each surface has one, as the writes of another spoil its examples."""


def writes(surface: Surface) -> list[Operation]:
    return [one for one in all_operations() if not one.is_safe and one.surface is surface]


async def test_every_table_is_audited_or_said_not_to_be(owner: Connection) -> None:
    tables = {name: trigger is not None for name, trigger in await owner.fetch(_TABLES)}

    silent = {name for name, is_audited in tables.items() if not is_audited}

    assert silent == OF_THE_LEDGER.keys()


async def test_each_change_has_one_record_and_each_record_one_change(
    watched: DatabaseUrls, owner: Connection
) -> None:
    callers = {}
    for surface, about in ABOUT.items():
        company = await found_company(owner, surface, about=about)
        boss = await a_caller(owner, company, "admin", [*Permission])
        callers[surface] = boss, await a_caller(owner, company, "viewer", [Permission.INVENTORY_READ])
    tables = await audited(owner)
    before = await owner.fetchval("SELECT count(*) FROM audit_log WHERE outcome = 'DONE'")
    posted = await owner.fetchval("SELECT count(*) FROM postings")
    await watch(owner, tables)
    async with AsyncExitStack() as stack:
        app = await stack.enter_async_context(inside(watched))
        walk = Walk(app.http, owner)
        for surface, (boss, viewer) in callers.items():
            for operation in writes(surface):
                for body in bodies(operation):
                    await walk.send(operation, body, boss)
                await walk.send(operation, operation.example, viewer)

    assert app.faults == []
    changed, recorded = await changes(owner, tables), await records(owner, before)
    orphans = (recorded - changed) + (changed - recorded)
    refusals = await owner.fetch("SELECT request_id, actor_id FROM audit_log WHERE outcome = 'REFUSED'")
    show("P-48", changes=changed.total(), records=recorded.total(), orphans=orphans.total(), refused=len(refusals))
    assert orphans == Counter()
    for surface in Surface:
        # What a session does may take away what it would do next.
        unseen = {operation.id for operation in writes(surface)} - walk.succeeded
        assert unseen == set() or surface is Surface.SESSION, unseen
    # The test makes its sessions and tokens itself, by no request.
    walked = await owner.fetch(WALKED, before)
    assert [tuple(row) for row in walked if None in tuple(row)] == []
    assert {row["request_id"] for row in walked} <= walk.codes.keys()
    postings = await owner.fetch("SELECT actor_id, request_id FROM postings ORDER BY id OFFSET $1", posted)
    assert len(postings) >= len([o for o in walk.succeeded if "nventory" in o])
    assert all(row["request_id"] in walk.codes and row["actor_id"] is not None for row in postings)
    denied = Counter(request_id for request_id, code in walk.codes.items() if code in RECORDED)
    assert Counter(row["request_id"] for row in refusals) == denied
    assert denied.total() > sum(len(writes(surface)) for surface in Surface) // 2
    assert all(row["actor_id"] is not None for row in refusals)


async def test_nothing_secret_is_in_the_trail(owner: Connection) -> None:
    rows = await owner.fetch("SELECT a::text FROM audit_log a")
    whole = "\n".join(row[0] for row in rows)

    assert len(rows) > 100
    assert SECRET.findall(whole) == []
    assert PASSWORD not in whole
