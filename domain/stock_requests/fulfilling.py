"""From approved to received: picking, issuing, receiving; and giving up.

What was reserved stays reserved until it is issued: picking confirms it. What leaves for a place that keeps stock
travels in a transfer of its own; what leaves for one that does not is consumed.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from uuid import UUID

import msgspec

from domain.access.model import Act
from domain.availability.allocating import allot
from domain.availability.claims import Need
from domain.availability.ports import Wish
from domain.documents import DocumentType
from domain.errors import DomainError, FieldError, Reason, not_found
from domain.ledger.model import Entry, Kind, Posting
from domain.stock_requests.acting import line_of, live, opened, refuse_repeated, told
from domain.stock_requests.allocating import release, reserving, source_of
from domain.stock_requests.editing import plan_line
from domain.stock_requests.model import (
    ZERO,
    PickedLine,
    ReceivedLine,
    RequestAction,
    RequestLine,
    RequestState,
    StockRequest,
)
from domain.stock_requests.plans import exceeds, plan_of
from domain.stock_requests.ports import Claimed as Claim
from domain.stock_requests.ports import StockRequestWork
from domain.stock_requests.states import FLOW, Decider, Standing
from domain.transfers.arriving import receive as receive_transfer
from domain.transfers.closing import close as close_transfer
from domain.transfers.model import ArrivedLine, LineWanted, Missing, NewTransfer, Transfer
from domain.transfers.shipping import Claimed, dispatch
from domain.values import new_id, plain

RECEIVES = "RECEIVES"
BACKORDERED = "not in stock when the request was issued"


async def pick(
    work: StockRequestWork,
    *,
    decider: Decider,
    request_id: UUID,
    lines: Sequence[PickedLine] | None,
    comment: str | None,
    expected_version: int | None,
) -> StockRequest:
    """Confirm what was taken from the shelf: the lines that are named, or all that is reserved.

    Raises:
        FieldError: more than is reserved; less, without a reason; a substitute that will not do.
        DomainError: INSUFFICIENT_STOCK, there is not so much of the substitute.
    """
    before, _ = await opened(
        work, decider=decider, request_id=request_id, action=RequestAction.PICK, expected_version=expected_version
    )
    if lines is None:
        picked = [msgspec.structs.replace(line, picked=line.reserved) for line in live(before.lines)]
        await work.store_lines(picked)
    else:
        await _pick_lines(work, before, lines)
    await work.store(msgspec.structs.replace(before, state=RequestState.PICKING))
    return await told(
        work, decider=decider, before=before, request_id=request_id, action=RequestAction.PICK, comment=comment
    )


async def _pick_lines(work: StockRequestWork, request: StockRequest, lines: Sequence[PickedLine]) -> None:
    refuse_repeated([line.line_id for line in lines])
    stands = [line_of(request, one.line_id, f"lines[{n}].lineId") for n, one in enumerate(lines)]
    problems = [
        (f"lines[{n}].{path}", message)
        for n, (line, one) in enumerate(zip(stands, lines, strict=True))
        for path, message in _pick_problems(line, one)
    ]
    if problems:
        raise FieldError(*problems)
    picked = []
    for n, (line, one) in enumerate(zip(stands, lines, strict=True)):
        after = msgspec.structs.replace(line, picked=one.quantity, short_reason=one.reason)
        if one.substitute_id is not None:
            after = await _substituted(work, request, after, one, n)
        picked.append(after)
    await work.store_lines(picked)


def _pick_problems(line: RequestLine, one: PickedLine) -> list[tuple[str, str]]:
    problems = []
    if one.quantity < ZERO:
        problems.append(("pickedQty", "must not be negative"))
    elif one.quantity > line.reserved:
        problems.append(("pickedQty", f"must be at most what is reserved ({plain(line.reserved)})"))
    if one.quantity < line.open and one.reason is None:
        problems.append(("reason", f"is required, as less is picked than is open ({plain(line.open)})"))
    if one.substitute_id is not None:
        if one.substitute_quantity <= ZERO:
            problems.append(("substitute.quantity", "must be greater than zero"))
        elif one.substitute_quantity > line.open - one.quantity:
            problems.append(("substitute.quantity", "must be at most what is not picked of the line"))
        if line.substitutes_line_id is not None:
            problems.append(("substitute", "must be for the line that was asked for"))
    return problems


async def _substituted(
    work: StockRequestWork, request: StockRequest, line: RequestLine, one: PickedLine, n: int
) -> RequestLine:
    """Another product in place of a part of a line: a line of its own, linked, and reserved at once.

    It must not need anybody's approval who has not given it.
    """
    assert one.substitute_id is not None
    product_id, quantity, path = (
        one.substitute_id,
        one.substitute_quantity,
        f"lines[{n}].substitute.productMasterId",
    )
    if any(product_id == other.product_master_id for other in live(request.lines)):
        raise FieldError((path, "is asked for by the request already"))
    goods = await work.goods([product_id, *(other.product_master_id for other in live(request.lines))])
    found = goods.get(product_id)
    if found is None:
        raise not_found("product", field=path)
    if not found.is_active:
        raise DomainError(Reason.INACTIVE, "The product is not active", field=path, productMasterId=product_id)
    asked = [
        plan_line(goods[other.product_master_id], other.open - (quantity if other.id == line.id else ZERO))
        for other in live(request.lines)
    ]
    plan = plan_of(
        await work.rules(),
        lines=[*asked, plan_line(found, quantity)],
        origin_id=request.origin_location_id,
        approves_requests=bool(request.tiers),
    )
    beyond = exceeds(plan, request.tiers)
    if beyond:
        raise FieldError((path, f"would need another approval ({', '.join(beyond)})"))
    spare = line.reserved - (line.open - quantity)
    if spare > ZERO:
        await _give_back(work, request.id, line.product_master_id, spare)
    need = Need(product_id=product_id, location_id=request.origin_location_id, quantity=quantity)
    await allot(work, needs=[need], source=source_of(request.id))
    await work.add_substitute(
        request.id,
        RequestLine(
            id=new_id(),
            line_no=max(other.line_no for other in request.lines) + 1 + n,
            product_master_id=product_id,
            global_sku=found.sku,
            product_name="",
            requested=quantity,
            approved=quantity,
            reserved=quantity,
            picked=quantity,
            open=quantity,
            unit_cost=found.unit_cost,
            substitutes_line_id=line.id,
            short_reason=one.reason,
        ),
    )
    open_ = line.open - quantity
    left = msgspec.structs.replace(line, open=open_, canceled=line.canceled + quantity)
    return reserving(left, min(line.reserved, open_))


async def _give_back(work: StockRequestWork, request_id: UUID, product_id: UUID, quantity: Decimal) -> None:
    wishes, left = [], quantity
    for claim in await work.claims(request_id):
        part = min(left, claim.quantity) if claim.product_id == product_id else ZERO
        if part > ZERO:
            wishes.append(Wish(id=claim.id, action="RELEASE", quantity=part))
            left -= part
    await work.settle(request_id, wishes)


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


async def receive(
    work: StockRequestWork,
    *,
    act: Act,
    decider: Decider,
    request_id: UUID,
    lines: Sequence[ReceivedLine] | None,
    comment: str | None,
    expected_version: int | None,
) -> StockRequest:
    """Take in what arrived, all that was issued unless lines say otherwise, and close; a gap has its cause.

    Raises:
        FieldError: more than was issued; less, without a reason.
    """
    before, _ = await opened(
        work,
        decider=decider,
        request_id=request_id,
        action=RequestAction.RECEIVE,
        expected_version=expected_version,
    )
    came = _arrived(before, lines)
    if before.transfer_id is not None:
        transfer = await work.transfers.view(before.transfer_id)
        await _unload(work, act, transfer, came, comment)
    await work.store_lines(came)
    await work.store(msgspec.structs.replace(before, state=RequestState.RECEIVED, received_at=await work.now()))
    missing = {str(line.id): line.issued - line.received for line in came if line.received < line.issued}
    return await told(
        work,
        decider=decider,
        before=before,
        request_id=request_id,
        action=RequestAction.RECEIVE,
        comment=comment,
        details={"missing": missing},
    )


def _arrived(request: StockRequest, lines: Sequence[ReceivedLine] | None) -> list[RequestLine]:
    issued = [line for line in request.lines if line.issued > ZERO]
    if lines is None:
        return [msgspec.structs.replace(line, received=line.issued) for line in issued]
    refuse_repeated([line.line_id for line in lines])
    said: Mapping[UUID, tuple[int, ReceivedLine]] = {one.line_id: (n, one) for n, one in enumerate(lines)}
    problems: list[tuple[str, str]] = []
    for n, one in enumerate(lines):
        line = line_of(request, one.line_id, f"lines[{n}].lineId")
        if one.quantity < ZERO:
            problems.append((f"lines[{n}].receivedQty", "must not be negative"))
        elif one.quantity > line.issued:
            problems.append((f"lines[{n}].receivedQty", f"must be at most what was issued ({plain(line.issued)})"))
        elif one.quantity < line.issued and one.reason is None:
            problems.append((f"lines[{n}].reason", f"is required, as {plain(line.issued)} were issued"))
    problems += [("lines", f"must say what came of {line.global_sku}") for line in issued if line.id not in said]
    if problems:
        raise FieldError(*problems)
    return [
        msgspec.structs.replace(
            line, received=said[line.id][1].quantity, discrepancy_reason=said[line.id][1].reason
        )
        for line in issued
    ]


async def _unload(
    work: StockRequestWork, act: Act, transfer: Transfer, came: Sequence[RequestLine], comment: str | None
) -> None:
    """Receive the transfer, and write off what did not come."""
    travels = {line.product_master_id: line.id for line in transfer.lines}
    arrived = [
        ArrivedLine(line_id=travels[line.product_master_id], quantity=line.received)
        for line in came
        if line.received > ZERO
    ]
    if arrived:
        await receive_transfer(
            work, act=act, transfer_id=transfer.id, lines=arrived, comment=comment, is_sourced=True
        )
    missing = [
        Missing(line_id=travels[line.product_master_id], reason=line.discrepancy_reason or "")
        for line in came
        if line.received < line.issued
    ]
    await close_transfer(work, act=act, transfer_id=transfer.id, missing=missing, comment=comment, is_sourced=True)


async def cancel(
    work: StockRequestWork,
    *,
    decider: Decider,
    request_id: UUID,
    comment: str | None,
    expected_version: int | None,
) -> StockRequest:
    """Give it up: what it has reserved is free again, and nothing of it will be issued."""
    before, _ = await opened(
        work,
        decider=decider,
        request_id=request_id,
        action=RequestAction.CANCEL,
        expected_version=expected_version,
    )
    await release(work, request_id)
    await work.store_lines(
        [
            msgspec.structs.replace(
                line, open=ZERO, reserved=ZERO, backordered=ZERO, picked=ZERO, canceled=line.canceled + line.open
            )
            for line in before.lines
        ]
    )
    await work.store(
        msgspec.structs.replace(
            before,
            state=RequestState.CANCELED,
            current_tier=None,
            deadline_at=None,
            canceled_at=await work.now(),
        )
    )
    return await told(
        work, decider=decider, before=before, request_id=request_id, action=RequestAction.CANCEL, comment=comment
    )


async def comment_on(
    work: StockRequestWork, *, decider: Decider, request_id: UUID, body: str
) -> tuple[StockRequest, UUID]:
    """Say something of it, for ever; its version stays."""
    before, _ = await opened(
        work, decider=decider, request_id=request_id, action=RequestAction.COMMENT, expected_version=None
    )
    comment_id = await work.add_comment(request_id, body)
    return (
        await told(
            work,
            decider=decider,
            before=before,
            request_id=request_id,
            action=RequestAction.COMMENT,
            comment=body,
        ),
        comment_id,
    )
