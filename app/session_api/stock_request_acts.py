"""The steps of a stock request: submitted, decided, fulfilled, undone: `/api/stock-requests/{id}/…`."""

from collections.abc import Awaitable, Callable, Sequence
from decimal import Decimal
from http import HTTPStatus
from uuid import UUID

import msgspec
from litestar import Controller
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, SkipValidation

from app.http.acts import once
from app.http.routes import route
from app.http.wire import Json
from app.session_api.stock_request_bodies import (
    AllocateBackorders,
    ApproveRequest,
    CommentAnswer,
    CommentOnRequest,
    MovedRequestLine,
    MoveRequest,
    RejectRequest,
    RollBackRequest,
    ServedAnswer,
    StatusAnswer,
    StatusData,
    SubmitRequest,
)
from app.session_api.stock_requests import BeginRequests, StockRequestData, StockRequestUnit, seen
from domain.access.model import Act, Permission
from domain.errors import FieldError, Reason
from domain.stock_requests.acting import refuse_backwards
from domain.stock_requests.allocating import allocate_backorders
from domain.stock_requests.deciding import approve, reject
from domain.stock_requests.editing import submit
from domain.stock_requests.ending import cancel, comment_on
from domain.stock_requests.issuing import issue
from domain.stock_requests.model import (
    ApprovedLine,
    PickedLine,
    ReceivedLine,
    RequestAction,
    RequestState,
    StockRequest,
)
from domain.stock_requests.picking import pick
from domain.stock_requests.ports import Deciders, Followups, StockRequestReads
from domain.stock_requests.receiving import receive
from domain.stock_requests.rolling_back import roll_back
from domain.stock_requests.states import Decider, allowed
from domain.values import plain

STEPS = (
    Reason.NOT_FOUND,
    Reason.LOCATION_DENIED,
    Reason.INVALID_TRANSITION,
    Reason.STALE_VERSION,
)
DECISIONS = (*STEPS, Reason.SELF_APPROVAL)
FORWARD = {
    RequestState.PICKING: RequestAction.PICK,
    RequestState.ISSUED: RequestAction.ISSUE,
    RequestState.RECEIVED: RequestAction.RECEIVE,
    RequestState.CANCELED: RequestAction.CANCEL,
}
"""The states that a request is moved on to, and by what."""


type Do = Callable[[StockRequestUnit, Decider], Awaitable[StockRequest]]


