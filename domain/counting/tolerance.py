"""How far a count may differ from the books and still be accepted by itself."""

from decimal import Decimal

import msgspec

from domain.settings.model import CountTolerance, TenantSettings

PERCENT = 100


class Variance(msgspec.Struct, frozen=True, kw_only=True):
    """What was counted against what the books said at the moment of that count."""

    expected: Decimal
    counted: Decimal
    unit_cost: Decimal

    @property
    def units(self) -> Decimal:
        return self.counted - self.expected

    @property
    def value(self) -> Decimal:
        """What the difference is worth, up or down: never netted."""
        return abs(self.units) * self.unit_cost

    @property
    def is_exact(self) -> bool:
        return self.units == 0


def tolerance_of(settings: TenantSettings, abc_class: str | None) -> CountTolerance:
    """The tolerance for products of a class: its own, as a whole, in place of the general one."""
    of_class = settings.count_tolerance_by_class
    own = {"A": of_class.a, "B": of_class.b, "C": of_class.c}.get(abc_class or "")
    if own is not None:
        return own
    return CountTolerance(
        units=settings.count_tolerance_units,
        percent=settings.count_tolerance_percent,
        value=settings.count_tolerance_value,
    )


def is_within(variance: Variance, tolerance: CountTolerance) -> bool:
    """Whether a count is accepted by itself: it is exact, or within all of the bounds that are set.

    Where none is set, only what is exact is. The bounds themselves are within. Percent are of what the books said:
    where they said nothing, no part of it is small enough.
    """
    if variance.is_exact:
        return True
    units = abs(variance.units)
    kept = [
        measured <= bound
        for measured, bound in (
            (units, tolerance.units),
            (variance.value, tolerance.value),
            # multiplied, not divided: a third has no end
            (units * PERCENT, None if tolerance.percent is None else tolerance.percent * variance.expected),
        )
        if bound is not None
    ]
    return bool(kept) and all(kept)
