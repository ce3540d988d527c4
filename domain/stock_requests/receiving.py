"""Receiving: what arrived closes the request, and what did not is explained."""

from collections.abc import Mapping, Sequence
from uuid import UUID

import msgspec

from domain.access.model import Act
from domain.errors import FieldError
from domain.stock_requests.acting import line_of, opened, refuse_repeated, told
from domain.stock_requests.model import (
    ZERO,
    ReceivedLine,
    RequestAction,
    RequestLine,
    RequestState,
    StockRequest,
)
from domain.stock_requests.ports import StockRequestWork
from domain.stock_requests.states import Decider
from domain.transfers.arriving import receive as receive_transfer
from domain.transfers.closing import close as close_transfer
from domain.transfers.model import ArrivedLine, Missing, Transfer
from domain.values import plain


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
