"""Goods out over HTTP: first expired first, all or nothing, once."""

import asyncio
from decimal import Decimal
from typing import Any

import asyncpg
import httpx
import pytest

from domain.access.model import Permission
from domain.ledger.model import Kind
from infra.db.pool import Database
from tests.e2e.ledger_writes.site import Api, Site, a_gate, overriding, quantities, until_waiting
from tests.lab import DatabaseUrls

URL = "/api/inventory/issues"


@pytest.fixture
def client(api: Api, site: Site) -> httpx.AsyncClient:
    return api.client(site.caller([Permission.INVENTORY_WRITE]))


def an_issue(site: Site, *lines: dict[str, object], **fields: object) -> dict[str, object]:
    return {"locationId": str(site.ids["DC"]), "lines": list(lines), **fields}


def of(site: Site, sku: str, quantity: float, **fields: object) -> dict[str, object]:
    return {"productMasterId": str(site.ids[sku]), "quantity": quantity, **fields}


async def test_stock_leaves_first_expired_first_from_what_may_be_sold(
    client: httpx.AsyncClient, site: Site
) -> None:
    for number, expires_in in (("LATE", 90), ("SOON", 5), ("GONE", -1), ("NEVER", None)):
        await site.a_lot("MILK", number, expires_in=expires_in)
        await site.put("MILK", 10, lot=number)
    await site.a_lot("MILK", "RECALLED", expires_in=1, status="RECALLED")
    await site.put("MILK", 10, lot="RECALLED")
    await site.put("MILK", 10, lot="SOON", bin_="QUARANTINE")
    await site.claim(await site.put("MILK", 10, lot="SOON", bin_="PICK"), reserved=4, held=3)

    answer = await client.post(URL, json=an_issue(site, of(site, "MILK", 25), reference="SO-7"))

    assert answer.status_code == 200
    assert quantities(answer) == {"MAIN SOON": -10, "PICK SOON": -3, "MAIN LATE": -10, "MAIN NEVER": -2}
    body = answer.json()["data"]
    assert body["transactionType"] == "ISSUE"
    assert answer.headers["X-Ledger-Position"] == str(body["ledgerPosition"])
    assert body["lines"][0]["expiryDate"] == site.day(5).isoformat()
    posting = await site.admin.fetchrow("SELECT * FROM postings WHERE id = $1", body["id"])
    assert posting is not None
    assert (posting["source_type"], posting["source_id"], posting["actor"]) == ("CUSTOMER", "SO-7", "a test")


async def test_consumption_is_an_issue_of_another_kind(client: httpx.AsyncClient, site: Site) -> None:
    await site.put("BOLT", 5)

    answer = await client.post(URL, json=an_issue(site, of(site, "BOLT", 2), purpose="CONSUMPTION"))

    assert answer.json()["data"]["transactionType"] == "CONSUMPTION"
    assert answer.json()["data"]["lines"][0]["lotNumber"] is None
    assert await site.on_hand() == {"BOLT MAIN": 3}


async def test_an_issue_may_name_the_bin_the_lot_or_the_line(client: httpx.AsyncClient, site: Site) -> None:
    for number in ("A", "B"):
        await site.a_lot("MILK", number, expires_in=9)
        await site.put("MILK", 5, lot=number)
    await site.put("MILK", 5, lot="A", bin_="PICK")
    line = await site.put("BOLT", 5, bin_="PICK")

    answer = await client.post(
        URL,
        json=an_issue(
            site,
            of(site, "MILK", 2, lotId=str(site.ids["MILK/B"])),
            of(site, "MILK", 3, binId=str(site.ids["DC/PICK"])),
            {"inventoryItemId": str(line), "quantity": 4},
        ),
    )

    assert answer.status_code == 200, answer.text
    assert quantities(answer) == {"MAIN B": -2, "PICK A": -3, "PICK": -4}


async def test_an_issue_may_be_given_in_another_unit(client: httpx.AsyncClient, site: Site) -> None:
    await site.put("BOLT", 30)

    answer = await client.post(URL, json=an_issue(site, of(site, "BOLT", 2, uomId=str(site.ids["BOX"]))))

    assert answer.json()["data"]["lines"][0]["deltaQty"] == -24


async def test_equal_lines_are_summed_before_the_stock_is_dealt_out(client: httpx.AsyncClient, site: Site) -> None:
    await site.put("BOLT", 5)
    before = await site.traces()

    answer = await client.post(URL, json=an_issue(site, of(site, "BOLT", 3), of(site, "BOLT", 3)))

    assert answer.status_code == 409
    details = answer.json()["details"]
    assert details["code"] == "INSUFFICIENT_STOCK"
    assert (details["requested"], details["available"], details["shortfall"]) == (6, 5, 1)
    assert await site.traces() == before


