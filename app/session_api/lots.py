"""Lots: `/api/lots`."""

from collections.abc import Sequence
from datetime import date
from http import HTTPStatus
from typing import Annotated, Any, Literal
from uuid import UUID

from litestar import Controller
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter, SkipValidation
from msgspec import UNSET, UnsetType, field

from app.http.acts import once
from app.http.paging import Pagination
from app.http.routes import route
from app.http.wire import Answer, Body, Json, Text64, Version
from app.session_api.catalog import (
    DEFAULT_LIMIT,
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
from domain.catalog.lots import change_lot, create_lot, delete_lot
from domain.catalog.model import Lot
from domain.catalog.ports import CatalogQueries
from domain.catalog.views import LotFilter, LotView
from domain.errors import Reason
from domain.expiry.model import LotStatus

type LotSort = Literal["lotNumber", "-lotNumber", "expiryDate", "-expiryDate", "createdAt", "-createdAt"]


class CreateLot(Body, frozen=True, kw_only=True):
    product_id: UUID = field(name="productMasterId")
    number: Text64 = field(name="lotNumber")
    expires_on: date | None = field(name="expiryDate", default=None)
    manufactured_on: date | None = field(name="manufacturedDate", default=None)
    supplier_lot: Text64 | None = None


class ChangeLot(Body, frozen=True, kw_only=True):
    """What is left out stays; null takes away."""

    number: Text64 | UnsetType = field(name="lotNumber", default=UNSET)
    expires_on: date | UnsetType | None = field(name="expiryDate", default=UNSET)
    manufactured_on: date | UnsetType | None = field(name="manufacturedDate", default=UNSET)
    supplier_lot: Text64 | UnsetType | None = UNSET
    is_active: bool | UnsetType = field(name="active", default=UNSET)
    expected_version: Version | None = None


class LotList(Answer, frozen=True, kw_only=True):
    data: Sequence[LotView]
    pagination: Pagination


class LotData(Answer, frozen=True, kw_only=True):
    data: LotView


class LotController(Controller):
    path = "/api/lots"
    tags: Sequence[str] | None = ("Products",)

    @route(
        "GET",
        "/",
        operation="listLots",
        summary="List lots",
        permissions=Permission.PRODUCTS_READ,
        description="The default lots, in which products without lot control are kept, are shown with "
        "`includeDefault`.",
        query={"limit": 5},
    )
    async def browse(
        self,
        *,
        act: NamedDependency[SkipValidation[Act]],
        catalog: NamedDependency[SkipValidation[CatalogQueries]],
        search: Search = None,
        product_master_id: Annotated[UUID | None, QueryParameter(name="productMasterId")] = None,
        lot_number: Annotated[Text64 | None, QueryParameter(name="lotNumber")] = None,
        status: FromQuery[LotStatus | None] = None,
        expiring_before: Annotated[date | None, QueryParameter(name="expiringBefore")] = None,
        include_default: Annotated[bool, QueryParameter(name="includeDefault")] = False,
        sort: FromQuery[LotSort] = "lotNumber",
        page: PageAt = None,
        limit: Limit = DEFAULT_LIMIT,
        cursor: Cursor = None,
    ) -> Json[LotList]:
        wanted = asked(sort=sort, page=page, limit=limit, cursor=cursor)
        filters = LotFilter(
            search=searched(search),
            product_id=product_master_id,
            number=lot_number,
            status=status,
            expiring_before=expiring_before,
            is_default=None if include_default else False,
        )
        found = await catalog.lots.page(act.tenant_id, filters, wanted.window)
        return Json(listed(LotList, wanted, found))

    @route(
        "POST",
        "/",
        operation="createLot",
        summary="Create a lot",
        permissions=Permission.PRODUCTS_WRITE,
        errors=[Reason.DUPLICATE, Reason.NOT_FOUND, Reason.LOCATION_DENIED],
        status=HTTPStatus.CREATED,
        example={"productMasterId": "{lotProductId}", "lotNumber": "AB123456", "expiryDate": "2031-06-30"},
    )
    async def create(
        self,
        data: JSONBody[CreateLot],
        act: NamedDependency[SkipValidation[Act]],
        begin_catalog: NamedDependency[SkipValidation[BeginCatalog]],
    ) -> Json[LotData]:
        lot = Lot(**facts_in(data))

        async def do(work: CatalogUnit) -> LotData:
            return LotData(data=await create_lot(work, act=act, lot=lot))

        return await once(begin_catalog, act, do, status=HTTPStatus.CREATED)

    @route(
        "GET",
        "/{lot_id:uuid}",
        operation="getLot",
        summary="Get a lot",
        permissions=Permission.PRODUCTS_READ,
        errors=[Reason.NOT_FOUND],
    )
    async def read(
        self,
        lot_id: FromPath[UUID],
        act: NamedDependency[SkipValidation[Act]],
        catalog: NamedDependency[SkipValidation[CatalogQueries]],
    ) -> Json[LotData]:
        return Json(LotData(data=await catalog.lots.one(act.tenant_id, lot_id)))

    @route(
        "PATCH",
        "/{lot_id:uuid}",
        operation="changeLot",
        summary="Change, deactivate or reactivate a lot",
        permissions=Permission.PRODUCTS_WRITE,
        description="`active: false` takes a lot out of use, true brings it back. What has expired or is recalled "
        "stays so.",
        errors=[
            Reason.DUPLICATE,
            Reason.NOT_FOUND,
            Reason.STALE_VERSION,
            Reason.IN_USE,
            Reason.INVALID_TRANSITION,
            Reason.LOCATION_DENIED,
        ],
        example={"supplierLot": "S-77"},
    )
    async def change(
        self,
        lot_id: FromPath[UUID],
        data: JSONBody[ChangeLot],
        act: NamedDependency[SkipValidation[Act]],
        begin_catalog: NamedDependency[SkipValidation[BeginCatalog]],
    ) -> Json[LotData]:
        changes = _status(changes_in(data))

        async def do(work: CatalogUnit) -> LotData:
            view = await change_lot(
                work, act=act, lot_id=lot_id, changes=changes, expected_version=data.expected_version
            )
            return LotData(data=view)

        return await once(begin_catalog, act, do)

    @route(
        "DELETE",
        "/{lot_id:uuid}",
        operation="deleteLot",
        summary="Delete a lot that nothing refers to",
        permissions=Permission.PRODUCTS_WRITE,
        errors=[Reason.NOT_FOUND, Reason.IN_USE, Reason.LOCATION_DENIED],
    )
    async def delete(
        self,
        lot_id: FromPath[UUID],
        act: NamedDependency[SkipValidation[Act]],
        begin_catalog: NamedDependency[SkipValidation[BeginCatalog]],
    ) -> Json[Deleted]:
        async def do(work: CatalogUnit) -> Deleted:
            await delete_lot(work, act=act, lot_id=lot_id)
            return Deleted(data=DeletedItem(id=lot_id))

        return await once(begin_catalog, act, do)


def _status(changes: dict[str, Any]) -> dict[str, Any]:
    if "is_active" in changes:
        changes["status"] = LotStatus.ACTIVE if changes.pop("is_active") else LotStatus.INACTIVE
    return changes
