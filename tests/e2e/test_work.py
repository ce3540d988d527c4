"""Workers in processes of their own: `storekeeper work`."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path

import pytest

from domain.jobs.model import JobState
from tests.jobs_lab import PATIENCE, Shop, a_shop
from tests.lab import DatabaseUrls

COMMAND = (sys.executable, "-m", "app")


@pytest.fixture
async def shop(database_urls: DatabaseUrls) -> AsyncGenerator[Shop]:
    async with a_shop(database_urls, "work") as made:
        yield made


@pytest.fixture
def environment(database_urls: DatabaseUrls, tmp_path: Path) -> dict[str, str]:
    return {
        **os.environ,
        "DATABASE_URL": database_urls.app_url,
        "DATABASE_ADMIN_URL": database_urls.admin_url,
        "STOREKEEPER_DATA": str(tmp_path),
        "STOREKEEPER_JOBS": "outside",
        "STOREKEEPER_SCHEDULES": "off",
    }


@pytest.fixture
def worker(environment: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([*COMMAND, "work"], env=environment)
    yield process
    process.kill()
    process.wait()


async def test_a_worker_does_what_the_command_line_asks_for_and_stops_when_told_to(
    shop: Shop, environment: dict[str, str], worker: subprocess.Popen[bytes]
) -> None:
    arguments = (*COMMAND, "jobs", "run", "ledger-verify", "--tenant", "work")
    asking = await asyncio.create_subprocess_exec(*arguments, env=environment, stdout=subprocess.PIPE)
    said, _ = await asking.communicate()
    (job,) = await shop.jobs()
    done = await shop.until(job.id)
    worker.send_signal(signal.SIGTERM)
    code = await asyncio.to_thread(worker.wait, PATIENCE)

    assert said.decode().strip() == str(job.id)
    assert (done.state, done.creator) == (JobState.SUCCEEDED, "Storekeeper")
    assert code == 0
