"""Batch delete: records go, and their stock with them."""

import asyncio
from collections.abc import Iterator, Sequence
from datetime import date
from typing import Any
from uuid import UUID

import msgspec

from domain.access.model import Act, Permission
from domain.errors import FieldError
from domain.imports.applying import SOURCE, apply, entry_of
from domain.imports.facts import Place, ScopeLine, Standing
from domain.imports.judging import FROZEN, Book, Judgement, books_of, told
from domain.imports.layers import ZERO
from domain.imports.model import (
    RECORDS_MAX,
    Action,
    DeleteFilters,
    DeleteResult,
    DeleteRow,
    ImportResult,
    ImportType,
    Refusal,
)
from domain.imports.ports import ImportWork
from domain.ledger.model import Kind, Posting
from domain.values import new_id, plain

DESCRIPTION = "Batch delete"
MANY = 2_000
type Target = tuple[int | None, ScopeLine, date | None]
"""A record: the row that named it, its line, and its day (None: stock without one)."""


async def batch_delete(
    work: ImportWork,
    *,
    act: Act,
    job_id: UUID,
    rows: Sequence[DeleteRow] = (),
    filters: DeleteFilters | None = None,
    force: bool = False,
) -> DeleteResult:
    """Delete records and take their stock out; rows win over filters.

    Only what stands at locations of the caller's is found. A record is refused where too little would be left for
    what is reserved or held of its line; `force` passes over that where the caller may adjust.

    Raises:
        DomainError: VALIDATION_ERROR without a row and without a filter, or with too many rows; PERMISSION_DENIED
            for `force` without inventory.adjust; UNAVAILABLE (contention) if others were quicker.
    """
    if force and (denied := act.caller.refusal(Permission.INVENTORY_ADJUST)) is not None:
        raise denied
    if rows:
        if len(rows) > RECORDS_MAX:
            raise FieldError(("rows", f"must have at most {RECORDS_MAX} rows"))
        lines = await work.lines_by_rows(rows)
    elif filters is not None and not filters.is_empty:
        lines = await work.lines_by_names(filters.names)
    else:
        raise FieldError(("rows", "name at least one row, or at least one filter: nothing deletes everything"))
    if len(lines) >= MANY:
        await work.be_patient()
    standing = await work.lock([line.line_id for line in lines])

    def judge() -> tuple[Judgement, Sequence[Refusal]]:
        return _judged(act, lines, standing, rows, filters, force=force)

    # Of much stock it takes seconds, in which others are answered.
    judgement, refusals = await asyncio.to_thread(judge) if len(lines) >= MANY else judge()
    asked: dict[str, Any] = {
        "rows": msgspec.to_builtins(rows),
        "filters": msgspec.to_builtins(filters),
        "force": force,
    }
    return await _delete(work, act, job_id, judgement, refusals=refusals, asked=asked)


def _judged(
    act: Act,
    lines: Sequence[ScopeLine],
    standing: Sequence[Standing],
    rows: Sequence[DeleteRow],
    filters: DeleteFilters | None,
    *,
    force: bool,
) -> tuple[Judgement, Sequence[Refusal]]:
    books = books_of([], standing)
    outcomes, refusals = [], []
    for row, line, day in _targets(lines, books, rows, filters):
        book = books[line.place]
        old = book.rest if day is None else book.layers[day]
        why_not = _why_not(act, line, book, day, force=force)
        if why_not is None:
            book.remove(day)
            outcomes.append(told(line, day, Action.DELETE, old=old, new=ZERO, row=row))
        else:
            outcomes.append(told(line, day, Action.ERROR, old=old, row=row, messages=(why_not,)))
            refusals.append(_refusal(row, line, day, why_not))
    return Judgement(outcomes=outcomes, books=books), refusals


def _targets(
    lines: Sequence[ScopeLine],
    books: dict[Place, Book],
    rows: Sequence[DeleteRow],
    filters: DeleteFilters | None,
) -> Iterator[Target]:
    """The records that are meant, each once, those of the first row first."""
    seen: set[tuple[Place, date | None]] = set()
    meant: list[tuple[int | None, ScopeLine]] = [(None, line) for line in lines]
    if rows:
        by_row = sorted((n, at) for at, line in enumerate(lines) for n in line.rows)
        meant = [(n, lines[at]) for n, at in by_row]
    for row, line in meant:
        book = books[line.place]
        days: list[date | None] = [None] if book.rest else []
        for day in [*days, *sorted(book.layers)]:
            wanted = rows[row].date_filled in {None, day} if row is not None else _within(day, filters)
            if wanted and (line.place, day) not in seen:
                seen.add((line.place, day))
                yield row, line, day


def _within(day: date | None, filters: DeleteFilters | None) -> bool:
    first = filters.date_filled_from if filters is not None else None
    last = filters.date_filled_to if filters is not None else None
    if day is None:
        return first is None and last is None
    return (first is None or first <= day) and (last is None or day <= last)


def _why_not(act: Act, line: ScopeLine, book: Book, day: date | None, *, force: bool) -> str | None:
    quantity = book.rest if day is None else book.layers[day]
    if not quantity:
        return None
    if line.bin.is_frozen:
        return FROZEN.format(line.bin_name)
    left = book.on_hand - quantity
    if left >= book.claimed:
        return None
    if not force:
        return f"{plain(book.claimed)} of this stock is reserved or held, and {plain(left)} would be left"
    refused = act.caller.refusal(Permission.INVENTORY_ADJUST, line.place.location_id)
    return refused.message if refused is not None else None


def _refusal(row: int | None, line: ScopeLine, day: date | None, message: str) -> Refusal:
    return Refusal(
        row=row,
        item_name=line.item.name,
        location=line.bin.location_code,
        bin_name=line.bin_name,
        lot_name=line.lot_name,
        date_filled=day,
        message=message,
    )


async def _delete(
    work: ImportWork,
    act: Act,
    job_id: UUID,
    judgement: Judgement,
    *,
    refusals: Sequence[Refusal],
    asked: dict[str, Any],
) -> DeleteResult:
    moved = judgement.moved
    posting = None
    if moved:
        reason_code_id = await work.correction_reason()
        posting = Posting(
            id=new_id(),
            kind=Kind.ADJUSTMENT,
            entries=tuple(entry_of(book, Kind.ADJUSTMENT, reason_code_id=reason_code_id) for book in moved),
            source_type=SOURCE,
            source_id=str(job_id),
            comment=f"{DESCRIPTION} {job_id}",
            details={"jobId": job_id, "type": ImportType.BATCH_DELETE},
            force=bool(asked["force"]),
            act=act,
        )
    deleted = judgement.count(Action.DELETE)
    result = ImportResult(
        job_id=job_id,
        type=ImportType.BATCH_DELETE,
        total=len(judgement.outcomes),
        created=0,
        updated=0,
        unchanged=0,
        deleted=deleted,
        failed=len(refusals),
        is_applied=True,
        message=f"Deleted {deleted} records" + (f", refused {len(refusals)}" if refusals else ""),
        posting_id=posting.id if posting else None,
        rows=tuple(judgement.outcomes),
    )
    await work.keep(result, description=DESCRIPTION, options=asked)
    posted = await apply(work, job_id, posting, judgement, keep=True)
    return DeleteResult(
        job_id=job_id,
        deleted_count=deleted,
        refusals=tuple(refusals),
        posting_id=result.posting_id,
        position=posted.position if posted else None,
    )
