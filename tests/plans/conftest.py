"""Databases with very much stock in them, of two sizes, so that growth shows."""

from collections.abc import AsyncGenerator, Iterator

import msgspec
import pytest

from infra.db.pool import Database
from infra.postgres import Running
from tests.lab import DatabaseUrls, a_database
from tests.plans.explain import Explainer
from tests.plans.stock import Stock, make_stock

FEW = 10_000


class Store(msgspec.Struct, frozen=True, kw_only=True):
    """A database with stock in it, open as the application has it, and to look at plans."""

    stock: Stock
    database: Database
    explain: Explainer


@pytest.fixture(
    scope="session",
    params=[
        pytest.param(100_000, id="100k"),
        pytest.param(1_000_000, id="1M", marks=pytest.mark.long),
    ],
)
def many_lines(request: pytest.FixtureRequest) -> int:
    count = request.param
    assert isinstance(count, int)
    return count


@pytest.fixture(scope="session")
def wide_urls(cluster: Running, template: str, many_lines: int) -> Iterator[DatabaseUrls]:
    with a_database(cluster, template) as urls:
        yield urls


@pytest.fixture(scope="session")
def narrow_urls(cluster: Running, template: str) -> Iterator[DatabaseUrls]:
    with a_database(cluster, template) as urls:
        yield urls


@pytest.fixture(scope="session")
async def wide(wide_urls: DatabaseUrls, many_lines: int) -> AsyncGenerator[Store]:
    """Very many lines."""
    async for store in _store(wide_urls, many_lines):
        yield store


@pytest.fixture(scope="session")
async def narrow(narrow_urls: DatabaseUrls) -> AsyncGenerator[Store]:
    """Few."""
    async for store in _store(narrow_urls, FEW):
        yield store


async def _store(urls: DatabaseUrls, lines: int) -> AsyncGenerator[Store]:
    stock = await make_stock(urls.admin_url, lines)
    database = await Database.connect(urls.app_url, size=1)
    async with Explainer.opened(urls.app_url, stock.tenant_id) as explain:
        yield Store(stock=stock, database=database, explain=explain)
    await database.close()
