-- Cycle counts: batches, their lines and what was found.
SET LOCAL ROLE storekeeper_owner;

-- What is to be counted stands in `wanted` (productMasterIds, binIds, categoryId; {} is all of the location), so that
-- the start can renew the lines. The counters are kept with each change: a list shows progress without its lines.
CREATE TABLE cycle_counts (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    number TEXT NOT NULL,
    location_id UUID NOT NULL,
    type TEXT NOT NULL,
    state TEXT DEFAULT 'DRAFT' NOT NULL,
    is_blind BOOLEAN DEFAULT false NOT NULL,
    is_freezing BOOLEAN DEFAULT false NOT NULL,
    scheduled_for DATE,
    origin TEXT DEFAULT 'MANUAL' NOT NULL,
    wanted JSONB DEFAULT '{}' NOT NULL,
    note TEXT,
    snapshot_position BIGINT NOT NULL,
    line_count INTEGER DEFAULT 0 NOT NULL,
    counted_count INTEGER DEFAULT 0 NOT NULL,
    waived_count INTEGER DEFAULT 0 NOT NULL,
    variance_count INTEGER DEFAULT 0 NOT NULL,
    accurate_count INTEGER DEFAULT 0 NOT NULL,
    actor_id UUID,
    actor TEXT,
    started_at TIMESTAMP WITH TIME ZONE,
    reviewed_at TIMESTAMP WITH TIME ZONE,
    completed_at TIMESTAMP WITH TIME ZONE,
    version INTEGER DEFAULT 1 NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_cycle_counts PRIMARY KEY (tenant_id, id),
    CONSTRAINT uq_cycle_counts_tenant_id_number UNIQUE (tenant_id, number),
    CONSTRAINT ck_cycle_counts_number_length CHECK (length(number) BETWEEN 1 AND 64),
    CONSTRAINT ck_cycle_counts_type_known CHECK (type IN ('FULL', 'PARTIAL', 'SPOT')),
    CONSTRAINT ck_cycle_counts_state_known
        CHECK (state IN ('DRAFT', 'IN_PROGRESS', 'REVIEW', 'COMPLETED', 'CANCELED')),
    CONSTRAINT ck_cycle_counts_origin_known CHECK (origin IN ('MANUAL', 'ABC', 'TASK')),
    CONSTRAINT ck_cycle_counts_note_length CHECK (length(note) BETWEEN 1 AND 2000),
    CONSTRAINT ck_cycle_counts_actor_length CHECK (length(actor) BETWEEN 1 AND 200),
    CONSTRAINT ck_cycle_counts_counters_add_up CHECK (
        counted_count >= 0 AND waived_count >= 0 AND counted_count + waived_count <= line_count
        AND variance_count BETWEEN 0 AND counted_count AND accurate_count BETWEEN 0 AND counted_count
    ),
    CONSTRAINT fk_cycle_counts_tenant_id_location_id FOREIGN KEY (tenant_id, location_id)
        REFERENCES locations (tenant_id, id)
);
CREATE INDEX ix_cycle_counts_tenant_id_location_id_id ON cycle_counts (tenant_id, location_id, id);
CREATE INDEX ix_cycle_counts_tenant_id_state_id ON cycle_counts (tenant_id, state, id);

-- Who counts a batch; where nobody is named, whoever may count.
CREATE TABLE cycle_count_assignees (
    tenant_id UUID NOT NULL,
    batch_id UUID NOT NULL,
    user_id UUID NOT NULL,
    CONSTRAINT pk_cycle_count_assignees PRIMARY KEY (tenant_id, batch_id, user_id),
    CONSTRAINT fk_cycle_count_assignees_tenant_id_batch_id FOREIGN KEY (tenant_id, batch_id)
        REFERENCES cycle_counts (tenant_id, id),
    CONSTRAINT fk_cycle_count_assignees_tenant_id_user_id FOREIGN KEY (tenant_id, user_id)
        REFERENCES memberships (tenant_id, user_id)
);
CREATE INDEX ix_cycle_count_assignees_tenant_id_user_id_batch_id
    ON cycle_count_assignees (tenant_id, user_id, batch_id);

