"""P-13: one line for each product, location, bin and lot, however many touch it first.

Seen red with the sabotage `lines-made-twice`: without the unique key each of the first comers makes its own.
"""

import asyncio
from typing import Any

import asyncpg
import msgspec
import pytest

from domain.errors import DomainError
from domain.ledger.model import Entry, Posted
from infra.ledger.verify import verify
from tests.lab import DatabaseUrls
from tests.ledger.builders import Warehouse, a_move, a_posting, a_warehouse, an_entry
from tests.ledger.promises import show
from tests.races.pools import HOLD_HEAD, Pools, gate

type Admin = asyncpg.Connection[Any]


def named_somehow(warehouse: Warehouse, product: int, number: int) -> Entry:
    """The default bin and lot: by their ids, by either, or by none."""
    entry = an_entry(warehouse.shelf(product), 1)
    left_out = [{}, {"bin_id": None}, {"lot_id": None}, {"bin_id": None, "lot_id": None}][number % 4]
    return msgspec.structs.replace(entry, **left_out)


async def lines_of(admin: Admin, warehouse: Warehouse) -> list[tuple[Any, ...]]:
    rows = await admin.fetch("SELECT on_hand, version FROM stock_lines WHERE tenant_id = $1", warehouse.tenant_id)
    return [tuple(row) for row in rows]


async def test_sixteen_who_come_first_make_one_line(
    admin: Admin, pools: Pools, database_urls: DatabaseUrls
) -> None:
    warehouse = await a_warehouse(admin)

    async with gate(database_urls, HOLD_HEAD, warehouse.tenant_id) as held:
        racers = [
            asyncio.create_task(pools.alone(n, a_posting(named_somehow(warehouse, 0, n)), warehouse))
            for n in range(16)
        ]
        await held.crowd(16)  # one has made the line and stands at the head, the others wait for its commit
    answers = await asyncio.gather(*racers)

    assert all(isinstance(answer, Posted) for answer in answers)
    assert await lines_of(admin, warehouse) == [(16, 16)]


async def test_a_refused_first_touch_leaves_the_line_to_the_next(
    admin: Admin, pools: Pools, database_urls: DatabaseUrls
) -> None:
    warehouse = await a_warehouse(admin)
    shelf = warehouse.shelf()
    other = await pools.alone(0, a_move(warehouse.shelf(1), 1), warehouse)
    assert isinstance(other, Posted)
    refused = a_posting(an_entry(shelf, 5), an_entry(other.movements[0].line_id, -9))

    line = "SELECT 1 FROM stock_lines WHERE tenant_id = $1 FOR UPDATE"
    async with gate(database_urls, line, warehouse.tenant_id) as held:
        first = asyncio.create_task(pools.alone(0, refused, warehouse))
        await held.crowd(1)
        second = asyncio.create_task(pools.alone(1, a_move(shelf, 2), warehouse))
        await held.crowd(2)
    answers = await asyncio.gather(first, second)

    assert [isinstance(answer, DomainError) for answer in answers] == [True, False]
    assert sorted(await lines_of(admin, warehouse)) == [(1, 1), (2, 1)]
    assert (await verify(admin, warehouse.tenant_id)).drifts == ()


@pytest.mark.parametrize("touches", [500, pytest.param(5_000, marks=pytest.mark.long)])
async def test_no_shelf_has_two_lines(admin: Admin, pools: Pools, touches: int) -> None:
    each = 16
    warehouse = await a_warehouse(admin, products=touches // each + 1)

    left, answers = iter(range(touches)), list[Posted | DomainError]()

    async def client() -> None:
        for n in left:
            answers.append(await pools.alone(n, a_posting(named_somehow(warehouse, n // each, n)), warehouse))

    await asyncio.gather(*(client() for _ in range(2 * each)))

    assert all(isinstance(answer, Posted) for answer in answers)
    shelves = (touches + each - 1) // each
    lines = await lines_of(admin, warehouse)
    assert len(lines) == shelves
    assert sum(on_hand for on_hand, _ in lines) == touches
    assert (await verify(admin, warehouse.tenant_id)).drifts == ()
    show("P-13", touches=touches, shelves=shelves, lines=len(lines), duplicates=0)
