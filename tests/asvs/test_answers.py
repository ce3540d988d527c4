"""What every answer of the server in production carries, and what it never does."""

import re
import socket
from collections.abc import AsyncGenerator, Iterator
from contextlib import closing
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any
from urllib.parse import urlsplit

import httpx
import msgspec
import pytest

from app.http.protection import Protected
from domain.access.model import Permission
from infra.access.provision import create_api_key, create_tenant, create_user, grant
from tests.e2e.api.operations import all_operations
from tests.lab import DatabaseUrls, Served, serve

PASSWORD = "correct horse battery staple"
NO_ID = "00000000-0000-7000-8000-000000000000"
STRANGER = "https://evil.example"


class Member(msgspec.Struct, frozen=True, kw_only=True):
    email: str
    id: str
    key: str


@pytest.fixture(scope="module")
def server(database_urls: DatabaseUrls) -> Iterator[Served]:
    with serve(database_urls, workers=1, environment={"STOREKEEPER_ENV": "production"}) as served:
        yield served


@pytest.fixture(scope="module")
async def http(server: Served) -> AsyncGenerator[httpx.AsyncClient]:
    nothing_by_itself = CookieJar(DefaultCookiePolicy(allowed_domains=[]))
    async with httpx.AsyncClient(base_url=server.url, timeout=30, cookies=nothing_by_itself) as client:
        yield client


@pytest.fixture(scope="module")
async def member(database_urls: DatabaseUrls) -> Member:
    url, email = database_urls.admin_url, "clerk@acme.example"
    tenant_id = await create_tenant(url, "acme", "Acme")
    user_id = await create_user(url, email, "Clerk", PASSWORD)
    await grant(url, tenant_id, user_id, "operator")
    _, key = await create_api_key(url, tenant_id, "ERP", [Permission.INVENTORY_READ])
    return Member(email=email, id=str(user_id), key=key)


@pytest.fixture(scope="module")
async def answers(http: httpx.AsyncClient, member: Member) -> dict[str, httpx.Response]:
    """An answer of every address, those that one gets by mistake among them."""
    found = {
        operation.id: await http.request(operation.method, re.sub(r"\{[^}]*\}", NO_ID, operation.path))
        for operation in all_operations()
    }
    key = {"Authorization": f"Bearer {member.key}"}
    return {
        **found,
        "a list": await http.get("/api/inventory", headers=key),
        "a refusal": await http.get("/api/audit", headers=key),
        "a part of the page": await http.get("/docs/swagger-ui.css"),
        "nothing": await http.get("/nowhere"),
        "a wrong method": await http.delete("/api/auth/login"),
        "a wrong body": await http.post("/api/auth/login", json={"email": 1}),
        "a framework's page": await http.get("/openapi"),
        "a question for methods": await http.options("/api/inventory"),
    }


async def test_every_answer_tells_a_browser_what_not_to_do_with_it(answers: dict[str, httpx.Response]) -> None:
    for name, answer in answers.items():
        policy = answer.headers["content-security-policy"]
        transport = answer.headers["strict-transport-security"]

        assert answer.headers.get_list("x-content-type-options") == ["nosniff"], name
        assert answer.headers["referrer-policy"] == "no-referrer", name
        assert answer.headers["cross-origin-resource-policy"] == "same-origin", name
        assert {"object-src 'none'", "base-uri 'none'", "frame-ancestors 'none'"} <= set(policy.split("; ")), name
        assert int(re.findall(r"max-age=(\d+)", transport)[0]) >= 365 * 86_400, name
        assert "includeSubDomains" in transport, name
    assert answers["a list"].status_code == 200
    assert answers["a refusal"].status_code == 403


async def test_no_answer_is_kept_but_what_is_the_same_for_everybody(answers: dict[str, httpx.Response]) -> None:
    kept = {name for name, answer in answers.items() if answer.headers["cache-control"] != "no-store"}

    assert kept == {"a part of the page"}
    assert answers["a list"].headers.get_list("cache-control") == ["no-store"]


async def test_what_is_no_page_may_load_and_run_nothing(answers: dict[str, httpx.Response]) -> None:
    pages = {
        n for n, a in answers.items() if not a.headers["content-security-policy"].startswith("default-src 'none'")
    }

    assert pages <= {"docs", "a framework's page"}
    assert "unsafe-eval" not in answers["docs"].headers["content-security-policy"]


async def test_an_answer_says_what_it_is_and_in_which_characters(answers: dict[str, httpx.Response]) -> None:
    for name, answer in answers.items():
        kind = answer.headers.get("content-type", "")

        assert bool(kind) or not answer.content, name
        assert not kind.startswith("text/") or kind.lower().endswith("charset=utf-8"), f"{name}: {kind}"
        assert kind != "application/json" or answer.json() is not None, name


async def test_nobody_is_sent_elsewhere(answers: dict[str, httpx.Response]) -> None:
    assert not [name for name, answer in answers.items() if answer.has_redirect_location or answer.is_redirect]


