"""Passwords cannot be guessed at will, and those who try cannot lock anybody out (P-42)."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import asyncpg
import pytest

from domain.access.credentials import new_session_token
from domain.access.limits import Counted, Guess, Slowing, of_account
from domain.errors import DomainError, Reason
from domain.values import new_id
from infra.access.operating import password
from infra.access.provision import create_tenant, create_user, grant
from infra.access.store import BY_EMAIL, REPLACE_HASH
from infra.db.pool import Database
from infra.limits.logins import SqlLoginThrottle
from tests.access_lab import Clock
from tests.lab import DatabaseUrls

HOUR = 3_600.0
WIDE = Slowing(free=1_000_000, first=1, longest=1, leak=1)


class Guesser:
    """Two processes, and a hand on the clock: theirs and the database's."""

    def __init__(self, databases: list[Database], admin: "asyncpg.Connection[Any]", network: Slowing) -> None:
        self.clock = Clock()
        self.processes = [
            SqlLoginThrottle(database, of_account(), of_network=network, monotonic=self.clock)
            for database in databases
        ]
        self.admin = admin
        self.turn = 0

    async def guess(self, guess: Guess) -> Counted:
        """One guess, at the processes in turn."""
        self.turn += 1
        return await self.processes[self.turn % len(self.processes)].count(guess)

    async def wait_of(self, guess: Guess) -> int:
        """For how long not to guess; 0 when it was counted."""
        try:
            await self.guess(guess)
        except DomainError as refused:
            if refused.reason is not Reason.RATE_LIMITED:
                raise
            return int(str(refused.facts["retryAfter"]))
        return 0

    async def pass_time(self, seconds: float) -> None:
        self.clock.now += seconds
        moved = "SET {0} = {0} - make_interval(secs => $1)"
        await self.admin.execute(f"UPDATE limits.login_guesses {moved.format('counted_at')}", seconds)


@pytest.fixture
async def databases(database_urls: DatabaseUrls) -> AsyncGenerator[list[Database]]:
    opened = [await Database.connect(database_urls.app_url, size=4) for _ in range(2)]
    yield opened
    for database in opened:
        await database.close()


@pytest.fixture
async def admin(database_urls: DatabaseUrls) -> AsyncGenerator["asyncpg.Connection[Any]"]:
    connection = await asyncpg.connect(database_urls.admin_url)
    yield connection
    await connection.close()


@pytest.fixture
def attacker(databases: list[Database], admin: "asyncpg.Connection[Any]") -> Guesser:
    return Guesser(databases, admin, WIDE)


def at(email: str | None = None, *, network: str = "198.51.100.1/32", device: str | None = None) -> Guess:
    return Guess(email=email or f"{new_id()}@acme.example", network=network, device=device)


async def test_after_the_free_guesses_each_wait_is_twice_the_last_up_to_the_longest(attacker: Guesser) -> None:
    guess = at()
    waits = []
    for _ in range(13):
        wait = await attacker.wait_of(guess)
        waits.append(wait)
        await attacker.pass_time(wait)
        if wait:
            assert await attacker.wait_of(guess) == 0

    assert waits[:11] == [0] * 5 + [10, 20, 40, 80, 160, 320]
    assert all(320 <= wait <= 360 for wait in waits[11:]), "meanwhile some is forgotten"


@pytest.mark.parametrize("pause", [0.0, 60.0, 300.0])
async def test_at_most_twenty_passwords_of_an_account_are_looked_at_in_an_hour(
    attacker: Guesser, pause: float
) -> None:
    guess, now, looked_at = at(), 0.0, list[float]()
    while now < 2 * HOUR:
        wait = await attacker.wait_of(guess)
        if not wait:
            looked_at.append(now)
        now += wait or pause
        await attacker.pass_time(wait or pause)

    busiest = max(sum(begin <= then < begin + HOUR for then in looked_at) for begin in looked_at)
    print(f"pause {pause}: {busiest} in the busiest hour")
    assert busiest <= 20


async def test_guesses_at_the_same_moment_do_not_slip_through(attacker: Guesser) -> None:
    guess = at()

    waits = await asyncio.gather(*(attacker.wait_of(guess) for _ in range(50)))

    assert waits.count(0) == 5


async def test_a_refused_guess_does_not_count_and_is_refused_again_without_asking(
    attacker: Guesser, admin: "asyncpg.Connection[Any]"
) -> None:
    guess = at()
    for _ in range(5):
        await attacker.guess(guess)
    before = await admin.fetch("SELECT key, level FROM limits.login_guesses ORDER BY key")

    waits = [await attacker.wait_of(guess) for _ in range(20)]

    assert set(waits) == {10}
    assert await admin.fetch("SELECT key, level FROM limits.login_guesses ORDER BY key") == before


async def test_right_passwords_and_those_that_nobody_looked_at_do_not_count(attacker: Guesser) -> None:
    guess = at()
    for number in range(20):
        counted = await attacker.guess(guess)
        process = attacker.processes[number % 2]
        if number % 2:
            await process.give_back(counted)
        else:
            await process.succeed(counted, None)

    assert await attacker.wait_of(guess) == 0


