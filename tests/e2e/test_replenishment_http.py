"""Replenishment over the API: configured, suggested with its reasons, recorded, triggered."""

import itertools
import math
from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest

from tests.e2e.api.company import Company, found_company, master_key
from tests.lab import Served

CONFIG = "/api/inventory/replenishment/config"
RECORDS, TRANSFERS = "/api/inventory/replenishment", "/api/inventory/transfers"
SUGGESTIONS = "/api/inventory/replenishment/suggestions"

_numbers = itertools.count(1)

type Connection = asyncpg.Connection[Any]


@pytest.fixture
async def company(admin: Connection) -> Company:
    return await found_company(admin, f"planning-{next(_numbers)}")


async def configured(http: httpx.AsyncClient, company: Company, **config: Any) -> Any:
    body = {"productMasterId": "{productMasterId}", "locationId": "{locationId}", **config}
    answer = await http.post(CONFIG, json=company.fill(body))
    assert answer.status_code == 200, answer.text
    (view,) = answer.json()["data"]
    return view


async def suggested(http: httpx.AsyncClient, company: Company, **asked: Any) -> Any:
    """The suggestion for the product at the location."""
    body = {"locationId": "{locationId}", "productMasterIds": ["{productMasterId}"], "includeAll": True, **asked}
    answer = await http.post(SUGGESTIONS, json=company.fill(body))
    assert answer.status_code == 200, answer.text
    (one,) = answer.json()["data"]
    return one


async def test_a_product_at_its_minimum_is_brought_up_to_its_maximum(
    http: httpx.AsyncClient, company: Company
) -> None:
    await configured(http, company, method="MIN_MAX", minQty=5000, maxQty=9000, orderMultiple=12)

    one = await suggested(http, company)

    terms = one["terms"]
    assert one["due"]
    assert one["current"] == terms["available"]
    position = one["current"] + one["inbound"] + one["planned"]
    assert (one["inbound"], one["planned"], one["position"]) == (40, 12, position)
    assert one["suggestedQuantity"] % 12 == 0
    assert 9000 <= position + one["suggestedQuantity"] < 9000 + 12


async def recorded(http: httpx.AsyncClient, company: Company, **record: Any) -> httpx.Response:
    body = {"productMasterId": "{lotProductId}", "locationId": "{locationId}", **record}
    return await http.post(RECORDS, json=company.fill(body))


async def done(http: httpx.AsyncClient, record: Any, action: str, **more: Any) -> httpx.Response:
    return await http.post(f"{RECORDS}/{record['id']}", json={"action": action, **more})


async def made(http: httpx.AsyncClient, company: Company, **record: Any) -> Any:
    answer = await recorded(http, company, **record)
    assert answer.status_code == 201, answer.text
    return answer.json()["data"]


async def issued(http: httpx.AsyncClient, company: Company, quantity: int, days_ago: int) -> str:
    at = (datetime.now(UTC) - timedelta(days=days_ago)).isoformat()  # noqa: TID251 - when it happened
    body = {
        "locationId": "{locationId}",
        "effectiveAt": at,
        "lines": [{"productMasterId": "{productMasterId}", "quantity": quantity}],
    }
    answer = await http.post("/api/inventory/issues", json=company.fill(body))
    assert answer.status_code in {200, 201}, answer.text
    return str(answer.json()["data"]["id"])


async def test_demand_is_what_was_issued_less_what_was_taken_back_with_days_of_none_counted(
    http: httpx.AsyncClient, company: Company
) -> None:
    await configured(
        http,
        company,
        method="DEMAND",
        safetyStockMethod="COMPUTED",
        serviceLevel=0.95,
        leadTimeDays=4,
        leadTimeSdDays=1,
        minQty=None,
    )
    taken_back = [await issued(http, company, *one) for one in ((6, 1), (2, 1), (4, 3), (50, 2))][-1]
    reversed_ = await http.post(f"/api/inventory/transactions/{taken_back}/reverse", json={"comment": "not sold"})
    assert reversed_.status_code == 200, reversed_.text

    one = await suggested(http, company, periodDays=10)

    # Days of 8 and 4 among ten: mean 1.2, sample deviation sqrt((80 - 14.4) / 9).
    deviation = math.sqrt((64 + 16 - 10 * 1.2**2) / 9)
    safety = 1.6448536 * math.sqrt(4 * deviation**2 + 1.2**2)
    assert (one["demandInPeriod"], one["daysWithDemand"], one["demandPerDay"]) == (12, 2, 1.2)
    assert one["demandDeviation"] == pytest.approx(deviation, abs=1e-3)
    assert one["safetyStock"] == pytest.approx(safety, abs=1e-3)
    assert one["reorderPoint"] == pytest.approx(1.2 * 4 + safety, abs=1e-3)
    assert one["coverageDays"] == pytest.approx(one["current"] / 1.2, abs=1e-3)
    assert not one["due"]


