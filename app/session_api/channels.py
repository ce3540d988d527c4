"""Channels and how they share stock: `/api/channels` and `/api/channels/policies`."""

from collections.abc import Sequence
from enum import StrEnum
from http import HTTPStatus
from typing import Annotated, Any, Literal, Protocol
from uuid import UUID

import msgspec
from litestar import Controller
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter, SkipValidation
from msgspec import UNSET, Meta, UnsetType, field

from app.http.acts import Begin, Work, once
from app.http.paging import Pagination
from app.http.routes import route
from app.http.wire import Answer, Body, Json, Text64, Text200, Version
from app.session_api.catalog import (
    DEFAULT_LIMIT,
    Active,
    Cursor,
    Deleted,
    DeletedItem,
    Limit,
    PageAt,
    Search,
    asked,
    changes_in,
    facts_in,
    listed,
    searched,
)
from domain.access.model import Act, Permission
from domain.availability.channels import (
    Channel,
    ChannelFilter,
    ChannelQueries,
    ChannelView,
    ChannelWork,
    PolicyFacts,
    PolicyFilter,
    PolicyView,
    change_channel,
    create_channel,
    delete_policy,
    put_policy,
    shown_to,
)
from domain.availability.model import Mode, Period, Respects
from domain.availability.policies import LIFE_DAYS_MAX, PRIORITY_LOWEST
from domain.errors import Reason
from domain.values import Quantity

LOCATIONS_MAX = 500

type ChannelSort = Literal["code", "-code", "name", "-name"]
type LocationIds = Annotated[list[UUID], Meta(max_length=LOCATIONS_MAX)]


class ChannelType(StrEnum):
    DIRECT = "DIRECT"
    DTC = "DTC"
    MARKETPLACE = "MARKETPLACE"
    RETAIL = "RETAIL"
    WHOLESALE = "WHOLESALE"


class ChannelUnit(ChannelWork, Work, Protocol):
    """The unit of work as the HTTP layer needs it, with idempotency."""


type BeginChannels = Begin[ChannelUnit]


class CreateChannel(Body, frozen=True, kw_only=True):
    """`locationIds` serve the channel; from other locations it sells nothing."""

    code: Text64
    name: Text200
    type: ChannelType
    location_ids: LocationIds = field(default_factory=list)
    is_active: bool = field(name="active", default=True)


class ChangeChannel(Body, frozen=True, kw_only=True):
    """What is left out stays; `locationIds` are all that serve the channel from now on."""

    code: Text64 | UnsetType = UNSET
    name: Text200 | UnsetType = UNSET
    type: ChannelType | UnsetType = UNSET
    location_ids: LocationIds | UnsetType = UNSET
    is_active: bool | UnsetType = field(name="active", default=UNSET)
    expected_version: Version | None = None


class PutPolicy(Body, frozen=True, kw_only=True):
    """The whole policy of a channel, a location and a product; one that is left out is any.

    `fence` is kept for the channel of each product at each location (`mode` says how it takes from it; `priority`
    1 is the highest, when there is not enough for all fences). `bufferUnits` or `bufferPercent` is what it does
    not get to see, `ceiling` what it may take in a `ceilingPeriod`. A cell is CRITICAL at or below
    `criticalThreshold` and LOW at or below `lowThreshold`. `expectedVersion` 0: there shall be no such policy yet.
    """

    channel_id: UUID | None = None
    location_id: UUID | None = None
    product_master_id: UUID | None = None
    is_closed: bool = field(name="closed", default=False)
    mode: Mode = Mode.REGULAR
    priority: Annotated[int, Meta(ge=1, le=PRIORITY_LOWEST)] = 100
    respects: Respects = Respects.ALL_OTHERS
    fence: Quantity = Quantity(0)
    buffer_units: Quantity = Quantity(0)
    buffer_percent: Quantity = Quantity(0)
    ceiling: Quantity | None = None
    ceiling_period: Period = Period.TOTAL
    low_threshold: Quantity = Quantity(0)
    critical_threshold: Quantity = Quantity(0)
    min_remaining_shelf_life_days: Annotated[int, Meta(ge=0, le=LIFE_DAYS_MAX)] = 0
    expected_version: Annotated[int, Meta(ge=0, le=2_147_483_647)] | None = None


class ChannelList(Answer, frozen=True, kw_only=True):
    data: Sequence[ChannelView]
    pagination: Pagination


class ChannelData(Answer, frozen=True, kw_only=True):
    data: ChannelView


class PolicyList(Answer, frozen=True, kw_only=True):
    data: Sequence[PolicyView]
    pagination: Pagination


class PolicyData(Answer, frozen=True, kw_only=True):
    data: PolicyView


