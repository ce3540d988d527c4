"""Imports: of what fill dates a line's stock is, what was imported, and the files as they came."""

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    Date,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from infra.db.tables.base import (
    QUANTITY,
    TIMESTAMP,
    of_tenant,
    one_of,
    quantity,
    reference,
    tenant_table,
    within_tenant,
    words,
)
from infra.db.tables.catalog import bins

fill_layers = tenant_table(
    "fill_layers",
    reference("line_id"),
    Column("date_filled", Date, nullable=False),
    *quantity("quantity"),
    reference("job_id", optional=True),
    within_tenant("line_id", to="stock_lines"),
    key=("line_id", "date_filled"),
)
imports = tenant_table(
    "imports",
    reference("job_id"),
    *one_of("type", "inventory-import", "inventory-refresh", "inventory-batch-delete"),
    *words("description", 2000),
    Column("options", JSONB, nullable=False),
    Column("is_applied", Boolean, nullable=False),
    Column("is_dry_run", Boolean, nullable=False),
    *words("message", 2000),
    *(
        Column(name, Integer, nullable=False)
        for name in ("total", "created", "updated", "unchanged", "deleted", "failed")
    ),
    reference("posting_id", optional=True),
    reference("actor_id"),
    *words("actor", 200),
    Column("undone_at", TIMESTAMP),
    reference("undo_posting_id", optional=True),
    Column("created_at", TIMESTAMP, nullable=False, server_default=text("clock_timestamp()")),
    *one_of("kept", "WHOLE", "GOING", "SUMMARY", default="WHOLE"),
    CheckConstraint("NOT (is_applied AND is_dry_run)", name="applied_in_earnest"),
    CheckConstraint("undone_at IS NULL OR is_applied", name="undone_was_applied"),
    ForeignKeyConstraint(
        ["tenant_id", "posting_id"],
        ["postings.tenant_id", "postings.id"],
        deferrable=True,
        initially="DEFERRED",
    ),
    within_tenant("undo_posting_id", to="postings"),
    Index("ix_imports_tenant_id_actor_id_job_id", "tenant_id", "actor_id", "job_id"),
    Index("ix_imports_kept", "tenant_id", "created_at", postgresql_where=text("kept <> 'SUMMARY'")),
    key=("job_id",),
)
import_rows = tenant_table(
    "import_rows",
    reference("job_id"),
    Column("n", Integer, nullable=False),
    Column("row_no", Integer),
    *one_of("action", "create", "update", "unchanged", "delete", "error"),
    *(
        Column(name, Text, nullable=False)
        for name in ("item_name", "bin_name", "lot_name", "date_filled", "quantity", "uom")
    ),
    Column("old_quantity", QUANTITY),
    Column("new_quantity", QUANTITY),
    Column("messages", Text, nullable=False),
    within_tenant("job_id", to="imports", target=("job_id",)),
    Index("ix_import_rows_errors", "tenant_id", "job_id", "n", postgresql_where=text("action = 'error'")),
    key=("job_id", "n"),
)
import_layers = tenant_table(
    "import_layers",
    reference("job_id"),
    reference("line_id"),
    Column("date_filled", Date, nullable=False),
    Column("before", QUANTITY),
    reference("before_job_id", optional=True),
    Column("after", QUANTITY),
    within_tenant("job_id", to="imports", target=("job_id",)),
    key=("job_id", "line_id", "date_filled"),
)
import_files = tenant_table(
    "import_files",
    reference("job_id"),
    *words("name", 255),
    Column("content", LargeBinary, nullable=False),
    CheckConstraint("length(content) <= 10485760", name="content_bounded"),
    Column("created_at", TIMESTAMP, nullable=False, server_default=text("now()")),
    of_tenant(),
    Index("ix_import_files_tenant_id_created_at", "tenant_id", "created_at"),
    key=("job_id",),
)
Index("ix_bins_tenant_id_name_id", bins.c.tenant_id, bins.c.name, bins.c.id)
