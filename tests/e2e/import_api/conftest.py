"""One database and one real server of one worker for the import surface; a company for each module."""

import itertools
from collections.abc import AsyncGenerator, Iterator
from typing import Any

import asyncpg
import httpx
import pytest

from infra.postgres import Running
from tests.e2e.api.company import Company, found_company
from tests.e2e.import_api.programs import Program, a_program
from tests.lab import DatabaseUrls, Served, a_database, serve

type Connection = asyncpg.Connection[Any]

_numbers = itertools.count(1)


@pytest.fixture(scope="package")
def urls(cluster: Running, template: str) -> Iterator[DatabaseUrls]:
    with a_database(cluster, template) as urls:
        yield urls


@pytest.fixture(scope="package")
def server(urls: DatabaseUrls) -> Iterator[Served]:
    with serve(urls, workers=1) as served:
        yield served


@pytest.fixture(scope="package")
async def admin(urls: DatabaseUrls) -> AsyncGenerator[Connection]:
    """The superuser."""
    connection = await asyncpg.connect(urls.admin_url)
    yield connection
    await connection.close()


@pytest.fixture(scope="package")
def http(server: Served) -> Iterator[httpx.Client]:
    """As a program has it: no cookies, no headers of ours."""
    with httpx.Client(base_url=server.url, timeout=60) as client:
        yield client


@pytest.fixture(scope="module")
async def company(admin: Connection) -> Company:
    return await found_company(admin, f"vineyard-{next(_numbers)}", has_documents=False)


@pytest.fixture(scope="module")
async def program(admin: Connection, company: Company, http: httpx.Client) -> Program:
    """What a manager's program is: the token, and the address."""
    return await a_program(admin, company, http, "manager")


@pytest.fixture
async def fresh(admin: Connection, http: httpx.Client) -> Program:
    """Of a company of its own: nothing has been imported yet."""
    return await a_program(
        admin, await found_company(admin, f"estate-{next(_numbers)}", has_documents=False), http, "manager"
    )
