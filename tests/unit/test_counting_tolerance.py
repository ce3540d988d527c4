"""How far a count may be off and still be accepted by itself."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.counting.tolerance import Variance, is_within, tolerance_of
from domain.settings.model import CountTolerance, CountToleranceByClass, TenantSettings

amounts = st.decimals(min_value=0, max_value=10**6, places=4)
bounds = st.none() | st.decimals(min_value=0, max_value=100, places=2)
tolerances = st.builds(CountTolerance, units=bounds, percent=bounds, value=bounds)
variances = st.builds(Variance, expected=amounts, counted=amounts, unit_cost=amounts)


def a_variance(expected: int, counted: int, *, cost: int = 1) -> Variance:
    return Variance(expected=Decimal(expected), counted=Decimal(counted), unit_cost=Decimal(cost))


def a_tolerance(**set_: int) -> CountTolerance:
    return CountTolerance(**{name: Decimal(number) for name, number in set_.items()})


@pytest.mark.parametrize(
    ("variance", "tolerance", "within"),
    [
        pytest.param(a_variance(10, 10), a_tolerance(), True, id="exact needs no tolerance"),
        pytest.param(a_variance(10, 9), a_tolerance(), False, id="none set accepts nothing else"),
        pytest.param(a_variance(10, 8), a_tolerance(units=2), True, id="on the bound, below the books"),
        pytest.param(a_variance(10, 12), a_tolerance(units=2), True, id="on the bound, above the books"),
        pytest.param(a_variance(10, 13), a_tolerance(units=2), False, id="past it"),
        pytest.param(a_variance(100, 97), a_tolerance(percent=3), True, id="3 % of 100"),
        pytest.param(a_variance(100, 96), a_tolerance(percent=3), False, id="4 % of 100"),
        pytest.param(a_variance(0, 1), a_tolerance(percent=100), False, id="found where nothing should be"),
        pytest.param(a_variance(0, 1), a_tolerance(units=1), True, id="found, but only a unit"),
        pytest.param(a_variance(10, 8, cost=5), a_tolerance(value=10), True, id="worth the bound"),
        pytest.param(a_variance(10, 8, cost=6), a_tolerance(value=10), False, id="worth more"),
        pytest.param(a_variance(10, 8, cost=6), a_tolerance(units=2, value=10), False, id="one of two is not all"),
        pytest.param(a_variance(10, 9), a_tolerance(units=0), False, id="zero is a bound, too"),
    ],
)
def test_a_count_is_accepted_by_itself(variance: Variance, tolerance: CountTolerance, *, within: bool) -> None:
    assert is_within(variance, tolerance) is within


def test_a_class_has_its_tolerance_in_place_of_the_general_one() -> None:
    of_a = a_tolerance(units=1)
    settings = TenantSettings(
        count_tolerance_units=Decimal(5),
        count_tolerance_percent=Decimal(10),
        count_tolerance_by_class=CountToleranceByClass(a=of_a, b=CountTolerance()),
    )
    general = a_tolerance(units=5, percent=10)

    assert tolerance_of(settings, "A") == of_a
    assert tolerance_of(settings, "B") == CountTolerance(), "set to nothing is set: only what is exact"
    assert tolerance_of(settings, "C") == general
    assert tolerance_of(settings, None) == general


@given(variances, tolerances)
def test_what_is_missing_is_judged_as_what_is_too_much(variance: Variance, tolerance: CountTolerance) -> None:
    mirrored = Variance(
        expected=variance.expected,
        counted=variance.expected - variance.units,
        unit_cost=variance.unit_cost,
    )

    assert is_within(variance, tolerance) == is_within(mirrored, tolerance)


@given(variances, tolerances, bounds)
def test_another_bound_never_accepts_more(
    variance: Variance, tolerance: CountTolerance, bound: Decimal | None
) -> None:
    loose = CountTolerance(units=tolerance.units, percent=None, value=tolerance.value)
    tight = CountTolerance(units=tolerance.units, percent=bound, value=tolerance.value)

    is_any_set = loose != CountTolerance()
    assert not (is_any_set and is_within(variance, tight) and not is_within(variance, loose))


@given(variances, tolerances, st.decimals(min_value=0, max_value=10, places=2))
def test_a_smaller_difference_is_never_judged_worse(
    variance: Variance, tolerance: CountTolerance, by: Decimal
) -> None:
    nearer = variance.expected + variance.units / (1 + by)
    smaller = Variance(expected=variance.expected, counted=nearer, unit_cost=variance.unit_cost)

    assert is_within(smaller, tolerance) or not is_within(variance, tolerance)
