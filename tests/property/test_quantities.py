"""P-14: exact numbers, and nothing that only looks like one."""

import time
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.values import QUANTITY_DIGITS, QUANTITY_PLACES, Quantity, plain
from tests.ledger.promises import show

LIMIT = Decimal(10) ** QUANTITY_DIGITS
SMALLEST = Decimal(1).scaleb(-QUANTITY_PLACES)


def to_quantity(units: int) -> Decimal:
    return Decimal(units).scaleb(-QUANTITY_PLACES)


storable = st.integers(1 - 10**18, 10**18 - 1).map(to_quantity)
anything = st.one_of(
    st.decimals(),
    storable,
    st.integers(-(10**30), 10**30).map(Decimal),
    st.tuples(st.integers(-99, 99), st.integers(-40, 40)).map(lambda parts: Decimal(parts[0]).scaleb(parts[1])),
)


def is_storable(number: Decimal) -> bool:
    """Whether NUMERIC(18, 4) holds it to the last digit; said without the type's own means."""
    if not number.is_finite():
        return False
    numerator, denominator = number.as_integer_ratio()
    is_coarse_enough: bool = (numerator * 10**QUANTITY_PLACES) % denominator == 0
    return is_coarse_enough and abs(numerator) < 10**QUANTITY_DIGITS * denominator


@pytest.mark.parametrize("examples", [1_000, pytest.param(100_000, marks=pytest.mark.long)])
def test_a_quantity_is_what_the_database_can_store_exactly(examples: int) -> None:
    accepted = refused = 0

    @settings(max_examples=examples, deadline=None)
    @given(number=anything)
    def check(number: Decimal) -> None:
        nonlocal accepted, refused
        try:
            quantity = Quantity.of(number)
        except ValueError:
            refused += 1
            # More zeros than places are refused too: a writer of 1.00000 may mean something by the fifth.
            assert not is_storable(number) or number.as_tuple().exponent < -QUANTITY_PLACES  # type: ignore[operator]
        else:
            accepted += 1
            assert is_storable(number)
            assert quantity == number

    check()

    show("P-14", numerals=accepted + refused, accepted=accepted, refused=refused, outside_of_the_domain=0)


@pytest.mark.parametrize(
    "text",
    [
        "NaN",
        "sNaN",
        "-NaN123",
        "Infinity",
        "-Infinity",
        "1E+14",
        "1E+1000000",
        "-1E+999999999",
        "1E-5",
        "1E-1000000",
    ],
)
def test_what_is_no_quantity_is_refused_at_once(text: str) -> None:
    started = time.process_time()

    with pytest.raises(ValueError, match=r"must (be a finite number|have at most)"):
        Quantity.of(Decimal(text))

    assert time.process_time() - started < 0.1


@given(number=storable)
def test_plain_changes_how_a_number_is_written_and_nothing_else(number: Decimal) -> None:
    short = plain(number)

    assert short == number
    assert "E" not in str(short)
    assert "." not in str(short) or not str(short).endswith("0")


@given(number=storable)
def test_a_quantity_survives_the_wire(number: Decimal) -> None:
    sent = msgspec.json.Encoder(decimal_format="number").encode(plain(number))

    assert msgspec.json.decode(sent, type=Decimal) == number


@settings(max_examples=30, deadline=None)
@given(numbers=st.lists(st.integers(-(10**15), 10**15).map(to_quantity), max_size=20), data=st.data())
def test_sums_do_not_depend_on_their_order(numbers: list[Decimal], data: st.DataObject) -> None:
    shuffled = data.draw(st.permutations(numbers))

    total = sum(numbers, Decimal(0))

    assert sum(shuffled, Decimal(0)) == total
    assert total % SMALLEST == 0
    assert abs(total) < LIMIT
