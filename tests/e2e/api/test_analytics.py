"""`GET /api/inventory/analytics` as its clients meet it; what it adds up is tested with its statement."""

from decimal import Decimal
from uuid import UUID

import httpx
import pytest

from domain.access.model import Permission
from domain.values import new_id
from tests.e2e.api.company import Company, add_key, as_bearer
from tests.e2e.api.conftest import Connection, Founding

PATH = "/api/inventory/analytics"


async def headers(admin: Connection, company: Company, *location_ids: str) -> dict[str, str]:
    """Of somebody who may look at stock."""
    ids = [UUID(id_) for id_ in location_ids] or None
    return as_bearer(await add_key(admin, company, [Permission.INVENTORY_READ], location_ids=ids))


async def test_a_dashboard_gets_its_totals_and_a_row_for_each_day(
    http: httpx.AsyncClient, admin: Connection, company: Company
) -> None:
    response = await http.get(PATH, headers=await headers(admin, company))

    assert response.status_code == 200, response.text
    head = await admin.fetchval("SELECT position FROM ledger_heads WHERE tenant_id = $1", company.tenant_id)
    assert response.headers["X-Ledger-Position"] == str(head)
    data = response.json(parse_float=Decimal, parse_int=Decimal)["data"]
    flows = {
        name: data[name]["quantity"]
        for name in ("receipts", "adjustments", "opening", "transfers", "issues", "destructions")
    }
    came = sum(flows.values()) - 2 * (flows["issues"] + flows["destructions"])
    assert data["valuation"]["endQuantity"] == data["valuation"]["startQuantity"] + came
    held = "SELECT sum(on_hand) FROM stock_lines WHERE tenant_id = $1"
    assert data["valuation"]["endQuantity"] == await admin.fetchval(held, company.tenant_id)
    assert [day["date"] for day in data["series"]][-1] == data["period"]["toDate"]
    assert len(data["series"]) == data["period"]["days"] == 30
    assert data["series"][-1]["closingQuantity"] == data["valuation"]["endQuantity"]
    assert sum(bucket["quantity"] for bucket in data["ageing"]) == data["valuation"]["endQuantity"]


async def test_ratios_of_nothing_are_null(http: httpx.AsyncClient, admin: Connection, company: Company) -> None:
    dates = {"fromDate": "2001-01-01", "toDate": "2001-01-31"}

    data = (await http.get(PATH, params=dates, headers=await headers(admin, company))).json()["data"]

    ratios = (data["turns"], data["turnsPerYear"], data["daysOfSupply"], data["shrinkage"]["rate"])
    assert ratios == (None, None, None, None)
    assert (data["countAccuracy"]["accuracy"], data["stockOuts"]["rate"]) == (None, None)
    assert data["period"] | {"timeZone": ""} == {
        "fromDate": "2001-01-01",
        "toDate": "2001-01-31",
        "days": 31,
        "timeZone": "",
    }


@pytest.mark.parametrize(
    "query",
    [
        {"fromDate": "2024-02-01", "toDate": "2024-01-31"},
        {"fromDate": "2024-01-01", "toDate": "2025-02-04"},
        {"fromDate": "9999-12-31"},
        {"fromDate": "0001-01-01", "toDate": "0001-01-01"},
        {"toDate": "0001-01-01"},
        {"fromDate": "2024-02-30"},
        {"toDate": "yesterday"},
        {"fromDate": "2024-01-01T00:00:00Z"},
        {"locationId": "DC"},
        {"from": "2024-01-01"},
    ],
    ids=str,
)
async def test_a_period_that_cannot_be_meant_is_refused(
    http: httpx.AsyncClient, admin: Connection, company: Company, query: dict[str, str]
) -> None:
    response = await http.get(PATH, params=query, headers=await headers(admin, company))

    assert (response.status_code, response.json()["details"]["code"]) == (400, "VALIDATION_ERROR")


@pytest.mark.parametrize("to_date", ["1900-01-01", "9999-12-31"])
async def test_days_long_past_and_to_come_may_be_named(
    http: httpx.AsyncClient, admin: Connection, company: Company, to_date: str
) -> None:
    response = await http.get(PATH, params={"toDate": to_date}, headers=await headers(admin, company))

    assert response.status_code == 200, response.text


async def test_a_place_or_category_of_others_is_not_there(
    http: httpx.AsyncClient, admin: Connection, company: Company, found: Founding
) -> None:
    other, mine = await found(), company.facts
    everywhere = await headers(admin, company)
    at_one = await headers(admin, company, mine["locationId"])
    cases = [
        (everywhere, {"locationId": other.facts["locationId"]}),
        (everywhere, {"locationId": str(new_id())}),
        (everywhere, {"categoryId": other.facts["categoryId"]}),
        (at_one, {"locationId": mine["otherLocationId"]}),
    ]
    for sent, query in cases:
        response = await http.get(PATH, params=query, headers=sent)
        assert (response.status_code, response.json()["details"]["code"]) == (404, "NOT_FOUND"), query
    response = await http.get(PATH, params={"locationId": mine["locationId"]}, headers=at_one)
    assert response.status_code == 200


async def test_an_answer_older_than_the_client_wants_is_not_given(
    http: httpx.AsyncClient, admin: Connection, company: Company
) -> None:
    sent = {**await headers(admin, company), "X-Min-Ledger-Position": str(2**62)}

    response = await http.get(PATH, headers=sent)

    assert (response.status_code, response.json()["details"]["code"]) == (503, "UNAVAILABLE")
