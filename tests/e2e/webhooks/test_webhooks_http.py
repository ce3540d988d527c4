"""Webhooks over the API, with the real server sending to a real receiver."""

from collections.abc import AsyncGenerator, Iterator
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest

from tests.e2e.api.company import Company, add_key, as_bearer, found_company, master_key
from tests.e2e.webhooks.receiver import Receiver, a_receiver, is_signed
from tests.lab import DatabaseUrls, Served, serve

WEBHOOKS = "/api/webhooks"

type Connection = asyncpg.Connection[Any]


@pytest.fixture(scope="module")
def server(urls: DatabaseUrls) -> Iterator[Served]:
    """One worker, that sends to this machine, too."""
    environment = {"STOREKEEPER_WEBHOOK_PRIVATE_ADDRESSES": "127.0.0.0/8", "STOREKEEPER_JOBS": "inside"}
    with serve(urls, workers=1, environment=environment) as served:
        yield served


@pytest.fixture(scope="module")
async def company(admin: Connection) -> Company:
    return await found_company(admin, "calling", has_documents=False)


@pytest.fixture(scope="module")
async def http(server: Served, admin: Connection, company: Company) -> AsyncGenerator[httpx.AsyncClient]:
    """Somebody who may do everything."""
    headers = await master_key(admin, company)
    async with httpx.AsyncClient(base_url=server.url, headers=headers, timeout=30) as client:
        yield client


async def adjust(http: httpx.AsyncClient, company: Company, *, item: str = "inventoryItemId") -> None:
    body = {
        "inventoryItemId": f"{{{item}}}",
        "type": "INCREASE",
        "quantity": 1,
        "reasonCodeId": "{reasonCodeId}",
        "rootCause": "told",
    }
    answer = await http.post("/api/inventory/adjust", json=company.fill(body))
    assert answer.status_code == 200, answer.text


async def created(http: httpx.AsyncClient, receiver: Receiver, **facts: Any) -> Any:
    answer = await http.post(WEBHOOKS, json={"url": receiver.url, "types": ["inventory.*"], **facts})
    assert answer.status_code == 201, answer.text
    assert answer.headers["cache-control"] == "no-store"
    return answer.json()


async def test_an_event_reaches_the_endpoint_as_the_feed_shows_it(
    http: httpx.AsyncClient, company: Company
) -> None:
    async with a_receiver() as receiver:
        made = await created(http, receiver, description="ERP")
        of = f"{WEBHOOKS}/{made['data']['id']}"
        await adjust(http, company)
        await receiver.until(lambda: len(receiver.calls) == 1)
        tried = (await http.post(f"{of}/test")).json()["data"]
        paused = (await http.post(f"{of}/pause", json={})).json()["data"]
        gone = await http.delete(of)
    (call, test) = receiver.calls
    after = call.event["position"] - 1
    (event,) = (await http.get("/api/events", params={"after": after, "limit": 1})).json()["data"]

    assert is_signed(call, made["secret"])
    assert call.event == {**event, "timestamp": event["occurredAt"]}
    assert (tried["outcome"], tried["status"], tried["response"]) == ("DELIVERED", 200, "ok")
    assert test.event["type"] == "webhook.test.v1"
    assert is_signed(test, made["secret"])
    assert (paused["state"], paused["pausedReason"], paused["dead"]) == ("PAUSED", "BY_HAND", 0)
    assert gone.json()["data"]["deleted"]
    assert (await http.get(of)).status_code == 404


async def test_a_secret_is_shown_once(http: httpx.AsyncClient) -> None:
    async with a_receiver() as receiver:
        body = {"url": receiver.url, "types": ["transfer.*"]}
        key = {"Idempotency-Key": "make-one"}
        first = (await http.post(WEBHOOKS, json=body, headers=key)).json()
        second = await http.post(WEBHOOKS, json=body, headers=key)
        of = f"{WEBHOOKS}/{first['data']['id']}"
        rotated = (await http.post(f"{of}/rotate-secret", json={"overlapHours": 1})).json()
        shown = [(await http.get(address)).text for address in (of, WEBHOOKS, f"{of}/deliveries")]

    assert first["secret"].startswith("whsec_")
    assert (second.json()["secret"], second.headers["Idempotency-Replayed"]) == (None, "true")
    assert second.json()["data"]["id"] == first["data"]["id"]
    assert rotated["secret"] != first["secret"]
    assert (first["data"]["secrets"], rotated["data"]["secrets"]) == (1, 2)
    assert not any("whsec_" in text for text in shown)


async def test_an_address_may_have_a_secret_in_it_and_nobody_logs_it(
    http: httpx.AsyncClient, server: Served
) -> None:
    async with a_receiver() as receiver:
        made = await created(http, receiver, url=f"{receiver.url}/T0HIDDEN?key=hidden-too")
        tried = await http.post(f"{WEBHOOKS}/{made['data']['id']}/test")
        await http.delete(f"{WEBHOOKS}/{made['data']['id']}")

    assert tried.json()["data"]["outcome"] == "DELIVERED"
    logged = server.log.read_text()
    assert made["data"]["id"] in logged
    assert "hidden" not in logged.lower()


