"""Field mappings of keys, and records that were set to nothing before anything stood there."""

from sqlalchemy import Column, Index, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB

from infra.db.tables.base import TIMESTAMP, bookkeeping, identifier, reference, tenant_table, within_tenant

field_mappings = tenant_table(
    "field_mappings",
    reference("key_id"),
    Column("mapping", JSONB, nullable=False),
    *bookkeeping(),
    within_tenant("key_id", to="api_keys"),
    key=("key_id",),
)
empty_records = tenant_table(
    "empty_records",
    identifier(),
    reference("product_id"),
    reference("location_id"),
    reference("bin_id"),
    Column("created_at", TIMESTAMP, nullable=False, server_default=text("now()")),
    UniqueConstraint("tenant_id", "bin_id", "product_id"),
    within_tenant("product_id", to="products"),
    within_tenant("location_id", "bin_id", to="bins", target=("location_id", "id")),
    Index("ix_empty_records_tenant_id_product_id", "tenant_id", "product_id"),
    Index("ix_empty_records_tenant_id_location_id_id", "tenant_id", "location_id", "id"),
)
