"""What becomes of expired stock, over HTTP."""

import asyncio
import json
from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest

from domain.access.model import Permission
from domain.values import new_id
from tests.e2e.ledger_writes.site import Api, Site, a_gate, until_waiting
from tests.lab import DatabaseUrls

EXPIRED = "/api/inventory/expired"
DESTRUCTIONS = "/api/inventory/destructions"
RIGHTS = (Permission.INVENTORY_READ, Permission.INVENTORY_WRITE)


@pytest.fixture
def client(api: Api, site: Site) -> httpx.AsyncClient:
    return api.client(site.caller(RIGHTS))


async def a_line(site: Site, quantity: int = 10, *, lot: str = "M1", bin_: str = "MAIN", at: str = "DC") -> UUID:
    """Milk that has expired yesterday."""
    if f"MILK/{lot}" not in site.ids:
        await site.a_lot("MILK", lot, expires_in=-1)
    return await site.put("MILK", quantity, lot=lot, bin_=bin_, at=at)


def of(*line_ids: UUID, **more: Any) -> dict[str, Any]:
    return {"lines": [{"inventoryItemId": str(line_id), **more} for line_id in line_ids]}


async def sent(client: httpx.AsyncClient, path: str, body: Any, **more: Any) -> Any:
    answer = await client.post(path, json=body, **more)
    assert answer.status_code == 200, answer.text
    return answer.json(parse_float=Decimal)["data"]


async def refused(client: httpx.AsyncClient, path: str, body: Any, status: int) -> Any:
    answer = await client.post(path, json=body)
    assert answer.status_code == status, answer.text
    return answer.json()["details"]


async def stock_line(site: Site, line_id: UUID) -> Any:
    return await site.admin.fetchrow(
        "SELECT on_hand, reserved, held FROM stock_lines WHERE tenant_id = $1 AND id = $2", site.tenant_id, line_id
    )


async def put_aside(client: httpx.AsyncClient, line_id: UUID, **more: Any) -> Any:
    return (await sent(client, f"{EXPIRED}/transfer-destruction", of(line_id) | more))["destruction"]


# --- the list ---------------------------------------------------------------------------------------------------


async def test_the_list_has_what_is_past_its_date_and_what_it_is_worth(
    client: httpx.AsyncClient, site: Site
) -> None:
    await site.admin.execute("UPDATE products SET unit_cost = 1.5 WHERE tenant_id = $1", site.tenant_id)
    old, today = await a_line(site, 4), await site.a_lot("MILK", "M2", expires_in=0)
    soon = await site.a_lot("MILK", "M3", expires_in=5)
    for number in ("M2", "M3"):
        await site.put("MILK", 2, lot=number)

    past = (await client.get(EXPIRED)).json()
    within = [(await client.get(EXPIRED, params={"withinDays": days})).json() for days in (0, 4, 5)]

    (line,) = past["data"]
    assert (line["inventoryItemId"], line["daysLeft"], line["expired"]) == (str(old), -1, True)
    assert (line["qtyOnHand"], line["unitCost"], line["value"], line["qtyMarked"]) == (4, 1.5, 6, 0)
    assert past["totals"] == {"lines": 1, "quantity": 4, "value": 6}
    lots = [[line["lotId"] for line in one["data"]] for one in within]
    first = line["lotId"]
    assert lots == [[first, str(today)], [first, str(today)], [first, str(today), str(soon)]]
    assert [line["expired"] for line in within[2]["data"]] == [True, False, False]


async def test_the_list_goes_on_by_cursor_with_its_totals(client: httpx.AsyncClient, site: Site) -> None:
    ids = [
        await a_line(site, n + 1, lot=f"M{n % 2}", bin_=bin_) for n, bin_ in enumerate(("MAIN", "PICK", "HOLD"))
    ]

    seen, cursor = [], None
    while True:
        query = {"limit": 1, **({"cursor": cursor} if cursor else {})}
        page = (await client.get(EXPIRED, params=query)).json()
        seen += [line["inventoryItemId"] for line in page["data"]]
        assert page["totals"] == {"lines": 3, "quantity": 6, "value": 0}
        cursor = page["pagination"]["nextCursor"]
        if cursor is None:
            break

    assert sorted(seen) == sorted(map(str, ids))
    other = await client.get(EXPIRED, params={"limit": 1, "withinDays": 3})
    foreign = await client.get(EXPIRED, params={"cursor": other.json()["pagination"]["nextCursor"]})
    assert foreign.status_code == 400


