"""Many clients in one process: requests made beforehand, on connections that stay open and meet all workers."""

import asyncio
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Self
from urllib.parse import urlsplit

import msgspec

CLIENTS = 64
BROKEN = 0
"""The status of an answer that did not come."""


class Answer(msgspec.Struct, frozen=True):
    """What came back; the head as it was sent, with names in lower case."""

    status: int
    head: bytes
    body: bytes

    @property
    def code(self) -> str:
        """The refusal's code; empty for what was done. The import surface tells none but by its status."""
        if self.status < 400:
            return ""
        told = self.json
        known = told.get("details") or told.get("error") or {}
        return str(known.get("code", self.status))

    @property
    def json(self) -> Any:
        return msgspec.json.decode(self.body)

    def header(self, name: str) -> str | None:
        for line in self.head.split(b"\r\n")[1:]:
            key, _, value = line.partition(b":")
            if key.strip().lower() == name.lower().encode():
                return value.strip().decode()
        return None


NOTHING = Answer(BROKEN, b"", b"")


def request(
    method: str, path: str, headers: Mapping[str, str], body: Any = None, *, key: str | None = None
) -> bytes:
    """A request as it goes over the wire."""
    content = b"" if body is None else body if isinstance(body, bytes) else msgspec.json.encode(body)
    lines = {"Host": "storekeeper", **headers, "Content-Length": str(len(content))}
    if content:
        lines["Content-Type"] = "application/json"
    if key is not None:
        lines["Idempotency-Key"] = key
    head = "\r\n".join([f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in lines.items())])
    return head.encode() + b"\r\n\r\n" + content


class Line:
    """One connection, which is opened again when it was lost."""

    def __init__(self, url: str) -> None:
        address = urlsplit(url)
        self._address = address.hostname, address.port
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def open(self) -> Self:
        self._reader, self._writer = await asyncio.open_connection(*self._address)
        return self

    async def ask(self, sent: bytes) -> Answer:
        """Its answer; `NOTHING` when the connection was lost, so that nobody knows what became of it."""
        try:
            if self._reader is None or self._writer is None:
                await self.open()
            assert self._reader is not None
            assert self._writer is not None
            self._writer.write(sent)
            head = await self._reader.readuntil(b"\r\n\r\n")
            length = _length(head)
            body = await self._reader.readexactly(length) if length else b""
        except (OSError, EOFError):
            self.close()
            return NOTHING
        return Answer(int(head[9:12]), head, body)

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
        self._reader = self._writer = None


def _length(head: bytes) -> int:
    at = head.lower().find(b"\r\ncontent-length:")
    assert at >= 0, "an answer without a length is not one of ours"
    return int(head[at + 17 :].partition(b"\r\n")[0])


@asynccontextmanager
async def lines(url: str, number: int = CLIENTS) -> AsyncGenerator[list[Line]]:
    """Open connections, spread over the workers."""
    opened = [await Line(url).open() for _ in range(number)]
    try:
        yield opened
    finally:
        for line in opened:
            line.close()


async def fire(url: str, requests: Sequence[bytes], *, clients: int = CLIENTS) -> list[Answer]:
    """All of them, as fast as so many clients can; the answers in the order of the requests."""
    answers: list[Answer] = [NOTHING] * len(requests)
    waiting = iter(range(len(requests)))

    async def client(line: Line) -> None:
        for number in waiting:
            answers[number] = await line.ask(requests[number])

    async with lines(url, min(clients, len(requests))) as opened:
        await asyncio.gather(*map(client, opened))
    return answers


async def at_once(url: str, requests: Iterable[bytes]) -> list[Answer]:
    """Each on a connection of its own, all sent together."""
    sent = list(requests)
    async with lines(url, len(sent)) as opened:
        return await asyncio.gather(*(line.ask(one) for line, one in zip(opened, sent, strict=True)))
