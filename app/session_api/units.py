"""Units of measure and their conversions: `/api/uoms`, `/api/uom-conversions`."""

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
from app.http.wire import Answer, Body, Json, Text200, Version
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
from domain.catalog.measures import (
    change_conversion,
    change_uom,
    create_conversion,
    create_uom,
    delete_conversion,
    delete_uom,
)
from domain.catalog.model import Conversion, Factor, Uom
from domain.catalog.ports import CatalogQueries
from domain.catalog.views import ConversionFilter, ConversionView, UomFilter, UomView
from domain.errors import Reason

type Text32 = Annotated[str, Meta(min_length=1, max_length=32)]
type Decimals = Annotated[int, Meta(ge=0, le=4)]
type UomSort = Literal["code", "-code", "name", "-name"]
type ConversionSort = Literal["createdAt", "-createdAt"]


class CreateUom(Body, frozen=True, kw_only=True):
    """`decimals` is how many places quantities in this unit are usually written with."""

    code: Text32
    name: Text200
    decimals: Decimals = 0
    is_active: bool = field(name="active", default=True)


class ChangeUom(Body, frozen=True, kw_only=True):
    """What is left out stays."""

    code: Text32 | UnsetType = UNSET
    name: Text200 | UnsetType = UNSET
    decimals: Decimals | UnsetType = UNSET
    is_active: bool | UnsetType = field(name="active", default=UNSET)
    expected_version: Version | None = None


class CreateConversion(Body, frozen=True, kw_only=True):
    """One of `from` is `factor` of `to`; without a product for all that have no own one."""

    product_id: UUID | None = field(name="productMasterId", default=None)
    from_uom_id: UUID
    to_uom_id: UUID
    factor: Factor


class ChangeConversion(Body, frozen=True, kw_only=True):
    """What is left out stays."""

    factor: Factor | UnsetType = UNSET
    expected_version: Version | None = None


class UomList(Answer, frozen=True, kw_only=True):
    data: Sequence[UomView]
    pagination: Pagination


class UomData(Answer, frozen=True, kw_only=True):
    data: UomView


class UomController(Controller):
    path = "/api/uoms"
    tags: Sequence[str] | None = ("Units",)

    @route(
        "GET",
        "/",
        operation="listUoms",
        summary="List unit of measures",
        permissions=Permission.PRODUCTS_READ,
        query={"limit": 5},
    )
    async def browse(
        self,
        *,
        act: NamedDependency[SkipValidation[Act]],
        catalog: NamedDependency[SkipValidation[CatalogQueries]],
        search: Search = None,
        active: Active = None,
        sort: FromQuery[UomSort] = "code",
        page: PageAt = None,
        limit: Limit = DEFAULT_LIMIT,
        cursor: Cursor = None,
    ) -> Json[UomList]:
        wanted = asked(sort=sort, page=page, limit=limit, cursor=cursor)
        filters = UomFilter(
            search=searched(search),
            is_active=active,
        )
        found = await catalog.uoms.page(act.tenant_id, filters, wanted.window)
        return Json(listed(UomList, wanted, found))

    @route(
        "POST",
        "/",
        operation="createUom",
        summary="Create a unit of measure",
        permissions=Permission.PRODUCTS_WRITE,
        errors=[Reason.DUPLICATE, Reason.LOCATION_DENIED],
        status=HTTPStatus.CREATED,
        example={"code": "PALLET", "name": "Pallet"},
    )
    async def create(
        self,
        data: JSONBody[CreateUom],
        act: NamedDependency[SkipValidation[Act]],
        begin_catalog: NamedDependency[SkipValidation[BeginCatalog]],
    ) -> Json[UomData]:
        uom = Uom(**facts_in(data))

        async def do(work: CatalogUnit) -> UomData:
            return UomData(data=await create_uom(work, act=act, uom=uom))

        return await once(begin_catalog, act, do, status=HTTPStatus.CREATED)

    @route(
        "GET",
        "/{uom_id:uuid}",
        operation="getUom",
        summary="Get a unit of measure",
        permissions=Permission.PRODUCTS_READ,
        errors=[Reason.NOT_FOUND],
    )
    async def read(
        self,
        uom_id: FromPath[UUID],
        act: NamedDependency[SkipValidation[Act]],
        catalog: NamedDependency[SkipValidation[CatalogQueries]],
    ) -> Json[UomData]:
        return Json(UomData(data=await catalog.uoms.one(act.tenant_id, uom_id)))

    @route(
        "PATCH",
        "/{uom_id:uuid}",
        operation="changeUom",
        summary="Change, deactivate or reactivate a unit of measure",
        permissions=Permission.PRODUCTS_WRITE,
        errors=[Reason.DUPLICATE, Reason.NOT_FOUND, Reason.STALE_VERSION, Reason.LOCATION_DENIED],
        example={"name": "Unit"},
    )
    async def change(
        self,
        uom_id: FromPath[UUID],
        data: JSONBody[ChangeUom],
        act: NamedDependency[SkipValidation[Act]],
        begin_catalog: NamedDependency[SkipValidation[BeginCatalog]],
    ) -> Json[UomData]:
        changes = changes_in(data)

        async def do(work: CatalogUnit) -> UomData:
            view = await change_uom(
                work, act=act, uom_id=uom_id, changes=changes, expected_version=data.expected_version
            )
            return UomData(data=view)

        return await once(begin_catalog, act, do)

    @route(
        "DELETE",
        "/{uom_id:uuid}",
        operation="deleteUom",
        summary="Delete a unit of measure that nothing refers to",
        permissions=Permission.PRODUCTS_WRITE,
        errors=[Reason.NOT_FOUND, Reason.IN_USE, Reason.LOCATION_DENIED],
    )
    async def delete(
        self,
        uom_id: FromPath[UUID],
        act: NamedDependency[SkipValidation[Act]],
        begin_catalog: NamedDependency[SkipValidation[BeginCatalog]],
    ) -> Json[Deleted]:
        async def do(work: CatalogUnit) -> Deleted:
            await delete_uom(work, act=act, uom_id=uom_id)
            return Deleted(data=DeletedItem(id=uom_id))

        return await once(begin_catalog, act, do)


