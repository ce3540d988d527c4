"""One database for all tests of webhooks, and endpoints that are there already."""

from collections.abc import AsyncGenerator, Iterator
from typing import Any

import asyncpg
import pytest

from infra.db.pool import Database
from infra.postgres import Running
from tests.lab import DatabaseUrls, a_database

type Connection = asyncpg.Connection[Any]


@pytest.fixture(scope="package")
def urls(cluster: Running, template: str) -> Iterator[DatabaseUrls]:
    with a_database(cluster, template) as urls:
        yield urls


@pytest.fixture(scope="package")
async def admin(urls: DatabaseUrls) -> AsyncGenerator[Connection]:
    """Past the walls."""
    connection = await asyncpg.connect(urls.admin_url)
    yield connection
    await connection.close()


@pytest.fixture(scope="package")
async def database(urls: DatabaseUrls) -> AsyncGenerator[Database]:
    """The application's own pool."""
    database = await Database.connect(urls.app_url, as_role=None)
    yield database
    await database.close()
