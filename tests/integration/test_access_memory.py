"""What a process remembers of credentials: enough to ask nothing, never so much that an end is missed."""

import asyncio
import os
import signal
from collections.abc import AsyncGenerator
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
import pytest

from domain.access.model import Permission
from domain.access.ports import LoggedIn, Login
from domain.errors import DomainError, Reason
from domain.values import new_id
from infra.access.changes import CHANNEL, Change, Kind
from infra.access.listener import AccessListener
from infra.access.provision import grant
from infra.db.pool import Database
from tests.access_lab import AccessLab, a_process
from tests.lab import DatabaseUrls
from tests.neighbours import PASSWORD, Neighbour, settle

IS_LISTENER = "application_name = 'storekeeper-access' AND datname = current_database()"
CUT_OFF = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {IS_LISTENER}"


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


async def reason_of(lab: AccessLab, session: LoggedIn) -> Reason:
    with pytest.raises(DomainError) as refused:
        await lab.authenticator.by_session(session.token)
    return refused.value.reason


async def reason_of_key(lab: AccessLab, key: str) -> Reason:
    with pytest.raises(DomainError) as refused:
        await lab.authenticator.by_key(key)
    return refused.value.reason


def the_session(session: LoggedIn) -> Change:
    assert session.caller.session_id is not None
    return Change(Kind.SESSION, session.caller.session_id)


async def test_in_steady_state_a_credential_costs_no_statement(lab: AccessLab, acme: Neighbour) -> None:
    session = await log_in(lab, acme)

    for _ in range(100):
        await lab.authenticator.by_session(session.token)
        await lab.authenticator.by_key(acme.key)

    assert lab.store.lookups == 2


async def test_what_cannot_be_a_credential_is_refused_without_a_look_up(lab: AccessLab, acme: Neighbour) -> None:
    last = acme.key[-1]
    mistyped = acme.key[:-1] + ("0" if last != "0" else "1")
    for key in ("", "sk_live_", mistyped, acme.key[:-1], acme.key + "x", acme.key.upper(), "sk_live_\ud800"):
        assert await reason_of_key(lab, key.encode("utf-8", "replace").decode()) is Reason.INVALID_API_KEY
    for token in ("", "x", "é" * 43, "A" * 44):
        with pytest.raises(DomainError) as refused:
            await lab.authenticator.by_session(token)
        assert refused.value.reason is Reason.UNAUTHENTICATED

    assert lab.store.lookups == 0


async def test_a_refusal_is_not_remembered(lab: AccessLab) -> None:
    for _ in range(3):
        with pytest.raises(DomainError):
            await lab.authenticator.by_session("A" * 43)

    assert lab.store.lookups == 3


async def test_what_is_remembered_is_read_again_after_a_minute(lab: AccessLab, acme: Neighbour) -> None:
    session = await log_in(lab, acme)
    counts = []

    for seconds in (0, 59, 2, 58, 3):
        lab.clock.now += seconds
        await lab.authenticator.by_session(session.token)
        counts.append(lab.store.lookups)

    assert counts == [1, 1, 2, 2, 3]


async def test_memory_is_bounded_and_keeps_what_was_used_last(
    database_urls: DatabaseUrls, acme: Neighbour
) -> None:
    async with a_process(database_urls, size=2) as lab:
        one, two, three = [await log_in(lab, acme) for _ in range(3)]
        for session in (one, two, one, three, one, three):
            await lab.authenticator.by_session(session.token)
        remembered = lab.store.lookups
        await lab.authenticator.by_session(two.token)

        assert remembered == 3
        assert lab.store.lookups == 4


async def test_many_who_come_at_once_with_one_credential_make_one_look_up(lab: AccessLab, acme: Neighbour) -> None:
    session = await log_in(lab, acme)

    callers = await asyncio.gather(*(lab.authenticator.by_session(session.token) for _ in range(50)))

    assert lab.store.lookups == 1
    assert {authenticated.caller.session_id for authenticated in callers} == {session.caller.session_id}


