"""Batches to read: the `CountReader` port."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import msgspec

from domain.counting.ports import BatchesWanted, BatchPage, BatchWhole, LinesWanted
from domain.documents import DocumentType
from infra.counting import sql
from infra.counting.rows import batch_view_of, line_view_of
from infra.db.pool import Database
from infra.documents.work import history_of, steps

_FILTERS: Mapping[str, str] = {
    "scope": "c.location_id = ANY (${n}::uuid[])",
    "location": "c.location_id = ${n}",
    "state": "c.state = ${n}",
    "assignee": """EXISTS (
        SELECT FROM cycle_count_assignees a
        WHERE a.tenant_id = c.tenant_id AND a.batch_id = c.id AND a.user_id = ${n})""",
    "until": "c.scheduled_for <= ${n}",
    "after": "c.id < ${n}",
}
LIMITS = (51, 101, 201, 501)
"""The limits that statements are made with: literals, as plans with a parameter for a limit are a guess."""

# Its lines are LEFT JOINed: a page beyond the end still shows the batch.
WHOLE = f"""
    SELECT head.position AS ledger_position, {sql.NAMED_BATCH}, v.net, v.gross,
        {history_of(DocumentType.CYCLE_COUNT, "c.id")} AS steps
    FROM ({sql.HEAD}) head, cycle_counts c {sql.AT_LOCATION} {sql.VALUES}
    WHERE c.tenant_id = $1 AND c.id = $2 AND ($3::uuid[] IS NULL OR c.location_id = ANY ($3))
"""  # noqa: S608 - of constants


class SqlCountReader:
    """A list is one statement; a batch with its lines two, which see the same."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def batches(self, wanted: BatchesWanted) -> BatchPage:
        values = {
            "scope": None if wanted.scope is None else list(wanted.scope),
            "location": wanted.location_id,
            "state": wanted.state,
            "assignee": wanted.assignee_id,
            "until": wanted.scheduled_until,
            "after": wanted.after,
        }
        given = {name: value for name, value in values.items() if value is not None}
        size = next(size for size in LIMITS if size > wanted.limit)
        arguments: list[Any] = [wanted.tenant_id, *given.values()]
        if wanted.after is None:
            arguments.append((wanted.page - 1) * wanted.limit)
        async with self._database.bound(wanted.tenant_id) as driver:
            rows = await driver.fetch(_listed(tuple(given), size), *arguments)
        # One row at least, for the total of a page beyond the end.
        shown = [row for row in rows if row["id"] is not None]
        page = shown[: wanted.limit]
        return BatchPage(
            batches=[batch_view_of(row, with_values=False) for row in page],
            total=rows[0]["total"],
            after=page[-1]["id"] if len(shown) > wanted.limit else None,
            position=rows[0]["ledger_position"],
        )

    async def batch(self, wanted: LinesWanted) -> BatchWhole | None:
        scope = None if wanted.scope is None else list(wanted.scope)
        size = next(size for size in LIMITS if size > wanted.limit)
        place: list[Any] = [(wanted.page - 1) * wanted.limit] if wanted.after is None else list(wanted.after)
        # Both see the batch at one moment: a line must not show a count that the counters do not know.
        async with (
            self._database.bound(wanted.tenant_id) as driver,
            driver.transaction(isolation="repeatable_read", readonly=True),
        ):
            row = await driver.fetchrow(WHOLE, wanted.tenant_id, wanted.batch_id, scope)
            if row is None:
                return None
            rows = await driver.fetch(
                _lines(size, is_continued=wanted.after is not None), wanted.tenant_id, wanted.batch_id, *place
            )
        page = rows[: wanted.limit]
        last = page[-1] if len(rows) > wanted.limit else None
        view = batch_view_of(row, with_values=True)
        return BatchWhole(
            batch=msgspec.structs.replace(view, history=steps(row["steps"])),
            lines=[line_view_of(line) for line in page],
            after=None if last is None else (last["sequence"], last["id"]),
            position=row["ledger_position"],
        )


@lru_cache(maxsize=256)
def _listed(filters: tuple[str, ...], size: int) -> str:
    """The newest first. Parameters: the tenant, the filters in their order, and the offset if none is `after`."""
    where = "".join(f" AND {_FILTERS[name].format(n=n)}" for n, name in enumerate(filters, start=2))
    is_continued = "after" in filters
    offset = "" if is_continued else f" OFFSET ${len(filters) + 2}"
    total = (
        "NULL::bigint" if is_continued else f"(SELECT count(*) FROM cycle_counts c WHERE c.tenant_id = $1{where})"  # noqa: S608 - ours
    )
    return f"""
        SELECT t.total, t.position AS ledger_position, x.*
        FROM (SELECT {total} AS total, head.position FROM ({sql.HEAD}) head) t
        LEFT JOIN LATERAL (
            SELECT {sql.NAMED_BATCH}
            FROM (
                SELECT * FROM cycle_counts c WHERE c.tenant_id = $1{where} ORDER BY c.id DESC LIMIT {size}{offset}
            ) c {sql.AT_LOCATION}
        ) x ON true ORDER BY x.id DESC
    """  # noqa: S608 - of constants


@lru_cache(maxsize=16)
def _lines(size: int, *, is_continued: bool) -> str:
    """In walking order. Parameters: the tenant, the batch, and the offset or the place that it goes on after."""
    after, offset = (" AND (x.sequence, x.id) > ($3, $4)", "") if is_continued else ("", " OFFSET $3")
    return f"""
        SELECT {sql.NAMED_LINE} FROM (
            SELECT * FROM cycle_count_lines x WHERE x.tenant_id = $1 AND x.batch_id = $2{after}
            ORDER BY x.sequence, x.id LIMIT {size}{offset}
        ) c {sql.AT_POSITION}
        ORDER BY c.sequence, c.id
    """  # noqa: S608 - of constants
