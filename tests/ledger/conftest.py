from collections.abc import AsyncGenerator
from typing import Any

import asyncpg
import pytest

from infra.db.pool import Database
from tests.lab import DatabaseUrls


@pytest.fixture(scope="module")
async def admin(database_urls: DatabaseUrls) -> "AsyncGenerator[asyncpg.Connection[Any]]":
    """A connection past the walls."""
    connection = await asyncpg.connect(database_urls.admin_url)
    yield connection
    await connection.close()


@pytest.fixture(scope="module")
async def database(database_urls: DatabaseUrls) -> AsyncGenerator[Database]:
    """The application's own pool."""
    database = await Database.connect(database_urls.app_url, as_role=None)
    yield database
    await database.close()
