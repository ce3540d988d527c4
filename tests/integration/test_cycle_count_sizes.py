"""What a cycle count costs in statements does not grow with its lines, and its lists find theirs by an index."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
import pytest

from domain.access.model import Act, Permission
from domain.counting import batches
from domain.counting.model import Batch, Count, NewBatch, Sitting, State, Type, Waiver, Wanted
from domain.counting.ports import BatchesWanted, LinesWanted
from domain.counting.recording import record
from domain.values import new_id
from infra.counting.queries import SqlCountReader
from infra.counting.sql import RENEW
from infra.counting.work import CountingSqlWork
from infra.db.pool import Database
from infra.db.work import beginning
from tests.lab import DatabaseUrls
from tests.ledger.builders import Warehouse, an_act
from tests.ledger.bulk import a_large_ledger
from tests.plans.explain import Explainer, listening

SITTING = 500
BATCHES = 3_000
MANY_BATCHES = """
    INSERT INTO cycle_counts (tenant_id, id, number, location_id, type, state, snapshot_position, line_count)
    SELECT $1, gen_random_uuid(), 'CC-X' || n, $2, 'SPOT', CASE WHEN n % 50 = 0 THEN 'DRAFT' ELSE 'COMPLETED' END,
        1, 1
    FROM generate_series(1, $3::int) n
