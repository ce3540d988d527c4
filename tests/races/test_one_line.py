"""P-02: every acknowledged change of one line is in its balance exactly once.

Seen red with the sabotage `no-line-lock`: two processes read the same balance, and one's changes are overwritten.
"""

import asyncio
import json
import sys
import time
from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from domain.ledger.model import Posted
from infra.ledger.verify import verify
from tests.lab import DatabaseUrls
from tests.ledger.builders import a_move, a_warehouse
from tests.ledger.promises import show
from tests.races.pools import HOLD_LINE, Pools, gate

type Admin = asyncpg.Connection[Any]
PROCESSES = 2


async def a_writer(urls: DatabaseUrls, *arguments: object) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.ledger.writer", urls.app_url, *map(str, arguments)]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    try:
        output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0
    found: dict[str, Any] = json.loads(output)
    return found


@pytest.mark.parametrize("postings", [10_000, pytest.param(1_000_000, marks=pytest.mark.long)])
async def test_no_change_of_one_line_is_lost(
    admin: Admin, pools: Pools, database_urls: DatabaseUrls, postings: int
) -> None:
    warehouse, stock = await a_warehouse(admin), 1_000_000
    opening = await pools.alone(0, a_move(warehouse.shelf(), stock), warehouse)
    assert isinstance(opening, Posted)
    tenant_id, line_id = warehouse.tenant_id, opening.movements[0].line_id
    share = postings // PROCESSES

    async with gate(database_urls, HOLD_LINE, tenant_id, line_id) as held:
        writers = [
            asyncio.create_task(a_writer(database_urls, tenant_id, line_id, share, seed))
            for seed in range(PROCESSES)
        ]
        await held.crowd(PROCESSES)
        started = time.perf_counter()
    found = await asyncio.gather(*writers)
    seconds = time.perf_counter() - started

    acknowledged = sum(one["acknowledged"] for one in found)
    assert acknowledged == postings
    line = await the_line(admin, tenant_id, line_id)
    assert line["on_hand"] == stock + sum(Decimal(one["total"]) for one in found)
    assert line["version"] == acknowledged + 1
    assert (line["n"], line["lowest"], line["highest"]) == (acknowledged + 1, 1, acknowledged + 1)
    assert (await verify(admin, tenant_id)).drifts == ()
    show(
        "P-02",
        processes=PROCESSES,
        acknowledged=acknowledged,
        lost=0,
        duplicate=0,
        version_gaps=0,
        per_second=round(acknowledged / seconds),
    )


async def the_line(admin: Admin, tenant_id: UUID, line_id: UUID) -> Any:
    return await admin.fetchrow(
        """
        SELECT s.on_hand, s.version, count(DISTINCT m.line_version) AS n, min(m.line_version) AS lowest,
            max(m.line_version) AS highest
        FROM stock_lines s JOIN movements m ON m.tenant_id = s.tenant_id AND m.line_id = s.id
        WHERE s.tenant_id = $1 AND s.id = $2 GROUP BY s.on_hand, s.version
        """,
        tenant_id,
        line_id,
    )
