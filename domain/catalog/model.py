"""Products and what describes them, places, and lots: what is said of each of them.

These are the facts that a person decides; who they are said of (the id), since when and how often they changed
belongs to `Stored`. The names of the attributes are those of the tables.
"""

from datetime import date
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

import msgspec

from domain.expiry.model import LotStatus
from domain.values import Quantity

FACTOR_DIGITS = 9
FACTOR_PLACES = 9


class Factor(Quantity):
    """An exact conversion factor: greater than zero, at most 9 integer digits and 9 places."""

    __slots__ = ()

    @classmethod
    def of(cls, value: int | Decimal) -> "Factor":
        number = Decimal(value)
        if not number.is_finite() or number <= 0:
            message = "must be greater than zero"
            raise ValueError(message)
        exponent = number.as_tuple().exponent
        assert isinstance(exponent, int)
        # `adjusted` before any arithmetic, as for quantities.
        if number.adjusted() >= FACTOR_DIGITS or exponent < -FACTOR_PLACES:
            message = f"must have at most {FACTOR_DIGITS} integer digits and {FACTOR_PLACES} decimal places"
            raise ValueError(message)
        return cls(number)


class LocationType(StrEnum):
    DEPOT = "DEPOT"
    DESTRUCTION = "DESTRUCTION"
    IN_TRANSIT = "IN_TRANSIT"
    STORE = "STORE"
    WAREHOUSE = "WAREHOUSE"


class Capability(StrEnum):
    """What may be done at a location."""

    APPROVES_REQUESTS = "APPROVES_REQUESTS"
    COUNTS = "COUNTS"
    PICKS = "PICKS"
    RECEIVES = "RECEIVES"
    SELLS = "SELLS"
    SHIPS = "SHIPS"


class BinType(StrEnum):
    DAMAGE = "DAMAGE"
    HOLD = "HOLD"
    PICKING = "PICKING"
    QUARANTINE = "QUARANTINE"
    RECEIVING = "RECEIVING"
    REPLENISHMENT = "REPLENISHMENT"
    STAGING = "STAGING"
    STANDARD = "STANDARD"

    @property
    def is_sellable(self) -> bool:
        """Whether stock in such a bin may be promised."""
        return self not in {BinType.DAMAGE, BinType.HOLD, BinType.QUARANTINE}


class Mixing(StrEnum):
    """What may stand together in one bin."""

    ANY = "ANY"
    ONE_LOT = "ONE_LOT"
    ONE_PRODUCT = "ONE_PRODUCT"


class AbcClass(StrEnum):
    A = "A"
    B = "B"
    C = "C"


class Category(msgspec.Struct, frozen=True, kw_only=True):
    code: str
    name: str
    parent_id: UUID | None = None
    is_active: bool = True


class Uom(msgspec.Struct, frozen=True, kw_only=True):
    """A unit of measure; `decimals` is how many places its quantities are usually written with."""

    code: str
    name: str
    decimals: int = 0
    is_active: bool = True


class Conversion(msgspec.Struct, frozen=True, kw_only=True):
    """One of `from_uom_id` is `factor` of `to_uom_id`: for one product, or for all that have no own one."""

    product_id: UUID | None = None
    from_uom_id: UUID
    to_uom_id: UUID
    factor: Decimal


class Product(msgspec.Struct, frozen=True, kw_only=True):
    sku: str
    name: str
    description: str | None = None
    barcode: str | None = None
    category_id: UUID | None = None
    uom_id: UUID
    unit_cost: Decimal = Decimal(0)
    is_lot_controlled: bool = False
    is_expiry_required: bool = False
    is_regulated: bool = False
    shelf_life_days: int | None = None
    min_remaining_shelf_life_days: int | None = None
    expiry_warning_days: int | None = None
    lot_pattern: str | None = None
    is_active: bool = True


class Location(msgspec.Struct, frozen=True, kw_only=True):
    code: str
    name: str
    type: LocationType
    time_zone: str
    """When it is made, '' stands for the tenant's default."""
    capabilities: tuple[Capability, ...] = ()
    is_active: bool = True


class Area(msgspec.Struct, frozen=True, kw_only=True):
    location_id: UUID
    code: str
    name: str
    is_active: bool = True


class Bin(msgspec.Struct, frozen=True, kw_only=True):
    location_id: UUID
    area_id: UUID | None = None
    code: str
    name: str
    type: BinType = BinType.STANDARD
    zone: str | None = None
    walk_order: int = 0
    capacity_units: Decimal | None = None
    capacity_volume: Decimal | None = None
    capacity_weight: Decimal | None = None
    mixing: Mixing = Mixing.ANY
    is_default: bool = False
    is_active: bool = True


class Lot(msgspec.Struct, frozen=True, kw_only=True):
    product_id: UUID
    number: str
    expires_on: date | None = None
    manufactured_on: date | None = None
    supplier_lot: str | None = None
    status: LotStatus = LotStatus.ACTIVE
    is_default: bool = False


class StockLevels(msgspec.Struct, frozen=True, kw_only=True):
    """What a planner wants to have of a product at a location, and where it comes from."""

    min_qty: Decimal | None = None
    reorder_qty: Decimal | None = None
    max_qty: Decimal | None = None
    safety_stock: Decimal = Decimal(0)
    preferred_bin_id: UUID | None = None
    source_location_id: UUID | None = None
    lead_time_days: int | None = None
    abc_class: AbcClass | None = None


class Stored[F](msgspec.Struct, frozen=True, kw_only=True):
    """Facts as they stand, locked until the unit of work ends."""

    id: UUID
    version: int
    facts: F


class LotStock(msgspec.Struct, frozen=True, kw_only=True):
    """How a product's stock is kept: without a lot number, and under numbers."""

    unnumbered: Decimal
    numbered: Decimal
