"""What waits at the demonstration's docks: a delivery of what many ask for, some of it on tasks already."""

from collections.abc import Sequence
from decimal import Decimal
from uuid import UUID

from domain.access.model import Act
from domain.ledger.model import Entry, Kind, Posting
from domain.put_away.creating import create_tasks
from domain.put_away.ports import NewTasks
from domain.put_away.service import complete_task, start_task
from domain.values import new_id
from infra.db.pool import Database
from infra.db.work import beginning
from infra.demo.places import DC
from infra.demo.plan import Plan
from infra.put_away.work import PutAwaySqlWork

SOURCE = "DEMO_DELIVERY"
IS_DONE = "SELECT EXISTS (SELECT FROM put_away_tasks WHERE tenant_id = $1)"
DOCKS = """
    SELECT id FROM bins WHERE tenant_id = $1 AND location_id = $2 AND type = 'RECEIVING'
    ORDER BY walk_order LIMIT 2
"""
# What is without lot control, so that no lots must be made up; the most sought first.
PLAIN = """
    SELECT p.id FROM unnest($2::uuid[]) WITH ORDINALITY AS w(id, n)
    JOIN products p ON p.tenant_id = $1 AND p.id = w.id
    JOIN lots t ON t.tenant_id = $1 AND t.product_id = p.id AND t.is_default AND t.status = 'ACTIVE'
    WHERE NOT p.is_lot_controlled AND p.is_active
        AND NOT EXISTS (
            SELECT FROM holds h WHERE h.tenant_id = $1 AND h.state = 'ACTIVE' AND h.scope = 'PRODUCT'
                AND h.product_id = p.id AND h.location_id = $3)
    ORDER BY w.n LIMIT 8
"""
# The bins where these stand take so many more, so that what comes needs a second one.
TIGHT = """
    UPDATE bins b SET capacity_units = x.filled + 60, version = b.version + 1
    FROM (
        SELECT s.bin_id, sum(s.on_hand) AS filled FROM stock_lines s
        WHERE s.tenant_id = $1 AND s.bin_id IN (
            SELECT y.bin_id FROM stock_lines y
            WHERE y.tenant_id = $1 AND y.location_id = $2 AND y.product_id = ANY ($3::uuid[]) AND y.on_hand > 0)
        GROUP BY s.bin_id
    ) x
    WHERE b.tenant_id = $1 AND b.id = x.bin_id AND b.type = 'PICKING'
"""
DELIVERED = Decimal(96)
SOON = Decimal(24)


async def fill_docks(
    database: Database, act: Act, plan: Plan, *, products: Sequence[UUID], locations: Sequence[UUID]
) -> None:
    """Make it all in one transaction, once."""
    demand = plan.assortment.demand
    sought = sorted(range(len(products)), key=lambda number: (-sum(demand[number].lines), number))
    tenant, location = act.tenant_id, locations[DC]
    async with beginning(database, PutAwaySqlWork)(act) as work:
        if await work.driver.fetchval(IS_DONE, tenant):
            return
        docks = [row["id"] for row in await work.driver.fetch(DOCKS, tenant, location)]
        wanted = [products[number] for number in sought[:40]]
        some = [row["id"] for row in await work.driver.fetch(PLAIN, tenant, wanted, location)]
        if not docks or not some:
            return
        await work.driver.execute(TIGHT, tenant, location, some[::2])
        posted = await work.post(_delivery(act, location, docks, some))
        lines = [moved.line_id for moved in posted.movements]
        begun = await create_tasks(work, act=act, wanted=NewTasks(line_id=lines[0]))
        part = await create_tasks(work, act=act, wanted=NewTasks(line_id=lines[1], quantity=SOON))
        for line in lines[2:4]:
            await create_tasks(work, act=act, wanted=NewTasks(line_id=line))
        for task in begun.tasks[:1]:
            await start_task(work, act=act, task_id=task.view.id, expected_version=None)
        for task in part.tasks:
            await complete_task(work, act=act, task_id=task.view.id)


def _delivery(act: Act, location: UUID, docks: Sequence[UUID], products: Sequence[UUID]) -> Posting:
    return Posting(
        id=new_id(),
        kind=Kind.RECEIPT,
        source_type=SOURCE,
        source_id="PO-7001",
        act=act,
        entries=tuple(
            Entry(
                kind=Kind.RECEIPT,
                product_id=product,
                location_id=location,
                bin_id=docks[number % len(docks)],
                delta=DELIVERED,
            )
            for number, product in enumerate(products)
        ),
    )
