"""Cycle counts over HTTP, from their making to the review: lines, sittings, snapshots, found stock, waivers."""

from collections.abc import AsyncGenerator
from typing import Any

import httpx
import pytest

from domain.values import new_id
from tests.e2e.api.company import add_user, begin_session
from tests.e2e.claims import Connection, Desk, a_desk
from tests.lab import Served

COUNTS = "/api/inventory/cycle-count"
REASON: dict[str, Any] = {"reasonCodeId": "{reasonCodeId}"}


@pytest.fixture(scope="module")
async def desk(served: Served, admin: Connection) -> AsyncGenerator[Desk]:
    async with a_desk(served, admin) as found:
        yield found


@pytest.fixture
async def fresh(served: Served, admin: Connection) -> AsyncGenerator[Desk]:
    """A company where nobody has counted anything."""
    async with a_desk(served, admin) as found:
        yield found


async def a_batch(desk: Desk, *products: str, status: int = 201, **fields: Any) -> Any:
    body: dict[str, Any] = {
        "locationId": "{locationId}",
        "type": "PARTIAL",
        "productMasterIds": list(products),
        "blind": False,
    }
    return (await desk.post(COUNTS, status=status, **(body | fields)))["data"]


async def act(desk: Desk, batch: Any, action: str, **fields: Any) -> Any:
    return (await desk.post(f"{COUNTS}/{batch['id']}", action=action, **fields))["data"]


async def lines(desk: Desk, batch: Any, **query: Any) -> Any:
    return (await desk.get(f"{COUNTS}/{batch['id']}", **query))["data"]["lines"]


async def test_a_count_goes_from_draft_to_review_while_stock_moves(desk: Desk) -> None:
    product = await desk.a_product(unit_cost=3)
    line = await desk.put(product, 10)
    batch = await a_batch(desk, product)
    await desk.put(product, 5)
    started = await act(desk, batch, "start")
    (found,) = await lines(desk, batch)
    await desk.put(product, 2)
    recorded = await act(desk, batch, "record", counts=[{"lineId": found["id"], "countedQty": 16}])
    await desk.put(product, 1)

    closed = await act(desk, batch, "complete")

    assert (batch["status"], started["status"], closed["status"]) == ("DRAFT", "IN_PROGRESS", "REVIEW")
    assert batch["number"].startswith("CC-")
    assert (found["inventoryItemId"], found["snapshotQty"], found["status"]) == (line, 15, "PENDING")
    (counted,) = recorded["lines"]
    assert {
        name: counted[name] for name in ("snapshotQty", "movedQty", "expectedQty", "countedQty", "variance")
    } == {
        "snapshotQty": 15,
        "movedQty": 2,
        "expectedQty": 17,
        "countedQty": 16,
        "variance": -1,
    }
    moved = await desk.admin.fetchval(
        "SELECT sum(delta) FROM movements WHERE line_id = $1 AND position > $2 AND position <= $3",
        line,
        counted["snapshotPosition"],
        counted["countedPosition"],
    )
    assert moved == counted["movedQty"]
    (after,) = await lines(desk, batch)
    assert (after["status"], after["variance"], after["varianceValue"]) == ("VARIANCE", -1, -3)
    assert (closed["variances"], closed["accuracy"], closed["varianceValueGross"]) == (1, 0, 3)
    assert [step["action"] for step in closed["history"]] == ["create", "start", "record", "complete"]


