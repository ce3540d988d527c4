"""The state table of put-away tasks, row by row, and who may do what."""

import pytest

from domain.access.model import Caller, Permission
from domain.errors import DomainError, Reason
from domain.put_away.model import WORKFLOW, Action, State, TaskFacts
from domain.values import new_id

MOVES = {
    (State.PENDING, Action.START): {State.IN_PROGRESS},
    (State.PENDING, Action.COMPLETE): {State.IN_PROGRESS, State.COMPLETED},
    (State.PENDING, Action.SPLIT): {State.PENDING},
    (State.PENDING, Action.ASSIGN): {State.PENDING},
    (State.PENDING, Action.CANCEL): {State.CANCELED},
    (State.IN_PROGRESS, Action.COMPLETE): {State.IN_PROGRESS, State.COMPLETED},
    (State.IN_PROGRESS, Action.SPLIT): {State.IN_PROGRESS},
    (State.IN_PROGRESS, Action.ASSIGN): {State.IN_PROGRESS},
    (State.IN_PROGRESS, Action.CANCEL): {State.CANCELED},
}
HERE, THERE = new_id(), new_id()


def facts(**rights: frozenset[object] | None) -> TaskFacts:
    tenant = new_id()
    caller = Caller(
        tenant_id=tenant,
        tenant_slug="t",
        tenant_name="T",
        principal_id=tenant,
        user_id=None,
        actor="a test",
        session_id=None,
        key_id=None,
        roles=(),
        rights={Permission(name.replace("_", ".")): scope for name, scope in rights.items()},  # type: ignore[misc]
    )
    return TaskFacts(caller, HERE)


@pytest.mark.parametrize("action", Action)
@pytest.mark.parametrize("state", State)
def test_each_state_takes_its_actions_and_refuses_the_others(state: State, action: Action) -> None:
    may = facts(inventory_write=None)
    allowed = {known for at, known in MOVES if at is state}

    assert set(WORKFLOW.allowed(state, may)) == allowed
    if (state, action) in MOVES:
        assert set(WORKFLOW.require(state, action, may).to) == MOVES[state, action]
        return
    with pytest.raises(DomainError) as refused:
        WORKFLOW.require(state, action, may)
    assert refused.value.reason is Reason.INVALID_TRANSITION
    assert refused.value.facts["state"] is state
    assert set(refused.value.facts["allowedActions"]) == allowed  # type: ignore[call-overload]


@pytest.mark.parametrize(
    ("rights", "reason"),
    [
        ({"inventory_read": None}, Reason.PERMISSION_DENIED),
        ({"inventory_write": frozenset({THERE})}, Reason.LOCATION_DENIED),
    ],
)
@pytest.mark.parametrize(("state", "action"), MOVES)
def test_nobody_acts_without_the_right_to_or_at_another_location(
    rights: dict[str, frozenset[object] | None], reason: Reason, state: State, action: Action
) -> None:
    asked = facts(**rights)

    with pytest.raises(DomainError) as refused:
        WORKFLOW.require(state, action, asked)

    assert refused.value.reason is reason
    assert WORKFLOW.allowed(state, asked) == []
