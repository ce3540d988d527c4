"""Counts under races: each step happens once (P-10), and what moves meanwhile is neither eaten nor invented.

Seen red without the locks of the batch and of its stock lines (either is enough): all who resolve a line succeed.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable
from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from domain.counting.deciding import ResolveAction, Verdict
from domain.counting.model import State
from domain.errors import DomainError, Reason
from domain.ledger.counting_whole import CountedLine, WholeCount, record_count
from domain.ledger.model import Kind, Posted
from infra.db.work import beginning
from infra.ledger.counts import CountSqlWork
from infra.ledger.verify import verify
from tests.count_bench import Counting, a_person, decree, lines_of, people
from tests.lab import DatabaseUrls
from tests.ledger.builders import Warehouse, a_posting, a_warehouse, an_act, an_entry
from tests.ledger.promises import show
from tests.races.pools import Pools, gate

type Admin = asyncpg.Connection[Any]

HOLD_BATCH = "SELECT 1 FROM cycle_counts WHERE tenant_id = $1 AND id = $2 FOR UPDATE"
ACCEPT, RECOUNT = ResolveAction.ACCEPT, ResolveAction.RECOUNT
STANDS = "SELECT sum(on_hand) FROM stock_lines WHERE tenant_id = $1"
# Independent of how variances are computed: what was counted, and what has happened since but the count itself.
WRONG = """
    SELECT c.id, s.on_hand, c.counted_quantity, m.since
    FROM cycle_count_lines c
    JOIN stock_lines s ON s.tenant_id = c.tenant_id AND s.id = c.line_id
    LEFT JOIN LATERAL (
        SELECT coalesce(sum(x.delta), 0) AS since FROM movements x
        WHERE x.tenant_id = c.tenant_id AND x.line_id = s.id AND x.position > c.counted_position
            AND x.posting_id <> c.posting_id
    ) m ON true
    WHERE c.tenant_id = $1 AND c.posting_id IS NOT NULL AND s.on_hand <> c.counted_quantity + m.since
