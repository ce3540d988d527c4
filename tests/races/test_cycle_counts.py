"""Cycle counts under contention: one batch a position, one start, no count after the end, no moved unit lost."""

import asyncio
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
import pytest

from domain.access.model import Act, Permission
from domain.counting import batches, recording
from domain.counting.model import Batch, Count, NewBatch, Sitting, State, Type, Wanted
from domain.errors import ContentionError, DomainError, Reason
from domain.ledger.model import Posted
from domain.values import new_id
from infra.counting.work import CountingSqlWork
from infra.db.work import beginning
from tests.lab import DatabaseUrls
from tests.ledger.builders import Warehouse, a_move, a_posting, a_warehouse, an_act, an_entry
from tests.races.pools import HOLD_HEAD, Pools, gate

type Admin = asyncpg.Connection[Any]

HOLD_BATCH = "SELECT 1 FROM cycle_counts WHERE tenant_id = $1 AND id = $2 FOR UPDATE"
HOLD_NUMBERS = "SELECT 1 FROM document_numbers WHERE tenant_id = $1 FOR UPDATE"
HOLD_BINS = "SELECT 1 FROM bins WHERE tenant_id = $1 FOR UPDATE"
TOLD = """
    SELECT c.counted_quantity, c.expected_quantity, c.snapshot_quantity, c.variance, s.on_hand,
        (SELECT coalesce(sum(m.delta), 0) FROM movements m WHERE m.tenant_id = c.tenant_id AND m.line_id = s.id
            AND m.position > c.snapshot_position AND m.position <= c.counted_position) AS moved
    FROM cycle_count_lines c JOIN stock_lines s ON s.tenant_id = c.tenant_id AND s.id = c.line_id
    WHERE c.tenant_id = $1 AND c.batch_id = $2
"""


class Hall(msgspec.Struct, frozen=True, kw_only=True):
    """Two products, ten of each in both of two bins, and somebody who counts."""

    warehouse: Warehouse
    pools: Pools

    def act(self) -> Act:
        act = an_act(self.warehouse.tenant_id, principal_id=new_id())
        rights = {Permission.INVENTORY_CYCLECOUNT: None, Permission.INVENTORY_READ: None}
        caller = msgspec.structs.replace(act.caller, rights=rights)
        return msgspec.structs.replace(act, caller=caller, permission=Permission.INVENTORY_CYCLECOUNT)

    async def does[T](self, number: int, do: Callable[[CountingSqlWork, Act], Awaitable[T]]) -> T | Reason:
        """In a transaction of its own, again when it lost a deadlock; what was done, or why not."""
        database, act = self.pools.databases[number % len(self.pools.databases)], self.act()
        while True:
            try:
                async with beginning(database, CountingSqlWork)(act) as work:
                    return await do(work, act)
            except ContentionError:
                continue
            except DomainError as refused:
                return refused.reason

    async def creates(self, number: int, *products: int, freeze: bool = False) -> Batch | Reason:
        wanted = NewBatch(
            location_id=self.warehouse.locations[0],
            type=Type.PARTIAL,
            wanted=Wanted(product_master_ids=tuple(self.warehouse.products[product] for product in products)),
            is_freezing=freeze,
        )
        return await self.does(number, lambda work, act: batches.create(work, act=act, wanted=wanted))

    async def a_batch(self, *products: int, freeze: bool = False) -> Batch:
        made = await self.creates(0, *products, freeze=freeze)
        assert isinstance(made, Batch), made
        return made

    async def starts(self, number: int, batch: Batch) -> Batch | Reason:
        return await self.does(
            number, lambda work, act: batches.start(work, act=act, batch_id=batch.id, expected_version=None)
        )

    async def completes(self, number: int, batch: Batch) -> Batch | Reason:
        return await self.does(
            number, lambda work, act: batches.complete(work, act=act, batch_id=batch.id, expected_version=None)
        )

    async def records(
        self, number: int, batch: Batch, quantity: int, lines: list[UUID]
    ) -> recording.Recorded | Reason:
        counts = [Count(line_id=line, quantity=Decimal(quantity)) for line in lines]
        return await self.does(
            number,
            lambda work, act: recording.record(
                work, act=act, batch_id=batch.id, sitting=Sitting(counts=counts), expected_version=None
            ),
        )

    async def lines(self, admin: Admin, batch: Batch) -> list[UUID]:
        rows = await admin.fetch(
            "SELECT id FROM cycle_count_lines WHERE batch_id = $1 ORDER BY sequence, id", batch.id
        )
        return [row["id"] for row in rows]


