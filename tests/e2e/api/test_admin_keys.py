"""API keys over HTTP: shown once, never able to do more than who made them, gone when they are revoked (P-43)."""

import asyncio
import datetime as dt
from uuid import UUID

import httpx
import pytest

from domain.access.credentials import KEY_FORM, KEY_MARK, hash_of, is_api_key
from tests.e2e.api.admins import KEYS, Headers, Person, a_key, code_of, own_role, somebody, statuses
from tests.e2e.api.company import Company, as_bearer
from tests.e2e.api.conftest import Connection, Founding
from tests.ledger.promises import show

READ, WRITE, MINE = "inventory.read", "inventory.write", "admin.apikeys"
STOCK = "/api/inventory"
TABLES = """
    SELECT relname FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND relname <> 'alembic_version'
"""


@pytest.fixture
async def boss(admin: Connection, company: Company) -> Person:
    return await somebody(admin, company)


async def make(http: httpx.AsyncClient, by: Headers, *scopes: str, **more: object) -> httpx.Response:
    return await http.post(KEYS, json={"name": "ERP", "scopes": scopes, **more}, headers=dict(by))


async def made(http: httpx.AsyncClient, by: Headers, *scopes: str, **more: object) -> tuple[str, Headers]:
    """The path of a new key, and its headers."""
    answer = await make(http, by, *scopes, **more)
    assert answer.status_code == 201, answer.text
    return f"{KEYS}/{answer.json()['data']['id']}", as_bearer(answer.json()["key"])


def soon(hours: float) -> str:
    return (dt.datetime.now(dt.UTC) + dt.timedelta(hours=hours)).isoformat()  # noqa: TID251 - a client's clock


async def test_a_key_is_shown_once_and_works(http: httpx.AsyncClient, company: Company, boss: Person) -> None:
    ends = soon(2)
    answer = await make(
        http, boss.headers, WRITE, READ, READ, locationIds=[company.facts["locationId"]], expiresAt=ends
    )
    key, shown = answer.json()["key"], answer.json()["data"]
    used = await http.get(STOCK, headers=as_bearer(key))
    listed = await http.get(KEYS, headers=boss.headers)

    assert is_api_key(key)
    assert answer.headers["Cache-Control"] == "no-store"
    assert (key.startswith(shown["prefix"]), key.endswith(shown["last4"])) == (True, True)
    assert shown["scopes"] == [READ, WRITE]
    assert shown["locationIds"] == [company.facts["locationId"]]
    assert dt.datetime.fromisoformat(shown["expiresAt"]) == dt.datetime.fromisoformat(ends)
    assert (shown["createdBy"], shown["revokedAt"], shown["version"]) == (str(boss.id), None, 1)
    assert used.status_code == 200
    assert listed.json()["data"][0] | {"usedAt": None} == shown
    assert KEY_FORM.search(listed.text) is None


async def test_a_repetition_shows_the_key_no_more_and_says_so(
    http: httpx.AsyncClient, admin: Connection, company: Company, boss: Person
) -> None:
    again = {**boss.headers, "Idempotency-Key": "key-1"}

    first, second = await make(http, again, READ), await make(http, again, READ)

    assert second.headers["Idempotency-Replayed"] == "true"
    assert second.headers["Cache-Control"] == "no-store"
    assert (second.status_code, second.json()["key"]) == (201, None)
    assert "rotate" in second.json()["notice"]
    assert second.json()["data"] == first.json()["data"]
    assert is_api_key(first.json()["key"])


@pytest.mark.parametrize(
    "body",
    [
        {"scopes": []},
        {"scopes": ["inventory.everything"]},
        {"scopes": ["*"]},
        {"locationIds": []},
        {"expiresAt": "2001-01-01T00:00:00Z"},
        {"expiresAt": "2099-01-01T00:00:00"},
        {"expiresAt": "9999-12-31T23:59:59.999999Z"},
        {"key": "sk_live_of_my_own"},
        {"name": " "},
        {"name": "two\nlines"},
    ],
)
async def test_a_key_of_nonsense_is_refused(
    http: httpx.AsyncClient, boss: Person, body: dict[str, object]
) -> None:
    answer = await http.post(KEYS, json={"name": "ERP", "scopes": [READ], **body}, headers=boss.headers)

    assert code_of(answer) == "400 VALIDATION_ERROR"


