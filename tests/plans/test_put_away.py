"""How put-away finds its rows among very many: what waits, the bins that may take it, and the tasks."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from decimal import Decimal
from typing import Any

import asyncpg
import pytest

from domain.catalog.views import Window
from domain.put_away.model import State
from domain.put_away.ports import ReadyFilter, TaskFilter
from domain.values import new_id
from infra.db.pool import BIND
from infra.put_away.facts import NOBODY, OTHER_BINS
from infra.put_away.queries import SqlPutAwayReads
from infra.put_away.work import FACTS_OF
from tests.lab import DatabaseUrls
from tests.plans.conftest import Store
from tests.plans.explain import Sent, listening
from tests.plans.stock import Stock

PAGE = 20
TASKS = 3_000
PER_BIN = "SELECT max(n) FROM (SELECT count(*) AS n FROM stock_lines WHERE tenant_id = $1 GROUP BY bin_id) x"
OF_PRODUCTS = 1_500
"""A product's lines with their bins, a page's products likewise, and what is told of each bin."""
# Twenty docks of the largest location with a line each of other products, and tasks of which one in ten is open.
DOCKS = """
    INSERT INTO bins (tenant_id, id, location_id, code, name, type)
    SELECT $1, md5('dock' || n)::uuid, $2, 'DOCK-' || n, 'Dock', 'RECEIVING' FROM generate_series(1, 20) n
"""
LINES = """
    INSERT INTO stock_lines (tenant_id, id, product_id, location_id, bin_id, lot_id, on_hand)
    SELECT $1, md5('waits' || p.n)::uuid, p.id, $2, md5('dock' || (1 + p.n % 20))::uuid, t.id, 5
    FROM (SELECT id, row_number() OVER (ORDER BY id) AS n FROM products WHERE tenant_id = $1 LIMIT 200) p
    CROSS JOIN LATERAL (SELECT l.id FROM lots l WHERE l.tenant_id = $1 AND l.product_id = p.id LIMIT 1) t
"""
CLAIM = """
    INSERT INTO reservations (tenant_id, id, group_id, kind, state, product_id, location_id, quantity,
        open_quantity)
    SELECT $1, $2, $2, 'HARD', 'RELEASED', s.product_id, s.location_id, 1, 0
    FROM stock_lines s WHERE s.tenant_id = $1 AND s.id = md5('waits1')::uuid
"""
MADE = """
    INSERT INTO put_away_tasks (tenant_id, id, number, location_id, state, product_id, lot_id, from_line_id,
        from_bin_id, quantity, claim_id, suggested_bin_id, strategy)
    SELECT $1, md5('task' || g.n)::uuid, 'PA-' || g.n, $2,
        CASE WHEN g.n % 10 = 0 THEN 'PENDING' ELSE 'COMPLETED' END, s.product_id, s.lot_id, s.id, s.bin_id, 1,
        CASE WHEN g.n % 10 = 0 THEN $3::uuid END, b.id, 'OVERFLOW'
    FROM generate_series(1, $4) AS g(n)
    JOIN stock_lines s ON s.tenant_id = $1 AND s.id = md5('waits' || (1 + g.n % 200))::uuid
    JOIN (SELECT x.id, row_number() OVER (ORDER BY x.id) AS nth FROM bins x
        WHERE x.tenant_id = $1 AND x.location_id = $2 AND x.type = 'STANDARD' LIMIT 50) b ON b.nth = 1 + g.n % 50
"""
CLEAR = """
    DELETE FROM stock_lines s USING bins b
    WHERE b.id = s.bin_id AND b.type = 'RECEIVING' AND s.tenant_id = $1
