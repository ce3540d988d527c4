"""From names to things: exactly and case-sensitively, and never by a guess."""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from uuid import UUID

import msgspec

from domain.access.model import Scope
from domain.catalog.units import factor_between, scaled
from domain.errors import FieldError
from domain.imports.facts import BinPlace, Catalogue, Item, Place, Unit
from domain.imports.model import BadRecord, Record


class Located(msgspec.Struct, frozen=True, kw_only=True):
    """A record whose names are known."""

    record: Record
    place: Place
    item: Item
    bin: BinPlace
    quantity: Decimal
    """In the item's own unit."""


class Unlocated(msgspec.Struct, frozen=True, kw_only=True):
    """A record that cannot be applied; `product_ids` is whose stock it may be about."""

    record: Record | BadRecord
    messages: tuple[str, ...]
    product_ids: tuple[UUID, ...] = ()


type Judged = Located | Unlocated


def locate(records: Iterable[Record | BadRecord], catalogue: Catalogue, scope: Scope) -> list[Judged]:
    """Find what each record names. Among things of one name those count that are active and within the scope."""
    finder = _Finder(catalogue, scope)
    return [finder.locate(record) for record in records]


class _Finder:
    """Looks names up, and remembers what it found."""

    def __init__(self, catalogue: Catalogue, scope: Scope) -> None:
        self._catalogue = catalogue
        self._scope = scope
        self._units = _by_name(catalogue.units)
        self._bins: dict[str, BinPlace | str] = {}
        self._factors: dict[tuple[UUID, UUID, UUID | None], Fraction | None] = {}
        self._with_own_units = {one.product_id for one in catalogue.conversions if one.product_id is not None}

    def locate(self, record: Record | BadRecord) -> Judged:
        if isinstance(record, BadRecord):
            items = self._catalogue.items.get(record.raw.get("item_name", "").strip(), ())
            return Unlocated(record=record, messages=record.messages, product_ids=tuple(item.id for item in items))
        item, lot_id, about_item = self._item(record)
        bin_ = self.bin(record.bin_name)
        unit = self._units.get(record.uom)
        messages = list(about_item)
        if isinstance(bin_, str):
            messages.append(bin_)
        if unit is None:
            messages.append(f"UOM with name '{record.uom}' does not exist")
        elif isinstance(unit, str):
            messages.append(unit)
        quantity = record.quantity
        if item is not None and isinstance(unit, Unit):
            try:
                quantity = self._converted(record.quantity, unit, item)
            except FieldError as problem:
                messages += [f"quantity {field['message']}" for field in _fields(problem)]
        if messages or item is None or lot_id is None or isinstance(bin_, str):
            named = self._catalogue.items.get(record.item_name, ())
            return Unlocated(record=record, messages=tuple(messages), product_ids=tuple(one.id for one in named))
        place = Place(product_id=item.id, location_id=bin_.location_id, bin_id=bin_.id, lot_id=lot_id)
        return Located(record=record, place=place, item=item, bin=bin_, quantity=quantity)

    def bin(self, name: str) -> BinPlace | str:
        """The bin of a name, or why there is none."""
        if name not in self._bins:
            self._bins[name] = self._find_bin(name)
        return self._bins[name]

    def _find_bin(self, name: str) -> BinPlace | str:
        found = self._catalogue.bins.get(name, ())
        if not found:
            return f"Bin with name '{name}' does not exist"
        mine = [one for one in found if self._scope is None or one.location_id in self._scope]
        if not mine:
            return f"Your rights do not cover the location of the bin '{name}'"
        mine = [one for one in mine if one.is_active] or mine
        if len(mine) == 1:
            return mine[0]
        example = f"{mine[0].location_code}/{mine[0].name}"
        return (
            f"Bin with name '{name}' is not unique: {len(mine)} bins have it; name its location, as in '{example}'"
        )

    def _item(self, record: Record) -> tuple[Item | None, UUID | None, list[str]]:
        """The item with its lot: among items of one name it is the one that has the lot."""
        found = self._catalogue.items.get(record.item_name, ())
        if not found:
            return None, None, [f"Item with name '{record.item_name}' does not exist"]
        found = [one for one in found if one.is_active] or found
        lots = {one.id: self._catalogue.lots.get((one.id, record.lot_name)) for one in found}
        with_lot = [one for one in found if lots[one.id] is not None]
        if len(with_lot) == 1:
            return with_lot[0], lots[with_lot[0].id], []
        if len(found) == 1:
            return found[0], None, [f"Lot with name '{record.lot_name}' does not exist"]
        return None, None, [f"Item with name '{record.item_name}' is not unique: {len(found)} items have it"]

    def _converted(self, quantity: Decimal, unit: Unit, item: Item) -> Decimal:
        """The quantity in the item's own unit.

        Raises:
            FieldError: there is no conversion, or it would have to round.
        """
        if unit.id == item.uom_id:
            return quantity
        own = item.id if item.id in self._with_own_units else None
        key = (unit.id, item.uom_id, own)
        if key not in self._factors:
            self._factors[key] = factor_between(
                unit.id, item.uom_id, product_id=own, conversions=self._catalogue.conversions
            )
        factor = self._factors[key]
        if factor is None:
            raise FieldError(("quantity", f"cannot be converted from {unit.code} to the item's own unit"))
        return scaled(quantity, factor)


def _by_name(units: Sequence[Unit]) -> Mapping[str, Unit | str]:
    """Units by abbreviation and, where no abbreviation is the same, by name."""
    named: dict[str, Unit | str] = {}
    for unit in units:
        taken = unit.name in named
        named[unit.name] = f"UOM with name '{unit.name}' is not unique: use its abbreviation" if taken else unit
    return named | {unit.code: unit for unit in units}


def _fields(problem: FieldError) -> list[dict[str, str]]:
    fields = problem.facts["fields"]
    assert isinstance(fields, list)
    return fields