async def test_no_dump_of_the_database_has_a_usable_key_in_it(
    http: httpx.AsyncClient, admin: Connection, boss: Person
) -> None:
    issued = []
    for n in range(5):
        again = {**boss.headers, "Idempotency-Key": f"dump-{n}"}
        answer = await make(http, again, READ)
        rotated = await http.post(
            f"{KEYS}/{answer.json()['data']['id']}/rotate",
            json={},
            headers={**again, "Idempotency-Key": f"rotate-{n}"},
        )
        issued += [answer.json()["key"], rotated.json()["key"]]
        await http.get(STOCK, headers=as_bearer(issued[-1]))

    dump = ""
    for table in [row["relname"] for row in await admin.fetch(TABLES)]:
        rows = await admin.fetch(f"SELECT t::text FROM {table} t")
        dump += "\n".join(row[0] for row in rows)
    stored = [row[0] for row in await admin.fetch("SELECT convert_from(body, 'UTF8') FROM idempotency_keys")]
    dump += "\n".join(stored)
    usable = [key for key in issued if key in dump or key[12:-4] in dump]

    show("P-43", issued=len(issued), found_by_their_form=sum(map(bool, map(KEY_FORM.search, issued))), in_dump=0)
    assert all(KEY_FORM.fullmatch(key) for key in issued)
    assert all(hash_of(key).hex() in dump for key in issued)
    assert len([body for body in stored if KEY_MARK in body]) >= 10
    assert usable == []
    assert [text for text in KEY_FORM.findall(dump) if is_api_key(text)] == []


async def test_nobody_makes_a_key_that_can_do_more_than_they_can(
    http: httpx.AsyncClient, admin: Connection, company: Company
) -> None:
    here, there = company.facts["locationId"], company.facts["otherLocationId"]
    local = (await somebody(admin, company, "admin", at=here)).headers
    narrow = await a_key(admin, company, MINE, READ)
    bound = await a_key(admin, company, MINE, READ, WRITE, location_ids=[UUID(here)])

    refused = {
        "another scope": await make(http, narrow, READ, WRITE),
        "everywhere, by a person of one place": await make(http, local, READ),
        "elsewhere, by a person of one place": await make(http, local, READ, locationIds=[here, there]),
        "everywhere, by a key of one place": await make(http, bound, READ),
        "elsewhere, by a key of one place": await make(http, bound, READ, locationIds=[there]),
    }
    allowed = [
        await make(http, narrow, READ, MINE),
        await make(http, local, READ, "admin.settings", locationIds=[here]),
        await make(http, bound, WRITE, locationIds=[here]),
    ]
    unknown = await make(http, await a_key(admin, company, MINE, READ), READ, locationIds=[company.facts["binId"]])

    assert {what: code_of(answer) for what, answer in refused.items()} == {
        "another scope": "403 PERMISSION_DENIED",
        "everywhere, by a person of one place": "403 LOCATION_DENIED",
        "elsewhere, by a person of one place": "403 LOCATION_DENIED",
        "everywhere, by a key of one place": "403 LOCATION_DENIED",
        "elsewhere, by a key of one place": "403 LOCATION_DENIED",
    }
    assert [answer.status_code for answer in allowed] == [201, 201, 201]
    assert code_of(unknown) == "404 NOT_FOUND"


async def test_no_key_makes_one_that_outlives_it(http: httpx.AsyncClient, boss: Person) -> None:
    ends = soon(1)
    path, short = await made(http, boss.headers, MINE, READ, expiresAt=ends)

    refused = [await make(http, short, READ), await make(http, short, READ, expiresAt=soon(2))]
    allowed = await make(http, short, READ, expiresAt=soon(0.5))
    itself = await http.post(f"{path}/rotate", json={}, headers=dict(short))

    assert [code_of(answer) for answer in refused] == ["400 VALIDATION_ERROR"] * 2
    assert allowed.status_code == 201
    assert dt.datetime.fromisoformat(itself.json()["data"]["expiresAt"]) <= dt.datetime.fromisoformat(ends)


