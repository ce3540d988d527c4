"""Check and reserve over HTTP: what is shown is what is enforced, and a claim ends by the clock."""

from collections.abc import AsyncGenerator
from decimal import Decimal

import pytest

from domain.values import new_id
from tests.e2e.claims import CHECK, HOLDS, RESERVATIONS, Connection, Desk, a_desk, an_item
from tests.lab import Served


@pytest.fixture
async def desk(served: Served, admin: Connection) -> AsyncGenerator[Desk]:
    async with a_desk(served, admin) as found:
        yield found


async def test_a_reservation_gets_what_the_check_has_shown_and_no_more(desk: Desk) -> None:
    product = await desk.a_product()
    await desk.put(product, 7)
    await desk.put(product, 5, bin_="otherBinId")

    shown = await desk.check(product, 9)
    (made,) = await desk.reserve(product, 9)
    then = await desk.check(product, 9)

    assert (shown["available"], shown["totalAvailable"], shown["shortfall"]) == (True, 12, 0)
    promised = {one["inventoryItemId"]: one["qtyToAllocate"] for one in shown["suggestedAllocations"]}
    assert {line["inventoryItemId"]: line["quantity"] for line in made["lines"]} == promised
    assert (made["kind"], made["state"], made["openQuantity"]) == ("SOFT", "LIVE", 9)
    assert (then["available"], then["totalAvailable"], then["shortfall"]) == (False, 3, 6)
    assert (then["terms"][0]["reserved"], then["terms"][0]["atp"]) == (9, 3)
    assert await desk.drifts() == ()


async def test_what_is_answered_is_what_is_stored(desk: Desk) -> None:
    product = await desk.a_product()
    await desk.put(product, 2)
    await desk.put(product, 2.5, bin_="otherBinId")

    answer = await desk.post(RESERVATIONS, items=[an_item(product, 4.5)], externalRef="CART-9")
    (made,) = answer["data"]

    assert (len(made["lines"]), made["quantity"]) == (2, 4.5)
    assert (await desk.get(f"{RESERVATIONS}/{made['id']}"))["data"] == made


async def test_equal_items_are_summed_before_they_are_checked(desk: Desk) -> None:
    product = await desk.a_product()
    await desk.put(product, 10)
    items = [an_item(product, 6), an_item(product, 6)]

    checked = (await desk.post(CHECK, items=items))["items"]
    refused = await desk.refused(RESERVATIONS, 409, items=items)

    assert [(one["quantityNeeded"], one["shortfall"]) for one in checked] == [(12, 2)]
    assert refused["items"][0]["requested"] == 12


async def test_a_need_that_names_no_location_is_met_from_several(desk: Desk) -> None:
    product = await desk.a_product()
    await desk.put(product, 4)
    await desk.put(product, 6, at="otherLocationId", bin_="elsewhereBinId")

    made = await desk.reserve(product, 9, locationId=None)

    taken = {one["locationId"]: one["quantity"] for one in made}
    assert taken == {desk.fact("otherLocationId"): 6, desk.fact("locationId"): 3}
    assert len({one["groupId"] for one in made}) == 1
    assert await desk.drifts() == ()


async def test_a_refusal_claims_nothing_and_says_why_and_a_part_is_taken_when_that_is_wanted(desk: Desk) -> None:
    product = await desk.a_product()
    line = await desk.put(product, 10)
    other = await desk.a_product()
    await desk.put(other, 3)
    await desk.post(HOLDS, status=201, type="QUALITY", inventoryItemId=line, quantity=2, reason="Dented")
    items = [an_item(product, 9), an_item(other, 1)]

    refused = await desk.refused(RESERVATIONS, 409, items=items)
    untouched = [await desk.lines(one) for one in (product, other)]
    made = await desk.post(RESERVATIONS, items=items, allOrNothing=False)

    assert refused["code"] == "INSUFFICIENT_STOCK"
    (short,) = refused["items"]
    assert (short["requested"], short["available"], short["shortfall"]) == (9, 8, 1)
    (terms,) = short["terms"]
    assert (terms["onHand"], terms["held"], terms["reserved"]) == (10, 2, 0)
    assert [reserved for lines in untouched for _, reserved, _ in lines.values()] == [0, 0]
    assert sorted(one["quantity"] for one in made["data"]) == [1, 8]


