"""Imports and refreshes as jobs: enqueue one with the arguments that these functions make.

A job reads its file, looks the names up, and then does everything else in one transaction with its own end: it can
be killed or canceled at any point, and what it does is done once or not at all.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from domain.errors import ContentionError, DomainError, Reason
from domain.imports.csv import Layout, parse_csv
from domain.imports.facts import Catalogue
from domain.imports.model import (
    RECORDS_MAX,
    REFRESH_RECORDS_MAX,
    BadRecord,
    ImportResult,
    ImportType,
    Options,
    Record,
    RefreshScope,
)
from domain.imports.ports import BeginImports, ImportWork
from domain.imports.service import catalogue_of, process, refresh, summary
from domain.jobs.ports import JobHandler, Running
from domain.values import encodable

STEPS = 3
"""Of a job: reading, looking up, applying."""
ATTEMPTS = 4
"""At one transaction, when others are quicker."""


class _Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What a job was asked to do."""

    layout: Layout
    options: Options
    file_name: str
    scope: RefreshScope | None = None
    max_change_percent: Decimal | None = None


type _Records = Sequence[Record | BadRecord]
type _Apply = Callable[[ImportWork, Running, _Asked, _Records, Catalogue], Awaitable[ImportResult]]


def import_arguments(*, layout: Layout, options: Options, file_name: str) -> dict[str, Any]:
    """For a job of type `ImportType.IMPORT`; its input is stored in the same transaction (`store_input`)."""
    return _arguments(_Asked(layout=layout, options=options, file_name=file_name))


def refresh_arguments(
    *,
    layout: Layout,
    options: Options,
    file_name: str,
    scope: RefreshScope,
    max_change_percent: Decimal | None,
) -> dict[str, Any]:
    """For a job of type `ImportType.REFRESH`; its input is stored in the same transaction (`store_input`)."""
    return _arguments(
        _Asked(
            layout=layout,
            options=options,
            file_name=file_name,
            scope=scope,
            max_change_percent=max_change_percent,
        )
    )


def job_handlers(begin: BeginImports) -> Mapping[str, JobHandler]:
    """The handlers of both types, for the composition root."""

    def handler(max_records: int, apply: _Apply) -> JobHandler:
        async def handle(running: Running) -> None:
            await _run(begin, running, max_records, apply)

        return handle

    return {
        ImportType.IMPORT: handler(RECORDS_MAX, _import),
        ImportType.REFRESH: handler(REFRESH_RECORDS_MAX, _refresh),
    }


async def _run(begin: BeginImports, running: Running, max_records: int, apply: _Apply) -> None:
    asked = msgspec.convert(running.job.arguments, _Asked)
    await running.step("Reading the file", 0, STEPS)
    async with begin(running.act) as work:
        stored = await work.input(running.job.id)
    if stored is None:
        raise DomainError(Reason.NOT_FOUND, "The file of this job is not there")
    records = await asyncio.to_thread(
        parse_csv, stored[1], file_name=asked.file_name, layout=asked.layout, max_records=max_records
    )
    await running.step("Looking up names", 1, STEPS)
    async with begin(running.act) as work:
        catalogue = await catalogue_of(work, records)
    await running.step("Applying the records", 2, STEPS)
    dry_run = asked.options.dry_run
    result = await _in_one_transaction(
        begin, running, lambda work: apply(work, running, asked, records, catalogue), dry_run=dry_run
    )
    if not result.is_applied and not dry_run:
        # Its rows are kept, to be read; the job has failed.
        raise DomainError(Reason.VALIDATION_ERROR, result.message)


async def _in_one_transaction(
    begin: BeginImports,
    running: Running,
    apply: Callable[[ImportWork], Awaitable[ImportResult]],
    *,
    dry_run: bool,
) -> ImportResult:
    """Apply and end the job, both or neither; once more where others were quicker."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            async with begin(running.act) as work:
                result = await apply(work)
                if result.is_applied or dry_run:
                    await running.finish_in(work, summary(result))
                return result
        except ContentionError:
            if attempt == ATTEMPTS:
                raise
    raise AssertionError


async def _import(
    work: ImportWork, running: Running, asked: _Asked, records: _Records, catalogue: Catalogue
) -> ImportResult:
    return await process(
        work,
        act=running.act,
        job_id=running.job.id,
        records=records,
        options=asked.options,
        description=running.job.description,
        keep=True,
        catalogue=catalogue,
    )


async def _refresh(
    work: ImportWork, running: Running, asked: _Asked, records: _Records, catalogue: Catalogue
) -> ImportResult:
    assert asked.scope is not None
    return await refresh(
        work,
        act=running.act,
        job_id=running.job.id,
        records=records,
        options=asked.options,
        scope=asked.scope,
        max_change_percent=asked.max_change_percent,
        description=running.job.description,
        keep=True,
        catalogue=catalogue,
    )


def _arguments(asked: _Asked) -> dict[str, Any]:
    return dict(msgspec.to_builtins(asked, enc_hook=encodable))