@pytest.mark.parametrize("overlap", [0, 24])
async def test_a_key_that_replaces_itself_passes_on_the_end_that_it_had_and_no_other(
    http: httpx.AsyncClient, boss: Person, overlap: int
) -> None:
    ends = soon(1)
    passing, short = await made(http, boss.headers, MINE, READ, expiresAt=ends)
    lasting, endless = await made(http, boss.headers, MINE, READ)

    after = [
        (await http.post(f"{path}/rotate", json={"overlapHours": overlap}, headers=dict(key))).json()
        for path, key in ((passing, short), (lasting, endless))
    ]

    assert dt.datetime.fromisoformat(after[0]["data"]["expiresAt"]) == dt.datetime.fromisoformat(ends)
    assert after[1]["data"]["expiresAt"] is None


async def test_nobody_changes_or_takes_over_a_key_that_can_do_more_than_they_can(
    http: httpx.AsyncClient, admin: Connection, company: Company, boss: Person
) -> None:
    path, strong = await made(http, boss.headers, READ, WRITE)
    clerk = dict(await a_key(admin, company, MINE, READ))

    refused = [
        await http.post(f"{path}/rotate", json={}, headers=clerk),
        await http.patch(path, json={"scopes": [READ], "expectedVersion": 1}, headers=clerk),
        await http.patch(path, json={"scopes": [READ, WRITE, MINE], "expectedVersion": 1}, headers=clerk),
        await http.patch(path, json={"expiresAt": soon(9), "expectedVersion": 1}, headers=clerk),
    ]
    renamed = await http.patch(path, json={"name": "Renamed", "expectedVersion": 1}, headers=clerk)
    working = await statuses(http, STOCK, strong)
    revoked = await http.post(f"{path}/revoke", headers=clerk)

    assert [code_of(answer) for answer in refused] == ["403 PERMISSION_DENIED"] * 4
    assert renamed.json()["data"]["name"] == "Renamed"
    assert working == {200}
    assert revoked.status_code == 200
    assert await statuses(http, STOCK, strong) == {401}


async def test_who_administers_one_location_sees_and_touches_its_keys_only(
    http: httpx.AsyncClient, admin: Connection, company: Company, boss: Person
) -> None:
    here, there = company.facts["locationId"], company.facts["otherLocationId"]
    local = (await somebody(admin, company, "admin", at=here)).headers
    everywhere, _ = await made(http, boss.headers, READ)
    both, _ = await made(http, boss.headers, READ, locationIds=[here, there])
    own, _ = await made(http, boss.headers, READ, locationIds=[here])

    listed = (await http.get(KEYS, headers=dict(local))).json()
    refused = [
        await http.request(method, f"{path}{act}", json=body, headers=dict(local))
        for path in (everywhere, both)
        for method, act, body in (
            ("POST", "/revoke", None),
            ("POST", "/rotate", {}),
            ("PATCH", "", {"name": "Mine", "expectedVersion": 1}),
        )
    ]
    widened = await http.patch(own, json={"locationIds": None, "expectedVersion": 1}, headers=dict(local))

    assert {key["id"] for key in listed["data"]} == {own.rpartition("/")[2], company.facts["apiKeyId"]}
    assert listed["pagination"]["total"] == 2
    assert [code_of(answer) for answer in refused] == ["403 LOCATION_DENIED"] * 6
    assert code_of(widened) == "403 LOCATION_DENIED"
    assert (await http.post(f"{own}/revoke", headers=dict(local))).status_code == 200


