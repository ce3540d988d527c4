"""A transfer from draft to end, over HTTP: what each step does to stock, claims, transit and supply."""

from decimal import Decimal
from typing import Any

from tests.e2e.ledger_writes.site import Api, Site
from tests.e2e.transfers.moving import PATH, Clerk, in_transit, refused, reserved, stands, supplies


async def test_stock_goes_from_the_origin_through_transit_to_the_destination(api: Api, site: Site) -> None:
    clerk = Clerk(api, site)
    line = await site.put("BOLT", 10)

    transfer = await clerk.makes(("BOLT", 6), dueOn=site.day(2).isoformat())
    assert (transfer["state"], transfer["number"][:3]) == ("DRAFT", "TR-")
    assert transfer["allowedActions"] == ["update", "submit", "cancel"]
    assert await reserved(site, line) == 0

    transfer = await clerk.does(transfer, "submit", expectedVersion=transfer["version"])
    assert (transfer["state"], await reserved(site, line)) == ("PENDING", 6)

    transfer = await clerk.does(transfer, "pick")
    assert (transfer["state"], await reserved(site, line)) == ("PICKED", 6)

    transfer = await clerk.does(transfer, "ship")
    assert transfer["state"] == "IN_TRANSIT"
    assert await reserved(site, line) == 0
    assert await stands(site) == ({"BOLT MAIN": 4}, {"BOLT": 6})
    assert await supplies(site) == [("OPEN", 6, 0)]

    (of,) = transfer["lines"]
    transfer = await clerk.does(transfer, "receive", lines=[{"lineId": of["id"], "quantity": 4}])
    assert transfer["state"] == "IN_TRANSIT"
    assert await stands(site, at="STORE") == ({"BOLT MAIN": 4}, {"BOLT": 2})
    assert await supplies(site) == [("OPEN", 6, 4)]

    transfer = await clerk.does(transfer, "receive", lines=[{"lineId": of["id"], "quantity": 2}])
    assert (transfer["state"], transfer["allowedActions"]) == ("RECEIVED", ["receive", "close"])
    assert await stands(site, at="STORE") == ({"BOLT MAIN": 6}, {})
    assert await supplies(site) == [("CLOSED", 6, 6)]

    transfer = await clerk.does(transfer, "close")
    assert (transfer["state"], transfer["allowedActions"]) == ("COMPLETED", [])
    assert [step["action"] for step in transfer["history"]] == [
        "create",
        "submit",
        "pick",
        "ship",
        "receive",
        "receive",
        "close",
    ]
    assert await clerk.sees(transfer) == transfer
    assert await site.drift() == []


async def test_lots_are_chosen_first_expired_first_and_arrive_as_they_left(api: Api, site: Site) -> None:
    clerk = Clerk(api, site)
    for number, days in (("LATE", 90), ("SOON", 30)):
        await site.a_lot("MILK", number, expires_in=days)
        await site.put("MILK", 5, lot=number)

    transfer = await clerk.sends(("MILK", 8))

    (line,) = transfer["lines"]
    assert [(one["lotNumber"], one["shipped"]) for one in line["picks"]] == [("SOON", 5), ("LATE", 3)]
    unknown = await clerk.tries(
        transfer, "receive", lines=[{"lineId": line["id"], "quantity": 1, "lotNumber": "NO-SUCH"}]
    )
    assert refused(unknown) == (400, "VALIDATION_ERROR")
    await clerk.does(
        transfer,
        "receive",
        lines=[
            {"lineId": line["id"], "quantity": 2, "lotNumber": "LATE", "toBinId": clerk.id("STORE/PICK")},
            {"lineId": line["id"], "quantity": 5},
        ],
    )
    assert await site.on_hand(at="STORE") == {"MILK PICK LATE": 2, "MILK MAIN SOON": 5}
    assert await in_transit(site) == {"MILK": 1}


async def test_a_short_pick_gives_the_rest_back_and_has_it_counted(api: Api, site: Site) -> None:
    clerk = Clerk(api, site)
    line = await site.put("BOLT", 10)
    transfer = await clerk.makes(("BOLT", 6), submit=True)
    (of,) = transfer["lines"]

    silent = await clerk.tries(transfer, "pick", lines=[{"lineId": of["id"], "quantity": 4}])
    nothing = await clerk.tries(transfer, "pick", lines=[{"lineId": of["id"], "quantity": 0, "reason": "gone"}])
    transfer = await clerk.does(
        transfer, "pick", lines=[{"lineId": of["id"], "quantity": 4, "reason": "shelf was empty"}]
    )

    assert {refused(silent), refused(nothing)} == {(400, "VALIDATION_ERROR")}
    assert await reserved(site, line) == 4
    assert transfer["lines"][0]["pickReason"] == "shelf was empty"
    tasks = await site.admin.fetch(
        "SELECT reason, source_id FROM count_tasks WHERE tenant_id = $1", site.tenant_id
    )
    assert [tuple(task) for task in tasks] == [("SHORT_PICK", transfer["id"])]
    await clerk.does(transfer, "ship")
    assert await in_transit(site) == {"BOLT": 4}


