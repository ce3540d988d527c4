"""Corrections of lots over HTTP: stock in the wrong one, and an expiry date that is wrong."""

import asyncio
from typing import Any

import asyncpg
import httpx
import msgspec
import pytest

from domain.access.model import Permission
from domain.ledger.model import Kind
from domain.values import new_id
from infra.db.pool import Database
from tests.e2e.ledger_writes.site import Api, Site, a_gate, quantities, until_waiting
from tests.lab import DatabaseUrls

URL = "/api/inventory/adjustments/lot-correction"

NOBODYS = "01a20000-0000-7000-8000-000000000000"


@pytest.fixture
def client(api: Api, site: Site) -> httpx.AsyncClient:
    return api.client(site.caller([Permission.INVENTORY_ADJUST]))


def a_move(line_id: object, quantity: float, **fields: object) -> dict[str, object]:
    return {"inventoryItemId": str(line_id), "quantity": quantity, **fields}


async def stock(site: Site, number: str, quantity: int, *, expires_in: int = 30, bin_: str = "MAIN") -> Any:
    if f"MILK/{number}" not in site.ids:
        await site.a_lot("MILK", number, expires_in=expires_in)
    return await site.put("MILK", quantity, lot=number, bin_=bin_)


async def test_a_quantity_goes_to_the_right_lot_at_the_same_place(client: httpx.AsyncClient, site: Site) -> None:
    line = await stock(site, "WRONG", 10, bin_="PICK")
    await stock(site, "RIGHT", 1)

    answer = await client.post(URL, json=a_move(line, 4, toLotNumber="RIGHT", comment="Labels swapped"))

    assert answer.status_code == 200, answer.text
    assert quantities(answer) == {"PICK WRONG": -4, "PICK RIGHT": 4}
    assert answer.json()["data"]["transactionType"] == "LOT_CORRECTION"
    assert answer.headers["X-Ledger-Position"] == "4"
    assert await site.on_hand() == {"MILK PICK WRONG": 6, "MILK PICK RIGHT": 4, "MILK MAIN RIGHT": 1}
    assert await site.drift() == []


async def test_the_right_lot_may_be_named_by_its_id(client: httpx.AsyncClient, site: Site) -> None:
    line = await stock(site, "WRONG", 10)
    right = await site.a_lot("MILK", "RIGHT", expires_in=9)

    answer = await client.post(URL, json=a_move(line, 10, toLotId=str(right)))

    assert answer.status_code == 200
    assert await site.on_hand() == {"MILK MAIN RIGHT": 10}


async def test_the_right_lot_may_be_new_and_even_expired(client: httpx.AsyncClient, site: Site) -> None:
    line = await stock(site, "WRONG", 10)
    body = a_move(line, 4, toLotNumber="NEW", expiryDate=site.day(-1).isoformat())

    answer = await client.post(URL, json=body)

    assert answer.status_code == 200, answer.text
    assert quantities(answer) == {"MAIN WRONG": -4, "MAIN NEW": 4}
    assert answer.json()["data"]["lines"][1]["expiryDate"] == site.day(-1).isoformat()


@pytest.mark.parametrize("number", ["RIGHT", "NEW"])
async def test_a_retry_is_told_the_same(client: httpx.AsyncClient, site: Site, number: str) -> None:
    line = await stock(site, "WRONG", 10)
    await site.a_lot("MILK", "RIGHT", expires_in=30)
    body = a_move(line, 4, toLotNumber=number, expiryDate=site.day(30).isoformat())
    key = {"Idempotency-Key": f"move-{number}"}

    first = await client.post(URL, json=body, headers=key)
    again = await client.post(URL, json=body, headers=key)
    other = await client.post(URL, json={**body, "quantity": 5}, headers=key)

    assert first.status_code == 200
    assert again.content == first.content
    assert again.headers["Idempotency-Replayed"] == "true"
    assert other.status_code == 422
    assert (await site.on_hand())["MILK MAIN WRONG"] == 6


async def test_no_more_than_is_free_can_go_unless_by_force(client: httpx.AsyncClient, site: Site) -> None:
    line = await stock(site, "WRONG", 10)
    await site.claim(line, reserved=8)
    before = await site.traces()
    body = a_move(line, 4, toLotNumber="NEW", expiryDate=site.day(30).isoformat())
    key = {"Idempotency-Key": "too-much"}

    refused = await client.post(URL, json=body, headers=key)
    again = await client.post(URL, json=body, headers=key)
    left_behind = await site.traces()
    forced = await client.post(URL, json={**body, "force": True})

    assert refused.status_code == 409
    assert refused.json()["details"]["available"] == 2
    assert again.content == refused.content
    assert again.headers["Idempotency-Replayed"] == "true"
    assert left_behind == before
    assert forced.status_code == 200


