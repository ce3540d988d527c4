"""Transfers between locations and from bin to bin: `/api/inventory/transfers`."""

from collections.abc import Sequence
from datetime import date
from http import HTTPStatus
from typing import Annotated, Literal, Protocol
from uuid import UUID

import msgspec
from litestar import Controller
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter, SkipValidation
from msgspec import Meta

from app.http.acts import Begin, Work, once
from app.http.paging import Pagination
from app.http.routes import route
from app.http.wire import Answer, Body, Json, Text200, Text2000
from app.session_api.catalog import DEFAULT_LIMIT, SEARCH_LENGTH, Cursor, Limit, PageAt, asked, listed, searched
from app.session_api.transfer_acts import TransferActRequest, done
from domain.access.model import Act, Permission
from domain.errors import FieldError, Reason, not_found
from domain.stock_requests.ports import Followups
from domain.transfers.flow import allowed
from domain.transfers.making import create_transfer
from domain.transfers.model import (
    LineWanted,
    NewTransfer,
    Transfer,
    TransferAction,
    TransferState,
    TransferSummary,
    TransferType,
)
from domain.transfers.ports import TransferFilter, TransferQueries, TransferWork
from domain.values import Quantity

LINES_MAX = 500
ARRIVING = {TransferAction.CANCEL, TransferAction.RECEIVE}
"""What may bring stock to a location."""

type TransferSort = Literal["createdAt", "-createdAt"]


class TransferUnit(TransferWork, Work, Protocol):
    """The unit of work as the HTTP layer needs it, with idempotency."""


class WantedTransferLine(Body, frozen=True, kw_only=True):
    """So much of a product, in its base unit: from anywhere at the origin, or only from a bin or lot."""

    product_master_id: UUID
    quantity: Quantity
    lot_id: UUID | None = None
    from_bin_id: UUID | None = None
    to_bin_id: UUID | None = None
    note: Text2000 | None = None


class CreateTransferRequest(Body, frozen=True, kw_only=True):
    """STANDARD is a draft, or PENDING with `submit`. INTERNAL has one location, and is done at once."""

    type: TransferType = TransferType.STANDARD
    origin_location_id: UUID
    destination_location_id: UUID | None = None
    lines: Annotated[Sequence[WantedTransferLine], Meta(min_length=1, max_length=LINES_MAX)]
    due_on: date | None = None
    reference: Text200 | None = None
    comment: Text2000 | None = None
    submit: bool = False


class TransferList(Answer, frozen=True, kw_only=True):
    data: Sequence[TransferSummary]
    pagination: Pagination


class TransferData(Answer, frozen=True, kw_only=True):
    data: Transfer


