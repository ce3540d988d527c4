"""What background work leaves behind, and removing it once it is no longer kept.

Ended jobs (the dead among them), what imports keep row by row, and what webhooks could not deliver or have logged
are kept for the tenant's setting `jobRetentionDays`; answers to repeated requests for thirty days, and sessions
for ninety after their end. An import's summary stays, as its posting does. The database itself lets nothing
go that has not ended (migrations/sql/0018_housekeeping.sql).

Each part is a transaction of its own, finds what is old by an index, and is harmless when it is done twice.
"""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec

from domain.jobs.ports import Running
from infra.db.pool import Database
from infra.settings.sql import JOB_RETENTION

AT_ONCE = 2_000
"""Rows that one transaction removes."""
FILES_AT_ONCE = 20
"""Of files, each of which may be large."""
IMPORTS_AT_ONCE = 100
KEYS_KEPT = "30 days"
"""As the API's document says (app/http/openapi.py)."""
SESSIONS_KEPT = "90 days"
"""As tokens are: long enough to look into what somebody did; the audit trail knows it for longer."""

# Computed aside, once: behind the walls a condition that computes is no condition of an index.
_LATEST = f"(SELECT now() - make_interval(days => {JOB_RETENTION}))"
# Ids begin with the time of their making.
_FIRST_KEPT_ID = f"""
    (SELECT (lpad(to_hex((extract(epoch FROM {_LATEST}) * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid)
"""  # noqa: S608 - ours
_WEBHOOKS = "SELECT w.id FROM webhooks w WHERE w.tenant_id = $1"
# Whoever has a job tried again finds all that it needs: its import and its file go after it.
_JOBLESS = "NOT EXISTS (SELECT FROM jobs j WHERE j.tenant_id = $1 AND j.id = x.job_id)"


class Litter(msgspec.Struct, frozen=True, kw_only=True):
    """Rows that are removed by themselves, once they are old."""

    name: str
    """In the job's result."""
    title: str
    table: str
    old: str
    """Which rows of `x`."""
    order: str
    is_locked: bool = True
    """Whether they may be changed meanwhile: who is at it keeps it."""
    at_once: int = AT_ONCE

    @property
    def found(self) -> str:
        """In order, so that the index is followed whatever the planner thinks of how much is old."""
        return f"FROM {self.table} x WHERE x.tenant_id = $1 AND {self.old} ORDER BY {self.order}"

    @property
    def remove(self) -> str:
        """By the rows' addresses: those that could change are locked by then, the others never change."""
        lock = "FOR UPDATE SKIP LOCKED" if self.is_locked else ""
        some = f"SELECT x.ctid {self.found} LIMIT {self.at_once} {lock}"
        return f"DELETE FROM {self.table} WHERE tenant_id = $1 AND ctid = ANY (ARRAY({some}))"  # noqa: S608 - ours


