"""Roles of the tenant's own, and who holds which: over HTTP, with all who try to get more than they have."""

import asyncio
from uuid import UUID

import httpx
import pytest

from domain.values import new_id
from tests.e2e.api.admins import (
    ROLES,
    USERS,
    Headers,
    Person,
    a_key,
    code_of,
    own_role,
    roles_of,
    somebody,
    statuses,
)
from tests.e2e.api.company import Company
from tests.e2e.api.conftest import Connection, Founding

READ, WRITE, PRODUCTS = "inventory.read", "inventory.write", "products.read"


@pytest.fixture
async def boss(admin: Connection, company: Company) -> Person:
    return await somebody(admin, company)


async def give(
    http: httpx.AsyncClient, by: Headers, to: Person, *grants: tuple[str, list[str] | None], version: int = 1
) -> httpx.Response:
    wanted = [{"role": role, "locationIds": places} for role, places in grants]
    return await http.put(to.roles, json={"grants": wanted, "expectedVersion": version}, headers=dict(by))


async def test_the_list_has_the_default_roles_with_what_they_permit_and_the_tenant_s_own(
    http: httpx.AsyncClient, company: Company, boss: Person
) -> None:
    answer = (await http.get(ROLES, headers=boss.headers)).json()

    roles = {role["code"]: role for role in answer["data"]}
    own = roles[company.facts["roleCode"]]
    assert len(roles) == answer["pagination"]["total"] == 11
    assert roles["counter"]["permissions"] == ["inventory.cyclecount"]
    assert (roles["counter"]["builtin"], roles["counter"]["version"]) == (True, None)
    assert "admin.users" in roles["admin"]["permissions"]
    assert "admin.users" not in roles["manager"]["permissions"]
    assert (own["builtin"], own["version"], own["permissions"]) == (False, 1, [WRITE])


async def test_the_list_can_be_walked_part_by_part(http: httpx.AsyncClient, boss: Person) -> None:
    walked: list[str] = []
    query: dict[str, str | int] = {"limit": 4, "sort": "-code"}
    while True:
        answer = (await http.get(ROLES, params=query, headers=boss.headers)).json()
        walked += [role["code"] for role in answer["data"]]
        if answer["pagination"]["nextCursor"] is None:
            break
        query["cursor"] = answer["pagination"]["nextCursor"]

    assert len(walked) == 11
    assert walked == sorted(walked, reverse=True)


async def test_a_role_is_made_and_permits_what_it_says(
    http: httpx.AsyncClient, admin: Connection, company: Company, boss: Person
) -> None:
    body = {"code": "checker", "name": " Checker ", "permissions": [PRODUCTS, READ, READ]}

    made = await http.post(ROLES, json=body, headers=boss.headers)
    holder = await somebody(admin, company, "checker")
    me = (await http.get("/api/auth/me", headers=holder.headers)).json()

    assert made.status_code == 201, made.text
    assert made.json()["data"]["name"] == "Checker"
    assert me["permissions"] == made.json()["data"]["permissions"] == [READ, PRODUCTS]


@pytest.mark.parametrize(
    ("body", "refusal"),
    [
        ({"code": "admin"}, "409 DUPLICATE"),
        ({"code": "viewer"}, "409 DUPLICATE"),
        ({"code": "Checker"}, "400 VALIDATION_ERROR"),
        ({"code": "role:x"}, "400 VALIDATION_ERROR"),
        ({"code": "a, b"}, "400 VALIDATION_ERROR"),
        ({"code": "x" * 64}, "400 VALIDATION_ERROR"),
        ({"permissions": ["inventory.all"]}, "400 VALIDATION_ERROR"),
        ({"permissions": ["*"]}, "400 VALIDATION_ERROR"),
        ({"permissions": []}, "400 VALIDATION_ERROR"),
        ({"name": "two\nlines"}, "400 VALIDATION_ERROR"),
        ({"builtin": True}, "400 VALIDATION_ERROR"),
    ],
)
async def test_a_role_that_could_be_taken_for_another_or_permits_what_there_is_not_is_refused(
    http: httpx.AsyncClient, boss: Person, body: dict[str, object], refusal: str
) -> None:
    whole = {"code": "checker", "name": "Checker", "permissions": [READ], **body}

    assert code_of(await http.post(ROLES, json=whole, headers=boss.headers)) == refusal


