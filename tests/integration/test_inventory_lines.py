"""The list of stock lines: every filter and order against a plain reading of the tables, page by page."""

from collections.abc import AsyncGenerator, Callable
from datetime import timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

import asyncpg
import msgspec
import pytest

from app.http.guards import QUERY_VALUE_MAX
from app.http.paging import write_cursor
from domain.ledger.reading import (
    Found,
    InventoryItem,
    LineSort,
    LineStatus,
    LinesWanted,
    available,
)
from infra.db.pool import Database
from infra.ledger.queries import SqlStockReader
from tests.lab import DatabaseUrls
from tests.ledger.store import Row, Store, a_store, today

type Pick = Callable[[Store], dict[str, Any]]
type Keep = Callable[[Row, dict[str, Any]], bool]


@pytest.fixture(scope="module")
async def admin(database_urls: DatabaseUrls) -> AsyncGenerator["asyncpg.Connection[Any]"]:
    connection = await asyncpg.connect(database_urls.admin_url)
    yield connection
    await connection.close()


@pytest.fixture(scope="module")
async def database(database_urls: DatabaseUrls) -> AsyncGenerator[Database]:
    database = await Database.connect(database_urls.app_url, size=2)
    yield database
    await database.close()


@pytest.fixture(scope="module")
async def store(admin: "asyncpg.Connection[Any]", database: Database) -> Store:
    await a_store(admin, database, seed=2)  # a neighbour, of whom nothing must be seen
    return await a_store(admin, database)


def free(row: Row) -> Decimal:
    return available(
        on_hand=row["on_hand"],
        reserved=row["reserved"],
        held=row["held"],
        bin_type=row["bin_type"],
        lot_status=row["lot_status"],
        expires_on=row["expires_on"],
        today=row["today"],
    )


def is_expired(row: Row) -> bool:
    return row["lot_status"] == "EXPIRED" or bool(row["expires_on"] and row["expires_on"] < row["today"])


STATUS: dict[LineStatus, Callable[[Row], bool]] = {
    LineStatus.AVAILABLE: lambda r: free(r) > 0,
    LineStatus.EXPIRED: is_expired,
    LineStatus.IN_STOCK: lambda r: r["on_hand"] > 0,
    LineStatus.ON_HOLD: lambda r: r["held"] > 0 or r["bin_type"] in {"HOLD", "QUARANTINE", "DAMAGE"},
    LineStatus.OUT_OF_STOCK: lambda r: r["on_hand"] == 0,
    LineStatus.RECALLED: lambda r: r["lot_status"] == "RECALLED",
    LineStatus.RESERVED: lambda r: r["reserved"] > 0,
}


def keeps(row: Row, given: dict[str, Any]) -> bool:
    """Whether a line is what is asked for."""
    exact = ("location_id", "product_id", "lot_id", "bin_id")
    texts = [row[name] or "" for name in ("sku", "product_name", "barcode", "number", "bin_code", "bin_name")]
    last = given.get("expiring_before")
    return (
        all(row[name] == given[name] for name in exact if name in given)
        and (given.get("scope") is None or row["location_id"] in given["scope"])
        and ("status" not in given or STATUS[given["status"]](row))
        and ("search" not in given or any(given["search"].lower() in text.lower() for text in texts))
        and (last is None or bool(row["expires_on"] and row["expires_on"] < last))
    )


def having(status: LineStatus) -> Pick:
    return lambda _: {"status": status}


