"""Making a stock request, changing it while it is a draft, and submitting it."""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from uuid import UUID

import msgspec

from domain.documents import DocumentType
from domain.errors import DomainError, FieldError, Reason, not_found
from domain.stock_requests.acting import as_asked, drafted, line_of, live, opened, told
from domain.stock_requests.allocating import allocate
from domain.stock_requests.model import (
    LINES_MAX,
    ZERO,
    NewLine,
    NewRequest,
    RequestAction,
    RequestLine,
    RequestState,
    StockRequest,
)
from domain.stock_requests.plans import PlanLine, plan_of, started
from domain.stock_requests.ports import End, Goods, StockRequestWork
from domain.stock_requests.states import WRITE, Decider
from domain.values import new_id

NO_END = frozenset({"DESTRUCTION", "IN_TRANSIT"})
"""Types of locations between which nobody asks for stock."""
APPROVES = "APPROVES_REQUESTS"


async def create_request(work: StockRequestWork, *, decider: Decider, new: NewRequest) -> StockRequest:
    """Make a draft.

    Raises:
        FieldError: what it asks for cannot be.
        DomainError: NOT_FOUND, INACTIVE, LOCATION_DENIED where neither end is the caller's.
    """
    await _checked_ends(work, decider, new.origin_id, new.destination_id)
    await _checked_lines(work, new.lines, at=0)
    request_id = new_id()
    await work.add(request_id, await work.number(DocumentType.STOCK_REQUEST), new)
    await work.add_lines(request_id, 1, new.lines)
    return await told(work, decider=decider, before=None, request_id=request_id, action="create", event="created")


async def change_request(
    work: StockRequestWork,
    *,
    decider: Decider,
    request_id: UUID,
    changes: Mapping[str, object],
    expected_version: int | None,
) -> StockRequest:
    """Change what a draft says of itself; one that was rejected is a draft again."""
    before = await _editable(work, decider, request_id, expected_version)
    after = msgspec.structs.replace(before, **changes)
    if {"origin_location_id", "destination_location_id"} & changes.keys():
        await _checked_ends(work, decider, after.origin_location_id, after.destination_location_id)
    return await _edited(work, decider, before, after, sorted(changes))


async def add_line(
    work: StockRequestWork, *, decider: Decider, request_id: UUID, line: NewLine, expected_version: int | None
) -> tuple[StockRequest, UUID]:
    """Ask for one more product."""
    before = await _editable(work, decider, request_id, expected_version)
    if len(before.lines) >= LINES_MAX:
        raise FieldError(("lines", f"must be at most {LINES_MAX}"))
    await _checked_lines(work, [line], at=None)
    first = max((one.line_no for one in before.lines), default=0) + 1
    (line_id,) = await work.add_lines(request_id, first, [line])
    return await _edited(work, decider, before, before, ["lines"]), line_id


async def change_line(
    work: StockRequestWork,
    *,
    decider: Decider,
    request_id: UUID,
    line_id: UUID,
    quantity: Decimal | None,
    note: tuple[str | None] | None,
    expected_version: int | None,
) -> StockRequest:
    """Ask for another quantity, or say something else of it."""
    before = await _editable(work, decider, request_id, expected_version)
    line = _own_line(before, line_id)
    if quantity is not None:
        if quantity <= ZERO:
            raise FieldError(("quantity", "must be greater than zero"))
        line = msgspec.structs.replace(as_asked(line), requested=quantity, open=quantity)
    if note is not None:
        line = msgspec.structs.replace(line, note=note[0])
    await work.store_lines([line])
    return await _edited(work, decider, before, before, ["lines"], line=line)


async def remove_line(
    work: StockRequestWork, *, decider: Decider, request_id: UUID, line_id: UUID, expected_version: int | None
) -> StockRequest:
    """Ask for it no more; the audit trail keeps what it was, and a line that others stand for stays, canceled."""
    before = await _editable(work, decider, request_id, expected_version)
    line = _own_line(before, line_id)
    if any(one.substitutes_line_id == line.id for one in before.lines):
        raise DomainError(
            Reason.IN_USE, "Another line was picked in place of this one: change its quantity", lineId=line_id
        )
    await work.remove_line(line.id)
    return await _edited(work, decider, before, before, ["lines"], gone=line.id)


