"""Put-away over HTTP: what waits, where it should go and why, and what becomes of a task."""

from collections.abc import AsyncGenerator
from typing import Any
from uuid import UUID

import pytest

from domain.values import new_id
from tests.e2e.claims import Connection, Desk, a_desk
from tests.lab import Served

PUT_AWAY = "/api/inventory/put-away"
UNKNOWN = "00000000-0000-7000-8000-000000000000"


@pytest.fixture
async def desk(served: Served, admin: Connection) -> AsyncGenerator[Desk]:
    async with a_desk(served, admin) as found:
        yield found


@pytest.fixture(scope="module")
async def counter(served: Served, admin: Connection) -> AsyncGenerator[Desk]:
    """One for all that is refused, or has products of its own."""
    async with a_desk(served, admin) as found:
        yield found


async def a_bin(desk: Desk, code: str, **fields: object) -> str:
    id_ = new_id()
    place = {"location_id": desk.fact("locationId"), "code": code, "name": code}
    await desk.row("bins", **{"id": id_, **place, **fields})
    return str(id_)


async def waiting(desk: Desk, quantity: float, *, lot: str | None = None, product: str | None = None) -> str:
    """A line in the receiving bin."""
    return await desk.put(product or await desk.a_product(), quantity, lot=lot, bin_="receivingBinId")


async def made(desk: Desk, item: str, **body: Any) -> Any:
    return (await desk.post(PUT_AWAY, status=201, inventoryItemId=item, **body))["data"]


async def act(desk: Desk, task: Any, action: str, **body: Any) -> Any:
    return (await desk.post(f"{PUT_AWAY}/{task['id']}", action=action, **body))["data"]


def placed(data: Any) -> list[tuple[str, str, float]]:
    return [(task["suggestedBinCode"], task["strategy"], task["quantity"]) for task in data["tasks"]]


async def on_hand(desk: Desk, product: str) -> dict[str, float]:
    """By the code of the bin."""
    rows = await desk.admin.fetch(
        "SELECT b.code, s.on_hand FROM stock_lines s JOIN bins b ON b.tenant_id = s.tenant_id AND b.id = s.bin_id "
        "WHERE s.tenant_id = $1 AND s.product_id = $2 AND s.on_hand > 0",
        desk.company.tenant_id,
        product,
    )
    return {row["code"]: float(row["on_hand"]) for row in rows}


async def events(desk: Desk, task: Any) -> list[str]:
    rows = await desk.admin.fetch(
        "SELECT type FROM events WHERE tenant_id = $1 AND entity_id = $2 ORDER BY position",
        desk.company.tenant_id,
        UUID(task["id"]),
    )
    return [row["type"] for row in rows]


async def test_a_task_claims_its_stock_says_why_and_brings_it_to_the_suggested_bin(desk: Desk) -> None:
    product = await desk.a_product()
    await a_bin(desk, "NEAR", walk_order=1, capacity_units=4)
    await a_bin(desk, "FAR", walk_order=2)
    item = await waiting(desk, 10, product=product)

    data = await made(desk, item, quantity=6)
    near, far = data["tasks"]
    claimed = await desk.lines(product)
    started = await act(desk, near, "start", expectedVersion=1)
    part = await act(desk, near, "complete", quantity=3)
    rest = await act(desk, near, "complete")
    whole = await desk.get(f"{PUT_AWAY}/{near['id']}")
    done = await act(desk, far, "complete")

    assert placed(data) == [("NEAR", "OVERFLOW", 4), ("FAR", "OVERFLOW", 2)]
    assert data["unplaced"] == []
    assert [one["strategy"] for one in near["explanation"]["tried"]][-1] == "OVERFLOW"
    assert claimed == {item: (10, 6, 0)}
    assert (started["task"]["status"], started["task"]["version"]) == ("IN_PROGRESS", 2)
    assert (part["task"]["status"], part["task"]["openQuantity"]) == ("IN_PROGRESS", 1)
    assert part["task"]["reservationId"] != near["reservationId"]
    assert (rest["task"]["status"], rest["task"]["doneQuantity"], rest["task"]["reservationId"]) == (
        "COMPLETED",
        4,
        None,
    )
    assert [step["action"] for step in whole["data"]["history"]] == ["create", "start", "complete", "complete"]
    assert whole["data"]["allowedActions"] == []
    assert done["ledgerPosition"] > part["ledgerPosition"]
    assert await on_hand(desk, product) == {"NEAR": 4, "FAR": 2, f"DOCK-{desk.company.mark}": 4}
    assert (await desk.lines(product))[item] == (4, 0, 0)
    assert await events(desk, near) == [
        "put_away.created.v1",
        "put_away.started.v1",
        "put_away.completed.v1",
        "put_away.completed.v1",
    ]
    assert await desk.drifts() == ()


