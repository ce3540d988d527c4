"""Requests over a limit are refused, by all processes together, and those within it are not (P-44)."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from typing import Any

import asyncpg
import pytest

from domain.access.limits import Allowance, RateClass, Rates
from domain.access.model import Caller
from domain.values import new_id
from infra.db.pool import Database
from infra.limits.rates import LeasedRates
from infra.observability.metrics import RATE_LEASES
from tests.lab import DatabaseUrls

DAY = 86_400
"""A window that does not end in the middle of a test."""
READ, WRITE, HEAVY = RateClass.READ, RateClass.WRITE, RateClass.HEAVY


def a_caller(tenant_id: Any = None) -> Caller:
    tenant_id = tenant_id or new_id()
    return Caller(
        tenant_id=tenant_id,
        tenant_slug="acme",
        tenant_name="Acme",
        principal_id=new_id(),
        user_id=None,
        actor="shop",
        session_id=None,
        key_id=None,
        roles=(),
        rights={},
    )


def rates(caller: int = 0, tenant: int = 0, *, seconds: int = DAY) -> Rates:
    return Rates(of_caller={READ: caller, WRITE: caller}, of_tenant={READ: tenant}, window_seconds=seconds)


@pytest.fixture
async def four(database_urls: DatabaseUrls) -> AsyncGenerator[list[Database]]:
    """The pools of four processes."""
    async with AsyncExitStack() as stack:
        databases = [await Database.connect(database_urls.app_url, size=2) for _ in range(4)]
        for database in databases:
            stack.push_async_callback(database.close)
        yield databases


async def admitted(limiter: LeasedRates, caller: Caller, rate_class: RateClass = READ) -> bool:
    allowance = await limiter.admit(caller, rate_class)
    assert allowance is not None
    return not allowance.is_refused


async def flood(limiter: LeasedRates, callers: list[Caller], requests: int, at_a_time: int = 8) -> Counter[bool]:
    """So many requests at one process; whether each was admitted."""
    answers: Counter[bool] = Counter()
    left = iter(range(requests))

    async def client() -> None:
        for number in left:
            answers[await admitted(limiter, callers[number % len(callers)])] += 1
            await asyncio.sleep(0)

    await asyncio.gather(*(client() for _ in range(at_a_time)))
    return answers


@pytest.mark.parametrize("limit", [100, 1_000, 20_000])
async def test_four_processes_admit_together_what_the_limit_says(four: list[Database], limit: int) -> None:
    caller = a_caller()
    limiters = [LeasedRates(database, rates(caller=limit)) for database in four]

    answers = await asyncio.gather(*(flood(limiter, [caller], limit) for limiter in limiters))
    accepted = sum(answer[True] for answer in answers)
    print(f"limit {limit}: accepted {accepted}")

    assert 0.98 * limit <= accepted <= limit


async def test_a_process_that_takes_most_of_the_requests_gets_most_of_the_limit(four: list[Database]) -> None:
    caller, limit = a_caller(), 1_000
    limiters = [LeasedRates(database, rates(caller=limit)) for database in four]

    few = [await flood(limiter, [caller], 3) for limiter in limiters[1:]]
    many = await flood(limiters[0], [caller], 2 * limit)
    accepted = many[True] + sum(answer[True] for answer in few)

    assert 0.97 * limit <= accepted <= limit


async def test_the_limit_of_a_tenant_holds_for_all_its_callers_together(four: list[Database]) -> None:
    first = a_caller()
    callers = [first, a_caller(first.tenant_id), a_caller(first.tenant_id)]
    limiters = [LeasedRates(database, rates(caller=900, tenant=1_000)) for database in four]

    answers = await asyncio.gather(*(flood(limiter, callers, 1_500) for limiter in limiters))

    assert 980 <= sum(answer[True] for answer in answers) <= 1_000
    assert await admitted(limiters[0], a_caller())


async def test_one_callers_flood_leaves_the_other_callers_of_its_tenant_their_share(four: list[Database]) -> None:
    noisy = a_caller()
    quiet = a_caller(noisy.tenant_id)
    limiter = LeasedRates(four[0], rates(caller=100, tenant=150))

    answers = await flood(limiter, [noisy], 1_000)

    assert answers[True] == 100
    assert await admitted(limiter, quiet)


async def test_classes_of_routes_are_counted_apart(four: list[Database]) -> None:
    caller = a_caller()
    limiter = LeasedRates(four[0], rates(caller=5))

    reads = [await admitted(limiter, caller, READ) for _ in range(6)]

    assert reads == [True] * 5 + [False]
    assert await admitted(limiter, caller, WRITE)
    assert await limiter.admit(caller, HEAVY) is None


async def test_an_answer_tells_what_is_left_and_a_refusal_for_how_long(four: list[Database]) -> None:
    caller = a_caller()
    limiter = LeasedRates(four[0], rates(caller=3, tenant=50))

    told = [await limiter.admit(caller, READ) for _ in range(4)]

    assert all(isinstance(answer, Allowance) for answer in told)
    assert [(a.limit, a.remaining, a.is_refused, a.whose) for a in told if a] == [
        (3, 2, False, "caller"),
        (3, 1, False, "caller"),
        (3, 0, False, "caller"),
        (3, 0, True, "caller"),
    ]
    assert all(0 < a.seconds <= DAY for a in told if a)


async def test_a_steady_stream_of_requests_asks_the_database_but_now_and_then(four: list[Database]) -> None:
    caller = a_caller()
    limiter = LeasedRates(four[0], rates(caller=100_000, tenant=500_000))
    before = RATE_LEASES._value.get()

    answers = await flood(limiter, [caller], 20_000)
    leases = RATE_LEASES._value.get() - before
    print(f"20,000 requests: {leases:.0f} leases")

    assert answers[True] == 20_000
    assert leases < 200


async def test_refused_requests_do_not_ask_the_database(four: list[Database]) -> None:
    caller = a_caller()
    limiter = LeasedRates(four[0], rates(caller=10))
    await flood(limiter, [caller], 50)
    before = RATE_LEASES._value.get()

    answers = await flood(limiter, [caller], 1_000)

    assert answers == {False: 1_000}
    assert RATE_LEASES._value.get() == before


async def test_in_the_next_window_requests_are_admitted_again(four: list[Database]) -> None:
    caller = a_caller()
    limiter = LeasedRates(four[0], rates(caller=1, seconds=1))

    answers: Counter[bool] = Counter()
    async with asyncio.timeout(30):
        while answers[True] < 3:
            answers[await admitted(limiter, caller)] += 1
            await asyncio.sleep(0.02)


async def test_a_client_that_goes_away_leaves_its_lease_to_the_others(four: list[Database]) -> None:
    caller = a_caller()
    limiter = LeasedRates(four[0], rates(caller=1_000))

    impatient = asyncio.create_task(admitted(limiter, caller))
    others = [asyncio.create_task(admitted(limiter, caller)) for _ in range(5)]
    await asyncio.sleep(0)
    impatient.cancel()

    assert await asyncio.gather(*others) == [True] * 5
    with pytest.raises(asyncio.CancelledError):
        await impatient


async def test_without_the_database_nothing_is_admitted_and_afterwards_all_is_as_before(
    four: list[Database], database_urls: DatabaseUrls
) -> None:
    caller = a_caller()
    away = Database(database_urls.app_url.replace(database_urls.name, "nowhere"), size=1)
    away._pool = four[3].pool
    limiter = LeasedRates(away, rates(caller=100))
    connections = [await four[3].pool.acquire() for _ in range(2)]
    away._acquire_timeout = 0.01

    with pytest.raises(Exception, match="connections are busy"):
        await limiter.admit(caller, READ)
    for connection in connections:
        await four[3].pool.release(connection)

    assert await admitted(limiter, caller)


async def test_what_is_counted_is_no_business_of_the_application(database_urls: DatabaseUrls) -> None:
    connection = await asyncpg.connect(database_urls.app_url)
    try:
        for table in ("rate_windows", "login_guesses", "login_devices"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.fetch(f"SELECT * FROM limits.{table}")
    finally:
        await connection.close()