async def test_what_was_counted_since_cannot_be_corrected_before(client: httpx.AsyncClient, site: Site) -> None:
    line = await stock(site, "WRONG", 10)
    await site.put("MILK", 1, lot="WRONG", kind=Kind.COUNT)
    await site.a_lot("MILK", "RIGHT", expires_in=30)

    answer = await client.post(
        URL, json=a_move(line, 4, toLotNumber="RIGHT", effectiveAt=f"{site.day(-1)}T00:00:00Z")
    )

    assert (answer.status_code, answer.json()["details"]["code"]) == (409, "COUNTED_SINCE")


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"quantity": 0}, "quantity"),
        ({"quantity": -1}, "quantity"),
        ({"quantity": None}, "quantity"),
        ({"quantity": "1"}, "quantity"),
        ({"inventoryItemId": None}, "inventoryItemId"),
        ({"inventoryItemId": "x"}, "inventoryItemId"),
        ({"toLotNumber": None}, "toLotNumber"),
        ({"toLotNumber": ""}, "toLotNumber"),
        ({"toLotId": NOBODYS}, "toLotNumber"),
        ({"toLotNumber": "UNKNOWN"}, "expiryDate"),
        ({"toLotNumber": "RETIRED"}, "toLotNumber"),
        ({"expiryDate": "2020-01-01"}, "expiryDate"),
        ({"expiryDate": "soon"}, "expiryDate"),
        ({"lotId": NOBODYS}, "lotId"),
        ({"expectedVersion": 1}, "expectedVersion"),
        ({"action": "DESTROY"}, "action"),
        ({"effectiveAt": "2126-01-01T00:00:00Z"}, "effectiveAt"),
        ({"comment": ""}, "comment"),
        ({"toBinId": NOBODYS}, ""),
    ],
    ids=str,
)
async def test_a_bad_field_is_named_and_nothing_changes(
    client: httpx.AsyncClient, site: Site, fields: dict[str, object], path: str
) -> None:
    line = await stock(site, "WRONG", 10)
    await site.a_lot("MILK", "RIGHT", expires_in=30)
    await site.a_lot("MILK", "RETIRED", expires_in=30, status="INACTIVE")
    before = await site.traces()

    answer = await client.post(URL, json={**a_move(line, 4, toLotNumber="RIGHT"), **fields})

    assert answer.status_code == 400, answer.text
    assert path in [field["path"] for field in answer.json()["details"]["fields"]]
    assert await site.traces() == before


async def test_the_same_lot_is_no_change(client: httpx.AsyncClient, site: Site) -> None:
    line = await stock(site, "WRONG", 10)

    answer = await client.post(URL, json=a_move(line, 4, toLotNumber="WRONG"))

    assert (answer.status_code, answer.json()["details"]["code"]) == (400, "NO_CHANGE")


async def test_a_product_without_lot_control_has_no_right_lot(client: httpx.AsyncClient, site: Site) -> None:
    line = await site.put("BOLT", 10)

    answer = await client.post(URL, json=a_move(line, 4, toLotNumber="X"))

    assert answer.status_code == 400
    assert answer.json()["details"]["fields"][0]["path"] == "toLotNumber"


async def test_what_is_not_there_or_anothers_is_not_found(
    client: httpx.AsyncClient, site: Site, admin: asyncpg.Connection, database: Database
) -> None:
    other = await Site(admin, database).build()
    theirs = await stock(other, "WRONG", 10)
    mine = await stock(site, "WRONG", 10)

    answers = [
        await client.post(URL, json=body)
        for body in (
            a_move(new_id(), 1, toLotNumber="X"),
            a_move(theirs, 1, toLotNumber="X", expiryDate=site.day(9).isoformat()),
            a_move(mine, 1, toLotId=str(other.ids["MILK/WRONG"])),
            {"action": "CORRECT_EXPIRY", "lotId": str(other.ids["MILK/WRONG"]), "expiryDate": "2030-01-01"},
        )
    ]

    assert [answer.status_code for answer in answers] == [404] * 4
    assert await other.on_hand() == {"MILK MAIN WRONG": 10}


async def test_only_who_may_adjust_at_the_place_may_correct(api: Api, site: Site) -> None:
    line = await stock(site, "WRONG", 10)
    body = a_move(line, 4, toLotNumber="NEW", expiryDate=site.day(9).isoformat())
    operator = api.client(site.caller([Permission.INVENTORY_WRITE]))
    elsewhere = api.client(site.caller([Permission.INVENTORY_ADJUST], frozenset({site.ids["STORE"]})))
    here = api.client(site.caller([Permission.INVENTORY_ADJUST], frozenset({site.ids["DC"]})))

    refused, denied, done = [await one.post(URL, json=body) for one in (operator, elsewhere, here)]

    assert (refused.status_code, refused.json()["details"]["permission"]) == (403, "inventory.adjust")
    assert (denied.status_code, denied.json()["details"]["code"]) == (403, "LOCATION_DENIED")
    assert done.status_code == 200


