"""What is measured: each request, the connections that send it, and what it is measured against."""

from collections.abc import Callable, Sequence
from random import Random
from typing import Any, Literal

import msgspec

from tests.bench.capture import Asked, Caught
from tests.bench.flowing import FlowError, Site, Who, answer_of, content_of, content_type_of
from tests.bench.flows import FLOWS
from tests.bench.stage import EMAIL, PASSWORD, Ledger
from tests.plans.selling import CHANNELS, product_id

type Limit = Literal["pgbench", "bare", "unnest", "copy", "hash", "none"]
type Caller = Literal["key", "x-api-key", "token", "nobody"]

CONNECTIONS = (1, 8, 32, 128)
BULK_ITEMS = 100
CHECKED_ITEMS = 20
PAGE = 50
MATRIX = "/api/inventory/channel-location?locationId={location}"
BODIES = 20_000
"""Bodies made up for a run: more than it sends of most, so that lines are as random as pgbench's."""
_ASKED_BODIES = 50
STRIDE = 7919
"""A prime: the lines of one call lie far from each other, and are different ones."""

LIMITS: dict[Limit, str] = {
    "pgbench": "pgbench, the same statement, prepared",
    "bare": "bare ASGI handler, the same SQL on the driver",
    "unnest": "bare ASGI handler: decode, and one statement on tables of its own",
    "copy": "bare ASGI handler: COPY, and one statement on tables of its own",
    "hash": "the hash alone, as many threads",
    "none": "none: each flow makes rows of its own, that its statements name",
}


class Requests(msgspec.Struct, frozen=True, kw_only=True):
    """What the clients of a scenario send in turn."""

    method: str = "GET"
    paths: Sequence[str]
    bodies: Sequence[str] = ()


type Bodies = Callable[[Ledger, Random, int], list[str]]


class Scenario(msgspec.Struct, frozen=True, kw_only=True):
    """`path` may name a list whose last page is only found by asking: see `prepare`."""

    name: str
    title: str
    path: str
    limit: Limit
    connections: tuple[int, ...]
    method: str = "GET"
    bodies: Bodies | None = None
    movements: int = 0
    """What one request adds to the ledger."""
    claims: int = 0
    """What one request adds to the reservations."""
    hot: bool = False
    is_list: bool = False
    """Its time must not grow with the ledger."""
    deep: bool = False
    """The last page of the list at `path`, by its cursor."""
    streamed: bool = False
    """The answer comes in parts; it has a whole location, so its time grows with the ledger."""
    caller: Caller = "key"
    flow: str = ""
    """Not one request but many, each made of the answer to the one before: one of `flows.FLOWS`."""
    asked: bool = False
    """It needs a year of stock requests."""

    @property
    def is_long(self) -> bool:
        """One request may take longer than a run is to last."""
        return self.streamed or self.limit == "unnest"

    @property
    def stores(self) -> int:
        """What one request leaves behind: movements or claims."""
        return self.movements or self.claims

    def headers(self, ledger: Ledger) -> dict[str, str]:
        headers = {
            "key": {"authorization": f"Bearer {ledger.key}"},
            "x-api-key": {"x-api-key": ledger.key},
            "token": {"authorization": f"Bearer {ledger.token}"},
            "nobody": {},
        }[self.caller]
        return {**headers, "content-type": "application/json"} if self.bodies else headers

    def some_bodies(self, ledger: Ledger, seed: str, count: int = BODIES) -> list[str]:
        return self.bodies(ledger, Random(f"{self.name} {seed}"), count) if self.bodies else []


def _adjustment(ledger: Ledger, random: Random, line: int) -> dict[str, object]:
    return {
        "inventoryItemId": ledger.line(line),
        "type": random.choice(("INCREASE", "DECREASE")),
        "quantity": 1,
        "reasonCodeId": str(ledger.stock.reason_code_id),
    }


def _spread(ledger: Ledger, random: Random, count: int) -> list[str]:
    return [
        msgspec.json.encode(_adjustment(ledger, random, random.randrange(ledger.lines))).decode()
        for _ in range(count)
    ]


def _hot(ledger: Ledger, random: Random, count: int) -> list[str]:
    return [msgspec.json.encode(_adjustment(ledger, random, 0)).decode() for _ in range(min(count, 100))]


def _bulk(ledger: Ledger, random: Random, count: int) -> list[str]:
    bodies = []
    for _ in range(min(count, 500)):
        first = random.randrange(ledger.lines)
        lines = [(first + n * STRIDE) % ledger.lines for n in range(BULK_ITEMS)]
        bodies.append(msgspec.json.encode({"items": [_adjustment(ledger, random, n) for n in lines]}).decode())
    return bodies


