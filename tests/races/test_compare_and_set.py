"""P-18: an absolute quantity is set on what its writer has seen, or not at all.

Seen red with the sabotage `expected-not-compared`.
"""

import asyncio
from decimal import Decimal
from typing import Any

import asyncpg
import pytest

from domain.errors import DomainError, Reason
from domain.ledger.model import Kind, Posted
from infra.ledger.verify import verify
from tests.lab import DatabaseUrls
from tests.ledger.builders import a_move, a_posting, a_warehouse, an_entry
from tests.ledger.promises import show
from tests.races.pools import HOLD_LINE, Pools, gate

type Admin = asyncpg.Connection[Any]
BALANCE = "SELECT on_hand FROM stock_lines WHERE tenant_id = $1"


async def test_a_set_that_waits_behind_a_picker_is_stale_when_its_turn_comes(
    admin: Admin, pools: Pools, database_urls: DatabaseUrls
) -> None:
    warehouse = await a_warehouse(admin)
    opening = await pools.alone(0, a_move(warehouse.shelf(), 10), warehouse)
    assert isinstance(opening, Posted)
    line_id = opening.movements[0].line_id

    async with gate(database_urls, HOLD_LINE, warehouse.tenant_id, line_id) as held:
        picker = asyncio.create_task(pools.alone(0, a_move(line_id, -3, kind=Kind.ISSUE), warehouse))
        await held.crowd(1)
        set_to_12 = a_posting(an_entry(line_id, target=Decimal(12), expected=Decimal(10)))
        setter = asyncio.create_task(pools.alone(1, set_to_12, warehouse))
        await held.crowd(2)
    picked, stale = await asyncio.gather(picker, setter)

    assert isinstance(picked, Posted)
    assert isinstance(stale, DomainError)
    assert stale.reason is Reason.STALE_QUANTITY
    assert (stale.facts["expected"], stale.facts["actual"]) == (10, 7)
    assert await admin.fetchval(BALANCE, warehouse.tenant_id) == 7


@pytest.mark.parametrize("sets", [200, pytest.param(1_000, marks=pytest.mark.long)])
async def test_no_stale_set_is_applied_among_pickers(admin: Admin, pools: Pools, sets: int) -> None:
    warehouse = await a_warehouse(admin)
    opening = await pools.alone(0, a_move(warehouse.shelf(), 100_000), warehouse)
    assert isinstance(opening, Posted)
    line_id = opening.movements[0].line_id
    is_over = asyncio.Event()
    applied = stale = wrongly = 0

    async def pick(number: int) -> None:
        while not is_over.is_set():
            await pools.grouped(number, a_move(line_id, -1, kind=Kind.ISSUE), warehouse)

    async def sync(number: int) -> None:
        nonlocal applied, stale, wrongly
        for _ in range(sets // 4):
            seen = await admin_balance()
            target = a_posting(an_entry(line_id, target=seen + 50, expected=seen, kind=Kind.IMPORT))
            answer = await pools.alone(number, target, warehouse)
            if isinstance(answer, Posted):
                applied += 1
                wrongly += answer.movements[0].before != seen
            else:
                assert answer.reason is Reason.STALE_QUANTITY
                stale += 1

    reading = asyncio.Lock()

    async def admin_balance() -> Decimal:
        async with reading:  # one connection, one question at a time
            found: Decimal = await admin.fetchval(BALANCE, warehouse.tenant_id)
            return found

    pickers = [asyncio.create_task(pick(number)) for number in range(8)]
    await asyncio.gather(*(sync(number) for number in range(4)))
    is_over.set()
    await asyncio.gather(*pickers)

    assert applied + stale == sets
    assert stale > 0
    assert wrongly == 0
    assert (await verify(admin, warehouse.tenant_id)).drifts == ()
    show("P-18", sets=sets, applied=applied, stale=stale, stale_applied=wrongly)
