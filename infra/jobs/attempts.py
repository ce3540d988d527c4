"""The course of an attempt, written down: each statement counts only while its attempt is the last one."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec

from domain.jobs.model import Job, JobState
from domain.jobs.ports import JobCanceled, Superseded
from infra.db.pool import Database
from infra.jobs.finishing import finish
from infra.jobs.rows import COLUMNS, job_of

# What was to be canceled when its worker died is canceled now, and what has used up its attempts, each ending with
# the worker's, is given up.
TAKE_UP = f"""
    UPDATE jobs SET
        state = CASE
            WHEN cancel_requested THEN 'CANCELED' WHEN attempt >= attempts_max THEN 'FAILED' ELSE 'RUNNING' END,
        is_dead = NOT cancel_requested AND attempt >= attempts_max,
        error = CASE WHEN NOT cancel_requested AND attempt >= attempts_max
            THEN coalesce(error, 'The process that worked on it ended, with every attempt') END,
        completed_at = CASE WHEN cancel_requested OR attempt >= attempts_max THEN clock_timestamp() END,
        attempt = CASE WHEN cancel_requested OR attempt >= attempts_max THEN attempt ELSE attempt + 1 END,
        started_at = coalesce(started_at, clock_timestamp()), completed_steps = 0, current_step = NULL,
        version = version + 1, updated_at = now()
    WHERE tenant_id = $1 AND id = $2 AND state IN ('QUEUED', 'RUNNING')
    RETURNING {COLUMNS}, user_id, key_id, request_id
"""  # noqa: S608 - ours
_OURS = "tenant_id = $1 AND id = $2 AND attempt = $3 AND state = 'RUNNING'"
STEP = f"""
    UPDATE jobs SET current_step = $4, completed_steps = $5, total_steps = $6, version = version + 1,
        updated_at = now()
    WHERE {_OURS} RETURNING cancel_requested
"""  # noqa: S608 - ours
END = f"""
    UPDATE jobs SET state = $4, error = $5, is_dead = $6, completed_at = clock_timestamp(), current_step = NULL,
        version = version + 1, updated_at = now()
    WHERE {_OURS} RETURNING true
"""  # noqa: S608 - ours
# What somebody wants to be canceled meanwhile ends here, and does not wait for an attempt that it will not have.
LATER = f"""
    UPDATE jobs SET state = CASE WHEN cancel_requested THEN 'CANCELED' ELSE 'QUEUED' END,
        completed_at = CASE WHEN cancel_requested THEN clock_timestamp() END,
        error = $4, not_before = now() + $5, attempts_max = $6, current_step = NULL,
        version = version + 1, updated_at = now()
    WHERE {_OURS} RETURNING state = 'QUEUED'
"""  # noqa: S608 - ours
ATTEMPTS_LIMIT = 100


class Taken(msgspec.Struct, frozen=True, kw_only=True):
    """A job taken up, and who asked for it."""

    job: Job
    user_id: UUID | None
    key_id: UUID | None
    request_id: str


class SqlAttempts:
    """How attempts begin, go on and end."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def take_up(self, tenant_id: UUID, job_id: UUID) -> Taken | None:
        """Begin the next attempt; None where there is nothing left to do."""
        async with self._database.bound(tenant_id) as driver:
            row = await driver.fetchrow(TAKE_UP, tenant_id, job_id)
        if row is None:
            return None
        return Taken(job=job_of(row), user_id=row["user_id"], key_id=row["key_id"], request_id=row["request_id"])

    async def step(self, job: Job, current: str, completed: int, total: int) -> None:
        async with self._database.bound(job.tenant_id) as driver:
            asked_to_stop = await driver.fetchval(
                STEP, job.tenant_id, job.id, job.attempt, current[:500], min(completed, total), total
            )
        if asked_to_stop is None:
            raise Superseded
        if asked_to_stop:
            raise JobCanceled

    async def succeed(self, job: Job, result: Mapping[str, Any] | None) -> None:
        """The end of an attempt that has not finished itself; of one that has, nothing is left to write."""
        async with self._database.transaction(job.tenant_id) as driver:
            await finish(driver, job, result)

    async def end(self, job: Job, state: JobState, error: str | None = None, *, is_dead: bool = False) -> bool:
        """Whether it was still this attempt's to end."""
        async with self._database.bound(job.tenant_id) as driver:
            return bool(
                await driver.fetchval(END, job.tenant_id, job.id, job.attempt, state.value, error, is_dead)
            )

    async def later(
        self, job: Job, delay: timedelta, error: str | None, *, attempts_max: int | None = None
    ) -> bool:
        """Have it tried again; whether it is: not if it is another attempt's by now, or was to be canceled."""
        allowed = min(attempts_max or job.attempts_max, ATTEMPTS_LIMIT)
        async with self._database.bound(job.tenant_id) as driver:
            return bool(await driver.fetchval(LATER, job.tenant_id, job.id, job.attempt, error, delay, allowed))
