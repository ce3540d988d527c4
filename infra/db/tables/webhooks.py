"""Webhooks, their secrets, how far each has come, and what was delivered or was not."""

from sqlalchemy import BigInteger, CheckConstraint, Column, Index, Integer, Text, UniqueConstraint, Uuid, text
from sqlalchemy.dialects.postgresql import ARRAY

from infra.db.tables.base import (
    TIMESTAMP,
    bookkeeping,
    flag,
    identifier,
    of_tenant,
    one_of,
    reference,
    tenant_table,
    within_tenant,
    words,
)

_NOW = text("now()")


def _count(name: str) -> Column[object]:
    return Column(name, Integer, nullable=False, server_default=text("0"))


webhooks = tenant_table(
    "webhooks",
    identifier(),
    *words("url", 2000),
    *words("description", 500, optional=True),
    Column("types", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    Column("location_ids", ARRAY(Uuid)),
    *one_of("state", "ACTIVE", "PAUSED", default="ACTIVE"),
    Column("paused_reason", Text),
    CheckConstraint("paused_reason IN ('BY_HAND', 'FAILING', 'GONE', 'RIGHTS_LOST')", name="paused_reason_known"),
    CheckConstraint("(state = 'PAUSED') = (paused_reason IS NOT NULL)", name="paused_says_why"),
    Column("paused_at", TIMESTAMP),
    reference("user_id", optional=True),
    reference("key_id", optional=True),
    CheckConstraint("(user_id IS NULL) <> (key_id IS NULL)", name="one_maker"),
    *words("maker", 200),
    *bookkeeping(),
    of_tenant(),
)
webhook_secrets = tenant_table(
    "webhook_secrets",
    reference("webhook_id"),
    identifier(),
    *words("secret", 200),
    Column("ends_at", TIMESTAMP),
    Column("created_at", TIMESTAMP, nullable=False, server_default=_NOW),
    within_tenant("webhook_id", to="webhooks"),
    key=("webhook_id", "id"),
)
webhook_cursors = tenant_table(
    "webhook_cursors",
    reference("webhook_id"),
    Column("position", BigInteger, nullable=False),
    _count("failures"),
    Column("failing_since", TIMESTAMP),
    Column("resting_until", TIMESTAMP),
    Column("due_at", TIMESTAMP),
    flag("is_full", default=False),
    Column("attempted_at", TIMESTAMP),
    Column("delivered_at", TIMESTAMP),
    reference("lease_owner", optional=True),
    Column("lease_until", TIMESTAMP),
    within_tenant("webhook_id", to="webhooks"),
    key=("webhook_id",),
)
webhook_deliveries = tenant_table(
    "webhook_deliveries",
    reference("webhook_id"),
    Column("position", BigInteger, nullable=False),
    identifier(),
    *words("type", 100),
    *words("entity_type", 64),
    reference("entity_id"),
    Column("keys", ARRAY(Uuid), nullable=False),
    *one_of("state", "PENDING", "DEAD", default="PENDING"),
    _count("attempts"),
    Column("due_at", TIMESTAMP),
    Column("status", Integer),
    *words("error", 300, optional=True),
    Column("created_at", TIMESTAMP, nullable=False, server_default=_NOW),
    Column("updated_at", TIMESTAMP, nullable=False, server_default=_NOW),
    UniqueConstraint("tenant_id", "id"),
    within_tenant("webhook_id", to="webhooks"),
    Index("ix_webhook_deliveries_dead", "tenant_id", "updated_at", postgresql_where=text("state = 'DEAD'")),
    key=("webhook_id", "position"),
)
webhook_attempts = tenant_table(
    "webhook_attempts",
    reference("webhook_id"),
    identifier(),
    *words("message_id", 100),
    Column("position", BigInteger),
    *words("type", 100),
    *words("entity_type", 64, optional=True),
    reference("entity_id", optional=True),
    Column("attempt", Integer, nullable=False),
    *one_of("outcome", "DELIVERED", "FAILED", "DEAD", "GONE"),
    Column("status", Integer),
    *words("error", 300, optional=True),
    *words("response", 1000, optional=True),
    Column("duration_ms", Integer, nullable=False),
    Column("attempted_at", TIMESTAMP, nullable=False, server_default=text("clock_timestamp()")),
    within_tenant("webhook_id", to="webhooks"),
    key=("webhook_id", "id"),
)
