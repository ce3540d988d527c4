"""Channels, policies and the matrix over the API: the published shapes, and what stands behind them."""

import csv
import io
import itertools
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest

from tests.e2e.api.company import Company, found_company, master_key
from tests.lab import Served

CHANNELS, POLICIES = "/api/channels", "/api/channels/policies"
MATRIX, SUMMARY = "/api/inventory/channel-location", "/api/inventory/channel/summary"
SUPPLIES = "/api/inventory/supplies"
POSITION, MIN_POSITION = "X-Ledger-Position", "X-Min-Ledger-Position"

PRODUCT = (
    *("productMasterId", "productName", "globalSku", "channels", "totalOnHand", "totalReserved", "poolNet"),
    *("minAtp", "maxAtp", "hasCritical"),
)
CELL = (
    *("channelId", "channelName", "atp", "onHand", "reserved", "available", "severity", "threshold", "policyId"),
    "terms",
)
COLUMN = ("channelId", "channelName", "channelType", "policyId", "lowAtpThreshold")
SUMMED = (
    *("channelId", "channelName", "channelType", "totalAtp", "reserved", "available", "onOrder", "products"),
    *("lowCount", "criticalCount", "byLocation"),
)

_numbers = itertools.count(1)

type Connection = asyncpg.Connection[Any]


@pytest.fixture
async def company(admin: Connection) -> Company:
    """A product with 1005 pieces at the DC; TRADE has a fence of 20 there, and counts as low up to 2000."""
    return await found_company(admin, f"selling-{next(_numbers)}", has_documents=False)


async def get(http: httpx.AsyncClient, company: Company, address: str, **query: Any) -> Any:
    answer = await http.get(address, params=company.fill(query))
    assert answer.status_code == 200, answer.text
    return answer.json()


async def put(http: httpx.AsyncClient, company: Company, **policy: Any) -> Any:
    place = {"channelId": "{channelId}", "locationId": "{locationId}", "productMasterId": "{productMasterId}"}
    answer = await http.put(POLICIES, json=company.fill({**place, **policy}))
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]


async def the_cells(http: httpx.AsyncClient, company: Company, **query: Any) -> dict[str, Any]:
    """The cells of the product at the DC, by the channel's code."""
    shown = await get(http, company, MATRIX, locationId="{locationId}", **query)
    (product,) = (p for p in shown["products"] if p["productMasterId"] == company.fact("productMasterId"))
    return {cell["channelName"].split()[0]: cell for cell in product["channels"]}


async def reserve(http: httpx.AsyncClient, company: Company, quantity: int) -> httpx.Response:
    item = {
        "productMasterId": "{productMasterId}",
        "locationId": "{locationId}",
        "channelId": "{channelId}",
        "quantityNeeded": quantity,
    }
    return await http.post("/api/inventory/reservations", json={"items": [company.fill(item)]})


async def test_the_matrix_has_the_published_shape_and_order(http: httpx.AsyncClient, company: Company) -> None:
    shown = await get(http, company, MATRIX, locationId="{locationId}")

    assert tuple(shown) == ("products", "channels", "location", "pagination")
    assert [tuple(product) for product in shown["products"]] == [PRODUCT] * 2
    assert {tuple(cell) for product in shown["products"] for cell in product["channels"]} == {CELL}
    assert [tuple(channel) for channel in shown["channels"]] == [COLUMN] * 2
    assert shown["location"] == {"id": company.fact("locationId"), "name": f"DC of {company.mark}"}
    assert (shown["pagination"]["total"], shown["pagination"]["totalIsExact"]) == (2, True)
    trade = next(channel for channel in shown["channels"] if channel["channelType"] == "WHOLESALE")
    assert (trade["policyId"], trade["lowAtpThreshold"]) == (company.fact("policyId"), 2000)


async def test_fences_are_kept_from_others_and_cells_say_so(http: httpx.AsyncClient, company: Company) -> None:
    cells = await the_cells(http, company)

    web, trade = cells["WEB"], cells["TRADE"]
    net = web["terms"]["poolNet"]
    assert (web["atp"], web["terms"]["fencesRespected"]) == (net - 20, 20)
    assert (trade["atp"], trade["terms"]["fence"], trade["severity"]) == (net, 20, "LOW")


async def test_a_check_and_a_reservation_find_what_the_matrix_shows(
    http: httpx.AsyncClient, company: Company
) -> None:
    await put(http, company, ceiling=7)
    shown = (await the_cells(http, company))["WEB"]

    body = {"productMasterId": "{productMasterId}", "locationId": "{locationId}", "channelId": "{channelId}"}
    asked = company.fill({**body, "quantityNeeded": 8})
    checked = (await http.post("/api/inventory/availability/check", json=asked)).json()["items"][0]
    too_much = await reserve(http, company, 8)
    enough = await reserve(http, company, 7)

    assert (shown["atp"], shown["terms"]["limit"]) == (7, "CEILING")
    assert (checked["totalAvailable"], checked["shortfall"]) == (7, 1)
    assert (too_much.status_code, enough.is_success) == (409, True), enough.text
    after = (await the_cells(http, company))["WEB"]
    assert (after["atp"], after["severity"]) == (0, "CRITICAL")
    assert after["reserved"] == shown["reserved"] + 7


