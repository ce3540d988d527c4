"""Where a claim comes from, and where a release goes."""

from decimal import Decimal

import pytest

from domain.availability.atp import cells
from domain.availability.model import NO_CHANNEL, Cell, ChannelTerms, Limit, Mode
from domain.availability.taking import Split, give_back, released, remaining, reserved, take, terms
from domain.errors import DomainError, Reason
from tests.availability_lab import BOLT, DEPOT, a_channel, a_pool, atps, one

OTHER = a_channel(2, fence=5)


def a_cell(mode: Mode, *, on_hand: int = 30, fence: int = 10, buffer: int = 0) -> Cell:
    return cells(a_pool(on_hand), [a_channel(1, fence=fence, mode=mode, buffer=buffer), OTHER])[0]


def parts(split: Split) -> list[Decimal]:
    return [split.from_fence, split.from_pool]


@pytest.mark.parametrize(
    ("mode", "quantity", "expected"),
    [
        (Mode.REGULAR, 4, [4, 0]),
        (Mode.REGULAR, 12, [10, 2]),
        (Mode.RESTRICT, 10, [10, 0]),
        (Mode.IRON_RESERVE, 15, [0, 15]),
        (Mode.IRON_RESERVE, 17, [2, 15]),
        (Mode.IRON_RESERVE, 25, [10, 15]),
    ],
)
def test_the_mode_says_what_is_taken_first(mode: Mode, quantity: int, expected: list[int]) -> None:
    assert parts(take(a_cell(mode), Decimal(quantity))) == expected


def test_an_iron_reserve_is_touched_when_the_pool_beyond_the_buffer_is_empty() -> None:
    assert parts(take(a_cell(Mode.IRON_RESERVE, buffer=9), Decimal(8))) == [2, 6]


def test_a_fence_that_is_cut_gives_only_what_is_left_of_it() -> None:
    assert parts(take(a_cell(Mode.REGULAR, on_hand=7), Decimal(7))) == [7, 0]


def test_a_caller_without_a_channel_takes_from_the_pool_only() -> None:
    cell = cells(a_pool(30), [OTHER, NO_CHANNEL])[1]

    assert parts(take(cell, Decimal(25))) == [0, 25]
    with pytest.raises(DomainError):
        take(cell, Decimal(26))


@pytest.mark.parametrize(("mode", "most"), [(Mode.REGULAR, 25), (Mode.RESTRICT, 10), (Mode.IRON_RESERVE, 25)])
def test_more_than_is_shown_is_refused_with_its_terms(mode: Mode, most: int) -> None:
    cell = a_cell(mode)

    with pytest.raises(DomainError, match="short of 1") as refused:
        take(cell, Decimal(most + 1))

    error = refused.value
    assert error.reason is Reason.INSUFFICIENT_STOCK
    assert [error.facts["productMasterId"], error.facts["locationId"]] == [BOLT, DEPOT]
    assert [error.facts["requested"], error.facts["available"], error.facts["shortfall"]] == [most + 1, most, 1]
    assert error.facts["terms"] == terms(cell)


def test_the_terms_have_their_published_names() -> None:
    found = terms(one(a_pool("50.0000", blocked=3, hard=2), a_channel(1, ceiling=9, used=4)))

    assert str(found["onHand"]) == "50"
    assert found == {
        "onHand": 50,
        "blocked": 3,
        "held": 0,
        "expired": 0,
        "allocated": 2,
        "reserved": 0,
        "safetyStock": 0,
        "projected": 0,
        "net": 45,
        "poolNet": 45,
        "fencesRespected": 0,
        "buffer": 0,
        "fence": 0,
        "effectiveFence": 0,
        "ceilingLeft": 5,
        "limit": Limit.CEILING,
    }


@pytest.mark.parametrize(
    ("mode", "quantity", "back", "expected"),
    [
        (Mode.REGULAR, 12, 1, [0, 1]),
        (Mode.REGULAR, 12, 5, [3, 2]),
        (Mode.REGULAR, 12, 12, [10, 2]),
        (Mode.RESTRICT, 10, 4, [4, 0]),
        (Mode.IRON_RESERVE, 17, 1, [1, 0]),
        (Mode.IRON_RESERVE, 17, 5, [2, 3]),
    ],
)
def test_what_was_taken_last_goes_back_first(mode: Mode, quantity: int, back: int, expected: list[int]) -> None:
    assert parts(give_back(take(a_cell(mode), Decimal(quantity)), Decimal(back))) == expected


@pytest.mark.parametrize("mode", Mode)
def test_what_stays_is_as_if_only_that_had_been_taken(mode: Mode) -> None:
    cell = a_cell(mode)
    split = take(cell, Decimal(9))

    assert remaining(split, give_back(split, Decimal(4))) == take(cell, Decimal(5))


def test_reserving_and_releasing_show_in_the_cells() -> None:
    pool = a_pool(40)
    channels: tuple[ChannelTerms, ...] = (a_channel(1, fence=10, ceiling=20), a_channel(2, fence=5), a_channel(3))
    split = take(cells(pool, channels)[0], Decimal(12))

    taken, after = reserved(pool, channels, index=0, split=split)

    assert atps(pool, channels) == [20, 30, 25]
    assert atps(taken, after) == [8, 28, 23]
    assert released(taken, after, index=0, split=split) == (pool, channels)
