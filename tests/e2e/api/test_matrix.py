"""Who may call what: the server, asked as every role in every way, agrees with tests/e2e/matrix.tsv (P-36)."""

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from typing import Any

import httpx
import pytest

from app.http.surfaces import Surface
from domain.access.model import Permission
from tests.e2e.api.callers import KEY, a_person, code_of, may_come, on, with_key
from tests.e2e.api.company import ROLES, Company, add_key, add_user, as_bearer, begin_session
from tests.e2e.api.conftest import Connection, Founding
from tests.e2e.api.matrix import Matrix, agreed, computed
from tests.e2e.api.operations import Operation, all_operations, guarded, named
from tests.ledger.promises import show

AT_ONCE = 8
REFUSED = {401, 403}
ENDS_A_SESSION = "logout"
"""Of no use to a key, which has none; it goes last, or nothing could follow."""
WITHOUT_EFFECT = {
    "changePassword": {"currentPassword": "not what it is"},
    "createDelegation": {"endsAt": "2026-01-01T00:00:00Z"},
}
"""What is sent so that the session goes on: who is let in is told so, and who is not is turned away before."""


@pytest.fixture(scope="module")
async def company(found: Founding) -> Company:
    return await found()


async def all_of[T](calls: Sequence[Awaitable[T]]) -> list[T]:
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(call: Awaitable[T]) -> T:
        async with gate:
            return await call

    return await asyncio.gather(*map(one, calls))


async def call(
    http: httpx.AsyncClient, company: Company, operation: Operation, headers: Mapping[str, str]
) -> httpx.Response:
    """The operation as its example has it, so that what is admitted is really done."""
    body = company.fill(operation.example)
    if operation.id in WITHOUT_EFFECT:
        body = body | WITHOUT_EFFECT[operation.id]
    return await http.request(
        operation.method,
        company.path(operation.path, spare=operation.method == "DELETE"),
        params=company.fill(operation.query),
        headers=on(operation, headers),
        **({} if body is None else {"json": body}),
    )


def refusals(operation: Operation, response: httpx.Response) -> list[str]:
    """What is wrong with how somebody was turned away."""
    code = code_of(operation, response)
    if operation.surface is not Surface.SESSION:
        return [] if code == "PERMISSION_DENIED" else [f"{operation.id}: {code}"]
    details = response.json()["details"]
    if response.status_code == 403 and details["code"] != "PERMISSION_DENIED":
        return [f"{operation.id}: {details}"]
    if response.status_code == 403 and details.get("permission") not in (operation.permissions or ()):
        return [f"{operation.id}: names {details.get('permission')}"]
    return []


async def measured(
    http: httpx.AsyncClient, company: Company, headers: Mapping[str, Mapping[str, str]]
) -> tuple[Matrix, list[str]]:
    """Which role is let in where, and what is wrong with how it was turned away elsewhere."""
    found: Matrix = {}
    wrong: list[str] = []

    async def one(role: str, operation: Operation) -> None:
        response = await call(http, company, operation, headers[role])
        found[role, operation.id] = response.status_code not in REFUSED
        if response.status_code in REFUSED:
            wrong.extend(refusals(operation, response))

    ends = [operation for operation in guarded() if operation.id == ENDS_A_SESSION]
    others = [operation for operation in guarded() if operation.id != ENDS_A_SESSION]
    others = [operation for operation in others if may_come(operation, headers[ROLES[0]])]
    await all_of([one(role, operation) for operation in others for role in ROLES])
    await all_of([one(role, operation) for operation in ends for role in ROLES])
    return found, wrong


def test_the_agreed_matrix_has_every_role_and_operation() -> None:
    assert agreed().keys() == {(role, operation.id) for role in ROLES for operation in guarded()}, (
        "run `python -m tests.e2e.api.matrix` and review what it changes"
    )


def test_the_agreed_matrix_is_what_the_roles_and_the_routes_come_to() -> None:
    assert agreed() == computed()


async def test_people_may_do_by_session_what_was_agreed(
    http: httpx.AsyncClient, admin: Connection, company: Company
) -> None:
    people = {role: await a_person(admin, company, await add_user(admin, company, role)) for role in ROLES}

    found, wrong = await measured(http, company, people)

    assert wrong == []
    differences = {cell for cell in found if found[cell] != agreed()[cell]}
    show("P-36", credential="session", cells=len(found), differences=len(differences))
    assert differences == set()


async def test_keys_may_do_what_a_role_of_the_same_rights_may(
    http: httpx.AsyncClient, admin: Connection, company: Company
) -> None:
    headers: dict[str, Mapping[str, str]] = {}
    for role in ROLES:
        session = await begin_session(admin, company, await add_user(admin, company, role))
        me: dict[str, Any] = (await http.get("/api/auth/me", headers=session.cookie)).json()
        headers[role] = with_key(as_bearer(await add_key(admin, company, me["permissions"])))

    found, wrong = await measured(http, company, headers)

    assert wrong == []
    wanted = {cell: allowed and cell[1] != ENDS_A_SESSION for cell, allowed in agreed().items()}
    differences = {cell for cell in found if found[cell] != wanted[cell]}
    show("P-36", credential="key", cells=len(found), differences=len(differences))
    assert differences == set()


async def test_nobody_may_do_nothing(http: httpx.AsyncClient, company: Company) -> None:
    answers = await all_of([call(http, company, operation, {}) for operation in guarded()])

    differences = [
        operation.id
        for operation, answer in zip(guarded(), answers, strict=True)
        if answer.status_code != (403 if operation.surface is Surface.INTEGRATIONS else 401)
        or code_of(operation, answer) != "UNAUTHENTICATED"
    ]
    show("P-36", credential="none", cells=len(answers), differences=len(differences))
    assert differences == []
    assert all(
        answer.headers["www-authenticate"].startswith("Bearer") for answer in answers if answer.status_code == 401
    )


@pytest.mark.parametrize(
    "operation", [o for o in guarded() if o.permissions and may_come(o, {"Authorization": "", KEY: ""})], ids=named
)
async def test_an_operation_needs_each_of_its_permissions_and_no_other(
    http: httpx.AsyncClient, admin: Connection, company: Company, operation: Operation
) -> None:
    needed = set(operation.permissions or ())
    every = {str(permission) for permission in Permission}
    enough = with_key(as_bearer(await add_key(admin, company, needed)))
    lacking = {lost: with_key(as_bearer(await add_key(admin, company, every - {lost}))) for lost in needed}

    admitted = await call(http, company, operation, enough)
    # Who hands on rights is let in, and told which of them they do not hold themselves.
    hands_on = admitted.status_code == 403 and "missing" in admitted.json().get("details", {})
    refused = {lost: await call(http, company, operation, headers) for lost, headers in lacking.items()}

    assert hands_on or admitted.status_code not in REFUSED, admitted.text
    assert {lost: answer.status_code for lost, answer in refused.items()} == dict.fromkeys(needed, 403)
    assert {code_of(operation, answer) for answer in refused.values()} == {"PERMISSION_DENIED"}
    if operation.surface is Surface.SESSION:
        assert {lost: answer.json()["details"]["permission"] for lost, answer in refused.items()} == {
            lost: lost for lost in needed
        }


def test_a_public_operation_is_not_in_the_matrix() -> None:
    public = {operation.id for operation in all_operations() if operation.is_public}

    assert public.isdisjoint(operation for _, operation in agreed())