async def test_no_answer_names_the_software_that_made_it(answers: dict[str, httpx.Response]) -> None:
    for name, answer in answers.items():
        assert not {"x-powered-by", "via", "x-aspnet-version"} & set(answer.headers), name
        assert not re.search(r"\d", answer.headers.get("server", "")), name


@pytest.mark.parametrize("origin", [STRANGER, "null"])
async def test_no_page_of_another_origin_may_read_an_answer(
    http: httpx.AsyncClient, member: Member, origin: str
) -> None:
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "x-csrf-token"}
    told = [
        await http.options("/api/inventory/adjust", headers={"Origin": origin, **asked}),
        await http.get("/api/inventory", headers={"Origin": origin, "Authorization": f"Bearer {member.key}"}),
        await http.get("/health", headers={"Origin": origin}),
    ]

    assert not [name for answer in told for name in answer.headers if name.startswith("access-control-")]


@pytest.mark.parametrize("method", ["TRACE", "TRACK", "PROPFIND", "CONNECT-ME"])
async def test_a_method_that_nobody_takes_is_refused_and_echoes_nothing(
    http: httpx.AsyncClient, method: str
) -> None:
    answer = await http.request(method, "/api/auth/me", headers={"X-Told": "a secret", "Cookie": "a=secret"})

    assert answer.status_code == 405
    assert "secret" not in answer.text


@pytest.mark.parametrize(
    "path",
    [
        "/.git/config",
        "/.env",
        "/app/main.py",
        "/docs/",
        "/docs/..%2f..%2fpyproject.toml",
        "/docs/%2e%2e/%2e%2e/pyproject.toml",
        "/docs/start.py",
        "/static/",
    ],
)
async def test_no_file_is_served_but_what_the_page_is_made_of(http: httpx.AsyncClient, path: str) -> None:
    answer = await http.get(path)

    assert answer.status_code in {400, 404} or (path == "/docs/" and answer.text.startswith("<!doctype html>"))
    assert "[project]" not in answer.text


async def test_a_key_in_the_address_opens_nothing(http: httpx.AsyncClient, member: Member) -> None:
    for name in ("key", "api_key", "apiKey", "access_token", "Authorization"):
        answer = await http.get("/api/inventory", params={name: member.key})

        assert answer.status_code == 401
        assert member.key not in answer.text


def test_two_lengths_of_one_message_smuggle_no_second(server: Served, member: Member) -> None:
    inside = b"GET /api/auth/me HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n\r\n" % member.key.encode()
    message = (
        b"POST /api/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 5\r\n"
        b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(inside), inside)
    )
    address = urlsplit(server.url)
    with closing(socket.create_connection((str(address.hostname), address.port or 0), timeout=10)) as line:
        line.sendall(message)
        told = b"".join(iter(lambda: line.recv(65_536), b""))

    assert told.count(b"HTTP/1.1 ") == 1
    assert told.startswith(b"HTTP/1.1 400")
    assert b"permissions" not in told


async def test_logins_and_those_that_failed_are_in_the_log(
    http: httpx.AsyncClient, server: Served, member: Member
) -> None:
    body = {"email": member.email, "password": PASSWORD}
    refused = await http.post("/api/auth/login", json={**body, "password": "Tr0mbone under the bed"})
    begun = await http.post("/api/auth/login", json=body)
    entries = {entry.get("request_id"): entry for entry in server.entries() if entry["event"].startswith("login")}
    first, second = (entries[answer.headers["x-request-id"]] for answer in (refused, begun))

    assert (first["event"], first["code"], first["network"]) == (
        "login_refused",
        "INVALID_CREDENTIALS",
        "127.0.0.1/32",
    )
    assert (second["event"], second["tenant"], second["actor"]) == ("login", "acme", member.id)
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+Z", entry["at"]) for entry in (first, second))
    assert not [text for text in (member.email, PASSWORD, "Tr0mbone") if text in server.log.read_text()]


async def test_a_refusal_is_in_the_log_with_who_asked_for_what_and_why_not(
    answers: dict[str, httpx.Response], server: Served
) -> None:
    lines = {entry.get("request_id"): entry for entry in server.entries() if entry["event"] == "request"}
    refused, wrong, let_in = (
        lines[answers[name].headers["x-request-id"]] for name in ("a refusal", "a wrong body", "a list")
    )

    assert (refused["status"], refused["method"], refused["route"]) == (403, "GET", "/api/audit")
    assert (refused["code"], refused["tenant"]) == ("PERMISSION_DENIED", "acme")
    assert refused["actor"]
    assert (wrong["status"], wrong["code"]) == (400, "VALIDATION_ERROR")
    assert "code" not in let_in


async def test_without_tls_no_browser_is_told_to_demand_it() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"cache-control", b"private")]})

    sent: list[dict[str, Any]] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> dict[str, Any]:
        return {"type": "http.request"}

    await Protected(app, tls=False)({"type": "http"}, receive, send)
    headers = dict(sent[0]["headers"])

    assert b"strict-transport-security" not in headers
    assert headers[b"cache-control"] == b"private"
    assert headers[b"x-content-type-options"] == b"nosniff"
