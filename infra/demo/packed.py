"""The shipped form of the data: the same rows column by column, each column compressed on its own.

Nothing is lost: unpacking gives back every row of the source, in its order. What makes it small is that each
column is written as its difference from what is expected: an invoice number from the one before, a price or a
description from the latest one of the same stock code.
"""

import json
import lzma
import re
import sys
from array import array
from collections.abc import Callable, Iterable, Iterator
from itertools import groupby, islice
from pathlib import Path
from typing import Any

from infra.demo.rows import DemoDataError, Row

SHIPPED = Path(__file__).with_name("online_retail.columns")
FORMAT = "storekeeper-demo-1"
NEW = 255  # in a recency column: a value this stock code has not had yet, which stands in the column of new ones
INVOICE = re.compile(r"([A-Z]?)(\d{6})")
PREFIXES = ("", "C", "A")
TABLES = ("codes", "countries", "texts")

type Columns = dict[str, bytes]


class _Recency[T]:
    """The values each key has had, latest first: most rows repeat the value their stock code had last."""

    def __init__(self) -> None:
        self._seen: dict[int, list[T]] = {}

    def rank(self, key: int, value: T) -> int:
        """Where the value stands, and put it first; NEW when it does not stand there."""
        seen = self._seen.setdefault(key, [])
        rank = seen.index(value) if value in seen else NEW
        if rank < NEW:
            del seen[rank]
        seen.insert(0, value)
        return min(rank, NEW)

    def value(self, key: int, rank: int, new: Callable[[], T]) -> T:
        """The value that stands at the rank, or a new one, and put it first."""
        if rank == 0:
            return self._seen[key][0]
        seen = self._seen.setdefault(key, [])
        value = new() if rank == NEW else seen.pop(rank)
        seen.insert(0, value)
        return value


def to_columns(rows: Iterable[Row]) -> Columns:
    """The rows as columns of bytes, not compressed yet."""
    kept = list(rows)
    tables: dict[str, list[str]] = {
        "codes": sorted({row.code for row in kept}),
        "countries": sorted({row.country for row in kept}),
        "texts": list(dict.fromkeys(row.description for row in kept)),
    }
    index = {name: {text: number for number, text in enumerate(texts)} for name, texts in tables.items()}
    out = {name: bytearray() for name in ("code", "qty", "price", "new_price", "text", "new_text")}
    prices, descriptions = _Recency[int](), _Recency[str]()
    for row in kept:
        code = index["codes"][row.code]
        out["code"] += code.to_bytes(2, "big")
        _put(out["qty"], _fold(row.qty))
        out["price"].append(rank := prices.rank(code, row.mils))
        if rank == NEW:
            _put(out["new_price"], _fold(row.mils))
        out["text"].append(rank := descriptions.rank(code, row.description))
        if rank == NEW:
            _put(out["new_text"], index["texts"][row.description])
    return {
        **{name: "\n".join(texts).encode() for name, texts in tables.items()},
        **_invoice_columns(kept, index["countries"]),
        **{name: bytes(data) for name, data in out.items()},
    }


def _invoice_columns(rows: list[Row], countries: dict[str, int]) -> Columns:
    out = {name: bytearray() for name in ("run", "prefix", "invoice", "minute", "customer", "country")}
    number = minute = 0
    for (invoice, at, customer, country), lines in groupby(
        rows, key=lambda row: (row.invoice, row.minute, row.customer, row.country)
    ):
        matched = INVOICE.fullmatch(invoice)
        if matched is None or matched[1] not in PREFIXES:
            raise DemoDataError(f"invoice number {invoice!r} has a shape that the compact file does not know")
        _put(out["run"], sum(1 for _ in lines))
        out["prefix"].append(PREFIXES.index(matched[1]))
        _put(out["invoice"], _fold(int(matched[2]) - number))
        _put(out["minute"], _fold(at - minute))
        _put(out["customer"], int(customer or 0))
        out["country"].append(countries[country])
        number, minute = int(matched[2]), at
    return {name: bytes(data) for name, data in out.items()}


