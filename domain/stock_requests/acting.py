"""What every step of a stock request does: open it under its lock, and tell what has become of it."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec

from domain.access.model import Permission
from domain.documents import DocumentType, Step
from domain.errors import DomainError, FieldError, Reason, not_found
from domain.stock_requests.model import (
    STOCK_REQUEST,
    ZERO,
    RequestAction,
    RequestLine,
    RequestState,
    RequestStep,
    StockRequest,
)
from domain.stock_requests.ports import StockRequestWork
from domain.stock_requests.states import APPROVE, FLOW, WRITE, Decider, Standing, allowed

EVENTS = {
    RequestAction.APPROVE: "approved",
    RequestAction.CANCEL: "canceled",
    RequestAction.COMMENT: "commented",
    RequestAction.DELETE: "deleted",
    RequestAction.ISSUE: "issued",
    RequestAction.PICK: "picked",
    RequestAction.RECEIVE: "received",
    RequestAction.REJECT: "rejected",
    RequestAction.ROLLBACK: "rolled_back",
    RequestAction.SUBMIT: "submitted",
    RequestAction.UPDATE: "changed",
}


async def opened(
    work: StockRequestWork,
    *,
    decider: Decider,
    request_id: UUID,
    action: RequestAction,
    expected_version: int | None,
) -> tuple[StockRequest, Standing]:
    """The request, locked, if the action may be done to it by this caller.

    Raises:
        DomainError: NOT_FOUND, LOCATION_DENIED, STALE_VERSION with what has happened since, INVALID_TRANSITION,
            PERMISSION_DENIED, SELF_APPROVAL.
    """
    request = await work.lock(request_id)
    if request is None:
        raise not_found("stock request")
    standing = Standing(request=request, decider=decider)
    needed: Permission = APPROVE if action in {RequestAction.APPROVE, RequestAction.REJECT} else WRITE
    refused = standing.refusal(needed)
    if refused is not None and refused.reason is Reason.LOCATION_DENIED:
        raise refused  # neither end is the caller's: not even its state is theirs to know
    if expected_version not in {None, request.version}:
        raise stale(request, expected_version)
    FLOW.require(request.state, action, standing)
    return request, standing


def stale(request: StockRequest, expected: int | None) -> DomainError:
    last = request.history[-1] if request.history else None
    return DomainError(
        Reason.STALE_VERSION,
        "The stock request has been changed since you read it",
        expected=expected,
        actual=request.version,
        state=request.state,
        lastAction=None
        if last is None
        else {"action": last.action, "actor": last.actor, "recordedAt": last.recorded_at},
    )


async def told(
    work: StockRequestWork,
    *,
    decider: Decider,
    before: StockRequest | None,
    request_id: UUID,
    action: str,
    event: str | None = None,
    comment: str | None = None,
    on_behalf_of: UUID | None = None,
    details: Mapping[str, Any] | None = None,
) -> StockRequest:
    """Write the step into the history, tell the feed, and show the request as it is now."""
    stands = await work.view(request_id)
    step = Step(
        action=action,
        from_state=None if before is None else before.state,
        to_state=stands.state,
        comment=comment,
        on_behalf_of=on_behalf_of,
        details=dict(details or {}),
    )
    past = await work.step(DocumentType.STOCK_REQUEST, request_id, step)
    done = msgspec.convert(past, RequestStep, from_attributes=True)
    after = msgspec.structs.replace(stands, history=(*stands.history, done))
    name = event or EVENTS[RequestAction(action)]
    await work.record(
        f"stock_request.{name}.v1",
        STOCK_REQUEST,
        request_id,
        payload_of(after, comment=comment) | dict(details or {}),
        locations=sorted({after.origin_location_id, after.destination_location_id}),
    )
    return shown(after, decider)


def shown(request: StockRequest, decider: Decider) -> StockRequest:
    """The request with what this caller may do with it."""
    return msgspec.structs.replace(request, allowed_actions=allowed(request, decider))


def payload_of(request: StockRequest, *, comment: str | None = None) -> dict[str, Any]:
    """What an event tells of a request: enough to notify its people without asking again."""
    tier = request.tier
    return {
        "id": request.id,
        "number": request.number,
        "type": request.type,
        "state": request.state,
        "version": request.version,
        "originLocationId": request.origin_location_id,
        "destinationLocationId": request.destination_location_id,
        "requesterId": request.requester_id,
        "requester": request.requester,
        "priority": request.priority,
        "neededBy": request.needed_by,
        "value": request.value,
        "comment": comment,
        "waitsFor": None
        if tier is None
        else {
            "tier": tier.tier,
            "name": tier.name,
            "role": tier.role,
            "userIds": tier.user_ids,
            "deadlineAt": tier.deadline_at,
        },
        "lines": [
            {
                "lineId": line.id,
                "productMasterId": line.product_master_id,
                "requested": line.requested,
                "approved": line.approved,
                "reserved": line.reserved,
                "backordered": line.backordered,
                "issued": line.issued,
                "received": line.received,
                "canceled": line.canceled,
            }
            for line in request.lines
        ],
    }


def live(lines: Sequence[RequestLine]) -> list[RequestLine]:
    """Without the substitutes that were taken back."""
    return [line for line in lines if line.substitutes_line_id is None or line.open > ZERO or line.issued > ZERO]


def line_of(request: StockRequest, line_id: UUID, at: str) -> RequestLine:
    found = next((line for line in request.lines if line.id == line_id), None)
    if found is None:
        raise not_found("line of this stock request", field=at)
    return found


def refuse_repeated(ids: Sequence[UUID], name: str = "lineId") -> None:
    """Refuse a line that is named twice."""
    problems = [(f"lines[{n}].{name}", "is named twice") for n, id_ in enumerate(ids) if id_ in ids[:n]]
    if problems:
        raise FieldError(*problems)


def drafted(request: StockRequest) -> StockRequest:
    """The head as of nobody having submitted it; what was decided stays among the decisions."""
    return msgspec.structs.replace(
        request,
        state=RequestState.DRAFT,
        value=None,
        current_tier=None,
        deadline_at=None,
        submitted_at=None,
        decided_at=None,
    )


def as_asked(line: RequestLine) -> RequestLine:
    """The line as nobody has decided on it; a substitute that was taken back stays canceled."""
    if line.substitutes_line_id is not None:
        return line
    return msgspec.structs.replace(
        line, approved=None, reserved=ZERO, backordered=ZERO, picked=ZERO, open=line.requested, canceled=ZERO
    )


async def refuse_backwards(
    work: StockRequestWork, *, decider: Decider, request_id: UUID, wanted: RequestState | RequestAction
) -> StockRequest:
    """What is no move forward is refused, with what there is instead.

    Raises:
        DomainError: always.
    """
    request = await work.lock(request_id)
    if request is None:
        raise not_found("stock request")
    standing = Standing(request=request, decider=decider)
    refused = standing.refusal(WRITE)
    if refused is not None:
        raise refused
    raise DomainError(
        Reason.INVALID_TRANSITION,
        f"{wanted} is no move forward from {request.state}; submit, approve, reject and rollback stand alone",
        state=request.state,
        wanted=wanted,
        allowedActions=allowed(request, decider),
    )
