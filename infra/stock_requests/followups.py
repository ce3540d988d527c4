"""What follows when stock comes in: those who wait for it are served, in a transaction of their own.

Not in the transaction that brought it: that one holds stock, and a request is locked before the stock that it
takes, so the two would wait for each other. Nothing is lost with a process that ends in between or an attempt that
fails: what still waits is found by the next arrival of the product, or by who asks for it
(`POST /api/stock-requests/allocate-backorders`).
"""

import asyncio
import contextvars
import random
from collections import deque
from collections.abc import Iterable
from uuid import UUID

import msgspec
import structlog

from domain.access.model import Act, Permission
from domain.errors import ContentionError
from domain.stock_requests.allocating import AT_ONCE, allocate_backorders
from infra.db.pool import Database
from infra.db.work import beginning
from infra.stock_requests.work import StockRequestSqlWork

ATTEMPTS = 4
PATIENCE = 5.0
"""Seconds that the end of the process is put off for."""
QUEUE_LIMIT = 10_000
"""Arrivals; beyond them the next arrival of a product makes up for the one that was not followed."""
# $1 tenant, $2 location, $3 products: those that somebody waits for there.
WAITED_FOR = """
    SELECT p.id FROM unnest($3::uuid[]) AS p (id)
    WHERE EXISTS (
        SELECT 1 FROM stock_request_lines l
        JOIN stock_requests r ON r.tenant_id = l.tenant_id AND r.id = l.request_id
        WHERE l.tenant_id = $1 AND r.tenant_id = $1 AND l.product_id = p.id AND l.backordered > 0
            AND r.origin_location_id = $2 AND r.state IN ('APPROVED', 'PICKING')
    )
    ORDER BY p.id
"""

_log = structlog.get_logger("storekeeper.followups")


class _Arrival(msgspec.Struct, frozen=True, kw_only=True):
    act: Act
    location_id: UUID
    product_ids: frozenset[UUID]


class BackorderFollowups:
    """The `Followups` port: one arrival after the other, over one connection of the pool at most."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._begin = beginning(database, StockRequestSqlWork)
        self._arrivals: deque[_Arrival] = deque()
        self._worker: asyncio.Task[None] | None = None

    def arrived(self, act: Act, location_id: UUID, product_ids: Iterable[UUID]) -> None:
        """Follow an arrival that has been committed; returns at once."""
        if len(self._arrivals) >= QUEUE_LIMIT:
            _log.warning("arrival_not_followed", location=str(location_id), request_id=act.request_id)
            return
        arrival = _Arrival(act=_system(act), location_id=location_id, product_ids=frozenset(product_ids))
        self._arrivals.append(arrival)
        if self._worker is None or self._worker.done():
            # It outlives the request, so it has none of the request's context: no trace, no line in the log.
            self._worker = asyncio.create_task(
                self._work(), name="backorder-followups", context=contextvars.Context()
            )

    async def settled(self) -> None:
        """Return when all that has arrived has been followed."""
        while self._worker is not None and not self._worker.done():
            await asyncio.wait([self._worker])

    async def finish(self) -> None:
        """Follow what has arrived before the process ends, as far as that takes no longer than a moment."""
        try:
            async with asyncio.timeout(PATIENCE):
                await self.settled()
        except TimeoutError:
            _log.warning("arrivals_not_followed", arrivals=len(self._arrivals))
            if self._worker is not None:
                self._worker.cancel()

    async def _work(self) -> None:
        while self._arrivals:
            arrival = self._arrivals.popleft()
            try:
                await self._follow(arrival)
            except Exception as error:  # noqa: BLE001 - what waits goes on waiting; the arrival was answered
                _log.warning(
                    "arrival_not_followed",
                    location=str(arrival.location_id),
                    request_id=arrival.act.request_id,
                    error=type(error).__name__,
                    exc_info=True,
                )

    async def _follow(self, arrival: _Arrival) -> None:
        async with self._database.bound(arrival.act.tenant_id) as driver:
            rows = await driver.fetch(
                WAITED_FOR, arrival.act.tenant_id, arrival.location_id, list(arrival.product_ids)
            )
        for row in rows:
            # By product, so that those who wait for one do not stand in the way of those who wait for another.
            while await self._served(arrival, row["id"]) == AT_ONCE:
                pass

    async def _served(self, arrival: _Arrival, product_id: UUID) -> int:
        """How many were given something of a product, and of what else they wait for."""
        for attempt in range(1, ATTEMPTS):
            try:
                return await self._allocated(arrival, product_id)
            except ContentionError:
                await asyncio.sleep(random.uniform(0, 0.02 * 2**attempt))  # noqa: S311 - jitter, no secret
        return await self._allocated(arrival, product_id)

    async def _allocated(self, arrival: _Arrival, product_id: UUID) -> int:
        async with self._begin(arrival.act) as work:
            return len(await allocate_backorders(work, location_id=arrival.location_id, product_ids=[product_id]))


def _system(act: Act) -> Act:
    """The follow-up of an act: in the name of who brought the stock, wherever those are who wait for it."""
    caller = msgspec.structs.replace(act.caller, rights={Permission.STOCKREQUESTS_WRITE: None})
    return msgspec.structs.replace(act, caller=caller, permission=Permission.STOCKREQUESTS_WRITE, idempotency=None)
