"""What there will be, and when."""

from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from uuid import UUID

import pytest

from domain.availability.atp import cells
from domain.availability.projection import (
    DatedDemand,
    Projection,
    Supply,
    earliest_date,
    pool_now,
    project,
    promised_on,
)
from tests.availability_lab import TODAY, a_bucket, a_channel, a_pool


def day(number: int) -> date:
    return TODAY + timedelta(days=number)


def a_supply(days: int, quantity: int, *, confirmed: bool = True) -> Supply:
    return Supply(
        source_id=UUID(int=1000 + days), due=day(days), quantity=Decimal(quantity), is_confirmed=confirmed
    )


def a_demand(days: int | None, quantity: int) -> DatedDemand:
    due = None if days is None else day(days)
    return DatedDemand(source_id=UUID(int=2000), due=due, quantity=Decimal(quantity))


def a_projection(
    net: int, supplies: Sequence[Supply] = (), demands: Sequence[DatedDemand] = (), *, horizon: int = 10
) -> Projection:
    return project(Decimal(net), supplies=supplies, demands=demands, today=TODAY, horizon=day(horizon))


PUBLISHED = a_projection(0, [a_supply(1, 20), a_supply(3, 40), a_supply(4, 50)], [a_demand(2, 20)])


def test_a_day_promises_the_least_that_is_projected_from_then_on() -> None:
    assert [PUBLISHED.promise(day(n)) for n in range(6)] == [0, 0, 0, 40, 90, 90]
    assert [step.projected for step in PUBLISHED.steps] == [0, 20, 0, 40, 90]
    assert [[step.supply, step.demand] for step in PUBLISHED.steps[1:3]] == [[20, 0], [0, 20]]


def test_the_earliest_date_is_the_first_that_promises_enough() -> None:
    dates = [PUBLISHED.earliest_date(Decimal(n)) for n in (0, 1, 40, 41, 90, 91)]

    assert dates == [day(0), day(3), day(3), day(4), day(4), None]


def test_overdue_supply_is_listed_and_not_counted_on() -> None:
    late, later = a_supply(-5, 20), a_supply(-1, 30)

    found = a_projection(5, [later, late, a_supply(2, 10)])

    assert found.overdue == (late, later)
    assert [found.promise(day(n)) for n in (0, 2)] == [5, 15]


def test_what_is_not_confirmed_or_lies_beyond_the_horizon_counts_for_nothing() -> None:
    hopes = [a_supply(1, 20, confirmed=False), a_supply(-1, 20, confirmed=False)]

    found = a_projection(5, [*hopes, a_supply(11, 20)], [a_demand(11, 5)])

    assert [len(found.steps), len(found.overdue)] == [1, 0]
    assert found.promise(day(10)) == 5


@pytest.mark.parametrize("due", [None, -3, 0])
def test_demand_without_a_day_to_come_is_of_today(due: int | None) -> None:
    found = a_projection(5, [a_supply(2, 10)], [a_demand(due, 8)])

    assert [found.promise(day(n)) for n in (0, 1, 2)] == [-3, -3, 7]


@pytest.mark.parametrize("days", [-1, 11])
def test_nothing_is_said_of_days_outside_of_the_horizon(days: int) -> None:
    with pytest.raises(ValueError, match="is not within"):
        PUBLISHED.promise(day(days))


def test_stock_that_later_demand_needs_is_not_given_away_now() -> None:
    found = a_projection(50, [a_supply(4, 20)], [a_demand(5, 35)])

    (cell,) = cells(pool_now(a_pool(50), found), [a_channel(1)])

    assert [found.held_back, cell.pool.projected, cell.atp] == [15, -15, 35]


def test_supply_of_today_is_not_on_the_shelf_yet() -> None:
    found = a_projection(50, [a_supply(0, 20)])

    (cell,) = cells(pool_now(a_pool(50), found), [a_channel(1)])

    assert [found.promise(TODAY), found.held_back, cell.atp] == [70, 0, 50]


def test_channels_are_promised_later_days_by_the_same_function() -> None:
    found = a_projection(10, [a_supply(3, 40)])
    pool, channels = a_pool(10), [a_channel(1, fence=20, priority=1), a_channel(2)]

    assert [[cell.atp for cell in promised_on(pool, channels, found, day(n))] for n in (0, 3)] == [
        [10, 0],
        [50, 30],
    ]
    dates = [
        earliest_date(pool, channels, found, index=1, quantity=Decimal(quantity)) for quantity in (0, 1, 30, 31)
    ]
    assert dates == [day(0), day(3), day(3), None]


def test_what_expires_before_a_day_is_not_promised_for_it() -> None:
    pool = a_pool(10, buckets=[a_bucket(2, 6)])
    found = a_projection(10, [a_supply(3, 5)])

    assert [promised_on(pool, [a_channel(1)], found, day(n))[0].atp for n in (2, 3)] == [10, 9]
