"""A job survives the process that runs it, at whatever step that is killed: it is done, and done once."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import asyncpg
import httpx
import psutil
import pytest

from infra.ledger.verify import verify
from infra.postgres import Running
from tests.e2e.api.company import Company, found_company
from tests.e2e.import_api.programs import PATIENCE, Program, a_program, csv_of, finished
from tests.lab import DatabaseUrls, Served, a_database, serve, wait_until_ready

type Connection = asyncpg.Connection[Any]

STEPS = {
    "uoms": "Looking up names",
    "fill_layers": "Applying the records",
    "imports": "Applying the records",
}
"""What a job must get at, and at which step; the last when stock is posted already, and nothing committed."""
SETTLED = 7.0
"""Seconds: the server takes a process that dies sooner for one that cannot start."""
RECORDS = 20


@pytest.fixture(scope="module")
def own_urls(cluster: Running, template: str) -> Iterator[DatabaseUrls]:
    with a_database(cluster, template) as urls:
        yield urls


@pytest.fixture(scope="module")
def mortal(own_urls: DatabaseUrls) -> Iterator[Served]:
    """A server whose one process is killed, and comes again."""
    environment = {"STOREKEEPER_JOB_LOST_SECONDS": "2", "STOREKEEPER_LOCK_TIMEOUT_MS": "120000"}
    with serve(own_urls, workers=1, environment=environment) as served:
        yield served


@pytest.fixture(scope="module")
async def owner(own_urls: DatabaseUrls) -> AsyncGenerator[Connection]:
    connection = await asyncpg.connect(own_urls.admin_url)
    yield connection
    await connection.close()


@pytest.fixture(scope="module")
async def company(owner: Connection) -> Company:
    return await found_company(owner, "mortal", has_documents=False)


@pytest.fixture(scope="module")
async def program(owner: Connection, company: Company, mortal: Served) -> AsyncGenerator[Program]:
    # A connection dies with its process.
    with httpx.Client(base_url=mortal.url, timeout=60, limits=httpx.Limits(max_keepalive_connections=0)) as http:
        yield await a_program(owner, company, http, "manager")


@asynccontextmanager
async def held(urls: DatabaseUrls, table: str) -> AsyncGenerator[None]:
    """A table that nobody else gets at meanwhile."""
    connection = await asyncpg.connect(urls.admin_url)
    try:
        async with connection.transaction():
            await connection.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
            yield
    finally:
        await connection.close()


async def until_blocked(connection: Connection, table: str) -> None:
    """Return when somebody waits for the table."""
    waiting = "SELECT EXISTS (SELECT FROM pg_locks WHERE relation = $1::text::regclass AND NOT granted)"
    while not await connection.fetchval(waiting, table):  # noqa: ASYNC110 - the database tells nobody
        await asyncio.sleep(0.05)


async def settled(served: Served) -> int:
    """The process that serves, when it has done so for a while."""
    (worker,) = served.workers()
    while time.time() - psutil.Process(worker).create_time() < SETTLED:  # noqa: ASYNC110 - nor do processes
        await asyncio.sleep(0.2)
    return worker


async def stock(connection: Connection, company: Company) -> Decimal:
    found: Decimal = await connection.fetchval(
        "SELECT on_hand FROM stock_lines WHERE tenant_id = $1 AND id = $2::uuid",
        company.tenant_id,
        company.facts["inventoryItemId"],
    )
    return found


@pytest.mark.parametrize("table", STEPS)
async def test_at_whatever_step_its_process_is_killed_an_import_is_done_and_done_once(
    own_urls: DatabaseUrls, mortal: Served, owner: Connection, program: Program, table: str
) -> None:
    month = 1 + list(STEPS).index(table)
    records = [program.record(n, date_filled=f"2025-{month:02}-{n:02}") for n in range(1, RECORDS + 1)]
    before = await stock(owner, program.company)
    worker = await settled(mortal)

    async with asyncio.timeout(PATIENCE), held(own_urls, table):
        job = program.upload(csv_of(*records)).json()["content"]["job_log_id"]
        await until_blocked(owner, table)
        assert await owner.fetchval("SELECT current_step FROM jobs WHERE id = $1::uuid", job) == STEPS[table]
        os.kill(worker, signal.SIGKILL)
    wait_until_ready(mortal)
    status = finished(program, job)

    assert status["status"] == "completed", status
    assert (status["result"]["created"], status["result"]["failed"]) == (RECORDS, 0)
    assert await owner.fetchval("SELECT attempt FROM jobs WHERE id = $1::uuid", job) > 1
    assert await stock(owner, program.company) == before + sum(range(1, RECORDS + 1))
    postings = "SELECT count(*) FROM postings WHERE tenant_id = $1 AND source_id = $2"
    assert await owner.fetchval(postings, program.company.tenant_id, job) == 1
    assert (await verify(own_urls.admin_url, program.company.tenant_id)).is_clean
