"""What is done with a put-away task: begun, given to somebody, brought, split, canceled."""

from decimal import Decimal
from uuid import UUID

import msgspec

from domain.access.model import Act
from domain.availability.ports import Wish
from domain.errors import DomainError, FieldError, Reason, not_found
from domain.ledger.model import Posted
from domain.put_away.fitting import require_fit
from domain.put_away.model import WORKFLOW, Action, State, Task, TaskFacts, WholeTask
from domain.put_away.ports import PutAwayWork
from domain.put_away.steps import PUT_AWAY, claimed, kept, moved, require_member, want_of
from domain.put_away.suggesting import Strategy
from domain.values import new_id, plain

ZERO = Decimal(0)


class Changed(msgspec.Struct, frozen=True, kw_only=True):
    task: WholeTask
    child: WholeTask | None = None
    """What was split off."""
    posted: Posted | None = None


async def start_task(work: PutAwayWork, *, act: Act, task_id: UUID, expected_version: int | None) -> Changed:
    """Begin; a task of nobody becomes the caller's."""
    task = await _locked(work, act, task_id, Action.START, expected_version)
    assignee = task.assignee_id or act.caller.user_id
    await kept(work, task, Action.START, state=State.IN_PROGRESS, assignee_id=assignee)
    return Changed(task=await work.whole(task.id))


async def assign_task(
    work: PutAwayWork, *, act: Act, task_id: UUID, assignee_id: UUID | None, expected_version: int | None
) -> Changed:
    """Give a task to a member, or to nobody."""
    task = await _locked(work, act, task_id, Action.ASSIGN, expected_version)
    await require_member(work, assignee_id)
    await kept(work, task, Action.ASSIGN, assignee_id=assignee_id)
    return Changed(task=await work.whole(task.id))


async def complete_task(
    work: PutAwayWork,
    *,
    act: Act,
    task_id: UUID,
    to_bin_id: UUID | None = None,
    quantity: Decimal | None = None,
    override_reason: str | None = None,
    closes_rest: bool = False,
    expected_version: int | None = None,
) -> Changed:
    """Bring all that is left, or a part, to the suggested bin or another one.

    What is left of a part stays claimed, unless the rest is closed: then the task is done with less than it asked
    for. In the task's own bin only what stands there counts against its room: it was promised to the task.

    Raises:
        DomainError: BIN_UNFIT without a reason to override, POSITION_FROZEN, INACTIVE, INVALID_TRANSITION;
            INSUFFICIENT_STOCK when a loss has undercut the claim.
    """
    task = await _locked(work, act, task_id, Action.COMPLETE, expected_version)
    taken = task.left if quantity is None else quantity
    _require_within(taken, task.left)
    target = to_bin_id or task.suggested_bin_id
    await work.lock_bins([target])
    shelf = (await work.facts([], bins=[target], without=task.id)).shelves.get(target)
    if shelf is None:
        raise not_found("bin", field="toBinId", toBinId=target)
    own = target == task.suggested_bin_id
    require_fit(shelf, want_of(task, taken), reason=override_reason, with_promises=not own)
    posted = await moved(work, act, task, target, taken, reason=override_reason, closes_rest=closes_rest)
    return Changed(task=await work.whole(task.id), posted=posted)


async def split_task(
    work: PutAwayWork,
    *,
    act: Act,
    task_id: UUID,
    quantity: Decimal,
    to_bin_id: UUID | None = None,
    override_reason: str | None = None,
    expected_version: int | None = None,
) -> Changed:
    """Make two tasks of one: the new one takes a quantity of what is left, for the same bin or another."""
    task = await _locked(work, act, task_id, Action.SPLIT, expected_version)
    _require_within(quantity, task.left, all_of_it=False)
    target = to_bin_id or task.suggested_bin_id
    if target != task.suggested_bin_id:
        await work.plan_alone([task.location_id])
        shelf = (await work.facts([], bins=[target])).shelves.get(target)
        if shelf is None:
            raise not_found("bin", field="toBinId", toBinId=target)
        require_fit(shelf, want_of(task, quantity), reason=override_reason)
    child = msgspec.structs.replace(
        task,
        id=new_id(),
        number=await work.number(PUT_AWAY),
        state=State.PENDING,
        quantity=quantity,
        done_quantity=ZERO,
        claim_id=None,
        suggested_bin_id=target,
        strategy=task.strategy if target == task.suggested_bin_id else Strategy.REQUESTED,
        to_bin_id=None,
        override_reason=override_reason,
        split_from_id=task.id,
        version=1,
    )
    assert task.claim_id is not None, "an open task has a claim"
    lines = await work.lines_of([(task.product_id, task.location_id)], [])
    await work.settle(task.id, [Wish(id=task.claim_id, action="RELEASE", quantity=quantity)], lines=lines)
    await claimed(work, child)
    await kept(
        work,
        task,
        Action.SPLIT,
        details={"quantity": plain(quantity), "into": child.number},
        quantity=task.quantity - quantity,
    )
    return Changed(task=await work.whole(task.id), child=await work.whole(child.id))


async def cancel_task(
    work: PutAwayWork, *, act: Act, task_id: UUID, comment: str | None, expected_version: int | None
) -> Changed:
    """Give back what is still claimed; what was brought away stays where it is."""
    task = await _locked(work, act, task_id, Action.CANCEL, expected_version)
    assert task.claim_id is not None, "an open task has a claim"
    await work.settle(task.id, [Wish(id=task.claim_id, action="RELEASE")])
    await kept(work, task, Action.CANCEL, comment=comment, state=State.CANCELED, claim_id=None)
    return Changed(task=await work.whole(task.id))


async def _locked(
    work: PutAwayWork, act: Act, task_id: UUID, action: Action, expected_version: int | None
) -> Task:
    """The task, ours until the transaction ends, in a state that allows the caller this."""
    task = await work.lock(task_id)
    if task is None:
        raise not_found("put-away task", taskId=task_id)
    act.caller.require_location(act.permission, task.location_id)
    if expected_version is not None and expected_version != task.version:
        message = "The task has been changed since you read it"
        raise DomainError(
            Reason.STALE_VERSION, message, expected=expected_version, actual=task.version, state=task.state
        )
    WORKFLOW.require(task.state, action, TaskFacts(act.caller, task.location_id))
    return task


def _require_within(quantity: Decimal, left: Decimal, *, all_of_it: bool = True) -> None:
    if quantity > left:
        raise FieldError(("quantity", f"is more than the {plain(left)} that are left"))
    if quantity == left and not all_of_it:
        raise FieldError(("quantity", f"must leave something of the {plain(left)} that are left"))
