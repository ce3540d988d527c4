"""Stock as it stood: against a fold of the movements, for any history and any moment."""

from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.ledger.model import Kind
from domain.ledger.reading import Basis, LinesWanted
from infra.db.pool import Database
from infra.ledger.queries import SqlStockReader
from tests.lab import DatabaseUrls
from tests.ledger.builders import Shelf, a_posting, a_warehouse, an_entry
from tests.ledger.store import Store

LONG_AGO = datetime(2024, 1, 1, tzinfo=UTC)
HOURS = st.integers(0, 48)


@pytest.fixture(scope="module")
async def store(database_urls: DatabaseUrls) -> AsyncGenerator[Store]:
    admin = await asyncpg.connect(database_urls.admin_url)
    database = await Database.connect(database_urls.app_url, size=2)
    warehouse = await a_warehouse(admin, products=1, locations=1, bins=2)
    yield Store(warehouse=warehouse, database=database, admin=admin)
    await database.close()
    await admin.close()


async def stood(store: Store, moment: datetime, basis: Basis) -> dict[UUID, Decimal]:
    wanted = LinesWanted(tenant_id=store.tenant_id, scope=None, limit=100, as_of=moment, basis=basis)
    found = await SqlStockReader(store.database).lines(wanted)
    return {item.id: item.quantity_on_hand for item in found.rows}


async def moved(store: Store, shelf: Shelf, quantity: Decimal, hours: int) -> None:
    """In or out, at an hour long ago; what is not there cannot go out, and is left out."""
    at = LONG_AGO + timedelta(hours=hours)
    await store.post(a_posting(an_entry(shelf, quantity, kind=Kind.ADJUSTMENT, effective_at=at)))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    moves=st.lists(st.tuples(st.booleans(), st.integers(-400, 400).filter(bool), HOURS), min_size=1, max_size=6),
    hour=HOURS,
)
async def test_it_is_the_fold_of_what_had_happened_or_was_on_record(
    store: Store, moves: list[tuple[bool, int, int]], hour: int
) -> None:
    shelves = store.warehouse.shelf(), store.warehouse.shelf(bin_=1)
    for is_first, quarters, hours in moves:
        await moved(store, shelves[is_first], Decimal(quarters) / 4, hours)
    rows = await store.movements()
    happened = LONG_AGO + timedelta(hours=hour)
    recorded = [row["recorded_at"] for row in rows[-3:]]
    just_before = [at - timedelta(microseconds=1) for at in (happened, *recorded)]

    for basis, time, moments in (
        (Basis.EFFECTIVE, "effective_at", [happened, just_before[0]]),
        (Basis.RECORDED, "recorded_at", [*recorded, *just_before[1:]]),
    ):
        for moment in moments:
            folded: dict[UUID, Decimal] = {}
            for row in rows:
                counts = row["delta"] if row[time] <= moment else Decimal(0)
                folded[row["line_id"]] = folded.get(row["line_id"], Decimal(0)) + counts
            assert await stood(store, moment, basis) == folded


async def test_what_was_claimed_then_is_not_known(store: Store) -> None:
    await moved(store, store.warehouse.shelf(), Decimal(5), 1)
    wanted = LinesWanted(tenant_id=store.tenant_id, scope=None, limit=1, as_of=LONG_AGO)

    (item,) = (await SqlStockReader(store.database).lines(wanted)).rows

    assert (item.quantity_reserved, item.quantity_available, item.quantity_on_hold) == (None, None, None)
    assert item.total_value == item.quantity_on_hand * item.unit_cost


@pytest.mark.parametrize("basis", Basis)
async def test_a_moment_to_come_is_now(store: Store, basis: Basis) -> None:
    now: dict[UUID, Any] = {row["id"]: row["on_hand"] for row in await store.lines()}

    assert await stood(store, LONG_AGO + timedelta(days=100_000), basis) == now
