"""Deciding in another's place, over HTTP and as the approval flows ask for it."""

import datetime as dt
from collections.abc import AsyncGenerator
from typing import Any
from uuid import UUID

import httpx
import msgspec
import pytest

from domain.access.delegations import Authority, Delegations, may_decide
from domain.access.model import Permission
from infra.access.people_reads import SqlDelegations
from infra.access.store import SqlAccess
from infra.authz.policy import CasbinPolicy
from infra.db.pool import Database
from tests.e2e.api.admins import USERS, Headers, Person, a_key, code_of, somebody
from tests.e2e.api.company import Company
from tests.e2e.api.conftest import Connection, Founding
from tests.lab import DatabaseUrls
from tests.ledger.builders import an_act

DELEGATIONS = "/api/delegations"
APPROVE, COUNTS = "stockrequests.approve", "inventory.cyclecount.approve"


@pytest.fixture
async def anna(admin: Connection, company: Company) -> Person:
    """She approves, everywhere."""
    return await somebody(admin, company, "supervisor")


@pytest.fixture
async def ben(admin: Connection, company: Company) -> Person:
    """He does not."""
    return await somebody(admin, company, "viewer")


@pytest.fixture
async def port(urls: DatabaseUrls) -> AsyncGenerator[Delegations]:
    database = await Database.connect(urls.app_url, size=2)
    yield SqlDelegations(database, await CasbinPolicy.load(SqlAccess(database)))
    await database.close()


async def now(admin: Connection) -> dt.datetime:
    moment: dt.datetime = await admin.fetchval("SELECT now()")
    return moment


async def delegate(
    http: httpx.AsyncClient,
    admin: Connection,
    by: Headers,
    to: UUID | str,
    *permissions: str,
    days: tuple[float, float] = (-1, 7),
    **body: Any,
) -> httpx.Response:
    moment = await now(admin)
    whole = {
        "toUserId": str(to),
        "permissions": permissions or [APPROVE],
        "startsAt": (moment + dt.timedelta(days=days[0])).isoformat(),
        "endsAt": (moment + dt.timedelta(days=days[1])).isoformat(),
        **body,
    }
    return await http.post(DELEGATIONS, json=whole, headers=dict(by))


async def listed(http: httpx.AsyncClient, by: Headers, **query: str) -> list[str]:
    answer = await http.get(DELEGATIONS, params=query, headers=dict(by))
    assert answer.status_code == 200, answer.text
    return [one["id"] for one in answer.json()["data"]]


async def authorities(
    port: Delegations, company: Company, user_id: UUID, permission: Permission = Permission.STOCKREQUESTS_APPROVE
) -> tuple[Authority, ...]:
    """In whose name somebody may decide now, if they hold nothing themselves."""
    found = await port.active_for(company.tenant_id, user_id)
    caller = msgspec.structs.replace(an_act(company.tenant_id).caller, user_id=user_id, rights={})
    return may_decide(permission, found.at, caller, found.delegations)


async def test_both_sides_and_who_administers_users_see_a_delegation_and_nobody_else(
    http: httpx.AsyncClient, admin: Connection, company: Company, anna: Person, ben: Person
) -> None:
    boss = await somebody(admin, company)
    local = await somebody(admin, company, "admin", at=company.facts["locationId"])
    other = await somebody(admin, company, "supervisor")

    answer = await delegate(http, admin, anna.headers, ben.id, note="On holiday")
    data = answer.json()["data"]

    assert answer.status_code == 201, answer.text
    assert (data["fromUserId"], data["toUserId"]) == (str(anna.id), str(ben.id))
    assert data["toUserName"] == f"Viewer of {company.mark}"
    assert (data["permissions"], data["state"], data["note"]) == ([APPROVE], "ACTIVE", "On holiday")
    assert await listed(http, anna.headers) == await listed(http, ben.headers) == [data["id"]]
    assert set(await listed(http, boss.headers)) == {data["id"], company.facts["delegationId"]}
    assert await listed(http, other.headers) == await listed(http, local.headers) == []


