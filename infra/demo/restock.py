"""Made up: how the shelves are kept full: a reorder rule at the distribution centre, a refill in the shops."""

import datetime as dt
import math
import random
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from heapq import heappop, heappush

import msgspec

from infra.demo.assortment import Assortment, Demand, Product
from infra.demo.documents import Act, Document
from infra.demo.places import DC, LOCATIONS
from infra.demo.stock import Stock

SUPPLIERS = 12
LEAD_DAYS = range(3, 15)  # the supplier's number picks one
SAFETY = 1.5  # times the demand of the lead time
COVER_DAYS = 25  # trading days that an order lasts
SHOP_LOW_DAYS, SHOP_FULL_DAYS = 5, 35
OPENING_SHARE = (0.3, 1.0)  # of the full level


class Level(msgspec.Struct, frozen=True, kw_only=True):
    """At or below `low` it is filled up to `full`."""

    low: int
    full: int


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """One supplier's goods of one morning, as (product, pieces)."""

    number: str
    supplier: int
    goods: list[tuple[int, int]]

    @property
    def supplier_name(self) -> str:
        """A name that says it is none."""
        return f"Supplier {self.supplier + 1:02d}"


class Morning(msgspec.Struct, frozen=True, kw_only=True):
    """What comes in and what goes to the shops (pieces by location and product) before the day's orders."""

    deliveries: list[Delivery]
    refills: dict[int, dict[int, int]]


class Restock:
    """Sees to it that every order line of a day finds its pieces, without ever going below zero.

    A product that falls to its reorder point is ordered up to its full level and arrives after its supplier's
    lead time. What a day needs beyond that comes in the same morning, as if somebody had read the order book.
    """

    def __init__(self, assortment: Assortment, stock: Stock) -> None:
        self._stock = stock
        self._products = assortment.products
        self._demand = assortment.demand
        self._levels = [
            [_level(location, product, demand, assortment.trading_days) for location in range(len(LOCATIONS))]
            for product, demand in zip(assortment.products, assortment.demand, strict=True)
        ]
        self._supplier = [zlib.crc32(product.category.encode()) % SUPPLIERS for product in assortment.products]
        self._coming: list[tuple[int, int, int]] = []
        self._on_order = Counter[int]()
        self._touched: list[set[int]] = [set() for _ in LOCATIONS]
        self._low: list[dict[int, None]] = [{} for _ in LOCATIONS]
        self._orders = 0

    def level(self, product: int, location: int) -> Level:
        """When a product is restocked at a location, and up to what."""
        return self._levels[product][location]

    def lead_days(self, product: int) -> int:
        """How long its supplier takes."""
        return LEAD_DAYS[self._supplier[product]]

    def opening(self, location: int, rng: random.Random) -> Iterator[tuple[int, int]]:
        """What stands there before the first day: about the full level, and what will be written off."""
        for product, levels in enumerate(self._levels):
            qty = round(levels[location].full * rng.uniform(*OPENING_SHARE))
            if location == DC:
                qty += self._demand[product].written_off
            if qty:
                yield product, qty

    def morning(self, day: dt.date, documents: Sequence[Document], number: dict[str, int]) -> Morning:
        """Decide the day's deliveries and refills from what its documents will take."""
        needs = self._needs(documents, number)
        arriving = self._arriving(day)
        hand = self._stock.hand
        refills: dict[int, dict[int, int]] = {}
        # First what the shops cannot do without, as that may have to be bought, ...
        for location in range(1, len(LOCATIONS)):
            short = {p: q - hand[location][p] for p, q in needs[location].items() if q > hand[location][p]}
            refills[location] = short
            for product, qty in short.items():
                needs[DC][product] += qty
        for product, qty in needs[DC].items():
            short_of = qty - hand[DC][product] - arriving[product]
            if short_of > 0:
                spare = 0 if self._on_order[product] else self._levels[product][DC].full
                arriving[product] += _cases(short_of + spare, self._products[product])
        # ... then what brings their shelves back to the full level, from what is to spare.
        for location, goods in refills.items():
            for product in [*self._low[location], *goods]:
                full = self._levels[product][location].full + needs[location][product]
                lacking = full - hand[location][product] - goods.get(product, 0)
                spare = hand[DC][product] + arriving[product] - needs[DC][product]
                if (extra := min(lacking, spare)) > 0:
                    goods[product] = goods.get(product, 0) + extra
                    needs[DC][product] += extra
            self._low[location].clear()
            self._touched[DC].update(goods)
        return Morning(deliveries=self._deliveries(arriving), refills=refills)

    def evening(self, day: dt.date) -> None:
        """Order what has fallen to its reorder point, and note what the shops will want in the morning."""
        for product in sorted(self._touched[DC]):
            level = self._levels[product][DC]
            position = self._stock.hand[DC][product] + self._on_order[product]
            if position <= level.low < level.full:
                qty = _cases(level.full - position, self._products[product])
                due = day + dt.timedelta(days=LEAD_DAYS[self._supplier[product]])
                heappush(self._coming, (due.toordinal(), product, qty))
                self._on_order[product] += qty
        for location in range(1, len(LOCATIONS)):
            hand = self._stock.hand[location]
            for product in sorted(self._touched[location]):
                level = self._levels[product][location]
                if hand[product] <= level.low < level.full:
                    self._low[location][product] = None
        for touched in self._touched:
            touched.clear()

    def _needs(self, documents: Sequence[Document], number: dict[str, int]) -> list[Counter[int]]:
        needs = [Counter[int]() for _ in LOCATIONS]
        for document in documents:
            touched = self._touched[document.location]
            if document.act is Act.RETURN or document.sign > 0:
                continue
            need = needs[document.location]
            for sku, qty in document.lines:
                product = number[sku]
                need[product] += qty
                touched.add(product)
        return needs

    def _arriving(self, day: dt.date) -> Counter[int]:
        arriving = Counter[int]()
        while self._coming and self._coming[0][0] <= day.toordinal():
            _, product, qty = heappop(self._coming)
            arriving[product] += qty
            self._on_order[product] -= qty
        return arriving

    def _deliveries(self, arriving: Counter[int]) -> list[Delivery]:
        by_supplier: dict[int, list[tuple[int, int]]] = {}
        for product, qty in sorted(arriving.items()):
            if qty:
                by_supplier.setdefault(self._supplier[product], []).append((product, qty))
        deliveries = []
        for supplier, goods in sorted(by_supplier.items()):
            self._orders += 1
            deliveries.append(Delivery(number=f"PO-{self._orders:05d}", supplier=supplier, goods=goods))
        return deliveries


def _level(location: int, product: Product, demand: Demand, trading_days: int) -> Level:
    if location == DC:
        # The distribution centre feeds the shops, so their demand is its own.
        a_day = sum(demand.sold) / trading_days
        lead = LEAD_DAYS[zlib.crc32(product.category.encode()) % SUPPLIERS]
        low = math.ceil(a_day * lead * SAFETY)
        return Level(low=low, full=low + _cases(math.ceil(a_day * COVER_DAYS), product))
    a_day = demand.sold[location] / trading_days
    low = math.ceil(a_day * SHOP_LOW_DAYS)
    return Level(low=low, full=low + math.ceil(a_day * SHOP_FULL_DAYS))


def _cases(qty: int, product: Product) -> int:
    """The pieces of as many full cases as it takes."""
    return math.ceil(qty / product.case_size) * product.case_size
