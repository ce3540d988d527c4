"""Background jobs."""

from sqlalchemy import CheckConstraint, Column, Index, Integer, text
from sqlalchemy.dialects.postgresql import JSONB

from infra.db.tables.base import (
    TIMESTAMP,
    bookkeeping,
    flag,
    identifier,
    of_tenant,
    one_of,
    reference,
    tenant_table,
    words,
)

jobs = tenant_table(
    "jobs",
    identifier(),
    *words("type", 64),
    *words("description", 2000),
    *one_of("state", "QUEUED", "RUNNING", "SUCCEEDED", "FAILED", "CANCELED", default="QUEUED"),
    Column("arguments", JSONB, nullable=False),
    Column("completed_steps", Integer, nullable=False, server_default=text("0")),
    Column("total_steps", Integer, nullable=False, server_default=text("1")),
    *words("current_step", 500, optional=True),
    CheckConstraint("completed_steps BETWEEN 0 AND total_steps", name="completed_steps_range"),
    Column("attempt", Integer, nullable=False, server_default=text("0")),
    Column("attempts_max", Integer, nullable=False),
    CheckConstraint("attempts_max BETWEEN 1 AND 100", name="attempts_max_range"),
    Column("result", JSONB),
    *words("error", 4000, optional=True),
    flag("is_dead", default=False),
    CheckConstraint("NOT is_dead OR state = 'FAILED'", name="dead_has_failed"),
    flag("cancel_requested", default=False),
    Column("retries", Integer, nullable=False, server_default=text("0")),
    reference("created_by"),
    *words("creator", 200),
    reference("user_id", optional=True),
    reference("key_id", optional=True),
    *words("permission", 64),
    *words("request_id", 128),
    Column("not_before", TIMESTAMP, nullable=False, server_default=text("now()")),
    Column("started_at", TIMESTAMP),
    Column("completed_at", TIMESTAMP),
    CheckConstraint(
        "(completed_at IS NULL) = (state IN ('QUEUED', 'RUNNING'))",
        name="ended_is_dated",
    ),
    *bookkeeping(),
    of_tenant(),
    Index("ix_jobs_tenant_id_created_by_id", "tenant_id", "created_by", "id"),
    Index("ix_jobs_tenant_id_state_id", "tenant_id", "state", "id"),
    Index("ix_jobs_tenant_id_type_id", "tenant_id", "type", "id"),
    Index("ix_jobs_dead", "tenant_id", "id", postgresql_where=text("is_dead")),
    Index(
        "ix_jobs_live",
        "tenant_id",
        "type",
        "id",
        postgresql_where=text("state = ANY (ARRAY['QUEUED'::text, 'RUNNING'::text])"),
    ),
)