"""

type Ask = Callable[[SqlPutAwayReads, Stock], Awaitable[object]]


@pytest.fixture(scope="module")
async def busy(wide: Store, wide_urls: DatabaseUrls) -> AsyncGenerator[Store]:
    """Very many lines, some of them at the docks, and tasks of a year; gone afterwards."""
    connection = await asyncpg.connect(wide_urls.admin_url)
    tenant, place, claim = wide.stock.tenant_id, wide.stock.locations[0], new_id()
    await connection.execute(BIND, str(tenant))
    await connection.execute(DOCKS, tenant, place)
    await connection.execute(LINES, tenant, place)
    await connection.execute(CLAIM, tenant, claim)
    await connection.execute(MADE, tenant, place, claim, TASKS)
    await connection.execute("ANALYZE put_away_tasks, bins, stock_lines")
    yield wide
    await connection.execute("DELETE FROM put_away_tasks WHERE tenant_id = $1", tenant)
    await connection.execute("DELETE FROM reservations WHERE tenant_id = $1 AND id = $2", tenant, claim)
    await connection.execute(CLEAR, tenant)
    await connection.execute("DELETE FROM bins WHERE tenant_id = $1 AND type = 'RECEIVING'", tenant)
    await connection.close()


def tasks(**fields: Any) -> Ask:
    async def ask(reads: SqlPutAwayReads, stock: Stock) -> object:
        given = {name: pick(stock) if callable(pick) else pick for name, pick in fields.items()}
        wanted = TaskFilter(**given)
        return await reads.tasks.page(stock.tenant_id, wanted, Window(sort="createdAt", limit=PAGE))

    return ask


def ready(**fields: Any) -> Ask:
    async def ask(reads: SqlPutAwayReads, stock: Stock) -> object:
        given = {name: pick(stock) if callable(pick) else pick for name, pick in fields.items()}
        window = Window(sort="createdAt", limit=PAGE)
        return await reads.ready(stock.tenant_id, ReadyFilter(**given), window, scope=None)

    return ask


async def statement_of(store: Store, ask: Ask) -> Sent:
    reads = SqlPutAwayReads(store.database)
    async with listening(store.database) as sent:
        await ask(reads, store.stock)
    assert len(sent) == 1, "a read is one statement"
    return sent[0]


LISTS = {
    "open tasks": tasks(is_open=True),
    "tasks of a location in a state": tasks(state=State.PENDING, location_id=lambda s: s.locations[0]),
}
WAITING = {
    "what waits": ready(),
    "what waits at a location": ready(location_id=lambda s: s.locations[0]),
}


@pytest.mark.parametrize("name", [*LISTS, *WAITING])
async def test_no_lines_are_read_but_by_index(busy: Store, name: str) -> None:
    statement, arguments = await statement_of(busy, (LISTS | WAITING)[name])

    for plan in (
        await busy.explain.kept(statement, arguments),
        await busy.explain.fresh(statement, arguments),
    ):
        assert set(plan.scans) <= {"put_away_tasks", "bins"}
        assert name not in LISTS or plan.examined < 2 * TASKS


async def the_most_in_bins(store: Store) -> int:
    """Lines of the bins that are looked at for room, each once to find it and once to tell of it."""
    async with store.database.bound(store.stock.tenant_id) as driver:
        per_bin: int = await driver.fetchval(PER_BIN, store.stock.tenant_id)
    return 2 * (OTHER_BINS + 5) * per_bin


async def test_the_bins_for_a_product_are_found_by_index_and_bounded(busy: Store) -> None:
    stock = busy.stock
    arguments = (stock.tenant_id, [stock.product_id], [stock.locations[0]], [stock.bin_id], NOBODY)
    most = await the_most_in_bins(busy) + OF_PRODUCTS

    for plan in (
        await busy.explain.kept(FACTS_OF, arguments),
        await busy.explain.fresh(FACTS_OF, arguments),
    ):
        assert "stock_lines" not in plan.scans
        assert plan.examined < most


@pytest.mark.parametrize("name", WAITING)
async def test_a_page_of_what_waits_reads_what_its_products_and_their_bins_have(busy: Store, name: str) -> None:
    statement, arguments = await statement_of(busy, WAITING[name])
    most = await the_most_in_bins(busy) + (PAGE + 1) * OF_PRODUCTS

    assert (await busy.explain.kept(statement, arguments)).examined < most


async def test_a_page_of_what_waits_has_a_suggestion_for_each_line(busy: Store) -> None:
    reads = SqlPutAwayReads(busy.database)
    window = Window(sort="createdAt", limit=PAGE)

    page = await reads.ready(busy.stock.tenant_id, ReadyFilter(), window, scope=None)

    assert page.total == 200
    assert len(page.items) == PAGE
    assert all(line.quantity == Decimal(5) for line in page.items)
    assert all(line.suggestion.placements and not line.suggestion.unplaced for line in page.items)
