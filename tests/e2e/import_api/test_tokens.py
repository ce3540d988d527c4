"""Tokens: issued for a password, good for their person's rights at their tenant, and gone when they should be."""

import json
from http import HTTPStatus
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest

from infra.access import operating
from infra.access.listener import confirm_once
from tests.e2e.api.company import PASSWORD, Company, Session, add_user, begin_session, found_company
from tests.e2e.import_api.programs import Program, a_program, ask, message_of
from tests.lab import DatabaseUrls, Served

type Connection = asyncpg.Connection[Any]

NO_IMPORT = f"imports/status/{UUID(int=1)}"
"""An address that a token opens: there is nothing at it (404)."""


def create(http: httpx.Client, tenant: str, email: str, password: str = PASSWORD, **more: Any) -> httpx.Response:
    return ask(
        http, "POST", f"/{tenant}/api/v1/tokens/create", json={"email": email, "password": password}, **more
    )


def opens(program: Program) -> bool:
    answer = program.get(NO_IMPORT)
    assert answer.status_code in {HTTPStatus.NOT_FOUND, HTTPStatus.UNAUTHORIZED}
    return answer.status_code == HTTPStatus.NOT_FOUND


@pytest.fixture
async def session(admin: Connection, program: Program) -> Session:
    """Of the person whose token the program has."""
    return await begin_session(admin, program.company, program.user_id)


@pytest.fixture
async def fresh(admin: Connection, company: Company, http: httpx.Client) -> Program:
    """A program of a person of its own."""
    return await a_program(admin, company, http, "manager")


async def test_a_password_is_answered_with_a_token_that_works_from_then_on(
    admin: Connection, company: Company, http: httpx.Client
) -> None:
    answer = create(http, company.slug, company.facts["email"])

    assert answer.status_code == HTTPStatus.OK
    assert answer.json().keys() == {"token"}
    token = answer.json()["token"]
    id_, _, secret = token.partition("|")
    assert str(UUID(id_)) == id_
    assert len(secret) > 40
    assert answer.headers["cache-control"] == "no-store"
    assert opens(Program(http=http, company=company, user_id=UUID(int=0), token=token))
    stored = await admin.fetchrow("SELECT * FROM tokens WHERE id = $1", UUID(id_))
    assert stored is not None
    assert secret.encode() not in stored["token_hash"]
    assert secret not in str(stored)


def test_the_query_form_is_accepted_and_nobody_logs_it(
    company: Company, http: httpx.Client, server: Served
) -> None:
    for password, status in ((PASSWORD, HTTPStatus.OK), ("the wrong one, in a query", HTTPStatus.UNAUTHORIZED)):
        answer = ask(
            http,
            "POST",
            f"/{company.slug}/api/v1/tokens/create",
            params={"email": company.facts["email"], "password": password},
        )
        assert answer.status_code == status
    too_long = ask(
        http, "POST", f"/{company.slug}/api/v1/tokens/create?email=x@y.example&password=hidden{'n' * 9_000}"
    )
    unknown = ask(http, "POST", f"/{company.slug}/api/v1/tokens/create?pasword=hidden-by-a-slip")

    assert too_long.status_code == unknown.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    logged = server.log.read_text()
    assert f"/{company.slug}/api/v1/tokens/create" in logged
    for secret in (PASSWORD, PASSWORD.replace(" ", "+"), PASSWORD.replace(" ", "%20"), "wrong", "hidden"):
        assert secret not in logged
        assert secret not in unknown.text + too_long.text


@pytest.mark.parametrize(
    ("tenant", "email", "password"),
    [
        ("{tenant}", "{email}", "not it"),
        ("{tenant}", "nobody@nowhere.example", PASSWORD),
        ("{tenant}", "no address", PASSWORD),
        ("nowhere", "{email}", PASSWORD),
    ],
)
def test_all_that_is_wrong_is_one_answer(
    company: Company, http: httpx.Client, tenant: str, email: str, password: str
) -> None:
    facts = {"tenant": company.slug, "email": company.facts["email"]}
    answer = create(http, tenant.format(**facts), email.format(**facts), password)

    assert answer.status_code == HTTPStatus.UNAUTHORIZED
    assert answer.json() == {"message": "The e-mail address or the password is not right", "errors": []}


