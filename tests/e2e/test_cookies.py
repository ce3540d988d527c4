"""The checklist for session cookies, as in production (P-39), tried on every answer that sets one."""

import base64
from collections.abc import AsyncGenerator, Iterator
from http.cookiejar import CookieJar, DefaultCookiePolicy
from http.cookies import Morsel, SimpleCookie
from typing import Any

import asyncpg
import httpx
import msgspec
import pytest

from domain.access.credentials import hash_of, new_session_token
from tests.e2e.api.company import PASSWORD, Company, found_company
from tests.lab import DatabaseUrls, Served, serve
from tests.ledger.promises import show

NAME = "__Host-storekeeper_session"
ANOTHER = "seven lanterns over a quiet harbour"
DEVIATIONS: dict[str, bool] = {}

type Admin = asyncpg.Connection[Any]
type Cookie = Morsel[str]


class Client(msgspec.Struct):
    """A browser: it sends back what it was given last."""

    http: httpx.AsyncClient
    company: Company
    cookies: dict[str, str]
    csrf: str = ""

    @property
    def headers(self) -> dict[str, str]:
        sent = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        return {"Cookie": sent, "X-CSRF-Token": self.csrf}

    @property
    def token(self) -> str:
        return self.cookies[NAME]

    async def send(self, method: str, path: str, **body: Any) -> httpx.Response:
        answer = await self.http.request(method, path, headers=self.headers, json=body or None)
        for cookie in set_cookies(answer):
            self.cookies[cookie.key] = cookie.value
        if answer.is_success and method == "POST":
            self.csrf = answer.json().get("csrfToken", "")
        return answer

    async def login(self, password: str = PASSWORD) -> httpx.Response:
        return await self.send("POST", "/api/auth/login", email=self.company.facts["email"], password=password)

    async def is_let_in(self, cookie: str) -> bool:
        return (await self.http.get("/api/auth/me", headers={"Cookie": cookie})).status_code == 200


def set_cookies(answer: httpx.Response) -> list[Cookie]:
    return [morsel for header in answer.headers.get_list("set-cookie") for morsel in SimpleCookie(header).values()]


def check(**lines: bool) -> None:
    """Lines of the checklist; `shown` says at the end how many there were."""
    DEVIATIONS.update({name: not holds for name, holds in lines.items()})
    assert all(lines.values()), {name for name, holds in lines.items() if not holds}


@pytest.fixture(scope="module", autouse=True)
def shown() -> Iterator[None]:
    yield
    show("P-39", checks=len(DEVIATIONS), deviations=sum(DEVIATIONS.values()))


@pytest.fixture(scope="module")
def server(database_urls: DatabaseUrls) -> Iterator[Served]:
    with serve(database_urls, workers=2, environment={"STOREKEEPER_ENV": "production"}) as served:
        yield served


@pytest.fixture
async def admin(database_urls: DatabaseUrls) -> AsyncGenerator[Admin]:
    connection = await asyncpg.connect(database_urls.admin_url)
    yield connection
    await connection.close()


@pytest.fixture
async def client(server: Served, admin: Admin) -> AsyncGenerator[Client]:
    limits = httpx.Limits(max_keepalive_connections=0)
    nothing_by_itself = CookieJar(DefaultCookiePolicy(allowed_domains=[]))
    async with httpx.AsyncClient(
        base_url=server.url, limits=limits, timeout=30, cookies=nothing_by_itself
    ) as http:
        count = await admin.fetchval("SELECT count(*) FROM tenants")
        yield Client(http, await found_company(admin, f"company-{count}", has_documents=False), {})


