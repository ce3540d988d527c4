"""Around every request: an early refusal waits until what was sent along has been read.

A server that closes a connection with unread bytes on it resets it, and a client that is still sending sees the
reset and not the answer. So what is left of a body is read and thrown away first, within bounds: past them the
client may have its reset.
"""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from app.http.tracing import App, Receive, Scope, Send

LONGEST = 64 << 20
"""Bytes that are thrown away; one who announces more is answered at once."""
PATIENCE = 3.0
"""Seconds that a slow sender is waited for."""


class Drained:
    """An ASGI application whose answers are not lost to a body that nobody wanted to read."""

    def __init__(self, app: App, *, longest: int = LONGEST, patience: float = PATIENCE) -> None:
        self._app = app
        self._longest = longest
        self._patience = patience

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not self._is_worth_it(dict(scope["headers"])):
            await self._app(scope, receive, send)
            return
        ended = False

        async def receiving() -> MutableMapping[str, Any]:
            nonlocal ended
            message = await receive()
            ended = message["type"] != "http.request" or not message.get("more_body", False)
            return message

        async def sending(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start" and not ended:
                await self._drain(receiving, lambda: ended)
            await send(message)

        await self._app(scope, receiving, sending)

    def _is_worth_it(self, headers: dict[bytes, bytes]) -> bool:
        if b"expect" in headers:
            return False  # the sender waits for our word, and a refusal is one
        length = headers.get(b"content-length", b"0")
        announced = int(length) if length.isdigit() and len(length) < len(str(1 << 64)) else self._longest + 1
        return b"transfer-encoding" in headers or 0 < announced <= self._longest

    async def _drain(
        self, receive: Callable[[], Awaitable[MutableMapping[str, Any]]], is_over: Callable[[], bool]
    ) -> None:
        left = self._longest
        try:
            async with asyncio.timeout(self._patience):
                while left > 0 and not is_over():
                    left -= len((await receive()).get("body", b""))
        except TimeoutError:
            pass
