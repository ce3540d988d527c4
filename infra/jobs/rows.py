"""A job as a row."""

from typing import Any

import msgspec

from domain.jobs.model import Job, JobState

COLUMNS = """tenant_id, id, type, description, state, arguments, completed_steps, total_steps, current_step,
    attempt, attempts_max, result, error, is_dead, created_by, creator, permission, created_at, not_before,
    started_at, completed_at, cancel_requested, version"""
_object = msgspec.json.Decoder(dict[str, Any])


def job_of(row: Any) -> Job:
    """A row of `COLUMNS`, whatever else it has."""
    return Job(
        tenant_id=row["tenant_id"],
        id=row["id"],
        type=row["type"],
        description=row["description"],
        state=JobState(row["state"]),
        arguments=_object.decode(row["arguments"]),
        completed_steps=row["completed_steps"],
        total_steps=row["total_steps"],
        current_step=row["current_step"],
        attempt=row["attempt"],
        attempts_max=row["attempts_max"],
        result=None if row["result"] is None else _object.decode(row["result"]),
        error=row["error"],
        is_dead=row["is_dead"],
        created_by=row["created_by"],
        creator=row["creator"],
        permission=row["permission"],
        created_at=row["created_at"],
        not_before=row["not_before"],
        started_at=row["started_at"],
        completed_at=row["completed_at"],
        cancel_requested=row["cancel_requested"],
        version=row["version"],
    )
