"""Fixtures of the areas over HTTP: a company for each test, and somebody who may do everything in it."""

import itertools
from collections.abc import AsyncGenerator
from typing import Any

import asyncpg
import httpx
import pytest

from tests.e2e.api.company import Company, found_company, master_key
from tests.lab import DatabaseUrls, Served

_numbers = itertools.count(1)

type Connection = asyncpg.Connection[Any]


@pytest.fixture(scope="module")
async def admin(database_urls: DatabaseUrls) -> AsyncGenerator[Connection]:
    connection = await asyncpg.connect(database_urls.admin_url)
    yield connection
    await connection.close()


@pytest.fixture
async def company(admin: Connection) -> Company:
    return await found_company(admin, f"company-{next(_numbers)}", has_documents=False)


@pytest.fixture
async def http(served: Served, admin: Connection, company: Company) -> AsyncGenerator[httpx.AsyncClient]:
    """Somebody who may do everything."""
    headers = await master_key(admin, company)
    async with httpx.AsyncClient(base_url=served.url, headers=headers, timeout=30) as client:
        yield client
