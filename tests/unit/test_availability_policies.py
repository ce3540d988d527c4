"""Which policy counts, and what it may say."""

from datetime import date
from decimal import Decimal
from itertools import product
from uuid import UUID

import msgspec
import pytest

from domain.availability.model import DEFAULTS, Mode, Period, Policy
from domain.availability.policies import Policies, check, period_start, problems, specificity
from domain.errors import FieldError

WEB, DEPOT, BOLT, OTHER = (UUID(int=n) for n in range(1, 5))


def a_policy(*, channel: bool = False, location: bool = False, product: bool = False) -> Policy:
    return Policy(
        id=UUID(int=10 + channel + 2 * location + 4 * product),
        channel_id=WEB if channel else None,
        location_id=DEPOT if location else None,
        product_id=BOLT if product else None,
    )


ALL = [a_policy(channel=c, location=at, product=p) for c, at, p in product((False, True), repeat=3)]


def test_the_most_specific_policy_wins_a_product_before_a_location_before_a_channel() -> None:
    won = []
    rest = list(ALL)
    while rest:
        found = Policies(rest).most_specific(channel_id=WEB, location_id=DEPOT, product_id=BOLT)
        won.append((found.channel_id is not None, found.location_id is not None, found.product_id is not None))
        rest.remove(found)

    assert [sum(weight for weight, named in zip((1, 2, 4), one, strict=True) if named) for one in won] == [
        *range(7, -1, -1)
    ]


def test_no_two_combinations_are_equally_special() -> None:
    assert sorted(specificity(policy) for policy in ALL) == list(range(8))


def test_a_policy_counts_only_where_all_that_it_names_is() -> None:
    policies = Policies(ALL)

    def found(channel_id: UUID, location_id: UUID, product_id: UUID) -> Policy:
        return policies.most_specific(channel_id=channel_id, location_id=location_id, product_id=product_id)

    assert found(OTHER, DEPOT, BOLT) == a_policy(location=True, product=True)
    assert found(WEB, OTHER, BOLT) == a_policy(channel=True, product=True)
    assert found(WEB, DEPOT, OTHER) == a_policy(channel=True, location=True)
    assert found(OTHER, OTHER, OTHER) == a_policy()


def test_without_a_policy_or_without_a_channel_the_defaults_count() -> None:
    nothing = Policies([]).most_specific(channel_id=WEB, location_id=DEPOT, product_id=BOLT)
    nobody = Policies(ALL).most_specific(channel_id=None, location_id=DEPOT, product_id=BOLT)

    assert nothing is nobody is DEFAULTS
    assert DEFAULTS.id is None


def test_a_closed_place_is_closed_to_callers_without_a_channel_too() -> None:
    closed = msgspec.structs.replace(a_policy(location=True), is_closed=True)
    found = Policies([closed, a_policy(channel=True, location=True)])

    assert found.most_specific(channel_id=None, location_id=DEPOT, product_id=BOLT) == closed
    assert found.most_specific(channel_id=None, location_id=OTHER, product_id=BOLT) is DEFAULTS


@pytest.mark.parametrize("mode", Mode)
def test_a_policy_that_can_be_meant_is_accepted(mode: Mode) -> None:
    check(
        Policy(
            mode=mode,
            priority=1000,
            fence=Decimal(5),
            buffer_percent=Decimal(100),
            ceiling=Decimal(0),
            ceiling_period=Period.TOTAL,
            low_threshold=Decimal(3),
            critical_threshold=Decimal(3),
            min_remaining_days=36_500,
        )
    )


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"fence": Decimal(-1)}, "fence"),
        ({"buffer_units": Decimal(-1)}, "bufferUnits"),
        ({"buffer_percent": Decimal(-1)}, "bufferPercent"),
        ({"buffer_percent": Decimal("100.01")}, "bufferPercent"),
        ({"buffer_percent": Decimal(1), "buffer_units": Decimal(1)}, "bufferPercent"),
        ({"ceiling": Decimal(-1)}, "ceiling"),
        ({"critical_threshold": Decimal(-1)}, "criticalThreshold"),
        ({"critical_threshold": Decimal(2), "low_threshold": Decimal(1)}, "lowThreshold"),
        ({"priority": 0}, "priority"),
        ({"priority": 1001}, "priority"),
        ({"min_remaining_days": -1}, "minRemainingShelfLifeDays"),
    ],
)
def test_each_thing_that_cannot_be_meant_is_refused_at_its_path(changes: dict[str, object], path: str) -> None:
    policy = msgspec.structs.replace(DEFAULTS, **changes)

    assert [found for found, _ in problems(policy)] == [path]
    with pytest.raises(FieldError, match=path):
        check(policy)


@pytest.mark.parametrize(
    ("period", "start"),
    [
        (Period.DAY, date(2026, 3, 11)),
        (Period.WEEK, date(2026, 3, 9)),
        (Period.MONTH, date(2026, 3, 1)),
        (Period.TOTAL, None),
    ],
)
def test_a_ceiling_starts_anew_with_its_period(period: Period, start: date | None) -> None:
    assert period_start(period, date(2026, 3, 11)) == start