class StockRequestActController(Controller):
    path = "/api/stock-requests"
    tags: Sequence[str] | None = ("Stock requests",)

    @route(
        "POST",
        "/{request_id:uuid}/submit",
        operation="submitStockRequest",
        summary="Submit a stock request",
        permissions=Permission.STOCKREQUESTS_WRITE,
        description="Freezes its value and the plan of who must approve it. What needs no approval is approved at "
        "once, and reserved.",
        errors=(*STEPS, Reason.INACTIVE),
        example={"comment": "For the weekend"},
    )
    async def submit(
        self,
        *,
        request_id: FromPath[UUID],
        data: JSONBody[SubmitRequest],
        act: NamedDependency[SkipValidation[Act]],
        deciders: NamedDependency[SkipValidation[Deciders]],
        begin_requests: NamedDependency[SkipValidation[BeginRequests]],
    ) -> Json[StockRequestData]:
        return await _done(
            act,
            deciders,
            begin_requests,
            lambda work, decider: submit(
                work,
                decider=decider,
                request_id=request_id,
                comment=data.comment,
                expected_version=data.expected_version,
            ),
        )

    @route(
        "POST",
        "/{pending_request_id:uuid}/approve",
        operation="approveStockRequest",
        summary="Approve a stock request",
        permissions=Permission.STOCKREQUESTS_APPROVE,
        deputies=True,
        description="In the tier whose turn it is, at the fulfilling location, for the version that was seen. The "
        "last approval reserves line by line, first expired first; what is missing is backordered. Never one's "
        "own, in whosever place.",
        errors=DECISIONS,
        example={"expectedVersion": 2, "comment": "As usual"},
    )
    async def approve(
        self,
        *,
        pending_request_id: FromPath[UUID],
        data: JSONBody[ApproveRequest],
        act: NamedDependency[SkipValidation[Act]],
        deciders: NamedDependency[SkipValidation[Deciders]],
        begin_requests: NamedDependency[SkipValidation[BeginRequests]],
    ) -> Json[StockRequestData]:
        lines = [ApprovedLine(line_id=line.line_id, quantity=line.approved_qty) for line in data.lines]
        return await _done(
            act,
            deciders,
            begin_requests,
            lambda work, decider: approve(
                work,
                decider=decider,
                request_id=pending_request_id,
                expected_version=data.expected_version,
                lines=lines,
                comment=data.comment,
            ),
        )

    @route(
        "POST",
        "/{pending_request_id:uuid}/reject",
        operation="rejectStockRequest",
        summary="Reject a stock request",
        permissions=Permission.STOCKREQUESTS_APPROVE,
        deputies=True,
        errors=DECISIONS,
        example={"comment": "Ask again after the count"},
    )
    async def reject(
        self,
        *,
        pending_request_id: FromPath[UUID],
        data: JSONBody[RejectRequest],
        act: NamedDependency[SkipValidation[Act]],
        deciders: NamedDependency[SkipValidation[Deciders]],
        begin_requests: NamedDependency[SkipValidation[BeginRequests]],
    ) -> Json[StockRequestData]:
        return await _done(
            act,
            deciders,
            begin_requests,
            lambda work, decider: reject(
                work,
                decider=decider,
                request_id=pending_request_id,
                expected_version=data.expected_version,
                comment=data.comment,
            ),
        )

    @route(
        "POST",
        "/{submitted_request_id:uuid}/rollback",
        operation="rollBackStockRequest",
        summary="Rollback a stock request",
        permissions=Permission.STOCKREQUESTS_WRITE,
        description="Undoes the last step and only that, by what makes up for it: reserved stock is released, and "
        "what was issued comes back if it still can. A decision is undone only by who may make it. Not from "
        "DRAFT, RECEIVED or CANCELED.",
        errors=(*DECISIONS, Reason.REVERSAL_BLOCKED),
        example={"comment": "A mistake"},
    )
    async def roll_back(
        self,
        *,
        submitted_request_id: FromPath[UUID],
        data: JSONBody[RollBackRequest],
        act: NamedDependency[SkipValidation[Act]],
        deciders: NamedDependency[SkipValidation[Deciders]],
        begin_requests: NamedDependency[SkipValidation[BeginRequests]],
    ) -> Json[StockRequestData]:
        return await _done(
            act,
            deciders,
            begin_requests,
            lambda work, decider: roll_back(
                work,
                act=act,
                decider=decider,
                request_id=submitted_request_id,
                comment=data.comment,
                expected_version=data.expected_version,
            ),
        )

    @route(
        "GET",
        "/{request_id:uuid}/status",
        operation="getStockRequestStatus",
        summary="Get stock request status",
        permissions=Permission.STOCKREQUESTS_READ,
        errors=[Reason.NOT_FOUND],
    )
    async def status(
        self,
        *,
        request_id: FromPath[UUID],
        act: NamedDependency[SkipValidation[Act]],
        deciders: NamedDependency[SkipValidation[Deciders]],
        request_reads: NamedDependency[SkipValidation[StockRequestReads]],
    ) -> Json[StatusAnswer]:
        found = await seen(request_reads, act, request_id)
        return Json(
            StatusAnswer(
                data=StatusData(
                    id=found.id,
                    number=found.number,
                    state=found.state,
                    version=found.version,
                    current_tier=found.current_tier,
                    deadline_at=found.deadline_at,
                    allowed_actions=allowed(found, await deciders.of(act)),
                    history=found.history,
                )
            )
        )

    @route(
        "POST",
        "/{request_id:uuid}/status",
        operation="moveStockRequest",
        summary="Update stock request status",
        permissions=Permission.STOCKREQUESTS_WRITE,
        description="Forward: `pick` confirms lines (less needs a reason, another product may take the place), "
        "`issue` lets what was picked leave, `receive` takes it in and closes (what is missing needs a cause), "
        "`cancel` gives it up. Backwards is INVALID_TRANSITION: see rollback.",
        errors=(
            *STEPS,
            Reason.INSUFFICIENT_STOCK,
            Reason.POSITION_FROZEN,
            Reason.INACTIVE,
            Reason.COUNTED_SINCE,
            Reason.QUANTITY_OUT_OF_RANGE,
            Reason.STALE_QUANTITY,
        ),
        example={"action": "cancel", "comment": "Not needed any more"},
    )
    async def move(
        self,
        *,
        request_id: FromPath[UUID],
        data: JSONBody[MoveRequest],
        act: NamedDependency[SkipValidation[Act]],
        deciders: NamedDependency[SkipValidation[Deciders]],
        begin_requests: NamedDependency[SkipValidation[BeginRequests]],
        followups: NamedDependency[SkipValidation[Followups]],
    ) -> Json[StockRequestData]:
        step, moved = _forward(act, request_id, data), None

        async def do(work: StockRequestUnit, decider: Decider) -> StockRequest:
            nonlocal moved
            moved = await step(work, decider)
            return moved

        answer = await _done(act, deciders, begin_requests, do)
        if moved is not None and moved.state is RequestState.RECEIVED:
            came = (line.product_master_id for line in moved.lines if line.received > 0)
            followups.arrived(act, moved.destination_location_id, came)
        return answer

    @route(
        "POST",
        "/{request_id:uuid}/comment",
        operation="commentOnStockRequest",
        summary="Add comment to stock request",
        permissions=Permission.STOCKREQUESTS_WRITE,
        description="In every state; what was said is never changed.",
        errors=[Reason.NOT_FOUND, Reason.LOCATION_DENIED, Reason.INVALID_TRANSITION],
        status=HTTPStatus.CREATED,
        example={"comment": "The pallet is on the dock"},
    )
    async def comment(
        self,
        *,
        request_id: FromPath[UUID],
        data: JSONBody[CommentOnRequest],
        act: NamedDependency[SkipValidation[Act]],
        deciders: NamedDependency[SkipValidation[Deciders]],
        begin_requests: NamedDependency[SkipValidation[BeginRequests]],
    ) -> Json[CommentAnswer]:
        decider = await deciders.of(act)

        async def do(work: StockRequestUnit) -> CommentAnswer:
            request, comment_id = await comment_on(work, decider=decider, request_id=request_id, body=data.comment)
            return CommentAnswer(data=next(one for one in request.comments if one.id == comment_id))

        return await once(begin_requests, act, do, status=HTTPStatus.CREATED)

    @route(
        "POST",
        "/allocate-backorders",
        operation="allocateBackorders",
        summary="Reserve what has arrived for waiting requests",
        permissions=Permission.STOCKREQUESTS_WRITE,
        description="The oldest request first, at most fifty of them.",
        errors=[Reason.NOT_FOUND, Reason.LOCATION_DENIED],
        example={"locationId": "{locationId}"},
    )
    async def allocate(
        self,
        *,
        data: JSONBody[AllocateBackorders],
        act: NamedDependency[SkipValidation[Act]],
        begin_requests: NamedDependency[SkipValidation[BeginRequests]],
    ) -> Json[ServedAnswer]:
        act.caller.require_location(act.permission, data.location_id)

        async def do(work: StockRequestUnit) -> ServedAnswer:
            served = await allocate_backorders(
                work, location_id=data.location_id, product_ids=data.product_master_ids
            )
            return ServedAnswer(
                data=[
                    msgspec.structs.replace(one, reserved=plain(one.reserved), backordered=plain(one.backordered))
                    for one in served
                ]
            )

        return await once(begin_requests, act, do)


