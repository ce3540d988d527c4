"""Made up: three places, their areas and bins, and which place an order is served from."""

import zlib
from collections.abc import Sequence

import msgspec

DC, LONDON, MANCHESTER = range(3)
HOME = "United Kingdom"
TIME_ZONE = "Europe/London"
# Of a hundred customers at home, so many are served by each shop; everybody else by the distribution centre.
LONDON_SHARE, MANCHESTER_SHARE = 16, 12
SHOP_MOST = 48  # pieces of one product: a shop sends larger orders on to the distribution centre
CORRECTION_MOST = 12


class Location(msgspec.Struct, frozen=True, kw_only=True):
    """A site; `kind` is WAREHOUSE or STORE."""

    code: str
    name: str
    kind: str
    time_zone: str = TIME_ZONE


class Area(msgspec.Struct, frozen=True, kw_only=True):
    """A part of a site."""

    location: int
    code: str
    name: str


class Bin(msgspec.Struct, frozen=True, kw_only=True):
    """A place for stock in an area; `order` is the walking order in its site."""

    location: int
    area: str
    code: str
    type: str
    order: int


LOCATIONS = (
    Location(code="DC-DAVENTRY", name="Daventry distribution centre", kind="WAREHOUSE"),
    Location(code="ST-LONDON", name="London shop", kind="STORE"),
    Location(code="ST-MANCHESTER", name="Manchester shop", kind="STORE"),
)
# Zone letter = class of the product; aisles, bays in an aisle, levels in a bay, products that share a bin.
ZONES = {"A": (8, 1), "B": (12, 2), "C": (16, 4)}
LEVELS = 4
SHELF_PRODUCTS = 12  # products on one shelf of a shop
SERVICE_AREAS = (
    ("IN", "Goods in", (("RECEIVING", 4),)),
    ("OUT", "Goods out", (("STAGING", 4),)),
    ("QA", "Quality", (("QUARANTINE", 2), ("DAMAGE", 1))),
)


class Shelving(msgspec.Struct, frozen=True, kw_only=True):
    """All areas and bins, and the bin of each product at each location (none where it is not kept)."""

    areas: tuple[Area, ...]
    bins: tuple[Bin, ...]
    pick_bin: tuple[tuple[int | None, ...], ...]
    quarantine: tuple[int, ...]


def place_of(*, customer: str, country: str, largest: int, adjusted: str | None) -> int:
    """The place that serves a customer's order, the same every time; `adjusted` is a correction's number."""
    if adjusted is not None:
        draw = zlib.crc32(adjusted.encode()) % 100 if largest <= CORRECTION_MOST else 100
    elif not customer or country != HOME or largest > SHOP_MOST:
        return DC
    else:
        draw = zlib.crc32(customer.encode()) % 100
    if draw < LONDON_SHARE:
        return LONDON
    return MANCHESTER if draw < LONDON_SHARE + MANCHESTER_SHARE else DC


class _Builder:
    """Adds areas and bins in walking order."""

    def __init__(self) -> None:
        self.areas: list[Area] = []
        self.bins: list[Bin] = []
        self._order = [0] * len(LOCATIONS)

    def area(self, location: int, code: str, name: str) -> str:
        self.areas.append(Area(location=location, code=code, name=name))
        return code

    def bin(self, location: int, area: str, code: str, kind: str) -> int:
        self._order[location] += 10
        self.bins.append(Bin(location=location, area=area, code=code, type=kind, order=self._order[location]))
        return len(self.bins) - 1


def shelve(order: Sequence[int], classes: Sequence[str], seen_at: Sequence[Sequence[bool]]) -> Shelving:
    """Give every product a bin at the distribution centre by its class, and a shelf in each shop that handles it.

    `order` holds the products as bins are given out, `classes` A, B or C by product; `seen_at[location][product]`.
    """
    build = _Builder()
    pick_bin: list[list[int | None]] = [[None] * len(classes) for _ in LOCATIONS]
    for zone, (bays, share) in ZONES.items():
        area = build.area(DC, zone, f"Pick zone {zone}")
        members = [number for number in order if classes[number] == zone]
        for position, number in enumerate(members):
            slot, sharing = divmod(position, share)
            if not sharing:
                aisle, place = divmod(slot, bays * LEVELS)
                bay, level = divmod(place, LEVELS)
                build.bin(DC, area, f"{zone}{aisle + 1:02d}-{bay + 1:02d}-{level + 1}", "PICKING")
            pick_bin[DC][number] = len(build.bins) - 1
    for location in (LONDON, MANCHESTER):
        area = build.area(location, "SHOP", "Shop floor")
        members = [number for number in order if seen_at[location][number]]
        for position, number in enumerate(members):
            if not position % SHELF_PRODUCTS:
                build.bin(location, area, f"S-{position // SHELF_PRODUCTS + 1:03d}", "STANDARD")
            pick_bin[location][number] = len(build.bins) - 1
    quarantine = [_service_bins(build, location) for location in range(len(LOCATIONS))]
    return Shelving(
        areas=tuple(build.areas),
        bins=tuple(build.bins),
        pick_bin=tuple(map(tuple, pick_bin)),
        quarantine=tuple(quarantine),
    )


def _service_bins(build: _Builder, location: int) -> int:
    """Receiving, staging, quarantine and damage; returns the quarantine bin."""
    quarantine = -1
    for code, name, kinds in SERVICE_AREAS:
        area = build.area(location, code, name)
        for kind, count in kinds:
            for number in range(1, (count if location == DC else 1) + 1):
                made = build.bin(location, area, f"{kind}-{number}", kind)
                if kind == "QUARANTINE" and number == 1:
                    quarantine = made
    return quarantine
