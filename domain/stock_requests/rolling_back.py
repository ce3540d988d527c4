"""Undoing the last step of a stock request, and only that, by what makes up for it: no record loses anything."""

from collections.abc import Sequence
from decimal import Decimal
from uuid import UUID

import msgspec

from domain.access.model import Act
from domain.availability.allocating import LineWanted, allot_lines
from domain.availability.ports import Wish
from domain.documents import DocumentType
from domain.errors import DomainError, Reason
from domain.ledger.model import Kind, Posting
from domain.ledger.reversing import reversing_entries
from domain.stock_requests.acting import as_asked, drafted, live, opened, told
from domain.stock_requests.allocating import allocate, release, source_of
from domain.stock_requests.model import (
    ZERO,
    Decision,
    RequestAction,
    RequestLine,
    RequestState,
    StockRequest,
)
from domain.stock_requests.plans import started
from domain.stock_requests.ports import StockRequestWork
from domain.stock_requests.states import Decider
from domain.transfers.closing import cancel as cancel_transfer
from domain.values import new_id

IN_THE_WAY = frozenset(
    {
        Reason.INSUFFICIENT_STOCK,
        Reason.POSITION_FROZEN,
        Reason.COUNTED_SINCE,
        Reason.REVERSAL_BLOCKED,
        Reason.INVALID_TRANSITION,
        Reason.NOT_FOUND,
        Reason.INACTIVE,
    }
)
"""What keeps stock from coming back."""


async def roll_back(
    work: StockRequestWork,
    *,
    act: Act,
    decider: Decider,
    request_id: UUID,
    comment: str | None,
    expected_version: int | None,
) -> StockRequest:
    """Undo the last step.

    Raises:
        DomainError: INVALID_TRANSITION from DRAFT, RECEIVED and CANCELED; PERMISSION_DENIED and SELF_APPROVAL
            where the step was a decision that the caller could not have made; REVERSAL_BLOCKED, with what stands
            in the way, where what was issued cannot come back.
    """
    before, _ = await opened(
        work,
        decider=decider,
        request_id=request_id,
        action=RequestAction.ROLLBACK,
        expected_version=expected_version,
    )
    decisions = before.standing_decisions
    details: dict[str, object] = {}
    match before.state:
        case RequestState.ISSUED:
            details = await _bring_back(work, act, before, comment)
        case RequestState.PICKING:
            await _unpick(work, before)
        case _ if decisions:
            await _undecide(work, before, decisions)
            details = {"decisionId": decisions[-1].id, "tier": decisions[-1].tier}
        case _:
            await _unsubmit(work, before)
    return await told(
        work,
        decider=decider,
        before=before,
        request_id=request_id,
        action=RequestAction.ROLLBACK,
        comment=comment,
        details=details,
    )


async def _unsubmit(work: StockRequestWork, before: StockRequest) -> None:
    """Back to a draft: nobody has decided, or nobody had to."""
    await release(work, before.id)
    await work.store_lines([as_asked(line) for line in before.lines])
    await work.store(drafted(before))


async def _undecide(work: StockRequestWork, before: StockRequest, decisions: Sequence[Decision]) -> None:
    """The last decision is withdrawn: its tier is to decide again, and its deadline runs anew."""
    now, last = await work.now(), decisions[-1]
    await release(work, before.id)
    await work.withdraw(last.id, at=now)
    current = before.tier
    if current is not None and current.tier != last.tier:
        await work.store_tier(
            before.id, before.round, msgspec.structs.replace(current, started_at=None, deadline_at=None)
        )
    tier = started(next(one for one in before.tiers if one.tier == last.tier), now)
    await work.store_tier(before.id, before.round, tier)
    agreed = decisions[-2].quantities if len(decisions) > 1 else {}
    await work.store_lines(
        [msgspec.structs.replace(as_asked(line), approved=agreed.get(str(line.id))) for line in live(before.lines)]
    )
    await work.store(
        msgspec.structs.replace(
            before,
            state=RequestState.PENDING_APPROVAL,
            current_tier=tier.tier,
            deadline_at=tier.deadline_at,
            decided_at=None,
        )
    )


