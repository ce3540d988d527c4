"""What somebody does with a job, in a transaction of their own; and the jobs to read."""

from functools import lru_cache
from uuid import UUID

import msgspec

from domain.catalog.views import Page, Window
from domain.errors import FieldError, not_found
from domain.jobs.model import ATTEMPTS_MAX, Job
from domain.jobs.service import JobFilter
from infra.catalog.queries import LIMITS
from infra.db.pool import Database
from infra.db.work import SqlWork
from infra.jobs.attempts import ATTEMPTS_LIMIT
from infra.jobs.enqueueing import entry_of
from infra.jobs.rows import COLUMNS, job_of

FOR_CHANGE = f"SELECT {COLUMNS} FROM jobs WHERE tenant_id = $1 AND id = $2 FOR UPDATE"  # noqa: S608 - ours
CANCEL = f"""
    UPDATE jobs SET cancel_requested = true, version = version + 1, updated_at = now(),
        state = CASE state WHEN 'QUEUED' THEN 'CANCELED' ELSE state END,
        completed_at = CASE state WHEN 'QUEUED' THEN clock_timestamp() END
    WHERE tenant_id = $1 AND id = $2 RETURNING {COLUMNS}
"""  # noqa: S608 - ours
TRY_AGAIN = f"""
    WITH job AS (
        UPDATE jobs SET state = 'QUEUED', attempts_max = least(attempt + $3, $4), retries = retries + 1,
            is_dead = false, cancel_requested = false, not_before = now(), completed_at = NULL,
            version = version + 1, updated_at = now()
        WHERE tenant_id = $1 AND id = $2 RETURNING {COLUMNS}
    ), entry AS (
        INSERT INTO queue.pgqueuer (priority, entrypoint, payload, status)
        SELECT 0, 'job', $5, 'queued' FROM job
    )
    SELECT * FROM job
"""  # noqa: S608 - ours
ONE = f"""
    SELECT {COLUMNS} FROM jobs WHERE tenant_id = $1 AND id = $2 AND ($3::uuid IS NULL OR created_by = $3)
"""  # noqa: S608 - ours
FILTERS = {
    "created_by": "created_by = {}::uuid",
    "state": "state = {}::text",
    "type": "type = {}::text",
    "is_dead": "is_dead AND {}::boolean",  # so that the index of the dead serves
}


class JobSqlWork(SqlWork):
    """The `JobWork` port."""

    async def job_for_change(self, job_id: UUID) -> Job | None:
        row = await self.driver.fetchrow(FOR_CHANGE, self.act.tenant_id, job_id)
        return None if row is None else job_of(row)

    async def cancel(self, job: Job) -> Job:
        return job_of(await self.driver.fetchrow(CANCEL, job.tenant_id, job.id))

    async def try_again(self, job: Job) -> Job:
        entry = entry_of(job.tenant_id, job.id)
        row = await self.driver.fetchrow(TRY_AGAIN, job.tenant_id, job.id, ATTEMPTS_MAX, ATTEMPTS_LIMIT, entry)
        return job_of(row)


class SqlJobReads:
    """The `JobReads` port: the newest first."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(self, tenant_id: UUID, wanted: JobFilter, window: Window) -> Page[Job]:
        given = {name: value for name, value in msgspec.structs.asdict(wanted).items() if value is not None}
        place = (window.page - 1) * window.limit if window.after is None else _id_in(window)
        statement = _page_sql(
            tuple(given),
            is_after=window.after is not None,
            limit=next(size for size in LIMITS if size > window.limit),
        )
        async with self._database.bound(tenant_id) as driver:
            rows = await driver.fetch(statement, tenant_id, *given.values(), place)
        shown = [row for row in rows if row["id"] is not None]
        jobs = [job_of(row) for row in shown[: window.limit]]
        more = len(shown) > window.limit
        total = rows[0]["total"] if window.after is None else None
        return Page(items=jobs, total=total, next_after=[str(jobs[-1].id)] if more else None)

    async def one(self, tenant_id: UUID, job_id: UUID, *, created_by: UUID | None) -> Job:
        async with self._database.bound(tenant_id) as driver:
            row = await driver.fetchrow(ONE, tenant_id, job_id, created_by)
        if row is None:
            raise not_found("job")
        return job_of(row)


@lru_cache(maxsize=64)
def _page_sql(filters: tuple[str, ...], *, is_after: bool, limit: int) -> str:
    conditions = "".join(f" AND {FILTERS[name].format(f'${n}')}" for n, name in enumerate(filters, start=2))
    n = len(filters) + 2
    where = f"tenant_id = $1{conditions}"
    if is_after:
        return f"SELECT {COLUMNS} FROM jobs WHERE {where} AND id < ${n}::uuid ORDER BY id DESC LIMIT {limit}"  # noqa: S608
    # One row at least, so that the total of a page beyond the end is known, too.
    return f"""
        SELECT t.total, j.* FROM (SELECT count(*) AS total FROM jobs WHERE {where}) t
        LEFT JOIN LATERAL (
            SELECT {COLUMNS} FROM jobs WHERE {where} ORDER BY id DESC LIMIT {limit} OFFSET ${n}
        ) j ON true
        ORDER BY j.id DESC
    """  # noqa: S608 - ours


def _id_in(window: Window) -> UUID:
    try:
        (id_,) = msgspec.convert(list(window.after or ()), tuple[UUID])
    except msgspec.ValidationError:
        raise FieldError(("cursor", "is not a cursor of this list")) from None
    return id_