class ConversionList(Answer, frozen=True, kw_only=True):
    data: Sequence[ConversionView]
    pagination: Pagination


class ConversionData(Answer, frozen=True, kw_only=True):
    data: ConversionView


class ConversionController(Controller):
    path = "/api/uom-conversions"
    tags: Sequence[str] | None = ("Units",)

    @route(
        "GET",
        "/",
        operation="listConversions",
        summary="List conversions",
        permissions=Permission.PRODUCTS_READ,
        description="`isGeneral` shows those that belong to no product, or the others.",
        query={"limit": 5},
    )
    async def browse(
        self,
        *,
        act: NamedDependency[SkipValidation[Act]],
        catalog: NamedDependency[SkipValidation[CatalogQueries]],
        product_master_id: Annotated[UUID | None, QueryParameter(name="productMasterId")] = None,
        uom_id: Annotated[UUID | None, QueryParameter(name="uomId")] = None,
        is_general: Annotated[bool | None, QueryParameter(name="isGeneral")] = None,
        sort: FromQuery[ConversionSort] = "createdAt",
        page: PageAt = None,
        limit: Limit = DEFAULT_LIMIT,
        cursor: Cursor = None,
    ) -> Json[ConversionList]:
        wanted = asked(sort=sort, page=page, limit=limit, cursor=cursor)
        filters = ConversionFilter(
            product_id=product_master_id,
            uom_id=uom_id,
            is_general=is_general,
        )
        found = await catalog.conversions.page(act.tenant_id, filters, wanted.window)
        return Json(listed(ConversionList, wanted, found))

    @route(
        "POST",
        "/",
        operation="createConversion",
        summary="Create a conversion",
        permissions=Permission.PRODUCTS_WRITE,
        description="One conversion for each two units of a product, as it serves both directions, and none that "
        "contradicts a way over others.",
        errors=[Reason.DUPLICATE, Reason.NOT_FOUND, Reason.LOCATION_DENIED],
        status=HTTPStatus.CREATED,
        example={"fromUomId": "{spareUomId}", "toUomId": "{uomId}", "factor": 12},
    )
    async def create(
        self,
        data: JSONBody[CreateConversion],
        act: NamedDependency[SkipValidation[Act]],
        begin_catalog: NamedDependency[SkipValidation[BeginCatalog]],
    ) -> Json[ConversionData]:
        conversion = Conversion(**facts_in(data))

        async def do(work: CatalogUnit) -> ConversionData:
            return ConversionData(data=await create_conversion(work, act=act, conversion=conversion))

        return await once(begin_catalog, act, do, status=HTTPStatus.CREATED)

    @route(
        "GET",
        "/{conversion_id:uuid}",
        operation="getConversion",
        summary="Get a conversion",
        permissions=Permission.PRODUCTS_READ,
        errors=[Reason.NOT_FOUND],
    )
    async def read(
        self,
        conversion_id: FromPath[UUID],
        act: NamedDependency[SkipValidation[Act]],
        catalog: NamedDependency[SkipValidation[CatalogQueries]],
    ) -> Json[ConversionData]:
        return Json(ConversionData(data=await catalog.conversions.one(act.tenant_id, conversion_id)))

    @route(
        "PATCH",
        "/{conversion_id:uuid}",
        operation="changeConversion",
        summary="Change a conversion",
        permissions=Permission.PRODUCTS_WRITE,
        errors=[Reason.DUPLICATE, Reason.NOT_FOUND, Reason.STALE_VERSION, Reason.LOCATION_DENIED],
        example={"factor": 24},
    )
    async def change(
        self,
        conversion_id: FromPath[UUID],
        data: JSONBody[ChangeConversion],
        act: NamedDependency[SkipValidation[Act]],
        begin_catalog: NamedDependency[SkipValidation[BeginCatalog]],
    ) -> Json[ConversionData]:
        changes = changes_in(data)

        async def do(work: CatalogUnit) -> ConversionData:
            view = await change_conversion(
                work, act=act, conversion_id=conversion_id, changes=changes, expected_version=data.expected_version
            )
            return ConversionData(data=view)

        return await once(begin_catalog, act, do)

    @route(
        "DELETE",
        "/{conversion_id:uuid}",
        operation="deleteConversion",
        summary="Delete a conversion that nothing refers to",
        permissions=Permission.PRODUCTS_WRITE,
        errors=[Reason.NOT_FOUND, Reason.LOCATION_DENIED],
    )
    async def delete(
        self,
        conversion_id: FromPath[UUID],
        act: NamedDependency[SkipValidation[Act]],
        begin_catalog: NamedDependency[SkipValidation[BeginCatalog]],
    ) -> Json[Deleted]:
        async def do(work: CatalogUnit) -> Deleted:
            await delete_conversion(work, act=act, conversion_id=conversion_id)
            return Deleted(data=DeletedItem(id=conversion_id))

        return await once(begin_catalog, act, do)
