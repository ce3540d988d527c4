"""Replenishment levels and records.

What a planner decides of a product at a location stands with its levels (`stock_levels`, catalog.py); here is what
was decided to be brought.
"""

from sqlalchemy import CheckConstraint, Column, Date, Index, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB

from infra.db.tables.base import (
    bookkeeping,
    identifier,
    of_tenant,
    one_of,
    quantity,
    reference,
    tenant_table,
    within_tenant,
    words,
)

replenishment_orders = tenant_table(
    "replenishment_orders",
    of_tenant(),
    identifier(),
    *words("number", 32),
    reference("location_id"),
    reference("product_id"),
    *quantity("quantity"),
    CheckConstraint("quantity > 0", name="quantity_wanted"),
    *one_of("method", "MIN_MAX", "REORDER_POINT", "EOQ", "DEMAND", "MANUAL"),
    *one_of("state", "OPEN", "TRIGGERED", "ORDERED", "TRANSFERRED", "CLOSED", "CANCELED", default="OPEN"),
    *one_of("source", "LOCATION", "SUPPLIER"),
    reference("source_location_id", optional=True),
    *words("supplier", 200, optional=True),
    Column("needed_on", Date),
    *words("note", 2000, optional=True),
    Column("reasoning", JSONB, nullable=False, server_default=text("'{}'")),
    reference("transfer_id", optional=True),
    reference("supply_id", optional=True),
    reference("actor_id", optional=True),
    *words("actor", 200, optional=True),
    *bookkeeping(),
    CheckConstraint(
        "(source = 'LOCATION') = (source_location_id IS NOT NULL) AND source_location_id <> location_id",
        name="source_named",
    ),
    within_tenant("location_id", to="locations"),
    within_tenant("product_id", to="products"),
    within_tenant("source_location_id", to="locations"),
    within_tenant("supply_id", to="supplies"),
    UniqueConstraint("tenant_id", "number"),
    Index("ix_replenishment_orders_tenant_id_location_id_id", "tenant_id", "location_id", "id"),
    Index("ix_replenishment_orders_tenant_id_product_id_id", "tenant_id", "product_id", "id"),
    Index("ix_replenishment_orders_state", "tenant_id", "state", "id"),
    Index(
        "ix_replenishment_orders_of_transfer",
        "tenant_id",
        "transfer_id",
        postgresql_where=text("transfer_id IS NOT NULL"),
    ),
    Index(
        "uq_replenishment_orders_open",
        "tenant_id",
        "location_id",
        "product_id",
        unique=True,
        postgresql_where=text("state IN ('OPEN', 'TRIGGERED')"),
    ),
)
