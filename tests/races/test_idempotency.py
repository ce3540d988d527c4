"""P-15 to P-17: under one key one execution, and one answer for ever.

Seen red with the sabotage `keys-not-claimed`: without the unique key every racer executes.
"""

import asyncio
from collections.abc import Sequence
from typing import Any

import asyncpg
import msgspec
import pytest

from domain.errors import DomainError, Reason
from domain.ledger.model import Kind, Posted, Posting
from domain.values import new_id
from infra.db.errors import AWAY
from infra.ledger.verify import verify
from tests.lab import DatabaseUrls
from tests.ledger.builders import Warehouse, a_move, a_posting, a_warehouse, an_act, an_entry
from tests.ledger.model import told
from tests.ledger.promises import show
from tests.races.pools import HOLD_LINE, Pools, gate

type Admin = asyncpg.Connection[Any]
type Answer = Posted | DomainError
BALANCE = "SELECT on_hand FROM stock_lines WHERE tenant_id = $1"
CULPRIT = """
    SELECT pg_terminate_backend(pid) FROM pg_locks
    WHERE relation = 'stock_lines'::regclass AND mode = 'RowShareLock' AND granted
        AND pid IN (SELECT pid FROM pg_stat_activity WHERE application_name = 'storekeeper')
"""


def as_stored(answer: Answer) -> object:
    """All of an answer but whether it is a repetition."""
    if isinstance(answer, DomainError):
        return answer.reason, answer.message, sorted(answer.facts.items(), key=str)
    return msgspec.structs.replace(answer, replayed=False)


def executions(answers: Sequence[Answer]) -> int:
    return sum(not answer.replayed for answer in answers)


def requests(warehouse: Warehouse, like: Posting, key: str, number: int) -> list[Posting]:
    """The same request so many times: each has an id of its own, as each retry has."""
    act = an_act(warehouse.tenant_id, key=key, body=b"the same")
    return [msgspec.structs.replace(like, id=new_id(), act=act) for _ in range(number)]


async def stocked(pools: Pools, warehouse: Warehouse, quantity: int = 100) -> Posted:
    opening = await pools.alone(0, a_move(warehouse.shelf(), quantity, kind=Kind.OPENING), warehouse)
    assert isinstance(opening, Posted)
    return opening


async def test_the_same_request_from_fifty_at_once_is_executed_once(
    admin: Admin, pools: Pools, database_urls: DatabaseUrls
) -> None:
    warehouse = await a_warehouse(admin)
    line_id = (await stocked(pools, warehouse)).movements[0].line_id

    async with gate(database_urls, HOLD_LINE, warehouse.tenant_id, line_id) as held:
        racers = [
            asyncio.create_task(pools.alone(n, posting, warehouse))
            for n, posting in enumerate(requests(warehouse, a_move(line_id, -7), "one", 50))
        ]
        await held.crowd(16)  # one at the line, the others at its key
    answers = await asyncio.gather(*racers)

    assert executions(answers) == 1
    assert len({str(as_stored(answer)) for answer in answers}) == 1
    assert await admin.fetchval(BALANCE, warehouse.tenant_id) == 93


@pytest.mark.parametrize("keys", [20, pytest.param(1_000, marks=pytest.mark.long)])
async def test_of_each_key_and_its_fifty_requests_one_is_executed(admin: Admin, pools: Pools, keys: int) -> None:
    warehouse = await a_warehouse(admin)
    line_id = (await stocked(pools, warehouse)).movements[0].line_id

    async def race(key: int) -> list[Answer]:
        # Every other one must be refused; refusals are answers like any other.
        like = a_move(line_id, 1 if key % 2 else -1_000_000)
        copies = requests(warehouse, like, f"key {key}", 50)
        return await asyncio.gather(
            *(
                (pools.alone if n % 5 == 0 else pools.grouped)(n, posting, warehouse)
                for n, posting in enumerate(copies)
            )
        )

    races = [await race(key) for key in range(keys)]

    assert [executions(answers) for answers in races] == [1] * keys
    assert [len({str(as_stored(answer)) for answer in answers}) for answers in races] == [1] * keys
    assert await admin.fetchval(BALANCE, warehouse.tenant_id) == 100 + keys // 2
    assert (await verify(admin, warehouse.tenant_id)).drifts == ()
    show("P-15", keys=keys, requests=keys * 50, executions=keys, identical=keys * 49, different=0)


