"""Records read: newest first, by location and by SKU, whatever stands in a code."""

import base64
from typing import Any

import pytest

from tests.e2e.integrations.partner import INVENTORY, LOCATIONS, PRODUCTS, Partner, row

BLUE = "RUG-5X7-BLU"


async def read_all(partner: Partner, path: str, limit: int) -> list[dict[str, Any]]:
    """The whole list, part by part."""
    found, cursor = [], None
    while True:
        query: dict[str, Any] = {"limit": limit} | ({"cursor": cursor} if cursor else {})
        answer = (await partner.get(path, **query)).json()
        assert answer["pagination"]["limit"] == limit
        found += answer["data"]
        cursor = answer["pagination"]["next_cursor"]
        if cursor is None:
            return found


async def test_a_list_goes_on_newest_first_and_is_stable_while_rows_are_added(partner: Partner) -> None:
    codes = [f"R-{n:02}" for n in range(7)]
    for code in codes:
        await partner.make("/api/bins", locationId=partner.ids["MAIN"], code=code, name=code)
        await partner.set(row(code, BLUE, 0 if code in {"R-02", "R-05"} else 3))
    newest = [one["location_code"] for one in await read_all(partner, INVENTORY, 200)]

    first = (await partner.get(INVENTORY, limit=3)).json()
    await partner.set(row("A-101", BLUE, 1), row("R-02", BLUE, 9))
    rest = (await partner.get(INVENTORY, limit=200, cursor=first["pagination"]["next_cursor"])).json()
    seen = [one["location_code"] for one in first["data"] + rest["data"]]

    assert newest == codes[::-1]
    assert seen == codes[::-1]
    assert sorted(one["location_code"] for one in await read_all(partner, INVENTORY, 2)) == ["A-101", *codes]


@pytest.mark.parametrize(
    ("limit", "taken"),
    [
        ("0", 1),
        ("-5", 1),
        ("1000", 200),
        ("9" * 50, 200),
        ("7", 7),
        ("abc", 50),
        ("", 50),
        ("2.5", 50),
        (None, 50),
    ],
)
async def test_a_limit_is_clamped_and_never_refused(partner: Partner, limit: str | None, taken: int) -> None:
    query: dict[str, Any] = {} if limit is None else {"limit": limit}
    answer = await partner.get(INVENTORY, **query)

    assert (answer.status_code, answer.json()["pagination"]["limit"]) == (200, taken)


@pytest.mark.parametrize("path", [INVENTORY, LOCATIONS, PRODUCTS])
async def test_a_cursor_that_was_touched_is_refused(partner: Partner, path: str) -> None:
    await partner.set(row("A-101", BLUE, 1), row("A-102", BLUE, 1))
    cursor = (await partner.get(path, limit=1)).json()["pagination"]["next_cursor"]
    _, other = await partner.a_key("integrations.*")
    raw = base64.urlsafe_b64decode(cursor + "==")
    changed = base64.urlsafe_b64encode(raw.replace(b"-7", b"-6", 1)).decode().rstrip("=")
    elsewhere = PRODUCTS if path == INVENTORY else INVENTORY

    for wrong in (cursor[:-2], cursor + "A", changed, "x", "eyJjIjoxfQ", "!", cursor.swapcase()):
        answer = await partner.get(path, cursor=wrong)
        assert answer.status_code == 400
        assert answer.json() == {
            "success": False,
            "error": {"code": "VALIDATION_ERROR", "message": f"Invalid cursor: '{wrong}'"},
        }
    assert (await partner.get(path, cursor=cursor)).status_code == 200
    assert (await partner.get(elsewhere, cursor=cursor)).status_code == 400
    assert (await partner.get(path, key=other, cursor=cursor)).status_code == 400


async def test_records_are_found_by_location_and_by_sku(partner: Partner) -> None:
    await partner.set(row("A-101", "LAMP", 4), row("A-102", "LAMP", 5), row("SHOP", "LAMP", 6))
    at = (await partner.get(f"{INVENTORY}A-102/", by="location")).json()
    of = (await partner.get(f"{INVENTORY}LAMP/", by="sku")).json()

    assert {"location_code": "A-102", "sku_code": "LAMP", "quantity": 5} in at["data"]
    assert of == {
        "success": True,
        "data": [
            {"location_code": code, "sku_code": "LAMP", "quantity": n}
            for code, n in (("A-101", 4), ("A-102", 5), ("SHOP", 6))
        ],
    }
    assert (await partner.get(f"{INVENTORY}NO-SUCH/")).json() == {"success": True, "data": []}
    assert (await partner.get(f"{INVENTORY}NO-SUCH/", by="sku")).json() == {"success": True, "data": []}


@pytest.mark.parametrize("by", ["bin", "", "LOCATION", "null"])
async def test_another_by_is_refused(partner: Partner, by: str) -> None:
    answer = await partner.get(f"{INVENTORY}A-101/", by=by)

    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "VALIDATION_ERROR")


@pytest.mark.parametrize(
    ("code", "sent"),
    [
        ("WH/SHELF-01", "WH%2FSHELF-01"),
        ("Regal Ä 1", "Regal%20%C3%84%201"),
        ("50%+?#&", "50%25%2B%3F%23%26"),
        ("a/b/c", "a/b/c"),
        ("ends/", "ends%2F"),
    ],
)
async def test_identifiers_are_percent_decoded(partner: Partner, code: str, sent: str) -> None:
    made = await partner.http.post(LOCATIONS, json={"code": code}, headers=partner.key)
    await partner.set(row(code, BLUE, 3))
    found = (await partner.get(f"{INVENTORY}{sent}/")).json()["data"]
    place = await partner.get(f"{LOCATIONS}{sent}/")

    assert made.status_code == 201, made.text
    assert found == [{"location_code": code, "sku_code": BLUE, "quantity": 3}]
    assert place.json()["data"]["code"] == code


@pytest.mark.parametrize("sent", ["%00", "%FF", "%ED%A0%80", "%0A", "x" * 300, "%E2%80%AE", "%2E%2E%2F"])
async def test_what_can_be_no_code_is_found_nowhere(partner: Partner, sent: str) -> None:
    found = await partner.get(f"{INVENTORY}{sent}/")
    place = await partner.get(f"{LOCATIONS}{sent}/")

    assert (found.status_code, found.json()) == (200, {"success": True, "data": []})
    assert (place.status_code, place.json()["error"]["code"]) == (404, "NOT_FOUND")
