"""What each channel may promise altogether: `/api/inventory/channel/summary`."""

from collections.abc import Sequence
from typing import Annotated
from uuid import UUID

from litestar import Controller
from litestar.di import NamedDependency
from litestar.params import FromHeader, FromQuery, QueryParameter, SkipValidation

from app.http.headers import MinPosition, at_position
from app.http.routes import route
from app.http.wire import Answer, Json
from app.session_api.inventory import LocationId
from domain.access.model import Act, Permission
from domain.availability.summary import ChannelSummary, SummaryReads, summary


class ChannelSummaries(Answer, frozen=True, kw_only=True):
    data: Sequence[ChannelSummary]


class ChannelSummaryController(Controller):
    path = "/api/inventory/channel"
    tags: Sequence[str] | None = ("Availability",)

    @route(
        "GET",
        "/summary",
        operation="getChannelSummary",
        summary="Get channel inventory summary",
        permissions=Permission.INVENTORY_READ,
        description="Each active channel over the locations that serve it. Its cost is that of the products that "
        "these locations have; for one location, name it.",
        query={"locationId": "{locationId}"},
    )
    async def summary(
        self,
        *,
        act: NamedDependency[SkipValidation[Act]],
        channel_sums: NamedDependency[SkipValidation[SummaryReads]],
        location_id: FromQuery[LocationId] = None,
        channel_id: FromQuery[Annotated[UUID | None, QueryParameter(name="channelId")]] = None,
        x_min_ledger_position: FromHeader[MinPosition] = None,
    ) -> Json[ChannelSummaries]:
        places = act.scope
        if location_id is not None:
            places = frozenset({location_id} if places is None else {location_id} & places)
        position, found = await summary(
            channel_sums, tenant_id=act.tenant_id, location_ids=places, channel_id=channel_id
        )
        return at_position(ChannelSummaries(data=found), position, x_min_ledger_position)
