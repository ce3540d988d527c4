"""One database and one real server of two workers for these tests; each makes companies of its own."""

import itertools
from collections.abc import AsyncGenerator, Iterator
from typing import Any, Protocol

import asyncpg
import pytest

from infra.postgres import Running
from tests.e2e.api.company import Company, found_company
from tests.e2e.api.operations import walked_by
from tests.lab import DatabaseUrls, Served, a_database, serve

type Connection = asyncpg.Connection[Any]


class Founding(Protocol):
    """Makes another company."""

    async def __call__(self, *, has_documents: bool = True, about: str | None = None) -> Company: ...


_numbers = itertools.count(1)


@pytest.fixture(scope="package")
def urls(cluster: Running, template: str) -> Iterator[DatabaseUrls]:
    with a_database(cluster, template) as urls:
        yield urls


@pytest.fixture(scope="package")
def server(urls: DatabaseUrls) -> Iterator[Served]:
    with serve(urls, environment={"STOREKEEPER_LOG_LEVEL": "warning", "STOREKEEPER_JOBS": "outside"}) as served:
        yield served


@pytest.fixture(scope="package")
async def admin(urls: DatabaseUrls) -> AsyncGenerator[Connection]:
    """The superuser."""
    connection = await asyncpg.connect(urls.admin_url)
    yield connection
    await connection.close()


@pytest.fixture(scope="package")
def found(admin: Connection) -> Founding:
    async def founding(*, has_documents: bool = True, about: str | None = None) -> Company:
        return await found_company(admin, f"fault-{next(_numbers)}", has_documents=has_documents, about=about)

    return founding


@pytest.fixture
async def company(request: pytest.FixtureRequest, found: Founding) -> Company:
    return await found(about=walked_by(request))
