"""The count of a whole product at a location over HTTP: differences as of the moment of the count."""

import asyncio
import json
from datetime import datetime
from decimal import Decimal

import asyncpg
import httpx
import msgspec
import pytest

from domain.access.model import Permission
from infra.db.pool import Database
from tests.e2e.ledger_writes.site import Api, Site, a_gate, overriding, until_waiting
from tests.lab import DatabaseUrls

URL = "/api/inventory/adjustments/record-stock"


@pytest.fixture
def client(api: Api, site: Site) -> httpx.AsyncClient:
    return api.client(site.caller([Permission.INVENTORY_ADJUST, Permission.INVENTORY_WRITE]))


def a_count(site: Site, sku: str, *lines: dict[str, object], **fields: object) -> dict[str, object]:
    return {
        "productMasterId": str(site.ids[sku]),
        "locationId": str(site.ids["DC"]),
        "complete": False,
        "lines": list(lines),
        **fields,
    }


def found(site: Site, bin_: str, quantity: float, **fields: object) -> dict[str, object]:
    return {"binId": str(site.ids[f"DC/{bin_}"]), "newQty": quantity, **fields}


def moment(site: Site) -> str:
    """Of two days ago: stock that is put `earlier` was there."""
    return f"{site.day(-2)}T12:00:00Z"


def earlier(site: Site) -> datetime:
    return datetime.fromisoformat(f"{site.day(-3)}T12:00:00Z")


def differences(answer: httpx.Response) -> dict[str, float]:
    return {
        " ".join(filter(None, (line["binCode"], line["lotNumber"]))): line["deltaQty"]
        for line in answer.json()["data"]["lines"]
    }


async def test_differences_are_posted_as_one_group(client: httpx.AsyncClient, site: Site) -> None:
    await site.put("BOLT", 10)
    await site.put("BOLT", 5, bin_="PICK")
    await site.put("BOLT", 3, bin_="HOLD")

    answer = await client.post(
        URL,
        json=a_count(
            site,
            "BOLT",
            found(site, "MAIN", 8.5),
            found(site, "PICK", 5),
            found(site, "DAMAGE", 1),
            comment="Spring",
        ),
    )

    assert answer.status_code == 200, answer.text
    assert differences(answer) == {"MAIN": -1.5, "PICK": 0, "DAMAGE": 1}
    assert await site.on_hand() == {
        "BOLT MAIN": Decimal("8.5"),
        "BOLT PICK": 5,
        "BOLT HOLD": 3,
        "BOLT DAMAGE": 1,
    }
    data = answer.json()["data"]
    assert (data["transactionType"], data["complete"]) == ("COUNT", False)
    assert all(line["inventoryItemId"] for line in data["lines"])
    assert answer.headers["X-Ledger-Position"] == str(data["ledgerPosition"]) == "5"
    posting = await site.admin.fetchrow("SELECT * FROM postings WHERE id = $1", data["id"])
    assert posting is not None
    assert (posting["kind"], posting["source_type"], posting["comment"]) == ("COUNT", "RECORD_STOCK", "Spring")
    kept = msgspec.json.decode(posting["details"])
    assert kept["productMasterId"] == str(site.ids["BOLT"])
    assert [line["newQty"] for line in kept["lines"]] == [8.5, 5, 1]


async def test_what_is_not_listed_goes_to_zero_only_when_the_count_is_complete(
    client: httpx.AsyncClient, site: Site
) -> None:
    await site.put("BOLT", 10)
    await site.put("BOLT", 5, bin_="PICK")
    await site.put("BOLT", 5, at="STORE")
    await site.put("NUT", 5)

    answer = await client.post(URL, json=a_count(site, "BOLT", found(site, "MAIN", 10), complete=True))

    assert differences(answer) == {"MAIN": 0, "PICK": -5}
    assert [line["listed"] for line in answer.json()["data"]["lines"]] == [True, False]
    assert await site.on_hand() == {"BOLT MAIN": 10, "NUT MAIN": 5}
    assert await site.on_hand(at="STORE") == {"BOLT MAIN": 5}


async def test_a_complete_count_without_lines_says_that_nothing_is_there(
    client: httpx.AsyncClient, site: Site
) -> None:
    await site.put("BOLT", 10)

    answer = await client.post(URL, json=a_count(site, "BOLT", complete=True))

    assert answer.status_code == 200
    assert await site.on_hand() == {}


async def test_a_count_without_a_difference_is_recorded(client: httpx.AsyncClient, site: Site) -> None:
    line = await site.put("BOLT", 10)
    before = await site.traces()

    answer = await client.post(URL, json=a_count(site, "BOLT", found(site, "MAIN", 10)))

    assert answer.status_code == 200
    after = await site.traces()
    assert (after["postings"], after["movements"]) == (before["postings"] + 1, before["movements"])
    counted_at = await site.admin.fetchval("SELECT counted_at FROM stock_lines WHERE id = $1", line)
    assert counted_at == datetime.fromisoformat(answer.json()["data"]["countedAt"])


