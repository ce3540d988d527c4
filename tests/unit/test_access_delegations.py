"""Who may decide in whose place, when and where; and upon what nobody may."""

import datetime as dt
from uuid import UUID

import msgspec
import pytest

from domain.access.delegations import Authority, Delegation, authority_over, may_decide
from domain.access.model import Caller, Permission, Scope
from domain.errors import DomainError, Reason

APPROVE, COUNTS = Permission.STOCKREQUESTS_APPROVE, Permission.INVENTORY_CYCLECOUNT_APPROVE
HERE, THERE = UUID(int=1), UUID(int=2)
ANNA, BEN, CLARA, DAN = (UUID(int=number) for number in range(11, 15))
NOON = dt.datetime(2026, 6, 1, 12, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)


def a_caller(user_id: UUID, rights: dict[Permission, Scope] | None = None) -> Caller:
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
        rights=rights or {},
    )


def a_delegation(
    *,
    from_user_id: UUID = ANNA,
    to_user_id: UUID = BEN,
    permissions: frozenset[Permission] = frozenset({APPROVE}),
    starts_at: dt.datetime = NOON - HOUR,
    ends_at: dt.datetime = NOON + HOUR,
    ended_at: dt.datetime | None = None,
    rights: dict[Permission, Scope] | None = None,
) -> Delegation:
    return Delegation(
        id=UUID(int=1000 + from_user_id.int),
        from_user_id=from_user_id,
        to_user_id=to_user_id,
        permissions=permissions,
        starts_at=starts_at,
        ends_at=ends_at,
        ended_at=ended_at,
        rights={APPROVE: None} if rights is None else rights,
    )


def test_one_decides_in_one_s_own_name_first_and_then_in_that_of_others() -> None:
    given = a_delegation(rights={APPROVE: frozenset({HERE})})

    assert may_decide(APPROVE, NOON, a_caller(BEN, {APPROVE: frozenset({THERE})}), [given]) == (
        Authority(scope=frozenset({THERE})),
        Authority(scope=frozenset({HERE}), on_behalf_of=ANNA, delegation_id=given.id),
    )


@pytest.mark.parametrize(
    "given",
    [
        a_delegation(to_user_id=CLARA),
        a_delegation(permissions=frozenset({COUNTS})),
        a_delegation(permissions=frozenset({Permission.ADMIN_USERS})),
        a_delegation(rights={}),
        a_delegation(rights={COUNTS: None}),
        a_delegation(starts_at=NOON + dt.timedelta(microseconds=1)),
        a_delegation(ends_at=NOON),
        a_delegation(ended_at=NOON),
    ],
    ids=[
        *(
            "to another",
            "of something else",
            "of what cannot be",
            "of what its giver lost",
            "of what its giver has not",
        ),
        *("before it starts", "when it ends", "when it was ended"),
    ],
)
def test_a_delegation_gives_nothing(given: Delegation) -> None:
    assert may_decide(APPROVE, NOON, a_caller(BEN), [given]) == ()


def test_a_delegation_counts_from_its_start_to_just_before_its_end() -> None:
    given = a_delegation(starts_at=NOON, ends_at=NOON + HOUR, ended_at=NOON + dt.timedelta(minutes=30))
    moments = {minutes: NOON + dt.timedelta(minutes=minutes) for minutes in (-1, 0, 29, 30, 59)}

    counts = {minutes: bool(may_decide(APPROVE, at, a_caller(BEN), [given])) for minutes, at in moments.items()}

    assert counts == {-1: False, 0: True, 29: True, 30: False, 59: False}


@pytest.mark.parametrize("permission", [Permission.ADMIN_USERS, Permission.INVENTORY_ADJUST])
def test_only_approvals_are_delegated_whatever_a_delegation_says(permission: Permission) -> None:
    given = a_delegation(permissions=frozenset({permission}), rights={permission: None})

    assert may_decide(permission, NOON, a_caller(BEN), [given]) == ()


def over(caller: Caller, *given: Delegation, authors: set[UUID], at: UUID = HERE) -> Authority:
    return authority_over(APPROVE, NOON, caller, given, authors=frozenset(authors), location_id=at)


def test_who_holds_it_decides_upon_what_is_another_s() -> None:
    assert over(a_caller(BEN, {APPROVE: None}), authors={CLARA}).on_behalf_of is None


def test_a_delegate_decides_where_the_giver_could() -> None:
    given = a_delegation(rights={APPROVE: frozenset({HERE})})

    assert over(a_caller(BEN), given, authors={CLARA}).on_behalf_of == ANNA
    with pytest.raises(DomainError) as refused:
        over(a_caller(BEN), given, authors={CLARA}, at=THERE)
    assert refused.value.reason is Reason.LOCATION_DENIED


def test_without_any_authority_the_permission_is_what_is_missing() -> None:
    with pytest.raises(DomainError) as refused:
        over(a_caller(BEN), authors={CLARA})

    assert refused.value.reason is Reason.PERMISSION_DENIED
    assert refused.value.facts["permission"] == APPROVE


@pytest.mark.parametrize("rights", [{APPROVE: None}, {}], ids=["in their own name", "in another's"])
def test_nobody_decides_upon_what_is_their_own(rights: dict[Permission, Scope]) -> None:
    with pytest.raises(DomainError) as refused:
        over(a_caller(BEN, rights), a_delegation(), authors={BEN})

    assert refused.value.reason is Reason.SELF_APPROVAL


def test_a_delegate_does_not_decide_upon_what_is_the_giver_s() -> None:
    with pytest.raises(DomainError) as refused:
        over(a_caller(BEN), a_delegation(), authors={ANNA})

    assert refused.value.reason is Reason.SELF_APPROVAL


def test_what_is_one_giver_s_is_decided_upon_in_the_name_of_another() -> None:
    found = over(a_caller(BEN), a_delegation(), a_delegation(from_user_id=DAN), authors={ANNA})

    assert found.on_behalf_of == DAN


def test_who_may_decide_themselves_may_upon_what_is_a_giver_s() -> None:
    found = over(a_caller(BEN, {APPROVE: None}), a_delegation(), authors={ANNA})

    assert found.on_behalf_of is None


def test_a_key_decides_upon_nothing_that_its_maker_made() -> None:
    key = msgspec.structs.replace(
        a_caller(CLARA, {APPROVE: None}), user_id=None, key_id=CLARA, makers=frozenset({ANNA})
    )
    of_another_key_of_hers = frozenset({DAN, ANNA})

    for authors in (frozenset({ANNA}), of_another_key_of_hers):
        with pytest.raises(DomainError) as refused:
            authority_over(APPROVE, NOON, key, [], authors=authors, location_id=HERE)
        assert refused.value.reason is Reason.SELF_APPROVAL
    found = authority_over(APPROVE, NOON, key, [], authors=frozenset({BEN}), location_id=HERE)
    assert found == Authority(scope=None)
