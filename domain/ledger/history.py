"""Reading history: movements, postings, adjustments and counts, and the port that finds them.

Like all that is shaped as an answer, these structs take their fields by position (see reading.py).
"""

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Protocol
from uuid import UUID

import msgspec

from domain.access.model import Scope
from domain.ledger.model import Kind
from domain.ledger.reading import Found


class Movement(msgspec.Struct, frozen=True, rename="camel"):
    """One entry of the ledger: `kind` is what it was, `transactionType` what the whole transaction was.

    `qtyAfter` is the running balance of its stock line.
    """

    position: int
    transaction_id: UUID
    transaction_type: str
    kind: str
    inventory_item_id: UUID
    product_master_id: UUID
    product_name: str
    global_sku: str
    location_id: UUID
    location_name: str
    bin_id: UUID
    bin_name: str
    lot_id: UUID
    lot_number: str | None
    delta_qty: Decimal
    qty_before: Decimal
    qty_after: Decimal
    reason_code_id: UUID | None
    reason_code: str | None
    comment: str | None
    root_cause: str | None
    actor: str | None
    source_type: str | None
    source_id: str | None
    effective_at: datetime
    recorded_at: datetime


class AdjustmentEntry(msgspec.Struct, frozen=True, rename="camel"):
    """One corrected line. `id` is the transaction's, which may have several entries; `position` is the entry's."""

    id: UUID
    inventory_item_id: UUID
    transaction_type: str
    delta_qty: Decimal
    qty_before: Decimal
    qty_after: Decimal
    reason_code_id: UUID | None
    reason_code: str | None
    reason_name: str | None
    comment: str | None
    root_cause: str | None
    actor: str | None
    created_at: datetime
    effective_at: datetime
    position: int
    product_master_id: UUID
    product_name: str
    global_sku: str
    location_id: UUID
    location_name: str
    bin_id: UUID
    bin_name: str
    lot_id: UUID
    lot_number: str | None


class TransactionMovement(msgspec.Struct, frozen=True, rename="camel"):
    """One movement of a transaction."""

    position: int
    inventory_item_id: UUID
    transaction_type: str
    product_master_id: UUID
    product_name: str
    global_sku: str
    location_id: UUID
    location_name: str
    bin_id: UUID
    bin_name: str
    lot_id: UUID
    lot_number: str | None
    expiry_date: date | None
    delta_qty: Decimal
    qty_before: Decimal
    qty_after: Decimal
    reason_code_id: UUID | None
    reason_code: str | None
    comment: str | None
    root_cause: str | None
    effective_at: datetime


class Transaction(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A posting with those of its movements that the caller may see."""

    id: UUID
    transaction_type: str
    source_type: str | None
    source_id: str | None
    comment: str | None
    actor: str | None
    actor_id: UUID | None
    request_id: str | None
    reverses_id: UUID | None
    reversed_by_id: UUID | None
    details: msgspec.Raw | None
    """What its source keeps beside the movements."""
    created_at: datetime
    ledger_position: int
    """The position of its last movement."""
    movements: Sequence[TransactionMovement]


class CountedPlace(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What was counted in one bin of one lot. `listed` is false where it was not named and so is not there."""

    inventory_item_id: UUID | None
    bin_id: UUID
    bin_code: str
    lot_id: UUID | None
    lot_number: str | None
    expiry_date: date | None
    new_qty: Decimal
    qty_before: Decimal
    delta_qty: Decimal
    listed: bool


class CountSession(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The count of a whole product at a location; `complete` when what was not listed is not there."""

    id: UUID
    transaction_type: str
    product_master_id: UUID
    product_name: str
    global_sku: str
    location_id: UUID
    location_name: str
    counted_at: datetime
    complete: bool
    comment: str | None
    actor: str | None
    created_at: datetime
    ledger_position: int
    lines: Sequence[CountedPlace]


class CountsAfter(msgspec.Struct, frozen=True, array_like=True):
    """A place in a list of counts: one that found no difference has no position of its own."""

    position: int
    id: UUID


class MovementsWanted(msgspec.Struct, frozen=True, kw_only=True):
    """Which movements, of whom, and which page of them, newest first unless `is_oldest_first`."""

    tenant_id: UUID
    scope: Scope
    limit: int
    after: int | None = None
    """The position (in a line's history its version) of the last one shown."""
    is_oldest_first: bool = False
    line_id: UUID | None = None
    product_id: UUID | None = None
    location_id: UUID | None = None
    posting_id: UUID | None = None
    reason_code_id: UUID | None = None
    kind: Kind | None = None
    """Of the whole transaction."""
    effective_from: datetime | None = None
    effective_to: datetime | None = None
    recorded_from: datetime | None = None
    recorded_to: datetime | None = None


class AdjustmentsWanted(msgspec.Struct, frozen=True, kw_only=True):
    """Which adjustments, of whom, newest first; dates are those of recording, the last one included."""

    tenant_id: UUID
    scope: Scope
    limit: int
    offset: int = 0
    after: int | None = None
    line_id: UUID | None = None
    product_id: UUID | None = None
    location_id: UUID | None = None
    reason_code_id: UUID | None = None
    recorded_from: datetime | None = None
    recorded_to: datetime | None = None


class CountsWanted(msgspec.Struct, frozen=True, kw_only=True):
    """Which counts of whole products, of whom, newest first."""

    tenant_id: UUID
    scope: Scope
    limit: int
    offset: int = 0
    after: CountsAfter | None = None
    product_id: UUID | None = None
    location_id: UUID | None = None


class MovementReader(Protocol):
    """The ledger itself. One statement each."""

    async def movements(self, wanted: MovementsWanted) -> Found[Movement, int]: ...

    async def history(self, wanted: MovementsWanted) -> Found[Movement, int] | None:
        """The movements of the line `wanted.line_id`; None when there is no such line."""
        ...

    async def adjustments(self, wanted: AdjustmentsWanted) -> Found[AdjustmentEntry, int]: ...

    async def counts(self, wanted: CountsWanted) -> Found[CountSession, CountsAfter]: ...

    async def transaction(
        self, tenant_id: UUID, scope: Scope, posting_id: UUID
    ) -> Found[Transaction, None] | None:
        """One posting; None when there is none, or nothing of it lies where the caller may look."""
        ...