async def test_what_a_receipt_brought_goes_to_several_bins_at_once_and_what_fits_nowhere_is_unplaced(
    desk: Desk,
) -> None:
    here = desk.company.tenant_id
    await desk.admin.execute(
        "UPDATE bins SET is_active = false WHERE tenant_id = $1 AND location_id = $2 AND type <> 'RECEIVING'",
        here,
        UUID(desk.fact("locationId")),
    )
    await a_bin(desk, "ONE", walk_order=1, capacity_units=7, mixing="ONE_PRODUCT")
    await a_bin(desk, "TWO", walk_order=2, capacity_units=5)
    bolt, nut = await desk.a_product(), await desk.a_product()
    lines = [
        {"productMasterId": product, "quantity": quantity, "binId": "{receivingBinId}"}
        for product, quantity in ((bolt, 9), (nut, 6))
    ]
    receipt = await desk.post("/api/inventory/receipts", locationId="{locationId}", lines=lines)
    wish = {"transactionId": receipt["data"]["id"], "complete": True}

    first = (await desk.post(PUT_AWAY, status=201, **wish))["data"]
    await a_bin(desk, "LATER", walk_order=3)
    second = (await desk.post(PUT_AWAY, status=201, **wish))["data"]
    nothing = await desk.refused(PUT_AWAY, 400, **wish)

    assert [(code, quantity) for code, _, quantity in placed(first)] == [("ONE", 7), ("TWO", 2), ("TWO", 3)]
    assert {task["status"] for task in first["tasks"]} == {"COMPLETED"}
    assert [(one["quantity"]) for one in first["unplaced"]] == [3]
    tried = first["unplaced"][0]["explanation"]["tried"][-1]
    assert [(one["binCode"], one["outcome"]) for one in tried["candidates"]] == [
        ("ONE", "OTHER_PRODUCT"),
        ("TWO", "TAKEN"),
        (f"MAIN-{desk.company.mark}", "INACTIVE"),
    ]
    assert [(code, quantity) for code, _, quantity in placed(second)] == [("LATER", 3)]
    assert nothing["code"] == "NO_CHANGE"
    assert (await on_hand(desk, bolt), await on_hand(desk, nut)) == (
        {"ONE": 7, "TWO": 2},
        {"TWO": 3, "LATER": 3},
    )
    assert await desk.drifts() == ()


