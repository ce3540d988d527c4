"""The application in the test's own process, over a real database: for what must be measured or taken apart."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any

import httpx
import msgspec
from litestar import Litestar
from structlog.testing import capture_logs

from app.http.draining import Drained
from app.http.tracing import Traced
from app.main import litestar_app
from app.settings import Schedules, Settings
from infra.observability.requests import request_id
from tests.lab import DatabaseUrls


class Inside(msgspec.Struct, frozen=True, kw_only=True):
    """A client of the application, and what the application has logged."""

    http: httpx.AsyncClient
    logged: list[Any]

    @property
    def faults(self) -> list[Any]:
        """What was answered as a fault of ours, with its exception."""
        return [(entry.get("path"), entry.get("exc_info")) for entry in self.logged if entry["event"] == "fault"]


@asynccontextmanager
async def inside(urls: DatabaseUrls) -> AsyncGenerator[Inside]:
    settings = Settings(database_url=urls.app_url, pool_size=4, schedules=Schedules.OFF)
    app = litestar_app(settings)
    traced = Traced(Drained(app), request_id=request_id, observe=lambda *_: None)
    no_cookies = CookieJar(DefaultCookiePolicy(allowed_domains=[]))
    transport = httpx.ASGITransport(app=traced)
    with capture_logs() as logged:
        async with (
            _alive(app),
            httpx.AsyncClient(
                transport=transport, base_url="http://inside", cookies=no_cookies, timeout=60
            ) as http,
        ):
            yield Inside(http=http, logged=logged)


@asynccontextmanager
async def _alive(app: Litestar) -> AsyncGenerator[None]:
    """The application's life, in a task of its own: a fixture may begin and end in different ones."""
    up, over = asyncio.Event(), asyncio.Event()

    async def live() -> None:
        async with app.lifespan():
            up.set()
            await over.wait()

    life = asyncio.create_task(live())
    waiting = asyncio.create_task(up.wait())
    await asyncio.wait({life, waiting}, return_when=asyncio.FIRST_COMPLETED)
    try:
        yield
    finally:
        over.set()
        waiting.cancel()
        await life
