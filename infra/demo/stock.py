"""The stock that the plan believes in while it is made: pieces by product, place and lot, and never below zero."""

import datetime as dt
import random
from bisect import insort
from heapq import heappop, heappush

import msgspec

from infra.demo.assortment import Product
from infra.demo.places import LOCATIONS, Shelving

type Line = tuple[int, int]
"""A stock line's number and the signed pieces that move on it."""


class StockLine(msgspec.Struct, frozen=True, kw_only=True):
    """Where pieces lie, in the plan's own numbers; `lot` is none for the product's default lot."""

    product: int
    location: int
    bin: int
    lot: int | None = None


class Lot(msgspec.Struct, frozen=True, kw_only=True):
    """A lot, made up: its number says when it was made."""

    product: int
    number: str
    made: dt.date
    expires: dt.date


class _Shelf(msgspec.Struct, kw_only=True):
    """The lots of one product at one location that can be picked, earliest expiry first."""

    order: list[tuple[int, int]] = msgspec.field(default_factory=list)
    """(expiry day, lot)."""
    qty: dict[int, int] = msgspec.field(default_factory=dict)
    latest: int | None = None
    """The lot that was picked last, which is the one that a customer's return is taken to be."""


class Stock:
    """Pieces on hand, moved by `take` and `put`, which answer with the lines that moved."""

    def __init__(self, products: tuple[Product, ...], shelving: Shelving, rng: random.Random) -> None:
        self.lines: list[StockLine] = []
        self.lots: list[Lot] = []
        self.hand = [[0] * len(products) for _ in LOCATIONS]
        """Pieces that can be picked, by location and product."""
        self._products = products
        self._has_lots = [product.has_lots for product in products]
        self._shelving = shelving
        self._rng = rng
        self._plain: list[list[int]] = [[-1] * len(products) for _ in LOCATIONS]
        self._numbers: dict[tuple[int, int], int] = {}
        self._lot_numbers: dict[tuple[int, dt.date], int] = {}
        self._shelves: dict[tuple[int, int], _Shelf] = {}
        self._expiring: list[tuple[int, int, int]] = []

    def receive(self, location: int, product: int, qty: int, *, on: dt.date, oldest: int | None = None) -> Line:
        """New goods come in; `oldest` is the least age in days of a lot that has been here for a while."""
        article = self._products[product]
        if article.shelf_life_days is None:
            return self._put_plain(location, product, qty)
        age = self._rng.randint(oldest or 0, (oldest or 0) + article.age_days_max)
        return self._put_lot(location, product, self._lot(product, on - dt.timedelta(days=age)), qty)

    def put_back(self, location: int, product: int, qty: int, *, on: dt.date) -> Line:
        """A customer's return: to its shelf, or with lots to quarantine, as nobody sells a returned candle."""
        if not self._has_lots[product]:
            return self._put_plain(location, product, qty)
        lot = self._known_lot(location, product, on)
        return self._number(product, location, self._shelving.quarantine[location], lot), qty

    def found(self, location: int, product: int, qty: int, *, on: dt.date) -> Line:
        """A correction upwards: on the shelf, in the lot that is being picked."""
        if not self._has_lots[product]:
            return self._put_plain(location, product, qty)
        return self._put_lot(location, product, self._known_lot(location, product, on), qty)

    def take(self, location: int, product: int, qty: int) -> list[Line]:
        """Pick pieces, earliest expiry first; there must be enough."""
        self.hand[location][product] -= qty
        assert self.hand[location][product] >= 0, "the plan orders before it picks"
        if not self._has_lots[product]:
            return [(self._plain[location][product], -qty)]
        return [
            (self._number(product, location, self._home(location, product), lot), -pieces)
            for lot, pieces in self._pick(location, product, qty)
        ]

    def transfer(self, source: int, target: int, product: int, qty: int) -> list[Line]:
        """Move pieces to another location: lines out and lines in, in pairs."""
        self.hand[source][product] -= qty
        assert self.hand[source][product] >= 0, "the plan orders before it ships"
        if not self._has_lots[product]:
            return [(self._plain[source][product], -qty), self._put_plain(target, product, qty)]
        moved: list[Line] = []
        for lot, pieces in self._pick(source, product, qty):
            moved.append((self._number(product, source, self._home(source, product), lot), -pieces))
            moved.append(self._put_lot(target, product, lot, pieces))
        return moved

    def expired(self, on: dt.date) -> list[tuple[int, Line]]:
        """Take off the shelves what expires that day or before: location and line."""
        gone: list[tuple[int, Line]] = []
        while self._expiring and self._expiring[0][0] <= on.toordinal():
            day, location, lot = heappop(self._expiring)
            product = self.lots[lot].product
            shelf = self._shelves[location, product]
            if pieces := shelf.qty.pop(lot, 0):
                shelf.order.remove((day, lot))
                self.hand[location][product] -= pieces
                gone.append((location, (self._lot_line(location, product, lot), -pieces)))
        return gone

    def _put_plain(self, location: int, product: int, qty: int) -> Line:
        self.hand[location][product] += qty
        if (line := self._plain[location][product]) < 0:
            line = self._plain[location][product] = self._line(
                StockLine(product=product, location=location, bin=self._home(location, product))
            )
        return line, qty

    def _put_lot(self, location: int, product: int, lot: int, qty: int) -> Line:
        self.hand[location][product] += qty
        shelf = self._shelves.setdefault((location, product), _Shelf())
        if lot in shelf.qty:
            shelf.qty[lot] += qty
        else:
            shelf.qty[lot] = qty
            day = self.lots[lot].expires.toordinal()
            insort(shelf.order, (day, lot))
            heappush(self._expiring, (day, location, lot))
        return self._lot_line(location, product, lot), qty

    def _pick(self, location: int, product: int, qty: int) -> list[tuple[int, int]]:
        shelf = self._shelves[location, product]
        picked = []
        while qty:
            _, lot = shelf.order[0]
            pieces = min(qty, shelf.qty[lot])
            picked.append((lot, pieces))
            qty -= pieces
            shelf.latest = lot
            if pieces == shelf.qty[lot]:
                del shelf.qty[lot], shelf.order[0]
            else:
                shelf.qty[lot] -= pieces
        return picked

    def _known_lot(self, location: int, product: int, on: dt.date) -> int:
        shelf = self._shelves.get((location, product))
        if shelf is not None and shelf.latest is not None and self.lots[shelf.latest].expires > on:
            return shelf.latest
        if shelf is not None and shelf.order:
            return shelf.order[0][1]
        return self._lot(product, on)

    def _lot(self, product: int, made: dt.date) -> int:
        if (lot := self._lot_numbers.get((product, made))) is None:
            life = self._products[product].shelf_life_days
            assert life is not None, "only what has a shelf life is kept in lots"
            self.lots.append(
                Lot(product=product, number=f"L{made:%y%j}", made=made, expires=made + dt.timedelta(days=life))
            )
            lot = self._lot_numbers[product, made] = len(self.lots) - 1
        return lot

    def _home(self, location: int, product: int) -> int:
        home = self._shelving.pick_bin[location][product]
        assert home is not None, "a product has a bin wherever an order line handles it"
        return home

    def _lot_line(self, location: int, product: int, lot: int) -> int:
        return self._number(product, location, self._home(location, product), lot)

    def _number(self, product: int, location: int, bin_: int, lot: int) -> int:
        # A lot belongs to one product and a bin to one location: the two name the line.
        if (line := self._numbers.get((bin_, lot))) is None:
            line = self._line(StockLine(product=product, location=location, bin=bin_, lot=lot))
            self._numbers[bin_, lot] = line
        return line

    def _line(self, line: StockLine) -> int:
        self.lines.append(line)
        return len(self.lines) - 1
