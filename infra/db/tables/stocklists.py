"""Stocklists, and what of stock requests is counted for those who look at many of them."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Date,
    Index,
    Integer,
    Numeric,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from infra.db.tables.base import (
    TIMESTAMP,
    bookkeeping,
    flag,
    identifier,
    of_tenant,
    one_of,
    quantity,
    reference,
    tenant_table,
    within_tenant,
    words,
)
from infra.db.tables.stock_requests import stock_request_lines, stock_requests

stocklists = tenant_table(
    "stocklists",
    identifier(),
    *words("code", 64),
    *words("name", 200),
    reference("origin_location_id"),
    reference("destination_location_id"),
    *one_of("mode", "PUSH", "PULL"),
    Column("review_period_days", Integer),
    CheckConstraint("review_period_days BETWEEN 1 AND 366", name="review_period_days_range"),
    flag("is_active", default=True),
    Column("generated_at", TIMESTAMP),
    *bookkeeping(),
    CheckConstraint("origin_location_id <> destination_location_id", name="ends_differ"),
    within_tenant("origin_location_id", to="locations"),
    within_tenant("destination_location_id", to="locations"),
    UniqueConstraint("tenant_id", "code"),
    Index("ix_stocklists_tenant_id_origin_location_id", "tenant_id", "origin_location_id"),
    Index("ix_stocklists_tenant_id_destination_location_id", "tenant_id", "destination_location_id"),
)
stocklist_lines = tenant_table(
    "stocklist_lines",
    reference("stocklist_id"),
    reference("product_id"),
    Column("position", Integer, nullable=False),
    *quantity("maximum"),
    *quantity("minimum", optional=True),
    *quantity("pack_multiple", optional=True),
    within_tenant("stocklist_id", to="stocklists"),
    within_tenant("product_id", to="products"),
    Index("ix_stocklist_lines_tenant_id_product_id", "tenant_id", "product_id"),
    key=("stocklist_id", "product_id"),
)
stock_request_counts = tenant_table(
    "stock_request_counts",
    of_tenant(),
    *one_of("measure", "STATE", "REQUESTER", "CATEGORY", "SUBMITTED", "ISSUED", "RECEIVED"),
    reference("origin_location_id"),
    reference("destination_location_id"),
    Column("state", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("day", Date, nullable=False),
    reference("ref"),
    Column("requests", BigInteger, nullable=False),
    Column("amount", Numeric(30, 4), nullable=False),
    Column("other", Numeric(30, 4), nullable=False),
    key=("measure", "day", "origin_location_id", "destination_location_id", "state", "type", "ref"),
)
stock_request_counted = tenant_table(
    "stock_request_counted",
    reference("request_id"),
    Column("cells", JSONB, nullable=False),
    within_tenant("request_id", to="stock_requests"),
    key=("request_id",),
)
stock_request_categories = tenant_table(
    "stock_request_categories",
    reference("category_id"),
    reference("request_id"),
    within_tenant("request_id", to="stock_requests"),
    Index("ix_stock_request_categories_tenant_id_request_id", "tenant_id", "request_id"),
    key=("category_id", "request_id"),
)

# What the lists of stock requests are sorted and narrowed by.
_requests = stock_requests.c
Index(
    "ix_stock_requests_deadline",
    _requests.tenant_id,
    _requests.deadline_at,
    _requests.id,
    postgresql_where=text("state = 'PENDING_APPROVAL' AND deadline_at IS NOT NULL"),
)
Index(
    "ix_stock_requests_needed",
    _requests.tenant_id,
    _requests.needed_by,
    _requests.id,
    postgresql_where=text("state IN ('PENDING_APPROVAL', 'APPROVED', 'PICKING') AND needed_by IS NOT NULL"),
)
Index(
    "ix_stock_requests_submitted",
    _requests.tenant_id,
    _requests.submitted_at,
    _requests.id,
    postgresql_where=text("submitted_at IS NOT NULL AND NOT is_deleted"),
)
Index("ix_stock_requests_created", _requests.tenant_id, _requests.id, postgresql_where=text("NOT is_deleted"))
Index(
    "ix_stock_requests_of_stocklist",
    _requests.tenant_id,
    _requests.stocklist_id,
    _requests.id,
    postgresql_where=text("stocklist_id IS NOT NULL"),
)
_lines = stock_request_lines.c
Index(
    "ix_stock_request_lines_open",
    _lines.tenant_id,
    _lines.product_id,
    _lines.request_id,
    postgresql_where=text("open > 0"),
)
