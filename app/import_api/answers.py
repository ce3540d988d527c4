"""Results of imports as the surface tells them."""

from uuid import UUID

from app.import_api.bodies import (
    AcceptedAnswer,
    AcceptedContent,
    DeleteAnswer,
    DeleteContent,
    FilesAnswer,
    ImportAnswer,
    ImportContent,
    ProgressAnswer,
    RefusalAnswer,
    RefusedAnswer,
    ResultAnswer,
    RowAnswer,
    RowErrorAnswer,
    StatusAnswer,
    StatusContent,
    TimestampsAnswer,
    UndoAnswer,
    UndoContent,
)
from domain.imports.model import DeleteResult, FileKind, ImportResult, ImportStatus, ImportType, UndoResult
from domain.values import plain

FILES = {
    FileKind.INPUT: "inventory_untouched.csv",
    FileKind.STAGING: "inventory_staging.csv",
    FileKind.OUTPUT: "inventory_final.csv",
    FileKind.ERRORS: "inventory_errors.csv",
}
_STATUS = {"QUEUED": "pending", "RUNNING": "processing", "SUCCEEDED": "completed"}


def status_link(tenant: str, job_id: UUID) -> str:
    """Where an import's status is read."""
    return f"/{tenant}/api/v1/imports/status/{job_id}"


def accepted(tenant: str, job_id: UUID, what: str) -> AcceptedAnswer:
    content = AcceptedContent(job_log_id=job_id, job_status_link=status_link(tenant, job_id))
    return AcceptedAnswer(message=f"{what} has been queued", content=content)


def imported(tenant: str, result: ImportResult, *, dry_run: bool) -> ImportAnswer:
    return ImportAnswer(message=result.message, content=_content(tenant, result, dry_run=dry_run))


def kept_back(tenant: str, result: ImportResult) -> RefusedAnswer:
    content = _content(tenant, result, dry_run=False)
    return RefusedAnswer(message=result.message, errors=content.errors, content=content)


def _content(tenant: str, result: ImportResult, *, dry_run: bool) -> ImportContent:
    of_refresh = result.type is ImportType.REFRESH
    return ImportContent(
        total=result.total,
        created=result.created,
        updated=result.updated,
        unchanged=result.unchanged,
        failed=result.failed,
        errors=[RowErrorAnswer(row=error.row, message=error.message) for error in result.errors],
        job_status_link=None if dry_run else status_link(tenant, result.job_id),
        deleted=result.deleted if of_refresh else None,
        change_percent=plain(result.change_percent) if of_refresh and result.change_percent is not None else None,
        rows=_rows(result) if dry_run else None,
    )


def _rows(result: ImportResult) -> list[RowAnswer]:
    return [
        RowAnswer(
            row=outcome.row,
            action=outcome.action.value,
            item_name=outcome.item_name,
            bin_name=outcome.bin_name,
            lot_name=outcome.lot_name,
            date_filled=outcome.date_filled,
            old=None if outcome.old is None else plain(outcome.old),
            new=None if outcome.new is None else plain(outcome.new),
            messages=outcome.messages,
        )
        for outcome in result.rows
    ]


def deleted(tenant: str, result: DeleteResult) -> DeleteAnswer:
    refused = f", {len(result.refusals)} refused" if result.refusals else ""
    return DeleteAnswer(
        message=f"{result.deleted_count} deleted{refused}",
        content=DeleteContent(
            deleted_count=result.deleted_count,
            errors=[
                RefusalAnswer(
                    row=one.row,
                    item=one.item_name,
                    location=one.location,
                    bin=one.bin_name,
                    lot=one.lot_name,
                    date_filled=one.date_filled,
                    message=one.message,
                )
                for one in result.refusals
            ],
            job_status_link=status_link(tenant, result.job_id),
        ),
    )


def status_of(tenant: str, found: ImportStatus) -> StatusAnswer:
    def addresses(kind: FileKind) -> list[str]:
        return [f"/{tenant}/api/v1/imports/{found.job_id}/files/{FILES[kind]}"] if kind in found.files else []

    content = StatusContent(
        job_log_id=found.job_id,
        status=_STATUS.get(found.state, "failed"),  # type: ignore[arg-type] # one of them
        type=found.type,
        description=found.description,
        progress=ProgressAnswer(
            completed_steps=found.completed_steps,
            total_steps=found.total_steps,
            current_step=found.current_step,
        ),
        files=FilesAnswer(
            input=addresses(FileKind.INPUT),
            staging=addresses(FileKind.STAGING),
            output=addresses(FileKind.OUTPUT),
            errors=addresses(FileKind.ERRORS),
        ),
        job_status_link=status_link(tenant, found.job_id),
        timestamps=TimestampsAnswer(started_at=found.started_at, completed_at=found.completed_at),
        user_id=found.created_by,
        result=ResultAnswer(
            total=found.total,
            created=found.created,
            updated=found.updated,
            unchanged=found.unchanged,
            deleted=found.deleted,
            failed=found.failed,
            undone_at=found.undone_at,
        ),
        error=found.error,
    )
    return StatusAnswer(message="Job status retrieved successfully", content=content)


def undone(tenant: str, result: UndoResult) -> UndoAnswer:
    content = UndoContent(
        job_log_id=result.job_id, restored=result.restored, job_status_link=status_link(tenant, result.job_id)
    )
    return UndoAnswer(message=f"{result.restored} records are as they were before", content=content)
