"""Background jobs: `/api/jobs`."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal, Protocol
from uuid import UUID

from litestar import Controller
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter, SkipValidation

from app.http.acts import Begin, Work, once
from app.http.paging import Pagination
from app.http.routes import route
from app.http.wire import Answer, Body, Json, Version
from app.session_api.catalog import DEFAULT_LIMIT, Cursor, Limit, PageAt, asked, listed
from domain.access.model import Act, Permission
from domain.catalog.views import Page
from domain.errors import Reason
from domain.jobs.model import Job, JobState
from domain.jobs.rules import JobAction
from domain.jobs.service import (
    JobFilter,
    JobReads,
    JobWork,
    allowed,
    cancel_job,
    retry_job,
    whose,
)

# Plain, as the framework does not look into `type` aliases of parameters.
Status = Literal["QUEUED", "RUNNING", "SUCCEEDED", "FAILED", "CANCELED"]
TypeName = Annotated[str | None, QueryParameter(name="type", min_length=1, max_length=64)]
Dead = Annotated[
    bool | None, QueryParameter(name="dead", description="Only those given up after their last attempt.")
]
CHANGING = (Reason.NOT_FOUND, Reason.STALE_VERSION, Reason.INVALID_TRANSITION)


class JobUnit(JobWork, Work, Protocol):
    """The unit of work as the HTTP layer needs it, with idempotency."""


type BeginJobs = Begin[JobUnit]


class JobProgress(Answer, frozen=True, kw_only=True):
    completed_steps: int
    total_steps: int
    current_step: str | None


class JobAnswer(Answer, frozen=True, kw_only=True):
    """`attempt` of `attemptsMax`; `dead` was given up after the last. `error` is what the last one ended with."""

    id: UUID
    type: str
    description: str
    status: JobState
    dead: bool
    progress: JobProgress
    attempt: int
    attempts_max: int
    result: Mapping[str, Any] | None
    error: str | None
    cancel_requested: bool
    created_by: UUID
    creator: str
    created_at: datetime
    not_before: datetime
    started_at: datetime | None
    completed_at: datetime | None
    version: int
    allowed_actions: Sequence[JobAction]


class JobData(Answer, frozen=True, kw_only=True):
    data: JobAnswer


class JobList(Answer, frozen=True, kw_only=True):
    data: Sequence[JobAnswer]
    pagination: Pagination


class ChangeJob(Body, frozen=True, kw_only=True):
    """`expectedVersion`: only if nothing has happened to the job since."""

    expected_version: Version | None = None


class JobController(Controller):
    path = "/api/jobs"
    tags: Sequence[str] | None = ("Jobs",)

    @route(
        "GET",
        "/",
        operation="listJobs",
        summary="List background jobs",
        permissions=Permission.INVENTORY_READ,
        description="The newest first: the caller's own; with `admin.settings` at all locations, everybody's and "
        "those of the tenant's schedule. `dead=true` is the list of what was given up and waits for a retry. "
        "What has ended is kept for the setting `jobRetentionDays`.",
        query={"dead": True, "limit": 10},
    )
    async def browse(
        self,
        *,
        act: NamedDependency[SkipValidation[Act]],
        job_reads: NamedDependency[SkipValidation[JobReads]],
        status: FromQuery[Status | None] = None,
        type_name: FromQuery[TypeName] = None,
        dead: FromQuery[Dead] = None,
        page: PageAt = None,
        limit: Limit = DEFAULT_LIMIT,
        cursor: Cursor = None,
    ) -> Json[JobList]:
        wanted = asked(sort="-createdAt", page=page, limit=limit, cursor=cursor)
        filters = JobFilter(
            created_by=whose(act),
            state=None if status is None else JobState(status),
            type=type_name,
            is_dead=dead or None,
        )
        found = await job_reads.page(act.tenant_id, filters, wanted.window)
        items = [told(job, act) for job in found.items]
        return Json(listed(JobList, wanted, Page(items=items, total=found.total, next_after=found.next_after)))

    @route(
        "GET",
        "/{job_id:uuid}",
        operation="getJob",
        summary="Get a background job",
        permissions=Permission.INVENTORY_READ,
        description="How far it is, and what came of it.",
        errors=[Reason.NOT_FOUND],
    )
    async def read(
        self,
        *,
        job_id: FromPath[UUID],
        act: NamedDependency[SkipValidation[Act]],
        job_reads: NamedDependency[SkipValidation[JobReads]],
    ) -> Json[JobData]:
        job = await job_reads.one(act.tenant_id, job_id, created_by=whose(act))
        return Json(JobData(data=told(job, act)))

    @route(
        "POST",
        "/{job_id:uuid}/cancel",
        operation="cancelJob",
        summary="Cancel a background job",
        permissions=Permission.INVENTORY_READ,
        description="One that waits ends at once. One that runs ends with its next step, and what it has not "
        "committed by then is undone: look at it again.",
        errors=CHANGING,
        example={"expectedVersion": 1},
    )
    async def cancel(
        self,
        *,
        job_id: FromPath[UUID],
        data: JSONBody[ChangeJob],
        act: NamedDependency[SkipValidation[Act]],
        begin_jobs: NamedDependency[SkipValidation[BeginJobs]],
    ) -> Json[JobData]:
        async def do(work: JobUnit) -> JobData:
            job = await cancel_job(work, act=act, job_id=job_id, expected_version=data.expected_version)
            return JobData(data=told(job, act))

        return await once(begin_jobs, act, do)

    @route(
        "POST",
        "/{failed_job_id:uuid}/retry",
        operation="retryJob",
        summary="Retry a background job that has failed",
        permissions=Permission.INVENTORY_READ,
        description="With all its attempts before it again, in the name of who asked for it; who retries their "
        "own must still hold the permission that they asked with.",
        errors=CHANGING,
        example={"expectedVersion": 1},
    )
    async def retry(
        self,
        *,
        failed_job_id: FromPath[UUID],
        data: JSONBody[ChangeJob],
        act: NamedDependency[SkipValidation[Act]],
        begin_jobs: NamedDependency[SkipValidation[BeginJobs]],
    ) -> Json[JobData]:
        async def do(work: JobUnit) -> JobData:
            job = await retry_job(work, act=act, job_id=failed_job_id, expected_version=data.expected_version)
            return JobData(data=told(job, act))

        return await once(begin_jobs, act, do)


def told(job: Job, act: Act) -> JobAnswer:
    """A job as its caller is shown it."""
    return JobAnswer(
        id=job.id,
        type=job.type,
        description=job.description,
        status=job.state,
        dead=job.is_dead,
        progress=JobProgress(
            completed_steps=job.completed_steps, total_steps=job.total_steps, current_step=job.current_step
        ),
        attempt=job.attempt,
        attempts_max=job.attempts_max,
        result=job.result,
        error=job.error,
        cancel_requested=job.cancel_requested,
        created_by=job.created_by,
        creator=job.creator,
        created_at=job.created_at,
        not_before=job.not_before,
        started_at=job.started_at,
        completed_at=job.completed_at,
        version=job.version,
        allowed_actions=allowed(job, act),
    )
