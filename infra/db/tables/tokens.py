"""Tokens of the import surface."""

from sqlalchemy import Column, Index, LargeBinary, UniqueConstraint

from infra.db.tables.base import TIMESTAMP, identifier, reference, tenant_table, within_tenant, words

tokens = tenant_table(
    "tokens",
    identifier(),
    reference("user_id"),
    Column("token_hash", LargeBinary, nullable=False),
    *words("last4", 4),
    Column("password_set_at", TIMESTAMP, nullable=False),
    *words("user_agent", 300, optional=True),
    Column("created_at", TIMESTAMP, nullable=False),
    Column("expires_at", TIMESTAMP, nullable=False),
    Column("used_at", TIMESTAMP),
    Column("revoked_at", TIMESTAMP),
    within_tenant("user_id", to="memberships", target=("user_id",)),
    UniqueConstraint("tenant_id", "token_hash"),
    Index("ix_tokens_token_hash", "token_hash"),
    Index("ix_tokens_tenant_id_user_id", "tenant_id", "user_id"),
)
