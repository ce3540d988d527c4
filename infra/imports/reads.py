"""Status and files of imports."""

import re
from collections.abc import AsyncIterator, Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

from domain.access.model import Act
from domain.imports.model import COLUMNS, FileKind, ImportStatus, ImportType
from infra.db.pool import Database

PART = 2_000
"""Rows of a file that are read at once."""
# The job where there is one; an import that was done in a request may have none.
STATUS = """
    SELECT coalesce(j.type, i.type) AS type, coalesce(j.description, i.description) AS description,
        coalesce(j.created_by, i.actor_id) AS created_by, j.error,
        coalesce(j.state, CASE WHEN i.is_applied OR i.is_dry_run THEN 'SUCCEEDED' ELSE 'FAILED' END) AS state,
        coalesce(j.completed_steps, 1) AS completed_steps, coalesce(j.total_steps, 1) AS total_steps,
        j.current_step, coalesce(j.started_at, i.created_at) AS started_at,
        CASE WHEN j.id IS NULL THEN i.created_at ELSE j.completed_at END AS completed_at,
        i.is_applied, i.is_dry_run, i.message, i.total, i.created, i.updated, i.unchanged, i.deleted, i.failed,
        i.undone_at, coalesce(i.kept, 'WHOLE') = 'WHOLE' AS is_kept, f.job_id IS NOT NULL AS has_input
    FROM (SELECT 1) one
    LEFT JOIN LATERAL (
        SELECT * FROM jobs x
        WHERE x.tenant_id = $1 AND x.id = $2
            AND x.type IN ('inventory-import', 'inventory-refresh', 'inventory-batch-delete') OFFSET 0
    ) j ON true
    LEFT JOIN LATERAL (SELECT * FROM imports x WHERE x.tenant_id = $1 AND x.job_id = $2 OFFSET 0) i ON true
    LEFT JOIN LATERAL (
        SELECT x.job_id FROM import_files x WHERE x.tenant_id = $1 AND x.job_id = $2 OFFSET 0
    ) f ON true
    WHERE coalesce(j.id, i.job_id) IS NOT NULL
"""
INPUT = "SELECT name, content FROM import_files WHERE tenant_id = $1 AND job_id = $2"
_ROWS = """
    SELECT n, row_no, action, item_name, bin_name, lot_name, date_filled, quantity, uom, old_quantity,
        new_quantity, messages
    FROM import_rows WHERE tenant_id = $1 AND job_id = $2 AND n > $3{} ORDER BY n LIMIT 2000
"""
_FILES: dict[FileKind, tuple[str, tuple[str, ...]]] = {
    FileKind.STAGING: ("", (*COLUMNS, "row", "action")),
    FileKind.OUTPUT: (" AND action <> 'error'", (*COLUMNS, "row", "action", "old_quantity", "new_quantity")),
    FileKind.ERRORS: (" AND action = 'error'", (*COLUMNS, "row", "errors")),
}
"""Which rows are in a file, and its columns: those of a record first, so that the file can be imported again."""
_NUMBER = re.compile(r"-?[0-9]{1,40}(\.[0-9]{1,40})?")


class SqlImportReads:
    """The `ImportReads` port."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def status(self, act: Act, job_id: UUID) -> ImportStatus | None:
        """One statement."""
        async with self._database.bound(act.tenant_id) as driver:
            row = await driver.fetchrow(STATUS, act.tenant_id, job_id)
        if row is None or (act.scope is not None and row["created_by"] != act.caller.principal_id):
            return None
        return _status(job_id, row)

    async def input(self, act: Act, job_id: UUID) -> tuple[str, bytes] | None:
        async with self._database.bound(act.tenant_id) as driver:
            row = await driver.fetchrow(INPUT, act.tenant_id, job_id)
        return None if row is None else (row["name"], row["content"])

    def rows(
        self, act: Act, job_id: UUID, kind: FileKind
    ) -> tuple[Sequence[str], AsyncIterator[Sequence[Sequence[object]]]]:
        where, columns = _FILES[kind]
        return columns, self._parts(act.tenant_id, job_id, _ROWS.format(where), columns)

    async def _parts(
        self, tenant_id: UUID, job_id: UUID, statement: str, columns: Sequence[str]
    ) -> AsyncIterator[Sequence[Sequence[object]]]:
        last = -1
        while True:
            async with self._database.bound(tenant_id) as driver:
                rows = await driver.fetch(statement, tenant_id, job_id, last)
            if rows:
                yield [[_cell(row, column) for column in columns] for row in rows]
            if len(rows) < PART:
                return
            last = rows[-1]["n"]


def _cell(row: Any, column: str) -> object:
    """What stands in a cell; numbers are numbers, so that negative ones are not taken for formulas."""
    match column:
        case "row":
            return row["row_no"]
        case "errors":
            return row["messages"].replace("\n", "; ")
        case "quantity":
            if row["action"] == "delete":
                return Decimal(0)
            text = row["quantity"]
            return Decimal(text) if _NUMBER.fullmatch(text) is not None else text
        case _:
            return row[column]


def _status(job_id: UUID, row: Any) -> ImportStatus:
    files = {
        FileKind.INPUT: row["has_input"],
        FileKind.STAGING: row["is_kept"] and row["total"] is not None,
        FileKind.OUTPUT: row["is_kept"] and bool(row["is_applied"]),
        FileKind.ERRORS: row["is_kept"] and bool(row["failed"]),
    }
    return ImportStatus(
        job_id=job_id,
        type=ImportType(row["type"]),
        state=row["state"],
        description=row["description"],
        completed_steps=row["completed_steps"],
        total_steps=row["total_steps"],
        current_step=row["current_step"],
        error=row["error"] or (row["message"] if row["state"] == "FAILED" else None),
        files=tuple(kind for kind, is_there in files.items() if is_there),
        created_by=row["created_by"],
        started_at=row["started_at"],
        completed_at=row["completed_at"],
        total=row["total"],
        created=row["created"],
        updated=row["updated"],
        unchanged=row["unchanged"],
        deleted=row["deleted"],
        failed=row["failed"],
        dry_run=bool(row["is_dry_run"]),
        undone_at=row["undone_at"],
        is_kept=row["is_kept"],
        can_undo=row["is_kept"] and bool(row["is_applied"]) and row["undone_at"] is None,
    )
