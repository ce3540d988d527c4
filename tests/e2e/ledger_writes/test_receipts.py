"""Goods in over HTTP: checked lots, exact units, one posting."""

import asyncio
import json
from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import msgspec
import pytest

from domain.access.model import Permission
from domain.ledger.model import Kind
from infra.db.pool import Database
from tests.e2e.ledger_writes.site import Api, Site, overriding

URL = "/api/inventory/receipts"


@pytest.fixture
def client(api: Api, site: Site) -> httpx.AsyncClient:
    return api.client(site.caller([Permission.INVENTORY_WRITE]))


def a_receipt(site: Site, *lines: dict[str, object], **fields: object) -> dict[str, object]:
    return {"locationId": str(site.ids["DC"]), "lines": list(lines), **fields}


def of(site: Site, sku: str, quantity: float, **fields: object) -> dict[str, object]:
    return {"productMasterId": str(site.ids[sku]), "quantity": quantity, **fields}


async def test_goods_come_into_the_default_bin_and_lot(client: httpx.AsyncClient, site: Site) -> None:
    body = a_receipt(
        site,
        of(site, "BOLT", 10.5, unitCost=1.25),
        of(site, "NUT", 3, binId=str(site.ids["DC/PICK"])),
        sourceType="PURCHASE_ORDER",
        reference="PO-1",
        comment="In good order",
    )

    answer = await client.post(URL, json=body)

    assert answer.status_code == 200, answer.text
    assert await site.on_hand() == {"BOLT MAIN": Decimal("10.5"), "NUT PICK": 3}
    data = answer.json()["data"]
    assert data["transactionType"] == "RECEIPT"
    assert [line["binCode"] for line in data["lines"]] == ["MAIN", "PICK"]
    assert answer.headers["X-Ledger-Position"] == str(data["ledgerPosition"]) == "2"
    posting = await site.admin.fetchrow("SELECT * FROM postings WHERE id = $1", data["id"])
    assert posting is not None
    assert (posting["source_type"], posting["source_id"]) == ("PURCHASE_ORDER", "PO-1")
    assert posting["comment"] == "In good order"
    assert msgspec.json.decode(posting["details"])["lines"] == [
        {"index": 0, "quantity": 10.5, "uomId": None, "unitCost": 1.25}
    ]


async def test_a_new_lot_is_made_with_its_goods(client: httpx.AsyncClient, site: Site) -> None:
    lot = {
        "lotNumber": "M-1",
        "expiryDate": site.day(30).isoformat(),
        "manufacturedDate": site.day(-1).isoformat(),
    }
    body = a_receipt(site, of(site, "MILK", 10, **lot), of(site, "MILK", 5, lotNumber="M-1"))

    answer = await client.post(URL, json=body)

    assert answer.status_code == 200, answer.text
    assert await site.on_hand() == {"MILK MAIN M-1": 15}
    assert [line["expiryDate"] for line in answer.json()["data"]["lines"]] == [lot["expiryDate"]] * 2
    made = await site.admin.fetchrow(
        "SELECT expires_on, manufactured_on FROM lots WHERE tenant_id = $1 AND number = 'M-1'", site.tenant_id
    )
    assert made is not None
    assert tuple(made) == (site.day(30), site.day(-1))


async def test_a_known_lot_is_named_by_its_number_or_its_id(client: httpx.AsyncClient, site: Site) -> None:
    lot_id = await site.a_lot("MILK", "M-1", expires_in=30)
    body = a_receipt(site, of(site, "MILK", 10, lotId=str(lot_id)), of(site, "MILK", 5, lotNumber="M-1"))

    answer = await client.post(URL, json=body)

    assert answer.status_code == 200
    assert await site.on_hand() == {"MILK MAIN M-1": 15}


async def test_goods_in_another_unit_are_booked_in_the_base_unit(client: httpx.AsyncClient, site: Site) -> None:
    body = a_receipt(site, of(site, "BOLT", 2.5, uomId=str(site.ids["BOX"])))

    answer = await client.post(URL, json=body)

    assert answer.status_code == 200
    assert await site.on_hand() == {"BOLT MAIN": 30}


async def test_goods_may_be_booked_at_the_time_when_they_came(client: httpx.AsyncClient, site: Site) -> None:
    came = f"{site.day(-2)}T08:00:00Z"

    answer = await client.post(URL, json=a_receipt(site, of(site, "BOLT", 1), effectiveAt=came))

    assert answer.json()["data"]["lines"][0]["effectiveAt"] == came


