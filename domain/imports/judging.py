"""What is to be done about each record, in their order: each sees what those before it leave behind."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from uuid import UUID

import msgspec

from domain.imports.facts import LayerChange, Place, ScopeLine, Standing
from domain.imports.layers import ZERO, settle, undated
from domain.imports.model import (
    Action,
    BadRecord,
    Options,
    Record,
    RefreshScope,
    RowOutcome,
)
from domain.imports.naming import Judged, Located, Unlocated
from domain.values import QUANTITY_DIGITS, plain

BALANCE_MAX = Decimal(10) ** QUANTITY_DIGITS
FROZEN = "Bin with name '{}' is being counted: its stock may not move until the count is resolved"


class Book:
    """One stock line while it is being decided."""

    def __init__(self, place: Place, standing: Standing | None) -> None:
        self.place = place
        self.standing = standing
        self.before = standing.on_hand if standing is not None else ZERO
        written = standing.layers if standing is not None else {}
        self.on_hand = self.before
        self.settled = settle({day: layer.quantity for day, layer in written.items()}, self.before)
        self.layers = dict(self.settled)
        self.rest = undated(self.settled, self.before)
        """What of it has no fill date."""

    @property
    def line_id(self) -> UUID | None:
        return self.standing.line_id if self.standing is not None else None

    @property
    def delta(self) -> Decimal:
        return self.on_hand - self.before

    @property
    def claimed(self) -> Decimal:
        return self.standing.reserved + self.standing.held if self.standing is not None else ZERO

    @property
    def short_by(self) -> Decimal:
        """What is reserved and no longer there; holds end with the stock that they are on."""
        if self.standing is None:
            return ZERO
        return self.standing.reserved + min(self.standing.held, self.on_hand) - self.on_hand

    def set(self, day: date, quantity: Decimal) -> None:
        self.on_hand += quantity - self.layers.get(day, ZERO)
        self.layers[day] = quantity

    def remove(self, day: date | None) -> None:
        """Take out a layer, or what has no date."""
        if day is None:
            self.on_hand -= self.rest
            self.rest = ZERO
        else:
            self.on_hand -= self.layers.pop(day)

    def changes(self) -> list[LayerChange]:
        """What is to be written of its layers: also what settling found, if anything is written at all."""
        if self.layers == self.settled and not self.delta:
            return []
        written = self.standing.layers if self.standing is not None else {}
        changes = []
        for day in sorted(written.keys() | self.layers.keys()):
            layer = written.get(day)
            before, after = self.settled.get(day), self.layers.get(day)
            # What was set anew to what was written before some of it left is this import's now, too.
            if (layer.quantity if layer is not None else None) != after or before != after:
                change = LayerChange(
                    place=self.place,
                    line_id=self.line_id,
                    day=day,
                    before=before,
                    before_job_id=layer.job_id if layer is not None else None,
                    after=after,
                )
                changes.append(change)
        return changes


class Judgement(msgspec.Struct, frozen=True, kw_only=True):
    """What becomes of all records, and what is to be written for it."""

    outcomes: Sequence[RowOutcome]
    books: Mapping[Place, Book]

    @property
    def moved(self) -> list[Book]:
        """The lines whose quantity changes, in the order of their ids; new ones come last."""
        moved = [book for book in self.books.values() if book.delta]
        return sorted(moved, key=lambda book: (book.line_id is None, str(book.line_id), str(book.place)))

    @property
    def changes(self) -> list[LayerChange]:
        return [change for book in self.books.values() for change in book.changes()]

    def count(self, action: Action) -> int:
        return sum(outcome.action is action for outcome in self.outcomes)

    def change_percent(self) -> Decimal | None:
        """By how much the stock of these lines changes, all differences added up; None where there was none."""
        before = sum((book.before for book in self.books.values()), ZERO)
        changed = sum((abs(book.delta) for book in self.books.values()), ZERO)
        return round(changed * 100 / before, 2) if before else None


def books_of(places: Iterable[Place], standing: Iterable[Standing]) -> dict[Place, Book]:
    books = {line.place: Book(line.place, line) for line in standing}
    for place in places:
        if place not in books:
            books[place] = Book(place, None)
    return books


def judge(judged: Sequence[Judged], books: Mapping[Place, Book], options: Options) -> Judgement:
    """Set each record's layer, where that is allowed."""
    outcomes = [_judge(one, books, options, ()) for one in judged]
    return Judgement(outcomes=outcomes, books=books)


def judge_refresh(
    judged: Sequence[Judged],
    books: Mapping[Place, Book],
    options: Options,
    *,
    scope: RefreshScope,
    lines: Sequence[ScopeLine],
) -> Judgement:
    """Set the layers of the records, and take out whatever else stands in the scope.

    Where a record is refused, everything of the items that it may be about stays: it was in the upload, somehow.
    """
    outcomes: list[RowOutcome] = []
    sent: set[tuple[Place, date]] = set()
    kept: set[UUID] = set()
    within = {line.place for line in lines}
    for one in judged:
        outside = _outside(one, scope) if isinstance(one, Located) else ()
        outcome = _judge(one, books, options, outside)
        outcomes.append(outcome)
        if outcome.action is not Action.ERROR and isinstance(one, Located):
            sent.add((one.place, one.record.date_filled))
            within.add(one.place)
        elif isinstance(one, Located):
            kept.add(one.place.product_id)
        else:
            kept.update(one.product_ids)
    for line in sorted(lines, key=lambda line: (line.item.name, line.bin_name, line.lot_name)):
        if line.place.product_id not in kept:
            outcomes += _clear(line, books[line.place], sent)
    # What else was named stays as it is, and is no part of what changes by so many percent.
    inside = {place: book for place, book in books.items() if place in within}
    return Judgement(outcomes=outcomes, books=inside)


