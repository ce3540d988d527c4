"""Which lines to take for a channel: first expired, first out, of what will live long enough. Pure functions."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from enum import Enum, auto
from uuid import UUID

import msgspec

from domain.availability.model import ZERO
from domain.ledger.allocation import Allocation, Candidate, Demand, Shortage, Take, allocate_fefo


class Order(Enum):
    """What goes first. Either way nothing that is blocked, or too short-lived, goes at all."""

    FIRST_EXPIRED = auto()
    """Then what never expires; of the same day what came first."""
    FIRST_RECEIVED = auto()


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """So much of a product, with so many days of life left when it leaves."""

    product_id: UUID
    quantity: Decimal
    min_remaining_days: int = 0


def suggest(
    candidates: Sequence[Candidate],
    wanted: Sequence[Wanted],
    *,
    ship_day: date,
    order: Order = Order.FIRST_EXPIRED,
) -> Allocation:
    """The lines to take from, as far as they go: what is missing is said beside them.

    Who needs the longest life chooses first, so the stock meets all demands for a product whenever it can.
    """
    by_life: dict[int, list[int]] = defaultdict(list)
    for index, one in enumerate(wanted):
        by_life[one.min_remaining_days].append(index)
    takes: list[Take] = []
    shortages: list[Shortage] = []
    taken: dict[UUID, Decimal] = defaultdict(lambda: ZERO)
    for days in sorted(by_life, reverse=True):
        indexes = by_life[days]
        on = ship_day + timedelta(days=days)
        left = [_less(candidate, taken[candidate.line_id]) for candidate in candidates]
        if order is Order.FIRST_RECEIVED:
            left = [_undated(candidate) if candidate.may_give(on) else candidate for candidate in left]
        demands = [Demand(product_id=wanted[i].product_id, quantity=wanted[i].quantity) for i in indexes]
        found = allocate_fefo(left, demands, on=on)
        shortages.extend(found.shortages)
        for take in found.takes:
            taken[take.candidate.line_id] += take.quantity
            takes.append(msgspec.structs.replace(take, demand=indexes[take.demand]))
    offered = {candidate.line_id: candidate for candidate in candidates}
    return Allocation(
        takes=tuple(
            msgspec.structs.replace(take, candidate=offered[take.candidate.line_id])
            for take in sorted(takes, key=lambda t: t.demand)
        ),
        shortages=tuple(shortages),
    )


def _less(candidate: Candidate, taken: Decimal) -> Candidate:
    return msgspec.structs.replace(candidate, reserved=candidate.reserved + taken) if taken else candidate


def _undated(candidate: Candidate) -> Candidate:
    """The same stock as if it never expired: then only the day on which it came is left to order by."""
    return msgspec.structs.replace(candidate, expires_on=None)
