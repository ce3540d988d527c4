"""The catalog's routes, walked: what they answer, repeat, and whom they let where."""

from collections.abc import AsyncGenerator
from typing import Any

import httpx
import pytest

from domain.access.model import Permission
from domain.values import new_id
from infra.db.pool import Database
from tests.catalog_lab import CATALOG, CHANGES, KINDS, Shop, a_client, a_shop, bodies, code_of
from tests.lab import DatabaseUrls


@pytest.fixture(scope="module")
async def database(database_urls: DatabaseUrls) -> AsyncGenerator[Database]:
    database = await Database.connect(database_urls.app_url)
    yield database
    await database.close()


@pytest.fixture(scope="module")
async def client(database_urls: DatabaseUrls, database: Database) -> AsyncGenerator[httpx.AsyncClient]:
    async with a_client(database_urls, database) as client:
        yield client


@pytest.fixture
async def shop(database_urls: DatabaseUrls, database: Database, client: httpx.AsyncClient) -> Shop:
    return await a_shop(database_urls, database, client)


async def test_each_kind_is_created_read_listed_changed_and_deleted(shop: Shop) -> None:
    wanted = await bodies(shop)

    for kind in KINDS:
        path = f"/api/{kind}"
        made = await shop.made(path, wanted[kind])
        one = f"{path}/{made['id']}"
        assert made["version"] == 1
        assert {name: made[name] for name in wanted[kind]} == wanted[kind]
        assert (await shop.got(one))["data"] == made
        assert made in (await shop.got(path, limit=200))["data"]

        changed = await shop.send("PATCH", one, CHANGES[kind] | {"expectedVersion": 1})
        assert changed.status_code == 200, changed.text
        after = changed.json()["data"]
        assert after["version"] == 2
        assert (await shop.got(one))["data"] == after
        untouched = made.keys() - CHANGES[kind].keys() - {"version", "updatedAt"}
        assert {name: after[name] for name in untouched} == {name: made[name] for name in untouched}
        stale = await shop.send("PATCH", one, CHANGES[kind] | {"expectedVersion": 1})
        assert (*code_of(stale), stale.json()["details"]["actual"]) == (409, "STALE_VERSION", 2)

        gone = await shop.send("DELETE", one)
        assert gone.json() == {"data": {"id": made["id"], "deleted": True}}
        assert code_of(await shop.send("GET", one)) == (404, "NOT_FOUND")
        assert code_of(await shop.send("PATCH", one, CHANGES[kind])) == (404, "NOT_FOUND")
        assert code_of(await shop.send("DELETE", one)) == (404, "NOT_FOUND")


async def test_each_write_is_told_to_the_feed(shop: Shop) -> None:
    wanted = await bodies(shop)
    before = len(await shop.events())

    for kind in KINDS:
        made = await shop.made(f"/api/{kind}", wanted[kind])
        await shop.send("PATCH", f"/api/{kind}/{made['id']}", CHANGES[kind])
        await shop.send("DELETE", f"/api/{kind}/{made['id']}")

    told = (await shop.events())[before:]
    names = ["category", "uom", "conversion", "product", "location", "area", "bin", "lot"]
    assert [type_ for type_, _ in told] == [
        f"catalog.{name}.{act}.v1" for name in names for act in ("created", "changed", "deleted")
    ]
    assert dict(told)["catalog.product.changed.v1"]["changes"]["barcode"] == {"from": "5012345678900", "to": None}
    assert dict(told)["catalog.product.created.v1"]["unitCost"] == 2.35


async def test_a_repeated_key_creates_changes_and_deletes_once(shop: Shop) -> None:
    wanted = await bodies(shop)

    for kind in KINDS:
        path = f"/api/{kind}"

        async def twice(method: str, path: str, body: object) -> Any:
            headers = {"Idempotency-Key": f"key-{method}-{path}"}
            first = await shop.send(method, path, body, headers=headers)
            again = await shop.send(method, path, body, headers=headers)
            assert first.is_success, first.text
            assert (again.status_code, again.content) == (first.status_code, first.content)
            assert "Idempotency-Replayed" not in first.headers
            assert again.headers["Idempotency-Replayed"] == "true"
            return first.json()["data"]

        made = await twice("POST", path, wanted[kind])
        assert (await twice("PATCH", f"{path}/{made['id']}", CHANGES[kind]))["version"] == 2
        other = {"name": "x"} if kind != "uom-conversions" else {"factor": 3}
        if kind == "lots":
            other = {"supplierLot": "x"}
        key = {"Idempotency-Key": f"key-PATCH-{path}/{made['id']}"}
        reused = await shop.send("PATCH", f"{path}/{made['id']}", other, headers=key)
        assert code_of(reused) == (422, "IDEMPOTENCY_KEY_REUSED")
        await twice("DELETE", f"{path}/{made['id']}", None)


async def test_a_refusal_is_repeated_as_it_was(shop: Shop) -> None:
    uom = await shop.a_uom("EA")
    body, key = {"code": "EA", "name": "Each"}, {"Idempotency-Key": "again"}

    first = await shop.send("POST", "/api/uoms", body, headers=key)
    await shop.send("DELETE", f"/api/uoms/{uom}")
    again = await shop.send("POST", "/api/uoms", body, headers=key)

    assert code_of(first) == code_of(again) == (409, "DUPLICATE")
    assert first.content == again.content


async def test_a_natural_code_that_is_taken_names_its_field(shop: Shop) -> None:
    wanted = await bodies(shop)
    named = {"categories": "code", "uoms": "code", "products": "sku", "locations": "code", "areas": "code"}
    named |= {"bins": "code", "lots": "lotNumber", "uom-conversions": "toUomId"}

    for kind in KINDS:
        await shop.made(f"/api/{kind}", wanted[kind])
        again = await shop.send("POST", f"/api/{kind}", wanted[kind])
        assert code_of(again) == (409, "DUPLICATE"), kind
        assert again.json()["details"]["field"] == named[kind]


