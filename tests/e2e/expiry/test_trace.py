"""The trace of a lot over HTTP: where it came from, where it went, and through which other lots."""

import csv
import io
from decimal import Decimal
from typing import Any
from uuid import UUID

import httpx
import pytest

from domain.access.model import Permission
from tests.e2e.ledger_writes.site import Api, Site

RIGHTS = (Permission.INVENTORY_READ, Permission.INVENTORY_WRITE, Permission.INVENTORY_ADJUST)


@pytest.fixture
def client(api: Api, site: Site) -> httpx.AsyncClient:
    return api.client(site.caller(RIGHTS))


async def posted(client: httpx.AsyncClient, path: str, body: dict[str, Any]) -> Any:
    answer = await client.post(f"/api/inventory/{path}", json=body)
    assert answer.is_success, answer.text
    return answer.json()["data"]


def trace_of(lot_id: UUID | str) -> str:
    return f"/api/inventory/lots/{lot_id}/trace"


async def traced(client: httpx.AsyncClient, lot_id: UUID | str, **query: Any) -> Any:
    answer = await client.get(trace_of(lot_id), params=query)
    assert answer.status_code == 200, answer.text
    assert int(answer.headers["X-Ledger-Position"]) > 0
    return answer.json()


def ends(places: list[Any]) -> list[str]:
    return [" ".join((place["locationName"], place["binCode"], place["lotNumber"])) for place in places]


def walk(trace: Any) -> list[tuple[str, Any, list[str], list[str]]]:
    return [(step["kind"], step["deltaQty"], ends(step["from"]), ends(step["to"])) for step in trace["data"]]


async def a_life(client: httpx.AsyncClient, site: Site) -> str:
    """A lot that comes in by an order, of which some was of another lot, and some goes to a customer."""
    dc, pill = str(site.ids["DC"]), str(site.ids["PILL"])
    line = {"productMasterId": pill, "quantity": 10, "lotNumber": "AB100", "expiryDate": site.day(99).isoformat()}
    received = await posted(
        client,
        "receipts",
        {"locationId": dc, "sourceType": "PURCHASE_ORDER", "reference": "=PO-1", "lines": [line]},
    )
    item = received["lines"][0]["inventoryItemId"]
    correction = {"inventoryItemId": item, "quantity": 4, "toLotNumber": "AB200"}
    await posted(client, "adjustments/lot-correction", correction | {"expiryDate": site.day(98).isoformat()})
    await posted(
        client,
        "issues",
        {
            "locationId": dc,
            "purpose": "CUSTOMER",
            "reference": "SO-7",
            "lines": [{"inventoryItemId": item, "quantity": 5}],
        },
    )
    lot: str = received["lines"][0]["lotId"]
    return lot


async def test_a_trace_tells_documents_places_and_other_lots(client: httpx.AsyncClient, site: Site) -> None:
    lot = await a_life(client, site)

    trace = await traced(client, lot)

    assert trace["lot"]["lotNumber"] == "AB100"
    assert trace["lot"]["globalSku"] == "PILL"
    assert walk(trace) == [
        ("RECEIPT", 10, [], ["DC MAIN AB100"]),
        ("LOT_CORRECTION", -4, ["DC MAIN AB100"], ["DC MAIN AB200"]),
        ("ISSUE", -5, ["DC MAIN AB100"], []),
    ]
    assert [(step["sourceType"], step["sourceId"]) for step in trace["data"]] == [
        ("PURCHASE_ORDER", "=PO-1"),
        ("LOT_CORRECTION", None),
        ("CUSTOMER", "SO-7"),
    ]
    other = trace["data"][1]["to"][0]["lotId"]
    assert walk(await traced(client, other)) == [("LOT_CORRECTION", 4, ["DC MAIN AB100"], ["DC MAIN AB200"])]


async def test_a_transfer_and_its_reversal_have_both_ends(client: httpx.AsyncClient, site: Site) -> None:
    lot = await site.a_lot("MILK", "M1", expires_in=-1)
    line = await site.put("MILK", 6, lot="M1")
    body = {"lines": [{"inventoryItemId": str(line), "quantity": 2}]}
    document = (await posted(client, "expired/transfer-destruction", body))["destruction"]
    await posted(client, f"destructions/{document['id']}", {"action": "cancel"})

    trace = await traced(client, lot)

    main, aside = ["DC MAIN M1"], ["DC QUARANTINE M1"]
    # What a reversal gives back comes before what it takes.
    assert walk(trace) == [
        ("RECEIPT", 6, [], main),
        ("TRANSFER_OUT", -2, main, aside),
        ("TRANSFER_IN", 2, main, aside),
        ("REVERSAL", 2, aside, main),
        ("REVERSAL", -2, aside, main),
    ]
    assert [step["from"][0]["quantity"] for step in trace["data"][1:]] == [2, 2, 2, 2]


async def test_a_trace_goes_on_by_cursor(client: httpx.AsyncClient, site: Site) -> None:
    lot = await a_life(client, site)

    pages, cursor = [], None
    while True:
        page = await traced(client, lot, limit=1, **({"cursor": cursor} if cursor else {}))
        pages.append(page["data"])
        cursor = page["pagination"]["nextCursor"]
        if cursor is None:
            break

    assert [len(page) for page in pages] == [1, 1, 1]
    assert [page[0] for page in pages] == (await traced(client, lot))["data"]


async def test_a_trace_as_csv_is_whole_and_no_formula(client: httpx.AsyncClient, site: Site) -> None:
    lot = await a_life(client, site)

    answer = await client.get(trace_of(lot), params={"format": "csv"})
    rows = list(csv.DictReader(io.StringIO(answer.text)))

    assert answer.headers["content-type"].startswith("text/csv")
    assert [(row["kind"], row["deltaQty"], row["from"], row["to"]) for row in rows] == [
        ("RECEIPT", "10", "", "DC / MAIN / AB100"),
        ("LOT_CORRECTION", "-4", "DC / MAIN / AB100", "DC / MAIN / AB200"),
        ("ISSUE", "-5", "DC / MAIN / AB100", ""),
    ]
    assert rows[0]["sourceId"] == "'=PO-1"


async def test_a_product_without_lots_is_traced_by_its_default_lot(client: httpx.AsyncClient, site: Site) -> None:
    for bin_ in ("MAIN", "PICK"):
        await site.put("BOLT", 3, bin_=bin_)
    lot = site.ids["BOLT/"]

    first = await traced(client, lot, limit=1)
    rest = await traced(client, lot, cursor=first["pagination"]["nextCursor"], limit=1)

    assert first["lot"]["lotNumber"] is None
    assert [step["to"][0]["binCode"] for step in first["data"] + rest["data"]] == ["MAIN", "PICK"]
    assert rest["pagination"]["nextCursor"] is None


async def test_who_may_look_at_one_place_sees_what_happened_there(
    api: Api, client: httpx.AsyncClient, site: Site
) -> None:
    lot = await site.a_lot("MILK", "M1", expires_in=9)
    for at in ("DC", "STORE"):
        await site.put("MILK", 6, lot="M1", at=at)
    narrow = api.client(site.caller(RIGHTS, frozenset({site.ids["STORE"]})))

    assert [ends(step["to"]) for step in (await traced(narrow, lot))["data"]] == [["STORE MAIN M1"]]
    assert len((await traced(client, lot))["data"]) == 2
    assert Decimal(0) == sum(Decimal(len(step["from"])) for step in (await traced(client, lot))["data"])
    assert (await client.get(trace_of(site.tenant_id))).status_code == 404