async def test_the_first_that_expires_goes_first_and_nothing_that_is_blocked_or_gone(desk: Desk) -> None:
    product = await desk.a_product()
    lots = {days: await desk.a_lot(product, expires_in=days) for days in (-1, 0, 5, 30)}
    recalled = await desk.a_lot(product, expires_in=2, status="RECALLED")
    held = await desk.a_lot(product, expires_in=1)
    lines = {days: await desk.put(product, 10, lot=lot) for days, lot in lots.items()}
    for lot in (recalled, held):
        await desk.put(product, 10, lot=lot)
    await desk.post(HOLDS, status=201, type="RECALL", lotId=held, reason="Glass")

    (made,) = await desk.reserve(product, 25)
    long_lived = await desk.check(product, 10, minRemainingShelfLifeDays=6)
    by_then = await desk.check(product, 10, neededBy=str(await desk.day(20)))

    took = {line["inventoryItemId"]: line["quantity"] for line in made["lines"]}
    assert took == {lines[0]: 10, lines[5]: 10, lines[30]: 5}
    for checked in (long_lived, by_then):  # only the last lot lives so long
        assert checked["totalAvailable"] == 5
        assert {one["inventoryItemId"] for one in checked["suggestedAllocations"]} == {lines[30]}
    assert await desk.drifts() == ()


async def test_a_channel_takes_what_its_policy_leaves_it(desk: Desk) -> None:
    product = await desk.a_product()
    await desk.put(product, 50)
    channel, other = desk.fact("channelId"), desk.fact("otherChannelId")
    await desk.row("channel_policies", id=new_id(), channel_id=other, product_id=product, fence=Decimal(20))

    shown = await desk.check(product, 40, channelId=channel)
    (made,) = await desk.reserve(product, 30, channelId=channel)
    refused = await desk.refused(RESERVATIONS, 409, items=[an_item(product, 1, channelId=channel)])
    kept = await desk.check(product, 20, channelId=other)

    assert (shown["totalAvailable"], shown["shortfall"]) == (30, 10)
    assert made["channelId"] == channel
    assert (refused["items"][0]["available"], refused["items"][0]["terms"][0]["fencesRespected"]) == (0, 20)
    assert kept["available"]
    assert (await desk.check(product, 1, channelId=str(new_id())))["terms"][0]["limit"] == "NOT_SERVED"


async def test_a_claim_is_extended_given_back_in_parts_and_resolved_once(desk: Desk) -> None:
    product = await desk.a_product()
    await desk.put(product, 10)
    (made,) = await desk.reserve(product, 8)
    path = f"{RESERVATIONS}/{made['id']}"

    longer = (await desk.post(path, action="extend", ttlSeconds=86_400))["data"]
    stale = await desk.refused(path, 409, action="release", expectedVersion=made["version"])
    part = (await desk.post(path, action="release", quantity=3, expectedVersion=longer["version"]))["data"]
    too_much = await desk.refused(path, 400, action="release", quantity=6)
    released = (await desk.post(path, action="release"))["data"]
    again = await desk.refused(path, 409, action="release")

    assert longer["expiresAt"] > made["expiresAt"]
    assert stale["code"] == "STALE_VERSION"
    assert (part["state"], part["openQuantity"], part["lines"][0]["quantity"]) == ("LIVE", 5, 5)
    assert too_much["fields"][0]["path"] == "quantity"
    assert (released["state"], released["openQuantity"], released["lines"]) == ("RELEASED", 0, [])
    assert (again["code"], again["state"], again["allowedActions"]) == ("INVALID_TRANSITION", "RELEASED", [])
    assert (await desk.check(product, 1))["totalAvailable"] == 10
    assert await desk.drifts() == ()


async def test_a_promise_becomes_an_allocation_and_what_is_beyond_it_is_given_back(desk: Desk) -> None:
    product = await desk.a_product()
    await desk.put(product, 10)
    (made,) = await desk.reserve(product, 8)

    hard = (await desk.post(f"{RESERVATIONS}/{made['id']}", action="convert", quantity=5))["data"]
    (item,) = (await desk.get("/api/inventory/availability", productMasterId=product))["data"]
    soft = (await desk.get(f"{RESERVATIONS}/{made['id']}"))["data"]
    twice = await desk.refused(f"{RESERVATIONS}/{hard['id']}", 409, action="extend", ttlSeconds=60)

    assert (hard["kind"], hard["state"], hard["openQuantity"], hard["expiresAt"]) == ("HARD", "LIVE", 5, None)
    assert hard["groupId"] == made["groupId"]
    assert (soft["state"], soft["openQuantity"]) == ("CONVERTED", 0)
    assert (item["qtyReserved"], item["qtyPicked"], item["qtyAvailable"]) == (5, 5, 5)
    assert twice["allowedActions"] == ["release", "convert"]
    assert await desk.drifts() == ()


async def test_what_a_claim_stands_on_leaves_the_shelf_in_one_step(desk: Desk) -> None:
    product = await desk.a_product()
    line = await desk.put(product, 10)
    (made,) = await desk.reserve(product, 8)

    done = await desk.post(
        f"{RESERVATIONS}/{made['id']}", action="convert", to="ISSUE", quantity=6, comment="Packed"
    )
    moved = await desk.get(f"/api/inventory/transactions/{done['transactionId']}")

    assert done["data"]["state"] == "CONVERTED"
    assert await desk.lines(product) == {line: (4, 0, 0)}
    assert moved
    assert await desk.drifts() == ()


