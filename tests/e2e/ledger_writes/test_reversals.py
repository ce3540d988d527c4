"""Undo over HTTP: once, whole, and only as long as nothing stands in the way."""

import asyncio
from typing import Any

import asyncpg
import httpx
import pytest

from domain.access.model import Permission
from domain.ledger.model import Entry, Kind, Posted, Posting
from domain.values import new_id
from infra.db.pool import Database
from tests.e2e.ledger_writes.site import Api, Site, a_gate, quantities, until_waiting
from tests.lab import DatabaseUrls


@pytest.fixture
def client(api: Api, site: Site) -> httpx.AsyncClient:
    return api.client(site.caller([Permission.INVENTORY_ADJUST]))


async def reverse(client: httpx.AsyncClient, posting_id: object, **fields: object) -> httpx.Response:
    headers = {"Idempotency-Key": str(fields.pop("key"))} if "key" in fields else {}
    return await client.post(f"/api/inventory/transactions/{posting_id}/reverse", json=fields, headers=headers)


async def a_transfer(site: Site, line_id: object, quantity: int) -> Posted:
    there = {
        "product_id": site.ids["BOLT"],
        "location_id": site.ids["STORE"],
        "bin_id": site.ids["STORE/MAIN"],
        "lot_id": site.ids["BOLT/"],
    }
    entries = (
        Entry(kind=Kind.TRANSFER_OUT, line_id=line_id, delta=-quantity),  # type: ignore[arg-type]
        Entry(kind=Kind.TRANSFER_IN, delta=quantity, **there),  # type: ignore[arg-type]
    )
    posting = Posting(id=new_id(), kind=Kind.TRANSFER_OUT, entries=entries)
    return await site.ledger.post(posting, tenant_id=site.tenant_id)


async def test_a_transaction_is_taken_back_and_the_two_are_linked(client: httpx.AsyncClient, site: Site) -> None:
    line = await site.put("BOLT", 10)
    issued = await site.move(line, -4)

    answer = await reverse(client, issued.posting_id, comment="Booked twice")

    assert answer.status_code == 200, answer.text
    assert quantities(answer) == {"MAIN": 4}
    body = answer.json()["data"]
    assert body["transactionType"] == "REVERSAL"
    assert answer.headers["X-Ledger-Position"] == str(body["ledgerPosition"])
    assert await site.on_hand() == {"BOLT MAIN": 10}
    stored = await site.admin.fetchrow("SELECT reverses_id, comment FROM postings WHERE id = $1", body["id"])
    assert stored is not None
    assert tuple(stored) == (issued.posting_id, "Booked twice")


async def test_seen_by_effective_time_it_never_happened(client: httpx.AsyncClient, site: Site) -> None:
    line = await site.put("BOLT", 10)
    issued = await site.move(line, -4)

    answer = await reverse(client, issued.posting_id)

    effective = answer.json()["data"]["lines"][0]["effectiveAt"]
    assert effective == issued.movements[0].effective_at.isoformat().replace("+00:00", "Z")


async def test_a_transfer_is_taken_back_at_both_ends(client: httpx.AsyncClient, site: Site) -> None:
    moved = await a_transfer(site, await site.put("BOLT", 10), 7)

    answer = await reverse(client, moved.posting_id)

    assert answer.status_code == 200
    assert await site.on_hand() == {"BOLT MAIN": 10}
    assert await site.on_hand(at="STORE") == {}


async def test_a_transaction_is_taken_back_once(client: httpx.AsyncClient, site: Site) -> None:
    issued = await site.move(await site.put("BOLT", 10), -4)
    await reverse(client, issued.posting_id)
    before = await site.traces()

    again = await reverse(client, issued.posting_id)

    assert again.status_code == 409
    assert again.json()["details"] == {"code": "ALREADY_REVERSED", "transactionId": str(issued.posting_id)}
    assert await site.traces() == before


async def test_a_reversal_can_itself_be_taken_back_once(client: httpx.AsyncClient, site: Site) -> None:
    issued = await site.move(await site.put("BOLT", 10), -4)
    undone = (await reverse(client, issued.posting_id)).json()["data"]["id"]

    redone = await reverse(client, undone)
    again = await reverse(client, undone)

    assert redone.status_code == 200
    assert again.status_code == 409
    assert await site.on_hand() == {"BOLT MAIN": 6}