async def test_a_full_count_walks_all_that_has_stock_or_was_counted_before(fresh: Desk) -> None:
    here = fresh.company.tenant_id, fresh.fact("otherLocationId")
    for batch in (await fresh.get(COUNTS, locationId="{otherLocationId}"))["data"]:
        if "cancel" in batch["allowedActions"]:
            await act(fresh, batch, "cancel")
    empty = await fresh.put(await fresh.a_product(), 4, bin_="elsewhereQuarantineBinId", at="otherLocationId")
    await fresh.post("/api/inventory/adjustments", inventoryItemId=empty, newQtyOnHand=0, **REASON)
    counted_before = await fresh.put(await fresh.a_product(), 4, bin_="elsewhereBinId", at="otherLocationId")
    await fresh.post("/api/inventory/adjustments", inventoryItemId=counted_before, newQtyOnHand=0, **REASON)
    await fresh.admin.execute("UPDATE stock_lines SET counted_at = now() WHERE id = $1", counted_before)
    await fresh.admin.execute("UPDATE bins SET walk_order = 9 WHERE id = $1", fresh.fact("elsewhereBinId"))

    batch = await a_batch(fresh, type="FULL", productMasterIds=[], locationId="{otherLocationId}")

    found = await lines(fresh, batch, limit=500)
    expected = await fresh.admin.fetch(
        """
        SELECT s.id FROM stock_lines s JOIN bins b ON b.id = s.bin_id JOIN products p ON p.id = s.product_id
        JOIN lots l ON l.id = s.lot_id
        WHERE s.tenant_id = $1 AND s.location_id = $2 AND (s.on_hand > 0 OR s.id = $3)
        ORDER BY b.walk_order, b.code, p.sku, l.number
        """,
        *here,
        counted_before,
    )
    assert [line["inventoryItemId"] for line in found] == [str(row["id"]) for row in expected]
    assert empty not in {line["inventoryItemId"] for line in found}
    assert [line["sequence"] for line in found] == list(range(1, len(found) + 1))
    assert batch["progress"] == {"lines": len(found), "counted": 0, "waived": 0, "left": len(found)}


async def test_a_partial_count_takes_products_bins_and_categories_with_what_is_below(desk: Desk) -> None:
    parent, child = new_id(), new_id()
    await desk.row("categories", id=parent, code=f"C-{parent.hex}", name="Parent")
    await desk.row("categories", id=child, code=f"C-{child.hex}", name="Child", parent_id=parent)
    one, other = await desk.a_product(category_id=child), await desk.a_product(category_id=parent)
    await desk.put(one, 5)
    there = await desk.put(one, 5, bin_="otherBinId")
    await desk.put(other, 5)

    by_bin = await a_batch(desk, one, binIds=["{otherBinId}"])
    by_category = await a_batch(desk, categoryId=str(parent), binIds=["{binId}"], productMasterIds=[])

    assert [line["inventoryItemId"] for line in await lines(desk, by_bin)] == [there]
    assert {line["productMasterId"] for line in await lines(desk, by_category)} == {one, other}


async def test_a_spot_count_takes_an_empty_position_too(desk: Desk) -> None:
    product = await desk.a_product()
    line = await desk.put(product, 5)
    await desk.post("/api/inventory/adjustments", inventoryItemId=line, newQtyOnHand=0, **REASON)

    refused = await desk.refused(
        COUNTS, 400, locationId="{locationId}", type="PARTIAL", productMasterIds=[product], blind=False
    )
    batch = await a_batch(desk, product, type="SPOT")

    assert refused["code"] == "VALIDATION_ERROR"
    assert [found["snapshotQty"] for found in await lines(desk, batch)] == [0]


async def test_the_start_brings_what_has_come_since_the_draft(desk: Desk) -> None:
    product = await desk.a_product()
    await desk.put(product, 5)
    batch = await a_batch(desk, product)
    there = await desk.put(product, 3, bin_="otherBinId")

    started = await act(desk, batch, "start")

    found = await lines(desk, batch)
    assert started["progress"]["lines"] == 2
    assert sorted(line["snapshotQty"] for line in found) == [3, 5]
    assert {line["snapshotPosition"] for line in found} == {started["snapshotPosition"]}
    assert there in {line["inventoryItemId"] for line in found}


async def test_a_position_is_in_one_open_batch_until_that_one_ends(desk: Desk) -> None:
    product = await desk.a_product()
    await desk.put(product, 5)
    first = await a_batch(desk, product)
    body = {"locationId": "{locationId}", "type": "SPOT", "productMasterIds": [product], "blind": True}

    refused = await desk.refused(COUNTS, 409, **body)
    await act(desk, first, "cancel", comment="The wrong hall")
    second = await a_batch(desk, product)

    assert refused["code"] == "DUPLICATE"
    assert refused["batches"] == [{"id": first["id"], "number": first["number"], "positions": 1}]
    assert second["status"] == "DRAFT"


