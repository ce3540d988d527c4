"""How long sessions and keys last, by the database's clock, and how their use is written down."""

from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from domain.access.model import Permission
from domain.access.ports import LoggedIn, Login
from domain.access.rules import SessionLimits
from domain.errors import DomainError, Reason
from infra.access.changes import Change, Kind
from infra.access.provision import create_api_key, revoke_api_key
from infra.db.pool import Database
from tests.access_lab import AccessLab, a_process
from tests.lab import DatabaseUrls
from tests.neighbours import PASSWORD, Neighbour, settle


@pytest.fixture(scope="module")
async def acme(database_urls: DatabaseUrls) -> Neighbour:
    database = await Database.connect(database_urls.app_url)
    try:
        return await settle(database_urls.admin_url, database, "acme")
    finally:
        await database.close()


@pytest.fixture
async def lab(acme: Neighbour, database_urls: DatabaseUrls) -> AsyncGenerator[AccessLab]:
    async with a_process(database_urls) as process:
        yield process


@pytest.fixture
async def admin(database_urls: DatabaseUrls) -> AsyncGenerator["asyncpg.Connection[Any]"]:
    connection = await asyncpg.connect(database_urls.admin_url)
    try:
        yield connection
    finally:
        await connection.close()


async def log_in(lab: AccessLab, acme: Neighbour) -> LoggedIn:
    new = await lab.authenticator.login(Login(email=acme.email, password=PASSWORD))
    lab.store.lookups = 0
    return new


async def pass_time(
    lab: AccessLab, admin: "asyncpg.Connection[Any]", session: LoggedIn, *, seconds: float
) -> None:
    """Let time pass here and, for one session, in the database."""
    lab.clock.now += seconds
    await admin.execute(
        "UPDATE sessions SET seen_at = seen_at - $2::interval, expires_at = expires_at - $2::interval "
        "WHERE id = $1",
        session.caller.session_id,
        timedelta(seconds=seconds),
    )


async def reason_of(lab: AccessLab, session: LoggedIn) -> Reason:
    with pytest.raises(DomainError) as refused:
        await lab.authenticator.by_session(session.token)
    return refused.value.reason


async def reason_of_key(lab: AccessLab, key: str) -> Reason:
    with pytest.raises(DomainError) as refused:
        await lab.authenticator.by_key(key)
    return refused.value.reason


async def test_a_key_that_is_revoked_or_expires_is_refused_with_the_reason(
    lab: AccessLab, database_urls: DatabaseUrls, acme: Neighbour, admin: "asyncpg.Connection[Any]"
) -> None:
    url = database_urls.admin_url
    revoked_id, revoked = await create_api_key(url, acme.tenant_id, "to revoke", [Permission.INVENTORY_READ])
    gone = datetime(2020, 1, 1, tzinfo=UTC)
    _, expired = await create_api_key(url, acme.tenant_id, "expired", [Permission.INVENTORY_READ], expires_at=gone)
    await lab.authenticator.by_key(revoked)

    await revoke_api_key(url, acme.tenant_id, revoked_id)
    await lab.hears(Change(Kind.KEY, revoked_id))

    assert await reason_of_key(lab, revoked) is Reason.REVOKED_API_KEY
    assert await reason_of_key(lab, expired) is Reason.EXPIRED_API_KEY


async def test_a_key_is_not_believed_past_its_expiry(
    lab: AccessLab, database_urls: DatabaseUrls, acme: Neighbour, admin: "asyncpg.Connection[Any]"
) -> None:
    soon = await admin.fetchval("SELECT now() + interval '20 seconds'")
    _, key = await create_api_key(database_urls.admin_url, acme.tenant_id, "short", [], expires_at=soon)
    await lab.authenticator.by_key(key)
    await lab.authenticator.by_key(key)
    remembered = lab.store.lookups

    lab.clock.now += 20
    await lab.authenticator.by_key(key)

    assert (remembered, lab.store.lookups) == (1, 2)


async def test_a_key_may_do_what_its_scopes_say_at_its_locations(
    lab: AccessLab, database_urls: DatabaseUrls, acme: Neighbour, admin: "asyncpg.Connection[Any]"
) -> None:
    key_id, key = await create_api_key(
        database_urls.admin_url,
        acme.tenant_id,
        "ERP",
        [Permission.INVENTORY_READ],
        location_ids=[acme.location_id],
    )
    await admin.execute("UPDATE api_keys SET scopes = scopes || '{inventory.everything}' WHERE id = $1", key_id)

    caller = await lab.authenticator.by_key(key)

    assert caller.rights == {Permission.INVENTORY_READ: frozenset({acme.location_id})}
    assert (caller.principal_id, caller.key_id, caller.user_id, caller.actor) == (key_id, key_id, None, "ERP")