async def test_what_has_left_since_cannot_be_taken_back(client: httpx.AsyncClient, site: Site) -> None:
    line = await site.put("BOLT", 3)
    received = await site.move(line, 7)
    await site.move(line, -8)
    before = await site.traces()

    answer = await reverse(client, received.posting_id)

    assert answer.status_code == 409
    details = answer.json()["details"]
    assert details["code"] == "INSUFFICIENT_STOCK"
    assert (details["requested"], details["onHand"], details["available"]) == (7, 2, 2)
    assert details["inventoryItemId"] == str(line)
    assert details["transactionId"] == str(received.posting_id)
    assert await site.traces() == before


async def test_what_is_claimed_is_taken_back_only_by_force(client: httpx.AsyncClient, site: Site) -> None:
    line = await site.put("BOLT", 3)
    received = await site.move(line, 7)
    await site.claim(line, reserved=5)

    refused = await reverse(client, received.posting_id)
    forced = await reverse(client, received.posting_id, force=True)

    assert refused.status_code == 409
    assert refused.json()["details"]["reserved"] == 5
    assert forced.status_code == 200
    assert await site.on_hand() == {"BOLT MAIN": 3}


async def test_a_count_since_stands_in_the_way(client: httpx.AsyncClient, site: Site) -> None:
    line = await site.put("BOLT", 10)
    lost = await site.move(line, -4)
    counted = await site.put("BOLT", 4, kind=Kind.COUNT)  # it found the four that were not lost
    before = await site.traces()

    answer = await reverse(client, lost.posting_id)

    assert answer.status_code == 409
    details = answer.json()["details"]
    assert details["code"] == "REVERSAL_BLOCKED"
    assert details["inventoryItemId"] == str(counted)
    assert "countedAt" in details
    assert await site.traces() == before


async def test_a_count_can_be_taken_back_itself(client: httpx.AsyncClient, site: Site) -> None:
    await site.put("BOLT", 10)
    await site.put("BOLT", 4, kind=Kind.COUNT)
    count = await site.admin.fetchval(
        "SELECT id FROM postings WHERE tenant_id = $1 AND kind = 'COUNT'", site.tenant_id
    )

    answer = await reverse(client, count)

    assert answer.status_code == 200
    assert await site.on_hand() == {"BOLT MAIN": 10}


async def test_a_transaction_that_moved_nothing_has_nothing_to_take_back(
    client: httpx.AsyncClient, site: Site
) -> None:
    line = await site.put("BOLT", 10)
    entry = Entry(kind=Kind.COUNT, line_id=line, target=10)  # type: ignore[arg-type]
    posting = Posting(id=new_id(), kind=Kind.COUNT, entries=(entry,), unchanged_ok=True)
    counted = await site.ledger.post(posting, tenant_id=site.tenant_id)

    answer = await reverse(client, counted.posting_id)

    assert (answer.status_code, answer.json()["details"]["code"]) == (400, "NO_CHANGE")


async def test_a_retry_is_told_the_same(client: httpx.AsyncClient, site: Site) -> None:
    line = await site.put("BOLT", 10)
    issued = await site.move(line, -4)

    first = await reverse(client, issued.posting_id, key="undo")
    again = await reverse(client, issued.posting_id, key="undo")
    other = await reverse(client, issued.posting_id, key="undo", comment="other")

    assert first.status_code == 200
    assert again.content == first.content
    assert again.headers["Idempotency-Replayed"] == "true"
    assert other.status_code == 422
    assert await site.on_hand() == {"BOLT MAIN": 10}


async def test_a_refusal_stays_one_for_its_retry(client: httpx.AsyncClient, site: Site) -> None:
    line = await site.put("BOLT", 3)
    received = await site.move(line, 7)
    await site.move(line, -8)
    first = await reverse(client, received.posting_id, key="refused")
    await site.move(line, 8)

    again = await reverse(client, received.posting_id, key="refused")

    assert first.status_code == 409
    assert again.content == first.content
    assert again.headers["Idempotency-Replayed"] == "true"


