"""Every state of a stock request with every action, for every role and every relation to the request."""

import itertools
from datetime import UTC, datetime, timedelta
from uuid import UUID

import msgspec
import pytest

from domain.access.delegations import Delegation
from domain.access.model import Caller, Permission
from domain.errors import DomainError, Reason
from domain.stock_requests.model import Decision, Priority, RequestType, StockRequest, Tier, Verdict
from domain.stock_requests.model import RequestAction as Action
from domain.stock_requests.model import RequestState as State
from domain.stock_requests.states import FLOW, Decider, Granted, Standing, allowed, asked_of
from domain.values import new_id

NOW = datetime(2026, 5, 4, 9, tzinfo=UTC)
HOUR = timedelta(hours=1)
WRITE, APPROVE, READ = (
    Permission.STOCKREQUESTS_WRITE,
    Permission.STOCKREQUESTS_APPROVE,
    Permission.STOCKREQUESTS_READ,
)
ORIGIN, DESTINATION, ELSEWHERE = new_id(), new_id(), new_id()
ASKER, EDITOR, BOSS, OTHER = new_id(), new_id(), new_id(), new_id()

ROLES = {
    "viewer": {READ},
    "requester": {READ, WRITE},
    "operator": {READ, WRITE},
    "supervisor": {READ, APPROVE},
    "manager": {READ, WRITE, APPROVE},
}
RELATIONS = (
    "their own",
    "changed by them",
    "another's",
    "another's, for the boss",
    "another's, for the asker",
    "by a key of the asker",
    "at the origin only",
    "at the destination only",
    "elsewhere",
)
OWN = {"their own", "changed by them", "by a key of the asker"}
# What the table is to be, written a second time and in another way.
TO: dict[State, dict[Action, set[State]]] = {
    State.DRAFT: {
        Action.UPDATE: {State.DRAFT},
        Action.DELETE: {State.CANCELED},
        Action.SUBMIT: {State.PENDING_APPROVAL, State.APPROVED},
        Action.CANCEL: {State.CANCELED},
    },
    State.PENDING_APPROVAL: {
        Action.APPROVE: {State.PENDING_APPROVAL, State.APPROVED},
        Action.REJECT: {State.REJECTED},
        Action.ROLLBACK: {State.PENDING_APPROVAL, State.DRAFT},
        Action.CANCEL: {State.CANCELED},
    },
    State.REJECTED: {
        Action.UPDATE: {State.DRAFT},
        Action.DELETE: {State.CANCELED},
        Action.SUBMIT: {State.PENDING_APPROVAL, State.APPROVED},
        Action.ROLLBACK: {State.PENDING_APPROVAL},
        Action.CANCEL: {State.CANCELED},
    },
    State.APPROVED: {
        Action.PICK: {State.PICKING},
        Action.ROLLBACK: {State.PENDING_APPROVAL, State.DRAFT},
        Action.CANCEL: {State.CANCELED},
    },
    State.PICKING: {
        Action.PICK: {State.PICKING},
        Action.ISSUE: {State.ISSUED},
        Action.ROLLBACK: {State.APPROVED},
        Action.CANCEL: {State.CANCELED},
    },
    State.ISSUED: {Action.RECEIVE: {State.RECEIVED}, Action.ROLLBACK: {State.PICKING}},
    State.RECEIVED: {},
    State.CANCELED: {},
}
AT_ORIGIN = {
    (State.APPROVED, Action.PICK),
    (State.PICKING, Action.PICK),
    (State.PICKING, Action.ISSUE),
    (State.PICKING, Action.ROLLBACK),
    (State.PICKING, Action.CANCEL),
    (State.ISSUED, Action.ROLLBACK),
}
AT_DESTINATION = {(State.ISSUED, Action.RECEIVE)}
DECIDED = {State.APPROVED, State.REJECTED}


