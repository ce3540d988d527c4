"""Undo: `/api/inventory/transactions/{id}/reverse`."""

from collections.abc import Sequence
from uuid import UUID

from litestar import Controller
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, SkipValidation

from app.http.routes import route
from app.http.wire import Body, Json, Text2000
from app.session_api.recorded import TransactionData, recorded_answer
from domain.access.model import Act, Permission
from domain.errors import Reason
from domain.ledger.ports import Answers, Ledger
from domain.ledger.reversing import ReversalReads, reverse_posting


class ReverseRequest(Body, frozen=True, kw_only=True):
    """`force` takes stock back although it is reserved or held; the shortage then shows."""

    comment: Text2000 | None = None
    force: bool = False


class ReversalController(Controller):
    path = "/api/inventory/transactions"
    tags: Sequence[str] | None = ("Adjustments",)

    @route(
        "POST",
        "/{transaction_id:uuid}/reverse",
        operation="reverseInventoryTransaction",
        summary="Take a transaction back",
        permissions=Permission.INVENTORY_ADJUST,
        description="Posts the opposite of everything that the transaction moved, linked to it and effective when "
        "it was. Once only; refused with what stands in the way: stock that has left since, or a count.",
        errors=[
            Reason.NOT_FOUND,
            Reason.NO_CHANGE,
            Reason.ALREADY_REVERSED,
            Reason.INSUFFICIENT_STOCK,
            Reason.REVERSAL_BLOCKED,
            Reason.LOCATION_DENIED,
        ],
        example={"comment": "Booked twice"},
    )
    async def reverse(
        self,
        *,
        transaction_id: FromPath[UUID],
        data: JSONBody[ReverseRequest],
        act: NamedDependency[SkipValidation[Act]],
        reversal_reads: NamedDependency[SkipValidation[ReversalReads]],
        answers: NamedDependency[SkipValidation[Answers]],
        ledger: NamedDependency[SkipValidation[Ledger]],
    ) -> Json[TransactionData]:
        recorded = await reverse_posting(
            reversal_reads,
            answers,
            ledger,
            act=act,
            posting_id=transaction_id,
            comment=data.comment,
            force=data.force,
        )
        return recorded_answer(recorded)