async def delete_request(
    work: StockRequestWork, *, decider: Decider, request_id: UUID, expected_version: int | None
) -> StockRequest:
    """Take it off every list; it can still be read, with its history."""
    before, _ = await opened(
        work,
        decider=decider,
        request_id=request_id,
        action=RequestAction.DELETE,
        expected_version=expected_version,
    )
    now = await work.now()
    await work.store_lines([_given_up(line) for line in before.lines])
    await work.store(
        msgspec.structs.replace(before, state=RequestState.CANCELED, canceled_at=now, is_deleted=True)
    )
    return await told(work, decider=decider, before=before, request_id=request_id, action=RequestAction.DELETE)


async def submit(
    work: StockRequestWork,
    *,
    decider: Decider,
    request_id: UUID,
    comment: str | None,
    expected_version: int | None,
) -> StockRequest:
    """Freeze the value and the plan, and ask for the first approval; with nobody to ask, it is approved.

    Raises:
        FieldError: it has no line, asks for a product twice, or goes nowhere.
    """
    before, _ = await opened(
        work,
        decider=decider,
        request_id=request_id,
        action=RequestAction.SUBMIT,
        expected_version=expected_version,
    )
    _refuse_unfit(before)
    ends = await _checked_ends(work, decider, before.origin_location_id, before.destination_location_id)
    lines = [as_asked(line) for line in live(before.lines)]
    goods = await work.goods([line.product_master_id for line in lines])
    _require_active(lines, goods)
    lines = [msgspec.structs.replace(line, unit_cost=goods[line.product_master_id].unit_cost) for line in lines]
    asked = [plan_line(goods[line.product_master_id], line.requested) for line in lines]
    plan = plan_of(
        await work.rules(),
        lines=asked,
        origin_id=before.origin_location_id,
        approves_requests=APPROVES in ends[before.origin_location_id].capabilities,
    )
    now, round_ = await work.now(), before.round + 1
    first = started(plan[0], now) if plan else None
    request = msgspec.structs.replace(
        before,
        state=RequestState.PENDING_APPROVAL if plan else RequestState.APPROVED,
        author_ids=authors(before, decider),
        value=sum((line.value for line in asked), ZERO).quantize(Decimal("0.0001")),
        round=round_,
        current_tier=1 if plan else None,
        deadline_at=first.deadline_at if first else None,
        submitted_at=now,
        decided_at=None if plan else now,
        canceled_at=None,
    )
    await work.add_tiers(request_id, round_, (first, *plan[1:]) if first else ())
    if not plan:
        lines = await allocate(work, request, [approved(line, line.requested) for line in lines])
    await work.store_lines(lines)
    await work.store(request)
    return await told(
        work,
        decider=decider,
        before=before,
        request_id=request_id,
        action=RequestAction.SUBMIT,
        comment=comment,
        details={"round": round_, "tiers": [tier.name for tier in plan], "value": request.value},
    )


def approved(line: RequestLine, quantity: Decimal) -> RequestLine:
    """The line with its approval: what was not approved, nobody will issue."""
    return msgspec.structs.replace(
        line, approved=quantity, open=quantity, canceled=line.requested - quantity, backordered=ZERO
    )


def authors(request: StockRequest, decider: Decider) -> list[UUID]:
    return sorted(frozenset(request.author_ids) | decider.caller.identities)


def plan_line(goods: Goods, quantity: Decimal) -> PlanLine:
    return PlanLine(
        quantity=quantity,
        unit_cost=goods.unit_cost,
        category_ids=goods.category_ids,
        is_regulated=goods.is_regulated,
    )


def _given_up(line: RequestLine) -> RequestLine:
    return msgspec.structs.replace(line, open=ZERO, canceled=line.canceled + line.open)


async def _editable(
    work: StockRequestWork, decider: Decider, request_id: UUID, expected_version: int | None
) -> StockRequest:
    before, _ = await opened(
        work,
        decider=decider,
        request_id=request_id,
        action=RequestAction.UPDATE,
        expected_version=expected_version,
    )
    return before