async def test_filters_and_rights_narrow_the_list(api: Api, client: httpx.AsyncClient, site: Site) -> None:
    here, there = await a_line(site), await a_line(site, at="STORE")
    narrow = api.client(site.caller(RIGHTS, frozenset({site.ids["STORE"]})))

    async def ids(client: httpx.AsyncClient, **query: str) -> set[str]:
        page = (await client.get(EXPIRED, params=query)).json()
        assert page["totals"]["lines"] == len(page["data"])
        return {line["inventoryItemId"] for line in page["data"]}

    assert await ids(client) == {str(here), str(there)}
    assert await ids(client, locationId=str(site.ids["DC"])) == {str(here)}
    assert await ids(client, productMasterId=str(site.ids["BOLT"])) == set()
    assert await ids(narrow) == {str(there)}
    assert await ids(narrow, locationId=str(site.ids["DC"])) == set()


async def test_a_lot_is_usable_as_long_as_it_is_today_where_it_stands(
    client: httpx.AsyncClient, site: Site
) -> None:
    # The two are 25 hours apart: somewhere it is always a day later.
    await site.a_location("AHEAD", time_zone="Pacific/Kiritimati")
    await site.a_location("BEHIND", time_zone="Pacific/Pago_Pago")
    day = await site.admin.fetchval("SELECT (now() AT TIME ZONE 'Pacific/Pago_Pago')::date")
    await site.a_lot("MILK", "M1", expires_in=(day - site.today).days)
    ahead, behind = [await site.put("MILK", 5, lot="M1", at=at) for at in ("AHEAD", "BEHIND")]

    listed = (await client.get(EXPIRED)).json()["data"]
    marked = await sent(client, f"{EXPIRED}/mark-expired", of(ahead))

    assert [line["inventoryItemId"] for line in listed] == [str(ahead)]
    assert marked["lines"][0]["qtyMarked"] == 5
    for act in ("mark-expired", "mark-consumed", "transfer-destruction"):
        told = await refused(client, f"{EXPIRED}/{act}", of(behind), 409)
        assert told["code"] == "NOT_EXPIRED"
        assert told["expiryDate"] == told["today"] == day.isoformat()
    assert (await stock_line(site, behind))["held"] == 0


# --- marking ----------------------------------------------------------------------------------------------------


async def test_marked_stock_stays_and_is_not_available_any_more(client: httpx.AsyncClient, site: Site) -> None:
    line = await a_line(site)

    first = await sent(client, f"{EXPIRED}/mark-expired", of(line, note="On the shelf"))
    again = await sent(client, f"{EXPIRED}/mark-expired", of(line))

    assert first["lines"] == [{"inventoryItemId": str(line), "qtyOnHand": 10, "qtyMarked": 10, "marked": True}]
    assert again["lines"][0] | {"marked": True} == first["lines"][0]
    assert again["lines"][0]["marked"] is False
    row = await stock_line(site, line)
    assert (row["on_hand"], row["held"]) == (10, 10)
    holds = await site.admin.fetch("SELECT type, reason, note FROM holds WHERE tenant_id = $1", site.tenant_id)
    assert [tuple(hold) for hold in holds] == [("QUARANTINE", "EXPIRED", "On the shelf")]
    assert (await client.get(EXPIRED)).json()["data"][0]["qtyMarked"] == 10


async def test_a_part_is_marked_up_to_what_is_asked_for(client: httpx.AsyncClient, site: Site) -> None:
    line = await a_line(site)

    marked = [
        (await sent(client, f"{EXPIRED}/mark-expired", of(line, quantity=quantity)))["lines"][0]
        for quantity in (3, 3, 5, 2)
    ]

    assert [(one["qtyMarked"], one["marked"]) for one in marked] == [(3, True), (3, False), (5, True), (5, False)]
    assert (await stock_line(site, line))["held"] == 5
    told = await refused(client, f"{EXPIRED}/mark-expired", of(line, quantity=11), 409)
    assert told["code"] == "INSUFFICIENT_STOCK"


