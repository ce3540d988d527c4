"""Asks for the regular work of all tenants, once for each turn, however many processes look for it."""

import asyncio
import random
from collections.abc import Sequence
from contextlib import suppress
from typing import Any
from uuid import UUID

import asyncpg
import structlog

from domain.access.model import Act
from domain.values import new_id
from infra.db.pool import Database
from infra.db.work import ACTING, who_acts
from infra.jobs.actors import system_caller
from infra.jobs.enqueueing import Asked, enqueue
from infra.jobs.regular import REGULAR, Regular, next_turn, spread
from infra.observability.metrics import JOBS_WAITING

LOOK_SECONDS = 60.0
NOW = "SELECT now() AS now, (SELECT count(*) FROM queue.pgqueuer) AS waiting"
# $1 types, $2 their next turns, $3 within what time tenants follow each other, each at a place of its own.
_TURN = "t.next_at + t.spread * (abs(hashtext(s.tenant_id::text)::bigint) % 1000) / 1000.0"
SEED = f"""
    INSERT INTO queue.schedules (tenant_id, type, next_at)
    SELECT s.tenant_id, t.type, {_TURN}
    FROM queue.tenants s
    CROSS JOIN unnest($1::text[], $2::timestamptz[], $3::interval[]) AS t (type, next_at, spread)
    WHERE NOT EXISTS (SELECT FROM queue.schedules x WHERE x.tenant_id = s.tenant_id AND x.type = t.type)
    ON CONFLICT DO NOTHING
"""  # noqa: S608 - ours
TAKE = f"""
    UPDATE queue.schedules s SET next_at = {_TURN}
    FROM unnest($1::text[], $2::timestamptz[], $3::interval[]) AS t (type, next_at, spread)
    WHERE s.type = t.type AND (s.tenant_id, s.type) = (
        SELECT x.tenant_id, x.type FROM queue.schedules x
        WHERE x.next_at <= now() AND x.type = ANY ($1) ORDER BY x.next_at LIMIT 1 FOR UPDATE SKIP LOCKED
    )
    RETURNING s.tenant_id, s.type
"""  # noqa: S608 - ours
BIND = "SELECT set_config('app.tenant', $1, true)"
IS_ACTIVE = "SELECT EXISTS (SELECT FROM tenants WHERE id = $1 AND is_active)"
IS_ASKED_FOR = """
    SELECT EXISTS (
        SELECT FROM jobs WHERE tenant_id = $1 AND type = $2 AND created_by = $1 AND state IN ('QUEUED', 'RUNNING')
    )
"""
# What the queue has lost, by a hand or by a restore, comes back: a job that waits or runs has an entry.
LOST = """
    INSERT INTO queue.pgqueuer (priority, entrypoint, payload, execute_after, status)
    SELECT 0, 'job', e.payload, greatest(j.not_before, now()), 'queued' FROM jobs j
    CROSS JOIN LATERAL (
        SELECT convert_to('{"tenant_id":"' || j.tenant_id || '","job_id":"' || j.id || '"}', 'UTF8') AS payload
    ) e
    WHERE j.tenant_id = $1 AND j.state IN ('QUEUED', 'RUNNING')
        AND NOT EXISTS (SELECT FROM queue.pgqueuer q WHERE q.payload = e.payload)
"""

_log = structlog.get_logger("storekeeper.jobs")


class Scheduler:
    """A `Background`: looks once a minute for turns that have come."""

    def __init__(self, database: Database, *, night_hour: int = 2, regular: Sequence[Regular] = REGULAR) -> None:
        self._database = database
        self._night_hour = night_hour
        self._regular = {work.type: work for work in regular}
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        assert self._task is None, "it looks already"
        self._task = asyncio.create_task(self._look_always(), name="job-scheduler")

    async def stop(self) -> None:
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def look(self) -> int:
        """Ask for all whose turn has come; how many turns there were."""
        async with self._database.unbound() as driver:
            row = await driver.fetchrow(NOW)
            assert row is not None
            turns = self._turns(row["now"])
            await driver.execute(SEED, *turns)
        JOBS_WAITING.set(row["waiting"])
        taken = 0
        while await self._take_one(turns):
            taken += 1
        return taken

    async def _look_always(self) -> None:
        while True:
            # Processes that were started together do not look together.
            await asyncio.sleep(LOOK_SECONDS * random.uniform(0.5, 1.0))  # noqa: S311 - jitter, no secret
            try:
                await self.look()
            except Exception as error:  # noqa: BLE001 - the next look finds what this one did not
                _log.warning("schedule_not_looked_at", error=type(error).__name__)

    def _turns(self, now: Any) -> tuple[list[str], list[Any], list[Any]]:
        works = self._regular.values()
        return (
            list(self._regular),
            [next_turn(work, now, night_hour=self._night_hour) for work in works],
            [spread(work) for work in works],
        )

    async def _take_one(self, turns: tuple[list[str], list[Any], list[Any]]) -> bool:
        """One turn of one tenant: it is taken and its job asked for in one transaction, or neither."""
        async with self._database.unbound() as driver, driver.transaction():
            row = await driver.fetchrow(TAKE, *turns)
            if row is None:
                return False
            tenant_id, work = row["tenant_id"], self._regular[row["type"]]
            try:
                async with driver.transaction():
                    await self._ask_where_due(driver, tenant_id, work)
            except (asyncpg.PostgresError, TimeoutError) as error:
                # Its turn is over all the same: it would come first with each look, and no other tenant ever.
                named = {"tenant": str(tenant_id), "type": work.type}
                _log.error("schedule_turn_broken", **named, error=type(error).__name__)
        return True

    @staticmethod
    async def _ask_where_due(driver: Any, tenant_id: UUID, work: Regular) -> None:
        await driver.execute(BIND, str(tenant_id))
        if await driver.fetchval(IS_ACTIVE, tenant_id):
            await driver.execute(LOST, tenant_id)
            if not await driver.fetchval(IS_ASKED_FOR, tenant_id, work.type) and (
                work.is_due is None or await driver.fetchval(work.is_due, tenant_id)
            ):
                await ask_for(driver, tenant_id, work)


async def ask_for(driver: Any, tenant_id: UUID, work: Regular) -> UUID:
    """Ask for a regular job now, in a transaction that is bound to the tenant."""
    id_ = new_id()
    caller = system_caller(tenant_id)
    act = Act(caller=caller, permission=work.permission, operation="schedule", request_id=f"schedule-{id_}")
    await driver.execute(ACTING, who_acts(caller, act.request_id))
    await enqueue(driver, act, Asked(id=id_, type=work.type, description=work.description, arguments={}))
    return id_
