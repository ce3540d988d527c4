"""Who decides in another's place comes in by the routes that admit deputies, and by no other."""

import itertools
from collections.abc import AsyncGenerator
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest

from tests.e2e.api.company import Company, begin_session, found_company
from tests.lab import Served

REQUESTS = "/api/stock-requests"

_numbers = itertools.count(1)

type Connection = asyncpg.Connection[Any]


@pytest.fixture
async def company(admin: Connection) -> Company:
    """The admin has handed the approval of stock requests to somebody who may otherwise only look."""
    return await found_company(admin, f"standing-in-{next(_numbers)}")


@pytest.fixture
async def deputy(served: Served, admin: Connection, company: Company) -> AsyncGenerator[httpx.AsyncClient]:
    session = await begin_session(admin, company, UUID(company.fact("userId")))
    async with httpx.AsyncClient(base_url=served.url, headers=session.headers, timeout=30) as client:
        yield client


async def test_a_deputy_who_may_only_look_sees_what_waits_and_decides_it(
    deputy: httpx.AsyncClient, company: Company
) -> None:
    waiting = await deputy.get(f"{REQUESTS}/pending-approvals")
    pending = company.fact("pendingRequestId")
    version = (await deputy.get(f"{REQUESTS}/{pending}")).json()["data"]["version"]
    approved = await deputy.post(f"{REQUESTS}/{pending}/approve", json={"expectedVersion": version})

    assert pending in {one["id"] for one in waiting.json()["data"]}
    assert approved.status_code == 200, approved.text
    (decision,) = approved.json()["data"]["decisions"]
    assert decision["deciderId"] == company.fact("userId")
    assert decision["onBehalfOf"]


async def test_when_the_period_is_over_the_deputy_is_one_no_more(
    deputy: httpx.AsyncClient, admin: Connection, company: Company
) -> None:
    await admin.execute(
        "UPDATE delegations SET ended_at = now() WHERE id = $1", UUID(company.fact("delegationId"))
    )
    refused = [
        await deputy.get(f"{REQUESTS}/pending-approvals"),
        await deputy.post(company.path(f"{REQUESTS}/{{pendingRequestId}}/approve"), json={"expectedVersion": 1}),
    ]

    assert [answer.status_code for answer in refused] == [403, 403]
    assert refused[0].json()["details"]["permission"] == "stockrequests.approve"


async def test_what_was_not_handed_over_stays_closed(deputy: httpx.AsyncClient, company: Company) -> None:
    created = await deputy.post(REQUESTS, json={})
    rolled_back = await deputy.post(company.path(f"{REQUESTS}/{{submittedRequestId}}/rollback"), json={})

    assert [created.status_code, rolled_back.status_code] == [403, 403]
