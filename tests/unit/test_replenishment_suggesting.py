"""When a product is due, how much of it, and from where: as tables that can be read aloud."""

from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from domain.replenishment.model import Facts, Method, SafetyMethod, Source, Surplus
from domain.replenishment.suggesting import reasoning, sources, suggestion, urgency, weigh
from domain.values import new_id
from tests.replenishment_lab import DAYS, some_facts

PRODUCT = new_id()
DAY = date(2026, 1, 1)
NEAR, FAR, PREFERRED = new_id(), new_id(), new_id()


def facts(**given: Any) -> Facts:
    return some_facts(product_id=PRODUCT, **given)


CASES: dict[str, tuple[dict[str, Any], str]] = {
    # MIN_MAX
    "above the minimum": ({"method": "MIN_MAX", "min_qty": 10, "max_qty": 50, "available": 11}, "0"),
    "at the minimum": ({"method": "MIN_MAX", "min_qty": 10, "max_qty": 50, "available": 10}, "40"),
    "what is on its way counts": (
        {"method": "MIN_MAX", "min_qty": 10, "max_qty": 50, "available": 5, "inbound": 6},
        "0",
    ),
    "what is planned counts": (
        {"method": "MIN_MAX", "min_qty": 10, "max_qty": 50, "available": 3, "inbound": 2, "planned": 4},
        "41",
    ),
    "without a maximum nothing can be said": ({"method": "MIN_MAX", "min_qty": 10, "available": 0}, "0"),
    "a reorder point above does not matter to it": (
        {"method": "MIN_MAX", "min_qty": 10, "reorder_qty": 30, "max_qty": 50, "available": 20},
        "0",
    ),
    # REORDER_POINT
    "at the reorder point, up to the maximum": (
        {"method": "REORDER_POINT", "reorder_qty": 20, "max_qty": 80, "available": 20},
        "60",
    ),
    "without a maximum, what the days until the review use": (
        {"method": "REORDER_POINT", "reorder_qty": 20, "available": 18, "used": 180, "review_days": 10},
        "22",  # 20 + 2 a day for 10 days, less 18
    ),
    "without demand, one multiple above the point": (
        {"method": "REORDER_POINT", "reorder_qty": 20, "available": 20, "order_multiple": 6},
        "6",
    ),
    # EOQ: 2 a day are 730 a year; sqrt(2 * 730 * 25 / 1) = 191.05
    "the economic order quantity": (
        {"method": "EOQ", "available": 14, "used": 180, "lead_time_days": 7, "order_cost": 25, "holding_cost": 1},
        "192",
    ),
    "up to a maximum": (
        {
            "method": "EOQ",
            "available": 14,
            "used": 180,
            "lead_time_days": 7,
            "order_cost": 25,
            "holding_cost": 1,
            "max_qty": 100,
        },
        "86",
    ),
    "above what is used meanwhile": (
        {"method": "EOQ", "available": 15, "used": 180, "lead_time_days": 7, "order_cost": 25, "holding_cost": 1},
        "0",
    ),
    "it needs its costs": ({"method": "EOQ", "available": 0, "used": 180}, "0"),
    # DEMAND: 2 a day without deviation of the lead time; safety stock given
    "what the lead time and the review use, with safety": (
        {
            "method": "DEMAND",
            "available": 19,
            "used": 180,
            "lead_time_days": 7,
            "review_days": 14,
            "safety_stock": 5,
        },
        "28",  # 2 * 7 + 5 + 2 * 14, less 19
    ),
    "no less than the minimum": (
        {"method": "DEMAND", "available": 30, "used": 180, "lead_time_days": 7, "review_days": 7, "min_qty": 40},
        "24",  # 40 + 14, less 30
    ),
    "no demand, no need": ({"method": "DEMAND", "available": 0}, "0"),
    # as it can be ordered
    "in multiples": (
        {"method": "MIN_MAX", "min_qty": 10, "max_qty": 50, "available": 9, "order_multiple": 12},
        "48",
    ),
    "at least the least order": (
        {"method": "MIN_MAX", "min_qty": 10, "max_qty": 12, "available": 9, "min_order_qty": 20},
        "20",
    ),
    "in parts of a unit that has them": (
        {"method": "MIN_MAX", "min_qty": 1, "max_qty": "2.55", "available": "0.5", "decimals": 1},
        "2.1",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_what_is_suggested(case: str) -> None:
    given, quantity = CASES[case]

    assert weigh(facts(**given), days=DAYS).quantity == Decimal(quantity)


def test_a_computed_safety_stock_covers_the_deviation_in_whole_units() -> None:
    # 90 on one day of 90: mean 1, deviation 9.487; z(0.95) * sqrt(9 * 90) = 46.8
    row = facts(
        method="DEMAND",
        used=90,
        used_squares=8100,
        used_days=1,
        lead_time_days=9,
        safety_method=SafetyMethod.COMPUTED,
        service_level=0.95,
    )

    weighed = weigh(row, days=DAYS)

    assert weighed.safety == 47
    assert weighed.point == 9 + 47


def test_the_most_urgent_comes_first_and_what_is_not_due_last() -> None:
    rows = [
        facts(sku="C", method="MIN_MAX", min_qty=50, max_qty=90, available=40, used=90),
        facts(sku="A", method="MIN_MAX", min_qty=50, max_qty=90, available=90, used=900),
        facts(sku="B", method="MIN_MAX", min_qty=50, max_qty=90, available=10, used=90),
        facts(sku="D", method="MIN_MAX", min_qty=50, max_qty=90, available=0),
    ]

    ordered = sorted((weigh(row, days=DAYS) for row in rows), key=urgency)

    assert [one.facts.sku for one in ordered] == ["B", "C", "D", "A"]


def surplus(location: UUID, quantity: int) -> Surplus:
    return Surplus(
        product_id=PRODUCT,
        location_id=location,
        location_code="X",
        location_name="X",
        available=Decimal(quantity + 10),
        kept=Decimal(10),
        quantity=Decimal(quantity),
    )


NEED_40: dict[str, Any] = {"method": "MIN_MAX", "min_qty": 10, "max_qty": 50, "available": 10}
PLACES: dict[str, tuple[dict[str, Any], list[Surplus], str]] = {
    "one gives all": ({}, [surplus(NEAR, 60)], "near 40"),
    "who has most is asked first": ({}, [surplus(NEAR, 15), surplus(FAR, 30)], "far 30, near 10"),
    "who is preferred is asked before": (
        {"source_location_id": PREFERRED},
        [surplus(FAR, 30), surplus(PREFERRED, 15)],
        "preferred 15, far 25",
    ),
    "the supplier brings the rest": ({}, [surplus(NEAR, 15)], "near 15, supplier 25"),
    "nobody has any": ({}, [], "supplier 40"),
    "only from locations": ({"source": Source.LOCATION}, [surplus(NEAR, 15)], "near 15"),
    "locations give whole multiples": (
        {"order_multiple": 12},
        [surplus(NEAR, 15), surplus(FAR, 11)],
        "near 12, supplier 36",
    ),
}


@pytest.mark.parametrize("case", PLACES)
def test_surplus_elsewhere_comes_before_the_supplier(case: str) -> None:
    given, places, told = PLACES[case]
    names = {NEAR: "near", FAR: "far", PREFERRED: "preferred", None: "supplier"}

    parts = sources(weigh(facts(**NEED_40, **given), days=DAYS), places)

    assert ", ".join(f"{names[part.location_id]} {part.quantity}" for part in parts) == told


def test_what_nobody_gives_is_uncovered() -> None:
    weighed = weigh(facts(**NEED_40, source=Source.LOCATION), days=DAYS)

    shown = suggestion(weighed, [surplus(NEAR, 15)], location_id=FAR, today=DAY, days=DAYS)

    assert (shown.suggested_quantity, shown.uncovered) == (Decimal(40), Decimal(25))
    assert shown.source is not None
    assert shown.source.can_give == 15


def test_the_reasoning_names_the_numbers() -> None:
    told = reasoning(weigh(facts(**NEED_40, used=90), days=DAYS), days=DAYS)

    assert told["text"] == (
        "10 available, which lasts 10.0 days: not above the reorder point of 10. "
        "Up to 50 it takes 40 in multiples of 1."
    )
    assert (told["demandPerDay"], told["reorderPoint"], told["target"], told["quantity"]) == (1, 10, 50, 40)


@pytest.mark.parametrize("method", [Method.MIN_MAX, Method.REORDER_POINT, Method.EOQ])
def test_what_a_configuration_lacks_is_said(method: Method) -> None:
    weighed = weigh(facts(method=method), days=DAYS)

    assert not weighed.is_due
    assert "nothing can be computed" in reasoning(weighed, days=DAYS)["text"]
