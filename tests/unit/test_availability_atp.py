"""What a channel may promise, and the terms behind it."""

from datetime import timedelta
from decimal import Decimal

import msgspec
import pytest

from domain.availability.atp import cells, explained
from domain.availability.model import NO_CHANNEL, ChannelTerms, Limit, Mode, Policy, Respects, Severity
from tests.availability_lab import TODAY, a_bucket, a_channel, a_pool, atps, one


def test_segments_share_what_no_fence_keeps() -> None:
    store, online = a_channel(1, fence=10), a_channel(2, fence=10)
    marketplace = a_channel(3, fence=10, mode=Mode.RESTRICT)

    assert atps(a_pool(50), [store, online, marketplace, NO_CHANNEL]) == [30, 30, 10, 20]


def test_using_a_fence_moves_no_other_channel() -> None:
    web, b2b, pos = a_channel(1, fence=30), a_channel(2, fence=20), a_channel(3)
    served = a_channel(1, fence=30, consumed=5)

    before, after = atps(a_pool(100), [web, b2b, pos]), atps(a_pool(100, soft=5), [served, b2b, pos])

    assert before == [80, 70, 50]
    assert after == [75, 70, 50]


def test_fences_are_cut_by_priority_when_there_is_not_enough() -> None:
    web, b2b = a_channel(1, fence=30, priority=2), a_channel(2, fence=20, priority=1)

    first, second = cells(a_pool(35), [web, b2b])

    assert [first.fence, first.effective_fence, first.atp] == [30, 15, 15]
    assert [second.fence, second.effective_fence, second.atp] == [20, 20, 20]


@pytest.mark.parametrize(("on_hand", "expected"), [(100, 95), (10, 5), (3, 0)])
def test_a_buffer_hides_units(on_hand: int, expected: int) -> None:
    assert one(a_pool(on_hand), a_channel(1, buffer=5)).atp == expected


def test_of_equal_priorities_the_older_channel_keeps_its_fence() -> None:
    younger, older = a_channel(9, fence=30), a_channel(4, fence=30)

    assert [cell.effective_fence for cell in cells(a_pool(40), [younger, older])] == [10, 30]


def test_a_shortage_is_reported_and_nothing_is_promised() -> None:
    web, pos = a_channel(1, fence=10), a_channel(2)

    first, second = cells(a_pool(5, hard=12, soft=3), [web, pos])

    assert first.net == second.net == first.pool.net == -10
    assert [first.atp, second.atp, first.effective_fence] == [0, 0, 0]
    assert first.severity is Severity.CRITICAL


def test_every_term_is_taken_off_once() -> None:
    pool = a_pool(100, blocked=10, held=9, buckets=[a_bucket(-1, 8)], hard=7, soft=6, safety_stock=5, projected=-4)

    cell = one(pool, a_channel(1, buffer=3))

    assert [cell.net, cell.atp] == [51, 48]
    assert explained(cell) == 48


def test_stock_is_good_through_its_last_day() -> None:
    pool = a_pool(10, buckets=[a_bucket(-1, 2), a_bucket(0, 3), a_bucket(1, 4)])

    assert one(pool).atp == 8
    assert [one(pool, a_channel(1, life=days)).atp for days in (0, 1, 2)] == [8, 5, 1]


def test_a_later_ship_day_needs_a_later_expiry() -> None:
    buckets = [a_bucket(0, 3), a_bucket(1, 4)]

    assert one(a_pool(10, buckets=buckets, ship_day=TODAY + timedelta(days=1))).atp == 7


def test_a_claim_on_stock_that_is_too_short_lived_is_not_taken_off_twice() -> None:
    pool = a_pool(20, buckets=[a_bucket(5, 10, claimed=8)], soft=8)

    assert one(pool, a_channel(1)).atp == 12
    assert one(pool, a_channel(1, life=30)).atp == 10


def test_a_claim_on_expired_stock_wants_other_stock() -> None:
    pool = a_pool(20, buckets=[a_bucket(-1, 10, claimed=8)], soft=8)

    assert one(pool).atp == 2