async def test_a_tenant_has_each_code_once(http: httpx.AsyncClient, company: Company, boss: Person) -> None:
    body = {"code": company.facts["roleCode"], "name": "Again", "permissions": [READ]}

    assert code_of(await http.post(ROLES, json=body, headers=boss.headers)) == "409 DUPLICATE"


async def test_a_change_of_a_role_counts_at_once_for_all_who_have_it_in_every_process(
    http: httpx.AsyncClient, admin: Connection, company: Company, boss: Person
) -> None:
    role = await own_role(admin, company, "looker", READ, PRODUCTS)
    holders = [await somebody(admin, company, role) for _ in range(2)]
    before = [await statuses(http, "/api/inventory", holder.headers) for holder in holders]

    body = {"permissions": [PRODUCTS, "locations.read"], "expectedVersion": 1}
    changed = await http.patch(f"{ROLES}/{role}", json=body, headers=boss.headers)
    refused = [await statuses(http, "/api/inventory", holder.headers) for holder in holders]
    gained = [await statuses(http, "/api/locations", holder.headers) for holder in holders]

    assert changed.json()["data"]["version"] == 2
    assert before == [{200}, {200}]
    assert refused == [{403}, {403}]
    assert gained == [{200}, {200}]


async def test_a_role_is_changed_by_who_has_seen_its_latest_state(
    http: httpx.AsyncClient, company: Company, boss: Person
) -> None:
    path = f"{ROLES}/{company.facts['roleCode']}"

    first = await http.patch(path, json={"name": "One", "expectedVersion": 1}, headers=boss.headers)
    second = await http.patch(path, json={"name": "Two", "expectedVersion": 1}, headers=boss.headers)
    same = await http.patch(path, json={"name": "One", "expectedVersion": 2}, headers=boss.headers)
    nothing = await http.patch(path, json={"expectedVersion": 2}, headers=boss.headers)

    assert (first.json()["data"]["name"], first.json()["data"]["version"]) == ("One", 2)
    assert code_of(second) == "409 STALE_VERSION"
    assert same.json()["data"]["version"] == 2
    assert code_of(nothing) == "400 VALIDATION_ERROR"


async def test_default_roles_stay_as_they_are(http: httpx.AsyncClient, boss: Person) -> None:
    body = {"permissions": [READ], "expectedVersion": 1}

    changed = await http.patch(f"{ROLES}/viewer", json=body, headers=boss.headers)
    deleted = await http.delete(f"{ROLES}/viewer", headers=boss.headers)
    unknown = await http.delete(f"{ROLES}/nobody%00", headers=boss.headers)

    assert (code_of(changed), code_of(deleted)) == ("409 INVALID_TRANSITION", "409 INVALID_TRANSITION")
    assert code_of(unknown) == "404 NOT_FOUND"