def a_request(state: State, *, tier: Tier | None = None, **more: object) -> StockRequest:
    pending, decided = state is State.PENDING_APPROVAL, state in DECIDED
    decision = Decision(
        id=new_id(),
        round=1,
        tier=1,
        decision=Verdict.APPROVED,
        decider_id=BOSS,
        decider="Boss",
        decider_ids=(BOSS,),
        version_seen=2,
        decided_at=NOW,
    )
    request = StockRequest(
        id=new_id(),
        number="SR-000001",
        type=RequestType.STOCK,
        state=state,
        origin_location_id=ORIGIN,
        origin_location_code="DC",
        origin_location_name="DC",
        destination_location_id=DESTINATION,
        destination_location_code="STORE",
        destination_location_name="STORE",
        requester_id=ASKER,
        requester="Asker",
        author_ids=(ASKER, EDITOR),
        priority=Priority.NORMAL,
        needed_by=None,
        description=None,
        stocklist_id=None,
        value=None,
        round=1,
        current_tier=1 if pending else None,
        deadline_at=None,
        submitted_at=None,
        decided_at=None,
        issued_at=None,
        received_at=None,
        canceled_at=None,
        issue_transaction_id=None,
        transfer_id=None,
        is_deleted=False,
        version=3,
        created_at=NOW,
        updated_at=NOW,
        lines=(),
        tiers=(tier or Tier(tier=1, name="Approval"),),
        decisions=(decision,) if decided else (),
        comments=(),
        history=(),
    )
    return msgspec.structs.replace(request, **more)


def a_caller(user_id: UUID, rights: set[Permission], *, scope: frozenset[UUID] | None = None) -> Caller:
    return Caller(
        tenant_id=new_id(),
        tenant_slug="t",
        tenant_name="T",
        principal_id=user_id,
        user_id=user_id,
        actor="Somebody",
        session_id=None,
        key_id=None,
        roles=(),
        rights=dict.fromkeys(rights, scope),
    )


def a_delegation(giver: UUID, taker: UUID, *, begins: datetime = NOW - HOUR, hours: int = 2) -> Delegation:
    return Delegation(
        id=new_id(),
        from_user_id=giver,
        to_user_id=taker,
        permissions=frozenset({APPROVE}),
        starts_at=begins,
        ends_at=begins + hours * HOUR,
        rights={APPROVE: None},
    )


def a_decider(role: str, relation: str) -> Decider:
    scope = {
        "at the origin only": frozenset({ORIGIN}),
        "at the destination only": frozenset({DESTINATION}),
        "elsewhere": frozenset({ELSEWHERE}),
    }.get(relation)
    person = {"their own": ASKER, "changed by them": EDITOR}.get(relation, OTHER)
    caller = a_caller(person, ROLES[role], scope=scope)
    if relation == "by a key of the asker":
        key = new_id()
        caller = msgspec.structs.replace(
            caller, principal_id=key, user_id=None, key_id=key, makers=frozenset({ASKER})
        )
    giver = {"another's, for the boss": BOSS, "another's, for the asker": ASKER}.get(relation)
    given = () if giver is None else (a_delegation(giver, person),)
    return Decider(caller=caller, at=NOW, delegations=given)


def may_decide(role: str, relation: str) -> bool:
    """Who decides, in words of its own: with the right, at the origin, and not on what is theirs."""
    if relation in OWN or relation in {"elsewhere", "at the destination only"}:
        return False
    return APPROVE in ROLES[role] or relation == "another's, for the boss"


def may(state: State, action: Action, role: str, relation: str) -> bool:
    if action in {Action.APPROVE, Action.REJECT}:
        return may_decide(role, relation)
    if WRITE not in ROLES[role] or relation == "elsewhere":
        return False
    if action is Action.ROLLBACK and state in DECIDED:
        return may_decide(role, relation)
    if (state, action) in AT_ORIGIN:
        return relation != "at the destination only"
    return (state, action) not in AT_DESTINATION or relation != "at the origin only"


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("action", Action)
def test_a_request_goes_where_the_table_says_and_nowhere_else_for_whom_it_says(
    state: State, action: Action
) -> None:
    leads = {state} if action is Action.COMMENT else TO[state].get(action)
    for role, relation in itertools.product(ROLES, RELATIONS):
        standing = Standing(request=a_request(state), decider=a_decider(role, relation))
        case = f"{role}, {relation}"
        if leads is None:
            with pytest.raises(DomainError) as refused:
                FLOW.require(state, action, standing)
            assert refused.value.reason is Reason.INVALID_TRANSITION, case
        elif may(state, action, role, relation):
            assert set(FLOW.require(state, action, standing).to) == leads, case
        else:
            with pytest.raises(DomainError) as refused:
                FLOW.require(state, action, standing)
            assert refused.value.reason in {
                Reason.PERMISSION_DENIED,
                Reason.LOCATION_DENIED,
                Reason.SELF_APPROVAL,
            }, case


@pytest.mark.parametrize("state", State)
def test_what_is_shown_as_allowed_is_what_the_guards_allow(state: State) -> None:
    for role, relation in itertools.product(ROLES, RELATIONS):
        shown = set(allowed(a_request(state), a_decider(role, relation)))
        expected = {action for action in {*TO[state], Action.COMMENT} if may(state, action, role, relation)}

        assert shown == expected, f"{role}, {relation}"


