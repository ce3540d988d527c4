"""What is done about records: together as one by one, and the balance is always what the layers say (P-11)."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from domain.imports.facts import BinPlace, Item, Layer, Place, ScopeLine, Standing
from domain.imports.judging import Book, books_of, judge, judge_refresh
from domain.imports.model import Action, Options, Record, RefreshScope, RowOutcome
from domain.imports.naming import Judged, Located, Unlocated
from domain.values import new_id

SEVERAL = 3
LOCATION, LOT, UOM, JOB = new_id(), new_id(), new_id(), new_id()
ITEMS = [Item(id=new_id(), name=f"Item {n}", uom_id=UOM, is_active=n < 2) for n in range(SEVERAL)]
BINS = [
    BinPlace(
        id=new_id(),
        name=f"Bin {n}",
        location_id=LOCATION,
        location_code="L",
        location_name="Location",
        is_frozen=n == 2,
    )
    for n in range(SEVERAL)
]
DAYS = [date(2026, 1, n) for n in range(1, 4)]
QUANTITIES = st.decimals(min_value="0.0001", max_value=50, places=4)


def place_of(item: Item, bin_: BinPlace) -> Place:
    return Place(product_id=item.id, location_id=LOCATION, bin_id=bin_.id, lot_id=LOT)


@st.composite
def records(draw: st.DrawFn) -> list[Judged]:
    made: list[Judged] = []
    for row in range(draw(st.integers(1, 8))):
        item, bin_ = draw(st.sampled_from(ITEMS)), draw(st.sampled_from(BINS))
        record = Record(
            row=row,
            item_name=item.name,
            bin_name=bin_.name,
            lot_name="L",
            date_filled=draw(st.sampled_from(DAYS)),
            quantity=draw(QUANTITIES),
            uom="EA",
        )
        if draw(st.integers(0, 9)):
            located = Located(
                record=record, place=place_of(item, bin_), item=item, bin=bin_, quantity=record.quantity
            )
            made.append(located)
        else:
            made.append(Unlocated(record=record, messages=("It is wrong",), product_ids=(item.id,)))
    return made


@st.composite
def standings(draw: st.DrawFn) -> list[Standing]:
    lines = []
    for item in ITEMS:
        for bin_ in draw(st.lists(st.sampled_from(BINS), unique_by=lambda one: one.id)):
            layers = draw(st.dictionaries(st.sampled_from(DAYS), QUANTITIES))
            line = Standing(
                line_id=new_id(),
                place=place_of(item, bin_),
                on_hand=draw(QUANTITIES),
                reserved=Decimal(0),
                held=Decimal(0),
                layers={day: Layer(quantity=quantity, job_id=None) for day, quantity in layers.items()},
            )
            lines.append(line)
    return lines


OPTIONS = st.builds(
    Options,
    allow_record_creation=st.booleans(),
    allow_record_update=st.booleans(),
    should_continue_on_error=st.just(True),
)


def after(book: Book) -> Standing:
    """The line when what was decided is written, and read again."""
    return Standing(
        line_id=book.line_id or new_id(),
        place=book.place,
        on_hand=book.on_hand,
        reserved=Decimal(0),
        held=Decimal(0),
        layers={day: Layer(quantity=quantity, job_id=JOB) for day, quantity in book.layers.items()},
    )


def require_balanced(books: Sequence[Book]) -> None:
    for book in books:
        assert book.on_hand >= 0
        assert book.on_hand == sum(book.layers.values(), book.rest)


@settings(max_examples=50, deadline=None)
@given(standings(), records(), OPTIONS)
def test_rows_together_are_judged_as_the_same_rows_one_by_one(
    lines: list[Standing], sent: list[Judged], options: Options
) -> None:
    places = {one.place for one in sent if isinstance(one, Located)}
    together = judge(sent, books_of(places, lines), options)

    outcomes: list[RowOutcome] = []
    now = {line.place: line for line in lines}
    for one in sent:
        own = {one.place} if isinstance(one, Located) else set()
        single = judge([one], books_of(own, now.values()), options)
        outcomes += single.outcomes
        now |= {book.place: after(book) for book in single.books.values()}

    assert list(together.outcomes) == outcomes
    require_balanced(list(together.books.values()))
    for place, book in together.books.items():
        if place in now:
            assert (book.on_hand, book.layers) == (now[place].on_hand, Book(place, now[place]).layers)


@settings(max_examples=50, deadline=None)
@given(standings(), records(), OPTIONS)
def test_after_a_refresh_there_is_what_was_sent_and_nothing_else(
    lines: list[Standing], sent: list[Judged], options: Options
) -> None:
    places = {one.place for one in sent if isinstance(one, Located)}
    items, bins = {item.id: item for item in ITEMS}, {bin_.id: bin_ for bin_ in BINS}
    in_scope = [
        ScopeLine(
            line_id=line.line_id,
            place=line.place,
            item=items[line.place.product_id],
            bin=bins[line.place.bin_id],
            bin_name="B",
            lot_name="L",
            uom="EA",
        )
        for line in lines
    ]

    judgement = judge_refresh(
        sent, books_of(places, lines), options, scope=RefreshScope(everything=True), lines=in_scope
    )

    require_balanced(list(judgement.books.values()))
    wrong = {
        one.place.product_id if isinstance(one, Located) else one.product_ids[0]
        for one, outcome in zip(sent, judgement.outcomes, strict=False)
        if outcome.action is Action.ERROR
    }
    for place, book in judgement.books.items():
        if place.product_id in wrong or place.bin_id == BINS[2].id:
            continue
        last = {
            one.record.date_filled: one.quantity for one in sent if isinstance(one, Located) and one.place == place
        }
        assert book.layers == last
        assert book.rest == 0
