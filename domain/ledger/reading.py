"""Reading stock: what is shown of lines, places, movements and levels, and the ports that find it.

The structs of this module are shaped as answers: a row of the database becomes one by position, in one step. That
is why they, unlike all others, take their fields by position.
"""

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Protocol
from uuid import UUID

import msgspec

from domain.access.model import Scope
from domain.ledger.model import Kind

NOT_FOR_SALE = frozenset({"HOLD", "QUARANTINE", "DAMAGE"})
"""Types of bins whose stock is promised to nobody."""

ADJUSTING = (Kind.ADJUSTMENT, Kind.COUNT, Kind.LOT_CORRECTION, Kind.REVERSAL)
"""Kinds that correct the books: what the list of adjustments shows."""

COUNTED_MAX = 10_000
"""A history that is asked for by other than its ends is counted so far: a larger total means "more"."""

ZERO = Decimal(0)


def available(
    *,
    on_hand: Decimal,
    reserved: Decimal,
    held: Decimal,
    bin_type: str,
    lot_status: str,
    expires_on: date | None,
    today: date,
) -> Decimal:
    """What a line can still give: max(0, on hand - blocked - reserved - held).

    The whole line is blocked in a bin that is not for sale, of a lot that is not active, and after the expiry day
    in the location's calendar (`today`): stock is good through that day.
    """
    expired = expires_on is not None and expires_on < today
    if expired or lot_status != "ACTIVE" or bin_type in NOT_FOR_SALE:
        return ZERO
    return max(ZERO, on_hand - reserved - held)


class LevelStatus(StrEnum):
    """How stock stands to the levels that are set for it."""

    IN_STOCK = "IN_STOCK"
    OUT_OF_STOCK = "OUT_OF_STOCK"
    BELOW_MINIMUM = "BELOW_MINIMUM"
    BELOW_REORDER = "BELOW_REORDER"
    ABOVE_MAXIMUM = "ABOVE_MAXIMUM"


def level_status(
    on_hand: Decimal, *, minimum: Decimal | None, reorder: Decimal | None, maximum: Decimal | None
) -> LevelStatus:
    """The worst that is true. A reorder point is reached at its quantity; the others may be kept exactly."""
    if on_hand <= 0:
        return LevelStatus.OUT_OF_STOCK
    if minimum is not None and on_hand < minimum:
        return LevelStatus.BELOW_MINIMUM
    if reorder is not None and on_hand <= reorder:
        return LevelStatus.BELOW_REORDER
    if maximum is not None and on_hand > maximum:
        return LevelStatus.ABOVE_MAXIMUM
    return LevelStatus.IN_STOCK


class LineStatus(StrEnum):
    """What a line can be asked for. A line may have several at once."""

    AVAILABLE = "AVAILABLE"
    EXPIRED = "EXPIRED"
    IN_STOCK = "IN_STOCK"
    ON_HOLD = "ON_HOLD"
    OUT_OF_STOCK = "OUT_OF_STOCK"
    RECALLED = "RECALLED"
    RESERVED = "RESERVED"


class Basis(StrEnum):
    """Which of a movement's two times an "as of" means: when it happened, or when we learned of it."""

    EFFECTIVE = "effective"
    RECORDED = "recorded"


class LineSort(StrEnum):
    """Orders of stock lines; a minus turns one around. Lines that are equal in it follow their ids."""

    ID = "id"
    ID_DOWN = "-id"
    SKU = "globalSku"
    SKU_DOWN = "-globalSku"
    NAME = "productName"
    NAME_DOWN = "-productName"
    EXPIRY = "expiryDate"
    EXPIRY_DOWN = "-expiryDate"
    ON_HAND = "quantityOnHand"
    ON_HAND_DOWN = "-quantityOnHand"
    UPDATED = "updatedAt"
    UPDATED_DOWN = "-updatedAt"

    @property
    def field(self) -> str:
        return self.removeprefix("-")

    @property
    def is_down(self) -> bool:
        return self.startswith("-")


class After(msgspec.Struct, frozen=True, array_like=True):
    """A place in a list of lines: the last one shown, and its value in the order if that is not the id's."""

    id: UUID
    key: str | None = None