@pytest.mark.parametrize(
    "past",
    [
        pytest.param("seen_at = now() - interval '30 minutes'", id="unused for half an hour"),
        pytest.param("expires_at = now()", id="at its absolute end"),
    ],
)
async def test_a_session_past_its_limits_is_refused_by_the_databases_clock(
    lab: AccessLab, acme: Neighbour, admin: "asyncpg.Connection[Any]", past: str
) -> None:
    session = await log_in(lab, acme)
    await admin.execute(f"UPDATE sessions SET {past} WHERE id = $1", session.caller.session_id)

    assert await reason_of(lab, session) is Reason.SESSION_EXPIRED


async def test_a_session_is_not_believed_past_its_absolute_end(
    lab: AccessLab, acme: Neighbour, admin: "asyncpg.Connection[Any]"
) -> None:
    session = await log_in(lab, acme)
    await admin.execute(
        "UPDATE sessions SET expires_at = now() + interval '20 seconds' WHERE id = $1", session.caller.session_id
    )
    await lab.authenticator.by_session(session.token)
    await admin.execute("UPDATE sessions SET expires_at = now() WHERE id = $1", session.caller.session_id)

    lab.clock.now += 20

    assert await reason_of(lab, session) is Reason.SESSION_EXPIRED


async def test_use_is_written_down_once_a_minute_and_keeps_a_session_alive(
    lab: AccessLab, acme: Neighbour, admin: "asyncpg.Connection[Any]"
) -> None:
    session = await log_in(lab, acme)
    written = []
    for seconds in (0, 30, 31, 1, 28, 60):
        await pass_time(lab, admin, session, seconds=seconds)
        await lab.authenticator.by_session(session.token)
        await lab.authenticator._seen.flush()
        written.append(len(lab.store.seen_writes))

    for _ in range(40):
        await pass_time(lab, admin, session, seconds=61)
        await lab.authenticator.by_session(session.token)
        await lab.authenticator._seen.flush()

    assert written == [0, 0, 1, 1, 1, 2]
    assert set(lab.store.seen_writes) == {session.caller.session_id}


async def test_the_use_of_a_key_is_written_down(
    lab: AccessLab, acme: Neighbour, admin: "asyncpg.Connection[Any]"
) -> None:
    await lab.authenticator.by_key(acme.key)
    await lab.authenticator.by_key(acme.key)
    await lab.authenticator._seen.flush()

    assert lab.store.seen_writes == [acme.key_id]
    assert await admin.fetchval("SELECT used_at IS NOT NULL FROM api_keys WHERE id = $1", acme.key_id)


async def test_where_sessions_are_short_use_is_noted_often_enough(
    database_urls: DatabaseUrls, acme: Neighbour, admin: "asyncpg.Connection[Any]"
) -> None:
    limits = SessionLimits(idle=timedelta(minutes=1), absolute=timedelta(hours=1))
    async with a_process(database_urls, limits=limits) as lab:
        session = await log_in(lab, acme)
        for _ in range(8):
            await pass_time(lab, admin, session, seconds=16)
            await lab.authenticator.by_session(session.token)
            await lab.authenticator._seen.flush()
        await pass_time(lab, admin, session, seconds=60)

        assert await reason_of(lab, session) is Reason.SESSION_EXPIRED


async def test_what_was_used_is_written_down_before_the_process_ends(
    database_urls: DatabaseUrls, acme: Neighbour, admin: "asyncpg.Connection[Any]"
) -> None:
    await admin.execute("UPDATE api_keys SET used_at = NULL WHERE id = $1", acme.key_id)
    async with a_process(database_urls) as lab:
        await lab.authenticator.by_key(acme.key)

    assert await admin.fetchval("SELECT used_at IS NOT NULL FROM api_keys WHERE id = $1", acme.key_id)


async def test_a_key_does_not_log_out(lab: AccessLab, acme: Neighbour) -> None:
    caller = await lab.authenticator.by_key(acme.key)

    with pytest.raises(DomainError, match="not logged in"):
        await lab.authenticator.logout(caller)


async def test_a_key_is_known_by_whoever_made_it_and_by_who_made_their_key(
    lab: AccessLab, database_urls: DatabaseUrls, acme: Neighbour, admin: "asyncpg.Connection[Any]"
) -> None:
    url = database_urls.admin_url
    first_id, _ = await create_api_key(url, acme.tenant_id, "first", [Permission.ADMIN_APIKEYS])
    second_id, second = await create_api_key(url, acme.tenant_id, "second", [Permission.STOCKREQUESTS_APPROVE])
    made = "UPDATE api_keys SET created_by = $2 WHERE id = $1"
    await admin.execute(made, first_id, acme.user_id)
    await admin.execute(made, second_id, first_id)

    caller = await lab.authenticator.by_key(second)

    assert caller.identities == {second_id, first_id, acme.user_id}
