"""Logging in and out: who may, into which tenant, and what is left behind."""

import asyncio
import math
import random
import statistics
import time
from collections.abc import AsyncGenerator
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from domain.access.model import Permission
from domain.access.ports import Login
from domain.errors import DomainError, FieldError, Reason
from infra.access.operating import password, switch_user
from infra.access.passwords import Argon2Passwords, hash_password
from infra.access.provision import create_api_key, create_tenant, create_user, grant
from infra.access.store import HOLD_PASSWORD
from tests.access_lab import AccessLab, a_process
from tests.lab import DatabaseUrls
from tests.ledger.promises import show

PASSWORD = "correct horse battery staple"
ADA, BOB = "ada@acme.example", "bob@acme.example"


class People:
    """Ada belongs to two tenants, Bob to one of them."""

    def __init__(self, acme: UUID, bolt: UUID, ada: UUID, bob: UUID) -> None:
        self.acme, self.bolt, self.ada, self.bob = acme, bolt, ada, bob


@pytest.fixture(scope="module")
async def people(database_urls: DatabaseUrls) -> People:
    url = database_urls.admin_url
    acme, bolt = await create_tenant(url, "acme", "Acme"), await create_tenant(url, "bolt", "Bolt")
    ada, bob = await create_user(url, ADA, "Ada", PASSWORD), await create_user(url, BOB, "Bob", PASSWORD)
    await grant(url, acme, ada, "admin")
    await grant(url, bolt, ada, "viewer")
    await grant(url, acme, bob, "operator")
    return People(acme, bolt, ada, bob)


@pytest.fixture
async def lab(people: People, database_urls: DatabaseUrls) -> AsyncGenerator[AccessLab]:
    async with a_process(database_urls) as process:
        yield process


@pytest.fixture
async def admin(database_urls: DatabaseUrls) -> AsyncGenerator["asyncpg.Connection[Any]"]:
    connection = await asyncpg.connect(database_urls.admin_url)
    try:
        yield connection
    finally:
        await connection.close()


def with_(email: str = BOB, password: str = PASSWORD, **more: Any) -> Login:
    return Login(email=email, password=password, **more)


async def refusal(lab: AccessLab, login: Login) -> DomainError:
    with pytest.raises(DomainError) as refused:
        await lab.authenticator.login(login)
    return refused.value


async def test_a_login_makes_the_person_a_caller_with_the_rights_of_their_role(
    lab: AccessLab, people: People
) -> None:
    new = await lab.authenticator.login(with_(user_agent="curl/8\x1b[31m"))
    again = await lab.authenticator.by_session(new.token)

    assert again.caller == new.caller
    assert again.csrf == new.csrf
    assert (new.caller.tenant_id, new.caller.user_id) == (people.acme, people.bob)
    assert (new.caller.actor, new.caller.email, new.caller.roles) == ("Bob", BOB, ("operator",))
    assert new.caller.rights[Permission.INVENTORY_WRITE] is None
    assert not new.caller.allows(Permission.INVENTORY_ADJUST)


@pytest.mark.parametrize("email", [BOB.upper(), f"  {BOB} "])
async def test_an_address_counts_however_it_is_typed(lab: AccessLab, email: str) -> None:
    assert (await lab.authenticator.login(with_(email))).caller.email == BOB


async def test_a_password_counts_exactly_as_it_was_given(lab: AccessLab, database_urls: DatabaseUrls) -> None:
    odd = "  Ze\u0301ro\ud800\0 \U0001f511 " + "x" * 200
    user = await create_user(database_urls.admin_url, "odd@acme.example", "Odd", odd)
    tenant = await create_tenant(database_urls.admin_url, "odd", "Odd")
    await grant(database_urls.admin_url, tenant, user, "viewer")

    assert (await lab.authenticator.login(with_("odd@acme.example", odd))).caller.user_id == user
    for other in (odd.strip(), odd.replace("e\u0301", "\u00e9"), odd[:-1], odd + " "):
        assert (await refusal(lab, with_("odd@acme.example", other))).reason is Reason.INVALID_CREDENTIALS


async def test_nobody_learns_by_asking_who_has_an_account(lab: AccessLab) -> None:
    attempts = {
        "a wrong password": with_(password="wrong"),
        "an unknown address": with_("eve@acme.example"),
        "no address": with_("eve"),
        "an address that cannot be stored": with_("eve\0@acme.example"),
        "a tenant that is not theirs": with_(tenant_slug="bolt"),
        "a tenant that is not there": with_(tenant_slug="nowhere"),
        "a wrong password for several tenants": with_(ADA, "wrong"),
    }

    answers = {name: await refusal(lab, attempt) for name, attempt in attempts.items()}

    assert {(answer.reason, answer.message, str(answer.facts)) for answer in answers.values()} == {
        (Reason.INVALID_CREDENTIALS, "The e-mail address or the password is not right", "{}")
    }


