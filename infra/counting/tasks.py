"""Tasks of counting: those that were stored, and the bins that the ledger saw emptied by the way of work.

An emptied bin costs whoever empties it nothing: the movement that took the last is in a small index of its own,
and whether the line still stands as it left it is looked up by its keys. A row is stored when somebody decides
about it.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any
from uuid import UUID

import msgspec

from domain.counting.tasks import (
    LOOK_BACK_DAYS,
    NewTask,
    Task,
    TaskPage,
    TaskReason,
    TaskState,
    TasksWanted,
    TaskView,
)
from domain.errors import ContentionError, Reason
from infra.counting.raising import RaisesTasks
from infra.db.pool import Database, Driver
from infra.ledger.queries.sql import SIZES, Query, within

# An id of the usual kind, made of the movement: it is the same each time, and says nothing about where it is from.
_EMPTIED_ID = """(
    lpad(to_hex((extract(epoch FROM m.recorded_at) * 1000)::bigint), 12, '0') || '7'
    || substr(md5(m.tenant_id::text || m.position), 1, 3) || '8'
    || substr(md5(m.tenant_id::text || m.position), 4, 15)
)::uuid"""
_EMPTIED = f"""
    SELECT s.id, s.location_id, s.bin_id, s.product_id, s.lot_id, 'EMPTIED_BIN' AS reason,
        'OPEN' AS state, 0 AS version, NULL::text AS note, 'POSTING' AS source_type,
        m.posting_id::text AS source_id, NULL::uuid AS batch_id, NULL::text AS batch_number, NULL::text AS actor,
        m.recorded_at AS created_at, NULL::timestamptz AS closed_at, NULL::text AS closed_by,
        NULL::text AS closing_comment
    FROM movements m
    CROSS JOIN LATERAL (
        SELECT {_EMPTIED_ID} AS id, x.location_id, x.bin_id, x.product_id, x.lot_id FROM stock_lines x
        WHERE x.tenant_id = :tenant AND x.id = m.line_id AND x.version = m.line_version AND x.on_hand = 0
            AND (x.counted_at IS NULL OR x.counted_at < m.recorded_at) OFFSET 0
    ) s
    WHERE m.tenant_id = :tenant AND m.balance_after = 0 AND m.kind IN ('CONSUMPTION', 'ISSUE', 'TRANSFER_OUT')
        AND m.recorded_at >= now() - interval '{LOOK_BACK_DAYS} days'
        AND NOT EXISTS (SELECT FROM count_tasks t WHERE t.tenant_id = :tenant AND t.id = s.id)
        AND NOT EXISTS (
            SELECT FROM cycle_count_lines o WHERE o.tenant_id = :tenant AND o.product_id = s.product_id
                AND o.bin_id = s.bin_id AND o.lot_id = s.lot_id AND o.is_open
        )
"""  # noqa: S608 - the pieces are this module's own
_EMPTIED_HERE = f"{_EMPTIED} AND m.location_id = ANY (:locations)"
_STORED = """
    SELECT t.id, t.location_id, t.bin_id, t.product_id, t.lot_id, t.reason,
        CASE WHEN b.state = 'COMPLETED' THEN 'DONE'
            WHEN t.state = 'DISMISSED' THEN 'DISMISSED'
            WHEN b.state <> 'CANCELED' OR o.batch_id IS NOT NULL THEN 'BATCHED'
            WHEN c.counted_at > t.created_at THEN 'DONE'
            ELSE 'OPEN' END AS state,
        t.version, t.note, t.source_type, t.source_id, b.id AS batch_id, b.number AS batch_number, t.actor,
        t.created_at, t.closed_at, t.closed_by, t.closing_comment
    FROM count_tasks t
    LEFT JOIN cycle_count_lines o ON o.tenant_id = t.tenant_id AND o.product_id = t.product_id
        AND o.bin_id = t.bin_id AND o.lot_id = t.lot_id AND o.is_open AND t.state = 'OPEN'
    LEFT JOIN cycle_counts b ON b.tenant_id = t.tenant_id AND b.id = coalesce(t.batch_id, o.batch_id)
    LEFT JOIN stock_lines c ON c.tenant_id = t.tenant_id AND c.location_id = t.location_id AND c.bin_id = t.bin_id
        AND c.product_id = t.product_id AND c.lot_id = t.lot_id
    WHERE t.tenant_id = :tenant
