"""What transfers need from the outside."""

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Protocol
from uuid import UUID

import msgspec

from domain.access.model import Scope
from domain.catalog.model import Mixing
from domain.catalog.views import Page, Window
from domain.counting.tasks import TaskRaising
from domain.documents import DocumentWork
from domain.ledger.model import Direction
from domain.transfers.model import (
    NewTransfer,
    ReceiptKind,
    ReceiptLine,
    Transfer,
    TransferState,
    TransferSummary,
    TransferType,
)


class End(msgspec.Struct, frozen=True, kw_only=True):
    """A location at one end of a transfer."""

    id: UUID
    type: str
    is_active: bool
    today: date
    """The day there."""


class NamedBin(msgspec.Struct, frozen=True, kw_only=True):
    id: UUID
    location_id: UUID
    code: str
    is_active: bool


class Named(msgspec.Struct, frozen=True, kw_only=True):
    """What a transfer names, as far as it is there."""

    locations: Mapping[UUID, End]
    products: Mapping[UUID, bool]
    """Whether each is active."""
    lots: Mapping[UUID, UUID]
    """The product of each."""
    bins: Mapping[UUID, NamedBin]


class Shelf(msgspec.Struct, frozen=True, kw_only=True):
    """A stock line that a bin-to-bin move could take from, first expired first."""

    line_id: UUID
    lot_id: UUID
    bin_id: UUID
    sells: bool
    """It stands in no hold, quarantine or damage bin."""
    free: Decimal


class Room(msgspec.Struct, frozen=True, kw_only=True):
    """A bin that is to be filled: what it takes, and what stands in it."""

    bin_id: UUID
    code: str
    mixing: Mixing
    capacity: Decimal | None
    """In units; None is no limit."""
    filled: Decimal
    lots: frozenset[tuple[UUID, UUID]]
    """Of which product and lot there is something; where all may be mixed, nobody asks."""


class StockPlace(msgspec.Struct, frozen=True, kw_only=True):
    """The lot of a stock line."""

    line_id: UUID
    product_id: UUID
    lot_id: UUID


class TransitBin(msgspec.Struct, frozen=True, kw_only=True):
    """Where stock is while it is on its way: a bin that gives nothing to anybody."""

    location_id: UUID
    bin_id: UUID
    is_new: bool = False


class PickRow(msgspec.Struct, frozen=True, kw_only=True):
    """What a line takes from a stock line, as it is written."""

    id: UUID
    line_id: UUID
    stock_line_id: UUID
    transit_line_id: UUID | None = None
    claim_id: UUID | None = None
    reserved: Decimal = Decimal(0)
    picked: Decimal = Decimal(0)
    shipped: Decimal = Decimal(0)
    received: Decimal = Decimal(0)
    lost: Decimal = Decimal(0)
    returned: Decimal = Decimal(0)


class LineChange(msgspec.Struct, frozen=True, kw_only=True):
    """What changes of a line once it is no draft any more; None stays."""

    id: UUID
    surplus: Decimal = Decimal(0)
    """So much more of it."""
    pick_reason: str | None = None
    discrepancy_reason: str | None = None
    supply_id: UUID | None = None


class Expected(msgspec.Struct, frozen=True, kw_only=True):
    """Supply at the destination, from dispatch on."""

    id: UUID
    product_id: UUID
    quantity: Decimal


class Delivered(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a supply; one that `ends` expects no more, whatever it was."""

    id: UUID
    quantity: Decimal
    ends: bool


class Cause(msgspec.Struct, frozen=True, kw_only=True):
    """A reason code that a surplus or a loss may name."""

    id: UUID
    direction: Direction
    is_active: bool


class TransferStore(Protocol):
    """Transfers in one transaction."""

    async def named(
        self, locations: Sequence[UUID], products: Sequence[UUID], lots: Sequence[UUID], bins: Sequence[UUID]
    ) -> Named: ...

    async def add(
        self, transfer_id: UUID, *, number: str, type_: TransferType, state: TransferState, new: NewTransfer
    ) -> None: ...

    async def replace(self, transfer_id: UUID, new: NewTransfer, *, with_lines: bool) -> None:
        """Change a draft: its facts, and all of its lines if that is wanted."""
        ...

    async def locked(self, transfer_id: UUID) -> Transfer | None:
        """Nobody else changes it before this transaction ends."""
        ...

    async def view(self, transfer_id: UUID) -> Transfer: ...

    async def move(self, transfer_id: UUID, to: TransferState, *, ship_posting_id: UUID | None = None) -> None:
        """The next state and version, with the time of what it is."""
        ...

    async def add_picks(self, transfer_id: UUID, picks: Sequence[PickRow]) -> None: ...
    async def set_picks(self, picks: Sequence[PickRow]) -> None: ...
    async def change_lines(self, changes: Sequence[LineChange]) -> None: ...

    async def shelves(self, product_id: UUID, location_id: UUID) -> list[Shelf]:
        """All lines of a product at a location that have something free, whatever their bins are for."""
        ...

    async def rooms(self, bin_ids: Sequence[UUID]) -> dict[UUID, Room]:
        """Bins that are going to be filled; nobody else fills or freezes them before this transaction ends."""
        ...

    async def places(self, line_ids: Sequence[UUID]) -> dict[UUID, StockPlace]: ...

    async def transit(self, origin_id: UUID) -> TransitBin:
        """The place of what is on its way: found, or made in the time zone of the origin."""
        ...

    async def lines_at(self, bin_: TransitBin, lots: Sequence[tuple[UUID, UUID]]) -> dict[UUID, UUID]:
        """The stock lines of these (product, lot) in a bin that are there, by lot."""
        ...

    async def expect(
        self, transfer_id: UUID, location_id: UUID, due_on: date | None, expected: Sequence[Expected]
    ) -> None:
        """Announce supply; without a day it is due on that of dispatch."""
        ...

    async def deliver(self, delivered: Sequence[Delivered]) -> None: ...

    async def receipt(
        self,
        transfer_id: UUID,
        kind: ReceiptKind,
        *,
        posting_id: UUID | None,
        lines: Sequence[ReceiptLine],
        comment: str | None,
    ) -> None: ...

    async def causes(self, ids: Sequence[UUID], code: str) -> tuple[Mapping[UUID, Cause], UUID | None]:
        """Reason codes by id, and the id of the active one with a code."""
        ...


class TransferWork(DocumentWork, TaskRaising, Protocol):
    """One transaction in which transfers are made and moved on.

    A document that makes transfers has this in its own unit of work, and calls the services in its transaction.
    """

    @property
    def transfers(self) -> TransferStore: ...

    async def followed(self, transfer: Transfer) -> None:
        """Let the document that it was made for take the step that follows from its own."""
        ...


class TransferFilter(msgspec.Struct, frozen=True, kw_only=True):
    state: TransferState | None = None
    type: TransferType | None = None
    location_id: UUID | None = None
    """At either end."""
    origin_id: UUID | None = None
    destination_id: UUID | None = None
    product_id: UUID | None = None
    source_id: str | None = None
    is_overdue: bool | None = None
    search: str | None = None
    """A part of the number or reference."""


class TransferQueries(Protocol):
    """Reads: one statement each. What has an end in scope is seen."""

    async def page(
        self, tenant_id: UUID, wanted: TransferFilter, window: Window, *, scope: Scope
    ) -> Page[TransferSummary]: ...

    async def transfer(self, tenant_id: UUID, transfer_id: UUID, *, scope: Scope) -> Transfer | None: ...
