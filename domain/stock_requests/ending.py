"""What ends a request before its time, and what is said of it at any."""

from uuid import UUID

import msgspec

from domain.stock_requests.acting import opened, told
from domain.stock_requests.allocating import release
from domain.stock_requests.model import (
    ZERO,
    RequestAction,
    RequestState,
    StockRequest,
)
from domain.stock_requests.ports import StockRequestWork
from domain.stock_requests.states import Decider


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
