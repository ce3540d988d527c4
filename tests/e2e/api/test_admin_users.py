"""Members of a tenant, over HTTP: seen, renamed, kept out and let in again; and the last admin."""

import asyncio
from typing import Any
from uuid import UUID

import httpx
import pytest

from tests.e2e.api.admins import USERS, Person, a_key, code_of, own_role, somebody, statuses
from tests.e2e.api.company import PASSWORD, Company, add_user, begin_session
from tests.e2e.api.conftest import Connection, Founding
from tests.e2e.api.foreign import leaks


@pytest.fixture
async def boss(admin: Connection, company: Company) -> Person:
    return await somebody(admin, company)


async def one(http: httpx.AsyncClient, by: Person, user_id: UUID | str) -> dict[str, Any]:
    answer = await http.get(f"{USERS}/{user_id}", headers=dict(by.headers))
    assert answer.status_code == 200, answer.text
    data: dict[str, Any] = answer.json()["data"]
    return data


async def change(
    http: httpx.AsyncClient, by: Person, user_id: UUID | str, *, version: int = 1, **body: Any
) -> httpx.Response:
    return await http.patch(
        f"{USERS}/{user_id}", json={**body, "expectedVersion": version}, headers=dict(by.headers)
    )


async def only_admin(admin: Connection, company: Company) -> Person:
    """The one that the company was founded with."""
    user_id = await admin.fetchval("SELECT id FROM users WHERE email = $1", company.facts["email"])
    return Person(id=user_id, headers=(await begin_session(admin, company, user_id)).headers)


async def test_a_user_is_shown_with_what_they_hold_and_when_they_were_seen(
    http: httpx.AsyncClient, admin: Connection, company: Company, boss: Person
) -> None:
    here = company.facts["locationId"]
    clerk = await somebody(admin, company, "operator", at=here, also=["counter"])

    shown = await one(http, boss, clerk.id)

    assert shown["grants"] == [
        {"role": "counter", "locationIds": None},
        {"role": "operator", "locationIds": [here]},
    ]
    assert shown["name"] == f"Operator of {company.mark}"
    assert (shown["active"], shown["version"]) == (True, 1)
    assert shown["lastSeenAt"] is not None
    assert set(shown) == {
        *("id", "email", "name", "active", "grants", "lastSeenAt", "createdAt", "updatedAt", "version")
    }


async def test_the_list_is_searched_filtered_and_walked_part_by_part(
    http: httpx.AsyncClient, admin: Connection, company: Company, boss: Person
) -> None:
    people = {str(await add_user(admin, company, "planner")) for _ in range(5)}
    gone = min(people)
    await change(http, boss, gone, active=False)

    walked: list[str] = []
    query: dict[str, Any] = {"search": "PLANNER", "limit": 2, "sort": "-email"}
    while True:
        answer = (await http.get(USERS, params=query, headers=dict(boss.headers))).json()
        walked += [user["id"] for user in answer["data"]]
        if answer["pagination"]["nextCursor"] is None:
            break
        query["cursor"] = answer["pagination"]["nextCursor"]
    inactive = (await http.get(USERS, params={"active": "false"}, headers=dict(boss.headers))).json()

    assert answer["pagination"]["total"] == 5
    assert len(walked) == 5
    assert set(walked) == people
    assert [user["id"] for user in inactive["data"]] == [gone]


async def test_who_administers_one_location_sees_who_holds_something_there_and_what(
    http: httpx.AsyncClient, admin: Connection, company: Company
) -> None:
    here, there = company.facts["locationId"], company.facts["otherLocationId"]
    local = await somebody(admin, company, "admin", at=here)
    neighbour = await somebody(admin, company, "viewer", at=there)
    both = await somebody(admin, company, "counter", at=there, also=["viewer"])

    listed = (await http.get(USERS, params={"limit": 200}, headers=dict(local.headers))).json()["data"]
    hidden = await http.get(f"{USERS}/{neighbour.id}", headers=dict(local.headers))
    shown = await one(http, local, both.id)
    touched = [await change(http, local, user, name="Mine") for user in (neighbour.id, both.id)]

    assert str(neighbour.id) not in {user["id"] for user in listed}
    assert hidden.status_code == 404
    assert shown["grants"] == [{"role": "viewer", "locationIds": None}]
    assert [code_of(answer) for answer in touched] == ["403 LOCATION_DENIED"] * 2