"""
_LIST = """
    WITH found AS MATERIALIZED (
        SELECT u.* FROM ({parts}) u WHERE true {where}
    )
    SELECT n.total, f.*, b.code AS bin_code, b.walk_order AS bin_walk_order, p.sku, p.name AS product_name,
        o.number AS lot_number
    FROM (SELECT count(*)::int AS total FROM found) n
    LEFT JOIN (
        SELECT * FROM found u {after} ORDER BY u.created_at {order}, u.id {order} OFFSET {offset} LIMIT {limit}
    ) f ON true
    LEFT JOIN bins b ON b.tenant_id = :tenant AND b.id = f.bin_id
    LEFT JOIN products p ON p.tenant_id = :tenant AND p.id = f.product_id
    LEFT JOIN lots o ON o.tenant_id = :tenant AND o.id = f.lot_id AND NOT o.is_default
    ORDER BY f.created_at {order}, f.id {order}
"""
_FILTERS = {
    "locations": "u.location_id = ANY (:locations)",
    "bin": "u.bin_id = :bin",
    "state": "u.state = :state",
    "reason": "u.reason = :reason",
    "ids": "u.id = ANY (:ids)",
}
LOCK = "SELECT id FROM count_tasks WHERE tenant_id = $1 AND id = ANY ($2) ORDER BY id FOR NO KEY UPDATE"
LOCATION = "SELECT location_id FROM bins WHERE tenant_id = $1 AND id = $2"
ADD = """
    INSERT INTO count_tasks (tenant_id, id, location_id, bin_id, product_id, lot_id, reason, note, actor_id, actor)
    SELECT b.tenant_id, $2, b.location_id, b.id, p.id, o.id, 'MANUAL', $6, $7, $8 FROM bins b
    LEFT JOIN products p ON p.tenant_id = b.tenant_id AND p.id = $4
    LEFT JOIN lots o ON o.tenant_id = b.tenant_id AND o.product_id = p.id AND o.id = $5
    WHERE b.tenant_id = $1 AND b.id = $3
        AND p.id IS NOT DISTINCT FROM $4 AND o.id IS NOT DISTINCT FROM $5
    ON CONFLICT (tenant_id, bin_id, product_id, lot_id, reason) WHERE state = 'OPEN' DO NOTHING
    RETURNING id
"""
WAITING = """
    SELECT t.id FROM count_tasks t
    WHERE t.tenant_id = $1 AND t.bin_id = $2 AND t.product_id IS NOT DISTINCT FROM $3
        AND t.lot_id IS NOT DISTINCT FROM $4 AND t.reason = 'MANUAL' AND t.state = 'OPEN'
"""
# One that only the ledger knew becomes a row now; where others were quicker, it is theirs.
CLOSE = """
    INSERT INTO count_tasks AS t (tenant_id, id, location_id, bin_id, product_id, lot_id, reason, state, batch_id,
        source_type, closed_at, closed_by, closing_comment, version)
    SELECT $1, u.id, u.location_id, u.bin_id, u.product_id, u.lot_id, u.reason, $9, $10, 'POSTING', now(),
        $11, $12, u.version + 1
    FROM unnest($2::uuid[], $3::uuid[], $4::uuid[], $5::uuid[], $6::uuid[], $7::text[], $8::int[])
        AS u(id, location_id, bin_id, product_id, lot_id, reason, version)
    ORDER BY u.id
    ON CONFLICT (tenant_id, id) DO UPDATE
    SET state = excluded.state, batch_id = excluded.batch_id, closed_at = excluded.closed_at,
        closed_by = excluded.closed_by, closing_comment = excluded.closing_comment, version = t.version + 1,
        updated_at = now()
    WHERE t.version = excluded.version - 1
"""


class SqlTaskReads:
    """The `TaskReads` port: one statement."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def tasks(self, wanted: TasksWanted) -> TaskPage:
        async with self._database.bound(wanted.tenant_id) as driver:
            return await listed(driver, wanted)


