"""The formulas of analytics, by table."""

from datetime import date, timedelta
from decimal import Decimal

import pytest

from domain.errors import FieldError
from domain.ledger.analytics import ageing, daily, days_of_supply, expiring, period_of, ratio, turns
from domain.ledger.figures import (
    FLOWS,
    Amount,
    AnalyticsWanted,
    Bucket,
    CountFigures,
    DayMoved,
    Figures,
    Flow,
    Frame,
    OutFigures,
    Period,
)
from domain.ledger.model import Kind
from domain.values import new_id

TODAY = date(2026, 3, 31)


def row(*values: object) -> tuple[object, ...]:
    return values


def amount(quantity: int, value: int) -> Amount:
    return Amount(quantity=Decimal(quantity), value=Decimal(value))


def wanted(from_day: date | None = None, to_day: date | None = None) -> AnalyticsWanted:
    return AnalyticsWanted(tenant_id=new_id(), scope=None, from_day=from_day, to_day=to_day)


def frame(latest: date | None = None) -> Frame:
    return Frame(time_zone="UTC", today=TODAY, latest_day=latest, categories=())


@pytest.mark.parametrize(
    ("cost", "average", "expected"),
    [(1200, 400, 3), (0, 400, 0), (100, 300, "0.3333"), (100, 0, None), (0, 0, None)],
)
def test_turns_are_the_cost_of_issues_over_the_average_stock(
    cost: int, average: int, expected: int | str | None
) -> None:
    turned = turns(cost_of_issues=Decimal(cost), average_value=Decimal(average))

    assert turned == (None if expected is None else Decimal(expected))


@pytest.mark.parametrize(
    ("on_hand", "issued", "days", "expected"),
    [(60, 30, 30, 60), (10, 20, 30, 15), (0, 20, 30, 0), (10, 0, 30, None), (10, -5, 30, None)],
)
def test_days_of_supply_are_the_stock_over_the_average_daily_issues(
    on_hand: int, issued: int, days: int, expected: int | None
) -> None:
    assert days_of_supply(on_hand=Decimal(on_hand), issued=Decimal(issued), days=days) == expected


@pytest.mark.parametrize(("part", "whole", "expected"), [(3, 4, "0.75"), (-1, 3, "-0.3333"), (1, 0, None)])
def test_a_ratio_of_nothing_is_none(part: int, whole: int, expected: str | None) -> None:
    assert ratio(Decimal(part), Decimal(whole)) == (None if expected is None else Decimal(expected))


@pytest.mark.parametrize(
    ("asked", "latest", "expected"),
    [
        ((None, None), None, (date(2026, 3, 2), TODAY)),
        ((None, None), date(2026, 2, 10), (date(2026, 1, 12), date(2026, 2, 10))),
        ((date(2026, 2, 1), None), date(2026, 2, 10), (date(2026, 2, 1), date(2026, 2, 10))),
        ((date(2026, 2, 20), None), date(2026, 2, 10), (date(2026, 2, 20), TODAY)),
        ((None, date(2026, 1, 30)), date(2026, 2, 10), (date(2026, 1, 1), date(2026, 1, 30))),
        ((date(2026, 3, 31), date(2026, 4, 30)), None, (TODAY, TODAY)),
        ((date(2026, 3, 31) - timedelta(days=399), TODAY), None, (date(2025, 2, 25), TODAY)),
        ((None, date(1900, 1, 3)), None, (date(1900, 1, 1), date(1900, 1, 3))),
    ],
)
def test_a_period_is_the_one_asked_for_or_thirty_days_and_has_no_day_to_come(
    asked: tuple[date | None, date | None], latest: date | None, expected: tuple[date, date]
) -> None:
    period = period_of(wanted(*asked), frame(latest))

    assert (period.from_day, period.to_day) == expected


@pytest.mark.parametrize(
    "asked",
    [
        (date(2026, 3, 2), date(2026, 3, 1)),
        (date(2026, 4, 1), None),
        (date(2026, 4, 1), date(2026, 4, 2)),
        (TODAY - timedelta(days=400), TODAY),
        (date(2020, 1, 1), None),
        (date.min, TODAY),
        (date.max, None),
    ],
)
def test_a_period_that_ends_before_it_begins_or_is_too_long_is_refused(
    asked: tuple[date | None, date | None],
) -> None:
    with pytest.raises(FieldError, match="fromDate"):
        period_of(wanted(*asked), frame())


def test_every_kind_of_movement_has_a_flow() -> None:
    assert FLOWS.keys() == set(Kind)
    assert set(FLOWS.values()) == set(Flow)


def test_a_day_ends_with_todays_stock_less_what_has_moved_since() -> None:
    period = Period(from_day=date(2026, 3, 1), to_day=date(2026, 3, 3))
    figures = Figures(
        position=9,
        now=amount(20, 200),
        since=amount(-5, -50),
        moved=[
            DayMoved(
                day=date(2026, 3, day), kind=kind, movements=1, quantity=Decimal(moved), value=Decimal(moved * 10)
            )
            for day, kind, moved in ((1, Kind.RECEIPT, 9), (3, Kind.ISSUE, -4), (3, Kind.COUNT, 1))
        ],
        reasons=(),
        ages=(),
        expiring=(),
        outs=OutFigures(stocked=0, begun=0, products=0, days=0, at_end=0),
        counts=CountFigures(counts=0, lines=0, accurate=0),
    )

    series, start = daily(period, figures)

    assert [row(day.date.day, day.closing_quantity, day.closing_value) for day in series] == [
        (1, 28, 280),
        (2, 28, 280),
        (3, 25, 250),
    ]
    assert row(series[0].receipts_quantity, series[2].issues_value, series[2].adjustments_quantity) == (9, 40, 1)
    assert start == amount(19, 190)


def test_stock_that_no_receipt_accounts_for_is_of_the_oldest_age() -> None:
    buckets = ageing([Bucket(number=3, quantity=Decimal(4), value=Decimal(8))], amount(10, 20))

    assert [row(b.from_days, b.to_days, b.quantity, b.value) for b in buckets] == [
        (0, 30, 0, 0),
        (31, 60, 0, 0),
        (61, 90, 0, 0),
        (91, 180, 4, 8),
        (181, 365, 0, 0),
        (366, None, 6, 12),
    ]


def test_what_has_expired_comes_before_what_will() -> None:
    buckets = expiring([Bucket(number=n, quantity=Decimal(n + 1), value=Decimal(0)) for n in range(4)])

    assert [row(b.from_days, b.to_days, b.quantity) for b in buckets] == [
        (None, -1, 1),
        (0, 30, 2),
        (31, 60, 3),
        (61, 90, 4),
    ]
