"""A posting is taken back once.

Seen red with the sabotage `reversals-not-counted`.
"""

import asyncio
from typing import Any

import asyncpg

from domain.errors import DomainError, Reason
from domain.ledger.model import Kind, Posted
from infra.ledger.verify import verify
from tests.lab import DatabaseUrls
from tests.ledger.builders import a_move, a_posting, a_reversal, a_warehouse, an_entry
from tests.races.pools import HOLD_HEAD, HOLD_LINE, Pools, gate

type Admin = asyncpg.Connection[Any]


def outcomes(answers: list[Posted | DomainError]) -> list[str]:
    return sorted(answer.reason if isinstance(answer, DomainError) else "POSTED" for answer in answers)


async def test_of_sixteen_reversals_at_once_one_is_posted(
    admin: Admin, pools: Pools, database_urls: DatabaseUrls
) -> None:
    warehouse = await a_warehouse(admin)
    original = await pools.alone(0, a_move(warehouse.shelf(), 5), warehouse)
    assert isinstance(original, Posted)
    await pools.alone(0, a_move(warehouse.shelf(), 100), warehouse)

    async with gate(database_urls, HOLD_LINE, warehouse.tenant_id, original.movements[0].line_id) as held:
        racers = [asyncio.create_task(pools.alone(n, a_reversal(original), warehouse)) for n in range(16)]
        await held.crowd(16)
    answers = await asyncio.gather(*racers)

    assert outcomes(answers) == [Reason.ALREADY_REVERSED] * 15 + ["POSTED"]
    balance = "SELECT on_hand FROM stock_lines WHERE tenant_id = $1"
    assert await admin.fetchval(balance, warehouse.tenant_id) == 100


async def test_reversals_in_one_flush_and_in_two_processes_are_one(
    admin: Admin, pools: Pools, database_urls: DatabaseUrls
) -> None:
    warehouse = await a_warehouse(admin)
    original = await pools.alone(0, a_move(warehouse.shelf(), 5), warehouse)
    assert isinstance(original, Posted)
    await pools.alone(0, a_move(warehouse.shelf(), 100), warehouse)

    async with gate(database_urls, HOLD_LINE, warehouse.tenant_id, original.movements[0].line_id) as held:
        racers = [asyncio.create_task(pools.grouped(n, a_reversal(original), warehouse)) for n in range(20)]
        await held.crowd(2)
    answers = await asyncio.gather(*racers)

    assert outcomes(answers) == [Reason.ALREADY_REVERSED] * 19 + ["POSTED"]
    assert (await verify(admin, warehouse.tenant_id)).drifts == ()


async def test_a_posting_without_movements_is_reversed_once_too(
    admin: Admin, pools: Pools, database_urls: DatabaseUrls
) -> None:
    """There is no line to wait at: the unique key is the last word."""
    warehouse = await a_warehouse(admin)
    await pools.alone(0, a_move(warehouse.shelf(), 5), warehouse)
    count = a_posting(an_entry(warehouse.shelf(), kind=Kind.COUNT, target=5), unchanged_ok=True)
    original = await pools.alone(0, count, warehouse)
    assert isinstance(original, Posted)
    empty = [a_posting(kind=Kind.REVERSAL, reverses_id=original.posting_id) for _ in range(2)]

    async with gate(database_urls, HOLD_HEAD, warehouse.tenant_id) as held:
        racers = [asyncio.create_task(pools.grouped(n, empty[n], warehouse)) for n in range(2)]
        await held.crowd(2)
    answers = await asyncio.gather(*racers)

    assert outcomes(answers) == [Reason.ALREADY_REVERSED, "POSTED"]
