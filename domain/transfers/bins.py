"""The bins of a location, with what they hold and may give."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Protocol
from uuid import UUID

import msgspec

from domain.access.model import Scope
from domain.catalog.model import BinType
from domain.catalog.views import Page, Window

ITEMS_SHOWN = 50


class BinItem(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A stock line in a bin. `qtyAvailable` is what a transfer could take."""

    inventory_item_id: UUID
    product_master_id: UUID
    global_sku: str
    product_name: str
    lot_id: UUID
    lot_number: str | None
    expiry_date: date | None
    qty_on_hand: Decimal
    qty_reserved: Decimal
    qty_on_hold: Decimal
    qty_available: Decimal


class TransferBin(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A bin with the sums of all that it holds, and the first of its stock lines by the products' codes.

    Nothing may leave or enter one that is `frozen` by a count.
    """

    bin_id: UUID
    bin_code: str
    bin_name: str
    type: BinType
    zone: str | None
    walk_order: int
    is_default: bool = msgspec.field(name="default")
    is_frozen: bool = msgspec.field(name="frozen")
    is_active: bool = msgspec.field(name="active")
    qty_on_hand: Decimal
    qty_reserved: Decimal
    qty_on_hold: Decimal
    qty_available: Decimal
    item_count: int
    items: Sequence[BinItem]


class BinsWanted(msgspec.Struct, frozen=True, kw_only=True):
    location_id: UUID
    product_id: UUID | None = None
    """Only bins that hold it, with that stock alone."""


class TransferBins(Protocol):
    async def page(
        self, tenant_id: UUID, wanted: BinsWanted, window: Window, *, scope: Scope
    ) -> Page[TransferBin] | None:
        """By walking order; None when the location is not the caller's to see. One statement."""
        ...
