"""Put-away tasks: stock that waits to be brought to a bin, claimed until it is there."""

from sqlalchemy import CheckConstraint, Column, Index, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB

from infra.db.tables.base import (
    TIMESTAMP,
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

OPEN = "state IN ('PENDING', 'IN_PROGRESS')"
STRATEGIES = ("PREFERRED_BIN", "SAME_LOT", "SAME_PRODUCT", "EMPTY_IN_ZONE", "OVERFLOW", "REQUESTED")

put_away_tasks = tenant_table(
    "put_away_tasks",
    of_tenant(),
    identifier(),
    *words("number", 32),
    reference("location_id"),
    *one_of("state", "PENDING", "IN_PROGRESS", "COMPLETED", "CANCELED", default="PENDING"),
    reference("product_id"),
    reference("lot_id"),
    reference("from_line_id"),
    reference("from_bin_id"),
    *quantity("quantity"),
    *quantity("done_quantity", default="0"),
    CheckConstraint("quantity > 0 AND done_quantity <= quantity", name="done_within"),
    reference("claim_id", optional=True),
    CheckConstraint(f"({OPEN}) = (claim_id IS NOT NULL)", name="open_while_claimed"),
    reference("suggested_bin_id"),
    *one_of("strategy", *STRATEGIES),
    Column("explanation", JSONB, nullable=False, server_default=text("'{}'")),
    reference("to_bin_id", optional=True),
    *words("override_reason", 200, optional=True),
    reference("assignee_id", optional=True),
    reference("split_from_id", optional=True),
    reference("receipt_posting_id", optional=True),
    reference("actor_id", optional=True),
    *words("actor", 200, optional=True),
    Column("started_at", TIMESTAMP),
    Column("finished_at", TIMESTAMP),
    *bookkeeping(),
    within_tenant("location_id", to="locations"),
    within_tenant("product_id", "lot_id", to="lots", target=("product_id", "id")),
    within_tenant("from_line_id", to="stock_lines"),
    within_tenant("location_id", "from_bin_id", to="bins", target=("location_id", "id")),
    within_tenant("location_id", "suggested_bin_id", to="bins", target=("location_id", "id")),
    within_tenant("location_id", "to_bin_id", to="bins", target=("location_id", "id")),
    within_tenant("claim_id", to="reservations"),
    within_tenant("assignee_id", to="memberships", target=("user_id",)),
    within_tenant("split_from_id", to="put_away_tasks"),
    within_tenant("receipt_posting_id", to="postings"),
    UniqueConstraint("tenant_id", "number"),
    Index("ix_put_away_tasks_tenant_id_location_id_id", "tenant_id", "location_id", "id"),
    Index("ix_put_away_tasks_tenant_id_state_id", "tenant_id", "state", "id"),
    Index(
        "ix_put_away_tasks_assignee",
        "tenant_id",
        "assignee_id",
        "id",
        postgresql_where=text("assignee_id IS NOT NULL"),
    ),
    Index("ix_put_away_tasks_coming", "tenant_id", "suggested_bin_id", postgresql_where=text(OPEN)),
    Index("ix_put_away_tasks_of_product", "tenant_id", "product_id", "location_id", postgresql_where=text(OPEN)),
    Index(
        "ix_put_away_tasks_receipt",
        "tenant_id",
        "receipt_posting_id",
        postgresql_where=text("receipt_posting_id IS NOT NULL"),
    ),
)
