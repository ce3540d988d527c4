"""What a reversal is made of."""

from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

from domain.ledger.model import Kind
from domain.ledger.places import Place
from domain.ledger.reversing import Original, OriginalMovement, reversing_entries

PLACE = Place(bin_id=UUID(int=8), bin_code="B", lot_id=UUID(int=9), lot_number="", expires_on=None)
REASON = UUID(int=7)


def an_original(*movements: tuple[int, int, int]) -> Original:
    """Of (line, day, delta)."""
    return Original(
        id=UUID(int=1),
        kind=Kind.ADJUSTMENT,
        movements=[
            OriginalMovement(
                line_id=UUID(int=line),
                place=PLACE,
                delta=Decimal(delta),
                effective_at=datetime(2026, 1, day, tzinfo=UTC),
                reason_code_id=REASON,
            )
            for line, day, delta in movements
        ],
    )


def entries(original: Original) -> list[tuple[int, int, int]]:
    found = []
    for entry in reversing_entries(original):
        assert entry.line_id is not None
        assert entry.effective_at is not None
        assert entry.delta is not None
        assert (entry.kind, entry.reason_code_id) == (Kind.REVERSAL, REASON)
        found.append((entry.line_id.int, entry.effective_at.day, int(entry.delta)))
    return found


def test_every_line_gets_the_opposite_at_the_time_of_the_original() -> None:
    assert entries(an_original((1, 4, -5), (2, 5, -3))) == [(1, 4, 5), (2, 5, 3)]


def test_what_comes_back_goes_before_what_is_taken() -> None:
    assert entries(an_original((1, 4, 5), (2, 4, -5))) == [(2, 4, 5), (1, 4, -5)]


def test_what_a_line_gained_and_lost_at_one_time_is_one_difference() -> None:
    assert entries(an_original((1, 4, -3), (1, 4, 5), (1, 6, 1))) == [(1, 4, -2), (1, 6, -1)]


def test_a_line_that_gained_what_it_lost_has_nothing_to_take_back() -> None:
    assert entries(an_original((1, 4, -3), (1, 4, 3))) == []