@pytest.fixture
async def hall(admin: Admin, pools: Pools) -> Hall:
    warehouse = await a_warehouse(admin, products=2, bins=2)
    shelves = [warehouse.shelf(product, bin_=bin_) for product in (0, 1) for bin_ in (0, 1)]
    posted = await pools.alone(0, a_posting(*(an_entry(shelf, 10) for shelf in shelves)), warehouse)
    assert isinstance(posted, Posted)
    await admin.execute(
        "INSERT INTO document_numbers (tenant_id, type, last) VALUES ($1, 'CYCLE_COUNT', 0)", warehouse.tenant_id
    )
    return Hall(warehouse=warehouse, pools=pools)


async def test_of_eight_who_make_a_count_of_a_position_one_does(
    admin: Admin, hall: Hall, database_urls: DatabaseUrls
) -> None:
    async with gate(database_urls, HOLD_NUMBERS, hall.warehouse.tenant_id) as held:
        racers = [asyncio.create_task(hall.creates(n, *((0,) if n % 2 else (1, 0)))) for n in range(8)]
        await held.crowd(8)
    answers = await asyncio.gather(*racers)

    made = [answer for answer in answers if isinstance(answer, Batch)]
    assert len(made) == 1
    assert {answer for answer in answers if not isinstance(answer, Batch)} == {Reason.DUPLICATE}
    assert len(await hall.lines(admin, made[0])) == made[0].line_count
    assert (
        await admin.fetchval("SELECT count(*) FROM cycle_counts WHERE tenant_id = $1", hall.warehouse.tenant_id)
        == 1
    )


async def test_found_stock_and_a_new_count_do_not_both_get_the_position(
    hall: Hall, database_urls: DatabaseUrls
) -> None:
    batch = await hall.a_batch(0)
    await hall.starts(0, batch)
    shelf = hall.warehouse.shelf(1)
    found = Count(bin_id=shelf.bin_id, product_id=shelf.product_id, quantity=Decimal(3))
    async with gate(database_urls, HOLD_HEAD, hall.warehouse.tenant_id) as held:
        recorded = asyncio.create_task(
            hall.does(
                0,
                lambda work, act: recording.record(
                    work, act=act, batch_id=batch.id, sitting=Sitting(counts=[found]), expected_version=None
                ),
            )
        )
        await held.crowd(1)  # the line is made, and stands before the feed
        created = asyncio.create_task(hall.creates(1, 1))
        await held.crowd(2)  # it waits to see what becomes of that line

    assert isinstance(await recorded, recording.Recorded)
    assert await created is Reason.DUPLICATE


async def test_of_eight_who_start_a_count_one_does(hall: Hall, database_urls: DatabaseUrls) -> None:
    batch = await hall.a_batch(0)
    async with gate(database_urls, HOLD_BATCH, hall.warehouse.tenant_id, batch.id) as held:
        racers = [asyncio.create_task(hall.starts(n, batch)) for n in range(8)]
        await held.crowd(8)
    answers = await asyncio.gather(*racers)

    assert [answer.state for answer in answers if isinstance(answer, Batch)] == [State.IN_PROGRESS]
    assert answers.count(Reason.INVALID_TRANSITION) == 7


