"""Categories of products, a tree: `/api/categories`."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Annotated, Literal
from uuid import UUID

from litestar import Controller
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter, SkipValidation
from msgspec import UNSET, UnsetType, field

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
from domain.catalog.model import Category
from domain.catalog.ports import CatalogQueries
from domain.catalog.products import change_category, create_category, delete_category
from domain.catalog.views import CategoryFilter, CategoryView
from domain.errors import Reason

type CategorySort = Literal["code", "-code", "name", "-name"]


class CreateCategory(Body, frozen=True, kw_only=True):
    """A category without a parent stands at the top."""

    code: Text64
    name: Text200
    parent_id: UUID | None = None
    is_active: bool = field(name="active", default=True)


class ChangeCategory(Body, frozen=True, kw_only=True):
    """What is left out stays; `parentId` null moves to the top."""

    code: Text64 | UnsetType = UNSET
    name: Text200 | UnsetType = UNSET
    parent_id: UUID | UnsetType | None = UNSET
    is_active: bool | UnsetType = field(name="active", default=UNSET)
    expected_version: Version | None = None


class CategoryList(Answer, frozen=True, kw_only=True):
    data: Sequence[CategoryView]
    pagination: Pagination


class CategoryData(Answer, frozen=True, kw_only=True):
    data: CategoryView


class CategoryController(Controller):
    path = "/api/categories"
    tags: Sequence[str] | None = ("Products",)

    @route(
        "GET",
        "/",
        operation="listCategories",
        summary="List categorys",
        permissions=Permission.PRODUCTS_READ,
        query={"limit": 5},
    )
    async def browse(
        self,
        *,
        act: NamedDependency[SkipValidation[Act]],
        catalog: NamedDependency[SkipValidation[CatalogQueries]],
        search: Search = None,
        parent_id: Annotated[UUID | None, QueryParameter(name="parentId")] = None,
        active: Active = None,
        sort: FromQuery[CategorySort] = "code",
        page: PageAt = None,
        limit: Limit = DEFAULT_LIMIT,
        cursor: Cursor = None,
    ) -> Json[CategoryList]:
        wanted = asked(sort=sort, page=page, limit=limit, cursor=cursor)
        filters = CategoryFilter(
            search=searched(search),
            parent_id=parent_id,
            is_active=active,
        )
        found = await catalog.categories.page(act.tenant_id, filters, wanted.window)
        return Json(listed(CategoryList, wanted, found))

    @route(
        "POST",
        "/",
        operation="createCategory",
        summary="Create a category",
        permissions=Permission.PRODUCTS_WRITE,
        errors=[Reason.DUPLICATE, Reason.NOT_FOUND, Reason.LOCATION_DENIED],
        status=HTTPStatus.CREATED,
        example={"code": "TEA", "name": "Tea"},
    )
    async def create(
        self,
        data: JSONBody[CreateCategory],
        act: NamedDependency[SkipValidation[Act]],
        begin_catalog: NamedDependency[SkipValidation[BeginCatalog]],
    ) -> Json[CategoryData]:
        category = Category(**facts_in(data))

        async def do(work: CatalogUnit) -> CategoryData:
            return CategoryData(data=await create_category(work, act=act, category=category))

        return await once(begin_catalog, act, do, status=HTTPStatus.CREATED)

    @route(
        "GET",
        "/{category_id:uuid}",
        operation="getCategory",
        summary="Get a category",
        permissions=Permission.PRODUCTS_READ,
        errors=[Reason.NOT_FOUND],
    )
    async def read(
        self,
        category_id: FromPath[UUID],
        act: NamedDependency[SkipValidation[Act]],
        catalog: NamedDependency[SkipValidation[CatalogQueries]],
    ) -> Json[CategoryData]:
        return Json(CategoryData(data=await catalog.categories.one(act.tenant_id, category_id)))

    @route(
        "PATCH",
        "/{category_id:uuid}",
        operation="changeCategory",
        summary="Change, deactivate or reactivate a category",
        permissions=Permission.PRODUCTS_WRITE,
        errors=[Reason.DUPLICATE, Reason.NOT_FOUND, Reason.STALE_VERSION, Reason.LOCATION_DENIED],
        example={"name": "Tea and infusions"},
    )
    async def change(
        self,
        category_id: FromPath[UUID],
        data: JSONBody[ChangeCategory],
        act: NamedDependency[SkipValidation[Act]],
        begin_catalog: NamedDependency[SkipValidation[BeginCatalog]],
    ) -> Json[CategoryData]:
        changes = changes_in(data)

        async def do(work: CatalogUnit) -> CategoryData:
            view = await change_category(
                work, act=act, category_id=category_id, changes=changes, expected_version=data.expected_version
            )
            return CategoryData(data=view)

        return await once(begin_catalog, act, do)

    @route(
        "DELETE",
        "/{category_id:uuid}",
        operation="deleteCategory",
        summary="Delete a category that nothing refers to",
        permissions=Permission.PRODUCTS_WRITE,
        errors=[Reason.NOT_FOUND, Reason.IN_USE, Reason.LOCATION_DENIED],
    )
    async def delete(
        self,
        category_id: FromPath[UUID],
        act: NamedDependency[SkipValidation[Act]],
        begin_catalog: NamedDependency[SkipValidation[BeginCatalog]],
    ) -> Json[Deleted]:
        async def do(work: CatalogUnit) -> Deleted:
            await delete_category(work, act=act, category_id=category_id)
            return Deleted(data=DeletedItem(id=category_id))

        return await once(begin_catalog, act, do)
