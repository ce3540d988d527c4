"""What the import surface takes and gives. Names are snake_case, as published."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from msgspec import Meta

from app.http.wire import SnakeAnswer, SnakeBody, decode
from domain.errors import DomainError, FieldError, Reason
from domain.imports.csv import Layout
from domain.imports.model import DeleteFilters, DeleteRow, Names, Options, RefreshScope
from domain.values import Quantity

INVALID_PAYLOAD = "Invalid payload structure"
NAMES_MAX = 1_000

# As long as the longest name that a record may have.
type Name = Annotated[str, Meta(min_length=1, max_length=300)]
type NameList = Annotated[list[Name], Meta(max_length=NAMES_MAX)] | None
# An empty one is, as in a record, the stock of an item that is kept without lots.
type LotName = Annotated[str, Meta(max_length=64)]
type LotList = Annotated[list[LotName], Meta(max_length=NAMES_MAX)] | None


class Arguments(SnakeBody, frozen=True, kw_only=True):
    """How an import is to be done."""

    allow_record_creation: bool
    allow_record_update: bool
    should_continue_on_error: bool

    def options(self, *, dry_run: bool) -> Options:
        return Options(
            allow_record_creation=self.allow_record_creation,
            allow_record_update=self.allow_record_update,
            should_continue_on_error=self.should_continue_on_error,
            dry_run=dry_run,
        )


class FileArguments(Arguments, frozen=True, kw_only=True):
    """The same of a file. Where its headers are not our columns by name, a mapping says which are."""

    headers_match_exactly: bool = False


class ScopeBody(SnakeBody, frozen=True, kw_only=True):
    """What a refresh replaces. Values of a list are alternatives, the lists narrow each other.

    `everything` is all stock that the caller may touch; it must be said, and stands alone.
    """

    items: NameList = None
    locations: NameList = None
    location_areas: NameList = None
    bins: NameList = None
    lots: LotList = None
    everything: bool = False

    def scope(self) -> RefreshScope:
        names = names_of(self)
        if names.is_empty and not self.everything:
            raise FieldError(("scope", "must name what is refreshed, or say that it is everything"))
        if self.everything and not names.is_empty:
            raise FieldError(("scope", "must either name what is refreshed, or say that it is everything"))
        return RefreshScope(names=names, everything=self.everything)


class ImportBody(SnakeBody, frozen=True, kw_only=True):
    """Records as JSON. The payload is judged record by record."""

    source: Literal["api"]
    arguments: Arguments
    payload: Any

    def records(self, longest: int) -> Sequence[object]:
        """The payload's records, not read yet.

        Raises:
            DomainError: VALIDATION_ERROR as published.
        """
        if not isinstance(self.payload, list):
            raise DomainError(Reason.VALIDATION_ERROR, INVALID_PAYLOAD)
        if len(self.payload) > longest:
            raise FieldError(("payload", f"must have at most {longest} records"))
        return self.payload


class RefreshBody(ImportBody, frozen=True, kw_only=True):
    """Records that replace all others in the scope."""

    scope: ScopeBody
    max_change_percent: Quantity | None = None


class DeleteRowBody(SnakeBody, frozen=True, kw_only=True):
    """Records that agree with everything that is named."""

    item: Name
    location: Name | None = None
    location_area: Name | None = None
    bin: Name | None = None
    lot: LotName | None = None
    date_filled: date | None = None

    def row(self) -> DeleteRow:
        return DeleteRow(**msgspec.structs.asdict(self))


class DeleteBody(SnakeBody, frozen=True, kw_only=True):
    """Rows, or filters; rows win. `force` deletes held and reserved stock too."""

    rows: Annotated[list[DeleteRowBody], Meta(max_length=NAMES_MAX)] | None = None
    items: NameList = None
    locations: NameList = None
    location_areas: NameList = None
    bins: NameList = None
    lots: LotList = None
    date_filled_from: date | None = None
    date_filled_to: date | None = None
    force: bool = False

    def filters(self) -> DeleteFilters:
        begin, end = self.date_filled_from, self.date_filled_to
        if begin is not None and end is not None and begin > end:
            raise FieldError(("date_filled_to", "must not be before date_filled_from"))
        return DeleteFilters(names=names_of(self), date_filled_from=begin, date_filled_to=end)


def names_of(body: ScopeBody | DeleteBody) -> Names:
    return Names(
        items=tuple(body.items or ()),
        locations=tuple(body.locations or ()),
        location_areas=tuple(body.location_areas or ()),
        bins=tuple(body.bins or ()),
        lots=tuple(body.lots or ()),
    )


def field_of[T](texts: Mapping[str, str], name: str, wanted: type[T]) -> T:
    """A field of a form that holds JSON.

    Raises:
        FieldError: it is missing, or not what is wanted; the path begins with the field's name.
    """
    if name not in texts:
        raise FieldError((name, "is required: a JSON text"))
    try:
        read: T = decode(texts[name].encode(), wanted)
    except FieldError as problem:
        raise FieldError(*_within(name, problem)) from None
    return read


def percent(number: Decimal | None) -> Decimal | None:
    """By how much a refresh may change the stock in its scope.

    Raises:
        FieldError: it is below zero.
    """
    if number is not None and number < 0:
        raise FieldError(("max_change_percent", "must not be below zero"))
    return number


def percent_of(texts: Mapping[str, str]) -> Decimal | None:
    """The same as a field of a form; an empty one is none."""
    name = "max_change_percent"
    return percent(field_of(texts, name, Quantity)) if texts.get(name) else None


def layout_of(arguments: FileArguments, texts: Mapping[str, str]) -> Layout:
    """Which header of a file is which column."""
    mappings = field_of(texts, "field_mappings", dict[str, str]) if "field_mappings" in texts else None
    return Layout(headers_match_exactly=arguments.headers_match_exactly, field_mappings=mappings)


def _within(name: str, problem: FieldError) -> list[tuple[str, str]]:
    fields = problem.facts["fields"]
    assert isinstance(fields, list)
    return [(".".join(filter(None, (name, one["path"]))), one["message"]) for one in fields]


class RowErrorAnswer(SnakeAnswer, frozen=True, kw_only=True):
    """`row` counts from 0 in JSON, and from 1 in files (their first row after the header).

    It is null of what a refresh cannot take out, since that is not in the upload.
    """

    row: int | None
    message: str


class RowAnswer(SnakeAnswer, frozen=True, kw_only=True):
    """What would become of a record. `old` and `new` are quantities in the item's own unit.

    `row` is null of what a refresh would delete, since it is not in the upload.
    """

    row: int | None
    action: Literal["create", "update", "unchanged", "delete", "error"]
    item_name: str
    bin_name: str
    lot_name: str
    date_filled: str
    old: Decimal | None
    new: Decimal | None
    messages: Sequence[str]


class ImportContent(SnakeAnswer, frozen=True, kw_only=True, omit_defaults=True):
    """`rows` only of dry runs. Of a refresh, `deleted` counts the records that were not in the upload."""

    total: int
    created: int
    updated: int
    unchanged: int
    failed: int
    errors: Sequence[RowErrorAnswer]
    job_status_link: str | None
    deleted: int | None = None
    change_percent: Decimal | None = None
    rows: Sequence[RowAnswer] | None = None


class ImportAnswer(SnakeAnswer, frozen=True, kw_only=True):
    message: str
    content: ImportContent


class AcceptedContent(SnakeAnswer, frozen=True, kw_only=True):
    job_log_id: UUID
    job_status_link: str


class AcceptedAnswer(SnakeAnswer, frozen=True, kw_only=True):
    message: str
    content: AcceptedContent


class RefusedAnswer(SnakeAnswer, frozen=True, kw_only=True):
    """Of an import that bad rows kept back: what is wrong with them, and what would have become of the others."""

    message: str
    errors: Sequence[RowErrorAnswer]
    content: ImportContent


class RefusalAnswer(SnakeAnswer, frozen=True, kw_only=True):
    """A record that was not deleted. `row` is the one that named it, null where filters did."""

    row: int | None
    item: str
    location: str
    bin: str
    lot: str
    date_filled: date | None
    message: str


class DeleteContent(SnakeAnswer, frozen=True, kw_only=True):
    deleted_count: int
    errors: Sequence[RefusalAnswer]
    job_status_link: str | None


class DeleteAnswer(SnakeAnswer, frozen=True, kw_only=True):
    message: str
    content: DeleteContent


class ProgressAnswer(SnakeAnswer, frozen=True, kw_only=True):
    completed_steps: int
    total_steps: int
    current_step: str | None


class FilesAnswer(SnakeAnswer, frozen=True, kw_only=True):
    """Addresses of CSV files: the input untouched, the staged rows, the final rows, the rejected rows."""

    input: Sequence[str]
    staging: Sequence[str]
    output: Sequence[str]
    errors: Sequence[str]


class TimestampsAnswer(SnakeAnswer, frozen=True, kw_only=True):
    started_at: datetime | None
    completed_at: datetime | None


class ResultAnswer(SnakeAnswer, frozen=True, kw_only=True):
    """What came of it. `deleted` is of a refresh or a batch delete."""

    total: int | None
    created: int | None
    updated: int | None
    unchanged: int | None
    deleted: int | None
    failed: int | None
    undone_at: datetime | None


class StatusContent(SnakeAnswer, frozen=True, kw_only=True):
    job_log_id: UUID
    status: Literal["pending", "processing", "completed", "failed"]
    type: str
    description: str
    progress: ProgressAnswer
    files: FilesAnswer
    job_status_link: str
    timestamps: TimestampsAnswer
    user_id: UUID
    result: ResultAnswer
    error: str | None


class StatusAnswer(SnakeAnswer, frozen=True, kw_only=True):
    message: str
    content: StatusContent


class UndoContent(SnakeAnswer, frozen=True, kw_only=True):
    job_log_id: UUID
    restored: int
    job_status_link: str


class UndoAnswer(SnakeAnswer, frozen=True, kw_only=True):
    message: str
    content: UndoContent