"""


async def outcome(work: Awaitable[Any]) -> str:
    """DONE, or why not."""
    try:
        await work
    except DomainError as refused:
        return refused.reason
    return "DONE"


async def a_company(
    admin: Admin, pools: Pools, **settings: object
) -> tuple[Warehouse, list[Counting], list[UUID]]:
    """A product of ten in one bin, and people, the first of whom counts."""
    warehouse = await a_warehouse(admin, products=1, locations=1, lots=1, bins=1)
    await decree(admin, warehouse, **settings)
    await pools.alone(0, a_posting(an_entry(warehouse.shelf(), 10, kind=Kind.OPENING)), warehouse)
    return warehouse, [Counting(database, warehouse) for database in pools.databases], people(8)


async def counted_twice(admin: Admin, counting: Counting, who: list[UUID], counted: int) -> tuple[UUID, UUID]:
    """A batch whose one line two people counted as so many."""
    warehouse = counting.warehouse
    batch = await counting.begin(a_person(warehouse, who[0]))
    await counting.record(a_person(warehouse, who[0]), batch.id, {warehouse.shelf(): counted})
    await counting.complete(a_person(warehouse, who[0]), batch.id)
    (line,) = await lines_of(admin, warehouse, batch.id)
    await counting.resolve(a_person(warehouse, who[2]), batch.id, [line.id], RECOUNT)
    await counting.record(a_person(warehouse, who[1]), batch.id, {warehouse.shelf(): counted})
    return batch.id, line.id


@pytest.mark.parametrize("rounds", [4, pytest.param(1_000, marks=pytest.mark.long)])
async def test_a_variance_is_resolved_once_whoever_resolves_it(
    admin: Admin, pools: Pools, database_urls: DatabaseUrls, rounds: int
) -> None:
    found: Counter[str] = Counter()
    for number in range(rounds):
        warehouse, desks, who = await a_company(admin, pools)
        batch, line = await counted_twice(admin, desks[0], who, 7)
        async with gate(database_urls, HOLD_BATCH, warehouse.tenant_id, batch) as held:
            actions = [ACCEPT, RECOUNT, ResolveAction.REJECT]
            actions = [actions[(n + number) % 3] for n in range(3)]
            racers = [
                asyncio.create_task(
                    outcome(desks[n % 2].resolve(a_person(warehouse, who[3 + n]), batch, [line], action))
                )
                for n, action in enumerate(actions)
            ]
            await held.crowd(len(racers))
        answers = await asyncio.gather(*racers)
        assert sorted(answers) == ["DONE", *[Reason.INVALID_TRANSITION] * 2]
        winner = actions[answers.index("DONE")]
        found[winner] += 1
        stands = await admin.fetchval(STANDS, warehouse.tenant_id)
        assert stands == (7 if winner is ACCEPT else 10)
        assert (await verify(admin, warehouse.tenant_id)).drifts == ()
    show(
        "P-10", step="resolve a count", rounds=rounds, racers=3, successes=sum(found.values()), winners=dict(found)
    )


async def test_a_count_is_resolved_or_canceled(admin: Admin, pools: Pools, database_urls: DatabaseUrls) -> None:
    for turn in range(4):
        warehouse, desks, who = await a_company(admin, pools)
        batch, line = await counted_twice(admin, desks[0], who, 7)
        async with gate(database_urls, HOLD_BATCH, warehouse.tenant_id, batch) as held:
            resolving = outcome(desks[0].resolve(a_person(warehouse, who[3]), batch, [line], ACCEPT))
            canceling = outcome(desks[1].cancel(a_person(warehouse, who[4]), batch))
            order = [resolving, canceling] if turn % 2 else [canceling, resolving]
            racers = []
            for one in order:
                racers.append(asyncio.create_task(_coroutine(one)))
                await held.crowd(len(racers))
        answers = await asyncio.gather(*racers)

        assert sorted(answers) == ["DONE", Reason.INVALID_TRANSITION]
        is_resolved = answers[order.index(resolving)] == "DONE"
        assert await admin.fetchval(STANDS, warehouse.tenant_id) == (7 if is_resolved else 10)


async def test_what_is_recorded_as_a_count_completes_is_in_it_or_refused(
    admin: Admin, pools: Pools, database_urls: DatabaseUrls
) -> None:
    for turn in range(4):
        warehouse, desks, who = await a_company(admin, pools)
        batch = (await desks[0].begin(a_person(warehouse, who[0]))).id
        await desks[0].record(a_person(warehouse, who[0]), batch, {warehouse.shelf(): 10})
        async with gate(database_urls, HOLD_BATCH, warehouse.tenant_id, batch) as held:
            recording = outcome(desks[0].record(a_person(warehouse, who[1]), batch, {warehouse.shelf(): 8}))
            completing = outcome(desks[1].complete(a_person(warehouse, who[0]), batch))
            order = [recording, completing] if turn % 2 else [completing, recording]
            racers = []
            for one in order:
                racers.append(asyncio.create_task(_coroutine(one)))
                await held.crowd(len(racers))
        answers = dict(zip(order, await asyncio.gather(*racers), strict=True))

        assert answers[completing] == "DONE"
        (line,) = await lines_of(admin, warehouse, batch)
        if answers[recording] == "DONE":
            assert (line.state, line.counted_quantity) == ("VARIANCE", Decimal(8))
        else:
            assert answers[recording] == Reason.INVALID_TRANSITION
            assert (line.state, line.counted_quantity) == ("RESOLVED", Decimal(10))


async def test_two_approvals_are_those_of_two(admin: Admin, pools: Pools, database_urls: DatabaseUrls) -> None:
    tiers = [{"above": 1, "approvals": 2}]
    for same in (False, True):
        warehouse, desks, who = await a_company(admin, pools, approvalTiers=tiers)
        await admin.execute("UPDATE products SET unit_cost = 100 WHERE tenant_id = $1", warehouse.tenant_id)
        batch, line = await counted_twice(admin, desks[0], who, 7)
        async with gate(database_urls, HOLD_BATCH, warehouse.tenant_id, batch) as held:
            racers = [
                asyncio.create_task(
                    desks[n].resolve(a_person(warehouse, who[4 if same else 4 + n]), batch, [line], ACCEPT)
                )
                for n in range(2)
            ]
            await held.crowd(len(racers))
        answers = await asyncio.gather(*racers, return_exceptions=True)

        if same:
            (refused,) = [one for one in answers if isinstance(one, DomainError)]
            assert refused.reason is Reason.SELF_APPROVAL
            assert await admin.fetchval(STANDS, warehouse.tenant_id) == 10
        else:
            verdicts = {one.decisions[0].verdict for one in answers if not isinstance(one, BaseException)}
            assert verdicts == {Verdict.APPROVE, Verdict.POST}
            assert await admin.fetchval(STANDS, warehouse.tenant_id) == 7


@pytest.mark.parametrize("rounds", [2, pytest.param(100, marks=pytest.mark.long)])
async def test_counts_of_moving_stock_neither_eat_nor_invent(admin: Admin, pools: Pools, rounds: int) -> None:
    answers: Counter[str] = Counter()
    chance = random.Random(20261122)
    for _ in range(rounds):
        warehouse = await a_warehouse(admin, products=2, locations=1, lots=1, bins=2)
        await decree(admin, warehouse, countToleranceUnits=1)
        shelves = warehouse.shelves()
        await pools.alone(0, a_posting(*(an_entry(one, 50, kind=Kind.OPENING) for one in shelves)), warehouse)
        over = asyncio.Event()
        movers = [asyncio.create_task(_moving(pools, warehouse, over, number)) for number in range(6)]
        try:
            answers += await _a_count_through(admin, pools, warehouse, chance)
        finally:
            over.set()
            for told in await asyncio.gather(*movers):
                answers += told
        assert await admin.fetch(WRONG, warehouse.tenant_id) == []
        assert (await verify(admin, warehouse.tenant_id)).drifts == ()
    show("P-09", race="count, issue, put away, receive, record stock", rounds=rounds, mismatches=0, **answers)


async def _moving(pools: Pools, warehouse: Warehouse, over: asyncio.Event, number: int) -> Counter[str]:
    told: Counter[str] = Counter()
    chance = random.Random(number)
    while not over.is_set():
        product = chance.choice(warehouse.products)
        here = [one for one in warehouse.shelves() if one.product_id == product]
        source, target = chance.sample(here, 2)
        amount = chance.randint(1, 3)
        moves = {
            "received": [an_entry(source, amount, kind=Kind.RECEIPT)],
            "issued": [an_entry(source, -amount, kind=Kind.ISSUE)],
            "put away": [
                an_entry(source, -amount, kind=Kind.PUT_AWAY),
                an_entry(target, amount, kind=Kind.PUT_AWAY),
            ],
        }
        what = chance.choice(list(moves))
        answer = await pools.grouped(number, a_posting(*moves[what]), warehouse)
        told[what if isinstance(answer, Posted) else answer.reason] += 1
    return told


async def _a_count_through(
    admin: Admin, pools: Pools, warehouse: Warehouse, chance: random.Random
) -> Counter[str]:
    """From snapshot to resolve, by as many recounts as it takes, and a product counted at once in between."""
    told: Counter[str] = Counter()
    desk, who = Counting(pools.databases[0], warehouse), people(20)
    shelves = warehouse.shelves()
    batch = (await desk.begin(a_person(warehouse, who[0]))).id
    for shelf in shelves:
        await desk.record(a_person(warehouse, who[0]), batch, {shelf: chance.randint(30, 60)})
    state = (await desk.complete(a_person(warehouse, who[0]), batch)).state
    for turn in range(1, 15):
        if state is State.COMPLETED:
            break
        open_ = [line for line in await lines_of(admin, warehouse, batch) if line.state == "VARIANCE"]
        await desk.resolve(a_person(warehouse, who[-1]), batch, [line.id for line in open_], RECOUNT)
        again = [s for s in shelves if any((s.product_id, s.bin_id) == (o.product_id, o.bin_id) for o in open_)]
        found = {shelf: chance.randint(30, 60) for shelf in again}
        await desk.record(a_person(warehouse, who[turn]), batch, found)
        if turn == 1:
            told[f"record stock {await outcome(_at_once(pools, warehouse))}"] += 1
        for line in await lines_of(admin, warehouse, batch):
            if line.state == "VARIANCE":
                accepted = desk.resolve(a_person(warehouse, who[-1]), batch, [line.id], ACCEPT)
                told[f"accept {await outcome(accepted)}"] += 1
        left = [line for line in await lines_of(admin, warehouse, batch) if line.state != "RESOLVED"]
        state = State.REVIEW if left else State.COMPLETED
    assert state is State.COMPLETED
    return told


async def _at_once(pools: Pools, warehouse: Warehouse) -> None:
    act = an_act(warehouse.tenant_id)
    count = WholeCount(
        product_id=warehouse.products[0],
        location_id=warehouse.locations[0],
        lines=[CountedLine(bin_id=bin_, counted=Decimal(40)) for bin_ in warehouse.bins[warehouse.locations[0]]],
        complete=True,
    )
    async with beginning(pools.databases[1], CountSqlWork)(act) as work:
        await record_count(work, act=act, count=count)


async def _coroutine[T](work: Awaitable[T]) -> T:
    return await work
