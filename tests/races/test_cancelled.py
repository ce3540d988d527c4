"""P-24: a client that goes away leaves no transaction open, no connection lost and no tenant behind."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from domain.errors import DomainError, Reason
from domain.ledger.model import Posted
from infra.db.pool import Database, TenantConnection
from infra.ledger.grouping import GroupedLedger
from infra.ledger.verify import verify
from tests.lab import DatabaseUrls
from tests.ledger.builders import Warehouse, a_move, a_warehouse
from tests.ledger.promises import show
from tests.races.pools import HOLD_LINE, Pools, gate

type Admin = asyncpg.Connection[Any]
SIZE = 4
LEFT_OPEN = """
    SELECT count(*) FILTER (WHERE state LIKE 'idle in transaction%') AS in_transaction,
        count(*) FILTER (WHERE state = 'active') AS active, count(*) AS connections
    FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'storekeeper'
"""


async def quiet(admin: Admin) -> Any:
    """The connections of the application, when none of them works any more."""
    deadline = time.monotonic() + 10
    while True:
        row = await admin.fetchrow(LEFT_OPEN)
        assert row is not None
        if not row["active"]:
            return row
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


async def tenants_of(database: Database) -> list[tuple[UUID | None, str]]:
    """For each pooled connection the tenant that it remembers, and the one that the server knows."""
    held = [await database.pool.acquire() for _ in range(database.pool.get_size())]
    try:
        found = []
        for proxy in held:
            connection: TenantConnection = proxy._con  # type: ignore[attr-defined]
            known = await proxy.fetchval("SELECT coalesce(current_setting('app.tenant', true), '')")
            found.append((connection.tenant, known))
        return found
    finally:
        for proxy in held:
            await database.pool.release(proxy)


async def posting(database: Database, ledger: GroupedLedger, warehouse: Warehouse) -> None:
    await ledger.post(a_move(warehouse.shelf(), 1), tenant_id=warehouse.tenant_id)


async def reading(database: Database, ledger: GroupedLedger, warehouse: Warehouse) -> None:
    async with database.bound(warehouse.tenant_id) as driver:
        await driver.fetch("SELECT * FROM stock_lines")
        await driver.fetch("SELECT pg_sleep(0.002)")


async def working(database: Database, ledger: GroupedLedger, warehouse: Warehouse) -> None:
    async with database.transaction(warehouse.tenant_id) as driver:
        await driver.execute("UPDATE products SET version = version + 1")
        await driver.fetch("SELECT pg_sleep(0.002)")


@pytest.mark.parametrize("clients", [1_000, pytest.param(10_000, marks=pytest.mark.long)])
async def test_clients_that_go_away_leave_nothing_behind(
    admin: Admin, database_urls: DatabaseUrls, clients: int
) -> None:
    warehouses = [await a_warehouse(admin) for _ in range(3)]  # so that connections change their tenant often
    database = await Database.connect(database_urls.app_url, as_role=None, size=SIZE)
    ledger, chance = GroupedLedger(database), random.Random(24)
    acts: list[Callable[[Database, GroupedLedger, Warehouse], Awaitable[None]]] = [posting, reading, working]
    left, gone = iter(range(clients)), 0

    async def client() -> None:
        nonlocal gone
        for _ in left:
            task = asyncio.ensure_future(chance.choice(acts)(database, ledger, chance.choice(warehouses)))
            done, _ = await asyncio.wait([task], timeout=chance.random() ** 2 * 0.15)
            if not done:
                task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            gone += task.cancelled()

    await asyncio.gather(*(client() for _ in range(16)))
    for warehouse in warehouses:  # what a client left behind is finished first
        await ledger.post(a_move(warehouse.shelf(), 1), tenant_id=warehouse.tenant_id)
    activity = await quiet(admin)

    assert gone > clients / 20
    assert activity["in_transaction"] == 0
    assert activity["connections"] == database.pool.get_size() == database.pool.get_idle_size() <= SIZE
    remembered = await tenants_of(database)
    foreign = [(own, known) for own, known in remembered if own is not None and str(own) != known]
    assert foreign == []
    for warehouse in warehouses:
        assert (await verify(admin, warehouse.tenant_id)).drifts == ()
    await database.close()
    show(
        "P-24",
        clients=clients,
        gone=gone,
        idle_in_transaction=0,
        foreign_tenants=0,
        pool=activity["connections"],
    )


async def test_who_goes_away_while_waiting_is_posted_with_the_others(
    admin: Admin, pools: Pools, database_urls: DatabaseUrls
) -> None:
    """It stands in a batch by then; the others in it are not disturbed."""
    warehouse = await a_warehouse(admin)
    opening = await pools.alone(0, a_move(warehouse.shelf(), 1), warehouse)
    assert isinstance(opening, Posted)
    line_id = opening.movements[0].line_id

    async with gate(database_urls, HOLD_LINE, warehouse.tenant_id, line_id) as held:
        first = [asyncio.create_task(pools.grouped(0, a_move(line_id, 1), warehouse)) for _ in range(2)]
        await held.crowd(1)
        rest = [asyncio.create_task(pools.grouped(0, a_move(line_id, 1), warehouse)) for _ in range(3)]
        await asyncio.sleep(0)  # they have queued up
        clients = first + rest
        clients[0].cancel()  # in the flush under way
        clients[3].cancel()  # in the next
    answers = await asyncio.gather(*clients, return_exceptions=True)

    assert [type(answer).__name__ for answer in answers] == [
        "CancelledError",
        "Posted",
        "Posted",
        "CancelledError",
        "Posted",
    ]
    balance = "SELECT on_hand FROM stock_lines WHERE tenant_id = $1"
    assert await admin.fetchval(balance, warehouse.tenant_id) == 6


async def test_when_the_flush_itself_is_ended_everybody_is_told(admin: Admin, database_urls: DatabaseUrls) -> None:
    warehouse = await a_warehouse(admin)
    pools = await Pools.open(database_urls, pools=1, size=2)
    opening = await pools.alone(0, a_move(warehouse.shelf(), 1), warehouse)
    assert isinstance(opening, Posted)
    line_id = opening.movements[0].line_id
    ledger = pools.ledgers[0]

    async with gate(database_urls, HOLD_LINE, warehouse.tenant_id, line_id) as held:
        first = [asyncio.create_task(pools.grouped(0, a_move(line_id, 1), warehouse)) for _ in range(2)]
        await held.crowd(1)
        behind = [asyncio.create_task(pools.grouped(0, a_move(line_id, 1), warehouse)) for _ in range(3)]
        await asyncio.sleep(0)
        ledger._flushing[warehouse.tenant_id].cancel()
        async with asyncio.timeout(10):
            answers = await asyncio.gather(*first, *behind)

    assert all(isinstance(answer, DomainError) for answer in answers)
    assert {answer.reason for answer in answers if isinstance(answer, DomainError)} == {Reason.UNAVAILABLE}
    after = await pools.grouped(0, a_move(line_id, 1), warehouse)
    assert isinstance(after, Posted)
    await pools.close()


async def test_when_no_connection_is_free_everybody_is_told_at_once(
    admin: Admin, database_urls: DatabaseUrls
) -> None:
    """Not one after the other, each after a wait of its own."""
    warehouse = await a_warehouse(admin)
    database = await Database.connect(database_urls.app_url, as_role=None, size=1, acquire_timeout=0.5)
    ledger = GroupedLedger(database)

    async with database.unbound():
        clients = [ledger.post(a_move(warehouse.shelf(), 1), tenant_id=warehouse.tenant_id) for _ in range(40)]
        async with asyncio.timeout(5):
            answers = await asyncio.gather(*clients, return_exceptions=True)

    assert {answer.reason for answer in answers if isinstance(answer, DomainError)} == {Reason.UNAVAILABLE}
    assert len(answers) == 40
    await database.close()
