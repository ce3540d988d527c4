"""How a check and a reservation look on the wire."""

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from app.http.wire import Answer
from domain.availability.ports import Kind, Reservation, State
from domain.availability.service import Checked
from domain.availability.taking import terms
from domain.values import plain


class SuggestedLine(Answer, frozen=True, kw_only=True):
    inventory_item_id: UUID
    location_id: UUID
    lot_id: UUID
    lot_number: str | None
    expiry_date: date | None
    bin_id: UUID
    bin_code: str
    qty_to_allocate: Decimal
    qty_available: Decimal


class CheckedItem(Answer, frozen=True, kw_only=True):
    """`available`: whether all of it can be had now. `terms` explain the figure of each location."""

    product_master_id: UUID
    location_id: UUID | None
    channel_id: UUID | None
    available: bool
    total_available: Decimal
    quantity_needed: Decimal
    shortfall: Decimal
    suggested_allocations: Sequence[SuggestedLine]
    earliest_date: date | None
    terms: Sequence[dict[str, Any]]


class ReservedLine(Answer, frozen=True, kw_only=True):
    inventory_item_id: UUID
    quantity: Decimal


class ReservationAnswer(Answer, frozen=True, kw_only=True):
    """`openQuantity` is what it still claims. A SOFT one ends at `expiresAt`, whether anybody sweeps it or not."""

    id: UUID
    group_id: UUID
    kind: Kind
    state: State
    product_master_id: UUID
    location_id: UUID
    channel_id: UUID | None
    quantity: Decimal
    open_quantity: Decimal
    external_ref: str | None
    source_type: str | None
    source_id: str | None
    actor: str | None
    expires_at: datetime | None
    created_at: datetime
    resolved_at: datetime | None
    version: int
    lines: Sequence[ReservedLine]


def answer_of(one: Reservation) -> ReservationAnswer:
    return ReservationAnswer(
        id=one.id,
        group_id=one.group_id,
        kind=one.kind,
        state=one.state,
        product_master_id=one.product_id,
        location_id=one.location_id,
        channel_id=one.channel_id,
        quantity=plain(one.quantity),
        open_quantity=plain(one.open_quantity),
        external_ref=one.external_ref,
        source_type=one.source_type,
        source_id=one.source_id,
        actor=one.actor,
        expires_at=one.expires_at,
        created_at=one.created_at,
        resolved_at=one.resolved_at,
        version=one.version,
        lines=[ReservedLine(inventory_item_id=line.line_id, quantity=plain(line.quantity)) for line in one.lines],
    )


def checked_item(one: Checked) -> CheckedItem:
    given = one.grant
    need = given.need
    return CheckedItem(
        product_master_id=need.product_id,
        location_id=need.location_id,
        channel_id=need.channel_id,
        available=given.shortfall == 0,
        total_available=plain(given.available),
        quantity_needed=plain(need.quantity),
        shortfall=plain(given.shortfall),
        suggested_allocations=[
            SuggestedLine(
                inventory_item_id=part.line.line_id,
                location_id=portion.cell.pool.location_id,
                lot_id=part.line.lot_id,
                lot_number=part.line.lot_number or None,
                expiry_date=part.line.expires_on,
                bin_id=part.line.bin_id,
                bin_code=part.line.bin_code,
                qty_to_allocate=plain(part.quantity),
                qty_available=plain(part.line.free),
            )
            for portion in given.portions
            for part in portion.parts
        ],
        earliest_date=one.earliest,
        terms=[
            {"locationId": portion.cell.pool.location_id, "atp": plain(portion.cell.atp), **terms(portion.cell)}
            for portion in given.portions
        ],
    )