async def test_sittings_of_several_people_add_up_and_null_takes_a_count_back(desk: Desk) -> None:
    product = await desk.a_product()
    for bin_ in ("binId", "otherBinId", "spareBinId"):
        await desk.put(product, 5, bin_=bin_)
    batch = await a_batch(desk, product)
    await act(desk, batch, "start")
    one, two, three = [line["id"] for line in await lines(desk, batch)]

    first = await act(desk, batch, "record", counts=[{"lineId": one, "countedQty": 4, "note": "damp"}])
    again = await act(
        desk, batch, "record", counts=[{"lineId": one, "countedQty": 5}, {"lineId": two, "countedQty": 0}]
    )
    back = await act(desk, batch, "record", counts=[{"lineId": two, "countedQty": None}])
    waived = await act(desk, batch, "waive", waive=[{"lineId": three, "reason": "Behind a pallet"}])
    refused = await desk.refused(f"{COUNTS}/{batch['id']}", 409, action="complete")
    closed = await act(desk, batch, "complete", waive=[{"lineId": two, "reason": "Nobody dares"}])

    assert [step["progress"]["counted"] for step in (first, again, back)] == [1, 2, 1]
    assert (waived["progress"]["waived"], waived["progress"]["left"]) == (1, 1)
    assert (refused["code"], refused["left"], refused["lineIds"]) == ("INVALID_TRANSITION", 1, [two])
    assert [line["status"] for line in await lines(desk, batch)] == ["RESOLVED", "RESOLVED", "RESOLVED"]
    assert (closed["status"], closed["accuracy"]) == ("COMPLETED", 1)
    entries = await desk.admin.fetch(
        "SELECT count_line_id::text, quantity FROM cycle_count_entries WHERE batch_id = $1 ORDER BY id",
        batch["id"],
    )
    assert [tuple(entry) for entry in entries] == [(one, 4), (one, 5), (two, 0), (two, None)]


async def test_a_count_undoes_a_waiver(desk: Desk) -> None:
    product = await desk.a_product()
    await desk.put(product, 5)
    batch = await a_batch(desk, product)
    await act(desk, batch, "start")
    (line,) = await lines(desk, batch)
    await act(desk, batch, "waive", waive=[{"lineId": line["id"], "reason": "Locked"}])

    counted = await act(desk, batch, "record", counts=[{"lineId": line["id"], "countedQty": 5}])

    assert counted["progress"] == {"lines": 1, "counted": 1, "waived": 0, "left": 0}
    assert counted["lines"][0]["waivedReason"] is None


async def test_found_stock_adds_a_line_and_a_lot_that_nobody_knew(desk: Desk) -> None:
    product, milk = await desk.a_product(), await desk.a_product(is_lot_controlled=True)
    await desk.put(product, 5)
    other = await desk.put(product, 2, bin_="otherBinId")
    batch = await a_batch(desk, product, binIds=["{binId}"])
    await act(desk, batch, "start")
    counts = [
        {"binId": "{otherBinId}", "productMasterId": product, "countedQty": 3},
        {"binId": "{spareBinId}", "productMasterId": product, "countedQty": 1},
        {"binId": "{binId}", "productMasterId": milk, "lotNumber": "NEW-1", "countedQty": 4},
        {"binId": "{binId}", "productMasterId": product, "countedQty": 5},
    ]

    recorded = await act(desk, batch, "record", counts=counts)

    by_place = {(line["binId"], line["productMasterId"]): line for line in recorded["lines"]}
    known = by_place[desk.fact("otherBinId"), product]
    unknown = by_place[desk.fact("spareBinId"), product]
    lotted = by_place[desk.fact("binId"), milk]
    assert recorded["progress"] == {"lines": 4, "counted": 4, "waived": 0, "left": 0}
    assert (known["inventoryItemId"], known["expectedQty"], known["variance"]) == (other, 2, 1)
    assert (unknown["inventoryItemId"], unknown["expectedQty"], unknown["variance"]) == (None, 0, 1)
    assert (lotted["lotNumber"], lotted["isFound"], lotted["variance"]) == ("NEW-1", True, 4)
    assert not by_place[desk.fact("binId"), product]["isFound"]