@pytest.mark.long  # it compares times: not on a machine that does other things
async def test_an_unknown_address_takes_as_long_as_a_wrong_password(lab: AccessLab) -> None:
    async def seconds(login: Login) -> float:
        started = time.perf_counter()
        await refusal(lab, login)
        return time.perf_counter() - started

    known = min([await seconds(with_(password="wrong")) for _ in range(8)])
    unknown = min([await seconds(with_("eve@acme.example")) for _ in range(8)])
    print(f"fastest refusal: known {known * 1e3:.1f} ms, unknown {unknown * 1e3:.1f} ms")

    assert 0.67 < unknown / known < 1.5


@pytest.mark.long
async def test_times_do_not_tell_a_known_address_from_an_unknown_one(lab: AccessLab) -> None:
    """P-41: Welch's t of 2,000 pairs, each in an order drawn by lot, so that noise hits both alike."""
    lots = random.Random(41)
    times: dict[str, list[float]] = {BOB: [], "eve@acme.example": []}

    for _ in range(2_000):
        for email in lots.sample(list(times), 2):
            started = time.perf_counter()
            await refusal(lab, with_(email, password="wrong"))
            times[email].append(time.perf_counter() - started)

    known, unknown = times.values()
    spread = statistics.variance(known) / len(known) + statistics.variance(unknown) / len(unknown)
    t = (statistics.fmean(known) - statistics.fmean(unknown)) / math.sqrt(spread)
    show("P-41", pairs=len(known), t=round(t, 2), known_ms=round(statistics.median(known) * 1e3, 2))
    assert abs(t) < 4.5


async def test_who_belongs_to_several_tenants_names_one_of_them(lab: AccessLab, people: People) -> None:
    unnamed = await refusal(lab, with_(ADA))
    acme = await lab.authenticator.login(with_(ADA, tenant_slug="acme"))
    bolt = await lab.authenticator.login(with_(ADA, tenant_slug="bolt"))

    assert isinstance(unnamed, FieldError)
    assert unnamed.facts["fields"] == [{"path": "tenant", "message": "must be one of yours: acme, bolt"}]
    assert (acme.caller.tenant_id, bolt.caller.tenant_id) == (people.acme, people.bolt)
    assert acme.caller.allows(Permission.ADMIN_USERS)
    assert not bolt.caller.allows(Permission.ADMIN_USERS)


@pytest.mark.parametrize(
    "closed",
    [
        "UPDATE users SET is_active = {0} WHERE id = '{user}'",
        "UPDATE memberships SET is_active = {0} WHERE user_id = '{user}'",
        "UPDATE tenants SET is_active = {0} WHERE id = '{tenant}'",
    ],
)
async def test_a_closed_account_neither_logs_in_nor_goes_on(
    lab: AccessLab, people: People, admin: "asyncpg.Connection[Any]", closed: str
) -> None:
    before = await lab.authenticator.login(with_())
    await admin.execute(closed.format("false", user=people.bob, tenant=people.acme))
    try:
        assert (await refusal(lab, with_())).reason is Reason.INVALID_CREDENTIALS
        with pytest.raises(DomainError, match="no such session"):
            await lab.authenticator.by_session(before.token)
    finally:
        await admin.execute(closed.format("true", user=people.bob, tenant=people.acme))


async def test_a_login_ends_the_session_that_the_client_had(lab: AccessLab) -> None:
    first = await lab.authenticator.login(with_())
    await lab.authenticator.by_session(first.token)

    second = await lab.authenticator.login(with_(replaces=first.token))

    assert first.token != second.token
    assert first.caller.session_id != second.caller.session_id
    with pytest.raises(DomainError, match="no such session"):
        await lab.authenticator.by_session(first.token)
    assert (await lab.authenticator.by_session(second.token)).caller == second.caller


async def someone(urls: DatabaseUrls, name: str) -> UUID:
    user_id = await create_user(urls.admin_url, f"{name}@acme.example", name, PASSWORD)
    tenant_id = await create_tenant(urls.admin_url, name, name)
    await grant(urls.admin_url, tenant_id, user_id, "viewer")
    return user_id


@pytest.mark.parametrize("how", ["changed", "switched off"])
async def test_who_logs_in_while_the_password_is_changed_has_not_known_it(
    lab: AccessLab, database_urls: DatabaseUrls, how: str
) -> None:
    name = f"late-{how.partition(' ')[0]}"
    user_id = await someone(database_urls, name)

    async def meanwhile() -> None:
        if how == "changed":
            await password(database_urls.admin_url, user_id, "four green bicycles at noon")
        else:
            await switch_user(database_urls.admin_url, user_id, active=False)

    lab.store.before_a_session = meanwhile

    assert (await refusal(lab, with_(f"{name}@acme.example"))).reason is Reason.INVALID_CREDENTIALS