async def _done(act: Act, deciders: Deciders, begin_requests: BeginRequests, step: Do) -> Json[StockRequestData]:
    decider = await deciders.of(act)

    async def do(work: StockRequestUnit) -> StockRequestData:
        return StockRequestData(data=await step(work, decider))

    return await once(begin_requests, act, do)


def _forward(act: Act, request_id: UUID, data: MoveRequest) -> Do:
    """What a move is.

    Raises:
        FieldError: it names none, or lines that mean nothing for it.
    """
    if (data.action is None) == (data.status is None):
        raise FieldError(("action", "or status is required, and only one of them"))
    action = data.action if data.status is None else FORWARD.get(data.status)
    if action not in FORWARD.values():
        wanted = data.status or data.action
        assert wanted is not None
        return lambda work, decider: refuse_backwards(work, decider=decider, request_id=request_id, wanted=wanted)
    match action:
        case RequestAction.PICK:
            picked = None if data.lines is None else [_picked(line, n) for n, line in enumerate(data.lines)]
            return lambda work, decider: pick(
                work,
                decider=decider,
                request_id=request_id,
                lines=picked,
                comment=data.comment,
                expected_version=data.expected_version,
            )
        case RequestAction.RECEIVE:
            came = None if data.lines is None else [_received(line, n) for n, line in enumerate(data.lines)]
            return lambda work, decider: receive(
                work,
                act=act,
                decider=decider,
                request_id=request_id,
                lines=came,
                comment=data.comment,
                expected_version=data.expected_version,
            )
    if data.lines is not None:
        raise FieldError(("lines", f"has no meaning for {action}"))
    if action is RequestAction.ISSUE:
        return lambda work, decider: issue(
            work,
            act=act,
            decider=decider,
            request_id=request_id,
            comment=data.comment,
            expected_version=data.expected_version,
        )
    return lambda work, decider: cancel(
        work,
        decider=decider,
        request_id=request_id,
        comment=data.comment,
        expected_version=data.expected_version,
    )


def _picked(line: MovedRequestLine, n: int) -> PickedLine:
    if line.picked_qty is None:
        raise FieldError((f"lines[{n}].pickedQty", "is required"))
    if line.received_qty is not None:
        raise FieldError((f"lines[{n}].receivedQty", "has no meaning for pick"))
    return PickedLine(
        line_id=line.line_id,
        quantity=line.picked_qty,
        reason=line.reason,
        substitute_id=line.substitute.product_master_id if line.substitute else None,
        substitute_quantity=line.substitute.quantity if line.substitute else Decimal(0),
    )


def _received(line: MovedRequestLine, n: int) -> ReceivedLine:
    if line.received_qty is None:
        raise FieldError((f"lines[{n}].receivedQty", "is required"))
    for path, value in (("pickedQty", line.picked_qty), ("substitute", line.substitute)):
        if value is not None:
            raise FieldError((f"lines[{n}].{path}", "has no meaning for receive"))
    return ReceivedLine(line_id=line.line_id, quantity=line.received_qty, reason=line.reason)