"""


@pytest.fixture(scope="module")
async def admin(database_urls: DatabaseUrls) -> AsyncGenerator["asyncpg.Connection[Any]"]:
    connection = await asyncpg.connect(database_urls.admin_url)
    yield connection
    await connection.close()


@pytest.fixture(scope="module")
async def database(database_urls: DatabaseUrls) -> AsyncGenerator[Database]:
    database = await Database.connect(database_urls.app_url, size=1)
    yield database
    await database.close()


class Counter:
    """Somebody who counts, over one connection whose statements are counted."""

    def __init__(self, database: Database, warehouse: Warehouse) -> None:
        self.database = database
        self.warehouse = warehouse
        self.begin = beginning(database, CountingSqlWork)
        self.sent: list[str] = []

    def act(self) -> Act:
        act = an_act(self.warehouse.tenant_id, principal_id=new_id())
        caller = msgspec.structs.replace(act.caller, rights={Permission.INVENTORY_CYCLECOUNT: None})
        return msgspec.structs.replace(act, caller=caller, permission=Permission.INVENTORY_CYCLECOUNT)

    @asynccontextmanager
    async def working(self) -> AsyncGenerator[CountingSqlWork]:
        """A transaction, whose statements are in `sent` afterwards."""
        async with self.begin(self.act()) as work:
            connection = work.driver._con  # type: ignore[attr-defined] # hidden by the proxy
            self.sent = []

            def note(query: Any) -> None:
                if "pg_catalog" not in query.query and "'jit'" not in query.query:  # the driver's own
                    self.sent.append(query.query)

            connection.add_query_logger(note)
            try:
                yield work
            finally:
                connection.remove_query_logger(note)

    async def create(self, wanted: NewBatch) -> Batch:
        async with self.working() as work:
            return await batches.create(work, act=work.act, wanted=wanted)

    async def start(self, batch: Batch) -> Batch:
        async with self.working() as work:
            return await batches.start(work, act=work.act, batch_id=batch.id, expected_version=None)

    async def record(self, batch: Batch, lines: Sequence[UUID], *, waived: Sequence[UUID] = ()) -> Batch:
        sitting = Sitting(
            counts=[Count(line_id=line, quantity=Decimal(3)) for line in lines],
            waivers=[Waiver(line_id=line, reason="Out of reach") for line in waived],
        )
        async with self.working() as work:
            done = await record(work, act=work.act, batch_id=batch.id, sitting=sitting, expected_version=None)
            return done.batch


@pytest.fixture(scope="module")
async def counter(admin: "asyncpg.Connection[Any]", database: Database) -> Counter:
    return Counter(database, await a_large_ledger(admin, movements=10_000, lines=2_000))


async def lines_of(admin: "asyncpg.Connection[Any]", batch: Batch) -> list[UUID]:
    rows = await admin.fetch(
        "SELECT id FROM cycle_count_lines WHERE batch_id = $1 ORDER BY sequence, id", batch.id
    )
    return [row["id"] for row in rows]


async def test_the_planner_needs_no_statistics_to_renew_many_lines(
    counter: Counter, database: Database, database_urls: DatabaseUrls
) -> None:
    """Lines that were made a moment ago are as good as none to it; to look through all for each took minutes."""
    tenant = counter.warehouse.tenant_id
    async with listening(database) as sent:
        batch = await counter.create(NewBatch(location_id=counter.warehouse.locations[0], type=Type.FULL))
    ((renew, arguments),) = [one for one in sent if one[0] == RENEW]
    async with Explainer.opened(database_urls.app_url, tenant) as explain:
        plans = [await explain.kept(renew, arguments), await explain.fresh(renew, arguments)]
    async with counter.working() as work:
        await batches.cancel(work, act=work.act, batch_id=batch.id, expected_version=None)

    assert batch.line_count == 1_000
    assert max(plan.examined for plan in plans) < 20 * batch.line_count


async def test_a_thousand_lines_take_no_more_statements_than_one(
    admin: "asyncpg.Connection[Any]", counter: Counter
) -> None:
    few = await counter.create(
        NewBatch(
            location_id=counter.warehouse.locations[1],
            type=Type.PARTIAL,
            wanted=Wanted(product_master_ids=counter.warehouse.products[:1]),
        )
    )
    small = [len(counter.sent)]
    await counter.start(few)
    small.append(len(counter.sent))
    await counter.record(few, (await lines_of(admin, few))[:1])
    small.append(len(counter.sent))

    whole = await counter.create(NewBatch(location_id=counter.warehouse.locations[0], type=Type.FULL))
    large = [len(counter.sent)]
    started = await counter.start(whole)
    large.append(len(counter.sent))
    lines = await lines_of(admin, whole)
    counted = await counter.record(whole, lines[:SITTING])
    large.append(len(counter.sent))

    assert whole.line_count == len(lines) == 1_000
    assert (started.state, counted.counted_count, counted.left) == (State.IN_PROGRESS, SITTING, 1_000 - SITTING)
    assert large == small
    assert max(large) <= 10


async def test_lists_of_batches_and_of_lines_find_their_rows_by_an_index(
    admin: "asyncpg.Connection[Any]", counter: Counter, database: Database, database_urls: DatabaseUrls
) -> None:
    tenant, location = counter.warehouse.tenant_id, counter.warehouse.locations[0]
    await admin.execute(MANY_BATCHES, tenant, location, BATCHES)
    await admin.execute("ANALYZE cycle_counts, cycle_count_lines")
    (batch,) = await admin.fetch(
        "SELECT id FROM cycle_counts WHERE tenant_id = $1 AND type = 'FULL' AND location_id = $2"
        " AND state = 'IN_PROGRESS'",
        tenant,
        location,
    )
    reader = SqlCountReader(database)
    async with listening(database) as sent:
        for wanted in (
            BatchesWanted(tenant_id=tenant, scope=None, limit=50),
            BatchesWanted(tenant_id=tenant, scope=frozenset({location}), limit=50, state=State.DRAFT),
            BatchesWanted(tenant_id=tenant, scope=None, limit=50, location_id=location, after=batch["id"]),
            BatchesWanted(tenant_id=tenant, scope=None, limit=50, assignee_id=new_id()),
        ):
            await reader.batches(wanted)
        whole = await reader.batch(
            LinesWanted(tenant_id=tenant, scope=None, batch_id=batch["id"], limit=100, after=(500, new_id()))
        )
    queries = [(query, arguments) for query, arguments in sent if "cycle_count" in query]

    assert whole is not None
    assert [line.line.sequence for line in whole.lines][:2] == [501, 502]
    assert len(queries) == 4 + 2
    async with Explainer.opened(database_urls.admin_url, tenant) as explain:
        for query, arguments in queries:
            for plan in (await explain.kept(query, arguments), await explain.fresh(query, arguments)):
                assert not {"cycle_count_lines", "stock_lines"} & set(plan.scans), query
