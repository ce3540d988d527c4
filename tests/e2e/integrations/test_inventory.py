"""Quantities set in bulk: the published examples, each row judged by itself, one group in the ledger."""

from typing import Any

import pytest

from tests.e2e.integrations.partner import INVENTORY, Partner, row

BLUE, RED, LAMP = "RUG-5X7-BLU", "RUG-8X10-RED", "LAMP"


async def test_records_are_created_updated_and_refused_as_published(partner: Partner) -> None:
    created = await partner.set(row("A-101", BLUE, 150))
    mixed = await partner.set(row("A-101", BLUE, 150), row("A-101", RED, 75), row("INVALID-LOC", BLUE, 200))

    assert created == {"total": 1, "created": 1, "updated": 0, "failed": 0, "errors": []}
    assert mixed == {
        "total": 3,
        "created": 1,
        "updated": 1,
        "failed": 1,
        "errors": [
            {
                "row": 2,
                "location_id": "INVALID-LOC",
                "product_id": BLUE,
                "errors": {"location_id": ["Location not found"]},
            }
        ],
    }
    assert await partner.quantity("A-101", BLUE) == 150


async def test_a_location_s_code_names_its_default_bin(partner: Partner) -> None:
    await partner.set(row("SHOP", LAMP, 4), row("MAIN", LAMP, 9))

    assert (await partner.quantity("SHOP", LAMP), await partner.quantity("MAIN", LAMP)) == (4, 9)
    assert await partner.quantity("MAIN/DEFAULT", LAMP) == 9


async def test_a_repeated_pair_is_applied_in_order_and_each_counts(partner: Partner) -> None:
    found = await partner.set(row("A-102", LAMP, 5), row("A-102", LAMP, 0), row("A-102", LAMP, 8))
    again = await partner.set(row("A-102", LAMP, 8), row("A-102", LAMP, 8))

    assert (found["created"], found["updated"], await partner.quantity("A-102", LAMP)) == (1, 2, 8)
    assert (again["created"], again["updated"]) == (0, 2)


async def test_a_record_set_to_nothing_stays_a_record_even_where_nothing_has_ever_stood(partner: Partner) -> None:
    first = await partner.set(row("A-102", RED, 0))
    second = await partner.set(row("A-102", RED, 0))
    shown = await partner.quantity("A-102", RED)
    filled = await partner.set(row("A-102", RED, 6))
    emptied = await partner.set(row("A-102", RED, 0))

    assert [one["created"] for one in (first, second, filled, emptied)] == [1, 0, 0, 0]
    assert (shown, await partner.quantity("A-102", RED)) == (0, 0)


@pytest.mark.parametrize(
    ("bad", "errors"),
    [
        (row("A-101", "NO-SUCH", 1), {"product_id": ["Product not found"]}),
        (
            row("NOWHERE", "NO-SUCH", 1),
            {"location_id": ["Location not found"], "product_id": ["Product not found"]},
        ),
        (row("A-101", BLUE, -1), {"quantity": ["Must not be negative"]}),
        (row("A-101", BLUE, 1.5), {"quantity": ["Must be a whole number"]}),
        (row("A-101", BLUE, "5"), {"quantity": ["Must be a whole number"]}),
        (row("A-101", BLUE, True), {"quantity": ["Must be a whole number"]}),
        (row("A-101", BLUE, None), {"quantity": ["This field is required"]}),
        (row("A-101", BLUE, 10**14), {"quantity": ["Must be at most 99999999999999"]}),
        (row("A-101", BLUE, 10**30), {"quantity": ["Must be at most 99999999999999"]}),
        (row(7, BLUE, 1), {"location_id": ["Must be a string"]}),
        (row("A-101", ["x"], 1), {"product_id": ["Must be a string"]}),
        (row("A\u0000", BLUE, 1), {"location_id": ["Must not have control characters"]}),
        (row(" ", BLUE, 1), {"location_id": ["Must not be empty"]}),
        (row("A-101", "x" * 65, 1), {"product_id": ["Must have at most 64 characters"]}),
        (row("A-101", BLUE, 1) | {"qty": 3}, {"qty": ["Unknown field"]}),
        (
            {},
            {name: ["This field is required"] for name in ("location_id", "product_id", "quantity")},
        ),
    ],
    ids=lambda value: str(value)[:40],
)
async def test_a_bad_row_is_told_and_the_good_ones_stand(partner: Partner, bad: Any, errors: Any) -> None:
    found = await partner.set(bad, row("SHOP", BLUE, 1))

    assert (found["failed"], found["created"] + found["updated"]) == (1, 1)
    (told,) = found["errors"]
    assert told == {
        "row": 0,
        "location_id": bad.get("location_code"),
        "product_id": bad.get("sku_code"),
        "errors": errors,
    }


