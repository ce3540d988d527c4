"""The catalog as its users meet it: lists, what is in use, lots, levels."""

from collections.abc import AsyncGenerator
from typing import Any

import httpx
import pytest

from domain.values import new_id
from infra.db.pool import Database
from tests.catalog_lab import CATALOG, Shop, a_client, a_shop, code_of, fields_of
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


async def test_a_list_goes_on_by_cursor_and_tells_the_total_all_the_way(shop: Shop) -> None:
    for n in range(5):
        await shop.a_product(f"P-{n}")
    seen: list[str] = []
    cursor = None

    for number in (1, 2, 3):
        page = await shop.got("/api/products", limit=2, cursor=cursor, sort="-sku")
        seen += [product["sku"] for product in page["data"]]
        cursor = page["pagination"].pop("nextCursor")
        assert page["pagination"] == {"page": number, "pageSize": 2, "total": 5, "totalPages": 3}

    assert seen == ["P-4", "P-3", "P-2", "P-1", "P-0"]
    assert cursor is None


async def test_lists_are_filtered(shop: Shop) -> None:
    tea = await shop.made("/api/categories", {"code": "TEA", "name": "Tea"})
    green = await shop.made("/api/categories", {"code": "GREEN", "name": "Green", "parentId": tea["id"]})
    await shop.a_product("SENCHA", categoryId=green["id"], isLotControlled=True, barcode="123")
    await shop.a_product("CUP", active=False, isRegulated=True)

    async def found(path: str, **query: Any) -> list[str]:
        data = (await shop.got(path, **query))["data"]
        return [item.get("sku") or item.get("code") for item in data]

    assert await found("/api/products", categoryId=tea["id"]) == ["SENCHA"]
    assert await found("/api/products", active="true") == ["SENCHA"]
    assert await found("/api/products", active="false") == ["CUP"]
    assert await found("/api/products", isLotControlled="true") == ["SENCHA"]
    assert await found("/api/products", isRegulated="true") == ["CUP"]
    assert await found("/api/products", barcode="123") == ["SENCHA"]
    assert await found("/api/products", sku="CUP") == ["CUP"]
    assert await found("/api/products", search="enc") == ["SENCHA"]
    assert await found("/api/products", search=" ") == ["CUP", "SENCHA"]
    assert await found("/api/categories", parentId=tea["id"]) == ["GREEN"]
    shop_one, depot = await shop.a_location("S", type="STORE"), await shop.a_location("D", type="DEPOT")
    assert await found("/api/locations", type="STORE") == ["S"]
    assert await found("/api/locations", capability="SELLS") == ["S"]
    for place, type_ in ((shop_one, "PICKING"), (depot, "HOLD")):
        await shop.made("/api/bins", {"locationId": place["id"], "code": "B", "type": type_, "zone": type_})
    assert await found("/api/bins", locationId=depot["id"], type="HOLD") == ["B"]
    assert await found("/api/bins", zone="PICKING") == ["B"]


async def test_default_lots_are_listed_when_they_are_asked_for(shop: Shop) -> None:
    product = await shop.a_product("CUP")

    assert (await shop.got("/api/lots"))["data"] == []
    (lot,) = (await shop.got("/api/lots", includeDefault="true"))["data"]
    assert (lot["lotNumber"], lot["isDefault"], lot["productMasterId"]) == ("", True, product["id"])
    assert code_of(await shop.send("DELETE", f"/api/lots/{lot['id']}")) == (409, "IN_USE")
    assert code_of(await shop.send("PATCH", f"/api/lots/{lot['id']}", {"lotNumber": "X"})) == (409, "IN_USE")


async def test_a_lot_goes_out_of_use_and_comes_back(shop: Shop) -> None:
    product = await shop.a_product("TEA", isLotControlled=True)
    lot = await shop.made("/api/lots", {"productMasterId": product["id"], "lotNumber": "L"})

    states = [
        (await shop.send("PATCH", f"/api/lots/{lot['id']}", {"active": active})).json()["data"]["status"]
        for active in (False, True)
    ]

    assert states == ["INACTIVE", "ACTIVE"]


async def test_what_is_in_use_says_by_what_and_can_be_deactivated(shop: Shop) -> None:
    product, location = await shop.a_product("CUP"), await shop.a_location("L")
    await shop.receive(product["id"], location["id"], 3)

    for path in (f"/api/products/{product['id']}", f"/api/locations/{location['id']}"):
        refused = await shop.send("DELETE", path)
        assert code_of(refused) == (409, "IN_USE")
        assert refused.json()["details"]["usedBy"] == {"stockLines": 1}
        for active in (False, True):
            assert (await shop.send("PATCH", path, {"active": active})).json()["data"]["active"] is active


