"""Asking for counts, for every unit of work that meets a reason to."""

from uuid import UUID

from domain.counting.tasks import TaskOfLine
from domain.errors import not_found
from infra.db.work import SqlWork

IS_LINE = "SELECT true FROM stock_lines WHERE tenant_id = $1 AND id = $2"
RAISE = """
    INSERT INTO count_tasks (tenant_id, id, location_id, bin_id, product_id, lot_id, reason, source_type,
        source_id, note, actor_id, actor)
    SELECT s.tenant_id, $3, s.location_id, s.bin_id, s.product_id, s.lot_id, $4, $5, $6, $7, $8, $9
    FROM stock_lines s WHERE s.tenant_id = $1 AND s.id = $2
    ON CONFLICT (tenant_id, bin_id, product_id, lot_id, reason) WHERE state = 'OPEN' DO NOTHING
    RETURNING id
"""


class RaisesTasks(SqlWork):
    """The `TaskRaising` port: put it among the bases of an area's unit of work. One round trip."""

    async def raise_task(self, task: TaskOfLine) -> None:
        stored: UUID | None = await self.driver.fetchval(
            RAISE,
            self.act.tenant_id,
            task.line_id,
            task.id,
            task.reason,
            task.source_type,
            task.source_id,
            task.note,
            self.act.caller.principal_id,
            self.act.caller.actor,
        )
        if stored is None and not await self.driver.fetchval(IS_LINE, self.act.tenant_id, task.line_id):
            raise not_found("stock line", field="lineId")
