"""The life of a replenishment record, as one table.

What is brought from another location follows its transfer, what was ordered its supply: `dispatched`, `arrived`
and `returned` are taken in the transaction that ships, completes or cancels it, and by nobody else.
"""

from enum import StrEnum
from uuid import UUID

import msgspec

from domain.access.model import Caller, Permission
from domain.errors import DomainError, Reason
from domain.replenishment.model import Source
from domain.workflow import Move, Workflow


class State(StrEnum):
    CANCELED = "CANCELED"
    CLOSED = "CLOSED"
    OPEN = "OPEN"
    ORDERED = "ORDERED"
    """From the supplier: expected supply."""
    TRANSFERRED = "TRANSFERRED"
    """On its way from another location: expected supply, too."""
    TRIGGERED = "TRIGGERED"
    """Its transfer is made and has not left."""


class Action(StrEnum):
    ARRIVED = "arrived"
    CANCEL = "cancel"
    CLOSE = "close"
    DISPATCHED = "dispatched"
    RETURNED = "returned"
    TRIGGER = "trigger"


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """A record as a caller, or what it follows, finds it."""

    caller: Caller
    location_id: UUID
    source: Source
    is_followed: bool = False
    """It is its transfer or its supply that takes the step."""

    def refusal(self, permission: Permission) -> DomainError | None:
        return None if self.is_followed else self.caller.refusal(permission, self.location_id)


def _by_what_it_follows(standing: Standing) -> DomainError | None:
    if standing.is_followed:
        return None
    return DomainError(Reason.INVALID_TRANSITION, "Its transfer or its supply decides this", allowedActions=[])


def _move(state: State, action: Action, *to: State) -> Move[State, Action, Standing]:
    follows = action in {Action.ARRIVED, Action.DISPATCHED, Action.RETURNED}
    return Move(
        state=state,
        action=action,
        to=to,
        permission=Permission.REPLENISHMENT_WRITE,
        guards=(_by_what_it_follows,) if follows else (),
    )


MOVES = (
    # From another location, or from the supplier.
    _move(State.OPEN, Action.TRIGGER, State.TRIGGERED, State.ORDERED),
    _move(State.OPEN, Action.CANCEL, State.CANCELED),
    # Its transfer is canceled with it.
    _move(State.TRIGGERED, Action.CANCEL, State.CANCELED),
    _move(State.TRIGGERED, Action.DISPATCHED, State.TRANSFERRED),
    _move(State.TRIGGERED, Action.RETURNED, State.CANCELED),
    _move(State.TRANSFERRED, Action.ARRIVED, State.CLOSED),
    _move(State.TRANSFERRED, Action.RETURNED, State.CANCELED),
    _move(State.ORDERED, Action.ARRIVED, State.CLOSED),
    _move(State.ORDERED, Action.RETURNED, State.CANCELED),
    # What has not come is not expected any more.
    _move(State.TRANSFERRED, Action.CLOSE, State.CLOSED),
    _move(State.ORDERED, Action.CLOSE, State.CLOSED),
    _move(State.ORDERED, Action.CANCEL, State.CANCELED),
)
FLOW: Workflow[State, Action, Standing] = Workflow(MOVES)