def test_a_channel_may_leave_alone_the_fences_of_its_rank_and_above_only() -> None:
    high = a_channel(1, fence=10, priority=1, respects=Respects.EQUAL_OR_HIGHER)
    peer = a_channel(2, fence=20, priority=2, respects=Respects.EQUAL_OR_HIGHER)
    other = a_channel(3, fence=5, priority=2, respects=Respects.EQUAL_OR_HIGHER)
    low = a_channel(4, fence=30, priority=3)

    found = cells(a_pool(100), [high, peer, other, low])

    assert [cell.fences_respected for cell in found] == [0, 15, 30, 35]
    assert [cell.atp for cell in found] == [100, 85, 70, 65]


def test_a_ceiling_ends_what_a_channel_may_take() -> None:
    cell = one(a_pool(100), a_channel(1, ceiling=30, used=18))

    assert [cell.atp, cell.ceiling_left, cell.bound] == [12, 12, Limit.CEILING]


def test_a_ceiling_below_what_is_taken_promises_nothing_and_shows_by_how_much() -> None:
    cell = one(a_pool(100), a_channel(1, ceiling=10, used=18))

    assert [cell.atp, cell.ceiling_left] == [0, -8]
    assert explained(cell) == 0


def test_the_tightest_limit_is_named() -> None:
    def bound(channel: ChannelTerms) -> Limit:
        return one(a_pool(50), channel).bound

    assert bound(a_channel(1)) is Limit.POOL
    assert bound(a_channel(1, ceiling=50)) is Limit.POOL
    assert bound(a_channel(1, ceiling=49)) is Limit.CEILING
    assert bound(a_channel(1, ceiling=49, mode=Mode.RESTRICT, fence=20)) is Limit.FENCE
    assert bound(a_channel(1, served=False)) is Limit.NOT_SERVED
    assert bound(a_channel(1, closed=True)) is Limit.CLOSED


@pytest.mark.parametrize("away", [a_channel(1, fence=30, served=False), a_channel(1, fence=30, closed=True)])
def test_a_channel_that_may_not_promise_gets_nothing_and_keeps_nothing(away: ChannelTerms) -> None:
    here = a_channel(2)

    first, second = cells(a_pool(50), [away, here])

    assert [first.atp, second.atp] == [0, 50]
    assert explained(first) == 0


def test_a_buffer_in_percent_is_of_what_the_channel_could_take_and_rounded_up() -> None:
    keeper, seller = a_channel(1, fence=30), a_channel(2, percent="12.5")

    cell = cells(a_pool(63, decimals=0), [keeper, seller])[1]

    assert [cell.buffer, cell.atp] == [5, 28]
    assert one(a_pool("0.5"), a_channel(1, percent="33.333")).buffer == Decimal("0.1667")
    assert one(a_pool(0), a_channel(1, percent=10)).buffer == 0


def test_severity_follows_the_thresholds() -> None:
    def severity(on_hand: int) -> Severity:
        return one(a_pool(on_hand), a_channel(1, low=10, critical=3)).severity

    assert [severity(n) for n in (0, 3, 4, 10, 11)] == [
        Severity.CRITICAL,
        Severity.CRITICAL,
        Severity.LOW,
        Severity.LOW,
        Severity.OK,
    ]
    assert one(a_pool(0)).severity is Severity.CRITICAL
    assert one(a_pool(1)).severity is Severity.OK


def test_a_location_without_channels_has_no_cells() -> None:
    assert cells(a_pool(10), []) == ()


def test_a_claim_on_stock_that_expires_before_a_later_day_is_not_taken_off_twice() -> None:
    pool = a_pool(20, buckets=[a_bucket(5, 10, claimed=8)], soft=8, ship_day=TODAY + timedelta(days=9))

    assert one(pool).atp == 10


def test_a_policy_may_close_what_it_names() -> None:
    closed = msgspec.structs.replace(a_channel(1, fence=30), policy=Policy(is_closed=True, fence=Decimal(30)))

    first, second = cells(a_pool(50), [closed, a_channel(2)])

    assert [first.atp, second.atp] == [0, 50]
    assert first.bound is Limit.CLOSED
