"""P-26: lines are locked in one order, so nobody ever waits in a circle.

Seen red with the sabotage `lines-locked-in-any-order`.
"""

import asyncio
import random
from decimal import Decimal
from typing import Any

import asyncpg
import pytest

from domain.ledger.model import Kind, Posted
from infra.ledger.verify import verify
from tests.lab import DatabaseUrls
from tests.ledger.builders import a_posting, a_warehouse, an_entry
from tests.ledger.promises import show
from tests.races.pools import Pools

type Admin = asyncpg.Connection[Any]
DEADLOCKS = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"


@pytest.mark.parametrize("postings", [1_500, pytest.param(60_000, marks=pytest.mark.long)])
async def test_postings_that_name_the_same_lines_in_any_order_never_deadlock(
    admin: Admin, pools: Pools, database_urls: DatabaseUrls, postings: int
) -> None:
    warehouse = await a_warehouse(admin, products=12, locations=2, bins=2)
    shelves, chance = warehouse.shelves(), random.Random(7)
    half = shelves[::2]  # the other half is made on the way
    opening = a_posting(*(an_entry(shelf, 1_000_000, kind=Kind.OPENING) for shelf in half))
    opened = await pools.alone(0, opening, warehouse)
    assert isinstance(opened, Posted)
    lines = [moved.line_id for moved in opened.movements]
    left = iter(range(postings))

    async def client(number: int) -> int:
        moved = 0
        for _ in left:
            # More than eight of them at times: those are written by other statements.
            some = chance.sample(lines, chance.choice([2, 2, 3, 6, 12])) + chance.sample(shelves, 2)
            chance.shuffle(some)
            entries = [an_entry(where, Decimal(chance.choice([-1, 1, 2]))) for where in some]
            # Raw: a deadlock comes out as the error that it is, and nothing tries again.
            answer = await pools.alone(number, a_posting(*entries, force=True), warehouse)
            moved += len(answer.movements) if isinstance(answer, Posted) else 0
        return moved

    moved = sum(await asyncio.gather(*(client(number) for number in range(16))))

    await admin.execute("SELECT pg_stat_clear_snapshot()")
    assert await admin.fetchval(DEADLOCKS) == 0
    assert (await verify(admin, warehouse.tenant_id)).drifts == ()
    show("P-26", transactions=postings, movements=moved, deadlocks=0)