async def test_what_was_reserved_of_it_is_told_as_short(client: httpx.AsyncClient, site: Site) -> None:
    line = await a_line(site)
    await site.claim(line, reserved=4)

    marked = await sent(client, f"{EXPIRED}/mark-expired", of(line))
    consumed = await sent(client, f"{EXPIRED}/mark-consumed", of(line, quantity=8))

    short = {"inventoryItemId": str(line), "qtyReserved": 4, "qtyAvailable": 0, "shortage": 4}
    assert marked["shortages"] == [short]
    assert consumed["shortages"] == [short]
    assert (await stock_line(site, line))["on_hand"] == 2


async def test_one_line_that_has_not_expired_spoils_the_whole_request(
    client: httpx.AsyncClient, site: Site
) -> None:
    line = await a_line(site)
    await site.a_lot("MILK", "GOOD", expires_in=0)
    good, bolt = await site.put("MILK", 5, lot="GOOD"), await site.put("BOLT", 5)
    before = await site.traces()

    for other in (good, bolt):
        for act in ("mark-expired", "mark-consumed", "transfer-destruction"):
            told = await refused(client, f"{EXPIRED}/{act}", of(line, other), 409)
            assert (told["code"], told["index"]) == ("NOT_EXPIRED", 1)

    assert await site.traces() == before
    assert (await stock_line(site, line))["held"] == 0


@pytest.mark.parametrize("act", ["mark-expired", "mark-consumed", "transfer-destruction"])
async def test_what_cannot_be_meant_is_refused(api: Api, site: Site, act: str) -> None:
    line, there = await a_line(site), await a_line(site, at="STORE")
    path = f"{EXPIRED}/{act}"
    narrow = api.client(site.caller(RIGHTS, frozenset({site.ids["DC"]})))

    assert (await refused(narrow, path, of(line, line), 400))["fields"][0]["path"] == "lines[1].inventoryItemId"
    assert (await refused(narrow, path, of(line, quantity=0), 400))["fields"][0]["path"] == "lines[0].quantity"
    assert (await refused(narrow, path, of(site.tenant_id), 404))["field"] == "inventoryItemId"
    assert (await refused(narrow, path, of(line, there), 403))["code"] == "LOCATION_DENIED"
    assert (await refused(narrow, path, of(line, quantity=11), 409))["code"] == "INSUFFICIENT_STOCK"


# --- consuming --------------------------------------------------------------------------------------------------


async def test_consumed_stock_is_off_the_books_and_its_mark_with_it(client: httpx.AsyncClient, site: Site) -> None:
    line, other = await a_line(site), await a_line(site, 6, lot="M2")
    await sent(client, f"{EXPIRED}/mark-expired", of(line, other))

    consumed = await sent(client, f"{EXPIRED}/mark-consumed", of(line) | {"comment": "Staff meal"})
    await sent(client, f"{EXPIRED}/mark-consumed", of(other, quantity=2))

    assert consumed["transactionType"] == "CONSUMPTION"
    assert [(one["deltaQty"], one["qtyAfter"], one["lotNumber"]) for one in consumed["lines"]] == [(-10, 0, "M1")]
    assert consumed["shortages"] == []
    held = await site.admin.fetch(
        "SELECT line_id FROM holds WHERE tenant_id = $1 AND state = 'ACTIVE'", site.tenant_id
    )
    assert [row["line_id"] for row in held] == [other]
    assert await site.on_hand() == {"MILK MAIN M2": 4}
    assert await site.drift() == []


async def held_as_proof(site: Site, line_id: str | UUID) -> None:
    hold = {"id": str(new_id()), "type": "LEGAL", "scope": "LINE", "line_id": str(line_id), "reason": "Proof"}
    await site.admin.execute("SELECT set_config('app.tenant', $1, false)", str(site.tenant_id))
    await site.admin.execute("SELECT hold_change($1::text::jsonb, '{}'::jsonb)", json.dumps(hold))


