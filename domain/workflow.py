"""State machines as data: each document has one table of moves, and nothing happens that is not in it."""

from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import Protocol

import msgspec

from domain.access.model import Permission
from domain.errors import DomainError, Reason


class Facts(Protocol):
    """What guards look at: a document as one caller finds it."""

    def refusal(self, permission: Permission) -> DomainError | None:
        """Why the caller may not use this permission on the document; None when they may."""
        ...


class Move[S: StrEnum, A: StrEnum, F: Facts](msgspec.Struct, frozen=True, kw_only=True):
    """One row of the table."""

    state: S
    action: A
    to: tuple[S, ...]
    """Where it leads; more than one where the effect decides (all received, or a part)."""
    permission: Permission
    guards: tuple[Callable[[F], DomainError | None], ...] = ()
    """Each says why not, or None. They are asked in their order, after the permission."""


class Workflow[S: StrEnum, A: StrEnum, F: Facts]:
    """The table, asked by the act and by whoever shows what a caller may do: one predicate for both."""

    def __init__(self, moves: Iterable[Move[S, A, F]]) -> None:
        self.moves = {(move.state, move.action): move for move in moves}

    def require(self, state: S, action: A, facts: F) -> Move[S, A, F]:
        """The move that an action is.

        Raises:
            DomainError: PERMISSION_DENIED, LOCATION_DENIED or SELF_APPROVAL, as the guards say; INVALID_TRANSITION
                with the state and the actions that it allows this caller.
        """
        move = self.moves.get((state, action))
        if move is None:
            allowed = self.allowed(state, facts)
            raise DomainError(
                Reason.INVALID_TRANSITION,
                f"{action} is not possible in state {state}",
                state=state,
                action=action,
                allowedActions=allowed,
            )
        refused = self._refusal(move, facts)
        if refused is not None:
            raise refused
        return move

    def allowed(self, state: S, facts: F) -> list[A]:
        """What this caller may do with the document now."""
        return [
            move.action for move in self.moves.values() if move.state == state and not self._refusal(move, facts)
        ]

    @staticmethod
    def _refusal(move: Move[S, A, F], facts: F) -> DomainError | None:
        refused = facts.refusal(move.permission)
        for guard in move.guards:
            refused = refused or guard(facts)
        return refused
