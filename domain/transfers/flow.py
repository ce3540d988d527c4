"""The one table of a transfer's life, and who may take which step."""

from collections.abc import Sequence
from uuid import UUID

import msgspec

from domain.access.model import Caller, Permission
from domain.documents import DocumentType
from domain.errors import DomainError, Reason
from domain.transfers.model import TransferAction as Action
from domain.transfers.model import TransferHead
from domain.transfers.model import TransferState as State
from domain.workflow import Move, Workflow

LED = frozenset({DocumentType.STOCK_REQUEST})
"""Documents that take every step of the transfers made for them: nobody takes one past them."""


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """A transfer's ends, as one caller finds them."""

    caller: Caller
    origin_id: UUID
    destination_id: UUID
    source_type: str | None = None
    source_id: str | None = None
    is_sourced: bool = False
    """It is the document that the transfer was made for which takes the step; it has asked for the rights."""

    def refusal(self, permission: Permission) -> DomainError | None:
        return None if self.is_sourced else self.caller.refusal(permission)

    def refusal_at(self, location_id: UUID) -> DomainError | None:
        return None if self.is_sourced else self.caller.refusal(Permission.TRANSFERS_WRITE, location_id)


def _at_origin(standing: Standing) -> DomainError | None:
    return standing.refusal_at(standing.origin_id)


def _at_destination(standing: Standing) -> DomainError | None:
    return standing.refusal_at(standing.destination_id)


def _not_led(standing: Standing) -> DomainError | None:
    if standing.is_sourced or standing.source_type not in LED:
        return None
    message = "The transfer belongs to a document; what becomes of it is decided there"
    return DomainError(Reason.IN_USE, message, sourceType=standing.source_type, sourceId=standing.source_id)


def _move(state: State, action: Action, *to: State) -> Move[State, Action, Standing]:
    arrives = action in {Action.RECEIVE, Action.CLOSE}
    return Move(
        state=state,
        action=action,
        to=to,
        permission=Permission.TRANSFERS_WRITE,
        guards=(_at_destination if arrives else _at_origin, _not_led),
    )


MOVES = (
    _move(State.DRAFT, Action.UPDATE, State.DRAFT),
    _move(State.DRAFT, Action.SUBMIT, State.PENDING),
    _move(State.DRAFT, Action.CANCEL, State.CANCELED),
    _move(State.PENDING, Action.PICK, State.PICKED),
    _move(State.PENDING, Action.CANCEL, State.CANCELED),
    _move(State.PICKED, Action.SHIP, State.IN_TRANSIT),
    _move(State.PICKED, Action.CANCEL, State.CANCELED),
    # In parts: it stays on its way while anything is.
    _move(State.IN_TRANSIT, Action.RECEIVE, State.IN_TRANSIT, State.RECEIVED),
    # What is missing is written off, with its cause.
    _move(State.IN_TRANSIT, Action.CLOSE, State.COMPLETED),
    # What is on its way comes back; what was received stays received.
    _move(State.IN_TRANSIT, Action.CANCEL, State.CANCELED),
    # More than was shipped may still arrive.
    _move(State.RECEIVED, Action.RECEIVE, State.RECEIVED),
    _move(State.RECEIVED, Action.CLOSE, State.COMPLETED),
)
FLOW: Workflow[State, Action, Standing] = Workflow(MOVES)


def standing_of(transfer: TransferHead, caller: Caller, *, is_sourced: bool = False) -> Standing:
    return Standing(
        caller=caller,
        origin_id=transfer.origin_location_id,
        destination_id=transfer.destination_location_id,
        source_type=transfer.source_type,
        source_id=transfer.source_id,
        is_sourced=is_sourced,
    )


def allowed(transfer: TransferHead, caller: Caller) -> Sequence[Action]:
    """What the caller may do with it now."""
    return FLOW.allowed(transfer.state, standing_of(transfer, caller))
