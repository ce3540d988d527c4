"""Where a month of requests takes place: a database with the API over it, and who opens it in the morning."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from app.session_api.approval_rules import ApprovalRuleController
from app.session_api.receipts import ReceiptController
from app.session_api.record_stock import RecordStockController
from app.session_api.stock_request_acts import StockRequestActController
from app.session_api.stock_request_dashboards import StockRequestDashboardController
from app.session_api.stock_requests import StockRequestController
from infra.db.pool import Database
from infra.stock_requests.followups import BackorderFollowups
from tests.e2e.ledger_writes.site import an_api
from tests.lab import DatabaseUrls

CONTROLLERS = (
    ApprovalRuleController,
    ReceiptController,
    RecordStockController,
    StockRequestActController,
    StockRequestController,
    StockRequestDashboardController,
)


class Stage:
    """A database with the API over it."""

    def __init__(self, admin: "asyncpg.Connection[Any]", database: Database) -> None:
        self.admin = admin
        self.database = database
        self.followups = BackorderFollowups(database)
        self.api = an_api(database, CONTROLLERS, followups=self.followups)


@asynccontextmanager
async def a_stage(urls: DatabaseUrls) -> AsyncIterator[Stage]:
    admin = await asyncpg.connect(urls.admin_url)
    database = await Database.connect(urls.app_url, size=4)
    try:
        stage = Stage(admin, database)
        yield stage
        await stage.followups.finish()
    finally:
        await database.close()
        await admin.close()
