"""What was taken away is gone for the next request, whichever of four processes it reaches (P-38)."""

import asyncio
import itertools
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from typing import Any

import asyncpg
import httpx
import msgspec
import psutil
import pytest

from domain.values import new_id
from tests.e2e.api.company import Company, Session, add_key, add_user, as_bearer, begin_session, found_company
from tests.lab import DatabaseUrls, Served, serve
from tests.ledger.promises import show

WORKERS = 4

type Admin = asyncpg.Connection[Any]


class Credential(msgspec.Struct, frozen=True, kw_only=True):
    """What opens a door, how it is taken away, and how the door answers then."""

    headers: dict[str, str]
    method: str
    path: str
    revoke: Callable[[httpx.AsyncClient], Awaitable[httpx.Response]]
    refused: int
    admitted: int = 200

    async def tried(self, client: httpx.AsyncClient) -> int:
        body: dict[str, str] | None = None if self.method == "GET" else {}
        answer = await client.request(self.method, self.path, headers=self.headers, json=body)
        return answer.status_code


@pytest.fixture(scope="module")
def server(database_urls: DatabaseUrls) -> Iterator[Served]:
    with serve(database_urls, workers=WORKERS) as served:
        yield served


@pytest.fixture(scope="module")
async def admin(database_urls: DatabaseUrls) -> AsyncGenerator[Admin]:
    connection = await asyncpg.connect(database_urls.admin_url)
    yield connection
    await connection.close()


@pytest.fixture(scope="module")
async def company(admin: Admin) -> Company:
    return await found_company(admin, "revoking", has_documents=False)


@pytest.fixture(scope="module")
async def chief(admin: Admin, company: Company) -> Session:
    """Of somebody who may take everything away."""
    return await begin_session(admin, company, await add_user(admin, company, "admin"))


@pytest.fixture(scope="module")
async def workers(server: Served) -> AsyncGenerator[list[httpx.AsyncClient]]:
    """One client for each process, with one connection, which stays with that process."""
    found: dict[int, httpx.AsyncClient] = {}
    pids = server.workers()
    assert len(pids) == WORKERS
    async with AsyncExitStack() as stack:
        for _ in range(40 * WORKERS):
            if len(found) == WORKERS:
                break
            limits = httpx.Limits(max_connections=1, keepalive_expiry=None)
            client = await stack.enter_async_context(
                httpx.AsyncClient(base_url=server.url, limits=limits, timeout=30)
            )
            answer = await client.get("/health")
            port = answer.extensions["network_stream"].get_extra_info("client_addr")[1]
            found.setdefault(_whose(port, pids), client)
        assert found.keys() == set(pids)
        yield list(found.values())


def _whose(port: int, pids: list[int]) -> int:
    """The process at the other end of a connection from this port."""
    for pid in pids:
        if any(end.raddr and end.raddr[1] == port for end in psutil.Process(pid).net_connections("tcp")):
            return pid
    raise AssertionError("nobody has this connection")


async def a_key(admin: Admin, company: Company, chief: Session) -> Credential:
    key_id = new_id()
    key = await add_key(admin, company, ["inventory.read"], key_id=key_id)
    return Credential(
        headers=as_bearer(key),
        method="GET",
        path="/api/auth/me",
        revoke=lambda http: http.post(f"/api/admin/api-keys/{key_id}/revoke", headers=chief.headers),
        refused=401,
    )


async def a_user(admin: Admin, company: Company, chief: Session) -> Credential:
    user_id = await add_user(admin, company, "viewer")
    session = await begin_session(admin, company, user_id)
    body = {"active": False, "expectedVersion": 1}
    return Credential(
        headers=session.headers,
        method="GET",
        path="/api/auth/me",
        revoke=lambda http: http.patch(f"/api/admin/users/{user_id}", json=body, headers=chief.headers),
        refused=401,
    )


async def a_role(admin: Admin, company: Company, chief: Session) -> Credential:
    user_id = await add_user(admin, company, "operator")
    session = await begin_session(admin, company, user_id)
    body = {"grants": [{"role": "viewer"}], "expectedVersion": 1}
    return Credential(
        headers=session.headers,
        method="POST",
        path="/api/inventory/issues",
        revoke=lambda http: http.put(f"/api/admin/users/{user_id}/roles", json=body, headers=chief.headers),
        admitted=400,
        refused=403,
    )


async def a_session(admin: Admin, company: Company, _: Session) -> Credential:
    session = await begin_session(admin, company, await add_user(admin, company, "viewer"))
    return Credential(
        headers=session.headers,
        method="GET",
        path="/api/auth/me",
        revoke=lambda http: http.post("/api/auth/logout", headers=session.headers),
        refused=401,
    )


async def a_lost_session(admin: Admin, company: Company, _: Session) -> Credential:
    user_id = await add_user(admin, company, "viewer")
    lost, own = await begin_session(admin, company, user_id), await begin_session(admin, company, user_id)
    return Credential(
        headers=lost.headers,
        method="GET",
        path="/api/auth/me",
        revoke=lambda http: http.delete(f"/api/auth/sessions/{lost.id}", headers=own.headers),
        refused=401,
    )


KINDS = (a_key, a_user, a_role, a_session, a_lost_session)


async def believed_after_revocation(
    rounds: int, admin: Admin, company: Company, chief: Session, workers: list[httpx.AsyncClient]
) -> tuple[int, int]:
    """How many requests were sent just after a revocation was answered, and how many were let through."""
    sent = let_through = 0
    for kind, revoking in itertools.islice(
        zip(itertools.cycle(KINDS), itertools.cycle(workers), strict=False), rounds
    ):
        credential = await kind(admin, company, chief)
        before = await asyncio.gather(*map(credential.tried, workers))
        assert set(before) == {credential.admitted}, kind.__name__

        revoked = await credential.revoke(revoking)
        after = await asyncio.gather(*map(credential.tried, workers))

        assert revoked.status_code == 200, revoked.text
        sent += len(after)
        let_through += sum(status != credential.refused for status in after)
    return sent, let_through


async def test_whoever_was_let_in_before_is_refused_by_every_process_after(
    admin: Admin, company: Company, chief: Session, workers: list[httpx.AsyncClient]
) -> None:
    sent, let_through = await believed_after_revocation(200, admin, company, chief, workers)

    show("P-38", workers=WORKERS, rounds=200, requests=sent, let_through=let_through)
    assert (sent, let_through) == (200 * WORKERS, 0)


@pytest.mark.long
async def test_a_thousand_times_whoever_was_let_in_before_is_refused_after(
    admin: Admin, company: Company, chief: Session, workers: list[httpx.AsyncClient]
) -> None:
    sent, let_through = await believed_after_revocation(1000, admin, company, chief, workers)

    show("P-38", workers=WORKERS, rounds=1000, requests=sent, let_through=let_through)
    assert (sent, let_through) == (1000 * WORKERS, 0)


async def test_many_revocations_at_once_all_hold(
    admin: Admin, company: Company, chief: Session, workers: list[httpx.AsyncClient]
) -> None:
    credentials = [await kind(admin, company, chief) for kind in KINDS for _ in range(4)]
    for credential in credentials:
        assert set(await asyncio.gather(*map(credential.tried, workers))) == {credential.admitted}

    async def revoked(credential: Credential, by: httpx.AsyncClient) -> list[bool]:
        await credential.revoke(by)
        return [await credential.tried(worker) == credential.refused for worker in workers]

    refused = await asyncio.gather(
        *(
            revoked(credential, worker)
            for credential, worker in zip(credentials, itertools.cycle(workers), strict=False)
        )
    )

    assert all(all(each) for each in refused)