def test_what_lacks_is_told_by_field(company: Company, http: httpx.Client) -> None:
    path = f"/{company.slug}/api/v1/tokens/create"

    for answer in (
        ask(http, "POST", path),
        ask(http, "POST", path, json={"email": "x@y.example"}),
        ask(http, "POST", path, json=[]),
    ):
        assert answer.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
        assert message_of(answer)


async def test_wrong_passwords_are_slowed_down_and_told_when_to_come_again(
    admin: Connection, company: Company, http: httpx.Client
) -> None:
    await add_user(admin, company, "manager", email=f"guessed@{company.mark}.example")
    answers = [create(http, company.slug, f"guessed@{company.mark}.example", f"guess {n}") for n in range(7)]

    assert {answer.status_code for answer in answers[:5]} == {HTTPStatus.UNAUTHORIZED}
    assert answers[-1].status_code == HTTPStatus.TOO_MANY_REQUESTS
    assert int(answers[-1].headers["retry-after"]) > 0
    assert message_of(answers[-1])


async def test_a_token_opens_its_tenants_addresses_and_no_others(
    admin: Connection, program: Program, http: httpx.Client
) -> None:
    neighbour = await found_company(admin, f"next-to-{program.company.slug}", has_documents=False)
    elsewhere = ask(http, "GET", f"/{neighbour.slug}/api/v1/{NO_IMPORT}", headers=program.headers)
    nowhere = ask(http, "GET", f"/no-such-tenant/api/v1/{NO_IMPORT}", headers=program.headers)
    here = program.get(NO_IMPORT)

    assert elsewhere.status_code == nowhere.status_code == HTTPStatus.UNAUTHORIZED
    assert elsewhere.json() == nowhere.json()
    assert here.status_code == HTTPStatus.NOT_FOUND
    assert ask(http, "GET", "/api/auth/me", headers=program.headers).status_code == HTTPStatus.UNAUTHORIZED


@pytest.mark.parametrize(
    "authorization",
    ["", "Bearer", "Bearer x", "Bearer 1|2", "Basic abc", "Bearer {token}x", "bearer {id}|", "Bearer {other}"],
)
def test_what_is_no_token_is_401_in_json_and_never_a_redirect(
    program: Program, http: httpx.Client, authorization: str
) -> None:
    id_, _, secret = program.token.partition("|")
    other = f"{UUID(int=7)}|{secret}"
    headers = {"Authorization": authorization.format(token=program.token, id=id_, other=other)}
    answer = ask(http, "GET", program.path(NO_IMPORT), headers=headers)

    assert answer.status_code == HTTPStatus.UNAUTHORIZED
    assert message_of(answer)
    assert "www-authenticate" in answer.headers


async def test_an_expired_token_says_so(admin: Connection, fresh: Program) -> None:
    await admin.execute("UPDATE tokens SET expires_at = now() WHERE user_id = $1", fresh.user_id)
    answer = fresh.get(NO_IMPORT)

    assert answer.status_code == HTTPStatus.UNAUTHORIZED
    assert message_of(answer) == "The token has expired; create another"


async def test_ones_own_tokens_are_listed_without_their_secrets_and_revoked_for_all(
    http: httpx.Client, program: Program, session: Session, admin: Connection, fresh: Program
) -> None:
    assert opens(program)
    listed = ask(http, "GET", "/api/auth/tokens", headers=session.cookie)
    others = (await begin_session(admin, fresh.company, fresh.user_id)).headers
    id_, _, secret = program.token.partition("|")

    (token,) = listed.json()["data"]
    assert (token["id"], token["last4"]) == (id_, secret[-4:])
    assert secret not in listed.text
    assert ask(http, "DELETE", f"/api/auth/tokens/{id_}", headers=others).status_code == HTTPStatus.NOT_FOUND
    assert (
        ask(http, "DELETE", f"/api/auth/tokens/{id_}", headers=session.cookie).status_code == HTTPStatus.FORBIDDEN
    )
    assert opens(program)
    assert ask(http, "DELETE", f"/api/auth/tokens/{id_}", headers=session.headers).json() == {"success": True}
    assert not opens(program)
    assert ask(http, "GET", "/api/auth/tokens", headers=session.cookie).json() == {"data": []}
    assert (
        ask(http, "DELETE", f"/api/auth/tokens/{id_}", headers=session.headers).status_code == HTTPStatus.NOT_FOUND
    )