async def test_a_hold_for_another_reason_keeps_it(client: httpx.AsyncClient, site: Site) -> None:
    line = await a_line(site)
    await sent(client, f"{EXPIRED}/mark-expired", of(line))
    document = await put_aside(client, await a_line(site, 3, lot="M2"))
    await held_as_proof(site, line)
    await held_as_proof(site, document["lines"][0]["targetInventoryItemId"])

    for act in ("mark-consumed", "transfer-destruction"):
        told = await refused(client, f"{EXPIRED}/{act}", of(line, quantity=1), 409)
        assert (told["code"], told["held"]) == ("INSUFFICIENT_STOCK", 10)
    decision = f"{DESTRUCTIONS}/{document['id']}"
    for body in ({"action": "destroy", "witness": "A", "method": "B"}, {"action": "cancel"}):
        told = await refused(client, decision, body, 409)
        assert (told["code"], told["held"]) == ("INSUFFICIENT_STOCK", 3)
    assert await site.on_hand() == {"MILK MAIN M1": 10, "MILK QUARANTINE M2": 3}


async def test_two_who_consume_the_same_line_consume_it_once(
    api: Api, admin: "asyncpg.Connection[Any]", database_urls: DatabaseUrls, site: Site
) -> None:
    line = await a_line(site)
    clients = [api.client(site.caller(RIGHTS)) for _ in range(4)]

    async with a_gate(database_urls, site, line):
        racers = [
            asyncio.create_task(client.post(f"{EXPIRED}/mark-consumed", json=of(line))) for client in clients
        ]
        await until_waiting(admin, len(racers))
    answers = await asyncio.gather(*racers)

    assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409]
    assert await site.on_hand() == {}
    assert await site.drift() == []


# --- destroying -------------------------------------------------------------------------------------------------


async def test_expired_stock_is_put_aside_and_destroyed_before_a_witness(
    client: httpx.AsyncClient, site: Site
) -> None:
    line, other = await a_line(site), await a_line(site, 6, lot="M2", bin_="PICK")
    body = of(line) | {"note": "Past its date"}
    body["lines"] += of(other, quantity=2, note="Leaks")["lines"]

    planned = await sent(client, f"{EXPIRED}/transfer-destruction", body)
    aside = await site.on_hand()
    document = planned["destruction"]
    destroyed = await sent(
        client,
        f"{DESTRUCTIONS}/{document['id']}",
        {"action": "destroy", "witness": "R. Maier", "method": "Incineration", "certificateNumber": "C-1"},
    )

    assert aside == {"MILK QUARANTINE M1": 10, "MILK PICK M2": 4, "MILK QUARANTINE M2": 2}
    assert (document["state"], document["allowedActions"]) == ("PENDING", ["cancel", "destroy"])
    assert [(one["quantity"], one["binCode"], one["targetBinCode"]) for one in document["lines"]] == [
        (10, "MAIN", "QUARANTINE"),
        (2, "PICK", "QUARANTINE"),
    ]
    after = destroyed["destruction"]
    assert (after["state"], after["witness"], after["method"]) == ("DESTROYED", "R. Maier", "Incineration")
    assert (after["certificateNumber"], after["version"], after["allowedActions"]) == ("C-1", 2, [])
    assert await site.on_hand() == {"MILK PICK M2": 4}
    kinds = await site.admin.fetch(
        "SELECT kind, sum(delta) FROM movements WHERE tenant_id = $1 AND kind <> 'RECEIPT' GROUP BY 1 ORDER BY 1",
        site.tenant_id,
    )
    assert [tuple(row) for row in kinds] == [("DESTRUCTION", -12), ("TRANSFER_IN", 12), ("TRANSFER_OUT", -12)]
    shown = (await client.get(f"{DESTRUCTIONS}/{document['id']}")).json(parse_float=Decimal)["data"]
    assert shown == after
    listed = (await client.get(DESTRUCTIONS, params={"state": "DESTROYED"})).json()["data"]
    assert [one["id"] for one in listed] == [document["id"]]
    assert (await client.get(DESTRUCTIONS, params={"state": "PENDING"})).json()["data"] == []


async def test_a_canceled_destruction_brings_the_stock_back(client: httpx.AsyncClient, site: Site) -> None:
    line = await a_line(site)
    document = await put_aside(client, line)

    canceled = await sent(client, f"{DESTRUCTIONS}/{document['id']}", {"action": "cancel", "expectedVersion": 1})

    assert canceled["destruction"]["state"] == "CANCELED"
    assert await site.on_hand() == {"MILK MAIN M1": 10}
    assert await site.drift() == []
    told = await refused(
        client, f"{DESTRUCTIONS}/{document['id']}", {"action": "destroy", "witness": "A", "method": "B"}, 409
    )
    assert (told["code"], told["state"], told["allowedActions"]) == ("INVALID_TRANSITION", "CANCELED", [])