async def test_a_role_that_somebody_has_or_is_invited_to_cannot_be_deleted(
    http: httpx.AsyncClient, admin: Connection, company: Company, boss: Person
) -> None:
    role = company.facts["roleCode"]
    holder = await somebody(admin, company, role)
    invitation = "INSERT INTO invitations (tenant_id, id, email, name, token_hash, grants, expires_at) VALUES "
    invitation += "($1, gen_random_uuid(), 'a@b.c', 'A', 'x', $2, now() + interval '1 day')"
    await admin.execute(invitation, company.tenant_id, f'[{{"role": "{role}", "location_id": null}}]')

    used = await http.delete(f"{ROLES}/{role}", headers=boss.headers)
    await give(http, boss.headers, holder)
    invited = await http.delete(f"{ROLES}/{role}", headers=boss.headers)
    await admin.execute("UPDATE invitations SET revoked_at = now() WHERE tenant_id = $1", company.tenant_id)
    deleted = await http.delete(f"{ROLES}/{role}", headers=boss.headers)

    assert code_of(used) == "409 IN_USE"
    assert used.json()["details"]["usedBy"] == {"users": 1, "invitations": 1}
    assert invited.json()["details"]["usedBy"] == {"invitations": 1}
    assert deleted.json() == {"data": {"code": role, "deleted": True}}
    left = await admin.fetchval(
        "SELECT count(*) FROM role_permissions WHERE tenant_id = $1 AND role = $2", company.tenant_id, role
    )
    assert left == 0


async def test_nobody_puts_into_a_role_or_takes_out_what_they_do_not_hold_everywhere(
    http: httpx.AsyncClient, admin: Connection, company: Company
) -> None:
    role = await own_role(admin, company, "mixed", READ, WRITE)
    clerk = await a_key(admin, company, "admin.users", READ)
    local = (await somebody(admin, company, "admin", at=company.facts["locationId"])).headers
    named = {"code": "strong", "name": "Strong"}
    answers = {}
    for who, headers in (("clerk", clerk), ("local", local)):
        made = {**named, "permissions": [READ, WRITE]}
        more = {"permissions": [READ, WRITE, "admin.settings"], "expectedVersion": 1}
        less = {"permissions": [READ], "expectedVersion": 1}
        answers[who] = [
            await http.post(ROLES, json=made, headers=dict(headers)),
            await http.patch(f"{ROLES}/{role}", json=more, headers=dict(headers)),
            await http.patch(f"{ROLES}/{role}", json=less, headers=dict(headers)),
        ]

    assert [code_of(answer) for answer in answers["clerk"]] == ["403 PERMISSION_DENIED"] * 3
    missing = [answer.json()["details"]["missing"] for answer in answers["clerk"]]
    assert missing == [[WRITE], ["admin.settings"], [WRITE]]
    assert [code_of(answer) for answer in answers["local"]] == ["403 LOCATION_DENIED"] * 3


async def test_all_that_somebody_has_is_replaced_at_once(
    http: httpx.AsyncClient, admin: Connection, company: Company, boss: Person
) -> None:
    here, there = company.facts["locationId"], company.facts["otherLocationId"]
    clerk = await somebody(admin, company, "operator", also=["counter"])
    await statuses(http, "/api/inventory", clerk.headers)

    answer = await give(http, boss.headers, clerk, ("counter", None), ("planner", sorted([there, here])))
    transfers = await statuses(http, "/api/inventory/adjustments", clerk.headers)
    me = (await http.get("/api/auth/me", headers=clerk.headers)).json()

    assert answer.json()["data"] == {
        "userId": str(clerk.id),
        "grants": [
            {"role": "counter", "locationIds": None},
            {"role": "planner", "locationIds": sorted([here, there])},
        ],
        "version": 2,
    }
    assert await roles_of(admin, company, clerk.id) == {("counter", None), ("planner", here), ("planner", there)}
    assert transfers == {403}
    assert me["roles"] == ["counter", "planner"]


async def test_the_same_again_changes_nothing_and_an_old_version_is_refused(
    http: httpx.AsyncClient, admin: Connection, company: Company, boss: Person
) -> None:
    clerk = await somebody(admin, company, "viewer")

    same = await give(http, boss.headers, clerk, ("viewer", None))
    await give(http, boss.headers, clerk, ("operator", None))
    stale = await give(http, boss.headers, clerk, ("viewer", None))

    assert same.json()["data"]["version"] == 1
    assert code_of(stale) == "409 STALE_VERSION"
    assert await roles_of(admin, company, clerk.id) == {("operator", None)}


