"""Conversion of quantities between units: exact, and refused where it would have to round."""

from collections import deque
from collections.abc import Iterable, Mapping
from decimal import Decimal
from fractions import Fraction
from uuid import UUID

from domain.catalog.model import Conversion
from domain.errors import FieldError
from domain.values import QUANTITY_PLACES, Quantity, plain

type _Factors = Mapping[UUID, Mapping[UUID, Fraction]]


def factor_between(
    from_uom_id: UUID, to_uom_id: UUID, *, product_id: UUID | None, conversions: Iterable[Conversion]
) -> Fraction | None:
    """How many of `to_uom_id` one of `from_uom_id` is, over as few conversions as possible; None: not known.

    A product's own conversions go before the general ones, and each may be used in either direction. There and
    back is the same way, so what was converted converts back to the same quantity.
    """
    # Looked for from the smaller id on, so that both directions find the same one of equally short ways.
    start, end = sorted((from_uom_id, to_uom_id))
    factor = _search(start, end, _factors(conversions, product_id))
    if factor is None:
        return None
    return factor if start == from_uom_id else 1 / factor


def convert(
    quantity: Decimal,
    *,
    from_uom_id: UUID,
    to_uom_id: UUID,
    product_id: UUID | None = None,
    conversions: Iterable[Conversion],
    at: str = "quantity",
) -> Decimal:
    """The quantity in another unit.

    Raises:
        FieldError: there is no conversion, or the result has more than four places or too many digits.
    """
    factor = factor_between(from_uom_id, to_uom_id, product_id=product_id, conversions=conversions)
    if factor is None:
        raise FieldError((at, "there is no conversion between these units"))
    return scaled(quantity, factor, at=at)


def scaled(quantity: Decimal, factor: Fraction, *, at: str = "quantity") -> Decimal:
    """So many times the quantity, exactly.

    Raises:
        FieldError: the result has more than four places or too many digits.
    """
    exact = Fraction(quantity) * factor
    in_places = exact * 10**QUANTITY_PLACES
    if in_places.denominator != 1:
        raise FieldError((at, f"does not come out in the other unit with {QUANTITY_PLACES} decimal places"))
    try:
        # Scaled as text: the arithmetic of decimals would round long numbers to its context.
        return plain(Quantity.of(Decimal(f"{in_places.numerator}E-{QUANTITY_PLACES}")))
    except ValueError as problem:
        raise FieldError((at, f"in the other unit {problem}")) from None


def _factors(conversions: Iterable[Conversion], product_id: UUID | None) -> _Factors:
    """The usable conversions in both directions, the product's own ones in place of the general ones."""
    factors: dict[UUID, dict[UUID, Fraction]] = {}
    usable = [one for one in conversions if one.product_id is None or one.product_id == product_id]
    for one in sorted(usable, key=lambda one: one.product_id is not None):
        factor = Fraction(one.factor)
        factors.setdefault(one.from_uom_id, {})[one.to_uom_id] = factor
        factors.setdefault(one.to_uom_id, {})[one.from_uom_id] = 1 / factor
    return factors


def _search(start: UUID, end: UUID, factors: _Factors) -> Fraction | None:
    found = {start: Fraction(1)}
    waiting = deque([start])
    while waiting and end not in found:
        here = waiting.popleft()
        for there, factor in sorted(factors.get(here, {}).items()):
            if there not in found:
                found[there] = found[here] * factor
                waiting.append(there)
    return found.get(end)
