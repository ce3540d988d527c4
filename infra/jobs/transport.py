"""pgqueuer as we use it: its tables stand in the schema `queue`; it picks, limits and keeps up heartbeats.

Loaded with the first job that a process has to do (worker.py): it brings half a second of other libraries.
"""

from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from functools import cache
from typing import Any, override
from uuid import UUID

import asyncpg
from pgqueuer.adapters.drivers.asyncpg import AsyncpgDriver
from pgqueuer.adapters.persistence.qb import QueryBuilderEnvironment, QueryQueueBuilder, QuerySchedulerBuilder
from pgqueuer.adapters.persistence.queries import Queries
from pgqueuer.core.qm import QueueManager
from pgqueuer.domain.errors import RetryRequested
from pgqueuer.domain.models import Job as QueuedJob
from pgqueuer.domain.models import TracebackRecord
from pgqueuer.domain.settings import DBSettings
from pgqueuer.domain.types import JOB_STATUS, Channel

from infra.jobs.enqueueing import CHANNEL

type Connection = asyncpg.Connection[Any]

ENTRYPOINT = "job"
IDLE = timedelta(seconds=30)
"""How long a worker sleeps that nobody wakes."""
BUSY_PAUSE = timedelta(seconds=0.5)
"""How soon a worker looks again that has no hand free, should nobody wake it."""
AGAIN = timedelta(seconds=5)
"""How soon an entry comes again whose attempt ended in a fault of ours, instead of being dropped."""
# Entries and who had picked them. An entry's log goes with it: what became of the job is in the table of jobs.
END = """
    WITH ended AS (
        DELETE FROM queue.pgqueuer q USING unnest($1::bigint[], $2::uuid[]) AS e (id, manager)
        WHERE q.id = e.id AND q.queue_manager_id = e.manager RETURNING q.id
    )
    DELETE FROM queue.pgqueuer_log l USING ended WHERE l.job_id = ended.id
"""
HAND_BACK = """
    UPDATE queue.pgqueuer q SET status = 'queued', execute_after = now() + $3::interval, attempts = q.attempts + 1,
        updated = now(), queue_manager_id = NULL
    FROM unnest($1::bigint[], $2::uuid[]) AS e (id, manager)
    WHERE q.id = e.id AND q.queue_manager_id = e.manager
"""
GIVE_UP = """
    UPDATE queue.pgqueuer SET status = 'queued', execute_after = now(), updated = now(), queue_manager_id = NULL
    WHERE queue_manager_id = ANY ($1::uuid[])
"""
# As its trigger tells of entries that come and go; it does not tell of those that are handed back.
TELL = """
    SELECT pg_notify($1::text, json_build_object('channel', $1::text, 'operation', 'update', 'sent_at', now(),
        'table', 'pgqueuer', 'type', 'table_changed_event')::text)
"""


class FencedQueries(Queries):
    """Writes only to entries that the worker still holds, and drops none whose job has not ended.

    pgqueuer would end an entry by its id alone: a worker that was thought dead would take it from the one that has
    picked it since. And it would drop one whose attempt ended in a fault, or was canceled with its process.
    """

    @override
    async def log_jobs(self, job_status: list[tuple[QueuedJob, JOB_STATUS, TracebackRecord | None]]) -> None:
        ended = [job for job, status, _ in job_status if status == "successful"]
        faulty = [job for job, status, _ in job_status if status != "successful"]
        if ended:
            await self.driver.execute(END, *_held(ended))
        if faulty:
            await self._hand_back(faulty, AGAIN)

    @override
    async def retry_job(self, job: QueuedJob, delay: timedelta, traceback_record: TracebackRecord | None) -> None:
        await self._hand_back([job], delay)

    async def give_up(self, managers: Sequence[UUID]) -> None:
        """Let others have what these had picked."""
        await self.driver.execute(GIVE_UP, list(managers))
        await self.driver.execute(TELL, CHANNEL)

    async def _hand_back(self, jobs: Sequence[QueuedJob], delay: timedelta) -> None:
        await self.driver.execute(HAND_BACK, *_held(jobs), delay)
        await self.driver.execute(TELL, CHANNEL)


def _held(jobs: Sequence[QueuedJob]) -> tuple[list[Any], list[Any]]:
    return [job.id for job in jobs], [job.queue_manager_id for job in jobs]


@cache
def settings() -> DBSettings:
    """Every name is given, so that no variable of the environment changes where we look."""
    return DBSettings(
        prefix="",
        db_schema="queue",
        channel=Channel(CHANNEL),
        function="fn_pgqueuer_changed",
        statistics_table="pgqueuer_statistics",
        queue_status_type="pgqueuer_status",
        queue_table="pgqueuer",
        queue_table_log="pgqueuer_log",
        trigger="tg_pgqueuer_changed",
        schedules_table="pgqueuer_schedules",
    )


class _Manager(QueueManager):
    """Without its look at the tables, twelve questions at each start: our revision says what there is."""

    @override
    async def verify_structure(self) -> None:
        pass


class Transport:
    """pgqueuer on one connection, from `run` to `stop` or the connection's end."""

    def __init__(
        self,
        connection: Connection,
        execute: Callable[[bytes], Awaitable[timedelta | None]],
        *,
        hands: int,
        heartbeat: timedelta,
    ) -> None:
        self._execute = execute
        self._hands = hands
        self._heartbeat = heartbeat
        self._queries = FencedQueries(
            AsyncpgDriver(connection),
            QueryBuilderEnvironment(settings()),
            QueryQueueBuilder(settings()),
            QuerySchedulerBuilder(settings()),
        )
        self._manager = _Manager(self._queries, channel=settings().channel)
        self._manager.min_dequeue_poll_interval = BUSY_PAUSE
        self._manager.entrypoint(ENTRYPOINT, accepts_context=False)(self._run_one)
        connection.add_termination_listener(lambda _: self.stop())

    @property
    def id(self) -> UUID:
        """By which entries know who has picked them."""
        return self._manager.queue_manager_id

    async def give_up(self, pickers: Sequence[UUID]) -> None:
        """Let others have what these had picked: they are gone."""
        await self._queries.give_up(pickers)

    async def run(self) -> None:
        """Pick and do entries; returns when all that was picked has been done or handed back."""
        await self._manager.run(
            # Entries of the dead tell nobody: they are found by whoever looks.
            dequeue_timeout=min(IDLE, self._heartbeat),
            batch_size=max(self._hands // 2, 1),
            max_concurrent_tasks=self._hands,
            shutdown_on_listener_failure=True,
            heartbeat_timeout=self._heartbeat,
            log_aggregation_interval=timedelta(0),
        )

    def stop(self) -> None:
        """Pick nothing more."""
        self._manager.shutdown.set()

    async def _run_one(self, queued: QueuedJob) -> None:
        again = await self._execute(queued.payload or b"")
        if again is not None:
            raise RetryRequested(again)