class ChannelController(Controller):
    path = "/api/channels"
    tags: Sequence[str] | None = ("Channels",)

    @route(
        "GET",
        "/",
        operation="listChannels",
        summary="List channels",
        permissions=Permission.CHANNELS_READ,
        query={"active": True, "limit": 5},
    )
    async def browse(
        self,
        *,
        act: NamedDependency[SkipValidation[Act]],
        channel_queries: NamedDependency[SkipValidation[ChannelQueries]],
        search: Search = None,
        type_: FromQuery[Annotated[ChannelType | None, QueryParameter(name="type")]] = None,
        active: Active = None,
        sort: FromQuery[ChannelSort] = "code",
        page: PageAt = None,
        limit: Limit = DEFAULT_LIMIT,
        cursor: Cursor = None,
    ) -> Json[ChannelList]:
        wanted = asked(sort=sort, page=page, limit=limit, cursor=cursor)
        filters = ChannelFilter(search=searched(search), type=type_, is_active=active)
        found = await channel_queries.channels.page(act.tenant_id, filters, wanted.window)
        shown = [shown_to(act.scope, channel) for channel in found.items]
        return Json(listed(ChannelList, wanted, msgspec.structs.replace(found, items=shown)))

    @route(
        "POST",
        "/",
        operation="createChannel",
        summary="Create a channel",
        permissions=Permission.CHANNELS_WRITE,
        errors=[Reason.DUPLICATE, Reason.NOT_FOUND, Reason.LOCATION_DENIED],
        status=HTTPStatus.CREATED,
        example={"code": "WEB-UK", "name": "Web shop, UK", "type": "DTC"},
    )
    async def create(
        self,
        data: JSONBody[CreateChannel],
        act: NamedDependency[SkipValidation[Act]],
        begin_channels: NamedDependency[SkipValidation[BeginChannels]],
    ) -> Json[ChannelData]:
        channel = Channel(**_listed_once(facts_in(data)))

        async def do(work: ChannelUnit) -> ChannelData:
            return ChannelData(data=await create_channel(work, act=act, channel=channel))

        return await once(begin_channels, act, do, status=HTTPStatus.CREATED)

    @route(
        "PATCH",
        "/{channel_id:uuid}",
        operation="changeChannel",
        summary="Change a channel, deactivate it, or say which locations serve it",
        permissions=Permission.CHANNELS_WRITE,
        errors=[Reason.DUPLICATE, Reason.NOT_FOUND, Reason.STALE_VERSION, Reason.LOCATION_DENIED],
        example={"name": "Web shop, Europe"},
    )
    async def change(
        self,
        channel_id: FromPath[UUID],
        data: JSONBody[ChangeChannel],
        act: NamedDependency[SkipValidation[Act]],
        begin_channels: NamedDependency[SkipValidation[BeginChannels]],
    ) -> Json[ChannelData]:
        changes = _listed_once(changes_in(data))

        async def do(work: ChannelUnit) -> ChannelData:
            view = await change_channel(
                work, act=act, channel_id=channel_id, changes=changes, expected_version=data.expected_version
            )
            return ChannelData(data=view)

        return await once(begin_channels, act, do)

    @route(
        "GET",
        "/policies",
        operation="listChannelPolicies",
        summary="List channel policies",
        permissions=Permission.CHANNELS_READ,
        description="With those that name no location, as they count at yours, too.",
        query={"channelId": "{channelId}", "limit": 5},
    )
    async def policies(
        self,
        *,
        act: NamedDependency[SkipValidation[Act]],
        channel_queries: NamedDependency[SkipValidation[ChannelQueries]],
        channel_id: Annotated[UUID | None, QueryParameter(name="channelId")] = None,
        location_id: Annotated[UUID | None, QueryParameter(name="locationId")] = None,
        product_master_id: Annotated[UUID | None, QueryParameter(name="productMasterId")] = None,
        page: PageAt = None,
        limit: Limit = DEFAULT_LIMIT,
        cursor: Cursor = None,
    ) -> Json[PolicyList]:
        wanted = asked(sort="createdAt", page=page, limit=limit, cursor=cursor)
        filters = PolicyFilter(
            channel_id=channel_id,
            location_id=location_id,
            product_id=product_master_id,
            within=None if act.scope is None else sorted(act.scope),
        )
        return Json(
            listed(PolicyList, wanted, await channel_queries.policies.page(act.tenant_id, filters, wanted.window))
        )

    @route(
        "PUT",
        "/policies",
        operation="putChannelPolicy",
        summary="Set the policy of a channel, a location and a product",
        permissions=Permission.CHANNELS_WRITE,
        description="The most special policy counts, as a whole: one with a product before one without, then one "
        "with a location, then one with a channel. Another `fence` starts anew: what was taken of the old one "
        "counts no more.",
        errors=[Reason.NOT_FOUND, Reason.STALE_VERSION, Reason.LOCATION_DENIED],
        example={
            "channelId": "{channelId}",
            "locationId": "{locationId}",
            "productMasterId": "{productMasterId}",
            "fence": 30,
            "priority": 2,
            "lowThreshold": 10,
        },
    )
    async def put(
        self,
        data: JSONBody[PutPolicy],
        act: NamedDependency[SkipValidation[Act]],
        begin_channels: NamedDependency[SkipValidation[BeginChannels]],
    ) -> Json[PolicyData]:
        facts = facts_in(data)
        facts["product_id"] = facts.pop("product_master_id")
        facts["min_remaining_days"] = facts.pop("min_remaining_shelf_life_days")
        policy = PolicyFacts(**facts)

        async def do(work: ChannelUnit) -> PolicyData:
            view = await put_policy(work, act=act, policy=policy, expected_version=data.expected_version)
            return PolicyData(data=view)

        return await once(begin_channels, act, do)

    @route(
        "DELETE",
        "/policies/{policy_id:uuid}",
        operation="deleteChannelPolicy",
        summary="Take a channel policy away",
        permissions=Permission.CHANNELS_WRITE,
        errors=[Reason.NOT_FOUND, Reason.LOCATION_DENIED],
    )
    async def delete(
        self,
        policy_id: FromPath[UUID],
        act: NamedDependency[SkipValidation[Act]],
        begin_channels: NamedDependency[SkipValidation[BeginChannels]],
    ) -> Json[Deleted]:
        async def do(work: ChannelUnit) -> Deleted:
            await delete_policy(work, act=act, policy_id=policy_id)
            return Deleted(data=DeletedItem(id=policy_id))

        return await once(begin_channels, act, do)


def _listed_once(facts: dict[str, Any]) -> dict[str, Any]:
    if "location_ids" in facts:
        facts["location_ids"] = tuple(sorted(set(facts["location_ids"])))
    return facts
