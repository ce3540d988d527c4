"""Who may do what at which end, what a body may say, and what a retry does."""

import asyncio
import json
from collections import Counter
from decimal import Decimal
from typing import Any

import pytest

from domain.access.model import Permission
from domain.availability.allocating import LineWanted as Chosen
from domain.availability.allocating import Source, allot_lines
from domain.documents import DocumentType
from domain.errors import DomainError, Reason
from domain.transfers.arriving import receive
from domain.transfers.model import ArrivedLine, LineWanted, NewTransfer
from domain.transfers.shipping import Claimed, dispatch
from domain.values import new_id
from infra.db.pool import Database
from infra.db.work import beginning
from infra.transfers.work import TransferSqlWork
from tests.e2e.ledger_writes.site import Api, Site, overriding
from tests.e2e.transfers.moving import PATH, Clerk, refused, stands, supplies


async def test_the_origin_sends_and_the_destination_receives(api: Api, site: Site) -> None:
    await site.a_location("FAR")
    anyone = Clerk(api, site)
    sender, receiver, other = (
        Clerk(api, site, scope=frozenset({site.ids[code]})) for code in ("DC", "STORE", "FAR")
    )
    await site.put("BOLT", 10)

    assert refused(await receiver.asks([receiver.line("BOLT", 1)])) == (403, "LOCATION_DENIED")
    transfer = await sender.makes(("BOLT", 4))
    lines = [{"lineId": transfer["lines"][0]["id"], "quantity": 4}]
    for action in ("submit", "pick", "ship"):
        for stranger in (receiver, other):
            assert refused(await stranger.tries(transfer, action)) == (403, "LOCATION_DENIED")
        transfer = await sender.does(transfer, action)
    assert transfer["allowedActions"] == ["cancel"]
    assert (await receiver.sees(transfer))["allowedActions"] == ["receive", "close"]
    for stranger in (sender, other):
        assert refused(await stranger.tries(transfer, "receive", lines=lines)) == (403, "LOCATION_DENIED")
    assert refused(await receiver.tries(transfer, "cancel")) == (403, "LOCATION_DENIED")
    transfer = await receiver.does(transfer, "receive", lines=lines)
    assert refused(await sender.tries(transfer, "close")) == (403, "LOCATION_DENIED")
    await receiver.does(transfer, "close")

    assert (await other.http.get(f"{PATH}/{transfer['id']}")).status_code == 404
    assert (await other.http.get(PATH)).json()["data"] == []
    for clerk in (anyone, sender, receiver):
        assert [one["id"] for one in (await clerk.http.get(PATH)).json()["data"]] == [transfer["id"]]


async def test_readers_move_nothing(api: Api, site: Site) -> None:
    clerk = Clerk(api, site)
    transfer = await clerk.makes(("BOLT", 1))
    reader = api.client(site.caller([Permission.TRANSFERS_READ]))

    assert refused(await reader.post(f"{PATH}/{transfer['id']}", json={"action": "cancel"})) == (
        403,
        "PERMISSION_DENIED",
    )
    assert (await reader.get(f"{PATH}/{transfer['id']}")).json()["data"]["allowedActions"] == []


