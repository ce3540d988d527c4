"""What there will be: dated supply and demand on top of what there is. Pure functions.

    proj(d) = net + confirmed supply due <= d - dated demand due <= d
    ATP(d)  = min(proj(e) for e in d .. horizon)

So nothing is promised twice: what a later demand needs is not there before it either, as far as no supply covers
it in time. A shortage is carried on: it is real demand.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Decimal
from uuid import UUID

import msgspec

from domain.availability.atp import cell_of, cells
from domain.availability.model import ZERO, Cell, ChannelTerms, Pool


class Supply(msgspec.Struct, frozen=True, kw_only=True):
    """What is expected: a line of an order, or of a transfer from its dispatch on."""

    source_id: UUID
    due: date
    quantity: Decimal
    """What of it has not been received."""
    is_confirmed: bool = True


class DatedDemand(msgspec.Struct, frozen=True, kw_only=True):
    """What will be needed and is neither allocated nor reserved yet."""

    source_id: UUID
    quantity: Decimal
    due: date | None = None
    """None is now, and so is a day that has passed."""


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """From this day on, until the next step."""

    day: date
    supply: Decimal
    demand: Decimal
    """What is due on the day itself."""
    projected: Decimal
    promise: Decimal
    """The least that is projected from here to the horizon."""


class Projection(msgspec.Struct, frozen=True, kw_only=True):
    """The days on which something changes, today first."""

    net: Decimal
    """What there is now."""
    horizon: date
    steps: tuple[Step, ...]
    overdue: tuple[Supply, ...]
    """Confirmed, due before today and not here: no longer counted on, and somebody's work."""

    @property
    def today(self) -> date:
        return self.steps[0].day

    def promise(self, day: date) -> Decimal:
        """What could be promised for a day by all channels together; less than zero in a shortage.

        Raises:
            ValueError: the day lies before today or beyond the horizon, where nothing is known.
        """
        if not self.today <= day <= self.horizon:
            message = f"{day} is not within {self.today} and {self.horizon}"
            raise ValueError(message)
        return self.steps[bisect_right(self.steps, day, key=lambda step: step.day) - 1].promise

    def gain(self, day: date) -> Decimal:
        """What supply and demand add to the net until a day, or take from it."""
        return self.promise(day) - self.net

    @property
    def held_back(self) -> Decimal:
        """What demand to come needs of the stock that is here, since no supply covers it in time."""
        return max(ZERO, -self.gain(self.today))

    def earliest_date(self, quantity: Decimal) -> date | None:
        """The first day for which so much could be promised: the inverse of `promise`."""
        return next((step.day for step in self.steps if step.promise >= quantity), None)


def project(
    net: Decimal,
    *,
    supplies: Iterable[Supply] = (),
    demands: Iterable[DatedDemand] = (),
    today: date,
    horizon: date,
) -> Projection:
    """The days from today to the horizon, the last one included; what is due later is not looked at."""
    assert today <= horizon
    confirmed = [supply for supply in supplies if supply.is_confirmed]
    coming: dict[date, Decimal] = {today: ZERO}
    needed: dict[date, Decimal] = {}
    for supply in confirmed:
        if today <= supply.due <= horizon:
            coming[supply.due] = coming.get(supply.due, ZERO) + supply.quantity
    for demand in demands:
        due = today if demand.due is None else max(today, demand.due)
        if due <= horizon:
            needed[due] = needed.get(due, ZERO) + demand.quantity
    level = net
    levels: list[tuple[date, Decimal]] = []
    for day in sorted(coming.keys() | needed.keys()):
        level += coming.get(day, ZERO) - needed.get(day, ZERO)
        levels.append((day, level))
    least = level
    steps: list[Step] = []
    for day, projected in reversed(levels):
        least = min(least, projected)
        steps.append(
            Step(
                day=day,
                supply=coming.get(day, ZERO),
                demand=needed.get(day, ZERO),
                projected=projected,
                promise=least,
            )
        )
    overdue = sorted((supply for supply in confirmed if supply.due < today), key=lambda s: (s.due, s.source_id))
    return Projection(net=net, horizon=horizon, steps=tuple(reversed(steps)), overdue=tuple(overdue))


def pool_now(pool: Pool, projection: Projection) -> Pool:
    """The pool that may be taken from now: without what demand to come needs of it.

    Supply of today adds nothing, since it is not here: what is reserved stands on a shelf.
    """
    return msgspec.structs.replace(pool, projected=-projection.held_back)


def pool_on(pool: Pool, projection: Projection, day: date) -> Pool:
    """The pool as it will be on a day.

    Raises:
        ValueError: the day lies before today or beyond the horizon.
    """
    return msgspec.structs.replace(pool, ship_day=day, projected=projection.gain(day))


def promised_on(
    pool: Pool, channels: Sequence[ChannelTerms], projection: Projection, day: date
) -> tuple[Cell, ...]:
    """What each channel may promise for a day: the function of today, over the pool of that day."""
    return cells(pool_on(pool, projection, day), channels)


def earliest_date(
    pool: Pool, channels: Sequence[ChannelTerms], projection: Projection, *, index: int, quantity: Decimal
) -> date | None:
    """The first day for which the channel with this index could promise so much; None if not before the horizon.

    Only the days of steps are looked at: between them stock merely grows older.
    """
    days = (step.day for step in projection.steps)
    return next(
        (day for day in days if cell_of(pool_on(pool, projection, day), channels, index).atp >= quantity),
        None,
    )
