"""The catalog's routes: what they answer, refuse, repeat, and whom they let where."""

from collections.abc import AsyncGenerator
from typing import Any

import httpx
import pytest

from domain.access.model import Permission
from domain.values import new_id
from infra.db.pool import Database
from tests.catalog_lab import CATALOG, Shop, a_client, a_shop
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


def code_of(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["details"]["code"]


def fields_of(answer: httpx.Response) -> list[str]:
    assert code_of(answer) == (400, "VALIDATION_ERROR"), answer.text
    return [field["path"] for field in answer.json()["details"]["fields"]]


KINDS = ("categories", "uoms", "uom-conversions", "products", "locations", "areas", "bins", "lots")


async def bodies(shop: Shop) -> dict[str, dict[str, Any]]:
    """A good body for each kind, and what it needs to be good."""
    each, case = await shop.a_uom("EA"), await shop.a_uom("CS")
    location = await shop.a_location("HOME")
    controlled = await shop.a_product("CONTROLLED", isLotControlled=True)
    return {
        "categories": {"code": "TEA", "name": "Tea"},
        "uoms": {"code": "KG", "name": "Kilogram", "decimals": 3},
        "uom-conversions": {"fromUomId": case, "toUomId": each, "factor": 0.125},
        "products": {
            "sku": "TEA-1",
            "name": "Tea",
            "description": "Green.\nLoose.",
            "barcode": "5012345678900",
            "uomId": each,
            "unitCost": 2.35,
            "isLotControlled": True,
            "isExpiryRequired": True,
            "isRegulated": False,
            "shelfLifeDays": 540,
            "minRemainingShelfLifeDays": 90,
            "expiryWarningDays": 120,
            "lotPattern": "[A-Z]{2}[0-9]{4}",
        },
        "locations": {"code": "LEEDS", "name": "Leeds", "type": "STORE", "timeZone": "Europe/London"},
        "areas": {"locationId": location["id"], "code": "COLD", "name": "Cold store"},
        "bins": {
            "locationId": location["id"],
            "code": "A-01",
            "type": "PICKING",
            "zone": "A",
            "walkOrder": 10,
            "capacityUnits": 400,
            "capacityVolume": 1.5,
            "capacityWeight": 250.25,
            "mixing": "ONE_LOT",
        },
        "lots": {
            "productMasterId": controlled["id"],
            "lotNumber": "L-1",
            "expiryDate": "2031-06-30",
            "manufacturedDate": "2030-01-01",
            "supplierLot": "S-1",
        },
    }


CHANGES: dict[str, dict[str, Any]] = {
    "categories": {"name": "Infusions"},
    "uoms": {"name": "Kilo"},
    "uom-conversions": {"factor": 24},
    "products": {"name": "Green tea", "barcode": None},
    "locations": {"name": "Leeds shop", "capabilities": ["SHIPS", "COUNTS", "SHIPS"]},
    "areas": {"name": "Colder store"},
    "bins": {"zone": None, "walkOrder": 20},
    "lots": {"supplierLot": None, "expiryDate": "2031-07-01"},
}


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


WRONG: dict[str, dict[str, list[Any]]] = {
    "categories": {"code": ["", " ", 5, None, "x" * 65, "a\nb"], "name": ["", "x" * 201], "parentId": ["x", 5]},
    "uoms": {"code": ["", "x" * 33], "name": [None], "decimals": [-1, 5, 1.5, "1", True, 2**70]},
    "uom-conversions": {
        "fromUomId": ["x", None],
        "toUomId": ["x", None],
        "factor": [0, -1, "12", True, None, 1e10, 0.0000000001],
        "productMasterId": ["x"],
    },
    "products": {
        "sku": ["", "  ", None, 7, "x" * 65, "a\tb"],
        "name": ["", None, "x" * 301],
        "description": ["", "x" * 4001],
        "barcode": ["", "x" * 65],
        "categoryId": ["x", 1],
        "uomId": ["x", None],
        "unitCost": [-1, "1", None, True, 0.00001, 1e15, [1]],
        "isLotControlled": ["yes", 1, None],
        "isExpiryRequired": ["yes", 1, None],
        "isRegulated": ["yes", 1, None],
        "shelfLifeDays": [-1, 36_501, 1.5, "3"],
        "minRemainingShelfLifeDays": [-1, 541],
        "expiryWarningDays": [-1, 36_501],
        "lotPattern": ["", "(", "(a+", r"(a)\1", "x" * 201],
        "active": ["no", None],
    },
    "locations": {
        "code": ["", None],
        "name": ["", None],
        "type": ["SHOP", None, 1],
        "timeZone": ["", "London", "europe/london", "../../etc/passwd", None],
        "capabilities": [["FLIES"], "SHIPS", ["SHIPS"] * 21],
        "active": [1],
    },
    "areas": {"locationId": ["x", None], "code": ["", None], "name": ["", None]},
    "bins": {
        "locationId": ["x", None],
        "areaId": ["x"],
        "code": ["", None],
        "name": [""],
        "type": ["SHELF", None],
        "zone": ["", "x" * 65],
        "walkOrder": [-1, 1_000_001, 1.5, "1"],
        "capacityUnits": [-1, "1", 1e15, 0.00001],
        "capacityVolume": [-1],
        "capacityWeight": [-1],
        "mixing": ["SOME", None],
    },
    "lots": {
        "productMasterId": ["x", None],
        "lotNumber": ["", None, "x" * 65, "a\nb"],
        "expiryDate": ["2031-02-30", "30.6.2031", "2031-06-30T00:00:00Z", 20310630, "2029-12-31"],
        "manufacturedDate": ["x"],
        "supplierLot": ["", "x" * 65],
    },
}


async def test_each_field_refuses_what_it_cannot_be(shop: Shop) -> None:
    wanted = await bodies(shop)

    for kind, fields in WRONG.items():
        for field, values in fields.items():
            for value in values:
                answer = await shop.send("POST", f"/api/{kind}", wanted[kind] | {field: value})
                paths = fields_of(answer)
                # A list names the place in it; what two numbers together get wrong is said of one of them.
                assert any(path.partition("[")[0] == field for path in paths), (kind, field, value, answer.text)
        unknown = await shop.send("POST", f"/api/{kind}", wanted[kind] | {"tenantId": str(new_id())})
        assert code_of(unknown) == (400, "VALIDATION_ERROR")
        for required in [name for name, values in fields.items() if None in values]:
            body = {name: value for name, value in wanted[kind].items() if name != required}
            if body != wanted[kind] and required not in {"type", "mixing", "unitCost"} | FLAGS:
                assert (await shop.send("POST", f"/api/{kind}", body)).status_code == 400, (kind, required)


FLAGS = {"active", "isLotControlled", "isExpiryRequired", "isRegulated"}


async def test_a_change_is_as_strict_as_a_creation(shop: Shop) -> None:
    wanted = await bodies(shop)
    fixed = {("areas", "locationId"), ("bins", "locationId"), ("lots", "productMasterId")}
    fixed |= {("uom-conversions", name) for name in ("fromUomId", "toUomId", "productMasterId")}

    for kind, fields in WRONG.items():
        one = f"/api/{kind}/{(await shop.made(f'/api/{kind}', wanted[kind]))['id']}"
        for field, values in fields.items():
            for value in values:
                answer = await shop.send("PATCH", one, {field: value})
                assert answer.status_code == 400, (kind, field, value, answer.text)
        for field in [field for of, field in fixed if of == kind]:
            assert (await shop.send("PATCH", one, {field: wanted[kind].get(field)})).status_code == 400
        for nothing in ({}, {"expectedVersion": 1}):
            assert code_of(await shop.send("PATCH", one, nothing)) == (400, "VALIDATION_ERROR")
        assert (await shop.got(one))["data"]["version"] == 1


async def test_what_a_body_refers_to_must_be_there(shop: Shop) -> None:
    wanted = await bodies(shop)
    named = {
        "categories": ["parentId"],
        "uom-conversions": ["fromUomId", "toUomId", "productMasterId"],
        "products": ["categoryId", "uomId"],
        "areas": ["locationId"],
        "bins": ["locationId", "areaId"],
        "lots": ["productMasterId"],
    }

    for kind, fields in named.items():
        for field in fields:
            answer = await shop.send("POST", f"/api/{kind}", wanted[kind] | {field: str(new_id())})
            assert (*code_of(answer), answer.json()["details"]["field"]) == (404, "NOT_FOUND", field)


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


async def test_a_cursor_is_of_its_list_and_order_alone(shop: Shop) -> None:
    for n in range(3):
        await shop.a_product(f"P-{n}")
    cursor = (await shop.got("/api/products", limit=1))["pagination"]["nextCursor"]

    wrong: list[tuple[str, dict[str, Any]]] = [
        ("/api/products", {"cursor": cursor, "sort": "-sku"}),
        ("/api/products", {"cursor": cursor, "page": 2}),
        ("/api/products", {"cursor": cursor[:-3]}),
        ("/api/products", {"cursor": "not one"}),
        ("/api/products", {"cursor": ""}),
        ("/api/locations", {"cursor": cursor, "sort": "code"}),
        ("/api/bins", {"cursor": "WyJjb2RlIiwyLDMsWyJ4IiwieSJdXQ"}),
    ]
    for path, query in wrong:
        assert fields_of(await shop.send("GET", path, **query)) == ["cursor"], query


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"limit": 0}, "limit"),
        ({"limit": 201}, "limit"),
        ({"limit": "\u0665"}, "limit"),
        ({"page": 0}, "page"),
        ({"page": "x"}, "page"),
        ({"sort": "price"}, "sort"),
        ({"active": "maybe"}, "active"),
        ({"categoryId": "x"}, "categoryId"),
        ({"isLotControlled": "2"}, "isLotControlled"),
        ({"search": "x" * 101}, "search"),
        ({"sku": ""}, "sku"),
        ({"colour": "red"}, "colour"),
    ],
)
async def test_a_parameter_that_cannot_be_is_named(shop: Shop, query: dict[str, Any], field: str) -> None:
    assert fields_of(await shop.send("GET", "/api/products", **query)) == [field]


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


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"minQty": 2, "reorderQty": 1}, "reorderQty"),
        ({"minQty": 2, "maxQty": 1}, "maxQty"),
        ({"minQty": -1}, "minQty"),
        ({"safetyStock": "5"}, "safetyStock"),
        ({"leadTimeDays": -1}, "leadTimeDays"),
        ({"abcClass": "D"}, "abcClass"),
        ({"preferredBinId": "x"}, "preferredBinId"),
        ({"maximum": 1}, ""),
    ],
)
async def test_levels_that_cannot_be_are_refused(shop: Shop, body: dict[str, Any], field: str) -> None:
    product, location = await shop.a_product("CUP"), await shop.a_location("L")

    answer = await shop.send("PUT", f"/api/products/{product['id']}/inventory-levels/{location['id']}", body)

    assert fields_of(answer) == [field]


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