async def test_who_administers_one_location_does_not_touch_who_holds_nothing_anywhere(
    http: httpx.AsyncClient, admin: Connection, company: Company
) -> None:
    local = await somebody(admin, company, "admin", at=company.facts["locationId"])
    newcomer = await somebody(admin, company, "viewer")
    await admin.execute("DELETE FROM grants WHERE user_id = $1", newcomer.id)

    hidden = await http.get(f"{USERS}/{newcomer.id}", headers=dict(local.headers))
    touched = [await change(http, local, newcomer.id, **body) for body in ({"name": "Mine"}, {"active": False})]

    assert code_of(hidden) == "404 NOT_FOUND"
    assert [code_of(answer) for answer in touched] == ["403 LOCATION_DENIED"] * 2


async def test_a_name_is_the_tenant_s_and_shows_in_the_session_at_once(
    http: httpx.AsyncClient, admin: Connection, company: Company, boss: Person
) -> None:
    clerk = await somebody(admin, company, "viewer")
    before = (await http.get("/api/auth/me", headers=dict(clerk.headers))).json()["user"]["name"]

    answer = await change(http, boss, clerk.id, name="  Night shift ")
    after = (await http.get("/api/auth/me", headers=dict(clerk.headers))).json()["user"]["name"]
    own = await admin.fetchval("SELECT name FROM users WHERE id = $1", clerk.id)

    assert answer.json()["data"]["name"] == after == "Night shift"
    assert answer.json()["data"]["version"] == 2
    assert own == before


async def test_what_one_tenant_calls_somebody_no_other_sees(
    http: httpx.AsyncClient, admin: Connection, found: Founding, company: Company, boss: Person
) -> None:
    other = await found()
    clerk = await somebody(admin, company, "viewer")
    await admin.execute("INSERT INTO memberships (tenant_id, user_id) VALUES ($1, $2)", other.tenant_id, clerk.id)
    there = await begin_session(admin, other, clerk.id)

    await change(http, boss, clerk.id, name="Ours", active=False)
    me = await http.get("/api/auth/me", headers=there.cookie)

    assert me.json()["user"]["name"] == f"Viewer of {company.mark}"


async def test_who_is_disabled_is_refused_at_once_in_every_process_and_comes_back_without_old_sessions(
    http: httpx.AsyncClient, admin: Connection, company: Company, boss: Person
) -> None:
    clerk = await somebody(admin, company, "viewer")
    path, credentials = "/api/auth/me", {"email": (await one(http, boss, clerk.id))["email"], "password": PASSWORD}
    before = await statuses(http, path, clerk.headers)

    disabled = await change(http, boss, clerk.id, active=False)
    refused = await statuses(http, path, clerk.headers)
    locked = await http.post("/api/auth/login", json=credentials)
    enabled = await change(http, boss, clerk.id, active=True, version=2)
    still = await statuses(http, path, clerk.headers)
    back = await http.post("/api/auth/login", json=credentials)

    assert (before, refused, still) == ({200}, {401}, {401})
    assert (disabled.json()["data"]["active"], enabled.json()["data"]["active"]) == (False, True)
    assert (code_of(locked), back.status_code) == ("401 INVALID_CREDENTIALS", 200)


async def test_a_change_needs_the_latest_version_and_says_what_changes(
    http: httpx.AsyncClient, company: Company, boss: Person
) -> None:
    user = company.facts["userId"]

    stale = await change(http, boss, user, version=7, name="Late")
    nothing = await change(http, boss, user)
    unknown = await change(http, boss, user, email="other@acme.example")
    same = await change(http, boss, user, active=True)

    assert code_of(stale) == "409 STALE_VERSION"
    assert (code_of(nothing), code_of(unknown)) == ("400 VALIDATION_ERROR",) * 2
    assert same.json()["data"]["version"] == 1


