"""Limits as a client meets them: over real HTTP, with several workers."""

import asyncio
from collections.abc import AsyncGenerator, Iterator
from http.cookies import SimpleCookie
from typing import Any

import asyncpg
import httpx
import pytest

from app.http import wire
from domain.access.model import Permission
from infra.access.provision import create_api_key
from infra.db.pool import Database
from tests.e2e.api.inside import inside
from tests.lab import DatabaseUrls, Served, serve
from tests.neighbours import PASSWORD, Neighbour, settle

LOGIN = "/api/auth/login"
DEVICE = "storekeeper_device"
READS = 40


@pytest.fixture(scope="module")
async def acme(database_urls: DatabaseUrls) -> Neighbour:
    database = await Database.connect(database_urls.app_url)
    try:
        return await settle(database_urls.admin_url, database, "acme")
    finally:
        await database.close()


@pytest.fixture(scope="module")
def limited(database_urls: DatabaseUrls) -> Iterator[Served]:
    """Two workers that limit rates."""
    environment = {"STOREKEEPER_RATE_LIMITS": "on", "STOREKEEPER_RATE_LIMIT_READ": str(READS)}
    with serve(database_urls, environment=environment) as server:
        yield server


@pytest.fixture
async def client(acme: Neighbour, limited: Served) -> AsyncGenerator[httpx.AsyncClient]:
    """Each request has a connection of its own, to meet all workers."""
    limits = httpx.Limits(max_keepalive_connections=0)
    async with httpx.AsyncClient(base_url=limited.url, limits=limits, timeout=30) as http:
        yield http


async def log_in(client: httpx.AsyncClient, email: str, password: str, **headers: str) -> httpx.Response:
    client.cookies.clear()
    return await client.post(LOGIN, json={"email": email, "password": password}, headers=headers)


def device_of(response: httpx.Response) -> tuple[str, str]:
    """The browser's token that an answer sets, and the whole header."""
    (header,) = [text for text in response.headers.get_list("set-cookie") if text.startswith(f"{DEVICE}=")]
    return SimpleCookie(header)[DEVICE].value, header


async def test_requests_over_the_limit_are_refused_by_both_workers_together(
    client: httpx.AsyncClient, database_urls: DatabaseUrls, acme: Neighbour
) -> None:
    _, key = await create_api_key(database_urls.admin_url, acme.tenant_id, "busy", [Permission.INVENTORY_READ])
    bearer = {"Authorization": f"Bearer {key}"}

    answers = await asyncio.gather(*(client.get("/api/auth/me", headers=bearer) for _ in range(3 * READS)))

    accepted = [answer for answer in answers if answer.status_code == 200]
    refused = [answer for answer in answers if answer.status_code == 429]
    assert len(accepted) + len(refused) == 3 * READS
    # If a minute ended meanwhile, there were two windows.
    assert READS <= len(accepted) <= 2 * READS
    for answer in answers:
        assert answer.headers["x-ratelimit-limit"] == str(READS)
        assert 0 <= int(answer.headers["x-ratelimit-remaining"]) < READS
        assert 1 <= int(answer.headers["x-ratelimit-reset"]) <= 60
    refusal = refused[0]
    assert refusal.json()["details"]["code"] == "RATE_LIMITED"
    assert refusal.json()["details"]["limitOf"] == "caller"
    assert refusal.headers["retry-after"] == refusal.headers["x-ratelimit-reset"]
    assert refusal.headers["x-ratelimit-remaining"] == "0"


async def test_one_callers_flood_does_not_touch_another(client: httpx.AsyncClient, acme: Neighbour) -> None:
    answer = await client.get("/api/auth/me", headers={"Authorization": f"Bearer {acme.key}"})

    assert answer.status_code == 200


async def test_a_query_longer_than_allowed_is_refused(client: httpx.AsyncClient, acme: Neighbour) -> None:
    bearer = {"Authorization": f"Bearer {acme.key}"}

    answer = await client.get("/api/auth/me", params={"q": "x" * 9_000}, headers=bearer)

    assert answer.status_code == 400
    assert "query" in answer.json()["error"]


