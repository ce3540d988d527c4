"""Import, refresh, delete and undo, each in one transaction and as one group in the ledger."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec

from domain.access.model import Act
from domain.errors import FieldError
from domain.imports.applying import SOURCE, apply, entry_of
from domain.imports.deleting import batch_delete
from domain.imports.facts import Catalogue, Place
from domain.imports.judging import Book, Judgement, books_of, judge, judge_refresh
from domain.imports.model import (
    RECORDS_MAX,
    REFRESH_RECORDS_MAX,
    Action,
    BadRecord,
    ImportResult,
    ImportType,
    Options,
    Record,
    RefreshScope,
)
from domain.imports.naming import Judged, Located, locate
from domain.imports.ports import ImportWork
from domain.imports.undoing import undo
from domain.ledger.model import Kind, Posting
from domain.values import encodable, new_id, plain

__all__ = ["batch_delete", "catalogue_of", "process", "refresh", "require_scope", "summary", "undo"]

CHUNK = 10_000
OFF_LOOP = 2_000
"""From so many records on, what needs no database is computed in a thread: others are being answered meanwhile."""


async def process(
    work: ImportWork,
    *,
    act: Act,
    job_id: UUID,
    records: Sequence[Record | BadRecord],
    options: Options,
    description: str,
    keep: bool | None = None,
    catalogue: Catalogue | None = None,
) -> ImportResult:
    """Judge records in their order and apply those that are good, or none (`should_continue_on_error`).

    What was decided of each row is kept under `job_id`, with a job that has ended, unless it is a dry run. A job
    that does it says whether to `keep` that, and ends itself. Nothing is raised for bad rows: look at
    `is_applied`, and commit, so that the rejected rows can be read.

    Raises:
        DomainError: VALIDATION_ERROR for too many records; UNAVAILABLE (contention) if others were quicker.
    """
    _require_number(records, RECORDS_MAX)
    catalogue = catalogue or await catalogue_of(work, records)
    judged = await _off_loop(len(records), locate, records, catalogue, act.scope)
    books = await _books(work, judged, {})
    judgement = await _off_loop(len(records), judge, judged, books, options)
    return await _conclude(
        work,
        act=act,
        job_id=job_id,
        type_=ImportType.IMPORT,
        judgement=judgement,
        total=len(records),
        options=options,
        told=msgspec.to_builtins(options),
        description=description,
        keep=keep,
    )


async def refresh(
    work: ImportWork,
    *,
    act: Act,
    job_id: UUID,
    records: Sequence[Record | BadRecord],
    options: Options,
    scope: RefreshScope,
    max_change_percent: Decimal | None,
    description: str,
    keep: bool | None = None,
    catalogue: Catalogue | None = None,
) -> ImportResult:
    """Replace the stock in the scope by the records, in one posting: nobody sees anything in between.

    Raises:
        DomainError: VALIDATION_ERROR without a scope or for too many records; UNAVAILABLE (contention) if others
            were quicker.
    """
    _require_number(records, REFRESH_RECORDS_MAX)
    require_scope(scope)
    if len(records) >= OFF_LOOP:
        await work.be_patient()
    catalogue = catalogue or await catalogue_of(work, records)
    judged = await _off_loop(len(records), locate, records, catalogue, act.scope)
    lines = await work.lines_by_names(scope.names)
    books = await _books(work, judged, {line.place: line.line_id for line in lines})
    judgement = await _off_loop(
        len(records) + len(lines), judge_refresh, judged, books, options, scope=scope, lines=lines
    )
    return await _conclude(
        work,
        act=act,
        job_id=job_id,
        type_=ImportType.REFRESH,
        judgement=judgement,
        total=len(records),
        options=options,
        told={
            **msgspec.to_builtins(options),
            "scope": msgspec.to_builtins(scope),
            "max_change_percent": max_change_percent,
        },
        description=description,
        keep=keep,
        max_change_percent=max_change_percent,
    )


def require_scope(scope: RefreshScope) -> None:
    """A refresh says what it replaces, and not by leaving it out.

    Raises:
        FieldError: it names nothing, or both something and everything.
    """
    if scope.everything != scope.names.is_empty:
        raise FieldError(("scope", "name filters, or say everything: true; not both"))


async def catalogue_of(work: ImportWork, records: Sequence[Record | BadRecord]) -> Catalogue:
    """What the records name: a statement for each ten thousand of them."""
    parts = [
        await _look_up(work, records[start : start + CHUNK]) for start in range(0, max(1, len(records)), CHUNK)
    ]
    if len(parts) == 1:
        return parts[0]
    conversions = {one for part in parts for one in part.conversions}
    return Catalogue(
        items={name: found for part in parts for name, found in part.items.items()},
        bins={name: found for part in parts for name, found in part.bins.items()},
        lots={key: lot for part in parts for key, lot in part.lots.items()},
        units=parts[0].units,
        conversions=sorted(conversions, key=str),
    )


async def _look_up(work: ImportWork, records: Sequence[Record | BadRecord]) -> Catalogue:
    good = [record for record in records if isinstance(record, Record)]
    bad = [record.raw.get("item_name", "").strip() for record in records if isinstance(record, BadRecord)]
    return await work.look_up(
        sorted({record.item_name for record in good} | {name for name in bad if name}),
        sorted({record.bin_name for record in good}),
        sorted({(record.item_name, record.lot_name) for record in good}),
    )


async def _books(work: ImportWork, judged: Sequence[Judged], known: Mapping[Place, UUID]) -> Mapping[Place, Book]:
    """The lines of all records and those known, locked and read."""
    places = {one.place for one in judged if isinstance(one, Located)}
    line_ids = set(known.values())
    line_ids |= set((await work.lines_of(list(places - known.keys()))).values())
    return books_of(places, await work.lock(line_ids))


async def _conclude(
    work: ImportWork,
    *,
    act: Act,
    job_id: UUID,
    type_: ImportType,
    judgement: Judgement,
    total: int,
    options: Options,
    told: Mapping[str, Any],
    description: str,
    keep: bool | None,
    max_change_percent: Decimal | None = None,
) -> ImportResult:
    failed = judgement.count(Action.ERROR)
    percent = judgement.change_percent() if type_ is ImportType.REFRESH else None
    why_not = _why_not(failed, total, options, percent, max_change_percent)
    counts = {
        name: 0 if why_not else judgement.count(action)
        for name, action in (
            ("created", Action.CREATE),
            ("updated", Action.UPDATE),
            ("unchanged", Action.UNCHANGED),
            ("deleted", Action.DELETE),
        )
    }
    is_applied = why_not is None and not options.dry_run
    posting = _posting(act, job_id, judgement.moved, description) if is_applied else None
    result = ImportResult(
        job_id=job_id,
        type=type_,
        total=total,
        **counts,
        failed=failed,
        is_applied=is_applied,
        change_percent=percent,
        message=_message(why_not, counts, failed, dry_run=options.dry_run),
        posting_id=posting.id if posting else None,
        rows=tuple(judgement.outcomes),
    )
    is_kept = not options.dry_run if keep is None else keep
    if is_kept:
        await work.keep(result, description=description, options=told)
    if is_kept and keep is None:
        await _record_job(work, result, told, description)
    if not is_applied:
        return result
    posted = await apply(work, job_id, posting, judgement, keep=is_kept)
    return msgspec.structs.replace(result, position=posted.position if posted else None)


async def _record_job(work: ImportWork, result: ImportResult, told: Mapping[str, Any], description: str) -> None:
    """What is done in a request is a job as well: one that has ended when it is first seen."""
    await work.record_job(
        result.type,
        told,
        description=description,
        id_=result.job_id,
        result=summary(result) if result.is_applied else None,
        error=None if result.is_applied else result.message,
    )


def _posting(act: Act, job_id: UUID, moved: Sequence[Book], description: str) -> Posting | None:
    if not moved:
        return None
    return Posting(
        id=new_id(),
        kind=Kind.IMPORT,
        entries=tuple(entry_of(book, Kind.IMPORT) for book in moved),
        source_type=SOURCE,
        source_id=str(job_id),
        comment=description,
        details={"jobId": job_id},
        # Whoever imports knows what is there; what is claimed of it and no longer there is told as a shortage.
        force=True,
        act=act,
    )


def _require_number(records: Sequence[object], most: int) -> None:
    if len(records) > most:
        raise FieldError(("payload", f"must have at most {most} records"))


def _why_not(
    failed: int, total: int, options: Options, percent: Decimal | None, max_percent: Decimal | None
) -> str | None:
    """What keeps everything back; None if nothing does."""
    if failed and not options.should_continue_on_error:
        return f"{failed} of {total} rows are wrong"
    if percent is not None and max_percent is not None and percent > max_percent:
        return f"The stock in the scope would change by {percent} %, and {plain(max_percent)} % is allowed"
    return None


def _message(why_not: str | None, counts: Mapping[str, int], failed: int, *, dry_run: bool) -> str:
    if why_not is not None:
        return f"{why_not}: nothing {'would be' if dry_run else 'was'} changed"
    done = [f"{number} {name}" for name, number in {**counts, "failed": failed}.items() if number]
    told = ", ".join(done) or "nothing to do"
    return f"Dry run, nothing was changed: {told}" if dry_run else f"Done: {told}"


def summary(result: ImportResult) -> dict[str, Any]:
    """What a job says of it when it has ended: the figures, without the rows."""
    told = {name: getattr(result, name) for name in result.__struct_fields__ if name != "rows"}
    # Decimals stay as they are: whoever writes them down writes numbers.
    return dict(msgspec.to_builtins(told, builtin_types=(Decimal,), enc_hook=encodable))


async def _off_loop[**P, T](size: int, compute: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    if size < OFF_LOOP:
        return compute(*args, **kwargs)
    return await asyncio.to_thread(compute, *args, **kwargs)
