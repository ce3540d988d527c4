"""First expired, first out."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import chain, combinations
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.ledger.allocation import Allocation, Candidate, Demand, Shortage, allocate_fefo

TODAY = date(2026, 3, 10)
BOLT, NUT = UUID(int=1), UUID(int=2)


def a_candidate(
    number: int,
    on_hand: int | str,
    *,
    expires: int | None = None,
    received: int | None = None,
    bin_: int = 0,
    lot: int | None = None,
    product_id: UUID = BOLT,
    reserved: int = 0,
    held: int = 0,
    sells: bool = True,
    active: bool = True,
) -> Candidate:
    lot = number if lot is None else lot
    return Candidate(
        line_id=UUID(int=100 + number),
        product_id=product_id,
        bin_id=UUID(int=200 + bin_),
        bin_code=f"B{bin_}",
        bin_sells=sells,
        lot_id=UUID(int=300 + lot),
        lot_number=f"L{lot}",
        lot_is_active=active,
        expires_on=None if expires is None else TODAY + timedelta(days=expires),
        received_at=datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=number if received is None else received),
        on_hand=Decimal(on_hand),
        reserved=Decimal(reserved),
        held=Decimal(held),
    )


def a_demand(
    quantity: int | str, *, line: int | None = None, bin_: int | None = None, lot: int | None = None
) -> Demand:
    return Demand(
        product_id=BOLT,
        quantity=Decimal(quantity),
        line_id=None if line is None else UUID(int=100 + line),
        bin_id=None if bin_ is None else UUID(int=200 + bin_),
        lot_id=None if lot is None else UUID(int=300 + lot),
    )


def taken(allocation: Allocation) -> str:
    """Such as `0:1x5 1:2x1`: demand, line, quantity."""
    return " ".join(f"{t.demand}:{t.candidate.line_id.int - 100}x{t.quantity}" for t in allocation.takes)


def terms(shortage: Shortage, *names: str) -> list[Decimal]:
    return [getattr(shortage, name) for name in names]


@pytest.mark.parametrize(
    ("candidates", "want", "expected"),
    [
        pytest.param(
            [a_candidate(1, 5, expires=20), a_candidate(2, 5, expires=10)], 3, "0:2x3", id="earliest expiry first"
        ),
        pytest.param(
            [a_candidate(1, 5), a_candidate(2, 5, expires=900)], 7, "0:2x5 0:1x2", id="no expiry comes last"
        ),
        pytest.param(
            [a_candidate(1, 5, expires=9, received=8), a_candidate(2, 5, expires=9, received=3)],
            6,
            "0:2x5 0:1x1",
            id="equal expiry: first received",
        ),
        pytest.param(
            [a_candidate(2, 1, received=3), a_candidate(1, 1, received=3)], 1, "0:1x1", id="else by line"
        ),
        pytest.param([a_candidate(1, 5, expires=0)], 5, "0:1x5", id="good through its expiry day"),
        pytest.param([a_candidate(1, 5, expires=-1), a_candidate(2, 5)], 5, "0:2x5", id="never what is expired"),
        pytest.param([a_candidate(1, 5, sells=False), a_candidate(2, 5)], 5, "0:2x5", id="no bin that is blocked"),
        pytest.param([a_candidate(1, 5, active=False), a_candidate(2, 5)], 5, "0:2x5", id="no recalled lot"),
        pytest.param(
            [a_candidate(1, 5, reserved=2, held=1), a_candidate(2, 5)], 5, "0:1x2 0:2x3", id="not what is claimed"
        ),
        pytest.param(
            [a_candidate(1, 2, reserved=2, held=1), a_candidate(2, 5)], 5, "0:2x5", id="a shortage gives nothing"
        ),
        pytest.param(
            [a_candidate(1, "0.0001"), a_candidate(2, 5)], 5, "0:1x0.0001 0:2x4.9999", id="to four places"
        ),
    ],
)
def test_stock_is_taken_first_expired_first(candidates: list[Candidate], want: int, expected: str) -> None:
    allocation = allocate_fefo(candidates, [a_demand(want)], on=TODAY)

    assert taken(allocation) == expected
    assert allocation.shortages == ()


@pytest.mark.parametrize(
    ("candidates", "demands", "expected"),
    [
        pytest.param(
            [a_candidate(1, 5, expires=1), a_candidate(2, 5, expires=2)],
            [a_demand(5), a_demand(5, lot=1)],
            "0:2x5 1:1x5",
            id="whoever wants one lot chooses before whoever takes any",
        ),
        pytest.param(
            [a_candidate(1, 4, bin_=1), a_candidate(2, 4, bin_=2)],
            [a_demand(3, bin_=2), a_demand(4, line=1), a_demand(1)],
            "0:2x3 1:1x4 2:2x1",
            id="bins, lines and the rest together",
        ),
        pytest.param(
            [
                a_candidate(1, 5, bin_=1, lot=1),
                a_candidate(2, 5, bin_=1, lot=2),
            ],
            [a_demand(5, bin_=1), a_demand(5, lot=1)],
            "0:2x5 1:1x5",
            id="one gives way to another where it can be met elsewhere",
        ),
        pytest.param([a_candidate(1, 10)], [a_demand(4), a_demand(6)], "0:1x4 1:1x6", id="equal lines are summed"),
    ],
)
def test_demands_for_one_product_share_its_stock(
    candidates: list[Candidate], demands: list[Demand], expected: str
) -> None:
    allocation = allocate_fefo(candidates, demands, on=TODAY)

    assert taken(allocation) == expected
    assert allocation.shortages == ()


def test_two_lines_for_one_product_are_not_each_checked_against_the_whole_stock() -> None:
    allocation = allocate_fefo([a_candidate(1, 5)], [a_demand(4), a_demand(4)], on=TODAY)

    (shortage,) = allocation.shortages
    assert terms(shortage, "requested", "available", "shortfall") == [8, 5, 3]


def test_a_shortage_tells_all_of_its_terms() -> None:
    candidates = [
        a_candidate(1, 10, reserved=2, held=3),
        a_candidate(2, 7, expires=-1),
        a_candidate(3, 4, sells=False),
        a_candidate(4, 2, active=False),
        a_candidate(5, 99, product_id=NUT),
    ]

    allocation = allocate_fefo(candidates, [a_demand(9)], on=TODAY)

    (shortage,) = allocation.shortages
    assert terms(shortage, "requested", "available", "shortfall") == [9, 5, 4]
    assert terms(shortage, "on_hand", "reserved", "held") == [23, 2, 3]
    assert terms(shortage, "expired", "blocked") == [7, 6]


def test_the_terms_are_those_of_the_stock_that_was_asked_for() -> None:
    candidates = [a_candidate(1, 10, bin_=1), a_candidate(2, 3, bin_=2)]

    allocation = allocate_fefo(candidates, [a_demand(4, bin_=2)], on=TODAY)

    (shortage,) = allocation.shortages
    assert terms(shortage, "on_hand", "available", "shortfall") == [3, 3, 1]


def test_a_product_without_any_stock_is_short_of_everything() -> None:
    allocation = allocate_fefo([], [a_demand(4)], on=TODAY)

    (shortage,) = allocation.shortages
    assert terms(shortage, "available", "shortfall") == [0, 4]


small = st.integers(min_value=0, max_value=2)


@given(
    stock=st.lists(st.tuples(small, small, st.integers(0, 6)), max_size=6),
    wishes=st.lists(st.tuples(st.none() | small, st.none() | small, st.integers(1, 6)), min_size=1, max_size=4),
)
def test_whatever_can_be_met_is_met_and_never_more(
    stock: list[tuple[int, int, int]], wishes: list[tuple[int | None, int | None, int]]
) -> None:
    candidates = [a_candidate(n, q, bin_=bin_, lot=lot) for n, (bin_, lot, q) in enumerate(stock)]
    demands = [a_demand(q, bin_=bin_, lot=lot) for bin_, lot, q in wishes]

    allocation = allocate_fefo(candidates, demands, on=TODAY)

    for candidate in candidates:
        assert sum(t.quantity for t in allocation.takes if t.candidate is candidate) <= candidate.free
    for index, demand in enumerate(demands):
        mine = [t for t in allocation.takes if t.demand == index]
        assert sum(t.quantity for t in mine) <= demand.quantity
        assert all(demand.admits(t.candidate) for t in mine)
    assert sum(t.quantity for t in allocation.takes) == most(candidates, demands)


def most(candidates: list[Candidate], demands: list[Demand]) -> Decimal:
    """The most that any allocation can give, by the narrowest cut."""
    subsets = chain.from_iterable(combinations(demands, n) for n in range(len(demands) + 1))
    return min(
        sum((c.free for c in candidates if any(d.admits(c) for d in subset)), Decimal(0))
        + sum((d.quantity for d in demands if d not in subset), Decimal(0))
        for subset in subsets
    )
