"""Places and products on this surface, by their codes."""

import pytest

from tests.e2e.integrations.partner import LOCATIONS, PRODUCTS, Json, Partner, row


async def send(partner: Partner, method: str, path: str, body: Json | None = None) -> tuple[int, Json]:
    answer = await partner.http.request(method, path, json=body, headers=partner.key)
    told: Json = answer.json()
    return answer.status_code, told.get("data") or told


async def test_a_place_is_made_changed_and_deactivated_by_its_code(partner: Partner) -> None:
    made = await send(partner, "POST", LOCATIONS, {"code": "C-1", "zone": "C", "parent_code": "MAIN"})
    changed = await send(partner, "PUT", f"{LOCATIONS}C-1/", {"name": "Aisle C", "zone": None})
    await partner.set(row("C-1", "LAMP", 2))
    ended = await send(partner, "DELETE", f"{LOCATIONS}C-1/")
    read = await send(partner, "GET", f"{LOCATIONS}C-1/")
    listed = (await partner.get(LOCATIONS, limit=200)).json()["data"]
    refused = await partner.set(row("C-1", "LAMP", 3))
    again = await send(partner, "PUT", f"{LOCATIONS}C-1/", {"is_active": True})

    shown = {"code": "C-1", "name": "C-1", "zone": "C", "parent_code": "MAIN", "is_active": True}
    assert made == (201, shown | {"id": made[1]["id"]})
    assert changed == (200, made[1] | {"name": "Aisle C", "zone": None})
    assert ended[1] == read[1] == changed[1] | {"is_active": False}
    assert "C-1" not in {one["code"] for one in listed}
    assert refused["failed"] == 1
    assert again[1] == changed[1]


async def test_a_location_of_its_own_is_its_default_bin(partner: Partner) -> None:
    made = await send(partner, "POST", LOCATIONS, {"code": "DEPOT", "name": "Depot", "zone": "Z"})
    renamed = await send(partner, "PUT", f"{LOCATIONS}DEPOT", {"name": "Depot North", "zone": "Y"})
    ended = await send(partner, "DELETE", f"{LOCATIONS}DEPOT")

    assert (made[1]["parent_code"], made[1]["zone"]) == (None, "Z")
    assert (renamed[1]["name"], renamed[1]["zone"]) == ("Depot North", "Y")
    assert ended[1]["is_active"] is False


async def test_a_product_is_made_changed_and_deactivated_by_its_sku(partner: Partner) -> None:
    made = await send(partner, "POST", PRODUCTS, {"sku": "CHAIR/1", "cost": 12.5})
    changed = await send(partner, "PUT", f"{PRODUCTS}CHAIR%2F1/", {"name": "Chair", "barcode": "0123"})
    await partner.set(row("A-101", "CHAIR/1", 2), row("SHOP", "CHAIR/1", 3))
    ended = await send(partner, "DELETE", f"{PRODUCTS}CHAIR%2F1/")
    refused = await partner.set(row("A-101", "CHAIR/1", 3))
    _, key = await partner.a_key("integrations.*", at=["SHOP"])
    narrow = await partner.get(f"{PRODUCTS}CHAIR%2F1/", key=key)

    assert made[0] == 201
    assert made[1] | {"id": None} == {
        "id": None,
        "sku": "CHAIR/1",
        "name": "CHAIR/1",
        "quantity": 0,
        "unit": "EA",
        "cost": 12.5,
        "barcode": None,
        "is_active": True,
    }
    assert changed[1] == made[1] | {"name": "Chair", "barcode": "0123"}
    assert (ended[1]["is_active"], ended[1]["quantity"]) == (False, 5)
    assert refused["errors"][0]["errors"] == {"product_id": ["Product not found"]}
    assert narrow.json()["data"]["quantity"] == 3


@pytest.mark.parametrize(
    ("method", "path", "body", "expected"),
    [
        ("POST", LOCATIONS, {"code": "A-101"}, "409 DUPLICATE"),
        ("POST", LOCATIONS, {"code": "MAIN"}, "409 DUPLICATE"),
        ("POST", PRODUCTS, {"sku": "LAMP"}, "409 DUPLICATE"),
        ("POST", LOCATIONS, {"code": "X", "parent_code": "NOWHERE"}, "404 NOT_FOUND"),
        ("POST", LOCATIONS, {"code": "X", "parent_code": "A-101"}, "400 VALIDATION_ERROR"),
        ("POST", LOCATIONS, {}, "400 VALIDATION_ERROR"),
        ("POST", LOCATIONS, {"code": 5}, "400 VALIDATION_ERROR"),
        ("POST", LOCATIONS, {"code": "x" * 65}, "400 VALIDATION_ERROR"),
        ("POST", LOCATIONS, {"code": "X", "colour": "red"}, "400 VALIDATION_ERROR"),
        ("POST", PRODUCTS, {"sku": "X", "cost": -1}, "400 VALIDATION_ERROR"),
        ("POST", PRODUCTS, {"sku": "X", "cost": "1"}, "400 VALIDATION_ERROR"),
        ("POST", PRODUCTS, {"sku": "X", "unit": "FURLONG"}, "400 VALIDATION_ERROR"),
        ("GET", f"{LOCATIONS}NOWHERE/", None, "404 NOT_FOUND"),
        ("PUT", f"{LOCATIONS}NOWHERE/", {"name": "X"}, "404 NOT_FOUND"),
        ("DELETE", f"{LOCATIONS}NOWHERE/", None, "404 NOT_FOUND"),
        ("PUT", f"{LOCATIONS}A-101/", {}, "400 VALIDATION_ERROR"),
        ("PUT", f"{LOCATIONS}A-101/", {"name": None}, "400 VALIDATION_ERROR"),
        ("GET", f"{PRODUCTS}NO-SUCH/", None, "404 NOT_FOUND"),
        ("PUT", f"{PRODUCTS}NO-SUCH/", {"name": "X"}, "404 NOT_FOUND"),
        ("DELETE", f"{PRODUCTS}NO-SUCH/", None, "404 NOT_FOUND"),
        ("PUT", f"{PRODUCTS}LAMP/", {"is_active": None}, "400 VALIDATION_ERROR"),
    ],
    ids=str,
)
async def test_refusals(partner: Partner, method: str, path: str, body: Json | None, expected: str) -> None:
    status, told = await send(partner, method, path, body)

    assert f"{status} {told['error']['code']}" == expected


async def test_a_key_of_one_location_makes_bins_there_and_nothing_that_all_share(partner: Partner) -> None:
    _, key = await partner.a_key("integrations.*", at=["SHOP"])

    async def make(path: str, **body: str) -> int:
        return (await partner.http.post(path, json=body, headers=key)).status_code

    assert await make(LOCATIONS, code="S-1", parent_code="SHOP") == 201
    assert await make(LOCATIONS, code="S-2", parent_code="MAIN") == 404
    assert await make(LOCATIONS, code="S-3") == 403
    assert await make(PRODUCTS, sku="S-4") == 403
    assert (await partner.get(f"{LOCATIONS}A-101/", key=key)).status_code == 404
