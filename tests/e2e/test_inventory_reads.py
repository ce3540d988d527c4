"""Stock read over the API, right after it was written and as it stood before."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest

from domain.access.model import Permission
from tests.e2e.api.company import Company, add_key, as_bearer, master_key
from tests.lab import Served

PUBLISHED = (
    *("id", "productMasterId", "productName", "globalSku", "locationId", "locationName", "quantityOnHand"),
    *("quantityReserved", "quantityAvailable", "quantityOnHold", "lotId", "lotNumber", "expiryDate", "binId"),
    *("binName", "binType", "uom", "unitCost", "totalValue", "lastCountedAt", "updatedAt", "version"),
)
ENTRY = {
    *("id", "inventoryItemId", "transactionType", "deltaQty", "qtyBefore", "qtyAfter", "reasonCode", "comment"),
    *("actor", "createdAt"),
}
POSITION = "X-Ledger-Position"

type Connection = asyncpg.Connection[Any]


async def get(http: httpx.AsyncClient, address: str, **query: Any) -> Any:
    answer = await http.get(address, params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def adjusted(http: httpx.AsyncClient, company: Company, quantity: int, **more: Any) -> httpx.Response:
    body = {
        "inventoryItemId": company.fact("inventoryItemId"),
        "type": "INCREASE" if quantity > 0 else "DECREASE",
        "quantity": abs(quantity),
        "reasonCodeId": company.fact("reasonCodeId"),
        "comment": "Found behind the rack",
        **more,
    }
    answer = await http.post("/api/inventory/adjust", json=body)
    assert answer.status_code == 200, answer.text
    return answer


async def the_item(http: httpx.AsyncClient, company: Company, **query: Any) -> Any:
    items = (await get(http, "/api/inventory", productMasterId=company.fact("productMasterId"), **query))["items"]
    return next(item for item in items if item["id"] == company.fact("inventoryItemId"))


async def test_an_item_has_the_published_fields_in_their_order(http: httpx.AsyncClient) -> None:
    listed = await get(http, "/api/inventory")

    assert listed.keys() == {"items", "pagination"}
    assert all(tuple(item) == PUBLISHED for item in listed["items"])
    assert listed["pagination"]["pageSize"] == 20
    assert listed["pagination"]["total"] == len(listed["items"]) > 3


async def test_what_was_written_is_read_at_the_position_that_the_writer_was_told(
    http: httpx.AsyncClient, company: Company
) -> None:
    before = await the_item(http, company)
    written = await adjusted(http, company, 3)
    position = int(written.headers[POSITION])

    answer = await http.get("/api/inventory", headers={"X-Min-Ledger-Position": str(position)})
    after = await the_item(http, company)

    assert answer.status_code == 200
    assert int(answer.headers[POSITION]) >= position
    assert after["quantityOnHand"] == before["quantityOnHand"] + 3
    assert after["version"] == before["version"] + 1


@pytest.mark.parametrize(
    "address",
    [
        "/api/inventory",
        "/api/inventory/locations",
        "/api/inventory/movements",
        "/api/inventory/{inventoryItemId}/history",
        "/api/inventory/transactions/{transactionId}",
        "/api/inventory/adjustments",
        "/api/inventory/adjustments/record-stock",
        "/api/products/{productMasterId}/inventory-levels",
    ],
)
async def test_nothing_older_is_served_than_is_asked_for(
    http: httpx.AsyncClient, company: Company, address: str
) -> None:
    path = company.path(address)
    position = int((await http.get(path)).headers[POSITION])

    exact = await http.get(path, headers={"X-Min-Ledger-Position": str(position)})
    beyond = await http.get(path, headers={"X-Min-Ledger-Position": str(position + 1)})

    assert exact.status_code == 200
    assert beyond.status_code == 503
    assert beyond.headers["Retry-After"] == "1"
    assert beyond.json()["details"] == {
        "code": "UNAVAILABLE",
        "retryAfter": 1,
        "position": position,
        "wanted": position + 1,
    }


async def test_a_list_is_walked_by_its_cursor(http: httpx.AsyncClient) -> None:
    everything = (await get(http, "/api/inventory", limit=100))["items"]

    page = await get(http, "/api/inventory", limit=2)
    walked, numbers = page["items"], [page["pagination"]["page"]]
    while (cursor := page["pagination"]["nextCursor"]) is not None:
        page = await get(http, "/api/inventory", limit=2, cursor=cursor)
        walked += page["items"]
        numbers.append(page["pagination"]["page"])

    assert walked == everything
    assert numbers == list(range(1, page["pagination"]["totalPages"] + 1))


async def test_a_cursor_goes_on_in_its_own_list_only(http: httpx.AsyncClient, company: Company) -> None:
    cursors = {
        path: (await get(http, path, limit=1))["pagination"]["nextCursor"]
        for path in ("/api/inventory", "/api/inventory/movements", "/api/inventory/adjustments")
    }
    location = company.fact("locationId")
    wrong = [
        ("/api/inventory", {"cursor": cursors["/api/inventory"], "locationId": location}),
        ("/api/inventory", {"cursor": cursors["/api/inventory"], "page": 1}),
        ("/api/inventory", {"cursor": cursors["/api/inventory/movements"]}),
        ("/api/inventory/movements", {"cursor": cursors["/api/inventory/movements"], "sort": "position"}),
        ("/api/inventory/movements", {"cursor": "bm9uZQ"}),
        ("/api/inventory/adjustments", {"cursor": cursors["/api/inventory/adjustments"], "offset": 1}),
    ]

    for path, query in wrong:
        answer = await http.get(path, params=query)
        assert answer.status_code == 400, (path, query)
        assert [field["path"] for field in answer.json()["details"]["fields"]] == ["cursor"]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=%D9%A5", "limit"),
        ("page=0", "page"),
        ("locationId=here", "locationId"),
        ("status=GONE", "status"),
        ("sort=globalSku", "sort"),
        ("sort=colour", "sort"),
        ("expiringBefore=2026-02-30", "expiringBefore"),
        ("asOf=2026-01-01", "asOf"),
        ("asOf=2026-01-01T00:00:00", "asOf"),
        ("asOf=1767225600", "asOf"),
        ("asOf=2026-01-01T00:00:00Z&status=AVAILABLE", "status"),
        ("asOf=2026-01-01T00:00:00Z&search=a&sort=quantityOnHand", "sort"),
        ("asOfBasis=mine", "asOfBasis"),
        ("search=%00", "search"),
        ("locatonId=1", "locatonId"),
    ],
)
async def test_what_cannot_be_meant_is_refused_by_its_name(
    http: httpx.AsyncClient, query: str, field: str
) -> None:
    answer = await http.get(f"/api/inventory?{query}")

    assert answer.status_code == 400
    assert [problem["path"] for problem in answer.json()["details"]["fields"]] == [field]


async def test_stock_as_it_stood_depends_on_whether_it_had_happened_or_was_on_record(
    http: httpx.AsyncClient, company: Company
) -> None:
    now = datetime.now(UTC)  # noqa: TID251
    stood = (await the_item(http, company))["quantityOnHand"]
    yesterday = (now - timedelta(days=1)).isoformat()
    await adjusted(http, company, 7, effectiveAt=(now - timedelta(days=2)).isoformat())

    happened = await the_item(http, company, asOf=yesterday)
    recorded = await the_item(http, company, asOf=now.isoformat(), asOfBasis="recorded")

    assert (
        happened["quantityOnHand"] - recorded["quantityOnHand"] == 7 - stood
    )  # nothing else had happened by then
    assert recorded["quantityOnHand"] == stood
    assert (happened["quantityReserved"], happened["quantityAvailable"]) == (None, None)


async def test_an_adjustment_is_an_entry_a_movement_and_a_transaction(
    http: httpx.AsyncClient, company: Company
) -> None:
    item = company.fact("inventoryItemId")
    told = (await adjusted(http, company, -2)).json()["transaction"]

    entry = (await get(http, "/api/inventory/adjustments", inventoryItemId=item))["entries"][0]
    movement = (await get(http, f"/api/inventory/{item}/history"))["data"][0]
    transaction = (await get(http, f"/api/inventory/transactions/{told['id']}"))["data"]

    assert entry.keys() >= ENTRY
    assert {name: entry[name] for name in told} == told
    assert (entry["reasonCode"], entry["comment"]) == (f"FOUND-{company.mark}", "Found behind the rack")
    assert movement["position"] == entry["position"] == transaction["ledgerPosition"]
    assert (movement["qtyBefore"], movement["deltaQty"], movement["qtyAfter"]) == (
        told["qtyBefore"],
        -2,
        told["qtyAfter"],
    )
    assert [one["deltaQty"] for one in transaction["movements"]] == [-2]
    assert transaction["transactionType"] == "ADJUSTMENT"


async def test_adjustments_of_a_day_include_the_whole_day(http: httpx.AsyncClient, company: Company) -> None:
    told = (await adjusted(http, company, 1)).json()["transaction"]
    day = told["createdAt"][:10]
    before = (datetime.fromisoformat(day) - timedelta(days=1)).date().isoformat()

    async def found(**query: str) -> bool:
        entries = (await get(http, "/api/inventory/adjustments", **query))["entries"]
        return told["id"] in {entry["id"] for entry in entries}

    assert await found(startDate=day, endDate=day)
    assert await found(startDate=told["createdAt"])
    assert not await found(endDate=before)
    assert not await found(endDate=told["createdAt"])


async def test_a_count_is_listed_even_when_it_found_no_difference(
    http: httpx.AsyncClient, company: Company
) -> None:
    item = await the_item(http, company)
    place = {"productMasterId": item["productMasterId"], "locationId": item["locationId"]}
    for counted in (item["quantityOnHand"], item["quantityOnHand"] - 4):
        count = {**place, "complete": False, "lines": [{"binId": item["binId"], "newQty": counted}]}
        answer = await http.post("/api/inventory/adjustments/record-stock", json=count)
        assert answer.status_code == 200, answer.text

    listed = await get(http, "/api/inventory/adjustments/record-stock", **place)
    first = await get(http, "/api/inventory/adjustments/record-stock", **place, limit=1)
    second = await get(
        http,
        "/api/inventory/adjustments/record-stock",
        **place,
        limit=1,
        cursor=first["pagination"]["nextCursor"],
    )

    last, before = listed["data"][:2]
    assert [last["lines"][0]["deltaQty"], before["lines"][0]["deltaQty"]] == [-4, 0]
    assert last["lines"][0]["inventoryItemId"] == before["lines"][0]["inventoryItemId"] == item["id"]
    assert last["lines"][0]["qtyBefore"] - last["lines"][0]["newQty"] == 4
    assert [first["data"][0], second["data"][0]] == [last, before]
    assert listed["pagination"]["total"] == len(listed["data"])


async def test_levels_need_both_permissions(http: httpx.AsyncClient, admin: Connection, company: Company) -> None:
    path = company.path("/api/products/{productMasterId}/inventory-levels")
    answers = {}
    for permissions in (
        {Permission.PRODUCTS_READ},
        {Permission.INVENTORY_READ},
        {Permission.PRODUCTS_READ, Permission.INVENTORY_READ},
    ):
        key = await add_key(admin, company, permissions)
        answer = await http.get(path, headers=as_bearer(key))
        answers[len(permissions), answer.status_code] = answer.json()

    assert answers.keys() == {(1, 403), (2, 200)}
    assert {level["status"] for level in answers[2, 200]["data"]} <= {
        *("IN_STOCK", "OUT_OF_STOCK", "BELOW_MINIMUM", "BELOW_REORDER", "ABOVE_MAXIMUM")
    }


async def test_a_key_for_one_location_sees_that_location_and_its_totals(
    served: Served, admin: Connection, company: Company, http: httpx.AsyncClient
) -> None:
    here = company.fact("otherLocationId")
    limited = await master_key(admin, company, location_ids=[UUID(here)])
    async with httpx.AsyncClient(base_url=served.url, headers=limited) as narrow:
        lists = {
            "/api/inventory": "items",
            "/api/inventory/movements": "data",
            "/api/inventory/adjustments": "entries",
            "/api/inventory/locations": "data",
        }
        for path, key in lists.items():
            seen = await get(narrow, path)
            everything = (await get(http, path, limit=100))[key]
            assert seen[key] == [row for row in everything if row["locationId"] == here]
            assert seen["pagination"]["total"] == len(seen[key])
        elsewhere = await narrow.get(company.path("/api/inventory/{inventoryItemId}/history"))

    assert elsewhere.status_code == 404