async def test_a_computed_safety_stock_is_kept_back_by_availability(
    http: httpx.AsyncClient, company: Company
) -> None:
    await issued(http, company, 90, 5)

    view = await configured(
        http, company, method="DEMAND", safetyStockMethod="COMPUTED", serviceLevel=0.9, leadTimeDays=9
    )

    # 90 on one day of 90: mean 1, deviation sqrt((8100 - 90) / 89).
    expected = pytest.approx(1.2815516 * math.sqrt(9 * (8100 - 90) / 89), abs=1e-3)
    levels = (await http.get(company.fill("/api/products/{productMasterId}/inventory-levels"))).json()["data"]
    (level,) = [one for one in levels if one["locationId"] == company.fact("locationId")]
    assert view["safetyStock"] == level["safetyStock"]
    assert level["safetyStock"] == expected
    assert level["qtyInbound"] == 40


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "below zero": ({"minQty": -1}, "minQty"),
    "minimum over the reorder point": ({"minQty": 9, "reorderQty": 5}, "reorderQty"),
    "reorder point over the maximum": ({"reorderQty": 90, "maxQty": 50}, "maxQty"),
    "no maximum": ({"minQty": 1, "maxQty": None}, "maxQty"),
    "no reorder point": ({"method": "REORDER_POINT", "reorderQty": None}, "reorderQty"),
    "no order cost": ({"method": "EOQ", "holdingCost": 1}, "orderCost"),
    "free to hold": ({"method": "EOQ", "orderCost": 5, "holdingCost": 0}, "holdingCost"),
    "certain to serve": ({"serviceLevel": 1}, "serviceLevel"),
    "a level in percent": ({"serviceLevel": 95}, "serviceLevel"),
    "a lead time that is over before": ({"leadTimeDays": -1}, "leadTimeDays"),
    "more deviation than time": ({"leadTimeDays": 2, "leadTimeSdDays": 3}, "leadTimeSdDays"),
    "never reviewed": ({"reviewDays": 0}, "reviewDays"),
    "multiples of nothing": ({"orderMultiple": 0}, "orderMultiple"),
    "a negative least order": ({"minOrderQty": -6}, "minOrderQty"),
    "a negative cost": ({"orderCost": -1}, "orderCost"),
    "a negative safety stock": ({"safetyStock": -1}, "safetyStock"),
    "given and computed": ({"safetyStockMethod": "COMPUTED", "safetyStock": 5}, "safetyStock"),
    "a supplier for locations": ({"source": "LOCATION", "supplier": "Tea & Co"}, "supplier"),
    "from itself": ({"sourceLocationId": "{locationId}"}, "sourceLocationId"),
    "no such method": ({"method": "GUESS"}, "method"),
    "not a number": ({"maxQty": "12"}, "maxQty"),
    "too exact": ({"maxQty": 1.00001}, "maxQty"),
    "no such field": ({"reorderPoint": 5}, ""),
}


@pytest.fixture(scope="module")
async def standing(served: Served, admin: Connection) -> AsyncGenerator[tuple[httpx.AsyncClient, Company]]:
    """A company that refusals leave as it is."""
    company = await found_company(admin, "planning-once")
    async with httpx.AsyncClient(
        base_url=served.url, headers=await master_key(admin, company), timeout=30
    ) as client:
        yield client, company


@pytest.mark.parametrize("case", BAD)
async def test_a_configuration_is_refused_by_the_field(
    standing: tuple[httpx.AsyncClient, Company], case: str
) -> None:
    http, company = standing
    fields, path = BAD[case]
    usual = {"method": "MIN_MAX", "minQty": 5, "maxQty": 50}
    place = {"productMasterId": "{lotProductId}", "locationId": "{locationId}"}

    answer = await http.post(CONFIG, json=company.fill({"items": [{**place, **usual, **fields}]}))

    assert (answer.status_code, answer.json()["details"]["code"]) == (400, "VALIDATION_ERROR"), answer.text
    named = [field["path"] for field in answer.json()["details"]["fields"]]
    assert any(one.startswith(f"items[0].{path}" if path else "items[0]") for one in named), named


