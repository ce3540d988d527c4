"""One database and one real server of two workers for all tests of the routes; a company for each test."""

import itertools
from collections.abc import AsyncGenerator, Iterator
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any, Protocol

import asyncpg
import httpx
import pytest

from infra.postgres import Running
from tests.e2e.api.company import Company, found_company
from tests.e2e.api.operations import walked_by
from tests.events_lab import untold
from tests.lab import DatabaseUrls, Served, a_database, serve

type Connection = asyncpg.Connection[Any]


class Founding(Protocol):
    """Makes another company."""

    async def __call__(self, *, has_documents: bool = True, about: str | None = None) -> Company: ...


WALKERS = ("test_bodies", "test_hostile", "test_schemathesis")
"""Tests of all routes at once."""

_numbers = itertools.count(1)


@pytest.fixture(scope="package")
def urls(cluster: Running, template: str) -> Iterator[DatabaseUrls]:
    with a_database(cluster, template) as urls:
        yield urls


@pytest.fixture(scope="package")
def server(urls: DatabaseUrls) -> Iterator[Served]:
    """The real server, two workers, which leave to others what is done in the background."""
    with serve(urls, environment={"STOREKEEPER_JOBS": "outside"}) as served:
        yield served


@pytest.fixture(scope="package")
async def admin(urls: DatabaseUrls) -> AsyncGenerator[Connection]:
    """The superuser."""
    connection = await asyncpg.connect(urls.admin_url)
    yield connection
    await connection.close()


@pytest.fixture(scope="package")
async def catalogued(admin: Connection) -> AsyncGenerator[None]:
    """Whatever all these tests have written into the feed is as the catalogue of events says."""
    yield
    assert await untold(admin) == []


@pytest.fixture(scope="package")
def found(admin: Connection, catalogued: None) -> Founding:
    """Makes another company."""

    async def founding(*, has_documents: bool = True, about: str | None = None) -> Company:
        return await found_company(admin, f"company-{next(_numbers)}", has_documents=has_documents, about=about)

    return founding


@pytest.fixture
async def company(request: pytest.FixtureRequest, found: Founding) -> Company:
    address = walked_by(request)
    is_walker = request.module.__name__.endswith(WALKERS)
    return await found(has_documents=is_walker or address is not None, about=address)


@pytest.fixture(scope="package")
async def http(server: Served) -> AsyncGenerator[httpx.AsyncClient]:
    """Each test says which cookies it sends, none are kept; connections are, and meet both workers."""
    no_cookies = CookieJar(DefaultCookiePolicy(allowed_domains=[]))
    async with httpx.AsyncClient(base_url=server.url, timeout=30, cookies=no_cookies) as client:
        yield client