def _login(ledger: Ledger, random: Random, count: int) -> list[str]:
    return [msgspec.json.encode({"email": EMAIL, "password": PASSWORD}).decode()]


def _check(ledger: Ledger, random: Random, count: int) -> list[str]:
    bodies = []
    for _ in range(min(count, 2_000)):
        first = random.randrange(ledger.products)
        items = [_item(ledger, random, (first + n * STRIDE) % ledger.products) for n in range(CHECKED_ITEMS)]
        bodies.append(msgspec.json.encode({"items": items}).decode())
    return bodies


def _item(ledger: Ledger, random: Random, product: int) -> dict[str, object]:
    return {
        "productMasterId": str(product_id(product)),
        "locationId": str(ledger.stock.locations[0]),
        "channelId": str(random.choice(ledger.selling.channels)),
        "quantityNeeded": random.randrange(1, 100),
    }


def _suggest(ledger: Ledger, random: Random, count: int) -> list[str]:
    return [msgspec.json.encode({"locationId": str(ledger.stock.locations[0]), "limit": PAGE}).decode()]


def _reserve(ledger: Ledger, random: Random, count: int) -> list[str]:
    return [_reservation(ledger, random.randrange(ledger.products)) for _ in range(count)]


def _reserve_hot(ledger: Ledger, random: Random, count: int) -> list[str]:
    return [_reservation(ledger, 0)]


def _reservation(ledger: Ledger, product: int) -> str:
    item = {
        "productMasterId": str(product_id(product)),
        "locationId": str(ledger.stock.locations[0]),
        "channelId": str(ledger.selling.channels[0]),
        "quantityNeeded": 1,
    }
    return msgspec.json.encode({"items": [item], "ttlSeconds": 86_400}).decode()


SCENARIOS = (
    Scenario(
        name="me",
        title="Empty authenticated GET (/api/auth/me)",
        path="/api/auth/me",
        limit="bare",
        connections=(8, 32),
    ),
    Scenario(
        name="adjust-spread",
        title="Adjust, random lines",
        method="POST",
        path="/api/inventory/adjust",
        bodies=_spread,
        limit="pgbench",
        connections=CONNECTIONS,
        movements=1,
    ),
    Scenario(
        name="adjust-hot",
        title="Adjust, one line",
        method="POST",
        path="/api/inventory/adjust",
        bodies=_hot,
        limit="pgbench",
        connections=CONNECTIONS,
        movements=1,
        hot=True,
    ),
    Scenario(
        name="adjust-bulk",
        title=f"Adjust {BULK_ITEMS} items in one call",
        method="POST",
        path="/api/inventory/adjust",
        bodies=_bulk,
        limit="pgbench",
        connections=(8,),
        movements=BULK_ITEMS,
    ),
    Scenario(
        name="list-first",
        title=f"Stock list, first page of {PAGE}",
        path=f"/api/inventory?limit={PAGE}",
        limit="bare",
        connections=(8, 32),
        is_list=True,
    ),
    Scenario(
        name="list-last",
        title=f"Stock list, last page of {PAGE} by cursor",
        path=f"/api/inventory?limit={PAGE}",
        limit="bare",
        connections=(8,),
        is_list=True,
        deep=True,
    ),
    Scenario(
        name="movements",
        title=f"Movements, page of {PAGE}",
        path=f"/api/inventory/movements?limit={PAGE}",
        limit="bare",
        connections=(8, 32),
        is_list=True,
    ),
    Scenario(
        name="atp-page",
        title=f"ATP matrix, page of {PAGE} products × {CHANNELS} channels",  # noqa: RUF001 - as the API has it
        path=f"{MATRIX}&limit={PAGE}",
        limit="bare",
        connections=(8, 32),
        is_list=True,
    ),
    Scenario(
        name="atp-csv",
        title="ATP matrix of a whole location as CSV",
        path=f"{MATRIX}&format=csv",
        limit="bare",
        connections=(1,),
        streamed=True,
    ),
    Scenario(
        name="check",
        title=f"Availability check of {CHECKED_ITEMS} items",
        method="POST",
        path="/api/inventory/availability/check",
        bodies=_check,
        limit="bare",
        connections=(8, 32),
        is_list=True,
    ),
    Scenario(
        name="reserve-spread",
        title="Reserve, random products",
        method="POST",
        path="/api/inventory/reservations",
        bodies=_reserve,
        limit="pgbench",
        connections=(8, 32),
        claims=1,
    ),
    Scenario(
        name="reserve-hot",
        title="Reserve, one product",
        method="POST",
        path="/api/inventory/reservations",
        bodies=_reserve_hot,
        limit="pgbench",
        connections=(8, 32),
        claims=1,
        hot=True,
    ),
    Scenario(
        name="suggestions",
        title="Replenishment suggestions for all products of a location",
        method="POST",
        path="/api/inventory/replenishment/suggestions",
        bodies=_suggest,
        limit="bare",
        connections=(1,),
        streamed=True,
    ),
    Scenario(
        name="login",
        title="Login",
        method="POST",
        path="/api/auth/login",
        bodies=_login,
        limit="hash",
        connections=(8,),
        caller="nobody",
    ),
)


