"""Nobody hands on more than they hold."""

from uuid import UUID

import pytest

from domain.access.model import Permission, Scope
from domain.access.rules import covers, lacking, require_cover
from domain.errors import DomainError, Reason

READ, WRITE, USERS = Permission.INVENTORY_READ, Permission.INVENTORY_WRITE, Permission.ADMIN_USERS
HERE, THERE = UUID(int=1), UUID(int=2)


@pytest.mark.parametrize(
    ("held", "wanted", "missing"),
    [
        ({READ: None}, {}, ()),
        ({READ: None}, {READ: None}, ()),
        ({READ: None}, {READ: frozenset({HERE})}, ()),
        ({READ: frozenset({HERE, THERE})}, {READ: frozenset({HERE})}, ()),
        ({READ: frozenset({HERE})}, {READ: frozenset({HERE, THERE})}, (READ,)),
        ({READ: frozenset({HERE})}, {READ: None}, (READ,)),
        ({READ: None}, {READ: None, WRITE: frozenset({HERE})}, (WRITE,)),
        ({}, {READ: frozenset()}, (READ,)),
        ({USERS: None}, {WRITE: None, READ: None}, (READ, WRITE)),
    ],
)
def test_what_is_handed_on_must_be_held_at_every_location_that_it_is_handed_on_for(
    held: dict[Permission, Scope], wanted: dict[Permission, Scope], missing: tuple[Permission, ...]
) -> None:
    assert lacking(held, wanted) == missing
    assert covers(held, wanted) == (missing == ())


def test_who_would_hand_on_more_is_refused_with_what_is_missing() -> None:
    with pytest.raises(DomainError) as refused:
        require_cover({READ: None}, {READ: None, WRITE: None})

    assert refused.value.reason is Reason.PERMISSION_DENIED
    assert refused.value.facts["permission"] == WRITE