async def test_a_refusal_carries_the_terms_of_each_product_that_is_short(
    client: httpx.AsyncClient, site: Site
) -> None:
    await site.claim(await site.put("BOLT", 5), reserved=2)
    await site.put("BOLT", 4, bin_="DAMAGE")

    answer = await client.post(URL, json=an_issue(site, of(site, "BOLT", 4), of(site, "NUT", 1.5)))

    assert answer.status_code == 409
    assert answer.json()["details"]["products"] == [
        {
            "productMasterId": str(site.ids["BOLT"]),
            "sku": "BOLT",
            "requested": 4,
            "available": 3,
            "shortfall": 1,
            "onHand": 9,
            "reserved": 2,
            "held": 0,
            "expired": 0,
            "blocked": 4,
        },
        {
            "productMasterId": str(site.ids["NUT"]),
            "sku": "NUT",
            "requested": 1.5,
            "available": 0,
            "shortfall": 1.5,
            "onHand": 0,
            "reserved": 0,
            "held": 0,
            "expired": 0,
            "blocked": 0,
        },
    ]


async def test_expiry_is_judged_at_the_location_on_the_day_of_the_issue(
    client: httpx.AsyncClient, site: Site
) -> None:
    await site.a_location("EAST", time_zone="Pacific/Kiritimati")
    await site.a_location("WEST", time_zone="Etc/GMT+12")
    today = await site.admin.fetchval("SELECT (now() AT TIME ZONE 'Etc/GMT+12')::date")
    await site.a_lot("MILK", "EDGE", expires_in=(today - site.today).days)
    for at in ("EAST", "WEST"):
        await site.put("MILK", 5, lot="EDGE", at=at)

    east, west, earlier = [
        await client.post(URL, json=an_issue(site, of(site, "MILK", 1), locationId=str(site.ids[at]), **more))
        for at, more in (
            ("EAST", {}),
            ("WEST", {}),
            ("EAST", {"effectiveAt": f"{site.day(-3)}T12:00:00Z"}),
        )
    ]

    assert east.status_code == 409
    assert east.json()["details"]["expired"] == 5
    assert west.status_code == 200
    assert earlier.status_code == 200


async def test_a_retry_is_told_the_same_and_nothing_happens_twice(client: httpx.AsyncClient, site: Site) -> None:
    await site.put("BOLT", 5)
    key = {"Idempotency-Key": "same"}
    body = an_issue(site, of(site, "BOLT", 5))

    first = await client.post(URL, json=body, headers=key)
    again = await client.post(URL, json=body, headers=key)
    other = await client.post(URL, json=an_issue(site, of(site, "BOLT", 1)), headers=key)

    assert first.status_code == 200
    assert again.content == first.content
    assert again.headers["Idempotency-Replayed"] == "true"
    assert again.headers["X-Ledger-Position"] == first.headers["X-Ledger-Position"]
    assert other.status_code == 422
    assert await site.on_hand() == {}


async def test_a_refusal_stays_one_for_its_retry_though_stock_has_come_in(
    client: httpx.AsyncClient, site: Site
) -> None:
    key = {"Idempotency-Key": "refused"}
    body = an_issue(site, of(site, "BOLT", 2.5))
    first = await client.post(URL, json=body, headers=key)
    await site.put("BOLT", 5)

    again = await client.post(URL, json=body, headers=key)
    unkeyed = await client.post(URL, json=body)

    assert first.status_code == 409
    assert again.content == first.content
    assert again.headers["Idempotency-Replayed"] == "true"
    assert unkeyed.status_code == 200


async def test_the_same_key_at_the_same_time_issues_once(client: httpx.AsyncClient, site: Site) -> None:
    await site.put("BOLT", 100)
    body = an_issue(site, of(site, "BOLT", 3))

    answers = await asyncio.gather(
        *(client.post(URL, json=body, headers={"Idempotency-Key": "twins"}) for _ in range(20))
    )

    assert {answer.content for answer in answers} == {answers[0].content}
    assert sum("Idempotency-Replayed" not in answer.headers for answer in answers) == 1
    assert await site.on_hand() == {"BOLT MAIN": 97}


def bad(what: str, path: str) -> Any:
    return pytest.param(what, path, id=f"{path}: {what[:40]}")


