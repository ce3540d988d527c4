"""Supply that is expected: `/api/inventory/supplies`."""

from collections.abc import Sequence
from datetime import date
from http import HTTPStatus
from typing import Annotated, Literal, Protocol
from uuid import UUID

from litestar import Controller
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter, SkipValidation
from msgspec import UNSET, UnsetType

from app.http.acts import Begin, Work, once
from app.http.paging import Pagination
from app.http.routes import route
from app.http.wire import Answer, Body, Json, Text64, Text200, Text2000, Version
from app.session_api.catalog import DEFAULT_LIMIT, Cursor, Limit, PageAt, asked, facts_in, listed
from domain.access.model import Act, Permission
from domain.availability.supplies import (
    SupplyFacts,
    SupplyFilter,
    SupplyQueries,
    SupplyState,
    SupplyView,
    SupplyWork,
    announce,
    change,
)
from domain.errors import FieldError, Reason
from domain.values import Quantity

type SupplySort = Literal["dueOn", "-dueOn", "createdAt", "-createdAt"]


class SupplyUnit(SupplyWork, Work, Protocol):
    """The unit of work as the HTTP layer needs it, with idempotency."""


type BeginSupplies = Begin[SupplyUnit]


class CreateSupply(Body, frozen=True, kw_only=True):
    """So much of a product, in its base unit, that is confirmed to come to a location by a day.

    `sourceType` and `reference` name the document behind it, such as PURCHASE_ORDER and its number.
    """

    product_master_id: UUID
    location_id: UUID
    quantity: Quantity
    due_on: date
    source_type: Text64 | None = None
    reference: Text200 | None = None
    note: Text2000 | None = None


class ChangeSupply(Body, frozen=True, kw_only=True):
    """What is left out stays. `cancel`: it is not expected any more."""

    due_on: date | UnsetType = UNSET
    quantity: Quantity | UnsetType = UNSET
    note: Text2000 | UnsetType | None = UNSET
    cancel: bool = False
    expected_version: Version | None = None


class SupplyList(Answer, frozen=True, kw_only=True):
    data: Sequence[SupplyView]
    pagination: Pagination


class SupplyData(Answer, frozen=True, kw_only=True):
    data: SupplyView


class SupplyController(Controller):
    path = "/api/inventory/supplies"
    tags: Sequence[str] | None = ("Availability",)

    @route(
        "GET",
        "/",
        operation="listSupplies",
        summary="List expected supply",
        permissions=Permission.INVENTORY_READ,
        description="By the day on which it is due. What is `overdue` should have come, and is not counted on.",
        query={"locationId": "{locationId}", "state": "OPEN", "limit": 5},
    )
    async def browse(
        self,
        *,
        act: NamedDependency[SkipValidation[Act]],
        supply_queries: NamedDependency[SkipValidation[SupplyQueries]],
        location_id: Annotated[UUID | None, QueryParameter(name="locationId")] = None,
        product_master_id: Annotated[UUID | None, QueryParameter(name="productMasterId")] = None,
        wanted_state: FromQuery[Annotated[SupplyState | None, QueryParameter(name="state")]] = None,
        overdue: FromQuery[bool | None] = None,
        due_before: FromQuery[Annotated[date | None, QueryParameter(name="dueBefore")]] = None,
        document_reference: FromQuery[
            Annotated[str | None, QueryParameter(name="documentReference", max_length=200)]
        ] = None,
        sort: FromQuery[SupplySort] = "dueOn",
        page: PageAt = None,
        limit: Limit = DEFAULT_LIMIT,
        cursor: Cursor = None,
    ) -> Json[SupplyList]:
        wanted = asked(sort=sort, page=page, limit=limit, cursor=cursor)
        filters = SupplyFilter(
            location_id=location_id,
            product_id=product_master_id,
            state=wanted_state,
            is_overdue=overdue,
            due_before=due_before,
            source_id=document_reference,
        )
        found = await supply_queries.supplies.page(act.tenant_id, filters, wanted.window, scope=act.scope)
        return Json(listed(SupplyList, wanted, found))

    @route(
        "POST",
        "/",
        operation="createSupply",
        summary="Expect supply",
        permissions=Permission.INVENTORY_WRITE,
        errors=[Reason.NOT_FOUND, Reason.LOCATION_DENIED],
        status=HTTPStatus.CREATED,
        example={
            "productMasterId": "{productMasterId}",
            "locationId": "{locationId}",
            "quantity": 120,
            "dueOn": "2030-01-15",
            "sourceType": "PURCHASE_ORDER",
            "reference": "PO-2002",
        },
    )
    async def create(
        self,
        data: JSONBody[CreateSupply],
        act: NamedDependency[SkipValidation[Act]],
        begin_supplies: NamedDependency[SkipValidation[BeginSupplies]],
    ) -> Json[SupplyData]:
        facts = facts_in(data)
        facts["product_id"] = facts.pop("product_master_id")
        facts["source_id"] = facts.pop("reference")
        supply = SupplyFacts(**facts)

        async def do(work: SupplyUnit) -> SupplyData:
            return SupplyData(data=await announce(work, act=act, supply=supply))

        return await once(begin_supplies, act, do, status=HTTPStatus.CREATED)

    @route(
        "PATCH",
        "/{supply_id:uuid}",
        operation="changeSupply",
        summary="Change expected supply, or cancel it",
        permissions=Permission.INVENTORY_WRITE,
        description="While it is open. Lowered to what has been received, it is closed. A replenishment record "
        "that it was ordered for is closed or canceled with it.",
        errors=[
            Reason.NOT_FOUND,
            Reason.STALE_VERSION,
            Reason.INVALID_TRANSITION,
            Reason.IN_USE,
            Reason.LOCATION_DENIED,
        ],
        example={"dueOn": "2030-02-01", "quantity": 60},
    )
    async def change(
        self,
        supply_id: FromPath[UUID],
        data: JSONBody[ChangeSupply],
        act: NamedDependency[SkipValidation[Act]],
        begin_supplies: NamedDependency[SkipValidation[BeginSupplies]],
    ) -> Json[SupplyData]:
        changes = facts_in(data, without=["cancel"])
        if not changes and not data.cancel:
            raise FieldError(("", "names nothing to change; there are dueOn, quantity, note, cancel"))

        async def do(work: SupplyUnit) -> SupplyData:
            view = await change(
                work,
                act=act,
                supply_id=supply_id,
                changes=changes,
                cancel=data.cancel,
                expected_version=data.expected_version,
            )
            return SupplyData(data=view)

        return await once(begin_supplies, act, do)
