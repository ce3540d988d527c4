"""Who decides on a stock request: tier by tier, on what they saw, and never on their own."""

import asyncio
from typing import Any

import pytest

from tests.e2e.stock_requests.asking import ALL, APPROVE, PATH, READ, WRITE, Office, quantities, refused

SUPERVISORS = {"name": "Supervisors", "approvers": {"role": "supervisor"}}
MANAGERS = {"name": "Managers", "tier": 2, "valueAbove": 100, "approvers": {"role": "manager"}}


async def priced(office: Office, sku: str, cost: int) -> None:
    await office.site.admin.execute(
        "UPDATE products SET unit_cost = $3 WHERE tenant_id = $1 AND id = $2",
        office.site.tenant_id,
        office.site.ids[sku],
        cost,
    )


async def test_two_tiers_decide_in_their_order_and_stock_is_reserved_by_the_last(office: Office) -> None:
    await office.rules(SUPERVISORS, MANAGERS)
    await office.site.put("BOLT", 20)
    await priced(office, "BOLT", 50)
    manager = await office.person(*ALL, role="manager")
    pending = await office.pending(("BOLT", 10))
    early = await manager.tries("approve", pending, expectedVersion=pending["version"])
    first = await office.boss.approves(
        pending, lines=[{"lineId": pending["lines"][0]["id"], "approvedQty": 6}], comment="Six will do"
    )
    between = await office.reserved()
    twice = await office.boss.tries("approve", first, expectedVersion=first["version"])
    more = await manager.tries(
        "approve",
        first,
        expectedVersion=first["version"],
        lines=[{"lineId": first["lines"][0]["id"], "approvedQty": 7}],
    )
    second = await manager.approves(first)

    assert [tier["name"] for tier in pending["tiers"]] == ["Supervisors", "Managers"]
    assert (pending["value"], pending["currentTier"], first["currentTier"]) == (500, 1, 2)
    assert refused(early) == refused(twice) == (403, "PERMISSION_DENIED")
    assert (first["state"], between) == ("PENDING_APPROVAL", 0)
    assert refused(more) == (400, "VALIDATION_ERROR")
    assert quantities(second)["BOLT"] == {"requested": 10, "approved": 6, "reserved": 6, "open": 6, "canceled": 4}

    one_back = await manager.does("rollback", second)
    assert (one_back["state"], one_back["currentTier"], one_back["lines"][0]["approved"]) == (
        "PENDING_APPROVAL",
        2,
        6,
    )
    not_theirs = await office.hand.tries("rollback", one_back)
    two_back = await office.boss.does("rollback", one_back)
    assert refused(not_theirs) == (403, "PERMISSION_DENIED")
    assert (two_back["currentTier"], two_back["lines"][0]["approved"]) == (1, None)
    assert await office.reserved() == 0


async def test_what_meets_no_rule_is_approved_at_once_and_reserved(office: Office) -> None:
    await office.rules(MANAGERS)
    await office.site.put("BOLT", 5)
    submitted = await office.pending(("BOLT", 5))
    back = await office.asker.does("rollback", submitted)

    assert (submitted["state"], submitted["tiers"]) == ("APPROVED", [])
    assert quantities(submitted)["BOLT"]["reserved"] == 5
    assert back["state"] == "DRAFT"
    assert await office.reserved() == 0


async def test_the_plan_stays_as_it_was_at_submission_and_a_change_asks_anew(office: Office) -> None:
    await office.rules(SUPERVISORS)
    pending = await office.pending(("BOLT", 5))
    await office.rules(SUPERVISORS, {**MANAGERS, "valueAbove": 0, "quantityAbove": 1, "tier": 3})
    still = await office.boss.approves(pending)
    back = await office.boss.does("rollback", still)
    draft = await office.asker.does("rollback", back)
    line = draft["lines"][0]["id"]
    await office.asker.http.patch(f"{PATH}/{draft['id']}/lines/{line}", json={"quantity": 7})
    await priced(office, "BOLT", 1)
    again = await office.asker.does("submit", draft)

    assert still["state"] == "APPROVED"
    assert [tier["name"] for tier in again["tiers"]] == ["Supervisors", "Managers"]
    assert (again["round"], again["currentTier"], again["value"]) == (2, 1, 7)


