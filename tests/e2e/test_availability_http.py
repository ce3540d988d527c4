"""The availability of stock lines over HTTP, and the record that somebody asked."""

from collections.abc import AsyncGenerator

import pytest

from tests.e2e.claims import AVAILABILITY, EXCEPTIONS, HOLDS, Connection, Desk, a_desk
from tests.lab import Served

TOTALS = {
    "totalOnHand": "qtyOnHand",
    "totalAvailable": "qtyAvailable",
    "totalOnHold": "qtyOnHold",
    "totalPicked": "qtyPicked",
    "totalRecalled": "qtyRecalled",
    "totalExpired": "qtyExpired",
}


@pytest.fixture
async def desk(served: Served, admin: Connection) -> AsyncGenerator[Desk]:
    async with a_desk(served, admin) as found:
        yield found


async def test_totals_are_the_sums_of_all_pages(desk: Desk) -> None:
    for _ in range(5):
        product = await desk.a_product()
        for days in (-2, 3, None):
            await desk.put(product, 10, lot=await desk.a_lot(product, expires_in=days))
        recalled = await desk.a_lot(product, status="RECALLED")
        held = await desk.put(product, 10, lot=recalled, bin_="spareBinId")
        await desk.post(HOLDS, status=201, type="LEGAL", inventoryItemId=held, quantity=4, reason="A claim")
        await desk.reserve(product, 5)
    query = {"locationId": "{locationId}", "includeExpired": "true", "includeRecalled": "true", "limit": 2}

    pages = [await desk.get(AVAILABILITY, **query)]
    while pages[-1]["nextCursor"]:
        pages.append(await desk.get(AVAILABILITY, **query, cursor=pages[-1]["nextCursor"]))
    summaries = await desk.get(AVAILABILITY, **query | {"limit": 200, "summary": "true"})

    lines = [line for page in pages for line in page["data"]]
    totals = pages[0]["totals"]
    assert len(pages) >= 3
    assert len({line["id"] for line in lines}) == len(lines) == totals["count"]
    for total, quantity in TOTALS.items():
        assert totals[total] == sum(line[quantity] for line in lines), total
        assert totals[total] == sum(one[quantity] for one in summaries["data"]), total
    assert (totals["totalRecalled"], pages[0]["type"], summaries["type"]) == (50, "stockLines", "summary")


async def test_lines_come_in_the_order_of_use_and_what_is_blocked_only_when_asked_for(desk: Desk) -> None:
    product = await desk.a_product()
    lots = {
        name: await desk.a_lot(product, **fields)  # type: ignore[arg-type] # of two kinds
        for name, fields in {
            "late": {"expires_in": 9},
            "gone": {"expires_in": -1},
            "recalled": {"status": "RECALLED", "expires_in": 5},
            "soon": {"expires_in": 1},
            "held": {"expires_in": 3},
        }.items()
    }
    lines = {await desk.put(product, 10, lot=lot): name for name, lot in lots.items()}
    await desk.post(HOLDS, status=201, type="QUALITY", lotId=lots["held"], reason="Wet")

    async def shown(**query: str) -> list[tuple[str, str]]:
        found = await desk.get(AVAILABILITY, productMasterId=product, **query)
        return [(lines[line["id"]], line["status"]) for line in found["data"]]

    assert await shown() == [("soon", "AVAILABLE"), ("late", "AVAILABLE")]
    assert await shown(includeExpired="true", includeRecalled="true", includeOnHold="true") == [
        ("gone", "EXPIRED"),
        ("soon", "AVAILABLE"),
        ("held", "ON_HOLD"),
        ("recalled", "RECALLED"),
        ("late", "AVAILABLE"),
    ]
    assert await shown(lotId=lots["soon"]) == [("soon", "AVAILABLE")]


async def test_a_line_is_shown_with_its_terms_and_the_documents_behind_them(desk: Desk) -> None:
    product = await desk.a_product()
    line = await desk.put(product, 10)
    (made,) = await desk.reserve(product, 4)
    held = await desk.post(HOLDS, status=201, type="DAMAGE", inventoryItemId=line, quantity=3, reason="Bent")

    shown = await desk.get(f"{AVAILABILITY}/{line}")

    terms = shown["terms"]
    assert (terms["onHand"], terms["reserved"], terms["held"], terms["available"]) == (10, 4, 3, 3)
    assert (terms["expectedOnHand"], terms["expectedReserved"], terms["drift"]) == (10, 4, 0)
    assert [(one["type"], one["id"], one["quantity"]) for one in shown["documents"]] == [
        ("RESERVATION", made["id"], 4),
        ("HOLD", held["data"]["id"], 3),
    ]


async def test_a_record_keeps_what_was_found_and_the_planner_s_settings_count_at_once(desk: Desk) -> None:
    product = await desk.a_product()
    line = await desk.put(product, 10)

    record = (await desk.post(f"{AVAILABILITY}/{line}", note="For the audit", safetyStock=4))["data"]
    safe = await desk.check(product, 10)
    tomorrow = str(await desk.day(1))
    await desk.post(f"{AVAILABILITY}/{line}", availableFrom=tomorrow)
    closed = await desk.check(product, 1)
    await desk.post(f"{AVAILABILITY}/{line}", availableFrom=str(await desk.day(0)))
    opened = await desk.check(product, 1)
    refused = await desk.refused(f"{AVAILABILITY}/{line}", 400, safetyStock=-1)

    assert (record["drift"], record["note"], record["terms"]["onHand"]) == (0, "For the audit", 10)
    assert (safe["totalAvailable"], safe["terms"][0]["safetyStock"]) == (6, 4)
    assert (closed["totalAvailable"], closed["terms"][0]["limit"]) == (0, "CLOSED")
    assert opened["totalAvailable"] == 6
    assert refused["fields"][0]["path"] == "safetyStock"


async def test_a_balance_that_was_tampered_with_is_found_and_is_somebody_s_work(desk: Desk) -> None:
    product = await desk.a_product()
    line = await desk.put(product, 10)
    await desk.admin.execute("UPDATE stock_lines SET on_hand = 12 WHERE id = $1", line)

    record = (await desk.post(f"{AVAILABILITY}/{line}"))["data"]
    (problem,) = (await desk.get(EXCEPTIONS, type="DRIFT"))["data"]

    assert (record["drift"], record["terms"]["expectedOnHand"]) == (2, 10)
    assert (problem["inventoryItemId"], problem["documentId"], problem["quantity"]) == (line, record["id"], 2)
    assert "verify" in problem["toDo"]


async def test_what_needs_attention_is_listed_in_one_order_page_by_page(desk: Desk) -> None:
    product = await desk.a_product()
    line = await desk.put(product, 10)
    await desk.reserve(product, 10)
    await desk.post(HOLDS, status=201, type="QUALITY", inventoryItemId=line, reason="Wet")

    whole = await desk.get(EXCEPTIONS)
    pages = [await desk.get(EXCEPTIONS, limit=1)]
    while pages[-1]["nextCursor"]:
        pages.append(await desk.get(EXCEPTIONS, limit=1, cursor=pages[-1]["nextCursor"]))

    assert [one["type"] for one in whole["data"]] == ["BLOCKED_CLAIM", "OVERDUE_SUPPLY", "OVERDUE_SUPPLY"]
    assert all(one["toDo"] for one in whole["data"])
    assert [one for page in pages for one in page["data"]] == whole["data"]
