"""Response-shaped: what a reader of replenishment records is shown."""

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

from msgspec import field

from domain.catalog.views import View
from domain.replenishment.flow import Action, State
from domain.replenishment.model import Source


class OrderMethod(StrEnum):
    """By which method it was found; MANUAL is by hand."""

    DEMAND = "DEMAND"
    EOQ = "EOQ"
    MANUAL = "MANUAL"
    MIN_MAX = "MIN_MAX"
    REORDER_POINT = "REORDER_POINT"


class RecordStep(View, frozen=True, kw_only=True):
    action: str
    from_state: str | None
    to_state: str
    comment: str | None
    actor: str | None
    recorded_at: datetime
    details: dict[str, Any]


class RecordSummary(View, frozen=True, kw_only=True):
    """A record in a list. `reasoning` is why it was suggested, with the numbers of that moment."""

    id: UUID
    number: str
    product_id: UUID = field(name="productMasterId")
    global_sku: str
    product_name: str
    location_id: UUID
    location_code: str
    quantity: Decimal
    method: OrderMethod
    state: State
    source: Source
    source_location_id: UUID | None
    source_location_code: str | None
    supplier: str | None
    needed_on: date | None
    note: str | None
    reasoning: Mapping[str, Any]
    transfer_id: UUID | None
    transfer_number: str | None
    transfer_state: str | None
    supply_id: UUID | None
    supply_due_on: date | None
    actor: str | None
    version: int
    created_at: datetime
    updated_at: datetime
    allowed_actions: tuple[Action, ...] = ()


class Record(RecordSummary, frozen=True, kw_only=True):
    history: tuple[RecordStep, ...] = ()
