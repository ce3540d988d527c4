"""The load generator for machines without a compiled one: a process that reads a `Load` and answers a `Taken`.

One event loop, raw HTTP/1.1 over connections that stay open, requests made up beforehand, of an answer only its
status and length looked at: some 20 µs a request, so that it seldom is what limits.
"""

import asyncio
import gc
import resource
import sys
import time
from array import array
from itertools import cycle
from typing import cast, override
from urllib.parse import urlsplit

import msgspec
import uvloop

from tests.bench.runs import Load, Taken, percentiles

_DRAIN_SECONDS, _LONG_SECONDS = 30.0, 300.0
_LAST_CHUNK = b"\r\n0\r\n\r\n"


class Shooter:
    """All clients of a load and what they saw."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._requests = cycle(requests_of(load))
        self.latencies = array("Q")
        self.sent = self.acknowledged = self.refused = self.broken = 0
        self.trouble = ""
        self.counting = False
        self.over = False
        self._open = 0
        self._idle = asyncio.Event()

    async def run(self) -> Taken:
        loop = asyncio.get_running_loop()
        address = urlsplit(self._load.url)
        assert address.hostname is not None
        assert address.port is not None
        clients = []
        for _ in range(self._load.connections):
            _, client = await loop.create_connection(lambda: _Client(self), address.hostname, address.port)
            clients.append(client)
        self._open = len(clients)
        gc.disable()
        for client in clients:
            client.send()
        await asyncio.sleep(0 if self._load.is_long else self._load.warm_seconds)
        self.counting, started, began_at, cpu = True, time.perf_counter(), time.time(), time.process_time()
        await asyncio.sleep(self._load.seconds)
        if self._load.is_long:
            await self._drain(_LONG_SECONDS)
        self.counting, seconds, cpu = False, time.perf_counter() - started, time.process_time() - cpu
        await self._drain(_DRAIN_SECONDS)
        ordered = sorted(self.latencies)
        if not ordered:
            raise SystemExit(f"not one answer within {seconds:.1f} s; first trouble: {self.trouble or 'none'}")
        p50, p95, p99, longest = (value / 1e6 for value in percentiles(ordered))
        return Taken(
            began_at=began_at,
            seconds=seconds,
            requests=len(ordered),
            p50_ms=p50,
            p95_ms=p95,
            p99_ms=p99,
            max_ms=longest,
            sent=self.sent,
            acknowledged=self.acknowledged,
            refused=self.refused,
            broken=self.broken,
            trouble=self.trouble,
            client_cpu=cpu,
        )

    async def _drain(self, seconds: float) -> None:
        self.over = True
        async with asyncio.timeout(seconds):
            await self._idle.wait()

    def next(self) -> bytes | None:
        """The next request to be sent, while there is to be one."""
        if self.over:
            self._leave()
            return None
        self.sent += 1
        return next(self._requests)

    def lost(self, why: str) -> None:
        """A connection ended with a request on it."""
        self.broken += 1
        self.trouble = self.trouble or why
        self._leave()

    def _leave(self) -> None:
        self._open -= 1
        if self._open == 0:
            self._idle.set()


class _Client(asyncio.Protocol):
    __slots__ = ("_buffer", "_chunked", "_sent_at", "_shooter", "_transport", "_waiting")

    def __init__(self, shooter: Shooter) -> None:
        self._shooter = shooter
        self._buffer = b""
        self._chunked = False
        self._sent_at = 0
        self._waiting = False
        self._transport: asyncio.Transport

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are no subclass

    def send(self) -> None:
        request = self._shooter.next()
        if request is None:
            self._waiting = False
            self._transport.close()
            return
        self._waiting = True
        self._sent_at = time.perf_counter_ns()
        self._transport.write(request)

    @override
    def data_received(self, data: bytes) -> None:
        if self._buffer:
            data = self._buffer + data
        if not self._is_whole(data):
            return
        self._buffer = b""
        took = time.perf_counter_ns() - self._sent_at
        shooter = self._shooter
        if data[9:10] == b"2":
            shooter.acknowledged += 1
            if shooter.counting:
                shooter.latencies.append(took)
        else:
            shooter.refused += 1
            shooter.trouble = shooter.trouble or data[:2000].decode(errors="replace")
        self.send()

    def _is_whole(self, data: bytes) -> bool:
        """Whether the answer has ended; of one in chunks only its status and its end are kept."""
        if not self._chunked:
            end = data.find(b"\r\n\r\n")
            self._chunked = end >= 0 and b"\r\ntransfer-encoding: chunked" in data[:end].lower()
            if not self._chunked:
                is_whole = end >= 0 and len(data) >= end + 4 + _length(data[:end])
                self._buffer = data
                return is_whole
        is_whole = data.endswith(_LAST_CHUNK)
        self._chunked = not is_whole
        self._buffer = data[:16] + data[16:][-len(_LAST_CHUNK) :]
        return is_whole

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        if self._waiting:
            self._shooter.lost(f"the connection was lost: {exc}")


def _length(head: bytes) -> int:
    at = head.lower().find(b"\r\ncontent-length:")
    assert at >= 0, "answers of unknown length are not read"
    return int(head[at + 17 :].partition(b"\r\n")[0])


def requests_of(load: Load) -> list[bytes]:
    """Each path in turn, and with bodies each body in turn."""
    lines = [f"{name}: {value}" for name, value in {"host": urlsplit(load.url).netloc, **load.headers}.items()]
    heads = [f"{load.method} {path} HTTP/1.1\r\n" + "\r\n".join(lines) for path in load.paths]
    if not load.bodies:
        return [f"{head}\r\n\r\n".encode() for head in heads]
    bodies = [body.encode() for body in load.bodies]
    return [
        f"{head}\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body
        for head, body in zip(cycle(heads), bodies, strict=False)
    ]


def main() -> None:
    """Read a load, shoot, and say what came of it."""
    # Its files are its connections; some systems start with few.
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, most), most))
    load = msgspec.json.decode(sys.stdin.buffer.read(), type=Load)
    sys.stdout.buffer.write(msgspec.json.encode(uvloop.run(Shooter(load).run())))


if __name__ == "__main__":
    main()