async def test_a_transfer_that_was_taken_back_leaves_nothing_to_destroy(api: Api, site: Site) -> None:
    client = api.client(site.caller([*RIGHTS, Permission.INVENTORY_ADJUST]))
    document = await put_aside(client, await a_line(site))
    reversal = f"/api/inventory/transactions/{document['transferTransactionId']}/reverse"
    assert (await client.post(reversal, json={"force": True})).status_code == 200

    told = await refused(
        client, f"{DESTRUCTIONS}/{document['id']}", {"action": "destroy", "witness": "A", "method": "B"}, 409
    )
    canceled = await sent(client, f"{DESTRUCTIONS}/{document['id']}", {"action": "cancel"})

    assert told["code"] == "INVALID_TRANSITION"
    assert canceled["destruction"]["state"] == "CANCELED"
    assert await site.on_hand() == {"MILK MAIN M1": 10}


async def test_whoever_races_to_decide_it_is_decided_once(
    api: Api, admin: "asyncpg.Connection[Any]", site: Site
) -> None:
    client = api.client(site.caller(RIGHTS))
    document = await put_aside(client, await a_line(site))
    bodies = [{"action": "destroy", "witness": f"W{n}", "method": "Fire"} for n in range(3)] + [
        {"action": "cancel"} for _ in range(3)
    ]

    answers = await asyncio.gather(
        *(client.post(f"{DESTRUCTIONS}/{document['id']}", json=body) for body in bodies)
    )

    assert sorted(answer.status_code for answer in answers) == [200, *[409] * 5]
    (state,) = [a.json()["data"]["destruction"]["state"] for a in answers if a.status_code == 200]
    written_off = await admin.fetchval(
        "SELECT count(*) FROM postings WHERE tenant_id = $1 AND kind = 'DESTRUCTION'", site.tenant_id
    )
    assert written_off == (1 if state == "DESTROYED" else 0)
    assert await site.on_hand() == ({} if state == "DESTROYED" else {"MILK MAIN M1": 10})
    assert await site.drift() == []


async def test_a_retry_under_its_key_is_told_the_same(client: httpx.AsyncClient, site: Site) -> None:
    line = await a_line(site)
    again = {"headers": {"Idempotency-Key": "k1"}}

    planned = await sent(client, f"{EXPIRED}/transfer-destruction", of(line, quantity=3), **again)
    repeated = await sent(client, f"{EXPIRED}/transfer-destruction", of(line, quantity=3), **again)

    assert repeated == planned
    assert await site.on_hand() == {"MILK MAIN M1": 7, "MILK QUARANTINE M1": 3}


async def test_stock_that_lies_in_quarantine_already_is_destroyed_from_there(
    client: httpx.AsyncClient, site: Site
) -> None:
    there, line = await a_line(site, 5, bin_="QUARANTINE"), await a_line(site, 2)

    document = (await sent(client, f"{EXPIRED}/transfer-destruction", of(there, line)))["destruction"]
    await sent(client, f"{DESTRUCTIONS}/{document['id']}", {"action": "destroy", "witness": "A", "method": "B"})

    assert await site.on_hand() == {}
    assert await site.drift() == []


async def test_a_location_for_destruction_takes_stock_of_others(
    api: Api, client: httpx.AsyncClient, admin: "asyncpg.Connection[Any]", site: Site
) -> None:
    oven = await site.a_location("OVEN")
    await admin.execute(
        "UPDATE locations SET type = 'DESTRUCTION' WHERE tenant_id = $1 AND id = $2", site.tenant_id, oven
    )
    line = await a_line(site)
    path, body = f"{EXPIRED}/transfer-destruction", of(line) | {"targetLocationId": str(oven)}
    narrow = api.client(site.caller(RIGHTS, frozenset({site.ids["DC"]})))

    assert (await refused(narrow, path, body, 403))["code"] == "LOCATION_DENIED"
    document = (await sent(client, path, body))["destruction"]

    assert document["locationId"] == str(site.ids["DC"])
    assert document["lines"][0]["targetLocationId"] == str(oven)
    assert await site.on_hand(at="OVEN") == {"MILK MAIN M1": 10}


