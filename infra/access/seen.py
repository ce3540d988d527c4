"""Writes down when sessions and keys were last used: soon, and in nobody's way.

Uses are gathered and written by one task every few seconds, one statement a tenant. What is still to be written
when the process dies is lost: a last use that is a minute off, and a session that may end a minute early.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from uuid import UUID

import structlog

from infra.access.changes import Kind

_log = structlog.get_logger("storekeeper.access")

type Write = Callable[[Kind, UUID, Iterable[UUID]], Awaitable[None]]


class SeenWriter:
    """Gathers from `start` to `stop`."""

    def __init__(self, write: Write, *, pause: float) -> None:
        self._write = write
        self._pause = pause
        self._pending: dict[tuple[Kind, UUID], set[UUID]] = {}
        self._task: asyncio.Task[None] | None = None

    def note(self, kind: Kind, tenant_id: UUID, id_: UUID) -> None:
        self._pending.setdefault((kind, tenant_id), set()).add(id_)

    def start(self) -> None:
        assert self._task is None, "it writes already"
        self._task = asyncio.create_task(self._write_always(), name="access-seen")

    async def stop(self) -> None:
        """Write what is left, and end."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        await self.flush()

    async def flush(self) -> None:
        pending, self._pending = self._pending, {}
        for (kind, tenant_id), ids in pending.items():
            try:
                await self._write(kind, tenant_id, ids)
            except Exception as error:  # noqa: BLE001 - of the least importance, and it must not end the task
                _log.warning("seen_not_written", kind=kind, count=len(ids), error=type(error).__name__)

    async def _write_always(self) -> None:
        while True:
            await asyncio.sleep(self._pause)
            await self.flush()
