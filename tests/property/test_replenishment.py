"""Whatever the figures, a suggestion brings what it says, in whole multiples, and never too much."""

from decimal import Decimal
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from domain.replenishment.model import Facts, Method, SafetyMethod, Source, Surplus
from domain.replenishment.suggesting import multiple_of, sources, weigh
from domain.values import new_id
from tests.replenishment_lab import DAYS, some_facts


def quantities(least: int = 0, most: int = 10_000) -> st.SearchStrategy[Decimal]:
    return st.decimals(least, most, places=2)


@st.composite
def facts(draw: st.DrawFn) -> Facts:
    low, middle, high = sorted(draw(st.tuples(quantities(), quantities(), quantities())))
    used = draw(st.floats(0, 100_000))
    days = draw(st.integers(1, DAYS))
    given: dict[str, Any] = {
        "method": draw(st.sampled_from(Method)),
        "min_qty": draw(st.none() | st.just(low)),
        "reorder_qty": draw(st.none() | st.just(middle)),
        "max_qty": draw(st.none() | st.just(high)),
        "safety_method": draw(st.sampled_from(SafetyMethod)),
        "safety_stock": draw(quantities(0, 500)),
        "service_level": draw(st.none() | st.floats(0.5, 0.9999)),
        "lead_time_days": draw(st.none() | st.integers(0, 365)),
        "lead_time_sd_days": draw(st.none() | st.floats(0, 30)),
        "review_days": draw(st.none() | st.integers(1, 60)),
        "order_multiple": draw(st.none() | st.sampled_from(["0.25", "1", "6", "144"])),
        "min_order_qty": draw(st.none() | quantities(0, 500)),
        "order_cost": draw(st.none() | st.floats(0, 500)),
        "holding_cost": draw(st.none() | st.floats(0.01, 50)),
        "available": draw(quantities()),
        "inbound": draw(quantities(0, 500)),
        "planned": draw(quantities(0, 500)),
        "used": used,
        "used_squares": used * used / days,
        "used_days": days,
    }
    return some_facts(**given)


@given(facts())
def test_what_is_due_comes_up_to_its_target_and_not_a_multiple_above(row: Facts) -> None:
    weighed = weigh(row, days=DAYS)
    multiple, least = multiple_of(row), row.min_order_qty or Decimal(0)

    assert weighed.quantity >= 0
    assert weighed.quantity % multiple == 0
    if weighed.is_due:
        assert weighed.point is not None
        assert weighed.position <= weighed.point
        after = weighed.position + weighed.quantity
        assert after >= weighed.target
        assert after < max(weighed.target, weighed.position + least) + multiple
        if row.max_qty is not None and not least:
            assert after < row.max_qty + multiple


@given(facts())
def test_what_is_not_due_is_above_its_point_or_has_all_that_it_may(row: Facts) -> None:
    weighed = weigh(row, days=DAYS)

    if not weighed.is_due and weighed.point is not None:
        assert weighed.position > weighed.point or weighed.position >= weighed.target


@given(facts(), quantities(1, 1000))
def test_more_in_stock_never_asks_for_more_to_be_brought(row: Facts, more: Decimal) -> None:
    # What an economic order quantity brings does not depend on how much there is, but for its maximum.
    richer = msgspec.structs.replace(row, available=row.available + more)

    assert weigh(richer, days=DAYS).quantity <= weigh(row, days=DAYS).quantity


@given(facts(), st.floats(0.5, 0.99), st.floats(0, 0.0099))
def test_a_higher_service_level_never_keeps_less(row: Facts, level: float, more: float) -> None:
    computed = msgspec.structs.replace(row, safety_method=SafetyMethod.COMPUTED, service_level=level)
    surer = msgspec.structs.replace(computed, service_level=level + more)

    assert weigh(surer, days=DAYS).safety >= weigh(computed, days=DAYS).safety >= 0


@given(facts(), st.lists(quantities(0, 500), max_size=5), st.sampled_from(Source))
def test_sources_give_no_more_than_they_can_and_together_what_is_asked(
    row: Facts, gives: list[Decimal], source: Source
) -> None:
    row = msgspec.structs.replace(row, source=source)
    weighed = weigh(row, days=DAYS)
    places = [
        Surplus(
            product_id=row.product_id,
            location_id=new_id(),
            location_code="X",
            location_name="X",
            available=quantity,
            kept=Decimal(0),
            quantity=quantity,
        )
        for quantity in gives
    ]

    parts = sources(weighed, places)

    multiple = multiple_of(row)
    can = {place.location_id: place.quantity for place in places}
    from_places = [part for part in parts if part.location_id is not None]
    assert all(part.quantity > 0 and part.quantity % multiple == 0 for part in parts)
    assert all(part.location_id is not None and part.quantity <= can[part.location_id] for part in from_places)
    assert sum(part.quantity for part in from_places) <= weighed.quantity
    if source is Source.SUPPLIER:
        assert sum(part.quantity for part in parts) == weighed.quantity
