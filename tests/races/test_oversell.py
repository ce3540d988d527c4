"""P-01: no more is given than there is, whoever asks and however many at once.

Seen red with the sabotage `no-line-lock`: both takers of the last unit get it.
"""

import asyncio
from collections import Counter
from decimal import Decimal
from typing import Any

import asyncpg
import pytest

from domain.errors import DomainError, Reason
from domain.ledger.model import Kind, Posted
from infra.ledger.verify import verify
from tests.lab import DatabaseUrls
from tests.ledger.builders import a_move, a_warehouse
from tests.ledger.promises import show
from tests.races.pools import HOLD_LINE, Pools, gate

type Admin = asyncpg.Connection[Any]
BALANCES = "SELECT min(balance_after) AS least, count(*) AS n FROM movements WHERE tenant_id = $1"


async def test_the_last_unit_goes_to_one_of_two(admin: Admin, pools: Pools, database_urls: DatabaseUrls) -> None:
    warehouse = await a_warehouse(admin)
    opening = await pools.alone(0, a_move(warehouse.shelf(), 1), warehouse)
    assert isinstance(opening, Posted)
    line_id = opening.movements[0].line_id

    async with gate(database_urls, HOLD_LINE, warehouse.tenant_id, line_id) as held:
        takers = [
            asyncio.create_task(pools.alone(n, a_move(line_id, -1, kind=Kind.ISSUE), warehouse)) for n in range(2)
        ]
        await held.crowd(2)
    answers = await asyncio.gather(*takers)

    assert sorted(type(answer).__name__ for answer in answers) == ["DomainError", "Posted"]


@pytest.mark.parametrize("issues", [10_000, pytest.param(200_000, marks=pytest.mark.long)])
async def test_a_thousand_in_stock_are_issued_a_thousand_times(admin: Admin, pools: Pools, issues: int) -> None:
    warehouse, stock = await a_warehouse(admin), 1_000
    opening = await pools.alone(0, a_move(warehouse.shelf(), stock), warehouse)
    assert isinstance(opening, Posted)
    line_id = opening.movements[0].line_id
    left, found = iter(range(issues)), Counter[str]()
    unexplained = []

    async def client(number: int) -> None:
        for _ in left:
            send = pools.alone if number % 8 == 0 else pools.grouped  # most through the front door, some beside it
            answer = await send(number, a_move(line_id, -1, kind=Kind.ISSUE), warehouse)
            found[answer.reason if isinstance(answer, DomainError) else "POSTED"] += 1
            if isinstance(answer, DomainError) and answer.facts.get("available") != 0:
                unexplained.append(answer.facts)

    await asyncio.gather(*(client(number) for number in range(64)))

    assert found == {"POSTED": stock, Reason.INSUFFICIENT_STOCK: issues - stock}
    assert unexplained == []  # every refusal says what there was
    balances = await admin.fetchrow(BALANCES, warehouse.tenant_id)
    assert balances is not None
    assert (balances["least"], balances["n"]) == (Decimal(0), stock + 1)
    report = await verify(admin, warehouse.tenant_id)
    assert report.drifts == ()
    show(
        "P-01",
        asked=issues,
        accepted=found["POSTED"],
        refused=found[Reason.INSUFFICIENT_STOCK],
        errors=0,
        least_balance=balances["least"],
    )
