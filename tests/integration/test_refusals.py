"""Refused authorizations on record: bounded when they flood, and never in the way of the refusal itself."""

from collections.abc import AsyncGenerator
from typing import Any

import asyncpg
import msgspec
import pytest
from prometheus_client import REGISTRY

from domain.access.ports import Refused
from domain.values import new_id
from infra.access.audit import SqlRefusals
from infra.db.pool import Database
from tests.catalog_lab import an_act
from tests.e2e.api.company import Company, add_user, begin_session, found_company
from tests.e2e.api.inside import inside
from tests.lab import DatabaseUrls

RECORDED = "SELECT count(*) FROM audit_log WHERE tenant_id = $1 AND outcome = 'REFUSED'"


@pytest.fixture(scope="module")
async def admin(database_urls: DatabaseUrls) -> AsyncGenerator["asyncpg.Connection[Any]"]:
    connection = await asyncpg.connect(database_urls.admin_url)
    yield connection
    await connection.close()


@pytest.fixture
async def company(admin: "asyncpg.Connection[Any]", request: pytest.FixtureRequest) -> Company:
    return await found_company(admin, f"c{abs(hash(request.node.name)) % 10**8}", has_documents=False)


def refused(company: Company) -> Refused:
    caller = an_act(company.tenant_id).caller
    return Refused(caller=caller, request_id="flood", action="request.permission_denied", facts={"code": "X"})


def counted(outcome: str) -> float:
    return REGISTRY.get_sample_value("storekeeper_audit_refusals_total", {"outcome": outcome}) or 0


async def test_of_a_flood_so_many_are_recorded_and_the_rest_is_counted(
    database_urls: DatabaseUrls, admin: "asyncpg.Connection[Any]", company: Company
) -> None:
    database = await Database.connect(database_urls.app_url, size=2)
    now = 100.0
    refusals = SqlRefusals(database, burst=3, each_second=0.5, monotonic=lambda: now)
    one = refused(company)
    before = counted("counted")
    try:
        for _ in range(10):
            await refusals.record(one)
        first = await admin.fetchval(RECORDED, company.tenant_id)
        now += 4
        for _ in range(10):
            await refusals.record(one)
    finally:
        await database.close()

    assert first == 3
    assert await admin.fetchval(RECORDED, company.tenant_id) == 5
    assert counted("counted") - before == 15


async def test_the_flood_of_one_hides_nothing_of_what_others_were_refused(
    database_urls: DatabaseUrls, admin: "asyncpg.Connection[Any]", company: Company
) -> None:
    database = await Database.connect(database_urls.app_url, size=2)
    refusals = SqlRefusals(database, burst=3, monotonic=lambda: 100.0)
    one = refused(company)
    caller = msgspec.structs.replace(one.caller, principal_id=new_id())
    try:
        for _ in range(10):
            await refusals.record(one)
        await refusals.record(msgspec.structs.replace(one, caller=caller))
    finally:
        await database.close()

    actors = await admin.fetch(
        "SELECT actor_id FROM audit_log WHERE tenant_id = $1 AND outcome = 'REFUSED'", company.tenant_id
    )
    assert sorted(row["actor_id"] for row in actors) == sorted(
        [one.caller.principal_id] * 3 + [caller.principal_id]
    )


async def test_a_refusal_stays_one_when_it_cannot_be_recorded(
    database_urls: DatabaseUrls, admin: "asyncpg.Connection[Any]", company: Company
) -> None:
    viewer = await begin_session(admin, company, await add_user(admin, company, "viewer"))
    may = "EXECUTE ON FUNCTION audit_refused(text, jsonb, uuid[], jsonb)"
    body = {"code": "TEA", "name": "Tea"}
    await admin.execute(f"REVOKE {may} FROM storekeeper_app")
    try:
        async with inside(database_urls) as app:
            answer = await app.http.post("/api/categories", json=body, headers=viewer.headers)
    finally:
        await admin.execute(f"GRANT {may} TO storekeeper_app")

    assert answer.status_code == 403
    assert answer.json()["details"]["permission"] == "products.write"
    assert [entry["error"] for entry in app.logged if entry["event"] == "refusal_not_recorded"] == [
        "InsufficientPrivilegeError"
    ]
    assert await admin.fetchval(RECORDED, company.tenant_id) == 0
