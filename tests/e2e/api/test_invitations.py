"""How people come in, over HTTP: who may invite with what, and what a token is worth to whom."""

import asyncio
import datetime as dt
from collections.abc import Mapping
from typing import Any
from uuid import UUID

import httpx
import pytest

from domain.access.credentials import new_invitation_token
from tests.e2e.api.admins import USERS, Headers, Person, a_key, code_of, own_role, roles_of, somebody
from tests.e2e.api.company import PASSWORD, Company, add_user
from tests.e2e.api.conftest import Connection, Founding

INVITATIONS, ACCEPT, LOGIN = "/api/admin/invitations", "/api/auth/invitations/accept", "/api/auth/login"
SECRET = "nine violet lanterns over Tromsoe"


@pytest.fixture
async def boss(admin: Connection, company: Company) -> Person:
    return await somebody(admin, company)


async def invite(
    http: httpx.AsyncClient, by: Headers, company: Company, *, path: str = INVITATIONS, **body: Any
) -> httpx.Response:
    whole = {"email": f"new@{company.mark}.example", "name": f"New of {company.mark}", **body}
    return await http.post(path, json=whole, headers=dict(by))


async def accept(http: httpx.AsyncClient, token: str, password: str = SECRET, **body: str) -> httpx.Response:
    return await http.post(ACCEPT, json={"token": token, "password": password, **body})


async def token_of(http: httpx.AsyncClient, by: Headers, company: Company, **body: Any) -> str:
    answer = await invite(http, by, company, **body)
    assert answer.status_code == 201, answer.text
    token: str = answer.json()["token"]
    return token


@pytest.mark.parametrize("path", [INVITATIONS, USERS])
async def test_who_is_invited_makes_an_account_and_holds_what_they_were_invited_with(
    http: httpx.AsyncClient, admin: Connection, company: Company, boss: Person, path: str
) -> None:
    here = company.facts["locationId"]
    grants = [{"role": "operator", "locationIds": [here]}, {"role": "counter"}]

    made = await invite(
        http, boss.headers, company, path=path, grants=grants, email=f" New@{company.mark}.Example "
    )
    joined = await accept(http, made.json()["token"], name="Nina")
    entered = await http.post(LOGIN, json={"email": f"new@{company.mark}.example", "password": SECRET})

    me = entered.json()
    assert made.status_code == 201, made.text
    assert made.json()["data"]["state"] == "OPEN"
    assert joined.json() == {
        "data": {
            "email": f"new@{company.mark}.example",
            "tenant": company.slug,
            "tenantName": f"Tenant {company.mark}",
        }
    }
    assert me["user"]["name"] == "Nina"
    assert await roles_of(admin, company, UUID(me["user"]["id"])) == {("operator", here), ("counter", None)}


async def test_a_token_is_shown_once_and_kept_nowhere(
    http: httpx.AsyncClient, admin: Connection, company: Company, boss: Person
) -> None:
    headers = {**boss.headers, "Idempotency-Key": "invite-1"}

    first = await invite(http, headers, company)
    again = await invite(http, headers, company)
    listed = await http.get(INVITATIONS, headers=dict(boss.headers))
    token = first.json()["token"]

    assert again.headers["Idempotency-Replayed"] == "true"
    assert (again.status_code, again.json()["token"]) == (201, None)
    assert again.json()["data"] == first.json()["data"]
    assert first.headers["cache-control"] == "no-store"
    for answer in (again, listed):
        assert token not in answer.text
    assert await tables_with(admin, token) == []
    assert (await accept(http, token)).status_code == 201


async def tables_with(admin: Connection, text: str) -> list[str]:
    tables = [
        row[0]
        for row in await admin.fetch(
            "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'"
        )
    ]
    return [
        table
        for table in tables
        if await admin.fetchval(f"SELECT EXISTS (SELECT FROM {table} t WHERE strpos(t::text, $1) > 0)", text)
    ]


