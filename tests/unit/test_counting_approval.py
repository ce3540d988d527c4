"""How many must agree to a variance, and who of them may."""

import datetime as dt
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.access.delegations import Delegation, InForce
from domain.access.model import Caller, Scope
from domain.counting.approval import APPROVE, Signature, approvals_needed, authority_to_approve
from domain.errors import DomainError, Reason
from domain.settings.model import ApprovalTier

HERE, THERE = UUID(int=1), UUID(int=2)
COUNTER, RECOUNTER, PROPOSER, ANNA, BEN, CLARA = (UUID(int=number) for number in range(11, 17))
KEY = UUID(int=30)
NOON = dt.datetime(2026, 6, 1, 12, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)
TIERS = (ApprovalTier(above=Decimal(100)), ApprovalTier(above=Decimal(1000), approvals=2))


def a_caller(user_id: UUID, scope: Scope = None, *, may: bool = True) -> Caller:
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
        rights={APPROVE: scope} if may else {},
    )


def a_key(made_by: UUID) -> Caller:
    return Caller(
        tenant_id=UUID(int=100),
        tenant_slug="acme",
        tenant_name="Acme",
        principal_id=KEY,
        user_id=None,
        actor="A key",
        session_id=None,
        key_id=KEY,
        makers=frozenset({made_by}),
        roles=(),
        rights={APPROVE: None},
    )


def given_by(giver: UUID, to: UUID) -> InForce:
    delegation = Delegation(
        id=UUID(int=1000 + giver.int),
        from_user_id=giver,
        to_user_id=to,
        permissions=frozenset({APPROVE}),
        starts_at=NOON - HOUR,
        ends_at=NOON + HOUR,
        rights={APPROVE: None},
    )
    return InForce(at=NOON, delegations=(delegation,))


NOTHING = InForce(at=NOON, delegations=())


def on_behalf_of(
    caller: Caller, in_force: InForce = NOTHING, *, signatures: tuple[Signature, ...] = ()
) -> UUID | None:
    return authority_to_approve(
        caller,
        in_force,
        counters=frozenset({COUNTER, RECOUNTER}),
        proposers=frozenset({PROPOSER}),
        signatures=signatures,
        location_id=HERE,
    ).on_behalf_of


def signed_by(user_id: UUID, *, on_behalf_of: UUID | None = None) -> Signature:
    return Signature(identities=frozenset({user_id}), on_behalf_of=on_behalf_of)


@pytest.mark.parametrize(
    ("value", "needed"), [("0", 0), ("100", 0), ("100.0001", 1), ("1000", 1), ("1000.01", 2), ("99999", 2)]
)
def test_what_is_worth_more_than_a_tier_takes_its_approvals(value: str, needed: int) -> None:
    assert approvals_needed(TIERS, Decimal(value)) == needed
    assert approvals_needed((), Decimal(value)) == 0


@given(st.lists(st.decimals(0, 10**6, places=2), min_size=2, max_size=2).map(sorted))
def test_what_is_worth_more_never_takes_fewer_approvals(values: list[Decimal]) -> None:
    less, more = values

    assert approvals_needed(TIERS, less) <= approvals_needed(TIERS, more)


def test_who_neither_counted_nor_proposed_may_approve() -> None:
    assert on_behalf_of(a_caller(ANNA)) is None
    assert on_behalf_of(a_caller(ANNA, may=False), given_by(BEN, ANNA)) == BEN


@pytest.mark.parametrize(
    ("caller", "in_force", "signatures", "reason"),
    [
        pytest.param(a_caller(COUNTER), NOTHING, (), Reason.SELF_APPROVAL, id="who counted first"),
        pytest.param(a_caller(RECOUNTER), NOTHING, (), Reason.SELF_APPROVAL, id="who counted again"),
        pytest.param(a_caller(PROPOSER), NOTHING, (), Reason.SELF_APPROVAL, id="who proposed it"),
        pytest.param(a_key(COUNTER), NOTHING, (), Reason.SELF_APPROVAL, id="a key of who counted"),
        pytest.param(
            a_caller(ANNA, may=False), given_by(COUNTER, ANNA), (), Reason.SELF_APPROVAL, id="for a counter"
        ),
        pytest.param(
            a_caller(COUNTER, may=False), given_by(ANNA, COUNTER), (), Reason.SELF_APPROVAL,
            id="a counter for another"
        ),
        pytest.param(a_caller(ANNA), NOTHING, (signed_by(ANNA),), Reason.SELF_APPROVAL, id="twice"),
        pytest.param(a_key(ANNA), NOTHING, (signed_by(ANNA),), Reason.SELF_APPROVAL, id="again by a key"),
        pytest.param(
            a_caller(BEN, may=False), given_by(ANNA, BEN), (signed_by(ANNA),), Reason.SELF_APPROVAL,
            id="in place of who has approved",
        ),
        pytest.param(
            a_caller(ANNA), NOTHING, (signed_by(BEN, on_behalf_of=ANNA),), Reason.SELF_APPROVAL,
            id="after somebody in one's place",
        ),
        pytest.param(a_caller(ANNA, may=False), NOTHING, (), Reason.PERMISSION_DENIED, id="without the right"),
        pytest.param(a_caller(ANNA, frozenset({THERE})), NOTHING, (), Reason.LOCATION_DENIED, id="elsewhere"),
    ],
)  # fmt: skip
def test_nobody_else_may(
    caller: Caller, in_force: InForce, signatures: tuple[Signature, ...], reason: Reason
) -> None:
    with pytest.raises(DomainError) as refused:
        on_behalf_of(caller, in_force, signatures=signatures)

    assert refused.value.reason is reason


def test_a_second_approval_is_another_authority_s() -> None:
    assert on_behalf_of(a_caller(BEN), signatures=(signed_by(ANNA),)) is None
    assert on_behalf_of(a_caller(BEN), given_by(ANNA, BEN), signatures=(signed_by(ANNA),)) is None
    assert on_behalf_of(a_caller(BEN, may=False), given_by(CLARA, BEN), signatures=(signed_by(ANNA),)) == CLARA
