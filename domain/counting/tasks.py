"""What should be counted because of what somebody met: a bin that an issue emptied, a short pick.

A bin that was emptied is not written down by whoever empties it: the ledger knows it, and the list of tasks reads
it there. A short pick is known to the picker alone, so it is stored, in the transaction that it is told in.
"""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Protocol
from uuid import UUID

import msgspec

from domain.access.model import Act, Caller, Permission, Scope
from domain.errors import DomainError, FieldError, Reason, not_found
from domain.values import new_id
from domain.workflow import Move, Workflow

LOOK_BACK_DAYS = 30
"""A bin that has been empty for longer is not worth a walk: its class brings it up."""


class TaskReason(StrEnum):
    """Why something should be counted. The values are published."""

    DUE = "DUE"
    EMPTIED_BIN = "EMPTIED_BIN"
    MANUAL = "MANUAL"
    SHORT_PICK = "SHORT_PICK"


class TaskState(StrEnum):
    """BATCHED is in a batch that is not completed yet; DONE in one that is."""

    BATCHED = "BATCHED"
    DISMISSED = "DISMISSED"
    DONE = "DONE"
    OPEN = "OPEN"


class TaskOfLine(msgspec.Struct, frozen=True, kw_only=True):
    """To count a stock line; its bin, product and lot are those of the line."""

    id: UUID
    line_id: UUID
    reason: TaskReason
    source_type: str | None = None
    source_id: str | None = None
    note: str | None = None


class TaskRaising(Protocol):
    """A unit of work that can ask for a count: `infra.counting.raising.RaisesTasks`."""

    async def raise_task(self, task: TaskOfLine) -> None:
        """Store it; what waits to be counted for the same reason already is not stored twice."""
        ...


async def report_short_pick(
    work: TaskRaising, *, line_id: UUID, source_type: str, source_id: str, note: str | None = None
) -> None:
    """Ask for a count of a line that had less than the books say: in the pick's transaction, before it posts."""
    await work.raise_task(
        TaskOfLine(
            id=new_id(),
            line_id=line_id,
            reason=TaskReason.SHORT_PICK,
            source_type=source_type,
            source_id=source_id,
            note=note,
        )
    )


class TaskAction(StrEnum):
    BATCH = "batch"
    DISMISS = "dismiss"


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """A task as a decision about it finds it; one that only the ledger knows has version 0."""

    id: UUID
    location_id: UUID
    bin_id: UUID
    product_id: UUID | None
    lot_id: UUID | None
    reason: TaskReason
    state: TaskState
    version: int


class TaskView(Task, frozen=True, kw_only=True):
    """A task in the list; no quantity is anywhere in it."""

    bin_code: str
    bin_walk_order: int
    sku: str | None
    product_name: str | None
    lot_number: str | None
    note: str | None
    source_type: str | None
    source_id: str | None
    batch_id: UUID | None
    batch_number: str | None
    actor: str | None
    created_at: datetime
    closed_at: datetime | None
    closed_by: str | None
    closing_comment: str | None


class TasksWanted(msgspec.Struct, frozen=True, kw_only=True):
    """A part of the list, the newest first; None are all."""

    tenant_id: UUID
    scope: Scope
    limit: int
    page: int = 1
    location_id: UUID | None = None
    state: TaskState | None = TaskState.OPEN
    reason: TaskReason | None = None
    bin_id: UUID | None = None
    after: tuple[datetime, UUID] | None = None


class TaskPage(msgspec.Struct, frozen=True, kw_only=True):
    tasks: Sequence[TaskView]
    """One more than asked for, if there is one."""
    total: int


class NewTask(msgspec.Struct, frozen=True, kw_only=True):
    """What a person wants to have counted: a bin, or a product in it."""

    bin_id: UUID
    product_id: UUID | None = None
    lot_id: UUID | None = None
    note: str | None = None


class TaskReads(Protocol):
    async def tasks(self, wanted: TasksWanted) -> TaskPage: ...


class TaskWork(Protocol):
    """One transaction of somebody who decides about tasks."""

    async def location_of_bin(self, bin_id: UUID) -> UUID | None: ...

    async def add_task(self, id_: UUID, task: NewTask) -> UUID | None:
        """The id of the task that waits now, this one or one before; None where there is nothing such to count."""
        ...

    async def lock_tasks(self, ids: Sequence[UUID]) -> list[Task]:
        """Those that there are, in the order of their ids, locked until the transaction ends."""
        ...

    async def close_tasks(self, tasks: Sequence[Task], *, comment: str | None, batch_id: UUID | None) -> None:
        """Dismiss them, or put them into a batch."""
        ...

    async def view_task(self, id_: UUID) -> TaskView: ...

    async def record(
        self, type_: str, entity_type: str, entity_id: UUID, payload: object, *, locations: Sequence[UUID] = ()
    ) -> int: ...


class TaskFacts(msgspec.Struct, frozen=True, kw_only=True):
    """A task as one caller finds it."""

    caller: Caller
    location_id: UUID

    def refusal(self, permission: Permission) -> DomainError | None:
        return self.caller.refusal(permission, self.location_id)


def _open(action: TaskAction, to: TaskState, permission: Permission) -> Move[TaskState, TaskAction, TaskFacts]:
    return Move(state=TaskState.OPEN, action=action, to=(to,), permission=permission)


# What is in a batch is done when the batch is, and open again when that is canceled.
TASK: Workflow[TaskState, TaskAction, TaskFacts] = Workflow(
    (
        _open(TaskAction.BATCH, TaskState.BATCHED, Permission.INVENTORY_CYCLECOUNT),
        _open(TaskAction.DISMISS, TaskState.DISMISSED, Permission.INVENTORY_CYCLECOUNT_APPROVE),
    )
)


async def create_task(work: TaskWork, *, act: Act, task: NewTask) -> TaskView:
    """Ask for a count of a bin, or of a product in it; the one that waits already if there is one."""
    if task.lot_id is not None and task.product_id is None:
        raise FieldError(("lotId", "needs productMasterId"))
    location_id = await work.location_of_bin(task.bin_id)
    if location_id is None:
        raise not_found("bin", field="binId")
    act.caller.require_location(act.permission, location_id)
    id_ = new_id()
    kept = await work.add_task(id_, task)
    if kept is None:
        raise not_found("product or lot", field="productMasterId")
    view = await work.view_task(kept)
    if kept == id_:
        await _tell(work, "opened", view)
    return view


async def dismiss_task(
    work: TaskWork, *, act: Act, task_id: UUID, comment: str, expected_version: int | None
) -> TaskView:
    """Decide that it is not counted, and why."""
    found = await work.lock_tasks([task_id])
    if not found:
        raise not_found("task", field="countTaskId")
    (task,) = found
    act.caller.require_location(act.permission, task.location_id)
    facts = TaskFacts(caller=act.caller, location_id=task.location_id)
    TASK.require(task.state, TaskAction.DISMISS, facts)
    if expected_version is not None and expected_version != task.version:
        message = "The task has been changed since you read it"
        raise DomainError(Reason.STALE_VERSION, message, expected=expected_version, actual=task.version)
    await work.close_tasks([task], comment=comment, batch_id=None)
    view = await work.view_task(task.id)
    await _tell(work, "dismissed", view)
    return view


async def _tell(work: TaskWork, what: str, task: Task) -> None:
    payload = {"locationId": task.location_id, "binId": task.bin_id, "productMasterId": task.product_id}
    await work.record(f"count_task.{what}.v1", "count_task", task.id, payload, locations=(task.location_id,))
