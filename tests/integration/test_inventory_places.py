"""Stock by location, by bin and by product, against sums in plain Python."""

from collections.abc import AsyncGenerator
from decimal import Decimal

import asyncpg
import pytest

from domain.ledger.reading import BinStock, LevelStatus, LocationStock, available, level_status
from domain.values import new_id
from infra.db.pool import Database
from infra.ledger.queries import SqlStockReader
from tests.lab import DatabaseUrls
from tests.ledger.store import Row, Store, a_store

ROUNDED = Decimal("0.0001")
SET_ASIDE = {"HOLD", "QUARANTINE", "DAMAGE"}


@pytest.fixture(scope="module")
async def store(database_urls: DatabaseUrls) -> AsyncGenerator[Store]:
    admin = await asyncpg.connect(database_urls.admin_url)
    database = await Database.connect(database_urls.app_url, size=2)
    await a_store(admin, database, seed=2)  # a neighbour, of whom nothing must be seen
    store = await a_store(admin, database)
    await admin.execute(
        "UPDATE bins SET capacity_units = 200 WHERE tenant_id = $1 AND code <> 'B3'", store.tenant_id
    )
    yield store
    await database.close()
    await admin.close()


def agrees(shown: LocationStock | BinStock, rows: list[Row]) -> bool:
    expired = [row for row in rows if row["expires_on"] and row["expires_on"] < row["today"]]
    held = sum(row["on_hand"] if row["bin_type"] in SET_ASIDE else row["held"] for row in rows)
    return (
        shown.lines == len(rows)
        and shown.units == sum(row["on_hand"] for row in rows)
        and shown.value == sum(row["on_hand"] * row["unit_cost"] for row in rows)
        and shown.reserved == sum(row["reserved"] for row in rows)
        and shown.held == held
        and shown.expired == sum(row["on_hand"] for row in expired)
        and shown.expired_value == sum(row["on_hand"] * row["unit_cost"] for row in expired)
    )


async def test_a_location_is_the_sum_of_its_lines(store: Store) -> None:
    rows = await store.lines()

    found = await SqlStockReader(store.database).locations(store.tenant_id, None)

    assert [shown.location_id for shown in found.rows] == list(store.warehouse.locations)
    for shown in found.rows:
        here = [row for row in rows if row["location_id"] == shown.location_id]
        measured = sum(row["on_hand"] for row in here if row["bin_code"] != "B3")
        assert agrees(shown, here)
        assert (shown.bins, shown.capacity_units) == (4, Decimal(600))
        assert shown.bins_occupied == len({row["bin_id"] for row in here if row["on_hand"] > 0})
        assert shown.fill is not None
        assert abs(shown.fill - Decimal(measured) / 600) < ROUNDED


async def test_only_locations_in_scope_are_shown(store: Store) -> None:
    reader = SqlStockReader(store.database)
    everything = await reader.locations(store.tenant_id, None)

    for scope in (frozenset(store.warehouse.locations[:1]), frozenset(store.warehouse.locations[1:]), frozenset()):
        found = await reader.locations(store.tenant_id, scope)
        assert found.rows == [row for row in everything.rows if row.location_id in scope]


async def test_a_bin_is_the_sum_of_its_lines(store: Store) -> None:
    rows = await store.lines()
    location = store.warehouse.locations[1]
    reader = SqlStockReader(store.database)

    first = await reader.bins(store.tenant_id, None, location, limit=3, offset=0)
    second = await reader.bins(store.tenant_id, None, location, limit=3, offset=3)

    assert first is not None
    assert second is not None
    assert first.total == second.total == 4
    bins = [*first.rows, *second.rows]
    assert [shown.bin_code for shown in bins] == ["B0", "B1", "B2", "B3"]
    for shown in bins:
        assert agrees(shown, [row for row in rows if row["bin_id"] == shown.bin_id])
        assert (shown.fill is None) == (shown.bin_code == "B3")
        assert shown.fill is None or abs(shown.fill - shown.units / 200) < ROUNDED


