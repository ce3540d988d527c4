"""pgqueuer as we use it: its tables stand in the schema `queue`, and an entry names a tenant and a job."""

from datetime import timedelta
from functools import cache
from uuid import UUID

import msgspec
from pgqueuer.adapters.drivers.asyncpg import AsyncpgDriver
from pgqueuer.adapters.persistence.qb import QueryBuilderEnvironment, QueryQueueBuilder, QuerySchedulerBuilder
from pgqueuer.adapters.persistence.queries import Queries
from pgqueuer.domain.settings import DBSettings

from infra.db.pool import Driver

ENTRYPOINT = "job"
CHANNEL = "storekeeper_jobs"


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """What an entry of the queue holds: nothing of the tenant's but these ids."""

    tenant_id: UUID
    job_id: UUID


_encoder = msgspec.json.Encoder()


@cache
def settings() -> DBSettings:
    """Every name is given, so that no variable of the environment changes where we look."""
    return DBSettings(
        prefix="",
        db_schema="queue",
        channel=CHANNEL,
        function="fn_pgqueuer_changed",
        statistics_table="pgqueuer_statistics",
        queue_status_type="pgqueuer_status",
        queue_table="pgqueuer",
        queue_table_log="pgqueuer_log",
        trigger="tg_pgqueuer_changed",
        schedules_table="pgqueuer_schedules",
    )


def queries[Q: Queries](connection: Driver, kind: type[Q]) -> Q:
    return kind(
        AsyncpgDriver(connection),  # type: ignore[arg-type] # a pool's proxy does all that a connection does
        QueryBuilderEnvironment(settings()),
        QueryQueueBuilder(settings()),
        QuerySchedulerBuilder(settings()),
    )


async def entered(driver: Driver, tenant_id: UUID, job_id: UUID, wait: timedelta) -> None:
    """Put an entry into the queue, within the driver's transaction."""
    payload = _encoder.encode(Entry(tenant_id=tenant_id, job_id=job_id))
    await queries(driver, Queries).enqueue(ENTRYPOINT, payload, execute_after=wait)
