"""Two application processes in one: two pools, each with a ledger of its own, and a gate to hold them at."""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, Self

import asyncpg
import msgspec

from domain.errors import DomainError
from domain.ledger.model import Posted, Posting
from infra.db.pool import Database
from infra.ledger.grouping import GroupedLedger
from infra.ledger.post import post
from tests.lab import DatabaseUrls
from tests.ledger.builders import Warehouse

WAITING = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND wait_event_type = 'Lock' AND application_name = 'storekeeper'
"""
PATIENCE = 30.0


class Pools(msgspec.Struct, frozen=True):
    """What the clients of a race use."""

    databases: tuple[Database, ...]
    ledgers: tuple[GroupedLedger, ...]

    @classmethod
    async def open(cls, urls: DatabaseUrls, *, pools: int = 2, size: int = 8) -> Self:
        databases = [
            await Database.connect(urls.app_url, as_role=None, size=size, lock_timeout_ms=20_000)
            for _ in range(pools)
        ]
        return cls(tuple(databases), tuple(GroupedLedger(database) for database in databases))

    async def close(self) -> None:
        for database in self.databases:
            await database.close()

    async def alone(self, number: int, posting: Posting, warehouse: Warehouse) -> Posted | DomainError:
        """Post past the grouping, on one of the pools in turn: a statement at once for each connection.

        What the database itself refuses comes out as it is, deadlocks too.
        """
        async with self.databases[number % len(self.databases)].bound(warehouse.tenant_id) as driver:
            (answer,) = await post(driver, [posting])
        return answer

    async def grouped(self, number: int, posting: Posting, warehouse: Warehouse) -> Posted | DomainError:
        """Post as the application does, by one of the ledgers in turn."""
        ledger = self.ledgers[number % len(self.ledgers)]
        try:
            return await ledger.post(posting, tenant_id=warehouse.tenant_id)
        except DomainError as refused:
            return refused


class Gate:
    """A lock that everybody needs, in the hands of a third party."""

    def __init__(self, holder: "asyncpg.Connection[Any]", watcher: "asyncpg.Connection[Any]") -> None:
        self._holder = holder
        self._watcher = watcher

    async def crowd(self, number: int) -> None:
        """Come back when so many stand before it."""
        deadline = time.monotonic() + PATIENCE
        while (waiting := await self._watcher.fetchval(WAITING)) < number:
            assert time.monotonic() < deadline, f"only {waiting} of {number} have come"
            await asyncio.sleep(0.005)

    async def execute(self, statement: str, *arguments: object) -> None:
        """Do something in the same transaction, for all to find when the gate opens."""
        await self._holder.execute(statement, *arguments)


@asynccontextmanager
async def gate(urls: DatabaseUrls, statement: str, *arguments: object) -> AsyncGenerator[Gate]:
    """Hold what `statement` locks until the block ends."""
    holder, watcher = [await asyncpg.connect(urls.admin_url) for _ in range(2)]
    try:
        async with holder.transaction():
            await holder.execute(statement, *arguments)
            yield Gate(holder, watcher)
    finally:
        await holder.close()
        await watcher.close()


HOLD_LINE = "SELECT 1 FROM stock_lines WHERE tenant_id = $1 AND id = $2 FOR UPDATE"
HOLD_HEAD = "SELECT 1 FROM ledger_heads WHERE tenant_id = $1 FOR UPDATE"