class TransferController(Controller):
    path = "/api/inventory/transfers"
    tags: Sequence[str] | None = ("Transfers",)

    @route(
        "GET",
        "/",
        operation="listTransfers",
        summary="List inventory transfers",
        permissions=Permission.TRANSFERS_READ,
        description="Those that begin or end at one of the caller's locations. The newest first.",
        query={"locationId": "{locationId}", "limit": 20},
    )
    async def browse(
        self,
        *,
        act: NamedDependency[SkipValidation[Act]],
        transfer_queries: NamedDependency[SkipValidation[TransferQueries]],
        in_state: FromQuery[Annotated[TransferState | None, QueryParameter(name="state")]] = None,
        of_type: FromQuery[Annotated[TransferType | None, QueryParameter(name="type")]] = None,
        location_id: FromQuery[
            Annotated[UUID | None, QueryParameter(name="locationId", description="At either end.")]
        ] = None,
        origin_location_id: FromQuery[Annotated[UUID | None, QueryParameter(name="originLocationId")]] = None,
        destination_location_id: FromQuery[
            Annotated[UUID | None, QueryParameter(name="destinationLocationId")]
        ] = None,
        product_master_id: FromQuery[Annotated[UUID | None, QueryParameter(name="productMasterId")]] = None,
        source_reference: FromQuery[
            Annotated[
                str | None,
                QueryParameter(
                    name="sourceReference", max_length=200, description="`sourceId`: what it was made for."
                ),
            ]
        ] = None,
        overdue: FromQuery[bool | None] = None,
        search: FromQuery[
            Annotated[
                str | None,
                QueryParameter(
                    name="search",
                    max_length=SEARCH_LENGTH,
                    description="A part of the number or the reference, in any case.",
                ),
            ]
        ] = None,
        sort: FromQuery[TransferSort] = "-createdAt",
        page: PageAt = None,
        limit: Limit = DEFAULT_LIMIT,
        cursor: Cursor = None,
    ) -> Json[TransferList]:
        wanted = asked(sort=sort, page=page, limit=limit, cursor=cursor)
        filters = TransferFilter(
            state=in_state,
            type=of_type,
            location_id=location_id,
            origin_id=origin_location_id,
            destination_id=destination_location_id,
            product_id=product_master_id,
            source_id=source_reference,
            is_overdue=overdue,
            search=searched(search),
        )
        found = await transfer_queries.page(act.tenant_id, filters, wanted.window, scope=act.scope)
        items = [msgspec.structs.replace(one, allowed_actions=allowed(one, act.caller)) for one in found.items]
        return Json(listed(TransferList, wanted, msgspec.structs.replace(found, items=items)))

    @route(
        "POST",
        "/",
        operation="createTransfer",
        summary="Create inventory transfer",
        permissions=Permission.TRANSFERS_WRITE,
        description="The caller's rights must cover the origin. INTERNAL moves the stock in this call.",
        errors=[
            Reason.NOT_FOUND,
            Reason.LOCATION_DENIED,
            Reason.INACTIVE,
            Reason.INSUFFICIENT_STOCK,
            Reason.BIN_UNFIT,
            Reason.POSITION_FROZEN,
            Reason.COUNTED_SINCE,
            Reason.QUANTITY_OUT_OF_RANGE,
        ],
        status=HTTPStatus.CREATED,
        example={
            "originLocationId": "{locationId}",
            "destinationLocationId": "{transferTargetId}",
            "dueOn": "2030-01-15",
            "reference": "Weekly run",
            "lines": [{"productMasterId": "{movedProductId}", "quantity": 2}],
        },
    )
    async def create(
        self,
        *,
        data: JSONBody[CreateTransferRequest],
        act: NamedDependency[SkipValidation[Act]],
        begin_transfers: NamedDependency[SkipValidation[Begin[TransferUnit]]],
    ) -> Json[TransferData]:
        act.caller.require_location(act.permission, data.origin_location_id)
        new = _new(data)

        async def do(work: TransferUnit) -> TransferData:
            return TransferData(data=await create_transfer(work, act=act, new=new, submits=data.submit))

        return await once(begin_transfers, act, do, status=HTTPStatus.CREATED)

    @route(
        "GET",
        "/{transfer_id:uuid}",
        operation="getTransfer",
        summary="Get inventory transfer",
        permissions=Permission.TRANSFERS_READ,
        errors=[Reason.NOT_FOUND],
    )
    async def read(
        self,
        *,
        transfer_id: FromPath[UUID],
        act: NamedDependency[SkipValidation[Act]],
        transfer_queries: NamedDependency[SkipValidation[TransferQueries]],
    ) -> Json[TransferData]:
        found = await transfer_queries.transfer(act.tenant_id, transfer_id, scope=act.scope)
        if found is None:
            raise not_found("transfer")
        return Json(TransferData(data=msgspec.structs.replace(found, allowed_actions=allowed(found, act.caller))))

    @route(
        "POST",
        "/{transfer_id:uuid}",
        operation="updateTransfer",
        summary="Update inventory transfer",
        permissions=Permission.TRANSFERS_WRITE,
        description="One step of its life. At the origin: `update` a draft, `submit` (reserves), `pick` (all that "
        "is reserved but for the lines that say less, with a reason), `ship`, `cancel` (what is on its way comes "
        "back). At the destination: `receive` in parts (more than is on its way needs a discrepancyReason and is "
        "taken in as found), `close` (what is missing is written off with a discrepancyReason).",
        errors=[
            Reason.NOT_FOUND,
            Reason.LOCATION_DENIED,
            Reason.INVALID_TRANSITION,
            Reason.STALE_VERSION,
            Reason.STALE_QUANTITY,
            Reason.INSUFFICIENT_STOCK,
            Reason.POSITION_FROZEN,
            Reason.INACTIVE,
            Reason.IN_USE,
            Reason.COUNTED_SINCE,
            Reason.QUANTITY_OUT_OF_RANGE,
            Reason.ALREADY_REVERSED,
        ],
        example={"action": "submit", "comment": "For the weekend"},
    )
    async def update(
        self,
        *,
        transfer_id: FromPath[UUID],
        data: JSONBody[TransferActRequest],
        act: NamedDependency[SkipValidation[Act]],
        begin_transfers: NamedDependency[SkipValidation[Begin[TransferUnit]]],
        followups: NamedDependency[SkipValidation[Followups]],
    ) -> Json[TransferData]:
        do_to = done(data)
        moved: Transfer | None = None

        async def do(work: TransferUnit) -> TransferData:
            nonlocal moved
            moved = await do_to(work, act=act, transfer_id=transfer_id)
            return TransferData(data=moved)

        answer = await once(begin_transfers, act, do)
        if moved is not None and data.action in ARRIVING:
            # What is canceled on its way comes back.
            is_back = data.action is TransferAction.CANCEL
            at = moved.origin_location_id if is_back else moved.destination_location_id
            followups.arrived(act, at, (line.product_master_id for line in moved.lines))
        return answer


def _new(data: CreateTransferRequest) -> NewTransfer:
    destination = data.destination_location_id
    if data.type is TransferType.INTERNAL:
        if destination not in {None, data.origin_location_id}:
            raise FieldError(("destinationLocationId", "is the origin itself when type is INTERNAL"))
        destination = data.origin_location_id
    elif destination is None:
        raise FieldError(("destinationLocationId", "is required"))
    elif destination == data.origin_location_id:
        raise FieldError(("destinationLocationId", "is the origin; within a location the type is INTERNAL"))
    return NewTransfer(
        origin_id=data.origin_location_id,
        destination_id=destination,
        lines=[
            LineWanted(
                product_id=line.product_master_id,
                quantity=line.quantity,
                lot_id=line.lot_id,
                from_bin_id=line.from_bin_id,
                to_bin_id=line.to_bin_id,
                note=line.note,
            )
            for line in data.lines
        ],
        due_on=data.due_on,
        reference=data.reference,
        comment=data.comment,
    )
