"""What may become of a counted line, by what it is and by who asks."""

import datetime as dt
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec
import pytest

from domain.access.delegations import Delegation, InForce
from domain.access.model import Caller, Permission, Scope
from domain.counting.approval import APPROVE, Signature
from domain.counting.deciding import (
    Decision,
    ResolveAction,
    Review,
    Verdict,
    allowed_actions,
    awaits,
    decide,
)
from domain.counting.model import LineState
from domain.counting.tolerance import Variance
from domain.errors import DomainError, Reason
from domain.settings.model import ApprovalTier, TenantSettings

ACCEPT, RECOUNT, REJECT = ResolveAction.ACCEPT, ResolveAction.RECOUNT, ResolveAction.REJECT
HERE, THERE, BATCH = UUID(int=1), UUID(int=2), UUID(int=3)
COUNTER, RECOUNTER, CLERK, ANNA, BEN = (UUID(int=number) for number in range(11, 16))
NOON = dt.datetime(2026, 6, 1, 12, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)
SETTINGS = TenantSettings(
    count_tolerance_units=Decimal(2),
    approval_tiers=(ApprovalTier(above=Decimal(100)), ApprovalTier(above=Decimal(1000), approvals=2)),
)
COUNTS, READS = Permission.INVENTORY_CYCLECOUNT, Permission.INVENTORY_READ


def a_caller(user_id: UUID = CLERK, *permissions: Permission, scope: Scope = None) -> Caller:
    return Caller(
        tenant_id=UUID(int=100),
        tenant_slug="acme",
        tenant_name="Acme",
        principal_id=user_id,
        user_id=user_id,
        actor="Somebody",
        session_id=UUID(int=101),
        key_id=None,
        roles=(),
        rights=dict.fromkeys(permissions or (COUNTS, READS), scope),
    )


def an_approver(user_id: UUID = ANNA) -> Caller:
    return a_caller(user_id, COUNTS, READS, APPROVE)


def a_review(units: int, *, cost: int = 1, **facts: Any) -> Review:
    """Counted by one and then by another, unless it is said otherwise."""
    expected = Decimal(10_000)
    usual: dict[str, Any] = {
        "id": UUID(int=4),
        "batch_id": BATCH,
        "location_id": HERE,
        "state": LineState.VARIANCE,
        "abc_class": None,
        "variance": Variance(expected=expected, counted=expected + units, unit_cost=Decimal(cost)),
        "counted_at": NOON,
        "rounds": [frozenset({COUNTER}), frozenset({RECOUNTER})],
        "on_hand": expected,
    }
    return Review(**usual | facts)


def told(review: Review, action: ResolveAction, caller: Caller, in_force: InForce | None = None) -> Decision:
    in_force = in_force or InForce(at=NOON, delegations=())
    return decide(review, action, caller=caller, in_force=in_force, settings=SETTINGS)


def refusal(review: Review, action: ResolveAction, caller: Caller, in_force: InForce | None = None) -> DomainError:
    with pytest.raises(DomainError) as refused:
        told(review, action, caller, in_force)
    return refused.value


@pytest.mark.parametrize(
    ("review", "caller", "verdict", "needed"),
    [
        pytest.param(a_review(-2, cost=999), a_caller(), Verdict.POST, 0, id="within, whatever its worth"),
        pytest.param(a_review(-50), a_caller(), Verdict.POST, 0, id="beyond it, below the tiers"),
        pytest.param(a_review(-101), a_caller(), Verdict.PROPOSE, 1, id="above a tier, by who may not approve"),
        pytest.param(a_review(-101), an_approver(), Verdict.POST, 1, id="above a tier, by who may"),
        pytest.param(a_review(1001), an_approver(), Verdict.APPROVE, 2, id="above the next, the first of two"),
        pytest.param(
            a_review(1001, signatures=[Signature(identities=frozenset({BEN}))]), an_approver(), Verdict.POST, 2,
            id="the second of two",
        ),
        pytest.param(a_review(-101, proposer=frozenset({CLERK})), an_approver(), Verdict.POST, 1, id="proposed"),
    ],
)  # fmt: skip
def test_a_count_is_accepted(review: Review, caller: Caller, verdict: Verdict, needed: int) -> None:
    decision = told(review, ACCEPT, caller)

    assert (decision.verdict, decision.needed) == (verdict, needed)


def test_beyond_the_tolerance_another_person_counts_again_first() -> None:
    once = a_review(-50, rounds=[frozenset({COUNTER})])
    by_the_same = a_review(-50, rounds=[frozenset({COUNTER}), frozenset({COUNTER})])

    for review in (once, by_the_same):
        refused = refusal(review, ACCEPT, an_approver())
        assert refused.reason is Reason.INVALID_TRANSITION
        assert refused.facts["needs"] == "RECOUNT"
        assert refused.facts["allowedActions"] == [RECOUNT, REJECT]
    assert told(a_review(-2, rounds=[frozenset({COUNTER})]), ACCEPT, a_caller()).verdict is Verdict.POST


@pytest.mark.parametrize("action", [ACCEPT, REJECT])
@pytest.mark.parametrize("units", [-2, -50, -101])
@pytest.mark.parametrize("counter", [COUNTER, RECOUNTER])
def test_nobody_decides_upon_their_own_count_of_any_round(
    action: ResolveAction, units: int, counter: UUID
) -> None:
    key = msgspec.structs.replace(
        an_approver(UUID(int=30)), user_id=None, session_id=None, key_id=UUID(int=30), makers=frozenset({counter})
    )

    for caller in (an_approver(counter), key):
        assert refusal(a_review(units), action, caller).reason is Reason.SELF_APPROVAL