async def test_another_tenants_things_answer_like_what_is_not_there(
    shop: Shop, database_urls: DatabaseUrls, database: Database, client: httpx.AsyncClient
) -> None:
    neighbour = await a_shop(database_urls, database, client)
    theirs = await bodies(neighbour)

    for kind in KINDS:
        made = await neighbour.made(f"/api/{kind}", theirs[kind])
        for method, body in (("GET", None), ("PATCH", CHANGES[kind]), ("DELETE", None)):
            foreign = await shop.send(method, f"/api/{kind}/{made['id']}", body)
            unknown = await shop.send(method, f"/api/{kind}/{new_id()}", body)
            assert foreign.status_code == unknown.status_code == 404
            assert foreign.content == unknown.content
        assert made["id"] not in (await shop.send("GET", f"/api/{kind}", limit=200)).text


async def test_an_id_that_is_none_is_nothing(shop: Shop) -> None:
    assert (await shop.send("GET", "/api/products/not-an-id")).status_code == 404


PERMITTED = {
    "categories": "products",
    "uoms": "products",
    "uom-conversions": "products",
    "products": "products",
    "locations": "locations",
    "areas": "locations",
    "bins": "locations",
    "lots": "products",
}


async def test_each_route_asks_for_its_permission(shop: Shop) -> None:
    wanted = await bodies(shop)

    for kind, area in PERMITTED.items():
        made = await shop.made(f"/api/{kind}", wanted[kind])
        for right in ("read", "write"):
            missing = Permission(f"{area}.{right}")
            headers = await shop.a_key(*(set(CATALOG) - {missing}))
            reads = [("GET", f"/api/{kind}", None), ("GET", f"/api/{kind}/{made['id']}", None)]
            writes = [
                ("POST", f"/api/{kind}", wanted[kind]),
                ("PATCH", f"/api/{kind}/{made['id']}", CHANGES[kind]),
                ("DELETE", f"/api/{kind}/{made['id']}", None),
            ]
            for method, path, body in reads if right == "read" else writes:
                answer = await shop.send(method, path, body, headers=headers)
                assert code_of(answer) == (403, "PERMISSION_DENIED")
                assert answer.json()["details"]["permission"] == missing


async def test_a_caller_of_one_location_sees_and_writes_there_only(shop: Shop) -> None:
    mine, other = await shop.a_location("MINE"), await shop.a_location("OTHER")
    headers = await shop.a_key(*CATALOG, location_ids=[mine["id"]])
    made: dict[str, dict[str, Any]] = {}
    for kind in ("areas", "bins"):
        for place in (mine, other):
            made[f"{kind}/{place['code']}"] = await shop.made(
                f"/api/{kind}", {"locationId": place["id"], "code": "X", "name": "X"}
            )

    async def ask(method: str, path: str, body: object = None) -> httpx.Response:
        return await shop.send(method, path, body, headers=headers)

    listed = (await ask("GET", "/api/locations")).json()
    assert ([place["code"] for place in listed["data"]], listed["pagination"]["total"]) == (["MINE"], 1)
    assert code_of(await ask("GET", f"/api/locations/{other['id']}")) == (404, "NOT_FOUND")
    for kind in ("areas", "bins"):
        there, here = made[f"{kind}/OTHER"], made[f"{kind}/MINE"]
        page = (await ask("GET", f"/api/{kind}")).json()
        assert {place["locationId"] for place in page["data"]} == {mine["id"]}
        assert (await ask("GET", f"/api/{kind}", None)).json()["pagination"]["total"] == len(page["data"])
        assert code_of(await ask("GET", f"/api/{kind}/{there['id']}")) == (404, "NOT_FOUND")
        body = {"locationId": other["id"], "code": "Y", "name": "Y"}
        assert code_of(await ask("POST", f"/api/{kind}", body)) == (403, "LOCATION_DENIED")
        assert code_of(await ask("PATCH", f"/api/{kind}/{there['id']}", {"name": "Z"})) == (403, "LOCATION_DENIED")
        assert code_of(await ask("DELETE", f"/api/{kind}/{there['id']}")) == (403, "LOCATION_DENIED")
        assert (await ask("PATCH", f"/api/{kind}/{here['id']}", {"name": "Z"})).status_code == 200
        assert (await ask("DELETE", f"/api/{kind}/{here['id']}")).status_code == 200
    assert code_of(await ask("PATCH", f"/api/locations/{other['id']}", {"name": "Z"})) == (403, "LOCATION_DENIED")
    assert code_of(await ask("DELETE", f"/api/locations/{other['id']}")) == (403, "LOCATION_DENIED")
    new = {"code": "NEW", "name": "New", "type": "STORE", "timeZone": "UTC"}
    assert code_of(await ask("POST", "/api/locations", new)) == (403, "LOCATION_DENIED")
    assert (await ask("PATCH", f"/api/locations/{mine['id']}", {"name": "Z"})).status_code == 200


async def test_what_all_locations_share_is_not_changed_by_a_caller_of_one(shop: Shop) -> None:
    wanted = await bodies(shop)
    place = await shop.a_location("MINE")
    headers = await shop.a_key(*CATALOG, location_ids=[place["id"]])

    for kind in ("categories", "uoms", "uom-conversions", "products", "lots"):
        answer = await shop.send("POST", f"/api/{kind}", wanted[kind], headers=headers)
        assert code_of(answer) == (403, "LOCATION_DENIED")
        assert (await shop.send("GET", f"/api/{kind}", headers=headers)).status_code == 200
