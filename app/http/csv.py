"""Lists as CSV: streamed a part at a time, and safe to open in a spreadsheet.

A text that a spreadsheet would take for a formula gets an apostrophe in front, and so does one that begins with
apostrophes before such a text: `plain_text` takes it away again, so that nothing is lost. Numbers are written as
numbers, negative ones too.
"""

import csv
import io
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from types import NoneType
from typing import Any
from uuid import UUID

from litestar.response import Stream

MEDIA_TYPE = "text/csv"
_RISKY = frozenset("=+-@\t\r\n\0\uff1d\uff0b\uff0d\uff20")
"""What a formula begins with; some spreadsheets take the wide forms of these characters for the same."""
_AS_THEY_ARE = frozenset({int, NoneType})
"""What the writer writes as `cell` does: most of a matrix."""


class Format(StrEnum):
    """How a list is wanted."""

    JSON = "json"
    CSV = "csv"


def safe_text(text: str) -> str:
    """A text that no spreadsheet takes for a formula."""
    return f"'{text}" if _is_risky(text) else text


def plain_text(cell: str) -> str:
    """The text that `safe_text` made a cell of."""
    return cell[1:] if cell.startswith("'") and _is_risky(cell) else cell


def _is_risky(text: str) -> bool:
    return text.lstrip("'")[:1] in _RISKY


def cell(value: object) -> str:
    """One value as it stands in a cell."""
    match value:
        case None:
            text = ""
        case bool():
            text = "true" if value else "false"
        case Decimal():
            text = format(value, "f")
        case datetime():
            text = value.isoformat().replace("+00:00", "Z")
        case int() | date() | UUID():
            text = str(value)
        case _:
            text = safe_text(str(value))
    return text


def written(rows: Iterable[Sequence[object]]) -> bytes:
    """Rows as RFC 4180 has them."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows(
        [value if type(value) in _AS_THEY_ARE else cell(value) for value in row] for row in rows
    )
    return text.getvalue().encode()


def csv_answer(
    name: str,
    columns: Sequence[str],
    parts: AsyncIterator[Iterable[Sequence[object]]],
    *,
    headers: Mapping[str, str] | None = None,
) -> Any:
    """An answer that is written part by part, however long it gets; `name` is what it is saved as."""

    async def lines() -> AsyncGenerator[bytes]:
        yield written([columns])
        async for part in parts:
            yield written(part)

    return Stream(
        lines(),
        media_type=MEDIA_TYPE,
        headers={"Content-Disposition": f'attachment; filename="{name}.csv"', **(headers or {})},
    )