CREATE: dict[str, str] = {
    "no lines": '{"lines": []}',
    "one location twice": '{"destinationLocationId": "{DC}"}',
    "no destination": '{"destinationLocationId": null}',
    "internal elsewhere": '{"type": "INTERNAL"}',
    "an unknown type": '{"type": "TELEPORT"}',
    "a day in the past": '{"dueOn": "2020-01-01"}',
    "no day": '{"dueOn": "soon"}',
    "a long reference": json.dumps({"reference": "x" * 201}),
    "a long comment": json.dumps({"comment": "x" * 2001}),
    "no flag": '{"submit": "yes"}',
    "a stranger": '{"surprise": 1}',
    "no id": '{"originLocationId": "DC"}',
    "nothing": '{"lines": [{"productMasterId": "{BOLT}", "quantity": 0}]}',
    "less than nothing": '{"lines": [{"productMasterId": "{BOLT}", "quantity": -1}]}',
    "text": '{"lines": [{"productMasterId": "{BOLT}", "quantity": "5"}]}',
    "no quantity": '{"lines": [{"productMasterId": "{BOLT}"}]}',
    "too fine": '{"lines": [{"productMasterId": "{BOLT}", "quantity": 0.00001}]}',
    "too much": '{"lines": [{"productMasterId": "{BOLT}", "quantity": 1e400}]}',
    "no product": '{"lines": [{"productMasterId": null, "quantity": 1}]}',
    "no bin": '{"lines": [{"productMasterId": "{BOLT}", "quantity": 1, "fromBinId": 5}]}',
    "no lot": '{"lines": [{"productMasterId": "{BOLT}", "quantity": 1, "lotId": "L"}]}',
    "no target": '{"lines": [{"productMasterId": "{BOLT}", "quantity": 1, "toBinId": true}]}',
    "a long note": json.dumps({"lines": [{"productMasterId": "{BOLT}", "quantity": 1, "note": "x" * 2001}]}),
}
UNKNOWN: dict[str, str] = {
    "a strange location": '{"destinationLocationId": "{NEW}"}',
    "a strange product": '{"lines": [{"productMasterId": "{NEW}", "quantity": 1}]}',
    "a strange lot": '{"lines": [{"productMasterId": "{BOLT}", "quantity": 1, "lotId": "{NEW}"}]}',
    "another's lot": '{"lines": [{"productMasterId": "{BOLT}", "quantity": 1, "lotId": "{NUT/}"}]}',
    "a bin of elsewhere": '{"lines": [{"productMasterId": "{BOLT}", "quantity": 1, "fromBinId": "{STORE/MAIN}"}]}',
    "a target of elsewhere": '{"lines": [{"productMasterId": "{BOLT}", "quantity": 1, "toBinId": "{DC/MAIN}"}]}',
}


@pytest.mark.parametrize("case", [*CREATE, *UNKNOWN])
async def test_what_cannot_be_meant_makes_no_transfer(api: Api, site: Site, case: str) -> None:
    clerk = Clerk(api, site)
    usual = {
        "originLocationId": clerk.id("DC"),
        "destinationLocationId": clerk.id("STORE"),
        "lines": [clerk.line("BOLT", 1)],
    }
    change = (CREATE | UNKNOWN)[case].replace("{NEW}", str(new_id()))
    for code, id_ in site.ids.items():
        change = change.replace(f"{{{code}}}", str(id_))

    answer = await clerk.http.post(
        PATH, content=overriding(usual, change), headers={"Content-Type": "application/json"}
    )

    due = (400, "VALIDATION_ERROR") if case in CREATE else (404, "NOT_FOUND")
    assert refused(answer) == due, answer.text
    assert (await clerk.http.get(PATH)).json()["data"] == []


NO_MEANING: tuple[tuple[str, dict[str, Any]], ...] = (
    ("submit", {"lines": [{"quantity": 1}]}),
    ("submit", {"dueOn": "2030-01-01"}),
    ("submit", {"expectedVersion": 0}),
    ("submit", {"comment": "x" * 2001}),
    ("submit", {"surprise": 1}),
    ("fly", {}),
    ("update", {}),
    ("update", {"lines": []}),
    ("update", {"lines": [{"quantity": 1}]}),
    ("update", {"dueOn": "2020-01-01"}),
    ("update", {"lines": [{"productMasterId": "{BOLT}", "quantity": 1, "lotNumber": "L"}]}),
    ("pick", {"lines": [{"lineId": "{LINE}"}]}),
    ("pick", {"lines": [{"lineId": "{LINE}", "quantity": 1, "discrepancyReason": "no"}]}),
    ("ship", {"discrepancyReason": "no"}),
    ("receive", {}),
    ("receive", {"lines": [{"quantity": 1}]}),
    ("receive", {"lines": [{"lineId": "{LINE}", "quantity": 1, "reason": "no"}]}),
    ("close", {"reasonCodeId": "{BOLT}"}),
    ("close", {"lines": [{"lineId": "{LINE}"}]}),
    ("cancel", {"reference": "no"}),
)