async def test_a_fence_that_is_set_to_another_quantity_starts_anew(
    http: httpx.AsyncClient, company: Company
) -> None:
    async def left() -> Any:
        return (await the_cells(http, company))["WEB"]["terms"]["fence"]

    first = await put(http, company, fence=30)
    await reserve(http, company, 12)
    assert await left() == 18

    same = await put(http, company, fence=30, lowThreshold=5, expectedVersion=first["version"])
    assert (same["fenceVersion"], same["version"], await left()) == (1, 2, 18)

    other = await put(http, company, fence=31, expectedVersion=same["version"])
    assert (other["fenceVersion"], other["version"], await left()) == (2, 3, 31)


async def test_a_policy_is_changed_by_who_has_seen_it_and_taken_away(
    http: httpx.AsyncClient, company: Company
) -> None:
    made = await put(http, company, fence=3, expectedVersion=0)
    place = {"channelId": "{channelId}", "locationId": "{locationId}", "productMasterId": "{productMasterId}"}
    stale = [
        await http.put(POLICIES, json={**company.fill(place), "expectedVersion": version}) for version in (0, 2)
    ]
    gone = await http.delete(f"{POLICIES}/{made['id']}")
    late = await http.put(POLICIES, json={**company.fill(place), "expectedVersion": 1})

    assert [(answer.status_code, answer.json()["details"]["actual"]) for answer in stale] == [(409, 1), (409, 1)]
    assert gone.status_code == 200
    assert (late.status_code, late.json()["details"]["actual"]) == (409, 0)
    trail = await get(http, company, "/api/audit", entityType="channel_policy", entityId=made["id"])
    assert [one["action"] for one in trail["data"]] == ["channel_policy.deleted", "channel_policy.created"]


@pytest.mark.parametrize(
    ("policy", "path"),
    [
        ({"fence": -1}, "fence"),
        ({"bufferUnits": 1, "bufferPercent": 1}, "bufferPercent"),
        ({"bufferPercent": 100.5}, "bufferPercent"),
        ({"lowThreshold": 1, "criticalThreshold": 2}, "lowThreshold"),
    ],
)
async def test_a_policy_that_cannot_be_meant_is_refused(
    http: httpx.AsyncClient, company: Company, policy: dict[str, Any], path: str
) -> None:
    refused = await http.put(POLICIES, json=policy)

    assert refused.status_code == 400
    assert [field["path"] for field in refused.json()["details"]["fields"]] == [path]


async def test_who_is_limited_to_a_location_decides_there_and_nowhere_else(
    http: httpx.AsyncClient, served: Served, admin: Connection, company: Company
) -> None:
    headers = await master_key(admin, company, location_ids=[UUID(company.fact("locationId"))])
    async with httpx.AsyncClient(base_url=served.url, headers=headers, timeout=30) as limited:
        answers = [
            await limited.put(POLICIES, json=company.fill({"channelId": "{channelId}", **place}))
            for place in ({"locationId": "{locationId}"}, {"locationId": "{otherLocationId}"}, {})
        ]
        channel = await limited.post(CHANNELS, json={"code": "X", "name": "X", "type": "DTC"})
        seen = await get(limited, company, CHANNELS)
        policies = await get(limited, company, POLICIES)

    assert [answer.status_code for answer in answers] == [200, 403, 403]
    assert channel.status_code == 403
    assert {place for one in seen["data"] for place in one["locationIds"]} == {company.fact("locationId")}
    assert {one["locationId"] for one in policies["data"]} == {company.fact("locationId")}


async def test_a_channel_is_made_once_served_elsewhere_and_put_out_of_use(
    http: httpx.AsyncClient, company: Company
) -> None:
    body = company.fill({"code": "B2B", "name": "Business", "type": "WHOLESALE", "locationIds": ["{locationId}"]})
    key = {"Idempotency-Key": "once"}
    made, again = [await http.post(CHANNELS, json=body, headers=key) for _ in range(2)]
    twice = await http.post(CHANNELS, json=body)
    address = f"{CHANNELS}/{made.json()['data']['id']}"
    moved = await http.patch(
        address, json=company.fill({"locationIds": ["{otherLocationId}"], "expectedVersion": 1})
    )
    stale = await http.patch(address, json={"name": "Late", "expectedVersion": 1})
    nowhere = await http.patch(address, json={"locationIds": ["00000000-0000-7000-8000-000000000000"]})
    out = await http.patch(address, json={"active": False})

    assert (made.status_code, made.json()) == (201, again.json())
    assert (twice.status_code, twice.json()["details"]["field"]) == (409, "code")
    assert moved.json()["data"]["locationIds"] == [company.fact("otherLocationId")]
    assert (stale.status_code, nowhere.status_code, out.status_code) == (409, 404, 200)
    columns = (await get(http, company, MATRIX, locationId="{otherLocationId}"))["channels"]
    assert "Business" not in {column["channelName"] for column in columns}


