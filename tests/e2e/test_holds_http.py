"""Holds over HTTP: what they lie on, what they leave, and whose work they make."""

from collections.abc import AsyncGenerator
from typing import Any

import pytest

from tests.e2e.claims import EXCEPTIONS, HOLDS, RESERVATIONS, Connection, Desk, a_desk
from tests.lab import Served

RELEASE = f"{HOLDS}/release"
TYPES = ("QUALITY", "QUARANTINE", "RECALL", "DAMAGE", "LEGAL")


@pytest.fixture
async def desk(served: Served, admin: Connection) -> AsyncGenerator[Desk]:
    async with a_desk(served, admin) as found:
        yield found


async def hold(desk: Desk, *, type_: str = "QUALITY", **target: Any) -> Any:
    return await desk.post(HOLDS, status=201, type=type_, reason="Looked strange", **target)


async def held(desk: Desk, product: str) -> list[float]:
    return sorted(held for _, _, held in (await desk.lines(product)).values())


@pytest.mark.parametrize("scope", ["LINE", "LOT", "BIN", "PRODUCT"])
async def test_a_hold_lies_on_all_of_its_scope_and_on_what_arrives_later(desk: Desk, scope: str) -> None:
    product = await desk.a_product()
    lot, other_lot = await desk.a_lot(product), await desk.a_lot(product)
    line = await desk.put(product, 10, lot=lot, bin_="spareBinId")
    target = {
        "LINE": {"inventoryItemId": line},
        "LOT": {"lotId": lot},
        "BIN": {"binId": "{spareBinId}"},
        "PRODUCT": {"productMasterId": product, "locationId": "{locationId}"},
    }[scope]

    placed = await hold(desk, type_=TYPES[len(scope) % 5], **target)
    before = await desk.lines(product)
    for lot_id in (lot, other_lot):
        await desk.put(product, 4, lot=lot_id)
        await desk.put(product, 3, lot=lot_id, bin_="spareBinId")
    await desk.put(product, 2, lot=lot, at="otherLocationId", bin_="elsewhereBinId")
    later = await held(desk, product)
    drifts = await desk.drifts()
    released = await desk.post(RELEASE, holdId=placed["data"]["id"])

    assert (placed["data"]["scope"], placed["data"]["state"], placed["data"]["quantity"]) == (
        scope,
        "ACTIVE",
        None,
    )
    assert (placed["linesAffected"], placed["quantityHeld"], before) == (1, 10, {line: (10, 0, 10)})
    assert (
        later
        == {
            "LINE": [0, 0, 0, 0, 13],
            "LOT": [0, 0, 2, 4, 13],
            "BIN": [0, 0, 0, 3, 13],
            "PRODUCT": [0, 3, 4, 4, 13],
        }[scope]
    )
    assert drifts == ()
    assert (released["data"]["state"], released["quantityHeld"]) == ("RELEASED", 0)
    assert await held(desk, product) == [0] * 5
    assert await desk.drifts() == ()


async def test_what_several_holds_cover_is_held_once_and_until_the_last_is_gone(desk: Desk) -> None:
    product = await desk.a_product()
    lot = await desk.a_lot(product)
    line = await desk.put(product, 10, lot=lot)

    parts = [await hold(desk, inventoryItemId=line, quantity=quantity) for quantity in (6, 3)]
    beside = await held(desk, product)
    whole = await hold(desk, type_="RECALL", lotId=lot)
    all_of_it = await held(desk, product)
    more = await hold(desk, type_="DAMAGE", inventoryItemId=line, quantity=4)
    capped = await held(desk, product)
    await desk.post(RELEASE, holdId=whole["data"]["id"])
    still = await held(desk, product)
    for one in (*parts, more):
        await desk.post(RELEASE, holdId=one["data"]["id"])

    assert (beside, all_of_it, capped, still) == ([9], [10], [10], [10])
    assert await held(desk, product) == [0]
    assert (await desk.check(product, 10))["available"]
    assert await desk.drifts() == ()


async def test_a_hold_is_released_in_parts_and_once(desk: Desk) -> None:
    product = await desk.a_product()
    line = await desk.put(product, 10)
    placed = (await hold(desk, inventoryItemId=line, quantity=6))["data"]

    part = (await desk.post(RELEASE, holdId=placed["id"], quantity=2))["data"]
    left = await held(desk, product)
    stale = await desk.refused(RELEASE, 409, holdId=placed["id"], expectedVersion=placed["version"])
    too_much = await desk.http.post(RELEASE, json={"holdId": placed["id"], "quantity": 5})
    done = (await desk.post(RELEASE, holdId=placed["id"], quantity=4))["data"]
    again = await desk.refused(RELEASE, 409, holdId=placed["id"])

    assert (part["state"], part["released"], left) == ("ACTIVE", 2, [4])
    assert stale["code"] == "STALE_VERSION"
    assert too_much.json()["details"] | {"code": "QUANTITY_OUT_OF_RANGE", "held": 4} == too_much.json()["details"]
    assert (done["state"], done["released"]) == ("RELEASED", 6)
    assert (again["code"], again["state"]) == ("INVALID_TRANSITION", "RELEASED")
    assert await held(desk, product) == [0]
    assert await desk.drifts() == ()