async def test_a_bin_with_stock_stays_on_its_side(shop: Shop) -> None:
    product, location = await shop.a_product("CUP"), await shop.a_location("L")
    place = await shop.made("/api/bins", {"locationId": location["id"], "code": "B"})
    await shop.receive(product["id"], location["id"], 3, bin_id=place["id"])

    refused = await shop.send("PATCH", f"/api/bins/{place['id']}", {"type": "QUARANTINE"})

    assert code_of(refused) == (409, "IN_USE")
    assert (await shop.send("PATCH", f"/api/bins/{place['id']}", {"type": "STAGING"})).status_code == 200


async def test_lot_control_waits_until_the_stock_without_lots_is_gone(shop: Shop) -> None:
    product, location = await shop.a_product("CUP"), await shop.a_location("L")
    await shop.receive(product["id"], location["id"], 3)

    refused = await shop.send("PATCH", f"/api/products/{product['id']}", {"isLotControlled": True})

    assert code_of(refused) == (409, "IN_USE")


async def test_levels_are_set_and_replaced_as_a_whole(shop: Shop) -> None:
    product, location, source = (
        await shop.a_product("CUP"),
        await shop.a_location("L"),
        await shop.a_location("DC"),
    )
    path = f"/api/products/{product['id']}/inventory-levels/{location['id']}"
    body = {
        "minQty": 10,
        "reorderQty": 25.5,
        "maxQty": 100,
        "safetyStock": 5,
        "preferredBinId": location["defaultBinId"],
        "sourceLocationId": source["id"],
        "leadTimeDays": 7,
        "abcClass": "A",
    }

    first = await shop.send("PUT", path, body | {"expectedVersion": 0})
    assert first.status_code == 200, first.text
    assert {name: first.json()["data"][name] for name in body} == body
    again = await shop.send("PUT", path, {"minQty": 1, "expectedVersion": 1})
    assert (again.json()["data"]["version"], again.json()["data"]["maxQty"]) == (2, None)
    stale = await shop.send("PUT", path, {"expectedVersion": 1})
    assert (*code_of(stale), stale.json()["details"]["actual"]) == (409, "STALE_VERSION", 2)
    key = {"Idempotency-Key": "levels"}
    kept = [(await shop.send("PUT", path, {"maxQty": 7}, headers=key)).json()["data"]["version"] for _ in "12"]
    assert kept == [3, 3]


async def test_levels_name_what_is_not_there_and_stay_within_the_callers_locations(shop: Shop) -> None:
    product, location, other = (
        await shop.a_product("CUP"),
        await shop.a_location("L"),
        await shop.a_location("O"),
    )
    path = f"/api/products/{product['id']}/inventory-levels"

    async def missing(path: str, body: object) -> str:
        answer = await shop.send("PUT", path, body)
        assert code_of(answer) == (404, "NOT_FOUND"), answer.text
        return str(answer.json()["details"]["field"])

    here = f"{path}/{location['id']}"
    assert await missing(here, {"preferredBinId": other["defaultBinId"]}) == "preferredBinId"
    assert await missing(here, {"sourceLocationId": str(new_id())}) == "sourceLocationId"
    assert await missing(f"{path}/{new_id()}", {}) == "locationId"
    nowhere = f"/api/products/{new_id()}/inventory-levels/{location['id']}"
    assert await missing(nowhere, {}) == "productMasterId"
    assert fields_of(await shop.send("PUT", here, {"sourceLocationId": location["id"]})) == ["sourceLocationId"]
    headers = await shop.a_key(*CATALOG, location_ids=[location["id"]])
    assert (await shop.send("PUT", here, {"minQty": 1}, headers=headers)).status_code == 200
    denied = await shop.send("PUT", f"{path}/{other['id']}", {"minQty": 1}, headers=headers)
    assert code_of(denied) == (403, "LOCATION_DENIED")


async def test_a_category_cannot_be_moved_below_itself(shop: Shop) -> None:
    top = await shop.made("/api/categories", {"code": "TOP", "name": "Top"})
    low = await shop.made("/api/categories", {"code": "LOW", "name": "Low", "parentId": top["id"]})

    answer = await shop.send("PATCH", f"/api/categories/{top['id']}", {"parentId": low["id"]})
    moved = await shop.send("PATCH", f"/api/categories/{low['id']}", {"parentId": None})

    assert fields_of(answer) == ["parentId"]
    assert moved.json()["data"]["parentId"] is None


async def test_a_location_has_what_is_usual_for_its_type_unless_it_is_said(shop: Shop) -> None:
    usual = await shop.a_location("STORE", type="STORE")
    said = await shop.a_location("BARE", type="STORE", capabilities=[])

    assert usual["capabilities"] == ["COUNTS", "PICKS", "RECEIVES", "SELLS"]
    assert said["capabilities"] == []