async def test_a_login_waits_for_a_change_of_the_password_that_is_under_way(
    lab: AccessLab, database_urls: DatabaseUrls, admin: "asyncpg.Connection[Any]"
) -> None:
    user_id = await someone(database_urls, "during")
    other = await asyncpg.connect(database_urls.admin_url)
    change = other.transaction()
    await change.start()
    await other.execute(HOLD_PASSWORD, str(user_id))
    await other.execute("UPDATE users SET password_hash = $2 WHERE id = $1", user_id, hash_password("another"))
    try:
        login = asyncio.create_task(refusal(lab, with_("during@acme.example")))
        async with asyncio.timeout(10):
            while not await admin.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"):
                pass
        assert not login.done()
    finally:
        await change.commit()
        await other.close()

    assert (await login).reason is Reason.INVALID_CREDENTIALS
    assert not await admin.fetchval("SELECT count(*) FROM sessions WHERE user_id = $1", user_id)


async def test_a_hash_that_is_made_anew_meanwhile_is_no_other_password(
    lab: AccessLab, database_urls: DatabaseUrls, admin: "asyncpg.Connection[Any]"
) -> None:
    user_id = await someone(database_urls, "twice")

    async def meanwhile() -> None:
        await admin.execute("UPDATE users SET password_hash = $2 WHERE id = $1", user_id, hash_password(PASSWORD))

    lab.store.before_a_session = meanwhile

    assert (await lab.authenticator.login(with_("twice@acme.example"))).caller.user_id == user_id


async def test_a_session_that_was_made_up_is_not_taken_over(lab: AccessLab) -> None:
    made_up = "A" * 43

    new = await lab.authenticator.login(with_(replaces=made_up))

    assert new.token != made_up


async def test_nothing_that_is_stored_opens_a_door(
    lab: AccessLab, people: People, database_urls: DatabaseUrls, admin: "asyncpg.Connection[Any]"
) -> None:
    new = await lab.authenticator.login(with_())
    keys = [
        (await create_api_key(database_urls.admin_url, people.acme, f"key {n}", [Permission.INVENTORY_READ]))[1]
        for n in range(20)
    ]
    rows = [
        row["stored"]
        for table in ("sessions", "api_keys", "users")
        for row in await admin.fetch(f"SELECT t::text AS stored FROM {table} t")
    ]

    for secret in (new.token, new.csrf, PASSWORD, *keys):
        assert not any(secret in row for row in rows)
        assert not any(secret.encode().hex() in row for row in rows)
    assert all(
        row["password_hash"].startswith("$argon2id$v=19$m=19456,t=2,p=1$")
        for row in await admin.fetch("SELECT password_hash FROM users")
    )
    stored = await admin.fetch("SELECT prefix, last4 FROM api_keys")
    assert {(key[:12], key[-4:]) for key in keys} <= {(row["prefix"], row["last4"]) for row in stored}


async def test_a_flood_of_logins_waits_for_itself_and_ends_in_a_refusal() -> None:
    passwords = Argon2Passwords(threads=1, queue_limit=3)
    hashed = hash_password(PASSWORD)
    try:
        started = time.perf_counter()
        answers = await asyncio.gather(
            *(passwords.matches(PASSWORD, hashed) for _ in range(5)), return_exceptions=True
        )
        later = await passwords.matches(PASSWORD, hashed)
        print(f"three checks of a password: {(time.perf_counter() - started) * 1e3:.0f} ms")
    finally:
        passwords.close()

    refused = [answer for answer in answers if isinstance(answer, DomainError)]
    assert [answer for answer in answers if answer is True] == [True] * 3
    assert [(answer.reason, answer.facts) for answer in refused] == [(Reason.UNAVAILABLE, {"retryAfter": 2})] * 2
    assert later


async def test_a_client_that_gives_up_still_counts_until_its_check_is_done() -> None:
    passwords = Argon2Passwords(threads=1, queue_limit=1)
    try:
        impatient = asyncio.create_task(passwords.matches(PASSWORD, None))
        await asyncio.sleep(0)
        impatient.cancel()
        with pytest.raises(asyncio.CancelledError):
            await impatient

        with pytest.raises(DomainError, match="Too many logins"):
            await passwords.matches(PASSWORD, None)
    finally:
        passwords.close()


async def test_a_stored_hash_that_is_none_matches_nothing() -> None:
    passwords = Argon2Passwords()
    try:
        assert not await passwords.matches(PASSWORD, "not a hash")
        assert not await passwords.matches(PASSWORD, None)
    finally:
        passwords.close()


async def test_the_session_is_written_with_the_databases_clock(
    lab: AccessLab, admin: "asyncpg.Connection[Any]"
) -> None:
    new = await lab.authenticator.login(with_(user_agent="Mozilla/5.0\r\nX: y" + "z" * 500))
    row = await admin.fetchrow("SELECT *, now() FROM sessions WHERE id = $1", new.caller.session_id)

    assert row is not None
    assert row["created_at"] == row["seen_at"]
    assert row["expires_at"] - row["created_at"] == timedelta(hours=12)
    assert timedelta(0) <= row["now"] - row["created_at"] < timedelta(seconds=30)
    assert row["user_agent"] == "Mozilla/5.0X: y" + "z" * 285
    assert row["ended_at"] is None
