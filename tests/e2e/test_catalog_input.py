"""Bad input to the catalog: each field and parameter refuses what it cannot be, and nothing changes."""

from collections.abc import AsyncGenerator
from typing import Any

import httpx
import pytest

from domain.values import new_id
from infra.db.pool import Database
from tests.catalog_lab import Shop, a_client, a_shop, bodies, code_of, fields_of
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
            if body != wanted[kind] and required not in {"type", "mixing", "unitCost", "timeZone"} | FLAGS:
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
