"""Cycle counts: batches, their lines and what was found."""

from sqlalchemy import BigInteger, CheckConstraint, Column, Date, Index, Integer, UniqueConstraint, Uuid, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from infra.db.tables.base import (
    TIMESTAMP,
    bookkeeping,
    flag,
    identifier,
    one_of,
    quantity,
    reference,
    tenant_table,
    within_tenant,
    words,
)


def _choice(name: str, *values: str) -> tuple[Column[object], CheckConstraint]:
    """One of, or nothing yet."""
    column, known = one_of(name, *values)
    column.nullable = True
    return column, known


def _counter(name: str) -> Column[object]:
    return Column(name, Integer, nullable=False, server_default=text("0"))


cycle_counts = tenant_table(
    "cycle_counts",
    identifier(),
    *words("number", 64),
    reference("location_id"),
    *one_of("type", "FULL", "PARTIAL", "SPOT"),
    *one_of("state", "DRAFT", "IN_PROGRESS", "REVIEW", "COMPLETED", "CANCELED", default="DRAFT"),
    flag("is_blind", default=False),
    flag("is_freezing", default=False),
    Column("scheduled_for", Date),
    *one_of("origin", "MANUAL", "ABC", "TASK", default="MANUAL"),
    Column("wanted", JSONB, nullable=False, server_default=text("'{}'")),
    *words("note", 2000, optional=True),
    Column("snapshot_position", BigInteger, nullable=False),
    _counter("line_count"),
    _counter("counted_count"),
    _counter("waived_count"),
    _counter("variance_count"),
    _counter("accurate_count"),
    reference("actor_id", optional=True),
    *words("actor", 200, optional=True),
    Column("started_at", TIMESTAMP),
    Column("reviewed_at", TIMESTAMP),
    Column("completed_at", TIMESTAMP),
    *bookkeeping(),
    CheckConstraint(
        "counted_count >= 0 AND waived_count >= 0 AND counted_count + waived_count <= line_count "
        "AND variance_count BETWEEN 0 AND counted_count AND accurate_count BETWEEN 0 AND counted_count",
        name="counters_add_up",
    ),
    within_tenant("location_id", to="locations"),
    UniqueConstraint("tenant_id", "number"),
    Index("ix_cycle_counts_tenant_id_location_id_id", "tenant_id", "location_id", "id"),
    Index("ix_cycle_counts_tenant_id_state_id", "tenant_id", "state", "id"),
)
# Who counts a batch; where nobody is named, whoever may count.
cycle_count_assignees = tenant_table(
    "cycle_count_assignees",
    reference("batch_id"),
    reference("user_id"),
    within_tenant("batch_id", to="cycle_counts"),
    within_tenant("user_id", to="memberships", target=("user_id",)),
    Index("ix_cycle_count_assignees_tenant_id_user_id_batch_id", "tenant_id", "user_id", "batch_id"),
    key=("batch_id", "user_id"),
)
# A position in a batch; found stock may be at a position that has no stock line yet.
cycle_count_lines = tenant_table(
    "cycle_count_lines",
    identifier(),
    reference("batch_id"),
    reference("line_id", optional=True),
    reference("product_id"),
    reference("location_id"),
    reference("bin_id"),
    reference("lot_id"),
    Column("sequence", Integer, nullable=False),
    *_choice("abc_class", "A", "B", "C"),
    *quantity("unit_cost"),
    *quantity("snapshot_quantity"),
    Column("snapshot_position", BigInteger, nullable=False),
    *one_of(
        "state",
        "PENDING",
        "COUNTED",
        "MATCHED",
        "VARIANCE",
        "RECOUNT",
        "APPROVED",
        "REJECTED",
        "RESOLVED",
        default="PENDING",
    ),
    Column("round", Integer, nullable=False, server_default=text("1")),
    CheckConstraint("round >= 1", name="round_range"),
    *quantity("counted_quantity", optional=True),
    *quantity("expected_quantity", optional=True, minimum=None),
    *quantity("variance", optional=True, minimum=None),
    Column("counted_position", BigInteger),
    Column("counted_at", TIMESTAMP),
    reference("counter_id", optional=True),
    *words("counter", 200, optional=True),
    *words("note", 2000, optional=True),
    flag("is_found", default=False),
    flag("is_open", default=True),
    *words("waived_reason", 2000, optional=True),
    reference("waiver_id", optional=True),
    *words("waiver", 200, optional=True),
    *_choice("resolution", "ACCEPT", "REJECT", "AUTO"),
    reference("reason_code_id", optional=True),
    *words("root_cause", 2000, optional=True),
    *words("comment", 2000, optional=True),
    reference("proposed_by", optional=True),
    reference("resolver_id", optional=True),
    *words("resolver", 200, optional=True),
    reference("on_behalf_of", optional=True),
    reference("posting_id", optional=True),
    Column("resolved_at", TIMESTAMP),
    *bookkeeping(),
    CheckConstraint(
        "variance IS NOT DISTINCT FROM counted_quantity - expected_quantity", name="variance_is_difference"
    ),
    CheckConstraint(
        "num_nulls(counted_quantity, expected_quantity, counted_position, counted_at) IN (0, 4)",
        name="counted_whole",
    ),
    CheckConstraint(
        "CASE state WHEN 'PENDING' THEN counted_quantity IS NULL "
        "WHEN 'RESOLVED' THEN counted_quantity IS NOT NULL OR waived_reason IS NOT NULL "
        "ELSE counted_quantity IS NOT NULL AND waived_reason IS NULL END",
        name="counted_in_state",
    ),
    within_tenant("batch_id", to="cycle_counts"),
    within_tenant("line_id", to="stock_lines"),
    within_tenant("location_id", "bin_id", to="bins", target=("location_id", "id")),
    within_tenant("product_id", "lot_id", to="lots", target=("product_id", "id")),
    within_tenant("reason_code_id", to="reason_codes"),
    within_tenant("posting_id", to="postings"),
    UniqueConstraint("tenant_id", "batch_id", "product_id", "bin_id", "lot_id"),
    Index("ix_cycle_count_lines_tenant_id_batch_id_sequence_id", "tenant_id", "batch_id", "sequence", "id"),
    Index(
        "ix_cycle_count_lines_tenant_id_resolved_at",
        "tenant_id",
        "resolved_at",
        postgresql_where=text("resolution IS NOT NULL"),
    ),
    Index(
        "uq_cycle_count_lines_open",
        "tenant_id",
        "product_id",
        "bin_id",
        "lot_id",
        unique=True,
        postgresql_where=text("is_open"),
    ),
)
# Every counting of every line, also what was counted again or taken back (quantity null); never changed.
cycle_count_entries = tenant_table(
    "cycle_count_entries",
    identifier(),
    reference("batch_id"),
    reference("count_line_id"),
    Column("round", Integer, nullable=False),
    *quantity("quantity", optional=True),
    *quantity("expected"),
    Column("position", BigInteger, nullable=False),
    reference("counter_id", optional=True),
    Column("counter_ids", ARRAY(Uuid), nullable=False, server_default=text("'{}'")),
    *words("counter", 200, optional=True),
    *words("note", 2000, optional=True),
    Column("recorded_at", TIMESTAMP, nullable=False, server_default=text("clock_timestamp()")),
    within_tenant("count_line_id", to="cycle_count_lines"),
    Index("ix_cycle_count_entries_tenant_id_batch_id_id", "tenant_id", "batch_id", "id"),
    Index("ix_cycle_count_entries_tenant_id_count_line_id_id", "tenant_id", "count_line_id", "id"),
)
# Who proposed to accept a variance, and who approved it: of this round's count, and of this variance only.
cycle_count_approvals = tenant_table(
    "cycle_count_approvals",
    identifier(),
    reference("batch_id"),
    reference("count_line_id"),
    Column("round", Integer, nullable=False),
    *quantity("variance", minimum=None),
    *one_of("action", "PROPOSE", "APPROVE"),
    reference("actor_id"),
    Column("actor_ids", ARRAY(Uuid), nullable=False),
    *words("actor", 200),
    reference("on_behalf_of", optional=True),
    reference("delegation_id", optional=True),
    reference("reason_code_id", optional=True),
    *words("root_cause", 2000, optional=True),
    *words("comment", 2000, optional=True),
    Column("recorded_at", TIMESTAMP, nullable=False, server_default=text("clock_timestamp()")),
    within_tenant("count_line_id", to="cycle_count_lines"),
    within_tenant("reason_code_id", to="reason_codes"),
    Index("ix_cycle_count_approvals_tenant_id_count_line_id_id", "tenant_id", "count_line_id", "id"),
)