class TaskSqlWork(RaisesTasks):
    """The `TaskWork` port."""

    async def location_of_bin(self, bin_id: UUID) -> UUID | None:
        found: UUID | None = await self.driver.fetchval(LOCATION, self.act.tenant_id, bin_id)
        return found

    async def add_task(self, id_: UUID, task: NewTask) -> UUID | None:
        kept: UUID | None = await self.driver.fetchval(
            ADD,
            self.act.tenant_id,
            id_,
            task.bin_id,
            task.product_id,
            task.lot_id,
            task.note,
            self.act.caller.principal_id,
            self.act.caller.actor,
        )
        if kept is None:
            kept = await self.driver.fetchval(
                WAITING, self.act.tenant_id, task.bin_id, task.product_id, task.lot_id
            )
        return kept

    async def lock_tasks(self, ids: Sequence[UUID]) -> list[Task]:
        await self.driver.fetch(LOCK, self.act.tenant_id, sorted(ids))
        found = await self._views(ids)
        return [Task(**{name: getattr(one, name) for name in Task.__struct_fields__}) for one in found]

    async def close_tasks(self, tasks: Sequence[Task], *, comment: str | None, batch_id: UUID | None) -> None:
        done: str = await self.driver.execute(
            CLOSE,
            self.act.tenant_id,
            [one.id for one in tasks],
            [one.location_id for one in tasks],
            [one.bin_id for one in tasks],
            [one.product_id for one in tasks],
            [one.lot_id for one in tasks],
            [one.reason for one in tasks],
            [one.version for one in tasks],
            TaskState.DISMISSED if batch_id is None else TaskState.BATCHED,
            batch_id,
            self.act.caller.actor,
            comment,
        )
        if int(done.rsplit(" ", 1)[-1]) != len(tasks):
            raise ContentionError(Reason.UNAVAILABLE, "Others have decided about these tasks", retryAfter=1)

    async def view_task(self, id_: UUID) -> TaskView:
        (view,) = await self._views([id_])
        return view

    async def _views(self, ids: Sequence[UUID]) -> list[TaskView]:
        wanted = TasksWanted(tenant_id=self.act.tenant_id, scope=None, state=None, limit=len(ids))
        page = await listed(self.driver, wanted, ids=ids)
        return sorted(page.tasks, key=lambda one: one.id)


async def listed(
    driver: Driver, wanted: TasksWanted, *, ids: Sequence[UUID] | None = None, oldest_first: bool = False
) -> TaskPage:
    """A page of tasks and one more, or those with these ids."""
    values = {
        "tenant": wanted.tenant_id,
        "locations": within(wanted.scope, wanted.location_id),
        "bin": wanted.bin_id,
        "state": wanted.state,
        "reason": wanted.reason,
        "ids": ids,
        "at": None if wanted.after is None else wanted.after[0],
        "after": None if wanted.after is None else wanted.after[1],
    }
    query = _statement(
        tuple(name for name in _FILTERS if values[name] is not None),
        is_open=wanted.state in {None, TaskState.OPEN} and wanted.reason in {None, TaskReason.EMPTIED_BIN},
        goes_on=wanted.after is not None,
        offset=0 if wanted.after is not None else (wanted.page - 1) * wanted.limit,
        order="ASC" if oldest_first else "DESC",
        limit=wanted.limit + 1 if ids is None else _size(wanted.limit),
    )
    rows = await query.fetch(driver, values)
    return TaskPage(
        tasks=[_view(dict(row)) for row in rows if row["id"] is not None], total=rows[0]["total"] if rows else 0
    )


@lru_cache(maxsize=512)
def _statement(
    filters: tuple[str, ...], *, is_open: bool, goes_on: bool, order: str, offset: int, limit: int
) -> Query:
    emptied = _EMPTIED_HERE if "locations" in filters else _EMPTIED
    return Query(
        _LIST,
        parts=f"{_STORED} UNION ALL {emptied}" if is_open else _STORED,
        where="".join(f" AND {_FILTERS[name]}" for name in filters),
        after="WHERE (u.created_at, u.id) < (:at, :after)" if goes_on else "",
        order=order,
        offset=str(offset),
        limit=str(limit),
    )


def _size(count: int) -> int:
    return next((size for size in SIZES if size >= count), 5000)


def _view(row: dict[str, Any]) -> TaskView:
    row.pop("total")
    return msgspec.convert(row, TaskView, builtin_types=(UUID,))
