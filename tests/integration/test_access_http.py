"""Sessions and keys over real HTTP: cookies, forged requests, and what is told to whom (P-39, P-40)."""

from collections.abc import AsyncGenerator
from http.cookies import SimpleCookie
from typing import Any

import httpx
import msgspec
import pytest

from domain.access.model import Permission
from infra.access.provision import create_api_key, grant
from infra.db.pool import Database
from tests.lab import DatabaseUrls, Served, serve
from tests.neighbours import PASSWORD, Neighbour, settle

COOKIE = "storekeeper_session"


@pytest.fixture(scope="module")
async def acme(database_urls: DatabaseUrls) -> Neighbour:
    database = await Database.connect(database_urls.app_url)
    try:
        return await settle(database_urls.admin_url, database, "acme")
    finally:
        await database.close()


@pytest.fixture
async def client(acme: Neighbour, served: Served) -> AsyncGenerator[httpx.AsyncClient]:
    """Each test says which cookies it sends; each request has a connection of its own, to meet all workers."""
    limits = httpx.Limits(max_keepalive_connections=0)
    async with httpx.AsyncClient(base_url=served.url, limits=limits, timeout=30) as http:
        yield http


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """A session as a browser has it."""

    token: str
    csrf: str
    answer: dict[str, Any]

    @property
    def cookie(self) -> dict[str, str]:
        return {"Cookie": f"{COOKIE}={self.token}"}

    @property
    def headers(self) -> dict[str, str]:
        return {**self.cookie, "X-CSRF-Token": self.csrf}


def as_bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


async def login(client: httpx.AsyncClient, acme: Neighbour, **headers: str) -> Session:
    body = {"email": acme.email, "password": PASSWORD}
    response = await client.post("/api/auth/login", json=body, headers=headers)
    assert response.status_code == 200, response.text
    token = SimpleCookie(response.headers["set-cookie"])[COOKIE].value
    client.cookies.clear()
    return Session(token=token, csrf=response.json()["csrfToken"], answer=response.json())


async def is_alive(client: httpx.AsyncClient, session: Session) -> bool:
    return (await client.get("/api/auth/me", headers=session.cookie)).status_code == 200


def cookie_of(response: httpx.Response) -> tuple[str, str, set[str]]:
    """The session's cookie, first of those that are set: its name, its value, and its attributes in lower case."""
    header = response.headers.get_list("set-cookie")[0]
    pair, *attributes = (part.strip() for part in header.split(";"))
    name, _, value = pair.partition("=")
    return name, value, {attribute.lower() for attribute in attributes}


async def test_a_login_answers_who_one_is_and_sets_the_sessions_cookie(
    client: httpx.AsyncClient, acme: Neighbour
) -> None:
    response = await client.post("/api/auth/login", json={"email": acme.email, "password": PASSWORD})
    name, token, attributes = cookie_of(response)

    answer = response.json()
    assert answer["user"] == {"id": str(acme.user_id), "name": "Clerk", "email": acme.email}
    assert answer["tenant"] == {"id": str(acme.tenant_id), "slug": "acme", "name": "Acme"}
    assert answer["roles"] == ["operator"]
    assert "inventory.write" in answer["permissions"]
    assert answer["locations"] is None
    assert set(answer) == {"user", "tenant", "roles", "permissions", "locations", "csrfToken"}
    assert (name, len(token)) == (COOKIE, 43)
    assert attributes == {"httponly", "path=/", "samesite=lax"}
    assert response.headers["cache-control"] == "no-store"
    assert token not in response.text


async def test_in_production_the_cookie_is_secure_and_no_other_counts(
    database_urls: DatabaseUrls, acme: Neighbour
) -> None:
    with serve(database_urls, workers=1, environment={"STOREKEEPER_ENV": "production"}) as served:
        async with httpx.AsyncClient(base_url=served.url) as client:
            response = await client.post("/api/auth/login", json={"email": acme.email, "password": PASSWORD})
            name, token, attributes = cookie_of(response)
            client.cookies.clear()
            statuses = [
                (await client.get("/api/auth/me", headers={"Cookie": f"{sent}={token}"})).status_code
                for sent in (name, COOKIE)
            ]

    assert name == f"__Host-{COOKIE}"
    assert attributes == {"httponly", "path=/", "samesite=lax", "secure"}
    assert statuses == [200, 401]


