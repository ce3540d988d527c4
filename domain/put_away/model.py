"""Put-away tasks: from where stock waits to where it belongs, and what a worker may do with one."""

from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

import msgspec
from msgspec import field

from domain.access.model import Caller, Permission
from domain.catalog.views import View
from domain.documents import PastStep
from domain.errors import DomainError
from domain.put_away.suggesting import Strategy, Suggestion
from domain.workflow import Move, Workflow

RIGHT = Permission.INVENTORY_WRITE


class State(StrEnum):
    CANCELED = "CANCELED"
    COMPLETED = "COMPLETED"
    IN_PROGRESS = "IN_PROGRESS"
    PENDING = "PENDING"


class Action(StrEnum):
    ASSIGN = "assign"
    CANCEL = "cancel"
    COMPLETE = "complete"
    SPLIT = "split"
    START = "start"


class TaskFacts(msgspec.Struct, frozen=True):
    """A task as one caller finds it."""

    caller: Caller
    location_id: UUID

    def refusal(self, permission: Permission) -> DomainError | None:
        return self.caller.refusal(permission, self.location_id)


def _move(state: State, action: Action, *to: State) -> Move[State, Action, TaskFacts]:
    return Move(state=state, action=action, to=to, permission=RIGHT)


WORKFLOW: Workflow[State, Action, TaskFacts] = Workflow(
    (
        _move(State.PENDING, Action.START, State.IN_PROGRESS),
        # Whoever brings a part has begun; whoever brings all of it is done, begun or not.
        _move(State.PENDING, Action.COMPLETE, State.IN_PROGRESS, State.COMPLETED),
        _move(State.PENDING, Action.SPLIT, State.PENDING),
        _move(State.PENDING, Action.ASSIGN, State.PENDING),
        _move(State.PENDING, Action.CANCEL, State.CANCELED),
        _move(State.IN_PROGRESS, Action.COMPLETE, State.IN_PROGRESS, State.COMPLETED),
        _move(State.IN_PROGRESS, Action.SPLIT, State.IN_PROGRESS),
        _move(State.IN_PROGRESS, Action.ASSIGN, State.IN_PROGRESS),
        _move(State.IN_PROGRESS, Action.CANCEL, State.CANCELED),
    )
)
OPEN = (State.PENDING, State.IN_PROGRESS)


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """A task as it is kept. An open one has claimed what is still to be moved."""

    id: UUID
    number: str
    location_id: UUID
    state: State = State.PENDING
    product_id: UUID
    lot_id: UUID
    from_line_id: UUID
    from_bin_id: UUID
    quantity: Decimal
    done_quantity: Decimal = Decimal(0)
    claim_id: UUID | None
    suggested_bin_id: UUID
    strategy: Strategy
    explanation: Suggestion
    to_bin_id: UUID | None = None
    """Where the last part was brought."""
    override_reason: str | None = None
    assignee_id: UUID | None = None
    split_from_id: UUID | None = None
    receipt_posting_id: UUID | None = None
    version: int = 1

    @property
    def left(self) -> Decimal:
        """What is still to be moved."""
        return self.quantity - self.done_quantity


class TaskView(View, frozen=True, kw_only=True):
    """`openQuantity` is still to be moved, and claimed by `reservationId` while the task is open."""

    id: UUID
    number: str
    state: State = field(name="status")
    location_id: UUID
    location_code: str
    product_id: UUID = field(name="productMasterId")
    sku: str
    product_name: str
    lot_id: UUID
    lot_number: str | None
    expires_on: date | None = field(name="expiryDate")
    from_line_id: UUID = field(name="inventoryItemId")
    from_bin_id: UUID
    from_bin_code: str
    quantity: Decimal
    done_quantity: Decimal
    open_quantity: Decimal
    claim_id: UUID | None = field(name="reservationId")
    suggested_bin_id: UUID
    suggested_bin_code: str
    strategy: Strategy
    to_bin_id: UUID | None
    to_bin_code: str | None
    override_reason: str | None
    assignee_id: UUID | None
    split_from_id: UUID | None
    receipt_posting_id: UUID | None = field(name="transactionId")
    actor: str | None
    started_at: datetime | None
    finished_at: datetime | None
    version: int
    created_at: datetime
    updated_at: datetime


class WholeTask(msgspec.Struct, frozen=True, kw_only=True):
    """A task with why its bin was suggested, and all that was done to it."""

    view: TaskView
    explanation: Suggestion
    history: tuple[PastStep, ...]


class Waiting(msgspec.Struct, frozen=True, kw_only=True):
    """A stock line from which something is to be put away."""

    line_id: UUID
    product_id: UUID
    lot_id: UUID
    location_id: UUID
    bin_id: UUID
    free: Decimal
    """Neither held nor claimed, by a task either."""
    received: Decimal | None = None
    """What of a receipt is not on its tasks yet."""


class ReadyLine(View, frozen=True, kw_only=True):
    """Stock in a receiving bin that nobody has been asked to put away; `suggestion` is as if it were the next."""

    line_id: UUID = field(name="inventoryItemId")
    location_id: UUID
    location_code: str
    bin_id: UUID
    bin_code: str
    product_id: UUID = field(name="productMasterId")
    sku: str
    product_name: str
    lot_id: UUID
    lot_number: str | None
    expires_on: date | None = field(name="expiryDate")
    quantity_on_hand: Decimal
    quantity: Decimal
    """What is free to be put away."""
    suggestion: Suggestion