@pytest.mark.parametrize(("action", "body"), NO_MEANING)
async def test_a_field_without_meaning_for_the_action_is_refused(
    api: Api, site: Site, action: str, body: dict[str, Any]
) -> None:
    clerk = Clerk(api, site)
    transfer = await clerk.makes(("BOLT", 1))
    said = json.dumps(body).replace("{LINE}", transfer["lines"][0]["id"]).replace("{BOLT}", clerk.id("BOLT"))

    answer = await clerk.tries(transfer, action, **json.loads(said))

    assert refused(answer) == (400, "VALIDATION_ERROR")
    assert await clerk.sees(transfer) == transfer


async def test_quantities_lots_bins_and_reasons_of_a_step_are_checked(api: Api, site: Site) -> None:
    clerk = Clerk(api, site)
    await site.put("BOLT", 10)
    pending, shipped = await clerk.makes(("BOLT", 2), submit=True), await clerk.sends(("BOLT", 2))
    line = {"lineId": pending["lines"][0]["id"], "quantity": 2}
    came = {"lineId": shipped["lines"][0]["id"], "quantity": 2}
    strange = str(new_id())

    for wrong, due in (
        ({"quantity": 3}, (400, "VALIDATION_ERROR")),
        ({"quantity": -1}, (400, "VALIDATION_ERROR")),
        ({"inventoryItemId": strange}, (400, "VALIDATION_ERROR")),
        ({"lineId": strange}, (404, "NOT_FOUND")),
        ({"lineId": came["lineId"]}, (404, "NOT_FOUND")),
    ):
        assert refused(await clerk.tries(pending, "pick", lines=[line | wrong])) == due
    assert refused(await clerk.tries(pending, "pick", lines=[line, line])) == (400, "VALIDATION_ERROR")
    for wrong, due in (
        ({"quantity": 0}, (400, "VALIDATION_ERROR")),
        ({"quantity": 3}, (409, "STALE_QUANTITY")),
        ({"lotNumber": "NONE"}, (400, "VALIDATION_ERROR")),
        ({"toBinId": clerk.id("DC/MAIN")}, (404, "NOT_FOUND")),
        ({"toBinId": strange}, (404, "NOT_FOUND")),
        ({"reasonCodeId": strange}, (404, "NOT_FOUND")),
        ({"lineId": strange}, (404, "NOT_FOUND")),
    ):
        assert refused(await clerk.tries(shipped, "receive", lines=[came | wrong])) == due
    assert refused(await clerk.tries(shipped, "receive", lines=[came, came])) == (409, "STALE_QUANTITY")
    assert refused(await clerk.tries(shipped, "cancel", expectedVersion=1)) == (409, "STALE_VERSION")
    assert await stands(site) == ({"BOLT MAIN": 8}, {"BOLT": 2})


async def test_a_draft_may_change_and_nothing_else(api: Api, site: Site) -> None:
    clerk = Clerk(api, site)
    await site.put("BOLT", 10)
    draft = await clerk.makes(("BOLT", 2), reference="one")

    draft = await clerk.does(
        draft, "update", reference="two", dueOn=site.day(3).isoformat(), lines=[clerk.line("BOLT", 3)]
    )
    draft = await clerk.does(draft, "update", dueOn=None)
    pending = await clerk.does(draft, "submit")

    assert (draft["reference"], draft["dueOn"], [line["quantity"] for line in draft["lines"]]) == (
        "two",
        None,
        [3],
    )
    late = await clerk.tries(pending, "update", reference="three")
    assert refused(late) == (409, "INVALID_TRANSITION")
    assert late.json()["details"]["allowedActions"] == ["pick", "cancel"]


async def test_a_retried_receipt_happens_once(api: Api, site: Site) -> None:
    clerk = Clerk(api, site)
    await site.put("BOLT", 10)
    transfer = await clerk.sends(("BOLT", 6))
    body = {"action": "receive", "lines": [{"lineId": transfer["lines"][0]["id"], "quantity": 2}]}

    answers = await asyncio.gather(
        *(
            clerk.http.post(f"{PATH}/{transfer['id']}", json=body, headers={"Idempotency-Key": "once"})
            for _ in range(5)
        )
    )

    assert Counter(answer.status_code for answer in answers) == {200: 5}
    assert len({answer.text for answer in answers}) == 1
    assert await stands(site, at="STORE") == ({"BOLT MAIN": 2}, {"BOLT": 4})
    assert await supplies(site) == [("OPEN", 6, 2)]