@pytest.mark.parametrize("bad", [None, 5, "x", []])
async def test_a_row_that_is_no_object_is_a_bad_row(partner: Partner, bad: Any) -> None:
    found = await partner.set(bad)

    assert found["errors"][0]["errors"] == {"quantity": ["The row must be an object"]}


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({}, "inventory"),
        ({"inventory": []}, "inventory"),
        ({"inventory": {}}, "inventory"),
        ({"inventory": None}, "inventory"),
        ([], "object"),
        ({"inventory": [1], "source": "magic"}, "source"),
        ({"inventory": [1], "source": None}, "source"),
        ({"inventory": [1], "notes": 5}, "notes"),
        ({"inventory": [1], "note": "x"}, "note"),
    ],
)
async def test_a_request_that_cannot_be_meant_is_refused_as_a_whole(
    partner: Partner, body: Any, said: str
) -> None:
    answer = await partner.http.post(INVENTORY, json=body, headers=partner.key)

    assert answer.status_code == 400
    assert answer.json().keys() == {"success", "error"}
    assert (answer.json()["success"], answer.json()["error"]["code"]) == (False, "VALIDATION_ERROR")
    assert said in answer.json()["error"]["message"]


async def test_a_call_is_one_group_in_the_ledger_and_what_is_unchanged_posts_nothing(partner: Partner) -> None:
    await partner.set(row("A-101", LAMP, 3), row("SHOP", LAMP, 3), source="erp_sync", notes="Nightly")
    before = await partner.movements(LAMP)
    await partner.set(row("A-101", LAMP, 3), row("SHOP", LAMP, 3))

    moved = before[:2]
    assert [one["kind"] for one in moved] == ["IMPORT", "IMPORT"]
    assert len({one["transactionId"] for one in moved}) == 1
    assert (moved[0]["sourceType"], moved[0]["sourceId"]) == ("INTEGRATIONS", "erp_sync")
    assert await partner.movements(LAMP) == before


async def test_what_is_inactive_is_not_found_for_writes_and_stays_readable(partner: Partner) -> None:
    bin_id = await partner.make("/api/bins", locationId=partner.ids["MAIN"], code="B-9", name="B-9")
    await partner.set(row("B-9", BLUE, 2))
    await partner.change(f"/api/bins/{bin_id}", active=False)
    refused = await partner.set(row("B-9", BLUE, 3))

    assert refused["errors"][0]["errors"] == {"location_id": ["Location not found"]}
    assert await partner.quantity("B-9", BLUE) == 2


async def test_notes_are_free_and_may_be_empty(partner: Partner) -> None:
    for notes in ("", " ", None, "x" * 2_000):
        assert (await partner.set(row("A-101", BLUE, 3), notes=notes))["failed"] == 0


async def test_lots_are_never_spread_over(partner: Partner) -> None:
    line = {"productMasterId": partner.ids["MILK"], "lotNumber": "L1", "quantity": 5}
    received = await partner.http.post(
        "/api/inventory/receipts",
        json={"locationId": partner.ids["SHOP"], "lines": [line]},
        headers=partner.owner,
    )
    refused = await partner.set(row("SHOP", "MILK", 9), row("A-101", "MILK", 9))

    assert received.is_success, received.text
    assert [one["errors"] for one in refused["errors"]] == [
        {"quantity": ["Product is lot-controlled at this location"]},
        {"quantity": ["Product is lot-controlled at this location"]},
    ]
    assert await partner.quantity("SHOP", "MILK") == 5


async def test_less_than_what_is_reserved_is_accepted_and_told(partner: Partner) -> None:
    await partner.set(row("SHOP", RED, 10))
    item = {"productMasterId": partner.ids[RED], "locationId": partner.ids["SHOP"], "quantityNeeded": 8}
    reserved = await partner.http.post(
        "/api/inventory/reservations", json={"items": [item]}, headers=partner.owner
    )
    found = await partner.set(row("SHOP", RED, 5))
    feed = await partner.http.get("/api/events", params={"type": "inventory.shortage.v1"}, headers=partner.owner)

    assert reserved.is_success, reserved.text
    assert (found["failed"], await partner.quantity("SHOP", RED)) == (0, 5)
    (line,) = feed.json()["data"][-1]["data"]["lines"]
    assert (line["onHand"], line["reserved"], line["shortBy"]) == (5, 8, 3)


