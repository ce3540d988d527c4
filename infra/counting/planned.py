"""The unit of work of batches that are made from a plan."""

from collections.abc import Mapping
from uuid import UUID

from domain.catalog.model import AbcClass
from domain.counting.tasks import TaskState, TasksWanted
from infra.counting.tasks import TaskSqlWork, listed
from infra.counting.work import CountingSqlWork

CLASSES = """
    UPDATE cycle_count_lines c SET abc_class = u.abc_class
    FROM unnest($3::uuid[], $4::text[]) AS u(product_id, abc_class)
    WHERE c.tenant_id = $1 AND c.batch_id = $2 AND c.product_id = u.product_id
"""


class PlannedSqlWork(CountingSqlWork, TaskSqlWork):
    """The `PlannedWork` port."""

    async def set_line_classes(self, batch_id: UUID, classes: Mapping[UUID, AbcClass]) -> None:
        await self.driver.execute(
            CLASSES, self.act.tenant_id, batch_id, list(classes), [str(letter) for letter in classes.values()]
        )

    async def open_task_ids(self, location_id: UUID, *, most: int) -> list[UUID]:
        wanted = TasksWanted(
            tenant_id=self.act.tenant_id,
            scope=self.act.scope,
            location_id=location_id,
            state=TaskState.OPEN,
            limit=most,
        )
        page = await listed(self.driver, wanted, oldest_first=True)
        return [task.id for task in page.tasks[:most]]
