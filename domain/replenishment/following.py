"""What a record's steps have in common, and how it follows its transfer or its supply."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from domain.availability.supplies import SupplyState
from domain.documents import DocumentType, Step
from domain.replenishment.flow import FLOW, Action
from domain.replenishment.ports import FollowWork, OrderFacts
from domain.replenishment.views import RecordSummary
from domain.transfers.model import TransferState

RECORD = "replenishment"

type Following = tuple[Action, str]
"""What a record does, and the event that tells of it."""

OF_TRANSFER: Mapping[TransferState, Following] = {
    TransferState.IN_TRANSIT: (Action.DISPATCHED, "dispatched"),
    TransferState.COMPLETED: (Action.ARRIVED, "closed"),
    TransferState.CANCELED: (Action.RETURNED, "canceled"),
}
OF_SUPPLY: Mapping[SupplyState, Following] = {
    SupplyState.CLOSED: (Action.ARRIVED, "closed"),
    SupplyState.CANCELED: (Action.RETURNED, "canceled"),
}


async def follow_transfer(work: FollowWork, *, transfer_id: UUID, state: TransferState) -> None:
    """Do with a record what has been done with its transfer, in the same transaction."""
    following = OF_TRANSFER.get(state)
    if following is not None:
        await _follow(work, await work.orders.of_transfer(transfer_id), following)


async def follow_supply(work: FollowWork, *, supply_id: UUID, number: str, state: SupplyState) -> None:
    """Do with the record of this number what has been done with its supply, in the same transaction."""
    following = OF_SUPPLY.get(state)
    if following is not None:
        await _follow(work, await work.orders.of_supply(supply_id, number), following)


async def _follow(work: FollowWork, record_id: UUID | None, following: Following) -> None:
    """Take the step; a record that is past it (closed by hand, or canceled with the other) stays as it is."""
    order = await work.orders.lock(record_id) if record_id is not None else None
    if order is None:
        return
    action, event = following
    move = FLOW.moves.get((order.state, action))
    if move is None:
        return
    await work.orders.move(order.id, move.to[0])
    await told(work, order.id, event=event, action=action, before=order, comment=None)


async def told(
    work: FollowWork,
    record_id: UUID,
    *,
    event: str,
    action: str,
    before: OrderFacts | None,
    comment: str | None,
    details: dict[str, Any] | None = None,
) -> RecordSummary:
    """Write the step into the history and tell the feed."""
    after = await work.orders.view(record_id)
    step = Step(
        action=action,
        from_state=None if before is None else before.state,
        to_state=after.state,
        comment=comment,
        details=details or {},
    )
    await work.step(DocumentType.REPLENISHMENT, record_id, step)
    payload = {
        "id": record_id,
        "number": after.number,
        "state": after.state,
        "version": after.version,
        "productMasterId": after.product_id,
        "locationId": after.location_id,
        "quantity": after.quantity,
        "source": after.source,
        **(details or {}),
    }
    locations = [after.location_id]
    await work.record(f"replenishment.{event}.v1", RECORD, record_id, payload, locations=locations)
    return after