async def test_what_is_beyond_the_shipment_is_found_with_its_cause_or_refused(api: Api, site: Site) -> None:
    clerk = Clerk(api, site)
    await site.put("BOLT", 10)
    transfer = await clerk.sends(("BOLT", 6))
    (of,) = transfer["lines"]
    eight = {"lineId": of["id"], "quantity": 8}

    silent = await clerk.tries(transfer, "receive", lines=[eight])
    transfer = await clerk.does(transfer, "receive", lines=[eight | {"discrepancyReason": "two boxes too many"}])
    again = await clerk.tries(transfer, "receive", lines=[eight])

    assert refused(silent) == refused(again) == (409, "STALE_QUANTITY")
    assert (silent.json()["details"]["expected"], silent.json()["details"]["actual"]) == (8, 6)
    assert (transfer["state"], transfer["lines"][0]["surplus"], transfer["lines"][0]["received"]) == (
        "RECEIVED",
        2,
        6,
    )
    assert await site.on_hand(at="STORE") == {"BOLT MAIN": 8}
    found = await site.admin.fetchrow(
        "SELECT m.delta, m.comment, r.code FROM movements m LEFT JOIN reason_codes r "
        "ON (r.tenant_id, r.id) = (m.tenant_id, m.reason_code_id) "
        "WHERE m.tenant_id = $1 AND m.kind = 'ADJUSTMENT'",
        site.tenant_id,
    )
    assert found is not None
    assert tuple(found) == (2, "two boxes too many", "FOUND")


async def test_what_is_missing_is_written_off_with_its_cause(api: Api, site: Site) -> None:
    clerk = Clerk(api, site)
    await site.put("BOLT", 10)
    transfer = await clerk.sends(("BOLT", 6))
    (of,) = transfer["lines"]
    await clerk.does(transfer, "receive", lines=[{"lineId": of["id"], "quantity": 4}])

    silent = await clerk.tries(transfer, "close")
    transfer = await clerk.does(transfer, "close", discrepancyReason="fell off the truck")

    assert refused(silent) == (400, "VALIDATION_ERROR")
    assert (transfer["state"], transfer["lines"][0]["lost"]) == ("COMPLETED", 2)
    assert transfer["lines"][0]["discrepancyReason"] == "fell off the truck"
    assert await in_transit(site) == {}
    assert await supplies(site) == [("CLOSED", 4, 4)]
    assert [receipt["kind"] for receipt in transfer["receipts"]] == ["RECEIVED", "LOST"]
    assert await site.drift() == []


async def test_canceling_gives_back_what_is_reserved_and_brings_back_what_is_under_way(
    api: Api, site: Site
) -> None:
    clerk = Clerk(api, site)
    line = await site.put("BOLT", 20)
    pending = await clerk.makes(("BOLT", 3), submit=True)
    picked = await clerk.makes(("BOLT", 3), submit=True)
    await clerk.does(picked, "pick")
    shipped = await clerk.sends(("BOLT", 3))
    partly = await clerk.sends(("BOLT", 3))
    await clerk.does(partly, "receive", lines=[{"lineId": partly["lines"][0]["id"], "quantity": 1}])

    for transfer in (pending, picked, shipped, partly):
        assert (await clerk.does(transfer, "cancel", comment="not needed"))["state"] == "CANCELED"

    assert await reserved(site, line) == 0
    assert await stands(site) == ({"BOLT MAIN": 19}, {})
    assert await supplies(site) == [("CANCELED", 3, 0), ("CLOSED", 1, 1)]
    seen = await clerk.sees(partly)
    assert [(one["received"], one["returned"]) for one in seen["lines"]] == [(1, 2)]
    assert await site.drift() == []


async def test_what_cannot_be_reserved_says_what_there_is(api: Api, site: Site) -> None:
    clerk = Clerk(api, site)
    await site.put("BOLT", 5)
    await site.put("BOLT", 5, bin_="PICK")

    too_much = await clerk.tries(await clerk.makes(("BOLT", 11)), "submit")
    of_bin = await clerk.asks([clerk.line("BOLT", 6, fromBinId=clerk.id("DC/PICK"))], submit=True)

    assert refused(too_much) == refused(of_bin) == (409, "INSUFFICIENT_STOCK")
    assert [(item["available"], item["shortfall"]) for item in too_much.json()["details"]["items"]] == [(10, 1)]
    assert [(item["available"], item["shortfall"]) for item in of_bin.json()["details"]["items"]] == [(5, 1)]


