-- Stock requests: the document and its lines, the plan by which it is approved, what was decided and said of it.
SET LOCAL ROLE storekeeper_owner;

-- What needs whose approval: the tenant's list, as a whole (domain/stock_requests/plans.py). No row: see there.
CREATE TABLE approval_rules (
    tenant_id UUID NOT NULL,
    rules JSONB NOT NULL,
    version INTEGER DEFAULT 1 NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_approval_rules PRIMARY KEY (tenant_id),
    CONSTRAINT fk_approval_rules_tenant_id FOREIGN KEY (tenant_id) REFERENCES tenants (id)
);
-- `author_ids`: everybody who made, changed or submitted it, under each of their names; none of them decides on it.
-- `value` is frozen when it is submitted. `current_tier` and `deadline_at` are those of the tier that is to decide.
-- What is issued travels in the transfer `transfer_id`, or was consumed by the posting `issue_posting_id`.
CREATE TABLE stock_requests (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    number TEXT NOT NULL,
    type TEXT NOT NULL,
    state TEXT DEFAULT 'DRAFT' NOT NULL,
    origin_location_id UUID NOT NULL,
    destination_location_id UUID NOT NULL,
    requester_id UUID NOT NULL,
    requester TEXT NOT NULL,
    author_ids UUID[] NOT NULL,
    priority TEXT DEFAULT 'NORMAL' NOT NULL,
    needed_by DATE,
    description TEXT,
    stocklist_id UUID,
    value NUMERIC(18, 4),
    round INTEGER DEFAULT 0 NOT NULL,
    current_tier INTEGER,
    deadline_at TIMESTAMP WITH TIME ZONE,
    submitted_at TIMESTAMP WITH TIME ZONE,
    decided_at TIMESTAMP WITH TIME ZONE,
    issued_at TIMESTAMP WITH TIME ZONE,
    received_at TIMESTAMP WITH TIME ZONE,
    canceled_at TIMESTAMP WITH TIME ZONE,
    issue_posting_id UUID,
    transfer_id UUID,
    is_deleted BOOLEAN DEFAULT false NOT NULL,
    version INTEGER DEFAULT 1 NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_stock_requests PRIMARY KEY (tenant_id, id),
    CONSTRAINT ck_stock_requests_number_length CHECK (length(number) BETWEEN 1 AND 32),
    CONSTRAINT ck_stock_requests_type_known CHECK (type IN ('STOCK', 'ADHOC', 'E_REQUEST')),
    CONSTRAINT ck_stock_requests_state_known CHECK (state IN ('DRAFT', 'PENDING_APPROVAL', 'APPROVED', 'REJECTED',
        'PICKING', 'ISSUED', 'RECEIVED', 'CANCELED')),
    CONSTRAINT ck_stock_requests_requester_length CHECK (length(requester) BETWEEN 1 AND 200),
    CONSTRAINT ck_stock_requests_priority_known CHECK (priority IN ('LOW', 'NORMAL', 'HIGH', 'URGENT')),
    CONSTRAINT ck_stock_requests_description_length CHECK (length(description) BETWEEN 1 AND 2000),
    CONSTRAINT ck_stock_requests_value_range CHECK (value <> 'NaN' AND value >= 0),
    CONSTRAINT ck_stock_requests_pending_has_tier CHECK ((state = 'PENDING_APPROVAL') = (current_tier IS NOT NULL)),
    CONSTRAINT ck_stock_requests_deleted_is_canceled CHECK (NOT is_deleted OR state = 'CANCELED'),
    CONSTRAINT uq_stock_requests_tenant_id_number UNIQUE (tenant_id, number),
    CONSTRAINT fk_stock_requests_tenant_id_origin_location_id FOREIGN KEY (tenant_id, origin_location_id)
        REFERENCES locations (tenant_id, id),
    CONSTRAINT fk_stock_requests_tenant_id_destination_location_id FOREIGN KEY (tenant_id, destination_location_id)
        REFERENCES locations (tenant_id, id),
    CONSTRAINT fk_stock_requests_tenant_id_transfer_id FOREIGN KEY (tenant_id, transfer_id)
        REFERENCES transfers (tenant_id, id),
    CONSTRAINT fk_stock_requests_tenant_id_issue_posting_id FOREIGN KEY (tenant_id, issue_posting_id)
        REFERENCES postings (tenant_id, id)
);
CREATE INDEX ix_stock_requests_tenant_id_state_id ON stock_requests (tenant_id, state, id) WHERE NOT is_deleted;
CREATE INDEX ix_stock_requests_tenant_id_origin_location_id_id ON stock_requests (tenant_id, origin_location_id, id)
    WHERE NOT is_deleted;
CREATE INDEX ix_stock_requests_tenant_id_destination_location_id_id
    ON stock_requests (tenant_id, destination_location_id, id) WHERE NOT is_deleted;
CREATE INDEX ix_stock_requests_tenant_id_requester_id_id ON stock_requests (tenant_id, requester_id, id)
    WHERE NOT is_deleted;
