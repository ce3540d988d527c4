"""Holds against what comes and goes meanwhile: nothing slips past one, and nobody waits for ever.

Seen red with the sabotage `holds-pass-by`: a hold that does not wait at the head never sees the line that does.
"""

import asyncio
import random
from collections import Counter
from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from domain.availability.holding import HoldType, Target
from domain.availability.holds import Changed, NewHold, newly_short, place_hold
from domain.availability.service import Item
from domain.errors import DomainError, Reason
from domain.ledger.model import Kind, Posted
from infra.availability.holds import HoldSqlWork
from infra.db.pool import Database
from infra.db.work import beginning
from infra.ledger.verify import verify
from tests.lab import DatabaseUrls
from tests.ledger.builders import Shelf, Warehouse, a_move, a_posting, a_warehouse, an_act, an_entry
from tests.ledger.promises import show
from tests.races.pools import HOLD_HEAD, HOLD_LINE, Pools, gate
from tests.races.test_reservations import reserve

type Admin = asyncpg.Connection[Any]

OF_LINES = "SELECT on_hand, reserved, held FROM stock_lines WHERE tenant_id = $1 ORDER BY id"


async def place(
    database: Database, warehouse: Warehouse, target: Target, quantity: Decimal | None = None
) -> Changed:
    hold = NewHold(type=HoldType.RECALL, target=target, quantity=quantity, reason="Glass")
    async with beginning(database, HoldSqlWork)(an_act(warehouse.tenant_id)) as work:
        return await place_hold(work, hold=hold)


async def release(database: Database, warehouse: Warehouse, changed: Changed) -> Changed:
    async with beginning(database, HoldSqlWork)(an_act(warehouse.tenant_id)) as work:
        return await work.release(changed.hold.id, quantity=None, version=None)


def targets(shelf: Shelf) -> dict[str, Target]:
    return {
        "LOT": Target(lot_id=shelf.lot_id),
        "BIN": Target(bin_id=shelf.bin_id),
        "PRODUCT": Target(product_id=shelf.product_id, location_id=shelf.location_id),
    }


@pytest.mark.parametrize("scope", ["LOT", "BIN", "PRODUCT"])
@pytest.mark.parametrize("is_hold_first", [True, False])
async def test_the_first_stock_of_a_scope_is_held_whoever_comes_first(
    admin: Admin, pools: Pools, database_urls: DatabaseUrls, scope: str, *, is_hold_first: bool
) -> None:
    warehouse = await a_warehouse(admin, products=1, lots=2, bins=2)
    shelf = warehouse.shelf(lot=1)
    target = targets(shelf)[scope]

    async with gate(database_urls, HOLD_HEAD, warehouse.tenant_id) as held:
        coming = [
            lambda: place(pools.databases[0], warehouse, target),
            lambda: pools.alone(1, a_move(shelf, 7), warehouse),
        ]
        racers = []
        for n, come in enumerate(coming if is_hold_first else reversed(coming), start=1):
            racers.append(asyncio.create_task(come()))
            await held.crowd(n)  # both stand at the head, in this order; the line is there and not seen yet
    await asyncio.gather(*racers)

    assert [tuple(row) for row in await admin.fetch(OF_LINES, warehouse.tenant_id)] == [(7, 0, 7)]
    assert (await verify(admin, warehouse.tenant_id)).drifts == ()


async def test_a_line_that_comes_while_a_hold_waits_for_another_is_held_too(
    admin: Admin, pools: Pools, database_urls: DatabaseUrls
) -> None:
    warehouse = await a_warehouse(admin, products=1, lots=2, bins=2)
    old, new = warehouse.shelf(lot=1), warehouse.shelf(lot=1, bin_=1)
    opened = await pools.alone(0, a_move(old, 5), warehouse)
    assert isinstance(opened, Posted)

    async with gate(database_urls, HOLD_LINE, warehouse.tenant_id, opened.movements[0].line_id) as held:
        placing = asyncio.create_task(place(pools.databases[0], warehouse, Target(lot_id=old.lot_id)))
        await held.crowd(1)
        assert isinstance(await pools.alone(1, a_move(new, 7), warehouse), Posted)
    changed = await placing

    assert len(changed.lines) == 2
    assert [tuple(row) for row in await admin.fetch(OF_LINES, warehouse.tenant_id)] == [(5, 0, 5), (7, 0, 7)]
    assert (await verify(admin, warehouse.tenant_id)).drifts == ()


