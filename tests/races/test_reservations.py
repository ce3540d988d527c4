"""The last units, wanted by many at once over channels and locations; and each claim resolved exactly once (P-07).

Seen red without `claim_begin`'s locks: the lines' own guard then refuses with a fault instead of terms.
"""

import asyncio
from collections import Counter
from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from domain.access.model import Act
from domain.availability import service
from domain.availability.ports import Reservation, Wish
from domain.availability.service import Item, Wanted
from domain.errors import DomainError, Reason
from domain.ledger.model import Kind
from domain.values import new_id
from infra.availability.claims import ClaimSqlWork
from infra.availability.reads import SqlAvailability
from infra.db.pool import Database
from infra.db.work import beginning
from infra.ledger.verify import verify
from tests.ledger.builders import Warehouse, a_posting, a_warehouse, an_act, an_entry
from tests.ledger.promises import show
from tests.neighbours import insert
from tests.races.pools import Pools

type Admin = asyncpg.Connection[Any]

CLAIMED = """
    SELECT (
            SELECT coalesce(sum(open_quantity), 0) FROM reservations WHERE tenant_id = $1 AND state = 'LIVE'
        ) AS rows,
        (SELECT coalesce(sum(quantity), 0) FROM reservation_lines WHERE tenant_id = $1) AS lines,
        (SELECT sum(reserved) FROM stock_lines WHERE tenant_id = $1) AS on_lines,
        (SELECT sum(reserved) FROM stock_totals WHERE tenant_id = $1) AS in_totals,
        (SELECT coalesce(sum(allocated), 0) FROM stock_totals WHERE tenant_id = $1) AS allocated,
        (SELECT bool_and(on_hand >= reserved + held) FROM stock_lines WHERE tenant_id = $1) AS can_give
"""


def an_act_of(warehouse: Warehouse) -> Act:
    return an_act(warehouse.tenant_id)


async def a_channel(admin: Admin, warehouse: Warehouse, code: str, **policy: object) -> UUID:
    """A channel that all locations serve, with a policy of its own."""
    channel = new_id()
    row: dict[str, object] = {"tenant_id": warehouse.tenant_id}
    await insert(admin, "channels", {**row, "id": channel, "code": code, "name": code, "type": "DIRECT"})
    for location in warehouse.locations:
        await insert(admin, "channel_locations", {**row, "channel_id": channel, "location_id": location})
    await insert(admin, "channel_policies", {**row, "id": new_id(), "channel_id": channel, **policy})
    return channel


async def reserve(
    database: Database, warehouse: Warehouse, items: list[Item], **fields: Any
) -> list[Reservation] | DomainError:
    act = an_act_of(warehouse)
    wanted = Wanted(**{"items": items, "ttl_seconds": 600, **fields})
    try:
        needs, places = await service.asked(SqlAvailability(database), act=act, items=items)
        async with beginning(database, ClaimSqlWork)(act) as work:
            return await service.reserve(work, needs=needs, places=places, wanted=wanted)
    except DomainError as refused:
        return refused


async def stocked(pools: Pools, warehouse: Warehouse, each: int) -> None:
    shelves = [
        shelf
        for shelf in warehouse.shelves()
        if shelf.bin_id == warehouse.bins[shelf.location_id][0]  # the others may be set aside
    ]
    entries = [an_entry(shelf, each, kind=Kind.OPENING) for shelf in shelves]
    await pools.alone(0, a_posting(*entries, kind=Kind.OPENING), warehouse)


