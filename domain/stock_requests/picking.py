"""Picking: what was taken from the shelf is confirmed, a short pick explained, a substitute linked.

What was reserved stays reserved until it is issued.
"""

from collections.abc import Sequence
from decimal import Decimal
from uuid import UUID

import msgspec

from domain.availability.allocating import allot
from domain.availability.claims import Need
from domain.availability.ports import Wish
from domain.errors import DomainError, FieldError, Reason, not_found
from domain.stock_requests.acting import line_of, live, opened, refuse_repeated, told
from domain.stock_requests.allocating import reserving, source_of
from domain.stock_requests.editing import plan_line
from domain.stock_requests.model import (
    ZERO,
    PickedLine,
    RequestAction,
    RequestLine,
    RequestState,
    StockRequest,
)
from domain.stock_requests.plans import exceeds, plan_of
from domain.stock_requests.ports import StockRequestWork
from domain.stock_requests.states import Decider
from domain.values import new_id, plain


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
