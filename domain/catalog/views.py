"""Response-shaped: what a reader of the catalog is shown. Lists and single reads fill these straight from rows."""

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

import msgspec
from msgspec import field

from domain.catalog.model import AbcClass, BinType, Capability, LocationType, Mixing
from domain.expiry.model import LotStatus


class View(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Repeat `kw_only=True` on each subclass: it is not inherited, the rest is."""


class CategoryView(View, frozen=True, kw_only=True):
    id: UUID
    code: str
    name: str
    parent_id: UUID | None
    parent_code: str | None
    is_active: bool = field(name="active")
    version: int
    created_at: datetime
    updated_at: datetime


class UomView(View, frozen=True, kw_only=True):
    id: UUID
    code: str
    name: str
    decimals: int
    is_active: bool = field(name="active")
    version: int
    created_at: datetime
    updated_at: datetime


class ConversionView(View, frozen=True, kw_only=True):
    """One of `from` is `factor` of `to`. Without a product it is for all that have no own one."""

    id: UUID
    product_id: UUID | None = field(name="productMasterId")
    sku: str | None
    from_uom_id: UUID
    from_uom_code: str
    to_uom_id: UUID
    to_uom_code: str
    factor: Decimal
    version: int
    created_at: datetime
    updated_at: datetime


class ProductView(View, frozen=True, kw_only=True):
    id: UUID
    sku: str
    name: str
    description: str | None
    barcode: str | None
    category_id: UUID | None
    category_code: str | None
    category_name: str | None
    uom_id: UUID
    uom_code: str
    unit_cost: Decimal
    is_lot_controlled: bool
    is_expiry_required: bool
    is_regulated: bool
    shelf_life_days: int | None
    min_remaining_shelf_life_days: int | None
    expiry_warning_days: int | None
    lot_pattern: str | None
    is_active: bool = field(name="active")
    version: int
    created_at: datetime
    updated_at: datetime


class LocationView(View, frozen=True, kw_only=True):
    id: UUID
    code: str
    name: str
    type: LocationType
    time_zone: str
    capabilities: Sequence[Capability]
    default_bin_id: UUID
    is_active: bool = field(name="active")
    version: int
    created_at: datetime
    updated_at: datetime


class AreaView(View, frozen=True, kw_only=True):
    id: UUID
    location_id: UUID
    location_code: str
    code: str
    name: str
    is_active: bool = field(name="active")
    version: int
    created_at: datetime
    updated_at: datetime


class BinView(View, frozen=True, kw_only=True):
    id: UUID
    location_id: UUID
    location_code: str
    area_id: UUID | None
    area_code: str | None
    code: str
    name: str
    type: BinType
    zone: str | None
    walk_order: int
    capacity_units: Decimal | None
    capacity_volume: Decimal | None
    capacity_weight: Decimal | None
    mixing: Mixing
    is_default: bool
    is_active: bool = field(name="active")
    version: int
    created_at: datetime
    updated_at: datetime


class LotView(View, frozen=True, kw_only=True):
    """`lotNumber` is empty for the default lot of a product without lot control."""

    id: UUID
    product_id: UUID = field(name="productMasterId")
    sku: str
    product_name: str
    number: str = field(name="lotNumber")
    expires_on: date | None = field(name="expiryDate")
    manufactured_on: date | None = field(name="manufacturedDate")
    supplier_lot: str | None
    status: LotStatus
    is_default: bool
    version: int
    created_at: datetime
    updated_at: datetime


class StockLevelsView(View, frozen=True, kw_only=True):
    product_id: UUID = field(name="productMasterId")
    location_id: UUID
    min_qty: Decimal | None
    reorder_qty: Decimal | None
    max_qty: Decimal | None
    safety_stock: Decimal
    preferred_bin_id: UUID | None
    source_location_id: UUID | None
    lead_time_days: int | None
    abc_class: AbcClass | None
    version: int
    updated_at: datetime


class CategoryFilter(msgspec.Struct, frozen=True, kw_only=True):
    search: str | None = None
    parent_id: UUID | None = None
    is_active: bool | None = None


class UomFilter(msgspec.Struct, frozen=True, kw_only=True):
    search: str | None = None
    is_active: bool | None = None


class ConversionFilter(msgspec.Struct, frozen=True, kw_only=True):
    product_id: UUID | None = None
    uom_id: UUID | None = None
    is_general: bool | None = None


class ProductFilter(msgspec.Struct, frozen=True, kw_only=True):
    search: str | None = None
    sku: str | None = None
    barcode: str | None = None
    category_id: UUID | None = None
    """With all categories below it."""
    uom_id: UUID | None = None
    is_lot_controlled: bool | None = None
    is_regulated: bool | None = None
    is_active: bool | None = None


class LocationFilter(msgspec.Struct, frozen=True, kw_only=True):
    search: str | None = None
    type: LocationType | None = None
    capability: Capability | None = None
    is_active: bool | None = None


class AreaFilter(msgspec.Struct, frozen=True, kw_only=True):
    search: str | None = None
    location_id: UUID | None = None
    is_active: bool | None = None


class BinFilter(msgspec.Struct, frozen=True, kw_only=True):
    search: str | None = None
    location_id: UUID | None = None
    area_id: UUID | None = None
    type: BinType | None = None
    zone: str | None = None
    is_active: bool | None = None


class LotFilter(msgspec.Struct, frozen=True, kw_only=True):
    search: str | None = None
    product_id: UUID | None = None
    number: str | None = None
    status: LotStatus | None = None
    expiring_before: date | None = None
    is_default: bool | None = None


class Window(msgspec.Struct, frozen=True, kw_only=True):
    """Which part of a list is wanted: a page, or what comes after a place."""

    sort: str
    """The name of an order; `-` in front of it turns it round."""
    limit: int
    page: int = 1
    after: Sequence[str | int] | None = None
    """The sort key of the last item that was seen; the total is not counted again then."""


class Page[V](msgspec.Struct, frozen=True, kw_only=True):
    """One part of a list."""

    items: Sequence[V]
    total: int | None
    """How many there are in all; None when the window named a place instead of a page."""
    next_after: Sequence[str | int] | None
    """The place after the last item; None at the end."""