async def test_every_cookie_is_the_host_s_own_secure_and_out_of_reach_of_scripts(client: Client) -> None:
    answers = [
        await client.login(),
        await client.send("POST", "/api/auth/password", currentPassword=PASSWORD, newPassword=ANOTHER),
        await client.send("POST", "/api/auth/logout"),
        await client.login(ANOTHER),
    ]
    own = (await client.send("GET", "/api/auth/sessions")).json()["data"][0]["id"]
    answers.append(await client.send("DELETE", f"/api/auth/sessions/{own}"))
    cookies = [cookie for answer in answers for cookie in set_cookies(answer)]
    of_session = [cookie for cookie in cookies if cookie.key == NAME]

    assert [answer.status_code for answer in answers] == [200] * 5
    assert len(of_session) == 5
    check(
        prefixed=all(cookie.key.startswith("__Host-") for cookie in cookies),
        secure=all(cookie["secure"] for cookie in cookies),
        not_for_scripts=all(cookie["httponly"] for cookie in cookies),
        not_for_other_sites=all(cookie["samesite"].lower() in {"lax", "strict"} for cookie in cookies),
        whole_host=all(cookie["path"] == "/" and not cookie["domain"] for cookie in cookies),
        ends_with_the_browser=all(not (c["max-age"] or c["expires"]) for c in of_session if c.value),
        taken_away_at_the_end=[bool(c.value) for c in of_session] == [True, True, False, True, False]
        and all(cookie["max-age"] == "0" for cookie in of_session if not cookie.value),
        not_kept_by_caches=all(answer.headers["cache-control"] == "no-store" for answer in answers),
        only_in_the_cookie=not any(cookie.value and cookie.value in a.text for a in answers for cookie in cookies),
    )


async def test_a_token_has_256_bits_and_is_stored_as_a_hash_only(client: Client, admin: Admin) -> None:
    made = [new_session_token() for _ in range(1_000)]
    await client.login()
    rows = [row["t"] for row in await admin.fetch("SELECT t::text FROM sessions t")]
    stored = await admin.fetchval("SELECT count(*) FROM sessions WHERE token_hash = $1", hash_of(client.token))

    check(
        bits=all(len(base64.urlsafe_b64decode(token + "=")) == 32 for token in [*made, client.token]),
        never_twice=len(set(made)) == 1_000,
        hashed=stored == 1 and not any(client.token in row or client.token.encode().hex() in row for row in rows),
        not_the_csrf_token=client.csrf not in {"", client.token},
    )


async def test_a_token_changes_at_each_login_and_with_the_password(client: Client) -> None:
    planted = new_session_token()
    client.cookies[NAME] = planted
    await client.login()
    first = client.token
    await client.login()
    second = client.token
    await client.send("POST", "/api/auth/password", currentPassword=PASSWORD, newPassword=ANOTHER)
    third = client.token

    check(
        not_planted=first != planted and not await client.is_let_in(f"{NAME}={planted}"),
        new_at_a_login=second != first and not await client.is_let_in(f"{NAME}={first}"),
        new_with_the_password=third != second and not await client.is_let_in(f"{NAME}={second}"),
        goes_on=await client.is_let_in(f"{NAME}={third}"),
    )


async def test_only_the_cookie_of_this_name_is_a_session(client: Client) -> None:
    await client.login()
    token = client.token
    bearer = await client.http.get("/api/auth/me", headers={"Authorization": f"Bearer {token}"})
    in_address = await client.http.get("/api/auth/me", params={"session": token, NAME: token})

    check(
        let_in=await client.is_let_in(f"{NAME}={token}"),
        not_without_prefix=not await client.is_let_in(f"storekeeper_session={token}"),
        not_in_other_case=not await client.is_let_in(f"{NAME.lower()}={token}"),
        not_another_host_s=not await client.is_let_in(f"__Secure-storekeeper_session={token}"),
        not_as_a_key=bearer.status_code == 401,
        not_in_the_address=in_address.status_code == 401,
    )


@pytest.mark.parametrize(
    ("line", "moved", "let_in"),
    [
        ("used_lately", "seen_at = now() - interval '29 minutes'", True),
        ("unused_for_half_an_hour", "seen_at = now() - interval '30 minutes'", False),
        ("shortly_before_twelve_hours", "expires_at = expires_at - interval '11 hours 59 minutes'", True),
        ("after_twelve_hours", "expires_at = expires_at - interval '12 hours'", False),
    ],
)
async def test_a_session_ends_unused_after_half_an_hour_and_in_any_case_after_twelve(
    client: Client, admin: Admin, line: str, moved: str, *, let_in: bool
) -> None:
    await client.login()
    await admin.execute(f"UPDATE sessions SET {moved} WHERE token_hash = $1", hash_of(client.token))

    answer = await client.send("GET", "/api/auth/me")

    check(**{line: answer.is_success is let_in})
    assert let_in or answer.json()["details"]["code"] == "SESSION_EXPIRED"


async def test_no_token_is_in_the_log(client: Client, server: Served) -> None:
    await client.login()
    token = client.token
    await client.send("POST", "/api/auth/logout")

    check(
        ended_on_the_server=not await client.is_let_in(f"{NAME}={token}"),
        not_in_the_log=token not in server.log.read_text(),
    )
