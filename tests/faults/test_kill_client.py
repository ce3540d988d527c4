"""P-20: a killed application process loses nothing that it acknowledged, and its successor repeats nothing."""

import asyncio
import sys
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from domain.ledger.model import Posted
from infra.db.pool import Database
from infra.ledger.grouping import GroupedLedger
from infra.ledger.verify import verify
from tests.lab import DatabaseUrls
from tests.ledger.builders import a_move, a_warehouse
from tests.ledger.promises import show

POSTINGS = 600
STORED = "SELECT count(*) FROM postings WHERE tenant_id = $1 AND idempotency_key = ANY ($2::text[])"
OPEN = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND application_name = 'storekeeper' AND xact_start IS NOT NULL
"""


async def run(url: str, tenant_id: UUID, line_id: UUID, *, kill_after: int | None) -> list[str]:
    """What a process acknowledged until it ended, or was killed."""
    command = [sys.executable, "-m", "tests.ledger.keyed_writer", url, str(tenant_id), str(line_id), str(POSTINGS)]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    acknowledged = []
    async for line in process.stdout:
        acknowledged.append(f"key {line.decode().strip()}")
        if len(acknowledged) == kill_after:
            process.kill()
    await process.wait()
    return acknowledged


@pytest.mark.parametrize("kills", [3, pytest.param(100, marks=pytest.mark.long)])
async def test_a_killed_process_leaves_whole_postings_and_no_transaction(
    database_urls: DatabaseUrls, kills: int
) -> None:
    admin: asyncpg.Connection[Any] = await asyncpg.connect(database_urls.admin_url)
    database = await Database.connect(database_urls.app_url, as_role=None)
    total = 0
    for number in range(kills):
        warehouse = await a_warehouse(admin)
        tenant_id = warehouse.tenant_id
        opening = await GroupedLedger(database).post(a_move(warehouse.shelf(), 1), tenant_id=tenant_id)
        assert isinstance(opening, Posted)
        line_id = opening.movements[0].line_id

        first = await run(database_urls.app_url, tenant_id, line_id, kill_after=100 + 37 * (number % 10))
        assert await admin.fetchval(STORED, tenant_id, first) == len(first)
        again = await run(database_urls.app_url, tenant_id, line_id, kill_after=None)

        assert len(again) == POSTINGS
        balance = "SELECT on_hand FROM stock_lines WHERE tenant_id = $1"
        assert await admin.fetchval(balance, tenant_id) == 1 + POSTINGS
        assert (await verify(admin, tenant_id)).drifts == ()
        total += len(first)
    assert await admin.fetchval(OPEN) == 0
    await database.close()
    await admin.close()
    show("P-20", fault="kill -9 of a client process", kills=kills, acknowledged=total, lost=0, doubled=0)