async def test_a_correction_can_be_taken_back(client: httpx.AsyncClient, site: Site) -> None:
    line = await stock(site, "WRONG", 10)
    await site.a_lot("MILK", "RIGHT", expires_in=30)
    moved = await client.post(URL, json=a_move(line, 4, toLotNumber="RIGHT"))

    undone = await client.post(f"/api/inventory/transactions/{moved.json()['data']['id']}/reverse", json={})

    assert undone.status_code == 200
    assert await site.on_hand() == {"MILK MAIN WRONG": 10}


async def test_two_corrections_of_the_last_units_one_wins(
    database_urls: DatabaseUrls,
    other_process: Api,
    client: httpx.AsyncClient,
    site: Site,
    admin: asyncpg.Connection,
) -> None:
    line = await stock(site, "WRONG", 5)
    rival = other_process.client(site.caller([Permission.INVENTORY_ADJUST]))
    body = a_move(line, 3, toLotNumber="NEW", expiryDate=site.day(9).isoformat())
    async with a_gate(database_urls, site, line):
        racers = [asyncio.create_task(one.post(URL, json=body)) for one in (client, rival)]
        await until_waiting(admin, 2)
    answers = await asyncio.gather(*racers)

    assert sorted(answer.status_code for answer in answers) == [200, 409]
    assert await site.on_hand() == {"MILK MAIN WRONG": 2, "MILK MAIN NEW": 3}


async def test_a_lots_expiry_is_corrected_wherever_it_is_and_on_record(
    client: httpx.AsyncClient, site: Site
) -> None:
    await stock(site, "WRONG", 10)
    body = {
        "action": "CORRECT_EXPIRY",
        "lotId": str(site.ids["MILK/WRONG"]),
        "expiryDate": site.day(-3).isoformat(),
        "comment": "Misread label",
    }
    key = {"Idempotency-Key": "expiry"}

    first = await client.post(URL, json=body, headers=key)
    again = await client.post(URL, json=body, headers=key)

    assert first.status_code == 200, first.text
    data = first.json()["data"]
    assert (data["lines"], data["lot"]["expiryDate"], data["lot"]["version"]) == ([], site.day(-3).isoformat(), 2)
    assert first.headers["X-Ledger-Position"] == str(data["ledgerPosition"]) == "1"
    assert again.content == first.content
    assert again.headers["Idempotency-Replayed"] == "true"
    assert again.headers["X-Ledger-Position"] == "1"
    posting = await site.admin.fetchrow("SELECT * FROM postings WHERE id = $1", data["id"])
    assert posting is not None
    assert (posting["kind"], posting["movement_count"], posting["comment"]) == (
        "LOT_CORRECTION",
        0,
        "Misread label",
    )
    assert msgspec.json.decode(posting["details"])["expiryDate"] == {
        "from": site.day(30).isoformat(),
        "to": site.day(-3).isoformat(),
    }


@pytest.mark.parametrize(
    ("fields", "status", "named"),
    [
        ({"expiryDate": None}, 400, "expiryDate"),
        ({"lotId": None}, 400, "lotId"),
        ({"quantity": 4}, 400, "quantity"),
        ({"toLotNumber": "X"}, 400, "toLotNumber"),
        ({"expectedVersion": 7}, 409, "STALE_VERSION"),
        ({"expiryDate": "same"}, 400, "NO_CHANGE"),
        ({"lotId": "default"}, 409, "IN_USE"),
    ],
    ids=str,
)
async def test_a_bad_correction_of_an_expiry_changes_nothing(
    client: httpx.AsyncClient, site: Site, fields: dict[str, object], status: int, named: str
) -> None:
    await stock(site, "WRONG", 10)
    values = {"same": site.day(30).isoformat(), "default": str(site.ids["BOLT/"])}
    body: dict[str, object] = {
        "action": "CORRECT_EXPIRY",
        "lotId": str(site.ids["MILK/WRONG"]),
        "expiryDate": site.day(9).isoformat(),
    }
    before = await site.traces()

    answer = await client.post(URL, json=body | {n: values.get(str(v), v) for n, v in fields.items()})

    assert answer.status_code == status, answer.text
    assert named in answer.text
    assert await site.traces() == before


async def test_a_lot_is_one_at_all_locations_and_so_must_the_rights_be(api: Api, site: Site) -> None:
    await stock(site, "WRONG", 10)
    here = api.client(site.caller([Permission.INVENTORY_ADJUST], frozenset({site.ids["DC"]})))

    answer = await here.post(
        URL,
        json={
            "action": "CORRECT_EXPIRY",
            "lotId": str(site.ids["MILK/WRONG"]),
            "expiryDate": site.day(9).isoformat(),
        },
    )

    assert (answer.status_code, answer.json()["details"]["code"]) == (403, "LOCATION_DENIED")