@pytest.mark.parametrize("role", ["supervisor", "manager"])
@pytest.mark.parametrize("relation", sorted(OWN))
def test_nobody_decides_upon_their_own_by_whatever_name(role: str, relation: str) -> None:
    standing = Standing(request=a_request(State.PENDING_APPROVAL), decider=a_decider(role, relation))
    for action in (Action.APPROVE, Action.REJECT):
        with pytest.raises(DomainError) as refused:
            FLOW.require(State.PENDING_APPROVAL, action, standing)
        assert refused.value.reason is Reason.SELF_APPROVAL


def test_a_deleted_request_allows_nothing() -> None:
    gone = a_request(State.CANCELED, is_deleted=True)

    assert allowed(gone, a_decider("manager", "another's")) == []


TIER = Tier(
    tier=1,
    name="Supervisors",
    role="supervisor",
    deadline_hours=4,
    escalate_role="manager",
    started_at=NOW,
    deadline_at=NOW + 4 * HOUR,
)


def with_role(role: str, at: datetime, *, location_id: UUID | None = None) -> Decider:
    return Decider(caller=a_caller(OTHER, {READ, APPROVE}), at=at, grants={OTHER: (Granted(role, location_id),)})


@pytest.mark.parametrize(
    ("role", "hours", "may_approve"),
    [
        ("supervisor", 0, True),
        ("supervisor", 3.99, True),
        ("supervisor", 4, False),
        ("manager", 3.99, False),
        ("manager", 4, True),
        ("manager", 400, True),
        ("controller", 0, False),
        ("controller", 4, False),
    ],
)
def test_a_tier_passes_to_those_it_escalates_to_when_its_deadline_has_come(
    role: str, hours: float, may_approve: bool
) -> None:
    request = a_request(State.PENDING_APPROVAL, tier=TIER)
    shown = allowed(request, with_role(role, NOW + hours * HOUR))

    assert (Action.APPROVE in shown) == may_approve


def test_a_tier_with_a_deadline_and_nobody_to_pass_to_stays_where_it_is() -> None:
    alone = msgspec.structs.replace(TIER, escalate_role=None)

    assert asked_of(alone, NOW + 100 * HOUR) == asked_of(alone, NOW)


def test_a_role_counts_where_it_is_held() -> None:
    request = a_request(State.PENDING_APPROVAL, tier=TIER)

    assert Action.APPROVE in allowed(request, with_role("supervisor", NOW, location_id=ORIGIN))
    assert Action.APPROVE not in allowed(request, with_role("supervisor", NOW, location_id=DESTINATION))


def test_a_delegate_decides_by_the_giver_s_role_and_only_while_it_is_theirs() -> None:
    request = a_request(State.PENDING_APPROVAL, tier=TIER)
    decider = Decider(
        caller=a_caller(OTHER, {READ}),
        at=NOW,
        delegations=(a_delegation(BOSS, OTHER),),
        grants={BOSS: (Granted("supervisor", None),)},
    )
    authority = Standing(request=request, decider=decider).authority(TIER)
    later = msgspec.structs.replace(decider, at=NOW + HOUR)

    assert authority.on_behalf_of == BOSS
    assert Action.APPROVE in allowed(request, decider)
    assert Action.APPROVE not in allowed(request, later)


@pytest.mark.parametrize("by", ["themselves", "in another's place", "by a delegate"])
def test_one_person_gives_one_approval(by: str) -> None:
    two = Tier(tier=1, name="Two people", approvals=2)
    given = Decision(
        id=new_id(),
        round=1,
        tier=1,
        decision=Verdict.APPROVED,
        decider_id=OTHER if by != "by a delegate" else EDITOR,
        decider="Somebody",
        decider_ids=(OTHER,) if by != "by a delegate" else (new_id(),),
        on_behalf_of={"in another's place": BOSS, "by a delegate": OTHER}.get(by),
        version_seen=2,
        decided_at=NOW,
    )
    request = a_request(State.PENDING_APPROVAL, tier=two, decisions=(given,))
    again = Decider(caller=a_caller(OTHER, {READ, APPROVE}), at=NOW)
    another = Decider(caller=a_caller(new_id(), {READ, APPROVE}), at=NOW)

    assert (Action.APPROVE in allowed(request, again)) is False
    assert Action.APPROVE in allowed(request, another)