async def test_bins_out_of_sight_are_not_there(store: Store) -> None:
    reader = SqlStockReader(store.database)
    here, there = store.warehouse.locations[:2]
    theirs = await store.admin.fetchval("SELECT id FROM locations WHERE tenant_id <> $1", store.tenant_id)

    assert await reader.bins(store.tenant_id, frozenset({here}), there, limit=5, offset=0) is None
    assert await reader.bins(store.tenant_id, None, theirs, limit=5, offset=0) is None
    assert await reader.bins(store.tenant_id, None, new_id(), limit=5, offset=0) is None


async def test_a_product_s_levels_are_beside_its_stock(store: Store) -> None:
    product, (first, second, third) = store.warehouse.products[0], store.warehouse.locations
    await store.admin.execute(
        """
        INSERT INTO stock_levels (tenant_id, product_id, location_id, min_qty, reorder_qty, max_qty, safety_stock,
            preferred_bin_id, source_location_id, lead_time_days, abc_class)
        VALUES ($1, $2, $3, 1.5, 2, 100000, 1, $4, $5, 7, 'A')
        """,
        *(store.tenant_id, product, first, store.warehouse.bins[first][2], second),
    )
    rows = [row for row in await store.lines() if row["product_id"] == product]

    found = await SqlStockReader(store.database).levels(store.tenant_id, None, product)

    assert found is not None
    levels = {level.location_id: level for level in found.rows[0].data}
    assert list(levels) == [first, second, third]
    for location, level in levels.items():
        here = [row for row in rows if row["location_id"] == location]
        assert level.qty_on_hand == sum(row["on_hand"] for row in here)
        assert level.qty_reserved == sum(row["reserved"] for row in here)
        assert level.qty_available == sum(
            available(
                **{name: row[name] for name in ("on_hand", "reserved", "held", "bin_type", "lot_status")},
                **{name: row[name] for name in ("expires_on", "today")},
            )
            for row in here
        )
    set_ = levels[first]
    quantities = set_.min_qty, set_.reorder_qty, set_.max_qty, set_.safety_stock
    assert quantities == (Decimal("1.5"), Decimal(2), Decimal(100_000), Decimal(1))
    assert (set_.preferred_bin_code, set_.source_location_name) == ("B2", "Location 1")
    assert (set_.lead_time_days, set_.abc_class, set_.version) == (7, "A", 1)
    assert (levels[second].min_qty, levels[second].version) == (None, None)
    assert {level.qty_inbound for level in levels.values()} == {0}


async def test_levels_are_shown_where_one_may_look(store: Store) -> None:
    reader = SqlStockReader(store.database)
    product, here = store.warehouse.products[0], store.warehouse.locations[1]
    theirs = await store.admin.fetchval("SELECT id FROM products WHERE tenant_id <> $1", store.tenant_id)

    found = await reader.levels(store.tenant_id, frozenset({here}), product)
    nowhere = await reader.levels(store.tenant_id, frozenset(), product)

    assert found is not None
    assert nowhere is not None
    assert [level.location_id for level in found.rows[0].data] == [here]
    assert nowhere.rows[0].data == []
    assert await reader.levels(store.tenant_id, None, theirs) is None


@pytest.mark.parametrize(
    ("on_hand", "levels", "status"),
    [
        ("0", "- - -", LevelStatus.OUT_OF_STOCK),
        ("0", "0 0 0", LevelStatus.OUT_OF_STOCK),
        ("9.9999", "10 20 50", LevelStatus.BELOW_MINIMUM),
        ("10", "10 20 50", LevelStatus.BELOW_REORDER),
        ("20", "10 20 50", LevelStatus.BELOW_REORDER),
        ("20.0001", "10 20 50", LevelStatus.IN_STOCK),
        ("50", "10 20 50", LevelStatus.IN_STOCK),
        ("50.0001", "10 20 50", LevelStatus.ABOVE_MAXIMUM),
        ("5", "- 5 -", LevelStatus.BELOW_REORDER),
        ("5", "- - 4", LevelStatus.ABOVE_MAXIMUM),
        ("5", "- - -", LevelStatus.IN_STOCK),
        ("5", "5 5 5", LevelStatus.BELOW_REORDER),
    ],
)
def test_a_status_is_the_worst_that_is_true(on_hand: str, levels: str, status: LevelStatus) -> None:
    minimum, reorder, maximum = (None if text == "-" else Decimal(text) for text in levels.split())

    assert level_status(Decimal(on_hand), minimum=minimum, reorder=reorder, maximum=maximum) is status
