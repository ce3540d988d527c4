"""Hears of changes of access on a connection of its own, and knows whether it would.

A change that is not heard would leave a revoked credential working. So whoever keeps anything may rely on it only
while `is_up`: it is false from the moment that the connection fails, or does not answer, until it listens again.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import asyncpg
import structlog

from infra.access.changes import CHANNEL, Change

_log = structlog.get_logger("storekeeper.access")

SHORTEST_PAUSE = 0.1

type OnChange = Callable[[Change | None], None]
"""Called with what has changed; with None when anything may have."""


class AccessListener:
    """Listens from `start` to `stop`, over all failures in between."""

    def __init__(
        self,
        url: str,
        on_change: OnChange,
        *,
        as_role: str | None = None,
        heartbeat: float = 5.0,
        longest_pause: float = 5.0,
    ) -> None:
        self._url = url
        self._on_change = on_change
        self._as_role = as_role
        self._heartbeat = heartbeat
        self._longest_pause = longest_pause
        self._pause = SHORTEST_PAUSE
        self._task: asyncio.Task[None] | None = None
        self._up = asyncio.Event()

    @property
    def is_up(self) -> bool:
        return self._up.is_set()

    async def wait_until_up(self) -> None:
        await self._up.wait()

    def start(self) -> None:
        assert self._task is None, "it listens already"
        self._task = asyncio.create_task(self._listen_always(), name="access-listener")

    async def stop(self) -> None:
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

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
            await connection.add_listener(CHANNEL, self._heard)
            # What changed while nobody listened is not known: nothing kept from before may stay.
            self._on_change(None)
            self._up.set()
            self._pause = SHORTEST_PAUSE
            while not lost.is_set():
                with suppress(TimeoutError):
                    await asyncio.wait_for(lost.wait(), self._heartbeat)
                    break
                # A connection can be dead without anybody having said so.
                await connection.execute("SELECT 1", timeout=self._heartbeat)
            raise ConnectionResetError
        finally:
            self._down()
            with suppress(OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
                await connection.close(timeout=2)

    def _lost(self, lost: asyncio.Event) -> None:
        self._down()
        lost.set()

    def _down(self) -> None:
        if self._up.is_set():
            self._up.clear()
            self._on_change(None)

    def _heard(self, _connection: Any, _pid: int, _channel: str, payload: object) -> None:
        self._on_change(Change.read(str(payload)))
