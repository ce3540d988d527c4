"""Lists as CSV: streamed a part at a time, and safe to open in a spreadsheet.

Texts are made harmless by an apostrophe that takes nothing away (domain/cells.py). Numbers are written as numbers,
negative ones too.
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

from domain.cells import safe_text

MEDIA_TYPE = "text/csv"
_AS_THEY_ARE = frozenset({int, NoneType})
"""What the writer writes as `cell` does: most of a matrix."""


class Format(StrEnum):
    """How a list is wanted."""

    JSON = "json"
    CSV = "csv"


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