async def test_a_product_that_was_never_there_can_be_counted_as_not_there(
    client: httpx.AsyncClient, site: Site
) -> None:
    answers = [
        await client.post(URL, json=body)
        for body in (
            a_count(site, "BOLT", complete=True),
            a_count(site, "BOLT", found(site, "MAIN", 0)),
            a_count(site, "PILL", found(site, "MAIN", 0, lotNumber="AB123")),
        )
    ]

    assert [answer.status_code for answer in answers] == [200] * 3
    traces = await site.traces()
    assert (traces["postings"], traces["stock_lines"], traces["lots"]) == (3, 0, 2)


async def test_unknown_lots_are_made_and_known_ones_need_no_date(client: httpx.AsyncClient, site: Site) -> None:
    await site.a_lot("MILK", "OLD", expires_in=-4)
    await site.put("MILK", 2, lot="OLD")

    answer = await client.post(
        URL,
        json=a_count(
            site,
            "MILK",
            found(site, "MAIN", 3, lotNumber="OLD"),
            found(site, "MAIN", 6, lotNumber="NEW", expiryDate=site.day(1).isoformat()),
        ),
    )

    assert answer.status_code == 200, answer.text
    assert await site.on_hand() == {"MILK MAIN OLD": 3, "MILK MAIN NEW": 6}


async def test_what_moved_since_the_count_stays_right(client: httpx.AsyncClient, site: Site) -> None:
    line = await site.put("BOLT", 10, effective_at=earlier(site))
    await site.move(line, -3)  # today, after the count

    answer = await client.post(URL, json=a_count(site, "BOLT", found(site, "MAIN", 8), countedAt=moment(site)))

    assert answer.status_code == 200, answer.text
    assert differences(answer) == {"MAIN": -2}
    assert answer.json()["data"]["lines"][0]["qtyBefore"] == 10
    assert await site.on_hand() == {"BOLT MAIN": 5}


async def test_stock_that_came_after_a_complete_count_stays(client: httpx.AsyncClient, site: Site) -> None:
    await site.put("BOLT", 10, effective_at=earlier(site))
    await site.put("BOLT", 4, bin_="PICK")

    answer = await client.post(URL, json=a_count(site, "BOLT", complete=True, countedAt=moment(site)))

    assert answer.status_code == 200
    assert await site.on_hand() == {"BOLT PICK": 4}


async def test_more_cannot_have_left_since_than_was_counted(client: httpx.AsyncClient, site: Site) -> None:
    line = await site.put("BOLT", 10, effective_at=earlier(site))
    await site.move(line, -9)
    before = await site.traces()

    answer = await client.post(URL, json=a_count(site, "BOLT", found(site, "MAIN", 8), countedAt=moment(site)))

    assert (answer.status_code, answer.json()["details"]["code"]) == (409, "INSUFFICIENT_STOCK")
    assert answer.json()["details"]["index"] == 0
    assert await site.traces() == before


async def test_a_count_goes_below_what_is_reserved_because_it_is_the_truth(
    client: httpx.AsyncClient, site: Site
) -> None:
    await site.claim(await site.put("BOLT", 10), reserved=8)

    answer = await client.post(URL, json=a_count(site, "BOLT", found(site, "MAIN", 2)))

    assert answer.status_code == 200
    assert await site.on_hand() == {"BOLT MAIN": 2}


async def test_an_expected_quantity_is_that_of_the_moment_of_the_count(
    client: httpx.AsyncClient, site: Site
) -> None:
    line = await site.put("BOLT", 10, effective_at=earlier(site))
    await site.move(line, -3)
    before = await site.traces()

    stale, then = [
        await client.post(
            URL,
            json=a_count(site, "BOLT", found(site, "MAIN", 8, expectedQuantity=expected), countedAt=moment(site)),
        )
        for expected in (7, 10)
    ]

    assert stale.status_code == 409
    assert stale.json()["details"] == {"code": "STALE_QUANTITY", "expected": 7, "actual": 10, "index": 0}
    assert then.status_code == 200
    assert (await site.traces())["postings"] == before["postings"] + 1


async def test_what_was_counted_later_is_not_counted_before(client: httpx.AsyncClient, site: Site) -> None:
    await site.put("BOLT", 10, effective_at=earlier(site))
    await client.post(URL, json=a_count(site, "BOLT", found(site, "MAIN", 10)))

    answer = await client.post(URL, json=a_count(site, "BOLT", found(site, "MAIN", 8), countedAt=moment(site)))

    assert (answer.status_code, answer.json()["details"]["code"]) == (409, "COUNTED_SINCE")