@pytest.mark.parametrize("lot", ["M-1", "M-2"])
async def test_a_retry_is_told_the_same_whether_or_not_it_made_the_lot(
    client: httpx.AsyncClient, site: Site, lot: str
) -> None:
    await site.a_lot("MILK", "M-1", expires_in=30)
    expiry = site.day(30).isoformat()
    body = a_receipt(site, of(site, "MILK", 10, lotNumber=lot, expiryDate=expiry))
    key = {"Idempotency-Key": f"receipt-{lot}"}

    first = await client.post(URL, json=body, headers=key)
    again = await client.post(URL, json=body, headers=key)
    other = await client.post(URL, json={**body, "comment": "x"}, headers=key)

    assert first.status_code == 200
    assert again.content == first.content
    assert again.headers["Idempotency-Replayed"] == "true"
    assert again.headers["X-Ledger-Position"] == first.headers["X-Ledger-Position"]
    assert other.status_code == 422
    assert await site.on_hand() == {f"MILK MAIN {lot}": 10}


async def test_a_retry_is_told_the_same_though_the_lot_has_gone_bad_since(
    client: httpx.AsyncClient, site: Site
) -> None:
    lot_id = await site.a_lot("MILK", "M-1", expires_in=30)
    body = a_receipt(site, of(site, "MILK", 10, lotNumber="M-1"))
    key = {"Idempotency-Key": "gone-bad"}
    first = await client.post(URL, json=body, headers=key)
    await site.admin.execute("UPDATE lots SET status = 'INACTIVE' WHERE id = $1", lot_id)

    again = await client.post(URL, json=body, headers=key)
    unkeyed = await client.post(URL, json=body)

    assert again.content == first.content
    assert unkeyed.status_code == 400


async def test_a_refusal_stays_one_and_takes_the_new_lot_back(client: httpx.AsyncClient, site: Site) -> None:
    await site.put("BOLT", 1, kind=Kind.COUNT)
    body = a_receipt(
        site,
        of(site, "MILK", 1, lotNumber="M-9", expiryDate=site.day(30).isoformat()),
        of(site, "BOLT", 1),
        effectiveAt=f"{site.day(-1)}T00:00:00Z",
    )
    key = {"Idempotency-Key": "refused"}
    before = await site.traces()

    first = await client.post(URL, json=body, headers=key)
    again = await client.post(URL, json=body, headers=key)

    assert (first.status_code, first.json()["details"]["code"]) == (409, "COUNTED_SINCE")
    assert first.json()["details"]["index"] == 1
    assert again.content == first.content
    assert again.headers["Idempotency-Replayed"] == "true"
    assert await site.traces() == before


async def test_the_same_key_at_the_same_time_receives_once(
    client: httpx.AsyncClient, site: Site, other_process: Api
) -> None:
    rival = other_process.client(site.caller([Permission.INVENTORY_WRITE]))
    body = a_receipt(site, of(site, "MILK", 2, lotNumber="M-1", expiryDate=site.day(30).isoformat()))

    answers = await asyncio.gather(
        *(one.post(URL, json=body, headers={"Idempotency-Key": "twins"}) for one in [client, rival] * 6)
    )

    assert {answer.status_code for answer in answers} == {200}
    assert {answer.content for answer in answers} == {answers[0].content}
    assert sum("Idempotency-Replayed" not in answer.headers for answer in answers) == 1
    assert await site.on_hand() == {"MILK MAIN M-1": 2}


async def test_receipts_that_bring_the_same_new_lot_at_once_share_it(
    client: httpx.AsyncClient, site: Site, other_process: Api
) -> None:
    rival = other_process.client(site.caller([Permission.INVENTORY_WRITE]))
    body = a_receipt(site, of(site, "MILK", 2, lotNumber="M-1", expiryDate=site.day(30).isoformat()))

    answers = await asyncio.gather(*(one.post(URL, json=body) for one in [client, rival] * 6))

    assert {answer.status_code for answer in answers} == {200}
    assert await site.on_hand() == {"MILK MAIN M-1": 24}
    assert (await site.traces())["lots"] == 3
    assert await site.drift() == []


def days(site: Site, text: str) -> str:
    for name, count in (("past", -1), ("soon", 2), ("later", 30), ("other", 31)):
        text = text.replace(f'"{name}"', f'"{site.day(count)}"')
    return text


