"""What records are compared with, as it was read."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

import msgspec

from domain.catalog.model import Conversion


class Item(msgspec.Struct, frozen=True, kw_only=True):
    id: UUID
    name: str
    uom_id: UUID
    is_active: bool


class BinPlace(msgspec.Struct, frozen=True, kw_only=True):
    """A bin, where it is, and by what names filters know it."""

    id: UUID
    name: str
    location_id: UUID
    location_code: str
    location_name: str
    area_code: str | None = None
    area_name: str | None = None
    is_active: bool = True
    """It and its location."""
    is_frozen: bool = False
    """A count has stopped it."""


class Unit(msgspec.Struct, frozen=True, kw_only=True):
    id: UUID
    code: str
    name: str


class Catalogue(msgspec.Struct, frozen=True, kw_only=True):
    """What was found under the names of some records."""

    items: Mapping[str, Sequence[Item]] = {}
    bins: Mapping[str, Sequence[BinPlace]] = {}
    """By the name that was asked for."""
    lots: Mapping[tuple[UUID, str], UUID] = {}
    """By product and number; '' is the default lot."""
    units: Sequence[Unit] = ()
    conversions: Sequence[Conversion] = ()
    """The general ones, and those of these items."""


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """What names a stock line."""

    product_id: UUID
    location_id: UUID
    bin_id: UUID
    lot_id: UUID


class Layer(msgspec.Struct, frozen=True, kw_only=True):
    """So much of a line's stock was filled on one day; `job_id` is the import that said so last."""

    quantity: Decimal
    job_id: UUID | None


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """A stock line as it stands under its lock."""

    line_id: UUID
    place: Place
    on_hand: Decimal
    reserved: Decimal
    """Without what has run out by the clock."""
    held: Decimal
    layers: Mapping[date, Layer] = {}
    """As they were written last, not settled."""


class ScopeLine(msgspec.Struct, frozen=True, kw_only=True):
    """A stock line that has stock or layers, with the names of its record."""

    line_id: UUID
    place: Place
    item: Item
    bin: BinPlace
    bin_name: str
    """The bin's name; with its location's code in front where other bins have it too."""
    lot_name: str
    uom: str
    rows: Sequence[int] = ()
    """Which of the rows of a batch delete named it."""


class LayerWrite(msgspec.Struct, frozen=True, kw_only=True):
    """One layer of a line, from what it is to what it shall be; None is a layer that is not there."""

    line_id: UUID
    day: date
    before: Decimal | None
    after: Decimal | None
    job_id: UUID | None
    """Who says so."""


class LayerNow(msgspec.Struct, frozen=True, kw_only=True):
    """A layer that an import wrote: as it was before, as it was written, and as it is."""

    line_id: UUID
    day: date
    before: Decimal | None
    before_job_id: UUID | None
    after: Decimal | None
    now: Layer | None


class Undoable(msgspec.Struct, frozen=True, kw_only=True):
    """An import that is to be taken back, locked."""

    type: str
    description: str
    is_applied: bool
    is_dry_run: bool
    undone_at: datetime | None
    is_kept: bool
    """Whether what it did row by row is still known."""
    posting_id: UUID | None
    actor_id: UUID


class Moved(msgspec.Struct, frozen=True, kw_only=True):
    """A movement of its posting."""

    line_id: UUID
    delta: Decimal
    effective_at: datetime
    reason_code_id: UUID | None


class LayerChange(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be written of one layer: None is a layer that is not there."""

    place: Place
    line_id: UUID | None
    day: date
    before: Decimal | None
    before_job_id: UUID | None
    after: Decimal | None
