"""The life of a document as one flow: its requests in their order, each made of the answer to the one before.

The same code runs in this process, where the statements are noted, and in a process of its own, which is the load:
it reads a `FlowLoad` and answers a `Taken`, in which a flow counts as one request. It looks at how each ended.
"""

import asyncio
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import count
from typing import Any
from urllib.parse import urlsplit

import msgspec
import uvloop

from tests.bench.flowing import Ask, FlowError, Site, Who, answer_of, content_of, content_type_of
from tests.bench.refreshing import refresh, refresh_by_hand
from tests.bench.runs import Taken, percentiles

COUNTS, REQUESTS = "/api/inventory/cycle-count", "/api/stock-requests"
COUNTED_LINES = 1_000
_LINES_PER_PRODUCT = 8  # at the largest location: see tests/plans/stock.py
_CALL = 500
"""Lines that are counted or resolved in one call at most."""
_ASKED_LINES = 3
_STRIDE = 7919


async def count_lines(ask: Ask, site: Site, number: int) -> None:
    """One has counted one more on every line; another finds the same; a third accepts and it is posted."""
    products = site.products[: COUNTED_LINES // _LINES_PER_PRODUCT]
    wanted = {"locationId": site.origin, "type": "PARTIAL", "productMasterIds": products, "blind": False}
    batch = (await ask("POST", COUNTS, 0, wanted))["data"]["id"]
    path = f"{COUNTS}/{batch}"
    await ask("POST", path, 0, {"action": "start"})
    lines: list[Any] = []
    while True:
        answer = await ask("GET", f"{path}?limit={_CALL}&page={len(lines) // _CALL + 1}", 0, None)
        lines += answer["data"]["lines"]
        if len(lines) >= answer["pagination"]["total"]:
            break
    calls = [lines[n : n + _CALL] for n in range(0, len(lines), _CALL)]
    counts = [[{"lineId": one["id"], "countedQty": one["snapshotQty"] + 1} for one in call] for call in calls]
    for counted in counts:
        await ask("POST", path, 0, {"action": "record", "counts": counted})
    await ask("POST", path, 0, {"action": "complete"})
    for call in calls:
        await ask("POST", f"{COUNTS}/resolve", 2, _resolution(batch, call, "RECOUNT", site))
    for counted in counts:
        await ask("POST", path, 1, {"action": "record", "counts": counted})
    status = ""
    for call in calls:
        resolved = await ask("POST", f"{COUNTS}/resolve", 2, _resolution(batch, call, "ACCEPT", site))
        status = resolved["batch"]["status"]
    _require(status, "COMPLETED")


def _resolution(batch: str, lines: Sequence[Any], action: str, site: Site) -> object:
    why = {"action": action, "comment": "Looked at"} | (
        {"reasonCodeId": site.reason} if action == "ACCEPT" else {}
    )
    return {"batchId": batch, "resolutions": [{"lineId": line["id"], **why} for line in lines]}


async def fulfil_request(ask: Ask, site: Site, number: int) -> None:
    """One asks for some of three products, another approves, and the first picks, lets leave and receives."""
    chosen = [site.products[(number * _STRIDE + n) % len(site.products)] for n in range(_ASKED_LINES)]
    draft = {
        "originLocationId": site.origin,
        "destinationLocationId": site.destination,
        "lines": [{"productMasterId": product, "quantity": 1} for product in chosen],
    }
    request = (await ask("POST", REQUESTS, 0, draft))["data"]
    path = f"{REQUESTS}/{request['id']}"
    request = (await ask("POST", f"{path}/submit", 0, {}))["data"]
    await ask("POST", f"{path}/approve", 1, {"expectedVersion": request["version"]})
    for action in ("pick", "issue", "receive"):
        request = (await ask("POST", f"{path}/status", 0, {"action": action}))["data"]
    _require(request["state"], "RECEIVED")
    _require(sum(line["received"] for line in request["lines"]), _ASKED_LINES)


def _require(found: object, wanted: object) -> None:
    if found != wanted:
        raise FlowError(f"a flow ended with {found}, not {wanted}")


FLOWS: Mapping[str, Callable[[Ask, Site, int], Awaitable[None]]] = {
    "count": count_lines,
    "request": fulfil_request,
    "refresh": refresh,
    "refresh-by-hand": refresh_by_hand,
}


class FlowLoad(msgspec.Struct, frozen=True, kw_only=True):
    """Flows one after the other, by `connections` clients side by side."""

    url: str
    flow: str
    site: Site
    connections: int
    seconds: float


class Http:
    """A connection that stays open, over which one request at a time is asked."""

    def __init__(
        self, load: FlowLoad, host: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._host = host
        self._site = load.site
        self._reader = reader
        self._writer = writer

    @classmethod
    @asynccontextmanager
    async def opened(cls, load: FlowLoad) -> AsyncIterator["Http"]:
        address = urlsplit(load.url)
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        try:
            yield cls(load, address.netloc, reader, writer)
        finally:
            writer.close()

    async def ask(self, method: str, path: str, who: Who, body: object) -> Any:
        content = content_of(body)
        head = (
            f"{method} {path} HTTP/1.1\r\nhost: {self._host}\r\n"
            f"authorization: Bearer {self._site.secret(who)}\r\n"
            f"content-type: {content_type_of(body)}\r\ncontent-length: {len(content)}\r\n\r\n"
        )
        self._writer.write(head.encode() + content)
        told = (await self._reader.readuntil(b"\r\n\r\n")).lower()
        length = int(told.split(b"\r\ncontent-length:")[1].split(b"\r\n")[0])
        return answer_of(int(told[9:12]), await self._reader.readexactly(length), f"{method} {path}")


class _Flowing:
    def __init__(self, load: FlowLoad) -> None:
        self._load = load
        self._numbers = count()
        self.latencies: list[float] = []
        self.done = 0
        self.trouble = ""

    async def run(self) -> Taken:
        """The first flow of each client is not counted; those under way when the time is up are waited for."""
        load = self._load
        async with AsyncExitStack() as stack:
            clients = [await stack.enter_async_context(Http.opened(load)) for _ in range(load.connections)]
            refused = sum(await asyncio.gather(*(self._flow(client) for client in clients)))
            self.latencies.clear()
            started, began_at, cpu = time.perf_counter(), time.time(), time.process_time()
            until = started + load.seconds
            refused += sum(await asyncio.gather(*(self._flow_on(client, until) for client in clients)))
            seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
        if not self.latencies:
            raise SystemExit(f"not one flow came to its end; first trouble: {self.trouble or 'none'}")
        p50, p95, p99, longest = percentiles(sorted(self.latencies))
        return Taken(
            began_at=began_at,
            seconds=seconds,
            requests=len(self.latencies),
            p50_ms=p50,
            p95_ms=p95,
            p99_ms=p99,
            max_ms=longest,
            sent=self.done + refused,
            acknowledged=self.done,
            refused=refused,
            trouble=self.trouble,
            client_cpu=cpu,
        )

    async def _flow_on(self, client: Http, until: float) -> int:
        """Flows until the time is up or one goes wrong; how many did."""
        refused = 0
        while not refused and time.perf_counter() < until:
            refused = await self._flow(client)
        return refused

    async def _flow(self, client: Http) -> int:
        began = time.perf_counter()
        try:
            await FLOWS[self._load.flow](client.ask, self._load.site, next(self._numbers))
        except FlowError as error:
            self.trouble = self.trouble or str(error)
            return 1
        self.done += 1
        self.latencies.append((time.perf_counter() - began) * 1000)
        return 0


def run_flows(load: FlowLoad) -> Taken:
    """A load in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.flows"],
        input=msgspec.json.encode(load),
        capture_output=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"the flows failed: {done.stderr.decode(errors='replace')[-2000:]}")
    return msgspec.json.decode(done.stdout, type=Taken)


def main() -> None:
    """Read a load, let it flow, and say what came of it."""
    load = msgspec.json.decode(sys.stdin.buffer.read(), type=FlowLoad)
    sys.stdout.buffer.write(msgspec.json.encode(uvloop.run(_Flowing(load).run())))


if __name__ == "__main__":
    main()
