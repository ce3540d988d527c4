"""Where stock should stand: a pure function over the facts of bins.

Strategies in their order, each takes what the ones before it have left:

1. PREFERRED_BIN   the bin that a planner has named for the product at the location
2. SAME_LOT        bins where the same lot of the product stands, or is on its way to
3. SAME_PRODUCT    bins where other lots of it do
4. EMPTY_IN_ZONE   empty bins of the product's zone: that of the bin in which it stands, or stood last. Where bins
                   carry no zone, their area is one
5. OVERFLOW        any other bin for storage: empty ones first, the location's default bin last

Within a strategy bins come in walking order. A bin takes as much as its capacity in units leaves over what stands
in it and what open tasks will bring; products have no measures, so a capacity in volume or weight limits nothing.
One bin may not be enough: then the next ones get the rest, and what fits nowhere is left unplaced. Bins of the
types STANDARD, PICKING and REPLENISHMENT are for storage; nothing is ever suggested elsewhere.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import ROUND_FLOOR, Decimal
from enum import StrEnum
from uuid import UUID

import msgspec

from domain.catalog.model import BinType, Mixing

ZERO = Decimal(0)
SHOWN = 10
"""Of the bins that a strategy passed over, so many are shown."""
STORAGE = frozenset({BinType.STANDARD, BinType.PICKING, BinType.REPLENISHMENT})
FORBIDDEN = frozenset({BinType.HOLD, BinType.QUARANTINE, BinType.DAMAGE, BinType.RECEIVING})
_RESERVE_FIRST = (BinType.REPLENISHMENT, BinType.STANDARD, BinType.PICKING)


class Strategy(StrEnum):
    """Why a bin was chosen."""

    EMPTY_IN_ZONE = "EMPTY_IN_ZONE"
    OVERFLOW = "OVERFLOW"
    PREFERRED_BIN = "PREFERRED_BIN"
    REQUESTED = "REQUESTED"
    """Somebody named it."""
    SAME_LOT = "SAME_LOT"
    SAME_PRODUCT = "SAME_PRODUCT"


class Outcome(StrEnum):
    """What became of a bin that was looked at."""

    ELSEWHERE = "ELSEWHERE"
    """It is at another location."""
    FORBIDDEN_TYPE = "FORBIDDEN_TYPE"
    """Receiving, hold, quarantine and damage bins are no place for good stock."""
    FROZEN = "FROZEN"
    INACTIVE = "INACTIVE"
    NOT_STORAGE = "NOT_STORAGE"
    NO_ROOM = "NO_ROOM"
    OTHER_LOT = "OTHER_LOT"
    OTHER_PRODUCT = "OTHER_PRODUCT"
    SAME_BIN = "SAME_BIN"
    """It stands there already."""
    TAKEN = "TAKEN"


SOFT = frozenset({Outcome.NOT_STORAGE, Outcome.NO_ROOM, Outcome.OTHER_LOT, Outcome.OTHER_PRODUCT})
"""What somebody may override who says why; all else holds for everybody."""


class Content(msgspec.Struct, frozen=True):
    product_id: UUID
    lot_id: UUID


class Shelf(msgspec.Struct, frozen=True, kw_only=True):
    """A bin with what decides whether stock may be brought there.

    Of its contents only as much is known as the mixing rule asks for: the first and the last.
    """

    id: UUID
    code: str
    location_id: UUID
    type: BinType = BinType.STANDARD
    zone: str | None = None
    walk_order: int = 0
    capacity: Decimal | None = None
    """In units; None is no limit."""
    mixing: Mixing = Mixing.ANY
    is_default: bool = False
    is_active: bool = True
    frozen_by: UUID | None = None
    filled: Decimal = ZERO
    """What stands in it, if it has a capacity."""
    coming: Decimal = ZERO
    """What open tasks will bring, likewise."""
    there: tuple[Content, ...] = ()
    promised: tuple[Content, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Nothing stands in it, and nothing is on its way."""
        return not self.there and not self.promised

    def room(self, *, with_promises: bool = True) -> Decimal | None:
        if self.capacity is None:
            return None
        return max(ZERO, self.capacity - self.filled - (self.coming if with_promises else ZERO))


