"""A posting that may look elsewhere for stock: what its refusal leaves behind."""

from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from domain.errors import DomainError, Reason
from domain.ledger.model import Posted
from infra.db.pool import Database
from infra.ledger.grouping import GroupedLedger
from tests.lab import DatabaseUrls
from tests.ledger.builders import Warehouse, a_move, a_warehouse, an_act


@pytest.fixture(scope="module")
async def admin(database_urls: DatabaseUrls) -> AsyncIterator["asyncpg.Connection[Any]"]:
    connection = await asyncpg.connect(database_urls.admin_url)
    yield connection
    await connection.close()


@pytest.fixture(scope="module")
async def database(database_urls: DatabaseUrls) -> AsyncIterator[Database]:
    database = await Database.connect(database_urls.app_url)
    yield database
    await database.close()


@pytest.fixture
async def warehouse(admin: "asyncpg.Connection[Any]") -> Warehouse:
    return await a_warehouse(admin, bins=2)


async def test_a_tentative_posting_that_finds_too_little_does_not_spend_its_key(
    database: Database, warehouse: Warehouse
) -> None:
    ledger = GroupedLedger(database)
    empty, stocked = warehouse.shelf(bin_=0), warehouse.shelf(bin_=1)
    await ledger.post(a_move(stocked, 5), tenant_id=warehouse.tenant_id)
    act = an_act(warehouse.tenant_id, key="looks-elsewhere")
    with pytest.raises(DomainError) as refused:
        await ledger.post(a_move(empty, -2, tentative=True, act=act))

    second = await ledger.post(a_move(stocked, -2, tentative=True, act=act))
    again = await ledger.post(a_move(stocked, -2, tentative=True, act=act))

    assert refused.value.reason is Reason.INSUFFICIENT_STOCK
    assert isinstance(second, Posted)
    assert not second.replayed
    assert again.replayed
    assert again.posting_id == second.posting_id


async def test_any_other_refusal_of_a_tentative_posting_is_final(database: Database, warehouse: Warehouse) -> None:
    ledger = GroupedLedger(database)
    shelf = warehouse.shelf()
    await ledger.post(a_move(shelf, 5), tenant_id=warehouse.tenant_id)
    act = an_act(warehouse.tenant_id, key="final", scope=frozenset())
    for attempt in (1, 2):
        with pytest.raises(DomainError) as refused:
            await ledger.post(a_move(shelf, -2, tentative=True, act=act))

        assert refused.value.reason is Reason.LOCATION_DENIED
        assert refused.value.replayed is (attempt == 2)
