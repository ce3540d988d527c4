"""Where stock should stand: the strategies one by one, and what holds whatever the bins look like."""

from collections.abc import Iterable
from decimal import Decimal
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.catalog.model import BinType, Mixing
from domain.errors import DomainError, Reason
from domain.put_away.fitting import require_fit, require_possible
from domain.put_away.suggesting import (
    FORBIDDEN,
    STORAGE,
    Content,
    Facts,
    Outcome,
    ProductPlace,
    Shelf,
    Stand,
    Strategy,
    Suggestion,
    Want,
    plan,
    refusal,
    suggest,
)

DEPOT, SHOP = UUID(int=1), UUID(int=2)
BOLT, NUT = UUID(int=10), UUID(int=11)
LOT, OTHER_LOT, NUT_LOT = UUID(int=20), UUID(int=21), UUID(int=22)
DOCK = UUID(int=99)


def a_shelf(number: int, **fields: object) -> Shelf:
    given_ = {"id": UUID(int=100 + number), "code": f"S{number}", "location_id": DEPOT, "walk_order": number}
    return Shelf(**(given_ | fields))  # type: ignore[arg-type]


def a_want(quantity: int | str, *, product: UUID = BOLT, lot: UUID = LOT) -> Want:
    return Want(product_id=product, lot_id=lot, location_id=DEPOT, bin_id=DOCK, quantity=Decimal(quantity))


def the_facts(shelves: Iterable[Shelf], **place: object) -> Facts:
    known = ProductPlace(product_id=BOLT, location_id=DEPOT, **place)  # type: ignore[arg-type]
    walked = sorted(shelves, key=lambda shelf: (shelf.walk_order, shelf.code))
    return Facts(places={(BOLT, DEPOT): known}, shelves={shelf.id: shelf for shelf in walked})


def placed(suggestion: Suggestion) -> list[tuple[object, ...]]:
    return [(one.bin_code, one.strategy, one.quantity) for one in suggestion.placements]


def outcomes(suggestion: Suggestion) -> dict[str, Outcome]:
    return {one.bin_code: one.outcome for tried in suggestion.tried for one in tried.candidates}


def test_strategies_take_their_part_one_after_the_other() -> None:
    five = Decimal(5)
    shelves = [
        a_shelf(1, capacity=five, there=(Content(BOLT, OTHER_LOT),), filled=Decimal(3)),
        a_shelf(2, capacity=five, there=(Content(BOLT, LOT),), filled=Decimal(4)),
        a_shelf(3, capacity=five, zone="B"),
        a_shelf(4, capacity=five, zone="A"),
        a_shelf(5, capacity=five, filled=Decimal(2), there=(Content(NUT, NUT_LOT),)),
        a_shelf(6, capacity=five, filled=Decimal(4)),
    ]
    facts = the_facts(
        shelves,
        zone="A",
        preferred_bin_id=shelves[5].id,
        stands=(Stand(shelves[0].id, OTHER_LOT), Stand(shelves[1].id, LOT)),
    )

    suggestion = suggest(a_want(20), facts)

    assert placed(suggestion) == [
        ("S6", Strategy.PREFERRED_BIN, 1),
        ("S2", Strategy.SAME_LOT, 1),
        ("S1", Strategy.SAME_PRODUCT, 2),
        ("S4", Strategy.EMPTY_IN_ZONE, 5),
        ("S3", Strategy.OVERFLOW, 5),
        ("S5", Strategy.OVERFLOW, 3),
    ]
    assert suggestion.unplaced == 3
    assert [tried.strategy for tried in suggestion.tried] == [
        Strategy.PREFERRED_BIN,
        Strategy.SAME_LOT,
        Strategy.SAME_PRODUCT,
        Strategy.EMPTY_IN_ZONE,
        Strategy.OVERFLOW,
    ]


