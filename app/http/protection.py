"""Headers that every answer carries: what a browser must not do with it.

An answer that says something of its own (the page its policy, a stylesheet how long it keeps) is left to it.
"""

from collections.abc import MutableMapping
from typing import Any

from app.http.tracing import App, Receive, Scope, Send

_DEFAULTS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    # Nothing that the API answers is a page: were it shown as one, it could load, run, send and be framed nowhere.
    (
        b"content-security-policy",
        b"default-src 'none'; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    # Stock, people and rights are not left behind in a browser or a proxy.
    (b"cache-control", b"no-store"),
)
_TWO_YEARS = 2 * 365 * 86_400
_OVER_TLS = (b"strict-transport-security", b"max-age=%d; includeSubDomains" % _TWO_YEARS)


class Protected:
    """An ASGI application whose answers carry these headers; `tls`: whoever reaches it by TLS shall do only so."""

    def __init__(self, app: App, *, tls: bool) -> None:
        self._app = app
        self._headers = (*_DEFAULTS, _OVER_TLS) if tls else _DEFAULTS

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def sending(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                own = list(message.get("headers", ()))
                names = {name for name, _ in own}
                message["headers"] = [*own, *(header for header in self._headers if header[0] not in names)]
            await send(message)

        await self._app(scope, receive, sending)
