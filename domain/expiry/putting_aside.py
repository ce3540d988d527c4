"""Putting expired stock of a location aside, so that it can be destroyed there."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from uuid import UUID

import msgspec

from domain.access.model import Act
from domain.errors import DomainError, FieldError, Reason, not_found
from domain.expiry.destruction import SOURCE, Destruction, DestructionLine, DestructionWork, Target, told
from domain.expiry.disposal import Disposed, ExpiringStock, Wish, dispose, expired_stock
from domain.ledger.model import Entry, Kind, Posted, Posting
from domain.values import new_id


class Planned(msgspec.Struct, frozen=True, kw_only=True):
    destruction: Destruction
    disposed: Disposed


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
    destruction = await told(work, destruction_id, "destruction.planned.v1")
    return Planned(destruction=destruction, disposed=disposed)


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
