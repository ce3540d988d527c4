"""Rules of the catalog: pure functions from facts to what is wrong with them.

The same rules hold for one thing from a form and for thousands from a file.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal
from functools import lru_cache
from itertools import pairwise
from zoneinfo import available_timezones

import msgspec

from domain.access.model import Act
from domain.catalog.model import (
    Area,
    Bin,
    Capability,
    Category,
    Conversion,
    Factor,
    Location,
    LocationType,
    Lot,
    Product,
    StockLevels,
    Uom,
)
from domain.errors import DomainError, FieldError, Reason
from domain.expiry.model import Code, LotPolicy
from domain.expiry.pattern import lot_pattern
from domain.expiry.rules import validate_incoming
from domain.values import Quantity, clean_line, clean_text

type Problem = tuple[str, str]
"""The wire's name of a field, and what is wrong with it."""

DAYS_MAX = 36_500
WALK_ORDER_MAX = 1_000_000
PROBLEMS_MAX = 50

LENGTHS: Mapping[type, Mapping[str, int]] = {
    Category: {"code": 64, "name": 200},
    Uom: {"code": 32, "name": 200},
    Conversion: {},
    Product: {"sku": 64, "name": 300, "description": 4000, "barcode": 64, "lot_pattern": 200},
    Location: {"code": 64, "name": 200, "time_zone": 64},
    Area: {"code": 64, "name": 200},
    Bin: {"code": 64, "name": 200, "zone": 64},
    Lot: {"number": 64, "supplier_lot": 64},
    StockLevels: {},
}
_SEVERAL_LINES = frozenset({"description"})

DEFAULT_CAPABILITIES: Mapping[LocationType, tuple[Capability, ...]] = {
    LocationType.WAREHOUSE: (Capability.COUNTS, Capability.PICKS, Capability.RECEIVES, Capability.SHIPS),
    LocationType.STORE: (Capability.COUNTS, Capability.PICKS, Capability.RECEIVES, Capability.SELLS),
    LocationType.DEPOT: (Capability.COUNTS, Capability.RECEIVES, Capability.SHIPS),
    LocationType.IN_TRANSIT: (),
    LocationType.DESTRUCTION: (Capability.RECEIVES,),
}
"""What a location may do where nothing else is said."""

_NAMES = {
    "expires_on": "expiryDate",
    "is_active": "active",
    "manufactured_on": "manufacturedDate",
    "number": "lotNumber",
    "product_id": "productMasterId",
}


def path_of(attribute: str) -> str:
    """The wire's name of an attribute."""
    head, *rest = attribute.split("_")
    return _NAMES.get(attribute) or head + "".join(part.title() for part in rest)


def checked[F: msgspec.Struct](facts: F, problems_of: Callable[[F], Iterable[Problem]]) -> F:
    """The facts with their texts clean.

    Raises:
        FieldError: all that is wrong with them.
    """
    (clean,) = checked_all([facts], problems_of, at="")
    return clean


def checked_all[F: msgspec.Struct](
    many: Sequence[F], problems_of: Callable[[F], Iterable[Problem]], *, at: str
) -> Sequence[F]:
    """Many facts with their texts clean; `at[n].` leads each path, unless `at` is empty.

    Raises:
        FieldError: what is wrong with them, the first problems of it.
    """
    clean: list[F] = []
    problems: list[Problem] = []
    for n, facts in enumerate(many):
        lead = f"{at}[{n}]." if at else ""
        found: list[Problem] = []
        facts = _clean(facts, found)  # noqa: PLW2901 - from here on only the clean ones
        if not found:  # rules speak of clean facts
            found += problems_of(facts)
        clean.append(facts)
        problems += [(lead + path, message) for path, message in found]
        if len(problems) >= PROBLEMS_MAX:
            break
    if problems:
        raise FieldError(*problems[:PROBLEMS_MAX])
    return clean


def _clean[F: msgspec.Struct](facts: F, problems: list[Problem]) -> F:
    changes: dict[str, str] = {}
    for name, longest in LENGTHS[type(facts)].items():
        value = getattr(facts, name)
        if value is None:
            continue
        try:
            clean = (
                clean_text(value, longest=longest)
                if name in _SEVERAL_LINES
                else clean_line(value, longest=longest)
            )
        except ValueError as problem:
            problems.append((path_of(name), str(problem)))
        else:
            if clean != value:
                changes[name] = clean
    return msgspec.structs.replace(facts, **changes) if changes else facts


def no_problems(_: object) -> Iterable[Problem]:
    """Of categories and areas: clean texts are all that is asked."""
    return ()


def uom_problems(uom: Uom) -> Iterator[Problem]:
    if not 0 <= uom.decimals <= 4:  # noqa: PLR2004 - quantities have four places
        yield "decimals", "must be between 0 and 4"


