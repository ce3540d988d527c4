"""A stock request from the wish to the receipt: what its lines say and what the stock does."""

from decimal import Decimal

import pytest

from tests.e2e.stock_requests.asking import PATH, Office, quantities, refused
from tests.e2e.transfers.moving import in_transit


async def test_a_request_is_asked_for_approved_picked_issued_and_received(office: Office) -> None:
    await office.site.put("BOLT", 20)
    draft = await office.draft(("BOLT", 8))
    pending = await office.asker.does("submit", draft)
    approved = await office.boss.approves(pending)
    reserved = await office.reserved()
    picked = await office.hand.moves("pick", approved)
    issued = await office.hand.moves("issue", picked)
    under_way = await in_transit(office.site)
    received = await office.asker.moves("receive", issued)

    assert [one["state"] for one in (draft, pending, approved, picked, issued, received)] == [
        "DRAFT",
        "PENDING_APPROVAL",
        "APPROVED",
        "PICKING",
        "ISSUED",
        "RECEIVED",
    ]
    assert reserved == 8
    assert under_way == {"BOLT": 8}
    assert quantities(received) == {
        "BOLT": {"requested": 8, "approved": 8, "picked": 8, "issued": 8, "received": 8}
    }
    assert await office.site.on_hand(at="DC") == {"BOLT MAIN": 12}
    assert await office.site.on_hand(at="STORE") == {"BOLT MAIN": 8}
    assert await office.reserved() == 0
    assert await in_transit(office.site) == {}
    assert await office.site.drift() == []
    assert [step["action"] for step in received["history"]] == [
        "create",
        "submit",
        "approve",
        "pick",
        "issue",
        "receive",
    ]


async def test_what_is_missing_is_backordered_and_reserved_when_it_arrives_the_oldest_first(
    office: Office,
) -> None:
    await office.site.put("BOLT", 4)
    first = await office.approved(("BOLT", 6))
    second = await office.approved(("BOLT", 3))
    await office.site.put("BOLT", 4)
    answer = await office.hand.http.post(
        f"{PATH}/allocate-backorders", json={"locationId": str(office.site.ids["DC"])}
    )

    assert quantities(first)["BOLT"] == {"requested": 6, "approved": 6, "open": 6, "reserved": 4, "backordered": 2}
    assert quantities(second)["BOLT"] == {"requested": 3, "approved": 3, "open": 3, "backordered": 3}
    assert [(one["requestId"], one["reserved"], one["backordered"]) for one in answer.json()["data"]] == [
        (first["id"], 2, 0),
        (second["id"], 2, 1),
    ]
    assert await office.odd_lines() == []


async def test_a_short_pick_with_a_substitute_is_issued_as_it_was_found(office: Office) -> None:
    await office.site.put("BOLT", 10)
    await office.site.put("NUT", 10)
    approved = await office.approved(("BOLT", 8))
    line = approved["lines"][0]["id"]
    nut = {"productMasterId": str(office.site.ids["NUT"]), "quantity": 3}
    without = await office.hand.tries("status", approved, action="pick", lines=[{"lineId": line, "pickedQty": 4}])
    picked = await office.hand.moves(
        "pick",
        approved,
        lines=[{"lineId": line, "pickedQty": 4, "reason": "the rest is bent", "substitute": nut}],
    )
    claimed = await office.reserved(), await office.reserved("NUT")
    issued = await office.hand.moves("issue", picked)
    back = await office.hand.does("rollback", issued)
    unpicked = await office.hand.does("rollback", back)

    assert refused(without) == (400, "VALIDATION_ERROR")
    assert picked["lines"][1]["substitutesLineId"] == line
    assert claimed == (5, 3)
    assert quantities(issued) == {
        "BOLT": {"requested": 8, "approved": 8, "picked": 4, "issued": 4, "canceled": 4},
        "NUT": {"requested": 3, "approved": 3, "picked": 3, "issued": 3},
    }
    assert quantities(back) == {
        "BOLT": {
            "requested": 8,
            "approved": 8,
            "reserved": 4,
            "backordered": 1,
            "picked": 4,
            "open": 5,
            "canceled": 3,
        },
        "NUT": {"requested": 3, "approved": 3, "reserved": 3, "picked": 3, "open": 3},
    }
    assert quantities(unpicked) == {
        "BOLT": {"requested": 8, "approved": 8, "reserved": 8, "open": 8},
        "NUT": {"requested": 3, "approved": 3, "canceled": 3},
    }
    assert await office.site.on_hand(at="DC") == {"BOLT MAIN": 10, "NUT MAIN": 10}
    assert await office.odd_lines() == []
    assert await office.site.drift() == []


