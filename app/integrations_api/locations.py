"""Places where stock stands: `/api/integrations/v1/locations/`."""

from collections.abc import Sequence
from functools import partial
from http import HTTPStatus
from typing import Any, ClassVar, Protocol

from litestar import Controller, Request
from litestar.di import NamedDependency
from litestar.params import JSONBody, SkipValidation
from msgspec import UNSET, UnsetType

from app.http.acts import Begin, Work, once
from app.http.routes import route
from app.http.surfaces import Surface
from app.http.wire import Json, SnakeAnswer, SnakeBody, Text64, Text200, Unread
from app.integrations_api.bodies import changes_in, names_of, read, told_of
from app.integrations_api.shapes import (
    BASE,
    Cursor,
    Limit,
    Pagination,
    code_in,
    next_part,
)
from domain.access.model import Act, Permission
from domain.errors import Reason
from domain.integrations.catalog import NewPlace, add_place, change_place, one_place
from domain.integrations.ports import CodedWork, IntegrationReads, Mappings
from domain.integrations.views import PlaceView

PATH = f"{BASE}/locations"
LISTED = "locations"
SPELT = {"active": "is_active"}


class CreateIntegrationLocation(SnakeBody, frozen=True, kw_only=True):
    """A location of its own, or with `parent_code` a bin of it. Its name is `code` unless it has one."""

    code: Text64
    name: Text200 | None = None
    zone: Text64 | None = None
    parent_code: Text64 | None = None


class ChangeIntegrationLocation(SnakeBody, frozen=True, kw_only=True):
    """What is left out stays; `zone` null takes it away."""

    name: Text200 | UnsetType = UNSET
    zone: Text64 | UnsetType | None = UNSET
    is_active: bool | UnsetType = UNSET


class LocationBody(Unread, frozen=True):
    shape: ClassVar[Any] = CreateIntegrationLocation


class LocationChange(Unread, frozen=True):
    shape: ClassVar[Any] = ChangeIntegrationLocation


class PlaceData(SnakeAnswer, frozen=True, kw_only=True):
    success: bool = True
    data: PlaceView


class PlaceList(SnakeAnswer, frozen=True, kw_only=True):
    success: bool = True
    data: Sequence[PlaceView]
    pagination: Pagination


class CodedUnit(CodedWork, Work, Protocol):
    """The unit of work as the HTTP layer needs it, with idempotency."""


type BeginCoded = Begin[CodedUnit]


class IntegrationLocationController(Controller):
    path = PATH
    tags: Sequence[str] | None = ("Integrations",)

    @route(
        "POST",
        "/",
        operation="integrationsCreateLocation",
        summary="Create a location for stock",
        permissions=Permission.INTEGRATIONS_LOCATIONS_WRITE,
        surface=Surface.INTEGRATIONS,
        errors=[Reason.DUPLICATE, Reason.NOT_FOUND, Reason.MAPPING_ERROR],
        status=HTTPStatus.CREATED,
        example={"code": "A-101", "name": "Aisle A, 101", "zone": "A", "parent_code": "{locationCode}"},
    )
    async def create(
        self,
        data: JSONBody[LocationBody],
        act: NamedDependency[SkipValidation[Act]],
        begin_coded: NamedDependency[SkipValidation[BeginCoded]],
        mappings: NamedDependency[SkipValidation[Mappings]],
    ) -> Json[PlaceData]:
        names = await names_of(mappings, act, LISTED)
        asked = read(data.raw, CreateIntegrationLocation, names)
        place = NewPlace(
            code=asked.code, name=asked.name or asked.code, zone=asked.zone, parent_code=asked.parent_code
        )

        async def do(work: CodedUnit) -> PlaceData:
            return PlaceData(data=await told_of(names, add_place(work, act=act, place=place), SPELT))

        return await once(begin_coded, act, do, status=HTTPStatus.CREATED)

    @route(
        "GET",
        "/",
        operation="integrationsListLocations",
        summary="List locations for stock",
        permissions=Permission.INTEGRATIONS_LOCATIONS_READ,
        surface=Surface.INTEGRATIONS,
        description="Those in use, newest first. `code` is what names the place on this surface.",
        query={"limit": "5"},
    )
    async def browse(
        self,
        request: Request[Any, Any, Any],
        act: NamedDependency[SkipValidation[Act]],
        integration_reads: NamedDependency[SkipValidation[IntegrationReads]],
        limit: Limit = None,
        cursor: Cursor = None,
    ) -> Json[PlaceList]:
        read = partial(integration_reads.places, act.tenant_id, act.scope)
        part, page = await next_part(request, LISTED, limit, cursor, read)
        return Json(PlaceList(data=part.items, pagination=page))

    @route(
        "GET",
        "/{location_code:path}",
        operation="integrationsGetLocation",
        summary="Get a location for stock",
        permissions=Permission.INTEGRATIONS_LOCATIONS_READ,
        surface=Surface.INTEGRATIONS,
        errors=[Reason.NOT_FOUND],
    )
    async def read(
        self,
        request: Request[Any, Any, Any],
        act: NamedDependency[SkipValidation[Act]],
        integration_reads: NamedDependency[SkipValidation[IntegrationReads]],
    ) -> Json[PlaceData]:
        code = code_in(request, PATH)
        found = await integration_reads.places_called(act.tenant_id, act.scope, code) if code else ()
        return Json(PlaceData(data=one_place(found)))

    @route(
        "PUT",
        "/{location_code:path}",
        operation="integrationsChangeLocation",
        summary="Update a location for stock",
        permissions=Permission.INTEGRATIONS_LOCATIONS_WRITE,
        surface=Surface.INTEGRATIONS,
        errors=[Reason.NOT_FOUND, Reason.MAPPING_ERROR],
        example={"name": "Aisle A, level 1"},
    )
    async def change(
        self,
        request: Request[Any, Any, Any],
        data: JSONBody[LocationChange],
        act: NamedDependency[SkipValidation[Act]],
        begin_coded: NamedDependency[SkipValidation[BeginCoded]],
        mappings: NamedDependency[SkipValidation[Mappings]],
    ) -> Json[PlaceData]:
        names = await names_of(mappings, act, LISTED)
        changes = changes_in(read(data.raw, ChangeIntegrationLocation, names), names)
        code = code_in(request, PATH) or ""

        async def do(work: CodedUnit) -> PlaceData:
            changing = change_place(work, act=act, code=code, changes=changes)
            return PlaceData(data=await told_of(names, changing, SPELT))

        return await once(begin_coded, act, do)

    @route(
        "DELETE",
        "/{location_code:path}",
        operation="integrationsDeactivateLocation",
        summary="Deactivate a location for stock",
        permissions=Permission.INTEGRATIONS_LOCATIONS_WRITE,
        surface=Surface.INTEGRATIONS,
        description="Nothing is deleted: it stays readable, and no quantity can be set there.",
        errors=[Reason.NOT_FOUND],
        status=HTTPStatus.OK,
    )
    async def deactivate(
        self,
        request: Request[Any, Any, Any],
        act: NamedDependency[SkipValidation[Act]],
        begin_coded: NamedDependency[SkipValidation[BeginCoded]],
    ) -> Json[PlaceData]:
        code = code_in(request, PATH) or ""

        async def do(work: CodedUnit) -> PlaceData:
            return PlaceData(data=await change_place(work, act=act, code=code, changes={"is_active": False}))

        return await once(begin_coded, act, do)
