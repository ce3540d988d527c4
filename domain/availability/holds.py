"""Placing and releasing holds, and what they make somebody's work."""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Protocol
from uuid import UUID

import msgspec

from domain.access.model import Act, Scope
from domain.availability.holding import Hold, HoldType, Target, place, shortage
from domain.availability.model import ZERO
from domain.values import new_id


class HoldScope(StrEnum):
    """What a hold lies on."""

    BIN = "BIN"
    LINE = "LINE"
    LOT = "LOT"
    """Everywhere, and on what arrives later."""
    PRODUCT = "PRODUCT"
    """At a location."""


class HoldState(StrEnum):
    ACTIVE = "ACTIVE"
    RELEASED = "RELEASED"


class NewHold(msgspec.Struct, frozen=True, kw_only=True):
    type: HoldType
    target: Target
    quantity: Decimal | None = None
    reason: str
    note: str | None = None
    expected_until: date | None = None


class HoldView(msgspec.Struct, frozen=True, kw_only=True):
    """A hold as it is kept; `quantity` null is all that is there."""

    id: UUID
    type: HoldType
    scope: HoldScope
    state: HoldState
    line_id: UUID | None
    lot_id: UUID | None
    bin_id: UUID | None
    product_id: UUID | None
    location_id: UUID | None
    quantity: Decimal | None
    released: Decimal
    reason: str
    note: str | None
    expected_until: date | None
    actor: str | None
    created_at: datetime
    released_at: datetime | None
    version: int


class HeldLine(msgspec.Struct, frozen=True, kw_only=True):
    """A line that a change of holds concerned, before and after."""

    line_id: UUID
    product_id: UUID
    location_id: UUID
    on_hand: Decimal
    reserved: Decimal
    held: Decimal
    held_before: Decimal

    @property
    def newly_short(self) -> Decimal:
        """What was promised and can no longer be given, because of this change."""
        after = shortage(on_hand=self.on_hand, held=self.held, reserved=self.reserved)
        before = shortage(on_hand=self.on_hand, held=self.held_before, reserved=self.reserved)
        return max(ZERO, after - before)


class Changed(msgspec.Struct, frozen=True, kw_only=True):
    """The hold afterwards, and the lines that it lies or lay on."""

    hold: HoldView
    lines: tuple[HeldLine, ...]


class HoldWork(Protocol):
    """One transaction of holds."""

    async def claim(self, act: Act) -> tuple[int, bytes] | None: ...
    async def remember(self, act: Act, status: int, body: bytes) -> None: ...
    def savepoint(self) -> AbstractAsyncContextManager[None]: ...

    async def place(self, id_: UUID, hold: NewHold) -> Changed:
        """Put it on all lines that it covers, and on those that come later.

        Raises:
            DomainError: NOT_FOUND, LOCATION_DENIED.
        """
        ...

    async def release(self, id_: UUID, *, quantity: Decimal | None, version: int | None) -> Changed:
        """Take it off, or a part of it; what other holds cover stays held.

        Raises:
            DomainError: NOT_FOUND, LOCATION_DENIED, STALE_VERSION, INVALID_TRANSITION, QUANTITY_OUT_OF_RANGE.
        """
        ...


type BeginHolds = Callable[[Act], AbstractAsyncContextManager[HoldWork]]


class HoldsWanted(msgspec.Struct, frozen=True, kw_only=True):
    tenant_id: UUID
    scope: Scope
    limit: int
    state: HoldState | None = None
    type: HoldType | None = None
    location_id: UUID | None = None
    product_id: UUID | None = None
    lot_id: UUID | None = None
    line_id: UUID | None = None
    after: UUID | None = None


class Trouble(StrEnum):
    """What is not as it should be."""

    DRIFT = "DRIFT"
    OVERDUE_SUPPLY = "OVERDUE_SUPPLY"
    SHORTAGE = "SHORTAGE"
    """More is claimed than is on hand."""
    BLOCKED_CLAIM = "BLOCKED_CLAIM"
    """What is claimed is on hand, but held, or expired."""


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """A piece of work for somebody."""

    trouble: Trouble
    key: str
    """Names it, and orders the list."""
    location_id: UUID
    product_id: UUID
    line_id: UUID | None
    document_id: UUID | None
    quantity: Decimal
    since: datetime | None


class HoldReads(Protocol):
    """Reads: one statement each."""

    async def holds(self, wanted: HoldsWanted) -> list[HoldView]: ...
    async def problems(
        self, tenant_id: UUID, scope: Scope, *, trouble: Trouble, limit: int, after: str | None
    ) -> list[Problem]: ...


async def place_hold(work: HoldWork, *, hold: NewHold) -> Changed:
    """Hold stock from now on.

    Raises:
        FieldError: it lies on nothing or on too much, or names a part of what has no parts.
    """
    id_ = new_id()
    place(Hold(id=id_, type=hold.type, target=hold.target, quantity=hold.quantity))
    return await work.place(id_, hold)


def scope_of(target: Target) -> HoldScope:
    if target.line_id is not None:
        return HoldScope.LINE
    if target.lot_id is not None:
        return HoldScope.LOT
    return HoldScope.BIN if target.bin_id is not None else HoldScope.PRODUCT


def newly_short(lines: Sequence[HeldLine]) -> list[HeldLine]:
    """The lines with promises that a change has broken."""
    return [line for line in lines if line.newly_short > ZERO]
