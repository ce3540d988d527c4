"""The real ledger for tests that are not coroutines themselves: hypothesis calls plain functions."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import asyncpg

from infra.db.pool import Database
from infra.ledger.grouping import GroupedLedger
from tests.lab import DatabaseUrls


class Bench:
    """A connection past the walls, the ledger over a pool, and a loop to run them in."""

    def __init__(self, urls: DatabaseUrls) -> None:
        self._runner = asyncio.Runner(loop_factory=asyncio.new_event_loop)
        self.admin = self.run(asyncpg.connect(urls.admin_url))
        self.database = self.run(Database.connect(urls.app_url, as_role=None, size=2))
        self.ledger = GroupedLedger(self.database)

    def run[T](self, work: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(work)

    def close(self) -> None:
        self.run(self.database.close())
        self.run(self.admin.close())
        self._runner.close()
