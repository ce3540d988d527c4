"""Opening stock over HTTP: only where nothing stands."""

import asyncio

import asyncpg
import httpx
import pytest

from domain.access.model import Permission
from infra.db.pool import Database
from tests.e2e.ledger_writes.site import Api, Site, a_gate, until_waiting
from tests.lab import DatabaseUrls

URL = "/api/inventory/record-stock"


@pytest.fixture
def client(api: Api, site: Site) -> httpx.AsyncClient:
    return api.client(site.caller([Permission.INVENTORY_WRITE]))


def an_opening(site: Site, *lines: dict[str, object], **fields: object) -> dict[str, object]:
    return {"locationId": str(site.ids["DC"]), "lines": list(lines), **fields}


def of(site: Site, sku: str, quantity: float, **fields: object) -> dict[str, object]:
    return {"productMasterId": str(site.ids[sku]), "quantity": quantity, **fields}


async def test_opening_stock_makes_lines_and_lots(client: httpx.AsyncClient, site: Site) -> None:
    body = an_opening(
        site,
        of(site, "BOLT", 10),
        of(site, "MILK", 4, lotNumber="M-1", expiryDate=site.day(9).isoformat(), binId=str(site.ids["DC/PICK"])),
    )

    answer = await client.post(URL, json=body)

    assert answer.status_code == 200, answer.text
    assert answer.json()["data"]["transactionType"] == "OPENING"
    assert await site.on_hand() == {"BOLT MAIN": 10, "MILK PICK M-1": 4}


async def test_a_line_that_stands_at_zero_is_filled(client: httpx.AsyncClient, site: Site) -> None:
    line = await site.put("BOLT", 5)
    await site.move(line, -5)

    answer = await client.post(URL, json=an_opening(site, of(site, "BOLT", 7)))

    assert answer.json()["data"]["lines"][0]["inventoryItemId"] == str(line)
    assert await site.on_hand() == {"BOLT MAIN": 7}


async def test_equal_lines_add_up(client: httpx.AsyncClient, site: Site) -> None:
    answer = await client.post(URL, json=an_opening(site, of(site, "BOLT", 7), of(site, "BOLT", 3)))

    assert answer.status_code == 200
    assert await site.on_hand() == {"BOLT MAIN": 10}


async def test_stock_that_stands_is_refused_and_points_to_the_adjustment(
    client: httpx.AsyncClient, site: Site
) -> None:
    line = await site.put("BOLT", 5)
    before = await site.traces()
    body = an_opening(site, of(site, "NUT", 1), of(site, "BOLT", 7))

    first = await client.post(URL, json=body, headers={"Idempotency-Key": "stands"})
    again = await client.post(URL, json=body, headers={"Idempotency-Key": "stands"})

    assert first.status_code == 409
    assert first.json()["details"] == {
        "code": "STALE_QUANTITY",
        "actual": 5,
        "index": 1,
        "inventoryItemId": str(line),
        "adjustWith": {"method": "POST", "path": "/api/inventory/adjustments"},
    }
    assert again.content == first.content
    assert again.headers["Idempotency-Replayed"] == "true"
    assert await site.traces() == before


async def test_a_retry_is_told_the_same(client: httpx.AsyncClient, site: Site) -> None:
    body = an_opening(site, of(site, "BOLT", 7))
    key = {"Idempotency-Key": "opening"}

    first = await client.post(URL, json=body, headers=key)
    again = await client.post(URL, json=body, headers=key)

    assert first.status_code == 200
    assert again.content == first.content
    assert again.headers["X-Ledger-Position"] == first.headers["X-Ledger-Position"] == "1"
    assert await site.on_hand() == {"BOLT MAIN": 7}


@pytest.mark.parametrize(
    ("line", "path"),
    [
        ({"quantity": 0}, "lines[0].quantity"),
        ({"quantity": -2}, "lines[0].quantity"),
        ({"quantity": "2"}, "lines[0].quantity"),
        ({"lotNumber": "X"}, "lines[0].lotNumber"),
        ({"newQty": 2}, "lines[0]"),
    ],
)
async def test_a_bad_line_is_refused(
    client: httpx.AsyncClient, site: Site, line: dict[str, object], path: str
) -> None:
    before = await site.traces()

    answer = await client.post(URL, json=an_opening(site, {**of(site, "BOLT", 1), **line}))

    assert answer.status_code == 400
    assert [field["path"] for field in answer.json()["details"]["fields"]] == [path]
    assert await site.traces() == before


async def test_only_who_may_write_at_the_location_may_open(api: Api, site: Site) -> None:
    body = an_opening(site, of(site, "BOLT", 1))
    reader = api.client(site.caller([Permission.INVENTORY_READ]))
    elsewhere = api.client(site.caller([Permission.INVENTORY_WRITE], frozenset({site.ids["STORE"]})))

    refused, denied = [await client.post(URL, json=body) for client in (reader, elsewhere)]

    assert (refused.status_code, refused.json()["details"]["code"]) == (403, "PERMISSION_DENIED")
    assert (denied.status_code, denied.json()["details"]["code"]) == (403, "LOCATION_DENIED")


async def test_another_tenants_things_are_not_there(
    client: httpx.AsyncClient, site: Site, admin: asyncpg.Connection, database: Database
) -> None:
    other = await Site(admin, database).build()

    answers = [
        await client.post(URL, json=body)
        for body in (an_opening(other, of(other, "BOLT", 1)), an_opening(site, of(other, "BOLT", 1)))
    ]

    assert [answer.status_code for answer in answers] == [404, 404]


async def test_two_openings_of_one_line_at_once_one_wins(
    database_urls: DatabaseUrls,
    other_process: Api,
    client: httpx.AsyncClient,
    site: Site,
    admin: asyncpg.Connection,
) -> None:
    line = await site.put("BOLT", 1)
    await site.move(line, -1)
    rival = other_process.client(site.caller([Permission.INVENTORY_WRITE]))
    async with a_gate(database_urls, site, line):
        racers = [
            asyncio.create_task(one.post(URL, json=an_opening(site, of(site, "BOLT", 5))))
            for one in (client, rival)
        ]
        await until_waiting(admin, 2)
    answers = await asyncio.gather(*racers)

    assert sorted(answer.status_code for answer in answers) == [200, 409]
    assert await site.on_hand() == {"BOLT MAIN": 5}