class Prepared(msgspec.Struct, frozen=True, kw_only=True):
    """A scenario on a ledger: the page that is asked for, and what one request of it does."""

    scenario: Scenario
    path: str
    asked: Asked | None
    others: tuple[Asked, ...] = ()
    """The same with other bodies."""
    refusal: str = ""
    """Why it cannot be measured."""

    @property
    def answers(self) -> "list[list[tuple[str, tuple[object, ...]]]]":
        """The statements of each request that was asked."""
        return [] if self.asked is None else [one.statements for one in (self.asked, *self.others)]


async def prepare(scenario: Scenario, ledger: Ledger, caught: Caught) -> Prepared:
    """Ask once, to know its statements, and whether it is served at all."""
    if scenario.limit == "copy":  # what is done by a job is nobody's request
        return Prepared(scenario=scenario, path=scenario.path, asked=Asked(status=200, body=b"", statements=[]))
    if scenario.flow:
        return await _prepare_flow(scenario, ledger, caught)
    path = scenario.path.format(location=ledger.stock.locations[0], middle=ledger.events // 2)
    if scenario.deep:
        first = await caught.ask("GET", path, headers=scenario.headers(ledger))
        pages = _Paged.of(first)
        if pages is None:
            return _unserved(scenario, first)
        before = await caught.ask("GET", f"{path}&page={pages.total_pages - 1}", headers=scenario.headers(ledger))
        last = _Paged.of(before)
        if last is None or last.next_cursor is None:
            return _unserved(scenario, before)
        path = f"{path}&cursor={last.next_cursor}"
    # A bare route is sent no body that it could read: so that it reads other rows each time, it is told of many.
    many = _ASKED_BODIES if scenario.limit == "bare" else 1
    bodies = scenario.some_bodies(ledger, "prepare", many)
    headers = scenario.headers(ledger)
    asked = await caught.ask(scenario.method, path, headers=headers, body=next(iter(bodies), None))
    if not 200 <= asked.status < 300:
        return _unserved(scenario, asked)
    others = [await caught.ask(scenario.method, path, headers=headers, body=body, times=1) for body in bodies[1:]]
    return Prepared(scenario=scenario, path=path, asked=asked, others=tuple(others))


async def _prepare_flow(scenario: Scenario, ledger: Ledger, caught: Caught) -> Prepared:
    """Let it flow twice: the first binds connections and fills caches, the second tells its statements."""
    site, statements = Site.of(ledger), []

    async def ask(method: str, path: str, who: Who, body: object) -> Any:
        headers = {"authorization": f"Bearer {site.secret(who)}", "content-type": content_type_of(body)}
        asked = await caught.ask(method, path, headers=headers, body=content_of(body), times=1)
        statements.extend(asked.statements)
        return answer_of(asked.status, asked.body, f"{method} {path}")

    try:
        for number in range(2):
            statements.clear()
            await FLOWS[scenario.flow](ask, site, number)
    except FlowError as error:
        return Prepared(scenario=scenario, path=scenario.path, asked=None, refusal=str(error))
    asked = Asked(status=200, body=b"", statements=statements)
    return Prepared(scenario=scenario, path=scenario.path, asked=asked)


def _unserved(scenario: Scenario, asked: Asked) -> Prepared:
    told = asked.body[:300].decode(errors="replace")
    return Prepared(scenario=scenario, path=scenario.path, asked=None, refusal=f"answered {asked.status}: {told}")


class _Paged(msgspec.Struct, frozen=True, rename="camel"):
    total_pages: int
    next_cursor: str | None = None

    @staticmethod
    def of(asked: Asked) -> "_Paged | None":
        if asked.status != 200:
            return None
        return msgspec.json.decode(asked.body, type=_List).pagination


class _List(msgspec.Struct, frozen=True):
    pagination: _Paged | None = None