async def test_what_is_found_where_another_batch_counts_is_told_to_whoever_counts_there(desk: Desk) -> None:
    product = await desk.a_product()
    await desk.put(product, 5)
    await desk.put(product, 2, bin_="otherBinId")
    theirs = await a_batch(desk, product, binIds=["{otherBinId}"])
    ours = await a_batch(desk, product, binIds=["{binId}"])
    await act(desk, ours, "start")

    refused = await desk.refused(
        f"{COUNTS}/{ours['id']}",
        409,
        action="record",
        counts=[{"binId": "{otherBinId}", "productMasterId": product, "countedQty": 3}],
    )

    assert (refused["code"], refused["batchId"]) == ("DUPLICATE", theirs["id"])


async def test_a_frozen_bin_moves_for_nobody_until_the_count_ends(desk: Desk) -> None:
    product = await desk.a_product()
    line = await desk.put(product, 5, bin_="otherBinId")
    batch = await a_batch(desk, product, binIds=["{otherBinId}"], freeze=True)
    await act(desk, batch, "start")
    receipt = {"productMasterId": product, "quantity": 1, "binId": "{otherBinId}"}
    wishes: list[tuple[str, dict[str, Any]]] = [
        ("/api/inventory/adjustments", {"inventoryItemId": line, "newQtyOnHand": 4, **REASON}),
        (
            "/api/inventory/issues",
            {"locationId": "{locationId}", "lines": [{"inventoryItemId": line, "quantity": 1}]},
        ),
        ("/api/inventory/receipts", {"locationId": "{locationId}", "lines": [receipt]}),
    ]

    refusals = [await desk.refused(path, 409, **body) for path, body in wishes]
    elsewhere = await desk.put(product, 1)
    await act(desk, batch, "cancel")
    answers = [await desk.http.post(path, json=desk.company.fill(body)) for path, body in wishes]

    assert [(told["code"], told["batchId"]) for told in refusals] == [("POSITION_FROZEN", batch["id"])] * 3
    assert elsewhere != line
    assert all(answer.is_success for answer in answers), [answer.text for answer in answers]


async def test_a_bin_is_frozen_by_one_count_at_a_time(desk: Desk) -> None:
    one, other = await desk.a_product(), await desk.a_product()
    await desk.put(one, 5, bin_="otherBinId")
    await desk.put(other, 5, bin_="otherBinId")
    first = await a_batch(desk, one, freeze=True)
    second = await a_batch(desk, other, freeze=True)
    await act(desk, first, "start")

    refused = await desk.refused(f"{COUNTS}/{second['id']}", 409, action="start")
    await act(desk, first, "cancel")
    started = await act(desk, second, "start")
    await act(desk, second, "cancel")

    assert (refused["code"], refused["batchId"]) == ("POSITION_FROZEN", first["id"])
    assert started["status"] == "IN_PROGRESS"


async def test_assignees_alone_count_and_others_may_be_named(desk: Desk) -> None:
    product = await desk.a_product()
    await desk.put(product, 5)
    clerk = await add_user(desk.admin, desk.company, "operator")
    session = await begin_session(desk.admin, desk.company, clerk)
    batch = await a_batch(desk, product, assigneeIds=["{userId}"])
    await act(desk, batch, "start")
    (line,) = await lines(desk, batch)
    body = {"action": "record", "counts": [{"lineId": line["id"], "countedQty": 5}]}
    path = f"{desk.http.base_url}{COUNTS}/{batch['id']}"

    async with httpx.AsyncClient(headers=session.headers) as http:
        before = await http.post(path, json=body)
        assigned = await act(desk, batch, "assign", assigneeIds=[str(clerk)])
        after = await http.post(path, json=body)
        of_clerk = await http.get(f"{desk.http.base_url}{COUNTS}", params={"assigneeId": str(clerk)})

    assert (before.status_code, before.json()["details"]["code"]) == (403, "PERMISSION_DENIED")
    assert [one["userId"] for one in assigned["assignees"]] == [str(clerk)]
    assert (after.status_code, after.json()["data"]["progress"]["counted"]) == (200, 1)
    assert [one["id"] for one in of_clerk.json()["data"]] == [batch["id"]]


