"""Products: `/api/products`."""

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
from app.http.wire import Answer, Body, Json, Text64, Text200, Text300, Version
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
from domain.catalog.model import AbcClass, Product, StockLevels
from domain.catalog.ports import CatalogQueries
from domain.catalog.products import change_product, create_product, delete_product, put_levels
from domain.catalog.views import ProductFilter, ProductView, StockLevelsView
from domain.errors import Reason
from domain.values import Quantity

type Text4000 = Annotated[str, Meta(min_length=1, max_length=4000)]
type Days = Annotated[int, Meta(ge=0, le=36_500)]
type ProductSort = Literal["sku", "-sku", "name", "-name", "createdAt", "-createdAt"]


class CreateProduct(Body, frozen=True, kw_only=True):
    """`unitCost` is 0 when it is left out."""

    sku: Text64
    name: Text300
    description: Text4000 | None = None
    barcode: Text64 | None = None
    category_id: UUID | None = None
    uom_id: UUID
    unit_cost: Quantity | UnsetType = UNSET
    is_lot_controlled: bool = False
    is_expiry_required: bool = False
    is_regulated: bool = False
    shelf_life_days: Days | None = None
    min_remaining_shelf_life_days: Days | None = None
    expiry_warning_days: Days | None = None
    lot_pattern: Text200 | None = None
    is_active: bool = field(name="active", default=True)


class ChangeProduct(Body, frozen=True, kw_only=True):
    """What is left out stays; null takes away."""

    sku: Text64 | UnsetType = UNSET
    name: Text300 | UnsetType = UNSET
    description: Text4000 | UnsetType | None = UNSET
    barcode: Text64 | UnsetType | None = UNSET
    category_id: UUID | UnsetType | None = UNSET
    uom_id: UUID | UnsetType = UNSET
    unit_cost: Quantity | UnsetType = UNSET
    is_lot_controlled: bool | UnsetType = UNSET
    is_expiry_required: bool | UnsetType = UNSET
    is_regulated: bool | UnsetType = UNSET
    shelf_life_days: Days | UnsetType | None = UNSET
    min_remaining_shelf_life_days: Days | UnsetType | None = UNSET
    expiry_warning_days: Days | UnsetType | None = UNSET
    lot_pattern: Text200 | UnsetType | None = UNSET
    is_active: bool | UnsetType = field(name="active", default=UNSET)
    expected_version: Version | None = None


class SetLevels(Body, frozen=True, kw_only=True):
    """All levels of a product at a location: what is left out is not set any more (`safetyStock`: 0)."""

    min_qty: Quantity | None = None
    reorder_qty: Quantity | None = None
    max_qty: Quantity | None = None
    safety_stock: Quantity | UnsetType = UNSET
    preferred_bin_id: UUID | None = None
    source_location_id: UUID | None = None
    lead_time_days: Days | None = None
    abc_class: AbcClass | None = None
    expected_version: Annotated[int, Meta(ge=0, le=2_147_483_647)] | None = None
    """0 when there shall be none yet."""


class ProductList(Answer, frozen=True, kw_only=True):
    data: Sequence[ProductView]
    pagination: Pagination


class ProductData(Answer, frozen=True, kw_only=True):
    data: ProductView


class LevelsData(Answer, frozen=True, kw_only=True):
    data: StockLevelsView


