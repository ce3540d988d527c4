"""A state machine as data: what is not in the table does not happen, and what is shown is what is allowed."""

from enum import StrEnum

import msgspec
import pytest

from domain.access.model import Permission
from domain.errors import DomainError, Reason
from domain.workflow import Move, Workflow


class State(StrEnum):
    OPEN = "OPEN"
    DONE = "DONE"


class Action(StrEnum):
    APPROVE = "approve"
    CLOSE = "close"


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    rights: frozenset[Permission] = frozenset()
    is_own: bool = False

    def refusal(self, permission: Permission) -> DomainError | None:
        return None if permission in self.rights else DomainError(Reason.PERMISSION_DENIED, "no")


def not_own(facts: Facts) -> DomainError | None:
    return DomainError(Reason.SELF_APPROVAL, "it is yours") if facts.is_own else None


WRITE, APPROVE = Permission.STOCKREQUESTS_WRITE, Permission.STOCKREQUESTS_APPROVE
FLOW: Workflow[State, Action, Facts] = Workflow(
    [
        Move(state=State.OPEN, action=Action.APPROVE, to=(State.DONE,), permission=APPROVE, guards=(not_own,)),
        Move(state=State.OPEN, action=Action.CLOSE, to=(State.DONE,), permission=WRITE),
    ]
)


def test_what_is_not_in_the_table_names_the_state_and_what_is_possible() -> None:
    with pytest.raises(DomainError) as refused:
        FLOW.require(State.DONE, Action.CLOSE, Facts(rights=frozenset({WRITE})))

    assert refused.value.reason is Reason.INVALID_TRANSITION
    assert refused.value.facts == {"state": State.DONE, "action": Action.CLOSE, "allowedActions": []}


@pytest.mark.parametrize(
    ("facts", "allowed", "reason"),
    [
        (Facts(), [], Reason.PERMISSION_DENIED),
        (Facts(rights=frozenset({WRITE})), [Action.CLOSE], Reason.PERMISSION_DENIED),
        (Facts(rights=frozenset({WRITE, APPROVE}), is_own=True), [Action.CLOSE], Reason.SELF_APPROVAL),
        (Facts(rights=frozenset({WRITE, APPROVE})), [Action.APPROVE, Action.CLOSE], None),
    ],
)
def test_what_is_shown_as_allowed_is_what_the_act_is_held_to(
    facts: Facts, allowed: list[Action], reason: Reason | None
) -> None:
    assert FLOW.allowed(State.OPEN, facts) == allowed
    if reason is None:
        assert FLOW.require(State.OPEN, Action.APPROVE, facts).to == (State.DONE,)
    else:
        with pytest.raises(DomainError) as refused:
            FLOW.require(State.OPEN, Action.APPROVE, facts)
        assert refused.value.reason is reason