async def test_of_two_bodies_under_one_key_one_is_executed_and_the_other_told_so(
    admin: Admin, pools: Pools, database_urls: DatabaseUrls
) -> None:
    warehouse = await a_warehouse(admin)
    line_id = (await stocked(pools, warehouse)).movements[0].line_id
    acts = [an_act(warehouse.tenant_id, key="one", body=body) for body in (b"plus", b"minus")]
    bodies = [a_move(line_id, 1, act=acts[0]), a_move(line_id, -1, act=acts[1])]

    async with gate(database_urls, HOLD_LINE, warehouse.tenant_id, line_id) as held:
        racers = [asyncio.create_task(pools.alone(n // 2, bodies[n % 2], warehouse)) for n in range(32)]
        await held.crowd(16)
    answers = await asyncio.gather(*racers)

    codes = [[told(answer).code for answer in answers[side::2]] for side in (0, 1)]
    assert sorted(codes) == [[Reason.IDEMPOTENCY_KEY_REUSED] * 16, ["POSTED"] * 16]
    assert executions(answers[codes[1][0] == "POSTED" :: 2]) == 1
    assert await admin.fetchval(BALANCE, warehouse.tenant_id) in {99, 101}
    show("P-16", bodies=2, requests=32, executions=1, told_of_reuse=16)


@pytest.mark.parametrize("rounds", [50, pytest.param(1_000, marks=pytest.mark.long)])
async def test_a_refusal_stays_one_when_the_stock_has_come(admin: Admin, pools: Pools, rounds: int) -> None:
    flips = 0
    warehouse = await a_warehouse(admin)
    line_id = (await stocked(pools, warehouse, 1)).movements[0].line_id
    for number in range(rounds):
        on_hand = await admin.fetchval(BALANCE, warehouse.tenant_id)
        too_much = a_move(line_id, -(on_hand + 1), kind=Kind.ISSUE)
        first, second, third = requests(warehouse, too_much, f"key {number}", 3)

        refused = await pools.grouped(0, first, warehouse)
        await pools.grouped(1, a_move(line_id, 10), warehouse)
        again = [await pools.grouped(1, second, warehouse), await pools.grouped(0, third, warehouse)]
        anew = await pools.grouped(0, requests(warehouse, too_much, f"new {number}", 1)[0], warehouse)

        assert told(refused).code == Reason.INSUFFICIENT_STOCK
        assert [as_stored(answer) for answer in again] == [as_stored(refused)] * 2
        assert isinstance(anew, Posted)
        flips += any(isinstance(answer, Posted) for answer in again)
    show("P-17", refused=rounds, retried=2 * rounds, flips=flips)


async def test_when_the_first_fails_as_a_whole_nothing_is_remembered(
    admin: Admin, pools: Pools, database_urls: DatabaseUrls
) -> None:
    warehouse = await a_warehouse(admin)
    line_id = (await stocked(pools, warehouse)).movements[0].line_id
    broken = a_posting(an_entry(line_id, -1, kind=Kind.TRANSFER_OUT))  # it arrives nowhere

    async with gate(database_urls, HOLD_LINE, warehouse.tenant_id, line_id) as held:
        racers = [
            asyncio.create_task(pools.grouped(n, posting, warehouse))
            for n, posting in enumerate(requests(warehouse, broken, "one", 8))
        ]
        await held.crowd(2)
    answers = await asyncio.gather(*racers)
    repaired = await pools.grouped(0, requests(warehouse, a_move(line_id, -1), "one", 1)[0], warehouse)

    assert {told(answer).code for answer in answers} == {Reason.VALIDATION_ERROR}
    assert isinstance(repaired, Posted)


async def test_when_the_first_dies_another_executes_in_its_place(
    admin: Admin, pools: Pools, database_urls: DatabaseUrls
) -> None:
    """No half-done key is ever left behind to answer "still running" until it expires."""
    warehouse = await a_warehouse(admin)
    line_id = (await stocked(pools, warehouse)).movements[0].line_id

    async with gate(database_urls, HOLD_LINE, warehouse.tenant_id, line_id) as held:
        racers = [
            asyncio.create_task(pools.alone(n, posting, warehouse))
            for n, posting in enumerate(requests(warehouse, a_move(line_id, -7), "one", 8))
        ]
        await held.crowd(8)
        assert len(await admin.fetch(CULPRIT)) == 1  # only who holds the key has come to the line
        await held.crowd(8 - 1)
    answers = await asyncio.gather(*racers, return_exceptions=True)

    died = [answer for answer in answers if not isinstance(answer, Posted)]
    assert [isinstance(error, AWAY) for error in died] == [True]
    posted = [answer for answer in answers if isinstance(answer, Posted)]
    assert executions(posted) == 1
    assert len({str(as_stored(answer)) for answer in posted}) == 1
    assert await admin.fetchval(BALANCE, warehouse.tenant_id) == 93