async def test_a_receipt_that_is_short_closes_with_its_cause_and_the_rest_is_written_off(office: Office) -> None:
    await office.site.put("BOLT", 5)
    issued = await office.issued(("BOLT", 5))
    line = issued["lines"][0]["id"]
    without = await office.asker.tries(
        "status", issued, action="receive", lines=[{"lineId": line, "receivedQty": 3}]
    )
    more = await office.asker.tries("status", issued, action="receive", lines=[{"lineId": line, "receivedQty": 6}])
    received = await office.asker.moves(
        "receive", issued, lines=[{"lineId": line, "receivedQty": 3, "reason": "two fell off"}]
    )

    assert refused(without) == refused(more) == (400, "VALIDATION_ERROR")
    assert (received["state"], received["lines"][0]["received"]) == ("RECEIVED", 3)
    assert received["lines"][0]["discrepancyReason"] == "two fell off"
    assert await office.site.on_hand(at="STORE") == {"BOLT MAIN": 3}
    assert await in_transit(office.site) == {}


async def test_what_goes_to_a_place_that_keeps_no_stock_is_consumed_and_can_come_back(office: Office) -> None:
    await office.site.put("BOLT", 5)
    await office.site.admin.execute(
        "UPDATE locations SET capabilities = '{}' WHERE tenant_id = $1 AND id = $2",
        office.site.tenant_id,
        office.site.ids["STORE"],
    )
    issued = await office.issued(("BOLT", 5))
    gone = await office.site.on_hand(at="DC"), await office.site.on_hand(at="STORE")
    back = await office.hand.does("rollback", issued)

    assert gone == ({}, {})
    assert issued["issueTransactionId"] is not None
    assert (back["state"], quantities(back)["BOLT"]["reserved"]) == ("PICKING", 5)
    assert await office.site.on_hand(at="DC") == {"BOLT MAIN": 5}
    assert await office.site.drift() == []


async def test_an_issue_cannot_be_undone_where_the_stock_would_come_back_to_what_a_count_has_stopped(
    office: Office,
) -> None:
    await office.site.put("BOLT", 5)
    issued = await office.issued(("BOLT", 5))
    await office.site.admin.execute(
        "UPDATE bins SET frozen_by = $2 WHERE tenant_id = $1 AND id = $2",
        office.site.tenant_id,
        office.site.ids["DC/MAIN"],
    )
    answer = await office.hand.tries("rollback", issued)

    assert refused(answer) == (409, "REVERSAL_BLOCKED")
    assert answer.json()["details"]["because"] == "POSITION_FROZEN"
    assert (await office.hand.sees(issued))["state"] == "ISSUED"


async def test_each_step_is_undone_alone_down_to_the_draft_and_the_stock_is_free_again(office: Office) -> None:
    await office.site.put("BOLT", 5)
    request = await office.issued(("BOLT", 5))
    states = []
    for person in (office.hand, office.hand, office.boss, office.asker):
        request = await person.does("rollback", request)
        states.append((request["state"], await office.reserved()))
    refusal = await office.asker.tries("rollback", request)

    assert states == [("PICKING", 5), ("APPROVED", 5), ("PENDING_APPROVAL", 0), ("DRAFT", 0)]
    assert refused(refusal) == (409, "INVALID_TRANSITION")
    assert quantities(request) == {"BOLT": {"requested": 5, "open": 5}}
    assert await office.site.on_hand(at="DC") == {"BOLT MAIN": 5}
    assert len(request["decisions"]) == 1, "what was decided stays, withdrawn"
    assert request["decisions"][0]["withdrawnAt"] is not None


