"""Holds as a union."""

from decimal import Decimal
from uuid import UUID

import pytest

from domain.availability.holding import (
    HeldLine,
    Hold,
    HoldType,
    Target,
    block,
    newly_short,
    place,
    release,
)
from domain.errors import DomainError, FieldError, Reason

LINE, PRODUCT, DEPOT, BIN, LOT, OTHER = (UUID(int=n) for n in range(1, 7))


def a_line(on_hand: int, *, reserved: int = 0, line_id: UUID = LINE, bin_id: UUID = BIN) -> HeldLine:
    return HeldLine(
        line_id=line_id,
        product_id=PRODUCT,
        location_id=DEPOT,
        bin_id=bin_id,
        lot_id=LOT,
        on_hand=Decimal(on_hand),
        reserved=Decimal(reserved),
    )


def a_hold(target: Target | None = None, *, quantity: int | None = None, number: int = 1) -> Hold:
    return Hold(
        id=UUID(int=100 + number),
        type=HoldType.QUALITY,
        target=target or Target(line_id=LINE),
        quantity=None if quantity is None else Decimal(quantity),
    )


WHOLE = [
    Target(line_id=LINE),
    Target(lot_id=LOT),
    Target(bin_id=BIN),
    Target(product_id=PRODUCT, location_id=DEPOT),
]
ELSEWHERE = [
    Target(line_id=OTHER),
    Target(lot_id=OTHER),
    Target(bin_id=OTHER),
    Target(product_id=PRODUCT, location_id=OTHER),
    Target(product_id=OTHER, location_id=DEPOT),
    Target(),
]


@pytest.mark.parametrize("target", WHOLE)
def test_a_whole_hold_blocks_all_that_is_there_and_what_arrives(target: Target) -> None:
    assert block(a_line(10), [a_hold(target)]).held == 10
    assert block(a_line(25), [a_hold(target)]).held == 25


@pytest.mark.parametrize("target", ELSEWHERE)
def test_a_hold_blocks_nothing_elsewhere(target: Target) -> None:
    found = block(a_line(10), [a_hold(target)])

    assert not found.held
    assert not found.hold_ids


def test_a_unit_held_twice_is_counted_once() -> None:
    holds = [a_hold(target, number=n) for n, target in enumerate(WHOLE)]

    found = block(a_line(10), [*holds, a_hold(quantity=4, number=9)])

    assert found.held == 10
    assert found.hold_ids == (*(hold.id for hold in holds), UUID(int=109))


@pytest.mark.parametrize(("parts", "held"), [([], 0), ([3], 3), ([3, 4], 7), ([6, 7], 10)])
def test_parts_add_up_to_at_most_what_is_there(parts: list[int], held: int) -> None:
    holds = [a_hold(quantity=part, number=n) for n, part in enumerate(parts)]

    assert block(a_line(10), holds).held == held


@pytest.mark.parametrize(("quantity", "shortage"), [(2, 0), (4, 0), (5, 1), (10, 6)])
def test_what_is_claimed_and_now_held_is_short(quantity: int, shortage: int) -> None:
    line = a_line(10, reserved=6)

    assert block(line, [a_hold(quantity=quantity)]).shortage == shortage


def test_only_new_shortage_is_reported() -> None:
    short, fine = a_line(10, reserved=8), a_line(10, reserved=8, line_id=OTHER, bin_id=OTHER)
    before = [a_hold(quantity=4)]
    recall = a_hold(Target(bin_id=BIN), number=2)

    assert newly_short([short, fine], before=before, after=[*before, recall]) == {LINE: 6}
    assert newly_short([short, fine], before=[*before, recall], after=before) == {}


def test_each_hold_is_released_by_itself() -> None:
    recall, quality = a_hold(Target(lot_id=LOT)), a_hold(quantity=3, number=2)

    assert block(a_line(10), [release(recall), quality]).held == 3
    assert block(a_line(10), [release(recall), release(quality)]).held == 0


def test_a_part_can_be_released_of_a_part_and_of_a_whole_line() -> None:
    part = release(a_hold(quantity=8), quantity=Decimal(3))
    rest = release(a_hold(), quantity=Decimal(4), on_hand=Decimal(10))

    assert [part.quantity, part.is_released] == [5, False]
    assert [rest.quantity, rest.is_released] == [6, False]
    assert release(part, quantity=Decimal(5)).is_released


def test_a_hold_is_released_once() -> None:
    with pytest.raises(DomainError, match="released already") as refused:
        release(release(a_hold()))

    assert refused.value.reason is Reason.INVALID_TRANSITION


@pytest.mark.parametrize("quantity", [0, -1, 9])
def test_no_more_is_released_than_is_held(quantity: int) -> None:
    with pytest.raises(DomainError, match="8 to release") as refused:
        release(a_hold(quantity=8), quantity=Decimal(quantity))

    assert refused.value.reason is Reason.QUANTITY_OUT_OF_RANGE


def test_a_lot_is_not_released_in_parts() -> None:
    with pytest.raises(FieldError, match="as a whole"):
        release(a_hold(Target(lot_id=LOT)), quantity=Decimal(1))


@pytest.mark.parametrize("target", WHOLE)
def test_a_hold_lies_on_one_thing(target: Target) -> None:
    assert place(a_hold(target)).target == target


@pytest.mark.parametrize(
    "target",
    [
        Target(),
        Target(product_id=PRODUCT),
        Target(location_id=DEPOT),
        Target(line_id=LINE, lot_id=LOT),
        Target(lot_id=LOT, location_id=DEPOT),
    ],
)
def test_a_hold_on_nothing_or_on_too_much_is_refused(target: Target) -> None:
    with pytest.raises(FieldError, match="must name one of"):
        place(a_hold(target))


def test_a_part_is_a_part_of_a_line() -> None:
    with pytest.raises(FieldError, match="quantity: is for holds on a stock line only"):
        place(a_hold(Target(bin_id=BIN), quantity=1))
    with pytest.raises(FieldError, match="greater than zero"):
        place(a_hold(quantity=0))