async def test_a_page_goes_on_by_cursor_in_the_matrix_that_it_is_of(
    http: httpx.AsyncClient, company: Company
) -> None:
    first = await get(http, company, MATRIX, locationId="{locationId}", limit=1)
    cursor = first["pagination"]["nextCursor"]
    last = await get(http, company, MATRIX, locationId="{locationId}", limit=1, cursor=cursor)

    assert last["pagination"] == {
        "page": 2,
        "pageSize": 1,
        "total": 2,
        "totalPages": 2,
        "nextCursor": None,
        "totalIsExact": True,
    }
    assert first["products"][0] != last["products"][0]
    for query in (
        {"locationId": "{otherLocationId}", "cursor": cursor},
        {"locationId": "{locationId}", "cursor": cursor, "page": 2},
        {"locationId": "{locationId}", "severity": "LOW", "page": 2},
        {"locationId": "{locationId}", "channels": "WEB"},
        {},
    ):
        refused = await http.get(MATRIX, params=company.fill(query))
        assert refused.status_code == 400, refused.text


async def test_a_severity_shows_the_products_that_have_it(http: httpx.AsyncClient, company: Company) -> None:
    none = await get(http, company, MATRIX, locationId="{locationId}", severity="CRITICAL")
    await put(http, company, closed=True)

    found = await get(http, company, MATRIX, locationId="{locationId}", severity="CRITICAL")

    assert (none["products"], none["pagination"]["total"]) == ([], 0)
    assert [product["hasCritical"] for product in found["products"]] == [True]
    assert (found["pagination"]["total"], found["pagination"]["totalIsExact"]) == (1, True)


async def test_the_whole_matrix_is_to_be_had_as_csv(http: httpx.AsyncClient, company: Company) -> None:
    shown = await get(http, company, MATRIX, locationId="{locationId}")

    answer = await http.get(MATRIX, params=company.fill({"locationId": "{locationId}", "format": "csv"}))

    assert answer.headers["content-type"].startswith("text/csv")
    assert int(answer.headers[POSITION]) > 0
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    cells = [(product, cell) for product in shown["products"] for cell in product["channels"]]
    assert [(row["globalSku"], row["channelId"], float(row["atp"])) for row in rows] == [
        (product["globalSku"], cell["channelId"], cell["atp"]) for product, cell in cells
    ]
    assert all(float(row["terms.net"]) == cell["terms"]["net"] for row, (_, cell) in zip(rows, cells, strict=True))
    assert {row["channelCode"] for row in rows} == {f"WEB-{company.mark}", f"TRADE-{company.mark}"}


@pytest.mark.parametrize("address", [MATRIX, f"{MATRIX}/drilldown", SUMMARY])
async def test_an_answer_says_how_new_it_is_and_is_not_older_than_asked(
    http: httpx.AsyncClient, company: Company, address: str
) -> None:
    query = {"locationId": "{locationId}"}
    if address.endswith("drilldown"):
        query |= {"productMasterId": "{productMasterId}", "channelId": "{channelId}"}
    asked = company.fill(query)

    now = int((await http.get(address, params=asked)).headers[POSITION])
    same = await http.get(address, params=asked, headers={MIN_POSITION: str(now)})
    later = await http.get(address, params=asked, headers={MIN_POSITION: str(now + 1)})

    assert (same.status_code, later.status_code) == (200, 503)
    assert later.headers["Retry-After"] == "1"


async def test_the_summary_has_the_published_shape_and_adds_up(http: httpx.AsyncClient, company: Company) -> None:
    await reserve(http, company, 4)

    everywhere = (await get(http, company, SUMMARY))["data"]
    here = (await get(http, company, SUMMARY, locationId="{locationId}", channelId="{channelId}"))["data"]

    assert [tuple(channel) for channel in everywhere] == [SUMMED] * 2
    web = next(channel for channel in everywhere if channel["channelId"] == company.fact("channelId"))
    assert [place["locationId"] for place in here[0]["byLocation"]] == [company.fact("locationId")]
    expected = (await get(http, company, SUPPLIES, locationId="{locationId}", state="OPEN"))["data"]
    assert (here[0]["reserved"], here[0]["products"]) == (4, 2)
    assert here[0]["onOrder"] == sum(supply["openQuantity"] for supply in expected)
    assert web["totalAtp"] == sum(place["totalAtp"] for place in web["byLocation"])
    assert web["products"] == 4
    cells = [p["channels"] for p in (await get(http, company, MATRIX, locationId="{locationId}"))["products"]]
    atps = [cell["atp"] for row in cells for cell in row if cell["channelId"] == company.fact("channelId")]
    assert here[0]["totalAtp"] == sum(atps)
