"""A job: work that is asked for in one transaction and done after it."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import msgspec

ATTEMPTS_MAX = 5
"""How often a job is begun unless its type says otherwise."""


class JobState(StrEnum):
    """Where a job stands. The values are published."""

    QUEUED = "QUEUED"
    """Waits for a worker, or for its next attempt."""
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELED = "CANCELED"

    @property
    def is_final(self) -> bool:
        return self not in _LIVE


_LIVE = frozenset({JobState.QUEUED, JobState.RUNNING})


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """A job as it stands."""

    tenant_id: UUID
    id: UUID
    type: str
    description: str
    state: JobState
    arguments: Mapping[str, Any]
    completed_steps: int
    total_steps: int
    current_step: str | None
    attempt: int
    """How often it was begun; what a superseded attempt has done does not count."""
    attempts_max: int
    result: Mapping[str, Any] | None
    error: str | None
    is_dead: bool
    """Given up after its last attempt: neither refused, nor finished."""
    created_by: UUID
    """Who asked for it; the tenant itself, for what its schedule asks for."""
    creator: str
    permission: str
    """What they asked with."""
    created_at: datetime
    not_before: datetime
    started_at: datetime | None
    completed_at: datetime | None
    cancel_requested: bool
    version: int
