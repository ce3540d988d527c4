"""Jobs over HTTP: who sees which, and what they may do with them."""

from typing import Any
from uuid import UUID

import httpx
import pytest

from domain.values import new_id
from tests.e2e.api.admins import Person, code_of, somebody
from tests.e2e.api.company import Company
from tests.e2e.api.conftest import Connection
from tests.neighbours import insert

JOBS = "/api/jobs"


@pytest.fixture
async def boss(admin: Connection, company: Company) -> Person:
    return await somebody(admin, company, "admin")


@pytest.fixture
async def anna(admin: Connection, company: Company) -> Person:
    return await somebody(admin, company, "manager")


@pytest.fixture
async def ben(admin: Connection, company: Company) -> Person:
    return await somebody(admin, company, "viewer")


async def a_job(admin: Connection, company: Company, of: UUID, **facts: object) -> str:
    """A job that nobody takes up: the queue knows nothing of it."""
    id_ = new_id()
    row: dict[str, object] = {
        "id": id_,
        "tenant_id": company.tenant_id,
        "type": "inventory-import",
        "description": "Import",
        "arguments": "{}",
        "attempts_max": 1,
        "created_by": of,
        "creator": "Somebody",
        "user_id": of,
        "permission": "imports.write",
        "request_id": "r",
        **facts,
    }
    await insert(admin, "jobs", row)
    return str(id_)


async def listed(http: httpx.AsyncClient, by: Person, **query: Any) -> set[str]:
    answer = await http.get(JOBS, params=query, headers=dict(by.headers))
    assert answer.status_code == 200, answer.text
    return {job["id"] for job in answer.json()["data"]}


async def test_everybody_sees_their_own_jobs_and_who_administers_all(
    http: httpx.AsyncClient, admin: Connection, company: Company, boss: Person, ben: Person
) -> None:
    anna = await somebody(admin, company, "manager")
    of_anna = await a_job(admin, company, anna.id)
    of_ben = await a_job(admin, company, ben.id)

    assert await listed(http, anna) == {of_anna}
    assert await listed(http, ben) == {of_ben}
    assert await listed(http, boss) >= {of_anna, of_ben}
    assert await listed(http, ben, dead=True) == set()
    for act in ("", "/cancel", "/retry"):
        method = "POST" if act else "GET"
        answer = await http.request(
            method, f"{JOBS}/{of_anna}{act}", headers=dict(ben.headers), json={} if act else None
        )
        assert code_of(answer) == "404 NOT_FOUND"


async def test_a_job_that_waits_is_canceled_at_once(
    http: httpx.AsyncClient, admin: Connection, company: Company, anna: Person
) -> None:
    id_ = await a_job(admin, company, anna.id)
    before = (await http.get(f"{JOBS}/{id_}", headers=dict(anna.headers))).json()["data"]

    canceled = await http.post(f"{JOBS}/{id_}/cancel", json={}, headers=dict(anna.headers))
    again = await http.post(f"{JOBS}/{id_}/cancel", json={}, headers=dict(anna.headers))

    assert before["allowedActions"] == ["cancel"]
    assert canceled.json()["data"]["status"] == "CANCELED"
    assert code_of(again) == "409 INVALID_TRANSITION"


async def test_a_job_that_runs_is_asked_to_stop(
    http: httpx.AsyncClient, admin: Connection, company: Company, anna: Person
) -> None:
    id_ = await a_job(admin, company, anna.id, state="RUNNING", attempt=1)

    stale = await http.post(f"{JOBS}/{id_}/cancel", json={"expectedVersion": 9}, headers=dict(anna.headers))
    asked = await http.post(f"{JOBS}/{id_}/cancel", json={"expectedVersion": 1}, headers=dict(anna.headers))

    assert code_of(stale) == "409 STALE_VERSION"
    job = asked.json()["data"]
    assert (job["status"], job["cancelRequested"], job["allowedActions"]) == ("RUNNING", True, [])


async def test_who_may_no_longer_ask_for_a_job_cannot_have_it_tried_again(
    http: httpx.AsyncClient, admin: Connection, company: Company, boss: Person, ben: Person
) -> None:
    ended = {"state": "FAILED", "is_dead": True, "attempt": 1}
    moment = await admin.fetchval("SELECT now()")
    id_ = await a_job(admin, company, ben.id, completed_at=moment, **ended)

    assert await listed(http, ben, dead=True) == {id_}
    refused = await http.post(f"{JOBS}/{id_}/retry", json={}, headers=dict(ben.headers))
    retried = await http.post(f"{JOBS}/{id_}/retry", json={}, headers=dict(boss.headers))

    assert code_of(refused) == "403 PERMISSION_DENIED"
    assert retried.json()["data"]["status"] in {"QUEUED", "RUNNING", "FAILED"}, "a worker may have been quick"
