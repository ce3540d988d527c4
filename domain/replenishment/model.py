"""What a planner decides of a product at a location, and what is known of it there."""

from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

import msgspec
from msgspec import field

from domain.catalog.views import View

ZERO = Decimal(0)
SERVICE_LEVEL = Decimal("0.95")
"""Where none is given: demand is covered in 19 of 20 order cycles."""
LEAD_TIME_DAYS = 7
REVIEW_DAYS = 7
PERIOD_DAYS = 90


class Method(StrEnum):
    """When to order and how much. `position` is what is available, on its way, and planned already."""

    DEMAND = "DEMAND"
    """At the reorder point that demand, its deviation and the lead time give, until the next review."""
    EOQ = "EOQ"
    """At the reorder point, the economic order quantity."""
    MIN_MAX = "MIN_MAX"
    """At the minimum, up to the maximum."""
    REORDER_POINT = "REORDER_POINT"
    """At the reorder point, up to the maximum."""


class SafetyMethod(StrEnum):
    COMPUTED = "COMPUTED"
    """From demand, lead time and service level."""
    GIVEN = "GIVEN"


class Source(StrEnum):
    LOCATION = "LOCATION"
    """Only from other locations."""
    SUPPLIER = "SUPPLIER"
    """From what other locations have too much of, then from the supplier."""


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """How a product is replenished at a location."""

    method: Method | None = None
    """None: not at all."""
    min_qty: Decimal | None = None
    reorder_qty: Decimal | None = None
    max_qty: Decimal | None = None
    safety_method: SafetyMethod = SafetyMethod.GIVEN
    safety_stock: Decimal = ZERO
    """Availability keeps it back, whether it was given or computed."""
    service_level: Decimal | None = None
    lead_time_days: int | None = None
    lead_time_sd_days: Decimal | None = None
    review_days: int | None = None
    order_multiple: Decimal | None = None
    min_order_qty: Decimal | None = None
    order_cost: Decimal | None = None
    """Of one order."""
    holding_cost: Decimal | None = None
    """Of a unit for a year."""
    source: Source = Source.SUPPLIER
    source_location_id: UUID | None = None
    """The location that is asked first."""
    supplier: str | None = None


class ConfigView(View, frozen=True, kw_only=True):
    product_id: UUID = field(name="productMasterId")
    global_sku: str
    product_name: str
    location_id: UUID
    location_code: str
    method: Method | None
    min_qty: Decimal | None
    reorder_qty: Decimal | None
    max_qty: Decimal | None
    safety_method: SafetyMethod = field(name="safetyStockMethod")
    safety_stock: Decimal
    service_level: Decimal | None
    lead_time_days: int | None
    lead_time_sd_days: Decimal | None
    review_days: int | None
    order_multiple: Decimal | None
    min_order_qty: Decimal | None
    order_cost: Decimal | None
    holding_cost: Decimal | None
    source: Source
    source_location_id: UUID | None
    supplier: str | None
    version: int
    updated_at: datetime


class Facts(msgspec.Struct, frozen=True, gc=False):
    """One product at the location: its configuration, its stock, what is to come, and what was used.

    In the order of the columns that it is read from.
    """

    product_id: UUID
    sku: str
    name: str
    uom: str
    decimals: int
    method: Method
    min_qty: Decimal | None
    reorder_qty: Decimal | None
    max_qty: Decimal | None
    safety_method: SafetyMethod
    safety_stock: Decimal
    service_level: float | None
    lead_time_days: int | None
    lead_time_sd_days: float | None
    review_days: int | None
    order_multiple: Decimal | None
    min_order_qty: Decimal | None
    order_cost: float | None
    holding_cost: float | None
    source: Source
    source_location_id: UUID | None
    supplier: str | None
    on_hand: Decimal
    blocked: Decimal
    """In bins that are not for sale, or of lots that are recalled or out of use."""
    expired: Decimal
    held: Decimal
    reserved: Decimal
    available: Decimal
    """What its lines can give, each by itself."""
    inbound: Decimal
    overdue: Decimal
    """Of it."""
    planned: Decimal
    """In records and transfers that have not become supply yet."""
    used: float
    """In the period."""
    used_squares: float
    """The sum of the squares of its days."""
    used_days: int


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """The facts of a location, as of a ledger position."""

    position: int
    location_code: str
    location_name: str
    today: date
    last_day: date
    """Of the period that demand is taken from."""
    rows: list[Facts]


class Surplus(msgspec.Struct, frozen=True, kw_only=True):
    """What another location can give of a product and still have what it wants to keep."""

    product_id: UUID
    location_id: UUID
    location_code: str
    location_name: str
    available: Decimal
    """To promise there."""
    kept: Decimal
    """What it keeps for itself: its maximum, or its reorder point, or its minimum."""
    quantity: Decimal
