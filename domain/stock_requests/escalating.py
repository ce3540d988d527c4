"""Telling that a tier's deadline has passed: whom it asks then follows from the clock alone."""

from uuid import UUID

from domain.stock_requests.acting import told
from domain.stock_requests.model import RequestState, StockRequest
from domain.stock_requests.ports import StockRequestWork
from domain.stock_requests.states import Decider, asked_of

ACTION = "escalate"


async def tell_overdue(work: StockRequestWork, *, decider: Decider, request_id: UUID) -> StockRequest | None:
    """Put on record, and into the feed, that the request waits for others now; None when it does not.

    Once for each tier of a round: the history says which have been told.
    """
    before = await work.lock(request_id)
    if before is None or before.state is not RequestState.PENDING_APPROVAL or before.tier is None:
        return None
    if not asked_of(before.tier, decider.at).is_escalated:
        return None
    details = {"round": before.round, "tier": before.tier.tier}
    stands = await work.view(request_id)
    if any(step.action == ACTION and step.details == details for step in stands.history):
        return None
    return await told(
        work,
        decider=decider,
        before=before,
        request_id=request_id,
        action=ACTION,
        event="escalated",
        details=details,
    )
