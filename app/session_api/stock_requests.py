"""Asking for stock, and changing one's mind while it is a draft: `/api/stock-requests`."""

from collections.abc import Sequence
from datetime import date
from http import HTTPStatus
from typing import Annotated, Protocol
from uuid import UUID

from litestar import Controller
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter, SkipValidation
from msgspec import UNSET, Meta, UnsetType

from app.http.acts import Begin, Work, once
from app.http.routes import route
from app.http.wire import Answer, Body, Json, Text2000, Version
from app.session_api.stock_request_lists import StockRequestLists
from domain.access.model import Act, Permission
from domain.errors import FieldError, Reason, not_found
from domain.stock_requests.acting import shown
from domain.stock_requests.editing import (
    add_line,
    change_line,
    change_request,
    create_request,
    delete_request,
    remove_line,
)
from domain.stock_requests.model import (
    LINES_MAX,
    NewLine,
    NewRequest,
    Priority,
    RequestLine,
    RequestType,
    StockRequest,
)
from domain.stock_requests.ports import Deciders, StockRequestReads, StockRequestWork
from domain.values import Quantity

type LineNote = Annotated[str, Meta(min_length=1, max_length=500)]
ExpectedVersion = Annotated[
    int | None,
    QueryParameter(
        name="expectedVersion", ge=1, le=2_147_483_647, description="Refused if it is another one now."
    ),
]


class StockRequestUnit(StockRequestWork, Work, Protocol):
    """The unit of work as the HTTP layer needs it, with idempotency."""


type BeginRequests = Begin[StockRequestUnit]

EDITS = (
    Reason.NOT_FOUND,
    Reason.LOCATION_DENIED,
    Reason.INVALID_TRANSITION,
    Reason.STALE_VERSION,
    Reason.INACTIVE,
)


class WantedRequestLine(Body, frozen=True, kw_only=True):
    """So much of a product, in its base unit."""

    product_master_id: UUID
    quantity: Quantity
    note: LineNote | None = None


class CreateStockRequest(Body, frozen=True, kw_only=True):
    """From the origin, which fulfils it, to the destination, which asks."""

    type: RequestType = RequestType.STOCK
    origin_location_id: UUID
    destination_location_id: UUID
    priority: Priority = Priority.NORMAL
    needed_by: date | None = None
    description: Text2000 | None = None
    lines: Annotated[Sequence[WantedRequestLine], Meta(max_length=LINES_MAX)] = ()


class ChangeStockRequest(Body, frozen=True, kw_only=True):
    """What is left out stays; null takes it away. Lines have addresses of their own."""

    type: RequestType | UnsetType = UNSET
    origin_location_id: UUID | UnsetType = UNSET
    destination_location_id: UUID | UnsetType = UNSET
    priority: Priority | UnsetType = UNSET
    needed_by: date | UnsetType | None = UNSET
    description: Text2000 | UnsetType | None = UNSET
    expected_version: Version | None = None


class AddRequestLine(WantedRequestLine, frozen=True, kw_only=True):
    """One more line."""

    expected_version: Version | None = None


class ChangeRequestLine(Body, frozen=True, kw_only=True):
    """Another quantity, or another note (null: none)."""

    quantity: Quantity | UnsetType = UNSET
    note: LineNote | UnsetType | None = UNSET
    expected_version: Version | None = None


class StockRequestData(Answer, frozen=True, kw_only=True):
    data: StockRequest


class RequestLinesData(Answer, frozen=True, kw_only=True):
    """requested = issued + open + canceled, for each line."""

    data: Sequence[RequestLine]
    version: int


class RequestLineData(Answer, frozen=True, kw_only=True):
    """`version` is the request's."""

    data: RequestLine
    version: int