async def test_me_says_again_what_the_login_said(client: httpx.AsyncClient, acme: Neighbour) -> None:
    session = await login(client, acme)

    response = await client.get("/api/auth/me", headers=session.cookie)

    assert response.json() == session.answer
    assert response.headers["cache-control"] == "no-store"


async def test_me_tells_a_key_what_it_may_do_and_where(
    client: httpx.AsyncClient, database_urls: DatabaseUrls, acme: Neighbour
) -> None:
    _, key = await create_api_key(
        database_urls.admin_url,
        acme.tenant_id,
        "shop",
        [Permission.INVENTORY_READ, Permission.CHANNELS_READ],
        location_ids=[acme.location_id],
    )

    response = await client.get("/api/auth/me", headers=as_bearer(key))

    assert response.json() == {
        "user": None,
        "tenant": {"id": str(acme.tenant_id), "slug": "acme", "name": "Acme"},
        "roles": [],
        "permissions": ["channels.read", "inventory.read"],
        "locations": [str(acme.location_id)],
        "csrfToken": None,
    }


async def test_a_logout_ends_the_session_in_every_worker(client: httpx.AsyncClient, acme: Neighbour) -> None:
    session = await login(client, acme)
    before = [await is_alive(client, session) for _ in range(10)]

    response = await client.post("/api/auth/logout", headers=session.headers)
    name, value, attributes = cookie_of(response)
    answers = [await client.get("/api/auth/me", headers=session.cookie) for _ in range(20)]

    assert all(before)
    assert response.json() == {"success": True}
    assert (name, value.strip('"')) == (COOKIE, "")
    assert "max-age=0" in attributes
    assert {answer.status_code for answer in answers} == {401}
    assert {answer.json()["details"]["code"] for answer in answers} == {"UNAUTHENTICATED"}


async def test_no_forged_request_is_carried_out(client: httpx.AsyncClient, acme: Neighbour) -> None:
    session, other = await login(client, acme), await login(client, acme)
    token = session.headers
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    forged: dict[str, tuple[dict[str, str], str]] = {
        "no token": (session.cookie, "CSRF_FAILED"),
        "an empty token": ({**token, "X-CSRF-Token": ""}, "CSRF_FAILED"),
        "another session's token": ({**token, "X-CSRF-Token": other.csrf}, "CSRF_FAILED"),
        "the session's secret for a token": ({**token, "X-CSRF-Token": session.token}, "CSRF_FAILED"),
        "a token in another alphabet": ({**token, "X-CSRF-Token": "\u00e9" * 43}, "CSRF_FAILED"),
        "a form": ({**session.cookie, **form}, "CSRF_FAILED"),
        "plain text": ({**session.cookie, "Content-Type": "text/plain"}, "CSRF_FAILED"),
        "a foreign origin": ({**token, "Origin": "https://evil.example"}, "CSRF_FAILED"),
        "an origin that is hidden": ({**token, "Origin": "null"}, "CSRF_FAILED"),
        "another site, says the browser": ({**token, "Sec-Fetch-Site": "cross-site"}, "CSRF_FAILED"),
        "a neighbour, says the browser": ({**token, "Sec-Fetch-Site": "same-site"}, "CSRF_FAILED"),
        "a method in disguise": ({**session.cookie, "X-HTTP-Method-Override": "GET"}, "CSRF_FAILED"),
        "a bad key beside a good cookie": ({**token, **as_bearer("sk_live_no")}, "INVALID_API_KEY"),
        "a token without a cookie": ({"X-CSRF-Token": session.csrf}, "UNAUTHENTICATED"),
    }

    codes = {}
    for name, (headers, _) in forged.items():
        raw = [(key.encode(), value.encode()) for key, value in headers.items()]
        response = await client.post("/api/auth/logout", headers=raw, content=b"{}")
        codes[name] = response.json()["details"]["code"]
    by_get = await client.get("/api/auth/logout", headers=token)

    assert codes == {name: code for name, (_, code) in forged.items()}
    assert by_get.status_code == 405
    assert await is_alive(client, session)


async def test_a_page_of_ours_is_let_through(client: httpx.AsyncClient, served: Served, acme: Neighbour) -> None:
    session = await login(client, acme)
    ours = {"Origin": served.url, "Sec-Fetch-Site": "same-origin"}

    response = await client.post("/api/auth/logout", headers={**session.headers, **ours})

    assert response.status_code == 200