async def test_a_retry_is_told_the_same(client: httpx.AsyncClient, site: Site) -> None:
    await site.put("BOLT", 10)
    body = a_count(site, "BOLT", found(site, "MAIN", 8))
    key = {"Idempotency-Key": "count"}

    first = await client.post(URL, json=body, headers=key)
    await site.put("BOLT", 1)
    again = await client.post(URL, json=body, headers=key)
    other = await client.post(URL, json={**body, "complete": True}, headers=key)

    assert first.status_code == 200
    assert again.content == first.content
    assert again.headers["Idempotency-Replayed"] == "true"
    assert again.headers["X-Ledger-Position"] == first.headers["X-Ledger-Position"] == "2"
    assert other.status_code == 422
    assert await site.on_hand() == {"BOLT MAIN": 9}


async def test_a_refusal_stays_one_for_its_retry(client: httpx.AsyncClient, site: Site) -> None:
    await site.put("BOLT", 10)
    body = a_count(site, "BOLT", found(site, "MAIN", 8, expectedQuantity=11))
    key = {"Idempotency-Key": "stale"}
    first = await client.post(URL, json=body, headers=key)
    await site.put("BOLT", 1)

    again = await client.post(URL, json=body, headers=key)

    assert first.status_code == 409
    assert again.content == first.content
    assert again.headers["Idempotency-Replayed"] == "true"


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ('{"complete": null}', "complete"),
        ('{"complete": "yes"}', "complete"),
        ('{"lines": []}', "lines"),
        ('{"lines": null}', "lines"),
        ('{"countedAt": "2126-01-01T00:00:00Z"}', "countedAt"),
        ('{"countedAt": "2026-01-01"}', "countedAt"),
        ('{"comment": ""}', "comment"),
        ('{"reasonCodeId": "x"}', ""),
        ('{"lines": [{"binId": "DC/MAIN", "newQty": -1}]}', "lines[0].newQty"),
        ('{"lines": [{"binId": "DC/MAIN", "newQty": "1"}]}', "lines[0].newQty"),
        ('{"lines": [{"binId": "DC/MAIN", "newQty": 0.00001}]}', "lines[0].newQty"),
        ('{"lines": [{"binId": "DC/MAIN", "newQty": null}]}', "lines[0].newQty"),
        ('{"lines": [{"binId": "DC/MAIN"}]}', "lines[0]"),
        ('{"lines": [{"newQty": 1}]}', "lines[0]"),
        ('{"lines": [{"binId": "DC/MAIN", "newQty": 1, "expectedQuantity": -1}]}', "lines[0].expectedQuantity"),
        ('{"lines": [{"binId": "DC/MAIN", "newQty": 1, "lotNumber": "X"}]}', "lines[0].lotNumber"),
        ('{"lines": [{"binId": "DC/MAIN", "newQty": 1}, {"binId": "DC/MAIN", "newQty": 2}]}', "lines[1]"),
        ('{"productMasterId": "MILK"}', "lines[0].lotNumber"),
        (
            '{"productMasterId": "MILK", "lines": [{"binId": "DC/MAIN", "newQty": 1, "lotNumber": "N"}]}',
            "lines[0].expiryDate",
        ),
        (
            '{"productMasterId": "PILL", "lines": [{"binId": "DC/MAIN", "newQty": 1, "lotNumber": "N"}]}',
            "lines[0].lotNumber",
        ),
    ],
)
async def test_a_bad_field_is_named_and_nothing_changes(
    client: httpx.AsyncClient, site: Site, change: str, path: str
) -> None:
    await site.put("BOLT", 5)
    before = await site.traces()
    for code in ("DC/MAIN", "MILK", "PILL"):
        change = change.replace(f'"{code}"', f'"{site.ids[code]}"')

    answer = await client.post(
        URL,
        content=overriding(a_count(site, "BOLT", found(site, "MAIN", 1)), change),
        headers={"Content-Type": "application/json"},
    )

    assert answer.status_code == 400, answer.text
    assert answer.json()["details"]["code"] == "VALIDATION_ERROR"
    assert [field["path"] for field in answer.json()["details"]["fields"]] == [path]
    assert await site.traces() == before


