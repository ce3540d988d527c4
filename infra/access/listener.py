"""Hears of changes of access on a connection of its own, and makes sure that all other listeners have heard.

A change that is not heard would leave a revoked credential working. So whoever keeps anything may rely on it only
while `is_up`: on a connection that has answered lately. Notices come before the answer to whatever is asked after
them, so an answer proves that all was heard until it was asked for, and trust lasts two seconds from there.

That is what `confirm` builds on. Listeners hold a shared advisory lock, by which they are found. Each is asked, by
a notice behind those of the changes, and acknowledges. One that does not is waited for as long as it could still
trust what it remembers. See infra/decisions/0006.
"""

import asyncio
import itertools
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import asyncpg
import structlog

from infra.access.changes import CHANNEL, Change

_log = structlog.get_logger("storekeeper.access")

SHORTEST_PAUSE = 0.1
LEASE = 2.0
"""For how long after a question that was answered everything counts as heard."""
LISTENING = (0x53544B52, 1)
"""The advisory lock that listeners share, one in a database."""

_QUESTION = "confirm"
_ASK = """
    SELECT pg_notify($1, $2), array(
        SELECT l.pid FROM pg_locks l JOIN pg_database d ON d.oid = l.database
        WHERE d.datname = current_database() AND l.locktype = 'advisory' AND l.objsubid = 2 AND l.granted
            AND l.classid = $3 AND l.objid = $4
    ) AS listeners
"""
_ANSWER = "SELECT pg_notify($1 || asker, number) FROM unnest($2::text[], $3::text[]) AS t (asker, number)"
_END = """
    SELECT pg_terminate_backend(pid) FROM pg_locks
    WHERE locktype = 'advisory' AND objsubid = 2 AND classid = $1 AND objid = $2 AND pid = ANY ($3)
"""

type OnChange = Callable[[Change | None], None]
"""Called with what has changed; with None when anything may have."""
type Connection = asyncpg.Connection[Any]


class _Round:
    """One question to all listeners."""

    def __init__(self) -> None:
        self.answered = asyncio.Event()
        self._asked: frozenset[int] | None = None
        self._heard: set[int] = set()

    def ask(self, listeners: frozenset[int]) -> None:
        self._asked = listeners
        self._conclude()

    def hear(self, listener: int) -> None:
        # An answer may be faster than the news whom we have asked.
        self._heard.add(listener)
        self._conclude()

    @property
    def silent(self) -> frozenset[int]:
        return (self._asked or frozenset()) - self._heard

    def _conclude(self) -> None:
        if self._asked is not None and not self.silent:
            self.answered.set()