async def test_who_loses_everything_is_refused_by_the_next_request_in_every_process(
    http: httpx.AsyncClient, admin: Connection, company: Company, boss: Person
) -> None:
    clerk = await somebody(admin, company, "operator")
    before = await statuses(http, "/api/inventory", clerk.headers)

    await give(http, boss.headers, clerk)

    assert before == {200}
    assert await statuses(http, "/api/inventory", clerk.headers) == {403}


@pytest.mark.parametrize(
    ("grants", "refusal"),
    [
        ([{"role": "nobody"}], "400 VALIDATION_ERROR"),
        ([{"role": "viewer"}, {"role": "viewer"}], "400 VALIDATION_ERROR"),
        ([{"role": "viewer", "locationIds": []}], "400 VALIDATION_ERROR"),
        ([{"role": "viewer", "locationIds": ["{locationId}", "{locationId}"]}], "400 VALIDATION_ERROR"),
        ([{"role": "viewer", "locationIds": ["{binId}"]}], "404 NOT_FOUND"),
        ([{"role": "viewer", "location": "{locationId}"}], "400 VALIDATION_ERROR"),
    ],
)
async def test_a_grant_names_a_role_and_locations_that_are_there(
    http: httpx.AsyncClient, company: Company, boss: Person, grants: list[object], refusal: str
) -> None:
    path = f"{USERS}/{company.facts['userId']}/roles"
    body = {"grants": company.fill(grants), "expectedVersion": 1}

    assert code_of(await http.put(path, json=body, headers=boss.headers)) == refusal


async def test_nobody_gives_or_takes_more_than_they_hold(
    http: httpx.AsyncClient, admin: Connection, company: Company
) -> None:
    helper = await own_role(admin, company, "helper", "admin.users", READ)
    climber = await somebody(admin, company, helper)
    other = await somebody(admin, company, "operator")
    key = await a_key(admin, company, "admin.users", READ)

    answers = [
        await give(http, climber.headers, climber, (helper, None), ("admin", None)),
        await give(http, climber.headers, climber, ("viewer", None)),
        await give(http, climber.headers, other, ("viewer", None), ("operator", None)),
        await give(http, climber.headers, other),
        await give(http, key, climber, (helper, None), ("manager", [company.facts["locationId"]])),
    ]
    allowed = await give(http, climber.headers, other, ("operator", None), (helper, None))

    assert [code_of(answer) for answer in answers] == ["403 PERMISSION_DENIED"] * 5
    assert await roles_of(admin, company, climber.id) == {(helper, None)}
    assert allowed.status_code == 200, allowed.text


async def test_who_administers_one_location_gives_and_takes_there_and_nowhere_else(
    http: httpx.AsyncClient, admin: Connection, company: Company, boss: Person
) -> None:
    here, there = company.facts["locationId"], company.facts["otherLocationId"]
    local = await somebody(admin, company, "admin", at=here)
    clerk = await somebody(admin, company, "viewer")

    given = await give(http, local.headers, clerk, ("viewer", None), ("operator", [here]))
    refused = [
        await give(http, local.headers, boss),
        await give(http, local.headers, boss, ("admin", [here])),
        await give(http, local.headers, local, ("admin", None)),
        await give(http, local.headers, local, ("admin", [here, there])),
        await give(http, local.headers, clerk, ("operator", [here]), version=2),
        await give(http, local.headers, clerk, ("viewer", None), ("operator", [there]), version=2),
    ]
    taken = await give(http, local.headers, clerk, ("viewer", None), version=2)

    assert given.status_code == 200, given.text
    assert [code_of(answer) for answer in refused] == ["403 LOCATION_DENIED"] * 6
    assert await roles_of(admin, company, boss.id) == {("admin", None)}
    assert taken.status_code == 200, taken.text


