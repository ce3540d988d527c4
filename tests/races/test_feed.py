"""Whoever follows movements or events by position misses none that commits late.

Seen red with the sabotage `positions-from-a-sequence`.
"""

import asyncio
import random
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from domain.errors import DomainError
from domain.ledger.model import Posted
from infra.db.pool import Database
from infra.events.feed import SqlEventFeed
from infra.ledger.verify import verify
from tests.lab import DatabaseUrls
from tests.ledger.builders import Warehouse, a_move, a_warehouse
from tests.ledger.promises import show
from tests.races.pools import Pools

type Admin = asyncpg.Connection[Any]
MOVEMENTS = """
    SELECT position, line_id AS entity, line_version AS version FROM movements
    WHERE tenant_id = $1 AND position > $2 ORDER BY position LIMIT 50
"""
EVENTS = """
    SELECT position, entity_id AS entity, type FROM events
    WHERE tenant_id = $1 AND position > $2 ORDER BY position LIMIT 50
"""
APPEND = "SELECT event_append('a.thing.happened.v1', 'thing', $1, '{}', '{}', 'test')"


class Follower:
    """Reads on from the last position it has seen, as often as it can."""

    def __init__(self, url: str, tenant_id: UUID, statement: str) -> None:
        self._url = url
        self._tenant_id = tenant_id
        self._statement = statement
        self.rows: list[Any] = []
        self.gaps: list[tuple[int, int]] = []
        self.reads = 0

    @property
    def last(self) -> int:
        return self.rows[-1]["position"] if self.rows else 0

    async def follow(self, is_over: asyncio.Event) -> None:
        connection = await asyncpg.connect(self._url)
        try:
            while True:
                was_over = is_over.is_set()
                page = await connection.fetch(self._statement, self._tenant_id, self.last)
                self.reads += 1
                for row in page:
                    if row["position"] != self.last + 1:
                        self.gaps.append((self.last, row["position"]))
                    self.rows.append(row)
                if was_over and not page:
                    return
                await asyncio.sleep(0)
        finally:
            await connection.close()


async def append_slowly(pools: Pools, warehouse: Warehouse, rounds: int) -> None:
    """Events of another area, in transactions that take their time to commit."""
    for _ in range(rounds):
        async with pools.databases[0].transaction(warehouse.tenant_id) as driver:
            await driver.fetchval(APPEND, warehouse.reason_id)
            await driver.execute("SELECT pg_sleep($1)", random.random() * 0.005)


@pytest.mark.parametrize("postings", [1_600, pytest.param(50_000, marks=pytest.mark.long)])
async def test_a_follower_sees_every_movement_and_event_once_and_in_order(
    admin: Admin, pools: Pools, database_urls: DatabaseUrls, postings: int
) -> None:
    warehouse, slow = await a_warehouse(admin, products=16), 20
    shelves, tenant_id = warehouse.shelves(), warehouse.tenant_id
    is_over = asyncio.Event()
    movements = Follower(database_urls.admin_url, tenant_id, MOVEMENTS)
    events = Follower(database_urls.admin_url, tenant_id, EVENTS)
    followers = [asyncio.create_task(one.follow(is_over)) for one in (movements, events)]

    async def write(number: int) -> None:
        for _ in range(postings // 16):
            # Each on a line of its own: nothing but the head orders them.
            answer = await pools.alone(number, a_move(shelves[number], 1), warehouse)
            assert isinstance(answer, Posted)

    await asyncio.gather(*(write(number) for number in range(16)), append_slowly(pools, warehouse, slow))
    is_over.set()
    await asyncio.gather(*followers)

    assert (movements.gaps, events.gaps) == ([], [])
    assert (movements.last, events.last) == (postings, postings + slow)
    for line_id in {row["entity"] for row in movements.rows}:
        versions = [row["version"] for row in movements.rows if row["entity"] == line_id]
        assert versions == list(range(1, postings // 16 + 1))
    assert len({row["entity"] for row in events.rows if row["type"].startswith("inventory")}) == postings
    assert (await verify(admin, tenant_id)).drifts == ()
    show("P-29", movements=postings, events=postings + slow, reads=movements.reads, missed=0, out_of_order=0)


async def test_whoever_waits_is_told_though_all_connections_were_in_use(
    admin: Admin, database_urls: DatabaseUrls
) -> None:
    warehouse = await a_warehouse(admin)
    database = await Database.connect(database_urls.app_url, size=1, acquire_timeout=0.05)
    feed = SqlEventFeed(database)
    try:
        async with database.transaction(warehouse.tenant_id) as driver:
            await driver.fetchval(APPEND, warehouse.reason_id)
            waiting = asyncio.create_task(feed.wait(warehouse.tenant_id, 0, 60))
            with pytest.raises(DomainError):  # it is asked for after the one that waits has been
                async with database.bound(warehouse.tenant_id):
                    pass
        assert await waiting
    finally:
        await database.close()