ASKED: dict[str, Pick] = {
    "everything": lambda _: {},
    "a location": lambda s: {"location_id": s.warehouse.locations[0]},
    "two locations": lambda s: {"scope": frozenset(s.warehouse.locations[:2])},
    "no location": lambda _: {"scope": frozenset()},
    "a location out of scope": lambda s: {
        "scope": frozenset(s.warehouse.locations[:1]),
        "location_id": s.warehouse.locations[1],
    },
    "a product": lambda s: {"product_id": s.warehouse.products[1]},
    "a product in two locations": lambda s: {
        "product_id": s.warehouse.products[1],
        "scope": frozenset(s.warehouse.locations[:2]),
    },
    "a bin": lambda s: {"bin_id": s.warehouse.shelf(bin_=1).bin_id},
    "a lot": lambda s: {"lot_id": s.warehouse.shelf(lot=1).lot_id},
    "a lot in a bin": lambda s: {
        "lot_id": s.warehouse.shelf(lot=1).lot_id,
        "bin_id": s.warehouse.shelf(bin_=1).bin_id,
    },
    "a part of a code, in capitals": lambda _: {"search": "SKU-1"},
    "a part of a name": lambda _: {"search": "product 2"},
    "a part of a barcode": lambda _: {"search": "400000000"},
    "a part of a lot's number": lambda _: {"search": "lot-2"},
    "a part of a bin's code": lambda _: {"search": "b3"},
    "what stands for anything elsewhere": lambda _: {"search": "%"},
    "a text with a blank for any letter": lambda _: {"search": "SKU_1"},
    "a search at a location": lambda s: {"search": "sku-1", "location_id": s.warehouse.locations[1]},
    "lots that expire soon": lambda _: {"expiring_before": today() + timedelta(days=2)},
    **{status.value: having(status) for status in LineStatus},
    "what is free at two locations": lambda s: {
        "status": LineStatus.AVAILABLE,
        "scope": frozenset(s.warehouse.locations[:2]),
    },
    "what is free of a product": lambda s: {
        "status": LineStatus.AVAILABLE,
        "product_id": s.warehouse.products[0],
    },
    "what is held of what expires": lambda _: {
        "status": LineStatus.ON_HOLD,
        "expiring_before": today() + timedelta(days=60),
    },
}


async def read(store: Store, **given: Any) -> Found[InventoryItem, Any]:
    wanted = LinesWanted(**{"tenant_id": store.tenant_id, "scope": None, "limit": 4, **given})
    return await SqlStockReader(store.database).lines(wanted)


async def walk(store: Store, **given: Any) -> tuple[list[InventoryItem], int | None]:
    """The whole list by its cursors, and the total that its first page tells."""
    first = found = await read(store, **given)
    rows = list(found.rows)
    while found.after is not None:
        found = await read(store, **given, after=found.after)
        assert found.total in {None, first.total}
        rows.extend(found.rows)
    return rows, first.total