@pytest.mark.parametrize(
    ("fields", "outcome"),
    [
        ({"type": BinType.HOLD}, Outcome.FORBIDDEN_TYPE),
        ({"type": BinType.QUARANTINE}, Outcome.FORBIDDEN_TYPE),
        ({"type": BinType.DAMAGE}, Outcome.FORBIDDEN_TYPE),
        ({"type": BinType.RECEIVING}, Outcome.FORBIDDEN_TYPE),
        ({"type": BinType.STAGING}, Outcome.NOT_STORAGE),
        ({"is_active": False}, Outcome.INACTIVE),
        ({"frozen_by": DOCK}, Outcome.FROZEN),
        ({"id": DOCK}, Outcome.SAME_BIN),
        ({"location_id": SHOP}, Outcome.ELSEWHERE),
        ({"capacity": Decimal(3), "filled": Decimal(1), "coming": Decimal(2)}, Outcome.NO_ROOM),
        ({"mixing": Mixing.ONE_PRODUCT, "promised": (Content(NUT, NUT_LOT),)}, Outcome.OTHER_PRODUCT),
        ({"mixing": Mixing.ONE_LOT, "there": (Content(BOLT, OTHER_LOT),)}, Outcome.OTHER_LOT),
        ({"mixing": Mixing.ONE_LOT, "there": (Content(NUT, NUT_LOT),)}, Outcome.OTHER_PRODUCT),
    ],
)
def test_a_bin_that_may_take_nothing_is_passed_over_with_the_reason(
    fields: dict[str, object], outcome: Outcome
) -> None:
    shelf = a_shelf(1, **fields)

    suggestion = suggest(a_want(1), the_facts([shelf], preferred_bin_id=shelf.id))

    assert suggestion.placements == ()
    assert suggestion.unplaced == 1
    assert outcomes(suggestion) == {"S1": outcome}


@pytest.mark.parametrize(
    ("mixing", "there"),
    [
        (Mixing.ANY, Content(NUT, NUT_LOT)),
        (Mixing.ONE_PRODUCT, Content(BOLT, OTHER_LOT)),
        (Mixing.ONE_LOT, Content(BOLT, LOT)),
    ],
)
def test_a_mixing_rule_admits_what_it_allows(mixing: Mixing, there: Content) -> None:
    shelf = a_shelf(1, mixing=mixing, there=(there,))

    assert placed(suggest(a_want(1), the_facts([shelf]))) == [("S1", Strategy.OVERFLOW, 1)]


def test_empty_bins_go_before_others_and_the_default_bin_last() -> None:
    shelves = [
        a_shelf(1, is_default=True),
        a_shelf(2, there=(Content(NUT, NUT_LOT),)),
        a_shelf(3, type=BinType.PICKING, capacity=Decimal(1)),
        a_shelf(4, capacity=Decimal(1)),
        a_shelf(5, type=BinType.REPLENISHMENT, capacity=Decimal(1)),
    ]

    suggestion = suggest(a_want(9), the_facts(shelves))
    alone = suggest(a_want(9), the_facts(shelves[:1]))

    assert [code for code, _, _ in placed(suggestion)] == ["S5", "S4", "S3", "S2"]
    assert [code for code, _, _ in placed(alone)] == ["S1"]


def test_no_bin_gets_half_a_piece() -> None:
    facts = the_facts([a_shelf(1, capacity=Decimal("2.5")), a_shelf(2, capacity=Decimal("0.5"))], decimals=0)

    suggestion = suggest(a_want(3), facts)

    assert placed(suggestion) == [("S1", Strategy.OVERFLOW, 2)]
    assert suggestion.unplaced == 1
    assert outcomes(suggestion)["S2"] is Outcome.NO_ROOM


def test_what_several_lines_bring_is_planned_together() -> None:
    facts = the_facts([a_shelf(1, capacity=Decimal(5), mixing=Mixing.ONE_LOT), a_shelf(2, capacity=Decimal(5))])

    first, second, third = plan([a_want(3), a_want(3, lot=OTHER_LOT), a_want(3, product=NUT, lot=NUT_LOT)], facts)

    assert placed(first) == [("S1", Strategy.OVERFLOW, 3)]
    assert placed(second) == [("S2", Strategy.OVERFLOW, 3)]
    assert placed(third) == [("S2", Strategy.OVERFLOW, 2)]
    assert third.unplaced == 1


def test_a_broken_rule_needs_a_reason_and_a_forbidden_bin_takes_none() -> None:
    full = a_shelf(1, capacity=Decimal(5), filled=Decimal(2), coming=Decimal(2))
    want = a_want(3)

    with pytest.raises(DomainError) as unfit:
        require_fit(full, want)
    require_fit(full, want, reason="The bin was enlarged")
    require_fit(full, want, with_promises=False)
    with pytest.raises(DomainError) as forbidden:
        require_possible(msgspec.structs.replace(full, type=BinType.HOLD), want)

    assert unfit.value.reason is Reason.BIN_UNFIT
    assert (unfit.value.facts["rule"], unfit.value.facts["room"]) == (Outcome.NO_ROOM, 1)
    assert forbidden.value.reason is Reason.VALIDATION_ERROR


