"""What the acts of put-away share: claiming, moving, and keeping a task with its history and its event."""

from collections.abc import Mapping
from decimal import Decimal
from uuid import UUID

import msgspec

from domain.access.model import Act
from domain.availability.allocating import LineWanted, Source, allot_lines
from domain.availability.ports import Wish
from domain.documents import DocumentType, Step
from domain.errors import not_found
from domain.ledger.model import Entry, Kind, Posted, Posting
from domain.put_away.model import Action, State, Task
from domain.put_away.ports import PutAwayWork
from domain.put_away.suggesting import Want
from domain.values import new_id, plain

PUT_AWAY = DocumentType.PUT_AWAY
PAST = {
    Action.ASSIGN: "assigned",
    Action.CANCEL: "canceled",
    Action.COMPLETE: "completed",
    Action.SPLIT: "split",
    Action.START: "started",
}


async def claimed(work: PutAwayWork, task: Task) -> Task:
    """Keep a new task with its claim."""
    claimed = msgspec.structs.replace(task, claim_id=await _claim(work, task, task.quantity))
    await work.add(claimed)
    details = {"quantity": plain(task.quantity), "binId": task.suggested_bin_id}
    await work.step(
        PUT_AWAY, task.id, Step(action="create", from_state=None, to_state=task.state, details=details)
    )
    await _record(work, "created", claimed)
    return claimed


async def _claim(work: PutAwayWork, task: Task, quantity: Decimal) -> UUID:
    line = LineWanted(
        line_id=task.from_line_id, product_id=task.product_id, location_id=task.location_id, quantity=quantity
    )
    source = Source(type=PUT_AWAY, id=task.id)
    (claim,) = await allot_lines(work, wanted=[line], source=source, leaves=False)
    return claim.id


async def moved(
    work: PutAwayWork,
    act: Act,
    task: Task,
    bin_id: UUID,
    quantity: Decimal,
    *,
    reason: str | None,
    closes_rest: bool = False,
) -> Posted:
    """Move a quantity to a bin whose lock is ours; the rest is claimed anew before anything is posted."""
    assert task.claim_id is not None, "an open task has a claim"
    lines = await work.lines_of([(task.product_id, task.location_id)], [bin_id])
    wish = Wish(id=task.claim_id, action="CONSUME", quantity=quantity)
    await work.settle(task.id, [wish], lines=lines)
    is_done = closes_rest or quantity == task.left
    claim_id = None if is_done else await _claim(work, task, task.left - quantity)
    posted = await work.post(
        Posting(
            id=new_id(),
            kind=Kind.PUT_AWAY,
            source_type=PUT_AWAY,
            source_id=str(task.id),
            comment=reason,
            act=act,
            entries=(
                Entry(kind=Kind.PUT_AWAY, line_id=task.from_line_id, delta=-quantity),
                Entry(
                    kind=Kind.PUT_AWAY,
                    product_id=task.product_id,
                    location_id=task.location_id,
                    bin_id=bin_id,
                    lot_id=task.lot_id,
                    delta=quantity,
                ),
            ),
        )
    )
    details = {"quantity": plain(quantity), "binId": bin_id, "transactionId": posted.posting_id}
    await kept(
        work,
        task,
        Action.COMPLETE,
        comment=reason,
        details=details,
        state=State.COMPLETED if is_done else State.IN_PROGRESS,
        done_quantity=task.done_quantity + quantity,
        claim_id=claim_id,
        to_bin_id=bin_id,
        override_reason=reason or task.override_reason,
    )
    return posted


async def kept(
    work: PutAwayWork,
    task: Task,
    action: Action,
    *,
    comment: str | None = None,
    details: Mapping[str, object] | None = None,
    **changes: object,
) -> Task:
    """Store what was changed, with its history and its event."""
    after = msgspec.structs.replace(task, **changes, version=task.version + 1)
    await work.store(after)
    step = Step(
        action=action,
        from_state=task.state,
        to_state=after.state,
        comment=comment,
        details=dict(details or {}),
    )
    await work.step(PUT_AWAY, task.id, step)
    await _record(work, PAST[action], after, details)
    return after


async def _record(work: PutAwayWork, what: str, task: Task, details: Mapping[str, object] | None = None) -> None:
    payload = {
        "taskId": task.id,
        "number": task.number,
        "state": task.state,
        "productMasterId": task.product_id,
        "lotId": task.lot_id,
        "locationId": task.location_id,
        "inventoryItemId": task.from_line_id,
        "suggestedBinId": task.suggested_bin_id,
        "toBinId": task.to_bin_id,
        "quantity": plain(task.quantity),
        "doneQuantity": plain(task.done_quantity),
        "assigneeId": task.assignee_id,
        "details": details or {},
    }
    await work.record(f"put_away.{what}.v1", "put_away_task", task.id, payload, locations=[task.location_id])


async def require_member(work: PutAwayWork, user_id: UUID | None) -> None:
    if user_id is not None and not await work.is_member(user_id):
        raise not_found("active member", field="assigneeId", assigneeId=user_id)


def want_of(task: Task, quantity: Decimal) -> Want:
    return Want(
        product_id=task.product_id,
        lot_id=task.lot_id,
        location_id=task.location_id,
        bin_id=task.from_bin_id,
        quantity=quantity,
    )
