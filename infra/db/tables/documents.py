"""What documents share: numbers of their own, and a history that is only added to."""

from sqlalchemy import BigInteger, Column, Index, text
from sqlalchemy.dialects.postgresql import JSONB

from infra.db.tables.base import TIMESTAMP, identifier, of_tenant, reference, tenant_table, words

document_numbers = tenant_table(
    "document_numbers",
    of_tenant(),
    *words("type", 32),
    Column("last", BigInteger, nullable=False),
    key=("type",),
)
document_history = tenant_table(
    "document_history",
    of_tenant(),
    identifier(),
    *words("type", 32),
    reference("document_id"),
    *words("action", 64),
    *words("from_state", 32, optional=True),
    *words("to_state", 32),
    reference("actor_id", optional=True),
    *words("actor", 200, optional=True),
    reference("on_behalf_of", optional=True),
    *words("comment", 2000, optional=True),
    Column("details", JSONB, nullable=False, server_default=text("'{}'")),
    Column("recorded_at", TIMESTAMP, nullable=False, server_default=text("clock_timestamp()")),
    Index("ix_document_history_tenant_id_document_id_id", "tenant_id", "document_id", "id"),
)
