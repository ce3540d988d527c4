"""What is shown of grants, and how it is said that a right reaches not far enough."""

from uuid import UUID

import pytest

from domain.access.model import Permission, Scope
from domain.access.ports import Grant
from domain.access.rights import HeldRole, KeyFacts
from domain.access.roles import held_roles
from domain.access.rules import require_cover
from domain.errors import DomainError, Reason

READ, WRITE = Permission.INVENTORY_READ, Permission.INVENTORY_WRITE
HERE, THERE = UUID(int=1), UUID(int=2)


def test_each_role_is_shown_once_with_all_its_locations() -> None:
    grants = [
        Grant(role="viewer", location_id=THERE),
        Grant(role="admin", location_id=HERE),
        Grant(role="viewer", location_id=HERE),
        Grant(role="admin"),
    ]

    assert held_roles(grants) == [
        HeldRole(role="admin", location_ids=None),
        HeldRole(role="viewer", location_ids=[HERE, THERE]),
    ]
    assert held_roles([]) == []


@pytest.mark.parametrize(
    ("held", "reason", "named"),
    [
        ({READ: frozenset({HERE}), WRITE: None}, Reason.LOCATION_DENIED, READ),
        ({READ: frozenset({HERE}), WRITE: frozenset({HERE})}, Reason.LOCATION_DENIED, READ),
        ({READ: frozenset({HERE})}, Reason.PERMISSION_DENIED, WRITE),
        ({}, Reason.PERMISSION_DENIED, READ),
    ],
)
def test_a_right_that_is_held_elsewhere_is_a_matter_of_the_location(
    held: dict[Permission, Scope], reason: Reason, named: Permission
) -> None:
    with pytest.raises(DomainError) as refused:
        require_cover(held, {READ: None, WRITE: None})

    assert refused.value.reason is reason
    assert refused.value.facts["permission"] == named


def test_a_key_may_do_each_of_its_scopes_at_each_of_its_locations() -> None:
    assert KeyFacts(name="K", scopes=(READ, WRITE), location_ids=(HERE,)).rights == {
        READ: frozenset({HERE}),
        WRITE: frozenset({HERE}),
    }
    assert KeyFacts(name="K", scopes=(READ, "no.such")).rights == {READ: None}
