"""What somebody does with a job that is there: stop it, or have it tried again."""

from typing import Protocol
from uuid import UUID

import msgspec

from domain.access.model import Act
from domain.catalog.views import Page, Window
from domain.errors import DomainError, Reason, not_found
from domain.jobs.model import Job, JobState
from domain.jobs.rules import WORKFLOW, JobAction, JobFacts, sees_all


class JobWork(Protocol):
    """One transaction upon a job."""

    async def job_for_change(self, job_id: UUID) -> Job | None:
        """The job, held until the transaction ends."""
        ...

    async def cancel(self, job: Job) -> Job:
        """End what waits; ask what runs to stop."""
        ...

    async def try_again(self, job: Job) -> Job:
        """Put it back into the queue, with its attempts before it."""
        ...


class JobFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which jobs to list; None is any."""

    created_by: UUID | None = None
    state: JobState | None = None
    type: str | None = None
    is_dead: bool | None = None


class JobReads(Protocol):
    """Jobs to read."""

    async def page(self, tenant_id: UUID, wanted: JobFilter, window: Window) -> Page[Job]:
        """The newest first."""
        ...

    async def one(self, tenant_id: UUID, job_id: UUID, *, created_by: UUID | None) -> Job:
        """A job, if it is of who is named; None is anybody.

        Raises:
            DomainError: NOT_FOUND.
        """
        ...


def whose(act: Act) -> UUID | None:
    """Whose jobs a caller is shown: their own; None, everybody's, to who administers the tenant."""
    return None if sees_all(act.caller) else act.caller.principal_id


async def cancel_job(work: JobWork, *, act: Act, job_id: UUID, expected_version: int | None) -> Job:
    """Stop a job: at once if it waits, else with its next step; whatever it has not committed is undone.

    Raises:
        DomainError: NOT_FOUND, STALE_VERSION; INVALID_TRANSITION, it has ended.
    """
    job = await _held(work, act, job_id, expected_version)
    WORKFLOW.require(job.state, JobAction.CANCEL, JobFacts(caller=act.caller, job=job))
    return job if job.cancel_requested else await work.cancel(job)


async def retry_job(work: JobWork, *, act: Act, job_id: UUID, expected_version: int | None) -> Job:
    """Have a job that has failed tried again, in the name of who asked for it.

    Raises:
        DomainError: NOT_FOUND, STALE_VERSION, PERMISSION_DENIED; INVALID_TRANSITION, it has not failed.
    """
    job = await _held(work, act, job_id, expected_version)
    WORKFLOW.require(job.state, JobAction.RETRY, JobFacts(caller=act.caller, job=job))
    return await work.try_again(job)


def allowed(job: Job, act: Act) -> list[JobAction]:
    """What this caller may do with it now."""
    if job.state is JobState.RUNNING and job.cancel_requested:
        return []
    return WORKFLOW.allowed(job.state, JobFacts(caller=act.caller, job=job))


async def _held(work: JobWork, act: Act, job_id: UUID, expected_version: int | None) -> Job:
    job = await work.job_for_change(job_id)
    if job is None or whose(act) not in {None, job.created_by}:
        raise not_found("job")
    if expected_version is not None and expected_version != job.version:
        raise DomainError(
            Reason.STALE_VERSION,
            "The job has changed since you read it",
            expected=expected_version,
            actual=job.version,
        )
    return job
