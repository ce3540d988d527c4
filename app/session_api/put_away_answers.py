"""How put-away is asked for and told on the wire."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from http import HTTPStatus
from typing import Any
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType

from app.http.headers import position_header
from app.http.paging import Pagination
from app.http.wire import Answer, Body, Json, Text200, Text2000, Version, encode
from domain.access.model import Caller
from domain.put_away.creating import Created
from domain.put_away.model import WORKFLOW, Action, ReadyLine, TaskFacts, TaskView, WholeTask
from domain.put_away.service import Changed
from domain.put_away.suggesting import Suggestion
from domain.values import Quantity


class CreatePutAway(Body, frozen=True, kw_only=True):
    """One stock line (`quantity`: all that is free of it), or all that the receipt `transactionId` brought.

    Without `toBinId` bins are suggested. `complete`: it has been brought there already.
    """

    inventory_item_id: UUID | None = None
    transaction_id: UUID | None = None
    quantity: Quantity | None = None
    to_bin_id: UUID | None = None
    override_reason: Text200 | None = None
    assignee_id: UUID | None = None
    complete: bool = False


class ChangePutAway(Body, frozen=True, kw_only=True):
    """`complete` and `split` take `quantity` and `toBinId`, and `overrideReason` for a bin that breaks a rule.

    `complete` without a quantity brings all that is left; of a part the rest stays claimed, unless `closeRest`
    gives it up. `assign` takes `assigneeId`, null for nobody; `cancel` takes `comment`.
    """

    action: Action
    quantity: Quantity | UnsetType = UNSET
    to_bin_id: UUID | UnsetType = UNSET
    override_reason: Text200 | UnsetType = UNSET
    close_rest: bool | UnsetType = UNSET
    assignee_id: UUID | UnsetType | None = UNSET
    comment: Text2000 | UnsetType = UNSET
    expected_version: Version | None = None


class PutAwayStep(Answer, frozen=True, kw_only=True):
    action: str
    from_status: str | None
    to_status: str
    comment: str | None
    actor_id: UUID | None
    actor: str | None
    details: dict[str, Any]
    recorded_at: datetime


class PutAwayTask(TaskView, frozen=True, kw_only=True, rename="camel"):
    """`openQuantity` is still to be moved, and claimed by `reservationId` while the task is open."""

    allowed_actions: Sequence[Action]


class WholePutAwayTask(PutAwayTask, frozen=True, kw_only=True, rename="camel"):
    """`explanation` is why the bin was suggested: the strategies tried, and the bins passed over."""

    explanation: Suggestion
    history: Sequence[PutAwayStep]


class UnplacedAnswer(Answer, frozen=True, kw_only=True):
    """What no bin takes; there is no task for it."""

    inventory_item_id: UUID
    quantity: Decimal
    explanation: Suggestion


class PutAwayTaskList(Answer, frozen=True, kw_only=True):
    data: Sequence[PutAwayTask]
    pagination: Pagination


class PutAwayReadyList(Answer, frozen=True, kw_only=True):
    """What waits in receiving bins; each suggestion is as if that line were the next."""

    data: Sequence[ReadyLine]
    pagination: Pagination


class CreatedPutAway(Answer, frozen=True, kw_only=True):
    tasks: Sequence[WholePutAwayTask]
    unplaced: Sequence[UnplacedAnswer]
    ledger_position: int | None


class CreatedPutAwayData(Answer, frozen=True, kw_only=True):
    data: CreatedPutAway


class WholePutAwayData(Answer, frozen=True, kw_only=True):
    data: WholePutAwayTask


class ChangedPutAway(Answer, frozen=True, kw_only=True):
    """`splitOff` is the task that was made by splitting, `transactionId` the posting of what was brought."""

    task: WholePutAwayTask
    split_off: WholePutAwayTask | None
    transaction_id: UUID | None
    ledger_position: int | None


class ChangedPutAwayData(Answer, frozen=True, kw_only=True):
    data: ChangedPutAway


def task_answer(view: TaskView, caller: Caller) -> PutAwayTask:
    """A task with what this caller may do with it now."""
    return PutAwayTask(**msgspec.structs.asdict(view), allowed_actions=_allowed(view, caller))


def whole_answer(whole: WholeTask, caller: Caller) -> WholePutAwayTask:
    return WholePutAwayTask(
        **msgspec.structs.asdict(whole.view),
        allowed_actions=_allowed(whole.view, caller),
        explanation=whole.explanation,
        history=[
            PutAwayStep(
                action=step.action,
                from_status=step.from_state,
                to_status=step.to_state,
                comment=step.comment,
                actor_id=step.actor_id,
                actor=step.actor,
                details=step.details,
                recorded_at=step.recorded_at,
            )
            for step in whole.history
        ],
    )


def created_answer(created: Created, caller: Caller) -> CreatedPutAwayData:
    return CreatedPutAwayData(
        data=CreatedPutAway(
            tasks=[whole_answer(task, caller) for task in created.tasks],
            unplaced=[
                UnplacedAnswer(inventory_item_id=one.line_id, quantity=one.quantity, explanation=one.suggestion)
                for one in created.unplaced
            ],
            ledger_position=created.position,
        )
    )


def changed_answer(changed: Changed, caller: Caller) -> ChangedPutAwayData:
    return ChangedPutAwayData(
        data=ChangedPutAway(
            task=whole_answer(changed.task, caller),
            split_off=None if changed.child is None else whole_answer(changed.child, caller),
            transaction_id=changed.posted.posting_id if changed.posted else None,
            ledger_position=changed.posted.position if changed.posted else None,
        )
    )


class _Positioned(msgspec.Struct, frozen=True, rename="camel"):
    ledger_position: int | None


class _Data(msgspec.Struct, frozen=True):
    data: _Positioned


_data = msgspec.json.Decoder(_Data)


def with_position[T](answer: Json[T]) -> Json[T]:
    """An answer of `once` with the ledger's position, where something was posted; on a retry, too."""
    if answer.status_code in {HTTPStatus.OK, HTTPStatus.CREATED}:
        content = answer.content if isinstance(answer.content, bytes) else encode(answer.content)
        position = _data.decode(content).data.ledger_position
        if position is not None:
            answer.headers |= position_header(position)
    return answer


def _allowed(view: TaskView, caller: Caller) -> list[Action]:
    return WORKFLOW.allowed(view.state, TaskFacts(caller, view.location_id))