async def test_nobody_holds_more_than_can_be_looked_through_with_each_session(
    http: httpx.AsyncClient, admin: Connection, company: Company, boss: Person
) -> None:
    clerk = await somebody(admin, company, "viewer")
    places = [str(new_id()) for _ in range(500)]
    roles = ("viewer", "operator", "counter", "planner", "requester")

    answer = await give(http, boss.headers, clerk, *((role, places) for role in roles))

    assert code_of(answer) == "400 VALIDATION_ERROR"
    assert answer.json()["details"]["fields"] == [
        {"path": "grants", "message": "must be at most 2000 roles at locations"}
    ]


async def test_who_administers_people_at_one_location_gives_and_takes_nothing_for_all_of_them(
    http: httpx.AsyncClient, admin: Connection, company: Company
) -> None:
    """Though they hold themselves, at all locations, what it is about."""
    here = company.facts["locationId"]
    helper = await own_role(admin, company, "helper", "admin.users")
    local = await somebody(admin, company, helper, at=here, also=["viewer"])
    clerk = await somebody(admin, company, "viewer", at=here)
    watcher = await somebody(admin, company, "viewer")

    refused = [
        await give(http, local.headers, clerk, ("viewer", None)),
        await give(http, local.headers, watcher),
        await give(http, local.headers, watcher, ("viewer", [here])),
    ]
    taken = await give(http, local.headers, clerk)

    assert [code_of(answer) for answer in refused] == ["403 LOCATION_DENIED"] * 3
    assert await roles_of(admin, company, watcher.id) == {("viewer", None)}
    assert taken.status_code == 200, taken.text


async def test_who_administers_one_location_leaves_alone_what_they_do_not_see(
    http: httpx.AsyncClient, admin: Connection, company: Company, boss: Person
) -> None:
    here, there = company.facts["locationId"], company.facts["otherLocationId"]
    local = await somebody(admin, company, "admin", at=here)
    both = await somebody(admin, company, "operator", at=there, also=["viewer"])
    stranger = await somebody(admin, company, "operator", at=there)

    changed = await give(http, local.headers, both, ("viewer", None), ("counter", [here]))
    unseen = await give(http, local.headers, stranger, ("counter", [here]))

    assert changed.json()["data"]["grants"] == [
        {"role": "counter", "locationIds": [here]},
        {"role": "viewer", "locationIds": None},
    ]
    assert await roles_of(admin, company, both.id) == {("viewer", None), ("counter", here), ("operator", there)}
    assert code_of(unseen) == "404 NOT_FOUND"


async def test_the_last_admin_stays(http: httpx.AsyncClient, admin: Connection, found: Founding) -> None:
    company = await found()
    only = UUID(await admin.fetchval("SELECT id::text FROM users WHERE email = $1", company.facts["email"]))
    key = await a_key(admin, company, *(await every_permission(http, admin, company)))
    last = Person(id=only, headers=key)
    local = await somebody(admin, company, "admin", at=company.facts["locationId"])
    gone = await somebody(admin, company)
    await admin.execute("UPDATE users SET is_active = false WHERE id = $1", gone.id)

    answers = [
        await give(http, key, last),
        await give(http, key, last, ("manager", None)),
        await give(http, key, last, ("admin", [company.facts["locationId"]])),
    ]

    assert [code_of(answer) for answer in answers] == ["409 LAST_ADMIN"] * 3
    assert await roles_of(admin, company, only) == {("admin", None)}
    assert (await give(http, key, local)).status_code == 200


async def every_permission(http: httpx.AsyncClient, admin: Connection, company: Company) -> list[str]:
    boss = await somebody(admin, company)
    me = (await http.get("/api/auth/me", headers=boss.headers)).json()
    await admin.execute("DELETE FROM grants WHERE tenant_id = $1 AND user_id = $2", company.tenant_id, boss.id)
    return list(me["permissions"])


