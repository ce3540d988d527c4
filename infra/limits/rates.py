"""Rates of requests over all processes, without a round trip for each.

Each process leases a few requests at a time from a row in the database, and gives them out by itself. A lease is
at most a sixteenth of what is left, and no more than what is used in about a second; so when the limit is near,
little lies idle with one process while another has none. The windows are those of the database's clock.
"""

import asyncio
import time
from collections.abc import Callable
from uuid import UUID

import msgspec

from domain.access.limits import Allowance, RateClass, Rates
from domain.access.model import Caller
from infra.db.pool import Database
from infra.observability.metrics import RATE_LEASES, RATE_REFUSALS

LEASE = "SELECT granted, remaining, seconds FROM rate_lease($1, $2, $3, $4, $5)"

SMALLEST_LEASE = 8
_SHORT_SECONDS, _LONG_SECONDS = 0.5, 2.0
"""A lease that was used up sooner was too small, one that lasted longer too large."""
REMEMBERED = 20_000


class _Share(msgspec.Struct, kw_only=True, eq=False):
    """What this process holds of one limit; times are of its monotonic clock."""

    subject: UUID
    rate_class: RateClass
    limit: int
    whose: str
    left: int = 0
    elsewhere: int = 0
    """What was left in the database after the last lease."""
    until: float = 0.0
    is_spent: bool = False
    leased_at: float = 0.0
    size: int = SMALLEST_LEASE
    waiting: int = 0
    lease: "asyncio.Task[None] | None" = None


class LeasedRates:
    """The `RateLimiter` port."""

    def __init__(
        self, database: Database, rates: Rates, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._database = database
        self._rates = rates
        self._monotonic = monotonic
        self._shares: dict[tuple[UUID, RateClass], _Share] = {}
        self._known: dict[tuple[UUID, UUID, RateClass], tuple[_Share, ...]] = {}

    async def admit(self, caller: Caller, rate_class: RateClass) -> Allowance | None:
        key = (caller.tenant_id, caller.principal_id, rate_class)
        shares = self._known.get(key)
        if shares is None:
            shares = self._known[key] = self._shares_of(*key)
        if not shares:
            return None
        while True:
            now = self._monotonic()
            wanting = None
            for share in shares:
                if now >= share.until or (share.left <= 0 and not share.is_spent):
                    wanting = share
                elif share.is_spent and share.left <= 0:
                    RATE_REFUSALS.labels(share.whose, rate_class).inc()
                    return _allowance(share, now, is_refused=True)
            if wanting is None:
                break
            await self._leased(shares, wanting, now)
        closest = shares[0]
        for share in shares:
            share.left -= 1
            if share.left + share.elsewhere < closest.left + closest.elsewhere:
                closest = share
        return _allowance(closest, now)

    def _shares_of(self, tenant_id: UUID, principal_id: UUID, rate_class: RateClass) -> tuple[_Share, ...]:
        """The caller's and the tenant's: always in this order, so that leases do not wait for each other."""
        if len(self._known) >= REMEMBERED:  # what is forgotten is leased anew
            self._known.clear()
            self._shares.clear()
        limits = (
            (principal_id, "caller", self._rates.of_caller.get(rate_class, 0)),
            (tenant_id, "tenant", self._rates.of_tenant.get(rate_class, 0)),
        )
        return tuple(
            self._shares.setdefault(
                (subject, rate_class), _Share(subject=subject, rate_class=rate_class, limit=limit, whose=whose)
            )
            for subject, whose, limit in limits
            if limit > 0
        )

    async def _leased(self, shares: tuple[_Share, ...], wanting: _Share, now: float) -> None:
        """Wait until somebody has leased more; one request of this process does it for all."""
        if wanting.lease is None:
            together = [
                share
                for share in shares
                if share.lease is None and (now >= share.until or (share.left <= 0 and not share.is_spent))
            ]
            task = asyncio.create_task(self._lease(together))
            for share in together:
                share.lease = task
        lease = wanting.lease
        assert lease is not None
        wanting.waiting += 1
        try:
            # One that goes away must not take the lease from the others.
            await asyncio.shield(lease)
        finally:
            wanting.waiting -= 1

    async def _lease(self, shares: list[_Share]) -> None:
        try:
            began = self._monotonic()
            for share in shares:
                if began - share.leased_at < _SHORT_SECONDS:
                    share.size = min(share.size * 2, share.limit)
                elif began - share.leased_at > _LONG_SECONDS:
                    share.size = max(share.size // 2, SMALLEST_LEASE)
            async with self._database.unbound() as driver:
                # The time of the answer counts as used: a window may end early here, never late.
                began = self._monotonic()
                rows = await driver.fetch(
                    LEASE,
                    [share.subject for share in shares],
                    [share.rate_class for share in shares],
                    [share.limit for share in shares],
                    [max(share.size, share.waiting) for share in shares],
                    self._rates.window_seconds,
                )
            RATE_LEASES.inc()
            for share, (granted, remaining, seconds) in zip(shares, rows, strict=True):
                share.left = granted
                share.elsewhere = remaining
                share.is_spent = granted == 0
                share.leased_at = began
                share.until = began + seconds
        finally:
            for share in shares:
                share.lease = None


def _allowance(share: _Share, now: float, *, is_refused: bool = False) -> Allowance:
    return Allowance(
        limit=share.limit,
        remaining=share.left + share.elsewhere,
        seconds=share.until - now,
        whose=share.whose,
        is_refused=is_refused,
    )
