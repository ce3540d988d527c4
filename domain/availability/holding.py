"""Holds: what may not be promised. Pure functions.

Several holds may lie on the same stock; what they block is their union. A hold on a whole line, lot, bin or
product at a location blocks all that is there, and what arrives there later. A hold on a part of a line names
units of its own, so parts add up, but never to more than there is.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

import msgspec

from domain.availability.model import ZERO
from domain.errors import DomainError, FieldError, Reason
from domain.values import plain


class HoldType(StrEnum):
    """Why stock is held. The values are published."""

    DAMAGE = "DAMAGE"
    LEGAL = "LEGAL"
    QUALITY = "QUALITY"
    QUARANTINE = "QUARANTINE"
    RECALL = "RECALL"


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """What a hold lies on: a line, a lot everywhere, a bin, or a product at a location."""

    line_id: UUID | None = None
    lot_id: UUID | None = None
    bin_id: UUID | None = None
    product_id: UUID | None = None
    location_id: UUID | None = None


class Hold(msgspec.Struct, frozen=True, kw_only=True):
    id: UUID
    type: HoldType
    target: Target
    quantity: Decimal | None = None
    """A part of a line; None is all that is there."""
    is_released: bool = False
    expected_until: date | None = None


class HeldLine(msgspec.Struct, frozen=True, kw_only=True):
    """A stock line, as far as holds are concerned."""

    line_id: UUID
    product_id: UUID
    location_id: UUID
    bin_id: UUID
    lot_id: UUID
    on_hand: Decimal
    reserved: Decimal = ZERO
    """All live claims on it."""


class Blocked(msgspec.Struct, frozen=True, kw_only=True):
    """What holds do to a line."""

    line_id: UUID
    held: Decimal
    is_whole: bool
    """Whether all that arrives is held too."""
    shortage: Decimal
    """What is claimed of it and can no longer be given."""
    hold_ids: tuple[UUID, ...]


def held(on_hand: Decimal, *, is_whole: bool, parts: Iterable[Decimal] = ()) -> Decimal:
    """The union of holds on one line."""
    return on_hand if is_whole else min(on_hand, sum(parts, ZERO))


def shortage(*, on_hand: Decimal, held: Decimal, reserved: Decimal) -> Decimal:
    """What is claimed of a line beyond what it can give."""
    return max(ZERO, reserved - (on_hand - held))


def covers(target: Target, line: HeldLine) -> bool:
    """Whether a hold on the target lies on a line; one that names several things lies where all of them are."""
    return (
        target != _NOWHERE
        and target.line_id in {None, line.line_id}
        and target.lot_id in {None, line.lot_id}
        and target.bin_id in {None, line.bin_id}
        and target.product_id in {None, line.product_id}
        and target.location_id in {None, line.location_id}
    )


def block(line: HeldLine, holds: Iterable[Hold]) -> Blocked:
    """What a line loses to the live ones among these holds."""
    live = [hold for hold in holds if not hold.is_released and covers(hold.target, line)]
    is_whole = any(hold.quantity is None for hold in live)
    lost = held(
        line.on_hand, is_whole=is_whole, parts=[hold.quantity for hold in live if hold.quantity is not None]
    )
    return Blocked(
        line_id=line.line_id,
        held=lost,
        is_whole=is_whole,
        shortage=shortage(on_hand=line.on_hand, held=lost, reserved=line.reserved),
        hold_ids=tuple(hold.id for hold in live),
    )


def newly_short(
    lines: Sequence[HeldLine], *, before: Sequence[Hold], after: Sequence[Hold]
) -> Mapping[UUID, Decimal]:
    """What was claimed and is now held, by line: the work that a change of holds makes for somebody."""
    grown = {line.line_id: block(line, after).shortage - block(line, before).shortage for line in lines}
    return {line_id: quantity for line_id, quantity in grown.items() if quantity > ZERO}


def problems(target: Target, quantity: Decimal | None) -> Iterable[tuple[str, str]]:
    """What is wrong with a new hold: the path of each field and what it must be."""
    named = {
        name for name in ("line_id", "lot_id", "bin_id", "product_id", "location_id") if getattr(target, name)
    }
    if named not in _SCOPES:
        yield "", "must name one of a stock line, a lot, a bin, or a product at a location"
    if quantity is None:
        return
    if "line_id" not in named:
        yield "quantity", "is for holds on a stock line only: the others hold all that is there"
    elif quantity <= ZERO:
        yield "quantity", "must be greater than zero"


def place(hold: Hold) -> Hold:
    """The hold, if it can be meant.

    Raises:
        FieldError: it lies on nothing or on too much, or names a part of what has no parts.
    """
    found = list(problems(hold.target, hold.quantity))
    if found:
        raise FieldError(*found)
    return hold


def release(hold: Hold, *, quantity: Decimal | None = None, on_hand: Decimal | None = None) -> Hold:
    """The hold after all of it, or a part, was released; what other holds block stays blocked.

    A hold on a whole line of which a part is released holds the rest of what is there now (`on_hand`), as a part:
    no longer what arrives.

    Raises:
        DomainError: INVALID_TRANSITION when it is released already; QUANTITY_OUT_OF_RANGE for more than it holds.
        FieldError: a part of a hold that has no parts.
    """
    if hold.is_released:
        raise DomainError(
            Reason.INVALID_TRANSITION,
            "The hold is released already",
            id=hold.id,
            state="RELEASED",
            allowedActions=[],
        )
    if quantity is None:
        return msgspec.structs.replace(hold, is_released=True)
    if hold.target.line_id is None:
        raise FieldError(("quantity", "is for holds on a stock line only: the others are released as a whole"))
    whole = hold.quantity if hold.quantity is not None else on_hand
    assert whole is not None
    if not ZERO < quantity <= whole:
        raise DomainError(
            Reason.QUANTITY_OUT_OF_RANGE,
            f"The hold has {plain(whole)} to release",
            id=hold.id,
            requested=plain(quantity),
            held=plain(whole),
        )
    if quantity == whole:
        return msgspec.structs.replace(hold, is_released=True)
    return msgspec.structs.replace(hold, quantity=whole - quantity)


_NOWHERE = Target()
_SCOPES = ({"line_id"}, {"lot_id"}, {"bin_id"}, {"bin_id", "location_id"}, {"product_id", "location_id"})