class Stand(msgspec.Struct, frozen=True):
    """A lot of the product that stands in a bin, or is on its way there."""

    bin_id: UUID
    lot_id: UUID


class ProductPlace(msgspec.Struct, frozen=True, kw_only=True):
    """What a location knows of a product."""

    product_id: UUID
    location_id: UUID
    decimals: int = 4
    """Of its unit: no bin gets half a piece."""
    preferred_bin_id: UUID | None = None
    zone: str | None = None
    stands: tuple[Stand, ...] = ()


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """Products at locations, and bins in walking order."""

    places: Mapping[tuple[UUID, UUID], ProductPlace]
    shelves: Mapping[UUID, Shelf]


class Want(msgspec.Struct, frozen=True, kw_only=True):
    """A quantity of a stock line that is to be put away."""

    product_id: UUID
    lot_id: UUID
    location_id: UUID
    bin_id: UUID
    """Where it waits."""
    quantity: Decimal


class Candidate(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A bin that was looked at. `room` is null without a capacity."""

    bin_id: UUID
    bin_code: str
    outcome: Outcome
    room: Decimal | None = None
    quantity: Decimal = ZERO


class Tried(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A strategy with the bins that it found; `more` bins were passed over that are not shown."""

    strategy: Strategy
    placed: Decimal
    candidates: tuple[Candidate, ...] = ()
    more: int = 0


class Placement(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    bin_id: UUID
    bin_code: str
    strategy: Strategy
    quantity: Decimal


class Suggestion(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Where a quantity should go, and why: the strategies in the order in which they were tried."""

    placements: tuple[Placement, ...]
    unplaced: Decimal
    tried: tuple[Tried, ...]


def refusal(shelf: Shelf, want: Want, *, with_promises: bool = True) -> Outcome | None:
    """Why a bin takes nothing of it; `with_promises` counts what open tasks will bring as if it were there."""
    contents = shelf.there + (shelf.promised if with_promises else ())
    others = shelf.mixing is not Mixing.ANY and any(one.product_id != want.product_id for one in contents)
    lots = shelf.mixing is Mixing.ONE_LOT and any(one.lot_id != want.lot_id for one in contents)
    against = (
        (Outcome.ELSEWHERE, shelf.location_id != want.location_id),
        (Outcome.SAME_BIN, shelf.id == want.bin_id),
        (Outcome.FORBIDDEN_TYPE, shelf.type in FORBIDDEN),
        (Outcome.INACTIVE, not shelf.is_active),
        (Outcome.FROZEN, shelf.frozen_by is not None),
        (Outcome.NOT_STORAGE, shelf.type not in STORAGE),
        (Outcome.OTHER_PRODUCT, others),
        (Outcome.OTHER_LOT, lots),
        (Outcome.NO_ROOM, shelf.room(with_promises=with_promises) == ZERO),
    )
    return next((outcome for outcome, is_so in against if is_so), None)


def suggest(want: Want, facts: Facts) -> Suggestion:
    """Where a quantity should go; the same facts give the same answer."""
    place = facts.places.get((want.product_id, want.location_id)) or ProductPlace(
        product_id=want.product_id, location_id=want.location_id
    )
    left = want.quantity
    placements: list[Placement] = []
    tried: list[Tried] = []
    seen: set[UUID] = set()
    for strategy, shelves in _strategies(want, place, facts):
        if not left:
            break
        fresh = [shelf for shelf in shelves if shelf.id not in seen]
        seen.update(shelf.id for shelf in fresh)
        candidates = list(_looked_at(fresh, want, left, place.decimals))
        taken = [one for one in candidates if one.outcome is Outcome.TAKEN]
        passed = [one for one in candidates if one.outcome is not Outcome.TAKEN]
        placed = sum((one.quantity for one in taken), ZERO)
        left -= placed
        placements += [
            Placement(bin_id=one.bin_id, bin_code=one.bin_code, strategy=strategy, quantity=one.quantity)
            for one in taken
        ]
        shown = tuple(one for one in candidates if one.outcome is Outcome.TAKEN or one in passed[:SHOWN])
        tried.append(Tried(strategy=strategy, placed=placed, candidates=shown, more=len(candidates) - len(shown)))
    return Suggestion(placements=tuple(placements), unplaced=left, tried=tuple(tried))


def plan(wants: Sequence[Want], facts: Facts) -> list[Suggestion]:
    """One suggestion each, in their order: later ones find the bins as earlier ones leave them."""
    shelves = dict(facts.shelves)
    places = dict(facts.places)
    found = []
    for want in wants:
        suggestion = suggest(want, Facts(places=places, shelves=shelves))
        found.append(suggestion)
        key = want.product_id, want.location_id
        for placement in suggestion.placements:
            shelves[placement.bin_id] = promised(shelves[placement.bin_id], want, placement.quantity)
            if key in places:
                stand = Stand(placement.bin_id, want.lot_id)
                places[key] = msgspec.structs.replace(places[key], stands=(*places[key].stands, stand))
    return found


def promised(shelf: Shelf, want: Want, quantity: Decimal) -> Shelf:
    """The bin with so much more on its way."""
    content = Content(want.product_id, want.lot_id)
    return msgspec.structs.replace(
        shelf, coming=shelf.coming + quantity, promised=tuple({*shelf.promised, content})
    )


def _looked_at(shelves: Iterable[Shelf], want: Want, left: Decimal, decimals: int) -> Iterator[Candidate]:
    """The bins until all is placed; each with what it takes, or why it takes nothing."""
    step = Decimal(1).scaleb(-decimals)
    for shelf in shelves:
        if not left:
            return
        room = shelf.room()
        outcome = refusal(shelf, want)
        takes = ZERO if outcome else left if room is None else min(left, room)
        if takes < left:
            takes = takes.quantize(step, rounding=ROUND_FLOOR)
        if not takes:
            outcome = outcome or Outcome.NO_ROOM
        left -= takes
        yield Candidate(
            bin_id=shelf.id, bin_code=shelf.code, outcome=outcome or Outcome.TAKEN, room=room, quantity=takes
        )


def _strategies(want: Want, place: ProductPlace, facts: Facts) -> Iterator[tuple[Strategy, list[Shelf]]]:
    """Each with its bins in their order; made only as far as they are needed."""
    preferred = facts.shelves.get(place.preferred_bin_id) if place.preferred_bin_id else None
    yield Strategy.PREFERRED_BIN, [] if preferred is None else [preferred]
    here = [shelf for shelf in facts.shelves.values() if shelf.location_id == want.location_id]
    own = {stand.bin_id for stand in place.stands if stand.lot_id == want.lot_id}
    others = {stand.bin_id for stand in place.stands} - own
    # Where no bin was said stock lies in the default bin: that it lies there says nothing.
    yield Strategy.SAME_LOT, [shelf for shelf in here if shelf.id in own and not shelf.is_default]
    yield Strategy.SAME_PRODUCT, [shelf for shelf in here if shelf.id in others and not shelf.is_default]
    storage = [shelf for shelf in here if shelf.type in STORAGE]
    in_zone = [
        shelf
        for shelf in storage
        if shelf.zone == place.zone and place.zone is not None and shelf.is_empty and not shelf.is_default
    ]
    yield Strategy.EMPTY_IN_ZONE, in_zone
    # The sort is stable: among equals the walking order stays.
    yield (
        Strategy.OVERFLOW,
        sorted(storage, key=lambda s: (s.is_default, not s.is_empty, _RESERVE_FIRST.index(s.type))),
    )
