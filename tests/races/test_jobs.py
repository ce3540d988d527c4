"""A worker that is killed at any step loses no job and does none twice."""

import os
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator, Iterator

import asyncpg
import pytest

from domain.jobs.model import JobState
from tests.jobs_lab import Shop, a_shop
from tests.lab import DatabaseUrls
from tests.ledger.builders import a_warehouse
from tests.races.victims import POINTS

ROUNDS = 2


@pytest.fixture(scope="module")
async def shop(database_urls: DatabaseUrls) -> AsyncGenerator[Shop]:
    async with a_shop(database_urls) as made:
        yield made


@pytest.fixture
def victims(shop: Shop) -> Iterator[subprocess.Popen[bytes]]:
    """Two workers, for as long as the test; whoever is killed is followed by another."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.races.victims", shop.urls.app_url], start_new_session=True
    )
    yield process
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


async def test_a_job_is_done_once_wherever_its_worker_is_killed(
    shop: Shop, victims: subprocess.Popen[bytes]
) -> None:
    admin = await asyncpg.connect(shop.urls.admin_url)
    try:
        warehouse = await a_warehouse(admin)
        there = Shop(database=shop.database, urls=shop.urls, tenant_id=warehouse.tenant_id)
        shelf = warehouse.shelf()
        arguments = {"product": shelf.product_id, "location": shelf.location_id}
        asked = [
            await there.ask("receive", {**arguments, "dies": point}, attempts_max=100)
            for _ in range(ROUNDS)
            for point in POINTS
        ]

        jobs = [await there.until(id_) for id_ in asked]
        await there.until_empty()
        received = await admin.fetchval(
            "SELECT sum(delta) FROM movements WHERE tenant_id = $1 AND kind = 'RECEIPT'", warehouse.tenant_id
        )
    finally:
        await admin.close()

    assert {job.state for job in jobs} == {JobState.SUCCEEDED}
    assert received == len(asked), "each was received once"
    assert victims.poll() is None