async def test_nobody_disables_or_enables_who_holds_more_than_they_do(
    http: httpx.AsyncClient, admin: Connection, company: Company, boss: Person
) -> None:
    await own_role(admin, company, "clerk-keeper", "admin.users", "inventory.read")
    keeper = await somebody(admin, company, "clerk-keeper")
    key = await a_key(admin, company, "admin.users")

    refused = await change(http, keeper, boss.id, active=False)
    by_key = await http.patch(
        f"{USERS}/{boss.id}", json={"active": False, "expectedVersion": 1}, headers=dict(key)
    )
    same = await change(http, keeper, keeper.id, active=False)

    assert [code_of(answer) for answer in (refused, by_key)] == ["403 PERMISSION_DENIED"] * 2
    assert (await one(http, boss, boss.id))["active"]
    assert same.json()["data"]["active"] is False


async def test_the_last_admin_cannot_be_disabled(
    http: httpx.AsyncClient, admin: Connection, company: Company
) -> None:
    last = await only_admin(admin, company)
    # None of these administers all of the tenant.
    await somebody(admin, company, "admin", at=company.facts["locationId"])
    await own_role(admin, company, "keys", "admin.apikeys", "admin.users")
    await somebody(admin, company, "keys")
    await somebody(admin, company, "manager")

    refused = await change(http, last, last.id, active=False)
    # Two roles that together come to all of it.
    await own_role(admin, company, "settings", "admin.settings")
    await somebody(admin, company, "keys", also=["settings"])
    accepted = await change(http, last, last.id, active=False)

    assert code_of(refused) == "409 LAST_ADMIN"
    assert accepted.status_code == 200, accepted.text


async def test_of_two_admins_who_disable_each_other_at_the_same_time_one_is_left(
    http: httpx.AsyncClient, admin: Connection, found: Founding
) -> None:
    for _ in range(5):
        company = await found()
        one_, other = await only_admin(admin, company), await somebody(admin, company)

        answers = await asyncio.gather(
            change(http, one_, other.id, active=False), change(http, other, one_.id, active=False)
        )

        left = await admin.fetchval(
            """
            SELECT count(*) FROM memberships m JOIN grants g ON g.tenant_id = m.tenant_id AND g.user_id = m.user_id
            WHERE m.tenant_id = $1 AND m.is_active AND g.role = 'admin'
            """,
            company.tenant_id,
        )
        assert {code_of(answer) for answer in answers} - {"200"} <= {
            *("401 UNAUTHENTICATED", "403 PERMISSION_DENIED", "409 LAST_ADMIN")
        }
        assert [answer.status_code for answer in answers].count(200) == 1
        assert left == 1


async def test_all_admins_who_leave_at_the_same_time_leave_one(
    http: httpx.AsyncClient, admin: Connection, company: Company
) -> None:
    admins = [await only_admin(admin, company), *[await somebody(admin, company) for _ in range(3)]]

    answers = await asyncio.gather(*(change(http, each, each.id, active=False) for each in admins))

    codes = sorted(code_of(answer) for answer in answers)
    assert codes == ["200", "200", "200", "409 LAST_ADMIN"]


async def test_another_tenant_s_user_is_not_there(http: httpx.AsyncClient, found: Founding, boss: Person) -> None:
    other = await found()
    user = other.facts["userId"]

    read = await http.get(f"{USERS}/{user}", headers=dict(boss.headers))
    changed = await change(http, boss, user, active=False)

    assert (code_of(read), code_of(changed)) == ("404 NOT_FOUND",) * 2
    assert leaks(changed, other.telling, frozenset({user})) == []


async def test_a_change_is_done_once_under_its_key_and_told_in_the_feed(
    http: httpx.AsyncClient, admin: Connection, company: Company, boss: Person
) -> None:
    user, headers = company.facts["userId"], {**boss.headers, "Idempotency-Key": "rename-1"}
    body = {"name": "Once", "expectedVersion": 1}

    first = await http.patch(f"{USERS}/{user}", json=body, headers=headers)
    again = await http.patch(f"{USERS}/{user}", json=body, headers=headers)
    events = await admin.fetch(
        "SELECT type, payload FROM events WHERE tenant_id = $1 AND type LIKE 'access.%'", company.tenant_id
    )

    assert again.headers["Idempotency-Replayed"] == "true"
    assert again.json() == first.json()
    assert [row["type"] for row in events] == ["access.user.changed.v1"]
    assert "Once" not in events[0]["payload"]