async def test_what_is_not_there_or_anothers_is_not_found(
    client: httpx.AsyncClient, site: Site, admin: asyncpg.Connection, database: Database
) -> None:
    other = await Site(admin, database).build()

    answers = [
        await client.post(URL, json={**a_count(site, "BOLT", found(site, "MAIN", 1)), **fields})
        for fields in (
            {"productMasterId": str(other.ids["BOLT"])},
            {"locationId": str(other.ids["DC"])},
            {"lines": [found(other, "MAIN", 1)]},
            {"lines": [{"binId": str(site.ids["STORE/MAIN"]), "newQty": 1}]},
        )
    ]

    assert [answer.json()["details"].get("field") for answer in answers] == [
        "productMasterId",
        "locationId",
        "binId",
        "binId",
    ]
    assert [answer.status_code for answer in answers] == [404] * 4


async def test_only_who_may_adjust_at_the_location_may_count(api: Api, site: Site) -> None:
    body = a_count(site, "BOLT", found(site, "MAIN", 1))
    operator = api.client(site.caller([Permission.INVENTORY_WRITE]))
    elsewhere = api.client(site.caller([Permission.INVENTORY_ADJUST], frozenset({site.ids["STORE"]})))
    here = api.client(site.caller([Permission.INVENTORY_ADJUST], frozenset({site.ids["DC"]})))

    refused, denied, done = [await one.post(URL, json=body) for one in (operator, elsewhere, here)]

    assert (refused.status_code, refused.json()["details"]["permission"]) == (403, "inventory.adjust")
    assert (denied.status_code, denied.json()["details"]["code"]) == (403, "LOCATION_DENIED")
    assert done.status_code == 200


async def test_an_issue_that_comes_between_reading_and_posting_stays_right(
    database_urls: DatabaseUrls,
    other_process: Api,
    client: httpx.AsyncClient,
    site: Site,
    admin: asyncpg.Connection,
) -> None:
    line = await site.put("BOLT", 10)
    issuer = other_process.client(site.caller([Permission.INVENTORY_WRITE]))
    issue = {
        "locationId": str(site.ids["DC"]),
        "lines": [{"productMasterId": str(site.ids["BOLT"]), "quantity": 3}],
    }
    async with a_gate(database_urls, site, line):
        counting = asyncio.create_task(client.post(URL, json=a_count(site, "BOLT", found(site, "MAIN", 8))))
        await until_waiting(admin, 1)  # it has read that there are ten
        issuing = asyncio.create_task(issuer.post("/api/inventory/issues", json=issue))
        await until_waiting(admin, 2)
    counted, issued = await asyncio.gather(counting, issuing)

    assert (counted.status_code, issued.status_code) == (200, 200)
    assert differences(counted) == {"MAIN": -2}
    assert await site.on_hand() == {"BOLT MAIN": 5}


async def test_a_movement_of_before_the_count_that_is_recorded_late_is_seen(
    database_urls: DatabaseUrls, client: httpx.AsyncClient, site: Site, admin: asyncpg.Connection
) -> None:
    line = await site.put("BOLT", 10, effective_at=earlier(site))
    body = a_count(site, "BOLT", found(site, "MAIN", 8), countedAt=moment(site))
    async with a_gate(database_urls, site, line) as gate:
        counting = asyncio.create_task(client.post(URL, json=body))
        await until_waiting(admin, 1)  # it has read that ten stood there
        await gate.execute("SELECT set_config('app.tenant', $1, true)", str(site.tenant_id))
        await gate.execute(
            "SELECT ledger_post($1, $2)",
            json.dumps([{"ord": 0, "id": str(site.ids["DC"]), "kind": "ISSUE"}]),
            json.dumps(
                [
                    {
                        "posting": 0,
                        "n": 0,
                        "kind": "ISSUE",
                        "line_id": str(line),
                        "delta": -3,
                        "effective_at": earlier(site).isoformat(),
                    }
                ]
            ),
        )
    counted = await counting

    assert counted.status_code == 200, counted.text
    assert differences(counted) == {"MAIN": 1}  # seven stood there after all
    assert await site.on_hand() == {"BOLT MAIN": 8}
    assert await site.drift() == []


async def test_counts_and_issues_at_once_leave_the_books_right(
    client: httpx.AsyncClient, site: Site, other_process: Api
) -> None:
    await site.put("BOLT", 100)
    issuer = other_process.client(site.caller([Permission.INVENTORY_WRITE]))
    issue = {
        "locationId": str(site.ids["DC"]),
        "lines": [{"productMasterId": str(site.ids["BOLT"]), "quantity": 1}],
    }
    count = a_count(site, "BOLT", found(site, "MAIN", 100), countedAt=f"{site.day(-2)}T12:00:00Z")

    issues = [issuer.post("/api/inventory/issues", json=issue) for _ in range(30)]
    counts = [client.post(URL, json=count) for _ in range(3)]  # each finds a hundred more, before all of this
    answers = await asyncio.gather(*issues, *counts)

    assert {answer.status_code for answer in answers} == {200}
    assert await site.on_hand() == {"BOLT MAIN": 170}
    assert await site.drift() == []