async def test_what_is_left_of_a_line_s_hold_is_a_part_and_no_longer_what_arrives(desk: Desk) -> None:
    product = await desk.a_product()
    line = await desk.put(product, 10)
    placed = (await hold(desk, inventoryItemId=line))["data"]

    part = (await desk.post(RELEASE, holdId=placed["id"], quantity=7))["data"]
    await desk.put(product, 5)

    assert (part["quantity"], part["released"]) == (10, 7)
    assert await desk.lines(product) == {line: (15, 0, 3)}
    assert await desk.drifts() == ()


async def test_promises_that_a_hold_breaks_are_reported_and_are_somebody_s_work_until_it_is_gone(
    desk: Desk,
) -> None:
    product = await desk.a_product()
    line = await desk.put(product, 10)
    (made,) = await desk.reserve(product, 6)

    harmless = await hold(desk, inventoryItemId=line, quantity=4)
    harmful = await hold(desk, type_="DAMAGE", inventoryItemId=line, quantity=3)
    problems = await desk.get(EXCEPTIONS, type="BLOCKED_CLAIM")
    await desk.post(RELEASE, holdId=harmful["data"]["id"])
    solved = await desk.get(EXCEPTIONS, type="BLOCKED_CLAIM")
    await hold(desk, type_="LEGAL", inventoryItemId=line)
    await desk.lapse(made["id"])

    assert harmless["brokenPromises"] == []
    (broken,) = harmful["brokenPromises"]
    assert (broken["inventoryItemId"], broken["reserved"], broken["short"]) == (line, 6, 3)
    (problem,) = problems["data"]
    assert (problem["inventoryItemId"], problem["quantity"]) == (line, 3)
    assert "release" in problem["toDo"]
    assert solved["data"] == []
    assert (await desk.get(EXCEPTIONS, type="BLOCKED_CLAIM"))["data"] == []  # nobody claims any of it now


async def test_stock_that_is_held_or_promised_is_taken_by_force_alone_and_the_shortage_shows(desk: Desk) -> None:
    product = await desk.a_product()
    line = await desk.put(product, 10)
    await hold(desk, inventoryItemId=line, quantity=2)
    (made,) = await desk.reserve(product, 6)
    decrease: dict[str, Any] = {
        "type": "DECREASE",
        "quantity": 7,
        "reasonCodeId": "{reasonCodeId}",
        "rootCause": "Fell down",
    }
    path = "/api/inventory/adjust"

    refused = await desk.refused(path, 409, inventoryItemId=line, **decrease)
    await desk.post(path, inventoryItemId=line, force=True, **decrease)
    (problem,) = (await desk.get(EXCEPTIONS, type="SHORTAGE"))["data"]
    checked = await desk.check(product, 1)
    await desk.post(f"{RESERVATIONS}/{made['id']}", action="release", quantity=3)

    assert refused["code"] == "INSUFFICIENT_STOCK"
    assert (problem["inventoryItemId"], problem["quantity"]) == (line, 3)
    assert (checked["totalAvailable"], checked["terms"][0]["net"]) == (0, -5)
    assert (await desk.get(EXCEPTIONS, type="SHORTAGE"))["data"] == []
    assert await desk.drifts() == ()


NOT_MEANT: tuple[tuple[dict[str, Any], str], ...] = (
    ({}, ""),
    ({"inventoryItemId": "{inventoryItemId}", "lotId": "{lotId}"}, ""),
    ({"productMasterId": "{productMasterId}"}, ""),
    ({"locationId": "{locationId}"}, ""),
    ({"lotId": "{lotId}", "quantity": 1}, "quantity"),
    ({"inventoryItemId": "{inventoryItemId}", "quantity": 0}, "quantity"),
    ({"inventoryItemId": "{inventoryItemId}", "type": "HUNCH"}, "type"),
)


async def test_a_hold_that_cannot_be_meant_is_refused(desk: Desk) -> None:
    for fields, path in NOT_MEANT:
        refused = await desk.refused(HOLDS, 400, **{"type": "QUALITY", "reason": "Looked strange", **fields})

        assert [field["path"] for field in refused["fields"]] == [path]


async def test_holds_are_found_by_what_they_lie_on(desk: Desk) -> None:
    product = await desk.a_product()
    lot = await desk.a_lot(product)
    line = await desk.put(product, 10, lot=lot)
    of_line = (await hold(desk, inventoryItemId=line, quantity=1))["data"]["id"]
    of_lot = (await hold(desk, type_="RECALL", lotId=lot))["data"]["id"]
    of_product = (await hold(desk, productMasterId=product, locationId="{locationId}"))["data"]["id"]
    await desk.post(RELEASE, holdId=of_product)

    async def found(**query: Any) -> list[str]:
        return [one["id"] for one in (await desk.get(HOLDS, **query))["data"]]

    assert await found(productMasterId=product) == [of_product, of_lot, of_line]
    assert await found(productMasterId=product, status="ACTIVE") == [of_lot, of_line]
    assert await found(lotId=lot, type="RECALL") == [of_lot]
    assert await found(inventoryItemId=line) == [of_line]
    first = await desk.get(HOLDS, productMasterId=product, limit=2)
    assert await found(productMasterId=product, limit=2, cursor=first["nextCursor"]) == [of_line]