@pytest.mark.parametrize("name", ASKED)
async def test_a_filter_finds_what_it_says_page_by_page(store: Store, name: str) -> None:
    given = ASKED[name](store)
    wanted = [row for row in await store.lines() if keeps(row, given)]

    upwards, total = await walk(store, **given)
    downwards, _ = await walk(store, **given, sort=LineSort.ID_DOWN)
    numbered = [
        item for page in range(len(wanted) // 4 + 1) for item in (await read(store, **given, offset=4 * page)).rows
    ]

    assert total == len(wanted)
    assert [item.id for item in upwards] == [row["id"] for row in wanted]
    assert [item.id for item in downwards] == [row["id"] for row in reversed(wanted)]
    assert [item.id for item in numbered] == [row["id"] for row in wanted]


@pytest.mark.parametrize("sort", LineSort)
@pytest.mark.parametrize("name", ["a product", "a part of a code, in capitals", "lots that expire soon"])
async def test_an_order_is_total_and_stable(store: Store, name: str, sort: LineSort) -> None:
    given = ASKED[name](store)
    keys: dict[str, Callable[[InventoryItem], Any]] = {
        "id": lambda i: i.id,
        "globalSku": lambda i: i.global_sku,
        "productName": lambda i: i.product_name,
        "expiryDate": lambda i: i.expiry_date or today() + timedelta(days=10_000),
        "quantityOnHand": lambda i: i.quantity_on_hand,
        "updatedAt": lambda i: i.updated_at,
    }
    everything, _ = await walk(store, **given)

    rows, total = await walk(store, **given, sort=sort)

    in_order = sorted(everything, key=lambda i: (keys[sort.field](i), i.id), reverse=sort.is_down)
    assert rows == in_order
    assert total == len(rows) > 4


async def test_a_cursor_stays_short_however_long_the_names(store: Store) -> None:
    rename = "UPDATE products SET name = $2 WHERE id = $1"
    products = {row["product_id"]: row["product_name"] for row in await store.lines()}
    for product in products:
        await store.admin.execute(rename, product, "名" * 300)

    found = await read(store, search="名", sort=LineSort.NAME)
    rows, total = await walk(store, search="名", sort=LineSort.NAME)
    for product, name in products.items():
        await store.admin.execute(rename, product, name)

    assert len(write_cursor(2**32, 2**31, 2**53, found.after)) < QUERY_VALUE_MAX
    assert len(rows) == total == len(await store.lines())


async def test_an_item_says_what_is_on_its_line(store: Store) -> None:
    rows = {row["id"]: row for row in await store.lines()}
    blocked = 0

    for item in (await walk(store))[0]:
        row = rows[item.id]
        assert item.quantity_available == free(row)
        is_set_aside = row["bin_type"] in {"HOLD", "QUARANTINE", "DAMAGE"}
        assert item.quantity_on_hold == (row["on_hand"] if is_set_aside else row["held"])
        assert item.quantity_on_hand == row["on_hand"]
        assert item.quantity_reserved == row["reserved"]
        assert item.total_value == row["on_hand"] * row["unit_cost"]
        assert item.lot_number == (row["number"] or None)
        assert item.version == row["version"]
        blocked += free(row) == 0 < row["on_hand"]

    assert blocked > 5, "the store has too little that cannot be given"


async def test_numbers_are_plain_however_round(store: Store) -> None:
    line = (await store.lines())[0]
    change = "UPDATE stock_lines SET on_hand = $2, held = least(held_part, $2) WHERE id = $1"
    for quantity in (Decimal(10_000), Decimal("99999999999999.9999"), Decimal("0.0001"), Decimal(120_000)):
        await store.admin.execute(change, line["id"], quantity)
        (item,) = (await read(store, limit=1)).rows
        assert str(item.quantity_on_hand) == f"{quantity:f}"
    await store.admin.execute(change, line["id"], line["on_hand"])


async def test_another_tenants_ids_find_nothing(store: Store, admin: "asyncpg.Connection[Any]") -> None:
    other = await admin.fetchrow("SELECT * FROM stock_lines WHERE tenant_id <> $1 LIMIT 1", store.tenant_id)
    assert other is not None

    for name in ("location_id", "product_id", "bin_id", "lot_id"):
        found = await read(store, **{name: other[name]})
        assert (found.rows, found.total) == ([], 0)


async def test_a_reader_sees_each_line_once_while_others_write(store: Store) -> None:
    before = {row["id"] for row in await store.lines()}
    found = await read(store)
    seen = [item.id for item in found.rows]
    while found.after is not None:
        shelf = store.warehouse.shelves()[len(seen) % len(store.warehouse.shelves())]
        await store.admin.execute(
            "UPDATE stock_lines SET updated_at = now() WHERE tenant_id = $1 AND bin_id = $2",
            store.tenant_id,
            shelf.bin_id,
        )
        found = await read(store, after=found.after)
        seen.extend(item.id for item in found.rows)

    assert len(seen) == len(set(seen))
    assert before <= set(seen)
    assert all(one < other for one, other in pairwise(seen))


async def test_the_position_is_that_of_the_head(store: Store) -> None:
    head = await store.admin.fetchval("SELECT position FROM ledger_heads WHERE tenant_id = $1", store.tenant_id)

    assert (await read(store)).position == head
    assert (await read(store, scope=frozenset())).position == head


def test_an_order_without_bounds_is_known_as_such() -> None:
    wanted = LinesWanted(tenant_id=None, scope=None, limit=1)  # type: ignore[arg-type]

    assert not wanted.is_bounded
    assert msgspec.structs.replace(wanted, search="x").is_bounded
