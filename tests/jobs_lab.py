"""Jobs for tests: a tenant, workers in this process, and waiting for what becomes of a job."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import msgspec

from domain.access.model import Act, Permission
from domain.jobs.model import Job, JobState
from domain.jobs.ports import JobHandler
from infra.access.provision import create_tenant
from infra.access.store import SqlAccess
from infra.authz.lazy import LazyPolicy
from infra.db.pool import Database
from infra.db.work import SqlWork, beginning
from infra.jobs.actors import SqlActors, system_caller
from infra.jobs.attempts import SqlAttempts
from infra.jobs.rows import COLUMNS, job_of
from infra.jobs.runner import Runner
from infra.jobs.worker import JobWorker
from tests.lab import DatabaseUrls

PATIENCE = 60.0


class Shop(msgspec.Struct, frozen=True, kw_only=True):
    """A tenant, and the pool of one process."""

    database: Database
    urls: DatabaseUrls
    tenant_id: UUID
    slug: str = "jobs"

    @property
    def act(self) -> Act:
        return Act(
            caller=system_caller(self.tenant_id),
            permission=Permission.ADMIN_SETTINGS,
            operation="test",
            request_id="test",
        )

    async def ask(self, type_: str, arguments: Mapping[str, Any] | None = None, **more: Any) -> UUID:
        async with beginning(self.database, SqlWork)(self.act) as work:
            return await work.enqueue(type_, arguments or {}, description=type_, **more)

    async def job(self, job_id: UUID) -> Job:
        async with self.database.bound(self.tenant_id) as driver:
            row = await driver.fetchrow(
                f"SELECT {COLUMNS} FROM jobs WHERE tenant_id = $1 AND id = $2",
                self.tenant_id,
                job_id,
            )
        assert row is not None
        return job_of(row)

    async def jobs(self) -> list[Job]:
        async with self.database.bound(self.tenant_id) as driver:
            rows = await driver.fetch(f"SELECT {COLUMNS} FROM jobs WHERE tenant_id = $1", self.tenant_id)
        return [job_of(row) for row in rows]

    async def until(self, job_id: UUID, *states: JobState) -> Job:
        """The job once it is in one of the states; without any, once it has ended."""
        async with asyncio.timeout(PATIENCE):
            while True:
                job = await self.job(job_id)
                if job.state in states or (not states and job.state.is_final):
                    return job
                await asyncio.sleep(0.02)

    async def entries(self) -> int:
        async with self.database.unbound() as driver:
            count: int = await driver.fetchval("SELECT count(*) FROM queue.pgqueuer")
            return count

    async def until_empty(self) -> None:
        """Until the queue holds nothing."""
        async with asyncio.timeout(PATIENCE):
            while await self.entries():  # noqa: ASYNC110 - the last word is the database's
                await asyncio.sleep(0.02)

    def worker(self, handlers: Mapping[str, JobHandler], **options: Any) -> JobWorker:
        policy = LazyPolicy(SqlAccess(self.database))
        runner = Runner(SqlAttempts(self.database), SqlActors(self.database, policy), handlers)
        return JobWorker(self.urls.app_url, runner, **options)

    @asynccontextmanager
    async def working(self, handlers: Mapping[str, JobHandler], **options: Any) -> AsyncGenerator[JobWorker]:
        worker = self.worker(handlers, **options)
        await worker.start()
        try:
            yield worker
        finally:
            await worker.stop()


@asynccontextmanager
async def a_shop(urls: DatabaseUrls, slug: str = "jobs") -> AsyncGenerator[Shop]:
    database = await Database.connect(urls.app_url)
    try:
        tenant_id = await create_tenant(urls.admin_url, slug, slug)
        yield Shop(database=database, urls=urls, tenant_id=tenant_id, slug=slug)
    finally:
        await database.close()