async def test_a_key_needs_no_token_and_cookies_beside_it_do_not_count(
    client: httpx.AsyncClient, acme: Neighbour
) -> None:
    session = await login(client, acme)

    me = await client.get("/api/auth/me", headers={**session.cookie, **as_bearer(acme.key)})
    logout = await client.post("/api/auth/logout", headers={**session.cookie, **as_bearer(acme.key)})

    assert me.json()["user"] is None
    assert logout.json()["error"] == "There is no session to end: an API key is not logged in"
    assert await is_alive(client, session)


async def test_a_session_cannot_be_planted_before_the_login(client: httpx.AsyncClient, acme: Neighbour) -> None:
    planted = "A" * 43

    session = await login(client, acme, Cookie=f"{COOKIE}={planted}")
    answer = await client.get("/api/auth/me", headers={"Cookie": f"{COOKIE}={planted}"})

    assert session.token != planted
    assert answer.status_code == 401


async def test_a_second_login_ends_the_first_session(client: httpx.AsyncClient, acme: Neighbour) -> None:
    first = await login(client, acme)

    second = await login(client, acme, **first.cookie)

    assert not await is_alive(client, first)
    assert await is_alive(client, second)


async def test_a_wrong_password_and_an_unknown_address_are_one_answer(
    client: httpx.AsyncClient, acme: Neighbour
) -> None:
    wrong = await client.post("/api/auth/login", json={"email": acme.email, "password": "wrong"})
    unknown = await client.post("/api/auth/login", json={"email": "eve@acme.example", "password": "wrong"})

    assert wrong.status_code == unknown.status_code == 401
    assert wrong.json()["details"]["code"] == "INVALID_CREDENTIALS"
    assert wrong.content == unknown.content
    assert wrong.headers.keys() == unknown.headers.keys()
    assert "set-cookie" not in wrong.headers


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b'{"email": "a@b.example", "password": 5}', "application/json", 400),
        (b'{"email": "a@b.example"}', "application/json", 400),
        (b'{"email": "a@b.example", "password": ""}', "application/json", 400),
        (b'{"email": "a@b.example", "password": "x", "admin": true}', "application/json", 400),
        (b'{"email": "a\\u0000@b.example", "password": "x"}', "application/json", 400),
        (b'{"email": "a@b.example", "password": "' + b"x" * 1025 + b'"}', "application/json", 400),
        (b"[]", "application/json", 400),
        (b"", "application/json", 400),
        (b"{", "application/json", 400),
        (b'{"email": "a@b.example", "password": "x"}', "text/plain", 415),
        (b"email=a%40b.example&password=x", "application/x-www-form-urlencoded", 415),
    ],
)
async def test_a_login_that_cannot_be_meant_is_refused(
    client: httpx.AsyncClient, body: bytes, kind: str, status: int
) -> None:
    response = await client.post("/api/auth/login", content=body, headers={"Content-Type": kind})

    assert response.status_code == status
    assert response.json()["details"]["code"] in {
        "VALIDATION_ERROR",
        "UNSUPPORTED_MEDIA_TYPE",
    }


async def test_a_grant_for_one_location_is_told_as_such(
    client: httpx.AsyncClient, database_urls: DatabaseUrls, acme: Neighbour
) -> None:
    database = await Database.connect(database_urls.app_url)
    try:
        bolt = await settle(database_urls.admin_url, database, "bolt")
    finally:
        await database.close()
    await grant(database_urls.admin_url, bolt.tenant_id, acme.user_id, "viewer", bolt.location_id)
    body = {"email": acme.email, "password": PASSWORD}

    unnamed = await client.post("/api/auth/login", json=body)
    named = await client.post("/api/auth/login", json={**body, "tenant": "bolt"})

    assert unnamed.status_code == 400
    assert unnamed.json()["details"]["fields"] == [
        {"path": "tenant", "message": "must be one of yours: acme, bolt"}
    ]
    assert named.json()["locations"] == [str(bolt.location_id)]
    assert named.json()["roles"] == ["viewer"]


async def test_no_secret_is_in_the_log(served: Served, acme: Neighbour) -> None:
    log = served.log.read_text()

    assert "/api/auth/login" in log
    assert PASSWORD not in log
    assert acme.key not in log