JOBS = Litter(
    name="jobs", title="ended jobs", table="jobs", old=f"x.completed_at < {_LATEST}", order="x.completed_at"
)
OTHERS = (
    Litter(
        name="importFiles",
        title="files of imports",
        table="import_files",
        old=f"x.created_at < {_LATEST} AND {_JOBLESS}",
        order="x.created_at",
        is_locked=False,
        at_once=FILES_AT_ONCE,
    ),
    Litter(
        name="deadLetters",
        title="events that could not be delivered",
        table="webhook_deliveries",
        old=f"x.state = 'DEAD' AND x.updated_at < {_LATEST}",
        order="x.updated_at",
    ),
    Litter(
        name="deliveryAttempts",
        title="logs of deliveries",
        table="webhook_attempts",
        old=f"x.webhook_id = ANY (ARRAY({_WEBHOOKS})) AND x.id < {_FIRST_KEPT_ID}",
        order="x.webhook_id, x.id",
        is_locked=False,
    ),
    Litter(
        name="idempotencyKeys",
        title="answers to repeated requests",
        table="idempotency_keys",
        old=f"x.created_at < now() - interval '{KEYS_KEPT}'",
        order="x.created_at",
    ),
    Litter(
        name="sessions",
        title="ended sessions",
        table="sessions",
        old=f"x.expires_at < now() - interval '{SESSIONS_KEPT}'",
        order="x.expires_at",
    ),
)
# Imports whose rows go. From here on none of them is undone, so that none is undone by halves.
_OLD_IMPORTS = f"""
    FROM imports x
    WHERE x.tenant_id = $1 AND x.kept <> 'SUMMARY' AND x.created_at < {_LATEST} AND {_JOBLESS}
    ORDER BY x.created_at
"""
CLOSE_IMPORTS = f"""
    UPDATE imports SET kept = 'GOING'
    WHERE tenant_id = $1 AND job_id = ANY (ARRAY(
        SELECT x.job_id {_OLD_IMPORTS} LIMIT {IMPORTS_AT_ONCE} FOR NO KEY UPDATE SKIP LOCKED
    ))
    RETURNING job_id
"""  # noqa: S608 - ours
EMPTY_IMPORTS = tuple(
    f"""
    DELETE FROM {table} WHERE tenant_id = $1 AND ctid = ANY (ARRAY(
        SELECT x.ctid FROM {table} x WHERE x.tenant_id = $1 AND x.job_id = ANY ($2::uuid[]) LIMIT {AT_ONCE}
    ))
    """  # noqa: S608 - ours
    for table in ("import_layers", "import_rows")
)
SUM_UP_IMPORTS = "UPDATE imports SET kept = 'SUMMARY' WHERE tenant_id = $1 AND job_id = ANY ($2::uuid[])"
# No EXISTS: it forgets the order, and then reads what is kept until it meets what is old.
IS_LITTERED = "SELECT " + " OR ".join(
    f"coalesce((SELECT true {found} LIMIT 1), false)"
    for found in (JOBS.found, _OLD_IMPORTS, *(litter.found for litter in OTHERS))
)


async def keep_house(database: Database, running: Running) -> Mapping[str, Any]:
    """Jobs first: what hangs on one goes when it has gone."""
    of = len(OTHERS) + 2
    removed = {JOBS.name: await _remove(database, running, JOBS, 0, of)}
    removed["imports"] = await _empty_imports(database, running, 1, of)
    for n, litter in enumerate(OTHERS, start=2):
        removed[litter.name] = await _remove(database, running, litter, n, of)
    return removed


async def _remove(database: Database, running: Running, litter: Litter, n: int, of: int) -> int:
    removed, last = 0, litter.at_once
    while last >= litter.at_once:
        await running.step(f"Removing {litter.title}", n, of)
        last = await _delete(database, running, litter.remove)
        removed += last
    return removed


async def _empty_imports(database: Database, running: Running, n: int, of: int) -> int:
    """How many there were. One that is left half empty, by the end of the process, is found again."""
    tenant_id, emptied = running.act.tenant_id, 0
    while True:
        await running.step("Removing rows of imports", n, of)
        async with database.transaction(tenant_id) as driver:
            ids = [row["job_id"] for row in await driver.fetch(CLOSE_IMPORTS, tenant_id)]
        for statement in EMPTY_IMPORTS:
            while ids and await _delete(database, running, statement, ids) >= AT_ONCE:
                await running.step("Removing rows of imports", n, of)
        async with database.transaction(tenant_id) as driver:
            await driver.execute(SUM_UP_IMPORTS, tenant_id, ids)
        emptied += len(ids)
        if len(ids) < IMPORTS_AT_ONCE:
            return emptied


async def _delete(database: Database, running: Running, statement: str, ids: Sequence[UUID] | None = None) -> int:
    tenant_id = running.act.tenant_id
    async with database.transaction(tenant_id) as driver:
        said = await driver.execute(statement, tenant_id, *(() if ids is None else (ids,)))
    return int(said.removeprefix("DELETE "))
