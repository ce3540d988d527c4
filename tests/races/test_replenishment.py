"""A record is triggered once, a product is under consideration once, and demand goes with stock, whoever races.

Seen red with the record read without its lock, without the index that holds one open record a place, and with
demand and stock read in snapshots of their own.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator
from decimal import Decimal
from typing import Any

import asyncpg
import msgspec
import pytest

from domain.access.model import Act, Permission, Scope
from domain.errors import DomainError
from domain.ledger.model import Kind
from domain.replenishment.model import Source
from domain.replenishment.ports import FactsWanted
from domain.replenishment.records import NewRecord, create_record, trigger
from domain.replenishment.views import Record
from infra.db.pool import Database
from infra.db.work import beginning
from infra.replenishment.facts import SqlReplenishmentFacts
from infra.replenishment.work import ReplenishmentSqlWork
from tests.lab import DatabaseUrls
from tests.ledger.builders import Warehouse, a_move, a_posting, a_warehouse, an_act, an_entry
from tests.races.pools import Pools, gate

type Admin = asyncpg.Connection[Any]

RACERS = 6
HOLD_RECORD = "SELECT 1 FROM replenishment_orders WHERE tenant_id = $1 AND id = $2 FOR UPDATE"
HOLD_NUMBERS = "LOCK TABLE document_numbers IN SHARE MODE"
CAME_OF_IT = """
    SELECT (SELECT count(*) FROM transfers WHERE tenant_id = $1) AS transfers,
        (SELECT count(*) FROM supplies WHERE tenant_id = $1) AS supplies,
        (SELECT count(*) FROM replenishment_orders WHERE tenant_id = $1) AS records,
        (SELECT coalesce(sum(reserved), 0) FROM stock_lines WHERE tenant_id = $1) AS reserved
"""
REPLENISH = """
    INSERT INTO stock_levels (tenant_id, product_id, location_id, min_qty, reorder_qty, max_qty, method)
    VALUES ($1, $2, $3, 1, 1, 10, 'MIN_MAX')
"""
LOOKS = 60


def a_planner(warehouse: Warehouse) -> Act:
    """Who may make transfers, too."""
    act = an_act(warehouse.tenant_id)
    rights: dict[Permission, Scope] = dict.fromkeys(
        (Permission.REPLENISHMENT_WRITE, Permission.TRANSFERS_WRITE), None
    )
    caller = msgspec.structs.replace(act.caller, rights=rights)
    return msgspec.structs.replace(act, caller=caller, permission=Permission.REPLENISHMENT_WRITE)


async def create(pools: Pools, number: int, act: Act, new: NewRecord) -> Record | DomainError:
    database = pools.databases[number % len(pools.databases)]
    try:
        async with beginning(database, ReplenishmentSqlWork)(act) as work:
            return await create_record(work, act=act, new=new)
    except DomainError as refused:
        return refused


async def pull(pools: Pools, number: int, act: Act, record: Record) -> Record | DomainError:
    database = pools.databases[number % len(pools.databases)]
    try:
        async with beginning(database, ReplenishmentSqlWork)(act) as work:
            return await trigger(work, act=act, record_id=record.id, comment=None, expected_version=None)
    except DomainError as refused:
        return refused


def told(outcomes: list[Record | DomainError]) -> Counter[str]:
    return Counter(one.reason if isinstance(one, DomainError) else one.state for one in outcomes)


def wanted(warehouse: Warehouse, source: Source) -> NewRecord:
    here, there = warehouse.locations[:2]
    return NewRecord(
        product_id=warehouse.products[0],
        location_id=there,
        quantity=Decimal(5),
        source=source,
        source_location_id=here if source is Source.LOCATION else None,
    )


MADE = {
    Source.LOCATION: ("TRIGGERED", {"transfers": 1, "supplies": 0, "records": 1, "reserved": 5}),
    Source.SUPPLIER: ("ORDERED", {"transfers": 0, "supplies": 1, "records": 1, "reserved": 0}),
}


@pytest.mark.parametrize("source", Source)
async def test_of_many_triggers_one_makes_the_transfer_or_the_supply(
    admin: Admin, pools: Pools, database_urls: DatabaseUrls, source: Source
) -> None:
    state, made = MADE[source]
    warehouse = await a_warehouse(admin, locations=2)
    await pools.alone(0, a_move(warehouse.shelf(), 100), warehouse)
    act = a_planner(warehouse)
    record = await create(pools, 0, act, wanted(warehouse, source))
    assert isinstance(record, Record), record

    async with gate(database_urls, HOLD_RECORD, warehouse.tenant_id, record.id) as held:
        racers = [asyncio.create_task(pull(pools, number, act, record)) for number in range(RACERS)]
        await held.crowd(RACERS)
    outcomes = await asyncio.gather(*racers)

    assert told(outcomes) == {state: 1, "INVALID_TRANSITION": RACERS - 1}
    came = await admin.fetchrow(CAME_OF_IT, warehouse.tenant_id)
    assert came is not None
    assert dict(came) == made


async def test_of_many_who_record_the_same_need_one_does(
    admin: Admin, pools: Pools, database_urls: DatabaseUrls
) -> None:
    warehouse = await a_warehouse(admin, locations=2)
    act = a_planner(warehouse)
    new = wanted(warehouse, Source.SUPPLIER)

    async with gate(database_urls, HOLD_NUMBERS) as held:
        racers = [asyncio.create_task(create(pools, number, act, new)) for number in range(RACERS)]
        await held.crowd(RACERS)
    outcomes = await asyncio.gather(*racers)

    assert told(outcomes) == {"OPEN": 1, "DUPLICATE": RACERS - 1}
    (record,) = [one for one in outcomes if isinstance(one, Record)]
    assert {one.facts["replenishmentId"] for one in outcomes if isinstance(one, DomainError)} == {record.id}


@pytest.fixture
async def database(database_urls: DatabaseUrls) -> AsyncGenerator[Database]:
    database = await Database.connect(database_urls.app_url, size=2)
    yield database
    await database.close()


async def test_demand_and_stock_read_beside_each_other_are_of_one_moment(
    admin: Admin, pools: Pools, database: Database
) -> None:
    warehouse = await a_warehouse(admin)
    shelf, there = warehouse.shelf(), 100_000
    await pools.alone(0, a_move(shelf, there), warehouse)
    await admin.execute(REPLENISH, warehouse.tenant_id, shelf.product_id, shelf.location_id)
    wanted = FactsWanted(tenant_id=warehouse.tenant_id, scope=None, location_id=shelf.location_id, days=7)
    looked = asyncio.Event()

    async def issue() -> int:
        turns = 0
        while not looked.is_set():
            await pools.alone(turns, a_posting(an_entry(shelf, -1, kind=Kind.ISSUE)), warehouse)
            turns += 1
        return turns

    issuing = asyncio.create_task(issue())
    seen = []
    for _ in range(LOOKS):
        assert database.has_spare()
        found = await SqlReplenishmentFacts(database).facts(wanted)
        assert found is not None
        (row,) = found.rows
        seen.append((row.on_hand, int(row.used)))
    looked.set()

    assert await issuing > LOOKS
    assert len(set(seen)) > 1
    assert {on_hand + used for on_hand, used in seen} == {there}
