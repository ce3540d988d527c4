"""Tenants, people, what they may do, and what they prove it with."""

from sqlalchemy import (
    Column,
    Index,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from infra.db.tables.base import (
    TIMESTAMP,
    flag,
    identifier,
    metadata,
    of_tenant,
    reference,
    tenant_table,
    within_tenant,
    words,
)

# The two tables that belong to no tenant: a tenant is found by its slug, a person by the address.
tenants = Table(
    "tenants",
    metadata,
    identifier(),
    *words("slug", 63),
    *words("name", 200),
    Column("settings", JSONB, nullable=False, server_default=text("'{}'")),
    flag("is_active", default=True),
    Column("created_at", TIMESTAMP, nullable=False, server_default=text("now()")),
    PrimaryKeyConstraint("id"),
    UniqueConstraint("slug"),
)
users = Table(
    "users",
    metadata,
    identifier(),
    *words("email", 320),
    *words("name", 200),
    Column("password_hash", Text, nullable=False),
    flag("is_active", default=True),
    Column("created_at", TIMESTAMP, nullable=False, server_default=text("now()")),
    PrimaryKeyConstraint("id"),
    UniqueConstraint("email"),
)
memberships = tenant_table(
    "memberships",
    of_tenant(),
    reference("user_id"),
    flag("is_active", default=True),
    Column("created_at", TIMESTAMP, nullable=False, server_default=text("now()")),
    key=("user_id",),
)
roles = tenant_table(
    "roles",
    of_tenant(),
    *words("code", 63),
    *words("name", 200),
    Column("created_at", TIMESTAMP, nullable=False, server_default=text("now()")),
    key=("code",),
)
role_permissions = tenant_table(
    "role_permissions",
    Column("role", Text, nullable=False),
    *words("permission", 63),
    within_tenant("role", to="roles", target=("code",)),
    key=("role", "permission"),
)
grants = tenant_table(
    "grants",
    identifier(),
    reference("user_id"),
    *words("role", 63),
    reference("location_id", optional=True),
    Column("created_at", TIMESTAMP, nullable=False, server_default=text("now()")),
    within_tenant("user_id", to="memberships", target=("user_id",)),
    within_tenant("location_id", to="locations"),
    UniqueConstraint("tenant_id", "user_id", "role", "location_id", postgresql_nulls_not_distinct=True),
)
sessions = tenant_table(
    "sessions",
    identifier(),
    Column("token_hash", LargeBinary, nullable=False),
    reference("user_id"),
    Column("created_at", TIMESTAMP, nullable=False),
    Column("seen_at", TIMESTAMP, nullable=False),
    Column("expires_at", TIMESTAMP, nullable=False),
    Column("ended_at", TIMESTAMP),
    Column("user_agent", Text),
    within_tenant("user_id", to="memberships", target=("user_id",)),
    UniqueConstraint("tenant_id", "token_hash"),
    Index("ix_sessions_token_hash", "token_hash"),
    Index("ix_sessions_tenant_id_user_id", "tenant_id", "user_id"),
)
api_keys = tenant_table(
    "api_keys",
    of_tenant(),
    identifier(),
    *words("name", 200),
    Column("key_hash", LargeBinary, nullable=False),
    *words("prefix", 32),
    *words("last4", 4),
    Column("scopes", ARRAY(Text), nullable=False),
    Column("location_ids", ARRAY(Uuid)),
    reference("created_by", optional=True),
    Column("created_at", TIMESTAMP, nullable=False, server_default=text("now()")),
    Column("expires_at", TIMESTAMP),
    Column("revoked_at", TIMESTAMP),
    Column("used_at", TIMESTAMP),
    UniqueConstraint("tenant_id", "key_hash"),
    Index("ix_api_keys_key_hash", "key_hash"),
)