async def test_a_canceled_request_gives_back_what_it_had_reserved(office: Office) -> None:
    await office.site.put("BOLT", 5)
    approved = await office.approved(("BOLT", 5))
    canceled = await office.asker.moves("cancel", approved)

    assert quantities(canceled) == {"BOLT": {"requested": 5, "approved": 5, "canceled": 5}}
    assert await office.reserved() == 0


async def test_a_deleted_request_can_still_be_read_and_nothing_can_be_done_to_it(office: Office) -> None:
    draft = await office.draft()
    deleted = await office.asker.http.delete(f"{PATH}/{draft['id']}", params={"expectedVersion": 1})
    again = await office.asker.http.delete(f"{PATH}/{draft['id']}")
    seen = await office.asker.sees(draft)

    assert deleted.status_code == 200
    assert refused(again) == (409, "INVALID_TRANSITION")
    assert (seen["isDeleted"], seen["state"], seen["allowedActions"]) == (True, "CANCELED", [])
    assert [step["action"] for step in seen["history"]] == ["create", "delete"]


async def test_lost_stock_stops_the_issue_until_less_is_picked(office: Office) -> None:
    line_id = await office.site.put("BOLT", 5)
    picked = await office.hand.moves("pick", await office.approved(("BOLT", 5)))
    await office.site.move(line_id, -2)
    short = await office.hand.tries("status", picked, action="issue")
    line = picked["lines"][0]["id"]
    again = await office.hand.moves("pick", picked, lines=[{"lineId": line, "pickedQty": 3, "reason": "lost"}])
    issued = await office.hand.moves("issue", again)

    assert refused(short) == (409, "INSUFFICIENT_STOCK")
    assert quantities(issued)["BOLT"] == {
        "requested": 5,
        "approved": 5,
        "picked": 3,
        "issued": 3,
        "canceled": 2,
    }
    assert await office.site.on_hand(at="DC") == {}


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"lines": []}, "lines"),
        ({"lines": "twice"}, "lines[1].productMasterId"),
        ({"destinationLocationId": "origin"}, "destinationLocationId"),
    ],
)
async def test_what_cannot_be_meant_is_not_submitted(office: Office, body: dict[str, object], path: str) -> None:
    if body.get("lines") == "twice":
        body = {"lines": [office.line("BOLT", 1), office.line("BOLT", 2)]}
    if "destinationLocationId" in body:
        body = {"destinationLocationId": str(office.site.ids["DC"])}
    draft = await office.draft(("BOLT", 1), **body)
    answer = await office.asker.tries("submit", draft)

    assert refused(answer) == (400, "VALIDATION_ERROR")
    assert [field["path"] for field in answer.json()["details"]["fields"]] == [path]


@pytest.mark.parametrize("quantity", [0, -1])
async def test_nobody_asks_for_nothing(office: Office, quantity: int) -> None:
    answer = await office.asks(("BOLT", quantity))

    assert answer.json()["details"]["fields"] == [
        {"path": "lines[0].quantity", "message": "must be greater than zero"}
    ]


async def test_more_than_was_asked_for_is_not_approved_and_less_is(office: Office) -> None:
    await office.site.put("BOLT", 9)
    pending = await office.pending(("BOLT", 5), ("NUT", 2))
    bolt, nut = (line["id"] for line in pending["lines"])
    version = {"expectedVersion": pending["version"]}
    more = await office.boss.tries("approve", pending, lines=[{"lineId": bolt, "approvedQty": 6}], **version)
    none = await office.boss.tries(
        "approve", pending, lines=[{"lineId": id_, "approvedQty": 0} for id_ in (bolt, nut)], **version
    )
    less = await office.boss.approves(
        pending, lines=[{"lineId": bolt, "approvedQty": 3}, {"lineId": nut, "approvedQty": 0}]
    )

    assert refused(more) == refused(none) == (400, "VALIDATION_ERROR")
    assert quantities(less) == {
        "BOLT": {"requested": 5, "approved": 3, "reserved": 3, "open": 3, "canceled": 2},
        "NUT": {"requested": 2, "canceled": 2},
    }
    assert await office.reserved() == Decimal(3)
