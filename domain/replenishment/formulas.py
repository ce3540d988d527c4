"""The arithmetic of replenishment. Pure functions; the figures of the tests are those of the textbook.

Statistics are estimates and are computed in floating point; quantities that follow from them are rounded to four
places, and what is ordered to whole multiples, in exact decimals.
"""

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from functools import lru_cache
from math import sqrt
from statistics import NormalDist

DAYS_OF_YEAR = 365


def mean_and_deviation(*, total: float, squares: float, days: int) -> tuple[float, float]:
    """Demand per day and its standard deviation, from the sums of all days' demands and of their squares.

    A day without demand adds nothing to the sums and counts among the days. The deviation is the sample's (n - 1).
    """
    mean = total / days
    if days == 1:
        return mean, 0.0
    return mean, sqrt(max(0.0, squares - total * mean) / (days - 1))


@lru_cache(maxsize=1024)
def z_of(service_level: float) -> float:
    """How many standard deviations cover demand in so many of all order cycles: 0.95 → 1.645."""
    return NormalDist().inv_cdf(service_level)


def safety_stock(*, z: float, mean: float, deviation: float, lead_time: float, lead_deviation: float) -> float:
    """Covers z deviations of lead-time demand: z · √(L·s² + d²·t²), where s is demand's deviation and t that of L.

    Demand and lead time vary independently of each other. Heizer, Render, Munson, Operations Management, ch. 12,
    "Probabilistic models and safety stock": demand varies and lead time does not (t = 0), lead time varies and
    demand does not (s = 0), and both.
    """
    return z * sqrt(lead_time * deviation * deviation + mean * mean * lead_deviation * lead_deviation)


def reorder_point(*, mean: float, lead_time: float, safety: float) -> float:
    """The sum d·L + SS: what is used until it comes, and what is kept for the case that it is more."""
    return mean * lead_time + safety


def economic_order_quantity(*, annual_demand: float, order_cost: float, holding_cost: float) -> float:
    """The root of 2·D·S / H, where ordering and holding cost the same: D a year, S an order, H a unit and year.

    Harris 1913; Heizer, Render, Munson, ch. 12, "The basic economic order quantity (EOQ) model".
    """
    return sqrt(2 * annual_demand * order_cost / holding_cost)


def rounded_up(quantity: Decimal, multiple: Decimal) -> Decimal:
    """The least multiple that is no less."""
    return (quantity / multiple).to_integral_value(ROUND_CEILING) * multiple


def rounded_down(quantity: Decimal, multiple: Decimal) -> Decimal:
    """The greatest multiple that is no more."""
    return (quantity / multiple).to_integral_value(ROUND_FLOOR) * multiple
