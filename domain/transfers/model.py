"""Transfers: what is to be moved, from which stock lines it was taken, and what became of it."""

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

import msgspec

ZERO = Decimal(0)
TRANSFER = "transfer"


class TransferType(StrEnum):
    """STANDARD goes from one location to another, INTERNAL from bin to bin, at once."""

    INTERNAL = "INTERNAL"
    STANDARD = "STANDARD"


class TransferState(StrEnum):
    CANCELED = "CANCELED"
    """What was on its way came back; what had been received stayed where it was."""
    COMPLETED = "COMPLETED"
    DRAFT = "DRAFT"
    IN_TRANSIT = "IN_TRANSIT"
    """On the ledger at neither end; a part may have been received."""
    PENDING = "PENDING"
    """Reserved at the origin."""
    PICKED = "PICKED"
    RECEIVED = "RECEIVED"
    """Nothing is on its way any more."""


class TransferAction(StrEnum):
    CANCEL = "cancel"
    CLOSE = "close"
    PICK = "pick"
    RECEIVE = "receive"
    SHIP = "ship"
    SUBMIT = "submit"
    UPDATE = "update"


class ReceiptKind(StrEnum):
    LOST = "LOST"
    """Written off when the transfer was closed."""
    RECEIVED = "RECEIVED"
    RETURNED = "RETURNED"
    """Brought back to the origin."""


class TransferPick(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What a line takes from one stock line. `shipped` = received + lost + returned + inTransit."""

    id: UUID
    inventory_item_id: UUID
    """The stock line at the origin."""
    transit_item_id: UUID | None
    claim_id: UUID | None
    lot_id: UUID
    lot_number: str | None
    expiry_date: date | None
    bin_id: UUID
    bin_code: str
    reserved: Decimal
    """Claimed now."""
    picked: Decimal
    shipped: Decimal
    received: Decimal
    lost: Decimal
    returned: Decimal
    in_transit: Decimal


class TransferLine(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """So much of a product. `surplus` arrived beyond what was shipped, and was found, with `discrepancyReason`."""

    id: UUID
    number: int
    product_master_id: UUID
    global_sku: str
    product_name: str
    lot_id: UUID | None
    lot_number: str | None
    from_bin_id: UUID | None
    from_bin_code: str | None
    to_bin_id: UUID | None
    to_bin_code: str | None
    quantity: Decimal
    reserved: Decimal
    picked: Decimal
    shipped: Decimal
    received: Decimal
    lost: Decimal
    returned: Decimal
    in_transit: Decimal
    surplus: Decimal
    supply_id: UUID | None
    pick_reason: str | None
    discrepancy_reason: str | None
    note: str | None
    picks: Sequence[TransferPick]


class ReceiptLine(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    line_id: UUID
    lot_id: UUID
    bin_id: UUID | None
    """Where it was put; none for what was written off."""
    quantity: Decimal
    surplus: Decimal = ZERO
    """The part of it that had not been shipped."""
    discrepancy_reason: str | None = None


class TransferReceipt(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What arrived at one time, was written off, or was brought back."""

    id: UUID
    kind: ReceiptKind
    transaction_id: UUID | None
    lines: Sequence[ReceiptLine]
    comment: str | None
    actor: str | None
    recorded_at: datetime


class TransferStep(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What was done to it."""

    action: str
    from_state: str | None
    to_state: str
    comment: str | None
    actor: str | None
    recorded_at: datetime
    details: dict[str, Any]


class TransferHead(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A transfer without its lines. `sourceType` and `sourceId` name the document that it was made for."""

    id: UUID
    number: str
    type: TransferType
    state: TransferState
    origin_location_id: UUID
    origin_location_code: str
    origin_location_name: str
    destination_location_id: UUID
    destination_location_code: str
    destination_location_name: str
    source_type: str | None
    source_id: str | None
    reference: str | None
    due_on: date | None
    is_overdue: bool = msgspec.field(name="overdue")
    """It should have arrived, and has not."""
    comment: str | None
    actor: str | None
    shipped_at: datetime | None
    received_at: datetime | None
    closed_at: datetime | None
    version: int
    created_at: datetime
    updated_at: datetime


class TransferSummary(TransferHead, frozen=True, kw_only=True):
    """A transfer in a list: what its lines add up to."""

    line_count: int
    quantity: Decimal
    shipped: Decimal
    received: Decimal
    in_transit: Decimal
    allowed_actions: Sequence[TransferAction] = ()


class Transfer(TransferHead, frozen=True, kw_only=True):
    """A transfer with all that is known of it. `allowedActions` is what this caller may do with it now."""

    ship_transaction_id: UUID | None
    lines: Sequence[TransferLine]
    receipts: Sequence[TransferReceipt]
    history: Sequence[TransferStep]
    allowed_actions: Sequence[TransferAction] = ()

    @property
    def picks(self) -> list[tuple[TransferLine, TransferPick]]:
        return [(line, pick) for line in self.lines for pick in line.picks]


class LineWanted(msgspec.Struct, frozen=True, kw_only=True):
    """So much of a product, from anywhere or only from a bin or lot, to a bin (none: the default one)."""

    product_id: UUID
    quantity: Decimal
    lot_id: UUID | None = None
    from_bin_id: UUID | None = None
    to_bin_id: UUID | None = None
    note: str | None = None


class NewTransfer(msgspec.Struct, frozen=True, kw_only=True):
    """A transfer as it is asked for. Equal ends are INTERNAL."""

    origin_id: UUID
    destination_id: UUID
    lines: Sequence[LineWanted]
    due_on: date | None = None
    reference: str | None = None
    comment: str | None = None
    source_type: str | None = None
    source_id: str | None = None


class PickedLine(msgspec.Struct, frozen=True, kw_only=True):
    """So much of a line was picked, of all that it reserves or of one stock line; less needs a reason."""

    line_id: UUID
    quantity: Decimal
    stock_line_id: UUID | None = None
    reason: str | None = None


class ArrivedLine(msgspec.Struct, frozen=True, kw_only=True):
    """So much of a line arrived, in any of its lots or in one; more than is on its way needs a reason."""

    line_id: UUID
    quantity: Decimal
    lot_number: str | None = None
    bin_id: UUID | None = None
    reason: str | None = None
    reason_code_id: UUID | None = None


class Missing(msgspec.Struct, frozen=True, kw_only=True):
    """Why what is still on its way of a line, or of all lines, will not arrive."""

    reason: str
    line_id: UUID | None = None
    reason_code_id: UUID | None = None
