"""Expected supply over the API: announced, received in parts, closed, and shown in what can be promised."""

import asyncio
from typing import Any

import asyncpg
import httpx
import pytest

from tests.e2e.api.company import Company

SUPPLIES, RECEIPTS = "/api/inventory/supplies", "/api/inventory/receipts"

type Connection = asyncpg.Connection[Any]


async def the_supply(http: httpx.AsyncClient, company: Company) -> Any:
    """40 pieces of the product, far away."""
    listed = (await http.get(SUPPLIES, params=company.fill({"locationId": "{locationId}"}))).json()
    (supply,) = (one for one in listed["data"] if one["id"] == company.fact("supplyId"))
    return supply


async def received(
    http: httpx.AsyncClient, company: Company, *lines: dict[str, Any], key: str | None = None, **more: Any
) -> httpx.Response:
    body = {
        "locationId": "{locationId}",
        "lines": [{"productMasterId": "{productMasterId}", "supplyId": "{supplyId}", **line} for line in lines],
        **more,
    }
    headers = {"Idempotency-Key": key} if key else {}
    return await http.post(RECEIPTS, json=company.fill(body), headers=headers)


async def on_hand(http: httpx.AsyncClient, company: Company) -> Any:
    query = company.fill({"productMasterId": "{productMasterId}", "locationId": "{locationId}"})
    items = (await http.get("/api/inventory", params=query)).json()["items"]
    return sum(item["quantityOnHand"] for item in items)


async def test_a_supply_is_received_in_parts_and_closed_by_the_last(
    http: httpx.AsyncClient, company: Company
) -> None:
    first = await received(http, company, {"quantity": 15})
    open_ = await the_supply(http, company)
    last = await received(http, company, {"quantity": 20}, {"quantity": 5, "binId": "{otherBinId}"})

    assert (first.status_code, last.status_code) == (200, 200), last.text
    assert (open_["received"], open_["openQuantity"], open_["state"]) == (15, 25, "OPEN")
    closed = await the_supply(http, company)
    assert (closed["received"], closed["openQuantity"], closed["state"]) == (40, 0, "CLOSED")
    again = await received(http, company, {"quantity": 1})
    assert (again.status_code, again.json()["details"]["state"]) == (409, "CLOSED")


async def test_more_than_is_expected_is_refused_with_all_of_the_receipt(
    http: httpx.AsyncClient, company: Company
) -> None:
    before = await on_hand(http, company)

    refused = await received(http, company, {"quantity": 30}, {"quantity": 11})

    assert refused.status_code == 409
    details = refused.json()["details"]
    assert (details["code"], details["expected"], details["actual"]) == ("STALE_QUANTITY", 41, 40)
    assert await on_hand(http, company) == before
    assert (await the_supply(http, company))["received"] == 0


async def test_a_repeated_receipt_counts_once_and_a_refused_one_stays_refused(
    http: httpx.AsyncClient, company: Company
) -> None:
    one, again = [await received(http, company, {"quantity": 10}, key="one") for _ in range(2)]
    refused = await received(http, company, {"quantity": 31}, key="two")
    raised = await http.patch(f"{SUPPLIES}/{company.fact('supplyId')}", json={"quantity": 100})
    still = await received(http, company, {"quantity": 31}, key="two")

    assert (one.status_code, again.status_code) == (200, 200)
    assert one.json() == again.json()
    assert raised.json()["data"]["openQuantity"] == 90
    assert (refused.status_code, still.status_code) == (409, 409)
    assert (await the_supply(http, company))["received"] == 10


@pytest.mark.parametrize(
    "line", [{"productMasterId": "{unstockedProductMasterId}"}, {"supplyId": "{elsewhereSupplyId}"}]
)
async def test_a_supply_of_another_product_or_place_is_not_found(
    http: httpx.AsyncClient, company: Company, line: dict[str, str]
) -> None:
    refused = await received(http, company, {"quantity": 1, **line})

    assert refused.status_code == 404
    assert refused.json()["details"]["field"] == "supplyId"


async def test_a_canceled_supply_is_expected_no_more_and_stays_so(
    http: httpx.AsyncClient, company: Company
) -> None:
    address = f"{SUPPLIES}/{company.fact('supplyId')}"

    canceled = await http.patch(address, json={"cancel": True, "expectedVersion": 1})
    later = await http.patch(address, json={"dueOn": "2040-01-01"})

    assert (canceled.json()["data"]["state"], canceled.json()["data"]["openQuantity"]) == ("CANCELED", 0)
    assert (later.status_code, later.json()["details"]["code"]) == (409, "INVALID_TRANSITION")


async def test_a_supply_cannot_be_lowered_below_what_came_and_is_closed_by_lowering_it_to_that(
    http: httpx.AsyncClient, company: Company
) -> None:
    address = f"{SUPPLIES}/{company.fact('supplyId')}"
    await received(http, company, {"quantity": 15})

    too_low = await http.patch(address, json={"quantity": 14})
    just = await http.patch(address, json={"quantity": 15})

    assert (too_low.status_code, just.status_code) == (400, 200)
    assert just.json()["data"]["state"] == "CLOSED"


async def test_the_drilldown_counts_on_what_is_due_and_lists_what_is_overdue(
    http: httpx.AsyncClient, company: Company
) -> None:
    query = company.fill(
        {"productMasterId": "{productMasterId}", "channelId": "{channelId}", "locationId": "{locationId}"}
    )
    drilldown = "/api/inventory/channel-location/drilldown"
    now = (await http.get(drilldown, params=query)).json()
    today = now["today"]
    for due_on, quantity in (("2020-01-01", 7), (today, 30)):
        body = {"productMasterId": "{productMasterId}", "locationId": "{locationId}", "quantity": quantity}
        made = await http.post(SUPPLIES, json={**company.fill(body), "dueOn": due_on})
        assert made.status_code == 201, made.text

    then = (await http.get(drilldown, params={**query, "quantity": int(now["cell"]["atp"]) + 30})).json()

    assert then["cell"] == now["cell"]
    assert [one["quantity"] for one in then["overdue"]] == [7]
    assert [one["quantity"] for one in then["inbound"]] == [30]
    assert then["projection"][0]["atp"] == now["cell"]["atp"] + 30
    assert then["earliestDate"] == today


async def test_receipts_at_once_bring_no_more_than_was_expected(http: httpx.AsyncClient, company: Company) -> None:
    before = await on_hand(http, company)

    answers = await asyncio.gather(*(received(http, company, {"quantity": 10}) for _ in range(12)))

    assert sorted(answer.status_code for answer in answers) == [200] * 4 + [409] * 8
    assert await on_hand(http, company) == before + 40
    assert (await the_supply(http, company))["state"] == "CLOSED"


async def test_a_receipt_that_is_sent_many_times_at_once_counts_once(
    http: httpx.AsyncClient, company: Company
) -> None:
    answers = await asyncio.gather(*(received(http, company, {"quantity": 25}, key="again") for _ in range(8)))

    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.text for answer in answers}) == 1
    assert (await the_supply(http, company))["received"] == 25


async def test_receipts_and_changes_of_a_supply_do_not_lock_crosswise(
    http: httpx.AsyncClient, company: Company
) -> None:
    address = f"{SUPPLIES}/{company.fact('supplyId')}"

    answers = await asyncio.gather(
        *(received(http, company, {"quantity": 1}) for _ in range(12)),
        *(http.patch(address, json={"quantity": 40 + n}) for n in range(12)),
    )

    assert {answer.status_code for answer in answers} == {200}
    assert (await the_supply(http, company))["received"] == 12