async def test_the_preferred_bin_goes_first_then_the_lot_s_own_then_the_product_s_and_its_zone(desk: Desk) -> None:
    product = await desk.a_product()
    lot, other = await desk.a_lot(product), await desk.a_lot(product)
    bins = {
        name: await a_bin(desk, name, walk_order=order, capacity_units=3, zone=zone)
        for order, (name, zone) in enumerate(
            {"FREE": "Y", "ZONE": "Z", "OTHERS": "Z", "OWN": "Z", "BEST": None}.items(), start=1
        )
    }
    for name, of_lot in (("OWN", lot), ("OTHERS", other)):
        desk.company.facts[name] = bins[name]
        await desk.put(product, 1, lot=of_lot, bin_=name)
    place = {"product_id": product, "location_id": desk.fact("locationId")}
    await desk.row("stock_levels", **place, preferred_bin_id=bins["BEST"])
    item = await waiting(desk, 20, lot=lot, product=product)

    ready = await desk.get(PUT_AWAY, status="READY", productMasterId=product)
    data = await made(desk, item, quantity=12)
    left = await desk.get(PUT_AWAY, status="READY", binId="{receivingBinId}", productMasterId=product)

    assert placed(data) == [
        ("BEST", "PREFERRED_BIN", 3),
        ("OWN", "SAME_LOT", 2),
        ("OTHERS", "SAME_PRODUCT", 2),
        ("ZONE", "EMPTY_IN_ZONE", 3),
        ("FREE", "OVERFLOW", 2),
    ]
    (line,) = ready["data"]
    assert (line["inventoryItemId"], line["quantity"], line["quantityOnHand"]) == (item, 20, 20)
    assert [one["binCode"] for one in line["suggestion"]["placements"]][:4] == ["BEST", "OWN", "OTHERS", "ZONE"]
    assert [(one["quantity"], one["quantityOnHand"]) for one in left["data"]] == [(8, 20)]
    assert left["pagination"]["total"] == 1


async def test_a_part_of_a_task_is_split_off_given_to_somebody_and_canceled(desk: Desk) -> None:
    product = await desk.a_product()
    item = await waiting(desk, 10, product=product)
    (task,) = (await made(desk, item, quantity=8, assigneeId="{userId}"))["tasks"]
    shelf = await a_bin(desk, "SHELF", walk_order=9)

    parted = await act(desk, task, "split", quantity=3, toBinId=shelf)
    child = parted["splitOff"]
    given = await act(desk, child, "assign", assigneeId=None)
    mine = await desk.get(PUT_AWAY, assigneeId="{userId}", status="OPEN")
    canceled = await act(desk, task, "cancel", comment="The truck goes back")
    again = await desk.refused(f"{PUT_AWAY}/{task['id']}", 409, action="start")
    claimed = await desk.lines(product)
    moved = await act(desk, child, "complete")

    assert (parted["task"]["quantity"], child["quantity"]) == (5, 3)
    assert (child["splitFromId"], child["strategy"], child["assigneeId"]) == (
        task["id"],
        "REQUESTED",
        desk.fact("userId"),
    )
    assert given["task"]["assigneeId"] is None
    assert [one["id"] for one in mine["data"]] == [task["id"]]
    assert (canceled["task"]["status"], canceled["task"]["openQuantity"]) == ("CANCELED", 0)
    assert (again["code"], again["state"], again["allowedActions"]) == ("INVALID_TRANSITION", "CANCELED", [])
    assert claimed == {item: (10, 3, 0)}
    assert moved["task"]["toBinId"] == shelf
    assert (await desk.lines(product))[item] == (7, 0, 0)
    assert (await events(desk, task))[-2:] == ["put_away.split.v1", "put_away.canceled.v1"]
    assert (await events(desk, child))[0] == "put_away.created.v1"


