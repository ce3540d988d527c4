"""Takes up jobs as long as the process runs: woken by NOTIFY, over all failures of its connection."""

import asyncio
from contextlib import suppress
from datetime import timedelta
from typing import Any, Protocol
from uuid import UUID

import asyncpg
import msgspec
import structlog

from infra.jobs.enqueueing import CHANNEL, Entry
from infra.jobs.runner import Runner

SHORTEST_PAUSE, LONGEST_PAUSE = 0.2, 5.0
ASLEEP_SECONDS = 30.0
HAND_BACK_SECONDS = 10.0
IS_EMPTY = "SELECT NOT EXISTS (SELECT FROM queue.pgqueuer)"

type Connection = asyncpg.Connection[Any]

_entries = msgspec.json.Decoder(Entry)
_log = structlog.get_logger("storekeeper.jobs")


class _Picking(Protocol):
    """`infra.jobs.transport.Transport`, which is loaded late."""

    def stop(self) -> None: ...


class JobWorker:
    """A `Background`: works from `start` to `stop` on a connection of its own, `hands` jobs at a time."""

    def __init__(
        self,
        url: str,
        runner: Runner,
        *,
        as_role: str | None = None,
        hands: int = 2,
        heartbeat: timedelta = timedelta(seconds=30),
        grace: float = 3.0,
    ) -> None:
        self._url = url
        self._runner = runner
        self._as_role = as_role
        self._hands = hands
        self._heartbeat = heartbeat
        self._grace = grace
        self._stopping = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._picking: _Picking | None = None
        self._earlier: list[UUID] = []
        self._attempts: set[asyncio.Task[timedelta | None]] = set()

    async def start(self) -> None:
        assert self._task is None, "it works already"
        self._task = asyncio.create_task(self._work_always(), name="job-worker")

    async def stop(self) -> None:
        """Take up nothing more, let what runs end if it soon does, and hand back the rest."""
        self._stopping.set()
        if self._picking is not None:
            self._picking.stop()
        task, self._task = self._task, None
        if task is None:
            return
        if self._attempts:
            await asyncio.wait(self._attempts, timeout=self._grace)
        for attempt in self._attempts:
            attempt.cancel()
        _, late = await asyncio.wait([task], timeout=HAND_BACK_SECONDS)
        for one in late:
            one.cancel()
            with suppress(asyncio.CancelledError):
                await one

    async def _work_always(self) -> None:
        pause = SHORTEST_PAUSE
        while not self._stopping.is_set():
            try:
                await self._work_once()
                pause = SHORTEST_PAUSE
            except Exception as error:  # noqa: BLE001 - whatever ended it, there are jobs to be done
                _log.warning("job_worker_down", error=type(error).__name__, retry_seconds=pause)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), pause)
            pause = min(pause * 2, LONGEST_PAUSE)

    async def _work_once(self) -> None:
        """Work until the connection fails or the process ends; what runs is ended, or handed back, before."""
        settings = {"application_name": "storekeeper-jobs", "jit": "off"}
        if self._as_role is not None:
            settings["role"] = self._as_role
        connection = await asyncpg.connect(self._url, server_settings=settings, timeout=10, command_timeout=30)
        try:
            if not self._earlier:
                await self._sleep_until_needed(connection)
            if self._stopping.is_set():
                return
            # In a thread, so that requests are answered while it loads.
            transport = await asyncio.to_thread(_transport)
            picking = transport(connection, self._execute, hands=self._hands, heartbeat=self._heartbeat)
            # What this process had picked on a connection that was lost, nobody works on any more.
            if self._earlier:
                await picking.give_up(self._earlier)
            self._earlier = [picking.id]
            self._picking = picking
            if not self._stopping.is_set():
                await picking.run()
        finally:
            self._picking = None
            with suppress(OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
                await connection.close(timeout=2)

    async def _sleep_until_needed(self, connection: Connection) -> None:
        """Return when there is something in the queue, or the process is to end.

        Raises:
            ConnectionResetError: the connection was lost.
        """
        woken = asyncio.Event()
        ended = asyncio.create_task(self._stopping.wait())

        def heard(*_: object) -> None:
            woken.set()

        try:
            await connection.add_listener(CHANNEL, heard)
            connection.add_termination_listener(lambda _: woken.set())
            while not self._stopping.is_set() and await connection.fetchval(IS_EMPTY):
                notice = asyncio.create_task(woken.wait())
                await asyncio.wait([notice, ended], timeout=ASLEEP_SECONDS, return_when=asyncio.FIRST_COMPLETED)
                notice.cancel()
                woken.clear()
                if connection.is_closed():
                    raise ConnectionResetError
            await connection.remove_listener(CHANNEL, heard)
        finally:
            ended.cancel()

    async def _execute(self, payload: bytes) -> timedelta | None:
        entry = _entries.decode(payload)
        running = self._runner.run(entry.tenant_id, entry.job_id)
        attempt = asyncio.create_task(running, name=f"job-{entry.job_id}")
        self._attempts.add(attempt)
        try:
            return await attempt
        finally:
            self._attempts.discard(attempt)


def _transport() -> Any:
    from infra.jobs.transport import Transport  # noqa: PLC0415 - see there

    return Transport
