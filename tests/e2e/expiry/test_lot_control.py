"""Looking lots over over HTTP: every code, barcodes, and the date where the stock would stand."""

from typing import Any

import asyncpg
import httpx
import pytest

from domain.access.model import Permission
from tests.e2e.ledger_writes.site import Api, Site

VALIDATE = "/api/inventory/lot-control/validate"
GTIN = "09506000134352"


@pytest.fixture
def client(api: Api, site: Site) -> httpx.AsyncClient:
    return api.client(site.caller([Permission.INVENTORY_READ]))


async def validated(client: httpx.AsyncClient, **body: Any) -> Any:
    answer = await client.post(VALIDATE, json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def codes(result: Any) -> list[str]:
    return [error["code"] for error in result["result"]["errors"]]


async def test_a_product_s_demands_are_told(client: httpx.AsyncClient, site: Site) -> None:
    milk = (await client.get(VALIDATE, params={"productMasterId": str(site.ids["MILK"])})).json()
    bolt = (await client.get(VALIDATE, params={"productMasterId": str(site.ids["BOLT"])})).json()

    assert milk["lotRequired"] is True
    assert milk["expiryRequired"] is True
    assert milk["minRemainingShelfLifeDays"] == 3
    assert bolt["lotRequired"] is False
    assert bolt["expiryRequired"] is False


async def test_every_line_is_told_what_is_wrong_with_it(client: httpx.AsyncClient, site: Site) -> None:
    await site.a_lot("PILL", "AB100", expires_in=50)
    await site.a_lot("PILL", "AB200", expires_in=50, status="INACTIVE")
    milk, pill, bolt = (str(site.ids[sku]) for sku in ("MILK", "PILL", "BOLT"))
    far = site.day(400).isoformat()
    lines: list[tuple[dict[str, Any], list[str]]] = [
        ({"productMasterId": milk, "lotNumber": "M1", "expiryDate": far, "quantity": 4}, []),
        ({"productMasterId": bolt, "newQty": 4}, []),
        ({"productMasterId": str(site.tenant_id)}, ["PRODUCT_NOT_FOUND"]),
        ({"productMasterId": milk}, ["LOT_REQUIRED"]),
        ({"productMasterId": milk, "lotNumber": "M2"}, ["EXPIRY_REQUIRED"]),
        (
            {"productMasterId": milk, "lotNumber": "M3", "expiryDate": site.day(-2).isoformat()},
            ["EXPIRED_NOT_ALLOWED"],
        ),
        (
            {"productMasterId": milk, "lotNumber": "M4", "expiryDate": site.day(1).isoformat()},
            ["SHELF_LIFE_TOO_SHORT"],
        ),
        ({"productMasterId": pill, "lotNumber": "ab1"}, ["LOT_FORMAT"]),
        ({"productMasterId": pill, "lotNumber": "AB100", "expiryDate": far}, ["EXPIRY_MISMATCH"]),
        ({"productMasterId": pill, "lotNumber": "AB200"}, ["LOT_ON_HOLD"]),
        ({"barcode": "nonsense"}, ["BARCODE_INVALID"]),
        ({"barcode": f"(01){GTIN}(10)A"}, ["PRODUCT_NOT_FOUND"]),
    ]

    found = await validated(client, lines=[line for line, _ in lines])

    assert [codes(result) for result in found["lineResults"]] == [expected for _, expected in lines]
    assert found["valid"] is False
    assert found["summary"] == {"lines": 12, "validLines": 2, "totalErrors": 10, "totalWarnings": 1}


@pytest.mark.parametrize("kept", [GTIN, "9506000134352"])
async def test_a_barcode_names_product_lot_and_expiry(
    client: httpx.AsyncClient, admin: "asyncpg.Connection[Any]", site: Site, kept: str
) -> None:
    await admin.execute(
        "UPDATE products SET barcode = $3 WHERE tenant_id = $1 AND id = $2", site.tenant_id, site.ids["MILK"], kept
    )

    found = await validated(client, barcode=f"01{GTIN}1739123110M\u002d7\x1d21S1")

    assert found["valid"] is True
    (result,) = found["lineResults"]
    assert result["productMasterId"] == str(site.ids["MILK"])
    assert result["scanned"] == {
        "gtin": GTIN,
        "lotNumber": "M-7",
        "expiryDate": "2039-12-31",
        "bestBeforeDate": None,
        "manufacturedDate": None,
        "serialNumber": "S1",
        "quantity": None,
    }


async def test_a_barcode_that_several_products_have_names_none(
    client: httpx.AsyncClient, admin: "asyncpg.Connection[Any]", site: Site
) -> None:
    await admin.execute(
        "UPDATE products SET barcode = $2 WHERE tenant_id = $1 AND sku IN ('BOLT', 'NUT')", site.tenant_id, GTIN
    )

    found = await validated(
        client, lines=[{"barcode": GTIN}, {"barcode": GTIN, "productMasterId": str(site.ids["NUT"])}]
    )

    assert [codes(result) for result in found["lineResults"]] == [["PRODUCT_NOT_FOUND"], []]


async def test_an_expiry_is_judged_by_the_date_at_the_location(client: httpx.AsyncClient, site: Site) -> None:
    # Somewhere it is already tomorrow when it is still today elsewhere: the two are 25 hours apart.
    ahead = await site.a_location("AHEAD", time_zone="Pacific/Kiritimati")
    behind = await site.a_location("BEHIND", time_zone="Pacific/Pago_Pago")
    day: Any = await site.admin.fetchval("SELECT (now() AT TIME ZONE 'Pacific/Pago_Pago')::date")
    line = {"productMasterId": str(site.ids["PILL"]), "lotNumber": "AB123", "expiryDate": day.isoformat()}

    here = await validated(client, lines=[line], locationId=str(behind))
    there = await validated(client, lines=[line], locationId=str(ahead))

    assert here["valid"] is True
    assert codes(there["lineResults"][0]) == ["EXPIRED_NOT_ALLOWED"]


async def test_a_held_lot_is_warned_of(
    client: httpx.AsyncClient, admin: "asyncpg.Connection[Any]", site: Site
) -> None:
    lot = await site.a_lot("PILL", "AB300", expires_in=50)
    await admin.execute(
        """
        INSERT INTO holds (tenant_id, id, type, scope, lot_id, reason)
        VALUES ($1, gen_random_uuid(), 'RECALL', 'LOT', $2, 'Glass in it')
        """,
        site.tenant_id,
        lot,
    )

    found = await validated(client, lines=[{"productMasterId": str(site.ids["PILL"]), "lotNumber": "AB300"}])

    assert found["valid"] is True
    assert [w["code"] for w in found["lineResults"][0]["result"]["warnings"]] == ["LOT_ON_HOLD"]


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({}, "lines"),
        ({"lines": [{"lotNumber": "A"}]}, "lines[0].productMasterId"),
        ({"lines": [{"barcode": GTIN, "lotNumber": "A"}]}, "lines[0].lotNumber"),
        ({"lines": [{"barcode": GTIN, "quantity": -1}]}, "lines[0].quantity"),
        ({"lines": [{"barcode": "a\x00b"}]}, "lines[0].barcode"),
        ({"lines": [{"lotNumber": "a\x1db", "barcode": GTIN}]}, "lines[0].lotNumber"),
    ],
)
async def test_what_cannot_be_meant_is_refused_with_its_place(
    client: httpx.AsyncClient, body: dict[str, Any], path: str
) -> None:
    answer = await client.post(VALIDATE, json=body)

    assert answer.status_code == 400
    assert [field["path"] for field in answer.json()["details"]["fields"]] == [path]
