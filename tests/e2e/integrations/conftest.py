"""One database and one real server for the tests of the integrations surface; a company for each module."""

import itertools
from collections.abc import AsyncGenerator, Iterator

import httpx
import pytest

from domain.access.model import Permission
from infra.access.provision import create_api_key, create_tenant
from infra.postgres import Running
from tests.e2e.integrations.partner import Partner
from tests.lab import DatabaseUrls, Served, a_database, serve

_numbers = itertools.count(1)


@pytest.fixture(scope="package")
def urls(cluster: Running, template: str) -> Iterator[DatabaseUrls]:
    with a_database(cluster, template) as urls:
        yield urls


@pytest.fixture(scope="package")
def server(urls: DatabaseUrls) -> Iterator[Served]:
    with serve(urls) as served:
        yield served


@pytest.fixture(scope="package")
async def http(server: Served) -> AsyncGenerator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=server.url, timeout=60) as client:
        yield client


@pytest.fixture(scope="module")
async def partner(http: httpx.AsyncClient, urls: DatabaseUrls) -> Partner:
    """A company with two locations, bins and products, and a key that may do all of this surface."""
    slug = f"partner-{next(_numbers)}"
    tenant_id = await create_tenant(urls.admin_url, slug, slug.title())
    _, everything = await create_api_key(urls.admin_url, tenant_id, "Set-up", list(Permission))
    made = Partner(http=http, tenant_id=tenant_id, owner={"Authorization": f"Bearer {everything}"})
    await made.furnish()
    return made
