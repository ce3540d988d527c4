"""A dispatcher in a process of its own, to be killed: `python -m tests.e2e.webhooks.dispatching <database>`."""

import asyncio
import sys

import uvloop

from domain.webhooks.addresses import AddressRules
from domain.webhooks.delivering import Pace
from infra.access.store import SqlAccess
from infra.authz.lazy import LazyPolicy
from infra.db.pool import Database
from infra.webhooks.dispatcher import Dispatcher

RULES = AddressRules(allows_private=True)
HASTE = Pace(
    attempts_max=1_000,
    first_wait=0.02,
    factor=1.5,
    longest_wait=0.2,
    rest_after=20,
    pause_after=100_000,
    read_seconds=0.5,
    total_seconds=2.0,
)


def dispatcher_of(database: Database, *, pace: Pace = HASTE, lease_seconds: float = 1.0) -> Dispatcher:
    policy = LazyPolicy(SqlAccess(database))
    return Dispatcher(database, policy, RULES, pace=pace, lease_seconds=lease_seconds, every=0.1)


async def _dispatch(url: str) -> None:
    database = await Database.connect(url, size=4)
    await dispatcher_of(database).start()
    sys.stdout.write("started\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(_dispatch(sys.argv[1]))
