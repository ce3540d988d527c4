"""The life of a replenishment record: every state with every action."""

from itertools import product
from uuid import UUID

import pytest

from domain.access.model import Caller, Permission, Scope
from domain.errors import DomainError, Reason
from domain.replenishment.flow import FLOW, Action, Standing, State
from domain.replenishment.model import Source
from domain.values import new_id

HERE, ELSEWHERE = new_id(), new_id()
NEXT: dict[tuple[State, Action], set[State]] = {
    (State.OPEN, Action.TRIGGER): {State.TRIGGERED, State.ORDERED},
    (State.OPEN, Action.CANCEL): {State.CANCELED},
    (State.TRIGGERED, Action.CANCEL): {State.CANCELED},
    (State.TRIGGERED, Action.DISPATCHED): {State.TRANSFERRED},
    (State.TRIGGERED, Action.RETURNED): {State.CANCELED},
    (State.TRANSFERRED, Action.ARRIVED): {State.CLOSED},
    (State.TRANSFERRED, Action.RETURNED): {State.CANCELED},
    (State.TRANSFERRED, Action.CLOSE): {State.CLOSED},
    (State.ORDERED, Action.ARRIVED): {State.CLOSED},
    (State.ORDERED, Action.RETURNED): {State.CANCELED},
    (State.ORDERED, Action.CLOSE): {State.CLOSED},
    (State.ORDERED, Action.CANCEL): {State.CANCELED},
}
FOLLOWED = {Action.ARRIVED, Action.DISPATCHED, Action.RETURNED}


def a_caller(permission: Permission, scope: Scope = None) -> Caller:
    id_ = new_id()
    return Caller(
        tenant_id=new_id(),
        tenant_slug="t",
        tenant_name="T",
        principal_id=id_,
        user_id=id_,
        actor="Planner",
        session_id=None,
        key_id=None,
        roles=(),
        rights={permission: scope},
    )


def standing(caller: Caller, location_id: UUID = HERE, *, is_followed: bool = False) -> Standing:
    return Standing(caller=caller, location_id=location_id, source=Source.LOCATION, is_followed=is_followed)


@pytest.mark.parametrize(("state", "action"), list(product(State, Action)), ids=str)
def test_a_move_is_in_the_table_or_it_is_refused(state: State, action: Action) -> None:
    facts = standing(a_caller(Permission.REPLENISHMENT_WRITE), is_followed=action in FOLLOWED)
    wanted = NEXT.get((state, action))

    if wanted is not None:
        assert set(FLOW.require(state, action, facts).to) == wanted
        return
    with pytest.raises(DomainError) as refused:
        FLOW.require(state, action, facts)
    assert refused.value.reason is Reason.INVALID_TRANSITION
    assert refused.value.facts["state"] == state


@pytest.mark.parametrize("state", State)
def test_nobody_takes_the_steps_of_what_it_follows(state: State) -> None:
    planner = standing(a_caller(Permission.REPLENISHMENT_WRITE))

    assert not FOLLOWED & set(FLOW.allowed(state, planner))
    for action in FOLLOWED:
        with pytest.raises(DomainError) as refused:
            FLOW.require(state, action, planner)
        assert refused.value.reason is Reason.INVALID_TRANSITION


@pytest.mark.parametrize(
    ("caller", "reason"),
    [
        pytest.param(a_caller(Permission.REPLENISHMENT_READ), Reason.PERMISSION_DENIED, id="who may only read"),
        pytest.param(
            a_caller(Permission.REPLENISHMENT_WRITE, frozenset({ELSEWHERE})),
            Reason.LOCATION_DENIED,
            id="who plans elsewhere",
        ),
    ],
)
def test_others_may_do_nothing(caller: Caller, reason: Reason) -> None:
    facts = standing(caller)

    assert [FLOW.allowed(state, facts) for state in State] == [[]] * len(State)
    with pytest.raises(DomainError) as refused:
        FLOW.require(State.OPEN, Action.TRIGGER, facts)
    assert refused.value.reason is reason