class AccessListener:
    """Listens from `start` to `stop`, over all failures in between. Is the port `Revocations`."""

    def __init__(
        self,
        url: str,
        *,
        as_role: str | None = None,
        heartbeat: float = 0.5,
        patience: float = 5.0,
        longest_pause: float = 5.0,
    ) -> None:
        self._url = url
        self._as_role = as_role
        self._heartbeat = heartbeat
        self._patience = patience
        self._longest_pause = longest_pause
        self._pause = SHORTEST_PAUSE
        self._on_change: list[OnChange] = []
        self._task: asyncio.Task[None] | None = None
        self._up = asyncio.Event()
        self._trusted_until = 0.0
        self._awake = asyncio.Event()
        self._pid = 0
        self._numbers = itertools.count()
        self._next: _Round | None = None
        self._rounds: dict[str, _Round] = {}
        self._questions: list[tuple[str, str]] = []

    @property
    def is_up(self) -> bool:
        return self._up.is_set() and time.monotonic() < self._trusted_until

    async def wait_until_up(self) -> None:
        await self._up.wait()

    def subscribe(self, on_change: OnChange) -> None:
        self._on_change.append(on_change)

    def start(self) -> None:
        assert self._task is None, "it listens already"
        self._task = asyncio.create_task(self._listen_always(), name="access-listener")

    async def stop(self) -> None:
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def confirm(self) -> None:
        # Those who come while a question is on its way need another, and share it.
        if self._next is None:
            self._next = _Round()
        waited_for = self._next
        self._awake.set()
        try:
            async with asyncio.timeout(LEASE * 1.1):  # clocks of two hosts do not run quite alike
                await waited_for.answered.wait()
        except TimeoutError:
            silent = waited_for.silent
            _log.warning("revocation_outwaited", silent=len(silent), is_up=self.is_up)
            self._rounds = {n: r for n, r in self._rounds.items() if r is not waited_for}
            if silent:
                await self._end(silent)

    async def _listen_always(self) -> None:
        while True:
            try:
                await self._listen_once()
            except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                _log.warning("access_listener_down", error=type(error).__name__, retry_seconds=self._pause)
            await asyncio.sleep(self._pause)
            self._pause = min(self._pause * 2, self._longest_pause)

    async def _listen_once(self) -> None:
        """Listen until the connection fails."""
        settings = {"application_name": "storekeeper-access"}
        if self._as_role is not None:
            settings["role"] = self._as_role
        connection = await asyncpg.connect(self._url, server_settings=settings, timeout=10, command_timeout=10)
        lost = asyncio.Event()
        try:
            connection.add_termination_listener(lambda _: self._lost(lost))
            self._pid = await connection.fetchval("SELECT pg_backend_pid()")
            # Nobody answers any more what was asked on the connection before this one.
            self._questions.clear()
            self._rounds.clear()
            await connection.add_listener(CHANNEL, self._heard)
            await connection.add_listener(f"{CHANNEL}_{self._pid}", self._answered)
            # Known as a listener first, and trusting what it remembers only then.
            await connection.execute("SELECT pg_advisory_lock_shared($1, $2)", *LISTENING)
            # What changed while nobody listened is not known: nothing kept from before may stay.
            self._tell(None)
            while not lost.is_set():
                self._awake.clear()
                asked_at = time.monotonic()
                async with asyncio.timeout(self._patience):
                    await self._converse(connection)
                self._trusted_until = asked_at + LEASE
                self._up.set()
                self._pause = SHORTEST_PAUSE
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._awake.wait(), self._heartbeat)
            raise ConnectionResetError
        finally:
            self._down()
            with suppress(OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
                await connection.close(timeout=2)

    async def _converse(self, connection: Connection) -> None:
        """Answer, ask, or at least see that the connection answers."""
        idle = True
        questions, self._questions = self._questions, []
        if questions:
            idle = False
            askers, numbers = zip(*questions, strict=True)
            await connection.execute(_ANSWER, f"{CHANNEL}_", askers, numbers)
        current, self._next = self._next, None
        if current is not None:
            idle = False
            number = str(next(self._numbers))
            self._rounds[number] = current
            question = f"{_QUESTION}:{self._pid}:{number}"
            row = await connection.fetchrow(_ASK, CHANNEL, question, *LISTENING)
            assert row is not None
            current.ask(frozenset(row["listeners"]))
            self._forget_answered(number)
        if idle:
            await connection.execute("SELECT 1")

    async def _end(self, silent: frozenset[int]) -> None:
        """Cut off those who no longer answer, so that nobody waits for them again."""
        # As the login itself: the role that it takes may not end what the login began.
        with suppress(OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
            connection = await asyncpg.connect(self._url, timeout=2, command_timeout=2)
            try:
                await connection.execute(_END, *LISTENING, list(silent))
            finally:
                await connection.close(timeout=2)

    def _lost(self, lost: asyncio.Event) -> None:
        self._down()
        lost.set()
        self._awake.set()

    def _down(self) -> None:
        if self._up.is_set():
            self._up.clear()
            self._tell(None)

    def _tell(self, change: Change | None) -> None:
        for on_change in self._on_change:
            on_change(change)

    def _heard(self, _connection: Any, _pid: int, _channel: str, payload: object) -> None:
        kind, _, rest = str(payload).partition(":")
        if kind != _QUESTION:
            self._tell(Change.read(str(payload)))
            return
        # What was announced before this question has been dealt with, in the order in which it came.
        asker, _, number = rest.partition(":")
        if asker == str(self._pid):
            self._conclude(number, self._pid)
        else:
            self._questions.append((asker, number))
            self._awake.set()

    def _answered(self, _connection: Any, pid: int, _channel: str, payload: object) -> None:
        self._conclude(str(payload), pid)

    def _conclude(self, number: str, listener: int) -> None:
        current = self._rounds.get(number)
        if current is not None:
            current.hear(listener)
            self._forget_answered(number)

    def _forget_answered(self, number: str) -> None:
        if number in self._rounds and self._rounds[number].answered.is_set():
            del self._rounds[number]


async def confirm_once(url: str) -> None:
    """`confirm` for a process that is about to end, and remembers nothing itself."""
    listener = AccessListener(url)
    listener.start()
    try:
        await listener.confirm()
    finally:
        await listener.stop()
