-- What is to be counted, and why: classifications that were kept, and tasks that came up by the way.
SET LOCAL ROLE storekeeper_owner;

CREATE TABLE abc_runs (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    location_id UUID NOT NULL,
    measure TEXT NOT NULL,
    from_day DATE NOT NULL,
    to_day DATE NOT NULL,
    threshold_a NUMERIC(7, 4) NOT NULL,
    threshold_b NUMERIC(7, 4) NOT NULL,
    total NUMERIC(30, 4) NOT NULL,
    products INTEGER NOT NULL,
    position BIGINT NOT NULL,
    actor_id UUID,
    actor TEXT,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_abc_runs PRIMARY KEY (tenant_id, id),
    CONSTRAINT ck_abc_runs_measure_known CHECK (measure IN ('VALUE', 'VELOCITY', 'QUANTITY')),
    CONSTRAINT ck_abc_runs_days_in_order CHECK (from_day <= to_day),
    CONSTRAINT ck_abc_runs_thresholds_in_order
        CHECK (0 <= threshold_a AND threshold_a <= threshold_b AND threshold_b <= 100),
    CONSTRAINT ck_abc_runs_actor_length CHECK (length(actor) BETWEEN 1 AND 200),
    CONSTRAINT fk_abc_runs_tenant_id_location_id FOREIGN KEY (tenant_id, location_id)
        REFERENCES locations (tenant_id, id)
);
CREATE INDEX ix_abc_runs_tenant_id_location_id_id ON abc_runs (tenant_id, location_id, id);

-- As the planner saw it: shares are of a hundred, and the class in force may be one that a person set.
CREATE TABLE abc_run_lines (
    tenant_id UUID NOT NULL,
    run_id UUID NOT NULL,
    rank INTEGER NOT NULL,
    product_id UUID NOT NULL,
    abc_class TEXT NOT NULL,
    computed_class TEXT NOT NULL,
    is_overridden BOOLEAN NOT NULL,
    amount NUMERIC(30, 4) NOT NULL,
    share NUMERIC(7, 4) NOT NULL,
    cumulative_share NUMERIC(7, 4) NOT NULL,
    CONSTRAINT pk_abc_run_lines PRIMARY KEY (tenant_id, run_id, rank),
    CONSTRAINT ck_abc_run_lines_abc_class_known CHECK (abc_class IN ('A', 'B', 'C')),
    CONSTRAINT ck_abc_run_lines_computed_class_known CHECK (computed_class IN ('A', 'B', 'C')),
    CONSTRAINT fk_abc_run_lines_tenant_id_run_id FOREIGN KEY (tenant_id, run_id) REFERENCES abc_runs (tenant_id, id),
    CONSTRAINT fk_abc_run_lines_tenant_id_product_id FOREIGN KEY (tenant_id, product_id)
        REFERENCES products (tenant_id, id)
);

-- Bins that an issue emptied are not in here: the ledger knows them, until somebody has decided about one.
CREATE TABLE count_tasks (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    location_id UUID NOT NULL,
    bin_id UUID NOT NULL,
    product_id UUID,
    lot_id UUID,
    reason TEXT NOT NULL,
    note TEXT,
    source_type TEXT,
    source_id TEXT,
    state TEXT DEFAULT 'OPEN' NOT NULL,
    batch_id UUID,
    actor_id UUID,
    actor TEXT,
    closed_at TIMESTAMP WITH TIME ZONE,
    closed_by TEXT,
    closing_comment TEXT,
    version INTEGER DEFAULT 1 NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_count_tasks PRIMARY KEY (tenant_id, id),
    CONSTRAINT ck_count_tasks_reason_known CHECK (reason IN ('EMPTIED_BIN', 'SHORT_PICK', 'DUE', 'MANUAL')),
    CONSTRAINT ck_count_tasks_note_length CHECK (length(note) BETWEEN 1 AND 2000),
    CONSTRAINT ck_count_tasks_source_type_length CHECK (length(source_type) BETWEEN 1 AND 64),
    CONSTRAINT ck_count_tasks_source_id_length CHECK (length(source_id) BETWEEN 1 AND 100),
    CONSTRAINT ck_count_tasks_state_known CHECK (state IN ('OPEN', 'BATCHED', 'DISMISSED')),
    CONSTRAINT ck_count_tasks_batch_of_batched CHECK ((state = 'BATCHED') = (batch_id IS NOT NULL)),
    CONSTRAINT ck_count_tasks_actor_length CHECK (length(actor) BETWEEN 1 AND 200),
    CONSTRAINT ck_count_tasks_closed_by_length CHECK (length(closed_by) BETWEEN 1 AND 200),
    CONSTRAINT ck_count_tasks_closing_comment_length CHECK (length(closing_comment) BETWEEN 1 AND 2000),
    CONSTRAINT ck_count_tasks_lot_of_product CHECK (lot_id IS NULL OR product_id IS NOT NULL),
    CONSTRAINT fk_count_tasks_tenant_id_location_id_bin_id FOREIGN KEY (tenant_id, location_id, bin_id)
        REFERENCES bins (tenant_id, location_id, id),
    CONSTRAINT fk_count_tasks_tenant_id_product_id FOREIGN KEY (tenant_id, product_id)
        REFERENCES products (tenant_id, id),
    CONSTRAINT fk_count_tasks_tenant_id_product_id_lot_id FOREIGN KEY (tenant_id, product_id, lot_id)
        REFERENCES lots (tenant_id, product_id, id)
);
CREATE INDEX ix_count_tasks_tenant_id_location_id_id ON count_tasks (tenant_id, location_id, id);
-- The same thing waits to be counted once, however often it is reported.
CREATE UNIQUE INDEX uq_count_tasks_open ON count_tasks (tenant_id, bin_id, product_id, lot_id, reason)
    NULLS NOT DISTINCT WHERE state = 'OPEN';
-- Movements that took the last of a line by the way of work: few of all, so posting does not feel it.
CREATE INDEX ix_movements_emptied ON movements (tenant_id, location_id, recorded_at)
    WHERE balance_after = 0 AND kind IN ('CONSUMPTION', 'ISSUE', 'TRANSFER_OUT');

SELECT wall_off('abc_runs', 'abc_run_lines', 'count_tasks');
GRANT SELECT, INSERT ON abc_runs, abc_run_lines TO storekeeper_app;
GRANT SELECT, INSERT, UPDATE ON count_tasks TO storekeeper_app;
SELECT audit_table('count_tasks', 'count_task');
SELECT audit_table('abc_runs', 'abc_run');
RESET ROLE;