async def test_who_administers_keys_at_one_location_makes_none_for_all_of_them(
    http: httpx.AsyncClient, admin: Connection, company: Company
) -> None:
    """Though they may do themselves, at all locations, what the key could."""
    here = company.facts["locationId"]
    keeper = await own_role(admin, company, "keeper", MINE)
    local = (await somebody(admin, company, keeper, at=here, also=["viewer"])).headers
    path, _ = await made(http, local, READ, locationIds=[here])

    everywhere = await make(http, local, READ)
    widened = await http.patch(path, json={"locationIds": None, "expectedVersion": 1}, headers=dict(local))

    assert [code_of(answer) for answer in (everywhere, widened)] == ["403 LOCATION_DENIED"] * 2


async def test_what_a_key_loses_it_has_lost_in_every_process_at_once(
    http: httpx.AsyncClient, company: Company, boss: Person
) -> None:
    path, key = await made(http, boss.headers, READ, "products.read")
    before = await statuses(http, STOCK, key)

    body = {"scopes": ["products.read"], "name": "Catalog", "expectedVersion": 1}
    changed = await http.patch(path, json=body, headers=boss.headers)
    refused = await statuses(http, STOCK, key)
    stale = await http.patch(path, json=body | {"name": "Other"}, headers=boss.headers)
    same = await http.patch(path, json=body | {"expectedVersion": 2}, headers=boss.headers)

    assert (before, refused) == ({200}, {403})
    assert (changed.json()["data"]["version"], same.json()["data"]["version"]) == (2, 2)
    assert code_of(stale) == "409 STALE_VERSION"


async def test_a_revoked_key_is_refused_by_every_process_and_stays_so(
    http: httpx.AsyncClient, boss: Person
) -> None:
    path, key = await made(http, boss.headers, READ)
    before = await statuses(http, STOCK, key)

    first = await http.post(f"{path}/revoke", headers=boss.headers)
    refused = await statuses(http, STOCK, key)
    second = await http.post(f"{path}/revoke", headers=boss.headers)
    after = [
        await http.post(f"{path}/rotate", json={}, headers=boss.headers),
        await http.patch(path, json={"name": "Back", "expectedVersion": 2}, headers=boss.headers),
    ]

    assert (before, refused) == ({200}, {401})
    assert second.json() == first.json()
    assert [code_of(answer) for answer in after] == ["409 INVALID_TRANSITION"] * 2
    assert code_of(await http.get(STOCK, headers=dict(key))) == "401 REVOKED_API_KEY"


async def test_a_rotated_key_goes_on_beside_the_new_one_until_the_overlap_is_over(
    http: httpx.AsyncClient, company: Company, boss: Person
) -> None:
    place = [company.facts["locationId"]]
    path, old = await made(http, boss.headers, READ, locationIds=place, expiresAt=soon(500))

    answer = await http.post(f"{path}/rotate", json={"overlapHours": 1}, headers=boss.headers)
    new = answer.json()["data"]
    listed = (await http.get(KEYS, headers=boss.headers)).json()["data"]
    ended = next(key for key in listed if path.endswith(key["id"]))
    lasts = dt.datetime.fromisoformat(ended["expiresAt"]) - dt.datetime.fromisoformat(new["createdAt"])
    period = dt.datetime.fromisoformat(new["expiresAt"]) - dt.datetime.fromisoformat(new["createdAt"])

    assert answer.status_code == 201
    assert (new["rotatesId"], new["scopes"], new["locationIds"]) == (ended["id"], [READ], place)
    assert new["name"] == ended["name"]
    assert abs(lasts - dt.timedelta(hours=1)) < dt.timedelta(minutes=1)
    assert abs(period - dt.timedelta(hours=500)) < dt.timedelta(minutes=1)
    assert await statuses(http, STOCK, old) == {200}
    assert await statuses(http, STOCK, as_bearer(answer.json()["key"])) == {200}


async def test_without_an_overlap_the_old_key_is_refused_at_once(http: httpx.AsyncClient, boss: Person) -> None:
    path, old = await made(http, boss.headers, READ)
    await statuses(http, STOCK, old)

    answer = await http.post(f"{path}/rotate", json={"overlapHours": 0}, headers=boss.headers)

    assert await statuses(http, STOCK, old) == {401}
    assert code_of(await http.get(STOCK, headers=dict(old))) == "401 EXPIRED_API_KEY"
    assert await statuses(http, STOCK, as_bearer(answer.json()["key"])) == {200}
    assert answer.json()["data"]["expiresAt"] is None


