"""Refused authorizations, written down by the one statement that may (migrations/sql/0002_audit.sql)."""

import asyncio
import time
from collections.abc import Callable
from functools import partial
from uuid import UUID

import asyncpg
import structlog

from domain.access.ports import Refused
from domain.errors import DomainError
from infra.access.memory import Memory
from infra.db.pool import Database
from infra.db.work import encoded, who_acts
from infra.observability.metrics import REFUSALS

RECORD = "SELECT audit_refused($1, $2, $3, $4)"
BURST = 200
"""How many in a row are recorded by a process, of one caller: nobody's flood hides what others were refused."""
EACH_SECOND = 20.0
"""How many of one it records in the long run: whoever is refused all day must not fill the disk."""
CALLERS = 10_000
"""Those who are remembered; who is forgotten has a burst again."""
PATIENCE_SECONDS = 2.0

_log = structlog.get_logger("storekeeper.access")


class Allowance:
    """So many at once, and so many a second."""

    def __init__(self, burst: int, each_second: float, monotonic: Callable[[], float]) -> None:
        self._burst = float(burst)
        self._each_second = each_second
        self._monotonic = monotonic
        self._left = self._burst
        self._at = monotonic()

    def take(self) -> bool:
        now = self._monotonic()
        self._left = min(self._burst, self._left + (now - self._at) * self._each_second)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


class SqlRefusals:
    """The `Refusals` port."""

    def __init__(
        self,
        database: Database,
        *,
        burst: int = BURST,
        each_second: float = EACH_SECOND,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._new_allowance = partial(Allowance, burst, each_second, monotonic)
        self._allowances: Memory[UUID, Allowance] = Memory(CALLERS)

    async def record(self, refused: Refused) -> None:
        """One statement; none when there are too many, which are only counted."""
        if not self._allowance(refused.caller.principal_id).take():
            REFUSALS.labels("counted").inc()
            return
        try:
            async with asyncio.timeout(PATIENCE_SECONDS), self._database.bound(refused.caller.tenant_id) as driver:
                await driver.execute(
                    RECORD,
                    refused.action,
                    encoded(refused.facts),
                    list(refused.location_ids),
                    who_acts(refused.caller, refused.request_id),
                )
        except (TimeoutError, OSError, DomainError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            REFUSALS.labels("failed").inc()
            _log.error("refusal_not_recorded", action=refused.action, error=type(error).__name__)
        else:
            REFUSALS.labels("recorded").inc()

    def _allowance(self, principal_id: UUID) -> Allowance:
        allowance = self._allowances.get(principal_id)
        if allowance is None:
            allowance = self._new_allowance()
            self._allowances.put(principal_id, allowance)
        return allowance
