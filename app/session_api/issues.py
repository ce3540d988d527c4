"""Goods out: `/api/inventory/issues`."""

from collections.abc import Sequence
from typing import Annotated
from uuid import UUID

from litestar import Controller
from litestar.di import NamedDependency
from litestar.params import JSONBody, SkipValidation
from msgspec import Meta

from app.http.routes import route
from app.http.wire import Body, Json, Text200, Text2000
from app.session_api.adjustments import ITEMS_MAX, When
from app.session_api.recorded import TransactionData, recorded_answer
from domain.access.model import Act, Permission
from domain.errors import FieldError, Reason
from domain.ledger.issuing import Issue, IssueLine, IssueReads, Purpose, issue_stock
from domain.ledger.ports import Answers, Ledger
from domain.values import Quantity


class IssueLineRequest(Body, frozen=True, kw_only=True):
    """So much of a product, wherever it is or only from a bin or lot; or so much of one inventory item."""

    product_master_id: UUID | None = None
    inventory_item_id: UUID | None = None
    bin_id: UUID | None = None
    lot_id: UUID | None = None
    quantity: Quantity
    uom_id: UUID | None = None


class IssueRequest(Body, frozen=True, kw_only=True):
    location_id: UUID
    purpose: Purpose = Purpose.CUSTOMER
    lines: Annotated[list[IssueLineRequest], Meta(min_length=1, max_length=ITEMS_MAX)]
    reference: Text200 | None = None
    comment: Text2000 | None = None
    effective_at: When | None = None


class IssueController(Controller):
    path = "/api/inventory/issues"
    tags: Sequence[str] | None = ("Receipts and issues",)

    @route(
        "POST",
        "/",
        operation="issueInventory",
        summary="Issue stock to a customer or for consumption",
        permissions=Permission.INVENTORY_WRITE,
        description="All lines or none, first expired first out. Stock that is expired, recalled, held, reserved "
        "or in a bin that does not sell is never taken. The answer says from which bins and lots the stock comes.",
        errors=[
            Reason.NOT_FOUND,
            Reason.INSUFFICIENT_STOCK,
            Reason.COUNTED_SINCE,
            Reason.POSITION_FROZEN,
            Reason.LOCATION_DENIED,
        ],
        example={
            "locationId": "{locationId}",
            "purpose": "CUSTOMER",
            "reference": "SO-1001",
            "lines": [{"productMasterId": "{productMasterId}", "quantity": 1}],
        },
    )
    async def issue(
        self,
        data: JSONBody[IssueRequest],
        act: NamedDependency[SkipValidation[Act]],
        issue_reads: NamedDependency[SkipValidation[IssueReads]],
        answers: NamedDependency[SkipValidation[Answers]],
        ledger: NamedDependency[SkipValidation[Ledger]],
    ) -> Json[TransactionData]:
        return recorded_answer(await issue_stock(issue_reads, answers, ledger, act=act, issue=_issue(data)))


def _issue(data: IssueRequest) -> Issue:
    problems = [problem for n, line in enumerate(data.lines) for problem in _problems(line, f"lines[{n}].")]
    if problems:
        raise FieldError(*problems)
    return Issue(
        location_id=data.location_id,
        purpose=data.purpose,
        lines=[
            IssueLine(
                quantity=line.quantity,
                product_id=line.product_master_id,
                line_id=line.inventory_item_id,
                bin_id=line.bin_id,
                lot_id=line.lot_id,
                uom_id=line.uom_id,
            )
            for line in data.lines
        ],
        reference=data.reference,
        comment=data.comment,
        effective_at=data.effective_at,
    )


def _problems(line: IssueLineRequest, at: str) -> list[tuple[str, str]]:
    problems = []
    if line.quantity <= 0:
        problems.append((f"{at}quantity", "must be greater than zero"))
    if (line.inventory_item_id is None) == (line.product_master_id is None):
        problems.append((f"{at}productMasterId", "name either the product or the inventoryItemId"))
    elif line.inventory_item_id is not None and (line.bin_id is not None or line.lot_id is not None):
        problems.append((f"{at}inventoryItemId", "stands for its bin and lot: leave binId and lotId out"))
    return problems