def _judge(one: Judged, books: Mapping[Place, Book], options: Options, problems: tuple[str, ...]) -> RowOutcome:
    if isinstance(one, Unlocated):
        return _outcome(one.record, Action.ERROR, messages=one.messages)
    book = books[one.place]
    day, new = one.record.date_filled, one.quantity
    old = book.layers.get(day)
    messages = (*problems, *_obstacles(one, book, old, options))
    if messages:
        return _outcome(one.record, Action.ERROR, old=old, new=new, messages=messages)
    book.set(day, new)
    action = Action.CREATE if old is None else Action.UNCHANGED if old == new else Action.UPDATE
    return _outcome(one.record, action, old=old, new=new)


def _obstacles(one: Located, book: Book, old: Decimal | None, options: Options) -> Iterable[str]:
    if old is None and not options.allow_record_creation:
        yield "The record does not exist, and allow_record_creation is false"
    if old is not None and not options.allow_record_update:
        yield "The record exists already, and allow_record_update is false"
    delta = one.quantity - (old or ZERO)
    if delta and one.bin.is_frozen:
        yield FROZEN.format(one.record.bin_name)
    if delta > 0 and not one.item.is_active:
        yield f"Item with name '{one.record.item_name}' is not active: no stock may come in"
    if delta > 0 and not one.bin.is_active:
        yield f"Bin with name '{one.record.bin_name}' is not active: no stock may come in"
    if book.on_hand + delta >= BALANCE_MAX:
        yield "The balance would exceed what can be stored"


def _outside(one: Located, scope: RefreshScope) -> tuple[str, ...]:
    if scope.everything or in_scope(one, scope):
        return ()
    return ("The record is outside of the scope of this refresh",)


def in_scope(one: Located, scope: RefreshScope) -> bool:
    """Whether filters tell of a record; the statement that reads the scope says the same (infra/imports)."""
    names, bin_ = scope.names, one.bin
    found: tuple[tuple[tuple[str, ...], set[str | None]], ...] = (
        (names.items, {one.item.name}),
        (names.locations, {bin_.location_name, bin_.location_code}),
        (names.location_areas, {bin_.area_name, bin_.area_code}),
        (names.bins, {bin_.name, f"{bin_.location_code}/{bin_.name}"}),
        (names.lots, {one.record.lot_name}),
    )
    return all(not wanted or not known.isdisjoint(wanted) for wanted, known in found)


def _clear(line: ScopeLine, book: Book, sent: set[tuple[Place, date]]) -> list[RowOutcome]:
    """Take out what was not sent, the undated stock first."""
    days: list[date | None] = [None] if book.rest else []
    days += [day for day in sorted(book.layers) if (line.place, day) not in sent]
    outcomes = []
    for day in days:
        old = book.rest if day is None else book.layers[day]
        if old and line.bin.is_frozen:
            message = FROZEN.format(line.bin_name)
            outcomes.append(told(line, day, Action.ERROR, old=old, messages=(message,)))
        else:
            book.remove(day)
            outcomes.append(told(line, day, Action.DELETE, old=old, new=ZERO))
    return outcomes


def told(
    line: ScopeLine,
    day: date | None,
    action: Action,
    *,
    old: Decimal,
    new: Decimal | None = None,
    row: int | None = None,
    messages: tuple[str, ...] = (),
) -> RowOutcome:
    """What becomes of a record that was found, not sent."""
    return RowOutcome(
        row=row,
        action=action,
        item_name=line.item.name,
        bin_name=line.bin_name,
        lot_name=line.lot_name,
        date_filled="" if day is None else day.isoformat(),
        quantity=str(plain(old)),
        uom=line.uom,
        old=plain(old),
        new=None if new is None else plain(new),
        messages=messages,
    )


def _outcome(
    record: Record | BadRecord,
    action: Action,
    *,
    old: Decimal | None = None,
    new: Decimal | None = None,
    messages: tuple[str, ...] = (),
) -> RowOutcome:
    raw = record.raw if isinstance(record, BadRecord) else _texts(record)
    return RowOutcome(
        row=record.row,
        action=action,
        item_name=raw.get("item_name", ""),
        bin_name=raw.get("bin_name", ""),
        lot_name=raw.get("lot_name", ""),
        date_filled=raw.get("date_filled", ""),
        quantity=raw.get("quantity", ""),
        uom=raw.get("uom", ""),
        old=None if old is None else plain(old),
        new=None if new is None else plain(new),
        messages=messages,
    )


def _texts(record: Record) -> Mapping[str, str]:
    return {
        "item_name": record.item_name,
        "bin_name": record.bin_name,
        "lot_name": record.lot_name,
        "date_filled": record.date_filled.isoformat(),
        "quantity": str(plain(record.quantity)),
        "uom": record.uom,
    }
