"""Whatever is killed under load, nothing acknowledged is lost, and what is repeated is done once (P-20)."""

import asyncio
import os
import random
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Self

import asyncpg
import msgspec
import psutil
import pytest

from infra.ledger.verify import verify
from tests.e2e.api.company import Company, found_company, master_key
from tests.faults.http.wire import BROKEN, NOTHING, Answer, Line, lines, request
from tests.faults.victim import Victim, a_victim
from tests.lab import DatabaseUrls, Served, migrate, serve
from tests.ledger.promises import show

CLIENTS = 12
UNKNOWN = {BROKEN, 503}
BACK_WITHIN = 10.0
WAIT = 30.0
PATIENCE = 8.0
CRASH_LOOP = 7.0
"""Seconds in which the server takes the second death of a worker for a defect, and ends."""
OPEN = """
    SELECT count(*) FROM pg_stat_activity
    WHERE application_name = 'storekeeper' AND state LIKE 'idle in transaction%'
"""
STORED = "SELECT id, idempotency_key FROM postings WHERE tenant_id = $1 AND idempotency_key IS NOT NULL"
BALANCE = "SELECT on_hand FROM stock_lines WHERE tenant_id = $1 AND id = $2"


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """What a client was told of one change, in the end."""

    key: str
    delta: int
    answer: Answer
    was_unknown: bool


class Load:
    """Clients that change one line's quantity, each change under a key and repeated until its outcome is known."""

    def __init__(self, server: Served, company: Company, headers: Mapping[str, str], seed: int) -> None:
        self._server, self._company, self._headers = server, company, headers
        self._chance = random.Random(seed)
        self._answered = asyncio.Event()
        self._is_over = False
        self._running: asyncio.Task[None] | None = None
        self.told: list[Told] = []

    async def __aenter__(self) -> Self:
        self._running = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, failed: type[BaseException] | None, *_: object) -> None:
        self._is_over = True
        assert self._running is not None
        if failed is not None:
            self._running.cancel()  # what the clients would still wait for may never come
        async with asyncio.timeout(WAIT):
            await asyncio.gather(self._running, return_exceptions=failed is not None)

    async def answers(self, number: int) -> float:
        """Wait until so many more were answered; after how long the first one was."""
        began, was, first = time.monotonic(), len(self.told), 0.0
        assert self._running is not None
        async with asyncio.timeout(WAIT):
            while len(self.told) < was + number:
                self._answered.clear()
                waiting = asyncio.create_task(self._answered.wait())
                await asyncio.wait({waiting, self._running}, return_when=asyncio.FIRST_COMPLETED)
                waiting.cancel()
                if self._running.done():
                    await self._running
                first = first or time.monotonic() - began
        return first

    async def _run(self) -> None:
        async with lines(self._server.url, CLIENTS) as opened, asyncio.TaskGroup() as clients:
            for number, line in enumerate(opened):
                clients.create_task(self._client(number, line))

    async def _client(self, client: int, line: Line) -> None:
        count = 0
        while not self._is_over:
            count += 1
            told = await self._change(line, f"{client}-{count}", self._chance.choice((-1, 1, 2)))
            self.told.append(told)
            self._answered.set()

    async def _change(self, line: Line, key: str, delta: int) -> Told:
        body = {
            "inventoryItemId": self._company.facts["inventoryItemId"],
            "type": "INCREASE" if delta > 0 else "DECREASE",
            "quantity": abs(delta),
            "reasonCodeId": self._company.facts["reasonCodeId"],
        }
        sent = request("POST", "/api/inventory/adjust", self._headers, body, key=key)
        was_unknown = False
        while (answer := await self._ask(line, sent)).status in UNKNOWN:
            was_unknown = True
            await asyncio.sleep(0.01)  # as a polite client does
        assert answer.status == 200, answer.body
        return Told(key=key, delta=delta, answer=answer, was_unknown=was_unknown)

    async def _ask(self, line: Line, sent: bytes) -> Answer:
        try:
            async with asyncio.timeout(PATIENCE):
                return await line.ask(sent)
        except TimeoutError:
            line.close()
            return NOTHING


@pytest.fixture(scope="module")
def victim() -> Iterator[Victim]:
    with a_victim() as victim:
        migrate(victim.running.admin_url)
        yield victim


@pytest.fixture(scope="module")
def server(victim: Victim) -> Iterator[Served]:
    urls = DatabaseUrls(name="storekeeper", admin_url=victim.running.admin_url, app_url=victim.running.app_url)
    with serve(urls, environment={"STOREKEEPER_LOG_LEVEL": "error"}) as served:
        yield served


def serving(server: Served) -> set[int]:
    """The workers, however many they are at the moment."""
    for _ in range(10):
        with suppress(psutil.NoSuchProcess):  # one of them has ended while it was looked at
            if workers := server.workers():
                return set(workers)
        time.sleep(0.1)
    raise AssertionError("no worker serves")


def born(worker: int) -> float:
    return float(psutil.Process(worker).create_time())


async def kill_the_database(victim: Victim) -> None:
    await asyncio.to_thread(victim.kill)
    await asyncio.to_thread(victim.restart)


@pytest.mark.parametrize("cycles", [4, pytest.param(200, marks=pytest.mark.long)])
async def test_nothing_acknowledged_is_lost_when_workers_and_the_database_are_killed(
    server: Served, victim: Victim, cycles: int
) -> None:
    admin = await asyncpg.connect(victim.running.admin_url)
    company = await found_company(admin, f"killed-{cycles}")
    headers = await master_key(admin, company)
    line_id = company.facts["inventoryItemId"]
    before = await admin.fetchval(BALANCE, company.tenant_id, line_id)
    await admin.close()
    chance, slowest, first = random.Random(cycles), 0.0, serving(server)
    async with Load(server, company, headers, seed=cycles) as load:
        for cycle in range(cycles):
            await load.answers(chance.randint(20, 120))
            if cycle % 2:
                workers = serving(server)
                await kill_the_database(victim)
                slowest = max(slowest, await load.answers(1))
                assert workers <= serving(server), "the application was restarted"
            else:
                oldest = min(serving(server), key=born)
                while oldest not in first and time.time() - born(oldest) < CRASH_LOOP:
                    await load.answers(10)
                os.kill(oldest, signal.SIGKILL)
        await load.answers(50)

    admin = await asyncpg.connect(victim.running.admin_url)
    stored = {row["idempotency_key"]: str(row["id"]) for row in await admin.fetch(STORED, company.tenant_id)}
    rows = len(await admin.fetch(STORED, company.tenant_id))
    after = await admin.fetchval(BALANCE, company.tenant_id, line_id)
    report = await verify(admin, company.tenant_id)
    stuck = await admin.fetchval(OPEN)
    await admin.close()
    unknown = [told for told in load.told if told.was_unknown]
    lost = [t.key for t in load.told if stored.get(t.key) != t.answer.json["transaction"]["id"]]
    show(
        "P-20",
        over="HTTP, two workers",
        cycles=cycles,
        acknowledged=len(load.told),
        lost=len(lost),
        doubled=rows - len(stored),
        unknown=len(unknown),
        of_which_had_committed=sum(t.answer.header("Idempotency-Replayed") == "true" for t in unknown),
        drift=report.drift_count,
        slowest_return=round(slowest, 2),
    )
    assert lost == []
    assert rows == len(stored) == len(load.told)
    assert after - before == sum(told.delta for told in load.told)
    assert report.drift_count == 0
    assert stuck == 0
    assert slowest <= BACK_WITHIN
