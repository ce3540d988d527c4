"""Stock that is there: opening stock, and the count of a whole product at a location."""

from collections.abc import Iterator, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Protocol
from uuid import UUID

from litestar import Controller
from litestar.di import NamedDependency
from litestar.params import JSONBody, SkipValidation
from msgspec import Meta

from app.http.acts import Begin, Work, once
from app.http.routes import route
from app.http.wire import Answer, Body, Json, Text64, Text200, Text2000
from app.session_api.adjustment_lists import CountLists
from app.session_api.adjustments import ITEMS_MAX, When
from app.session_api.receipts import GoodsLineRequest, goods_lines
from app.session_api.recorded import TransactionData, positioned, recorded_answer
from domain.access.model import Act, Permission
from domain.errors import DomainError, FieldError, Reason
from domain.ledger.counting_whole import CountedLine, CountRecorded, CountWork, WholeCount, record_count
from domain.ledger.model import Kind
from domain.ledger.ports import Answers, Ledger
from domain.ledger.receiving import BeginReceiving, Goods, GoodsReads, receive_goods
from domain.stock_requests.ports import Followups
from domain.values import Quantity, plain


class OpeningRequest(Body, frozen=True, kw_only=True):
    """What is there when the books of a product begin."""

    location_id: UUID
    lines: Annotated[list[GoodsLineRequest], Meta(min_length=1, max_length=ITEMS_MAX)]
    reference: Text200 | None = None
    comment: Text2000 | None = None
    effective_at: When | None = None


class CountLineRequest(Body, frozen=True, kw_only=True):
    """`expectedQuantity` is what you believe to be in the books at the moment of the count."""

    bin_id: UUID
    lot_number: Text64 | None = None
    expiry_date: date | None = None
    new_qty: Quantity
    expected_quantity: Quantity | None = None


class CountRequest(Body, frozen=True, kw_only=True):
    """`complete`: what is not listed is not there. Without `countedAt` it was counted now."""

    product_master_id: UUID
    location_id: UUID
    counted_at: When | None = None
    complete: bool
    lines: Annotated[list[CountLineRequest], Meta(max_length=ITEMS_MAX)]
    comment: Text2000 | None = None


class CountLineAnswer(Answer, frozen=True, kw_only=True):
    """`qtyBefore` is what the books said at the moment of the count. What was not listed is not there."""

    inventory_item_id: UUID | None
    bin_id: UUID
    bin_code: str
    lot_id: UUID | None
    lot_number: str | None
    expiry_date: date | None
    new_qty: Decimal
    qty_before: Decimal
    delta_qty: Decimal
    listed: bool


class CountAnswer(Answer, frozen=True, kw_only=True):
    id: UUID
    transaction_type: str
    product_master_id: UUID
    location_id: UUID
    counted_at: datetime
    complete: bool
    created_at: datetime
    ledger_position: int
    lines: Sequence[CountLineAnswer]


class CountData(Answer, frozen=True, kw_only=True):
    data: CountAnswer


class CountUnit(CountWork, Work, Protocol):
    """A count in one transaction, with its answer kept beside it."""