async def test_expired_stock_goes_nowhere_else(client: httpx.AsyncClient, site: Site) -> None:
    line, path = await a_line(site), f"{EXPIRED}/transfer-destruction"
    there = await a_line(site, at="STORE")

    for target in (
        {"targetBinId": str(site.ids["DC/PICK"])},
        {"targetBinId": str(site.ids["STORE/QUARANTINE"])},
        {"targetLocationId": str(site.ids["STORE"])},
    ):
        assert (await refused(client, path, of(line) | target, 400))["code"] == "VALIDATION_ERROR"
    assert (await refused(client, path, of(line, there), 400))["fields"][0]["path"] == "lines[1].inventoryItemId"
    assert (await refused(client, path, of(line) | {"targetBinId": str(line)}, 404))["field"] == "targetBinId"
    assert (await refused(client, path, of(line) | {"targetLocationId": str(line)}, 404))["code"] == "NOT_FOUND"


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"action": "destroy", "method": "Fire"}, "witness"),
        ({"action": "destroy", "witness": "A"}, "method"),
        ({"action": "cancel", "certificateNumber": "C"}, "certificateNumber"),
    ],
)
async def test_a_decision_says_what_it_must_and_no_more(
    client: httpx.AsyncClient, site: Site, body: dict[str, str], path: str
) -> None:
    document = await put_aside(client, await a_line(site))

    told = await refused(client, f"{DESTRUCTIONS}/{document['id']}", body, 400)
    stale = await refused(
        client, f"{DESTRUCTIONS}/{document['id']}", {"action": "cancel", "expectedVersion": 7}, 409
    )

    assert told["fields"][0]["path"] == path
    assert stale["code"] == "STALE_VERSION"


async def test_destructions_elsewhere_are_neither_seen_nor_decided(
    api: Api, client: httpx.AsyncClient, site: Site
) -> None:
    document = await put_aside(client, await a_line(site))
    narrow = api.client(site.caller(RIGHTS, frozenset({site.ids["STORE"]})))
    path = f"{DESTRUCTIONS}/{document['id']}"

    assert (await narrow.get(DESTRUCTIONS)).json()["data"] == []
    assert (await narrow.get(path)).status_code == 404
    assert (await refused(narrow, path, {"action": "cancel"}, 403))["code"] == "LOCATION_DENIED"


async def test_acts_on_the_same_lines_in_any_order_do_not_block_each_other(
    api: Api, client: httpx.AsyncClient, site: Site
) -> None:
    lines = [await a_line(site, 100, lot=f"M{n}", bin_=bin_) for n, bin_ in enumerate(("MAIN", "PICK", "HOLD"))]
    others = [api.client(site.caller(RIGHTS)) for _ in range(4)]

    def act(n: int, who: httpx.AsyncClient) -> Any:
        some = lines if n % 2 else lines[::-1]
        name = ("mark-expired", "mark-consumed", "transfer-destruction")[n % 3]
        return who.post(f"{EXPIRED}/{name}", json=of(*some, quantity=1 + n % 5))

    answers = await asyncio.gather(*(act(n, others[n % 4]) for n in range(24)))

    assert {answer.status_code for answer in answers} == {200}
    assert await site.drift() == []
    held = await site.admin.fetch(
        "SELECT held, held_part FROM stock_lines WHERE tenant_id = $1 AND on_hand > 0 AND held_part > 0",
        site.tenant_id,
    )
    assert [tuple(row) for row in held] == [(5, 5)] * 3


async def test_a_claim_that_has_run_out_is_not_short(client: httpx.AsyncClient, site: Site) -> None:
    line = await a_line(site)
    claim = {
        "id": str(site.tenant_id),
        "group_id": str(site.tenant_id),
        "kind": "SOFT",
        "product_id": str(site.ids["MILK"]),
        "location_id": str(site.ids["DC"]),
        "quantity": 4,
        "ttl_seconds": -1,
        "lines": [{"line_id": str(line), "quantity": 4}],
    }
    await site.admin.execute("SELECT set_config('app.tenant', $1, false)", str(site.tenant_id))
    await site.admin.execute("SELECT claim_make($1::text::jsonb, '{}'::jsonb)", json.dumps([claim]))
    assert (await stock_line(site, line))["reserved"] == 4

    planned = await sent(client, f"{EXPIRED}/transfer-destruction", of(line))

    assert planned["shortages"] == []