async def test_of_two_counts_that_stop_the_same_bins_one_starts(
    admin: Admin, hall: Hall, database_urls: DatabaseUrls
) -> None:
    both = [await hall.a_batch(0, freeze=True), await hall.a_batch(1, freeze=True)]
    async with gate(database_urls, HOLD_BINS, hall.warehouse.tenant_id) as held:
        racers = [asyncio.create_task(hall.starts(n, batch)) for n, batch in enumerate(both)]
        await held.crowd(2)
    answers = await asyncio.gather(*racers)

    (started,) = [answer for answer in answers if isinstance(answer, Batch)]
    frozen = await admin.fetch(
        "SELECT DISTINCT frozen_by FROM bins WHERE tenant_id = $1 AND frozen_by IS NOT NULL",
        hall.warehouse.tenant_id,
    )
    assert Reason.POSITION_FROZEN in answers
    assert [row["frozen_by"] for row in frozen] == [started.id]


@pytest.mark.parametrize("first", ["complete", "record"])
async def test_nothing_is_counted_once_the_count_is_complete(
    admin: Admin, hall: Hall, database_urls: DatabaseUrls, first: str
) -> None:
    batch = await hall.a_batch(0)
    await hall.starts(0, batch)
    lines = await hall.lines(admin, batch)
    await hall.records(0, batch, 4, lines)
    async with gate(database_urls, HOLD_BATCH, hall.warehouse.tenant_id, batch.id) as held:
        racers: list[asyncio.Task[Any]] = []
        if first == "complete":
            racers.append(asyncio.create_task(hall.completes(0, batch)))
            await held.crowd(1)
        for n in range(6):
            racers.append(asyncio.create_task(hall.records(n, batch, 5 + n, lines)))
            await held.crowd(len(racers))
        if first == "record":
            racers.append(asyncio.create_task(hall.completes(0, batch)))
            await held.crowd(len(racers))
    answers = await asyncio.gather(*racers)

    recorded = sum(isinstance(answer, recording.Recorded) for answer in answers)
    assert sum(isinstance(answer, Batch) for answer in answers) == 1
    assert answers.count(Reason.INVALID_TRANSITION) == 6 - recorded
    entries = await admin.fetchval("SELECT count(*) FROM cycle_count_entries WHERE batch_id = $1", batch.id)
    assert entries == len(lines) * (1 + recorded)
    wrong = await admin.fetchval(
        """
        SELECT count(*) FROM cycle_count_lines c JOIN cycle_counts b ON b.id = c.batch_id
        WHERE c.batch_id = $1 AND (c.state = 'COUNTED' OR c.counted_at > clock_timestamp()
            OR c.variance <> c.counted_quantity - c.expected_quantity)
        """,
        batch.id,
    )
    assert wrong == 0


async def test_what_moves_while_it_is_counted_is_in_the_expectation_or_comes_after_it(
    admin: Admin, hall: Hall
) -> None:
    batch = await hall.a_batch(0, 1)
    shelf = hall.warehouse.shelf(0)
    moving = asyncio.Event()

    async def moves(number: int) -> None:
        for step in range(12):
            await hall.pools.alone(number, a_move(shelf, 1 if (step + number) % 2 else -1), hall.warehouse)
            moving.set()

    movers = [asyncio.create_task(moves(n)) for n in range(2)]
    await moving.wait()
    await hall.starts(1, batch)
    lines = await hall.lines(admin, batch)
    for quantity in range(6):
        recorded = await hall.records(quantity, batch, quantity, lines)
        assert isinstance(recorded, recording.Recorded)
        for row in await admin.fetch(TOLD, hall.warehouse.tenant_id, batch.id):
            assert row["expected_quantity"] == row["snapshot_quantity"] + row["moved"]
            assert row["variance"] == row["counted_quantity"] - row["expected_quantity"]
    await asyncio.gather(*movers)

    after = await admin.fetch(
        """
        SELECT s.on_hand, c.expected_quantity + (
            SELECT coalesce(sum(m.delta), 0) FROM movements m
            WHERE m.tenant_id = c.tenant_id AND m.line_id = s.id AND m.position > c.counted_position
        ) AS said
        FROM cycle_count_lines c JOIN stock_lines s ON s.tenant_id = c.tenant_id AND s.id = c.line_id
        WHERE c.tenant_id = $1 AND c.batch_id = $2
        """,
        hall.warehouse.tenant_id,
        batch.id,
    )
    assert len(after) == len(lines)
    assert all(row["on_hand"] == row["said"] for row in after)