class RecordStockController(CountLists, Controller):
    path = "/api/inventory"
    tags: Sequence[str] | None = ("Adjustments",)

    @route(
        "POST",
        "/record-stock",
        operation="recordStock",
        summary="Record stock",
        permissions=Permission.INVENTORY_WRITE,
        description="Opening stock: fills inventory items that are new or stand at zero. One that holds anything "
        "is refused: its quantity is changed by an adjustment (`details.adjustWith`), under another permission.",
        errors=[
            Reason.NOT_FOUND,
            Reason.STALE_QUANTITY,
            Reason.COUNTED_SINCE,
            Reason.POSITION_FROZEN,
            Reason.INACTIVE,
            Reason.LOCATION_DENIED,
        ],
        example={
            "locationId": "{locationId}",
            "lines": [{"productMasterId": "{unstockedProductMasterId}", "quantity": 40}],
        },
    )
    async def open(
        self,
        *,
        data: JSONBody[OpeningRequest],
        act: NamedDependency[SkipValidation[Act]],
        goods_reads: NamedDependency[SkipValidation[GoodsReads]],
        answers: NamedDependency[SkipValidation[Answers]],
        ledger: NamedDependency[SkipValidation[Ledger]],
        begin_receiving: NamedDependency[SkipValidation[BeginReceiving]],
        followups: NamedDependency[SkipValidation[Followups]],
    ) -> Json[TransactionData]:
        goods = Goods(
            kind=Kind.OPENING,
            location_id=data.location_id,
            lines=goods_lines(data.lines),
            source_type="OPENING",
            reference=data.reference,
            comment=data.comment,
            effective_at=data.effective_at,
        )
        try:
            recorded = await receive_goods(goods_reads, answers, ledger, begin_receiving, act=act, goods=goods)
        except DomainError as refused:
            raise _stocked(refused) from None
        followups.arrived(act, data.location_id, (line.product_master_id for line in data.lines))
        return recorded_answer(recorded)

    @route(
        "POST",
        "/adjustments/record-stock",
        operation="recordStockAdjustment",
        summary="Record stock adjustment",
        permissions=Permission.INVENTORY_ADJUST,
        description="The count of a product at a location. Differences are posted as one group; it is recorded "
        "even when there are none. What has moved since `countedAt` stays right. New lots are made.",
        errors=[
            Reason.NOT_FOUND,
            Reason.STALE_QUANTITY,
            Reason.INSUFFICIENT_STOCK,
            Reason.COUNTED_SINCE,
            Reason.POSITION_FROZEN,
            Reason.LOCATION_DENIED,
        ],
        example={
            "productMasterId": "{productMasterId}",
            "locationId": "{locationId}",
            "complete": False,
            "lines": [{"binId": "{binId}", "newQty": 12}],
            "comment": "Counted after the move",
        },
    )
    async def count(
        self,
        data: JSONBody[CountRequest],
        act: NamedDependency[SkipValidation[Act]],
        begin_count: NamedDependency[SkipValidation[Begin[CountUnit]]],
    ) -> Json[CountData]:
        count = _count(data)

        async def record(work: CountUnit) -> CountData:
            return _counted(count, await record_count(work, act=act, count=count))

        return positioned(await once(begin_count, act, record))


def _stocked(refused: DomainError) -> DomainError:
    """Where stock stands already, the way to change it is another."""
    if refused.reason is not Reason.STALE_QUANTITY:
        return refused
    facts = {name: value for name, value in refused.facts.items() if name != "expected"}
    told = DomainError(
        Reason.STALE_QUANTITY,
        "There is stock already: opening stock fills only what stands at zero; adjust the quantity instead",
        **facts,
        adjustWith={"method": "POST", "path": "/api/inventory/adjustments"},
    )
    told.replayed = refused.replayed
    return told


def _count(data: CountRequest) -> WholeCount:
    problems = [problem for n, line in enumerate(data.lines) for problem in _problems(line, f"lines[{n}].")]
    if not data.lines and not data.complete:
        problems.append(("lines", "name what was counted, or say that the count is complete"))
    if problems:
        raise FieldError(*problems)
    return WholeCount(
        product_id=data.product_master_id,
        location_id=data.location_id,
        counted_at=data.counted_at,
        complete=data.complete,
        lines=[
            CountedLine(
                bin_id=line.bin_id,
                lot_number=line.lot_number,
                expires_on=line.expiry_date,
                counted=line.new_qty,
                expected=line.expected_quantity,
            )
            for line in data.lines
        ],
        comment=data.comment,
    )


def _problems(line: CountLineRequest, at: str) -> Iterator[tuple[str, str]]:
    if line.new_qty < 0:
        yield f"{at}newQty", "must not be negative"
    if line.expected_quantity is not None and line.expected_quantity < 0:
        yield f"{at}expectedQuantity", "must not be negative"


def _counted(count: WholeCount, recorded: CountRecorded) -> CountData:
    posted = recorded.posted
    return CountData(
        data=CountAnswer(
            id=posted.posting_id,
            transaction_type=posted.kind,
            product_master_id=count.product_id,
            location_id=count.location_id,
            counted_at=recorded.counted_at,
            complete=count.complete,
            created_at=posted.recorded_at,
            ledger_position=posted.position,
            lines=[
                CountLineAnswer(
                    inventory_item_id=one.line_id,
                    bin_id=one.bin_id,
                    bin_code=one.bin_code,
                    lot_id=one.lot_id,
                    lot_number=one.lot_number or None,
                    expiry_date=one.expires_on,
                    new_qty=plain(one.counted),
                    qty_before=plain(one.then),
                    delta_qty=plain(one.difference),
                    listed=one.index is not None,
                )
                for one in recorded.tallies
            ],
        )
    )