@pytest.mark.parametrize("step", ["approve", "reject", "rollback"])
@pytest.mark.parametrize(
    "who", ["the requester", "an editor", "a key of theirs", "their key's key", "in their place", "through a key"]
)
async def test_nobody_decides_upon_their_own_by_any_path(office: Office, who: str, step: str) -> None:
    asker = await office.person(*ALL, role="supervisor")
    decider, author = asker, asker
    if who == "an editor":
        decider = await office.person(*ALL, role="supervisor")
    elif who in {"a key of theirs", "their key's key"}:
        makers = [asker.id] if who == "a key of theirs" else [asker.id, office.boss.id]
        decider = await office.key(*ALL, makers=makers)
    elif who == "through a key":
        author = await office.key(*ALL, makers=[asker.id])
    elif who == "in their place":
        # Their own right is for the store: at the warehouse there is only the requester's place to decide in.
        decider = await office.person(*ALL, role="supervisor", at="STORE")
        await office.delegate(asker, decider)
    draft = await office.draft(("BOLT", 1), by=author)
    if who == "an editor":
        await decider.http.patch(f"{PATH}/{draft['id']}", json={"priority": "HIGH"})
    pending = await author.does("submit", draft)
    if step == "rollback":
        pending = await office.boss.approves(pending)
    body: dict[str, Any] = {"approve": {"expectedVersion": pending["version"]}, "reject": {"comment": "No"}}.get(
        step, {}
    )
    answer = await decider.tries(step, pending, **body)

    assert refused(answer) == (403, "SELF_APPROVAL")
    assert (await office.boss.sees(pending))["version"] == pending["version"]


async def test_a_delegate_decides_in_the_giver_s_place_and_the_record_shows_both(office: Office) -> None:
    await office.rules(SUPERVISORS)
    delegate = await office.person(*ALL, role="operator")
    pending = await office.pending(("BOLT", 1))
    before = await delegate.tries("approve", pending, expectedVersion=pending["version"])
    await office.delegate(office.boss, delegate)
    # The giver's rights are those of their grants.
    approved = await delegate.approves(pending)

    assert refused(before) == (403, "PERMISSION_DENIED")
    decision = approved["decisions"][0]
    assert (decision["deciderId"], decision["onBehalfOf"]) == (str(delegate.id), str(office.boss.id))
    assert approved["history"][-1]["onBehalfOf"] == str(office.boss.id)


async def test_of_two_supervisors_at_once_one_decides_and_the_other_is_told_what_happened(office: Office) -> None:
    pending = await office.pending(("BOLT", 1))
    other = await office.person(*ALL, role="supervisor")
    answers = await asyncio.gather(
        office.boss.tries("approve", pending, expectedVersion=pending["version"]),
        other.tries("reject", pending, expectedVersion=pending["version"], comment="No"),
    )

    won, lost = sorted(answers, key=lambda answer: answer.status_code)
    assert (won.status_code, *refused(lost)) == (200, 409, "STALE_VERSION")
    told = lost.json()["details"]
    assert told["state"] == won.json()["data"]["state"]
    assert told["lastAction"]["action"] == won.json()["data"]["history"][-1]["action"]
    assert told["lastAction"]["actor"]


async def test_a_tier_passes_on_when_its_deadline_has_come(office: Office) -> None:
    await office.rules({**SUPERVISORS, "deadlineHours": 4, "escalatesTo": {"role": "manager"}})
    manager = await office.person(*ALL, role="manager")
    pending = await office.pending(("BOLT", 1))
    before = await manager.may(pending), await office.boss.may(pending)
    await office.site.admin.execute(
        "UPDATE stock_request_tiers SET deadline_at = deadline_at - interval '5 hours' WHERE tenant_id = $1",
        office.site.tenant_id,
    )
    after = await manager.may(pending), await office.boss.may(pending)
    approved = await manager.approves(pending)

    assert ["approve" in may for may in (*before, *after)] == [False, True, True, False]
    assert approved["state"] == "APPROVED"


async def test_who_may_not_decide_does_not_take_a_decision_back(office: Office) -> None:
    rejected = await office.boss.does("reject", await office.pending(("BOLT", 1)), comment="Too many")
    by_asker = await office.asker.tries("rollback", rejected)
    by_boss = await office.boss.does("rollback", rejected)

    assert refused(by_asker) == (403, "PERMISSION_DENIED")
    assert (by_boss["state"], by_boss["currentTier"]) == ("PENDING_APPROVAL", 1)


async def test_a_rejected_request_that_was_changed_cannot_come_back_as_decided(office: Office) -> None:
    rejected = await office.boss.does("reject", await office.pending(("BOLT", 1)), comment="Too many")
    changed = await office.asker.http.patch(f"{PATH}/{rejected['id']}", json={"description": "Fewer"})
    answer = await office.boss.tries("rollback", rejected)

    assert changed.json()["data"]["state"] == "DRAFT"
    assert refused(answer) == (409, "INVALID_TRANSITION")


async def test_a_right_elsewhere_decides_nothing_here(office: Office) -> None:
    stranger = await office.person(READ, WRITE, APPROVE, role="supervisor", at="STORE")
    pending = await office.pending(("BOLT", 1))
    answer = await stranger.tries("approve", pending, expectedVersion=pending["version"])

    assert refused(answer) == (403, "LOCATION_DENIED")
    assert "approve" not in await stranger.may(pending)


