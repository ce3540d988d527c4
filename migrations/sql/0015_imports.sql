-- Imports: of what fill dates a line's stock is, what was imported, what became of each row, and the files as they came.
SET LOCAL ROLE storekeeper_owner;

-- Only imports write layers; what other movements mean for them is computed when they are read
-- (domain/imports/layers.py). A layer with nothing in it is a record that exists. `job_id`: who said so last.
CREATE TABLE fill_layers (
    tenant_id UUID NOT NULL,
    line_id UUID NOT NULL,
    date_filled DATE NOT NULL,
    quantity NUMERIC(18, 4) NOT NULL,
    job_id UUID,
    CONSTRAINT pk_fill_layers PRIMARY KEY (tenant_id, line_id, date_filled),
    CONSTRAINT ck_fill_layers_quantity_range CHECK (quantity <> 'NaN' AND quantity >= 0),
    CONSTRAINT fk_fill_layers_tenant_id_line_id FOREIGN KEY (tenant_id, line_id) REFERENCES stock_lines (tenant_id, id)
);
-- An import, a refresh or a batch delete that has been judged; `job_id` is its job's id, where it has one.
CREATE TABLE imports (
    tenant_id UUID NOT NULL,
    job_id UUID NOT NULL,
    type TEXT NOT NULL,
    description TEXT NOT NULL,
    options JSONB NOT NULL,
    is_applied BOOLEAN NOT NULL,
    is_dry_run BOOLEAN NOT NULL,
    message TEXT NOT NULL,
    total INTEGER NOT NULL,
    created INTEGER NOT NULL,
    updated INTEGER NOT NULL,
    unchanged INTEGER NOT NULL,
    deleted INTEGER NOT NULL,
    failed INTEGER NOT NULL,
    posting_id UUID,
    actor_id UUID NOT NULL,
    actor TEXT NOT NULL,
    undone_at TIMESTAMP WITH TIME ZONE,
    undo_posting_id UUID,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT pk_imports PRIMARY KEY (tenant_id, job_id),
    CONSTRAINT ck_imports_type_known CHECK (type IN ('inventory-import', 'inventory-refresh', 'inventory-batch-delete')),
    CONSTRAINT ck_imports_description_length CHECK (length(description) BETWEEN 1 AND 2000),
    CONSTRAINT ck_imports_message_length CHECK (length(message) BETWEEN 1 AND 2000),
    CONSTRAINT ck_imports_actor_length CHECK (length(actor) BETWEEN 1 AND 200),
    CONSTRAINT ck_imports_applied_in_earnest CHECK (NOT (is_applied AND is_dry_run)),
    CONSTRAINT ck_imports_undone_was_applied CHECK (undone_at IS NULL OR is_applied),
    -- Its posting is the last thing that an import does.
    CONSTRAINT fk_imports_tenant_id_posting_id FOREIGN KEY (tenant_id, posting_id)
        REFERENCES postings (tenant_id, id) DEFERRABLE INITIALLY DEFERRED,
    CONSTRAINT fk_imports_tenant_id_undo_posting_id FOREIGN KEY (tenant_id, undo_posting_id)
        REFERENCES postings (tenant_id, id)
);
CREATE INDEX ix_imports_tenant_id_actor_id_job_id ON imports (tenant_id, actor_id, job_id);
-- The rows as they were sent and what became of them: the staging, output and error files are made of these.
-- `row_no` is the caller's number of the row; a record that a refresh takes away has none.
CREATE TABLE import_rows (
    tenant_id UUID NOT NULL,
    job_id UUID NOT NULL,
    n INTEGER NOT NULL,
    row_no INTEGER,
    action TEXT NOT NULL,
    item_name TEXT NOT NULL,
    bin_name TEXT NOT NULL,
    lot_name TEXT NOT NULL,
    date_filled TEXT NOT NULL,
    quantity TEXT NOT NULL,
    uom TEXT NOT NULL,
    old_quantity NUMERIC(18, 4),
    new_quantity NUMERIC(18, 4),
    messages TEXT NOT NULL,
    CONSTRAINT pk_import_rows PRIMARY KEY (tenant_id, job_id, n),
    CONSTRAINT ck_import_rows_action_known CHECK (action IN ('create', 'update', 'unchanged', 'delete', 'error')),
    CONSTRAINT fk_import_rows_tenant_id_job_id FOREIGN KEY (tenant_id, job_id) REFERENCES imports (tenant_id, job_id)
);
CREATE INDEX ix_import_rows_errors ON import_rows (tenant_id, job_id, n) WHERE action = 'error';
-- The layers that an import wrote, as they were before: by these it is undone.
CREATE TABLE import_layers (
    tenant_id UUID NOT NULL,
    job_id UUID NOT NULL,
    line_id UUID NOT NULL,
    date_filled DATE NOT NULL,
    before NUMERIC(18, 4),
    before_job_id UUID,
    after NUMERIC(18, 4),
    CONSTRAINT pk_import_layers PRIMARY KEY (tenant_id, job_id, line_id, date_filled),
    CONSTRAINT fk_import_layers_tenant_id_job_id FOREIGN KEY (tenant_id, job_id) REFERENCES imports (tenant_id, job_id)
);
-- Untouched, and there before its job is done.
CREATE TABLE import_files (
    tenant_id UUID NOT NULL,
    job_id UUID NOT NULL,
    name TEXT NOT NULL,
    content BYTEA NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_import_files PRIMARY KEY (tenant_id, job_id),
    CONSTRAINT ck_import_files_name_length CHECK (length(name) BETWEEN 1 AND 255),
    CONSTRAINT ck_import_files_content_bounded CHECK (length(content) <= 10485760),
    CONSTRAINT fk_import_files_tenant_id FOREIGN KEY (tenant_id) REFERENCES tenants (id)
);
-- Records name bins.
CREATE INDEX ix_bins_tenant_id_name_id ON bins (tenant_id, name, id);

SELECT wall_off('fill_layers', 'imports', 'import_rows', 'import_layers', 'import_files');
GRANT SELECT, INSERT, UPDATE, DELETE ON fill_layers TO storekeeper_app;
GRANT SELECT, INSERT, UPDATE ON imports TO storekeeper_app;
-- An attempt that is done again writes them again.
GRANT SELECT, INSERT, DELETE ON import_rows, import_layers TO storekeeper_app;
GRANT SELECT, INSERT ON import_files TO storekeeper_app;
SELECT audit_table('imports', 'import', '{job_id}');
RESET ROLE;