async def test_the_lines_must_all_lie_within_the_callers_locations(api: Api, site: Site) -> None:
    moved = await a_transfer(site, await site.put("BOLT", 10), 7)
    everywhere, here = (
        api.client(site.caller([Permission.INVENTORY_ADJUST], frozenset(site.ids[code] for code in codes)))
        for codes in (("DC", "STORE"), ("DC",))
    )

    denied = await reverse(here, moved.posting_id)
    done = await reverse(everywhere, moved.posting_id)

    assert (denied.status_code, denied.json()["details"]["code"]) == (403, "LOCATION_DENIED")
    assert done.status_code == 200


async def test_it_takes_the_right_to_adjust(api: Api, site: Site) -> None:
    issued = await site.move(await site.put("BOLT", 10), -4)
    operator = api.client(site.caller([Permission.INVENTORY_WRITE]))

    answer = await reverse(operator, issued.posting_id)

    assert (answer.status_code, answer.json()["details"]["permission"]) == (403, "inventory.adjust")


async def test_what_is_not_there_or_anothers_is_not_found(
    client: httpx.AsyncClient, site: Site, admin: "asyncpg.Connection[Any]", database: Database
) -> None:
    other = await Site(admin, database).build()
    theirs = await other.move(await other.put("BOLT", 10), -4)

    answers = [await reverse(client, id_) for id_ in (new_id(), theirs.posting_id)]

    assert [answer.status_code for answer in answers] == [404, 404]
    assert await other.on_hand() == {"BOLT MAIN": 6}


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ('{"comment": ""}', "comment"),
        ('{"comment": 1}', "comment"),
        ('{"force": "yes"}', "force"),
        ('{"quantity": 1}', ""),
        ("[]", ""),
        ("", ""),
    ],
)
async def test_a_bad_field_is_named(client: httpx.AsyncClient, site: Site, body: str, path: str) -> None:
    issued = await site.move(await site.put("BOLT", 10), -4)

    answer = await client.post(
        f"/api/inventory/transactions/{issued.posting_id}/reverse",
        content=body,
        headers={"Content-Type": "application/json"},
    )

    assert answer.status_code == 400
    assert [field["path"] for field in answer.json()["details"]["fields"]] == [path]
    assert await site.on_hand() == {"BOLT MAIN": 6}


async def test_two_at_once_take_it_back_once(
    database_urls: DatabaseUrls,
    other_process: Api,
    client: httpx.AsyncClient,
    site: Site,
    admin: "asyncpg.Connection[Any]",
) -> None:
    line = await site.put("BOLT", 10)
    issued = await site.move(line, -4)
    rival = other_process.client(site.caller([Permission.INVENTORY_ADJUST]))
    async with a_gate(database_urls, site, line):
        racers = [asyncio.create_task(reverse(one, issued.posting_id)) for one in (client, rival)]
        await until_waiting(admin, 2)
    answers = await asyncio.gather(*racers)

    assert sorted(answer.status_code for answer in answers) == [200, 409]
    assert await site.on_hand() == {"BOLT MAIN": 10}


async def test_a_reversal_that_races_an_issue_of_the_same_stock_takes_it_or_is_refused(
    database_urls: DatabaseUrls, other_process: Api, api: Api, site: Site, admin: "asyncpg.Connection[Any]"
) -> None:
    line = await site.put("BOLT", 1)
    received = await site.move(line, 5)
    client = api.client(site.caller([Permission.INVENTORY_ADJUST, Permission.INVENTORY_WRITE]))
    body = {
        "locationId": str(site.ids["DC"]),
        "lines": [{"productMasterId": str(site.ids["BOLT"]), "quantity": 4}],
    }
    rival = other_process.client(site.caller([Permission.INVENTORY_WRITE]))
    async with a_gate(database_urls, site, line):
        racers = [
            asyncio.create_task(reverse(client, received.posting_id)),
            asyncio.create_task(rival.post("/api/inventory/issues", json=body)),
        ]
        await until_waiting(admin, 2)
    answers = await asyncio.gather(*racers)

    assert sorted(answer.status_code for answer in answers) == [200, 409]
    left = 1 if answers[0].status_code == 200 else 2
    assert await site.on_hand() == {"BOLT MAIN": left}
    assert await site.drift() == []
