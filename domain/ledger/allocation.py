"""Which stock to take: first expired, first out. Pure functions."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

import msgspec

ZERO = Decimal(0)


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """A stock line that could give, with all that decides whether it may."""

    line_id: UUID
    product_id: UUID
    bin_id: UUID
    bin_code: str
    bin_sells: bool
    """Stock in hold, quarantine and damage bins is not for anybody."""
    lot_id: UUID
    lot_number: str
    lot_is_active: bool
    expires_on: date | None
    received_at: datetime
    on_hand: Decimal
    reserved: Decimal
    held: Decimal

    @property
    def free(self) -> Decimal:
        return max(ZERO, self.on_hand - self.reserved - self.held)

    def is_expired(self, on: date) -> bool:
        """Stock is good through its expiry day."""
        return self.expires_on is not None and self.expires_on < on

    def may_give(self, on: date) -> bool:
        return self.bin_sells and self.lot_is_active and not self.is_expired(on)


class Demand(msgspec.Struct, frozen=True, kw_only=True):
    """So much of a product, from anywhere or only from one bin, lot or line."""

    product_id: UUID
    quantity: Decimal
    line_id: UUID | None = None
    bin_id: UUID | None = None
    lot_id: UUID | None = None

    @property
    def particulars(self) -> int:
        """How narrow the demand is: the narrow ones choose first."""
        return 4 * (self.line_id is not None) + (self.bin_id is not None) + (self.lot_id is not None)

    def admits(self, candidate: Candidate) -> bool:
        return (
            candidate.product_id == self.product_id
            and self.line_id in {None, candidate.line_id}
            and self.bin_id in {None, candidate.bin_id}
            and self.lot_id in {None, candidate.lot_id}
        )


class Take(msgspec.Struct, frozen=True, kw_only=True):
    """A quantity from one line for the demand with this index."""

    demand: int
    candidate: Candidate
    quantity: Decimal


class Shortage(msgspec.Struct, frozen=True, kw_only=True):
    """Why a product does not suffice: the terms over the lines that its demands admit."""

    product_id: UUID
    requested: Decimal
    available: Decimal
    shortfall: Decimal
    on_hand: Decimal
    reserved: Decimal
    held: Decimal
    expired: Decimal
    """On hand of expired lots."""
    blocked: Decimal
    """On hand of recalled or inactive lots and of bins that do not sell."""


class Allocation(msgspec.Struct, frozen=True, kw_only=True):
    takes: tuple[Take, ...]
    shortages: tuple[Shortage, ...]
    """One for each product that does not suffice; empty when every demand is met."""


def allocate_fefo(candidates: Iterable[Candidate], demands: Sequence[Demand], *, on: date) -> Allocation:
    """Meet the demands, all of them together, from what may be given on a day.

    Earliest expiry first, no expiry last, then first received. Demands for one product share its stock: the narrow
    ones choose first, and a demand gives way to another where it can be met elsewhere, so whenever the stock can
    meet them all, it does.
    """
    by_product: dict[UUID, list[Candidate]] = defaultdict(list)
    for candidate in candidates:
        by_product[candidate.product_id].append(candidate)
    wanted: dict[UUID, list[int]] = defaultdict(list)
    for index, demand in enumerate(demands):
        wanted[demand.product_id].append(index)
    takes: list[Take] = []
    shortages: list[Shortage] = []
    for product_id, indexes in wanted.items():
        stock = sorted(by_product[product_id], key=_fefo)
        shares = _Shares([c for c in stock if c.may_give(on)], {index: demands[index] for index in indexes})
        missing = shares.deal()
        if missing > 0:
            asked = [demands[index] for index in indexes]
            shortages.append(_shortage(product_id, stock, asked, missing=missing, on=on))
        takes.extend(shares.takes())
    return Allocation(takes=tuple(sorted(takes, key=lambda t: t.demand)), shortages=tuple(shortages))


def _fefo(candidate: Candidate) -> tuple[date, datetime, UUID]:
    return candidate.expires_on or date.max, candidate.received_at, candidate.line_id


class _Shares:
    """The stock of one product while it is dealt out."""

    def __init__(self, stock: Sequence[Candidate], demands: dict[int, Demand]) -> None:
        self._stock = stock
        self._demands = demands
        self._free = [candidate.free for candidate in stock]
        self._taken: dict[tuple[int, int], Decimal] = defaultdict(lambda: ZERO)
        """By index of the demand and place of the line in the stock."""

    def deal(self) -> Decimal:
        """Deal out all that can be; what is missing."""
        missing = ZERO
        for index in sorted(self._demands, key=lambda i: (-self._demands[i].particulars, i)):
            rest = self._demands[index].quantity
            for place in self._places(index):
                part = min(rest, self._free[place])
                self._give(index, place, part)
                rest -= part
                if not rest:
                    break
            while rest and (moved := self._make_room(index, rest, set())):
                rest -= moved
            missing += rest
        return missing

    def takes(self) -> list[Take]:
        return [
            Take(demand=index, candidate=self._stock[place], quantity=quantity)
            for (index, place), quantity in sorted(self._taken.items())
            if quantity
        ]

    def _places(self, index: int) -> list[int]:
        demand = self._demands[index]
        return [place for place, candidate in enumerate(self._stock) if demand.admits(candidate)]

    def _give(self, index: int, place: int, quantity: Decimal) -> None:
        self._taken[index, place] += quantity
        self._free[place] -= quantity

    def _make_room(self, index: int, want: Decimal, asked: set[int]) -> Decimal:
        """Give the demand something of what others hold and can have elsewhere: an augmenting path."""
        asked.add(index)
        for place in self._places(index):
            if self._free[place]:
                part = min(want, self._free[place])
                self._give(index, place, part)
                return part
        for place in self._places(index):
            for other in self._demands:
                held = self._taken[other, place]
                if other in asked or not held:
                    continue
                moved = self._make_room(other, min(want, held), asked)
                if moved:
                    self._give(other, place, -moved)
                    self._give(index, place, moved)
                    return moved
        return ZERO


def _shortage(
    product_id: UUID, stock: Sequence[Candidate], demands: Sequence[Demand], *, missing: Decimal, on: date
) -> Shortage:
    admitted = [c for c in stock if any(demand.admits(c) for demand in demands)]
    return Shortage(
        product_id=product_id,
        requested=_sum(demand.quantity for demand in demands),
        available=_sum(c.free for c in admitted if c.may_give(on)),
        shortfall=missing,
        on_hand=_sum(c.on_hand for c in admitted),
        reserved=_sum(c.reserved for c in admitted),
        held=_sum(c.held for c in admitted),
        expired=_sum(c.on_hand for c in admitted if c.is_expired(on)),
        blocked=_sum(
            c.on_hand for c in admitted if not c.is_expired(on) and not (c.bin_sells and c.lot_is_active)
        ),
    )


def _sum(quantities: Iterable[Decimal]) -> Decimal:
    return sum(quantities, ZERO)