CREATE INDEX ix_stock_requests_pending ON stock_requests (tenant_id, submitted_at, id)
    WHERE state = 'PENDING_APPROVAL';
-- requested = issued + open + canceled, always; what is reserved was approved.
CREATE TABLE stock_request_lines (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    request_id UUID NOT NULL,
    line_no INTEGER NOT NULL,
    product_id UUID NOT NULL,
    requested NUMERIC(18, 4) NOT NULL,
    approved NUMERIC(18, 4),
    reserved NUMERIC(18, 4) DEFAULT 0 NOT NULL,
    backordered NUMERIC(18, 4) DEFAULT 0 NOT NULL,
    picked NUMERIC(18, 4) DEFAULT 0 NOT NULL,
    issued NUMERIC(18, 4) DEFAULT 0 NOT NULL,
    received NUMERIC(18, 4) DEFAULT 0 NOT NULL,
    open NUMERIC(18, 4) NOT NULL,
    canceled NUMERIC(18, 4) DEFAULT 0 NOT NULL,
    unit_cost NUMERIC(18, 4),
    substitutes_line_id UUID,
    short_reason TEXT,
    discrepancy_reason TEXT,
    note TEXT,
    version INTEGER DEFAULT 1 NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_stock_request_lines PRIMARY KEY (tenant_id, id),
    CONSTRAINT ck_stock_request_lines_requested_range CHECK (requested <> 'NaN' AND requested >= 0),
    CONSTRAINT ck_stock_request_lines_approved_range CHECK (approved <> 'NaN' AND approved >= 0),
    CONSTRAINT ck_stock_request_lines_reserved_range CHECK (reserved <> 'NaN' AND reserved >= 0),
    CONSTRAINT ck_stock_request_lines_backordered_range CHECK (backordered <> 'NaN' AND backordered >= 0),
    CONSTRAINT ck_stock_request_lines_picked_range CHECK (picked <> 'NaN' AND picked >= 0),
    CONSTRAINT ck_stock_request_lines_issued_range CHECK (issued <> 'NaN' AND issued >= 0),
    CONSTRAINT ck_stock_request_lines_received_range CHECK (received <> 'NaN' AND received >= 0),
    CONSTRAINT ck_stock_request_lines_open_range CHECK (open <> 'NaN' AND open >= 0),
    CONSTRAINT ck_stock_request_lines_canceled_range CHECK (canceled <> 'NaN' AND canceled >= 0),
    CONSTRAINT ck_stock_request_lines_unit_cost_range CHECK (unit_cost <> 'NaN' AND unit_cost >= 0),
    CONSTRAINT ck_stock_request_lines_adds_up CHECK (requested = issued + open + canceled),
    CONSTRAINT ck_stock_request_lines_approved_within CHECK (approved <= requested),
    CONSTRAINT ck_stock_request_lines_reserved_within CHECK (
        reserved <= coalesce(approved, 0) AND reserved + backordered <= open),
    CONSTRAINT ck_stock_request_lines_picked_within CHECK (picked <= reserved + issued),
    CONSTRAINT ck_stock_request_lines_received_within CHECK (received <= issued),
    CONSTRAINT ck_stock_request_lines_short_reason_length CHECK (length(short_reason) BETWEEN 1 AND 500),
    CONSTRAINT ck_stock_request_lines_discrepancy_reason_length CHECK (length(discrepancy_reason) BETWEEN 1 AND 500),
    CONSTRAINT ck_stock_request_lines_note_length CHECK (length(note) BETWEEN 1 AND 500),
    CONSTRAINT uq_stock_request_lines_tenant_id_request_id_id UNIQUE (tenant_id, request_id, id),
    CONSTRAINT fk_stock_request_lines_tenant_id_request_id FOREIGN KEY (tenant_id, request_id)
        REFERENCES stock_requests (tenant_id, id),
    CONSTRAINT fk_stock_request_lines_tenant_id_product_id FOREIGN KEY (tenant_id, product_id)
        REFERENCES products (tenant_id, id),
    CONSTRAINT fk_stock_request_lines_tenant_id_request_id_substitutes_line_id
        FOREIGN KEY (tenant_id, request_id, substitutes_line_id)
        REFERENCES stock_request_lines (tenant_id, request_id, id)
);
CREATE INDEX ix_stock_request_lines_tenant_id_request_id_line_no
    ON stock_request_lines (tenant_id, request_id, line_no);
CREATE INDEX ix_stock_request_lines_tenant_id_product_id_request_id
    ON stock_request_lines (tenant_id, product_id, request_id);
CREATE INDEX ix_stock_request_lines_backordered ON stock_request_lines (tenant_id, product_id, request_id)
    WHERE backordered > 0;
