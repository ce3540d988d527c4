"""A cookie alone opens nothing that changes anything, on any route, however the request is dressed up (P-40)."""

from collections.abc import AsyncGenerator
from typing import Any

import httpx
import msgspec
import pytest

from app.http.surfaces import Surface
from tests.e2e.api.company import Company, Session, add_user, as_bearer, begin_session, master_key
from tests.e2e.api.conftest import Connection, Founding
from tests.e2e.api.operations import Operation, named, unsafe
from tests.e2e.api.state import state_of
from tests.ledger.promises import show

EXECUTED: list[str] = []


class Forged(msgspec.Struct, frozen=True, kw_only=True):
    """How a request is dressed up, and how it must be refused."""

    headers: dict[str, str]
    code: str
    method: str | None = None
    content: bytes | None = None
    query: dict[str, str] = {}
    """As the form of another site could send it."""


def shapes(session: Session, other: Session, host: str) -> dict[str, Forged]:
    """Every way in which another site could make a browser send a request with its cookie."""
    cookie, token = session.cookie, session.headers
    form, multipart = "application/x-www-form-urlencoded", "multipart/form-data; boundary=b"
    no = "CSRF_FAILED"

    def typed(kind: str) -> dict[str, str]:
        return {**cookie, "Content-Type": kind}

    return {
        "no token": Forged(headers=cookie, code=no),
        "an empty token": Forged(headers={**token, "X-CSRF-Token": ""}, code=no),
        "another session's token": Forged(headers={**token, "X-CSRF-Token": other.csrf}, code=no),
        "the secret for a token": Forged(headers={**token, "X-CSRF-Token": session.token}, code=no),
        "a token with a letter more": Forged(headers={**token, "X-CSRF-Token": f"{session.csrf}a"}, code=no),
        "a token in the address": Forged(headers=cookie, query={"csrfToken": session.csrf}, code=no),
        "a foreign origin": Forged(headers={**token, "Origin": "https://evil.example"}, code=no),
        "a hidden origin": Forged(headers={**token, "Origin": "null"}, code=no),
        "an origin that begins like ours": Forged(
            headers={**token, "Origin": f"http://{host}.evil.example"}, code=no
        ),
        "an origin that is no address": Forged(headers={**token, "Origin": "http://["}, code=no),
        "another port of ours": Forged(headers={**token, "Origin": "http://127.0.0.1:1"}, code=no),
        "another site, says the browser": Forged(headers={**token, "Sec-Fetch-Site": "cross-site"}, code=no),
        "a neighbour, says the browser": Forged(headers={**token, "Sec-Fetch-Site": "same-site"}, code=no),
        "JSON called plain text": Forged(headers=typed("text/plain"), code=no),
        "a form": Forged(headers=typed(form), content=b"quantity=1", code=no),
        "a form of parts": Forged(headers=typed(multipart), content=b"--b--\r\n", code=no),
        "a method in disguise": Forged(headers={**cookie, "X-HTTP-Method-Override": "GET"}, code=no),
        "a method in the address": Forged(headers=cookie, query={"_method": "GET"}, code=no),
        "a bad key beside a good cookie": Forged(
            headers={**token, **as_bearer("sk_live_no")}, code="INVALID_API_KEY"
        ),
        "an empty key beside a good cookie": Forged(
            headers={**token, "Authorization": ""}, code="UNAUTHENTICATED"
        ),
        "a password beside a good cookie": Forged(
            headers={**token, "Authorization": "Basic YTpi"}, code="UNAUTHENTICATED"
        ),
        "a token without its cookie": Forged(headers={"X-CSRF-Token": session.csrf}, code="UNAUTHENTICATED"),
        "a cookie that was cut off": Forged(
            headers={**token, "Cookie": session.cookie["Cookie"][:-1]}, code="UNAUTHENTICATED"
        ),
    }


@pytest.fixture(scope="module")
async def company(found: Founding) -> Company:
    return await found()


@pytest.fixture(scope="module")
async def sessions(admin: Connection, company: Company) -> tuple[Session, Session]:
    """Of two people who may do everything."""
    people = [await add_user(admin, company, "admin") for _ in range(2)]
    one, other = [await begin_session(admin, company, user_id) for user_id in people]
    return one, other


@pytest.fixture(scope="module", autouse=True)
async def shown() -> AsyncGenerator[None]:
    yield
    show("P-40", routes=len(unsafe()), shapes=23, executed=len(EXECUTED))


async def send(http: httpx.AsyncClient, company: Company, operation: Operation, forged: Forged) -> httpx.Response:
    body: dict[str, Any] = {"content": forged.content}
    if forged.content is None and operation.example is not None:
        body = {"content": msgspec.json.encode(company.fill(operation.example))}
    return await http.request(
        forged.method or operation.method,
        company.path(operation.path),
        params=forged.query,
        headers={"Content-Type": "application/json", **forged.headers},
        **body,
    )


@pytest.mark.parametrize("operation", unsafe(), ids=named)
async def test_no_forged_request_is_carried_out(
    http: httpx.AsyncClient,
    admin: Connection,
    company: Company,
    sessions: tuple[Session, Session],
    operation: Operation,
) -> None:
    wanted = shapes(*sessions, http.base_url.netloc.decode())
    before = await state_of(admin, company.tenant_id)

    answers = {name: await send(http, company, operation, forged) for name, forged in wanted.items()}

    EXECUTED.extend(name for name, answer in answers.items() if answer.is_success)
    if operation.surface is Surface.SESSION:
        codes = {name: answer.json()["details"]["code"] for name, answer in answers.items()}
        assert codes == {name: forged.code for name, forged in wanted.items()}
    assert {answer.status_code for answer in answers.values()} <= {401, 403}
    assert await state_of(admin, company.tenant_id) == before


@pytest.mark.parametrize("operation", unsafe(), ids=named)
async def test_no_get_does_what_an_unsafe_method_does(
    http: httpx.AsyncClient,
    admin: Connection,
    company: Company,
    sessions: tuple[Session, Session],
    operation: Operation,
) -> None:
    before = await state_of(admin, company.tenant_id)

    for method in ("GET", "HEAD", "OPTIONS"):
        await send(
            http, company, operation, Forged(headers=sessions[0].headers, method=method, content=b"{}", code="")
        )

    assert await state_of(admin, company.tenant_id) == before


async def test_a_key_decides_alone_who_one_is_whatever_cookie_is_beside_it(
    http: httpx.AsyncClient,
    admin: Connection,
    found: Founding,
    company: Company,
    sessions: tuple[Session, Session],
) -> None:
    stranger = await found()
    key = await master_key(admin, stranger)
    before = await state_of(admin, company.tenant_id)

    for operation in (o for o in unsafe() if "{" in o.path and o.surface is Surface.SESSION):
        answer = await send(http, company, operation, Forged(headers={**sessions[0].headers, **key}, code=""))

        assert answer.status_code == 404, operation.id
    me = await http.get("/api/auth/me", headers={**sessions[0].headers, **key})

    assert me.json()["tenant"]["slug"] == stranger.slug
    assert await state_of(admin, company.tenant_id) == before
