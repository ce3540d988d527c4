-- Put-away: tasks from the receiving bins to the shelves. An open task has claimed what it is going to move.
SET LOCAL ROLE storekeeper_owner;

CREATE TABLE put_away_tasks (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    number TEXT NOT NULL,
    location_id UUID NOT NULL,
    state TEXT DEFAULT 'PENDING' NOT NULL,
    product_id UUID NOT NULL,
    lot_id UUID NOT NULL,
    from_line_id UUID NOT NULL,
    from_bin_id UUID NOT NULL,
    quantity NUMERIC(18, 4) NOT NULL,
    done_quantity NUMERIC(18, 4) DEFAULT 0 NOT NULL,
    claim_id UUID,
    suggested_bin_id UUID NOT NULL,
    strategy TEXT NOT NULL,
    explanation JSONB DEFAULT '{}' NOT NULL,
    to_bin_id UUID,
    override_reason TEXT,
    assignee_id UUID,
    split_from_id UUID,
    receipt_posting_id UUID,
    actor_id UUID,
    actor TEXT,
    started_at TIMESTAMP WITH TIME ZONE,
    finished_at TIMESTAMP WITH TIME ZONE,
    version INTEGER DEFAULT 1 NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_put_away_tasks PRIMARY KEY (tenant_id, id),
    CONSTRAINT uq_put_away_tasks_tenant_id_number UNIQUE (tenant_id, number),
    CONSTRAINT ck_put_away_tasks_number_length CHECK (length(number) BETWEEN 1 AND 32),
    CONSTRAINT ck_put_away_tasks_state_known CHECK (state IN ('PENDING', 'IN_PROGRESS', 'COMPLETED', 'CANCELED')),
    CONSTRAINT ck_put_away_tasks_quantity_range CHECK (quantity <> 'NaN' AND quantity >= 0),
    CONSTRAINT ck_put_away_tasks_done_quantity_range CHECK (done_quantity <> 'NaN' AND done_quantity >= 0),
    CONSTRAINT ck_put_away_tasks_done_within CHECK (quantity > 0 AND done_quantity <= quantity),
    CONSTRAINT ck_put_away_tasks_open_while_claimed CHECK (
        (state IN ('PENDING', 'IN_PROGRESS')) = (claim_id IS NOT NULL)),
    CONSTRAINT ck_put_away_tasks_strategy_known CHECK (strategy IN (
        'PREFERRED_BIN', 'SAME_LOT', 'SAME_PRODUCT', 'EMPTY_IN_ZONE', 'OVERFLOW', 'REQUESTED')),
    CONSTRAINT ck_put_away_tasks_override_reason_length CHECK (length(override_reason) BETWEEN 1 AND 200),
    CONSTRAINT ck_put_away_tasks_actor_length CHECK (length(actor) BETWEEN 1 AND 200),
    CONSTRAINT fk_put_away_tasks_tenant_id FOREIGN KEY (tenant_id) REFERENCES tenants (id),
    CONSTRAINT fk_put_away_tasks_tenant_id_location_id FOREIGN KEY (tenant_id, location_id)
        REFERENCES locations (tenant_id, id),
    CONSTRAINT fk_put_away_tasks_tenant_id_product_id_lot_id FOREIGN KEY (tenant_id, product_id, lot_id)
        REFERENCES lots (tenant_id, product_id, id),
    CONSTRAINT fk_put_away_tasks_tenant_id_from_line_id FOREIGN KEY (tenant_id, from_line_id)
        REFERENCES stock_lines (tenant_id, id),
    CONSTRAINT fk_put_away_tasks_tenant_id_location_id_from_bin_id FOREIGN KEY (tenant_id, location_id, from_bin_id)
        REFERENCES bins (tenant_id, location_id, id),
    CONSTRAINT fk_put_away_tasks_tenant_id_location_id_suggested_bin_id
        FOREIGN KEY (tenant_id, location_id, suggested_bin_id) REFERENCES bins (tenant_id, location_id, id),
    CONSTRAINT fk_put_away_tasks_tenant_id_location_id_to_bin_id FOREIGN KEY (tenant_id, location_id, to_bin_id)
        REFERENCES bins (tenant_id, location_id, id),
    CONSTRAINT fk_put_away_tasks_tenant_id_claim_id FOREIGN KEY (tenant_id, claim_id)
        REFERENCES reservations (tenant_id, id),
    CONSTRAINT fk_put_away_tasks_tenant_id_assignee_id FOREIGN KEY (tenant_id, assignee_id)
        REFERENCES memberships (tenant_id, user_id),
    CONSTRAINT fk_put_away_tasks_tenant_id_split_from_id FOREIGN KEY (tenant_id, split_from_id)
        REFERENCES put_away_tasks (tenant_id, id),
    CONSTRAINT fk_put_away_tasks_tenant_id_receipt_posting_id FOREIGN KEY (tenant_id, receipt_posting_id)
        REFERENCES postings (tenant_id, id)
);
CREATE INDEX ix_put_away_tasks_tenant_id_location_id_id ON put_away_tasks (tenant_id, location_id, id);
CREATE INDEX ix_put_away_tasks_tenant_id_state_id ON put_away_tasks (tenant_id, state, id);
CREATE INDEX ix_put_away_tasks_assignee ON put_away_tasks (tenant_id, assignee_id, id) WHERE assignee_id IS NOT NULL;
CREATE INDEX ix_put_away_tasks_coming ON put_away_tasks (tenant_id, suggested_bin_id)
    WHERE state IN ('PENDING', 'IN_PROGRESS');
CREATE INDEX ix_put_away_tasks_of_product ON put_away_tasks (tenant_id, product_id, location_id)
    WHERE state IN ('PENDING', 'IN_PROGRESS');
CREATE INDEX ix_put_away_tasks_receipt ON put_away_tasks (tenant_id, receipt_posting_id)
    WHERE receipt_posting_id IS NOT NULL;
-- Bins in the order in which they are looked at for room, and those in which goods wait.
CREATE INDEX ix_bins_walk ON bins (tenant_id, location_id, walk_order, code);
CREATE INDEX ix_bins_receiving ON bins (tenant_id, location_id, id) WHERE type = 'RECEIVING';

ALTER TABLE put_away_tasks ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY of_tenant ON put_away_tasks
    USING (tenant_id = nullif(current_setting('app.tenant', true), '')::uuid)
    WITH CHECK (tenant_id = nullif(current_setting('app.tenant', true), '')::uuid);
GRANT SELECT, INSERT, UPDATE ON put_away_tasks TO storekeeper_app;
SELECT audit_table('put_away_tasks', 'put_away_task');
RESET ROLE;
