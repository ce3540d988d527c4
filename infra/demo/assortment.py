"""The products that the order lines speak of, and how much of each is wanted where."""

import datetime as dt
import hashlib
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from statistics import median_low

import msgspec

from infra.demo.documents import Act, Document, Tally, charge_of, documents_of, is_note, sku_of
from infra.demo.naming import category_of, keeping_of, tidy
from infra.demo.places import LOCATIONS
from infra.demo.rows import MINUTES_PER_DAY, DemoDataError, Reader, Row, by_day, day_of

A_SHARE, B_SHARE = 0.80, 0.95
# Made up: what one piece costs us in hundredths of its usual price, and how many come in a case.
COST_SHARE = range(42, 63)
CASES = ((1000, 24), (3000, 12), (8000, 6))  # cheaper than so many thousandths of a pound: pieces in a case
SMALLEST_CASE = 2


class Product(msgspec.Struct, frozen=True, kw_only=True):
    """An article. Real: the first four. Made up: the rest, though read from them."""

    sku: str
    name: str
    price_mils: int | None
    """Median price in thousandths of a pound; none when it was never sold at one."""
    abc: str
    """Class by sales value over the whole source: the first 80 % are A, the next 15 % are B."""
    category: str
    cost_mils: int | None
    case_size: int
    shelf_life_days: int | None = None
    """Set when it is kept in lots with an expiry date."""
    age_days_max: int = 0

    @property
    def has_lots(self) -> bool:
        """Whether each piece of it belongs to a lot."""
        return self.shelf_life_days is not None


class Demand(msgspec.Struct, kw_only=True):
    """What the chosen days take from one product."""

    sold: list[int] = msgspec.field(default_factory=lambda: [0] * len(LOCATIONS))
    """Pieces, by location."""
    lines: list[int] = msgspec.field(default_factory=lambda: [0] * len(LOCATIONS))
    """Order lines of any sort, by location."""
    written_off: int = 0


class Assortment(msgspec.Struct, frozen=True, kw_only=True):
    """The products of the chosen days, in the order of their numbers."""

    products: tuple[Product, ...]
    demand: tuple[Demand, ...]
    number: dict[str, int]
    first: dt.date
    last: dt.date
    trading_days: int
    rows: int
    """Order lines of the chosen days."""
    fingerprint: str
    """Of the whole source's content, whatever its form: who goes on with a load must read the same."""


def survey(reader: Reader, *, days: int | None) -> Assortment:
    """Read the source twice: names, prices and classes from all of it, demand from its last `days` days.

    What a product is called, costs and is kept like does not depend on how many days are loaded.
    """
    facts = _Facts(reader())
    if not facts.rows:
        raise DemoDataError("the file holds no order lines")
    last = day_of(facts.last)
    first = day_of(facts.first) if days is None else max(day_of(facts.first), last - dt.timedelta(days=days - 1))
    demand: dict[str, Demand] = {}
    tally, trading_days = Tally(), 0
    for _, rows in by_day(since(reader(), first)):
        trading_days += 1
        _add_demand(demand, documents_of(rows, tally))
    skus = sorted(demand)
    described = facts.products()
    return Assortment(
        products=tuple(described[sku] for sku in skus),
        demand=tuple(demand[sku] for sku in skus),
        number={sku: number for number, sku in enumerate(skus)},
        first=first,
        last=last,
        trading_days=trading_days,
        rows=tally.rows,
        fingerprint=facts.fingerprint,
    )


def since(rows: Iterator[Row], first: dt.date) -> Iterator[Row]:
    """The rows of that day and later."""
    earliest = (first - day_of(0)).days * MINUTES_PER_DAY
    return (row for row in rows if row.minute >= earliest)


def _add_demand(demand: dict[str, Demand], documents: Iterable[Document]) -> None:
    for document in documents:
        for sku, qty in document.lines:
            if (wanted := demand.get(sku)) is None:
                wanted = demand[sku] = Demand()
            wanted.lines[document.location] += 1
            if document.act is Act.SALE:
                wanted.sold[document.location] += qty
            elif document.act is Act.ADJUSTMENT and document.sign < 0:
                wanted.written_off += qty


class _Facts:
    """What each article was called and sold for, over the whole source."""

    def __init__(self, rows: Iterator[Row]) -> None:
        seen = Counter[tuple[str, str, int]]()
        value = Counter[str]()
        self.first = self.last = -1
        for _, code, description, qty, minute, mils, _, _ in rows:
            seen[code, description, mils] += 1
            if qty > 0:
                value[code] += qty * mils
            if self.first < 0:
                self.first = minute
            self.last = minute
        self.rows = seen.total()
        said = repr((self.first, self.last, sorted(seen.items()), sorted(value.items())))
        self.fingerprint = hashlib.sha256(said.encode()).hexdigest()[:16]
        self._names: dict[str, Counter[str]] = {}
        self._other_names: dict[str, Counter[str]] = {}
        self._prices: dict[str, Counter[int]] = {}
        self._value = Counter[str]()
        for code, worth in value.items():
            self._value[sku_of(code)] += worth
        for (code, description, mils), lines in seen.items():
            self._sort_in(sku_of(code), tidy(description), mils, lines)

    def _sort_in(self, sku: str, name: str, mils: int, lines: int) -> None:
        self._names.setdefault(sku, Counter())
        if mils > 0:
            self._names[sku][name] += lines
            self._prices.setdefault(sku, Counter())[mils] += lines
        elif not is_note(name):
            self._other_names.setdefault(sku, Counter())[name] += lines

    def products(self) -> dict[str, Product]:
        """Every article that is goods."""
        classes = self._classes()
        return {sku: self._product(sku, classes[sku]) for sku in self._names if charge_of(sku) is None}

    def _product(self, sku: str, abc: str) -> Product:
        # Of the descriptions it was sold under, the most frequent one; ties by the alphabet, for the same answer.
        names = self._names[sku] or self._other_names.get(sku) or Counter([f"UNNAMED ARTICLE {sku}"])
        name = min(names, key=lambda text: (-names[text], text))
        prices = self._prices.get(sku)
        price = median_low(prices.elements()) if prices else None
        keeping = keeping_of(name)
        return Product(
            sku=sku,
            name=name,
            price_mils=price,
            abc=abc,
            category=category_of(name).code,
            cost_mils=None if price is None else max(1, price * _draw(sku, COST_SHARE) // 100),
            case_size=next((pieces for below, pieces in CASES if price is None or price < below), SMALLEST_CASE),
            shelf_life_days=keeping.shelf_life_days if keeping else None,
            age_days_max=keeping.age_days_max if keeping else 0,
        )

    def _classes(self) -> dict[str, str]:
        goods = {sku: self._value[sku] for sku in self._names if charge_of(sku) is None}
        total, sum_before, classes = sum(goods.values()) or 1, 0, {}
        for sku in sorted(goods, key=lambda sku: (-goods[sku], sku)):
            sum_before += goods[sku]
            share = sum_before / total
            classes[sku] = "A" if share <= A_SHARE else "B" if share <= B_SHARE else "C"
        return classes


def _draw(sku: str, of: range) -> int:
    """One of the numbers, the same for the same product every time."""
    return of[zlib.crc32(sku.encode()) % len(of)]
