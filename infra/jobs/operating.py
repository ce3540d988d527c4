"""Jobs from the command line."""

from collections.abc import Sequence
from uuid import UUID

from domain.catalog.views import Window
from domain.errors import FieldError, not_found
from domain.jobs.model import Job, JobState
from domain.jobs.service import JobFilter
from infra.access.provision import find_tenant
from infra.db.pool import Database
from infra.jobs.regular import REGULAR
from infra.jobs.schedules import ask_for
from infra.jobs.work import SqlJobReads


async def list_jobs(
    app_url: str, admin_url: str, *, tenant: str, state: str | None, dead: bool, limit: int
) -> Sequence[Job]:
    """A tenant's jobs, the newest first."""
    tenant_id = await _tenant(admin_url, tenant)
    wanted = JobFilter(state=None if state is None else JobState(state), is_dead=dead or None)
    database = await Database.connect(app_url, size=1)
    try:
        page = await SqlJobReads(database).page(tenant_id, wanted, Window(sort="-createdAt", limit=limit, page=1))
    finally:
        await database.close()
    return page.items


async def run_job(app_url: str, admin_url: str, *, tenant: str, type_: str) -> UUID:
    """Ask for regular work now.

    Raises:
        FieldError: there is no such type.
    """
    work = next((one for one in REGULAR if one.type == type_), None)
    if work is None:
        raise FieldError(("type", f"must be one of {', '.join(one.type for one in REGULAR)}"))
    tenant_id = await _tenant(admin_url, tenant)
    database = await Database.connect(app_url, size=1)
    try:
        async with database.transaction(tenant_id) as driver:
            return await ask_for(driver, tenant_id, work)
    finally:
        await database.close()


async def _tenant(admin_url: str, slug: str) -> UUID:
    found = await find_tenant(admin_url, slug)
    if found is None:
        raise not_found("tenant", tenant=slug)
    return found