async def test_configurations_are_listed_page_by_page_and_changed_by_those_who_know_them(
    http: httpx.AsyncClient, company: Company
) -> None:
    place = {"productMasterId": "{lotProductId}", "locationId": "{otherLocationId}"}
    first = {**place, "method": "REORDER_POINT", "reorderQty": 7, "expectedVersion": 0}
    set_ = await http.post(CONFIG, json=company.fill(first))
    again = await http.post(CONFIG, json=company.fill(first))
    changed = await http.post(CONFIG, json=company.fill({**place, "maxQty": 30, "expectedVersion": 1}))
    stopped = await http.post(CONFIG, json=company.fill({**place, "method": None}))

    assert (set_.status_code, set_.json()["data"][0]["version"]) == (200, 1)
    assert (again.status_code, again.json()["details"]["code"]) == (409, "STALE_VERSION")
    assert (changed.json()["data"][0]["reorderQty"], changed.json()["data"][0]["maxQty"]) == (7, 30)
    assert (stopped.json()["data"][0]["method"], stopped.json()["data"][0]["maxQty"]) == (None, 30)
    listed = [page async for page in _pages(http, CONFIG)]
    assert sorted(one["locationId"] for one in listed) == sorted(
        [company.fact("locationId"), company.fact("otherLocationId")]
    )


async def _pages(http: httpx.AsyncClient, path: str) -> AsyncGenerator[Any]:
    cursor: dict[str, str] = {}
    while True:
        answer = (await http.get(path, params={"limit": 1, **cursor})).json()
        for one in answer["data"]:
            yield one
        if answer["pagination"]["nextCursor"] is None:
            return
        cursor = {"cursor": answer["pagination"]["nextCursor"]}


async def test_what_comes_from_a_supplier_is_expected_supply_until_it_is_closed(
    http: httpx.AsyncClient, company: Company
) -> None:
    record = await made(http, company, quantity=24, source="SUPPLIER", neededOn="2030-05-01")
    again = await recorded(http, company, quantity=6)
    triggered = (await done(http, record, "trigger", expectedVersion=1)).json()["data"]
    twice = await done(http, record, "trigger")
    supply = await _supply(http, company, triggered["supplyId"])
    closed = (await done(http, record, "close")).json()["data"]

    assert (record["state"], record["allowedActions"]) == ("OPEN", ["trigger", "cancel"])
    assert (again.status_code, again.json()["details"]["replenishmentId"]) == (409, record["id"])
    assert (triggered["state"], triggered["allowedActions"]) == ("ORDERED", ["close", "cancel"])
    assert (supply["quantity"], supply["dueOn"], supply["reference"]) == (24, "2030-05-01", record["number"])
    assert (twice.status_code, twice.json()["details"]["state"]) == (409, "ORDERED")
    assert twice.json()["details"]["allowedActions"] == ["close", "cancel"]
    assert (closed["state"], closed["allowedActions"]) == ("CLOSED", [])
    assert [step["toState"] for step in closed["history"]] == ["OPEN", "ORDERED", "CLOSED"]
    assert (await _supply(http, company, triggered["supplyId"]))["state"] == "CANCELED"


async def _supply(http: httpx.AsyncClient, company: Company, id_: str) -> Any:
    query = company.fill({"locationId": "{locationId}", "limit": 200})
    listed = (await http.get("/api/inventory/supplies", params=query)).json()["data"]
    return next(one for one in listed if one["id"] == id_)


async def test_what_comes_from_another_location_follows_its_transfer(
    http: httpx.AsyncClient, company: Company
) -> None:
    record = await made(http, company, quantity=10, sourceLocationId="{otherLocationId}")
    triggered = (await done(http, record, "trigger")).json()["data"]
    transfer = (await http.get(f"{TRANSFERS}/{triggered['transferId']}")).json()["data"]
    line = transfer["lines"][0]

    await _moved(http, transfer, "pick")
    shipped = await _state(http, record, await _moved(http, transfer, "ship"))
    await _moved(http, transfer, "receive", lines=[{"lineId": line["id"], "quantity": 10}])
    closed = await _state(http, record, await _moved(http, transfer, "close"))

    assert (triggered["state"], triggered["transferState"]) == ("TRIGGERED", "PENDING")
    assert (transfer["sourceType"], transfer["sourceId"]) == ("REPLENISHMENT", record["id"])
    assert (shipped, closed) == ("TRANSFERRED", "CLOSED")


async def test_a_canceled_record_takes_its_transfer_along_and_the_other_way_round(
    http: httpx.AsyncClient, company: Company
) -> None:
    record = await made(http, company, quantity=10, sourceLocationId="{otherLocationId}")
    triggered = (await done(http, record, "trigger")).json()["data"]
    canceled = (await done(http, record, "cancel", comment="sold less")).json()["data"]
    other = await made(http, company, quantity=10, sourceLocationId="{otherLocationId}")
    transfer = {"id": (await done(http, other, "trigger")).json()["data"]["transferId"]}

    followed = await _state(http, other, await _moved(http, transfer, "cancel"))

    assert (canceled["state"], canceled["transferState"]) == ("CANCELED", "CANCELED")
    assert triggered["allowedActions"] == ["cancel"]
    assert followed == "CANCELED"


