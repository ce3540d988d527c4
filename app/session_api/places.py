"""Locations and their areas: `/api/locations`, `/api/areas`. Each caller sees the locations of their rights."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Annotated, Any, Literal
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
from domain.catalog.model import Area, Capability, Location, LocationType
from domain.catalog.places import (
    change_area,
    change_location,
    create_area,
    create_location,
    delete_area,
    delete_location,
)
from domain.catalog.ports import CatalogQueries
from domain.catalog.rules import DEFAULT_CAPABILITIES, capabilities
from domain.catalog.views import AreaFilter, AreaView, LocationFilter, LocationView
from domain.errors import Reason

type LocationSort = Literal["code", "-code", "name", "-name"]
type AreaSort = Literal["code", "-code", "name", "-name"]
type Capabilities = Annotated[list[Capability], Meta(max_length=20)]


class CreateLocation(Body, frozen=True, kw_only=True):
    """Without `capabilities` it has those usual for its type, without `timeZone` the company's default.

    `timeZone` is IANA's, like Europe/London.
    """

    code: Text64
    name: Text200
    type: LocationType
    time_zone: Text64 | UnsetType = UNSET
    capabilities: Capabilities | None = None
    is_active: bool = field(name="active", default=True)


class ChangeLocation(Body, frozen=True, kw_only=True):
    """What is left out stays."""

    code: Text64 | UnsetType = UNSET
    name: Text200 | UnsetType = UNSET
    type: LocationType | UnsetType = UNSET
    time_zone: Text64 | UnsetType = UNSET
    capabilities: Capabilities | UnsetType = UNSET
    is_active: bool | UnsetType = field(name="active", default=UNSET)
    expected_version: Version | None = None


class CreateArea(Body, frozen=True, kw_only=True):
    location_id: UUID
    code: Text64
    name: Text200
    is_active: bool = field(name="active", default=True)


class ChangeArea(Body, frozen=True, kw_only=True):
    """What is left out stays."""

    code: Text64 | UnsetType = UNSET
    name: Text200 | UnsetType = UNSET
    is_active: bool | UnsetType = field(name="active", default=UNSET)
    expected_version: Version | None = None


class LocationList(Answer, frozen=True, kw_only=True):
    data: Sequence[LocationView]
    pagination: Pagination


class LocationData(Answer, frozen=True, kw_only=True):
    data: LocationView


class LocationController(Controller):
    path = "/api/locations"
    tags: Sequence[str] | None = ("Places",)

    @route(
        "GET",
        "/",
        operation="listLocations",
        summary="List locations",
        permissions=Permission.LOCATIONS_READ,
        query={"limit": 5},
    )
    async def browse(
        self,
        *,
        act: NamedDependency[SkipValidation[Act]],
        catalog: NamedDependency[SkipValidation[CatalogQueries]],
        search: Search = None,
        type_: Annotated[LocationType | None, QueryParameter(name="type")] = None,
        capability: FromQuery[Capability | None] = None,
        active: Active = None,
        sort: FromQuery[LocationSort] = "code",
        page: PageAt = None,
        limit: Limit = DEFAULT_LIMIT,
        cursor: Cursor = None,
    ) -> Json[LocationList]:
        wanted = asked(sort=sort, page=page, limit=limit, cursor=cursor)
        filters = LocationFilter(
            search=searched(search),
            type=type_,
            capability=capability,
            is_active=active,
        )
        found = await catalog.locations.page(act.tenant_id, filters, wanted.window, scope=act.scope)
        return Json(listed(LocationList, wanted, found))

    @route(
        "POST",
        "/",
        operation="createLocation",
        summary="Create a location",
        permissions=Permission.LOCATIONS_WRITE,
        description="Its default bin is made with it.",
        errors=[Reason.DUPLICATE, Reason.LOCATION_DENIED],
        status=HTTPStatus.CREATED,
        example={"code": "ST-LEEDS", "name": "Leeds shop", "type": "STORE", "timeZone": "Europe/London"},
    )
    async def create(
        self,
        data: JSONBody[CreateLocation],
        act: NamedDependency[SkipValidation[Act]],
        begin_catalog: NamedDependency[SkipValidation[BeginCatalog]],
    ) -> Json[LocationData]:
        location = _location(data)

        async def do(work: CatalogUnit) -> LocationData:
            return LocationData(data=await create_location(work, act=act, location=location))

        return await once(begin_catalog, act, do, status=HTTPStatus.CREATED)

    @route(
        "GET",
        "/{location_id:uuid}",
        operation="getLocation",
        summary="Get a location",
        permissions=Permission.LOCATIONS_READ,
        errors=[Reason.NOT_FOUND],
    )
    async def read(
        self,
        location_id: FromPath[UUID],
        act: NamedDependency[SkipValidation[Act]],
        catalog: NamedDependency[SkipValidation[CatalogQueries]],
    ) -> Json[LocationData]:
        return Json(LocationData(data=await catalog.locations.one(act.tenant_id, location_id, scope=act.scope)))

    @route(
        "PATCH",
        "/{location_id:uuid}",
        operation="changeLocation",
        summary="Change, deactivate or reactivate a location",
        permissions=Permission.LOCATIONS_WRITE,
        errors=[Reason.DUPLICATE, Reason.NOT_FOUND, Reason.STALE_VERSION, Reason.LOCATION_DENIED],
        example={"name": "Main warehouse"},
    )
    async def change(
        self,
        location_id: FromPath[UUID],
        data: JSONBody[ChangeLocation],
        act: NamedDependency[SkipValidation[Act]],
        begin_catalog: NamedDependency[SkipValidation[BeginCatalog]],
    ) -> Json[LocationData]:
        changes = _capable(changes_in(data))

        async def do(work: CatalogUnit) -> LocationData:
            view = await change_location(
                work, act=act, location_id=location_id, changes=changes, expected_version=data.expected_version
            )
            return LocationData(data=view)

        return await once(begin_catalog, act, do)

    @route(
        "DELETE",
        "/{location_id:uuid}",
        operation="deleteLocation",
        summary="Delete a location that nothing refers to",
        permissions=Permission.LOCATIONS_WRITE,
        errors=[Reason.NOT_FOUND, Reason.IN_USE, Reason.LOCATION_DENIED],
    )
    async def delete(
        self,
        location_id: FromPath[UUID],
        act: NamedDependency[SkipValidation[Act]],
        begin_catalog: NamedDependency[SkipValidation[BeginCatalog]],
    ) -> Json[Deleted]:
        async def do(work: CatalogUnit) -> Deleted:
            await delete_location(work, act=act, location_id=location_id)
            return Deleted(data=DeletedItem(id=location_id))

        return await once(begin_catalog, act, do)


class AreaList(Answer, frozen=True, kw_only=True):
    data: Sequence[AreaView]
    pagination: Pagination


class AreaData(Answer, frozen=True, kw_only=True):
    data: AreaView


class AreaController(Controller):
    path = "/api/areas"
    tags: Sequence[str] | None = ("Places",)

    @route(
        "GET",
        "/",
        operation="listAreas",
        summary="List areas",
        permissions=Permission.LOCATIONS_READ,
        query={"limit": 5},
    )
    async def browse(
        self,
        *,
        act: NamedDependency[SkipValidation[Act]],
        catalog: NamedDependency[SkipValidation[CatalogQueries]],
        search: Search = None,
        location_id: Annotated[UUID | None, QueryParameter(name="locationId")] = None,
        active: Active = None,
        sort: FromQuery[AreaSort] = "code",
        page: PageAt = None,
        limit: Limit = DEFAULT_LIMIT,
        cursor: Cursor = None,
    ) -> Json[AreaList]:
        wanted = asked(sort=sort, page=page, limit=limit, cursor=cursor)
        filters = AreaFilter(
            search=searched(search),
            location_id=location_id,
            is_active=active,
        )
        found = await catalog.areas.page(act.tenant_id, filters, wanted.window, scope=act.scope)
        return Json(listed(AreaList, wanted, found))

    @route(
        "POST",
        "/",
        operation="createArea",
        summary="Create an area",
        permissions=Permission.LOCATIONS_WRITE,
        errors=[Reason.DUPLICATE, Reason.NOT_FOUND, Reason.LOCATION_DENIED],
        status=HTTPStatus.CREATED,
        example={"locationId": "{locationId}", "code": "COLD", "name": "Cold store"},
    )
    async def create(
        self,
        data: JSONBody[CreateArea],
        act: NamedDependency[SkipValidation[Act]],
        begin_catalog: NamedDependency[SkipValidation[BeginCatalog]],
    ) -> Json[AreaData]:
        area = Area(**facts_in(data))

        async def do(work: CatalogUnit) -> AreaData:
            return AreaData(data=await create_area(work, act=act, area=area))

        return await once(begin_catalog, act, do, status=HTTPStatus.CREATED)

    @route(
        "GET",
        "/{area_id:uuid}",
        operation="getArea",
        summary="Get an area",
        permissions=Permission.LOCATIONS_READ,
        errors=[Reason.NOT_FOUND],
    )
    async def read(
        self,
        area_id: FromPath[UUID],
        act: NamedDependency[SkipValidation[Act]],
        catalog: NamedDependency[SkipValidation[CatalogQueries]],
    ) -> Json[AreaData]:
        return Json(AreaData(data=await catalog.areas.one(act.tenant_id, area_id, scope=act.scope)))

    @route(
        "PATCH",
        "/{area_id:uuid}",
        operation="changeArea",
        summary="Change, deactivate or reactivate an area",
        permissions=Permission.LOCATIONS_WRITE,
        errors=[Reason.DUPLICATE, Reason.NOT_FOUND, Reason.STALE_VERSION, Reason.LOCATION_DENIED],
        example={"name": "Cold store, 4 °C"},
    )
    async def change(
        self,
        area_id: FromPath[UUID],
        data: JSONBody[ChangeArea],
        act: NamedDependency[SkipValidation[Act]],
        begin_catalog: NamedDependency[SkipValidation[BeginCatalog]],
    ) -> Json[AreaData]:
        changes = changes_in(data)

        async def do(work: CatalogUnit) -> AreaData:
            view = await change_area(
                work, act=act, area_id=area_id, changes=changes, expected_version=data.expected_version
            )
            return AreaData(data=view)

        return await once(begin_catalog, act, do)

    @route(
        "DELETE",
        "/{area_id:uuid}",
        operation="deleteArea",
        summary="Delete an area that nothing refers to",
        permissions=Permission.LOCATIONS_WRITE,
        errors=[Reason.NOT_FOUND, Reason.IN_USE, Reason.LOCATION_DENIED],
    )
    async def delete(
        self,
        area_id: FromPath[UUID],
        act: NamedDependency[SkipValidation[Act]],
        begin_catalog: NamedDependency[SkipValidation[BeginCatalog]],
    ) -> Json[Deleted]:
        async def do(work: CatalogUnit) -> Deleted:
            await delete_area(work, act=act, area_id=area_id)
            return Deleted(data=DeletedItem(id=area_id))

        return await once(begin_catalog, act, do)


def _location(data: CreateLocation) -> Location:
    facts = facts_in(data)
    facts["capabilities"] = capabilities(
        DEFAULT_CAPABILITIES[data.type] if data.capabilities is None else data.capabilities
    )
    return Location(**{"time_zone": "", **facts})


def _capable(changes: dict[str, Any]) -> dict[str, Any]:
    if "capabilities" in changes:
        changes["capabilities"] = capabilities(changes["capabilities"])
    return changes