-- The plan, frozen at each submission (`round`): who decides, in the order of `tier`. Once `deadline_at` has passed,
-- the tier is with those whom it escalates to, if it names any.
CREATE TABLE stock_request_tiers (
    tenant_id UUID NOT NULL,
    request_id UUID NOT NULL,
    round INTEGER NOT NULL,
    tier INTEGER NOT NULL,
    name TEXT NOT NULL,
    role TEXT,
    user_ids UUID[] DEFAULT '{}' NOT NULL,
    approvals INTEGER DEFAULT 1 NOT NULL,
    deadline_hours INTEGER,
    escalate_role TEXT,
    escalate_user_ids UUID[] DEFAULT '{}' NOT NULL,
    why JSONB DEFAULT '[]' NOT NULL,
    started_at TIMESTAMP WITH TIME ZONE,
    deadline_at TIMESTAMP WITH TIME ZONE,
    finished_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_stock_request_tiers PRIMARY KEY (tenant_id, request_id, round, tier),
    CONSTRAINT ck_stock_request_tiers_name_length CHECK (length(name) BETWEEN 1 AND 200),
    CONSTRAINT ck_stock_request_tiers_role_length CHECK (length(role) BETWEEN 1 AND 64),
    CONSTRAINT ck_stock_request_tiers_escalate_role_length CHECK (length(escalate_role) BETWEEN 1 AND 64),
    CONSTRAINT ck_stock_request_tiers_approvals_range CHECK (approvals BETWEEN 1 AND 5),
    CONSTRAINT ck_stock_request_tiers_deadline_hours_range CHECK (deadline_hours BETWEEN 1 AND 8784),
    CONSTRAINT fk_stock_request_tiers_tenant_id_request_id FOREIGN KEY (tenant_id, request_id)
        REFERENCES stock_requests (tenant_id, id)
);
-- What was decided, by whom, in whose place and on which version; a decision that was rolled back stays.
CREATE TABLE stock_request_decisions (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    request_id UUID NOT NULL,
    round INTEGER NOT NULL,
    tier INTEGER NOT NULL,
    decision TEXT NOT NULL,
    decider_id UUID NOT NULL,
    decider TEXT NOT NULL,
    decider_ids UUID[] NOT NULL,
    on_behalf_of UUID,
    delegation_id UUID,
    version_seen INTEGER NOT NULL,
    quantities JSONB DEFAULT '{}' NOT NULL,
    comment TEXT,
    decided_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
    withdrawn_at TIMESTAMP WITH TIME ZONE,
    withdrawn_by UUID,
    CONSTRAINT pk_stock_request_decisions PRIMARY KEY (tenant_id, id),
    CONSTRAINT ck_stock_request_decisions_decision_known CHECK (decision IN ('APPROVED', 'REJECTED')),
    CONSTRAINT ck_stock_request_decisions_decider_length CHECK (length(decider) BETWEEN 1 AND 200),
    CONSTRAINT ck_stock_request_decisions_comment_length CHECK (length(comment) BETWEEN 1 AND 2000),
    CONSTRAINT fk_stock_request_decisions_tenant_id_request_id_round_tier
        FOREIGN KEY (tenant_id, request_id, round, tier)
        REFERENCES stock_request_tiers (tenant_id, request_id, round, tier)
);
CREATE INDEX ix_stock_request_decisions_tenant_id_request_id_id
    ON stock_request_decisions (tenant_id, request_id, id);
CREATE TABLE stock_request_comments (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    request_id UUID NOT NULL,
    author_id UUID NOT NULL,
    author TEXT NOT NULL,
    body TEXT NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT pk_stock_request_comments PRIMARY KEY (tenant_id, id),
    CONSTRAINT ck_stock_request_comments_author_length CHECK (length(author) BETWEEN 1 AND 200),
    CONSTRAINT ck_stock_request_comments_body_length CHECK (length(body) BETWEEN 1 AND 2000),
    CONSTRAINT fk_stock_request_comments_tenant_id_request_id FOREIGN KEY (tenant_id, request_id)
        REFERENCES stock_requests (tenant_id, id)
);
CREATE INDEX ix_stock_request_comments_tenant_id_request_id_id ON stock_request_comments (tenant_id, request_id, id);

SELECT wall_off(
    'approval_rules', 'stock_requests', 'stock_request_lines', 'stock_request_tiers', 'stock_request_decisions',
    'stock_request_comments'
);
GRANT SELECT, INSERT, UPDATE ON approval_rules, stock_requests, stock_request_tiers, stock_request_decisions
    TO storekeeper_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON stock_request_lines TO storekeeper_app;
GRANT SELECT, INSERT ON stock_request_comments TO storekeeper_app;
CREATE TRIGGER comments_are_immutable BEFORE UPDATE OR DELETE OR TRUNCATE ON stock_request_comments
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

SELECT audit_table('approval_rules', 'approval_rules', '{tenant_id}');
SELECT audit_table('stock_requests', 'stock_request');
SELECT audit_table('stock_request_lines', 'stock_request_line');
SELECT audit_table('stock_request_decisions', 'stock_request_decision');
RESET ROLE;
