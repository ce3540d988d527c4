"""What was acknowledged is seen at once by everybody; lists read page by page under writes lose no row (P-19)."""

import asyncio
import itertools
from collections import Counter
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest

from app.http.surfaces import Surface
from tests.e2e.api.company import Company, master_key
from tests.e2e.api.operations import Operation, all_operations, alternatives, guarded
from tests.faults.http.conftest import Connection
from tests.faults.http.test_refusals import GONE, address_of, creating
from tests.faults.http.wire import Answer, Line, fire, lines, request
from tests.lab import Served
from tests.ledger.promises import show

STANDING = 24
"""How many rows of each kind are there throughout."""
PAGE = 7
WRITERS = 4
NARROWED = {"listAvailability": ["locationId"]}
"""What a list must be narrowed by, though none of its parameters alone is required."""
KEPT = {"createStockRequest"}
"""What is read by its id, canceled, after it has been deleted."""

type Headers = Mapping[str, str]


def lists() -> list[Operation]:
    """What is read by cursor."""
    there = [o for o in guarded() if o.surface is Surface.SESSION]  # the other lists have tests of their own
    return [o for o in there if any(p["name"] == "cursor" for p in o.parameters("query"))]


def orders(operation: Operation) -> list[dict[str, str]]:
    """The orders in which a list can be read."""
    for parameter in operation.parameters("query"):
        if parameter["name"] == "sort":
            return [{"sort": order} for order in alternatives(parameter["schema"])[0]["enum"]]
    return [{}]


def identity(row: Mapping[str, Any]) -> str:
    """What a row is told from others by: its own id, or all that it is about."""
    own = next((row[name] for name in ("id", "position", "code") if name in row), None)
    about = [row[name] for name in row if name == "type" or name.endswith("Id")]
    return str(about if own is None else own)


def rows_of(answer: Answer) -> list[Mapping[str, Any]]:
    body = answer.json
    found = next(body[name] for name in ("data", "items", "entries", "products") if name in body)
    # A document is read whole with its first page of lines.
    rows: list[Mapping[str, Any]] = found["lines"] if isinstance(found, dict) else found
    return rows


def following(answer: Answer) -> str | None:
    """The cursor of the next page."""
    body = answer.json
    cursor: str | None = body.get("pagination", body)["nextCursor"]
    return cursor


class Shop(msgspec.Struct, frozen=True, kw_only=True):
    """A company, and somebody who may do everything in it."""

    company: Company
    headers: Headers

    def creation(self, operation: Operation, number: int) -> bytes:
        """Another thing of a kind, told from the others by its number."""
        body = self.company.fill(operation.example)
        for name in ("code", "sku", "lotNumber", "name"):
            if name in body:
                body[name] = f"n{number:05d}"
        if operation.id == "createProduct":
            body["isLotControlled"] = body["isExpiryRequired"] = False
        return request("POST", self.company.path(operation.path), self.headers, body)

    def receipt(self, number: int) -> bytes:
        """Goods in a lot that is new: another lot, another line, another movement."""
        facts = self.company.facts
        line = {
            "productMasterId": facts["lotProductId"],
            "quantity": 1,
            "lotNumber": f"R{number:05d}",
            "expiryDate": facts["rightLotExpiryDate"],
        }
        body = {"locationId": facts["locationId"], "lines": [line]}
        return request("POST", "/api/inventory/receipts", self.headers, body)

    def adjustment(self) -> bytes:
        facts = self.company.facts
        body = {
            "inventoryItemId": facts["inventoryItemId"],
            "type": "INCREASE",
            "quantity": 1,
            "reasonCodeId": facts["reasonCodeId"],
        }
        return request("POST", "/api/inventory/adjust", self.headers, body)

    def count(self, number: int) -> bytes:
        facts = self.company.facts
        body = {
            "productMasterId": facts["productMasterId"],
            "locationId": facts["otherLocationId"],
            "complete": False,
            "lines": [{"binId": facts["elsewhereBinId"], "newQty": number}],
        }
        return request("POST", "/api/inventory/adjustments/record-stock", self.headers, body)

    def page(self, operation: Operation, query: Mapping[str, str]) -> bytes:
        needed = [p["name"] for p in operation.parameters("query") if p.get("required")]
        needed += NARROWED.get(operation.id, [])
        wanted = {**{name: self.company.fill(operation.query[name]) for name in needed}, **query}
        asked = "&".join(f"{name}={value}" for name, value in wanted.items())
        return request("GET", f"{self.company.path(operation.path)}?{asked}", self.headers)


@pytest.fixture
async def shop(server: Served, admin: Connection, company: Company) -> Shop:
    shop = Shop(company=company, headers=await master_key(admin, company))
    standing = [shop.creation(o, n) for o in creating() for n in range(STANDING) if o.id != "createConversion"]
    standing += [made for n in range(STANDING) for made in (shop.receipt(n), shop.adjustment(), shop.count(n))]
    # One after the other: two counts of one line at once would stand in each other's way.
    answers = await fire(server.url, standing, clients=1)
    assert {(answer.status, answer.code) for answer in answers} <= {(200, ""), (201, "")}
    return shop