class ProductController(Controller):
    path = "/api/products"
    tags: Sequence[str] | None = ("Products",)

    @route(
        "GET",
        "/",
        operation="listProducts",
        summary="List products",
        permissions=Permission.PRODUCTS_READ,
        description="Sorted by `sku`, `name` or `createdAt`, `-` in front for descending. `categoryId` includes "
        "the categories below it.",
        query={"search": "a", "active": True, "limit": 5},
    )
    async def browse(
        self,
        *,
        act: NamedDependency[SkipValidation[Act]],
        catalog: NamedDependency[SkipValidation[CatalogQueries]],
        search: Search = None,
        sku: FromQuery[Text64 | None] = None,
        barcode: FromQuery[Text64 | None] = None,
        category_id: Annotated[UUID | None, QueryParameter(name="categoryId")] = None,
        uom_id: Annotated[UUID | None, QueryParameter(name="uomId")] = None,
        is_lot_controlled: Annotated[bool | None, QueryParameter(name="isLotControlled")] = None,
        is_regulated: Annotated[bool | None, QueryParameter(name="isRegulated")] = None,
        active: Active = None,
        sort: FromQuery[ProductSort] = "sku",
        page: PageAt = None,
        limit: Limit = DEFAULT_LIMIT,
        cursor: Cursor = None,
    ) -> Json[ProductList]:
        wanted = asked(sort=sort, page=page, limit=limit, cursor=cursor)
        filters = ProductFilter(
            search=searched(search),
            sku=sku,
            barcode=barcode,
            category_id=category_id,
            uom_id=uom_id,
            is_lot_controlled=is_lot_controlled,
            is_regulated=is_regulated,
            is_active=active,
        )
        return Json(
            listed(ProductList, wanted, await catalog.products.page(act.tenant_id, filters, wanted.window))
        )

    @route(
        "POST",
        "/",
        operation="createProduct",
        summary="Create a product",
        permissions=Permission.PRODUCTS_WRITE,
        errors=[Reason.DUPLICATE, Reason.NOT_FOUND, Reason.LOCATION_DENIED],
        status=HTTPStatus.CREATED,
        example={
            "sku": "TEA-GREEN-100",
            "name": "Green tea, 100 g",
            "uomId": "{uomId}",
            "unitCost": 2.35,
            "isLotControlled": True,
            "isExpiryRequired": True,
            "shelfLifeDays": 540,
            "minRemainingShelfLifeDays": 90,
            "lotPattern": "[A-Z]+-[0-9]+",
        },
    )
    async def create(
        self,
        data: JSONBody[CreateProduct],
        act: NamedDependency[SkipValidation[Act]],
        begin_catalog: NamedDependency[SkipValidation[BeginCatalog]],
    ) -> Json[ProductData]:
        product = Product(**facts_in(data))

        async def do(work: CatalogUnit) -> ProductData:
            return ProductData(data=await create_product(work, act=act, product=product))

        return await once(begin_catalog, act, do, status=HTTPStatus.CREATED)

    @route(
        "GET",
        "/{product_id:uuid}",
        operation="getProduct",
        summary="Get a product",
        permissions=Permission.PRODUCTS_READ,
        errors=[Reason.NOT_FOUND],
    )
    async def read(
        self,
        product_id: FromPath[UUID],
        act: NamedDependency[SkipValidation[Act]],
        catalog: NamedDependency[SkipValidation[CatalogQueries]],
    ) -> Json[ProductData]:
        return Json(ProductData(data=await catalog.products.one(act.tenant_id, product_id)))

    @route(
        "PATCH",
        "/{product_id:uuid}",
        operation="changeProduct",
        summary="Change, deactivate or reactivate a product",
        permissions=Permission.PRODUCTS_WRITE,
        description="`active: false` deactivates: no stock comes in any more. Lot control is switched while "
        "nothing is on hand of the other kind.",
        errors=[
            Reason.DUPLICATE,
            Reason.NOT_FOUND,
            Reason.STALE_VERSION,
            Reason.IN_USE,
            Reason.LOCATION_DENIED,
        ],
        example={"name": "Green tea, loose, 100 g", "expiryWarningDays": 60},
    )
    async def change(
        self,
        product_id: FromPath[UUID],
        data: JSONBody[ChangeProduct],
        act: NamedDependency[SkipValidation[Act]],
        begin_catalog: NamedDependency[SkipValidation[BeginCatalog]],
    ) -> Json[ProductData]:
        changes = changes_in(data)

        async def do(work: CatalogUnit) -> ProductData:
            view = await change_product(
                work, act=act, product_id=product_id, changes=changes, expected_version=data.expected_version
            )
            return ProductData(data=view)

        return await once(begin_catalog, act, do)

    @route(
        "DELETE",
        "/{product_id:uuid}",
        operation="deleteProduct",
        summary="Delete a product that nothing refers to",
        permissions=Permission.PRODUCTS_WRITE,
        errors=[Reason.NOT_FOUND, Reason.IN_USE, Reason.LOCATION_DENIED],
    )
    async def delete(
        self,
        product_id: FromPath[UUID],
        act: NamedDependency[SkipValidation[Act]],
        begin_catalog: NamedDependency[SkipValidation[BeginCatalog]],
    ) -> Json[Deleted]:
        async def do(work: CatalogUnit) -> Deleted:
            await delete_product(work, act=act, product_id=product_id)
            return Deleted(data=DeletedItem(id=product_id))

        return await once(begin_catalog, act, do)

    @route(
        "PUT",
        "/{product_id:uuid}/inventory-levels/{location_id:uuid}",
        operation="setProductInventoryLevels",
        summary="Set a product's inventory levels at a location",
        permissions=Permission.PRODUCTS_WRITE,
        description="minQty ≤ reorderQty ≤ maxQty.",
        errors=[Reason.NOT_FOUND, Reason.STALE_VERSION, Reason.LOCATION_DENIED],
        example={"minQty": 10, "reorderQty": 25, "maxQty": 100, "safetyStock": 5, "leadTimeDays": 7},
    )
    async def set_levels(
        self,
        *,
        product_id: FromPath[UUID],
        location_id: FromPath[UUID],
        data: JSONBody[SetLevels],
        act: NamedDependency[SkipValidation[Act]],
        begin_catalog: NamedDependency[SkipValidation[BeginCatalog]],
    ) -> Json[LevelsData]:
        levels = StockLevels(**facts_in(data))

        async def do(work: CatalogUnit) -> LevelsData:
            view = await put_levels(
                work,
                act=act,
                product_id=product_id,
                location_id=location_id,
                levels=levels,
                expected_version=data.expected_version,
            )
            return LevelsData(data=view)

        return await once(begin_catalog, act, do)