-- A position in a batch. `line_id` is its stock line, if there is one; found stock may be at a position that has none.
-- expected = snapshot + movements in (snapshot_position, counted_position]; variance = counted - expected.
CREATE TABLE cycle_count_lines (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    batch_id UUID NOT NULL,
    line_id UUID,
    product_id UUID NOT NULL,
    location_id UUID NOT NULL,
    bin_id UUID NOT NULL,
    lot_id UUID NOT NULL,
    sequence INTEGER NOT NULL,
    abc_class TEXT,
    unit_cost NUMERIC(18, 4) NOT NULL,
    snapshot_quantity NUMERIC(18, 4) NOT NULL,
    snapshot_position BIGINT NOT NULL,
    state TEXT DEFAULT 'PENDING' NOT NULL,
    round INTEGER DEFAULT 1 NOT NULL,
    counted_quantity NUMERIC(18, 4),
    expected_quantity NUMERIC(18, 4),
    variance NUMERIC(18, 4),
    counted_position BIGINT,
    counted_at TIMESTAMP WITH TIME ZONE,
    counter_id UUID,
    counter TEXT,
    note TEXT,
    is_found BOOLEAN DEFAULT false NOT NULL,
    is_open BOOLEAN DEFAULT true NOT NULL,
    waived_reason TEXT,
    waiver_id UUID,
    waiver TEXT,
    resolution TEXT,
    reason_code_id UUID,
    root_cause TEXT,
    comment TEXT,
    proposed_by UUID,
    resolver_id UUID,
    resolver TEXT,
    on_behalf_of UUID,
    posting_id UUID,
    resolved_at TIMESTAMP WITH TIME ZONE,
    version INTEGER DEFAULT 1 NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_cycle_count_lines PRIMARY KEY (tenant_id, id),
    CONSTRAINT uq_cycle_count_lines_tenant_id_batch_id_product_id_bin_id_lot_id
        UNIQUE (tenant_id, batch_id, product_id, bin_id, lot_id),
    CONSTRAINT ck_cycle_count_lines_abc_class_known CHECK (abc_class IN ('A', 'B', 'C')),
    CONSTRAINT ck_cycle_count_lines_unit_cost_range CHECK (unit_cost <> 'NaN' AND unit_cost >= 0),
    CONSTRAINT ck_cycle_count_lines_snapshot_quantity_range
        CHECK (snapshot_quantity <> 'NaN' AND snapshot_quantity >= 0),
    CONSTRAINT ck_cycle_count_lines_state_known CHECK (
        state IN ('PENDING', 'COUNTED', 'MATCHED', 'VARIANCE', 'RECOUNT', 'APPROVED', 'REJECTED', 'RESOLVED')),
    CONSTRAINT ck_cycle_count_lines_round_range CHECK (round >= 1),
    CONSTRAINT ck_cycle_count_lines_counted_quantity_range
        CHECK (counted_quantity <> 'NaN' AND counted_quantity >= 0),
    -- what was booked late, as of before the count, may have left less than nothing in the books of that moment
    CONSTRAINT ck_cycle_count_lines_expected_quantity_range CHECK (expected_quantity <> 'NaN'),
    CONSTRAINT ck_cycle_count_lines_variance_range CHECK (variance <> 'NaN'),
    CONSTRAINT ck_cycle_count_lines_variance_is_difference
        CHECK (variance IS NOT DISTINCT FROM counted_quantity - expected_quantity),
    CONSTRAINT ck_cycle_count_lines_counted_whole
        CHECK (num_nulls(counted_quantity, expected_quantity, counted_position, counted_at) IN (0, 4)),
    CONSTRAINT ck_cycle_count_lines_counted_in_state CHECK (
        CASE state WHEN 'PENDING' THEN counted_quantity IS NULL
            WHEN 'RESOLVED' THEN counted_quantity IS NOT NULL OR waived_reason IS NOT NULL
            ELSE counted_quantity IS NOT NULL AND waived_reason IS NULL END),
    CONSTRAINT ck_cycle_count_lines_counter_length CHECK (length(counter) BETWEEN 1 AND 200),
    CONSTRAINT ck_cycle_count_lines_note_length CHECK (length(note) BETWEEN 1 AND 2000),
    CONSTRAINT ck_cycle_count_lines_waived_reason_length CHECK (length(waived_reason) BETWEEN 1 AND 2000),
    CONSTRAINT ck_cycle_count_lines_waiver_length CHECK (length(waiver) BETWEEN 1 AND 200),
    CONSTRAINT ck_cycle_count_lines_resolution_known CHECK (resolution IN ('ACCEPT', 'REJECT', 'AUTO')),
    CONSTRAINT ck_cycle_count_lines_root_cause_length CHECK (length(root_cause) BETWEEN 1 AND 2000),
    CONSTRAINT ck_cycle_count_lines_comment_length CHECK (length(comment) BETWEEN 1 AND 2000),
    CONSTRAINT ck_cycle_count_lines_resolver_length CHECK (length(resolver) BETWEEN 1 AND 200),
    CONSTRAINT fk_cycle_count_lines_tenant_id_batch_id FOREIGN KEY (tenant_id, batch_id)
        REFERENCES cycle_counts (tenant_id, id),
    CONSTRAINT fk_cycle_count_lines_tenant_id_line_id FOREIGN KEY (tenant_id, line_id)
        REFERENCES stock_lines (tenant_id, id),
    CONSTRAINT fk_cycle_count_lines_tenant_id_location_id_bin_id FOREIGN KEY (tenant_id, location_id, bin_id)
        REFERENCES bins (tenant_id, location_id, id),
    CONSTRAINT fk_cycle_count_lines_tenant_id_product_id_lot_id FOREIGN KEY (tenant_id, product_id, lot_id)
        REFERENCES lots (tenant_id, product_id, id),
    CONSTRAINT fk_cycle_count_lines_tenant_id_reason_code_id FOREIGN KEY (tenant_id, reason_code_id)
        REFERENCES reason_codes (tenant_id, id),
    CONSTRAINT fk_cycle_count_lines_tenant_id_posting_id FOREIGN KEY (tenant_id, posting_id)
        REFERENCES postings (tenant_id, id)
);
CREATE INDEX ix_cycle_count_lines_tenant_id_batch_id_sequence_id
    ON cycle_count_lines (tenant_id, batch_id, sequence, id);
