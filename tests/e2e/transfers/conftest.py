"""A site of its own for each test, and the API over the database of the module."""

from collections.abc import AsyncGenerator
from typing import Any

import asyncpg
import pytest

from app.controllers import CONTROLLERS
from infra.db.pool import Database
from tests.e2e.ledger_writes.site import Api, Site, an_api
from tests.lab import DatabaseUrls


@pytest.fixture(scope="module")
async def admin(database_urls: DatabaseUrls) -> AsyncGenerator["asyncpg.Connection[Any]"]:
    """The superuser."""
    connection = await asyncpg.connect(database_urls.admin_url)
    yield connection
    await connection.close()


@pytest.fixture(scope="module")
async def database(database_urls: DatabaseUrls) -> AsyncGenerator[Database]:
    database = await Database.connect(database_urls.app_url)
    yield database
    await database.close()


@pytest.fixture(scope="module")
def api(database: Database) -> Api:
    """All routes: what is under way shows in many of them."""
    return an_api(database, CONTROLLERS)


@pytest.fixture
async def site(admin: "asyncpg.Connection[Any]", database: Database) -> Site:
    return await Site(admin, database).build()
