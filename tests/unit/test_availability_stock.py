"""From lines to a pool, and back to lines to take from."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

from domain.availability.fefo import Order, Wanted, suggest
from domain.availability.model import Pool
from domain.availability.stock import PoolLine, pool_of
from domain.ledger.allocation import Allocation, Candidate
from tests.availability_lab import BOLT, DEPOT, TODAY, a_bucket


def a_line(
    on_hand: int, *, held: int = 0, claimed: int = 0, for_sale: bool = True, expires: int | None = None
) -> PoolLine:
    return PoolLine(
        on_hand=Decimal(on_hand),
        held=Decimal(held),
        claimed=Decimal(claimed),
        is_for_sale=for_sale,
        expires_on=None if expires is None else TODAY + timedelta(days=expires),
    )


def a_pool_of(*lines: PoolLine) -> Pool:
    return pool_of(lines, product_id=BOLT, location_id=DEPOT, today=TODAY)


def test_a_unit_is_blocked_for_one_reason_only() -> None:
    everything = a_line(10, held=4, for_sale=False, expires=-1)

    pool = a_pool_of(everything, a_line(20, held=5, expires=-1), a_line(30, held=6))

    assert [pool.on_hand, pool.blocked, pool.held, pool.expired(0)] == [60, 10, 11, 15]
    assert pool.net == 24


def test_lots_of_one_expiry_are_added_up_earliest_first() -> None:
    pool = a_pool_of(a_line(5, expires=9), a_line(3, expires=2, claimed=1), a_line(4, expires=9, claimed=2))

    assert pool.buckets == (a_bucket(2, 3, claimed=1), a_bucket(9, 9, claimed=2))


def test_a_claim_on_held_stock_wants_other_stock() -> None:
    pool = a_pool_of(a_line(10, held=7, claimed=8, expires=9))

    assert pool.buckets == (a_bucket(9, 3, claimed=3),)


def a_candidate(number: int, on_hand: int, *, expires: int | None, received: int, sells: bool = True) -> Candidate:
    return Candidate(
        line_id=UUID(int=number),
        product_id=BOLT,
        bin_id=UUID(int=50),
        bin_code="A1",
        bin_sells=sells,
        lot_id=UUID(int=60 + number),
        lot_number=f"L{number}",
        lot_is_active=True,
        expires_on=None if expires is None else TODAY + timedelta(days=expires),
        received_at=datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=received),
        on_hand=Decimal(on_hand),
        reserved=Decimal(0),
        held=Decimal(0),
    )


STOCK = [
    a_candidate(1, 5, expires=None, received=1),
    a_candidate(2, 5, expires=40, received=2),
    a_candidate(3, 5, expires=5, received=3),
    a_candidate(4, 5, expires=-1, received=0),
    a_candidate(5, 5, expires=90, received=0, sells=False),
]


def wanted(quantity: int, *, life: int = 0) -> Wanted:
    return Wanted(product_id=BOLT, quantity=Decimal(quantity), min_remaining_days=life)


def taken(allocation: Allocation) -> list[str]:
    """Such as `0:3x5`: demand, line, quantity."""
    return [f"{take.demand}:{take.candidate.line_id.int}x{take.quantity}" for take in allocation.takes]


def test_what_expires_first_goes_first_and_what_is_blocked_never() -> None:
    found = suggest(STOCK, [wanted(12)], ship_day=TODAY)

    assert taken(found) == ["0:3x5", "0:2x5", "0:1x2"]
    assert found.shortages == ()


def test_lines_are_suggested_even_when_they_do_not_suffice() -> None:
    found = suggest(STOCK, [wanted(18)], ship_day=TODAY)

    assert taken(found) == ["0:3x5", "0:2x5", "0:1x5"]
    assert [shortage.shortfall for shortage in found.shortages] == [3]


def test_what_is_too_short_lived_is_left_for_others() -> None:
    assert taken(suggest(STOCK, [wanted(7, life=30)], ship_day=TODAY)) == ["0:2x5", "0:1x2"]
    assert taken(suggest(STOCK, [wanted(7)], ship_day=TODAY + timedelta(days=6))) == ["0:2x5", "0:1x2"]


def test_who_needs_the_longest_life_chooses_first() -> None:
    found = suggest(STOCK, [wanted(5), wanted(10, life=30)], ship_day=TODAY)

    assert taken(found) == ["0:3x5", "1:2x5", "1:1x5"]
    assert found.shortages == ()


def test_stock_is_given_once() -> None:
    found = suggest(STOCK, [wanted(10), wanted(10, life=30)], ship_day=TODAY)

    assert taken(found) == ["0:3x5", "1:2x5", "1:1x5"]
    assert [shortage.shortfall for shortage in found.shortages] == [5]


def test_on_request_what_came_first_goes_first_and_still_nothing_that_is_blocked() -> None:
    found = suggest(STOCK, [wanted(12)], ship_day=TODAY, order=Order.FIRST_RECEIVED)

    assert taken(found) == ["0:1x5", "0:2x5", "0:3x2"]
    assert [take.candidate.expires_on for take in found.takes] == [candidate.expires_on for candidate in STOCK[:3]]
