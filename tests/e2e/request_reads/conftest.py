"""An office as that of the requests' own tests, with what is read of many requests, and stocklists."""

from collections.abc import AsyncGenerator
from typing import Any

import asyncpg
import pytest

from app.session_api.approval_rules import ApprovalRuleController
from app.session_api.stock_request_acts import StockRequestActController
from app.session_api.stock_request_dashboards import StockRequestDashboardController
from app.session_api.stock_request_products import StockRequestProductController
from app.session_api.stock_requests import StockRequestController
from app.session_api.stocklists import StocklistController
from infra.db.pool import Database
from tests.e2e.ledger_writes.site import Api, Site, an_api
from tests.e2e.stock_requests.asking import Office
from tests.lab import DatabaseUrls

CONTROLLERS = (
    ApprovalRuleController,
    StockRequestActController,
    StockRequestController,
    StockRequestDashboardController,
    StockRequestProductController,
    StocklistController,
)


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
    return an_api(database, CONTROLLERS)


@pytest.fixture
async def office(admin: "asyncpg.Connection[Any]", database: Database, api: Api) -> Office:
    """A warehouse that gives, a store that asks, and people who ask, decide and fulfil."""
    return await Office.open(api, await Site(admin, database).build())