-- A position is in one open batch at most, whoever makes two at once.
CREATE UNIQUE INDEX uq_cycle_count_lines_open ON cycle_count_lines (tenant_id, product_id, bin_id, lot_id)
    WHERE is_open;

-- Every counting of every line, also what was counted again or taken back (quantity null); never changed. counter_ids
-- is all that its counter is known by: nobody decides upon their own.
CREATE TABLE cycle_count_entries (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    batch_id UUID NOT NULL,
    count_line_id UUID NOT NULL,
    round INTEGER NOT NULL,
    quantity NUMERIC(18, 4),
    expected NUMERIC(18, 4) NOT NULL,
    position BIGINT NOT NULL,
    counter_id UUID,
    counter_ids UUID[] DEFAULT '{}' NOT NULL,
    counter TEXT,
    note TEXT,
    recorded_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT pk_cycle_count_entries PRIMARY KEY (tenant_id, id),
    CONSTRAINT ck_cycle_count_entries_quantity_range CHECK (quantity <> 'NaN' AND quantity >= 0),
    CONSTRAINT ck_cycle_count_entries_expected_range CHECK (expected <> 'NaN' AND expected >= 0),
    CONSTRAINT ck_cycle_count_entries_counter_length CHECK (length(counter) BETWEEN 1 AND 200),
    CONSTRAINT ck_cycle_count_entries_note_length CHECK (length(note) BETWEEN 1 AND 2000),
    CONSTRAINT fk_cycle_count_entries_tenant_id_count_line_id FOREIGN KEY (tenant_id, count_line_id)
        REFERENCES cycle_count_lines (tenant_id, id)
);
CREATE INDEX ix_cycle_count_entries_tenant_id_batch_id_id ON cycle_count_entries (tenant_id, batch_id, id);
CREATE INDEX ix_cycle_count_entries_tenant_id_count_line_id_id
    ON cycle_count_entries (tenant_id, count_line_id, id);