async def test_a_full_bin_needs_a_reason_and_a_forbidden_one_takes_none(desk: Desk) -> None:
    small = await a_bin(desk, "SMALL", capacity_units=2, walk_order=9)
    hold = await a_bin(desk, "LOCKED", type="HOLD")
    frozen = await a_bin(desk, "COUNTED", frozen_by=new_id())
    idle = await a_bin(desk, "IDLE", is_active=False)
    item = await waiting(desk, 10)
    (task,) = (await made(desk, item, quantity=6, toBinId="{spareBinId}"))["tasks"]
    url = f"{PUT_AWAY}/{task['id']}"

    async def refused(bin_id: str, status: int, **more: Any) -> Any:
        return await desk.refused(url, status, action="complete", toBinId=bin_id, **more)

    unfit = await refused(small, 409)
    codes = {
        name: (await refused(bin_id, status, overrideReason="Because"))["code"]
        for name, bin_id, status in (
            ("hold", hold, 400),
            ("quarantine", "{quarantineBinId}", 400),
            ("receiving", "{receivingBinId}", 400),
            ("elsewhere", "{elsewhereBinId}", 400),
            ("unknown", UNKNOWN, 404),
            ("frozen", frozen, 409),
            ("inactive", idle, 409),
        )
    }
    stale = await desk.refused(url, 409, action="complete", expectedVersion=7)
    done = await act(
        desk, task, "complete", toBinId=small, quantity=3, overrideReason="Stacked higher", closeRest=True
    )

    assert (unfit["code"], unfit["rule"], unfit["room"], unfit["requested"]) == ("BIN_UNFIT", "NO_ROOM", 2, 6)
    assert codes == {
        "hold": "VALIDATION_ERROR",
        "quarantine": "VALIDATION_ERROR",
        "receiving": "VALIDATION_ERROR",
        "elsewhere": "VALIDATION_ERROR",
        "unknown": "NOT_FOUND",
        "frozen": "POSITION_FROZEN",
        "inactive": "INACTIVE",
    }
    assert (stale["code"], stale["actual"]) == ("STALE_VERSION", 1)
    assert (done["task"]["status"], done["task"]["doneQuantity"], done["task"]["overrideReason"]) == (
        "COMPLETED",
        3,
        "Stacked higher",
    )
    assert await desk.drifts() == ()


async def test_a_bin_that_is_named_takes_what_fits_and_with_a_reason_all_of_it(counter: Desk) -> None:
    small = await a_bin(counter, "SMALL", capacity_units=4)
    item = await waiting(counter, 10)

    fits = await made(counter, item, toBinId=small)
    full = await counter.refused(PUT_AWAY, 409, inventoryItemId=item, toBinId=small)
    forced = await made(counter, item, toBinId=small, overrideReason="It is light")
    taken = await counter.refused(PUT_AWAY, 409, inventoryItemId=item)

    assert placed(fits) == [("SMALL", "REQUESTED", 4)]
    assert [one["quantity"] for one in fits["unplaced"]] == [6]
    assert (full["code"], full["room"]) == ("BIN_UNFIT", 0)
    assert placed(forced) == [("SMALL", "REQUESTED", 6)]
    assert (taken["code"], taken["available"]) == ("INSUFFICIENT_STOCK", 0)


