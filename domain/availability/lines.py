"""The availability of stock lines, as it is shown: rows of the database become these structs by position."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Protocol
from uuid import UUID

import msgspec

from domain.access.model import Act, Scope
from domain.availability.claims import Place


class LinesWanted(msgspec.Struct, frozen=True, kw_only=True):
    """Lines of products at locations, in pages of places; within a place in the order of use."""

    tenant_id: UUID
    scope: Scope
    limit: int
    """How many places, a product at a location each."""
    location_id: UUID | None = None
    product_id: UUID | None = None
    lot_id: UUID | None = None
    bin_id: UUID | None = None
    with_expired: bool = False
    with_recalled: bool = False
    with_on_hold: bool = False
    after: Place | None = None
    with_totals: bool = True


class AvailableLine(msgspec.Struct, frozen=True, rename="camel", tag_field="type", tag="stockLine"):
    """A stock line with what it can give; `qtyPicked` is allocated, `qtyReserved` all that is claimed."""

    id: UUID
    product_master_id: UUID
    location_id: UUID
    lot_id: UUID
    lot_number: str | None
    expiry_date: date | None
    bin_id: UUID
    bin_code: str
    qty_on_hand: Decimal
    qty_available: Decimal
    qty_on_hold: Decimal
    qty_picked: Decimal
    qty_reserved: Decimal
    qty_recalled: Decimal
    qty_expired: Decimal
    status: str


class PlaceSummary(msgspec.Struct, frozen=True, rename="camel", tag_field="type", tag="summary"):
    """A product at a location: the sums of its lines."""

    product_master_id: UUID
    location_id: UUID
    lines: int
    qty_on_hand: Decimal
    qty_available: Decimal
    qty_on_hold: Decimal
    qty_picked: Decimal
    qty_reserved: Decimal
    qty_recalled: Decimal
    qty_expired: Decimal


class LineTotals(msgspec.Struct, frozen=True, rename="camel"):
    """Of everything that the filters admit, on all pages."""

    count: int
    total_on_hand: Decimal
    total_available: Decimal
    total_on_hold: Decimal
    total_picked: Decimal
    total_recalled: Decimal
    total_expired: Decimal


class LinesFound(msgspec.Struct, frozen=True, kw_only=True):
    position: int
    lines: list[AvailableLine]
    after: Place | None
    totals: LineTotals | None


class Behind(msgspec.Struct, frozen=True, rename="camel"):
    """A document that binds stock of a line."""

    type: str
    """HOLD or RESERVATION."""
    id: UUID
    kind: str
    """The hold's type, or SOFT or HARD."""
    quantity: Decimal | None
    """None: all of the line."""
    source_type: str | None
    source_id: str | None
    reference: str | None
    actor: str | None
    created_at: datetime
    until: datetime | None


class LineTerms(msgspec.Struct, frozen=True, kw_only=True):
    """One line, the documents behind its figures, and whether those agree with what they are sums of."""

    position: int
    line: AvailableLine
    behind: list[Behind]
    expected_on_hand: Decimal
    """The sum of its movements."""
    expected_reserved: Decimal
    """The sum of its claims that have not run out, which is what the line itself must say."""
    drift: Decimal
    """How far the balance is from its movements: none, or the ledger has been tampered with."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What a planner sets for a product at a location, as far as it is given."""

    safety_stock: Decimal | None = None
    available_from: date | None = None


class AvailabilityRecord(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody asked, at a moment with its ledger position."""

    id: UUID
    position: int
    terms: dict[str, Any]
    drift: Decimal
    note: str | None
    actor: str | None
    created_at: datetime


class AvailabilityLines(Protocol):
    """Reads: one statement each, and one more for totals."""

    async def lines(self, wanted: LinesWanted) -> LinesFound: ...
    async def summary(self, wanted: LinesWanted) -> tuple[int, list[PlaceSummary], Place | None]: ...
    async def terms(self, tenant_id: UUID, line_id: UUID, scope: Scope) -> LineTerms | None: ...


class RecordWork(Protocol):
    """One transaction of a record."""

    async def claim(self, act: Act) -> tuple[int, bytes] | None: ...
    async def remember(self, act: Act, status: int, body: bytes) -> None: ...
    def savepoint(self) -> AbstractAsyncContextManager[None]: ...

    async def verified(self, line_id: UUID) -> LineTerms | None:
        """The line and its terms, all of one moment."""
        ...

    async def keep(self, terms: LineTerms, note: str | None) -> AvailabilityRecord: ...
    async def set_levels(self, place: Place, settings: Settings) -> None: ...


type BeginRecord = Callable[[Act], AbstractAsyncContextManager[RecordWork]]


async def record(
    work: RecordWork, *, act: Act, line_id: UUID, settings: Settings, note: str | None
) -> tuple[LineTerms, AvailabilityRecord] | None:
    """Verify a line against the ledger and keep what was found; the planner's settings go with it.

    None: there is no such line.
    """
    found = await work.verified(line_id)
    if found is None:
        return None
    act.caller.require_location(act.permission, found.line.location_id)
    if settings != Settings():
        await work.set_levels((found.line.product_master_id, found.line.location_id), settings)
    return found, await work.keep(found, note)