CREATE INDEX ix_cycle_count_lines_tenant_id_resolved_at ON cycle_count_lines (tenant_id, resolved_at)
    WHERE resolution IS NOT NULL;

-- Who proposed to accept a variance, and who approved it: of this round's count, and of this variance only.
-- actor_ids is all that this person is known by.
CREATE TABLE cycle_count_approvals (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    batch_id UUID NOT NULL,
    count_line_id UUID NOT NULL,
    round INTEGER NOT NULL,
    variance NUMERIC(18, 4) NOT NULL,
    action TEXT NOT NULL,
    actor_id UUID NOT NULL,
    actor_ids UUID[] NOT NULL,
    actor TEXT NOT NULL,
    on_behalf_of UUID,
    delegation_id UUID,
    reason_code_id UUID,
    root_cause TEXT,
    comment TEXT,
    recorded_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT pk_cycle_count_approvals PRIMARY KEY (tenant_id, id),
    CONSTRAINT ck_cycle_count_approvals_variance_range CHECK (variance <> 'NaN'),
    CONSTRAINT ck_cycle_count_approvals_action_known CHECK (action IN ('PROPOSE', 'APPROVE')),
    CONSTRAINT ck_cycle_count_approvals_actor_length CHECK (length(actor) BETWEEN 1 AND 200),
    CONSTRAINT ck_cycle_count_approvals_root_cause_length CHECK (length(root_cause) BETWEEN 1 AND 2000),
    CONSTRAINT ck_cycle_count_approvals_comment_length CHECK (length(comment) BETWEEN 1 AND 2000),
    CONSTRAINT fk_cycle_count_approvals_tenant_id_count_line_id FOREIGN KEY (tenant_id, count_line_id)
        REFERENCES cycle_count_lines (tenant_id, id),
    CONSTRAINT fk_cycle_count_approvals_tenant_id_reason_code_id FOREIGN KEY (tenant_id, reason_code_id)
        REFERENCES reason_codes (tenant_id, id)
);
CREATE INDEX ix_cycle_count_approvals_tenant_id_count_line_id_id
    ON cycle_count_approvals (tenant_id, count_line_id, id);

SELECT wall_off(
    'cycle_counts', 'cycle_count_assignees', 'cycle_count_lines', 'cycle_count_entries', 'cycle_count_approvals'
);
GRANT SELECT, INSERT, UPDATE ON cycle_counts, cycle_count_lines TO storekeeper_app;
GRANT SELECT, INSERT, DELETE ON cycle_count_assignees TO storekeeper_app;
GRANT SELECT, INSERT ON cycle_count_entries, cycle_count_approvals TO storekeeper_app;
CREATE TRIGGER history_is_immutable BEFORE UPDATE OR DELETE OR TRUNCATE ON cycle_count_entries
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER history_is_immutable BEFORE UPDATE OR DELETE OR TRUNCATE ON cycle_count_approvals
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
-- Lines are not audited row by row: entries are only added to, and each decision is a step of the batch's history.
SELECT audit_table('cycle_counts', 'cycle_count', '{id}',
    '{version,line_count,counted_count,waived_count,variance_count,accurate_count}');
SELECT audit_table('cycle_count_assignees', 'cycle_count_assignee', '{batch_id,user_id}');
RESET ROLE;