def given_by(giver: UUID, to: UUID) -> InForce:
    delegation = Delegation(
        id=UUID(int=1000),
        from_user_id=giver,
        to_user_id=to,
        permissions=frozenset({APPROVE}),
        starts_at=NOON - HOUR,
        ends_at=NOON + HOUR,
        rights={APPROVE: None},
    )
    return InForce(at=NOON, delegations=(delegation,))


def test_a_delegate_is_bound_as_the_one_in_whose_place_they_decide() -> None:
    decision = told(a_review(-101), ACCEPT, a_caller(), given_by(ANNA, CLERK))
    assert decision.verdict is Verdict.POST
    assert decision.authority is not None
    assert decision.authority.on_behalf_of == ANNA

    for action in (ACCEPT, REJECT):
        refused = refusal(a_review(-101), action, a_caller(), given_by(COUNTER, CLERK))
        assert refused.reason is Reason.SELF_APPROVAL
    own = refusal(a_review(-101), ACCEPT, a_caller(COUNTER), given_by(ANNA, COUNTER))
    assert own.reason is Reason.SELF_APPROVAL


def test_who_proposed_does_not_approve() -> None:
    proposed = a_review(-101, proposer=frozenset({CLERK}))

    assert refusal(proposed, ACCEPT, a_caller()).reason is Reason.PERMISSION_DENIED
    assert refusal(proposed, ACCEPT, an_approver(CLERK)).reason is Reason.SELF_APPROVAL


def test_to_keep_the_books_takes_who_could_have_changed_them() -> None:
    assert told(a_review(-50), REJECT, a_caller()).verdict is Verdict.KEEP
    assert told(a_review(-101), REJECT, an_approver()).verdict is Verdict.KEEP
    assert refusal(a_review(-101), REJECT, a_caller()).reason is Reason.PERMISSION_DENIED
    once = a_review(-50, rounds=[frozenset({COUNTER})])
    assert told(once, REJECT, a_caller()).verdict is Verdict.KEEP, "no recount is needed to disbelieve"


def test_who_sees_no_quantity_judges_none() -> None:
    blind = a_caller(CLERK, COUNTS)
    elsewhere = a_caller(CLERK, COUNTS, READS, scope=frozenset({THERE}))

    for action in (ACCEPT, REJECT):
        for review in (a_review(-2), a_review(-50), a_review(-101)):
            assert refusal(review, action, blind).reason is Reason.PERMISSION_DENIED
            assert refusal(review, action, elsewhere).reason is Reason.LOCATION_DENIED
    assert told(a_review(-50), RECOUNT, blind).verdict is Verdict.RECOUNT


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ({"stock_counted_at": NOON + HOUR}, Reason.COUNTED_SINCE),
        ({"on_hand": Decimal(49)}, Reason.INSUFFICIENT_STOCK),
        ({"frozen_by": THERE}, Reason.POSITION_FROZEN),
        ({"stock_counted_at": NOON, "on_hand": Decimal(50), "frozen_by": BATCH}, None),
    ],
)
def test_what_cannot_be_posted_is_not_accepted(facts: dict[str, Any], reason: Reason | None) -> None:
    review = a_review(-50, **facts)

    if reason is None:
        assert told(review, ACCEPT, a_caller()).verdict is Verdict.POST
    else:
        refused = refusal(review, ACCEPT, a_caller())
        assert refused.reason is reason
        assert refused.facts["lineId"] == review.id
        assert told(review, RECOUNT, a_caller()).verdict is Verdict.RECOUNT


@pytest.mark.parametrize("state", [state for state in LineState if state is not LineState.VARIANCE])
@pytest.mark.parametrize("action", ResolveAction)
def test_only_a_variance_is_decided_upon_and_once(state: LineState, action: ResolveAction) -> None:
    refused = refusal(a_review(-50, state=state), action, an_approver())

    assert refused.reason is Reason.INVALID_TRANSITION
    assert refused.facts["state"] == state
    assert refused.facts["allowedActions"] == []


@pytest.mark.parametrize("units", [-2, -50, -101, 1001])
@pytest.mark.parametrize("rounds", [[frozenset({COUNTER})], [frozenset({COUNTER}), frozenset({RECOUNTER})]])
@pytest.mark.parametrize(
    "caller", [a_caller(), an_approver(), an_approver(COUNTER), an_approver(CLERK), a_caller(CLERK, COUNTS)]
)
@pytest.mark.parametrize("proposer", [frozenset[UUID](), frozenset({CLERK})])
def test_what_is_shown_as_allowed_is_what_is_not_refused(
    units: int, rounds: list[frozenset[UUID]], caller: Caller, proposer: frozenset[UUID]
) -> None:
    review = a_review(units, rounds=rounds, proposer=proposer)
    in_force = InForce(at=NOON, delegations=())
    done = {}
    for action in ResolveAction:
        try:
            done[action] = told(review, action, caller)
        except DomainError:
            continue

    assert allowed_actions(review, caller=caller, in_force=in_force, settings=SETTINGS) == list(done)
    waits = awaits(review, caller=caller, in_force=in_force, settings=SETTINGS)
    assert waits == (ACCEPT in done and done[ACCEPT].authority is not None)
    assert waits <= (review.approvals_needed(SETTINGS) > 0)
