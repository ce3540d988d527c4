"""The feed of events over the API: nothing missed, nothing twice, nothing that is not the reader's to see."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import msgspec

from domain.events.feed import REACH
from infra.db.pool import BIND
from tests.e2e.api.company import Company, add_key, as_bearer, master_key
from tests.lab import DatabaseUrls, Served, serve
from tests.ledger.promises import show

EVENTS, ADJUST = "/api/events", "/api/inventory/adjust"
STREAM = {"Accept": "text/event-stream"}

type Connection = asyncpg.Connection[Any]


async def adjust(http: httpx.AsyncClient, company: Company, *, item: str = "inventoryItemId") -> Any:
    body = {
        "inventoryItemId": f"{{{item}}}",
        "type": "INCREASE",
        "quantity": 1,
        "reasonCodeId": "{reasonCodeId}",
        "rootCause": "told",
    }
    answer = await http.post(ADJUST, json=company.fill(body))
    assert answer.status_code == 200, answer.text
    return answer.json()


async def head(http: httpx.AsyncClient) -> int:
    return int((await http.get(EVENTS, params={"limit": 1})).json()["head"])


async def pages(http: httpx.AsyncClient, **params: Any) -> list[Any]:
    """The whole feed from a position on."""
    found, after = [], params.pop("after", 0)
    while True:
        page = (await http.get(EVENTS, params={"after": after, "limit": 7, **params})).json()
        found += page["data"]
        if page["next"] == page["head"]:
            return found
        assert page["next"] > after
        after = page["next"]


async def messages(stream: httpx.Response) -> AsyncGenerator[dict[str, str]]:
    """Server-Sent Events as a browser reads them."""
    message: dict[str, str] = {}
    async for line in stream.aiter_lines():
        if line.startswith(":"):
            continue
        if line:
            name, _, value = line.partition(": ")
            message[name] = value
        elif "data" in message:
            yield message
            message = {}


async def taken(http: httpx.AsyncClient, count: int, **headers: str) -> list[dict[str, str]]:
    """So many messages of a stream, which is then left."""
    async with http.stream("GET", EVENTS, headers=STREAM | headers) as stream:
        found = []
        async for message in messages(stream):
            found.append(message)
            if len(found) == count:
                return found
    return found


async def test_pages_follow_each_other_without_a_gap(http: httpx.AsyncClient, company: Company) -> None:
    for _ in range(3):
        await adjust(http, company)

    found = await pages(http)

    assert [event["position"] for event in found] == list(range(1, len(found) + 1))
    last = found[-1]
    assert last["type"] == "inventory.adjusted.v1"
    assert last["locationIds"] == [company.fact("locationId")]
    (movement,) = last["data"]["movements"]
    assert (movement["lineId"], movement["delta"]) == (company.fact("inventoryItemId"), 1)
    assert last["requestId"]


async def test_filters_leave_out_and_still_go_on(http: httpx.AsyncClient, company: Company) -> None:
    begin = await head(http)
    await adjust(http, company)
    await adjust(http, company, item="elsewhereItemId")
    body = {"name": "Renamed", "code": f"NEW-{company.mark}"}
    assert (await http.post("/api/categories", json=body)).status_code == 201

    adjusted = await pages(http, after=begin, type="inventory.adjusted.v1")
    there = await pages(http, after=begin, locationId=company.fact("otherLocationId"))
    catalog = await pages(http, after=begin, type="catalog.*")
    posting = adjusted[-1]["entityId"]
    one = await pages(http, after=begin, entityType="posting", entityId=posting)

    assert len(adjusted) == 2
    assert [event["position"] for event in there] == [begin + 2] == [event["position"] for event in one]
    assert [event["type"] for event in catalog] == ["catalog.category.created.v1"]


async def test_who_may_look_at_one_location_sees_what_happened_there(
    http: httpx.AsyncClient, served: Served, admin: Connection, company: Company
) -> None:
    begin = await head(http)
    await adjust(http, company)
    await adjust(http, company, item="elsewhereItemId")
    await http.post("/api/categories", json={"name": "N", "code": f"C-{company.mark}"})
    here = [UUID(company.fact("locationId"))]
    key = await add_key(admin, company, ["events.read"], location_ids=here)
    async with httpx.AsyncClient(base_url=served.url, headers=as_bearer(key)) as limited:
        seen = await pages(limited, after=begin)

    assert [event["position"] for event in seen] == [begin + 1]


async def test_what_access_and_settings_tell_is_for_who_administers_them(
    http: httpx.AsyncClient, served: Served, admin: Connection, company: Company
) -> None:
    body = {"email": f"new@{company.mark}.example", "name": "New", "grants": [{"role": "viewer"}]}
    invited = await http.post("/api/admin/users", json=body)
    assert invited.status_code == 201, invited.text
    key = await add_key(admin, company, ["events.read"])
    async with httpx.AsyncClient(base_url=served.url, headers=as_bearer(key)) as reader:
        seen = {event["type"].split(".")[0] for event in await pages(reader)}

    assert "access" not in seen
    assert "access" in {event["type"].split(".")[0] for event in await pages(http)}


async def test_a_rare_filter_costs_a_bounded_stretch(
    http: httpx.AsyncClient, admin: Connection, company: Company
) -> None:
    await admin.execute(BIND, str(company.tenant_id))
    begin = await head(http)
    await admin.execute(
        "INSERT INTO events (tenant_id, position, type, entity_type, entity_id, payload, recorded_at) "
        "SELECT $1, $2 + n, 'a.thing.happened.v1', 'thing', gen_random_uuid(), '{}', now() "
        "FROM generate_series(1, $3::bigint) n",
        company.tenant_id,
        begin,
        REACH + 10,
    )
    await admin.execute("UPDATE ledger_heads SET event_position = event_position + $1", REACH + 10)

    page = (await http.get(EVENTS, params={"after": begin, "type": "nothing.of.this.v1"})).json()
    rest = (await http.get(EVENTS, params={"after": page["next"], "type": "nothing.of.this.v1"})).json()

    assert (page["data"], page["next"]) == ([], begin + REACH)
    assert (rest["data"], rest["next"]) == ([], rest["head"])


async def test_a_stream_tells_what_was_and_then_what_comes(http: httpx.AsyncClient, company: Company) -> None:
    before = await head(http)
    reading = asyncio.create_task(taken(http, before + 3))
    for _ in range(3):
        await adjust(http, company)
    found = await asyncio.wait_for(reading, 30)

    assert [int(message["id"]) for message in found] == list(range(1, before + 4))
    assert found[-1]["event"] == "inventory.adjusted.v1"
    assert msgspec.json.decode(found[-1]["data"])["position"] == before + 3


async def test_who_comes_back_goes_on_behind_what_they_had(http: httpx.AsyncClient, company: Company) -> None:
    first = await taken(http, 2)
    await adjust(http, company)

    second = await taken(http, 1, **{"Last-Event-ID": first[-1]["id"]})

    assert int(second[0]["id"]) == int(first[-1]["id"]) + 1
    refused = await http.get(EVENTS, headers=STREAM | {"Last-Event-ID": "one"})
    assert refused.status_code == 400


async def test_a_stream_ends_when_its_reader_may_read_no_more(
    http: httpx.AsyncClient, served: Served, admin: Connection, company: Company
) -> None:
    key, before = await add_key(admin, company, ["events.read"]), await head(http)
    async with httpx.AsyncClient(base_url=served.url, headers=as_bearer(key), timeout=30) as reader:
        async with reader.stream("GET", EVENTS, headers=STREAM) as stream:
            found = messages(stream)
            await anext(found)
            await admin.execute(
                "UPDATE api_keys SET revoked_at = now() WHERE tenant_id = $1 AND scopes = '{events.read}'",
                company.tenant_id,
            )
            await adjust(http, company)  # so that it looks again
            left = [message async for message in found]
        refused = await reader.get(EVENTS)

    assert refused.status_code == 401
    assert [message for message in left if int(message["id"]) > before] == []


async def test_readers_who_race_writers_miss_nothing_and_see_nothing_twice(
    http: httpx.AsyncClient, company: Company
) -> None:
    begin, writers, each = await head(http), 32, 5

    async def write() -> None:
        for _ in range(each):
            await adjust(http, company)

    async def read() -> list[int]:
        found, after = [], begin
        while after < begin + writers * each:
            page = (await http.get(EVENTS, params={"after": after, "limit": 9})).json()
            found += [event["position"] for event in page["data"]]
            after = page["next"]
        return found

    streaming = asyncio.create_task(taken(http, writers * each, **{"Last-Event-ID": str(begin)}))
    reading = [asyncio.create_task(read()) for _ in range(2)]
    await asyncio.gather(*(write() for _ in range(writers)))

    expected = list(range(begin + 1, begin + writers * each + 1))
    assert await asyncio.gather(*reading) == [expected, expected]
    assert [int(message["id"]) for message in await asyncio.wait_for(streaming, 60)] == expected
    show("P-29", events=len(expected), writers=writers, readers=3, missed=0, twice=0)


async def test_an_open_stream_does_not_keep_the_server_from_ending(
    database_urls: DatabaseUrls, admin: Connection, company: Company
) -> None:
    headers = await master_key(admin, company)
    with serve(database_urls) as server:
        async with (
            httpx.AsyncClient(base_url=server.url, headers=headers, timeout=30) as reader,
            reader.stream("GET", EVENTS, headers=STREAM) as stream,
        ):
            await anext(messages(stream))
            server.process.terminate()
            ended = await asyncio.to_thread(server.process.wait, 20)

    assert ended == 0
