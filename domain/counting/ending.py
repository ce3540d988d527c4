"""What is done at each step of a batch: its history, its event, and at the end letting go of what it held."""

from collections.abc import Mapping
from typing import Any

from domain.counting.model import Action, Batch, State
from domain.counting.ports import CountingWork
from domain.documents import DocumentType, Step

ENTITY = "cycle_count"
CREATE = "create"
EVENTS: Mapping[str, str] = {
    CREATE: "created",
    Action.START: "started",
    Action.RECORD: "recorded",
    Action.WAIVE: "waived",
    Action.COMPLETE: "closed",
    Action.RESOLVE: "resolved",
    Action.ASSIGN: "assigned",
    Action.CANCEL: "canceled",
}
ENDS = {State.COMPLETED: "completed", State.CANCELED: "canceled"}


async def tell(
    work: CountingWork,
    *,
    action: str,
    before: State | None,
    batch: Batch,
    comment: str | None = None,
    details: Mapping[str, Any] | None = None,
) -> None:
    """Keep the step in the history, and announce it.

    `details` name no quantity: whoever counts blind may read the history's actions, and the feed tells how far a
    count is, not what it found.
    """
    step = Step(
        action=str(action), from_state=before, to_state=batch.state, comment=comment, details=dict(details or {})
    )
    await work.step(DocumentType.CYCLE_COUNT, batch.id, step)
    payload = {
        "id": batch.id,
        "number": batch.number,
        "locationId": batch.location_id,
        "type": batch.type,
        "status": batch.state,
        "lines": batch.line_count,
        "counted": batch.counted_count,
        "waived": batch.waived_count,
        "version": batch.version,
        **(details or {}),
    }
    event = ENDS.get(batch.state) or EVENTS[action]
    await work.record(f"{ENTITY}.{event}.v1", ENTITY, batch.id, payload, locations=[batch.location_id])


async def finish(
    work: CountingWork, *, batch: Batch, to: State, action: Action, comment: str | None = None
) -> Batch:
    """End a batch, COMPLETED or CANCELED: its bins move again, its positions may be counted by others."""
    assert to in ENDS
    await work.release(batch.id)
    ended = await work.change(batch.id, to=to)
    await tell(work, action=action, before=batch.state, batch=ended, comment=comment)
    return ended
