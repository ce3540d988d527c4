"""Replenishment over the API: configured, suggested with its reasons, recorded, triggered."""

import itertools
from collections.abc import AsyncGenerator
from typing import Any

import asyncpg
import httpx
import pytest

from tests.e2e.api.company import Company, found_company, master_key
from tests.lab import DatabaseUrls, Served

CONFIG = "/api/inventory/replenishment/config"
SUGGESTIONS = "/api/inventory/replenishment/suggestions"

_numbers = itertools.count(1)

type Connection = asyncpg.Connection[Any]


@pytest.fixture(scope="module")
async def admin(database_urls: DatabaseUrls) -> AsyncGenerator[Connection]:
    connection = await asyncpg.connect(database_urls.admin_url)
    yield connection
    await connection.close()


@pytest.fixture
async def company(admin: Connection) -> Company:
    return await found_company(admin, f"planning-{next(_numbers)}")


@pytest.fixture
async def http(served: Served, admin: Connection, company: Company) -> AsyncGenerator[httpx.AsyncClient]:
    """Somebody who may do everything."""
    headers = await master_key(admin, company)
    async with httpx.AsyncClient(base_url=served.url, headers=headers, timeout=30) as client:
        yield client


async def configured(http: httpx.AsyncClient, company: Company, **config: Any) -> Any:
    body = {"productMasterId": "{productMasterId}", "locationId": "{locationId}", **config}
    answer = await http.post(CONFIG, json=company.fill(body))
    assert answer.status_code == 200, answer.text
    (view,) = answer.json()["data"]
    return view


async def suggested(http: httpx.AsyncClient, company: Company, **asked: Any) -> Any:
    """The suggestion for the product at the location."""
    body = {"locationId": "{locationId}", "productMasterIds": ["{productMasterId}"], "includeAll": True, **asked}
    answer = await http.post(SUGGESTIONS, json=company.fill(body))
    assert answer.status_code == 200, answer.text
    (one,) = answer.json()["data"]
    return one


async def test_a_product_at_its_minimum_is_brought_up_to_its_maximum(
    http: httpx.AsyncClient, company: Company
) -> None:
    await configured(http, company, method="MIN_MAX", minQty=5000, maxQty=9000, orderMultiple=12)

    one = await suggested(http, company)

    terms = one["terms"]
    assert one["due"]
    assert one["current"] == terms["available"]
    position = one["current"] + one["inbound"]
    assert one["inbound"] == 40
    assert one["suggestedQuantity"] % 12 == 0
    assert 9000 <= position + one["suggestedQuantity"] < 9000 + 12
