"""Goods in: `/api/inventory/receipts`."""

from collections.abc import Iterator, Sequence
from datetime import date
from typing import Annotated
from uuid import UUID

from litestar import Controller
from litestar.di import NamedDependency
from litestar.params import JSONBody, SkipValidation
from msgspec import Meta

from app.http.routes import route
from app.http.wire import Body, Json, Text64, Text200, Text2000
from app.session_api.adjustments import ITEMS_MAX, When
from app.session_api.recorded import TransactionData, recorded_answer
from domain.access.model import Act, Permission
from domain.errors import FieldError, Reason
from domain.ledger.model import Kind
from domain.ledger.ports import Answers, Ledger
from domain.ledger.receiving import BeginReceiving, Goods, GoodsLine, GoodsReads, receive_goods
from domain.stock_requests.ports import Followups
from domain.values import Quantity


class GoodsLineRequest(Body, frozen=True, kw_only=True):
    """Goods of one product and lot for one bin (none: the location's default bin).

    The lot is named by `lotId`, or by `lotNumber` and then made if it is new; a product without lot control has
    none. `quantity` and `unitCost` are in the unit `uomId` (none: the product's base unit).
    """

    product_master_id: UUID
    quantity: Quantity
    uom_id: UUID | None = None
    bin_id: UUID | None = None
    lot_id: UUID | None = None
    lot_number: Text64 | None = None
    expiry_date: date | None = None
    manufactured_date: date | None = None
    unit_cost: Quantity | None = None


class ReceiptLineRequest(GoodsLineRequest, frozen=True, kw_only=True):
    """`supplyId` names the expected supply that the goods are a part of; it is closed when all of it has come."""

    supply_id: UUID | None = None


class ReceiptRequest(Body, frozen=True, kw_only=True):
    """`sourceType` and `reference` name the document behind it, such as PURCHASE_ORDER and its number."""

    location_id: UUID
    lines: Annotated[list[ReceiptLineRequest], Meta(min_length=1, max_length=ITEMS_MAX)]
    source_type: Text64 = "RECEIPT"
    reference: Text200 | None = None
    comment: Text2000 | None = None
    effective_at: When | None = None


class ReceiptController(Controller):
    path = "/api/inventory/receipts"
    tags: Sequence[str] | None = ("Receipts and issues",)

    @route(
        "POST",
        "/",
        operation="receiveInventory",
        summary="Receive goods",
        permissions=Permission.INVENTORY_WRITE,
        description="All lines or none. Lots and expiry dates are checked by their products; new lots are made.",
        errors=[
            Reason.NOT_FOUND,
            Reason.LOT_REQUIRED,
            Reason.COUNTED_SINCE,
            Reason.POSITION_FROZEN,
            Reason.STALE_QUANTITY,
            Reason.INVALID_TRANSITION,
            Reason.IN_USE,
            Reason.INACTIVE,
            Reason.QUANTITY_OUT_OF_RANGE,
            Reason.LOCATION_DENIED,
        ],
        example={
            "locationId": "{locationId}",
            "sourceType": "PURCHASE_ORDER",
            "reference": "PO-2001",
            "lines": [{"productMasterId": "{productMasterId}", "quantity": 24, "unitCost": 1.95}],
        },
    )
    async def receive(
        self,
        *,
        data: JSONBody[ReceiptRequest],
        act: NamedDependency[SkipValidation[Act]],
        goods_reads: NamedDependency[SkipValidation[GoodsReads]],
        answers: NamedDependency[SkipValidation[Answers]],
        ledger: NamedDependency[SkipValidation[Ledger]],
        begin_receiving: NamedDependency[SkipValidation[BeginReceiving]],
        followups: NamedDependency[SkipValidation[Followups]],
    ) -> Json[TransactionData]:
        goods = Goods(
            kind=Kind.RECEIPT,
            location_id=data.location_id,
            lines=goods_lines(data.lines),
            source_type=data.source_type,
            reference=data.reference,
            comment=data.comment,
            effective_at=data.effective_at,
        )
        recorded = await receive_goods(goods_reads, answers, ledger, begin_receiving, act=act, goods=goods)
        followups.arrived(act, data.location_id, (line.product_master_id for line in data.lines))
        return recorded_answer(recorded)


def goods_lines(lines: Sequence[GoodsLineRequest]) -> list[GoodsLine]:
    """The lines of goods that come in.

    Raises:
        FieldError: some cannot be meant; each is named.
    """
    problems = [problem for n, line in enumerate(lines) for problem in _problems(line, f"lines[{n}].")]
    if problems:
        raise FieldError(*problems)
    return [
        GoodsLine(
            product_id=line.product_master_id,
            quantity=line.quantity,
            uom_id=line.uom_id,
            bin_id=line.bin_id,
            lot_id=line.lot_id,
            lot_number=line.lot_number,
            expires_on=line.expiry_date,
            manufactured_on=line.manufactured_date,
            unit_cost=line.unit_cost,
            supply_id=line.supply_id if isinstance(line, ReceiptLineRequest) else None,
        )
        for line in lines
    ]


def _problems(line: GoodsLineRequest, at: str) -> Iterator[tuple[str, str]]:
    if line.quantity <= 0:
        yield f"{at}quantity", "must be greater than zero"
    if line.unit_cost is not None and line.unit_cost < 0:
        yield f"{at}unitCost", "must not be negative"
    if line.lot_id is not None and line.lot_number is not None:
        yield f"{at}lotId", "name the lot by its id or by its number"
