"""Replenishment records: `/api/inventory/replenishment`."""

from collections.abc import Sequence
from datetime import date
from enum import StrEnum
from http import HTTPStatus
from typing import Annotated, Literal, Protocol
from uuid import UUID

from litestar import Controller
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter, SkipValidation
from msgspec import Meta

from app.http.acts import Begin, Work, once
from app.http.paging import Pagination
from app.http.routes import route
from app.http.wire import Answer, Body, Json, Text200, Text2000, Version
from app.session_api.catalog import DEFAULT_LIMIT, Cursor, Limit, PageAt, asked, listed
from domain.access.model import Act, Permission
from domain.errors import FieldError, Reason
from domain.replenishment.flow import State
from domain.replenishment.model import PERIOD_DAYS, Source
from domain.replenishment.ports import RecordFilter, RecordReads, RecordWork
from domain.replenishment.records import NewRecord, cancel, close, create_record, shown, trigger
from domain.replenishment.views import Record, RecordSummary
from domain.values import Quantity

type RecordSort = Literal["createdAt", "-createdAt"]


class RecordUnit(RecordWork, Work, Protocol):
    """The unit of work as the HTTP layer needs it, with idempotency."""


type BeginRecords = Begin[RecordUnit]


class CreateRecord(Body, frozen=True, kw_only=True):
    """What is to be brought to a location.

    Without `quantity` it is what is suggested now, with its reasons; without a source it comes from what another
    location has too much of, or from the supplier.
    """

    product_master_id: UUID
    location_id: UUID
    quantity: Quantity | None = None
    source: Source | None = None
    source_location_id: UUID | None = None
    supplier: Text200 | None = None
    needed_on: date | None = None
    note: Text2000 | None = None
    period_days: Annotated[int, Meta(ge=1, le=730)] = PERIOD_DAYS


class RecordAct(StrEnum):
    CANCEL = "cancel"
    CLOSE = "close"
    TRIGGER = "trigger"


class ActOnRecord(Body, frozen=True, kw_only=True):
    """`trigger`: make its transfer, or expect it from the supplier; `close`: done with; `cancel`: not wanted."""

    action: RecordAct
    comment: Text2000 | None = None
    expected_version: Version | None = None


class RecordList(Answer, frozen=True, kw_only=True):
    data: Sequence[RecordSummary]
    pagination: Pagination


class RecordData(Answer, frozen=True, kw_only=True):
    data: Record


ACTS = {RecordAct.TRIGGER: trigger, RecordAct.CLOSE: close, RecordAct.CANCEL: cancel}


