"""What is promised can be kept, whatever the stock, the claims, the channels and the order in which they come."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_FLOOR, Decimal
from itertools import pairwise
from uuid import UUID

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.availability.atp import cell_of, cells, explained
from domain.availability.fefo import Wanted, suggest
from domain.availability.holding import HeldLine, Hold, HoldType, Target, block, release
from domain.availability.model import (
    NO_CHANNEL,
    ZERO,
    Bucket,
    Cell,
    ChannelTerms,
    Limit,
    Mode,
    Policy,
    Pool,
    Respects,
)
from domain.availability.projection import DatedDemand, Supply, pool_now, project
from domain.availability.stock import PoolLine, pool_of
from domain.availability.taking import give_back, released, remaining, reserved, take
from domain.ledger.allocation import Candidate
from tests.availability_lab import BOLT, DEPOT, TODAY

CENT = Decimal("0.01")
EVERYTHING = 100

quantities = st.integers(0, 4_000).map(lambda n: n * CENT)
some = st.integers(1, 4_000).map(lambda n: n * CENT)
few = st.just(ZERO) | some
changes = st.integers(-3_000, 3_000).map(lambda n: n * CENT)
days = st.integers(0, 40)
seldom = st.integers(0, 9).map(lambda n: n == 9)
sized = pytest.mark.parametrize("examples", [80, pytest.param(3_000, marks=pytest.mark.long)])

policies = st.builds(
    Policy,
    mode=st.sampled_from(Mode),
    priority=st.integers(1, 3),
    respects=st.sampled_from(Respects),
    fence=quantities,
    buffer_units=few,
    buffer_percent=st.just(ZERO) | st.integers(0, 1_000).map(lambda n: n * Decimal("0.1")),
    ceiling=st.none() | quantities,
    min_remaining_days=days,
)
terms_of_one = st.builds(
    ChannelTerms,
    channel_id=st.integers(1, 9).map(lambda n: UUID(int=n)),
    policy=policies,
    is_served=seldom.map(lambda it: not it),
    is_closed=seldom,
    fence_consumed=few,
    ceiling_used=few,
)
channels = st.lists(terms_of_one, min_size=1, max_size=4, unique_by=lambda channel: channel.channel_id)
comers = st.tuples(channels, st.sampled_from([[], [NO_CHANNEL]])).map(lambda parts: (*parts[0], *parts[1]))
buckets = st.lists(
    st.builds(
        lambda day, quantity, is_claimed: Bucket(
            expires_on=TODAY + timedelta(days=day), quantity=quantity, claimed=quantity if is_claimed else ZERO
        ),
        st.integers(-5, 60),
        some,
        st.booleans(),
    ),
    max_size=3,
).map(lambda found: tuple(sorted(found, key=lambda bucket: bucket.expires_on)))


@st.composite
def pools(draw: st.DrawFn) -> Pool:
    dated = draw(buckets)
    return Pool(
        product_id=BOLT,
        location_id=DEPOT,
        today=TODAY,
        ship_day=draw(st.none() | days.map(lambda n: TODAY + timedelta(days=n))),
        on_hand=draw(quantities) * 4 + sum((bucket.quantity for bucket in dated), ZERO),
        blocked=draw(few),
        held=draw(few),
        buckets=dated,
        hard=draw(few),
        soft=sum((bucket.claimed for bucket in dated), ZERO),
        safety_stock=draw(few),
        projected=draw(changes),
        decimals=draw(st.integers(0, 4)),
    )


takings = st.lists(st.tuples(st.integers(0, 6), st.integers(1, 100)), max_size=8)
"""Which channel comes, and how much of what it is shown it takes, in percent."""


def part(cell: Cell, percent: int) -> Decimal:
    return cell.atp if percent == EVERYTHING else (cell.atp * percent / 100).quantize(CENT, ROUND_FLOOR)


def may_take(found: Sequence[Cell]) -> list[int]:
    return [index for index, cell in enumerate(found) if cell.atp > ZERO]


@sized
def test_what_all_channels_take_one_after_another_never_exceeds_the_pool(examples: int) -> None:
    @settings(max_examples=examples, deadline=None)
    @given(pool=pools(), channels=comers, takings=takings)
    def check(pool: Pool, channels: tuple[ChannelTerms, ...], takings: list[tuple[int, int]]) -> None:
        there, total = max(ZERO, pool.net), ZERO
        for which, percent in [*takings, *((index, EVERYTHING) for index in range(len(channels)))]:
            index = which % len(channels)
            cell = cells(pool, channels)[index]
            quantity = part(cell, percent)
            if not quantity:
                continue
            split = take(cell, quantity)
            assert split.quantity == quantity
            assert ZERO <= split.from_fence <= cell.effective_fence
            assert split.from_pool >= ZERO
            assert not (split.from_pool and cell.channel.policy.mode is Mode.RESTRICT)
            pool, channels = reserved(pool, channels, index=index, split=split)
            total += quantity
        assert total <= there

    check()


@sized
def test_the_terms_add_up_to_the_cell(examples: int) -> None:
    @settings(max_examples=examples, deadline=None)
    @given(pool=pools(), channels=comers)
    def check(pool: Pool, channels: tuple[ChannelTerms, ...]) -> None:
        for index, cell in enumerate(cells(pool, channels)):
            assert cell_of(pool, channels, index) == cell
            assert explained(cell) == cell.atp
            if cell.bound in {Limit.CLOSED, Limit.NOT_SERVED}:
                assert cell.atp == ZERO
                continue
            limits = [cell.room]
            limits += [] if cell.ceiling_left is None else [cell.ceiling_left]
            limits += [cell.effective_fence] if cell.channel.policy.mode is Mode.RESTRICT else []
            assert cell.atp == max(ZERO, min(limits))

    check()


@sized
def test_using_a_fence_moves_no_other_channel_that_leaves_it_alone(examples: int) -> None:
    used = 0

    @settings(max_examples=examples, deadline=None)
    @given(pool=pools(), channels=comers, percent=st.integers(1, EVERYTHING))
    def check(pool: Pool, channels: tuple[ChannelTerms, ...], percent: int) -> None:
        nonlocal used
        before = cells(pool, channels)
        for user in may_take(before):
            mine = before[user].channel.policy
            quantity = min(part(before[user], percent), before[user].effective_fence)
            if not quantity or (split := take(before[user], quantity)).from_pool:
                continue
            used += 1
            after = cells(*reserved(pool, channels, index=user, split=split))
            for index, (old, new) in enumerate(zip(before, after, strict=True)):
                theirs = old.channel.policy
                leaves_alone = theirs.respects is Respects.ALL_OTHERS or theirs.priority >= mine.priority
                if index != user and leaves_alone:
                    assert [new.atp, new.effective_fence] == [old.atp, old.effective_fence]

    check()
    assert used


@sized
def test_fences_are_cut_by_priority_and_never_keep_more_than_there_is(examples: int) -> None:
    @settings(max_examples=examples, deadline=None)
    @given(pool=pools(), channels=comers)
    def check(pool: Pool, channels: tuple[ChannelTerms, ...]) -> None:
        found = [cell for cell in cells(pool, channels) if cell.fence]
        found.sort(key=lambda cell: (cell.channel.policy.priority, cell.channel.channel_id))
        kept = sum((cell.effective_fence for cell in found), ZERO)
        assert kept == min(max(ZERO, pool.net), sum((cell.fence for cell in found), ZERO))
        for higher, lower in pairwise(found):
            assert higher.effective_fence == higher.fence or not lower.effective_fence

    check()


@sized
def test_a_release_undoes_a_claim_in_parts_or_as_a_whole(examples: int) -> None:
    undone = 0

    @settings(max_examples=examples, deadline=None)
    @given(pool=pools(), channels=comers, percent=st.integers(1, EVERYTHING), share=st.integers(1, 99))
    def check(pool: Pool, channels: tuple[ChannelTerms, ...], percent: int, share: int) -> None:
        nonlocal undone
        found = cells(pool, channels)
        for index in may_take(found):
            quantity = part(found[index], percent)
            some_of_it = (quantity * share / 100).quantize(CENT, ROUND_FLOOR)
            if not some_of_it:
                continue
            undone += 1
            split = take(found[index], quantity)
            back = give_back(split, some_of_it)
            rest = remaining(split, back)
            taken = reserved(pool, channels, index=index, split=split)
            halfway = released(*taken, index=index, split=back)

            assert rest == take(found[index], quantity - some_of_it)
            assert halfway == reserved(pool, channels, index=index, split=rest)
            assert released(*halfway, index=index, split=give_back(rest, rest.quantity)) == (pool, channels)

    check()
    assert undone


claims = st.tuples(some, few, few).map(lambda parts: (parts[0], min(parts[0], parts[1]), min(parts[0], parts[2])))


@st.composite
def lines(draw: st.DrawFn) -> Sequence[Candidate]:
    return [
        Candidate(
            line_id=UUID(int=number),
            product_id=BOLT,
            bin_id=DEPOT,
            bin_code="A1",
            bin_sells=not draw(seldom),
            lot_id=DEPOT,
            lot_number="",
            lot_is_active=not draw(seldom),
            expires_on=draw(st.none() | st.integers(-5, 60).map(lambda n: TODAY + timedelta(days=n))),
            received_at=datetime(2026, 1, 1, tzinfo=UTC),
            on_hand=on_hand,
            reserved=promised,
            held=held,
        )
        for number, (on_hand, promised, held) in enumerate(draw(st.lists(claims, max_size=4)))
    ]


def pool_over(stock: Sequence[Candidate]) -> Pool:
    return pool_of(
        [
            PoolLine(
                on_hand=line.on_hand,
                held=line.held,
                claimed=line.reserved,
                is_for_sale=line.bin_sells and line.lot_is_active,
                expires_on=line.expires_on,
            )
            for line in stock
        ],
        product_id=BOLT,
        location_id=DEPOT,
        today=TODAY,
        soft=sum((line.reserved for line in stock), ZERO),
    )


@sized
def test_what_is_promised_is_found_on_lines_that_may_give_it(examples: int) -> None:
    @settings(max_examples=examples, deadline=None)
    @given(stock=lines(), channels=comers)
    def check(stock: Sequence[Candidate], channels: tuple[ChannelTerms, ...]) -> None:
        for cell in cells(pool_over(stock), channels):
            life = cell.channel.policy.min_remaining_days
            wanted = Wanted(product_id=BOLT, quantity=cell.atp, min_remaining_days=life)
            found = suggest(stock, [wanted], ship_day=TODAY)
            assert found.shortages == ()
            assert sum((one.quantity for one in found.takes), ZERO) == cell.atp
            needed = TODAY + timedelta(days=life)
            assert all(one.candidate.may_give(needed) for one in found.takes)

    check()


@sized
def test_a_claim_on_short_lived_stock_takes_nothing_from_who_cannot_use_it(examples: int) -> None:
    @settings(max_examples=examples, deadline=None)
    @given(stock=lines(), life=st.integers(1, 40))
    def check(stock: Sequence[Candidate], life: int) -> None:
        picky = ChannelTerms(channel_id=UUID(int=1), policy=Policy(min_remaining_days=life))
        easy = ChannelTerms(channel_id=UUID(int=2))
        before = cells(pool_over(stock), [picky, easy])
        short_lived = [
            one
            for one in suggest(stock, [Wanted(product_id=BOLT, quantity=before[1].atp)], ship_day=TODAY).takes
            if one.candidate.is_expired(TODAY + timedelta(days=life))
        ]
        taken = {one.candidate.line_id: one.quantity for one in short_lived}
        claimed = [
            msgspec.structs.replace(line, reserved=line.reserved + taken.get(line.line_id, ZERO)) for line in stock
        ]

        after = cells(pool_over(claimed), [picky, easy])

        assert after[0].atp == before[0].atp
        assert after[1].atp == before[1].atp - sum(taken.values(), ZERO)

    check()


dated = st.lists(st.tuples(st.integers(-3, 12), some, st.booleans()), max_size=8)


@sized
def test_the_earliest_date_is_the_inverse_of_the_projection(examples: int) -> None:
    @settings(max_examples=examples, deadline=None)
    @given(net=changes, supplies=dated, demands=dated, quantity=quantities)
    def check(
        net: Decimal,
        supplies: list[tuple[int, Decimal, bool]],
        demands: list[tuple[int, Decimal, bool]],
        quantity: Decimal,
    ) -> None:
        def day(number: int) -> date:
            return TODAY + timedelta(days=number)

        found = project(
            net,
            supplies=[
                Supply(source_id=DEPOT, due=day(due), quantity=much, is_confirmed=sure)
                for due, much, sure in supplies
            ],
            demands=[
                DatedDemand(source_id=DEPOT, due=day(due) if is_dated else None, quantity=much)
                for due, much, is_dated in demands
            ],
            today=TODAY,
            horizon=day(10),
        )

        def projected(on: int) -> Decimal:
            coming = sum((much for due, much, sure in supplies if sure and 0 <= due <= on), ZERO)
            needed = sum((much for due, much, is_dated in demands if not is_dated or due <= on), ZERO)
            return net + coming - needed

        promises = [min(projected(later) for later in range(on, 11)) for on in range(11)]
        assert [found.promise(day(on)) for on in range(11)] == promises
        assert found.earliest_date(quantity) == next(
            (day(on) for on in range(11) if promises[on] >= quantity), None
        )
        now = pool_now(Pool(product_id=BOLT, location_id=DEPOT, today=TODAY, on_hand=net), found)
        assert now.net == min(net, promises[0])

    check()


@sized
def test_holds_block_their_union(examples: int) -> None:
    line_id, lot_id, bin_id = (UUID(int=n) for n in (7, 8, 9))
    wholes = [
        Target(line_id=line_id),
        Target(lot_id=lot_id),
        Target(bin_id=bin_id),
        Target(product_id=BOLT, location_id=DEPOT),
    ]
    part = st.tuples(st.just(wholes[0]), st.integers(1, 20))
    whole = st.tuples(st.sampled_from(wholes), st.none())
    amounts = st.integers(0, 30)

    @settings(max_examples=examples, deadline=None)
    @given(on_hand=amounts, promised=amounts, placed=st.lists(part | part | whole, max_size=4))
    def check(on_hand: int, promised: int, placed: list[tuple[Target, int | None]]) -> None:
        line = HeldLine(
            line_id=line_id,
            product_id=BOLT,
            location_id=DEPOT,
            bin_id=bin_id,
            lot_id=lot_id,
            on_hand=Decimal(on_hand),
            reserved=Decimal(promised),
        )
        holds = [
            Hold(
                id=UUID(int=number),
                type=HoldType.LEGAL,
                target=target,
                quantity=None if quantity is None else Decimal(quantity),
            )
            for number, (target, quantity) in enumerate(placed)
        ]
        units: set[int] = set()
        named = 0
        for _, quantity in placed:
            if quantity is None:
                units |= set(range(on_hand))
            else:  # units of its own, as far as there are any
                units |= set(range(named, min(named + quantity, on_hand)))
                named += quantity

        found = block(line, holds)

        assert found.held == len(units)
        assert found.shortage == max(0, promised - (on_hand - len(units)))
        assert [block(line, [release(hold) for hold in holds]).held, block(line, []).held] == [0, 0]

    check()