def conversion_problems(conversion: Conversion) -> Iterator[Problem]:
    if conversion.from_uom_id == conversion.to_uom_id:
        yield "toUomId", "must be another unit than fromUomId"
    try:
        Factor.of(conversion.factor)
    except ValueError as problem:
        yield "factor", str(problem)


def product_problems(product: Product) -> Iterator[Problem]:
    yield from _quantity("unit_cost", product.unit_cost)
    for name in ("shelf_life_days", "min_remaining_shelf_life_days", "expiry_warning_days"):
        yield from _days(name, getattr(product, name))
    if product.is_expiry_required and not product.is_lot_controlled:
        yield "isExpiryRequired", "needs lot control: it is lots that expire"
    life, least = product.shelf_life_days, product.min_remaining_shelf_life_days
    if life is not None and least is not None and least > life:
        yield "minRemainingShelfLifeDays", "must not exceed shelfLifeDays, or nothing could ever come in"
    if product.lot_pattern is not None:
        try:
            lot_pattern(product.lot_pattern)
        except ValueError as problem:
            yield "lotPattern", str(problem)


def location_problems(location: Location) -> Iterator[Problem]:
    if not is_time_zone(location.time_zone):
        yield "timeZone", "is not a time zone of the IANA database, like Europe/London"


def bin_problems(place: Bin) -> Iterator[Problem]:
    if not 0 <= place.walk_order <= WALK_ORDER_MAX:
        yield "walkOrder", f"must be between 0 and {WALK_ORDER_MAX}"
    for name in ("capacity_units", "capacity_volume", "capacity_weight"):
        yield from _quantity(name, getattr(place, name))
    if place.is_default and not place.is_active:
        yield "active", "the default bin is in use as long as its location is there"


def lot_problems(lot: Lot, policy: LotPolicy, *, before: Lot | None = None) -> Iterator[Problem]:
    """What a product's policy, and sense, demand of its lots; of what is not changed nothing is demanded anew.

    A lot that has expired may be put on record, and one may be prepared before its product has lot control.
    """
    if lot.expires_on is not None and lot.manufactured_on is not None and lot.expires_on < lot.manufactured_on:
        yield "expiryDate", "must not lie before manufacturedDate"
    found = validate_incoming(
        msgspec.structs.replace(policy, is_lot_controlled=True),
        lot_number=lot.number,
        expires_on=lot.expires_on,
        existing=None,
        today=lot.expires_on or date.min,
    )
    for error in found.errors:
        kept = before is not None and (
            (error.code is Code.LOT_FORMAT and lot.number == before.number)
            or (error.code is Code.EXPIRY_REQUIRED and before.expires_on is None)
        )
        if error.code is not Code.SHELF_LIFE_TOO_SHORT and not kept:
            yield error.field, error.message


def level_problems(levels: StockLevels) -> Iterator[Problem]:
    for name in ("min_qty", "reorder_qty", "max_qty", "safety_stock"):
        yield from _quantity(name, getattr(levels, name))
    yield from _days("lead_time_days", levels.lead_time_days)
    rising = [
        (path_of(name), value)
        for name in ("min_qty", "reorder_qty", "max_qty")
        if (value := getattr(levels, name)) is not None
    ]
    for (below, low), (above, high) in pairwise(rising):
        if low > high:
            yield above, f"must not be less than {below}: minQty ≤ reorderQty ≤ maxQty"


def _quantity(name: str, value: Decimal | None) -> Iterator[Problem]:
    if value is None:
        return
    try:
        if Quantity.of(value) < 0:
            yield path_of(name), "must not be negative"
    except ValueError as problem:
        yield path_of(name), str(problem)


def _days(name: str, value: int | None) -> Iterator[Problem]:
    if value is not None and not 0 <= value <= DAYS_MAX:
        yield path_of(name), f"must be between 0 and {DAYS_MAX} days"


def is_time_zone(name: str) -> bool:
    return name in _time_zones()


@lru_cache(maxsize=1)
def _time_zones() -> frozenset[str]:
    # These two are names of files, not of zones.
    return frozenset(available_timezones() - {"Factory", "localtime"})


def capabilities(wanted: Iterable[Capability]) -> tuple[Capability, ...]:
    """Each once, in the alphabet's order: the same set is the same value."""
    return tuple(sorted(set(wanted)))


def require_everywhere(act: Act) -> None:
    """Refuse a change of what all locations share to a caller whose rights are limited to some of them."""
    if act.scope is not None:
        message = "Your rights are limited to locations, and this is shared by all of them"
        raise DomainError(Reason.LOCATION_DENIED, message)
