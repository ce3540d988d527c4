"""What stands where in a made ledger, by the names that other systems know: see tests/plans/stock.py."""

from hashlib import md5

import msgspec

from tests.plans.stock import LINES_PER_PRODUCT, LOCATIONS, SHARES

REFRESHED = 2
"""The location that is refreshed as a whole: a tenth of all lines stands there."""
UNIT = "Each"
DAY = "2026-01-31"


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """A stock line as it is named: the `share`-th of a product."""

    product: int
    share: int
    bin: int

    @property
    def sku(self) -> str:
        return f"SKU-{self.product:07}"

    @property
    def item_name(self) -> str:
        return f"Product {md5(str(self.product).encode(), usedforsecurity=False).hexdigest()}"

    @property
    def bin_code(self) -> str:
        return f"B{self.bin}"

    @property
    def bin_name(self) -> str:
        return f"Bin {self.bin}"

    @property
    def lot_name(self) -> str:
        return f"LOT-{self.product}-{self.share % 4}" if has_lots(self.product) else ""


def has_lots(product: int) -> bool:
    return product % 5 == 0


def place(lines: int, product: int, share: int) -> Place:
    bins = max(64, lines // 1000)
    location = SHARES[share]
    return Place(product=product, share=share, bin=(product * 31 + share * 7) % bins * LOCATIONS + location)


def places_at(lines: int, location: int) -> list[Place]:
    """All lines of a location."""
    shares = [share for share in range(LINES_PER_PRODUCT) if SHARES[share] == location]
    return [place(lines, product, share) for share in shares for product in range(lines // LINES_PER_PRODUCT)]


def without_lots(lines: int, number: int) -> Place:
    """One of the lines of products that have no lots, which are four fifths of all."""
    product, share = number // LINES_PER_PRODUCT, number % LINES_PER_PRODUCT
    return place(lines, product // 4 * 5 + product % 4 + 1, share)


def count_without_lots(lines: int) -> int:
    products = lines // LINES_PER_PRODUCT
    return (products - -(-products // 5)) * LINES_PER_PRODUCT
