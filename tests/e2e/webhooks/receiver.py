"""A receiver of webhooks: a real HTTP server, as ill-behaved as it is told to be."""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from enum import StrEnum
from typing import Any

import msgspec
from standardwebhooks.webhooks import Webhook, WebhookVerificationError


class Does(StrEnum):
    """What it does with a call."""

    ACCEPT = "accept"
    FAIL = "fail"
    HANG = "hang"
    REDIRECT = "redirect"
    RESET = "reset"
    SLOW = "slow"
    GONE = "gone"
    BUSY = "busy"
    FLOOD = "flood"
    ABSURD = "absurd"


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """A call that came in whole."""

    path: str
    headers: dict[str, str]
    text: str
    event: Any
    does: Does
    at: float

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def is_accepted(self) -> bool:
        return self.does in {Does.ACCEPT, Does.SLOW, Does.FLOOD}


ANSWERS = {
    Does.ACCEPT: b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    Does.SLOW: b"HTTP/1.1 204 No Content\r\n\r\n",
    Does.FAIL: b"HTTP/1.1 500 Broken\r\nContent-Length: 6\r\n\r\nbroken",
    Does.GONE: b"HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n",
    Does.BUSY: b"HTTP/1.1 503 Busy\r\nRetry-After: 120\r\nContent-Length: 0\r\n\r\n",
    Does.ABSURD: (
        b"HTTP/1.1 503 Busy\r\nRetry-After: Mon, 01 Jan 99999999999999 00:00:00 GMT\r\nContent-Length: 0\r\n\r\n"
    ),
    Does.REDIRECT: b"HTTP/1.1 307 Elsewhere\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n",
    Does.FLOOD: b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n",
}


class Receiver:
    """What came in, in order, and what was done with it."""

    def __init__(self, behave: Callable[[Any], Does]) -> None:
        self.behave = behave
        self.calls: list[Call] = []
        self.reached: set[int] = set()
        """Positions of the events that it has accepted."""
        self.strayed = 0
        """Calls to where it redirects to."""
        self.flooded = 0
        self.port = 0
        self._more = asyncio.Condition()
        self._open: set[asyncio.StreamWriter] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    @property
    def accepted(self) -> list[Call]:
        return [call for call in self.calls if call.is_accepted]

    async def until(self, is_enough: Callable[[], bool], seconds: float = 600) -> None:
        """Wait until a call has made something true."""
        async with asyncio.timeout(seconds), self._more:
            await self._more.wait_for(is_enough)

    async def until_more(self, calls: int) -> None:
        seen = len(self.calls)
        await self.until(lambda: len(self.calls) >= seen + calls)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            with suppress(asyncio.IncompleteReadError, ConnectionError):
                while await self._answer(reader, writer):
                    pass
        finally:
            self._open.discard(writer)
            writer.close()

    def close(self) -> None:
        for writer in self._open:
            writer.transport.abort()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines if line)}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        path = first.split(" ")[1]
        if not path.startswith("/hook"):
            self.strayed += 1
        event = msgspec.json.decode(body)
        does = self.behave(event)
        call = Call(path=path, headers=headers, text=body.decode(), event=event, does=does, at=time.time())
        self.calls.append(call)
        if call.is_accepted and "position" in event:
            self.reached.add(event["position"])
        async with self._more:
            self._more.notify_all()
        if does is Does.RESET:
            writer.transport.abort()
            return False
        if does is Does.HANG:
            await reader.read()  # until the caller hangs up
            return False
        if does is Does.SLOW:
            await asyncio.sleep(0.02)
        answer = ANSWERS[does]
        writer.write(answer % f"http://127.0.0.1:{self.port}/elsewhere".encode() if b"%s" in answer else answer)
        await writer.drain()
        while does is Does.FLOOD:
            writer.write(b"x" * 65_536)
            await writer.drain()
            self.flooded += 65_536
        return True


@asynccontextmanager
async def a_receiver(behave: Callable[[Any], Does] = lambda _: Does.ACCEPT) -> AsyncGenerator[Receiver]:
    receiver = Receiver(behave)
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        server.close()
        receiver.close()


def is_signed(call: Call, secret: str) -> bool:
    """Whether a receiver with this secret would believe it, by the published library."""
    try:
        Webhook(secret).verify(call.text, call.headers)
    except WebhookVerificationError:
        return False
    return True
