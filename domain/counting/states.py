"""The state tables of a batch and of its lines. Whatever is not in them does not happen."""

from uuid import UUID

import msgspec

from domain.access.model import Caller, Permission
from domain.counting.model import Action, Batch, Line, LineAction, LineState, State
from domain.errors import DomainError, Reason
from domain.workflow import Move, Workflow

COUNTING = Permission.INVENTORY_CYCLECOUNT


class BatchFacts(msgspec.Struct, frozen=True, kw_only=True):
    """A batch as one caller finds it."""

    caller: Caller
    location_id: UUID
    assignee_ids: tuple[UUID, ...] = ()

    def refusal(self, permission: Permission) -> DomainError | None:
        return self.caller.refusal(permission, self.location_id)


class LineFacts(BatchFacts, frozen=True, kw_only=True):
    """A line as one caller finds it."""

    is_waived: bool = False


def facts_of(batch: Batch, caller: Caller) -> BatchFacts:
    return BatchFacts(caller=caller, location_id=batch.location_id, assignee_ids=batch.assignee_ids)


def line_facts(batch: Batch, line: Line, caller: Caller) -> LineFacts:
    return LineFacts(
        caller=caller,
        location_id=batch.location_id,
        assignee_ids=batch.assignee_ids,
        is_waived=line.waived_reason is not None,
    )


def only_assignees(facts: BatchFacts) -> DomainError | None:
    """Where people are named, they alone count."""
    if not facts.assignee_ids or facts.caller.user_id in facts.assignee_ids:
        return None
    message = "Others are assigned to this count"
    return DomainError(
        Reason.PERMISSION_DENIED, message, permission=COUNTING, assigneeIds=list(facts.assignee_ids)
    )


def is_waived(facts: LineFacts) -> DomainError | None:
    if facts.is_waived:
        return None
    return DomainError(Reason.INVALID_TRANSITION, "The line is neither counted nor waived")


def _batch(state: State, action: Action, *to: State) -> Move[State, Action, BatchFacts]:
    guards = (only_assignees,) if action in {Action.RECORD, Action.WAIVE} else ()
    return Move(state=state, action=action, to=to, permission=COUNTING, guards=guards)


def _line(state: LineState, action: LineAction, *to: LineState) -> Move[LineState, LineAction, LineFacts]:
    guards = (is_waived,) if (state, action) == (LineState.PENDING, LineAction.CLOSE) else ()
    return Move(state=state, action=action, to=to, permission=COUNTING, guards=guards)


# In review only lines that are to be counted again are recorded; who may decide on a line is asked of the line.
BATCH: Workflow[State, Action, BatchFacts] = Workflow(
    (
        _batch(State.DRAFT, Action.START, State.IN_PROGRESS),
        _batch(State.DRAFT, Action.ASSIGN, State.DRAFT),
        _batch(State.DRAFT, Action.CANCEL, State.CANCELED),
        _batch(State.IN_PROGRESS, Action.RECORD, State.IN_PROGRESS),
        _batch(State.IN_PROGRESS, Action.WAIVE, State.IN_PROGRESS),
        _batch(State.IN_PROGRESS, Action.COMPLETE, State.REVIEW, State.COMPLETED),
        _batch(State.IN_PROGRESS, Action.ASSIGN, State.IN_PROGRESS),
        _batch(State.IN_PROGRESS, Action.CANCEL, State.CANCELED),
        _batch(State.REVIEW, Action.RECORD, State.REVIEW, State.COMPLETED),
        _batch(State.REVIEW, Action.RESOLVE, State.REVIEW, State.COMPLETED),
        _batch(State.REVIEW, Action.ASSIGN, State.REVIEW),
        _batch(State.REVIEW, Action.CANCEL, State.CANCELED),
    )
)
LINE: Workflow[LineState, LineAction, LineFacts] = Workflow(
    (
        _line(LineState.PENDING, LineAction.COUNT, LineState.COUNTED),
        _line(LineState.PENDING, LineAction.CLEAR, LineState.PENDING),
        _line(LineState.PENDING, LineAction.WAIVE, LineState.PENDING),
        _line(LineState.PENDING, LineAction.CLOSE, LineState.RESOLVED),
        _line(LineState.COUNTED, LineAction.COUNT, LineState.COUNTED),
        _line(LineState.COUNTED, LineAction.CLEAR, LineState.PENDING),
        _line(LineState.COUNTED, LineAction.CLOSE, LineState.MATCHED, LineState.VARIANCE),
        _line(LineState.MATCHED, LineAction.RECOUNT, LineState.RECOUNT),
        _line(LineState.MATCHED, LineAction.RESOLVE, LineState.RESOLVED),
        _line(LineState.VARIANCE, LineAction.RECOUNT, LineState.RECOUNT),
        _line(LineState.VARIANCE, LineAction.ACCEPT, LineState.VARIANCE, LineState.APPROVED),
        _line(LineState.VARIANCE, LineAction.REJECT, LineState.REJECTED),
        _line(LineState.RECOUNT, LineAction.COUNT, LineState.MATCHED, LineState.VARIANCE),
        _line(LineState.APPROVED, LineAction.RESOLVE, LineState.RESOLVED),
        _line(LineState.REJECTED, LineAction.RESOLVE, LineState.RESOLVED),
    )
)
