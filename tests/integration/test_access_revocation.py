"""A revocation returns when every process that remembers anything has confirmed it, or can no longer trust it."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from typing import Any

import asyncpg
import pytest

from domain.access.ports import LoggedIn, Login
from domain.errors import DomainError, Reason
from domain.values import new_id
from infra.access.changes import Change, Kind
from infra.access.listener import LEASE, LISTENING, AccessListener
from infra.access.operating import revoke_key
from infra.access.provision import create_api_key
from infra.db.pool import Database
from tests.access_lab import AccessLab, a_process
from tests.lab import DatabaseUrls
from tests.neighbours import PASSWORD, Neighbour, settle

LISTENERS = """
    SELECT array_agg(l.pid ORDER BY l.pid) FROM pg_locks l JOIN pg_database d ON d.oid = l.database
    WHERE d.datname = current_database() AND l.locktype = 'advisory' AND l.classid = $1 AND l.objid = $2
"""

type Admin = asyncpg.Connection[Any]


@pytest.fixture(scope="module")
async def acme(database_urls: DatabaseUrls) -> Neighbour:
    database = await Database.connect(database_urls.app_url)
    try:
        return await settle(database_urls.admin_url, database, "acme")
    finally:
        await database.close()


@pytest.fixture
async def admin(database_urls: DatabaseUrls) -> AsyncGenerator[Admin]:
    connection = await asyncpg.connect(database_urls.admin_url)
    try:
        yield connection
    finally:
        await connection.close()


@pytest.fixture
async def processes(acme: Neighbour, database_urls: DatabaseUrls) -> AsyncGenerator[tuple[AccessLab, AccessLab]]:
    """Two, of which the first began to listen first."""
    async with AsyncExitStack() as stack:
        yield (
            await stack.enter_async_context(a_process(database_urls)),
            await stack.enter_async_context(a_process(database_urls)),
        )


async def log_in(lab: AccessLab, acme: Neighbour) -> LoggedIn:
    return await lab.authenticator.login(Login(email=acme.email, password=PASSWORD))


async def reason_of(lab: AccessLab, session: LoggedIn) -> Reason:
    with pytest.raises(DomainError) as refused:
        await lab.authenticator.by_session(session.token)
    return refused.value.reason


async def end(admin: Admin, session: LoggedIn) -> None:
    """As anybody might: the database announces it all the same."""
    await admin.execute("UPDATE sessions SET ended_at = now() WHERE id = $1", session.caller.session_id)


async def listener_of(admin: Admin, lab: AccessLab) -> int:
    """The backend that serves its listening connection."""
    assert lab.authenticator.listener._pid in await admin.fetchval(LISTENERS, *LISTENING)
    return lab.authenticator.listener._pid


async def test_what_was_announced_before_has_been_dropped_everywhere_after(
    processes: tuple[AccessLab, AccessLab], acme: Neighbour, admin: Admin
) -> None:
    one, other = processes
    for _ in range(20):
        session = await log_in(one, acme)
        for process in processes:
            await process.authenticator.by_session(session.token)

        await end(admin, session)
        await one.authenticator.listener.confirm()

        assert await reason_of(one, session) is Reason.UNAUTHENTICATED
        assert await reason_of(other, session) is Reason.UNAUTHENTICATED


async def test_many_who_ask_at_once_share_a_question(
    processes: tuple[AccessLab, AccessLab], admin: Admin, database_urls: DatabaseUrls
) -> None:
    one, other = processes
    questions: list[str] = []
    ear = await asyncpg.connect(database_urls.app_url)
    try:
        await ear.add_listener("storekeeper_access", lambda *notice: questions.append(str(notice[3])))
        await asyncio.gather(
            *(process.authenticator.listener.confirm() for process in processes for _ in range(50))
        )
        await ear.execute("SELECT 1")
    finally:
        await ear.close()

    assert 2 <= len(questions) <= 10
    assert one.authenticator.listener._rounds == other.authenticator.listener._rounds == {}


async def test_nothing_is_waited_for_where_nobody_else_listens(
    acme: Neighbour, database_urls: DatabaseUrls, admin: Admin
) -> None:
    async with a_process(database_urls) as alone:
        session = await log_in(alone, acme)
        await alone.authenticator.by_session(session.token)

        await end(admin, session)
        await alone.authenticator.listener.confirm()

        assert await reason_of(alone, session) is Reason.UNAUTHENTICATED


async def test_a_process_that_cannot_hear_is_outwaited_and_believes_nothing_it_remembers(
    processes: tuple[AccessLab, AccessLab], acme: Neighbour, admin: Admin
) -> None:
    one, deaf = processes
    session = await log_in(one, acme)
    await deaf.authenticator.by_session(session.token)
    backend = await listener_of(admin, deaf)
    os.kill(backend, signal.SIGSTOP)
    try:
        await end(admin, session)
        asked_at = time.monotonic()
        await one.authenticator.listener.confirm()
        waited = time.monotonic() - asked_at

        assert not deaf.authenticator.listener.is_up
        assert await reason_of(deaf, session) is Reason.UNAUTHENTICATED
        assert waited >= LEASE
    finally:
        os.kill(backend, signal.SIGCONT)
    await deaf.hears(None)  # it was cut off
    await asyncio.wait_for(deaf.authenticator.listener.wait_until_up(), 10)
    assert await listener_of(admin, deaf) != backend


async def test_who_was_cut_off_is_not_waited_for_again(
    processes: tuple[AccessLab, AccessLab], admin: Admin
) -> None:
    one, deaf = processes
    backend = await listener_of(admin, deaf)
    os.kill(backend, signal.SIGSTOP)
    try:
        await one.authenticator.listener.confirm()
    finally:
        os.kill(backend, signal.SIGCONT)
    await deaf.hears(None)
    await asyncio.wait_for(deaf.authenticator.listener.wait_until_up(), 10)

    await one.authenticator.listener.confirm()

    assert one.authenticator.listener._rounds == {}
    assert deaf.authenticator.listener.is_up


async def test_who_cannot_ask_waits_until_nobody_trusts_what_they_remember(
    acme: Neighbour, database_urls: DatabaseUrls, admin: Admin
) -> None:
    async with a_process(database_urls) as other:
        session = await log_in(other, acme)
        await other.authenticator.by_session(session.token)
        asked_at = time.monotonic()
        await end(admin, session)

        await AccessListener(database_urls.app_url).confirm()  # that never listened

        assert time.monotonic() - asked_at >= LEASE
        assert await reason_of(other, session) is Reason.UNAUTHENTICATED


async def test_an_operator_s_command_returns_when_no_process_takes_the_key_any_more(
    processes: tuple[AccessLab, AccessLab], database_urls: DatabaseUrls, acme: Neighbour
) -> None:
    for n in range(10):
        key_id, key = await create_api_key(database_urls.admin_url, acme.tenant_id, f"key {n}", [])
        for process in processes:
            await process.authenticator.by_key(key)

        assert await revoke_key(database_urls.admin_url, acme.tenant_id, key_id)

        for process in processes:
            with pytest.raises(DomainError) as refused:
                await process.authenticator.by_key(key)
            assert refused.value.reason is Reason.REVOKED_API_KEY


async def test_a_look_up_of_before_is_not_shared_by_those_who_come_after_where_nobody_tells(
    processes: tuple[AccessLab, AccessLab], acme: Neighbour, admin: Admin
) -> None:
    one, deaf = processes
    session = await log_in(one, acme)
    backend = await listener_of(admin, deaf)
    deaf.store.gate.clear()
    deaf.store.at_gate.clear()
    early = asyncio.create_task(deaf.authenticator.by_session(session.token))
    await deaf.store.at_gate.wait()  # it has read that the session lives
    os.kill(backend, signal.SIGSTOP)
    try:
        await end(admin, session)
        await one.authenticator.listener.confirm()
        late = asyncio.create_task(deaf.authenticator.by_session(session.token))
        deaf.store.gate.set()

        assert (await early).caller == session.caller
        with pytest.raises(DomainError, match="no such session"):
            await late
    finally:
        os.kill(backend, signal.SIGCONT)


ANNOUNCED = {
    "UPDATE tenants SET name = name || '.' WHERE id = {tenant}": Kind.TENANT,
    "UPDATE tenants SET settings = settings || '{{\"a\": 1}}' WHERE id = {tenant}": Kind.TENANT,
    "UPDATE users SET name = name || '.' WHERE id = {user}": Kind.USER,
    "UPDATE users SET is_active = NOT is_active WHERE id = {user}": Kind.USER,
    "UPDATE users SET password_hash = 'x' WHERE id = {user}": None,
    "UPDATE users SET password_changed_at = now() WHERE id = {user}": Kind.USER,
    "UPDATE memberships SET is_active = NOT is_active WHERE user_id = {user}": Kind.USER,
    "DELETE FROM grants WHERE user_id = {user}": Kind.USER,
    "INSERT INTO grants (tenant_id, id, user_id, role) VALUES ({tenant}, {new}, {user}, 'viewer')": Kind.USER,
    "UPDATE role_permissions SET permission = 'audit.read' WHERE tenant_id = {tenant}": Kind.TENANT,
    "DELETE FROM role_permissions WHERE tenant_id = {tenant}": Kind.TENANT,
    "INSERT INTO role_permissions VALUES ({tenant}, 'picker', 'audit.read')": Kind.TENANT,
    "UPDATE api_keys SET revoked_at = now() WHERE id = {key}": Kind.KEY,
    "UPDATE api_keys SET scopes = '{{}}' WHERE id = {key}": Kind.KEY,
    "UPDATE api_keys SET location_ids = '{{}}' WHERE id = {key}": Kind.KEY,
    "UPDATE api_keys SET expires_at = now() WHERE id = {key}": Kind.KEY,
    "UPDATE api_keys SET used_at = now() WHERE id = {key}": None,
    "UPDATE sessions SET ended_at = now() WHERE id = {session}": Kind.SESSION,
    "UPDATE sessions SET seen_at = now() WHERE id = {session}": None,
    "UPDATE tokens SET revoked_at = now() WHERE id = {token}": Kind.TOKEN,
    "UPDATE tokens SET expires_at = now() WHERE id = {token}": Kind.TOKEN,
    "UPDATE tokens SET used_at = now() WHERE id = {token}": None,
}


async def test_the_database_announces_each_change_of_access_with_its_commit_and_nothing_else(
    database_urls: DatabaseUrls, admin: Admin
) -> None:
    database = await Database.connect(database_urls.app_url)
    ear = await asyncpg.connect(database_urls.app_url)
    notices: list[str] = []
    try:
        bolt = await settle(database_urls.admin_url, database, "bolt")
        ids = {
            Kind.TENANT: bolt.tenant_id,
            Kind.USER: bolt.user_id,
            Kind.KEY: bolt.key_id,
            Kind.SESSION: await admin.fetchval("SELECT id FROM sessions WHERE user_id = $1", bolt.user_id),
            Kind.TOKEN: await admin.fetchval("SELECT id FROM tokens WHERE user_id = $1", bolt.deputy_id),
        }
        await ear.add_listener("storekeeper_access", lambda *notice: notices.append(str(notice[3])))
        heard: dict[str, list[list[str]]] = {}
        for statement in ANNOUNCED:
            filled = statement.format(new=f"'{new_id()}'", **{name: f"'{id_}'" for name, id_ in ids.items()})
            async with admin.transaction():
                await admin.execute(filled)
                await ear.execute("SELECT 1")
                before = list(notices)
            await ear.execute("SELECT 1")
            heard[statement] = [before, list(notices)]
            notices.clear()
    finally:
        await ear.close()
        await database.close()

    assert heard == {
        statement: [[], [] if kind is None else [str(Change(kind, ids[kind]))]]
        for statement, kind in ANNOUNCED.items()
    }
