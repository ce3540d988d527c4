"""Response-shaped: what partners are shown, filled straight from rows."""

from decimal import Decimal
from uuid import UUID

import msgspec


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """The quantity of a product at a place."""

    location_code: str
    sku_code: str
    quantity: Decimal


class PlaceView(msgspec.Struct, frozen=True, kw_only=True):
    """A place where stock stands: a location (its default bin), or a bin of one (`parent_code`)."""

    id: UUID
    code: str
    name: str
    zone: str | None
    parent_code: str | None
    is_active: bool


class ProductRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A product with what is on hand of it wherever the key may look."""

    id: UUID
    sku: str
    name: str
    quantity: Decimal
    unit: str
    cost: Decimal
    barcode: str | None
    is_active: bool