@pytest.mark.parametrize(
    ("change", "path"),
    [
        bad('{"lines": []}', "lines"),
        bad('{"purpose": "GIFT"}', "purpose"),
        bad('{"locationId": "x"}', "locationId"),
        bad('{"locationId": null}', "locationId"),
        bad('{"reference": ""}', "reference"),
        bad('{"comment": 5}', "comment"),
        bad('{"effectiveAt": "2026-01-01T00:00:00"}', "effectiveAt"),
        bad('{"effectiveAt": "2126-01-01T00:00:00Z"}', "effectiveAt"),
        bad('{"surprise": 1}', ""),
        bad('{"lines": [{"quantity": 1}]}', "lines[0].productMasterId"),
        bad('{"lines": [{"quantity": 0, "productMasterId": "BOLT"}]}', "lines[0].quantity"),
        bad('{"lines": [{"quantity": -1, "productMasterId": "BOLT"}]}', "lines[0].quantity"),
        bad('{"lines": [{"quantity": "1", "productMasterId": "BOLT"}]}', "lines[0].quantity"),
        bad('{"lines": [{"quantity": true, "productMasterId": "BOLT"}]}', "lines[0].quantity"),
        bad('{"lines": [{"quantity": 0.00001, "productMasterId": "BOLT"}]}', "lines[0].quantity"),
        bad('{"lines": [{"quantity": 1e400, "productMasterId": "BOLT"}]}', "lines[0].quantity"),
        bad('{"lines": [{"quantity": 1, "productMasterId": "BOLT", "uomId": "EA2"}]}', "lines[0].quantity"),
        bad(
            '{"lines": [{"quantity": 1, "productMasterId": "BOLT", "inventoryItemId": "LINE"}]}',
            "lines[0].productMasterId",
        ),
        bad(
            '{"lines": [{"quantity": 1, "inventoryItemId": "LINE", "binId": "DC/PICK"}]}',
            "lines[0].inventoryItemId",
        ),
    ],
)
async def test_a_bad_field_is_named_and_nothing_changes(
    client: httpx.AsyncClient, site: Site, change: str, path: str
) -> None:
    site.ids["LINE"] = await site.put("BOLT", 5)
    site.ids["EA2"] = site.tenant_id
    before = await site.traces()
    for code in ("BOLT", "LINE", "DC/PICK", "EA2"):
        change = change.replace(f'"{code}"', f'"{site.ids[code]}"')
    body = overriding(an_issue(site, of(site, "BOLT", 1)), change)

    answer = await client.post(URL, content=body, headers={"Content-Type": "application/json"})

    assert answer.status_code == 400, answer.text
    assert answer.json()["details"]["code"] == "VALIDATION_ERROR"
    assert path in [field["path"] for field in answer.json()["details"]["fields"]]
    assert await site.traces() == before


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"productMasterId": "tenant"}, "productMasterId"),
        ({"productMasterId": "BOLT", "binId": "STORE/MAIN"}, "binId"),
        ({"productMasterId": "BOLT", "lotId": "NUT/"}, "lotId"),
        ({"inventoryItemId": "tenant"}, "inventoryItemId"),
        ({"inventoryItemId": "elsewhere"}, "inventoryItemId"),
    ],
)
async def test_what_is_not_there_is_not_found(
    client: httpx.AsyncClient, site: Site, fields: dict[str, str], named: str
) -> None:
    site.ids["tenant"] = site.tenant_id
    site.ids["elsewhere"] = await site.put("BOLT", 5, at="STORE")
    line = {name: str(site.ids[code]) for name, code in fields.items()}

    answer = await client.post(URL, json=an_issue(site, of(site, "BOLT", 1), {**line, "quantity": 1}))

    assert answer.status_code == 404
    assert answer.json()["details"] == {"code": "NOT_FOUND", "field": named, "index": 1}


async def test_another_tenants_things_are_not_there(
    client: httpx.AsyncClient, site: Site, admin: "asyncpg.Connection[Any]", database: Database
) -> None:
    other = await Site(admin, database).build()
    line = await other.put("BOLT", 5)

    answers = [
        await client.post(URL, json=body)
        for body in (
            an_issue(other, of(other, "BOLT", 1)),
            an_issue(site, of(other, "BOLT", 1)),
            an_issue(site, {"inventoryItemId": str(line), "quantity": 1}),
        )
    ]

    assert [answer.status_code for answer in answers] == [404, 404, 404]
    assert await other.on_hand() == {"BOLT MAIN": 5}


