"""Supply that is expected: announced, changed, canceled, and closed by the receipts that bring it."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Protocol
from uuid import UUID

import msgspec
from msgspec import field

from domain.access.model import Act
from domain.availability.model import ZERO
from domain.catalog.model import Stored
from domain.catalog.ports import Records, Shelf
from domain.catalog.service import Changes, added, changed, locked, replaced
from domain.catalog.views import View
from domain.errors import DomainError, FieldError, Reason, not_found
from domain.values import plain

SUPPLY = "supply"
OF_TRANSFERS = "TRANSFER"
"""What a transfer announces at its destination, the transfer alone changes and closes."""


class SupplyState(StrEnum):
    CANCELED = "CANCELED"
    CLOSED = "CLOSED"
    """All of it was received."""
    OPEN = "OPEN"


class SupplyFacts(msgspec.Struct, frozen=True, kw_only=True):
    """So much of a product, in its base unit, for a location."""

    product_id: UUID
    location_id: UUID
    quantity: Decimal
    due_on: date
    """At the location."""
    received: Decimal = ZERO
    state: SupplyState = SupplyState.OPEN
    source_type: str | None = None
    source_id: str | None = None
    note: str | None = None

    @property
    def open(self) -> Decimal:
        return self.quantity - self.received


class SupplyView(View, frozen=True, kw_only=True):
    """`openQuantity` is what is still expected. One that is `overdue` is not counted on any more."""

    id: UUID
    product_id: UUID = field(name="productMasterId")
    sku: str
    product_name: str
    location_id: UUID
    location_code: str
    quantity: Decimal
    received: Decimal
    open_quantity: Decimal
    due_on: date
    state: SupplyState
    is_overdue: bool = field(name="overdue")
    source_type: str | None
    source_id: str | None = field(name="reference")
    note: str | None
    version: int
    created_at: datetime
    updated_at: datetime


class SupplyFilter(msgspec.Struct, frozen=True, kw_only=True):
    location_id: UUID | None = None
    product_id: UUID | None = None
    state: str | None = None
    is_overdue: bool | None = None
    due_before: date | None = None
    source_id: str | None = None


class SupplyQueries(Protocol):
    @property
    def supplies(self) -> Shelf[SupplyFilter, SupplyView]: ...


class SupplyWork(Protocol):
    """Supplies in one transaction."""

    @property
    def supplies(self) -> Records[SupplyFacts, SupplyView]: ...

    async def record(
        self, type_: str, entity_type: str, entity_id: UUID, payload: object, *, locations: Sequence[UUID] = ()
    ) -> int: ...

    async def supply_followed(self, supply_id: UUID, supply: SupplyFacts) -> None:
        """Let the document that it was announced for take the step that follows from its end."""
        ...


class Arrived(msgspec.Struct, frozen=True, kw_only=True):
    """What a line of a receipt brings of a supply."""

    supply_id: UUID
    product_id: UUID
    quantity: Decimal
    line: int


async def announce(work: SupplyWork, *, act: Act, supply: SupplyFacts) -> SupplyView:
    """Expect a supply."""
    act.caller.require_location(act.permission, supply.location_id)
    if supply.source_type == OF_TRANSFERS:
        raise FieldError(("sourceType", f"{OF_TRANSFERS} is for what transfers announce by themselves"))
    _check(supply)
    return await added(work, work.supplies, SUPPLY, supply, locations=[supply.location_id])


async def change(
    work: SupplyWork,
    *,
    act: Act,
    supply_id: UUID,
    changes: Changes,
    cancel: bool,
    expected_version: int | None,
) -> SupplyView:
    """Expect it on another day, or more or less of it, or no more. One that is not open stays as it is.

    Lowered to what was received already, it is closed.
    """
    stored = await locked(work.supplies, SUPPLY, supply_id, expected_version=None)
    act.caller.require_location(act.permission, stored.facts.location_id)
    if expected_version is not None and expected_version != stored.version:
        message = "The supply has been changed since you read it"
        raise DomainError(Reason.STALE_VERSION, message, expected=expected_version, actual=stored.version)
    _require_open(stored)
    after = replaced(stored.facts, changes)
    _check(after)
    if cancel:
        after = msgspec.structs.replace(after, state=SupplyState.CANCELED)
    elif after.received and after.open == ZERO:
        after = msgspec.structs.replace(after, state=SupplyState.CLOSED)
    return await _stored(work, stored, after)


async def lock_all(work: SupplyWork, ids: Sequence[UUID]) -> dict[UUID, Stored[SupplyFacts]]:
    """Those of the supplies that are there, locked in one order."""
    found = {id_: await work.supplies.lock(id_) for id_ in sorted(set(ids))}
    return {id_: stored for id_, stored in found.items() if stored is not None}


async def receive(
    work: SupplyWork, *, location_id: UUID, arrived: Sequence[Arrived], locked: Mapping[UUID, Stored[SupplyFacts]]
) -> None:
    """Count what came against what was expected; what has come completely is closed.

    Raises:
        DomainError: NOT_FOUND for a supply of another product or location, INVALID_TRANSITION for one that is not
            open, STALE_QUANTITY when more came than was still expected: the rest is received without naming it.
    """
    coming: dict[UUID, Decimal] = {}
    for one in arrived:
        stored = locked.get(one.supply_id)
        if stored is None or (stored.facts.product_id, stored.facts.location_id) != (one.product_id, location_id):
            raise not_found("supply of this product at this location", field="supplyId", index=one.line)
        _require_open(stored)
        coming[one.supply_id] = coming.get(one.supply_id, ZERO) + one.quantity
    for id_, quantity in sorted(coming.items()):
        before = locked[id_].facts
        if quantity > before.open:
            message = "More comes in than the supply still expects: receive the rest without naming it"
            raise DomainError(
                Reason.STALE_QUANTITY,
                message,
                supplyId=id_,
                expected=plain(quantity),
                actual=plain(before.open),
            )
        received = before.received + quantity
        state = SupplyState.CLOSED if received == before.quantity else SupplyState.OPEN
        after = msgspec.structs.replace(before, received=received, state=state)
        await _stored(work, locked[id_], after)


async def _stored(work: SupplyWork, stored: Stored[SupplyFacts], after: SupplyFacts) -> SupplyView:
    """Every change of a supply comes by here, so that none of them ends one unseen."""
    view = await changed(work, work.supplies, SUPPLY, stored, after, locations=[after.location_id])
    if after.state is not SupplyState.OPEN:
        await work.supply_followed(stored.id, after)
    return view


def _check(supply: SupplyFacts) -> None:
    if supply.quantity <= ZERO:
        raise FieldError(("quantity", "must be greater than zero"))
    if supply.open < ZERO:
        raise FieldError(("quantity", f"must not be less than what has been received: {plain(supply.received)}"))


def _require_open(stored: Stored[SupplyFacts]) -> None:
    if stored.facts.source_type == OF_TRANSFERS:
        message = "The supply belongs to a transfer; receive, close or cancel that"
        raise DomainError(
            Reason.IN_USE, message, sourceType=stored.facts.source_type, sourceId=stored.facts.source_id
        )
    if stored.facts.state is not SupplyState.OPEN:
        message = f"The supply is {stored.facts.state}, and stays so"
        raise DomainError(
            Reason.INVALID_TRANSITION, message, supplyId=stored.id, state=stored.facts.state, allowedActions=[]
        )
