"""What a dispatcher reads and writes of an endpoint: its lease, its position, and what became of what was due."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from domain.access.model import Scope
from domain.events.feed import Event
from domain.values import new_id
from domain.webhooks.model import LOG_KEPT, Outcome, Sent, StoredWebhook
from infra.db.pool import Database, Driver
from infra.events.feed import event_of
from infra.webhooks.work import stored_of

REACH = 5_000
"""Positions that one look goes over, so that a rare type costs no more than a common one."""

DUE = "SELECT d.tenant_id, d.webhook_id FROM webhook_due($1) d"
# Whoever updates the row has the lease: a second one waits for the row, and then finds it taken.
LEASE = """
    UPDATE webhook_cursors SET lease_owner = $3, lease_until = clock_timestamp() + make_interval(secs => $4)
    WHERE tenant_id = $1 AND webhook_id = $2 AND (lease_until IS NULL OR lease_until <= clock_timestamp())
    RETURNING position
"""
RENEW = """
    UPDATE webhook_cursors SET lease_until = clock_timestamp() + make_interval(secs => $4)
    WHERE tenant_id = $1 AND webhook_id = $2 AND lease_owner = $3 RETURNING true
"""
RELEASE = """
    UPDATE webhook_cursors SET lease_owner = NULL, lease_until = NULL
    WHERE tenant_id = $1 AND webhook_id = $2 AND lease_owner = $3
"""
ENDPOINT = """
    SELECT w.id, w.url, w.description, w.types, w.location_ids, w.state, w.paused_reason, w.user_id, w.key_id,
        w.maker, w.version, c.position, c.failures, h.event_position AS head, clock_timestamp() AS now,
        c.resting_until > clock_timestamp() AS is_resting, array(
            SELECT s.secret FROM webhook_secrets s
            WHERE s.tenant_id = w.tenant_id AND s.webhook_id = w.id
                AND (s.ends_at IS NULL OR s.ends_at > clock_timestamp())
            ORDER BY s.id DESC
        ) AS secrets
    FROM webhooks w
    JOIN webhook_cursors c ON c.tenant_id = w.tenant_id AND c.webhook_id = w.id
    JOIN ledger_heads h ON h.tenant_id = w.tenant_id
    WHERE w.tenant_id = $1 AND w.id = $2
"""
PENDING = """
    SELECT d.position, d.keys, d.attempts,
        greatest(extract(epoch FROM d.due_at - clock_timestamp()), 0)::float8 AS wait
    FROM webhook_deliveries d
    WHERE d.tenant_id = $1 AND d.webhook_id = $2 AND d.state = 'PENDING'
    ORDER BY d.position
"""
_EVENT = """
    SELECT e.position, e.type, e.entity_type, e.entity_id, e.location_ids, e.recorded_at, e.request_id, e.payload
    FROM events e WHERE e.tenant_id = $1
"""
AT = f"{_EVENT} AND e.position = ANY ($2::bigint[]) ORDER BY e.position"
NEXT = f"""
    {_EVENT} AND e.position > $2 AND e.position <= $3
        AND split_part(e.type, '.', 1) <> ALL ($5::text[])
        AND ($6::uuid[] IS NULL OR e.location_ids && $6)
        AND (cardinality($7::text[]) = 0 OR EXISTS (
            SELECT FROM unnest($7::text[]) t
            WHERE e.type = t OR (right(t, 2) = '.*' AND starts_with(e.type, left(t, -1)))
        ))
    ORDER BY e.position LIMIT $4
"""
# The endpoint is this dispatcher's as long as this statement finds the lease: the row is locked until the end.
SAVE = """
    UPDATE webhook_cursors SET position = $4, failures = $5,
        failing_since = CASE WHEN $5 = 0 THEN NULL ELSE coalesce(failing_since, clock_timestamp()) END,
        resting_until = clock_timestamp() + make_interval(secs => $6::float8),
        attempted_at = clock_timestamp(),
        delivered_at = CASE WHEN $7 THEN clock_timestamp() ELSE delivered_at END
    WHERE tenant_id = $1 AND webhook_id = $2 AND lease_owner = $3 RETURNING true
