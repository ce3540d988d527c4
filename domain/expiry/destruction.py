"""Destroying expired stock: moved aside first, then written off before a witness, or brought back."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Protocol
from uuid import UUID

import msgspec

from domain.access.model import Act
from domain.errors import DomainError, FieldError, Reason, not_found
from domain.expiry.disposal import Disposed, ExpiringStock, StockWork, Wish, dispose, expired_stock
from domain.ledger.model import Entry, Kind, Posted, Posting
from domain.ledger.reversing import Original, reversing_entries
from domain.values import new_id

SOURCE = "DESTRUCTION"


class DestructionState(StrEnum):
    CANCELED = "CANCELED"
    DESTROYED = "DESTROYED"
    PENDING = "PENDING"


class DestructionAction(StrEnum):
    CANCEL = "cancel"
    DESTROY = "destroy"


TRANSITIONS: Mapping[tuple[DestructionState, DestructionAction], DestructionState] = {
    (DestructionState.PENDING, DestructionAction.DESTROY): DestructionState.DESTROYED,
    (DestructionState.PENDING, DestructionAction.CANCEL): DestructionState.CANCELED,
}
"""What may be done in which state, and what comes of it; nothing else may."""


class DestructionLine(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A quantity that was moved from a stock line to another, there to be destroyed."""

    inventory_item_id: UUID
    target_inventory_item_id: UUID
    product_master_id: UUID
    global_sku: str
    lot_id: UUID
    lot_number: str | None
    expiry_date: date | None
    bin_id: UUID
    bin_code: str
    target_location_id: UUID
    target_bin_id: UUID
    target_bin_code: str
    quantity: Decimal
    unit_cost: Decimal
    """When it was moved."""
    note: str | None = None


