"""The end of a job, in the transaction of its effects."""

from collections.abc import Mapping
from typing import Any

from domain.jobs.model import Job
from domain.jobs.ports import JobCanceled, Superseded
from domain.values import exact_json
from infra.db.pool import Driver

# The row is locked from here to the commit: whoever takes the job up or cancels it then waits, and finds it done.
FINISH = """
    UPDATE jobs SET state = 'SUCCEEDED', result = $4, error = NULL, completed_at = clock_timestamp(),
        completed_steps = total_steps, current_step = NULL, version = version + 1, updated_at = now()
    WHERE tenant_id = $1 AND id = $2 AND attempt = $3 AND state = 'RUNNING' AND NOT cancel_requested
    RETURNING true
"""
IS_OURS = """
    SELECT cancel_requested FROM jobs WHERE tenant_id = $1 AND id = $2 AND attempt = $3 AND state = 'RUNNING'
"""


async def finish(driver: Driver, job: Job, result: Mapping[str, Any] | None) -> None:
    """Mark it as done, as the attempt that `job` tells of.

    Raises:
        JobCanceled: somebody asked for it to be canceled.
        Superseded: another attempt has taken over, or the job has ended.
    """
    body = None if result is None else exact_json.encode(result).decode()
    if await driver.fetchval(FINISH, job.tenant_id, job.id, job.attempt, body):
        return
    if await driver.fetchval(IS_OURS, job.tenant_id, job.id, job.attempt):
        raise JobCanceled
    raise Superseded
