"""Order lines as the source has them, read from the shipped file or from the full CSV."""

import contextlib
import csv
import datetime as dt
import lzma
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, NamedTuple

from domain.errors import DomainError, Reason

EPOCH = dt.date(1970, 1, 1).toordinal()
MINUTES_PER_DAY = 1440
COLUMNS = (
    "InvoiceNo",
    "StockCode",
    "Description",
    "Quantity",
    "InvoiceDate",
    "UnitPrice",
    "CustomerID",
    "Country",
)

type Reader = Callable[[], Iterator["Row"]]
"""Opens the source anew: the planner reads it more than once instead of holding it."""


class DemoDataError(DomainError):
    """The demonstration cannot be made; the message is one sentence for the person at the terminal."""

    def __init__(self, message: str) -> None:
        super().__init__(Reason.VALIDATION_ERROR, message)


class Row(NamedTuple):
    """One order line, to the letter of the source; times are local to the shop, to the minute."""

    invoice: str
    code: str
    description: str
    qty: int
    minute: int
    """Minutes since 1970-01-01 00:00, local time."""
    mils: int
    """Unit price in thousandths of a pound."""
    customer: str
    country: str


def day_of(minute: int) -> dt.date:
    """The local calendar day of a row's minute."""
    return dt.date.fromordinal(EPOCH + minute // MINUTES_PER_DAY)


def by_day(rows: Iterator[Row]) -> Iterator[tuple[dt.date, list[Row]]]:
    """Group rows into trading days; refuses rows that go back in time, as streaming needs them in order."""
    today: list[Row] = []
    day = latest = -1
    for row in rows:
        if row.minute < latest:
            raise DemoDataError(f"invoice {row.invoice} goes back in time: sort the file by InvoiceDate first")
        latest = row.minute
        if (this := row.minute // MINUTES_PER_DAY) != day:
            if today:
                yield day_of(today[0].minute), today
            today, day = [], this
        today.append(row)
    if today:
        yield day_of(today[0].minute), today


def read_csv(path: Path) -> Iterator[Row]:
    """Rows of a `.csv` or `.csv.xz` file, one at a time; a line that cannot be read ends it with a sentence."""
    with contextlib.ExitStack() as stack:
        try:
            file = stack.enter_context(_open_text(path))
            lines = csv.reader(file)
            header = tuple(next(lines, ()))
        except (OSError, lzma.LZMAError, UnicodeDecodeError) as error:
            raise DemoDataError(f"{path} cannot be read: {error}") from error
        if header != COLUMNS:
            raise DemoDataError(f"{path} does not start with the columns {','.join(COLUMNS)}")
        yield from _parse(path, lines)


def _open_text(path: Path) -> IO[str]:
    if path.suffix == ".xz":
        return lzma.open(path, "rt", encoding="utf-8", newline="")
    return path.open(encoding="utf-8", newline="")


def _parse(path: Path, lines: Iterator[list[str]]) -> Iterator[Row]:
    minutes: dict[str, int] = {}
    line = 1
    try:
        for line, cells in enumerate(lines, start=2):  # noqa: B007  # the number is for the message below
            invoice, code, description, qty, at, price, customer, country = cells
            if (minute := minutes.get(at)) is None:
                # Lines of one invoice share their time: the last one seen is the one asked for next.
                minutes.clear()
                minute = minutes[at] = _minute(at)
            yield Row(invoice, code, description, int(qty), minute, round(float(price) * 1000), customer, country)
    except (ValueError, OverflowError, csv.Error, OSError, EOFError, lzma.LZMAError) as error:
        raise DemoDataError(f"{path} has something unreadable after line {line}: {error}") from error


def _minute(text: str) -> int:
    at = dt.datetime.fromisoformat(text)
    return (at.toordinal() - EPOCH) * MINUTES_PER_DAY + at.hour * 60 + at.minute