async def _moved(http: httpx.AsyncClient, transfer: Any, action: str, **more: Any) -> httpx.Response:
    answer = await http.post(f"{TRANSFERS}/{transfer['id']}", json={"action": action, **more})
    assert answer.status_code == 200, answer.text
    return answer


async def _state(http: httpx.AsyncClient, record: Any, _after: httpx.Response) -> Any:
    return (await http.get(f"{RECORDS}/{record['id']}")).json()["data"]["state"]


async def test_a_record_is_made_as_suggested_and_is_planned_from_then_on(
    http: httpx.AsyncClient, company: Company
) -> None:
    await configured(http, company, method="MIN_MAX", minQty=1100, maxQty=1150, orderMultiple=5)
    await http.post(f"{RECORDS}/{company.fact('replenishmentId')}", json={"action": "cancel"})
    before = await suggested(http, company)

    record = await made(http, company, productMasterId="{productMasterId}")

    after = await suggested(http, company)
    assert record["method"] == "MIN_MAX"
    assert record["quantity"] == before["source"]["quantity"]
    assert record["sourceLocationId"] == before["source"]["locationId"] == company.fact("otherLocationId")
    assert record["reasoning"]["reorderPoint"] == 1100
    assert after["planned"] == record["quantity"]
    assert after["position"] == before["position"] + record["quantity"]


async def test_a_transfer_that_was_asked_for_by_hand_is_planned_until_it_is_on_its_way(
    http: httpx.AsyncClient, company: Company
) -> None:
    await configured(http, company, method="MIN_MAX", minQty=1, maxQty=2)
    before = await suggested(http, company)
    body = {
        "originLocationId": "{otherLocationId}",
        "destinationLocationId": "{locationId}",
        "lines": [{"productMasterId": "{productMasterId}", "quantity": 9}],
    }
    transfer = (await http.post(TRANSFERS, json=company.fill(body))).json()["data"]
    await _moved(http, transfer, "submit")
    asked_for = await suggested(http, company)
    await _moved(http, transfer, "pick")
    await _moved(http, transfer, "ship")
    on_its_way = await suggested(http, company)

    position = before["position"] + 9
    assert (asked_for["planned"], asked_for["inbound"]) == (before["planned"] + 9, before["inbound"])
    assert (on_its_way["planned"], on_its_way["inbound"]) == (before["planned"], before["inbound"] + 9)
    assert asked_for["position"] == on_its_way["position"] == position


async def test_nothing_is_recorded_where_nothing_is_due(http: httpx.AsyncClient, company: Company) -> None:
    await configured(http, company, method="MIN_MAX", minQty=1, maxQty=2)

    due = await recorded(http, company, productMasterId="{productMasterId}")
    unknown = await recorded(http, company)
    nothing = await recorded(http, company, quantity=0)
    both = await recorded(http, company, quantity=1, supplier="Tea & Co", sourceLocationId="{otherLocationId}")

    assert (due.status_code, due.json()["details"]["code"]) == (400, "NO_CHANGE")
    for answer, path in ((unknown, "quantity"), (nothing, "quantity"), (both, "sourceLocationId")):
        assert (answer.status_code, answer.json()["details"]["fields"][0]["path"]) == (400, path)


async def test_a_planner_of_one_location_asks_for_stock_of_another_and_reserves_none_there(
    served: Served, admin: Connection, company: Company, http: httpx.AsyncClient
) -> None:
    here = await master_key(admin, company, location_ids=[UUID(company.fact("locationId"))])
    record = await made(http, company, quantity=10, sourceLocationId="{otherLocationId}")

    async with httpx.AsyncClient(base_url=served.url, headers=here, timeout=30) as planner:
        triggered = (await done(planner, record, "trigger")).json()["data"]
        elsewhere = await recorded(planner, company, locationId="{otherLocationId}", quantity=1)
        asked = await planner.post(SUGGESTIONS, json=company.fill({"locationId": "{otherLocationId}"}))

    transfer = (await http.get(f"{TRANSFERS}/{triggered['transferId']}")).json()["data"]
    assert transfer["state"] == "DRAFT"
    assert triggered["sourceLocationId"] is None
    assert (elsewhere.status_code, asked.status_code) == (403, 403)