async def test_bin_to_bin_is_done_at_once(api: Api, site: Site) -> None:
    clerk = Clerk(api, site)
    await site.put("BOLT", 5)

    transfer = await clerk.makes(
        origin="DC",
        to="DC",
        type="INTERNAL",
        lines=[clerk.line("BOLT", 3, fromBinId=clerk.id("DC/MAIN"), toBinId=clerk.id("DC/PICK"))],
    )

    assert (transfer["state"], transfer["allowedActions"]) == ("COMPLETED", [])
    assert await site.on_hand() == {"BOLT MAIN": 2, "BOLT PICK": 3}
    assert await in_transit(site) == {}


async def test_lists_show_what_begins_or_ends_at_a_location(api: Api, site: Site) -> None:
    clerk = Clerk(api, site)
    await site.put("BOLT", 50)
    made = [(await clerk.makes(("BOLT", n)))["id"] for n in (1, 2, 3)]

    pages = [(await clerk.http.get(PATH, params={"limit": 2})).json()]
    pages.append(
        (await clerk.http.get(PATH, params={"limit": 2, "cursor": pages[0]["pagination"]["nextCursor"]})).json()
    )
    here = (await clerk.http.get(PATH, params={"originLocationId": clerk.id("STORE")})).json()

    assert [one["id"] for page in pages for one in page["data"]] == made[::-1]
    assert [page["pagination"]["total"] for page in pages] == [3, 3]
    assert pages[0]["data"][0]["quantity"] == Decimal(3)
    assert here["data"] == []


async def test_what_is_under_way_is_nobody_s_to_take_or_change(api: Api, site: Site) -> None:
    clerk = Clerk(api, site)
    await site.put("BOLT", 10)
    transfer = await clerk.sends(("BOLT", 6))
    transit = str(
        await site.admin.fetchval(
            "SELECT id FROM locations WHERE tenant_id = $1 AND type = 'IN_TRANSIT'", site.tenant_id
        )
    )
    here = {"productMasterId": clerk.id("BOLT"), "locationId": transit}

    checked = await clerk.http.post("/api/inventory/availability/check", json=here | {"quantityNeeded": 1})
    claimed = await clerk.http.post("/api/inventory/reservations", json={"items": [here | {"quantityNeeded": 1}]})
    anywhere = await clerk.http.post(
        "/api/inventory/availability/check", json={"productMasterId": clerk.id("BOLT"), "quantityNeeded": 10}
    )
    listed = await clerk.http.get("/api/inventory/availability", params={"locationId": transit})
    issued = await clerk.http.post(
        "/api/inventory/issues",
        json={
            "locationId": transit,
            "purpose": "CUSTOMER",
            "lines": [{"productMasterId": clerk.id("BOLT"), "quantity": 1}],
        },
    )
    onward = await clerk.asks(
        [clerk.line("BOLT", 1)], originLocationId=transit, destinationLocationId=clerk.id("DC")
    )
    (supply,) = (await clerk.http.get("/api/inventory/supplies", params={"locationId": clerk.id("STORE")})).json()[
        "data"
    ]
    changed = await clerk.http.patch(f"/api/inventory/supplies/{supply['id']}", json={"quantity": 1})
    reversal = await clerk.http.post(
        f"/api/inventory/transactions/{transfer['shipTransactionId']}/reverse", json={}
    )

    assert [item["totalAvailable"] for item in checked.json()["items"]] == [0]
    assert refused(claimed) == refused(issued) == (409, "INSUFFICIENT_STOCK")
    assert [item["totalAvailable"] for item in anywhere.json()["items"]] == [4]
    assert listed.json()["totals"]["totalAvailable"] == 0
    assert refused(onward) == (400, "VALIDATION_ERROR")
    assert refused(changed) == (409, "IN_USE")
    assert refused(reversal) == (409, "REVERSAL_BLOCKED")
    assert await stands(site) == ({"BOLT MAIN": 4}, {"BOLT": 6})


async def test_a_location_shows_which_bins_may_give(api: Api, site: Site) -> None:
    clerk = Clerk(api, site)
    await site.put("BOLT", 5)
    await site.put("BOLT", 3, bin_="HOLD")
    await site.put("NUT", 7, bin_="PICK")
    await clerk.makes(("BOLT", 2), submit=True)

    async def shown(**query: Any) -> Any:
        answer = await clerk.http.get(f"{PATH}/bins", params={"locationId": clerk.id("DC"), **query})
        assert answer.status_code == 200, answer.text
        return answer.json()

    of_bolt, everything = await shown(productMasterId=clerk.id("BOLT")), await shown(limit=2)

    assert [(one["binCode"], one["qtyOnHand"], one["qtyAvailable"]) for one in of_bolt["data"]] == [
        ("HOLD", 3, 0),
        ("MAIN", 5, 3),
    ]
    assert everything["pagination"]["total"] == 5
    rest = await shown(limit=20, cursor=everything["pagination"]["nextCursor"])
    codes = [one["binCode"] for one in everything["data"] + rest["data"]]
    assert codes == ["DAMAGE", "HOLD", "MAIN", "PICK", "QUARANTINE"]
