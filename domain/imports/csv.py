"""Files of records: CSV as the world makes it, read once and refused helpfully.

Nothing here waits for anything, and a large file takes a second: call it off the event loop.
"""

import csv
import re
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from domain.cells import plain_text
from domain.errors import DomainError, Reason
from domain.imports.model import COLUMNS, FILE_BYTES_MAX, BadRecord, Record
from domain.imports.records import RAW_MAX, read_texts

NOT_CSV = "Invalid file type. Only CSV files are allowed."
TOO_LARGE = "File size exceeds maximum allowed size of 10MB"
MAPPINGS_REQUIRED = "Field mappings are required"
INVALID_TARGET = "Invalid mapping target"
COLUMNS_MAX = 200
"""Of a file; ours are six, and the others are there to be ignored."""
COMMAS_MAX = 20_000
"""Before a record ends: what has more is no record, and is not read into memory to find out."""
BLANK_ROWS_MAX = 100_000
_LINES = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
_OTHER_SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "bars"}


class Layout(msgspec.Struct, frozen=True, kw_only=True):
    """Which header of the file is which of our columns."""

    headers_match_exactly: bool = False
    field_mappings: Mapping[str, str] | None = None
    """The file's header → our column."""


def check_layout(layout: Layout) -> None:
    """Whether a layout can be meant, before any file is looked at.

    Raises:
        DomainError: VALIDATION_ERROR with the published messages.
    """
    if layout.headers_match_exactly:
        return
    if not layout.field_mappings:
        raise _refused("field_mappings", MAPPINGS_REQUIRED)
    if len({header.strip() for header in layout.field_mappings}) < len(layout.field_mappings):
        raise _refused("field_mappings", "A header is mapped twice")  # blanks around it are no difference
    targets = list(layout.field_mappings.values())
    unknown = [target for target in targets if target not in COLUMNS]
    if unknown:
        hint = f"'{unknown[0][:80]}' is not one of {', '.join(COLUMNS)}"
        raise _refused("field_mappings", INVALID_TARGET, hint=hint)
    for column in COLUMNS:
        if targets.count(column) != 1:
            said = "Nothing is mapped" if column not in targets else "Several headers are mapped"
            raise _refused("field_mappings", f"{said} to {column}")


def inspect_csv(content: bytes, *, file_name: str, layout: Layout, max_records: int) -> None:
    """Whether a file can be read at all: its size, type, encoding, separator, headers and number of rows.

    Raises:
        DomainError: PAYLOAD_TOO_LARGE, or VALIDATION_ERROR with the published messages.
    """
    for _ in _records(content, file_name=file_name, layout=layout, max_records=max_records):
        pass


def parse_csv(content: bytes, *, file_name: str, layout: Layout, max_records: int) -> Sequence[Record | BadRecord]:
    """The records of a file, in its order; rows count from 1, the first after the header. Empty rows are none.

    Raises:
        DomainError: as `inspect_csv`.
    """
    records: list[Record | BadRecord] = []
    for row, header, places, cells in _records(
        content, file_name=file_name, layout=layout, max_records=max_records
    ):
        if len(cells) != len(header):
            raw = {column: cells[n][:RAW_MAX] for column, n in places.items() if n < len(cells)}
            message = f"The row has {len(cells)} cells, the header has {len(header)}"
            records.append(BadRecord(row=row, raw=raw, messages=(message,)))
        else:
            records.append(read_texts(row, {column: plain_text(cells[n]) for column, n in places.items()}))
    return records


type _Row = tuple[int, Sequence[str], Mapping[str, int], Sequence[str]]
"""Its number, the header, where in it our columns are, and its cells."""


def _records(content: bytes, *, file_name: str, layout: Layout, max_records: int) -> Iterator[_Row]:
    check_layout(layout)
    rows = _cells(_text(content, file_name))
    header = [plain_text(name).strip() for name in next(rows, [])]
    places = _places(header, layout)
    found = 0
    for row, cells in enumerate(rows, start=1):
        if not any(map(str.strip, cells)):  # a blank line, or what a spreadsheet leaves below its last row
            if row - found > BLANK_ROWS_MAX:
                raise _refused("file", f"The file has more than {BLANK_ROWS_MAX} empty rows")
            continue
        found += 1
        if found > max_records:
            raise _refused("file", f"The file has more than {max_records} records")
        yield row, header, places, cells
    if not found:
        raise _refused("file", "The file has no records below its header")


def _text(content: bytes, file_name: str) -> str:
    if len(content) > FILE_BYTES_MAX:
        raise DomainError(Reason.PAYLOAD_TOO_LARGE, TOO_LARGE, fields=[{"path": "file", "message": TOO_LARGE}])
    if not file_name.lower().endswith(".csv"):
        raise _refused("file", NOT_CSV)
    if content.startswith(_UTF_16) or b"\0" in content:
        raise _refused("file", NOT_CSV, hint="The file is not UTF-8 text: save it as “CSV UTF-8”")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise _refused("file", NOT_CSV, hint="The file is not UTF-8: save it as “CSV UTF-8”") from None


def _cells(text: str) -> Iterator[list[str]]:
    """The records of a text. No record grows without bound before it is looked at."""
    commas = 0

    def lines() -> Iterator[str]:
        nonlocal commas
        for found in _LINES.finditer(text):  # a text stream would hold it all in four times the room
            line = found[0]
            commas += line.count(",")
            if commas > COMMAS_MAX:
                raise _refused("file", f"A row has more than {COMMAS_MAX} cells")
            yield line

    reader = csv.reader(lines(), strict=True)
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as problem:
            said = f"The file is not valid CSV at line {reader.line_num}: {problem}"
            raise _refused("file", said) from None
        commas = 0
        yield cells


def _places(header: Sequence[str], layout: Layout) -> Mapping[str, int]:
    """Where in the header our columns are."""
    _require_header(header)
    if layout.headers_match_exactly:
        unknown = [name for name in header if name not in COLUMNS]
        missing = [name for name in COLUMNS if name not in header]
        if unknown or missing:
            problems = [f"'{name[:80]}' is not one of them" for name in unknown[:3]]
            problems += [f"{name} is missing" for name in missing]
            raise _refused("file", f"The headers must be {', '.join(COLUMNS)}: {'; '.join(problems)}")
        return {name: header.index(name) for name in COLUMNS}
    assert layout.field_mappings is not None
    mappings = {name.strip(): column for name, column in layout.field_mappings.items()}
    missing = [name for name in mappings if name not in header]
    if missing:
        raise _refused("file", f"The file has no header '{missing[0][:80]}'")
    return {column: header.index(name) for name, column in mappings.items()}


def _require_header(header: Sequence[str]) -> None:
    if not any(map(str.strip, header)):
        raise _refused("file", "The file is empty: its first row must name the columns")
    if len(header) == 1:
        for separator, named in _OTHER_SEPARATORS.items():
            if separator in header[0]:
                wanted = "separate them by commas, and write decimals with a point"
                raise _refused("file", f"The columns are separated by {named}: {wanted}")
    if len(header) > COLUMNS_MAX:
        raise _refused("file", f"The file has more than {COLUMNS_MAX} columns")
    seen: set[str] = set()
    for name in header:
        if name and name in seen:
            raise _refused("file", f"The header '{name[:80]}' stands there twice")
        seen.add(name)


def _refused(field: str, message: str, *, hint: str | None = None) -> DomainError:
    told = {"path": field, "message": message}
    if hint is not None:
        told["hint"] = hint
    return DomainError(Reason.VALIDATION_ERROR, message, fields=[told])
