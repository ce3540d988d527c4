"""Postings and what becomes of them."""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

import msgspec

from domain.access.model import Act, Scope


class Kind(StrEnum):
    """What a movement was. The published names."""

    ADJUSTMENT = "ADJUSTMENT"
    CONSUMPTION = "CONSUMPTION"
    COUNT = "COUNT"
    DESTRUCTION = "DESTRUCTION"
    IMPORT = "IMPORT"
    ISSUE = "ISSUE"
    LOT_CORRECTION = "LOT_CORRECTION"
    OPENING = "OPENING"
    PUT_AWAY = "PUT_AWAY"
    RECEIPT = "RECEIPT"
    REVERSAL = "REVERSAL"
    TRANSFER_IN = "TRANSFER_IN"
    TRANSFER_OUT = "TRANSFER_OUT"


INTERNAL = frozenset({Kind.TRANSFER_OUT, Kind.TRANSFER_IN, Kind.PUT_AWAY, Kind.LOT_CORRECTION})
"""Kinds that move stock inside the tenant: their movements add up to zero in each posting."""


class Direction(StrEnum):
    """Which way a reason may move stock."""

    BOTH = "BOTH"
    IN = "IN"
    OUT = "OUT"


class ReasonCode(msgspec.Struct, frozen=True, kw_only=True):
    """Why stock was adjusted, from the tenant's list."""

    id: UUID
    code: str
    name: str
    direction: Direction
    requires_comment: bool
    requires_root_cause: bool
    is_active: bool
    pack: str
    version: int = 1


class ReasonFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What a person decides of a reason code; `pack` is where it comes from."""

    code: str
    name: str
    direction: Direction
    requires_comment: bool = False
    requires_root_cause: bool = False
    is_active: bool = True
    pack: str = "own"


class Entry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One quantity for one stock line: a signed `delta`, or the absolute `target` it shall stand at.

    The line is named by its id, or by product, location, bin (none: the location's default bin) and lot
    (none: the product's default lot); a line named by its keys is made when stock first comes to it.
    """

    kind: Kind
    line_id: UUID | None = None
    product_id: UUID | None = None
    location_id: UUID | None = None
    bin_id: UUID | None = None
    lot_id: UUID | None = None
    delta: Decimal | None = None
    target: Decimal | None = None
    expected: Decimal | None = None
    """What the writer believes to be on hand: another figure is refused as stale."""
    reason_code_id: UUID | None = None
    comment: str | None = None
    root_cause: str | None = None
    effective_at: datetime | None = None
    """When it happened, if not now."""
    direction: Direction | None = None
    """The one direction that the reason allows."""
    explained_above: Decimal | None = None
    """A change larger than this needs a root cause."""


class Posting(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One act on the ledger: all of its entries are applied, or none."""

    id: UUID
    kind: Kind
    entries: tuple[Entry, ...]
    source_type: str | None = None
    source_id: str | None = None
    comment: str | None = None
    details: object = None
    """What the source wants to keep beside the movements, as plain JSON values."""
    force: bool = False
    """Take stock although it is reserved or held; the shortage shows."""
    unchanged_ok: bool = False
    """An entry that changes nothing is left out instead of refused: a count that found no difference."""
    tentative: bool = False
    """A refusal for want of stock is not the last word: its key is not spent, other lines may be tried."""
    reverses_id: UUID | None = None
    act: Act | None = None
    """Who asks, within which locations, under which idempotency key; None is the system itself."""

    @property
    def scope(self) -> Scope:
        return self.act.scope if self.act else None


class Moved(msgspec.Struct, frozen=True, kw_only=True):
    """A movement as it was written, with the balance before and after."""

    entry: int
    """The index of the entry in its posting."""
    kind: Kind
    line_id: UUID
    product_id: UUID
    location_id: UUID
    delta: Decimal
    before: Decimal
    after: Decimal
    reserved: Decimal
    held: Decimal
    version: int
    effective_at: datetime


class Posted(msgspec.Struct, frozen=True, kw_only=True):
    """What the ledger wrote for a posting; a retry is told the same."""

    posting_id: UUID
    kind: Kind
    recorded_at: datetime
    first_position: int
    position: int
    """The tenant's ledger position with this posting in it."""
    movements: tuple[Moved, ...]
    """In the order of their positions, which have no gaps within a posting."""
    replayed: bool = False
