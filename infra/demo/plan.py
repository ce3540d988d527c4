"""The plan: order lines as postings in the order of time, with the receipts and transfers that feed them."""

import datetime as dt
import random
from collections.abc import Iterable, Iterator
from itertools import batched
from zoneinfo import ZoneInfo

import msgspec

from domain.ledger.model import Kind
from infra.demo.assortment import Assortment, since, survey
from infra.demo.documents import Act, Document, Tally, Why, documents_of
from infra.demo.places import DC, LOCATIONS, TIME_ZONE, Shelving, shelve
from infra.demo.restock import Delivery, Restock
from infra.demo.rows import MINUTES_PER_DAY, Reader, by_day
from infra.demo.stock import Line, Lot, Stock, StockLine

SEED = 20111209
OPENING_LINES = 500  # stock lines that one opening posting sets
OPENS = 20 * 60  # minute of the day, local time: the evening before the first day
EXPIRES, DELIVERS, REFILLS = 4 * 60, 5 * 60, 5 * 60 + 45  # before the first invoice of any day


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One posting: what the ledger needs, with stock lines by their number in the plan."""

    kind: Kind
    at: dt.datetime
    source_type: str
    source_id: str
    lines: list[Line]
    why: Why | None = None
    comment: str | None = None


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """Some steps, and the lots and stock lines that first appear in them, in the order of their numbers."""

    lots: list[Lot]
    lines: list[StockLine]
    steps: list[Step]
    movements: int
    rows: int
    """Order lines read so far."""


class Plan:
    """Everything that a load needs to know beforehand; `batches` then streams the postings, once."""

    def __init__(self, reader: Reader, *, days: int | None = None, seed: int = SEED) -> None:
        self._reader = reader
        self.assortment = survey(reader, days=days)
        self.shelving = _shelved(self.assortment)
        self.tally = Tally()
        """Counts the order lines as `batches` goes."""
        self._rng = random.Random(seed)  # noqa: S311  # the same plan every time is the point
        self._stock = Stock(self.assortment.products, self.shelving, self._rng)
        self.restock = Restock(self.assortment, self._stock)

    def batches(self, movements: int = 4000) -> Iterator[Batch]:
        """The postings in the order of time, about so many movements at a time."""
        steps: list[Step] = []
        size = lots = lines = 0

        def flush() -> Batch:
            return Batch(
                lots=self._stock.lots[lots:],
                lines=self._stock.lines[lines:],
                steps=steps,
                movements=size,
                rows=self.tally.rows,
            )

        for step in self._steps():
            steps.append(step)
            size += len(step.lines)
            if size >= movements:
                yield flush()
                steps, size, lots, lines = [], 0, len(self._stock.lots), len(self._stock.lines)
        if steps:
            yield flush()

    def _steps(self) -> Iterator[Step]:
        assortment, number = self.assortment, self.assortment.number
        yield from self._opening(assortment.first - dt.timedelta(days=1))
        for day, rows in by_day(since(self._reader(), assortment.first)):
            documents = documents_of(rows, self.tally)
            clock = _Clock(day)
            yield from self._expired(day, clock)
            morning = self.restock.morning(day, documents, number)
            yield from self._delivered(day, clock, morning.deliveries)
            yield from self._refilled(clock, morning.refills)
            for document in documents:
                yield self._document(day, clock, document)
            self.restock.evening(day)

    def _opening(self, day: dt.date) -> Iterator[Step]:
        at = _Clock(day).at(OPENS)
        for location, place in enumerate(LOCATIONS):
            lines: list[Line] = []
            for product, qty in self.restock.opening(location, self._rng):
                article = self.assortment.products[product]
                if article.shelf_life_days is None:
                    lines.append(self._stock.receive(location, product, qty, on=day))
                    continue
                # Stock with lots is never of one age: a third of it stands here for a while already.
                older = qty // 3
                if older:
                    oldest = article.shelf_life_days // 3
                    lines.append(self._stock.receive(location, product, older, on=day, oldest=oldest))
                lines.append(self._stock.receive(location, product, qty - older, on=day))
            for part, some in enumerate(batched(lines, OPENING_LINES), start=1):
                yield Step(
                    kind=Kind.OPENING,
                    at=at,
                    source_type="OPENING",
                    source_id=f"{place.code}-{part:02d}",
                    lines=list(some),
                )

    def _expired(self, day: dt.date, clock: "_Clock") -> Iterator[Step]:
        gone: dict[int, list[Line]] = {}
        for location, line in self._stock.expired(day):
            gone.setdefault(location, []).append(line)
        for location, lines in sorted(gone.items()):
            yield Step(
                kind=Kind.ADJUSTMENT,
                at=clock.at(EXPIRES),
                source_type="STOCK_CORRECTION",
                source_id=f"EXP-{day:%y%m%d}-{location + 1}",
                why=Why.EXPIRED,
                lines=lines,
            )

    def _delivered(self, day: dt.date, clock: "_Clock", deliveries: Iterable[Delivery]) -> Iterator[Step]:
        for delivery in deliveries:
            yield Step(
                kind=Kind.RECEIPT,
                at=clock.at(DELIVERS + delivery.supplier),
                source_type="PURCHASE_ORDER",
                source_id=delivery.number,
                comment=delivery.supplier_name,
                lines=[self._stock.receive(DC, product, qty, on=day) for product, qty in delivery.goods],
            )

    def _refilled(self, clock: "_Clock", refills: dict[int, dict[int, int]]) -> Iterator[Step]:
        for location, goods in refills.items():
            lines: list[Line] = []
            for product, qty in goods.items():
                lines += self._stock.transfer(DC, location, product, qty)
            if lines:
                yield Step(
                    kind=Kind.TRANSFER_OUT,
                    at=clock.at(REFILLS),
                    source_type="STOCK_TRANSFER",
                    source_id=f"TR-{clock.day:%y%m%d}-{location}",
                    lines=lines,
                )

    def _document(self, day: dt.date, clock: "_Clock", document: Document) -> Step:
        stock, number, location = self._stock, self.assortment.number, document.location
        lines: list[Line] = []
        if document.act is Act.RETURN:
            lines += [stock.put_back(location, number[sku], qty, on=day) for sku, qty in document.lines]
        elif document.sign > 0:
            lines += [stock.found(location, number[sku], qty, on=day) for sku, qty in document.lines]
        else:
            for sku, qty in document.lines:
                lines += stock.take(location, number[sku], qty)
        kind, source_type = _KINDS[document.act]
        return Step(
            kind=kind,
            at=clock.at(document.minute % MINUTES_PER_DAY),
            source_type=source_type,
            source_id=document.invoice,
            why=document.why,
            comment=document.note or None,
            lines=lines,
        )


_KINDS = {
    Act.SALE: (Kind.ISSUE, "SALES_ORDER"),
    Act.RETURN: (Kind.RECEIPT, "CUSTOMER_RETURN"),
    Act.ADJUSTMENT: (Kind.ADJUSTMENT, "STOCK_CORRECTION"),
}


class _Clock:
    """One local day in UTC: the clocks change at night, before anything of a day happens."""

    def __init__(self, day: dt.date) -> None:
        self.day = day
        noon = dt.datetime.combine(day, dt.time(12), tzinfo=ZoneInfo(TIME_ZONE))
        self._midnight = noon.astimezone(dt.UTC) - dt.timedelta(hours=12)

    def at(self, minute: int) -> dt.datetime:
        """The instant of that minute of the local day."""
        return self._midnight + dt.timedelta(minutes=minute)


def _shelved(assortment: Assortment) -> Shelving:
    # Bins are given out to the most wanted first, so that the hot lines stand together at the aisles' ends.
    order = sorted(
        range(len(assortment.products)),
        key=lambda number: (-sum(assortment.demand[number].lines), number),
    )
    return shelve(
        order,
        [product.abc for product in assortment.products],
        [[demand.lines[location] > 0 for demand in assortment.demand] for location in range(len(LOCATIONS))],
    )
