"""ABC classes: what few products most of the business is, so that they are counted most often. Pure functions.

Products are ranked by what was issued and consumed of them in a period (design notes, "Numbers for planners"): by
value, the quantity at today's unit cost (the ledger keeps no cost of each posting); by velocity, the number of
lines on which they went out; or by quantity. The share of each, and the sum of the shares down to and including
it, decide: up to 80 % A, up to 95 % B, the rest C. So a product that crosses a threshold belongs to the class
after it, and one product that is more than 80 % of all is none of A.
"""

from collections.abc import Iterable, Mapping, Sequence
from decimal import ROUND_CEILING, Decimal
from enum import StrEnum
from uuid import UUID

import msgspec

from domain.catalog.model import AbcClass
from domain.errors import FieldError

ZERO, ALL = Decimal(0), Decimal(100)
PLACES = Decimal("0.0001")


class Measure(StrEnum):
    """What products are ranked by. The values are published."""

    QUANTITY = "QUANTITY"
    VALUE = "VALUE"
    VELOCITY = "VELOCITY"


class Thresholds(msgspec.Struct, frozen=True, kw_only=True):
    """Percent of the whole, up to which cumulative shares are A and B."""

    a: Decimal = Decimal(80)
    b: Decimal = Decimal(95)


USUAL = Thresholds()


class Ranked(msgspec.Struct, frozen=True, kw_only=True):
    """One product, and how much of the measure it has."""

    product_id: UUID
    sku: str
    """Decides between equals, so that the same figures always give the same table."""
    amount: Decimal


class Classified(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the table; shares are percent to four places, in the order of the ranks they add up to 100."""

    product_id: UUID
    rank: int
    abc_class: AbcClass
    """The class in force: that which a person set, else the computed one."""
    computed_class: AbcClass
    is_overridden: bool
    amount: Decimal
    share: Decimal
    cumulative_share: Decimal
    """Rounded up, so that it is above a threshold whenever the exact figure is."""


def require_thresholds(thresholds: Thresholds) -> Thresholds:
    """The thresholds, if they can be meant.

    Raises:
        FieldError: they are not percentages, or B comes before A.
    """
    problems = [
        (name, "must be between 0 and 100")
        for name, number in (("aThreshold", thresholds.a), ("bThreshold", thresholds.b))
        if not ZERO <= number <= ALL
    ]
    if not problems and thresholds.b < thresholds.a:
        problems.append(("bThreshold", "must not be less than aThreshold"))
    if problems:
        raise FieldError(*problems)
    return thresholds


def classify(
    products: Iterable[Ranked],
    *,
    thresholds: Thresholds = USUAL,
    overrides: Mapping[UUID, AbcClass] | None = None,
) -> Sequence[Classified]:
    """The table, largest first. What went out less than came back counts as nothing, and nothing is C."""
    set_by_hand = overrides or {}
    ranked = sorted(products, key=lambda one: (-one.amount, one.sku, one.product_id))
    total = sum((max(ZERO, one.amount) for one in ranked), ZERO)
    table, so_far = [], ZERO
    for rank, one in enumerate(ranked, start=1):
        amount = max(ZERO, one.amount)
        so_far += amount
        computed = _class_of(amount, so_far, total, thresholds)
        table.append(
            Classified(
                product_id=one.product_id,
                rank=rank,
                abc_class=set_by_hand.get(one.product_id, computed),
                computed_class=computed,
                is_overridden=one.product_id in set_by_hand,
                amount=amount,
                share=_percent(amount, total).quantize(PLACES),
                cumulative_share=_percent(so_far, total).quantize(PLACES, ROUND_CEILING),
            )
        )
    return table


def _class_of(amount: Decimal, so_far: Decimal, total: Decimal, thresholds: Thresholds) -> AbcClass:
    """Multiplied out, since a quotient would be rounded."""
    if amount > ZERO and so_far * ALL <= thresholds.a * total:
        return AbcClass.A
    if amount > ZERO and so_far * ALL <= thresholds.b * total:
        return AbcClass.B
    return AbcClass.C


def _percent(part: Decimal, whole: Decimal) -> Decimal:
    return part * ALL / whole if whole else ZERO
