"""A job asked for: its row and the queue's entry, in the transaction of whoever asks."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from domain.access.model import Act
from domain.jobs.model import ATTEMPTS_MAX
from domain.values import exact_json
from infra.db.pool import Driver

CHANNEL = "storekeeper_jobs"
"""What the queue's trigger notifies with each commit that adds to it."""
DESCRIPTION_LONGEST, ERROR_LONGEST = 2000, 4000
# $1 tenant, $2 id, $3 type, $4 description, $5 arguments, $6 steps, $7 attempts, $8 principal, $9 actor, $10 user,
# $11 key, $12 permission, $13 request, $14 not before, $15 the entry. It writes what `Queries.enqueue` of pgqueuer
# would, in the same round trip and without its library: to load that takes half a second, too much for a request.
ASK = """
    WITH job AS (
        INSERT INTO jobs (tenant_id, id, type, description, arguments, total_steps, attempts_max, created_by,
            creator, user_id, key_id, permission, request_id, not_before)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, coalesce($14, now()))
        RETURNING not_before
    )
    INSERT INTO queue.pgqueuer (priority, entrypoint, payload, execute_after, status)
    SELECT 0, 'job', $15, greatest(not_before, now()), 'queued' FROM job
"""
# $1 to $13 as above, $14 result, $15 error.
RECORD = """
    INSERT INTO jobs (tenant_id, id, type, description, arguments, total_steps, attempts_max, created_by, creator,
        user_id, key_id, permission, request_id, not_before, result, error, state, attempt, completed_steps,
        started_at, completed_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, now(), $14, $15,
        CASE WHEN $15::text IS NULL THEN 'SUCCEEDED' ELSE 'FAILED' END, 1,
        CASE WHEN $15::text IS NULL THEN $6 ELSE 0 END, now(), clock_timestamp())
"""


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What a job is to do."""

    id: UUID
    type: str
    description: str
    arguments: Mapping[str, Any]
    total_steps: int = 1
    attempts_max: int = ATTEMPTS_MAX
    not_before: datetime | None = None


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """What wakes a worker: it reads the rest behind the tenant's walls."""

    tenant_id: UUID
    job_id: UUID


async def enqueue(driver: Driver, act: Act, asked: Asked) -> None:
    """Write the job down and have the workers told with the commit; a rollback leaves neither."""
    entry = entry_of(act.tenant_id, asked.id)
    await driver.execute(ASK, *_columns(act, asked), asked.not_before, entry)


def entry_of(tenant_id: UUID, job_id: UUID) -> bytes:
    """What an entry of the queue holds: nothing of the tenant's but these ids."""
    return exact_json.encode(Entry(tenant_id=tenant_id, job_id=job_id))


async def record(
    driver: Driver, act: Act, asked: Asked, *, result: Mapping[str, Any] | None, error: str | None
) -> None:
    """Write down, as a job that has ended, what was done at once."""
    body = None if result is None else exact_json.encode(result).decode()
    await driver.execute(RECORD, *_columns(act, asked), body, error and error[:ERROR_LONGEST])


def _columns(act: Act, asked: Asked) -> tuple[object, ...]:
    return (
        act.tenant_id,
        asked.id,
        asked.type,
        asked.description,
        exact_json.encode(asked.arguments).decode(),
        asked.total_steps,
        asked.attempts_max,
        act.caller.principal_id,
        act.caller.actor,
        act.caller.user_id,
        act.caller.key_id,
        act.permission,
        act.request_id,
    )