@pytest.mark.parametrize("state", ["DRAFT", "PENDING_APPROVAL", "APPROVED", "REJECTED"])
async def test_a_move_backwards_is_refused_with_what_is_possible(office: Office, state: str) -> None:
    await office.site.put("BOLT", 5)
    picking = await office.in_state("PICKING")
    answer = await office.hand.tries("status", picking, status=state)

    assert refused(answer) == (409, "INVALID_TRANSITION")
    assert set(answer.json()["details"]["allowedActions"]) == {"pick", "issue", "rollback", "cancel", "comment"}


@pytest.mark.parametrize(
    "state",
    ["DRAFT", "PENDING_APPROVAL", "APPROVED", "REJECTED", "PICKING", "ISSUED", "RECEIVED", "CANCELED"],
)
async def test_a_comment_is_added_in_every_state_and_changes_nothing_else(office: Office, state: str) -> None:
    await office.site.put("BOLT", 5)
    request = await office.in_state(state)
    said = await office.hand.does("comment", request, status=201, comment="Seen")
    after = await office.hand.sees(request)

    assert (said["body"], [one["body"] for one in after["comments"]]) == ("Seen", ["Seen"])
    assert (after["state"], after["version"]) == (state, request["version"])


@pytest.mark.parametrize(
    ("step", "body", "path"),
    [
        ("approve", {}, ""),
        ("approve", {"expectedVersion": 0}, "expectedVersion"),
        ("approve", {"expectedVersion": "2"}, "expectedVersion"),
        ("reject", {}, ""),
        ("reject", {"comment": ""}, "comment"),
        ("reject", {"comment": "x" * 2001}, "comment"),
        ("comment", {"comment": None}, "comment"),
        ("status", {}, "action"),
        ("status", {"action": "pick", "status": "PICKING"}, "action"),
        ("status", {"action": "fly"}, "action"),
        ("status", {"action": "issue", "lines": [{"lineId": "{line}"}]}, "lines"),
        ("status", {"action": "pick", "lines": [{"lineId": "{line}"}]}, "lines[0].pickedQty"),
        ("status", {"action": "receive", "lines": [{"lineId": "{line}", "pickedQty": 1}]}, "lines[0].receivedQty"),
        ("rollback", {"why": "x"}, ""),
    ],
)
async def test_a_body_that_cannot_be_meant_is_refused_with_its_field(
    office: Office, step: str, body: dict[str, Any], path: str
) -> None:
    pending = await office.pending(("BOLT", 1))
    line = pending["lines"][0]["id"]
    lines = [{**one, "lineId": line} for one in body.get("lines", ())]
    answer = await office.boss.tries(step, pending, **(body | ({"lines": lines} if lines else {})))

    assert refused(answer) == (400, "VALIDATION_ERROR")
    assert answer.json()["details"]["fields"][0]["path"] == path


async def test_a_substitute_that_would_need_an_approval_nobody_gave_is_refused(office: Office) -> None:
    await office.rules(SUPERVISORS, {"name": "Pharmacist", "isRegulated": True, "approvers": {"role": "manager"}})
    await office.site.admin.execute(
        "UPDATE products SET is_regulated = true WHERE tenant_id = $1 AND sku = 'NUT'", office.site.tenant_id
    )
    await office.site.put("BOLT", 5)
    await office.site.put("NUT", 5)
    approved = await office.approved(("BOLT", 5))
    nut = {"productMasterId": str(office.site.ids["NUT"]), "quantity": 5}
    line = {"lineId": approved["lines"][0]["id"], "pickedQty": 0, "reason": "gone", "substitute": nut}
    answer = await office.hand.tries("status", approved, action="pick", lines=[line])

    assert refused(answer) == (400, "VALIDATION_ERROR")
    assert "Pharmacist" in answer.json()["details"]["fields"][0]["message"]


async def test_rules_that_name_what_is_not_there_are_refused(office: Office) -> None:
    admin = office.api.client(office.site.caller(["admin.settings", READ]))  # type: ignore[list-item] # its value
    unknown = [{"name": "A", "approvers": {"role": "wizard"}}]
    answer = await admin.put(f"{PATH}/approval-rules", json={"rules": unknown})
    await office.rules(SUPERVISORS)
    stale = await admin.put(f"{PATH}/approval-rules", json={"rules": [], "expectedVersion": 0})
    shown = await admin.get(f"{PATH}/approval-rules")

    assert answer.json()["details"]["fields"][0]["path"] == "rules[0].approvers.role"
    assert refused(stale) == (409, "STALE_VERSION")
    assert (shown.json()["data"]["isDefault"], shown.json()["data"]["version"]) == (False, 1)
