"""What is asked and answered when lots come in."""

from collections.abc import Mapping
from datetime import date
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

import msgspec


class LotStatus(StrEnum):
    """Whether a lot may be used."""

    ACTIVE = "ACTIVE"
    EXPIRED = "EXPIRED"
    INACTIVE = "INACTIVE"
    RECALLED = "RECALLED"


class LotPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """What a product demands of the lots that it comes in."""

    product_id: UUID
    sku: str
    is_lot_controlled: bool = False
    is_lot_demanded: bool = True
    """Whether the tenant has anybody name the lots of what is under lot control; else they may."""
    is_expiry_required: bool = False
    is_regulated: bool = False
    shelf_life_days: int | None = None
    min_remaining_shelf_life_days: int | None = None
    expiry_warning_days: int | None = None
    lot_pattern: str | None = None
    is_active: bool = True


type LotKey = tuple[UUID, str]
"""A lot's natural key: its product and its number; the default lot has the number ''."""


class NewLot(msgspec.Struct, frozen=True, kw_only=True):
    """A lot to be made if it is not there."""

    product_id: UUID
    number: str
    expires_on: date | None = None
    manufactured_on: date | None = None
    supplier_lot: str | None = None

    @property
    def key(self) -> LotKey:
        return self.product_id, self.number


class KnownLot(msgspec.Struct, frozen=True, kw_only=True):
    """A lot that is there."""

    id: UUID
    product_id: UUID
    number: str
    expires_on: date | None
    status: LotStatus = LotStatus.ACTIVE
    is_new: bool = False
    """Whether it was made by this very unit of work."""
    is_held: bool = False
    """Whether a hold lies on all of it, as far as that was asked for."""

    @property
    def key(self) -> LotKey:
        return self.product_id, self.number


class LotFacts(msgspec.Struct, frozen=True, kw_only=True):
    """All that the check of incoming lines needs to know, as one statement reads it."""

    policies: Mapping[UUID, LotPolicy]
    """By product; one that is missing does not exist."""
    lots: Mapping[LotKey, KnownLot]
    today: date
    """The date at the location, by the database's clock; in UTC where no location is named."""


class Code(StrEnum):
    """What is wrong with an incoming line, or worth a warning. The values are published."""

    BARCODE_INVALID = "BARCODE_INVALID"
    EXPIRED_NOT_ALLOWED = "EXPIRED_NOT_ALLOWED"
    EXPIRING_SOON = "EXPIRING_SOON"
    """A warning only."""
    EXPIRY_IMPLAUSIBLE = "EXPIRY_IMPLAUSIBLE"
    """A warning only."""
    EXPIRY_MISMATCH = "EXPIRY_MISMATCH"
    EXPIRY_REQUIRED = "EXPIRY_REQUIRED"
    LOT_FORMAT = "LOT_FORMAT"
    LOT_ON_HOLD = "LOT_ON_HOLD"
    LOT_REQUIRED = "LOT_REQUIRED"
    PRODUCT_NOT_FOUND = "PRODUCT_NOT_FOUND"
    SHELF_LIFE_TOO_SHORT = "SHELF_LIFE_TOO_SHORT"


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing about one field: `lotNumber`, `expiryDate` or `productMasterId`."""

    field: str
    message: str
    code: Code


class Findings(NamedTuple):
    """What was found about one line; without errors it may come in."""

    errors: tuple[Finding, ...] = ()
    warnings: tuple[Finding, ...] = ()


class Incoming(msgspec.Struct, frozen=True, kw_only=True):
    """A line of goods that comes in, as far as its lot is concerned."""

    product_id: UUID
    lot_number: str | None = None
    expires_on: date | None = None

    @property
    def key(self) -> LotKey:
        return self.product_id, self.lot_number or ""
