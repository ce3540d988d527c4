"""The formulas of replenishment, with the figures of the textbook.

Heizer, Render, Munson, Operations Management, ch. 12.
"""

import math
from decimal import Decimal

import pytest

from domain.replenishment.formulas import (
    economic_order_quantity,
    mean_and_deviation,
    reorder_point,
    rounded_down,
    rounded_up,
    safety_stock,
    z_of,
)

SYRINGES = (1000, 10, 0.5, 200)
"""Sharp, Inc.: 1,000 needles a year, 10 dollars an order, 0.50 dollars a unit and year."""


def test_the_economic_order_quantity_is_the_textbook_s() -> None:
    annual, order, holding, quantity = SYRINGES

    assert economic_order_quantity(annual_demand=annual, order_cost=order, holding_cost=holding) == quantity


@pytest.mark.parametrize(("level", "z"), [(0.5, 0), (0.9, 1.28), (0.95, 1.645), (0.98, 2.054), (0.99, 2.326)])
def test_z_is_that_of_the_table_of_the_normal_distribution(level: float, z: float) -> None:
    assert z_of(level) == pytest.approx(z, abs=0.002)


# A day's demand and its deviation, the lead time and its own, the service level; the point as it is printed, where
# z was rounded.
VARIABLE_DEMAND = pytest.param((15, 5), (2, 0), 0.90, 39.02, id="15 computers a day, by 5; 2 days")
VARIABLE_LEAD_TIME = pytest.param((10, 0), (6, 1), 0.98, 80.55, id="10 cameras a day; 6 days, by 1")
BOTH_VARY = pytest.param((150, 16), (5, 1), 0.95, 1004, id="150 packs a day, by 16; 5 days, by 1")


@pytest.mark.parametrize(("demand", "lead", "level", "point"), [VARIABLE_DEMAND, VARIABLE_LEAD_TIME, BOTH_VARY])
def test_the_reorder_point_with_safety_stock_is_the_textbook_s(
    demand: tuple[float, float], lead: tuple[float, float], level: float, point: float
) -> None:
    safety = safety_stock(
        z=z_of(level), mean=demand[0], deviation=demand[1], lead_time=lead[0], lead_deviation=lead[1]
    )

    assert reorder_point(mean=demand[0], lead_time=lead[0], safety=safety) == pytest.approx(point, abs=0.7)


def test_the_deviation_is_that_of_the_sample_with_the_days_of_none() -> None:
    days = [8, 0, 0, 4, 0, 0, 0, 0, 0, 0]
    mean, deviation = mean_and_deviation(total=sum(days), squares=sum(d * d for d in days), days=len(days))

    assert mean == 1.2
    assert deviation == pytest.approx(math.sqrt(sum((d - 1.2) ** 2 for d in days) / 9))


def test_a_single_day_deviates_from_nothing() -> None:
    assert mean_and_deviation(total=7, squares=49, days=1) == (7, 0)


@pytest.mark.parametrize(
    ("quantity", "multiple", "up", "down"),
    [("7", "6", "12", "6"), ("12", "6", "12", "12"), ("0.25", "0.1", "0.3", "0.2"), ("0", "6", "0", "0")],
)
def test_quantities_are_rounded_to_whole_multiples(quantity: str, multiple: str, up: str, down: str) -> None:
    given, step = Decimal(quantity), Decimal(multiple)

    assert (rounded_up(given, step), rounded_down(given, step)) == (Decimal(up), Decimal(down))
