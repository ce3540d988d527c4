"""P-20: what was acknowledged survives, what was not is whole or absent, and what is repeated happens once."""

import asyncio
import random
import time
from collections.abc import Iterator
from typing import Any

import asyncpg
import pytest

from domain.ledger.model import Posted, Posting
from infra.db.pool import Database
from infra.ledger.grouping import GroupedLedger
from infra.ledger.verify import verify
from tests.faults.victim import Victim, a_victim
from tests.lab import migrate
from tests.ledger.builders import Warehouse, a_warehouse
from tests.ledger.history import Call, Recorder, check, read
from tests.ledger.promises import show
from tests.ledger.traffic import Traffic

CLIENTS = 16
ONE_BACKEND = """
    SELECT {act}(pid) FROM pg_stat_activity
    WHERE application_name = 'storekeeper' AND query LIKE '%ledger_post%' ORDER BY random() LIMIT 1
"""


@pytest.fixture(scope="module")
def victim() -> Iterator[Victim]:
    with a_victim() as victim:
        migrate(victim.running.admin_url)
        yield victim


class Load:
    """Clients of two processes, each request under a key and repeated until its outcome is known."""

    def __init__(self, warehouse: Warehouse, ledgers: list[GroupedLedger], seed: int) -> None:
        self._traffic = Traffic(warehouse, seed, keyed=1.0)
        self._ledgers = ledgers
        self._is_over = False
        self.recorder = Recorder()

    @property
    def acknowledged(self) -> int:
        return len(self.recorder.calls)

    async def run(self) -> None:
        await asyncio.gather(*(self._client(number) for number in range(CLIENTS)))

    async def answers(self, number: int) -> float:
        """Come back when so many more have been answered; after how long the first was."""
        started, wanted, first = time.monotonic(), self.acknowledged + number, 0.0
        was = self.acknowledged
        while self.acknowledged < wanted:
            await asyncio.sleep(0.002)
            if not first and self.acknowledged > was:
                first = time.monotonic() - started
            assert time.monotonic() < started + 60, "the load does not come back"
        return first

    def stop(self) -> None:
        self._is_over = True

    async def _client(self, number: int) -> None:
        ledger = self._ledgers[number % len(self._ledgers)]

        async def post(posting: Posting) -> Posted:
            return await ledger.post(posting)

        while not self._is_over:
            self._traffic.learn(await self.recorder.send(self._traffic.next(), post))


def lost(calls: list[Call], stored: set[Any]) -> int:
    return sum(isinstance(call.answer, Posted) and call.answer.posting_id not in stored for call in calls)


async def judge(victim: Victim, warehouse: Warehouse, load: Load) -> dict[str, int]:
    """What the books say of the history."""
    admin = await asyncpg.connect(victim.running.admin_url)
    try:
        rows = await admin.fetch("SELECT id FROM postings WHERE tenant_id = $1", warehouse.tenant_id)
        problems = check(load.recorder.calls, warehouse, await read(admin, warehouse))
        report = await verify(admin, warehouse.tenant_id)
    finally:
        await admin.close()
    unknown = [call for call in load.recorder.calls if call.was_unknown]
    return {
        "acknowledged": load.acknowledged,
        "lost": lost(load.recorder.calls, {row["id"] for row in rows}),
        "violations": len(problems),
        "drift": report.drift_count,
        "unknown": len(unknown),
        "of_which_had_committed": sum(call.answer.replayed for call in unknown),
    }


RIGHT = {"lost": 0, "violations": 0, "drift": 0}


async def kill_under_load(
    victim: Victim, *, cycles: int, seed: int, busy: int = 1
) -> tuple[dict[str, int], float]:
    """The figures, and how long the slowest return took."""
    admin = await asyncpg.connect(victim.running.admin_url)
    warehouse = await a_warehouse(admin, products=2, locations=2, bins=2)
    await admin.close()
    databases = [await Database.connect(victim.running.app_url, as_role=None, size=4) for _ in range(2)]
    load = Load(warehouse, [GroupedLedger(database) for database in databases], seed)
    chance, back = random.Random(seed), []
    running = asyncio.create_task(load.run())
    for _ in range(cycles):
        await load.answers(chance.randint(50, 250) * busy)
        await asyncio.sleep(chance.random() * 0.01)
        await asyncio.to_thread(victim.kill)
        await asyncio.to_thread(victim.restart)
        back.append(await load.answers(1))
    load.stop()
    await running
    for database in databases:
        await database.close()
    return await judge(victim, warehouse, load), max(back)


@pytest.mark.parametrize(
    ("cycles", "seed", "busy"), [(3, 20, 1), pytest.param(100, 21, 7, marks=pytest.mark.long)]
)
async def test_nothing_acknowledged_is_lost_when_the_whole_server_is_killed(
    victim: Victim, cycles: int, seed: int, busy: int
) -> None:
    figures, slowest = await kill_under_load(victim, cycles=cycles, seed=seed, busy=busy)

    show("P-20", fault="kill -9 of PostgreSQL", cycles=cycles, **figures, slowest_return=round(slowest, 2))
    assert figures.items() >= RIGHT.items()
    assert slowest <= 10


@pytest.mark.long
async def test_the_loss_of_asynchronous_commits_would_be_seen(victim: Victim) -> None:
    """The test above in red: with commits that are not flushed, acknowledged postings are gone."""
    admin = await asyncpg.connect(victim.running.admin_url)
    await admin.execute("ALTER SYSTEM SET synchronous_commit = off")
    await admin.execute("SELECT pg_reload_conf()")
    await admin.close()

    figures, _ = await kill_under_load(victim, cycles=3, seed=22)

    admin = await asyncpg.connect(victim.running.admin_url)
    await admin.execute("ALTER SYSTEM RESET synchronous_commit")
    await admin.execute("SELECT pg_reload_conf()")
    await admin.close()
    assert figures["lost"] > 0
    assert figures["violations"] > 0
    assert figures["drift"] == 0  # what is left is whole


@pytest.mark.parametrize(("faults", "seed"), [(40, 30), pytest.param(1_000, 31, marks=pytest.mark.long)])
async def test_nothing_acknowledged_is_lost_when_backends_are_ended(
    victim: Victim, faults: int, seed: int
) -> None:
    admin = await asyncpg.connect(victim.running.admin_url)
    warehouse = await a_warehouse(admin, products=2, locations=2, bins=2)
    databases = [await Database.connect(victim.running.app_url, as_role=None, size=4) for _ in range(2)]
    load = Load(warehouse, [GroupedLedger(database) for database in databases], seed)
    chance, hits = random.Random(seed), 0
    running = asyncio.create_task(load.run())

    while hits < faults:
        await load.answers(chance.randint(1, 30))
        act = chance.choice(["pg_terminate_backend", "pg_terminate_backend", "pg_cancel_backend"])
        hits += len(await admin.fetch(ONE_BACKEND.format(act=act)))
    load.stop()
    await running

    sizes = [database.pool.get_size() for database in databases]
    assert [database.pool.get_idle_size() for database in databases] == sizes
    for database in databases:
        await database.close()
    await admin.close()
    figures = await judge(victim, warehouse, load)
    show("P-20", fault="pg_terminate_backend", faults=hits, **figures)
    assert figures.items() >= RIGHT.items()
