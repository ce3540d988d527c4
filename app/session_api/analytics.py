"""What a period of the ledger says, for a dashboard: `/api/inventory/analytics`."""

from collections.abc import Sequence
from datetime import date
from typing import Annotated
from uuid import UUID

from litestar import Controller
from litestar.di import NamedDependency
from litestar.params import FromHeader, QueryParameter, SkipValidation

from app.http.headers import MinPosition, at_position
from app.http.routes import route
from app.http.wire import Answer, Json
from domain.access.model import Act, Permission
from domain.errors import Reason
from domain.ledger.analytics import DAYS_MAX, Analytics, analyse
from domain.ledger.figures import AnalyticsReads, AnalyticsWanted


class AnalyticsData(Answer, frozen=True, kw_only=True):
    data: Analytics


class AnalyticsController(Controller):
    path = "/api/inventory"
    tags: Sequence[str] | None = ("Inventory",)

    @route(
        "GET",
        "/analytics",
        operation="getInventoryAnalytics",
        summary="Get inventory analytics",
        permissions=Permission.INVENTORY_READ,
        description="Movements count on the day on which they took effect, less what was reversed; values are at "
        "today's unit cost. Without dates: the thirty days up to the last movement's. Days are those of the "
        "locations' time zone, or of UTC where there are several. Only locations that you may see count.",
        errors=[Reason.NOT_FOUND],
        query={"fromDate": "2024-01-01", "toDate": "2024-01-31"},
        heavy=True,
    )
    async def analytics(
        self,
        *,
        act: NamedDependency[SkipValidation[Act]],
        analytics: NamedDependency[SkipValidation[AnalyticsReads]],
        location_id: Annotated[UUID | None, QueryParameter(name="locationId")] = None,
        category_id: Annotated[
            UUID | None, QueryParameter(name="categoryId", description="With its subcategories.")
        ] = None,
        from_date: Annotated[
            date | None,
            QueryParameter(name="fromDate", description=f"At most {DAYS_MAX} days up to `toDate`."),
        ] = None,
        to_date: Annotated[
            date | None, QueryParameter(name="toDate", description="Included; days to come are left out.")
        ] = None,
        x_min_ledger_position: FromHeader[MinPosition] = None,
    ) -> Json[AnalyticsData]:
        wanted = AnalyticsWanted(
            tenant_id=act.tenant_id,
            scope=act.scope,
            location_id=location_id,
            category_id=category_id,
            from_day=from_date,
            to_day=to_date,
        )
        found, position = await analyse(analytics, wanted)
        return at_position(AnalyticsData(data=found), position, x_min_ledger_position)
