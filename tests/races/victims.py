"""Workers that are killed at their work: `python -m tests.races.victims <address>`.

Two processes at a time do jobs; each job names the point at which its first attempt kills its process. Who dies is
followed by another, forked from what is loaded already.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

# All that a child needs is loaded before it is forked.
import infra.jobs.transport  # noqa: F401
from domain.jobs.ports import Running
from domain.ledger.model import Entry, Kind, Posting
from domain.values import new_id
from infra.access.store import SqlAccess
from infra.authz.lazy import LazyPolicy
from infra.db.pool import Database
from infra.db.work import SqlWork, beginning
from infra.jobs.actors import SqlActors
from infra.jobs.attempts import SqlAttempts
from infra.jobs.runner import Runner
from infra.jobs.worker import JobWorker

POINTS = ("begun", "stepped", "posted", "finished", "committed")
PROCESSES = 2


def receiving(database: Database) -> Any:
    """A handler that posts one piece onto a shelf, and dies where it is told to."""
    begin = beginning(database, SqlWork)

    async def receive(running: Running) -> Mapping[str, Any]:
        said = running.job.arguments

        def reach(point: str) -> None:
            if running.job.attempt == 1 and said["dies"] == point:
                os.kill(os.getpid(), signal.SIGKILL)

        reach("begun")
        await running.step("half of it", 1, 2)
        reach("stepped")
        async with begin(running.act) as work:
            entry = Entry(
                kind=Kind.RECEIPT,
                product_id=UUID(said["product"]),
                location_id=UUID(said["location"]),
                delta=Decimal(1),
            )
            await work.post(Posting(id=new_id(), kind=Kind.RECEIPT, entries=(entry,)))
            reach("posted")
            await running.finish_in(work, {"attempt": running.job.attempt})
            reach("finished")
        reach("committed")
        return {}

    return receive


async def _work(url: str) -> None:
    database = await Database.connect(url, size=4)
    actors = SqlActors(database, LazyPolicy(SqlAccess(database)))
    runner = Runner(SqlAttempts(database), actors, {"receive": receiving(database)})
    worker = JobWorker(url, runner, hands=2, heartbeat=timedelta(seconds=1))
    await worker.start()
    await asyncio.Event().wait()


def main() -> None:
    children: set[int] = set()
    while True:
        while len(children) < PROCESSES:
            child = os.fork()
            if child == 0:
                asyncio.run(_work(sys.argv[1]))
            children.add(child)
        pid, _ = os.wait()
        children.discard(pid)


if __name__ == "__main__":
    main()