class ReplenishmentController(Controller):
    path = "/api/inventory/replenishment"
    tags: Sequence[str] | None = ("Replenishment",)

    @route(
        "GET",
        "/",
        operation="listReplenishment",
        summary="List replenishment records",
        permissions=Permission.REPLENISHMENT_READ,
        description="The newest first. OPEN → TRIGGERED → TRANSFERRED (from another location, with its transfer) "
        "or ORDERED (from the supplier) → CLOSED; CANCELED.",
        query={"locationId": "{locationId}", "limit": 5},
    )
    async def browse(
        self,
        *,
        act: NamedDependency[SkipValidation[Act]],
        replenishment_reads: NamedDependency[SkipValidation[RecordReads]],
        status: FromQuery[State | None] = None,
        location_id: FromQuery[Annotated[UUID | None, QueryParameter(name="locationId")]] = None,
        product_master_id: FromQuery[Annotated[UUID | None, QueryParameter(name="productMasterId")]] = None,
        source: FromQuery[Source | None] = None,
        sort: FromQuery[RecordSort] = "-createdAt",
        page: PageAt = None,
        limit: Limit = DEFAULT_LIMIT,
        cursor: Cursor = None,
    ) -> Json[RecordList]:
        wanted = asked(sort=sort, page=page, limit=limit, cursor=cursor)
        filters = RecordFilter(state=status, location_id=location_id, product_id=product_master_id, source=source)
        found = await replenishment_reads.page(act.tenant_id, act.scope, filters, wanted.window)
        answer = listed(RecordList, wanted, found)
        return Json(RecordList(data=[shown(one, act.caller) for one in answer.data], pagination=answer.pagination))

    @route(
        "POST",
        "/",
        operation="createReplenishment",
        summary="Create replenishment record",
        permissions=Permission.REPLENISHMENT_WRITE,
        description="As suggested, or by hand. One at a time is open for a product at a location.",
        errors=[
            Reason.NOT_FOUND,
            Reason.LOCATION_DENIED,
            Reason.DUPLICATE,
            Reason.NO_CHANGE,
            Reason.INSUFFICIENT_STOCK,
        ],
        status=HTTPStatus.CREATED,
        example={
            "productMasterId": "{lotProductId}",
            "locationId": "{locationId}",
            "quantity": 24,
            "source": "SUPPLIER",
            "supplier": "Tea & Co",
            "note": "Before the holidays",
        },
    )
    async def create(
        self,
        data: JSONBody[CreateRecord],
        act: NamedDependency[SkipValidation[Act]],
        begin_replenishment: NamedDependency[SkipValidation[BeginRecords]],
    ) -> Json[RecordData]:
        new = NewRecord(
            product_id=data.product_master_id,
            location_id=data.location_id,
            quantity=data.quantity,
            source=_source(data),
            source_location_id=data.source_location_id,
            supplier=data.supplier,
            needed_on=data.needed_on,
            note=data.note,
            days=data.period_days,
        )

        async def do(work: RecordUnit) -> RecordData:
            return RecordData(data=await create_record(work, act=act, new=new))

        return await once(begin_replenishment, act, do, status=HTTPStatus.CREATED)

    @route(
        "GET",
        "/{replenishment_id:uuid}",
        operation="getReplenishment",
        summary="Get a replenishment record",
        permissions=Permission.REPLENISHMENT_READ,
        errors=[Reason.NOT_FOUND],
    )
    async def read(
        self,
        replenishment_id: FromPath[UUID],
        act: NamedDependency[SkipValidation[Act]],
        replenishment_reads: NamedDependency[SkipValidation[RecordReads]],
    ) -> Json[RecordData]:
        record = await replenishment_reads.one(act.tenant_id, act.scope, replenishment_id)
        return Json(RecordData(data=shown(record, act.caller)))

    @route(
        "POST",
        "/{replenishment_id:uuid}",
        operation="actOnReplenishment",
        summary="Trigger, close or cancel a replenishment record",
        permissions=Permission.REPLENISHMENT_WRITE,
        description="A trigger needs no right where the stock is: the transfer that it makes is submitted at once "
        "(and the stock reserved) for a caller with `transfers.write` there, and is a draft otherwise. The record "
        "follows its transfer: TRANSFERRED when it is shipped, CLOSED when it is completed, CANCELED with it. One "
        "that was ordered follows its supply: CLOSED when all of that has come, or it is lowered to what has; "
        "CANCELED with it.",
        errors=[
            Reason.NOT_FOUND,
            Reason.LOCATION_DENIED,
            Reason.STALE_VERSION,
            Reason.INVALID_TRANSITION,
            Reason.INSUFFICIENT_STOCK,
            Reason.INACTIVE,
            Reason.POSITION_FROZEN,
        ],
        example={"action": "trigger", "comment": "Sold faster than planned"},
    )
    async def act_on(
        self,
        replenishment_id: FromPath[UUID],
        data: JSONBody[ActOnRecord],
        act: NamedDependency[SkipValidation[Act]],
        begin_replenishment: NamedDependency[SkipValidation[BeginRecords]],
    ) -> Json[RecordData]:
        async def do(work: RecordUnit) -> RecordData:
            record = await ACTS[data.action](
                work,
                act=act,
                record_id=replenishment_id,
                comment=data.comment,
                expected_version=data.expected_version,
            )
            return RecordData(data=record)

        return await once(begin_replenishment, act, do)


def _source(data: CreateRecord) -> Source | None:
    """What is said of where it comes from, which must go together."""
    if data.quantity is not None and data.quantity <= 0:
        raise FieldError(("quantity", "must be greater than zero"))
    if data.source_location_id is not None and (data.source is Source.SUPPLIER or data.supplier is not None):
        raise FieldError(("sourceLocationId", "is not asked where it comes from a supplier"))
    if data.supplier is not None and data.source is Source.LOCATION:
        raise FieldError(("supplier", "is not asked where it comes from another location"))
    if data.supplier is not None:
        return Source.SUPPLIER
    return Source.LOCATION if data.source_location_id is not None else data.source
