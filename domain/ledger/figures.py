"""What the database adds up of a period, and what it is asked: the base of `domain.ledger.analytics`."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Protocol
from uuid import UUID

import msgspec

from domain.access.model import Scope
from domain.ledger.model import Kind
from domain.values import plain

ZERO = Decimal(0)
CENT = Decimal("0.0001")


class Flow(StrEnum):
    """What a movement means to somebody who looks at stock as a whole."""

    ADJUSTMENT = "ADJUSTMENT"
    DESTRUCTION = "DESTRUCTION"
    INTERNAL = "INTERNAL"
    ISSUE = "ISSUE"
    OPENING = "OPENING"
    RECEIPT = "RECEIPT"
    TRANSFER = "TRANSFER"


FLOWS = {
    Kind.RECEIPT: Flow.RECEIPT,
    Kind.OPENING: Flow.OPENING,
    Kind.IMPORT: Flow.OPENING,
    Kind.ISSUE: Flow.ISSUE,
    Kind.CONSUMPTION: Flow.ISSUE,
    Kind.ADJUSTMENT: Flow.ADJUSTMENT,
    Kind.COUNT: Flow.ADJUSTMENT,
    Kind.DESTRUCTION: Flow.DESTRUCTION,
    Kind.TRANSFER_IN: Flow.TRANSFER,
    Kind.TRANSFER_OUT: Flow.TRANSFER,
    Kind.PUT_AWAY: Flow.INTERNAL,
    Kind.LOT_CORRECTION: Flow.INTERNAL,
    Kind.REVERSAL: Flow.ADJUSTMENT,
}
"""A kind's flow. A reversal comes under the kind of its original; alone it would be a correction."""


class AnalyticsWanted(msgspec.Struct, frozen=True, kw_only=True):
    tenant_id: UUID
    scope: Scope
    location_id: UUID | None = None
    category_id: UUID | None = None
    """With its subcategories."""
    from_day: date | None = None
    to_day: date | None = None


class Frame(msgspec.Struct, frozen=True, kw_only=True):
    """What a period is decided by."""

    time_zone: str
    """Of the locations asked for, if it is one; else UTC."""
    today: date
    latest_day: date | None
    """When something last moved there."""
    categories: Sequence[UUID]
    """The category asked for and those below it."""


class Period(msgspec.Struct, frozen=True, kw_only=True):
    """Whole days, the last one included."""

    from_day: date
    to_day: date

    @property
    def days(self) -> int:
        return (self.to_day - self.from_day).days + 1


class Amount(msgspec.Struct, frozen=True, kw_only=True):
    """A signed quantity and its value."""

    quantity: Decimal = ZERO
    value: Decimal = ZERO

    def __add__(self, other: "Amount") -> "Amount":
        return Amount(quantity=self.quantity + other.quantity, value=self.value + other.value)

    def __sub__(self, other: "Amount") -> "Amount":
        return self + -other

    def __neg__(self) -> "Amount":
        return Amount(quantity=-self.quantity, value=-self.value)

    def shown(self) -> "Amount":
        """Without trailing zeros, the value to a hundredth of a cent."""
        return Amount(quantity=plain(self.quantity), value=money(self.value))


class DayMoved(msgspec.Struct, frozen=True, kw_only=True):
    """The net movements of a kind on a day."""

    day: date
    kind: Kind
    movements: int
    quantity: Decimal
    value: Decimal

    @property
    def amount(self) -> Amount:
        return Amount(quantity=self.quantity, value=self.value)


class ReasonMoved(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What was adjusted and counted for a reason in the period; without one for most counts."""

    reason_code_id: UUID | None
    reason_code: str | None
    reason_name: str | None
    transaction_type: Kind
    movements: int
    quantity_in: Decimal
    quantity_out: Decimal
    quantity: Decimal
    value: Decimal


class Bucket(msgspec.Struct, frozen=True, kw_only=True):
    """A part of the stock, by the number of its age class."""

    number: int
    quantity: Decimal
    value: Decimal


class OutFigures(msgspec.Struct, frozen=True, kw_only=True):
    """Products at locations that ran out in the period."""

    stocked: int
    begun: int
    products: int
    days: int
    at_end: int


class CountFigures(msgspec.Struct, frozen=True, kw_only=True):
    counts: int
    lines: int
    accurate: int


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """What the database adds up, at one position of the ledger."""

    position: int
    now: Amount
    """What is on hand as the books stand."""
    since: Amount
    """What moved after the period."""
    moved: Sequence[DayMoved]
    reasons: Sequence[ReasonMoved]
    ages: Sequence[Bucket]
    """Of the stock at the end of the period, all but the oldest."""
    expiring: Sequence[Bucket]
    outs: OutFigures
    counts: CountFigures


class AnalyticsReads(Protocol):
    """Two statements: one to know the period, one to add it up."""

    async def frame(self, wanted: AnalyticsWanted) -> Frame:
        """What decides the period.

        Raises:
            DomainError: no such location within the scope, no such category.
        """
        ...

    async def figures(self, wanted: AnalyticsWanted, frame: Frame, period: Period) -> Figures: ...


def money(value: Decimal) -> Decimal:
    """A value as it is shown."""
    return plain(value.quantize(CENT))
