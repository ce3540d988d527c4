"""Clients that go away at any moment leave no transaction, no connection and no half of a change (P-24)."""

import asyncio
import random
import re
import socket
import struct
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from tests.e2e.api.company import Company, master_key
from tests.faults.http.conftest import Connection, Founding
from tests.faults.http.wire import Answer, at_once, fire, request
from tests.lab import Served
from tests.ledger.promises import show

AT_ONCE = 24
PATIENCE = 20.0
SETTLED = 10.0
OPEN = """
    SELECT count(*) FROM pg_stat_activity
    WHERE application_name = 'storekeeper' AND state LIKE 'idle in transaction%'
"""
CONNECTIONS = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'storekeeper'"
POSTED = "SELECT count(*) FROM postings WHERE tenant_id = $1 AND idempotency_key LIKE 'gone-%'"
BALANCE = "SELECT on_hand FROM stock_lines WHERE tenant_id = $1 AND id = $2"
IN_USE = re.compile(r"^storekeeper_db_connections_in_use (\S+)$", re.MULTILINE)
RESET = struct.pack("ii", 1, 0)
"""Lingering for no time: closing resets the connection instead of ending it politely."""


async def leave(url: str, sent: bytes, chance: random.Random) -> None:
    """Send some of a request, or all of it, wait a moment or none, and go."""
    address = urlsplit(url)
    part = sent if chance.random() < 0.6 else sent[: chance.randrange(1, len(sent))]
    async with asyncio.timeout(PATIENCE):
        _, writer = await asyncio.open_connection(address.hostname, address.port)
        if chance.random() < 0.5:
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        writer.write(part)
        await writer.drain()
        await asyncio.sleep(chance.random() ** 3 * 0.05)  # most within the first milliseconds, where the work is
        writer.close()


async def until[T](ask: Callable[[], Awaitable[T]], wanted: T) -> T:
    """What is asked for, once it is as wanted, or in the end."""
    async with asyncio.timeout(PATIENCE):
        loop = asyncio.get_running_loop()
        deadline = loop.time() + SETTLED
        while (found := await ask()) != wanted and loop.time() < deadline:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.02)
        return found


def writes(company: Company, headers: Mapping[str, str], number: int) -> list[bytes]:
    body = {
        "inventoryItemId": company.facts["inventoryItemId"],
        "type": "INCREASE",
        "quantity": 1,
        "reasonCodeId": company.facts["reasonCodeId"],
    }
    return [
        request("POST", "/api/inventory/adjust", headers, body, key=f"gone-{company.slug}-{n}")
        for n in range(number)
    ]


def reads(headers: Mapping[str, str], number: int) -> list[bytes]:
    paths = ("/api/inventory", "/api/inventory/movements", "/api/products")
    return [request("GET", paths[n % len(paths)], headers) for n in range(number)]


@pytest.mark.parametrize("number", [150, pytest.param(2_500, marks=pytest.mark.long)])
async def test_clients_that_go_away_leave_nothing_behind(
    server: Served, admin: Connection, found: Founding, number: int
) -> None:
    chance = random.Random(number)
    companies = [await found(), await found()]
    headers = [await master_key(admin, company) for company in companies]
    own = [writes(company, held, number) for company, held in zip(companies, headers, strict=True)]
    before = [await balance(admin, company) for company in companies]
    gone = [*own[0], *own[1], *reads(headers[0], number), *reads(headers[1], number)]
    chance.shuffle(gone)
    one_of = asyncio.Semaphore(AT_ONCE)

    async def go(sent: bytes) -> None:
        async with one_of:
            await leave(server.url, sent, chance)

    async with asyncio.TaskGroup() as clients:
        for sent in gone:
            clients.create_task(go(sent))
    stuck = await until(lambda: admin.fetchval(OPEN), 0)
    lent = await until(lambda: in_use(server), 0.0)
    done_unseen = [await admin.fetchval(POSTED, company.tenant_id) for company in companies]
    connections = await admin.fetchval(CONNECTIONS)

    answers = [await fire(server.url, requests, clients=AT_ONCE) for requests in own]
    crowd = await at_once(server.url, reads(headers[0], 40) + reads(headers[1], 40))
    after = [await balance(admin, company) for company in companies]
    show(
        "P-24",
        over="HTTP, two workers",
        disconnects=len(gone),
        changes_done_unseen=sum(done_unseen),
        in_transaction=stuck,
        lent=lent,
        connections=connections,
    )
    assert (stuck, lent) == (0, 0.0)
    assert 0 < sum(done_unseen) < 2 * number
    assert {answer.status for told in answers for answer in told} == {200}
    assert after == [was + number for was in before]
    assert {answer.status for answer in crowd} == {200}
    assert strangers(crowd[:40], companies[1]) == strangers(crowd[40:], companies[0]) == []


async def balance(admin: Connection, company: Company) -> Any:
    return await admin.fetchval(BALANCE, company.tenant_id, company.facts["inventoryItemId"])


async def in_use(server: Served) -> float:
    """Connections that the workers' pools have lent."""
    async with httpx.AsyncClient(base_url=server.url, timeout=PATIENCE) as http:
        told = IN_USE.search((await http.get("/metrics")).text)
    assert told is not None
    return float(told[1])


def strangers(answers: Sequence[Answer], other: Company) -> list[bytes]:
    """The answers that show another tenant's things."""
    return [answer.body for answer in answers if other.mark.encode() in answer.body]