@pytest.mark.parametrize(
    ("sku", "line", "path", "code"),
    [
        ("MILK", "{}", "lotNumber", "LOT_REQUIRED"),
        ("MILK", '{"lotNumber": "M-2"}', "expiryDate", "EXPIRY_REQUIRED"),
        ("MILK", '{"lotNumber": "M-2", "expiryDate": "past"}', "expiryDate", "EXPIRED_NOT_ALLOWED"),
        ("MILK", '{"lotNumber": "M-2", "expiryDate": "soon"}', "expiryDate", "SHELF_LIFE_TOO_SHORT"),
        ("MILK", '{"lotNumber": "M-1", "expiryDate": "other"}', "expiryDate", "EXPIRY_MISMATCH"),
        ("PILL", '{"lotNumber": "nope"}', "lotNumber", "LOT_FORMAT"),
        ("BOLT", '{"lotNumber": "AB123"}', "lotNumber", "LOT_FORMAT"),
        ("BOLT", '{"expiryDate": "later"}', "expiryDate", "EXPIRY_MISMATCH"),
        ("MILK", '{"lotNumber": "M-1", "manufacturedDate": "past"}', "manufacturedDate", "has no such date"),
        ("PILL", '{"lotNumber": "AB123", "manufacturedDate": "later"}', "manufacturedDate", "must not lie"),
        ("BOLT", '{"manufacturedDate": "past"}', "manufacturedDate", "belongs to a lot"),
        ("BOLT", '{"quantity": 0}', "quantity", "greater than zero"),
        ("BOLT", '{"quantity": -1}', "quantity", "greater than zero"),
        ("BOLT", '{"quantity": 1.00001}', "quantity", "4 decimal places"),
        ("BOLT", '{"quantity": 123456789012345}', "quantity", "14 integer digits"),
        ("BOLT", '{"quantity": "1"}', "quantity", "Expected"),
        ("BOLT", '{"quantity": null}', "quantity", "Expected"),
        ("BOLT", '{"quantity": NaN}', "", "JSON"),
        ("BOLT", '{"unitCost": -1}', "unitCost", "negative"),
        ("BOLT", '{"unitCost": "1"}', "unitCost", "Expected"),
        ("BOLT", '{"lotNumber": ""}', "lotNumber", "length"),
        ("BOLT", '{"lotNumber": "a\\u0000b"}', "lotNumber", "control"),
        ("BOLT", '{"expiryDate": "2026-13-01"}', "expiryDate", "date"),
        ("BOLT", '{"expiryDate": "tomorrow"}', "expiryDate", "date"),
        ("BOLT", '{"uomId": "DC"}', "quantity", "no conversion"),
        ("BOLT", '{"binId": 5}', "binId", "Expected"),
        ("BOLT", '{"price": 5}', "", "unknown field"),
        ("BOLT", '{"lotId": "DC", "lotNumber": "x"}', "lotId", "by its id or by its number"),
    ],
)
async def test_a_bad_line_is_refused_with_what_is_wrong_and_nothing_changes(
    client: httpx.AsyncClient, site: Site, *, sku: str, line: str, path: str, code: str
) -> None:
    await site.a_lot("MILK", "M-1", expires_in=30)
    before = await site.traces()
    good = json.dumps(of(site, "BOLT", 1))
    bad = overriding(of(site, sku, 1), days(site, line)) if line != "{}" else json.dumps(of(site, sku, 1))
    bad = bad.replace('"DC"', f'"{site.ids["DC"]}"')

    answer = await client.post(
        URL,
        content=f'{{"locationId": "{site.ids["DC"]}", "lines": [{good}, {bad}]}}',
        headers={"Content-Type": "application/json"},
    )

    assert answer.status_code == 400, answer.text
    fields = answer.json()["details"]["fields"]
    at = "" if code == "JSON" else f"lines[1].{path}".rstrip(".")
    assert any(field["path"] == at and code in field["message"] for field in fields), fields
    assert await site.traces() == before


async def test_all_that_is_wrong_is_told_at_once(client: httpx.AsyncClient, site: Site) -> None:
    body = a_receipt(site, of(site, "MILK", 1), of(site, "BOLT", 1), of(site, "MILK", 1, lotNumber="M-2"))

    answer = await client.post(URL, json=body)

    assert [field["path"] for field in answer.json()["details"]["fields"]] == [
        "lines[0].lotNumber",
        "lines[2].expiryDate",
    ]