def from_columns(columns: Columns) -> Iterator[Row]:
    """The rows again, one at a time."""
    codes, countries, texts = (columns[name].decode().split("\n") for name in TABLES)
    new_price, new_text = _take(columns["new_price"]), _take(columns["new_text"])
    price_of, text_of = _Recency[int]().value, _Recency[str]().value

    def fresh_price() -> int:
        return _unfold(next(new_price))

    def fresh_text() -> str:
        return texts[next(new_text)]

    lines = zip(_pairs(columns["code"]), _take(columns["qty"]), columns["price"], columns["text"], strict=True)
    heads = zip(
        _take(columns["run"]),
        columns["prefix"],
        _take(columns["invoice"]),
        _take(columns["minute"]),
        _take(columns["customer"]),
        columns["country"],
        strict=True,
    )
    number = minute = 0
    for run, prefix, ahead, later, customer, country in heads:
        number += _unfold(ahead)
        minute += _unfold(later)
        invoice, buyer, land = f"{PREFIXES[prefix]}{number:06d}", str(customer or ""), countries[country]
        for code, qty, price, text in islice(lines, run):
            yield Row(
                invoice,
                codes[code],
                text_of(code, text, fresh_text),
                _unfold(qty),
                minute,
                price_of(code, price, fresh_price),
                buyer,
                land,
            )


def write(path: Path, columns: Columns, about: dict[str, Any]) -> None:
    """One line of JSON that says what the file is, then the columns, each an xz stream of its own."""
    packed = {name: _compress(data, wide=name == "code") for name, data in columns.items()}
    header = {"format": FORMAT, **about, "columns": {name: len(data) for name, data in packed.items()}}
    path.write_bytes(b"".join([json.dumps(header).encode(), b"\n", *packed.values()]))


def read(path: Path) -> tuple[dict[str, Any], Columns]:
    """What the file says of itself, and its columns."""
    try:
        line, _, data = path.read_bytes().partition(b"\n")
        header = json.loads(line)
        if header["format"] != FORMAT:
            raise DemoDataError(f"{path} is in the format {header['format']}, this program reads {FORMAT}")
        columns, start = {}, 0
        for name, size in header["columns"].items():
            columns[name] = lzma.decompress(data[start : start + size], format=lzma.FORMAT_XZ)
            start += size
    except (OSError, ValueError, KeyError, TypeError, lzma.LZMAError) as error:
        raise DemoDataError(f"{path} is not the demonstration's data: {error}") from error
    return header, columns


def _compress(data: bytes, *, wide: bool) -> bytes:
    filters: list[dict[str, Any]] = [
        {
            "id": lzma.FILTER_LZMA2,
            "preset": 9 | lzma.PRESET_EXTREME,
            "dict_size": 4 << 20,  # what is unpacked stays small, so the unpacker's memory may, too
            "lc": 0 if wide else 3,
            "lp": 1 if wide else 0,
            "pb": 1 if wide else 0,
        }
    ]
    return lzma.compress(data, format=lzma.FORMAT_XZ, check=lzma.CHECK_CRC32, filters=filters)


def _fold(number: int) -> int:
    """A signed number as a natural one, small magnitudes first: 0, -1, 1, -2 and so on."""
    return number << 1 if number >= 0 else (-number << 1) - 1


def _unfold(number: int) -> int:
    return (number >> 1) ^ -(number & 1)


def _put(out: bytearray, number: int) -> None:
    """Seven bits a byte, lowest first; the high bit says that more follows."""
    while number >= 0x80:  # noqa: PLR2004
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)


def _take(data: bytes) -> Iterator[int]:
    number = shift = 0
    for byte in data:
        if byte < 0x80:  # noqa: PLR2004
            yield number | byte << shift
            number = shift = 0
        else:
            number |= (byte & 0x7F) << shift
            shift += 7


def _pairs(data: bytes) -> array[int]:
    numbers = array("H", data)
    if sys.byteorder == "little":
        numbers.byteswap()
    return numbers
