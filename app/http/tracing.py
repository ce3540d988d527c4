"""Around every request: its id, one line in the log, and its figures.

It stands outside of the framework, so that what the framework itself refuses is seen as well.
"""

import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import structlog

type Scope = MutableMapping[str, Any]
type Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
type Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
type App = Callable[[Any, Any, Any], Awaitable[None]]

HEADER = b"x-request-id"
QUIET = frozenset({"/health", "/ready", "/metrics"})
"""Called every few seconds by machines: not worth a line each."""

_log = structlog.get_logger("storekeeper.http")


class Traced:
    """An ASGI application with request ids, access log and metrics."""

    def __init__(
        self,
        app: App,
        *,
        request_id: Callable[[str | None], str],
        observe: Callable[[str, str, int, float], None],
    ) -> None:
        self._app = app
        self._request_id = request_id
        self._observe = observe

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        offered = next((value for name, value in scope["headers"] if name == HEADER), None)
        request_id = self._request_id(offered.decode("latin-1") if offered else None)
        scope["request_id"] = request_id
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request_id)
        started = time.perf_counter()
        status = 500

        async def sending(message: MutableMapping[str, Any]) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = int(message["status"])
                message["headers"] = [
                    *message.get("headers", ()),
                    (HEADER, request_id.encode()),
                    *scope.get("rate_headers", ()),
                ]
            await send(message)

        try:
            await self._app(scope, receive, sending)
        finally:
            seconds = time.perf_counter() - started
            route = scope.get("path_template") or "unmatched"
            self._observe(scope["method"], route, status, seconds)
            if scope["path"] not in QUIET:
                _log.info(
                    "request",
                    method=scope["method"],
                    route=route,
                    path=scope["path"],
                    status=status,
                    ms=round(seconds * 1000, 2),
                )
