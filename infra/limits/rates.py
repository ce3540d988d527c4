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
        # By what they are in memory: callers and classes stay the same objects from request to request, and
        # to compare their contents would cost more than all the rest. The caller is kept, so that its place is.
        self._known: dict[tuple[int, int], tuple[Caller, tuple[_Share, ...]]] = {}

    async def admit(self, caller: Caller, rate_class: RateClass) -> Allowance | None:
        known = self._known.get((id(caller), id(rate_class)))
        if known is None:
            known = self._know(caller, rate_class)
        shares = known[1]
        while True:
            now = self._monotonic()
            for share in shares:
                if share.left > 0 and now < share.until:
                    continue
                if share.is_spent and now < share.until:
                    RATE_REFUSALS.labels(share.whose, rate_class).inc()
                    return _allowance(share, now, is_refused=True)
                await self._leased(shares, share, now)
                break
            else:
                break
        closest = None
        for share in shares:
            share.left -= 1
            if closest is None or share.left + share.elsewhere < closest.left + closest.elsewhere:
                closest = share
        return None if closest is None else _allowance(closest, now)

    def _know(self, caller: Caller, rate_class: RateClass) -> tuple[Caller, tuple[_Share, ...]]:
        if len(self._known) >= REMEMBERED:
            self._known.clear()
        if len(self._shares) >= REMEMBERED:  # what is forgotten is leased anew
            self._shares.clear()
            self._known.clear()
        known = (caller, self._shares_of(caller, rate_class))
        self._known[id(caller), id(rate_class)] = known
        return known

    def _shares_of(self, caller: Caller, rate_class: RateClass) -> tuple[_Share, ...]:
        """The caller's and the tenant's: always in this order, so that leases do not wait for each other."""
        limits = (
            (caller.principal_id, "caller", self._rates.of_caller.get(rate_class, 0)),
            (caller.tenant_id, "tenant", self._rates.of_tenant.get(rate_class, 0)),
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
    return Allowance(share.limit, share.left + share.elsewhere, share.until - now, share.whose, is_refused)
