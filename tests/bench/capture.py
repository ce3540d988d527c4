"""What the application says to the database: read off the driver while the application answers a request."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import httpx
import msgspec
from asyncpg.connection import LoggedQuery

from app.http.tracing import Traced
from app.main import configure_logging, litestar_app
from app.settings import Jobs, LogLevel, Settings
from infra.access.authenticator import CachedAuthenticator
from infra.db import pool
from infra.observability.requests import request_id
from tests.lab import DatabaseUrls

_BIND = pool.BIND
_LISTENING_SECONDS = 10
_TIMES = 3
"""The first request of a kind binds connections and fills caches; the last is what the others will be like."""


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A request, its answer, and the statements that it took, with their arguments."""

    status: int
    body: bytes
    statements: list[tuple[str, tuple[Any, ...]]]


class Caught:
    """The application in this process, over a database, with every statement noted."""

    def __init__(self, client: httpx.AsyncClient, notes: list[LoggedQuery]) -> None:
        self._client = client
        self._notes = notes

    async def ask(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str],
        body: str | bytes | None = None,
        times: int = _TIMES,
    ) -> Asked:
        """What such a request does once the application is warm."""
        answer: httpx.Response | None = None
        for _ in range(times):
            self._notes.clear()
            answer = await self._client.request(method, path, headers=headers, content=body)
            await asyncio.sleep(0)  # the driver tells its listeners in the next turn of the loop
        assert answer is not None
        statements = [(note.query, note.args) for note in self._notes if note.query != _BIND]
        return Asked(status=answer.status_code, body=answer.content, statements=statements)


async def _listening(authenticator: CachedAuthenticator) -> None:
    """Credentials are not remembered before their changes are heard of."""
    async with asyncio.timeout(_LISTENING_SECONDS):
        while not authenticator.listener.is_up:  # noqa: ASYNC110 - it offers no event
            await asyncio.sleep(0.01)


@asynccontextmanager
async def caught(urls: DatabaseUrls) -> AsyncIterator[Caught]:
    """The application over a database, for as long as this is open."""
    settings = Settings(database_url=urls.app_url, log_level=LogLevel.ERROR, jobs=Jobs.OUTSIDE)
    configure_logging(settings)
    notes: list[LoggedQuery] = []
    prepare = pool._init

    async def noting(connection: Any) -> None:
        await prepare(connection)
        connection.add_query_logger(notes.append)

    pool._init = noting
    try:
        app = litestar_app(settings)
        async with app.lifespan():
            await _listening(app.state.authenticator)
            traced = Traced(app, request_id=request_id, observe=lambda *_: None)
            transport = httpx.ASGITransport(app=traced)
            async with httpx.AsyncClient(transport=transport, base_url="http://bench") as client:
                yield Caught(client, notes)
    finally:
        pool._init = prepare