async def test_only_approvals_that_one_holds_are_delegated(
    http: httpx.AsyncClient, admin: Connection, company: Company, anna: Person, ben: Person
) -> None:
    controller = await somebody(admin, company, "controller")
    key = await a_key(admin, company, APPROVE, "admin.users")

    codes = [
        code_of(await delegate(http, admin, by, ben.id, *permissions))
        for by, permissions in [
            (anna.headers, [APPROVE, COUNTS]),
            (controller.headers, [COUNTS]),
            (controller.headers, [COUNTS, APPROVE]),
            (controller.headers, [APPROVE]),
            (anna.headers, ["inventory.read"]),
            (anna.headers, ["admin.users"]),
            (key, [APPROVE]),
        ]
    ]
    await delegate(http, admin, anna.headers, ben.id)
    handed_on = await delegate(http, admin, ben.headers, controller.id)

    assert codes == [
        *("201", "201", "403 PERMISSION_DENIED", "403 PERMISSION_DENIED"),
        *("400 VALIDATION_ERROR", "400 VALIDATION_ERROR", "404 NOT_FOUND"),
    ]
    assert code_of(handed_on) == "403 PERMISSION_DENIED"


async def test_what_was_taken_away_meanwhile_cannot_be_delegated_in_the_same_moment(
    http: httpx.AsyncClient, admin: Connection, company: Company, anna: Person, ben: Person
) -> None:
    boss = await somebody(admin, company)
    gone = await http.put(anna.roles, json={"grants": [], "expectedVersion": 1}, headers=dict(boss.headers))

    assert gone.status_code == 200
    assert code_of(await delegate(http, admin, anna.headers, ben.id)) == "403 PERMISSION_DENIED"


@pytest.mark.parametrize("days", [(1, 1), (2, 1), (-2, -1), (0, 367), (367, 368)])
async def test_a_period_that_is_none_or_over_or_without_end_is_refused(
    http: httpx.AsyncClient, admin: Connection, anna: Person, ben: Person, days: tuple[float, float]
) -> None:
    assert code_of(await delegate(http, admin, anna.headers, ben.id, days=days)) == "400 VALIDATION_ERROR"


async def test_the_delegate_is_another_active_member(
    *, http: httpx.AsyncClient, admin: Connection, found: Founding, company: Company, anna: Person, ben: Person
) -> None:
    boss = await somebody(admin, company)
    stranger = (await found()).facts["userId"]
    body = {"active": False, "expectedVersion": 1}
    await http.patch(f"{USERS}/{ben.id}", json=body, headers=dict(boss.headers))

    codes = [code_of(await delegate(http, admin, anna.headers, to)) for to in (anna.id, stranger, ben.id)]

    assert codes == ["400 VALIDATION_ERROR", "404 NOT_FOUND", "404 NOT_FOUND"]


async def test_several_may_overlap_and_each_is_named(
    *, http: httpx.AsyncClient, admin: Connection, company: Company, port: Delegations, anna: Person, ben: Person
) -> None:
    made = [
        (await delegate(http, admin, by.headers, ben.id)).json()["data"]["id"]
        for by in (anna, anna, await somebody(admin, company, "supervisor"))
    ]

    assert [str(one.delegation_id) for one in await authorities(port, company, ben.id)] == made


@pytest.mark.parametrize("side", ["giver", "delegate", "admin"])
async def test_either_side_ends_it_once_and_it_counts_no_more(
    *,
    http: httpx.AsyncClient,
    admin: Connection,
    company: Company,
    port: Delegations,
    anna: Person,
    ben: Person,
    side: str,
) -> None:
    by = {"giver": anna, "delegate": ben, "admin": await somebody(admin, company)}[side]
    other = await somebody(admin, company, "supervisor")
    id_ = (await delegate(http, admin, anna.headers, ben.id)).json()["data"]["id"]
    before = await authorities(port, company, ben.id)

    refused = await http.post(f"{DELEGATIONS}/{id_}/end", headers=dict(other.headers))
    ended = await http.post(f"{DELEGATIONS}/{id_}/end", headers=dict(by.headers))
    again = await http.post(f"{DELEGATIONS}/{id_}/end", headers=dict(by.headers))

    assert code_of(refused) == "404 NOT_FOUND"
    assert (ended.json()["data"]["state"], ended.json()["data"]["version"]) == ("ENDED", 2)
    assert code_of(again) == "409 INVALID_TRANSITION"
    assert (len(before), await authorities(port, company, ben.id)) == (1, ())
    assert await listed(http, anna.headers, state="ENDED") == [id_]


