"""ABC classes, tasks and forms of counting among very many lines: what is read is found by an index."""

from collections.abc import Awaitable, Callable

import pytest

from domain.counting.abc import Measure, Thresholds
from domain.counting.form import FormWanted
from domain.counting.planning import PlanWanted, plan_counts
from domain.counting.tasks import TasksWanted
from domain.settings.model import CountEveryDays
from domain.values import new_id
from infra.counting.abc import SqlPlanReads
from infra.counting.form import SqlFormReads
from infra.counting.tasks import SqlTaskReads
from tests.plans.conftest import Store
from tests.plans.explain import Sent, listening

EMPTY = {
    "abc_runs",
    "abc_run_lines",
    "categories",
    "count_tasks",
    "cycle_count_lines",
    "cycle_counts",
    "postings",
    "stock_levels",
}
"""Tables that have few rows or none here."""

type Ask = Callable[[Store], Awaitable[object]]


def classes(measure: Measure) -> Ask:
    async def ask(store: Store) -> object:
        wanted = PlanWanted(
            tenant_id=store.stock.tenant_id, scope=None, location_id=store.stock.locations[0], measure=measure
        )
        return await plan_counts(
            SqlPlanReads(store.database), wanted, thresholds=Thresholds(), every=CountEveryDays()
        )

    return ask


async def tasks(store: Store) -> object:
    wanted = TasksWanted(
        tenant_id=store.stock.tenant_id, scope=None, location_id=store.stock.locations[0], limit=50
    )
    return await SqlTaskReads(store.database).tasks(wanted)


async def form(store: Store) -> object:
    wanted = FormWanted(tenant_id=store.stock.tenant_id, scope=None, batch_id=new_id())
    return await SqlFormReads(store.database).form(wanted)


ASKED: dict[str, Ask] = {
    **{f"classes by {measure.lower()}": classes(measure) for measure in Measure},
    "tasks": tasks,
    "form": form,
}


async def statements_of(store: Store, ask: Ask) -> list[Sent]:
    async with listening(store.database) as sent:
        await ask(store)
    return list(sent)


@pytest.mark.parametrize("name", ASKED)
async def test_no_large_table_is_read_as_a_whole(wide: Store, name: str) -> None:
    """Products may be: what moved or stands at a place can be most of them."""
    for statement, arguments in await statements_of(wide, ASKED[name]):
        plan = await wide.explain.fresh(statement, arguments)
        print(f"{name}: {plan.examined} rows, {plan.pages} pages")
        assert set(plan.scans) <= EMPTY | {"products"}