async def test_one_who_goes_away_does_not_take_the_answer_from_the_others(lab: AccessLab, acme: Neighbour) -> None:
    session = await log_in(lab, acme)
    lab.store.gate.clear()
    lab.store.at_gate.clear()
    hasty, patient = (asyncio.create_task(lab.authenticator.by_session(session.token)) for _ in range(2))
    await lab.store.at_gate.wait()

    hasty.cancel()
    lab.store.gate.set()

    assert (await patient).caller == session.caller
    assert lab.store.lookups == 1


async def test_when_a_logout_returns_it_holds_in_every_process(
    lab: AccessLab, database_urls: DatabaseUrls, acme: Neighbour
) -> None:
    async with a_process(database_urls) as elsewhere:
        session, other = await log_in(lab, acme), await log_in(lab, acme)
        for process in (lab, elsewhere):
            await process.authenticator.by_session(session.token)
            await process.authenticator.by_session(other.token)

        await lab.authenticator.logout(session.caller)

        assert await reason_of(lab, session) is Reason.UNAUTHENTICATED
        assert await reason_of(elsewhere, session) is Reason.UNAUTHENTICATED
        assert (await lab.authenticator.by_session(other.token)).caller == other.caller


async def test_a_new_grant_counts_as_soon_as_it_is_heard(
    lab: AccessLab, database_urls: DatabaseUrls, acme: Neighbour
) -> None:
    session = await log_in(lab, acme)
    before = (await lab.authenticator.by_session(session.token)).caller

    await grant(database_urls.admin_url, acme.tenant_id, acme.user_id, "supervisor", acme.location_id)
    await lab.hears(Change(Kind.USER, acme.user_id), seconds=1)
    after = (await lab.authenticator.by_session(session.token)).caller

    assert not before.allows(Permission.STOCKREQUESTS_APPROVE)
    assert after.scope(Permission.STOCKREQUESTS_APPROVE) == frozenset({acme.location_id})
    assert after.scope(Permission.INVENTORY_READ) is None


async def test_a_tenants_own_role_counts_and_so_does_each_change_of_it(
    lab: AccessLab, database_urls: DatabaseUrls, acme: Neighbour, admin: "asyncpg.Connection[Any]"
) -> None:
    await grant(database_urls.admin_url, acme.tenant_id, acme.user_id, "picker")
    session = await log_in(lab, acme)
    seen = []
    for change in ("inventory.adjust", "audit.read"):
        await admin.execute(
            "UPDATE role_permissions SET permission = $2 WHERE tenant_id = $1 AND role = 'picker'",
            acme.tenant_id,
            change,
        )
        await lab.hears(Change(Kind.TENANT, acme.tenant_id))  # the table announces it, once
        caller = (await lab.authenticator.by_session(session.token)).caller
        seen.append((caller.allows(Permission.INVENTORY_ADJUST), caller.allows(Permission.AUDIT_READ)))

    assert seen == [(True, False), (False, True)]


async def test_a_look_up_that_an_announcement_overtakes_is_not_kept(lab: AccessLab, acme: Neighbour) -> None:
    session = await log_in(lab, acme)
    lab.store.gate.clear()
    lab.store.at_gate.clear()
    reading = asyncio.create_task(lab.authenticator.by_session(session.token))
    await lab.store.at_gate.wait()  # it has read that the session lives

    await lab.authenticator.logout(session.caller)
    lab.store.gate.set()
    await reading

    assert await reason_of(lab, session) is Reason.UNAUTHENTICATED


async def test_while_announcements_cannot_be_heard_nothing_is_remembered(
    database_urls: DatabaseUrls, acme: Neighbour
) -> None:
    async with a_process(database_urls, listens=False) as lab:
        session = await log_in(lab, acme)
        for _ in range(3):
            await lab.authenticator.by_session(session.token)

        assert lab.store.lookups == 3


