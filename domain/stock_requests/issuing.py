"""Issuing: what was picked leaves.

To a place that keeps stock it travels in a transfer of its own; for one that does not it is consumed.
"""

from collections.abc import Sequence
from decimal import Decimal
from uuid import UUID

import msgspec

from domain.access.model import Act
from domain.availability.ports import Wish
from domain.documents import DocumentType
from domain.errors import DomainError, FieldError, Reason
from domain.ledger.model import Entry, Kind, Posting
from domain.stock_requests.acting import live, opened, told
from domain.stock_requests.model import (
    ZERO,
    RequestAction,
    RequestLine,
    RequestState,
    StockRequest,
)
from domain.stock_requests.ports import Claimed as Claim
from domain.stock_requests.ports import StockRequestWork
from domain.stock_requests.states import FLOW, Decider, Standing
from domain.transfers.model import LineWanted, NewTransfer
from domain.transfers.shipping import Claimed, dispatch
from domain.values import new_id

RECEIVES = "RECEIVES"
BACKORDERED = "not in stock when the request was issued"


async def issue(
    work: StockRequestWork,
    *,
    act: Act,
    decider: Decider,
    request_id: UUID,
    comment: str | None,
    expected_version: int | None,
) -> StockRequest:
    """Let what was picked leave; what was not is canceled, with the reason that picking gave.

    Raises:
        FieldError: a line is short, and nothing says why.
        DomainError: INSUFFICIENT_STOCK where stock was lost meanwhile; POSITION_FROZEN.
    """
    before, standing = await opened(
        work, decider=decider, request_id=request_id, action=RequestAction.ISSUE, expected_version=expected_version
    )
    lines = live(before.lines)
    _refuse_unpicked(before, lines, standing)
    going = [line for line in lines if line.picked > ZERO]
    takes = _takes(await work.claims(request_id), going)
    ends = await work.ends([before.destination_location_id])
    if RECEIVES in ends[before.destination_location_id].capabilities:
        moved = await _travels(work, act, before, going, takes)
    else:
        moved = await _consumed(work, act, before, takes, comment)
    await work.store_lines([_issued(line) for line in lines])
    await work.store(msgspec.structs.replace(moved, state=RequestState.ISSUED, issued_at=await work.now()))
    return await told(
        work,
        decider=decider,
        before=before,
        request_id=request_id,
        action=RequestAction.ISSUE,
        comment=comment,
        details={"transferId": moved.transfer_id, "transactionId": moved.issue_transaction_id},
    )


def _refuse_unpicked(request: StockRequest, lines: Sequence[RequestLine], standing: Standing) -> None:
    if not any(line.picked > ZERO for line in lines):
        raise DomainError(
            Reason.INVALID_TRANSITION,
            "Nothing was picked: pick something, or cancel the request",
            state=request.state,
            action=RequestAction.ISSUE,
            allowedActions=FLOW.allowed(request.state, standing),
        )
    problems = [
        (f"lines[{n}].reason", f"{line.global_sku}: pick what is reserved, or say why it is short")
        for n, line in enumerate(lines)
        if line.picked < line.reserved and line.short_reason is None
    ]
    if problems:
        raise FieldError(*problems)


def _issued(line: RequestLine) -> RequestLine:
    short = line.open - line.picked
    return msgspec.structs.replace(
        line,
        issued=line.picked,
        open=ZERO,
        reserved=ZERO,
        backordered=ZERO,
        canceled=line.canceled + short,
        short_reason=line.short_reason or (BACKORDERED if short > ZERO else None),
    )


class _Take(msgspec.Struct, frozen=True, kw_only=True):
    """A quantity of a claim that leaves with a line, counted from 0; none: the claim is given back."""

    line: int
    claim_id: UUID
    quantity: Decimal


def _takes(claims: Sequence[Claim], going: Sequence[RequestLine]) -> list[_Take]:
    left = {line.product_master_id: line.picked for line in going}
    index = {line.product_master_id: n for n, line in enumerate(going)}
    takes = []
    for claim in claims:
        part = min(left.get(claim.product_id, ZERO), claim.quantity)
        if claim.product_id in left:
            left[claim.product_id] -= part
        takes.append(_Take(line=index.get(claim.product_id, -1), claim_id=claim.id, quantity=part))
    assert not any(left.values()), "what is picked was reserved"
    return takes


async def _travels(
    work: StockRequestWork, act: Act, request: StockRequest, going: Sequence[RequestLine], takes: Sequence[_Take]
) -> StockRequest:
    unused = [Wish(id=one.claim_id, action="RELEASE") for one in takes if one.quantity == ZERO]
    transfer = await dispatch(
        work,
        act=act,
        new=NewTransfer(
            origin_id=request.origin_location_id,
            destination_id=request.destination_location_id,
            lines=[LineWanted(product_id=line.product_master_id, quantity=line.picked) for line in going],
            reference=request.number,
            source_type=DocumentType.STOCK_REQUEST,
            source_id=str(request.id),
        ),
        document_id=request.id,
        claimed=[
            Claimed(line=one.line, claim_id=one.claim_id, quantity=one.quantity)
            for one in takes
            if one.quantity > ZERO
        ],
    )
    await work.settle(request.id, unused)
    return msgspec.structs.replace(request, transfer_id=transfer.id, issue_transaction_id=None)


async def _consumed(
    work: StockRequestWork, act: Act, request: StockRequest, takes: Sequence[_Take], comment: str | None
) -> StockRequest:
    resolved = await work.settle(
        request.id,
        [
            Wish(id=one.claim_id, action="CONSUME", quantity=one.quantity)
            if one.quantity > ZERO
            else Wish(id=one.claim_id, action="RELEASE")
            for one in takes
        ],
    )
    taken: dict[UUID, Decimal] = {}
    for one, settled in zip(takes, resolved, strict=True):
        for part in settled.lines if one.quantity > ZERO else ():
            taken[part.line_id] = taken.get(part.line_id, ZERO) + part.quantity
    entries = tuple(
        Entry(kind=Kind.CONSUMPTION, line_id=line_id, delta=-quantity)
        for line_id, quantity in sorted(taken.items())
    )
    posted = await work.post(
        Posting(
            id=new_id(),
            kind=Kind.CONSUMPTION,
            entries=entries,
            source_type=DocumentType.STOCK_REQUEST,
            source_id=str(request.id),
            comment=comment,
            act=act,
        )
    )
    return msgspec.structs.replace(request, transfer_id=None, issue_transaction_id=posted.posting_id)