class Unseen(msgspec.Struct):
    """What was acknowledged and could not be seen at once."""

    written: int = 0
    unseen: int = 0


async def write(shop: Shop, near: Line, far: Line, numbers: Iterator[int], told: Unseen) -> None:
    """Make things, look at them from elsewhere, change and remove them, until stopped."""
    shown = {(o.method, o.path) for o in all_operations()}
    kinds = itertools.cycle(
        o
        for o in creating()
        if ("GET", GONE[o.path]) in shown and o.id not in {"createConversion", "createLocation", "createWebhook"}
    )
    while True:
        number, kind = next(numbers), next(kinds)
        made = await near.ask(shop.creation(kind, number))
        assert made.status == 201, made.body
        path = shop.company.path(address_of(kind, made))
        seen = await far.ask(request("GET", path, shop.headers))
        told.written += 1
        told.unseen += seen.status != 200 or seen.json != made.json
        if "name" in made.json["data"]:
            change = {"name": f"{number % 100:03d} again", "expectedVersion": made.json["data"]["version"]}
            changed = await near.ask(request("PATCH", path, shop.headers, change))
            assert changed.status == 200, changed.body
            seen = await far.ask(request("GET", path, shop.headers))
            told.written += 1
            told.unseen += seen.json != changed.json
        if number % 2:
            assert (await near.ask(request("DELETE", path, shop.headers))).status == 200
            told.written += 1
            gone = await far.ask(request("GET", path, shop.headers))
            # A request that was deleted stays to be read, as one that is.
            told.unseen += gone.status != 404 and not gone.json["data"].get("isDeleted")
        await move(shop, near, far, number, told)


async def move(shop: Shop, near: Line, far: Line, number: int, told: Unseen) -> None:
    """Bring stock in, and look at the books from elsewhere."""
    for sent in (shop.receipt(number), shop.adjustment()):
        moved = await near.ask(sent)
        assert moved.status == 200, moved.body
        seen = await far.ask(request("GET", "/api/inventory/movements?limit=50", shop.headers))
        position = int(moved.header("X-Ledger-Position") or 0)
        told.written += 1
        told.unseen += int(seen.header("X-Ledger-Position") or 0) < position
        told.unseen += position not in {row["position"] for row in rows_of(seen)}


@asynccontextmanager
async def writing(server: Served, shop: Shop) -> AsyncGenerator[Unseen]:
    told, numbers = Unseen(), itertools.count(STANDING)
    async with lines(server.url, 2 * WRITERS) as opened:
        writers = [
            asyncio.create_task(write(shop, near, far, numbers, told))
            for near, far in zip(opened[:WRITERS], opened[WRITERS:], strict=True)
        ]
        yield told
        for writer in writers:
            writer.cancel()
        for ended in await asyncio.gather(*writers, return_exceptions=True):
            if not isinstance(ended, asyncio.CancelledError):
                assert not isinstance(ended, BaseException), ended


def rank(row: Mapping[str, Any], order: Mapping[str, str]) -> str:
    """What puts a row in its place of an order: all of the row, where its column is not told by that name."""
    column = order.get("sort", "id").removeprefix("-")
    return str(row.get(column, row if order else ""))


async def scan(
    line: Line, shop: Shop, operation: Operation, order: Mapping[str, str], size: int
) -> list[tuple[str, str]] | None:
    """Which rows a list has from its first page to its last, by id and rank; None when it has no such order."""
    query = {**order, "limit": str(size)}
    found: list[tuple[str, str]] = []
    while True:
        answer = await line.ask(shop.page(operation, query))
        if answer.code == "VALIDATION_ERROR" and not found:
            return None
        assert answer.status == 200, answer.body
        found += [(identity(row), rank(row, order)) for row in rows_of(answer)]
        cursor = following(answer)
        if cursor is None:
            return found
        query["cursor"] = cursor


@pytest.mark.parametrize("rounds", [1, pytest.param(12, marks=pytest.mark.long)])
async def test_pages_neither_skip_nor_repeat_what_was_there_throughout(
    server: Served, shop: Shop, rounds: int
) -> None:
    skipped: list[str] = []
    repeated: list[str] = []
    scans = Counter[str]()
    async with lines(server.url, 1) as (reader,), writing(server, shop) as told:
        for operation in lists() * rounds:
            for order in orders(operation):
                standing = await scan(reader, shop, operation, order, size=100)
                found = await scan(reader, shop, operation, order, size=PAGE)
                if standing is None or found is None:
                    continue
                after = await scan(reader, shop, operation, order, size=100) or []
                # A row that was renamed has left its place of this order, and may be met at both.
                throughout = {id_ for id_, _ in set(standing) & set(after)}
                times = Counter(id_ for id_, _ in found)
                scans[operation.id] += 1
                skipped += [f"{operation.id} {order} {id_}" for id_ in throughout if not times[id_]]
                repeated += [f"{operation.id} {order} {id_}" for id_ in throughout if times[id_] > 1]

    figures = {"skipped": len(skipped), "repeated": len(repeated)}
    show("P-19", paginations=scans.total(), writes=told.written, unseen=told.unseen, **figures)
    assert scans.keys() == {operation.id for operation in lists()}
    assert told.unseen == 0
    assert skipped == []
    assert repeated == []
