"""Batches, lines and callers of cycle counts, for tests without a database."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from domain.access.model import Caller, Permission, Scope
from domain.counting.model import Batch, Origin, State, Type, Wanted
from domain.counting.states import COUNTING
from domain.values import new_id

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
COUNTS_AND_READS: Mapping[Permission, Scope] = {COUNTING: None, Permission.INVENTORY_READ: None}


def a_caller(*, principal_id: UUID | None = None, rights: Mapping[Permission, Scope] = COUNTS_AND_READS) -> Caller:
    """A person in a session."""
    user_id = principal_id or new_id()
    return Caller(
        tenant_id=new_id(),
        tenant_slug="test",
        tenant_name="Test",
        principal_id=user_id,
        user_id=user_id,
        actor="A person",
        session_id=new_id(),
        key_id=None,
        roles=(),
        rights=rights,
    )


def a_batch(**fields: Any) -> Batch:
    defaults: dict[str, Any] = {
        "id": new_id(),
        "number": "CC-000001",
        "location_id": new_id(),
        "type": Type.PARTIAL,
        "state": State.DRAFT,
        "is_blind": False,
        "is_freezing": False,
        "scheduled_for": None,
        "origin": Origin.MANUAL,
        "wanted": Wanted(),
        "note": None,
        "snapshot_position": 1,
        "line_count": 1,
        "counted_count": 0,
        "waived_count": 0,
        "variance_count": 0,
        "accurate_count": 0,
        "actor_id": None,
        "actor": None,
        "started_at": None,
        "reviewed_at": None,
        "completed_at": None,
        "version": 1,
        "created_at": NOON,
        "updated_at": NOON,
    }
    return Batch(**(defaults | fields))
