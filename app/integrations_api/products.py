"""Products by their SKU: `/api/integrations/v1/products/`."""

from collections.abc import Sequence
from decimal import Decimal
from functools import partial
from http import HTTPStatus
from typing import Any, ClassVar

from litestar import Controller, Request
from litestar.di import NamedDependency
from litestar.params import JSONBody, SkipValidation
from msgspec import UNSET, UnsetType

from app.http.acts import once
from app.http.routes import route
from app.http.surfaces import Surface
from app.http.wire import Json, SnakeAnswer, SnakeBody, Text64, Text300, Unread
from app.integrations_api.bodies import changes_in, names_of, read, told_of
from app.integrations_api.locations import BeginCoded, CodedUnit
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
from domain.integrations.catalog import NewProduct, add_product, change_product_called, one_product
from domain.integrations.ports import IntegrationReads, Mappings
from domain.integrations.views import ProductRecord
from domain.values import Quantity

PATH = f"{BASE}/products"
LISTED = "products"
SPELT = {"active": "is_active", "unitCost": "cost", "uomId": "unit"}


class CreateIntegrationProduct(SnakeBody, frozen=True, kw_only=True):
    """Without a `name` it is called `sku`; without a `unit` it is counted in the company's usual one, EA."""

    sku: Text64
    name: Text300 | None = None
    unit: Text64 | None = None
    cost: Quantity | None = None
    barcode: Text64 | None = None
    is_active: bool = True


class ChangeIntegrationProduct(SnakeBody, frozen=True, kw_only=True):
    """What is left out stays; `barcode` null takes it away."""

    name: Text300 | UnsetType = UNSET
    cost: Quantity | UnsetType = UNSET
    barcode: Text64 | UnsetType | None = UNSET
    is_active: bool | UnsetType = UNSET


class ProductBody(Unread, frozen=True):
    shape: ClassVar[Any] = CreateIntegrationProduct


class ProductChange(Unread, frozen=True):
    shape: ClassVar[Any] = ChangeIntegrationProduct


class ProductRecordData(SnakeAnswer, frozen=True, kw_only=True):
    success: bool = True
    data: ProductRecord


class ProductRecordList(SnakeAnswer, frozen=True, kw_only=True):
    success: bool = True
    data: Sequence[ProductRecord]
    pagination: Pagination


class IntegrationProductController(Controller):
    path = PATH
    tags: Sequence[str] | None = ("Integrations",)

    @route(
        "POST",
        "/",
        operation="integrationsCreateProduct",
        summary="Create a product by its SKU",
        permissions=Permission.INTEGRATIONS_PRODUCTS_WRITE,
        surface=Surface.INTEGRATIONS,
        errors=[Reason.DUPLICATE, Reason.MAPPING_ERROR],
        status=HTTPStatus.CREATED,
        example={"sku": "RUG-5X7-BLU", "name": "Rug, 5 by 7, blue", "cost": 41.5},
    )
    async def create(
        self,
        data: JSONBody[ProductBody],
        act: NamedDependency[SkipValidation[Act]],
        begin_coded: NamedDependency[SkipValidation[BeginCoded]],
        mappings: NamedDependency[SkipValidation[Mappings]],
    ) -> Json[ProductRecordData]:
        names = await names_of(mappings, act, LISTED)
        asked = read(data.raw, CreateIntegrationProduct, names)
        product = NewProduct(
            sku=asked.sku,
            name=asked.name or asked.sku,
            unit=asked.unit,
            cost=Decimal(asked.cost or 0),
            barcode=asked.barcode,
            is_active=asked.is_active,
        )

        async def do(work: CodedUnit) -> ProductRecordData:
            return ProductRecordData(data=await told_of(names, add_product(work, act=act, product=product), SPELT))

        return await once(begin_coded, act, do, status=HTTPStatus.CREATED)

    @route(
        "GET",
        "/",
        operation="integrationsListProducts",
        summary="List products by SKU",
        permissions=Permission.INTEGRATIONS_PRODUCTS_READ,
        surface=Surface.INTEGRATIONS,
        description="Those in use, newest first, with what is on hand of each wherever the key may look.",
        query={"limit": "5"},
    )
    async def browse(
        self,
        request: Request[Any, Any, Any],
        act: NamedDependency[SkipValidation[Act]],
        integration_reads: NamedDependency[SkipValidation[IntegrationReads]],
        limit: Limit = None,
        cursor: Cursor = None,
    ) -> Json[ProductRecordList]:
        read = partial(integration_reads.products, act.tenant_id, act.scope)
        part, page = await next_part(request, LISTED, limit, cursor, read)
        return Json(ProductRecordList(data=part.items, pagination=page))

    @route(
        "GET",
        "/{sku:path}",
        operation="integrationsGetProduct",
        summary="Get a product by its SKU",
        permissions=Permission.INTEGRATIONS_PRODUCTS_READ,
        surface=Surface.INTEGRATIONS,
        errors=[Reason.NOT_FOUND],
    )
    async def read(
        self,
        request: Request[Any, Any, Any],
        act: NamedDependency[SkipValidation[Act]],
        integration_reads: NamedDependency[SkipValidation[IntegrationReads]],
    ) -> Json[ProductRecordData]:
        sku = code_in(request, PATH)
        found = await integration_reads.product(act.tenant_id, act.scope, sku) if sku else None
        return Json(ProductRecordData(data=one_product(found)))

    @route(
        "PUT",
        "/{sku:path}",
        operation="integrationsChangeProduct",
        summary="Update a product by its SKU",
        permissions=Permission.INTEGRATIONS_PRODUCTS_WRITE,
        surface=Surface.INTEGRATIONS,
        errors=[Reason.NOT_FOUND, Reason.MAPPING_ERROR],
        example={"name": "Rug, 5 by 7 feet, blue", "cost": 42},
    )
    async def change(
        self,
        request: Request[Any, Any, Any],
        data: JSONBody[ProductChange],
        act: NamedDependency[SkipValidation[Act]],
        begin_coded: NamedDependency[SkipValidation[BeginCoded]],
        mappings: NamedDependency[SkipValidation[Mappings]],
    ) -> Json[ProductRecordData]:
        names = await names_of(mappings, act, LISTED)
        changes = changes_in(read(data.raw, ChangeIntegrationProduct, names), names)
        if "cost" in changes:
            changes["unit_cost"] = changes.pop("cost")
        sku = code_in(request, PATH) or ""

        async def do(work: CodedUnit) -> ProductRecordData:
            changing = change_product_called(work, act=act, sku=sku, changes=changes)
            return ProductRecordData(data=await told_of(names, changing, SPELT))

        return await once(begin_coded, act, do)

    @route(
        "DELETE",
        "/{sku:path}",
        operation="integrationsDeactivateProduct",
        summary="Deactivate a product by its SKU",
        permissions=Permission.INTEGRATIONS_PRODUCTS_WRITE,
        surface=Surface.INTEGRATIONS,
        description="Nothing is deleted: it stays readable, and no quantity can be set of it.",
        errors=[Reason.NOT_FOUND],
        status=HTTPStatus.OK,
    )
    async def deactivate(
        self,
        request: Request[Any, Any, Any],
        act: NamedDependency[SkipValidation[Act]],
        begin_coded: NamedDependency[SkipValidation[BeginCoded]],
    ) -> Json[ProductRecordData]:
        sku = code_in(request, PATH) or ""

        async def do(work: CodedUnit) -> ProductRecordData:
            changing = change_product_called(work, act=act, sku=sku, changes={"is_active": False})
            return ProductRecordData(data=await changing)

        return await once(begin_coded, act, do)
