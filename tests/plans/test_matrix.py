"""The matrix among very many lines: one statement a page, which costs what is on it."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
import pytest

from domain.availability.matrix import COUNTED_MAX, SliceWanted
from domain.values import new_id
from infra.availability.drilldown import SqlDrillReads
from infra.availability.matrix import SqlMatrixReads
from tests.lab import DatabaseUrls
from tests.plans.conftest import Store
from tests.plans.explain import Sent, listening
from tests.plans.stock import Stock

CHANNELS, PAGE = 8, 50
EXAMINED_MAX = 12 * (PAGE + 1)

type Ask = Callable[[Store], Awaitable[object]]


@pytest.fixture(scope="module", autouse=True)
async def _channels(wide: Store, narrow: Store, wide_urls: DatabaseUrls, narrow_urls: DatabaseUrls) -> None:
    """Eight channels with a policy each, policies of a hundred products, and many claims and holds."""
    for store, urls in ((wide, wide_urls), (narrow, narrow_urls)):
        connection = await asyncpg.connect(urls.admin_url)
        await connection.execute("SET session_replication_role = replica")
        await _sell(connection, store.stock)
        await connection.execute("VACUUM ANALYZE")
        await connection.close()


async def _sell(connection: "asyncpg.Connection[Any]", stock: Stock) -> None:
    ids = [new_id() for _ in range(CHANNELS)]
    await connection.execute(
        """
        INSERT INTO channels (tenant_id, id, code, name, type)
        SELECT $1, c.id, 'C' || c.n, 'Channel ' || c.n, 'DTC' FROM unnest($2::uuid[]) WITH ORDINALITY AS c(id, n)
        """,
        *(stock.tenant_id, ids),
    )
    await connection.execute(
        """
        INSERT INTO channel_locations (tenant_id, channel_id, location_id)
        SELECT $1, c.id, l.id FROM unnest($2::uuid[]) c(id), unnest($3::uuid[]) l(id)
        """,
        *(stock.tenant_id, ids, stock.locations),
    )
    await connection.execute(
        """
        INSERT INTO channel_policies (tenant_id, id, channel_id, product_id, fence)
        SELECT $1, gen_random_uuid(), c.id, NULL::uuid, 5 FROM unnest($2::uuid[]) c(id)
        UNION ALL
        SELECT $1, gen_random_uuid(), c.id, p.id, 7 FROM unnest($2::uuid[]) c(id),
            (SELECT id FROM products WHERE tenant_id = $1 ORDER BY id LIMIT 100) p
        """,
        *(stock.tenant_id, ids),
    )
    await connection.execute(
        """
        INSERT INTO reservations (tenant_id, id, group_id, kind, state, channel_id, product_id, location_id,
            quantity, open_quantity, expires_at)
        SELECT $1, gen_random_uuid(), s.id, 'SOFT', 'LIVE', $2, s.product_id, s.location_id, 1, 1,
            now() + interval '1 hour'
        FROM (SELECT * FROM stock_lines WHERE tenant_id = $1 ORDER BY id LIMIT 5000) s
        """,
        *(stock.tenant_id, ids[0]),
    )
    for scope, column in (("LINE", "id"), ("LOT", "lot_id"), ("BIN", "bin_id"), ("PRODUCT", "product_id")):
        await connection.execute(
            f"""
            INSERT INTO holds (tenant_id, id, type, scope, {scope.lower()}_id, location_id, reason)
            SELECT $1, gen_random_uuid(), 'QUALITY', '{scope}', s.{column}, s.location_id, 'Looked at'
            FROM (SELECT * FROM stock_lines WHERE tenant_id = $1 ORDER BY id OFFSET 5000 LIMIT 2000) s
            """,
            stock.tenant_id,
        )


def page(pick: Callable[[Stock], dict[str, Any]] = lambda _: {}) -> Ask:
    def ask(store: Store) -> Awaitable[object]:
        stock = store.stock
        wanted = SliceWanted(tenant_id=stock.tenant_id, location_id=stock.locations[0], limit=PAGE)
        return SqlMatrixReads(store.database).slice(msgspec.structs.replace(wanted, **pick(stock)))

    return ask


def drilldown(store: Store) -> Awaitable[object]:
    stock = store.stock
    return SqlDrillReads(store.database).behind(stock.tenant_id, stock.product_id, stock.locations[0])


def in_the_middle(stock: Stock) -> dict[str, UUID]:
    return {"after": stock.product_id}


ASKED: dict[str, tuple[Ask, int]] = {
    "the first page, counted": (page(), EXAMINED_MAX + COUNTED_MAX + 1),
    "a page, on from the middle": (page(in_the_middle), EXAMINED_MAX),
    "a drilldown": (drilldown, EXAMINED_MAX),
}


async def statement_of(store: Store, ask: Ask) -> Sent:
    async with listening(store.database) as sent:
        await ask(store)
    assert len(sent) == 1, [statement for statement, _ in sent]
    return sent[0]


@pytest.mark.parametrize("name", ASKED)
async def test_it_looks_at_no_more_than_it_shows(wide: Store, name: str) -> None:
    ask, most = ASKED[name]
    statement, arguments = await statement_of(wide, ask)

    for plan in (
        await wide.explain.kept(statement, arguments),
        await wide.explain.fresh(statement, arguments),
    ):
        assert plan.scans == []
        assert plan.examined <= most
    assert await wide.explain.choice(statement, arguments) == "kept"


@pytest.mark.parametrize("name", [name for name in ASKED if "counted" not in name])
async def test_it_touches_as_many_pages_of_many_lines_as_of_few(narrow: Store, wide: Store, name: str) -> None:
    # What the function of the terms touches is counted with the statement that calls it.
    ask, _ = ASKED[name]
    pages = {}
    for store in (narrow, wide):
        statement, arguments = await statement_of(store, ask)
        pages[store.stock.lines] = (await store.explain.kept(statement, arguments)).pages
    print(f"{name}: {pages}")

    few, many = pages.values()
    assert many <= 1.5 * few + 10
