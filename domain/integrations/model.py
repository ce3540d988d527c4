"""Records of the integrations surface: the quantity of a product at a place, whatever its lots.

A place is a bin: named by its own code, by its location's code if it is the location's default bin, or by both
(`MAIN/A-101`). See app/decisions/0006 for which one wins.
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any
from uuid import UUID

import msgspec

from domain.ledger.shortage import ShortLine

ROWS_MAX = 20_000
"""Rows of one request, far more than are sent: one transaction holds the tenant's ledger while it posts them."""
QUANTITY_MAX = 10**14 - 1
CODE_LONGEST = 129
"""Of a location's code, a slash and a bin's code."""
SKU_LONGEST = 64


class SetSource(StrEnum):
    """Why quantities are set. The published names."""

    BULK_IMPORT = "bulk_import"
    ERP_SYNC = "erp_sync"
    INITIAL_LOAD = "initial_load"
    MANUAL_ADJUSTMENT = "manual_adjustment"


class WantedRow(msgspec.Struct, frozen=True, kw_only=True):
    """A row that can be meant."""

    row: int
    location_code: str
    sku_code: str
    quantity: int


class BadRow(msgspec.Struct, frozen=True, kw_only=True):
    """A row that was refused, with what it names as it was sent, and what is wrong with which field."""

    row: int
    location_code: Any
    sku_code: Any
    errors: Mapping[str, Sequence[str]]


class BulkSet(msgspec.Struct, frozen=True, kw_only=True):
    """Quantities to be set, row by row."""

    rows: Sequence[WantedRow | BadRow]
    source: SetSource
    notes: str | None = None


class BulkResult(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the rows."""

    total: int
    created: int
    updated: int
    failed: Sequence[BadRow]


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """A bin that a code may name."""

    rank: int
    """How well the code names it: 1 is best."""
    location_id: UUID
    bin_id: UUID
    location_code: str
    bin_code: str
    is_default: bool
    is_active: bool
    frozen_by: UUID | None

    @property
    def full_code(self) -> str:
        return f"{self.location_code}/{self.bin_code}"


class Sku(msgspec.Struct, frozen=True, kw_only=True):
    """A product as far as setting quantities asks for it."""

    product_id: UUID
    is_active: bool
    is_lot_controlled: bool
    lot_id: UUID | None
    """Its default lot; none under lot control."""


class Pair(msgspec.Struct, frozen=True, kw_only=True):
    """What a record is of."""

    product_id: UUID
    location_id: UUID
    bin_id: UUID
    lot_id: UUID


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """What there is of a pair."""

    line_id: UUID | None
    """The line of the product's default lot."""
    is_known: bool
    """Whether it is a record already."""
    is_in_lots: bool
    """Whether stock stands there under lot numbers."""


class Aftermath(msgspec.Struct, frozen=True, kw_only=True):
    """What a posting has done to lines."""

    new_lines: frozenset[tuple[UUID, UUID]]
    """The products and bins of lines that it was the first to move."""
    short: Sequence[ShortLine]
