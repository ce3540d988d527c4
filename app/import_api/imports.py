"""What became of imports: `/{tenant}/api/v1/imports`."""

from collections.abc import AsyncIterator, Sequence
from typing import Any, Literal
from uuid import UUID

from litestar import Controller, Response
from litestar.di import NamedDependency
from litestar.params import FromPath, SkipValidation

from app.http.acts import once
from app.http.csv import MEDIA_TYPE, csv_answer
from app.http.routes import route
from app.http.surfaces import Surface
from app.http.wire import Json
from app.import_api.answers import FILES, status_of, undone
from app.import_api.bodies import StatusAnswer, UndoAnswer
from app.import_api.inventory import BeginImports, ImportUnit
from domain.access.model import Act, Permission
from domain.errors import DomainError, Reason, not_found
from domain.imports.model import FileKind, ImportStatus
from domain.imports.ports import ImportReads
from domain.imports.service import undo

type FileName = Literal[
    "inventory_untouched.csv", "inventory_staging.csv", "inventory_final.csv", "inventory_errors.csv"
]
_KINDS = {name: kind for kind, name in FILES.items()}


class ImportController(Controller):
    path = "/{tenant:str}/api/v1/imports"
    tags: Sequence[str] | None = ("Import",)

    @route(
        "GET",
        "/status/{job_log_id:uuid}",
        operation="importStatus",
        summary="Import job status",
        permissions=Permission.IMPORTS_WRITE,
        errors=[Reason.NOT_FOUND],
        surface=Surface.IMPORT,
        description="Of imports, refreshes and batch deletes, those that were done at once included. Who is "
        "limited to locations sees their own.",
    )
    async def status(
        self,
        *,
        tenant: FromPath[str],
        job_log_id: FromPath[UUID],
        act: NamedDependency[SkipValidation[Act]],
        import_reads: NamedDependency[SkipValidation[ImportReads]],
    ) -> Json[StatusAnswer]:
        return Json(status_of(tenant, await _seen(import_reads, act, job_log_id)))

    @route(
        "GET",
        "/{job_log_id:uuid}/files/{file_name:str}",
        operation="importFile",
        summary="Download a file of an import",
        permissions=Permission.IMPORTS_WRITE,
        errors=[Reason.NOT_FOUND],
        surface=Surface.IMPORT,
        heavy=True,
        description="As CSV: the input as it was sent (`inventory_untouched.csv`), the rows as they were read and "
        "what was decided of each (`inventory_staging.csv`), the records that were written "
        "(`inventory_final.csv`), and the rejected rows with their reasons (`inventory_errors.csv`). But for the "
        "first, a text that a spreadsheet would take for a formula has an apostrophe in front. They are kept for "
        "`jobRetentionDays`.",
        media_type=MEDIA_TYPE,
    )
    async def file(
        self,
        *,
        job_log_id: FromPath[UUID],
        file_name: FromPath[str],
        act: NamedDependency[SkipValidation[Act]],
        import_reads: NamedDependency[SkipValidation[ImportReads]],
    ) -> Response[Any]:
        found = await _seen(import_reads, act, job_log_id)
        kind = _KINDS.get(file_name)
        if kind is not None and kind not in found.files and not found.is_kept:
            raise DomainError(Reason.NOT_FOUND, "The files of this import are no longer kept", name=file_name)
        if kind is None or kind not in found.files:
            raise not_found("file", name=file_name[:200])
        if kind is FileKind.INPUT:
            stored = await import_reads.input(act, job_log_id)
            if stored is None:
                raise not_found("file", name=file_name[:200])
            headers = {"Content-Disposition": f'attachment; filename="{file_name}"'}
            return Response(stored[1], media_type=MEDIA_TYPE, headers=headers)
        columns, parts = import_reads.rows(act, job_log_id, kind)
        answer: Response[Any] = csv_answer(file_name.removesuffix(".csv"), columns, await _begun(parts))
        return answer

    @route(
        "POST",
        "/{job_log_id:uuid}/undo",
        operation="undoImport",
        summary="Take an import back",
        permissions=Permission.IMPORTS_WRITE,
        errors=[
            Reason.ALREADY_REVERSED,
            Reason.INVALID_TRANSITION,
            Reason.LOCATION_DENIED,
            Reason.NOT_FOUND,
            Reason.REVERSAL_BLOCKED,
        ],
        surface=Surface.IMPORT,
        description="All of it, as one group in the ledger, while nothing depends on it: where a record has "
        "changed since, nothing is taken back and the records in the way are told. After `jobRetentionDays` "
        "its rows are no longer kept, and it cannot be undone any more.",
    )
    async def undo(
        self,
        *,
        tenant: FromPath[str],
        job_log_id: FromPath[UUID],
        act: NamedDependency[SkipValidation[Act]],
        begin_imports: NamedDependency[SkipValidation[BeginImports]],
    ) -> Json[UndoAnswer]:
        async def do(work: ImportUnit) -> UndoAnswer:
            try:
                return undone(tenant, await undo(work, act=act, job_id=job_log_id))
            except DomainError as refused:
                raise _told(refused) from refused

        return await once(begin_imports, act, do)


def _told(refused: DomainError) -> DomainError:
    """The refusal with what stands in the way as this surface tells it, record by record."""
    records = refused.facts.get("records")
    if not isinstance(records, list):
        return refused
    errors = [
        {"message": ", ".join(f"{name}: {value}" for name, value in one.items() if value)} for one in records
    ]
    return DomainError(refused.reason, refused.message, errors=errors)


async def _seen(reads: ImportReads, act: Act, job_id: UUID) -> ImportStatus:
    found = await reads.status(act, job_id)
    if found is None:
        raise not_found("import", id=job_id)
    return found


async def _begun(parts: AsyncIterator[Sequence[Sequence[object]]]) -> AsyncIterator[Sequence[Sequence[object]]]:
    """The same parts, the first of them at hand: what fails does so before the answer has begun."""
    first = await anext(parts, None)

    async def all_parts() -> AsyncIterator[Sequence[Sequence[object]]]:
        if first is not None:
            yield first
        async for part in parts:
            yield part

    return all_parts()