async def test_a_stale_version_changes_nothing_and_each_change_has_a_new_one(desk: Desk) -> None:
    product = await desk.a_product()
    await desk.put(product, 5)
    batch = await a_batch(desk, product)
    path = f"{COUNTS}/{batch['id']}"
    started = await act(desk, batch, "start", expectedVersion=batch["version"])

    refused = await desk.refused(path, 409, action="cancel", expectedVersion=batch["version"])
    twice = await desk.refused(path, 409, action="start", expectedVersion=started["version"])

    assert started["version"] > batch["version"]
    assert (refused["code"], refused["actual"]) == ("STALE_VERSION", started["version"])
    assert (twice["code"], twice["state"]) == ("INVALID_TRANSITION", "IN_PROGRESS")
    assert set(twice["allowedActions"]) == {"record", "waive", "complete", "assign", "cancel"}


async def test_a_record_is_done_once_under_its_key(desk: Desk) -> None:
    product = await desk.a_product()
    await desk.put(product, 5)
    batch = await a_batch(desk, product)
    await act(desk, batch, "start")
    (line,) = await lines(desk, batch)
    body = {"action": "record", "counts": [{"lineId": line["id"], "countedQty": 4}]}
    keyed = {"Idempotency-Key": "sitting-1"}

    answers = [await desk.http.post(f"{COUNTS}/{batch['id']}", json=body, headers=keyed) for _ in range(2)]

    assert answers[0].content == answers[1].content
    assert answers[1].headers["Idempotency-Replayed"] == "true"
    assert (
        await desk.admin.fetchval("SELECT count(*) FROM cycle_count_entries WHERE batch_id = $1", batch["id"]) == 1
    )


async def test_lists_and_lines_are_read_page_by_page(fresh: Desk) -> None:
    product = await fresh.a_product()
    bins = ("binId", "otherBinId", "spareBinId")
    for bin_ in bins:
        await fresh.put(product, 5, bin_=bin_)
    batches = [await a_batch(fresh, product, binIds=[f"{{{bin_}}}"]) for bin_ in bins[:2]]
    await act(fresh, batches[0], "start")
    query = {"locationId": "{locationId}", "limit": 1}

    pages = [await fresh.get(COUNTS, **query, page=number) for number in (1, 2)]
    turned = await fresh.get(COUNTS, **query, cursor=pages[0]["pagination"]["nextCursor"])
    started = await fresh.get(COUNTS, status="IN_PROGRESS")
    elsewhere = await fresh.get(COUNTS, locationId="{otherLocationId}")

    assert [page["data"][0]["id"] for page in pages] == [batches[1]["id"], batches[0]["id"]]
    assert turned["data"] == pages[1]["data"]
    assert turned["pagination"]["total"] == pages[0]["pagination"]["total"] >= 3
    assert batches[0]["id"] in {one["id"] for one in started["data"]}
    assert {one["status"] for one in started["data"]} == {"IN_PROGRESS"}
    assert fresh.fact("elsewhereBatchId") in {one["id"] for one in elsewhere["data"]}
    assert {one["locationId"] for one in elsewhere["data"]} == {fresh.fact("otherLocationId")}


async def test_the_lines_of_a_batch_are_walked_by_cursor(desk: Desk) -> None:
    product = await desk.a_product()
    for bin_ in ("binId", "otherBinId", "spareBinId"):
        await desk.put(product, 5, bin_=bin_)
    batch = await a_batch(desk, product)
    path = f"{COUNTS}/{batch['id']}"
    walked: list[Any] = []
    cursor: dict[str, str] = {}

    while True:
        page = await desk.get(path, limit=2, **cursor)
        walked += page["data"]["lines"]
        if page["pagination"]["nextCursor"] is None:
            break
        cursor = {"cursor": page["pagination"]["nextCursor"]}

    assert walked == await lines(desk, batch)
    assert page["pagination"]["total"] == len(walked) == 3
