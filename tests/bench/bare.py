"""The limit of reads: a bare ASGI application that runs the same statement and encodes its rows, and does no more.

And of what comes in bulk: see by_hand.py.

No router, no authentication, no request id, no log, no metrics. One asyncpg pool of the size that the application
has, bound to the tenant when it connects.
"""

import os
import pickle
import sys
from collections.abc import Awaitable, Callable
from itertools import cycle
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
from granian import Granian
from granian.constants import Interfaces
from granian.log import LogLevels

from infra.db.pool import APP_ROLE, TenantConnection
from tests.bench.by_hand import BY_HAND

PLAN = "STOREKEEPER_BENCH_PLAN"
POOL = 8

type Statements = list[tuple[str, tuple[Any, ...]]]
type Send = Callable[[dict[str, Any]], Awaitable[None]]
type Receive = Callable[[], Awaitable[dict[str, Any]]]


class Plan:
    """What to answer under which path; handed over in a file, since arguments are Python values."""

    def __init__(
        self,
        *,
        url: str,
        tenant: str,
        answers: dict[str, list[Statements]],
        streamed: frozenset[str],
        refreshed: UUID,
    ) -> None:
        self.url = url
        self.tenant = tenant
        self.answers = answers
        """By path: each of the answers in turn. One without statements needs no database."""
        self.streamed = streamed
        """Paths whose answer is sent on statement by statement."""
        self.refreshed = refreshed
        """The location that is refreshed as a whole."""


def write_plan(file: Path, plan: Plan) -> None:
    file.write_bytes(pickle.dumps(plan))


class Bare:
    """The application."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._turns = {path: cycle(answers) for path, answers in plan.answers.items()}
        self._encoder = msgspec.json.Encoder(decimal_format="number")
        self._pool: asyncpg.Pool[Any]

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        content = await self._content(receive) if scope["method"] == "POST" else b""
        if scope["path"] in BY_HAND:
            async with self._pool.acquire() as connection:
                moved = await BY_HAND[scope["path"]](connection, content, self._plan.refreshed)
            await self._answer(send, self._encoder.encode({"success": True, "moved": moved}))
            return
        statements = next(self._turns[scope["path"]]) if scope["path"] in self._turns else []
        if scope["path"] in self._plan.streamed:
            await self._stream(statements, send)
            return
        if statements:
            async with self._pool.acquire() as connection:
                rows = [await connection.fetch(statement, *arguments) for statement, arguments in statements]
            body = self._encoder.encode({"data": [dict(row) for each in rows for row in each]})
        else:
            body = b'{"success":true}'
        await self._answer(send, body)

    async def _content(self, receive: Receive) -> bytes:
        parts, more = [], True
        while more:
            message = await receive()
            parts.append(message.get("body", b""))
            more = message.get("more_body", False)
        return b"".join(parts)

    async def _answer(self, send: Send, body: bytes) -> None:
        head = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": head})
        await send({"type": "http.response.body", "body": body})

    async def _stream(self, statements: Statements, send: Send) -> None:
        head = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": 200, "headers": head})
        for statement, arguments in statements:
            async with self._pool.acquire() as connection:
                rows = await connection.fetch(statement, *arguments)
            body = self._encoder.encode([dict(row) for row in rows])
            await send({"type": "http.response.body", "body": body, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        self._pool = await asyncpg.create_pool(
            self._plan.url,
            min_size=1,
            max_size=POOL,
            max_queries=0x7FFFFFFF,
            max_inactive_connection_lifetime=0,
            connection_class=TenantConnection,
            server_settings={"role": APP_ROLE, "app.tenant": self._plan.tenant, "jit": "off"},
        )
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self._pool.close()
        await send({"type": "lifespan.shutdown.complete"})


def application() -> Bare:
    """The application of one worker process."""
    return Bare(pickle.loads(Path(os.environ[PLAN]).read_bytes()))  # noqa: S301 - write_plan wrote it a moment ago


def main(port: int, workers: int) -> None:
    """Serve like the application is served."""
    Granian(
        "tests.bench.bare:application",
        factory=True,
        port=port,
        interface=Interfaces.ASGI,
        workers=workers,
        websockets=False,
        log_level=LogLevels.warning,
    ).serve()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
