"""The limit of reads: a bare ASGI application that runs the same statement and encodes its rows, and does no more.

No router, no authentication, no request id, no log, no metrics. One asyncpg pool of the size that the application
has, bound to the tenant when it connects.
"""

import os
import pickle
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import asyncpg
import msgspec
from granian import Granian
from granian.constants import Interfaces
from granian.log import LogLevels

from infra.db.pool import APP_ROLE, TenantConnection

PLAN = "STOREKEEPER_BENCH_PLAN"
POOL = 8

type Send = Callable[[dict[str, Any]], Awaitable[None]]
type Receive = Callable[[], Awaitable[dict[str, Any]]]


class Plan:
    """What to answer under which path; handed over in a file, since arguments are Python values."""

    def __init__(self, *, url: str, tenant: str, statements: dict[str, list[tuple[str, tuple[Any, ...]]]]) -> None:
        self.url = url
        self.tenant = tenant
        self.statements = statements
        """By path: none for an answer that needs no database."""


def write_plan(file: Path, plan: Plan) -> None:
    file.write_bytes(pickle.dumps(plan))


class Bare:
    """The application."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._encoder = msgspec.json.Encoder(decimal_format="number")
        self._pool: asyncpg.Pool[Any]

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        statements = self._plan.statements.get(scope["path"], [])
        if statements:
            async with self._pool.acquire() as connection:
                rows = [await connection.fetch(statement, *arguments) for statement, arguments in statements]
            body = self._encoder.encode({"data": [dict(row) for each in rows for row in each]})
        else:
            body = b'{"success":true}'
        head = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": head})
        await send({"type": "http.response.body", "body": body})

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
