"""Destroying expired stock: moved aside first, then written off before a witness, or brought back."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Protocol
from uuid import UUID

import msgspec

from domain.access.model import Act
from domain.errors import DomainError, Reason, not_found
from domain.expiry.disposal import StockWork, require_free
from domain.ledger.model import Entry, Kind, Posting
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
        DomainError: INVALID_TRANSITION, STALE_VERSION; INSUFFICIENT_STOCK when it is no longer there, or held.
    """
    destruction = await _locked(work, act, destruction_id, expected_version, DestructionAction.DESTROY)
    if await work.original(destruction.transfer_transaction_id) is None:
        raise _refused(destruction, "The transfer has been taken back: there is nothing to destroy")
    await _require_free(work, destruction)
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
    decided = await told(work, destruction_id, "destruction.destroyed.v1")
    return Decided(destruction=decided, position=posted.position)


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
        await _require_free(work, destruction)
        await _take_back(work, act, destruction, original, comment)
    # Else somebody has taken the transfer back by itself: what is left to do is to say so.
    await work.decide(destruction_id, DestructionState.CANCELED)
    decided = await told(work, destruction_id, "destruction.canceled.v1")
    return Decided(destruction=decided, position=await work.position())


async def _require_free(work: DestructionWork, destruction: Destruction) -> None:
    """Refuse to move what has been held since it was put aside."""
    stock = await work.stock([line.target_inventory_item_id for line in destruction.lines])
    for n, line in enumerate(destruction.lines):
        require_free(stock[line.target_inventory_item_id], line.quantity, n)


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


async def told(work: DestructionWork, destruction_id: UUID, event: str) -> Destruction:
    """The destruction as it is now, told to the feed as well."""
    destruction = await work.locked(destruction_id)
    assert destruction is not None
    places = {destruction.location_id, *(line.target_location_id for line in destruction.lines)}
    await work.record(event, "destruction", destruction_id, destruction, locations=sorted(places))
    return destruction
