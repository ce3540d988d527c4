"""Import, refresh, delete and undo, each in one transaction and as one group in the ledger."""

from collections.abc import Sequence
from decimal import Decimal
from uuid import UUID

from domain.access.model import Act
from domain.imports.model import (
    BadRecord,
    DeleteFilters,
    DeleteResult,
    DeleteRow,
    ImportResult,
    Options,
    Record,
    RefreshScope,
    UndoResult,
)
from domain.imports.ports import ImportWork


async def process(
    work: ImportWork,
    *,
    act: Act,
    job_id: UUID,
    records: Sequence[Record | BadRecord],
    options: Options,
    description: str,
    keep: bool | None = None,
) -> ImportResult:
    """Judge records in their order and apply those that are good, or none (`should_continue_on_error`).

    What was decided of each row is kept under `job_id`, unless `keep` is false; a dry run keeps nothing by
    default. Nothing is raised for bad rows: look at `is_applied`, and commit, so that the rejected rows can be
    read.
    """
    raise NotImplementedError


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
) -> ImportResult:
    """Replace the stock in the scope by the records, in one posting: nobody sees anything in between."""
    raise NotImplementedError


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

    Raises:
        DomainError: VALIDATION_ERROR without a row and without a filter; PERMISSION_DENIED for `force` without
            inventory.adjust.
    """
    raise NotImplementedError


async def undo(work: ImportWork, *, act: Act, job_id: UUID) -> UndoResult:
    """Take a whole import, refresh or batch delete back while nothing depends on it.

    Raises:
        DomainError: NOT_FOUND; INVALID_TRANSITION if there is nothing to take back (`state`); REVERSAL_BLOCKED
            with what stands in its way (`records`).
    """
    raise NotImplementedError
