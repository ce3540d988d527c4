"""A transfer's life as a table: every state with every action, for whoever has rights at one end, both or none."""

from uuid import UUID

import pytest

from domain.access.model import Caller, Permission, Scope
from domain.documents import DocumentType
from domain.errors import DomainError, Reason
from domain.transfers.flow import FLOW, Standing
from domain.transfers.model import TransferAction as Action
from domain.transfers.model import TransferState as State

ORIGIN, DESTINATION, ELSEWHERE = UUID(int=1), UUID(int=2), UUID(int=3)
TABLE = {
    (State.DRAFT, Action.UPDATE): ({State.DRAFT}, ORIGIN),
    (State.DRAFT, Action.SUBMIT): ({State.PENDING}, ORIGIN),
    (State.DRAFT, Action.CANCEL): ({State.CANCELED}, ORIGIN),
    (State.PENDING, Action.PICK): ({State.PICKED}, ORIGIN),
    (State.PENDING, Action.CANCEL): ({State.CANCELED}, ORIGIN),
    (State.PICKED, Action.SHIP): ({State.IN_TRANSIT}, ORIGIN),
    (State.PICKED, Action.CANCEL): ({State.CANCELED}, ORIGIN),
    (State.IN_TRANSIT, Action.RECEIVE): ({State.IN_TRANSIT, State.RECEIVED}, DESTINATION),
    (State.IN_TRANSIT, Action.CLOSE): ({State.COMPLETED}, DESTINATION),
    (State.IN_TRANSIT, Action.CANCEL): ({State.CANCELED}, ORIGIN),
    (State.RECEIVED, Action.RECEIVE): ({State.RECEIVED}, DESTINATION),
    (State.RECEIVED, Action.CLOSE): ({State.COMPLETED}, DESTINATION),
}
"""What may be done in which state, where it leads, and at which end one must have the right."""


def a_standing(scope: Scope = None, *, may: bool = True, source: str | None = None, led: bool = False) -> Standing:
    caller = Caller(
        tenant_id=UUID(int=9),
        tenant_slug="t",
        tenant_name="T",
        principal_id=UUID(int=8),
        user_id=None,
        actor="a test",
        session_id=None,
        key_id=None,
        roles=(),
        rights={Permission.TRANSFERS_WRITE: scope} if may else {},
    )
    return Standing(
        caller=caller, origin_id=ORIGIN, destination_id=DESTINATION, source_type=source, is_sourced=led
    )


@pytest.mark.parametrize("action", Action)
@pytest.mark.parametrize("state", State)
def test_what_is_in_the_table_happens_and_nothing_else(state: State, action: Action) -> None:
    everywhere = a_standing()
    if (state, action) not in TABLE:
        with pytest.raises(DomainError) as refused:
            FLOW.require(state, action, everywhere)
        assert refused.value.reason is Reason.INVALID_TRANSITION
        assert refused.value.facts["state"] == state
        assert refused.value.facts["allowedActions"] == [a for s, a in TABLE if s is state]
        return
    to, end = TABLE[state, action]
    other = DESTINATION if end == ORIGIN else ORIGIN

    assert set(FLOW.require(state, action, everywhere).to) == to
    assert set(FLOW.require(state, action, a_standing(frozenset({end}))).to) == to
    for scope in (frozenset({other}), frozenset({ELSEWHERE}), frozenset[UUID]()):
        with pytest.raises(DomainError) as refused:
            FLOW.require(state, action, a_standing(scope))
        assert refused.value.reason is Reason.LOCATION_DENIED
        assert action not in FLOW.allowed(state, a_standing(scope))
    with pytest.raises(DomainError) as refused:
        FLOW.require(state, action, a_standing(may=False))
    assert refused.value.reason is Reason.PERMISSION_DENIED


@pytest.mark.parametrize(("state", "action"), TABLE)
def test_what_belongs_to_a_request_is_moved_by_the_request_alone(state: State, action: Action) -> None:
    source = DocumentType.STOCK_REQUEST
    with pytest.raises(DomainError) as refused:
        FLOW.require(state, action, a_standing(source=source))
    assert refused.value.reason is Reason.IN_USE
    assert FLOW.allowed(state, a_standing(source=source)) == []

    by_the_request = a_standing(frozenset({ELSEWHERE}), may=False, source=source, led=True)
    assert FLOW.require(state, action, by_the_request).action is action
    assert FLOW.require(state, action, a_standing(source=DocumentType.REPLENISHMENT)).action is action
