"""Records from outside, and what becomes of them.

A record is the quantity of an item in a bin, of a lot, filled on a day. The ledger's stock line has no day: of
what days its stock is, its layers tell (layers.py, domain/decisions/0004).
"""

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

import msgspec

COLUMNS = ("item_name", "bin_name", "lot_name", "date_filled", "quantity", "uom")
"""Of a record, in files and requests alike."""
RECORDS_MAX = 1_000
"""Records of one import."""
REFRESH_RECORDS_MAX = 100_000
"""Records of one refresh."""
FILE_BYTES_MAX = 10 * 1024 * 1024


class ImportType(StrEnum):
    """What was done; also the type of its job. The values are published."""

    IMPORT = "inventory-import"
    REFRESH = "inventory-refresh"
    BATCH_DELETE = "inventory-batch-delete"


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """One record as it was sent, its values read. `row` counts from 0 in requests and from 1 in files."""

    row: int
    item_name: str
    bin_name: str
    lot_name: str
    """'' names the stock of an item that is kept without lots."""
    date_filled: date
    quantity: Decimal
    """In `uom`."""
    uom: str


class BadRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One that could not be read: it counts as failed. `raw` is what stood there, by column."""

    row: int
    raw: Mapping[str, str]
    messages: tuple[str, ...]


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """How an import is to be done."""

    allow_record_creation: bool
    allow_record_update: bool
    should_continue_on_error: bool
    """Good rows stand though others are bad; otherwise one bad row stops them all."""
    dry_run: bool = False
    """Say what would be done, and do nothing."""


class Names(msgspec.Struct, frozen=True, kw_only=True):
    """Filters by name: of one kind ORed, the kinds ANDed; an empty one filters nothing."""

    items: tuple[str, ...] = ()
    locations: tuple[str, ...] = ()
    location_areas: tuple[str, ...] = ()
    bins: tuple[str, ...] = ()
    lots: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        return not (self.items or self.locations or self.location_areas or self.bins or self.lots)


class RefreshScope(msgspec.Struct, frozen=True, kw_only=True):
    """What a refresh replaces: the stock that `names` tell, or all of the tenant's that the caller may touch."""

    names: Names = Names()
    everything: bool = False


class DeleteRow(msgspec.Struct, frozen=True, kw_only=True):
    """Records to delete: those that agree with everything that is named."""

    item: str
    location: str | None = None
    location_area: str | None = None
    bin: str | None = None
    lot: str | None = None
    date_filled: date | None = None


class DeleteFilters(msgspec.Struct, frozen=True, kw_only=True):
    """Records to delete by filters. Stock without a fill date is outside of every range of dates."""

    names: Names = Names()
    date_filled_from: date | None = None
    date_filled_to: date | None = None

    @property
    def is_empty(self) -> bool:
        return self.names.is_empty and self.date_filled_from is None and self.date_filled_to is None


class Action(StrEnum):
    """What becomes of a row. The values are published."""

    CREATE = "create"
    UPDATE = "update"
    UNCHANGED = "unchanged"
    DELETE = "delete"
    """Not in the upload of a refresh, or named to be deleted."""
    ERROR = "error"


class RowOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """What became, or would become, of one row; `old` and `new` in the item's own unit."""

    row: int | None
    """None of a record that is not in the upload."""
    action: Action
    item_name: str
    bin_name: str
    lot_name: str
    date_filled: str
    """As it was sent; '' of stock without a fill date."""
    quantity: str
    """As it was sent."""
    uom: str
    old: Decimal | None = None
    new: Decimal | None = None
    messages: tuple[str, ...] = ()


class RowError(msgspec.Struct, frozen=True, kw_only=True):
    row: int | None
    """None of a record that a refresh could not take away."""
    message: str


class ImportResult(msgspec.Struct, frozen=True, kw_only=True):
    """How an import or a refresh ended."""

    job_id: UUID
    type: ImportType
    total: int
    """Rows that were sent."""
    created: int
    updated: int
    unchanged: int
    deleted: int = 0
    """Of a refresh: records that were not in the upload."""
    failed: int
    is_applied: bool
    """False of a dry run, and where a bad row or the safety stop kept everything back."""
    change_percent: Decimal | None = None
    """Of a refresh: by how much the stock in its scope changes; None where there was none before."""
    message: str
    """In one sentence for a person."""
    posting_id: UUID | None = None
    """The group in the ledger; None if nothing moved."""
    position: int | None = None
    """The ledger's position with it."""
    rows: tuple[RowOutcome, ...]
    """In the order of the rows; then what a refresh deletes."""

    @property
    def errors(self) -> list[RowError]:
        """What was wrong, a sentence each."""
        return [
            RowError(row=outcome.row, message=message)
            for outcome in self.rows
            if outcome.action is Action.ERROR
            for message in outcome.messages
        ]


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """A record that was not deleted."""

    row: int | None
    """The row that named it; None where filters did."""
    item_name: str
    location: str
    bin_name: str
    lot_name: str
    date_filled: date | None
    message: str


class DeleteResult(msgspec.Struct, frozen=True, kw_only=True):
    """`job_id` is the batch's reference: its status, its files and its undo are those of an import."""

    job_id: UUID
    deleted_count: int
    refusals: tuple[Refusal, ...]
    posting_id: UUID | None = None
    position: int | None = None


class UndoResult(msgspec.Struct, frozen=True, kw_only=True):
    job_id: UUID
    restored: int
    """Records that are again as they were."""
    posting_id: UUID | None
    position: int | None = None


class FileKind(StrEnum):
    """The files of an import. The values are published."""

    INPUT = "input"
    STAGING = "staging"
    OUTPUT = "output"
    ERRORS = "errors"


class ImportStatus(msgspec.Struct, frozen=True, kw_only=True):
    """An import with its job, as whoever asked for it may see it."""

    job_id: UUID
    type: ImportType
    state: str
    """The job's."""
    description: str
    completed_steps: int
    total_steps: int
    current_step: str | None
    error: str | None
    files: tuple[FileKind, ...]
    """Those that there are."""
    created_by: UUID
    started_at: datetime | None
    completed_at: datetime | None
    total: int | None = None
    created: int | None = None
    updated: int | None = None
    unchanged: int | None = None
    deleted: int | None = None
    failed: int | None = None
    dry_run: bool = False
    undone_at: datetime | None = None
    is_kept: bool = True
    """Whether its rows and files are still there; some time after its end only this summary is."""
    can_undo: bool = False
    """Applied, kept and not undone: whether something depends on it is told when it is tried."""