@pytest.mark.parametrize(
    "body", [{"overlapHours": 169}, {"overlapHours": -1}, {"overlapHours": 1.5}, {"hours": 1}]
)
async def test_an_overlap_has_bounds(http: httpx.AsyncClient, boss: Person, body: dict[str, object]) -> None:
    path, _ = await made(http, boss.headers, READ)

    assert code_of(await http.post(f"{path}/rotate", json=body, headers=boss.headers)) == "400 VALIDATION_ERROR"


async def test_of_several_rotations_at_once_one_makes_a_successor(http: httpx.AsyncClient, boss: Person) -> None:
    path, _ = await made(http, boss.headers, READ)

    answers = await asyncio.gather(*(http.post(f"{path}/rotate", json={}, headers=boss.headers) for _ in range(4)))

    assert sorted(code_of(answer) for answer in answers) == ["201", *["409 INVALID_TRANSITION"] * 3]


async def test_a_key_that_is_rotated_and_revoked_at_once_is_refused_in_the_end(
    http: httpx.AsyncClient, boss: Person
) -> None:
    for _ in range(8):
        path, old = await made(http, boss.headers, READ)

        rotated, revoked = await asyncio.gather(
            http.post(f"{path}/rotate", json={}, headers=boss.headers),
            http.post(f"{path}/revoke", headers=boss.headers),
        )

        assert revoked.status_code == 200
        assert code_of(rotated) in {"201", "409 INVALID_TRANSITION"}
        assert await statuses(http, STOCK, old) == {401}
        if rotated.status_code == 201:
            assert await statuses(http, STOCK, as_bearer(rotated.json()["key"])) == {200}


async def test_a_key_that_has_just_been_revoked_makes_no_other_one(
    http: httpx.AsyncClient, admin: Connection, company: Company, boss: Person
) -> None:
    for _ in range(8):
        path, key = await made(http, boss.headers, MINE, READ)
        await statuses(http, KEYS, key)

        _, new = await asyncio.gather(http.post(f"{path}/revoke", headers=boss.headers), make(http, key, READ))

        if new.status_code == 201:
            was_valid = await admin.fetchval(
                "SELECT n.created_at < o.revoked_at FROM api_keys o, api_keys n WHERE o.id = $1 AND n.id = $2",
                UUID(path.rpartition("/")[2]),
                UUID(new.json()["data"]["id"]),
            )
            assert was_valid
        else:
            assert new.status_code in {401, 403}


async def test_the_list_is_searched_filtered_and_walked(
    http: httpx.AsyncClient, found: Founding, admin: Connection
) -> None:
    company = await found()
    boss = (await somebody(admin, company)).headers
    paths = [(await made(http, boss, READ, name=f"Number {n}"))[0] for n in range(5)]
    await http.post(f"{paths[2]}/revoke", headers=dict(boss))

    async def listed(**query: str | int) -> dict[str, object]:
        answer = await http.get(KEYS, params=query, headers=dict(boss))
        assert answer.status_code == 200, answer.text
        names = [key["name"] for key in answer.json()["data"]]
        return {"names": names, **answer.json()["pagination"]}

    first = await listed(search="number", limit=2)
    second = await listed(search="number", limit=2, cursor=str(first["nextCursor"]))
    third = await listed(search="number", limit=2, page=3, sort="createdAt")

    assert (first["names"], first["total"], first["totalPages"]) == (["Number 4", "Number 3"], 5, 3)
    assert second["names"] == ["Number 2", "Number 1"]
    assert (third["names"], third["nextCursor"]) == (["Number 4"], None)
    assert (await listed(search="number", active="false"))["names"] == ["Number 2"]
    assert (await listed(search="number", active="true"))["total"] == 4
    assert (await listed(page=99))["total"] == 7