async def test_a_role_of_the_tenant_s_own_may_not_lose_what_the_last_admin_has_by_it(
    http: httpx.AsyncClient, admin: Connection, found: Founding
) -> None:
    company = await found()
    every = await every_permission(http, admin, company)
    role = await own_role(admin, company, "chief", *every)
    key = await a_key(admin, company, *every)
    await admin.execute("DELETE FROM grants WHERE tenant_id = $1 AND role = 'admin'", company.tenant_id)
    await somebody(admin, company, role)

    body = {"permissions": [READ], "expectedVersion": 1}
    answer = await http.patch(f"{ROLES}/{role}", json=body, headers=dict(key))

    assert code_of(answer) == "409 LAST_ADMIN"


@pytest.mark.parametrize("others", [0, 1])
async def test_of_two_admins_who_strip_each_other_exactly_one_succeeds(
    http: httpx.AsyncClient, admin: Connection, found: Founding, others: int
) -> None:
    for _ in range(5):
        company = await found()
        await admin.execute("DELETE FROM grants WHERE tenant_id = $1 AND role = 'admin'", company.tenant_id)
        one, other = await somebody(admin, company), await somebody(admin, company)
        for _ in range(others):
            await somebody(admin, company)

        answers = await asyncio.gather(give(http, one.headers, other), give(http, other.headers, one))

        codes = sorted(code_of(answer) for answer in answers)
        assert codes[0] == "200"
        assert codes[1] in {"403 PERMISSION_DENIED", "409 LAST_ADMIN"}
        left = [await roles_of(admin, company, person.id) for person in (one, other)]
        assert sorted(map(len, left)) == [0, 1]


async def test_grants_under_one_idempotency_key_are_replaced_once(
    http: httpx.AsyncClient, admin: Connection, company: Company, boss: Person
) -> None:
    clerk = await somebody(admin, company, "viewer")
    again = {**boss.headers, "Idempotency-Key": "grants-1"}

    first = await give(http, again, clerk, ("operator", None))
    second = await give(http, again, clerk, ("operator", None))

    assert (first.status_code, second.status_code) == (200, 200)
    assert second.headers["Idempotency-Replayed"] == "true"
    assert second.json() == first.json()


async def test_every_grant_that_changes_is_in_the_audit_trail(
    http: httpx.AsyncClient, admin: Connection, company: Company, boss: Person
) -> None:
    clerk = await somebody(admin, company, "viewer")

    answer = await give(http, boss.headers, clerk, ("operator", [company.facts["locationId"]]))

    rows = await admin.fetch(
        "SELECT action, actor_id, location_ids FROM audit_log WHERE tenant_id = $1 AND request_id = $2",
        company.tenant_id,
        answer.headers["X-Request-ID"],
    )
    assert sorted(row["action"] for row in rows) == ["grant.created", "grant.deleted", "membership.changed"]
    assert {row["actor_id"] for row in rows} == {boss.id}
    places = {row["action"]: [str(place) for place in row["location_ids"]] for row in rows}
    assert places["grant.created"] == [company.facts["locationId"]]


async def test_who_is_nobody_here_has_no_roles_to_replace(
    http: httpx.AsyncClient, found: Founding, boss: Person
) -> None:
    stranger = (await found()).facts["userId"]
    body = {"grants": [], "expectedVersion": 1}

    assert code_of(await http.put(f"{USERS}/{stranger}/roles", json=body, headers=boss.headers)) == "404 NOT_FOUND"


async def test_a_role_made_twice_at_once_is_made_once(http: httpx.AsyncClient, boss: Person) -> None:
    body = {"code": "once", "name": "Once", "permissions": [READ]}

    answers = await asyncio.gather(*(http.post(ROLES, json=body, headers=boss.headers) for _ in range(4)))

    assert sorted(code_of(answer) for answer in answers) == ["201", *["409 DUPLICATE"] * 3]
