"""What waits to be decided, and how accurate the records were, as they are read."""

from collections.abc import Sequence
from datetime import date, datetime
from enum import StrEnum
from typing import Protocol
from uuid import UUID

import msgspec

from domain.access.model import Scope
from domain.counting.accuracy import Accuracy
from domain.counting.resolving_ports import Standing
from domain.settings.model import TenantSettings


class Said(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A proposal to accept a variance, or an approval of it."""

    action: str
    actor: str
    on_behalf_of: UUID | None
    comment: str | None
    recorded_at: datetime


class VarianceView(msgspec.Struct, frozen=True, kw_only=True):
    """A line under review with the names that people know it by."""

    standing: Standing
    batch_number: str
    batch_version: int
    location_code: str
    location_name: str
    sku: str
    product_name: str
    uom: str
    bin_code: str
    lot_number: str
    counter_id: UUID | None
    counter: str | None
    note: str | None
    said: Sequence[Said]


class VariancesWanted(msgspec.Struct, frozen=True, kw_only=True):
    """A part of the lines under review, those that were counted first before others."""

    tenant_id: UUID
    scope: Scope
    limit: int
    page: int = 1
    after: tuple[datetime, UUID] | None = None
    batch_id: UUID | None = None
    location_id: UUID | None = None
    is_for_approval: bool = False
    """Only those that may take an approval, by their worth."""


class VariancePage(msgspec.Struct, frozen=True, kw_only=True):
    views: Sequence[VarianceView]
    has_more: bool
    total: int
    settings: TenantSettings
    position: int


class Grouping(StrEnum):
    """What accuracy is told by."""

    BATCH = "batch"
    CLASS = "class"
    COUNTER = "counter"
    LOCATION = "location"


class AccuracyWanted(msgspec.Struct, frozen=True, kw_only=True):
    tenant_id: UUID
    scope: Scope
    by: Grouping
    limit: int
    page: int = 1
    from_day: date | None = None
    to_day: date | None = None
    location_id: UUID | None = None


class GroupAccuracy(msgspec.Struct, frozen=True, kw_only=True):
    """`id` is the batch's, the location's or the counter's; a class has its letter for a name, or none."""

    id: UUID | None
    name: str | None
    accuracy: Accuracy


class AccuracyPage(msgspec.Struct, frozen=True, kw_only=True):
    groups: Sequence[GroupAccuracy]
    total: int
    overall: Accuracy


class ReviewReader(Protocol):
    """Reads: one statement each."""

    async def variances(self, wanted: VariancesWanted) -> VariancePage: ...
    async def accuracy(self, wanted: AccuracyWanted) -> AccuracyPage: ...
