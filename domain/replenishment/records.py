"""Replenishment records: what was decided to be brought, until it has come.

A trigger needs `replenishment.write` at the location that is replenished, and no right where the stock is: it
makes the transfer. Whoever may move transfers there, too, has it submitted at once, so that the stock is reserved;
for others it stays a draft, which those who are there submit.
"""

from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec

from domain.access.model import Act, Caller, Permission
from domain.availability.supplies import SupplyFacts, SupplyState, announce
from domain.availability.supplies import change as change_supply
from domain.documents import DocumentType, PastStep
from domain.errors import ContentionError, DomainError, FieldError, Reason, not_found
from domain.replenishment.flow import FLOW, Action, Standing, State
from domain.replenishment.following import RECORD, told
from domain.replenishment.formulas import rounded_down
from domain.replenishment.model import PERIOD_DAYS, ZERO, Source
from domain.replenishment.ports import FactsWanted, NewOrder, OrderFacts, RecordWork
from domain.replenishment.suggesting import Weighed, multiple_of, reasoning, sources, weigh
from domain.replenishment.views import OrderMethod, Record, RecordStep, RecordSummary
from domain.transfers.closing import cancel as cancel_transfer
from domain.transfers.making import create_transfer
from domain.transfers.model import LineWanted, NewTransfer
from domain.values import Quantity, new_id, plain


class NewRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be brought; what is left open is as it is suggested."""

    product_id: UUID
    location_id: UUID
    quantity: Decimal | None = None
    source: Source | None = None
    source_location_id: UUID | None = None
    supplier: str | None = None
    needed_on: date | None = None
    note: str | None = None
    days: int = PERIOD_DAYS


def shown[R: RecordSummary](record: R, caller: Caller) -> R:
    """With what this caller may do with it."""
    standing = Standing(caller=caller, location_id=record.location_id, source=record.source)
    return msgspec.structs.replace(record, allowed_actions=tuple(FLOW.allowed(record.state, standing)))


def with_history(record: RecordSummary, steps: list[PastStep]) -> Record:
    history = tuple(
        RecordStep(
            action=step.action,
            from_state=step.from_state,
            to_state=step.to_state,
            comment=step.comment,
            actor=step.actor,
            recorded_at=step.recorded_at,
            details=step.details,
        )
        for step in steps
    )
    return Record(**{name: getattr(record, name) for name in record.__struct_fields__}, history=history)


async def create_record(work: RecordWork, *, act: Act, new: NewRecord) -> Record:
    """Record what is to be brought, as suggested or by hand.

    Raises:
        FieldError: nothing is suggested, and no quantity is named.
        DomainError: LOCATION_DENIED, NOT_FOUND; DUPLICATE where one is open already; NO_CHANGE where nothing is
            due; INSUFFICIENT_STOCK where only another location shall give it, and none has so much to spare.
    """
    act.caller.require_location(act.permission, new.location_id)
    order = await _decided(work, act, new)
    if order.source_location_id == new.location_id:
        raise FieldError(("sourceLocationId", "must be another location"))
    id_ = new_id()
    number = await work.number(DocumentType.REPLENISHMENT)
    known = await work.orders.add(id_, number, order)
    if known is not None:
        message = "There is an open replenishment of this product at this location"
        raise DomainError(Reason.DUPLICATE, message, replenishmentId=known)
    await told(work, id_, event="created", action="create", before=None, comment=order.note)
    return await view(work, act, id_)


async def trigger(
    work: RecordWork, *, act: Act, record_id: UUID, comment: str | None, expected_version: int | None
) -> Record:
    """Make its transfer, or expect it from the supplier when its lead time has passed.

    Raises:
        DomainError: NOT_FOUND, STALE_VERSION, INVALID_TRANSITION, LOCATION_DENIED; INSUFFICIENT_STOCK where the
            other location cannot give it any more; INACTIVE.
    """
    order = await _opened(work, act, record_id, Action.TRIGGER, expected_version)
    if order.source is Source.SUPPLIER:
        supply = SupplyFacts(
            product_id=order.product_id,
            location_id=order.location_id,
            quantity=order.quantity,
            due_on=max(order.due_on, order.today),
            source_type=DocumentType.REPLENISHMENT,
            source_id=order.number,
        )
        expected = await announce(work, act=act, supply=supply)
        await work.orders.move(record_id, State.ORDERED, supply_id=expected.id)
        details: dict[str, Any] = {"supplyId": expected.id}
    else:
        assert order.source_location_id is not None
        new = NewTransfer(
            origin_id=order.source_location_id,
            destination_id=order.location_id,
            lines=[LineWanted(product_id=order.product_id, quantity=order.quantity)],
            due_on=max(order.due_on, order.today),
            source_type=DocumentType.REPLENISHMENT,
            source_id=str(record_id),
            reference=order.number,
        )
        submits = _may_move(act.caller, order.source_location_id)
        transfer = await create_transfer(work, act=act, new=new, submits=submits, is_sourced=True)
        await work.orders.move(record_id, State.TRIGGERED, transfer_id=transfer.id)
        details = {"transferId": transfer.id}
    await told(
        work, record_id, event="triggered", action=Action.TRIGGER, before=order, comment=comment, details=details
    )
    return await view(work, act, record_id)


async def close(
    work: RecordWork, *, act: Act, record_id: UUID, comment: str | None, expected_version: int | None
) -> Record:
    """It is done with; what a supplier has not brought is not expected any more."""
    order = await _opened(work, act, record_id, Action.CLOSE, expected_version)
    # Before what it follows, which leaves it as it is then.
    await work.orders.move(record_id, State.CLOSED)
    await _forget_supply(work, act, order)
    await told(work, record_id, event="closed", action=Action.CLOSE, before=order, comment=comment)
    return await view(work, act, record_id)


async def cancel(
    work: RecordWork, *, act: Act, record_id: UUID, comment: str | None, expected_version: int | None
) -> Record:
    """It is not wanted any more, nor is its transfer or its supply."""
    order = await _opened(work, act, record_id, Action.CANCEL, expected_version)
    await work.orders.move(record_id, State.CANCELED)
    await _forget_supply(work, act, order)
    if order.state is State.TRIGGERED and order.transfer_id is not None:
        await cancel_transfer(work, act=act, transfer_id=order.transfer_id, comment=comment, is_sourced=True)
    await told(work, record_id, event="canceled", action=Action.CANCEL, before=order, comment=comment)
    return await view(work, act, record_id)


async def view(work: RecordWork, act: Act, record_id: UUID) -> Record:
    record = await work.orders.view(record_id)
    return shown(with_history(record, await work.history(record_id)), act.caller)


def _may_move(caller: Caller, location_id: UUID) -> bool:
    if not caller.allows(Permission.TRANSFERS_WRITE):
        return False
    scope = caller.scope(Permission.TRANSFERS_WRITE)
    return scope is None or location_id in scope


async def _opened(
    work: RecordWork, act: Act, record_id: UUID, action: Action, expected_version: int | None
) -> OrderFacts:
    followed = await work.orders.lock_followed(record_id)
    order = await work.orders.lock(record_id)
    if order is None:
        raise not_found(RECORD)
    act.caller.require_location(act.permission, order.location_id)
    if expected_version not in {None, order.version}:
        raise DomainError(
            Reason.STALE_VERSION,
            "The replenishment has been changed since you read it",
            expected=expected_version,
            actual=order.version,
        )
    FLOW.require(
        order.state, action, Standing(caller=act.caller, location_id=order.location_id, source=order.source)
    )
    if order.follows != followed:
        # It has been triggered in between. What was made then must not be locked after the record: once more.
        raise ContentionError(Reason.UNAVAILABLE, "The replenishment has just been triggered", retryAfter=1)
    return order


async def _forget_supply(work: RecordWork, act: Act, order: OrderFacts) -> None:
    if order.supply_id is None:
        return
    stored = await work.supplies.lock(order.supply_id)
    if stored is not None and stored.facts.state is SupplyState.OPEN:
        await change_supply(
            work, act=act, supply_id=order.supply_id, changes={}, cancel=True, expected_version=None
        )


async def _decided(work: RecordWork, act: Act, new: NewRecord) -> NewOrder:
    """What is asked for, and where that is left open what is suggested."""
    wanted = FactsWanted(
        tenant_id=act.tenant_id,
        scope=act.scope,
        location_id=new.location_id,
        days=new.days,
        product_ids=[new.product_id],
    )
    found = await work.facts(wanted)
    if found is None:
        raise not_found("location", field="locationId")
    weighed = weigh(found.rows[0], days=new.days) if found.rows else None
    if new.quantity is None and weighed is None:
        raise FieldError(("quantity", "is needed for what no configuration replenishes here"))
    if new.quantity is None and weighed is not None and not weighed.is_due:
        raise DomainError(Reason.NO_CHANGE, f"Nothing is due: {reasoning(weighed, days=new.days)['text']}")
    source, source_location_id, supplier, quantity = await _sourced(work, act, new, weighed)
    is_by_hand = new.quantity is not None or weighed is None
    return NewOrder(
        product_id=new.product_id,
        location_id=new.location_id,
        quantity=Quantity.of(quantity),
        method=OrderMethod.MANUAL if is_by_hand or weighed is None else OrderMethod(weighed.facts.method),
        source=source,
        source_location_id=source_location_id,
        supplier=supplier,
        needed_on=new.needed_on,
        note=new.note,
        reasoning={} if weighed is None else reasoning(weighed, days=new.days),
    )


async def _sourced(
    work: RecordWork, act: Act, new: NewRecord, weighed: Weighed | None
) -> tuple[Source, UUID | None, str | None, Decimal]:
    """From where, and how much of it: a suggestion that has several sources becomes a record of the first."""
    supplier = new.supplier or (weighed.facts.supplier if weighed is not None else None)
    wanted = new.quantity if new.quantity is not None else weighed.quantity if weighed is not None else ZERO
    if new.source is Source.SUPPLIER:
        return Source.SUPPLIER, None, supplier, wanted
    if new.source_location_id is not None:
        return Source.LOCATION, new.source_location_id, None, wanted
    surplus = await work.surplus(act.tenant_id, act.scope, new.location_id, [new.product_id])
    if weighed is not None and new.quantity is None:
        parts = sources(weighed, surplus)
        if parts and (new.source is None or parts[0].type is new.source):
            first = parts[0]
            return first.type, first.location_id, first.supplier or supplier, first.quantity
    else:
        most = max(surplus, key=lambda one: one.quantity, default=None)
        if most is not None and most.quantity >= wanted:
            return Source.LOCATION, most.location_id, None, wanted
        if most is not None and new.source is Source.LOCATION:
            step = multiple_of(weighed.facts) if weighed is not None else Decimal(1)
            gives = rounded_down(min(most.quantity, wanted), step)
            raise DomainError(
                Reason.INSUFFICIENT_STOCK,
                "No other location has so much above what it keeps for itself",
                productMasterId=new.product_id,
                locationId=most.location_id,
                requested=plain(wanted),
                available=plain(gives),
            )
    if new.source is Source.LOCATION:
        message = "No other location has any of it above what it keeps for itself"
        raise DomainError(
            Reason.INSUFFICIENT_STOCK,
            message,
            productMasterId=new.product_id,
            requested=plain(wanted),
            available=0,
        )
    return Source.SUPPLIER, None, supplier, wanted