async def test_a_bin_that_is_counted_full_or_of_one_product_takes_no_move(api: Api, site: Site) -> None:
    clerk = Clerk(api, site)
    await site.put("BOLT", 9)
    await site.put("NUT", 1, bin_="PICK")

    async def moved(quantity: int = 3) -> tuple[int, str]:
        line = clerk.line("BOLT", quantity, fromBinId=clerk.id("DC/MAIN"), toBinId=clerk.id("DC/PICK"))
        answer = await clerk.asks([line], to="DC", type="INTERNAL")
        return (201, "") if answer.is_success else refused(answer)

    async def ruled(rule: str) -> None:
        await site.admin.execute(f"UPDATE bins SET {rule} WHERE id = $1", site.ids["DC/PICK"])

    await ruled("mixing = 'ONE_PRODUCT'")
    assert await moved() == (409, "BIN_UNFIT")
    await ruled("mixing = 'ANY', capacity_units = 3")
    assert await moved() == (409, "BIN_UNFIT")
    await ruled(f"capacity_units = NULL, frozen_by = '{new_id()}'")
    assert await moved() == (409, "POSITION_FROZEN")
    await ruled("frozen_by = NULL, capacity_units = 4")
    assert await moved(10) == (409, "INSUFFICIENT_STOCK")
    assert await moved() == (201, "")
    assert await site.on_hand() == {"BOLT MAIN": 6, "BOLT PICK": 3, "NUT PICK": 1}


async def test_what_another_document_has_claimed_is_shipped_by_it_at_once(
    api: Api, site: Site, database: Database
) -> None:
    clerk = Clerk(api, site)
    line_id = await site.put("BOLT", 10)
    act, request_id = site.act(Permission.STOCKREQUESTS_WRITE), new_id()
    begin = beginning(database, TransferSqlWork)
    wanted = Chosen(line_id=line_id, product_id=site.ids["BOLT"], location_id=site.ids["DC"], quantity=Decimal(6))
    async with begin(act) as work:
        source = Source(type=DocumentType.STOCK_REQUEST, id=request_id)
        (claim,) = await allot_lines(work, wanted=[wanted], source=source, leaves=True)
    new = NewTransfer(
        origin_id=site.ids["DC"],
        destination_id=site.ids["STORE"],
        lines=[LineWanted(product_id=site.ids["BOLT"], quantity=Decimal(6))],
        source_type=DocumentType.STOCK_REQUEST,
        source_id=str(request_id),
    )

    async with begin(act) as work:
        claimed = [Claimed(line=0, claim_id=claim.id, quantity=Decimal(4))]
        sent = await dispatch(work, act=act, new=new, document_id=request_id, claimed=claimed)

    seen = await clerk.sees({"id": str(sent.id)})
    assert (seen["state"], seen["allowedActions"], seen["lines"][0]["shipped"]) == ("IN_TRANSIT", [], 4)
    assert await stands(site) == ({"BOLT MAIN": 6}, {"BOLT": 4})
    lines = [{"lineId": seen["lines"][0]["id"], "quantity": 4}]
    past_it = await clerk.tries(seen, "receive", lines=lines)
    assert refused(past_it) == (409, "IN_USE")
    arrived = [ArrivedLine(line_id=sent.lines[0].id, quantity=Decimal(4))]
    async with begin(act) as work:
        await receive(work, act=act, transfer_id=sent.id, lines=arrived, is_sourced=True)
    assert await stands(site, at="STORE") == ({"BOLT MAIN": 4}, {})
    with pytest.raises(DomainError) as refusal:
        async with begin(act) as work:
            await receive(work, act=act, transfer_id=sent.id, lines=arrived)
    assert refusal.value.reason in {Reason.PERMISSION_DENIED, Reason.IN_USE}