amounts = st.integers(0, 12).map(Decimal) | st.sampled_from([Decimal("0.5"), Decimal("2.25")])
contents = st.sampled_from([Content(BOLT, LOT), Content(BOLT, OTHER_LOT), Content(NUT, NUT_LOT)])


@st.composite
def warehouses(draw: st.DrawFn) -> Facts:
    shelves = []
    for number in range(draw(st.integers(0, 8))):
        there = tuple(draw(st.lists(contents, max_size=2, unique=True)))
        promised = tuple(draw(st.lists(contents, max_size=2, unique=True)))
        shelves.append(
            a_shelf(
                number,
                type=draw(st.sampled_from(BinType)),
                capacity=draw(st.none() | amounts),
                mixing=draw(st.sampled_from(Mixing)),
                zone=draw(st.sampled_from([None, "A", "B"])),
                is_default=draw(st.booleans()) and number == 0,
                is_active=draw(st.integers(0, 5)) > 0,
                frozen_by=draw(st.sampled_from([None, None, None, DOCK])),
                location_id=draw(st.sampled_from([DEPOT, DEPOT, DEPOT, SHOP])),
                walk_order=draw(st.integers(0, 3)),
                filled=draw(amounts) if there else Decimal(0),
                coming=draw(amounts) if promised else Decimal(0),
                there=there,
                promised=promised,
            )
        )
    stands = [Stand(s.id, c.lot_id) for s in shelves for c in (*s.there, *s.promised) if c.product_id == BOLT]
    return the_facts(
        shelves,
        zone=draw(st.sampled_from([None, "A", "B"])),
        decimals=draw(st.sampled_from([0, 2, 4])),
        preferred_bin_id=draw(st.sampled_from([None, *(s.id for s in shelves if s.location_id == DEPOT)])),
        stands=tuple(stands),
    )


wishes = st.lists(
    st.builds(
        lambda quantity, content: a_want(str(quantity), product=content.product_id, lot=content.lot_id),
        st.integers(1, 30),
        contents,
    ),
    min_size=1,
    max_size=4,
)


@given(facts=warehouses(), wants=wishes)
def test_no_plan_breaks_a_rule_or_loses_a_piece(facts: Facts, wants: list[Want]) -> None:
    suggestions = plan(wants, facts)

    assert plan(wants, facts) == suggestions
    brought: dict[UUID, list[tuple[Want, Decimal]]] = {}
    for want, suggestion in zip(wants, suggestions, strict=True):
        assert sum(one.quantity for one in suggestion.placements) + suggestion.unplaced == want.quantity
        assert all(one.quantity > 0 for one in suggestion.placements)
        assert len({one.bin_id for one in suggestion.placements}) == len(suggestion.placements)
        assert sum(tried.placed for tried in suggestion.tried) == want.quantity - suggestion.unplaced
        for one in suggestion.placements:
            brought.setdefault(one.bin_id, []).append((want, one.quantity))
    for bin_id, parts in brought.items():
        shelf = facts.shelves[bin_id]
        assert shelf.type in STORAGE
        assert shelf.type not in FORBIDDEN
        assert shelf.is_active
        assert shelf.frozen_by is None
        assert shelf.location_id == DEPOT
        room = shelf.room()
        assert room is None or sum(quantity for _, quantity in parts) <= room
        kept = {*shelf.there, *shelf.promised, *(Content(w.product_id, w.lot_id) for w, _ in parts)}
        if shelf.mixing is not Mixing.ANY:
            assert len({one.product_id for one in kept}) == 1
        if shelf.mixing is Mixing.ONE_LOT:
            assert len(kept) == 1


@given(facts=warehouses(), want=wishes.map(lambda wants: wants[0]))
def test_nothing_stays_unplaced_while_a_bin_would_take_a_piece(facts: Facts, want: Want) -> None:
    suggestion = suggest(want, facts)

    if suggestion.unplaced:
        taken = {one.bin_id: one.quantity for one in suggestion.placements}
        place = facts.places.get((want.product_id, want.location_id))
        piece = Decimal(1).scaleb(-(place.decimals if place else 4))
        for shelf in facts.shelves.values():
            if refusal(shelf, want) is None:
                room = shelf.room()
                assert room is not None, "a bin without a capacity takes all"
                assert room - taken.get(shelf.id, Decimal(0)) < piece
