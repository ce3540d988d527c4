"""Reading expired stock and what was destroyed of it. Shaped as answers: fields by position."""

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Protocol
from uuid import UUID

import msgspec

from domain.access.model import Scope
from domain.expiry.destruction import Destruction, DestructionState


class ExpiredLine(msgspec.Struct, frozen=True, rename="camel"):
    """A stock line whose lot is past its expiry, or near it.

    `daysLeft` counts from today at the location: 0 on the last usable day, negative after it. `qtyMarked` is what
    was marked as expired.
    """

    inventory_item_id: UUID
    product_master_id: UUID
    product_name: str
    global_sku: str
    location_id: UUID
    location_name: str
    bin_id: UUID
    bin_code: str
    bin_type: str
    lot_id: UUID
    lot_number: str | None
    expiry_date: date
    days_left: int
    expired: bool
    qty_on_hand: Decimal
    qty_reserved: Decimal
    qty_marked: Decimal
    unit_cost: Decimal
    value: Decimal


class ExpiredAfter(msgspec.Struct, frozen=True, array_like=True):
    """A place in the list: the last line shown."""

    expires_on: date
    id: UUID


class ExpiredTotals(msgspec.Struct, frozen=True, array_like=True):
    """Of the whole list, whatever the page; `value` is at today's unit cost."""

    lines: int
    quantity: Decimal
    value: Decimal


class ExpiredWanted(msgspec.Struct, frozen=True, kw_only=True):
    tenant_id: UUID
    scope: Scope
    limit: int
    within_days: int | None = None
    """So many days before the expiry, today's included; None is what is past it only."""
    location_id: UUID | None = None
    product_id: UUID | None = None
    after: ExpiredAfter | None = None


class ExpiredPage(msgspec.Struct, frozen=True, kw_only=True):
    rows: Sequence[ExpiredLine]
    position: int
    totals: ExpiredTotals | None
    """None after the first page, which told them."""
    after: ExpiredAfter | None


class DestructionsWanted(msgspec.Struct, frozen=True, kw_only=True):
    tenant_id: UUID
    scope: Scope
    limit: int
    location_id: UUID | None = None
    state: DestructionState | None = None
    after: UUID | None = None


class DestructionPage(msgspec.Struct, frozen=True, kw_only=True):
    rows: Sequence[Destruction]
    after: UUID | None


class ExpiredReader(Protocol):
    """One statement each."""

    async def expired(self, wanted: ExpiredWanted) -> ExpiredPage: ...

    async def destructions(self, wanted: DestructionsWanted) -> DestructionPage:
        """The newest first."""
        ...

    async def destruction(self, tenant_id: UUID, scope: Scope, destruction_id: UUID) -> Destruction | None: ...


class LotHead(msgspec.Struct, frozen=True, rename="camel"):
    """The lot that is traced."""

    lot_id: UUID
    lot_number: str | None
    product_master_id: UUID
    global_sku: str
    product_name: str
    expiry_date: date | None
    manufactured_date: date | None
    supplier_lot: str | None
    status: str


class TracePlace(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Where stock of a lot went from or to. Of a lot correction it has the other lot."""

    inventory_item_id: UUID
    location_id: UUID
    location_name: str
    bin_id: UUID
    bin_code: str
    lot_id: UUID
    lot_number: str | None
    quantity: Decimal


class TraceStep(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One movement of the lot.

    `from` and `to` are places of the house; where one of them is empty the stock came from outside or left, and
    `sourceType` and `sourceId` name the document, so the sender or the receiver.
    """

    position: int
    transaction_id: UUID
    transaction_type: str
    kind: str
    delta_qty: Decimal
    qty_after: Decimal
    effective_at: datetime
    recorded_at: datetime
    origins: Sequence[TracePlace] = msgspec.field(name="from")
    destinations: Sequence[TracePlace] = msgspec.field(name="to")
    source_type: str | None
    source_id: str | None
    comment: str | None
    actor: str | None
    reverses_id: UUID | None


class TraceWanted(msgspec.Struct, frozen=True, kw_only=True):
    tenant_id: UUID
    scope: Scope
    lot_id: UUID
    limit: int
    after: int | None = None


class TracePage(msgspec.Struct, frozen=True, kw_only=True):
    lot: LotHead
    rows: Sequence[TraceStep]
    position: int
    after: int | None


class TraceReader(Protocol):
    async def trace(self, wanted: TraceWanted) -> TracePage | None:
        """The movements of a lot, the oldest first, where the caller may look; None when there is no such lot."""
        ...
