"""A replenishment record that was ordered from the supplier follows its supply, in the same transaction."""

from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest

from tests.e2e.api.company import Company, add_key, as_bearer
from tests.lab import Served

RECORDS, SUPPLIES = "/api/inventory/replenishment", "/api/inventory/supplies"
RECEIPTS, EVENTS = "/api/inventory/receipts", "/api/events"
ORDERED = 24

type Connection = asyncpg.Connection[Any]


async def ordered(http: httpx.AsyncClient, company: Company) -> Any:
    """A record that was triggered, with its supply."""
    wanted = {
        "productMasterId": "{unstockedProductMasterId}",
        "locationId": "{locationId}",
        "quantity": ORDERED,
        "source": "SUPPLIER",
    }
    made = await http.post(RECORDS, json=company.fill(wanted))
    assert made.status_code == 201, made.text
    triggered = await http.post(f"{RECORDS}/{made.json()['data']['id']}", json={"action": "trigger"})
    assert triggered.status_code == 200, triggered.text
    record = triggered.json()["data"]
    assert record["state"] == "ORDERED"
    return record


async def brought(http: httpx.AsyncClient, company: Company, record: Any, *quantities: int) -> httpx.Response:
    """A receipt of the record's supply, a line for each quantity."""
    named = {"productMasterId": "{unstockedProductMasterId}", "supplyId": record["supplyId"]}
    body = {"locationId": "{locationId}", "lines": [{**named, "quantity": quantity} for quantity in quantities]}
    return await http.post(RECEIPTS, json=company.fill(body))


async def changed(http: httpx.AsyncClient, record: Any, **changes: Any) -> httpx.Response:
    return await http.patch(f"{SUPPLIES}/{record['supplyId']}", json=changes)


async def now(http: httpx.AsyncClient, record: Any) -> Any:
    return (await http.get(f"{RECORDS}/{record['id']}")).json()["data"]


async def test_a_record_is_closed_by_the_receipt_that_completes_its_supply(
    http: httpx.AsyncClient, company: Company
) -> None:
    record = await ordered(http, company)

    part = await brought(http, company, record, 10)
    meanwhile = await now(http, record)
    rest = await brought(http, company, record, 9, 5)

    assert (part.status_code, rest.status_code) == (200, 200), rest.text
    assert (meanwhile["state"], meanwhile["version"]) == ("ORDERED", record["version"])
    closed = await now(http, record)
    assert (closed["state"], closed["allowedActions"]) == ("CLOSED", [])
    assert [(step["action"], step["fromState"], step["toState"]) for step in closed["history"][2:]] == [
        ("arrived", "ORDERED", "CLOSED")
    ]


async def test_a_record_is_closed_with_a_supply_that_is_lowered_to_what_came(
    http: httpx.AsyncClient, company: Company
) -> None:
    record = await ordered(http, company)
    await brought(http, company, record, 10)

    lowered = await changed(http, record, quantity=12)
    meanwhile = await now(http, record)
    short = await changed(http, record, quantity=10)

    assert (lowered.status_code, short.json()["data"]["state"]) == (200, "CLOSED"), short.text
    assert (meanwhile["state"], (await now(http, record))["state"]) == ("ORDERED", "CLOSED")


@pytest.mark.parametrize("received", [0, 10])
async def test_a_record_is_canceled_with_its_supply_whatever_came_of_it(
    http: httpx.AsyncClient, company: Company, received: int
) -> None:
    record = await ordered(http, company)
    if received:
        await brought(http, company, record, received)

    canceled = await changed(http, record, cancel=True)

    assert canceled.json()["data"]["state"] == "CANCELED", canceled.text
    followed = await now(http, record)
    assert followed["state"] == "CANCELED"
    assert (followed["history"][-1]["action"], followed["history"][-1]["toState"]) == ("returned", "CANCELED")


ENDINGS = {
    "receive": ("replenishment.closed.v1", "CLOSED", "CLOSED"),
    "close": ("replenishment.closed.v1", "CLOSED", "CANCELED"),
    "cancel": ("replenishment.canceled.v1", "CANCELED", "CANCELED"),
    "cancel supply": ("replenishment.canceled.v1", "CANCELED", "CANCELED"),
}
"""What the feed tells of the record, and what becomes of it and of its supply."""


@pytest.mark.parametrize("ending", ENDINGS)
async def test_a_record_and_its_supply_end_together_and_the_feed_tells_it_once(
    http: httpx.AsyncClient, company: Company, ending: str
) -> None:
    record = await ordered(http, company)
    head = (await http.get(EVENTS, params={"limit": 1})).json()["head"]

    if ending == "receive":
        done = await brought(http, company, record, ORDERED)
    elif ending == "cancel supply":
        done = await changed(http, record, cancel=True)
    else:
        done = await http.post(f"{RECORDS}/{record['id']}", json={"action": ending})

    assert done.status_code == 200, done.text
    told = (await http.get(EVENTS, params={"after": head, "type": "replenishment.*", "limit": 50})).json()["data"]
    listed = (await http.get(SUPPLIES, params=company.fill({"locationId": "{locationId}", "limit": 200}))).json()
    (supply,) = [one for one in listed["data"] if one["id"] == record["supplyId"]]
    assert [(one["type"], one["data"]["state"], supply["state"]) for one in told] == [ENDINGS[ending]]
    assert told[0]["data"]["id"] == record["id"]


async def test_a_record_that_was_closed_by_hand_stays_so_and_its_supply_takes_no_more(
    http: httpx.AsyncClient, company: Company
) -> None:
    record = await ordered(http, company)
    await http.post(f"{RECORDS}/{record['id']}", json={"action": "close"})

    late = await brought(http, company, record, ORDERED)

    assert (late.status_code, late.json()["details"]["state"]) == (409, "CANCELED")
    assert len((await now(http, record))["history"]) == 3


async def test_a_refused_receipt_leaves_the_record_as_it_is(http: httpx.AsyncClient, company: Company) -> None:
    record = await ordered(http, company)

    refused = await brought(http, company, record, ORDERED, 1)

    assert (refused.status_code, refused.json()["details"]["code"]) == (409, "STALE_QUANTITY")
    assert (await now(http, record))["state"] == "ORDERED"


async def test_supply_that_only_names_a_record_ends_without_it(http: httpx.AsyncClient, company: Company) -> None:
    record = await ordered(http, company)
    named = {"sourceType": "REPLENISHMENT", "reference": record["number"], "quantity": 5, "dueOn": "2040-01-01"}
    place = {"productMasterId": "{unstockedProductMasterId}", "locationId": "{locationId}"}
    other = (await http.post(SUPPLIES, json=company.fill({**place, **named}))).json()["data"]

    ended = await http.patch(f"{SUPPLIES}/{other['id']}", json={"cancel": True})

    assert ended.json()["data"]["state"] == "CANCELED", ended.text
    assert (await now(http, record))["state"] == "ORDERED"


async def test_who_receives_and_may_not_plan_closes_the_record_all_the_same(
    served: Served, admin: Connection, company: Company, http: httpx.AsyncClient
) -> None:
    record = await ordered(http, company)
    here = [UUID(company.fact("locationId"))]
    headers = as_bearer(await add_key(admin, company, ["inventory.write"], location_ids=here))

    async with httpx.AsyncClient(base_url=served.url, headers=headers, timeout=30) as dock:
        received = await brought(dock, company, record, ORDERED)

    assert received.status_code == 200, received.text
    assert (await now(http, record))["state"] == "CLOSED"