@pytest.mark.parametrize(
    "fields",
    [
        {"lines": []},
        {"lines": [{}] * 501},
        {"locationId": "x"},
        {"effectiveAt": "yesterday"},
        {"effectiveAt": "2126-01-01T00:00:00Z"},
        {"sourceType": ""},
        {"reference": "x" * 201},
        {"comment": "x" * 2001},
        {"force": True},
    ],
    ids=lambda fields: next(iter(fields)),
)
async def test_a_bad_head_is_refused(client: httpx.AsyncClient, site: Site, fields: dict[str, object]) -> None:
    before = await site.traces()

    answer = await client.post(URL, json={**a_receipt(site, of(site, "BOLT", 1)), **fields})

    assert (answer.status_code, answer.json()["details"]["code"]) == (400, "VALIDATION_ERROR")
    assert await site.traces() == before


@pytest.mark.parametrize("year", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"])
async def test_the_ends_of_time_are_no_fault(client: httpx.AsyncClient, site: Site, year: str) -> None:
    answer = await client.post(URL, json=a_receipt(site, of(site, "BOLT", 1), effectiveAt=year))

    assert answer.status_code in {200, 400}


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"productMasterId": "tenant"}, "productMasterId"),
        ({"binId": "STORE/MAIN"}, "binId"),
        ({"lotId": "NUT/"}, "lotId"),
        ({"lotId": "tenant"}, "lotId"),
    ],
)
async def test_what_is_not_there_is_not_found(
    client: httpx.AsyncClient, site: Site, fields: dict[str, str], named: str
) -> None:
    site.ids["tenant"] = site.tenant_id
    line = {**of(site, "BOLT", 1), **{name: str(site.ids[code]) for name, code in fields.items()}}

    answer = await client.post(URL, json=a_receipt(site, of(site, "BOLT", 1), line))

    assert answer.status_code == 404
    assert answer.json()["details"] == {"code": "NOT_FOUND", "field": named, "index": 1}
    assert await site.on_hand() == {}


async def test_another_tenants_things_are_not_there(
    client: httpx.AsyncClient, site: Site, admin: "asyncpg.Connection[Any]", database: Database
) -> None:
    other = await Site(admin, database).build()

    answers = [
        await client.post(URL, json=body)
        for body in (
            a_receipt(other, of(other, "BOLT", 1)),
            a_receipt(site, of(other, "BOLT", 1)),
            a_receipt(site, of(site, "BOLT", 1, binId=str(other.ids["DC/MAIN"]))),
            a_receipt(site, of(site, "BOLT", 1, lotId=str(other.ids["BOLT/"]))),
        )
    ]

    assert [answer.status_code for answer in answers] == [404] * 4
    assert await other.on_hand() == {}


async def test_nothing_comes_into_what_is_not_in_use(client: httpx.AsyncClient, site: Site) -> None:
    await site.admin.execute("UPDATE bins SET is_active = false WHERE id = $1", site.ids["DC/PICK"])

    answer = await client.post(URL, json=a_receipt(site, of(site, "BOLT", 1, binId=str(site.ids["DC/PICK"]))))

    assert (answer.status_code, answer.json()["details"]["code"]) == (409, "INACTIVE")


async def test_only_who_may_write_at_the_location_may_receive(api: Api, site: Site) -> None:
    body = a_receipt(site, of(site, "MILK", 1, lotNumber="M-1", expiryDate=site.day(30).isoformat()))
    stores: frozenset[UUID] = frozenset({site.ids["STORE"]})
    reader = api.client(site.caller([Permission.INVENTORY_READ, Permission.INVENTORY_ADJUST]))
    elsewhere = api.client(site.caller([Permission.INVENTORY_WRITE], stores))
    here = api.client(site.caller([Permission.INVENTORY_WRITE], frozenset({site.ids["DC"]})))

    refused, denied, done = [await client.post(URL, json=body) for client in (reader, elsewhere, here)]

    assert (refused.status_code, refused.json()["details"]["permission"]) == (403, "inventory.write")
    assert (denied.status_code, denied.json()["details"]["code"]) == (403, "LOCATION_DENIED")
    assert done.status_code == 200


async def test_what_came_in_wrongly_can_be_taken_back(api: Api, site: Site) -> None:
    client = api.client(site.caller([Permission.INVENTORY_WRITE, Permission.INVENTORY_ADJUST]))
    received = await client.post(URL, json=a_receipt(site, of(site, "BOLT", 4), of(site, "NUT", 5)))

    undone = await client.post(
        f"/api/inventory/transactions/{received.json()['data']['id']}/reverse", json={"comment": "Not ours"}
    )

    assert undone.status_code == 200
    assert await site.on_hand() == {}