async def test_a_claim_on_stock_that_was_held_meanwhile_cannot_leave_the_shelf(desk: Desk) -> None:
    product = await desk.a_product()
    line = await desk.put(product, 10)
    (made,) = await desk.reserve(product, 8)
    await desk.post(HOLDS, status=201, type="LEGAL", inventoryItemId=line, reason="Court order")

    refused = await desk.refused(f"{RESERVATIONS}/{made['id']}", 409, action="convert", to="ISSUE")

    assert refused["code"] == "INSUFFICIENT_STOCK"
    assert await desk.lines(product) == {line: (10, 8, 10)}
    assert (await desk.get(f"{RESERVATIONS}/{made['id']}"))["data"]["openQuantity"] == 8


async def test_a_claim_ends_by_the_clock_whether_anybody_sweeps_it_or_not(desk: Desk) -> None:
    product = await desk.a_product()
    line = await desk.put(product, 10)
    (first,) = await desk.reserve(product, 10)
    await desk.lapse(first["id"])

    seen = (await desk.get(f"{RESERVATIONS}/{first['id']}"))["data"]
    live = await desk.get(RESERVATIONS, productMasterId=product, status="LIVE")
    checked = await desk.check(product, 10)
    (shown,) = (await desk.get("/api/inventory/availability", productMasterId=product))["data"]
    terms = (await desk.get(f"/api/inventory/availability/{line}"))["terms"]
    late = await desk.refused(f"{RESERVATIONS}/{first['id']}", 409, action="extend", ttlSeconds=60)
    (second,) = await desk.reserve(product, 10)

    assert (seen["state"], live["data"]) == ("EXPIRED", [])
    assert checked["totalAvailable"] == 10
    assert (shown["qtyReserved"], shown["qtyAvailable"], shown["status"]) == (0, 10, "AVAILABLE")
    assert (terms["reserved"], terms["expectedReserved"]) == (0, 0)
    assert (late["code"], late["state"]) == ("INVALID_TRANSITION", "EXPIRED")
    assert await desk.lines(product) == {line: (10, 10, 0)}
    listed = await desk.get(RESERVATIONS, productMasterId=product)
    assert [(one["id"], one["state"]) for one in listed["data"]] == [
        (second["id"], "LIVE"),
        (first["id"], "EXPIRED"),
    ]
    assert await desk.drifts() == ()


async def test_a_repeated_request_is_told_the_same_and_claims_nothing_more(desk: Desk) -> None:
    product = await desk.a_product()
    await desk.put(product, 10)
    key = {"Idempotency-Key": new_id().hex}
    items = [an_item(product, 4)]

    once = await desk.post(RESERVATIONS, headers=key, items=items)
    again = await desk.post(RESERVATIONS, headers=key, items=items)
    other = desk.told(await desk.http.post(RESERVATIONS, json={"items": []}, headers=key), 400)

    assert again == once
    assert other["details"]["code"] == "VALIDATION_ERROR"
    assert (await desk.check(product, 1))["totalAvailable"] == 6


async def test_a_check_says_as_of_which_position_it_holds(desk: Desk) -> None:
    product = await desk.a_product()
    await desk.put(product, 10)
    body = desk.company.fill({"items": [an_item(product, 4)]})

    now = await desk.http.post(CHECK, json=body)
    position = int(now.headers["X-Ledger-Position"])
    after = await desk.http.post(CHECK, json=body, headers={"X-Min-Ledger-Position": str(position)})
    early = await desk.http.post(CHECK, json=body, headers={"X-Min-Ledger-Position": str(position + 1)})

    assert (now.status_code, after.status_code) == (200, 200)
    assert early.status_code >= 400


async def test_reservations_are_found_by_reference_and_page_by_page(desk: Desk) -> None:
    product = await desk.a_product()
    await desk.put(product, 10)
    for number in range(5):
        await desk.post(RESERVATIONS, items=[an_item(product, 1)], externalRef=f"CART-{number % 2}")

    found = await desk.get(RESERVATIONS, externalRef="CART-1")
    pages = [await desk.get(RESERVATIONS, productMasterId=product, limit=2)]
    while pages[-1]["nextCursor"]:
        cursor = pages[-1]["nextCursor"]
        pages.append(await desk.get(RESERVATIONS, productMasterId=product, limit=2, cursor=cursor))

    assert {one["externalRef"] for one in found["data"]} == {"CART-1"}
    ids = [one["id"] for page in pages for one in page["data"]]
    assert [len(page["data"]) for page in pages] == [2, 2, 1]
    assert ids == sorted(set(ids), reverse=True)