async def test_guesses_end_in_a_refusal_whatever_they_say_of_where_they_come_from(
    client: httpx.AsyncClient, database_urls: DatabaseUrls, acme: Neighbour
) -> None:
    answers = [
        await log_in(client, acme.email, f"guess {n}", **{"X-Forwarded-For": f"198.51.100.{n}"}) for n in range(40)
    ]

    looked_at = [answer for answer in answers if answer.status_code == 401]
    refused = [answer for answer in answers if answer.status_code == 429]
    assert (len(looked_at), len(refused)) == (5, 35)
    assert all(1 <= int(answer.headers["retry-after"]) <= 10 for answer in refused)
    assert {answer.json()["details"]["code"] for answer in refused} == {"RATE_LIMITED"}
    # The right password is refused alike: the answer does not tell that it was right.
    right = await log_in(client, acme.email, PASSWORD)
    assert right.status_code == 429
    assert right.json()["error"] == refused[0].json()["error"]


async def test_an_account_that_is_not_there_is_refused_like_one_that_is(
    client: httpx.AsyncClient, acme: Neighbour
) -> None:
    answers = [await log_in(client, "nobody@acme.example", f"guess {n}") for n in range(8)]

    assert [answer.status_code for answer in answers] == [401] * 5 + [429] * 3
    assert answers[-1].json()["error"] == (await log_in(client, acme.email, "x")).json()["error"]


async def test_the_owner_is_not_locked_out_by_those_who_guess(
    client: httpx.AsyncClient, database_urls: DatabaseUrls
) -> None:
    database = await Database.connect(database_urls.app_url)
    try:
        bolt = await settle(database_urls.admin_url, database, "bolt")
    finally:
        await database.close()
    token, header = device_of(await log_in(client, bolt.email, PASSWORD))
    guesses = [await log_in(client, bolt.email, f"guess {n}") for n in range(10)]

    from_elsewhere = await log_in(client, bolt.email, PASSWORD)
    at_home = await log_in(client, bolt.email, PASSWORD, Cookie=f"{DEVICE}={token}")

    assert guesses[-1].status_code == from_elsewhere.status_code == 429
    assert at_home.status_code == 200
    assert device_of(at_home)[0] == token
    attributes = {part.strip().lower() for part in header.split(";")[1:]}
    assert {"httponly", "samesite=lax", "path=/", "max-age=15552000"} <= attributes


async def test_what_is_more_than_a_worker_answers_is_refused_at_once(
    database_urls: DatabaseUrls, acme: Neighbour
) -> None:
    environment = {"STOREKEEPER_IN_FLIGHT_LIMIT": "1"}
    bearer = {"Authorization": f"Bearer {acme.key}"}
    admin = await asyncpg.connect(database_urls.admin_url)
    try:
        with serve(database_urls, workers=1, environment=environment) as served:
            async with httpx.AsyncClient(base_url=served.url, timeout=30) as client:
                async with admin.transaction():
                    await admin.execute("LOCK TABLE api_keys IN ACCESS EXCLUSIVE MODE")
                    first = asyncio.create_task(client.get("/api/auth/me", headers=bearer))
                    await until_it_waits(admin)
                    second = await client.get("/api/auth/me", headers=bearer)
                    health = await client.get("/health")
                answer = await first
                after = await client.get("/api/auth/me", headers=bearer)
    finally:
        await admin.close()

    assert second.status_code == 503
    assert second.json()["details"] == {"code": "UNAVAILABLE", "retryAfter": 1}
    assert second.headers["retry-after"] == "1"
    assert second.headers["x-request-id"]
    assert [health.status_code, answer.status_code, after.status_code] == [200, 200, 200]
    assert "x-ratelimit-limit" not in after.headers, "rates are not limited in development"


async def until_it_waits(admin: "asyncpg.Connection[Any]") -> None:
    """Until a request stands before the lock."""
    waiting = (
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    )
    async with asyncio.timeout(30):
        while not await admin.fetchval(waiting):  # noqa: ASYNC110 - a lock that is waited for tells nobody
            await asyncio.sleep(0.02)


async def test_a_head_larger_than_allowed_is_refused(client: httpx.AsyncClient) -> None:
    answer = await client.get("/health", headers={"X-Big": "x" * 100_000})

    assert answer.status_code == 431


async def test_a_body_that_does_not_come_is_not_waited_for_without_end(
    database_urls: DatabaseUrls, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire, "BODY_SECONDS", 0.05)
    seen = asyncio.Event()

    async def half() -> AsyncGenerator[bytes]:
        yield b'{"email": "ada@acme.example", '
        await seen.wait()

    async with inside(database_urls) as app, asyncio.timeout(10):
        answer = await app.http.post(LOGIN, content=half(), headers={"Content-Type": "application/json"})
        seen.set()

    assert answer.status_code == 400
    assert "the body took longer than 0.05 seconds to come" in answer.json()["error"]