async def test_the_feed_tells_of_an_invitation_and_neither_its_token_nor_whom_it_is_for(
    http: httpx.AsyncClient, admin: Connection, company: Company, boss: Person
) -> None:
    token = await token_of(http, boss.headers, company)
    await accept(http, token)
    events = await admin.fetch(
        "SELECT type, payload FROM events WHERE tenant_id = $1 AND type LIKE 'access.%' ORDER BY position",
        company.tenant_id,
    )
    trail = await admin.fetch(
        "SELECT action, actor FROM audit_log WHERE tenant_id = $1 AND request_id IS NOT NULL ORDER BY action",
        company.tenant_id,
    )

    assert [row["type"] for row in events] == ["access.invitation.created.v1", "access.invitation.accepted.v1"]
    assert all(company.mark not in row["payload"] and token not in row["payload"] for row in events)
    # In one transaction, within a millisecond of which records have no order.
    assert [tuple(row) for row in trail] == [
        ("invitation.changed", f"New of {company.mark}"),
        ("invitation.created", f"Admin of {company.mark}"),
        ("membership.created", f"New of {company.mark}"),
        ("user.created", f"New of {company.mark}"),
    ]


async def spent(
    admin: Connection, http: httpx.AsyncClient, boss: Person, made: Mapping[str, Any], how: str
) -> None:
    id_ = made["data"]["id"]
    if how == "used":
        assert (await accept(http, made["token"])).status_code == 201
    elif how == "revoked":
        revoked = await http.post(f"{INVITATIONS}/{id_}/revoke", headers=dict(boss.headers))
        assert revoked.json()["data"]["state"] == "REVOKED"
    else:
        await admin.execute("UPDATE invitations SET expires_at = now() WHERE id = $1", UUID(id_))


async def test_a_token_that_is_worth_nothing_is_answered_alike_whatever_became_of_it(
    http: httpx.AsyncClient, admin: Connection, company: Company, boss: Person
) -> None:
    answers = {}
    for how in ("used", "revoked", "expired"):
        made = (await invite(http, boss.headers, company, email=f"{how}@{company.mark}.example")).json()
        await spent(admin, http, boss, made, how)
        answers[how] = await accept(http, made["token"], "another long enough pass phrase")
    answers["never there"] = await accept(http, new_invitation_token())
    answers["no token"] = await accept(http, "sk_inv_nonsense")

    assert {code_of(answer) for answer in answers.values()} == {"404 NOT_FOUND"}
    assert len({answer.text for answer in answers.values()}) == 1


async def test_a_token_works_once_however_many_try_at_the_same_time(
    http: httpx.AsyncClient, admin: Connection, company: Company, boss: Person
) -> None:
    token = await token_of(http, boss.headers, company)

    answers = await asyncio.gather(*(accept(http, token) for _ in range(6)))

    codes = sorted(code_of(answer) for answer in answers)
    members = await admin.fetchval(
        "SELECT count(*) FROM users u JOIN memberships m ON m.user_id = u.id WHERE u.email = $1",
        f"new@{company.mark}.example",
    )
    assert codes == ["201"] + ["404 NOT_FOUND"] * 5
    assert members == 1


async def test_two_tenants_that_invite_a_new_address_at_the_same_time_share_one_account(
    http: httpx.AsyncClient, admin: Connection, found: Founding, company: Company, boss: Person
) -> None:
    other = await found()
    email = f"shared@{company.mark}.example"
    tokens = [
        await token_of(http, boss.headers, company, email=email),
        await token_of(http, (await somebody(admin, other)).headers, other, email=email),
    ]

    answers = await asyncio.gather(*(accept(http, token) for token in tokens))

    assert [answer.status_code for answer in answers] == [201, 201], [answer.text for answer in answers]
    assert await admin.fetchval("SELECT count(*) FROM users WHERE email = $1", email) == 1


async def test_an_address_that_has_an_account_joins_with_its_own_password_and_stays_as_it_was(
    http: httpx.AsyncClient, admin: Connection, found: Founding, company: Company, boss: Person
) -> None:
    other = await found()
    user_id = await add_user(admin, other, "viewer")
    before = await admin.fetchrow("SELECT email, name, password_hash, version FROM users WHERE id = $1", user_id)
    assert before is not None
    made = await invite(http, boss.headers, company, email=before["email"])
    unknown = await invite(http, boss.headers, company, email=f"nobody@{company.mark}.example")
    token = made.json()["token"]

    wrong = await accept(http, token, SECRET)
    right = await accept(http, token, PASSWORD)

    own = ("id", "email", "createdAt", "updatedAt", "expiresAt")
    one, other_one = (
        {name: value for name, value in answer.json()["data"].items() if name not in own}
        for answer in (made, unknown)
    )
    assert one == other_one
    assert (code_of(wrong), right.status_code) == ("401 INVALID_CREDENTIALS", 201)
    assert before == await admin.fetchrow(
        "SELECT email, name, password_hash, version FROM users WHERE id = $1", user_id
    )
    assert {
        row[0] for row in await admin.fetch("SELECT tenant_id FROM memberships WHERE user_id = $1", user_id)
    } == {
        company.tenant_id,
        other.tenant_id,
    }