async def test_a_new_password_ends_tokens(http: httpx.Client, admin: Connection, fresh: Program) -> None:
    assert opens(fresh)
    session = await begin_session(admin, fresh.company, fresh.user_id)
    new = {"currentPassword": PASSWORD, "newPassword": "eleven herons on a wire"}

    assert ask(http, "POST", "/api/auth/password", headers=session.headers, json=new).is_success
    assert not opens(fresh)


async def test_whoever_is_kept_out_has_no_tokens_and_none_of_old_when_let_in_again(
    admin: Connection, fresh: Program, urls: DatabaseUrls
) -> None:
    assert opens(fresh)
    tenant_id = fresh.company.tenant_id
    for active in (False, True):
        await operating.switch_membership(urls.admin_url, tenant_id, fresh.user_id, active=active)
        assert not opens(fresh)


async def test_a_person_who_is_switched_off_everywhere_has_no_tokens_either(
    fresh: Program, urls: DatabaseUrls
) -> None:
    assert opens(fresh)
    for active in (False, True):
        await operating.switch_user(urls.admin_url, fresh.user_id, active=active)
        assert not opens(fresh)


async def test_a_token_has_the_rights_that_its_person_has_now(
    admin: Connection, fresh: Program, urls: DatabaseUrls
) -> None:
    assert opens(fresh)
    await admin.execute("UPDATE grants SET role = 'viewer' WHERE user_id = $1", fresh.user_id)
    await confirm_once(urls.app_url)
    answer = fresh.get(NO_IMPORT)

    assert answer.status_code == HTTPStatus.FORBIDDEN
    assert "imports.write" in message_of(answer)


async def test_of_more_tokens_than_anybody_needs_the_oldest_end(
    admin: Connection, fresh: Program, http: httpx.Client
) -> None:
    email = await admin.fetchval("SELECT email FROM users WHERE id = $1", fresh.user_id)
    await admin.execute(
        """
        INSERT INTO tokens (tenant_id, id, user_id, token_hash, last4, password_set_at, created_at, expires_at)
        SELECT tenant_id, ledger_line_id(), user_id, sha256(n::text::bytea), 'abcd', password_set_at, now(),
            expires_at
        FROM tokens, generate_series(1, 49) n WHERE user_id = $1
        """,
        fresh.user_id,
    )
    assert opens(fresh)
    assert create(http, fresh.company.slug, email).is_success
    live = "SELECT count(*) FROM tokens WHERE user_id = $1 AND revoked_at IS NULL"

    assert await admin.fetchval(live, fresh.user_id) == 50
    revoked = await admin.fetchval(
        "SELECT id::text FROM tokens WHERE revoked_at IS NOT NULL AND user_id = $1", fresh.user_id
    )
    assert revoked == fresh.token.partition("|")[0]


async def test_the_audit_trail_names_whose_token_it_is_and_holds_nothing_secret(
    admin: Connection, company: Company, http: httpx.Client
) -> None:
    token = create(http, company.slug, company.facts["email"]).json()["token"]
    row = await admin.fetchrow(
        "SELECT * FROM audit_log WHERE entity_type = 'token' AND entity_id = $1", token.partition("|")[0]
    )

    assert row is not None
    assert row["action"] == "token.created"
    user_id = await admin.fetchval("SELECT id FROM users WHERE email = $1", company.facts["email"])
    assert row["actor_id"] == user_id
    assert "token_hash" not in json.loads(row["after"])