"""
DONE = "DELETE FROM webhook_deliveries WHERE tenant_id = $1 AND webhook_id = $2 AND position = ANY ($3::bigint[])"
KEEP = """
    INSERT INTO webhook_deliveries AS d (
        tenant_id, webhook_id, position, id, type, entity_type, entity_id, keys, state, attempts, due_at, status,
        error
    )
    SELECT $1, $2, k.position, k.id, k.type, k.entity_type, k.entity_id,
        array(SELECT x::uuid FROM jsonb_array_elements_text(k.keys) x), k.state, k.attempts,
        clock_timestamp() + make_interval(secs => k.wait), k.status, k.error
    FROM jsonb_to_recordset($3::jsonb) AS k(
        position bigint, id uuid, type text, entity_type text, entity_id uuid, keys jsonb, state text,
        attempts int, wait float8, status int, error text)
    ON CONFLICT (tenant_id, webhook_id, position) DO UPDATE SET state = excluded.state,
        attempts = excluded.attempts, due_at = excluded.due_at, status = coalesce(excluded.status, d.status),
        error = coalesce(excluded.error, d.error), updated_at = clock_timestamp()
"""
LOG = """
    INSERT INTO webhook_attempts (
        tenant_id, webhook_id, id, message_id, position, type, entity_type, entity_id, attempt, outcome, status,
        error, response, duration_ms
    )
    SELECT $1, $2, a.id, a.message_id, a.position, a.type, a.entity_type, a.entity_id, a.attempt, a.outcome,
        a.status, a.error, a.response, a.duration_ms
    FROM jsonb_to_recordset($3::jsonb) AS a(
        id uuid, message_id text, position bigint, type text, entity_type text, entity_id uuid, attempt int,
        outcome text, status int, error text, response text, duration_ms int)
"""
PRUNE = f"""
    DELETE FROM webhook_attempts WHERE tenant_id = $1 AND webhook_id = $2 AND id < (
        SELECT a.id FROM webhook_attempts a WHERE a.tenant_id = $1 AND a.webhook_id = $2
        ORDER BY a.id DESC OFFSET {LOG_KEPT - 1} LIMIT 1
    )
"""  # noqa: S608 - of a constant
SETTLE = """
    UPDATE webhook_cursors c SET due_at = d.due_at, is_full = d.pending >= $3
    FROM (
        SELECT min(d.due_at) FILTER (WHERE d.state = 'PENDING') AS due_at,
            count(*) FILTER (WHERE d.state = 'PENDING') AS pending
        FROM webhook_deliveries d WHERE d.tenant_id = $1 AND d.webhook_id = $2
    ) d
    WHERE c.tenant_id = $1 AND c.webhook_id = $2
"""
DEAD = """
    SELECT count(*) FROM webhook_deliveries d WHERE d.tenant_id = $1 AND d.webhook_id = $2 AND d.state = 'DEAD'
"""


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """An endpoint as a dispatcher finds it."""

    stored: StoredWebhook
    failures: int
    is_resting: bool
    head: int
    secrets: tuple[str, ...]
    now: datetime

    def __repr__(self) -> str:  # no secret gets into a log by way of a traceback or a formatted value
        return f"Endpoint({self.stored.id})"


class Waiting(msgspec.Struct, frozen=True, kw_only=True):
    """An event that is tried again, or waits behind one that is."""

    position: int
    keys: frozenset[UUID]
    attempts: int
    wait: float
    """Seconds until it is due."""


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """An event that was not delivered; what waits behind another waits as long as that one."""

    position: int
    id: UUID
    type: str
    entity_type: str
    entity_id: UUID
    keys: Sequence[UUID]
    state: str
    attempts: int
    wait: float
    status: int | None = None
    error: str | None = None


class Logged(msgspec.Struct, frozen=True, kw_only=True):
    """An attempt for the log."""

    id: UUID
    message_id: str
    position: int | None
    type: str
    entity_type: str | None
    entity_id: UUID | None
    attempt: int
    outcome: Outcome
    status: int | None
    error: str | None
    response: str | None
    duration_ms: int


class Round(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one round."""

    position: int
    failures: int
    rest: float | None
    done: Sequence[int]
    kept: Sequence[Kept]
    log: Sequence[Logged]


def logged(message: str, event: Event, sent: Sent, *, attempt: int, outcome: Outcome) -> Logged:
    return Logged(
        id=new_id(),
        message_id=message,
        position=event.position,
        type=event.type,
        entity_type=event.entity_type,
        entity_id=event.entity_id,
        attempt=attempt,
        outcome=outcome,
        status=sent.status,
        error=sent.error,
        response=sent.response,
        duration_ms=sent.duration_ms,
    )


