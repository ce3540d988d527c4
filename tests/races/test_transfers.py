"""Transfers under races: each step happens once, nothing is received twice, and the sum of all places stands."""

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from domain.errors import Reason
from domain.transfers.model import Missing, Transfer, TransferState
from infra.ledger.verify import verify
from tests.ledger.promises import show
from tests.races.pools import Pools
from tests.transfers_lab import Fleet, Step, a_fleet, all_of

type Admin = asyncpg.Connection[Any]
type Racers = list[Step]
DEADLOCKS = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
LOST = {Reason.INVALID_TRANSITION, Reason.STALE_QUANTITY, Reason.STALE_VERSION}
"""How a racer may lose: the state or version is another by then, or nothing is on its way any more."""


@pytest.fixture
async def fleet(admin: Admin, pools: Pools) -> Fleet:
    return await a_fleet(admin, lambda posting, warehouse: pools.alone(0, posting, warehouse), stock=100_000)


async def prepared(fleet: Fleet, pools: Pools, state: TransferState) -> Transfer:
    database = pools.databases[0]
    transfer = await fleet.must(database, fleet.creating(3))
    steps: dict[TransferState, Callable[[Transfer], Step]] = {
        TransferState.PENDING: lambda t: fleet.submitting(t.id),
        TransferState.PICKED: lambda t: fleet.picking(t.id),
        TransferState.IN_TRANSIT: lambda t: fleet.shipping(t.id),
        TransferState.RECEIVED: lambda t: fleet.receiving(t.id, *all_of(t)),
    }
    for reached, step in steps.items():
        if transfer.state is state:
            break
        transfer = await fleet.must(database, step(transfer))
        assert transfer.state is reached
    return transfer


RACES: dict[str, tuple[TransferState, Callable[[Fleet, Transfer], Racers]]] = {
    "submit": (TransferState.DRAFT, lambda f, t: [f.submitting(t.id)] * 2),
    "submit or cancel": (
        TransferState.DRAFT,
        lambda f, t: [f.submitting(t.id, t.version), f.canceling(t.id, t.version)],
    ),
    "pick": (TransferState.PENDING, lambda f, t: [f.picking(t.id)] * 2),
    "cancel what is picked": (TransferState.PICKED, lambda f, t: [f.canceling(t.id)] * 2),
    "ship": (TransferState.PICKED, lambda f, t: [f.shipping(t.id)] * 2),
    "ship or cancel": (
        TransferState.PICKED,
        lambda f, t: [f.shipping(t.id, t.version), f.canceling(t.id, t.version)],
    ),
    "receive": (TransferState.IN_TRANSIT, lambda f, t: [f.receiving(t.id, *all_of(t))] * 2),
    "receive or cancel": (
        TransferState.IN_TRANSIT,
        lambda f, t: [f.receiving(t.id, *all_of(t)), f.canceling(t.id)],
    ),
    "receive or write off": (
        TransferState.IN_TRANSIT,
        lambda f, t: [
            f.receiving(t.id, *all_of(t), version=t.version),
            f.closing(t.id, Missing(reason="lost"), version=t.version),
        ],
    ),
    "write off or cancel": (
        TransferState.IN_TRANSIT,
        lambda f, t: [f.closing(t.id, Missing(reason="lost")), f.canceling(t.id)],
    ),
    "close": (TransferState.RECEIVED, lambda f, t: [f.closing(t.id)] * 2),
}


@pytest.mark.parametrize("rounds", [2, pytest.param(250, marks=pytest.mark.long)])
@pytest.mark.parametrize("race", RACES)
async def test_of_racers_for_a_step_exactly_one_succeeds(
    pools: Pools, fleet: Fleet, admin: Admin, race: str, rounds: int
) -> None:
    state, racers_of = RACES[race]
    before = await admin.fetchval(DEADLOCKS)
    winners: Counter[int] = Counter()
    for _ in range(rounds):
        transfer = await prepared(fleet, pools, state)
        racers = racers_of(fleet, transfer) * 2
        start = asyncio.Event()

        async def run(number: int, step: Step, start: asyncio.Event = start) -> Any:
            await start.wait()
            return await fleet.done(pools.databases[number % 2], step)

        running = [asyncio.create_task(run(n, step)) for n, step in enumerate(racers)]
        start.set()
        results = await asyncio.gather(*running)
        won = [one for one in results if isinstance(one, Transfer)]
        winners[len(won)] += 1
        assert {one.reason for one in results if not isinstance(one, Transfer)} <= LOST

    assert winners == {1: rounds}
    assert await admin.fetchval(DEADLOCKS) == before
    assert (await verify(admin, fleet.warehouse.tenant_id)).drifts == ()
    show("P-10", transition=f"transfer: {race}", races=rounds, racers=4, successes_each=1)


@pytest.mark.parametrize(("receipts", "cancels"), [(24, 6), pytest.param(2_000, 500, marks=pytest.mark.long)])
async def test_doubled_receipts_and_cancels_in_flight_leave_every_sum_as_it_was(
    pools: Pools, fleet: Fleet, admin: Admin, receipts: int, cancels: int
) -> None:
    database = pools.databases[0]
    opening = await fleet.stock(admin)
    gate = asyncio.Semaphore(6)

    async def shipped() -> Transfer:
        async with gate:
            return await fleet.under_way(database, 3)

    transfers = await asyncio.gather(*(shipped() for _ in range(receipts)))
    in_flight = await fleet.stock(admin)
    assert in_flight.transit == 3 * receipts
    assert in_flight.total == opening.total

    async def attempt(number: int, transfer: Transfer, step: Step) -> tuple[UUID, Any]:
        async with gate:
            return transfer.id, await fleet.done(pools.databases[number % 2], step)

    attempts = []
    for n, transfer in enumerate(transfers):
        steps = [fleet.receiving(transfer.id, *all_of(transfer))] * 2
        if n < cancels:
            steps.insert(n % 3, fleet.canceling(transfer.id))
        attempts += [attempt(number, transfer, step) for number, step in enumerate(steps)]
    watching = asyncio.create_task(_watch(fleet, pools, finished := asyncio.Event()))
    results = await asyncio.gather(*attempts)
    finished.set()
    totals = await watching
    ended = await fleet.stock(admin)

    ends = Counter(id_ for id_, done in results if isinstance(done, Transfer))
    assert ends == Counter(transfer.id for transfer in transfers), "each was received or canceled, and once"
    assert {done.reason for _, done in results if not isinstance(done, Transfer)} <= LOST
    received = sum(isinstance(done, Transfer) and done.state is TransferState.RECEIVED for _, done in results)
    assert totals == {opening.total}
    assert [ended.transit, ended.reserved, ended.destination] == [0, 0, 3 * received]
    assert ended.total == opening.total
    assert (await verify(admin, fleet.warehouse.tenant_id)).drifts == ()
    show(
        "P-08",
        double_receipts=receipts,
        cancels=cancels,
        received=received,
        returned=receipts - received,
        duplicates=0,
        sums_seen=sorted(map(str, totals)),
    )


async def _watch(fleet: Fleet, pools: Pools, finished: asyncio.Event) -> set[Any]:
    """The sums of all places as others see them while it happens."""
    totals = set()
    while True:
        last = finished.is_set()
        async with pools.databases[1].bound(fleet.warehouse.tenant_id) as driver:
            totals.add((await fleet.stock(driver)).total)  # type: ignore[arg-type] # a proxy of a connection
        if last:
            return totals
