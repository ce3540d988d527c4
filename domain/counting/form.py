"""The form that is counted on: where to go and what to look for, and no quantity, in no field of any type."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Protocol
from uuid import UUID

import msgspec

from domain.access.model import Scope
from domain.counting.model import State, Type

FORM_MOST = 2000
"""Lines on one form; a larger batch has several."""


class FormLine(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A position to be counted."""

    line_id: UUID
    sequence: int
    bin_id: UUID
    bin_code: str
    bin_name: str
    zone: str | None
    product_master_id: UUID
    global_sku: str
    product_name: str
    barcode: str | None
    uom: str
    lot_number: str | None
    expiry_date: date | None


class Form(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A batch to be counted: its lines in walking order; of one in review those that are to be counted again."""

    batch_id: UUID
    number: str
    location_id: UUID
    location_code: str
    location_name: str
    type: Type
    status: State
    scheduled_for: date | None
    created_at: datetime
    total_lines: int
    page: int
    pages: int
    lines: Sequence[FormLine]


class FormWanted(msgspec.Struct, frozen=True, kw_only=True):
    tenant_id: UUID
    scope: Scope
    batch_id: UUID
    page: int = 1


class FormReads(Protocol):
    async def form(self, wanted: FormWanted) -> Form | None:
        """One statement; None where the batch is at no location of the scope."""
        ...