async def test_a_claim_counts_on_stock_that_came_while_it_waited_and_locks_it_first(
    admin: Admin, pools: Pools, database_urls: DatabaseUrls
) -> None:
    warehouse = await a_warehouse(admin, products=1, lots=1, bins=2)
    opened = await pools.alone(0, a_move(warehouse.shelf(), 5), warehouse)
    assert isinstance(opened, Posted)
    item = Item(product_id=warehouse.products[0], location_id=warehouse.locations[0], quantity=Decimal(12))

    async with gate(database_urls, HOLD_LINE, warehouse.tenant_id, opened.movements[0].line_id) as held:
        claiming = asyncio.create_task(reserve(pools.databases[0], warehouse, [item]))
        await held.crowd(1)
        assert isinstance(await pools.alone(1, a_move(warehouse.shelf(bin_=1), 7), warehouse), Posted)
    made = await claiming

    assert not isinstance(made, DomainError), made.facts
    assert [tuple(row) for row in await admin.fetch(OF_LINES, warehouse.tenant_id)] == [(5, 5, 0), (7, 7, 0)]


class Crowd:
    """Clients that hold, claim and issue at will."""

    def __init__(self, pools: Pools, warehouse: Warehouse, lines: list[UUID]) -> None:
        self.pools, self.warehouse, self.lines = pools, warehouse, lines
        self.done: Counter[str] = Counter()

    async def client(self, number: int, turns: int) -> None:
        chance = random.Random(number)
        database = self.pools.databases[number % len(self.pools.databases)]
        for _ in range(turns):
            match chance.randrange(8):
                case 0:
                    await self.hold(chance, database)
                case 1 | 2 | 3 | 4:
                    await self.claim(chance, database)
                case _:
                    await self.issue(chance, number)

    async def hold(self, chance: random.Random, database: Database) -> None:
        quantity: Decimal | None = Decimal(chance.randint(1, 9))
        target = Target(line_id=chance.choice(self.lines))
        if chance.random() < 0.4:
            quantity, target = None, chance.choice(list(targets(chance.choice(self.warehouse.shelves())).values()))
        changed = await place(database, self.warehouse, target, quantity)
        self.done["broken"] += bool(newly_short(changed.lines))
        self.done["held"] += 1
        await release(database, self.warehouse, changed)

    async def claim(self, chance: random.Random, database: Database) -> None:
        item = Item(
            product_id=self.warehouse.products[0],
            location_id=self.warehouse.locations[0],
            quantity=Decimal(chance.randint(1, 4)),
        )
        made = await reserve(database, self.warehouse, [item])
        if isinstance(made, DomainError):
            assert made.reason is Reason.INSUFFICIENT_STOCK
        self.done["refused" if isinstance(made, DomainError) else "reserved"] += 1

    async def issue(self, chance: random.Random, number: int) -> None:
        quantity = chance.randint(1, 3)
        answer = await self.pools.alone(number, a_move(chance.choice(self.lines), -quantity), self.warehouse)
        if isinstance(answer, DomainError):
            assert answer.reason is Reason.INSUFFICIENT_STOCK
        self.done["refused" if isinstance(answer, DomainError) else "issued"] += 1
        self.done["units issued"] += 0 if isinstance(answer, DomainError) else quantity


@pytest.mark.parametrize("turns", [12, pytest.param(500, marks=pytest.mark.long)])
async def test_holds_claims_and_issues_on_few_lines_never_give_more_than_there_is(
    admin: Admin, pools: Pools, turns: int
) -> None:
    warehouse = await a_warehouse(admin, products=1, locations=1, lots=2, bins=1)
    there = 20 * turns
    opening = a_posting(
        *(an_entry(shelf, there // 2, kind=Kind.OPENING) for shelf in warehouse.shelves()), kind=Kind.OPENING
    )
    opened = await pools.alone(0, opening, warehouse)
    assert isinstance(opened, Posted)
    crowd = Crowd(pools, warehouse, [movement.line_id for movement in opened.movements])

    await asyncio.gather(*(crowd.client(number, turns) for number in range(24)))

    # All holds are gone, and no claim was made of what one of them covered, nor any issue of what was claimed.
    rows = await admin.fetch(OF_LINES, warehouse.tenant_id)
    assert [row["held"] for row in rows] == [0, 0]
    assert sum(row["on_hand"] for row in rows) == there - crowd.done["units issued"]
    assert all(0 < row["reserved"] <= row["on_hand"] for row in rows)
    assert (await verify(admin, warehouse.tenant_id)).drifts == ()
    assert {"held", "reserved", "issued", "refused"} <= crowd.done.keys()
    show("P-07", race="holds, claims, issues", clients=24, turns=turns, there=there, **crowd.done)
