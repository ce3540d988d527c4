from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from domain.access.model import Permission, Scope
from domain.access.ports import FoundKey, FoundSession, Grant, Rule
from domain.access.rules import (
    email_of,
    is_role_code,
    locations_of,
    refuse_ended,
    refuse_spent,
    rights_of_grants,
    rights_of_scopes,
    tenant_rules,
)
from domain.errors import DomainError, Reason

NORTH, SOUTH = UUID(int=1), UUID(int=2)
NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
IDLE = timedelta(minutes=30)
READ, WRITE = Permission.INVENTORY_READ, Permission.INVENTORY_WRITE
PERMISSIONS = {"reader": frozenset({READ}), "writer": frozenset({READ, WRITE})}


def granted(role: str, location_id: UUID | None = None) -> Grant:
    return Grant(role=role, location_id=location_id)


@pytest.mark.parametrize(
    ("grants", "rights"),
    [
        pytest.param([], {}, id="nothing granted is nothing allowed"),
        pytest.param([granted("reader")], {READ: None}, id="a grant without a location is for all"),
        pytest.param([granted("reader", NORTH)], {READ: frozenset({NORTH})}, id="a grant for one location"),
        pytest.param(
            [granted("reader", NORTH), granted("reader", SOUTH)],
            {READ: frozenset({NORTH, SOUTH})},
            id="locations add up",
        ),
        pytest.param(
            [granted("reader", NORTH), granted("reader"), granted("reader", SOUTH)],
            {READ: None},
            id="all locations swallow the single ones",
        ),
        pytest.param(
            [granted("reader"), granted("writer", SOUTH)],
            {READ: None, WRITE: frozenset({SOUTH})},
            id="each permission has its own locations",
        ),
        pytest.param([granted("ghost")], {}, id="an unknown role allows nothing"),
    ],
)
def test_rights_are_the_union_of_grants(grants: list[Grant], rights: dict[Permission, Scope]) -> None:
    assert rights_of_grants(grants, PERMISSIONS) == rights


@pytest.mark.parametrize(
    ("scopes", "locations", "rights"),
    [
        (["inventory.read"], None, {READ: None}),
        (["inventory.read", "inventory.write"], [NORTH], dict.fromkeys((READ, WRITE), frozenset({NORTH}))),
        (["inventory.read"], [], {READ: frozenset()}),
        (["inventory.everything", "*"], None, {}),
    ],
)
def test_a_key_may_do_what_its_scopes_say_where_it_says(
    scopes: list[str], locations: list[UUID] | None, rights: dict[Permission, Scope]
) -> None:
    assert rights_of_scopes(scopes, locations) == rights


def test_the_locations_of_somebody_are_all_where_they_may_do_anything() -> None:
    assert locations_of({}) == frozenset()
    assert locations_of({READ: frozenset({NORTH}), WRITE: frozenset({SOUTH})}) == frozenset({NORTH, SOUTH})
    assert locations_of({READ: frozenset({NORTH}), WRITE: None}) is None


def a_session(*, seen: timedelta, expires: timedelta) -> FoundSession:
    return FoundSession(
        tenant_id=UUID(int=3),
        tenant_slug="acme",
        tenant_name="Acme",
        session_id=UUID(int=4),
        user_id=UUID(int=5),
        email="clerk@acme.example",
        name="Clerk",
        seen_at=NOW - seen,
        expires_at=NOW + expires,
        now_at=NOW,
        grants=(),
        policy_version="",
    )


HOUR, TICK = timedelta(hours=1), timedelta(microseconds=1)


@pytest.mark.parametrize("seen", [timedelta(0), IDLE - TICK])
def test_a_session_lives_until_its_limits(seen: timedelta) -> None:
    refuse_ended(a_session(seen=seen, expires=TICK), idle=IDLE)


@pytest.mark.parametrize(
    ("seen", "expires"),
    [
        pytest.param(IDLE, HOUR, id="idle for just as long as is allowed"),
        pytest.param(HOUR, HOUR, id="idle for longer"),
        pytest.param(TICK, timedelta(0), id="in use, and at its end"),
        pytest.param(TICK, -HOUR, id="in use, and past its end"),
    ],
)
def test_a_session_ends_at_its_limits(seen: timedelta, expires: timedelta) -> None:
    with pytest.raises(DomainError) as refused:
        refuse_ended(a_session(seen=seen, expires=expires), idle=IDLE)

    assert refused.value.reason is Reason.SESSION_EXPIRED


def a_key(*, expires_at: datetime | None = None, revoked_at: datetime | None = None) -> FoundKey:
    return FoundKey(
        tenant_id=UUID(int=3),
        tenant_slug="acme",
        tenant_name="Acme",
        key_id=UUID(int=6),
        name="ERP",
        scopes=("inventory.read",),
        location_ids=None,
        expires_at=expires_at,
        revoked_at=revoked_at,
        now_at=NOW,
    )


@pytest.mark.parametrize("expires_at", [None, NOW + TICK])
def test_a_key_is_good_until_it_expires(expires_at: datetime | None) -> None:
    refuse_spent(a_key(expires_at=expires_at))


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        pytest.param(a_key(expires_at=NOW), Reason.EXPIRED_API_KEY, id="expired"),
        pytest.param(a_key(revoked_at=NOW), Reason.REVOKED_API_KEY, id="revoked"),
        pytest.param(a_key(revoked_at=NOW, expires_at=NOW), Reason.REVOKED_API_KEY, id="revoked and expired"),
    ],
)
def test_a_spent_key_is_refused_with_the_reason(key: FoundKey, reason: Reason) -> None:
    with pytest.raises(DomainError) as refused:
        refuse_spent(key)

    assert refused.value.reason is reason


@pytest.mark.parametrize(
    ("text", "email"),
    [
        ("clerk@acme.example", "clerk@acme.example"),
        ("  Clerk@ACME.example \n", "clerk@acme.example"),
        ("Zoe\u0308@acme.example", "zo\u00eb@acme.example"),
        ("clerk", None),
        ("@acme.example", None),
        ("clerk@", None),
        ("clerk@acme\0.example", None),
        ("a b@acme.example", None),
        ("x" * 320 + "@acme.example", None),
        ("", None),
        ("H\u0331@acme.example", "\u1e96@acme.example"),  # which only in small letters is one character
    ],
)
def test_an_address_is_stored_in_one_spelling(text: str, email: str | None) -> None:
    assert email_of(text) == email


@pytest.mark.parametrize("code", ["picker", "night-shift", "q_a2", "a" * 63])
def test_a_tenants_role_may_have_a_plain_code(code: str) -> None:
    assert is_role_code(code)


@pytest.mark.parametrize("code", ["", "a,b", "role:admin", "*", "Picker", "a b", "a\n", "a" * 64, "#x", "9a", "é"])
def test_a_role_code_means_nothing_to_the_policys_format(code: str) -> None:
    assert not is_role_code(code)


def test_the_version_of_a_tenants_rules_changes_with_them_and_only_then() -> None:
    one = Rule(role="picker", permission="inventory.read")
    other = Rule(role="picker", permission="inventory.write")

    assert tenant_rules([one, other]) == tenant_rules([other, one, one])
    assert tenant_rules([one]).version != tenant_rules([one, other]).version
    assert tenant_rules([]).version != tenant_rules([one]).version
