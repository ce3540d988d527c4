"""Records in requests: JSON values into the same records as files give."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import cast

from domain.imports.model import COLUMNS, BadRecord, Record
from domain.imports.values import check_quantity, read_day, read_name, read_quantity

RAW_MAX = 300
"""So many characters of a bad value are kept."""


def read_payload(payload: Sequence[object]) -> Sequence[Record | BadRecord]:
    """Decoded JSON values (numbers as int or Decimal, never float), judged one by one; rows count from 0.

    A value that is no object, a field that is missing, unknown or of another type makes a bad record, and no bad
    request.
    """
    return [_read_object(row, value) for row, value in enumerate(payload)]


def read_texts(row: int, cells: Mapping[str, str]) -> Record | BadRecord:
    """A record of a file: a text for each of the columns."""
    return _record(
        row,
        cells,
        quantity=lambda: read_quantity(cells["quantity"]),
        raw={column: cells[column][:RAW_MAX] for column in COLUMNS},
    )


def _read_object(row: int, value: object) -> Record | BadRecord:
    if not isinstance(value, dict):
        return BadRecord(row=row, raw={}, messages=("A record must be an object",))
    raw = {name: _text(value[name]) for name in COLUMNS if name in value}
    messages = [f"{name} is required" for name in COLUMNS if name not in value]
    messages += [f"'{str(name)[:80]}' is not a field of a record" for name in value if name not in COLUMNS]
    messages += [
        f"{name} must be a text"
        for name in COLUMNS
        if name != "quantity" and name in value and not isinstance(value[name], str)
    ]
    amount = value.get("quantity", 0)
    if isinstance(amount, bool) or not isinstance(amount, int | Decimal):
        messages.append("quantity must be a number")
    if messages:
        return BadRecord(row=row, raw=raw, messages=tuple(messages))
    return _record(row, value, quantity=lambda: check_quantity(cast("int | Decimal", amount)), raw=raw)


def _record(
    row: int, texts: Mapping[str, str], *, quantity: Callable[[], Decimal], raw: Mapping[str, str]
) -> Record | BadRecord:
    messages: list[str] = []

    def tried[T](read: Callable[[], T], instead: T) -> T:
        try:
            return read()
        except ValueError as problem:
            messages.append(str(problem))
            return instead

    record = Record(
        row=row,
        item_name=tried(lambda: read_name("item_name", texts["item_name"]), ""),
        bin_name=tried(lambda: read_name("bin_name", texts["bin_name"]), ""),
        lot_name=tried(lambda: read_name("lot_name", texts["lot_name"]), ""),
        date_filled=tried(lambda: read_day(texts["date_filled"]), date.min),
        quantity=tried(quantity, Decimal(0)),
        uom=tried(lambda: read_name("uom", texts["uom"]), ""),
    )
    return BadRecord(row=row, raw=raw, messages=tuple(messages)) if messages else record


def _text(value: object) -> str:
    if isinstance(value, str):
        return value[:RAW_MAX]
    if isinstance(value, bool):
        return "true" if value else "false"
    # Not through `str(int)`, which refuses long ones.
    return str(Decimal(value))[:RAW_MAX] if isinstance(value, int | Decimal) else ""