class StockRequestController(StockRequestLists, Controller):
    path = "/api/stock-requests"
    tags: Sequence[str] | None = ("Stock requests",)

    @route(
        "POST",
        "/",
        operation="createStockRequest",
        summary="Create a stock request",
        permissions=Permission.STOCKREQUESTS_WRITE,
        description="A draft. One of its ends must be within the caller's locations.",
        errors=[Reason.NOT_FOUND, Reason.LOCATION_DENIED, Reason.INACTIVE],
        status=HTTPStatus.CREATED,
        example={
            "type": "STOCK",
            "originLocationId": "{locationId}",
            "destinationLocationId": "{otherLocationId}",
            "neededBy": "2030-01-15",
            "lines": [{"productMasterId": "{productMasterId}", "quantity": 2}],
        },
    )
    async def create(
        self,
        *,
        data: JSONBody[CreateStockRequest],
        act: NamedDependency[SkipValidation[Act]],
        deciders: NamedDependency[SkipValidation[Deciders]],
        begin_requests: NamedDependency[SkipValidation[BeginRequests]],
    ) -> Json[StockRequestData]:
        decider = await deciders.of(act)
        new = NewRequest(
            type=data.type,
            origin_id=data.origin_location_id,
            destination_id=data.destination_location_id,
            priority=data.priority,
            needed_by=data.needed_by,
            description=data.description,
            lines=[
                NewLine(product_id=line.product_master_id, quantity=line.quantity, note=line.note)
                for line in data.lines
            ],
        )

        async def do(work: StockRequestUnit) -> StockRequestData:
            return StockRequestData(data=await create_request(work, decider=decider, new=new))

        return await once(begin_requests, act, do, status=HTTPStatus.CREATED)

    @route(
        "GET",
        "/{request_id:uuid}",
        operation="getStockRequest",
        summary="Get a specific stock request",
        permissions=Permission.STOCKREQUESTS_READ,
        description="Seen by who may see one of its ends. `allowedActions` is what this caller may do now.",
        errors=[Reason.NOT_FOUND],
    )
    async def read(
        self,
        *,
        request_id: FromPath[UUID],
        act: NamedDependency[SkipValidation[Act]],
        deciders: NamedDependency[SkipValidation[Deciders]],
        request_reads: NamedDependency[SkipValidation[StockRequestReads]],
    ) -> Json[StockRequestData]:
        found = await seen(request_reads, act, request_id)
        return Json(StockRequestData(data=shown(found, await deciders.of(act))))

    @route(
        "PATCH",
        "/{request_id:uuid}",
        operation="updateStockRequest",
        summary="Update a stock request",
        permissions=Permission.STOCKREQUESTS_WRITE,
        description="While it is a draft; one that was rejected becomes a draft again. Who changes it is one of "
        "its authors from then on, and does not decide on it.",
        errors=EDITS,
        example={"priority": "HIGH", "neededBy": None},
    )
    async def change(
        self,
        *,
        request_id: FromPath[UUID],
        data: JSONBody[ChangeStockRequest],
        act: NamedDependency[SkipValidation[Act]],
        deciders: NamedDependency[SkipValidation[Deciders]],
        begin_requests: NamedDependency[SkipValidation[BeginRequests]],
    ) -> Json[StockRequestData]:
        changes = {
            name: value
            for name in data.__struct_fields__
            if name != "expected_version" and (value := getattr(data, name)) is not UNSET
        }
        if not changes:
            raise FieldError(("", "names nothing to change"))
        decider = await deciders.of(act)

        async def do(work: StockRequestUnit) -> StockRequestData:
            changed = await change_request(
                work,
                decider=decider,
                request_id=request_id,
                changes=changes,
                expected_version=data.expected_version,
            )
            return StockRequestData(data=changed)

        return await once(begin_requests, act, do)

    @route(
        "DELETE",
        "/{request_id:uuid}",
        operation="deleteStockRequest",
        summary="Delete a stock request",
        permissions=Permission.STOCKREQUESTS_WRITE,
        description="While it is a draft or rejected. It is canceled and leaves all lists; by its id it can still "
        "be read, with its history.",
        errors=EDITS,
    )
    async def delete(
        self,
        *,
        request_id: FromPath[UUID],
        act: NamedDependency[SkipValidation[Act]],
        deciders: NamedDependency[SkipValidation[Deciders]],
        begin_requests: NamedDependency[SkipValidation[BeginRequests]],
        expected_version: FromQuery[ExpectedVersion] = None,
    ) -> Json[StockRequestData]:
        decider = await deciders.of(act)

        async def do(work: StockRequestUnit) -> StockRequestData:
            deleted = await delete_request(
                work, decider=decider, request_id=request_id, expected_version=expected_version
            )
            return StockRequestData(data=deleted)

        return await once(begin_requests, act, do)

    @route(
        "GET",
        "/{request_id:uuid}/lines",
        operation="listStockRequestLines",
        summary="Get stock request lines",
        permissions=Permission.STOCKREQUESTS_READ,
        errors=[Reason.NOT_FOUND],
    )
    async def lines(
        self,
        *,
        request_id: FromPath[UUID],
        act: NamedDependency[SkipValidation[Act]],
        request_reads: NamedDependency[SkipValidation[StockRequestReads]],
    ) -> Json[RequestLinesData]:
        found = await seen(request_reads, act, request_id)
        return Json(RequestLinesData(data=found.lines, version=found.version))

    @route(
        "POST",
        "/{request_id:uuid}/lines",
        operation="addStockRequestLine",
        summary="Add line to stock request",
        permissions=Permission.STOCKREQUESTS_WRITE,
        errors=EDITS,
        status=HTTPStatus.CREATED,
        example={"productMasterId": "{productMasterId}", "quantity": 3},
    )
    async def add(
        self,
        *,
        request_id: FromPath[UUID],
        data: JSONBody[AddRequestLine],
        act: NamedDependency[SkipValidation[Act]],
        deciders: NamedDependency[SkipValidation[Deciders]],
        begin_requests: NamedDependency[SkipValidation[BeginRequests]],
    ) -> Json[RequestLineData]:
        decider = await deciders.of(act)
        line = NewLine(product_id=data.product_master_id, quantity=data.quantity, note=data.note)

        async def do(work: StockRequestUnit) -> RequestLineData:
            changed, line_id = await add_line(
                work,
                decider=decider,
                request_id=request_id,
                line=line,
                expected_version=data.expected_version,
            )
            return _line(changed, line_id)

        return await once(begin_requests, act, do, status=HTTPStatus.CREATED)

    @route(
        "PATCH",
        "/{request_id:uuid}/lines/{request_line_id:uuid}",
        operation="changeStockRequestLine",
        summary="Change a line of a stock request",
        permissions=Permission.STOCKREQUESTS_WRITE,
        errors=(*EDITS, Reason.IN_USE),
        example={"quantity": 4},
    )
    async def change_line(
        self,
        *,
        request_id: FromPath[UUID],
        request_line_id: FromPath[UUID],
        data: JSONBody[ChangeRequestLine],
        act: NamedDependency[SkipValidation[Act]],
        deciders: NamedDependency[SkipValidation[Deciders]],
        begin_requests: NamedDependency[SkipValidation[BeginRequests]],
    ) -> Json[RequestLineData]:
        if data.quantity is UNSET and data.note is UNSET:
            raise FieldError(("", "names nothing to change; there are quantity, note"))
        decider = await deciders.of(act)

        async def do(work: StockRequestUnit) -> RequestLineData:
            changed = await change_line(
                work,
                decider=decider,
                request_id=request_id,
                line_id=request_line_id,
                quantity=None if data.quantity is UNSET else data.quantity,
                note=None if data.note is UNSET else (data.note,),
                expected_version=data.expected_version,
            )
            return _line(changed, request_line_id)

        return await once(begin_requests, act, do)

    @route(
        "DELETE",
        "/{request_id:uuid}/lines/{request_line_id:uuid}",
        operation="removeStockRequestLine",
        summary="Remove a line of a stock request",
        permissions=Permission.STOCKREQUESTS_WRITE,
        errors=(*EDITS, Reason.IN_USE),
    )
    async def remove_line(
        self,
        *,
        request_id: FromPath[UUID],
        request_line_id: FromPath[UUID],
        act: NamedDependency[SkipValidation[Act]],
        deciders: NamedDependency[SkipValidation[Deciders]],
        begin_requests: NamedDependency[SkipValidation[BeginRequests]],
        expected_version: FromQuery[ExpectedVersion] = None,
    ) -> Json[RequestLinesData]:
        decider = await deciders.of(act)

        async def do(work: StockRequestUnit) -> RequestLinesData:
            changed = await remove_line(
                work,
                decider=decider,
                request_id=request_id,
                line_id=request_line_id,
                expected_version=expected_version,
            )
            return RequestLinesData(data=changed.lines, version=changed.version)

        return await once(begin_requests, act, do)


async def seen(request_reads: StockRequestReads, act: Act, request_id: UUID) -> StockRequest:
    """The request, if the caller may see one of its ends."""
    found = await request_reads.request(act.tenant_id, request_id, act.scope)
    if found is None:
        raise not_found("stock request")
    return found


def _line(request: StockRequest, line_id: UUID) -> RequestLineData:
    line = next(line for line in request.lines if line.id == line_id)
    return RequestLineData(data=line, version=request.version)
