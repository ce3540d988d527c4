"""What the demonstration's planners of counts have: a table of ABC classes that was kept, and tasks."""

from collections.abc import Sequence
from uuid import UUID

from domain.access.model import Act
from domain.counting.abc import Thresholds
from domain.counting.planning import PlanWanted, keep_run, plan_counts
from domain.counting.tasks import report_short_pick
from domain.settings.model import DEFAULTS
from domain.values import new_id
from infra.counting.abc import SqlPlanReads
from infra.counting.plans import PlanSqlWork
from infra.counting.tasks import TaskSqlWork
from infra.db.pool import Database
from infra.db.work import beginning
from infra.demo.places import DC

IS_DONE = "SELECT EXISTS (SELECT FROM abc_runs WHERE tenant_id = $1)"
# Lines that are in nobody's way: little stock, so that one who wanted more found too little.
SHORT = """
    SELECT s.id FROM stock_lines s
    WHERE s.tenant_id = $1 AND s.location_id = $2 AND s.on_hand BETWEEN 1 AND 6 AND s.reserved = 0
    ORDER BY s.id LIMIT 3
"""


async def plan_some_counts(database: Database, act: Act, *, locations: Sequence[UUID]) -> None:
    """Make it all, once."""
    location = locations[DC]
    async with beginning(database, PlanSqlWork)(act) as work:
        if await work.driver.fetchval(IS_DONE, act.tenant_id):
            return
    thresholds = DEFAULTS.abc_thresholds
    plan = await plan_counts(
        SqlPlanReads(database),
        PlanWanted(tenant_id=act.tenant_id, scope=None, location_id=location),
        thresholds=Thresholds(a=thresholds.a, b=thresholds.b),
        every=DEFAULTS.count_every_days,
    )
    async with beginning(database, PlanSqlWork)(act) as work:
        await keep_run(work, id_=new_id(), location_id=location, plan=plan)
    async with beginning(database, TaskSqlWork)(act) as work:
        for row in await work.driver.fetch(SHORT, act.tenant_id, location):
            await report_short_pick(
                work,
                line_id=row["id"],
                source_type="DEMO_PICK",
                source_id=str(row["id"]),
                note="There was less than the list said",
            )
