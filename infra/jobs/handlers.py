"""What a tenant's schedule has done: each type of job, idempotent or finished with its effects."""

from collections.abc import Mapping

from domain.jobs.ports import JobHandler
from infra.db.pool import Database


def system_handlers(database: Database) -> Mapping[str, JobHandler]:
    """The handlers of the regular work."""
    return {}