async def test_only_who_may_write_at_the_location_may_issue(api: Api, site: Site) -> None:
    await site.put("BOLT", 5)
    body = an_issue(site, of(site, "BOLT", 1))
    reader = api.client(site.caller([Permission.INVENTORY_READ]))
    elsewhere = api.client(site.caller([Permission.INVENTORY_WRITE], frozenset({site.ids["STORE"]})))
    here = api.client(site.caller([Permission.INVENTORY_WRITE], frozenset({site.ids["DC"]})))

    refused, denied, done = [await client.post(URL, json=body) for client in (reader, elsewhere, here)]

    assert (refused.status_code, refused.json()["details"]["code"]) == (403, "PERMISSION_DENIED")
    assert (denied.status_code, denied.json()["details"]["code"]) == (403, "LOCATION_DENIED")
    assert "available" not in denied.text
    assert done.status_code == 200


async def test_what_was_counted_since_can_no_longer_be_issued_before(
    client: httpx.AsyncClient, site: Site
) -> None:
    await site.put("BOLT", 5, kind=Kind.COUNT)
    earlier = f"{site.day(-1)}T00:00:00Z"

    answer = await client.post(URL, json=an_issue(site, of(site, "BOLT", 1), effectiveAt=earlier))

    assert answer.status_code == 409
    assert answer.json()["details"]["code"] == "COUNTED_SINCE"


async def test_two_issues_of_the_last_units_one_wins(
    database_urls: DatabaseUrls,
    other_process: Api,
    client: httpx.AsyncClient,
    site: Site,
    admin: "asyncpg.Connection[Any]",
) -> None:
    rival = other_process.client(site.caller([Permission.INVENTORY_WRITE]))
    line = await site.put("BOLT", 5)
    body = an_issue(site, of(site, "BOLT", 3))
    async with a_gate(database_urls, site, line):
        racers = [asyncio.create_task(one.post(URL, json=body)) for one in (client, rival)]
        await until_waiting(admin, 2)  # both have read that there is enough
    answers = await asyncio.gather(*racers)

    assert sorted(answer.status_code for answer in answers) == [200, 409]
    refused = next(answer for answer in answers if answer.status_code == 409)
    assert refused.json()["details"]["available"] == 2
    assert await site.on_hand() == {"BOLT MAIN": 2}


async def test_an_issue_that_lost_its_stock_to_another_finds_it_elsewhere(
    database_urls: DatabaseUrls, client: httpx.AsyncClient, site: Site, admin: "asyncpg.Connection[Any]"
) -> None:
    first = await site.put("BOLT", 5)
    await site.put("BOLT", 5, bin_="PICK")
    body = an_issue(site, of(site, "BOLT", 4))
    async with a_gate(database_urls, site, first) as gate:
        racer = asyncio.create_task(client.post(URL, json=body, headers={"Idempotency-Key": "elsewhere"}))
        await until_waiting(admin, 1)
        await gate.execute("UPDATE stock_lines SET reserved = 5 WHERE id = $1", first)
    answer = await racer
    again = await client.post(URL, json=body, headers={"Idempotency-Key": "elsewhere"})

    assert quantities(answer) == {"PICK": -4}
    assert again.content == answer.content
    assert await site.on_hand() == {"BOLT MAIN": 5, "BOLT PICK": 1}


async def test_many_issues_of_scattered_stock_take_each_unit_once(
    client: httpx.AsyncClient, other_process: Api, site: Site
) -> None:
    rival = other_process.client(site.caller([Permission.INVENTORY_WRITE]))
    for number in range(40):
        await site.a_lot("PILL", f"AB{number:03}", expires_in=number + 1)
        await site.put("PILL", 2, lot=f"AB{number:03}")
    body = an_issue(site, of(site, "PILL", 1))

    answers = await asyncio.gather(
        *(
            one.post(URL, json=body, headers={"Idempotency-Key": str(n)})
            for n, one in enumerate([client, rival] * 50)
        )
    )

    assert sorted(answer.status_code for answer in answers) == [200] * 80 + [409] * 20
    assert await site.on_hand() == {}
    assert await site.drift() == []


async def test_a_quantity_with_four_places_stays_exact(client: httpx.AsyncClient, site: Site) -> None:
    await site.put("BOLT", Decimal("12345678901234.5678"))

    answer = await client.post(
        URL,
        content=f'{{"locationId": "{site.ids["DC"]}", "lines": '
        f'[{{"productMasterId": "{site.ids["BOLT"]}", "quantity": 12345678901234.5677}}]}}',
        headers={"Content-Type": "application/json"},
    )

    assert answer.status_code == 200
    assert await site.on_hand() == {"BOLT MAIN": Decimal("0.0001")}
