"""One attempt at a job, from taking it up to what is written of its end."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from datetime import timedelta
from uuid import UUID

import structlog

from domain.access.model import Act
from domain.errors import DomainError
from domain.jobs.model import Job, JobState
from domain.jobs.ports import FinishingWork, JobCanceled, JobHandler, Result, Superseded
from domain.jobs.rules import passes, retry_delay, told
from infra.db.errors import AWAY
from infra.jobs.actors import SqlActors
from infra.jobs.attempts import SqlAttempts, Taken
from infra.observability.metrics import JOB_SECONDS, JOBS_ENDED, JOBS_RUNNING

UNKNOWN_DELAY = timedelta(minutes=1)
"""How long a job waits whose type this process does not know: another version of the application may."""
HANDED_BACK = "The process that worked on it was stopped"
_PAUSES = (0.2, 0.5, 1.0, 2.0, 4.0)

_log = structlog.get_logger("storekeeper.jobs")


class _Attempt:
    """The port `Running`."""

    def __init__(self, attempts: SqlAttempts, job: Job, act: Act) -> None:
        self._attempts = attempts
        self._job = job
        self._act = act

    @property
    def job(self) -> Job:
        return self._job

    @property
    def act(self) -> Act:
        return self._act

    async def step(self, current: str, completed: int, total: int) -> None:
        await self._attempts.step(self._job, current, completed, total)

    async def finish_in(self, work: FinishingWork, result: Result | None = None) -> None:
        await work.finish_job(self._job, result)


class Runner:
    """Does jobs, each by the handler of its type."""

    def __init__(self, attempts: SqlAttempts, actors: SqlActors, handlers: Mapping[str, JobHandler]) -> None:
        self._attempts = attempts
        self._actors = actors
        self._handlers = handlers

    async def run(self, tenant_id: UUID, job_id: UUID) -> timedelta | None:
        """Make one attempt. After how long to come again, or None when the job has ended, or is another's."""
        taken = await self._attempts.take_up(tenant_id, job_id)
        if taken is None:
            return None
        job = taken.job
        if job.state is not JobState.RUNNING:
            self._ended(job, job.state, error=job.error)
            return None
        handler = self._handlers.get(job.type)
        if handler is None:
            _log.error("job_type_unknown", **_named(job))
            return await self._later(job, UNKNOWN_DELAY, f"No handler knows {job.type}", is_free=True)
        started = time.perf_counter()
        JOBS_RUNNING.inc()
        try:
            return await self._attempt(taken, handler)
        finally:
            JOBS_RUNNING.dec()
            JOB_SECONDS.labels(job.type).observe(time.perf_counter() - started)

    async def _attempt(self, taken: Taken, handler: JobHandler) -> timedelta | None:
        job = taken.job
        try:
            act = await self._actors.act_of(taken)
            result = await handler(_Attempt(self._attempts, job, act))
            # Of a job that was finished in the handler's own transaction nothing is left to write here.
            with suppress(Superseded):
                await self._patiently(lambda: self._attempts.succeed(job, result))
        except JobCanceled:
            await self._end(job, JobState.CANCELED)
        except Superseded:
            _log.warning("job_superseded", **_named(job))
        except asyncio.CancelledError:
            # Shielded: the next worker goes on at once with what this one gives up.
            return await asyncio.shield(self._later(job, timedelta(0), HANDED_BACK, is_free=True))
        except Exception as error:  # noqa: BLE001 - whatever it is, it is written down and tried again
            return await self._failed(job, error)
        else:
            self._ended(job, JobState.SUCCEEDED)
        return None

    async def _failed(self, job: Job, error: Exception) -> timedelta | None:
        may_pass = passes(error)
        if may_pass and job.attempt < job.attempts_max:
            delay = retry_delay(job.attempt, random.random())  # noqa: S311 - jitter, no secret
            _log.warning(
                "job_attempt_failed",
                **_named(job),
                error=type(error).__name__,
                retry_seconds=round(delay.total_seconds(), 1),
                exc_info=not isinstance(error, DomainError),
            )
            return await self._later(job, delay, told(error))
        if not isinstance(error, DomainError):
            _log.error("job_failed", **_named(job), error=type(error).__name__, exc_info=True)
        await self._end(job, JobState.FAILED, told(error), is_dead=may_pass)
        return None

    async def _end(self, job: Job, state: JobState, error: str | None = None, *, is_dead: bool = False) -> None:
        if await self._patiently(lambda: self._attempts.end(job, state, error, is_dead=is_dead)):
            self._ended(job, state, error=error)

    async def _later(self, job: Job, delay: timedelta, error: str, *, is_free: bool = False) -> timedelta | None:
        """An attempt that is free does not count against those that the job has."""
        attempts_max = job.attempts_max + 1 if is_free else job.attempts_max
        ours = await self._patiently(lambda: self._attempts.later(job, delay, error, attempts_max=attempts_max))
        return delay if ours else None

    @staticmethod
    async def _patiently[T](write: Callable[[], Awaitable[T]]) -> T:
        """Over a restart of the database: what is not written down is found out only by the lost heartbeat."""
        for pause in _PAUSES:
            try:
                return await write()
            except (*AWAY, DomainError) as error:
                if not passes(error):
                    raise
                await asyncio.sleep(pause)
        return await write()

    @staticmethod
    def _ended(job: Job, state: JobState, *, error: str | None = None) -> None:
        JOBS_ENDED.labels(job.type, state.value).inc()
        _log.info("job_ended", **_named(job), state=state.value, attempt=job.attempt, error=error)


def _named(job: Job) -> dict[str, str]:
    return {"job": str(job.id), "type": job.type, "tenant": str(job.tenant_id)}
