"""ABC classes, due dates and tasks of counting."""

from sqlalchemy import BigInteger, Boolean, CheckConstraint, Column, Date, Index, Integer, Numeric, text

from infra.db.tables.base import (
    TIMESTAMP,
    bookkeeping,
    identifier,
    one_of,
    reference,
    tenant_table,
    within_tenant,
    words,
)
from infra.db.tables.ledger import movements

PERCENT = Numeric(7, 4)
AMOUNT = Numeric(30, 4)

abc_runs = tenant_table(
    "abc_runs",
    identifier(),
    reference("location_id"),
    *one_of("measure", "VALUE", "VELOCITY", "QUANTITY"),
    Column("from_day", Date, nullable=False),
    Column("to_day", Date, nullable=False),
    CheckConstraint("from_day <= to_day", name="days_in_order"),
    Column("threshold_a", PERCENT, nullable=False),
    Column("threshold_b", PERCENT, nullable=False),
    CheckConstraint(
        "0 <= threshold_a AND threshold_a <= threshold_b AND threshold_b <= 100", name="thresholds_in_order"
    ),
    Column("total", AMOUNT, nullable=False),
    Column("products", Integer, nullable=False),
    Column("position", BigInteger, nullable=False),
    reference("actor_id", optional=True),
    *words("actor", 200, optional=True),
    Column("created_at", TIMESTAMP, nullable=False, server_default=text("now()")),
    within_tenant("location_id", to="locations"),
    Index("ix_abc_runs_tenant_id_location_id_id", "tenant_id", "location_id", "id"),
)
abc_run_lines = tenant_table(
    "abc_run_lines",
    reference("run_id"),
    Column("rank", Integer, nullable=False),
    reference("product_id"),
    *one_of("abc_class", "A", "B", "C"),
    *one_of("computed_class", "A", "B", "C"),
    Column("is_overridden", Boolean, nullable=False),
    Column("amount", AMOUNT, nullable=False),
    Column("share", PERCENT, nullable=False),
    Column("cumulative_share", PERCENT, nullable=False),
    within_tenant("run_id", to="abc_runs"),
    within_tenant("product_id", to="products"),
    key=("run_id", "rank"),
)
count_tasks = tenant_table(
    "count_tasks",
    identifier(),
    reference("location_id"),
    reference("bin_id"),
    reference("product_id", optional=True),
    reference("lot_id", optional=True),
    *one_of("reason", "EMPTIED_BIN", "SHORT_PICK", "DUE", "MANUAL"),
    *words("note", 2000, optional=True),
    *words("source_type", 64, optional=True),
    *words("source_id", 100, optional=True),
    *one_of("state", "OPEN", "BATCHED", "DISMISSED", default="OPEN"),
    reference("batch_id", optional=True),
    CheckConstraint("(state = 'BATCHED') = (batch_id IS NOT NULL)", name="batch_of_batched"),
    reference("actor_id", optional=True),
    *words("actor", 200, optional=True),
    Column("closed_at", TIMESTAMP),
    *words("closed_by", 200, optional=True),
    *words("closing_comment", 2000, optional=True),
    *bookkeeping(),
    CheckConstraint("lot_id IS NULL OR product_id IS NOT NULL", name="lot_of_product"),
    within_tenant("location_id", "bin_id", to="bins", target=("location_id", "id")),
    within_tenant("product_id", to="products"),
    within_tenant("product_id", "lot_id", to="lots", target=("product_id", "id")),
    Index("ix_count_tasks_tenant_id_location_id_id", "tenant_id", "location_id", "id"),
    Index(
        "uq_count_tasks_open",
        "tenant_id",
        "bin_id",
        "product_id",
        "lot_id",
        "reason",
        unique=True,
        postgresql_where=text("state = 'OPEN'"),
        postgresql_nulls_not_distinct=True,
    ),
)
Index(
    "ix_movements_emptied",
    movements.c.tenant_id,
    movements.c.location_id,
    movements.c.recorded_at,
    postgresql_where=text("balance_after = 0 AND kind IN ('CONSUMPTION', 'ISSUE', 'TRANSFER_OUT')"),
)
