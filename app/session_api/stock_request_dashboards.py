"""Stock requests at a glance: `/api/stock-requests/dashboard` and `/by-category`."""

from collections.abc import Sequence
from typing import Annotated

from litestar import Controller
from litestar.di import NamedDependency
from litestar.params import FromQuery, QueryParameter, SkipValidation

from app.http.routes import route
from app.http.wire import Answer, Json
from domain.access.model import Act, Permission
from domain.stock_requests.dashboard import (
    DAYS_MAX,
    CategoryTile,
    Dashboard,
    DashboardReads,
    by_category,
    dashboard,
)
from domain.stock_requests.ports import Deciders
from domain.stock_requests.reading import PendingReads

DAYS = 30


class DashboardData(Answer, frozen=True, kw_only=True):
    data: Dashboard


class CategoryTiles(Answer, frozen=True, kw_only=True):
    data: Sequence[CategoryTile]


class StockRequestDashboardController(Controller):
    path = "/api/stock-requests"
    tags: Sequence[str] | None = ("Stock requests",)

    @route(
        "GET",
        "/dashboard",
        operation="getStockRequestDashboard",
        summary="Get stock requests dashboard data",
        permissions=Permission.STOCKREQUESTS_READ,
        description="Of the requests with an end that your rights cover. Each tile links to the list that it "
        "counts. The period is so many days of UTC, today among them.",
        query={"days": 7},
    )
    async def whole(
        self,
        *,
        act: NamedDependency[SkipValidation[Act]],
        dashboard_reads: NamedDependency[SkipValidation[DashboardReads]],
        pending_reads: NamedDependency[SkipValidation[PendingReads]],
        deciders: NamedDependency[SkipValidation[Deciders]],
        days: FromQuery[Annotated[int, QueryParameter(name="days", ge=1, le=DAYS_MAX)]] = DAYS,
    ) -> Json[DashboardData]:
        return Json(
            DashboardData(data=await dashboard(dashboard_reads, pending_reads, deciders, act=act, days=days))
        )

    @route(
        "GET",
        "/by-category",
        operation="getStockRequestsByCategory",
        summary="Get stock requests by category",
        permissions=Permission.STOCKREQUESTS_READ,
        description="A request counts in each category that its products had when it was last changed.",
    )
    async def categories(
        self,
        act: NamedDependency[SkipValidation[Act]],
        dashboard_reads: NamedDependency[SkipValidation[DashboardReads]],
    ) -> Json[CategoryTiles]:
        return Json(CategoryTiles(data=await by_category(dashboard_reads, act=act)))