async def test_it_counts_in_its_period_and_where_the_giver_may_decide(
    *, http: httpx.AsyncClient, admin: Connection, company: Company, port: Delegations, anna: Person, ben: Person
) -> None:
    here = company.facts["locationId"]
    local = await somebody(admin, company, "supervisor", at=here)
    upcoming = await delegate(http, admin, anna.headers, ben.id, days=(1, 2))
    current = await delegate(http, admin, local.headers, ben.id, APPROVE)

    found = await authorities(port, company, ben.id)
    later = await port.active_for(company.tenant_id, ben.id, await now(admin) + dt.timedelta(days=1, hours=1))

    assert upcoming.json()["data"]["state"] == "UPCOMING"
    assert [str(one.delegation_id) for one in found] == [current.json()["data"]["id"]]
    assert found[0].scope == frozenset({UUID(here)})
    assert await authorities(port, company, ben.id, Permission.INVENTORY_CYCLECOUNT_APPROVE) == ()
    assert {one.from_user_id for one in later.delegations} == {anna.id, local.id}


@pytest.mark.parametrize("who", ["giver", "delegate"])
async def test_it_counts_as_long_as_both_are_members_and_the_giver_holds_it(
    *,
    http: httpx.AsyncClient,
    admin: Connection,
    company: Company,
    port: Delegations,
    anna: Person,
    ben: Person,
    who: str,
) -> None:
    boss = await somebody(admin, company)
    await delegate(http, admin, anna.headers, ben.id)
    before = await authorities(port, company, ben.id)
    gone = {"giver": anna, "delegate": ben}[who]

    body = {"active": False, "expectedVersion": 1}
    await http.patch(f"{USERS}/{gone.id}", json=body, headers=dict(boss.headers))
    disabled = await authorities(port, company, ben.id)
    await http.patch(f"{USERS}/{gone.id}", json={"active": True, "expectedVersion": 2}, headers=dict(boss.headers))
    back = await authorities(port, company, ben.id)
    await http.put(
        anna.roles, json={"grants": [], "expectedVersion": 3 if gone is anna else 1}, headers=boss.headers
    )

    assert (len(before), disabled, len(back)) == (1, (), 1)
    assert await authorities(port, company, ben.id) == ()


async def test_a_delegation_of_another_tenant_is_not_there(
    http: httpx.AsyncClient, admin: Connection, found: Founding, company: Company
) -> None:
    stranger = await somebody(admin, await found())

    answer = await http.post(f"{DELEGATIONS}/{company.facts['delegationId']}/end", headers=dict(stranger.headers))

    assert code_of(answer) == "404 NOT_FOUND"


async def test_it_is_made_once_under_its_key(
    http: httpx.AsyncClient, admin: Connection, anna: Person, ben: Person
) -> None:
    moment = await now(admin)
    body: dict[str, Any] = {
        "toUserId": str(ben.id),
        "permissions": [APPROVE],
        "startsAt": moment.isoformat(),
        "endsAt": (moment + dt.timedelta(days=1)).isoformat(),
    }
    headers = {**anna.headers, "Idempotency-Key": "delegate-1"}

    first, again = [await http.post(DELEGATIONS, json=body, headers=headers) for _ in range(2)]

    assert first.json() == again.json()
    assert again.headers["Idempotency-Replayed"] == "true"
    assert await listed(http, ben.headers) == [first.json()["data"]["id"]]