async def test_a_loss_that_undercuts_a_task_lets_the_rest_be_closed(counter: Desk) -> None:
    product = await counter.a_product()
    item = await waiting(counter, 10, product=product)
    (task,) = (await made(counter, item))["tasks"]
    loss: dict[str, Any] = {"type": "DECREASE", "quantity": 4, "reasonCodeId": "{reasonCodeId}", "force": True}
    await counter.post("/api/inventory/adjust", inventoryItemId=item, **loss)

    short = await counter.refused(f"{PUT_AWAY}/{task['id']}", 409, action="complete", quantity=5)
    done = await act(counter, task, "complete", quantity=6, closeRest=True)

    assert (short["code"], short["available"]) == ("INSUFFICIENT_STOCK", 1)
    assert (done["task"]["status"], done["task"]["quantity"], done["task"]["doneQuantity"]) == ("COMPLETED", 10, 6)
    assert (await counter.lines(product))[item] == (0, 0, 0)
    assert await counter.drifts() == ()


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({}, "inventoryItemId"),
        ({"inventoryItemId": UNKNOWN, "transactionId": UNKNOWN}, "inventoryItemId"),
        ({"inventoryItemId": UNKNOWN, "quantity": 0}, "quantity"),
        ({"inventoryItemId": UNKNOWN, "quantity": -1}, "quantity"),
        ({"inventoryItemId": UNKNOWN, "overrideReason": "Because"}, "overrideReason"),
        ({"inventoryItemId": UNKNOWN, "overrideReason": ""}, "overrideReason"),
        ({"inventoryItemId": UNKNOWN, "complete": "yes"}, "complete"),
        ({"transactionId": UNKNOWN, "quantity": 1}, "quantity"),
        ({"transactionId": UNKNOWN, "toBinId": UNKNOWN}, "toBinId"),
    ],
)
async def test_a_wish_that_cannot_be_meant_is_refused_by_its_field(
    counter: Desk, body: dict[str, Any], path: str
) -> None:
    refused = await counter.refused(PUT_AWAY, 400, **body)

    assert path in [field["path"] for field in refused["fields"]]


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({}, ""),
        ({"action": "destroy"}, "action"),
        ({"action": "start", "quantity": 1}, "quantity"),
        ({"action": "start", "toBinId": UNKNOWN}, "toBinId"),
        ({"action": "assign"}, "assigneeId"),
        ({"action": "split"}, "quantity"),
        ({"action": "split", "quantity": 40}, "quantity"),
        ({"action": "split", "quantity": 0}, "quantity"),
        ({"action": "complete", "quantity": 41}, "quantity"),
        ({"action": "complete", "comment": "Done"}, "comment"),
        ({"action": "cancel", "closeRest": True}, "closeRest"),
        ({"action": "cancel", "expectedVersion": 0}, "expectedVersion"),
    ],
)
async def test_an_act_that_cannot_be_meant_is_refused_by_its_field(
    counter: Desk, body: dict[str, Any], path: str
) -> None:
    refused = await counter.refused(f"{PUT_AWAY}/{counter.fact('putAwayId')}", 400, **body)

    assert path in [field["path"] for field in refused["fields"]]


@pytest.mark.parametrize(
    "body",
    [
        {"inventoryItemId": UNKNOWN},
        {"transactionId": UNKNOWN},
        {"inventoryItemId": "{receivedItemId}", "assigneeId": UNKNOWN},
        {"inventoryItemId": "{receivedItemId}", "toBinId": UNKNOWN},
    ],
)
async def test_what_a_wish_names_must_be_there(counter: Desk, body: dict[str, Any]) -> None:
    assert (await counter.refused(PUT_AWAY, 404, **body))["code"] == "NOT_FOUND"


async def test_a_retry_under_its_key_does_it_once(counter: Desk) -> None:
    product = await counter.a_product()
    item = await waiting(counter, 10, product=product)
    body = {"inventoryItemId": item, "quantity": 4, "complete": True}

    answers = [
        await counter.http.post(PUT_AWAY, json=body, headers={"Idempotency-Key": "put-1"}) for _ in range(2)
    ]

    first, second = answers
    assert (first.status_code, second.status_code) == (201, 201)
    assert second.headers["Idempotency-Replayed"] == "true"
    assert first.content == second.content
    assert first.headers["X-Ledger-Position"] == second.headers["X-Ledger-Position"]
    assert (await counter.lines(product))[item] == (6, 0, 0)


@pytest.mark.parametrize("query", [{}, {"status": "READY"}])
async def test_lists_are_paged_by_number_and_by_cursor(counter: Desk, query: dict[str, str]) -> None:
    product = await counter.a_product()
    for _ in range(3):
        item = await waiting(counter, 2, lot=await counter.a_lot(product), product=product)
        if not query:
            await made(counter, item)
    wanted = {**query, "productMasterId": product, "limit": 2}

    first = await counter.get(PUT_AWAY, **wanted)
    by_number = await counter.get(PUT_AWAY, **wanted, page=2)
    by_cursor = await counter.get(PUT_AWAY, **wanted, cursor=first["pagination"]["nextCursor"])

    assert (first["pagination"]["total"], first["pagination"]["totalPages"]) == (3, 2)
    assert len(first["data"]) == 2
    assert by_number["data"] == by_cursor["data"]
    assert len(by_number["data"]) == 1
    assert by_number["pagination"]["nextCursor"] is None
