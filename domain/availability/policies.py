"""Which policy counts for a channel, a location and a product, and what a policy may say. Pure functions."""

from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from uuid import UUID

from domain.availability.model import DEFAULTS, ZERO, Period, Policy
from domain.errors import FieldError

PRIORITY_LOWEST = 1000
PERCENT_MAX = 100
LIFE_DAYS_MAX = 36_500
CHANNEL, LOCATION, PRODUCT = 1, 2, 4

type Place = tuple[UUID | None, UUID | None, UUID | None]
"""A policy's natural key: channel, location and product, each of them or any."""


def key(policy: Policy) -> Place:
    return policy.channel_id, policy.location_id, policy.product_id


def specificity(policy: Policy) -> int:
    """How special a policy is: with a product, it beats all without; then counts a location, then a channel.

    No two combinations weigh the same, so there is always one most special policy for a channel, a location and a
    product. One for a product here (6) goes before one for a channel's product anywhere (5).
    """
    named = policy.channel_id is not None, policy.location_id is not None, policy.product_id is not None
    return sum(weight for weight, is_named in zip((CHANNEL, LOCATION, PRODUCT), named, strict=True) if is_named)


class Policies:
    """The policies of a tenant, or of one location of it, to look up in."""

    def __init__(self, policies: Iterable[Policy]) -> None:
        self._by_place: dict[Place, Policy] = {}
        for policy in policies:
            assert key(policy) not in self._by_place, "the combination is a natural key"
            self._by_place[key(policy)] = policy
        self._ranks = sorted({specificity(policy) for policy in self._by_place.values()}, reverse=True)

    def most_specific(self, *, channel_id: UUID | None, location_id: UUID, product_id: UUID) -> Policy:
        """The policy that counts, as a whole: nothing is mixed in from less special ones.

        `DEFAULTS` where there is none. A caller without a channel comes under no policy either, but for one that
        names no channel and closes the place.
        """
        for rank in self._ranks:
            place = (
                channel_id if rank & CHANNEL else None,
                location_id if rank & LOCATION else None,
                product_id if rank & PRODUCT else None,
            )
            found = self._by_place.get(place)
            if found is not None:
                return found if channel_id is not None or found.is_closed else DEFAULTS
        return DEFAULTS


def check(policy: Policy) -> None:
    """Refuse a policy that cannot be meant.

    Raises:
        FieldError: with the path of each field and what it must be.
    """
    found = list(problems(policy))
    if found:
        raise FieldError(*found)


def problems(policy: Policy) -> Iterator[tuple[str, str]]:
    """What is wrong with a policy: the path of each field and what it must be."""
    for path, quantity in (
        ("fence", policy.fence),
        ("bufferUnits", policy.buffer_units),
        ("ceiling", policy.ceiling),
        ("criticalThreshold", policy.critical_threshold),
    ):
        if quantity is not None and quantity < ZERO:
            yield path, "must not be less than zero"
    if not ZERO <= policy.buffer_percent <= PERCENT_MAX:
        yield "bufferPercent", "must be between 0 and 100"
    if policy.buffer_percent and policy.buffer_units:
        yield "bufferPercent", "cannot go with bufferUnits: a buffer is in units or in percent"
    if policy.low_threshold < policy.critical_threshold:
        yield "lowThreshold", "must not be less than criticalThreshold"
    if not 1 <= policy.priority <= PRIORITY_LOWEST:
        yield "priority", f"must be between 1, the highest, and {PRIORITY_LOWEST}"
    if not 0 <= policy.min_remaining_days <= LIFE_DAYS_MAX:
        yield "minRemainingShelfLifeDays", f"must be between 0 and {LIFE_DAYS_MAX}"


def period_start(period: Period, today: date) -> date | None:
    """The first day of the current period of a ceiling, at the location; None when it has none.

    A week starts on Monday.
    """
    match period:
        case Period.DAY:
            return today
        case Period.WEEK:
            return today - timedelta(days=today.weekday())
        case Period.MONTH:
            return today.replace(day=1)
        case Period.TOTAL:
            return None
