"""Batches and lines with the names that people know things by."""

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

import msgspec

from domain.counting.model import Batch, Line
from domain.documents import PastStep


class Person(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    user_id: UUID
    name: str


class BatchView(msgspec.Struct, frozen=True, kw_only=True):
    batch: Batch
    location_code: str
    location_name: str
    assignees: Sequence[Person]
    variance_value: Decimal | None = None
    """The sum of the variances at unit cost; more here makes up for less there."""
    variance_value_gross: Decimal | None = None
    """The sum of their sizes."""
    history: Sequence[PastStep] = ()


class LineView(msgspec.Struct, frozen=True, kw_only=True):
    line: Line
    sku: str
    product_name: str
    uom: str
    bin_code: str
    bin_name: str
    zone: str | None
    lot_number: str
    expires_on: date | None
    waiver: str | None
    reason_code_id: UUID | None
    root_cause: str | None
    comment: str | None
    proposed_by: UUID | None
    resolver_id: UUID | None
    resolver: str | None
    on_behalf_of: UUID | None
    posting_id: UUID | None
    resolved_at: datetime | None