async def _edited(
    work: StockRequestWork,
    decider: Decider,
    before: StockRequest,
    after: StockRequest,
    fields: Sequence[str],
    *,
    line: RequestLine | None = None,
    gone: UUID | None = None,
) -> StockRequest:
    """Write the head; what had been approved of the lines counts no more."""
    touched = {gone, line.id if line else None}
    await work.store_lines([as_asked(one) for one in before.lines if one.id not in touched and one.approved])
    await work.store(msgspec.structs.replace(drafted(after), author_ids=authors(before, decider)))
    return await told(
        work,
        decider=decider,
        before=before,
        request_id=before.id,
        action=RequestAction.UPDATE,
        details={"fields": list(fields)},
    )


def _own_line(request: StockRequest, line_id: UUID) -> RequestLine:
    line = line_of(request, line_id, "lineId")
    if line.substitutes_line_id is not None:
        message = "The line was picked in place of another one and taken back: it only keeps the record"
        raise DomainError(Reason.IN_USE, message, lineId=line_id)
    return line


async def _checked_ends(
    work: StockRequestWork, decider: Decider, origin_id: UUID, destination_id: UUID
) -> Mapping[UUID, End]:
    scope = decider.caller.scope(WRITE)
    if scope is not None and not scope & {origin_id, destination_id}:
        raise DomainError(
            Reason.LOCATION_DENIED, "Your rights do not cover this location", locationId=destination_id
        )
    ends = await work.ends([origin_id, destination_id])
    for field, id_ in (("originLocationId", origin_id), ("destinationLocationId", destination_id)):
        end = ends.get(id_)
        if end is None:
            raise not_found("location", field=field)
        if end.type in NO_END:
            raise FieldError((field, "is no place that asks for stock or gives it"))
        if not end.is_active:
            raise DomainError(Reason.INACTIVE, "The location is not active", field=field, locationId=id_)
    return ends


async def _checked_lines(work: StockRequestWork, lines: Sequence[NewLine], *, at: int | None) -> None:
    """Refuse lines that ask for nothing; `at` None: the only one, whose fields stand alone."""
    problems = list(_line_problems(lines, at))
    if problems:
        raise FieldError(*problems)
    goods = await work.goods([line.product_id for line in lines])
    for n, line in enumerate(lines):
        path = "productMasterId" if at is None else f"lines[{n}].productMasterId"
        found = goods.get(line.product_id)
        if found is None:
            raise not_found("product", field=path)
        if not found.is_active:
            raise DomainError(
                Reason.INACTIVE, "The product is not active", field=path, productMasterId=line.product_id
            )


def _line_problems(lines: Sequence[NewLine], at: int | None) -> Iterator[tuple[str, str]]:
    if len(lines) > LINES_MAX:
        yield "lines", f"must be at most {LINES_MAX}"
    for n, line in enumerate(lines):
        if line.quantity <= ZERO:
            yield ("quantity" if at is None else f"lines[{n}].quantity"), "must be greater than zero"


def _refuse_unfit(request: StockRequest) -> None:
    problems: list[tuple[str, str]] = []
    lines = live(request.lines)
    if not lines:
        problems.append(("lines", "must have at least one line"))
    if request.origin_location_id == request.destination_location_id:
        problems.append(("destinationLocationId", "must be another location than the origin"))
    products = [line.product_master_id for line in lines]
    problems += [
        (f"lines[{n}].productMasterId", f"is asked for twice ({line.global_sku})")
        for n, line in enumerate(lines)
        if line.product_master_id in products[:n]
    ]
    if problems:
        raise FieldError(*problems)


def _require_active(lines: Sequence[RequestLine], goods: Mapping[UUID, Goods]) -> None:
    for n, line in enumerate(lines):
        if not goods[line.product_master_id].is_active:
            raise DomainError(
                Reason.INACTIVE,
                "The product is not active any more",
                field=f"lines[{n}].productMasterId",
                productMasterId=line.product_master_id,
            )
