"""What a channel may promise, and every term behind it."""

from datetime import date, timedelta
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

import msgspec

ZERO = Decimal(0)


class Mode(StrEnum):
    """Where a channel's claims are taken from. The values are published."""

    IRON_RESERVE = "IRON_RESERVE"
    """From the pool first, from its own fence when the pool is empty."""
    REGULAR = "REGULAR"
    """From its own fence first, then from the pool."""
    RESTRICT = "RESTRICT"
    """From its own fence only."""


class Respects(StrEnum):
    """Whose fences a channel leaves alone."""

    ALL_OTHERS = "ALL_OTHERS"
    EQUAL_OR_HIGHER = "EQUAL_OR_HIGHER"
    """Those of channels with the same or a higher priority, which is the same or a smaller number."""


class Period(StrEnum):
    """After what time a ceiling starts anew."""

    DAY = "DAY"
    MONTH = "MONTH"
    TOTAL = "TOTAL"
    """Never."""
    WEEK = "WEEK"


class Severity(StrEnum):
    CRITICAL = "CRITICAL"
    LOW = "LOW"
    OK = "OK"


class Limit(StrEnum):
    """Which of the terms was the least, and so decided a cell."""

    CEILING = "CEILING"
    CLOSED = "CLOSED"
    """The location, or the policy, is closed to promising."""
    FENCE = "FENCE"
    NOT_SERVED = "NOT_SERVED"
    """The location does not serve the channel."""
    POOL = "POOL"


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """How a channel, a location and a product share stock; one that is not named is any.

    The defaults are what holds where there is no policy: everything in the pool, for everybody.
    """

    id: UUID | None = None
    """None for the defaults alone."""
    channel_id: UUID | None = None
    location_id: UUID | None = None
    product_id: UUID | None = None
    is_closed: bool = False
    """Nothing may be promised."""
    mode: Mode = Mode.REGULAR
    priority: int = 100
    """1 is the highest."""
    respects: Respects = Respects.ALL_OTHERS
    fence: Decimal = ZERO
    """What is kept for the channel, of each product at each location."""
    fence_version: int = 1
    """Which setting of the fence this is: what was taken of an earlier one counts no more."""
    buffer_units: Decimal = ZERO
    """What the channel does not get to see of the stock that it could take from."""
    buffer_percent: Decimal = ZERO
    """The same as a share of it, instead of units."""
    ceiling: Decimal | None = None
    """What the channel may take of each product at each location in a period."""
    ceiling_period: Period = Period.TOTAL
    low_threshold: Decimal = ZERO
    critical_threshold: Decimal = ZERO
    min_remaining_days: int = 0
    """How many days of life stock must have left on the day on which it leaves."""


DEFAULTS = Policy()


class Bucket(msgspec.Struct, frozen=True, kw_only=True):
    """Stock of one expiry date that nothing else blocks."""

    expires_on: date
    """The last day on which it may be used."""
    quantity: Decimal
    claimed: Decimal = ZERO
    """What of it is allocated or reserved.

    Claims on stock that is merely too short-lived for a channel, or for a later day, are good ones, and are taken
    off as such: they must not be taken off once more as blocked. Claims on what has expired want other stock.
    """


class Pool(msgspec.Struct, frozen=True, kw_only=True):
    """The stock of one product at one location that all channels share, as the terms of a sum.

    Blocked, held and expired stock are disjoint, each unit in the first of the three that applies to it.
    """

    product_id: UUID
    location_id: UUID
    today: date
    """At the location."""
    ship_day: date | None = None
    """The day on which it would leave, if not today."""
    on_hand: Decimal = ZERO
    blocked: Decimal = ZERO
    """In bins that do not sell, and of lots that are recalled or not in use."""
    held: Decimal = ZERO
    """The union of the holds on the rest."""
    buckets: tuple[Bucket, ...] = ()
    """What can expire of the rest, earliest first."""
    hard: Decimal = ZERO
    """Allocated to confirmed documents. Claims that want blocked stock as such (its destruction, its way back to a
    shelf) are not among them: they take nothing from anybody."""
    soft: Decimal = ZERO
    """Reserved, by reservations that have not expired; without the caller's own when it asks again."""
    safety_stock: Decimal = ZERO
    projected: Decimal = ZERO
    """What supply and dated demand add to the figure, or take from it: see `domain.availability.projection`."""
    decimals: int = 4
    """How many places the product's quantities have: a buffer in percent is rounded up to them."""

    @property
    def before_expiry(self) -> Decimal:
        """The sum of all the terms but the expired stock, which is not the same for every channel."""
        return self.on_hand - self.blocked - self.held - self.hard - self.soft - self.safety_stock + self.projected

    @property
    def net(self) -> Decimal:
        """What there is for all channels together; less than zero when more is claimed than can be given."""
        return self.before_expiry - self.expired(0)

    def expired(self, min_remaining_days: int) -> Decimal:
        """What has expired for whoever needs so many days of life from the ship day on."""
        if not self.buckets:
            return ZERO
        needed = (self.ship_day or self.today) + timedelta(days=min_remaining_days)
        found = ZERO
        for bucket in self.buckets:
            if bucket.expires_on >= needed:
                break
            found += bucket.quantity
            if bucket.expires_on >= self.today:
                found -= bucket.claimed
        return found


class ChannelTerms(msgspec.Struct, frozen=True, kw_only=True):
    """One channel before one pool: its policy there, and what it has used of it."""

    channel_id: UUID | None
    """None for a caller without a channel: it sees what no fence keeps."""
    policy: Policy = DEFAULTS
    is_served: bool = True
    is_closed: bool = False
    """Whether the location is closed to promising, whatever the policy."""
    fence_consumed: Decimal = ZERO
    ceiling_used: Decimal = ZERO
    """Taken in the ceiling's current period."""

    @property
    def fence(self) -> Decimal:
        """What is left of the fence. Who may not promise here has none: it would keep stock for nobody."""
        if self.channel_id is None or not self.is_served or self.is_closed or self.policy.is_closed:
            return ZERO
        return max(ZERO, self.policy.fence - self.fence_consumed)


NO_CHANNEL = ChannelTerms(channel_id=None)


class Cell(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What one channel may promise of one product at one location, and why.

    The cells of one location do not add up, since they share `pool`; those of one channel at several locations do.
    """

    pool: Pool
    channel: ChannelTerms
    expired: Decimal
    """For this channel."""
    net: Decimal
    """What there is for this channel before fences: less than zero when more is claimed than can be given."""
    fences_respected: Decimal
    """The effective fences of the others, as far as this channel must leave them alone."""
    buffer: Decimal
    fence: Decimal
    """What is left of the channel's own fence, as planned."""
    effective_fence: Decimal
    """The same, cut by priority when there is not enough for all fences."""
    ceiling_left: Decimal | None
    """Less than zero when the ceiling was lowered below what is taken; None without a ceiling."""
    bound: Limit
    """Which limit decided."""
    atp: Decimal
    severity: Severity

    @property
    def room(self) -> Decimal:
        """What the stock itself gives the channel, its own fence included."""
        return self.net - self.fences_respected - self.buffer