async def test_the_log_tells_each_attempt_and_pages(http: httpx.AsyncClient, company: Company) -> None:
    async with a_receiver() as receiver:
        made = await created(http, receiver)
        of = f"{WEBHOOKS}/{made['data']['id']}"
        for _ in range(3):
            await http.post(f"{of}/test")
    first = (await http.get(f"{of}/deliveries", params={"limit": 2})).json()
    cursor = first["pagination"]["nextCursor"]
    rest = (await http.get(f"{of}/deliveries", params={"limit": 2, "cursor": cursor})).json()
    failed = (await http.get(f"{of}/deliveries", params={"outcome": "FAILED"})).json()
    broken = await http.get(f"{of}/deliveries", params={"cursor": "WyItYXR0ZW1wdGVkQXQiLDIsMyxbIngiXV0"})
    await http.delete(of)

    ids = [row["id"] for row in (*first["data"], *rest["data"])]
    assert ids == sorted(ids, reverse=True)
    assert (len(ids), first["pagination"]["total"], failed["pagination"]["total"]) == (3, 3, 0)
    assert broken.status_code == 400


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"url": "http://10.0.0.7/"}, "url"),
        ({"url": "http://169.254.169.254/latest/meta-data"}, "url"),
        ({"url": "https://user:word@erp.example/"}, "url"),
        ({"url": "ftp://erp.example/"}, "url"),
        ({"url": "https://erp.example/", "types": ["inventory.none.v1"]}, "types"),
        ({"url": "https://erp.example/", "after": 10**9}, "after"),
    ],
)
async def test_what_cannot_be_meant_is_refused(http: httpx.AsyncClient, body: Any, path: str) -> None:
    refused = await http.post(WEBHOOKS, json=body)

    assert refused.status_code == 400
    assert [field["path"] for field in refused.json()["details"]["fields"]] == [path]


async def test_nobody_has_sent_what_they_may_not_see(
    server: Served, admin: Connection, company: Company, http: httpx.AsyncClient
) -> None:
    here, there = UUID(company.fact("locationId")), UUID(company.fact("otherLocationId"))
    key = await add_key(admin, company, ["events.read", "webhooks.write"], location_ids=[here])
    blind = await add_key(admin, company, ["webhooks.write"])
    body = {"url": "https://erp.example/"}
    made = await http.post(WEBHOOKS, json=body)
    async with httpx.AsyncClient(base_url=server.url, headers=as_bearer(key), timeout=30) as limited:
        everywhere = await limited.post(WEBHOOKS, json=body)
        elsewhere = await limited.post(WEBHOOKS, json={**body, "locationIds": [str(there)]})
        access = await limited.post(WEBHOOKS, json={**body, "types": ["access.*"], "locationIds": [str(here)]})
        own = await limited.post(WEBHOOKS, json={**body, "locationIds": [str(here)]})
        seen = (await limited.get(WEBHOOKS)).json()["data"]
        other = await limited.post(f"{WEBHOOKS}/{made.json()['data']['id']}/pause", json={})
    sightless = await http.post(WEBHOOKS, json=body, headers=as_bearer(blind))

    assert [one.status_code for one in (everywhere, elsewhere, access, sightless)] == [403] * 4
    assert [one["id"] for one in seen] == [own.json()["data"]["id"]]
    assert other.json()["details"]["code"] == "LOCATION_DENIED"


async def test_who_changes_an_endpoint_answers_for_it(
    admin: Connection, company: Company, http: httpx.AsyncClient
) -> None:
    made = (await http.post(WEBHOOKS, json={"url": "https://erp.example/"})).json()["data"]
    key = await add_key(admin, company, ["events.read", "webhooks.write"])
    change = {"url": "https://other.example/", "expectedVersion": made["version"]}
    changed = await http.patch(f"{WEBHOOKS}/{made['id']}", json=change, headers=as_bearer(key))
    again = await http.patch(f"{WEBHOOKS}/{made['id']}", json=change)
    makers = [
        row["key_id"] for row in await admin.fetch("SELECT key_id FROM webhooks WHERE id = $1", UUID(made["id"]))
    ]

    assert changed.status_code == 200
    assert again.json()["details"]["code"] == "STALE_VERSION"
    assert makers == [await admin.fetchval("SELECT id FROM api_keys ORDER BY id DESC LIMIT 1")]


async def test_the_types_of_events_can_be_browsed(http: httpx.AsyncClient) -> None:
    types = {one["type"]: one for one in (await http.get("/api/events/types")).json()["data"]}

    assert types["inventory.adjusted.v1"]["entityType"] == "posting"
    assert types["inventory.adjusted.v1"]["example"]["movements"]
    assert "webhook.paused.v1" in types