async def test_what_changed_while_nobody_listened_is_found_out(
    lab: AccessLab, acme: Neighbour, admin: "asyncpg.Connection[Any]"
) -> None:
    session = await log_in(lab, acme)
    await lab.authenticator.by_session(session.token)
    await admin.execute("SET session_replication_role = replica")  # nothing is announced
    await admin.execute("UPDATE sessions SET ended_at = now() WHERE id = $1", session.caller.session_id)
    still_believed = await lab.authenticator.by_session(session.token)

    await admin.execute(CUT_OFF)
    await lab.hears(None)

    assert still_believed.caller == session.caller
    assert await reason_of(lab, session) is Reason.UNAUTHENTICATED


async def test_a_listener_that_was_cut_off_listens_again(
    lab: AccessLab, acme: Neighbour, admin: "asyncpg.Connection[Any]"
) -> None:
    await admin.execute(CUT_OFF)
    await lab.hears(None)  # cut off
    assert not lab.authenticator.listener.is_up
    await asyncio.wait_for(lab.authenticator.listener.wait_until_up(), 10)
    session = await log_in(lab, acme)
    await lab.authenticator.by_session(session.token)

    change = the_session(session)
    await admin.execute("UPDATE sessions SET ended_at = now() WHERE id = $1", change.id)
    await lab.hears(change)

    assert await reason_of(lab, session) is Reason.UNAUTHENTICATED


async def test_an_announcement_that_cannot_be_read_makes_it_forget_everything(
    lab: AccessLab, acme: Neighbour, admin: "asyncpg.Connection[Any]"
) -> None:
    await lab.authenticator.by_key(acme.key)

    await admin.execute("SELECT pg_notify($1, 'somebody:did something')", CHANNEL)
    await lab.hears(None)
    await lab.authenticator.by_key(acme.key)

    assert lab.store.lookups == 2


async def test_with_row_level_security_out_of_the_way_a_statement_still_names_its_tenant(
    database_urls: DatabaseUrls, acme: Neighbour, admin: "asyncpg.Connection[Any]"
) -> None:
    database = await Database.connect(database_urls.admin_url, as_role=None)
    try:
        bolt = await settle(database_urls.admin_url, database, "bolt")
        async with a_process(database_urls) as lab:
            session = await log_in(lab, acme)
            foreign = msgspec.structs.replace(session.caller, tenant_id=bolt.tenant_id)
            store = type(lab.store)(database)
            await store.end(tenant_id=foreign.tenant_id, session_id=UUID(str(foreign.session_id)))
            await store.seen(Kind.KEY, bolt.tenant_id, [acme.key_id])
            rules = await store.rules_of(new_id())

            assert (await lab.authenticator.by_session(session.token)).caller == session.caller
            assert rules.rules == ()
            await admin.execute("UPDATE api_keys SET used_at = NULL WHERE id = $1", acme.key_id)
            await store.seen(Kind.KEY, bolt.tenant_id, [acme.key_id])
            assert await admin.fetchval("SELECT used_at IS NULL FROM api_keys WHERE id = $1", acme.key_id)
    finally:
        await database.close()


async def test_a_connection_that_no_longer_answers_counts_as_cut_off(
    database_urls: DatabaseUrls, admin: "asyncpg.Connection[Any]"
) -> None:
    told = asyncio.Event()
    listener = AccessListener(database_urls.app_url, heartbeat=0.1, patience=0.1)
    listener.subscribe(lambda _: told.set())
    listener.start()
    try:
        await asyncio.wait_for(listener.wait_until_up(), 10)
        told.clear()
        backend = await admin.fetchval(f"SELECT pid FROM pg_stat_activity WHERE {IS_LISTENER}")
        os.kill(backend, signal.SIGSTOP)
        try:
            await asyncio.wait_for(told.wait(), 5)
            assert not listener.is_up
        finally:
            os.kill(backend, signal.SIGCONT)
    finally:
        await listener.stop()