async def _unpick(work: StockRequestWork, before: StockRequest) -> None:
    """What was picked goes back to the shelf: it stays reserved, and substitutes are given back."""
    substitutes = [line for line in live(before.lines) if line.substitutes_line_id is not None]
    products = {line.product_master_id for line in substitutes}
    claims = [claim for claim in await work.claims(before.id) if claim.product_id in products]
    await work.settle(before.id, [Wish(id=claim.id, action="RELEASE") for claim in claims])
    replaced: dict[UUID, Decimal] = {}
    for line in substitutes:
        assert line.substitutes_line_id is not None
        replaced[line.substitutes_line_id] = replaced.get(line.substitutes_line_id, ZERO) + line.open
    gone = [
        msgspec.structs.replace(line, open=ZERO, reserved=ZERO, picked=ZERO, canceled=line.requested)
        for line in substitutes
    ]
    kept = [
        _unpicked(line, replaced.get(line.id, ZERO))
        for line in live(before.lines)
        if line.substitutes_line_id is None
    ]
    # What the substitutes stood for is reserved again, as far as it is still there.
    regained = await allocate(work, before, kept) if substitutes else kept
    await work.store_lines([*gone, *regained])
    await work.store(msgspec.structs.replace(before, state=RequestState.APPROVED))


def _unpicked(line: RequestLine, replaced: Decimal) -> RequestLine:
    open_ = line.open + replaced
    return msgspec.structs.replace(
        line,
        picked=ZERO,
        short_reason=None,
        open=open_,
        canceled=line.canceled - replaced,
        backordered=open_ - line.reserved,
    )


async def _bring_back(
    work: StockRequestWork, act: Act, before: StockRequest, comment: str | None
) -> dict[str, object]:
    """What was issued comes back to where it was taken from, and is reserved there again."""
    lines = [line for line in before.lines if line.issued > ZERO]
    # All locks of stock in one order, before anything is posted.
    await work.begin(sorted({(line.product_master_id, before.origin_location_id) for line in lines}))
    try:
        if before.transfer_id is not None:
            transfer = await cancel_transfer(
                work, act=act, transfer_id=before.transfer_id, comment=comment, is_sourced=True
            )
            wanted = [
                LineWanted(
                    line_id=one.inventory_item_id,
                    product_id=line.product_master_id,
                    location_id=before.origin_location_id,
                    quantity=one.returned,
                )
                for line in transfer.lines
                for one in line.picks
            ]
            details: dict[str, object] = {"transferId": transfer.id}
        else:
            wanted, posting_id = await _unconsume(work, act, before, comment)
            details = {"transactionId": posting_id}
        await allot_lines(work, wanted=wanted, source=source_of(before.id), leaves=False)
    except DomainError as refused:
        if refused.reason not in IN_THE_WAY:
            raise
        message = f"What was issued cannot come back: {refused.message}"
        raise DomainError(
            Reason.REVERSAL_BLOCKED, message, **(refused.facts | {"because": refused.reason})
        ) from None
    again = [_unissued(line, before) for line in live(before.lines)]
    await work.store_lines(again)
    await work.store(
        msgspec.structs.replace(
            before, state=RequestState.PICKING, issued_at=None, transfer_id=None, issue_transaction_id=None
        )
    )
    return details


def _unissued(line: RequestLine, request: StockRequest) -> RequestLine:
    """As it was before it was issued: open is what was approved, without what others were picked for."""
    replaced = sum((one.requested for one in live(request.lines) if one.substitutes_line_id == line.id), ZERO)
    open_ = (line.approved or ZERO) - replaced
    return msgspec.structs.replace(
        line,
        issued=ZERO,
        reserved=line.issued,
        picked=line.issued,
        open=open_,
        canceled=line.requested - open_,
        backordered=open_ - line.issued,
    )


async def _unconsume(
    work: StockRequestWork, act: Act, before: StockRequest, comment: str | None
) -> tuple[list[LineWanted], UUID]:
    assert before.issue_transaction_id is not None, "what was issued has travelled, or was consumed"
    original = await work.original(before.issue_transaction_id)
    posted = await work.post(
        Posting(
            id=new_id(),
            kind=Kind.REVERSAL,
            entries=reversing_entries(original),
            source_type=DocumentType.STOCK_REQUEST,
            source_id=str(before.id),
            comment=comment,
            reverses_id=original.id,
            act=act,
        )
    )
    wanted = [
        LineWanted(
            line_id=one.line_id,
            product_id=one.product_id,
            location_id=before.origin_location_id,
            quantity=one.delta,
        )
        for one in posted.movements
    ]
    return wanted, posted.posting_id