class Destruction(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Expired stock on its way out: `transferTransactionId` put it aside, `writeOffTransactionId` wrote it off."""

    id: UUID
    location_id: UUID
    location_name: str
    state: DestructionState
    lines: Sequence[DestructionLine]
    note: str | None
    transfer_transaction_id: UUID
    write_off_transaction_id: UUID | None
    witness: str | None
    method: str | None
    certificate_number: str | None
    actor: str | None
    destroyed_at: datetime | None
    version: int
    created_at: datetime
    updated_at: datetime
    allowed_actions: Sequence[DestructionAction]
    value: Decimal


def allowed_actions(state: DestructionState) -> list[DestructionAction]:
    return sorted(action for before, action in TRANSITIONS if before is state)


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """The bin where expired stock is put aside."""

    location_id: UUID
    location_type: str
    bin_id: UUID
    bin_code: str
    bin_type: str
    is_active: bool


class Planned(msgspec.Struct, frozen=True, kw_only=True):
    destruction: Destruction
    disposed: Disposed


class Decided(msgspec.Struct, frozen=True, kw_only=True):
    destruction: Destruction
    position: int


class DestructionWork(StockWork, Protocol):
    """Destructions and expiring stock in one transaction."""

    async def target(
        self, location_id: UUID, *, bin_id: UUID | None, target_location_id: UUID | None
    ) -> Target | None:
        """The bin that is named, or the one for such stock at the location that is named (none: the stock's own).

        That is the default bin of a location for destruction, else the first quarantine bin.
        """
        ...

    async def add(
        self,
        destruction_id: UUID,
        *,
        location_id: UUID,
        lines: Sequence[DestructionLine],
        note: str | None,
        transfer_id: UUID,
    ) -> None: ...

    async def locked(self, destruction_id: UUID) -> Destruction | None:
        """Nobody else decides about it before this transaction ends."""
        ...

    async def original(self, posting_id: UUID) -> Original | None:
        """A posting to be taken back; None when it has been."""
        ...

    async def decide(
        self,
        destruction_id: UUID,
        state: DestructionState,
        *,
        write_off_id: UUID | None = None,
        witness: str | None = None,
        method: str | None = None,
        certificate_number: str | None = None,
    ) -> None: ...

    async def record(
        self, type_: str, entity_type: str, entity_id: UUID, payload: object, *, locations: Sequence[UUID] = ()
    ) -> int: ...


async def plan_destruction(
    work: DestructionWork,
    *,
    act: Act,
    wishes: Sequence[Wish],
    target_bin_id: UUID | None = None,
    target_location_id: UUID | None = None,
    note: str | None = None,
) -> Planned:
    """Move expired stock of one location aside, and put on record that it is to be destroyed.

    Raises:
        DomainError: NOT_EXPIRED, INSUFFICIENT_STOCK, or LOCATION_DENIED at either end.
        FieldError: the lines are of several locations, or the target is not a place for such stock.
    """
    stock = await expired_stock(work, act=act, wishes=wishes)
    location_id = _one_location(stock, wishes)
    target = await _target(
        work, act, location_id=location_id, bin_id=target_bin_id, target_location_id=target_location_id
    )
    destruction_id = new_id()

    def build(quantities: Mapping[UUID, Decimal], stock: Mapping[UUID, ExpiringStock]) -> Posting:
        return _transfer(act, wishes, quantities, stock, target=target, document=destruction_id, note=note)

    disposed = await dispose(work, act=act, wishes=wishes, build=build)
    lines = [
        _line(wish, disposed.stock[wish.line_id], disposed.posted, len(wishes) + n, target)
        for n, wish in enumerate(wishes)
    ]
    await work.add(
        destruction_id,
        location_id=location_id,
        lines=lines,
        note=note,
        transfer_id=disposed.posted.posting_id,
    )
    destruction = await _told(work, destruction_id, "destruction.planned.v1")
    return Planned(destruction=destruction, disposed=disposed)


async def destroy(
    work: DestructionWork,
    *,
    act: Act,
    destruction_id: UUID,
    witness: str,
    method: str,
    certificate_number: str | None = None,
    comment: str | None = None,
    expected_version: int | None = None,
) -> Decided:
    """Write the stock off, once.

    Raises:
        DomainError: INVALID_TRANSITION, STALE_VERSION; INSUFFICIENT_STOCK when it stands there no more.
    """
    destruction = await _locked(work, act, destruction_id, expected_version, DestructionAction.DESTROY)
    if await work.original(destruction.transfer_transaction_id) is None:
        raise _refused(destruction, "The transfer has been taken back: there is nothing to destroy")
    posted = await work.post(
        Posting(
            id=new_id(),
            kind=Kind.DESTRUCTION,
            entries=tuple(
                Entry(
                    kind=Kind.DESTRUCTION,
                    line_id=line.target_inventory_item_id,
                    delta=-line.quantity,
                    comment=line.note,
                )
                for line in destruction.lines
            ),
            source_type=SOURCE,
            source_id=str(destruction_id),
            comment=comment or destruction.note,
            details={"witness": witness, "method": method, "certificateNumber": certificate_number},
            force=True,
            act=act,
        )
    )
    await work.decide(
        destruction_id,
        DestructionState.DESTROYED,
        write_off_id=posted.posting_id,
        witness=witness,
        method=method,
        certificate_number=certificate_number,
    )
    told = await _told(work, destruction_id, "destruction.destroyed.v1")
    return Decided(destruction=told, position=posted.position)


async def cancel_destruction(
    work: DestructionWork,
    *,
    act: Act,
    destruction_id: UUID,
    comment: str | None = None,
    expected_version: int | None = None,
) -> Decided:
    """Bring the stock back to where it was; it stays expired.

    Raises:
        DomainError: INVALID_TRANSITION, STALE_VERSION; INSUFFICIENT_STOCK, REVERSAL_BLOCKED as with any reversal.
    """
    destruction = await _locked(work, act, destruction_id, expected_version, DestructionAction.CANCEL)
    original = await work.original(destruction.transfer_transaction_id)
    if original is not None:
        await _take_back(work, act, destruction, original, comment)
    # Else somebody has taken the transfer back by itself: what is left to do is to say so.
    await work.decide(destruction_id, DestructionState.CANCELED)
    told = await _told(work, destruction_id, "destruction.canceled.v1")
    return Decided(destruction=told, position=await work.position())


async def _take_back(
    work: DestructionWork, act: Act, destruction: Destruction, original: Original, comment: str | None
) -> None:
    posting = Posting(
        id=new_id(),
        kind=Kind.REVERSAL,
        entries=reversing_entries(original),
        source_type=SOURCE,
        source_id=str(destruction.id),
        comment=comment,
        force=True,
        reverses_id=original.id,
        act=act,
    )
    try:
        await work.post(posting)
    except DomainError as refused:
        for hidden in ("entry", "line_id"):
            refused.facts.pop(hidden, None)
        if refused.reason is Reason.COUNTED_SINCE:
            message = "A line of it has been counted since; the count stands"
            raise DomainError(Reason.REVERSAL_BLOCKED, message, **refused.facts) from None
        raise


async def _locked(
    work: DestructionWork,
    act: Act,
    destruction_id: UUID,
    expected_version: int | None,
    action: DestructionAction,
) -> Destruction:
    destruction = await work.locked(destruction_id)
    if destruction is None:
        raise not_found("destruction")
    act.caller.require_location(act.permission, destruction.location_id)
    if expected_version is not None and expected_version != destruction.version:
        raise DomainError(
            Reason.STALE_VERSION,
            "The destruction has changed since you read it",
            expected=expected_version,
            actual=destruction.version,
            state=destruction.state,
        )
    if (destruction.state, action) not in TRANSITIONS:
        raise _refused(destruction, f"The destruction is {destruction.state}: it cannot be decided any more")
    return destruction


def _refused(destruction: Destruction, message: str) -> DomainError:
    allowed = [str(action) for action in destruction.allowed_actions]
    return DomainError(Reason.INVALID_TRANSITION, message, state=destruction.state, allowedActions=allowed)


async def _told(work: DestructionWork, destruction_id: UUID, event: str) -> Destruction:
    destruction = await work.locked(destruction_id)
    assert destruction is not None
    places = {destruction.location_id, *(line.target_location_id for line in destruction.lines)}
    await work.record(event, "destruction", destruction_id, destruction, locations=sorted(places))
    return destruction


def _one_location(stock: Mapping[UUID, ExpiringStock], wishes: Sequence[Wish]) -> UUID:
    location_id = stock[wishes[0].line_id].location_id
    others = [n for n, wish in enumerate(wishes) if stock[wish.line_id].location_id != location_id]
    if others:
        message = "is of another location than the first line: destroy what each location has by itself"
        raise FieldError(*((f"lines[{n}].inventoryItemId", message) for n in others))
    return location_id


async def _target(
    work: DestructionWork,
    act: Act,
    *,
    location_id: UUID,
    bin_id: UUID | None,
    target_location_id: UUID | None,
) -> Target:
    field = "targetBinId" if bin_id is not None else "targetLocationId"
    found = await work.target(location_id, bin_id=bin_id, target_location_id=target_location_id)
    if found is None:
        if bin_id is None and target_location_id in {None, location_id}:
            raise FieldError(("targetBinId", "the location has no quarantine bin: name a target"))
        raise not_found("bin" if bin_id is not None else "location", field=field)
    act.caller.require_location(act.permission, found.location_id)
    if target_location_id not in {None, found.location_id}:
        raise FieldError(("targetBinId", "is not at targetLocationId"))
    is_own_quarantine = found.location_id == location_id and found.bin_type == "QUARANTINE"
    if not (is_own_quarantine or found.location_type == "DESTRUCTION"):
        message = "must be a quarantine bin of the stock's location, or at a location of type DESTRUCTION"
        raise FieldError((field, message))
    if not found.is_active:
        raise DomainError(Reason.INACTIVE, "The bin or its location is not active", field=field)
    return found


def _transfer(
    act: Act,
    wishes: Sequence[Wish],
    quantities: Mapping[UUID, Decimal],
    stock: Mapping[UUID, ExpiringStock],
    *,
    target: Target,
    document: UUID,
    note: str | None,
) -> Posting:
    """All go out before any comes in: a line may give up its stock and be another's target."""
    out = [
        Entry(
            kind=Kind.TRANSFER_OUT,
            line_id=wish.line_id,
            delta=-quantities[wish.line_id],
            expected=stock[wish.line_id].on_hand,
            comment=wish.note,
        )
        for wish in wishes
    ]
    into = [
        Entry(
            kind=Kind.TRANSFER_IN,
            product_id=stock[wish.line_id].product_id,
            location_id=target.location_id,
            bin_id=target.bin_id,
            lot_id=stock[wish.line_id].place.lot_id,
            delta=quantities[wish.line_id],
            comment=wish.note,
        )
        for wish in wishes
    ]
    return Posting(
        id=new_id(),
        kind=Kind.TRANSFER_OUT,
        entries=(*out, *into),
        source_type=SOURCE,
        source_id=str(document),
        comment=note,
        force=True,
        act=act,
    )


def _line(wish: Wish, one: ExpiringStock, posted: Posted, entry: int, target: Target) -> DestructionLine:
    moved = next(movement for movement in posted.movements if movement.entry == entry)
    return DestructionLine(
        inventory_item_id=wish.line_id,
        target_inventory_item_id=moved.line_id,
        product_master_id=one.product_id,
        global_sku=one.sku,
        lot_id=one.place.lot_id,
        lot_number=one.place.lot_number or None,
        expiry_date=one.place.expires_on,
        bin_id=one.place.bin_id,
        bin_code=one.place.bin_code,
        target_location_id=target.location_id,
        target_bin_id=target.bin_id,
        target_bin_code=target.bin_code,
        quantity=moved.delta,
        unit_cost=one.unit_cost,
        note=wish.note,
    )
