"""People see and end their own sessions, and change their password, over real HTTP."""

from collections.abc import AsyncGenerator
from http.cookies import SimpleCookie
from typing import Any

import asyncpg
import httpx
import msgspec
import pytest
from argon2 import PasswordHasher

from domain.access.credentials import hash_of
from domain.values import new_id
from infra.access.provision import create_api_key, create_tenant, create_user, grant
from tests.lab import DatabaseUrls, Served

COOKIE = "storekeeper_session"
PASSWORD = "correct horse battery staple"
ANOTHER = "seven lanterns over a quiet harbour"

type Admin = asyncpg.Connection[Any]


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who is a member of two tenants."""

    email: str
    tenants: tuple[str, ...]


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """As a browser has it."""

    token: str
    csrf: str

    @property
    def headers(self) -> dict[str, str]:
        return {"Cookie": f"{COOKIE}={self.token}", "X-CSRF-Token": self.csrf}


@pytest.fixture
async def admin(database_urls: DatabaseUrls) -> AsyncGenerator[Admin]:
    connection = await asyncpg.connect(database_urls.admin_url)
    yield connection
    await connection.close()


@pytest.fixture
async def client(served: Served) -> AsyncGenerator[httpx.AsyncClient]:
    """Each request has a connection of its own, to meet both workers."""
    limits = httpx.Limits(max_keepalive_connections=0)
    async with httpx.AsyncClient(base_url=served.url, limits=limits, timeout=30) as http:
        yield http


@pytest.fixture
async def person(database_urls: DatabaseUrls) -> Person:
    return await somebody(database_urls)


async def somebody(urls: DatabaseUrls) -> Person:
    mark = new_id().hex[-10:]
    email = f"{mark}@acme.example"
    user_id = await create_user(urls.admin_url, email, "Robin Clerk", PASSWORD)
    slugs = (f"one-{mark}", f"two-{mark}")
    for slug in slugs:
        await grant(urls.admin_url, await create_tenant(urls.admin_url, slug, slug), user_id, "operator")
    return Person(email=email, tenants=slugs)


async def login(
    client: httpx.AsyncClient, person: Person, *, tenant: int = 0, password: str = PASSWORD, agent: str = "Firefox"
) -> Session:
    body = {"email": person.email, "password": password, "tenant": person.tenants[tenant]}
    answer = await client.post("/api/auth/login", json=body, headers={"User-Agent": agent})
    client.cookies.clear()
    assert answer.status_code == 200, answer.text
    return session_of(answer)


def session_of(answer: httpx.Response) -> Session:
    cookies = [SimpleCookie(header) for header in answer.headers.get_list("set-cookie")]
    (token,) = [cookie[COOKIE].value for cookie in cookies if COOKIE in cookie]
    return Session(token=token, csrf=answer.json()["csrfToken"])


async def is_alive(client: httpx.AsyncClient, session: Session) -> bool:
    return (await client.get("/api/auth/me", headers=session.headers)).status_code == 200


async def listed(client: httpx.AsyncClient, session: Session) -> list[dict[str, Any]]:
    answer = await client.get("/api/auth/sessions", headers=session.headers)
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    data: list[dict[str, Any]] = answer.json()["data"]
    return data


async def change(
    client: httpx.AsyncClient, session: Session, *, current: str = PASSWORD, new: str = ANOTHER
) -> httpx.Response:
    body = {"currentPassword": current, "newPassword": new}
    answer = await client.post("/api/auth/password", json=body, headers=session.headers)
    client.cookies.clear()
    return answer


async def test_one_sees_ones_own_live_sessions_in_the_tenant_that_one_is_in(
    client: httpx.AsyncClient, database_urls: DatabaseUrls, person: Person, admin: Admin
) -> None:
    desk = await login(client, person, agent="Desk")
    phone = await login(client, person, agent="Phone")
    elsewhere = await login(client, person, tenant=1)
    gone = await login(client, person)
    await client.post("/api/auth/logout", headers=gone.headers)
    for column, sign in (("seen_at", "-"), ("expires_at", "-")):
        old = await login(client, person)
        await admin.execute(
            f"UPDATE sessions SET {column} = now() {sign} interval '13 hours' WHERE token_hash = $1",
            hash_of(old.token),
        )
    await login(client, await somebody(database_urls))

    seen = await listed(client, desk)

    assert [(one["userAgent"], one["current"]) for one in seen] == [("Phone", False), ("Desk", True)]
    assert {one["current"] for one in await listed(client, phone)} == {False, True}
    assert [one["current"] for one in await listed(client, elsewhere)] == [True]
    assert set(seen[0]) == {"id", "current", "createdAt", "seenAt", "expiresAt", "userAgent"}
    assert all(desk.token not in str(one) and phone.token not in str(one) for one in seen)


async def test_one_ends_ones_own_sessions_and_nobody_elses(
    client: httpx.AsyncClient, database_urls: DatabaseUrls, person: Person
) -> None:
    desk, phone, elsewhere = (
        await login(client, person),
        await login(client, person),
        await login(client, person, tenant=1),
    )
    others = await login(client, await somebody(database_urls))
    ids = {
        "another's": (await listed(client, others))[0]["id"],
        "in the other tenant": (await listed(client, elsewhere))[0]["id"],
        "made up": str(new_id()),
    }
    lost = next(one["id"] for one in await listed(client, desk) if not one["current"])

    statuses = {
        name: (await client.delete(f"/api/auth/sessions/{id_}", headers=desk.headers)).status_code
        for name, id_ in ids.items()
    }
    ended = [await client.delete(f"/api/auth/sessions/{lost}", headers=desk.headers) for _ in range(2)]
    alive = [await is_alive(client, session) for session in (desk, phone, elsewhere, others) for _ in range(3)]

    assert set(statuses.values()) == {404}
    assert [answer.status_code for answer in ended] == [200, 404]
    assert "set-cookie" not in ended[0].headers
    assert alive == [True] * 3 + [False] * 3 + [True] * 6


async def test_ending_the_session_that_asks_is_a_logout(client: httpx.AsyncClient, person: Person) -> None:
    session = await login(client, person)
    own = (await listed(client, session))[0]["id"]

    answer = await client.delete(f"/api/auth/sessions/{own}", headers=session.headers)

    assert answer.status_code == 200
    assert f'{COOKIE}=""; ' in answer.headers["set-cookie"]
    assert "max-age=0" in answer.headers["set-cookie"].lower()
    assert not await is_alive(client, session)


async def test_a_new_password_ends_every_session_everywhere_and_begins_one(
    client: httpx.AsyncClient, person: Person, admin: Admin
) -> None:
    sessions = [await login(client, person), await login(client, person), await login(client, person, tenant=1)]

    answer = await change(client, sessions[0])
    new = session_of(answer)
    alive = [await is_alive(client, session) for session in sessions for _ in range(3)]
    logins = [
        (
            await client.post(
                "/api/auth/login",
                json={"email": person.email, "password": password, "tenant": person.tenants[0]},
            )
        ).status_code
        for password in (PASSWORD, ANOTHER)
    ]
    trails = await admin.fetch(
        """
        SELECT t.slug, array_agg(l.action ORDER BY l.action) AS actions FROM audit_log l
        JOIN tenants t ON t.id = l.tenant_id
        WHERE t.slug = ANY ($1) AND l.action IN ('session.changed', 'user.changed') GROUP BY t.slug
        """,
        list(person.tenants),
    )

    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert not any(alive)
    assert all([await is_alive(client, new) for _ in range(3)])
    assert new.token not in {session.token for session in sessions}
    assert [one["current"] for one in await listed(client, new)] == [False, True]
    assert logins == [401, 200]
    assert {row["slug"]: row["actions"] for row in trails} == {
        person.tenants[0]: ["session.changed", "session.changed", "user.changed"],
        person.tenants[1]: ["session.changed"],
    }


@pytest.mark.parametrize(
    ("current", "new", "field"),
    [
        ("not it at all, sorry", ANOTHER, "currentPassword"),
        (f"{PASSWORD} ", ANOTHER, "currentPassword"),
        (PASSWORD, PASSWORD, "newPassword"),
        (PASSWORD, "fourteen chars", "newPassword"),
        (PASSWORD, "password123456789", "newPassword"),
        (PASSWORD, "Robin Clerk Robin Clerk", "newPassword"),
        (PASSWORD, "é" * 512 + "x", "newPassword"),
    ],
)
async def test_a_password_that_will_not_do_changes_nothing(
    client: httpx.AsyncClient, person: Person, current: str, new: str, field: str
) -> None:
    session = await login(client, person)

    answer = await change(client, session, current=current, new=new)

    assert answer.status_code == 400
    assert [problem["path"] for problem in answer.json()["details"]["fields"]] == [field]
    assert "set-cookie" not in answer.headers
    assert await is_alive(client, session)
    await login(client, person)


async def test_the_browser_in_which_the_password_is_changed_stays_known(
    client: httpx.AsyncClient, person: Person
) -> None:
    body = {"email": person.email, "password": PASSWORD, "tenant": person.tenants[0]}
    first = await client.post("/api/auth/login", json=body)
    device = f"storekeeper_device={client.cookies['storekeeper_device']}"
    client.cookies.clear()
    session = session_of(first)
    headers = {**session.headers, "Cookie": f"{session.headers['Cookie']}; {device}"}
    changing = {"currentPassword": PASSWORD, "newPassword": ANOTHER}
    changed = await client.post("/api/auth/password", json=changing, headers=headers)
    client.cookies.clear()

    guesses = [await client.post("/api/auth/login", json={**body, "password": "wrong"}) for _ in range(6)]
    again = await client.post("/api/auth/login", json={**body, "password": ANOTHER}, headers={"Cookie": device})
    client.cookies.clear()

    assert changed.status_code == 200, changed.text
    assert [answer.status_code for answer in guesses] == [401] * 5 + [429]
    assert again.status_code == 200


async def test_a_password_counts_exactly_as_it_is_typed(client: httpx.AsyncClient, person: Person) -> None:
    exact = " e\u0301t\u00e9 \uff46ull width 日本語の長い合言葉 "
    session = session_of(await change(client, await login(client, person), new=exact))
    refused = [
        (
            await client.post(
                "/api/auth/login", json={"email": person.email, "password": wrong, "tenant": person.tenants[0]}
            )
        ).status_code
        for wrong in (exact.strip(), exact.replace("e\u0301", "\u00e9"))
    ]

    assert await is_alive(client, session)
    assert refused == [401, 401]
    assert await is_alive(client, await login(client, person, password=exact))


async def test_of_two_who_change_it_at_once_one_does(client: httpx.AsyncClient, person: Person) -> None:
    one, other = await login(client, person), await login(client, person)

    answers = [await change(client, one, new=ANOTHER), await change(client, other, new=f"{ANOTHER} too")]

    assert [answer.status_code for answer in answers] == [200, 401]
    assert await is_alive(client, await login(client, person, password=ANOTHER))


async def test_a_hash_of_weaker_parameters_is_made_anew_at_the_login(
    client: httpx.AsyncClient, person: Person, admin: Admin
) -> None:
    weak = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
    await admin.execute("UPDATE users SET password_hash = $2 WHERE email = $1", person.email, weak)
    wrong = {"email": person.email, "password": "wrong", "tenant": person.tenants[0]}

    await client.post("/api/auth/login", json=wrong)
    after_a_wrong_one = await admin.fetchval("SELECT password_hash FROM users WHERE email = $1", person.email)
    session = await login(client, person)
    after = await admin.fetchrow(
        "SELECT password_hash, version, password_changed_at = created_at AS same FROM users WHERE email = $1",
        person.email,
    )

    assert after_a_wrong_one == weak
    assert after is not None
    assert after["password_hash"].startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert (after["version"], after["same"]) == (1, True)
    assert await is_alive(client, session)
    assert await is_alive(client, await login(client, person))


async def test_a_key_has_neither_sessions_nor_a_password(
    client: httpx.AsyncClient, database_urls: DatabaseUrls, person: Person, admin: Admin
) -> None:
    session = await login(client, person)
    own = (await listed(client, session))[0]["id"]
    tenant_id = await admin.fetchval("SELECT id FROM tenants WHERE slug = $1", person.tenants[0])
    _, key = await create_api_key(database_urls.admin_url, tenant_id, "ERP", [])
    headers = {"Authorization": f"Bearer {key}"}

    seen = await client.get("/api/auth/sessions", headers=headers)
    ended = await client.delete(f"/api/auth/sessions/{own}", headers=headers)
    changed = await client.post(
        "/api/auth/password", json={"currentPassword": PASSWORD, "newPassword": ANOTHER}, headers=headers
    )

    assert seen.json() == {"data": []}
    assert (ended.status_code, changed.status_code) == (404, 404)
    assert await is_alive(client, session)


async def test_no_password_is_in_the_log(served: Served) -> None:
    log = served.log.read_text()

    assert "/api/auth/password" in log
    assert PASSWORD not in log
    assert ANOTHER not in log


async def test_whoever_has_a_session_cannot_guess_the_password_with_it(
    client: httpx.AsyncClient, person: Person
) -> None:
    session = await login(client, person)

    answers = [await change(client, session, current=f"a guess {n}") for n in range(6)]
    right = await change(client, session)

    assert [answer.status_code for answer in answers] == [400] * 5 + [429]
    assert right.status_code == 429
    assert int(right.headers["retry-after"]) >= 1
    assert await is_alive(client, session)