class LinesWanted(msgspec.Struct, frozen=True, kw_only=True):
    """Which stock lines, of whom, and which page of them: `after` a line, or from an `offset`."""

    tenant_id: UUID
    scope: Scope
    limit: int
    offset: int = 0
    after: After | None = None
    sort: LineSort = LineSort.ID
    location_id: UUID | None = None
    product_id: UUID | None = None
    lot_id: UUID | None = None
    bin_id: UUID | None = None
    search: str | None = None
    status: LineStatus | None = None
    expiring_before: date | None = None
    as_of: datetime | None = None
    basis: Basis = Basis.EFFECTIVE

    @property
    def is_bounded(self) -> bool:
        """Whether what is asked for can be sorted as one asks: a set that does not grow with the whole stock."""
        return any((self.product_id, self.lot_id, self.bin_id, self.search, self.expiring_before))


class InventoryItem(msgspec.Struct, frozen=True, rename="camel"):
    """A stock line. As of a past time what was claimed is not known: those quantities are null then."""

    id: UUID
    product_master_id: UUID
    product_name: str
    global_sku: str
    location_id: UUID
    location_name: str
    quantity_on_hand: Decimal
    quantity_reserved: Decimal | None
    quantity_available: Decimal | None
    quantity_on_hold: Decimal | None
    lot_id: UUID
    lot_number: str | None
    expiry_date: date | None
    bin_id: UUID
    bin_name: str
    bin_type: str
    uom: str
    unit_cost: Decimal
    total_value: Decimal
    last_counted_at: datetime | None
    updated_at: datetime
    version: int


class Found[T, A](msgspec.Struct, frozen=True, kw_only=True):
    """A page of rows with what was read beside it, at one position of the ledger."""

    rows: Sequence[T]
    position: int
    total: int | None
    """None on a page after the first, where counting would cost something: the first page told it."""
    is_exact: bool = True
    """Whether the total is that, and not only the least that it is."""
    after: A | None = None
    """Where the next page begins; None at the end."""


class LocationStock(msgspec.Struct, frozen=True, rename="camel", tag_field="type", tag="LOCATION"):
    """What a location holds. `value` is at today's unit cost, `fill` the share of the capacity that is stated."""

    location_id: UUID
    location_code: str
    location_name: str
    location_type: str
    lines: int
    units: Decimal
    value: Decimal
    reserved: Decimal
    held: Decimal
    expired: Decimal
    expired_value: Decimal
    bins: int
    bins_occupied: int
    capacity_units: Decimal | None
    fill: Decimal | None


class BinStock(msgspec.Struct, frozen=True, rename="camel", tag_field="type", tag="BIN"):
    """What a bin holds."""

    bin_id: UUID
    bin_code: str
    bin_name: str
    bin_type: str
    zone: str | None
    walk_order: int
    lines: int
    units: Decimal
    value: Decimal
    reserved: Decimal
    held: Decimal
    expired: Decimal
    expired_value: Decimal
    capacity_units: Decimal | None
    fill: Decimal | None


class InventoryLevel(msgspec.Struct, frozen=True, rename="camel"):
    """A product at a location: the levels that are set, and how its stock stands to them."""

    location_id: UUID
    location_code: str
    location_name: str
    min_qty: Decimal | None
    reorder_qty: Decimal | None
    max_qty: Decimal | None
    safety_stock: Decimal
    preferred_bin_id: UUID | None
    preferred_bin_code: str | None
    source_location_id: UUID | None
    source_location_name: str | None
    lead_time_days: int | None
    abc_class: str | None
    qty_on_hand: Decimal
    qty_available: Decimal
    qty_reserved: Decimal
    qty_inbound: Decimal
    status: LevelStatus
    version: int | None
    """Of the settings; null where none are."""


class ProductLevels(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    product_master_id: UUID
    global_sku: str
    product_name: str
    uom: str
    data: Sequence[InventoryLevel]


class StockReader(Protocol):
    """Stock as it stands. One statement each."""

    async def lines(self, wanted: LinesWanted) -> Found[InventoryItem, After]: ...

    async def locations(self, tenant_id: UUID, scope: Scope) -> Found[LocationStock, None]: ...

    async def bins(
        self, tenant_id: UUID, scope: Scope, location_id: UUID, *, limit: int, offset: int
    ) -> Found[BinStock, None] | None:
        """The bins of a location in walking order; None when there is no such location."""
        ...

    async def levels(self, tenant_id: UUID, scope: Scope, product_id: UUID) -> Found[ProductLevels, None] | None:
        """One row, with a level for each location that has the product or sets levels for it."""
        ...