async def test_the_last_units_are_given_out_exactly_over_channels_and_locations(
    admin: Admin, pools: Pools
) -> None:
    warehouse = await a_warehouse(admin, products=1, locations=3, lots=2, bins=1)
    await stocked(pools, warehouse, 10)  # 2 lots at 3 locations
    channels = [
        await a_channel(admin, warehouse, "WEB", fence=Decimal(5), priority=1),
        await a_channel(admin, warehouse, "B2B", fence=Decimal(5), mode="IRON_RESERVE"),
        await a_channel(admin, warehouse, "POS"),
    ]
    answers: Counter[str] = Counter()
    given = Decimal(0)

    async def client(number: int) -> None:
        nonlocal given
        database = pools.databases[number % len(pools.databases)]
        for turn in range(6):
            item = Item(
                product_id=warehouse.products[0],
                location_id=None if turn % 2 else warehouse.locations[(number + turn) % 3],
                channel_id=channels[(number + turn) % 3],
                quantity=Decimal(1 + number % 3),
            )
            answer = await reserve(database, warehouse, [item])
            if isinstance(answer, DomainError):
                assert answer.reason is Reason.INSUFFICIENT_STOCK
                assert answer.facts["items"][0]["terms"]  # type: ignore[index] # of a JSON value
                answers["refused"] += 1
            else:
                given += sum(claim.quantity for claim in answer)
                answers["reserved"] += 1

    await asyncio.gather(*(client(number) for number in range(64)))
    # What is left is less than each of them wants, or kept by another's fence: each takes its own to the end.
    for channel in channels:
        for location in warehouse.locations:
            while True:
                item = Item(
                    product_id=warehouse.products[0], location_id=location, channel_id=channel, quantity=Decimal(1)
                )
                answer = await reserve(pools.databases[0], warehouse, [item])
                if isinstance(answer, DomainError):
                    break
                given += 1

    assert given == 60
    row = await admin.fetchrow(CLAIMED, warehouse.tenant_id)
    assert row is not None
    assert [row[name] for name in ("rows", "lines", "on_lines", "in_totals")] == [60] * 4
    assert row["can_give"]
    assert (await verify(admin, warehouse.tenant_id)).drifts == ()
    show("P-07", race="last units", clients=64, units=60, given=int(given), **answers)


@pytest.mark.parametrize("rounds", [12, pytest.param(2_000, marks=pytest.mark.long)])
async def test_a_claim_is_resolved_exactly_once_whoever_races(admin: Admin, pools: Pools, rounds: int) -> None:
    warehouse = await a_warehouse(admin, products=1, locations=1, lots=1, bins=1)
    await stocked(pools, warehouse, 1000)
    web = await a_channel(admin, warehouse, "WEB", fence=Decimal(100))
    winners: Counter[str] = Counter()

    async def race(name: str, number: int, id_: UUID) -> str | None:
        begin = beginning(pools.databases[number % len(pools.databases)], ClaimSqlWork)
        try:
            async with begin(an_act_of(warehouse)) as work:
                match name:
                    case "release":
                        await service.release(work, id_=id_, quantity=None, version=None)
                    case "allocate":
                        await service.allocate(work, wish=Wish(id=id_, action="ALLOCATE"))
                    case _:
                        await service.consume(
                            work, act=an_act_of(warehouse), wish=Wish(id=id_, action="CONSUME"), comment=None
                        )
        except DomainError as refused:
            return None if refused.reason is Reason.INVALID_TRANSITION else refused.reason
        return name

    consumed = allocated = 0
    for round_ in range(rounds):
        item = Item(
            product_id=warehouse.products[0],
            location_id=warehouse.locations[0],
            channel_id=web,
            quantity=Decimal(2),
        )
        made = await reserve(pools.databases[0], warehouse, [item])
        assert not isinstance(made, DomainError)
        names = ["release", "allocate", "consume"]
        found = await asyncio.gather(*(race(names[(n + round_) % 3], n, made[0].id) for n in range(3)))
        (winner,) = [name for name in found if name is not None]
        winners[winner] += 1
        consumed += 2 * (winner == "consume")
        allocated += 2 * (winner == "allocate")

    row = await admin.fetchrow(CLAIMED, warehouse.tenant_id)
    assert row is not None
    assert [row[name] for name in ("rows", "lines", "on_lines", "in_totals", "allocated")] == [allocated] * 5
    left = await admin.fetchval("SELECT sum(on_hand) FROM stock_lines WHERE tenant_id = $1", warehouse.tenant_id)
    assert left == 1000 - consumed
    used = await admin.fetchval("SELECT sum(used) FROM channel_usage WHERE tenant_id = $1", warehouse.tenant_id)
    assert used == consumed + allocated
    assert (await verify(admin, warehouse.tenant_id)).drifts == ()
    show("P-07", race="three ways", rounds=rounds, winners=dict(winners))
