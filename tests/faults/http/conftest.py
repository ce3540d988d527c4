"""One database and one real server of two workers for these tests; each makes companies of its own."""

import itertools
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from typing import Any

import asyncpg
import pytest

from infra.postgres import Running
from tests.e2e.api.company import Company, found_company
from tests.lab import DatabaseUrls, Served, a_database, serve

type Connection = asyncpg.Connection[Any]
type Founding = Callable[[], Awaitable[Company]]

_numbers = itertools.count(1)


@pytest.fixture(scope="package")
def urls(cluster: Running, template: str) -> Iterator[DatabaseUrls]:
    with a_database(cluster, template) as urls:
        yield urls


@pytest.fixture(scope="package")
def server(urls: DatabaseUrls) -> Iterator[Served]:
    with serve(urls, environment={"STOREKEEPER_LOG_LEVEL": "warning"}) as served:
        yield served


@pytest.fixture(scope="package")
async def admin(urls: DatabaseUrls) -> AsyncGenerator[Connection]:
    """The superuser."""
    connection = await asyncpg.connect(urls.admin_url)
    yield connection
    await connection.close()


@pytest.fixture(scope="package")
def found(admin: Connection) -> Founding:
    async def founding() -> Company:
        return await found_company(admin, f"fault-{next(_numbers)}")

    return founding


@pytest.fixture
async def company(found: Founding) -> Company:
    return await found()