class Cursors:
    """One dispatcher's hold on endpoints."""

    def __init__(self, database: Database, owner: UUID, *, lease_seconds: float) -> None:
        self._database = database
        self._owner = owner
        self._lease_seconds = lease_seconds

    async def due(self, limit: int) -> list[tuple[UUID, UUID]]:
        """Endpoints, with their tenants, that nobody serves and that have something to be sent."""
        async with self._database.unbound() as driver:
            rows = await driver.fetch(DUE, limit)
        return [(row["tenant_id"], row["webhook_id"]) for row in rows]

    async def lease(self, tenant_id: UUID, webhook_id: UUID) -> bool:
        async with self._database.bound(tenant_id) as driver:
            found = await driver.fetchval(LEASE, tenant_id, webhook_id, self._owner, self._lease_seconds)
        return found is not None

    async def renew(self, tenant_id: UUID, webhook_id: UUID) -> bool:
        """Whether it is still this one's."""
        async with self._database.bound(tenant_id) as driver:
            return bool(await driver.fetchval(RENEW, tenant_id, webhook_id, self._owner, self._lease_seconds))

    async def release(self, tenant_id: UUID, webhook_id: UUID) -> None:
        async with self._database.bound(tenant_id) as driver:
            await driver.execute(RELEASE, tenant_id, webhook_id, self._owner)

    async def waiting(self, tenant_id: UUID, webhook_id: UUID) -> list[Waiting]:
        async with self._database.bound(tenant_id) as driver:
            rows = await driver.fetch(PENDING, tenant_id, webhook_id)
        return [
            Waiting(
                position=row["position"],
                keys=frozenset(row["keys"]),
                attempts=row["attempts"],
                wait=row["wait"] or 0.0,
            )
            for row in rows
        ]

    async def events_at(self, tenant_id: UUID, positions: Sequence[int]) -> list[Event]:
        async with self._database.bound(tenant_id) as driver:
            return [event_of(row) for row in await driver.fetch(AT, tenant_id, positions)]

    async def events_after(
        self,
        tenant_id: UUID,
        after: int,
        *,
        until: int,
        limit: int,
        hidden: frozenset[str],
        scope: Scope,
        types: Sequence[str],
    ) -> list[Event]:
        """The next that are for an endpoint, oldest first."""
        places = None if scope is None else list(scope)
        async with self._database.bound(tenant_id) as driver:
            rows = await driver.fetch(NEXT, tenant_id, after, until, limit, sorted(hidden), places, types)
        return [event_of(row) for row in rows]

    async def save(self, tenant_id: UUID, webhook_id: UUID, done: Round, *, look_ahead: int) -> int | None:
        """Write down what became of a round; how many dead letters there are, or None: it is another's now."""
        is_delivered = any(entry.outcome is Outcome.DELIVERED for entry in done.log)
        async with self._database.transaction(tenant_id) as driver:
            is_ours = await driver.fetchval(
                SAVE, tenant_id, webhook_id, self._owner, done.position, done.failures, done.rest, is_delivered
            )
            if not is_ours:
                return None
            if done.done:
                await driver.execute(DONE, tenant_id, webhook_id, done.done)
            if done.kept:
                await driver.execute(KEEP, tenant_id, webhook_id, _rows(done.kept))
            if done.log:
                await write_log(driver, tenant_id, webhook_id, done.log)
            await driver.execute(SETTLE, tenant_id, webhook_id, look_ahead)
            dead: int = await driver.fetchval(DEAD, tenant_id, webhook_id)
        return dead


async def endpoint_of(driver: Driver, tenant_id: UUID, webhook_id: UUID) -> Endpoint | None:
    row = await driver.fetchrow(ENDPOINT, tenant_id, webhook_id)
    if row is None:
        return None
    return Endpoint(
        stored=stored_of(row),
        failures=row["failures"],
        is_resting=bool(row["is_resting"]),
        head=row["head"],
        secrets=tuple(row["secrets"]),
        now=row["now"],
    )


async def write_log(driver: Driver, tenant_id: UUID, webhook_id: UUID, entries: Sequence[Logged]) -> None:
    """Two statements: what came, and what is too old by now."""
    await driver.execute(LOG, tenant_id, webhook_id, _rows(entries))
    await driver.execute(PRUNE, tenant_id, webhook_id)


def _rows(rows: Sequence[msgspec.Struct]) -> str:
    plain: list[Mapping[str, Any]] = [msgspec.structs.asdict(row) for row in rows]
    return msgspec.json.encode(plain).decode()
