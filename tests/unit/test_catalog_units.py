"""Conversion of quantities between units."""

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from uuid import UUID

import pytest
from hypothesis import given, reject
from hypothesis import strategies as st

from domain.catalog.model import Conversion
from domain.catalog.units import convert, factor_between
from domain.errors import FieldError

EACH, CASE, PALLET, KILO, POUND = (UUID(int=n) for n in range(1, 6))
TEA, COAL = UUID(int=11), UUID(int=12)


def one(from_: UUID, to: UUID, factor: str, product: UUID | None = None) -> Conversion:
    return Conversion(product_id=product, from_uom_id=from_, to_uom_id=to, factor=Decimal(factor))


KNOWN = [
    one(CASE, EACH, "12"),
    one(CASE, EACH, "24", TEA),
    one(PALLET, CASE, "40"),
    one(POUND, KILO, "0.45359237"),
]

# quantity, from, to, product; what comes out
TABLE = {
    "the same unit": ("3.5", EACH, EACH, None, "3.5"),
    "the general one": ("3", CASE, EACH, None, "36"),
    "the product's own one": ("3", CASE, EACH, TEA, "72"),
    "another product has none of its own": ("3", CASE, EACH, COAL, "36"),
    "backwards": ("72", EACH, CASE, TEA, "3"),
    "backwards into parts": ("6", EACH, CASE, TEA, "0.25"),
    "over two": ("1", PALLET, EACH, None, "480"),
    "over two, one of them the product's": ("1", PALLET, EACH, TEA, "960"),
    "back over two": ("480", EACH, PALLET, None, "1"),
    "many places that come out": ("10000", POUND, KILO, None, "4535.9237"),
    "nothing": ("0", CASE, EACH, None, "0"),
    "below nothing": ("-2", CASE, EACH, None, "-24"),
    "the largest": ("8333333333333.25", CASE, EACH, None, "99999999999999"),
}


@pytest.mark.parametrize("case", TABLE.values(), ids=TABLE.keys())
def test_a_quantity_comes_out_exactly(case: tuple[str, UUID, UUID, UUID | None, str]) -> None:
    quantity, from_, to, product, wanted = case

    got = convert(Decimal(quantity), from_uom_id=from_, to_uom_id=to, product_id=product, conversions=KNOWN)

    assert str(got) == wanted


@pytest.mark.parametrize(
    ("quantity", "from_", "to", "why"),
    [
        ("1", EACH, KILO, "no conversion"),
        ("5", EACH, CASE, "does not come out"),
        ("1", POUND, KILO, "does not come out"),
        ("99999999999999", CASE, EACH, "14 integer digits"),
    ],
)
def test_what_does_not_come_out_is_refused(quantity: str, from_: UUID, to: UUID, why: str) -> None:
    with pytest.raises(FieldError, match=why):
        convert(Decimal(quantity), from_uom_id=from_, to_uom_id=to, conversions=KNOWN, at="lines[0].quantity")


UNITS = [UUID(int=n) for n in range(1, 6)]
FACTORS = st.decimals("0.001", "1000", places=3)


@given(
    quantity=st.decimals("-1000000", "1000000", places=4),
    conversions=st.lists(
        st.builds(
            lambda pair, factor, product: one(pair[0], pair[1], str(factor), product),
            st.tuples(st.sampled_from(UNITS), st.sampled_from(UNITS)).filter(lambda pair: pair[0] != pair[1]),
            FACTORS,
            st.sampled_from([None, TEA]),
        ),
        max_size=8,
    ),
    there=st.sampled_from(UNITS),
)
def test_what_was_converted_converts_back(
    quantity: Decimal, conversions: Sequence[Conversion], there: UUID
) -> None:
    # However contradictory the conversions are: there and back is one way.
    def go(amount: Decimal, from_: UUID, to: UUID) -> Decimal:
        return convert(amount, from_uom_id=from_, to_uom_id=to, product_id=TEA, conversions=conversions)

    try:
        converted = go(quantity, EACH, there)
    except FieldError:
        reject()

    assert go(converted, there, EACH) == quantity


def test_the_way_there_and_the_way_back_are_each_others_inverse() -> None:
    ambiguous = [one(EACH, CASE, "2"), one(CASE, PALLET, "3"), one(EACH, KILO, "5"), one(KILO, PALLET, "7")]

    there = factor_between(EACH, PALLET, product_id=None, conversions=ambiguous)
    back = factor_between(PALLET, EACH, product_id=None, conversions=ambiguous)

    assert there is not None
    assert back == Fraction(1) / there