async def test_a_browser_that_has_logged_in_before_is_counted_by_itself(attacker: Guesser) -> None:
    email = f"{new_id()}@acme.example"
    known = await attacker.processes[0].succeed(await attacker.guess(at(email)), None)
    for _ in range(5):
        await attacker.guess(at(email))

    attacked = await attacker.wait_of(at(email))
    made_up = await attacker.wait_of(at(email, device=new_session_token()))
    owner = [await attacker.wait_of(at(email, device=known)) for _ in range(6)]
    elsewhere = await attacker.wait_of(at(email, device=known[:-1]))

    assert attacked == made_up == elsewhere == 10
    assert owner == [0, 0, 0, 0, 0, 10]


async def test_a_browser_known_to_one_account_is_a_stranger_to_another(attacker: Guesser) -> None:
    mine, theirs = at(), f"{new_id()}@bolt.example"
    device = await attacker.processes[0].succeed(await attacker.guess(mine), None)
    for _ in range(5):
        await attacker.guess(at(theirs))

    assert await attacker.wait_of(at(theirs, device=device)) == 10


async def test_a_terminal_of_several_people_stays_known_to_each(attacker: Guesser) -> None:
    ada, bob = f"{new_id()}@acme.example", f"{new_id()}@acme.example"
    throttle = attacker.processes[0]

    first = await throttle.succeed(await attacker.guess(at(ada)), None)
    second = await throttle.succeed(await attacker.guess(at(bob, device=first)), first)
    again = await throttle.succeed(await attacker.guess(at(ada, device=first)), first)
    planted = new_session_token()
    fresh = await throttle.succeed(await attacker.guess(at(bob, device=planted)), planted)

    assert first == second == again
    assert fresh not in {first, planted}


@pytest.mark.parametrize("by", ["the person", "an operator"])
async def test_a_new_password_makes_strangers_of_the_browsers_that_knew_the_old_one(
    attacker: Guesser, databases: list[Database], database_urls: DatabaseUrls, by: str
) -> None:
    email, old = f"{new_id()}@acme.example", "three slow ferries to Ushant"
    user_id = await create_user(database_urls.admin_url, email, "Ada", old)
    tenant_id = await create_tenant(database_urls.admin_url, f"t{new_id().hex[-12:]}", "Acme")
    await grant(database_urls.admin_url, tenant_id, user_id, "viewer")
    device = await attacker.processes[0].succeed(await attacker.guess(at(email)), None)

    if by == "an operator":
        await password(database_urls.admin_url, user_id, "four green bicycles at noon")
    else:
        async with databases[0].unbound() as driver:
            (stored,) = await driver.fetch(BY_EMAIL, email)
        async with databases[0].bound(tenant_id) as driver:
            assert await driver.fetchval(REPLACE_HASH, user_id, stored["password_hash"], "another", False)
    for _ in range(5):
        await attacker.guess(at(email))

    assert await attacker.wait_of(at(email, device=device)) == 10


async def test_a_network_that_guesses_at_many_accounts_is_slowed_down_and_others_are_not(
    databases: list[Database], admin: "asyncpg.Connection[Any]"
) -> None:
    attacker = Guesser(databases, admin, Slowing(free=8, first=5, longest=60, leak=36))
    network, other = f"2001:db8:{new_id().hex[-4:]}::/64", "2001:db8:ffff::/64"
    known = at(network=other)
    device = await attacker.processes[0].succeed(await attacker.guess(known), None)

    waits = [await attacker.wait_of(at(network=network)) for _ in range(12)]

    assert waits == [0] * 8 + [5] * 4
    assert await attacker.wait_of(at(network=other)) == 0
    assert await attacker.wait_of(at(known.email, network=network, device=device)) == 0


async def test_nothing_that_is_stored_tells_who_has_an_account_or_opens_a_door(
    attacker: Guesser, admin: "asyncpg.Connection[Any]"
) -> None:
    email = f"{new_id()}@acme.example"
    device = await attacker.processes[0].succeed(await attacker.guess(at(email)), None)
    await attacker.guess(at(email))

    for table in ("login_guesses", "login_devices"):
        rows = [row[0] for row in await admin.fetch(f"SELECT t::text FROM limits.{table} t")]
        assert rows
        for secret in (email, device, "198.51.100.1"):
            assert not any(secret in row or secret.encode().hex() in row for row in rows)


async def test_what_is_forgotten_is_deleted_in_passing(
    attacker: Guesser, admin: "asyncpg.Connection[Any]"
) -> None:
    await admin.execute(
        "INSERT INTO limits.login_guesses SELECT sha256(n::text::bytea), 1, now() - interval '1 day', "
        "now() - interval '1 hour' FROM generate_series(1, 100) n"
    )
    left = "SELECT count(*) FROM limits.login_guesses WHERE forgotten_at < now() - interval '59 minutes'"

    async with asyncio.timeout(60):
        while await admin.fetchval(left):
            await attacker.guess(at())
