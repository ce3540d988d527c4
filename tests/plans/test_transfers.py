"""How lists of transfers, a single one and the bins of a location are found among very many."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from uuid import UUID

import asyncpg
import pytest

from domain.catalog.views import Window
from domain.transfers.bins import BinsWanted
from domain.transfers.model import TransferState
from domain.transfers.ports import TransferFilter
from infra.db.pool import BIND
from infra.transfers.bins import SqlTransferBins
from infra.transfers.queries import SqlTransferQueries
from tests.lab import DatabaseUrls
from tests.plans.conftest import Store
from tests.plans.explain import listening

PAGE, MADE = 20, 3_000
LAST = UUID(int=2**128 - 1)
TRANSFERS = """
    INSERT INTO transfers (tenant_id, id, number, type, state, origin_location_id, destination_location_id)
    SELECT $1, md5('transfer' || n)::uuid, 'TR-' || n, 'STANDARD',
        CASE WHEN n % 100 = 0 THEN 'IN_TRANSIT' ELSE 'COMPLETED' END, $2, $3
    FROM generate_series(1, $4::int) n
"""
LINES = """
    INSERT INTO transfer_lines (tenant_id, id, transfer_id, number, product_id, quantity)
    SELECT $1, md5('line' || n)::uuid, md5('transfer' || n)::uuid, 1, $2, 5 FROM generate_series(1, $3::int) n
"""
PICKS = """
    INSERT INTO transfer_picks (tenant_id, id, transfer_id, line_id, stock_line_id)
    SELECT $1, md5('pick' || n)::uuid, md5('transfer' || n)::uuid, md5('line' || n)::uuid, s.id
    FROM generate_series(1, $2::int) n
    CROSS JOIN (SELECT x.id FROM stock_lines x WHERE x.tenant_id = $1 LIMIT 1) s
"""
TABLES = ("transfer_picks", "transfer_lines", "transfers")

type Ask = Callable[[Store], Awaitable[object]]


@pytest.fixture(scope="module")
async def busy(wide: Store, wide_urls: DatabaseUrls) -> AsyncGenerator[Store]:
    connection = await asyncpg.connect(wide_urls.admin_url)
    stock = wide.stock
    tenant = stock.tenant_id
    await connection.execute(BIND, str(tenant))
    await connection.execute(TRANSFERS, tenant, *stock.locations[:2], MADE)
    await connection.execute(LINES, tenant, stock.product_id, MADE)
    await connection.execute(PICKS, tenant, MADE)
    await connection.execute(f"ANALYZE {', '.join(TABLES)}")
    yield wide
    for table in TABLES:
        await connection.execute(f"DELETE FROM {table} WHERE tenant_id = $1", tenant)
    await connection.close()


def listed(wanted: TransferFilter, *, is_limited: bool = False) -> Ask:
    """What follows a place: the total has been counted with the first page."""

    async def ask(store: Store) -> object:
        window = Window(sort="-createdAt", limit=PAGE, after=[str(LAST)])
        scope = frozenset(store.stock.locations[:1]) if is_limited else None
        return await SqlTransferQueries(store.database).page(store.stock.tenant_id, wanted, window, scope=scope)

    return ask


async def one(store: Store) -> object:
    async with store.database.bound(store.stock.tenant_id) as driver:
        id_: UUID = await driver.fetchval("SELECT md5('transfer7')::uuid")
    return await SqlTransferQueries(store.database).transfer(store.stock.tenant_id, id_, scope=None)


async def bins(store: Store) -> object:
    wanted, window = BinsWanted(location_id=store.stock.locations[0]), Window(sort="walkOrder", limit=PAGE)
    return await SqlTransferBins(store.database).page(store.stock.tenant_id, wanted, window, scope=None)


READS: dict[str, Ask] = {
    "a page": listed(TransferFilter()),
    "a page of one's location": listed(TransferFilter(), is_limited=True),
    "what is under way": listed(TransferFilter(state=TransferState.IN_TRANSIT)),
    "a transfer": one,
    "bins": bins,
}


@pytest.mark.parametrize("name", READS)
async def test_a_read_of_transfers_looks_at_what_it_shows(busy: Store, name: str) -> None:
    async with listening(busy.database) as sent:
        await READS[name](busy)
    statement, arguments = sent[-1]

    for plan in (
        await busy.explain.kept(statement, arguments),
        await busy.explain.fresh(statement, arguments),
    ):
        assert not {"stock_lines", "transfers", "transfer_lines", "transfer_picks"} & set(plan.scans), plan.scans
        assert name == "bins" or plan.examined < MADE