async def test_an_invitation_is_no_way_to_guess_the_password_of_an_account(
    http: httpx.AsyncClient, admin: Connection, found: Founding, company: Company, boss: Person
) -> None:
    email = await admin.fetchval(
        "SELECT email FROM users WHERE id = $1", await add_user(admin, await found(), "viewer")
    )
    token = await token_of(http, boss.headers, company, email=email)

    codes = [code_of(await accept(http, token, f"guess number {n} of many")) for n in range(8)]

    assert codes[0] == "401 INVALID_CREDENTIALS"
    assert codes[-1] == "429 RATE_LIMITED"


@pytest.mark.parametrize("password", ["short", "password password", "x" * 1025, "aaaaaaaaaaaaaaaaaaaa"])
async def test_a_new_password_is_held_to_the_policy(
    http: httpx.AsyncClient, company: Company, boss: Person, password: str
) -> None:
    token = await token_of(http, boss.headers, company)

    refused = await accept(http, token, password)
    accepted = await accept(http, token)

    assert code_of(refused) == "400 VALIDATION_ERROR"
    assert accepted.status_code == 201


async def test_a_password_counts_exactly_as_it_was_typed(
    http: httpx.AsyncClient, company: Company, boss: Person
) -> None:
    typed = f"  {SECRET} e\u0301 "
    await accept(http, await token_of(http, boss.headers, company), typed)

    entered = [
        (await http.post(LOGIN, json={"email": f"new@{company.mark}.example", "password": tried})).status_code
        for tried in (typed, typed.strip())
    ]

    assert entered == [200, 401]


async def test_nobody_invites_with_more_than_they_hold(
    http: httpx.AsyncClient, admin: Connection, company: Company
) -> None:
    here, there = company.facts["locationId"], company.facts["otherLocationId"]
    await own_role(admin, company, "host", "admin.users", "inventory.read")
    host = await somebody(admin, company, "host")
    local = await somebody(admin, company, "admin", at=here)
    key = await a_key(admin, company, "admin.users", "inventory.cyclecount")

    codes = [
        code_of(await invite(http, by, company, grants=[grant], email=f"x{n}@{company.mark}.example"))
        for n, (by, grant) in enumerate(
            [
                (host.headers, {"role": "admin"}),
                (host.headers, {"role": "viewer"}),
                (host.headers, {"role": "host"}),
                (local.headers, {"role": "admin"}),
                (local.headers, {"role": "viewer", "locationIds": [there]}),
                (local.headers, {"role": "viewer", "locationIds": [here, there]}),
                (local.headers, {"role": "admin", "locationIds": [here]}),
                (key, {"role": "viewer"}),
                (key, {"role": "counter"}),
            ]
        )
    ]

    assert codes == [
        *("403 PERMISSION_DENIED", "403 PERMISSION_DENIED", "201"),
        *("403 LOCATION_DENIED", "403 LOCATION_DENIED", "403 LOCATION_DENIED", "201"),
        *("403 PERMISSION_DENIED", "201"),
    ]


@pytest.mark.parametrize("how", ["disabled", "demoted", "role widened"])
async def test_an_invitation_is_worth_what_who_made_it_could_give_when_it_is_accepted(
    http: httpx.AsyncClient, admin: Connection, company: Company, boss: Person, how: str
) -> None:
    await own_role(admin, company, "host", "admin.users", "inventory.read")
    await own_role(admin, company, "guest", "inventory.read")
    host = await somebody(admin, company, "host")
    token = await token_of(http, host.headers, company, grants=[{"role": "guest"}])

    if how == "disabled":
        body: dict[str, Any] = {"active": False, "expectedVersion": 1}
        done = await http.patch(f"{USERS}/{host.id}", json=body, headers=dict(boss.headers))
    elif how == "demoted":
        done = await http.put(host.roles, json={"grants": [], "expectedVersion": 1}, headers=dict(boss.headers))
    else:
        body = {"permissions": ["inventory.read", "inventory.adjust"], "expectedVersion": 1}
        done = await http.patch("/api/admin/roles/guest", json=body, headers=dict(boss.headers))

    assert done.status_code == 200, done.text
    assert code_of(await accept(http, token)) == "404 NOT_FOUND"


