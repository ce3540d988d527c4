"""Bins: `/api/bins`. Each caller sees those at the locations of their rights."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Annotated, Literal
from uuid import UUID

from litestar import Controller
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter, SkipValidation
from msgspec import UNSET, Meta, UnsetType, field

from app.http.acts import once
from app.http.paging import Pagination
from app.http.routes import route
from app.http.wire import Answer, Body, Json, Text64, Text200, Version
from app.session_api.catalog import (
    DEFAULT_LIMIT,
    Active,
    BeginCatalog,
    CatalogUnit,
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
from domain.catalog.model import Bin, BinType, Mixing
from domain.catalog.places import change_bin, create_bin, delete_bin
from domain.catalog.ports import CatalogQueries
from domain.catalog.rules import WALK_ORDER_MAX
from domain.catalog.views import BinFilter, BinView
from domain.errors import Reason
from domain.values import Quantity

type WalkOrder = Annotated[int, Meta(ge=0, le=WALK_ORDER_MAX)]
type BinSort = Literal["code", "-code", "walkOrder", "-walkOrder"]


class CreateBin(Body, frozen=True, kw_only=True):
    """Without a `name` it is called by its code. Without a capacity it holds any quantity."""

    location_id: UUID
    area_id: UUID | None = None
    code: Text64
    name: Text200 | None = None
    type: BinType = BinType.STANDARD
    zone: Text64 | None = None
    walk_order: WalkOrder = 0
    capacity_units: Quantity | None = None
    capacity_volume: Quantity | None = None
    capacity_weight: Quantity | None = None
    mixing: Mixing = Mixing.ANY
    is_active: bool = field(name="active", default=True)


class ChangeBin(Body, frozen=True, kw_only=True):
    """What is left out stays; null takes away."""

    area_id: UUID | UnsetType | None = UNSET
    code: Text64 | UnsetType = UNSET
    name: Text200 | UnsetType = UNSET
    type: BinType | UnsetType = UNSET
    zone: Text64 | UnsetType | None = UNSET
    walk_order: WalkOrder | UnsetType = UNSET
    capacity_units: Quantity | UnsetType | None = UNSET
    capacity_volume: Quantity | UnsetType | None = UNSET
    capacity_weight: Quantity | UnsetType | None = UNSET
    mixing: Mixing | UnsetType = UNSET
    is_active: bool | UnsetType = field(name="active", default=UNSET)
    expected_version: Version | None = None


class BinList(Answer, frozen=True, kw_only=True):
    data: Sequence[BinView]
    pagination: Pagination


class BinData(Answer, frozen=True, kw_only=True):
    data: BinView


class BinController(Controller):
    path = "/api/bins"
    tags: Sequence[str] | None = ("Places",)

    @route(
        "GET",
        "/",
        operation="listBins",
        summary="List bins",
        permissions=Permission.LOCATIONS_READ,
        description="`walkOrder` sorts by location and walking order.",
        query={"limit": 5},
    )
    async def browse(
        self,
        *,
        act: NamedDependency[SkipValidation[Act]],
        catalog: NamedDependency[SkipValidation[CatalogQueries]],
        search: Search = None,
        location_id: Annotated[UUID | None, QueryParameter(name="locationId")] = None,
        area_id: Annotated[UUID | None, QueryParameter(name="areaId")] = None,
        type_: Annotated[BinType | None, QueryParameter(name="type")] = None,
        zone: FromQuery[Text64 | None] = None,
        active: Active = None,
        sort: FromQuery[BinSort] = "code",
        page: PageAt = None,
        limit: Limit = DEFAULT_LIMIT,
        cursor: Cursor = None,
    ) -> Json[BinList]:
        wanted = asked(sort=sort, page=page, limit=limit, cursor=cursor)
        filters = BinFilter(
            search=searched(search),
            location_id=location_id,
            area_id=area_id,
            type=type_,
            zone=zone,
            is_active=active,
        )
        found = await catalog.bins.page(act.tenant_id, filters, wanted.window, scope=act.scope)
        return Json(listed(BinList, wanted, found))

    @route(
        "POST",
        "/",
        operation="createBin",
        summary="Create a bin",
        permissions=Permission.LOCATIONS_WRITE,
        errors=[Reason.DUPLICATE, Reason.NOT_FOUND, Reason.LOCATION_DENIED],
        status=HTTPStatus.CREATED,
        example={"locationId": "{locationId}", "code": "A-01-01-1", "type": "PICKING", "walkOrder": 10},
    )
    async def create(
        self,
        data: JSONBody[CreateBin],
        act: NamedDependency[SkipValidation[Act]],
        begin_catalog: NamedDependency[SkipValidation[BeginCatalog]],
    ) -> Json[BinData]:
        place = Bin(**facts_in(data) | {"name": data.name or data.code})

        async def do(work: CatalogUnit) -> BinData:
            return BinData(data=await create_bin(work, act=act, place=place))

        return await once(begin_catalog, act, do, status=HTTPStatus.CREATED)

    @route(
        "GET",
        "/{bin_id:uuid}",
        operation="getBin",
        summary="Get a bin",
        permissions=Permission.LOCATIONS_READ,
        errors=[Reason.NOT_FOUND],
    )
    async def read(
        self,
        bin_id: FromPath[UUID],
        act: NamedDependency[SkipValidation[Act]],
        catalog: NamedDependency[SkipValidation[CatalogQueries]],
    ) -> Json[BinData]:
        return Json(BinData(data=await catalog.bins.one(act.tenant_id, bin_id, scope=act.scope)))

    @route(
        "PATCH",
        "/{bin_id:uuid}",
        operation="changeBin",
        summary="Change, deactivate or reactivate a bin",
        permissions=Permission.LOCATIONS_WRITE,
        description="Between types that sell and HOLD, QUARANTINE, DAMAGE it changes only before stock has been "
        "in it.",
        errors=[Reason.DUPLICATE, Reason.NOT_FOUND, Reason.STALE_VERSION, Reason.IN_USE, Reason.LOCATION_DENIED],
        example={"walkOrder": 20, "capacityUnits": 400},
    )
    async def change(
        self,
        bin_id: FromPath[UUID],
        data: JSONBody[ChangeBin],
        act: NamedDependency[SkipValidation[Act]],
        begin_catalog: NamedDependency[SkipValidation[BeginCatalog]],
    ) -> Json[BinData]:
        changes = changes_in(data)

        async def do(work: CatalogUnit) -> BinData:
            view = await change_bin(
                work, act=act, bin_id=bin_id, changes=changes, expected_version=data.expected_version
            )
            return BinData(data=view)

        return await once(begin_catalog, act, do)

    @route(
        "DELETE",
        "/{bin_id:uuid}",
        operation="deleteBin",
        summary="Delete a bin that nothing refers to",
        permissions=Permission.LOCATIONS_WRITE,
        errors=[Reason.NOT_FOUND, Reason.IN_USE, Reason.LOCATION_DENIED],
    )
    async def delete(
        self,
        bin_id: FromPath[UUID],
        act: NamedDependency[SkipValidation[Act]],
        begin_catalog: NamedDependency[SkipValidation[BeginCatalog]],
    ) -> Json[Deleted]:
        async def do(work: CatalogUnit) -> Deleted:
            await delete_bin(work, act=act, bin_id=bin_id)
            return Deleted(data=DeletedItem(id=bin_id))

        return await once(begin_catalog, act, do)
