"""The examples that routes declare are true: each is sent as it stands and answered as documented."""

from typing import Any

import httpx
import pytest

from domain.values import new_id
from tests.e2e.api.callers import Headers, a_key, a_person, code_of, on
from tests.e2e.api.company import Company
from tests.e2e.api.conftest import Connection, Founding
from tests.e2e.api.forms import FORMS
from tests.e2e.api.operations import Operation, all_operations, documented, named, shape_of
from tests.e2e.api.schemas import faults_of_answer


async def somebody(admin: Connection, company: Company) -> Headers:
    """Who may do everything: in a session, by a token, and by a key where neither counts."""
    user_id = await admin.fetchval("SELECT id FROM users WHERE email = $1", company.facts["email"])
    key = await a_key(admin, company)
    return {"X-API-Key": key["X-API-Key"], **await a_person(admin, company, user_id)}


@pytest.fixture
async def caller(admin: Connection, company: Company) -> Headers:
    return await somebody(admin, company)


async def sent(
    http: httpx.AsyncClient, company: Company, operation: Operation, caller: Headers, *, form: Any = None
) -> httpx.Response:
    body = company.fill(operation.example if form is None else form)
    return await http.request(
        operation.method,
        company.path(operation.path, spare=operation.method == "DELETE"),
        params=company.fill(operation.query),
        headers={} if operation.is_public else on(operation, caller),
        **({} if body is None else {"json": body}),
    )


@pytest.mark.parametrize("operation", all_operations(), ids=named)
async def test_an_example_is_answered_as_documented(
    http: httpx.AsyncClient, company: Company, caller: Headers, operation: Operation
) -> None:
    response = await sent(http, company, operation, caller)

    assert response.is_success, f"{response.status_code} {response.text}"
    assert response.headers["X-Request-ID"]
    if operation.document:
        kind = response.headers["content-type"]
        assert faults_of_answer(operation, response.status_code, kind, response.content) == []


@pytest.mark.parametrize("operation", [o for o in all_operations() if o.id in FORMS], ids=named)
async def test_other_ways_to_say_it_are_answered_as_documented(
    http: httpx.AsyncClient, found: Founding, admin: Connection, operation: Operation
) -> None:
    for form in FORMS[operation.id]:
        company = await found()
        response = await sent(http, company, operation, await somebody(admin, company), form=form)

        assert response.is_success, f"{response.status_code} {response.text}"
        kind = response.headers["content-type"]
        assert faults_of_answer(operation, response.status_code, kind, response.content) == []


def test_every_other_way_is_one_of_a_route_that_is_there() -> None:
    assert FORMS.keys() <= {operation.id for operation in all_operations()}


@pytest.mark.parametrize(
    "operation",
    [o for o in documented() if o.is_safe and o.parameters("path") and "404" in o.document["responses"]],
    ids=named,
)
async def test_what_is_not_there_is_404_in_the_documented_shape(
    http: httpx.AsyncClient, company: Company, caller: Headers, operation: Operation
) -> None:
    unknown = Company(
        tenant_id=company.tenant_id,
        slug=company.slug,
        mark=company.mark,
        facts={name: str(new_id()) for name in company.facts} | {"tenant": company.slug},
    )

    response = await http.get(unknown.path(operation.path), headers=on(operation, caller))

    assert response.status_code == 404
    assert faults_of_answer(operation, 404, response.headers["content-type"], response.content) == []


async def test_two_companies_have_the_same_shape_and_nothing_in_common(found: Founding) -> None:
    one, other = await found(), await found()

    assert one.facts.keys() == other.facts.keys()
    assert one.telling.isdisjoint(other.telling)


@pytest.mark.parametrize("path", sorted({operation.path for operation in all_operations()}))
async def test_an_address_that_does_not_take_a_method_says_which_it_takes(
    http: httpx.AsyncClient, company: Company, caller: Headers, path: str
) -> None:
    there = [operation for operation in all_operations() if shape_of(operation.path) == shape_of(path)]
    taken = {operation.method for operation in there}
    for method in sorted({"GET", "POST", "PUT", "PATCH", "DELETE", "TRACE"} - taken):
        response = await http.request(method, company.path(path), headers=on(there[0], caller))

        assert response.status_code == 405
        assert code_of(there[0], response) == "METHOD_NOT_ALLOWED"
        assert set(response.headers["allow"].split(", ")) >= taken