async def test_who_administers_people_at_one_location_invites_to_nothing_for_all_of_them(
    http: httpx.AsyncClient, admin: Connection, company: Company, boss: Person
) -> None:
    """Though they hold it themselves at all locations; nor does what they made when they could."""
    here = company.facts["locationId"]
    await own_role(admin, company, "host", "admin.users")
    local = await somebody(admin, company, "host", at=here, also=["viewer"])
    moved = await somebody(admin, company, "host", also=["viewer"])
    token = await token_of(http, moved.headers, company, grants=[{"role": "viewer"}])
    grants = [{"role": "host", "locationIds": [here]}, {"role": "viewer"}]
    body = {"grants": grants, "expectedVersion": 1}
    assert (await http.put(moved.roles, json=body, headers=dict(boss.headers))).status_code == 200

    refused = await invite(http, local.headers, company, grants=[{"role": "viewer"}], email="x@y.example")

    assert code_of(refused) == "403 LOCATION_DENIED"
    assert code_of(await accept(http, token)) == "404 NOT_FOUND"


async def test_what_cannot_be_meant_is_refused(
    http: httpx.AsyncClient, company: Company, found: Founding, boss: Person
) -> None:
    elsewhere = (await found()).facts["locationId"]
    here = company.facts["locationId"]
    bodies: list[dict[str, Any]] = [
        {"email": "no address"},
        {"email": "two words@acme.example"},
        {"name": "two\nlines"},
        {"grants": [{"role": "emperor"}]},
        {"grants": [{"role": "viewer"}, {"role": "viewer", "locationIds": [here]}]},
        {"grants": [{"role": "viewer", "locationIds": [here, here]}]},
        {"grants": [{"role": "viewer", "locationIds": []}]},
        {"expiresInHours": 0},
        {"expiresInHours": 721},
        {"password": SECRET},
    ]

    codes = {code_of(await invite(http, boss.headers, company, **body)) for body in bodies}
    foreign = await invite(http, boss.headers, company, grants=[{"role": "viewer", "locationIds": [elsewhere]}])

    assert codes == {"400 VALIDATION_ERROR"}
    assert code_of(foreign) == "404 NOT_FOUND"


async def test_an_address_is_invited_once_and_no_member_at_all(
    http: httpx.AsyncClient, company: Company, boss: Person
) -> None:
    token = await token_of(http, boss.headers, company)

    twice = await invite(http, boss.headers, company)
    await accept(http, token)
    member = await invite(http, boss.headers, company)

    assert [code_of(answer) for answer in (twice, member)] == ["409 DUPLICATE"] * 2


async def test_only_what_is_open_is_revoked_and_another_tenant_s_is_not_there(
    http: httpx.AsyncClient, admin: Connection, found: Founding, company: Company, boss: Person
) -> None:
    path = f"{INVITATIONS}/{company.facts['invitationId']}/revoke"
    stranger = await somebody(admin, await found())

    foreign = await http.post(path, headers=dict(stranger.headers))
    first, again = [await http.post(path, headers=dict(boss.headers)) for _ in range(2)]
    states = {
        state: [
            one["id"]
            for one in (await http.get(INVITATIONS, params={"state": state}, headers=dict(boss.headers))).json()[
                "data"
            ]
        ]
        for state in ("OPEN", "REVOKED", "ACCEPTED")
    }

    assert code_of(foreign) == "404 NOT_FOUND"
    assert (first.json()["data"]["state"], code_of(again)) == ("REVOKED", "409 INVALID_TRANSITION")
    assert states == {
        "OPEN": [company.facts["elsewhereInvitationId"]],
        "REVOKED": [company.facts["invitationId"]],
        "ACCEPTED": [],
    }


async def test_an_invitation_lasts_as_long_as_it_says(
    http: httpx.AsyncClient, company: Company, boss: Person
) -> None:
    data = (await invite(http, boss.headers, company, expiresInHours=2)).json()["data"]

    made, ends = (dt.datetime.fromisoformat(data[name]) for name in ("createdAt", "expiresAt"))
    assert ends - made == dt.timedelta(hours=2)
