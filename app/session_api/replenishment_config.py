"""How products are replenished at locations: `/api/inventory/replenishment/config`."""

from collections.abc import Sequence
from typing import Annotated, Any, Protocol
from uuid import UUID

from litestar import Controller
from litestar.di import NamedDependency
from litestar.params import FromQuery, JSONBody, QueryParameter, SkipValidation
from msgspec import UNSET, Meta, UnsetType

from app.http.acts import Begin, Work, once
from app.http.paging import Pagination
from app.http.routes import route
from app.http.wire import Answer, Body, Json, Text200
from app.session_api.catalog import DEFAULT_LIMIT, Cursor, Limit, PageAt, asked, facts_in, listed
from domain.access.model import Act, Permission
from domain.errors import FieldError, Reason
from domain.replenishment.configuring import CONFIGS_MAX, Wish, configure
from domain.replenishment.model import ConfigView, Method, SafetyMethod, Source
from domain.replenishment.ports import ConfigReads, ConfigsWanted, ConfigWork
from domain.values import Quantity

type Days = Annotated[int, Meta(ge=0, le=36_500)]


class ConfigUnit(ConfigWork, Work, Protocol):
    """The unit of work as the HTTP layer needs it, with idempotency."""


type BeginConfigs = Begin[ConfigUnit]


class OneConfig(Body, frozen=True, kw_only=True):
    """A product at a location; what is left out stays, null takes it away. `method` null: it is not replenished.

    minQty ≤ reorderQty ≤ maxQty. MIN_MAX needs minQty and maxQty, REORDER_POINT reorderQty, EOQ orderCost (of an
    order) and holdingCost (of a unit for a year). `expectedVersion` 0: there is nothing yet.
    """

    product_master_id: UUID | UnsetType = UNSET
    location_id: UUID | UnsetType = UNSET
    method: Method | UnsetType | None = UNSET
    min_qty: Quantity | UnsetType | None = UNSET
    reorder_qty: Quantity | UnsetType | None = UNSET
    max_qty: Quantity | UnsetType | None = UNSET
    safety_stock_method: SafetyMethod | UnsetType = UNSET
    safety_stock: Quantity | UnsetType = UNSET
    service_level: Quantity | UnsetType | None = UNSET
    lead_time_days: Days | UnsetType | None = UNSET
    lead_time_sd_days: Quantity | UnsetType | None = UNSET
    review_days: Days | UnsetType | None = UNSET
    order_multiple: Quantity | UnsetType | None = UNSET
    min_order_qty: Quantity | UnsetType | None = UNSET
    order_cost: Quantity | UnsetType | None = UNSET
    holding_cost: Quantity | UnsetType | None = UNSET
    source: Source | UnsetType = UNSET
    source_location_id: UUID | UnsetType | None = UNSET
    supplier: Text200 | UnsetType | None = UNSET
    expected_version: Annotated[int, Meta(ge=0, le=2_147_483_647)] | None = None


class SetConfigs(OneConfig, frozen=True, kw_only=True):
    """One, or many in `items`: all of them are set or none."""

    items: Annotated[list[OneConfig], Meta(min_length=1, max_length=CONFIGS_MAX)] | UnsetType = UNSET


class ConfigList(Answer, frozen=True, kw_only=True):
    data: Sequence[ConfigView]
    pagination: Pagination


class ConfigsData(Answer, frozen=True, kw_only=True):
    """In the order in which they were sent."""

    data: Sequence[ConfigView]


class ReplenishmentConfigController(Controller):
    path = "/api/inventory/replenishment/config"
    tags: Sequence[str] | None = ("Replenishment",)

    @route(
        "GET",
        "/",
        operation="listReplenishmentConfig",
        summary="Get replenishment configuration",
        permissions=Permission.REPLENISHMENT_READ,
        description="What is replenished where and by which method, by location and product.",
        query={"locationId": "{locationId}", "limit": 5},
    )
    async def browse(
        self,
        *,
        act: NamedDependency[SkipValidation[Act]],
        config_reads: NamedDependency[SkipValidation[ConfigReads]],
        location_id: FromQuery[Annotated[UUID | None, QueryParameter(name="locationId")]] = None,
        product_master_id: FromQuery[Annotated[UUID | None, QueryParameter(name="productMasterId")]] = None,
        method: FromQuery[Method | None] = None,
        page: PageAt = None,
        limit: Limit = DEFAULT_LIMIT,
        cursor: Cursor = None,
    ) -> Json[ConfigList]:
        wanted = asked(sort="location", page=page, limit=limit, cursor=cursor)
        found = await config_reads.configs(
            ConfigsWanted(
                tenant_id=act.tenant_id,
                scope=act.scope,
                limit=limit,
                offset=(wanted.window.page - 1) * limit,
                after=wanted.window.after,
                location_id=location_id,
                product_id=product_master_id,
                method=method,
            )
        )
        return Json(listed(ConfigList, wanted, found))

    @route(
        "POST",
        "/",
        operation="setReplenishmentConfig",
        summary="Update replenishment configuration",
        permissions=Permission.REPLENISHMENT_WRITE,
        description="Of one product at one location, or of many in `items`. The safety stock is the one that "
        "availability keeps back. With `safetyStockMethod` COMPUTED it is computed now, from the demand of 90 "
        "days, the lead time and the service level; suggestions compute it anew.",
        errors=[Reason.NOT_FOUND, Reason.STALE_VERSION, Reason.LOCATION_DENIED],
        example={
            "productMasterId": "{productMasterId}",
            "locationId": "{locationId}",
            "method": "REORDER_POINT",
            "minQty": 5,
            "reorderQty": 20,
            "maxQty": 120,
            "safetyStockMethod": "COMPUTED",
            "serviceLevel": 0.95,
            "leadTimeDays": 5,
            "leadTimeSdDays": 1,
            "orderMultiple": 6,
            "source": "SUPPLIER",
            "supplier": "Tea & Co",
        },
    )
    async def set_all(
        self,
        data: JSONBody[SetConfigs],
        act: NamedDependency[SkipValidation[Act]],
        begin_replenishment_config: NamedDependency[SkipValidation[BeginConfigs]],
    ) -> Json[ConfigsData]:
        if data.items is UNSET:
            wishes, at = [_wish(data, "")], [""]
        else:
            if facts_in(data, without=["items"]) or data.expected_version is not None:
                raise FieldError(("items", "must stand alone: each of them names its own product and location"))
            at = [f"items[{n}]." for n in range(len(data.items))]
            wishes = [_wish(one, path) for one, path in zip(data.items, at, strict=True)]

        async def do(work: ConfigUnit) -> ConfigsData:
            return ConfigsData(data=await configure(work, act=act, wishes=wishes, at=at))

        return await once(begin_replenishment_config, act, do)


def _wish(body: OneConfig, path: str) -> Wish:
    if body.product_master_id is UNSET or body.location_id is UNSET:
        missing = [
            (f"{path}{name}", "is required")
            for name, value in (("productMasterId", body.product_master_id), ("locationId", body.location_id))
            if value is UNSET
        ]
        raise FieldError(*missing)
    changes: dict[str, Any] = facts_in(body, without=["product_master_id", "location_id", "items"])
    if "safety_stock_method" in changes:
        changes["safety_method"] = changes.pop("safety_stock_method")
    return Wish(
        product_id=body.product_master_id,
        location_id=body.location_id,
        changes=changes,
        expected_version=body.expected_version,
    )