async def test_a_bin_that_is_being_counted_refuses_its_rows(partner: Partner) -> None:
    bin_id = await partner.make("/api/bins", locationId=partner.ids["SHOP"], code="CNT", name="CNT")
    await partner.set(row("CNT", BLUE, 2))
    begun = await partner.http.post(
        "/api/inventory/cycle-count",
        json={
            "locationId": partner.ids["SHOP"],
            "type": "PARTIAL",
            "binIds": [bin_id],
            "blind": True,
            "freeze": True,
        },
        headers=partner.owner,
    )
    started = await partner.http.post(
        f"/api/inventory/cycle-count/{begun.json()['data']['id']}",
        json={"action": "start"},
        headers=partner.owner,
    )
    refused = await partner.set(row("CNT", BLUE, 3), row("A-101", BLUE, 3))

    assert started.is_success, started.text
    assert (refused["failed"], refused["updated"]) == (1, 1)
    assert "being counted" in refused["errors"][0]["errors"]["location_id"][0]


async def test_a_retry_under_its_key_is_told_the_same_and_sets_nothing(partner: Partner) -> None:
    again = {"Idempotency-Key": "sync-1"}
    first = await partner.set(row("A-102", BLUE, 40), headers=again)
    await partner.set(row("A-102", BLUE, 41))
    second = await partner.set(row("A-102", BLUE, 40), headers=again)
    other = await partner.http.post(
        INVENTORY, json={"inventory": [row("A-102", BLUE, 7)]}, headers={**partner.key, **again}
    )

    assert first == second
    assert await partner.quantity("A-102", BLUE) == 41
    assert (other.status_code, other.json()["error"]["code"]) == (422, "IDEMPOTENCY_KEY_REUSED")


async def test_which_place_a_code_names(partner: Partner) -> None:
    """A location before a bin; bins of one code at two locations are named with their location."""
    for at, code in (("MAIN", "TWIN"), ("SHOP", "TWIN"), ("MAIN", "SHOP")):
        await partner.make("/api/bins", locationId=partner.ids[at], code=code, name=code)
    found = await partner.set(
        row("TWIN", BLUE, 1), row("MAIN/TWIN", BLUE, 2), row("SHOP", BLUE, 3), row("MAIN/SHOP", BLUE, 4)
    )
    shown = {
        one["location_code"]: one["quantity"]
        for one in (await partner.get(f"{INVENTORY}{BLUE}", by="sku")).json()["data"]
    }

    (told,) = found["errors"]
    assert (told["row"], told["errors"]) == (
        0,
        {"location_id": ["Location code is ambiguous: it may be MAIN/TWIN, SHOP/TWIN"]},
    )
    assert (shown["MAIN/TWIN"], shown["SHOP"], shown["MAIN/SHOP"]) == (2, 3, 4)


async def test_a_key_of_one_location_sees_and_sets_that_one_alone(partner: Partner) -> None:
    _, key = await partner.a_key("integrations.inventory.*", at=["SHOP"])
    await partner.set(row("A-101", BLUE, 12))
    found = await partner.set(row("A-101", BLUE, 1), row("MAIN", BLUE, 1), row("SHOP", BLUE, 77), key=key)
    listed = (await partner.get(INVENTORY, key=key, limit=200)).json()["data"]
    elsewhere = await partner.get(f"{INVENTORY}A-101/", key=key)
    of_sku = (await partner.get(f"{INVENTORY}{BLUE}/", key=key, by="sku")).json()["data"]

    assert [one["row"] for one in found["errors"]] == [0, 1]
    assert all(one["errors"] == {"location_id": ["Location not found"]} for one in found["errors"])
    assert {one["location_code"] for one in listed} <= {"SHOP", "CNT", "TWIN"}
    assert elsewhere.json() == {"success": True, "data": []}
    assert {one["location_code"] for one in of_sku} <= {"SHOP", "CNT", "TWIN"}
    assert await partner.quantity("A-101", BLUE) == 12
