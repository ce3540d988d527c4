"""Files of records: CSV as the world makes it, read once and refused helpfully.

Nothing here waits for anything, and a large file takes a second: call it off the event loop.
"""

from collections.abc import Mapping, Sequence

import msgspec

from domain.imports.model import BadRecord, Record

NOT_CSV = "Invalid file type. Only CSV files are allowed."
TOO_LARGE = "File size exceeds maximum allowed size of 10MB"
MAPPINGS_REQUIRED = "Field mappings are required"
INVALID_TARGET = "Invalid mapping target"


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


def inspect_csv(content: bytes, *, file_name: str, layout: Layout, max_records: int) -> None:
    """Whether a file can be read at all: its size, type, encoding, separator, headers and number of rows.

    Raises:
        DomainError: PAYLOAD_TOO_LARGE, or VALIDATION_ERROR with the published messages.
    """


def parse_csv(content: bytes, *, file_name: str, layout: Layout, max_records: int) -> Sequence[Record | BadRecord]:
    """The records of a file, in its order; rows count from 1, the first after the header.

    Raises:
        DomainError: as `inspect_csv`.
    """
    raise NotImplementedError
