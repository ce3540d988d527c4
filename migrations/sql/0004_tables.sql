-- Availability: channels and their policies, claims, holds, inbound supply, and what was recorded of them.
SET LOCAL ROLE storekeeper_owner;

CREATE TABLE channels (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    code TEXT NOT NULL,
    name TEXT NOT NULL,
    type TEXT NOT NULL,
    is_active BOOLEAN DEFAULT true NOT NULL,
    version INTEGER DEFAULT 1 NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_channels PRIMARY KEY (tenant_id, id),
    CONSTRAINT ck_channels_code_length CHECK (length(code) BETWEEN 1 AND 64),
    CONSTRAINT ck_channels_name_length CHECK (length(name) BETWEEN 1 AND 200),
    CONSTRAINT ck_channels_type_known CHECK (type IN ('DIRECT', 'MARKETPLACE', 'RETAIL', 'WHOLESALE', 'DTC')),
    CONSTRAINT uq_channels_tenant_id_code UNIQUE (tenant_id, code),
    CONSTRAINT fk_channels_tenant_id FOREIGN KEY (tenant_id) REFERENCES tenants (id)
);
-- The locations that serve a channel; from others it sells nothing.
CREATE TABLE channel_locations (
    tenant_id UUID NOT NULL,
    channel_id UUID NOT NULL,
    location_id UUID NOT NULL,
    CONSTRAINT pk_channel_locations PRIMARY KEY (tenant_id, location_id, channel_id),
    CONSTRAINT fk_channel_locations_tenant_id_channel_id FOREIGN KEY (tenant_id, channel_id)
        REFERENCES channels (tenant_id, id),
    CONSTRAINT fk_channel_locations_tenant_id_location_id FOREIGN KEY (tenant_id, location_id)
        REFERENCES locations (tenant_id, id)
);
CREATE INDEX ix_channel_locations_tenant_id_channel_id ON channel_locations (tenant_id, channel_id);
CREATE TABLE channel_policies (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    channel_id UUID,
    location_id UUID,
    product_id UUID,
    is_closed BOOLEAN DEFAULT false NOT NULL,
    mode TEXT DEFAULT 'REGULAR' NOT NULL,
    fence NUMERIC(18, 4) DEFAULT 0 NOT NULL,
    fence_version INTEGER DEFAULT 1 NOT NULL,
    priority INTEGER DEFAULT 100 NOT NULL,
    respects TEXT DEFAULT 'ALL_OTHERS' NOT NULL,
    buffer_units NUMERIC(18, 4) DEFAULT 0 NOT NULL,
    buffer_percent NUMERIC(18, 4) DEFAULT 0 NOT NULL,
    ceiling NUMERIC(18, 4),
    ceiling_period TEXT DEFAULT 'TOTAL' NOT NULL,
    low_threshold NUMERIC(18, 4) DEFAULT 0 NOT NULL,
    critical_threshold NUMERIC(18, 4) DEFAULT 0 NOT NULL,
    min_remaining_days INTEGER DEFAULT 0 NOT NULL,
    version INTEGER DEFAULT 1 NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_channel_policies PRIMARY KEY (tenant_id, id),
    CONSTRAINT ck_channel_policies_mode_known CHECK (mode IN ('REGULAR', 'RESTRICT', 'IRON_RESERVE')),
    CONSTRAINT ck_channel_policies_fence_range CHECK (fence <> 'NaN' AND fence >= 0),
    CONSTRAINT ck_channel_policies_priority_range CHECK (priority BETWEEN 1 AND 1000),
    CONSTRAINT ck_channel_policies_respects_known CHECK (respects IN ('ALL_OTHERS', 'EQUAL_OR_HIGHER')),
    CONSTRAINT ck_channel_policies_buffer_units_range CHECK (buffer_units <> 'NaN' AND buffer_units >= 0),
    CONSTRAINT ck_channel_policies_buffer_percent_range CHECK (buffer_percent <> 'NaN' AND buffer_percent >= 0),
    CONSTRAINT ck_channel_policies_buffer_percent_whole CHECK (buffer_percent <= 100),
    CONSTRAINT ck_channel_policies_ceiling_range CHECK (ceiling <> 'NaN' AND ceiling >= 0),
    CONSTRAINT ck_channel_policies_ceiling_period_known CHECK (ceiling_period IN ('DAY', 'WEEK', 'MONTH', 'TOTAL')),
    CONSTRAINT ck_channel_policies_low_threshold_range CHECK (low_threshold <> 'NaN' AND low_threshold >= 0),
    CONSTRAINT ck_channel_policies_critical_threshold_range
        CHECK (critical_threshold <> 'NaN' AND critical_threshold >= 0),
    CONSTRAINT ck_channel_policies_min_remaining_days_range CHECK (min_remaining_days BETWEEN 0 AND 36500),
    CONSTRAINT uq_channel_policies_tenant_id_product_id_location_id_channel_id
        UNIQUE NULLS NOT DISTINCT (tenant_id, product_id, location_id, channel_id),
    CONSTRAINT fk_channel_policies_tenant_id FOREIGN KEY (tenant_id) REFERENCES tenants (id),
    CONSTRAINT fk_channel_policies_tenant_id_channel_id FOREIGN KEY (tenant_id, channel_id)
        REFERENCES channels (tenant_id, id),
    CONSTRAINT fk_channel_policies_tenant_id_location_id FOREIGN KEY (tenant_id, location_id)
        REFERENCES locations (tenant_id, id),
    CONSTRAINT fk_channel_policies_tenant_id_product_id FOREIGN KEY (tenant_id, product_id)
        REFERENCES products (tenant_id, id)
);
-- What a channel has taken: of a fence (period F:<policy>:<fence version>), or in a period of its ceiling
-- (C:<policy>:<first day>).
CREATE TABLE channel_usage (
    tenant_id UUID NOT NULL,
    product_id UUID NOT NULL,
    location_id UUID NOT NULL,
    channel_id UUID NOT NULL,
    period TEXT NOT NULL,
    used NUMERIC(18, 4) NOT NULL,
    CONSTRAINT pk_channel_usage PRIMARY KEY (tenant_id, product_id, location_id, channel_id, period),
    CONSTRAINT ck_channel_usage_period_length CHECK (length(period) BETWEEN 1 AND 100),
    CONSTRAINT ck_channel_usage_used_range CHECK (used <> 'NaN' AND used >= 0),
    CONSTRAINT fk_channel_usage_tenant_id_channel_id FOREIGN KEY (tenant_id, channel_id)
        REFERENCES channels (tenant_id, id)
);

-- A claim: SOFT runs out by the clock, HARD (an allocation of a document) does not.
CREATE TABLE reservations (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    group_id UUID NOT NULL,
    kind TEXT NOT NULL,
    state TEXT NOT NULL,
    channel_id UUID,
    product_id UUID NOT NULL,
    location_id UUID NOT NULL,
    quantity NUMERIC(18, 4) NOT NULL,
    open_quantity NUMERIC(18, 4) NOT NULL,
    mode TEXT DEFAULT 'REGULAR' NOT NULL,
    fence_quantity NUMERIC(18, 4) DEFAULT 0 NOT NULL,
    fence_period TEXT,
    ceiling_period TEXT,
    external_ref TEXT,
    source_type TEXT,
    source_id TEXT,
    document_id UUID,
    actor_id UUID,
    actor TEXT,
    expires_at TIMESTAMP WITH TIME ZONE,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    resolved_at TIMESTAMP WITH TIME ZONE,
    version INTEGER DEFAULT 1 NOT NULL,
    CONSTRAINT pk_reservations PRIMARY KEY (tenant_id, id),
    CONSTRAINT ck_reservations_kind_known CHECK (kind IN ('SOFT', 'HARD')),
    CONSTRAINT ck_reservations_state_known CHECK (state IN ('LIVE', 'RELEASED', 'CONVERTED', 'EXPIRED')),
    CONSTRAINT ck_reservations_quantity_range CHECK (quantity <> 'NaN' AND quantity >= 0),
    CONSTRAINT ck_reservations_open_quantity_range CHECK (open_quantity <> 'NaN' AND open_quantity >= 0),
    CONSTRAINT ck_reservations_open_within CHECK (open_quantity <= quantity AND fence_quantity <= open_quantity),
    CONSTRAINT ck_reservations_mode_known CHECK (mode IN ('REGULAR', 'RESTRICT', 'IRON_RESERVE')),
    CONSTRAINT ck_reservations_fence_quantity_range CHECK (fence_quantity <> 'NaN' AND fence_quantity >= 0),
    CONSTRAINT ck_reservations_soft_expires CHECK (kind = 'HARD' OR expires_at IS NOT NULL),
    CONSTRAINT ck_reservations_open_while_live CHECK ((state = 'LIVE') = (open_quantity > 0)),
    CONSTRAINT ck_reservations_external_ref_length CHECK (length(external_ref) BETWEEN 1 AND 200),
    CONSTRAINT ck_reservations_source_type_length CHECK (length(source_type) BETWEEN 1 AND 64),
    CONSTRAINT ck_reservations_source_id_length CHECK (length(source_id) BETWEEN 1 AND 200),
    CONSTRAINT ck_reservations_actor_length CHECK (length(actor) BETWEEN 1 AND 200),
    CONSTRAINT ck_reservations_documents_are_hard CHECK (document_id IS NULL OR kind = 'HARD'),
    CONSTRAINT fk_reservations_tenant_id_product_id FOREIGN KEY (tenant_id, product_id)
        REFERENCES products (tenant_id, id),
    CONSTRAINT fk_reservations_tenant_id_location_id FOREIGN KEY (tenant_id, location_id)
        REFERENCES locations (tenant_id, id),
    CONSTRAINT fk_reservations_tenant_id_channel_id FOREIGN KEY (tenant_id, channel_id)
        REFERENCES channels (tenant_id, id)
);
CREATE INDEX ix_reservations_live ON reservations (tenant_id, product_id, location_id, expires_at)
    WHERE state = 'LIVE';
CREATE INDEX ix_reservations_open ON reservations (tenant_id, id) WHERE state = 'LIVE';
CREATE INDEX ix_reservations_tenant_id_group_id ON reservations (tenant_id, group_id);
CREATE INDEX ix_reservations_tenant_id_location_id_id ON reservations (tenant_id, location_id, id);
CREATE INDEX ix_reservations_of_document ON reservations (tenant_id, document_id, id) WHERE document_id IS NOT NULL;
CREATE INDEX ix_reservations_ref ON reservations (tenant_id, external_ref, id) WHERE external_ref IS NOT NULL;
-- The lines that a claim stands on, while it stands.
CREATE TABLE reservation_lines (
    tenant_id UUID NOT NULL,
    reservation_id UUID NOT NULL,
    line_id UUID NOT NULL,
    quantity NUMERIC(18, 4) NOT NULL,
    CONSTRAINT pk_reservation_lines PRIMARY KEY (tenant_id, reservation_id, line_id),
    CONSTRAINT ck_reservation_lines_quantity_range CHECK (quantity <> 'NaN' AND quantity >= 0),
    CONSTRAINT ck_reservation_lines_quantity_claims CHECK (quantity > 0),
    CONSTRAINT fk_reservation_lines_tenant_id_reservation_id FOREIGN KEY (tenant_id, reservation_id)
        REFERENCES reservations (tenant_id, id),
    CONSTRAINT fk_reservation_lines_tenant_id_line_id FOREIGN KEY (tenant_id, line_id)
        REFERENCES stock_lines (tenant_id, id)
);
CREATE INDEX ix_reservation_lines_tenant_id_line_id ON reservation_lines (tenant_id, line_id);
ALTER TABLE stock_levels ADD COLUMN available_from DATE;
CREATE INDEX ix_stock_lines_claimed ON stock_lines (tenant_id, location_id, id) WHERE reserved > 0;

CREATE TABLE holds (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    type TEXT NOT NULL,
    scope TEXT NOT NULL,
    state TEXT DEFAULT 'ACTIVE' NOT NULL,
    line_id UUID,
    lot_id UUID,
    bin_id UUID,
    product_id UUID,
    location_id UUID,
    quantity NUMERIC(18, 4),
    released NUMERIC(18, 4) DEFAULT 0 NOT NULL,
    reason TEXT NOT NULL,
    note TEXT,
    expected_until DATE,
    actor_id UUID,
    actor TEXT,
    released_at TIMESTAMP WITH TIME ZONE,
    version INTEGER DEFAULT 1 NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_holds PRIMARY KEY (tenant_id, id),
    CONSTRAINT ck_holds_type_known CHECK (type IN ('QUALITY', 'QUARANTINE', 'RECALL', 'DAMAGE', 'LEGAL')),
    CONSTRAINT ck_holds_scope_known CHECK (scope IN ('LINE', 'LOT', 'BIN', 'PRODUCT')),
    CONSTRAINT ck_holds_state_known CHECK (state IN ('ACTIVE', 'RELEASED')),
    CONSTRAINT ck_holds_scope_names CHECK (CASE scope
        WHEN 'LINE' THEN line_id IS NOT NULL WHEN 'LOT' THEN lot_id IS NOT NULL
        WHEN 'BIN' THEN bin_id IS NOT NULL AND location_id IS NOT NULL
        ELSE product_id IS NOT NULL AND location_id IS NOT NULL END),
    CONSTRAINT ck_holds_quantity_range CHECK (quantity <> 'NaN' AND quantity >= 0),
    CONSTRAINT ck_holds_quantity_of_line CHECK (quantity IS NULL OR (scope = 'LINE' AND quantity > 0)),
    CONSTRAINT ck_holds_released_range CHECK (released <> 'NaN' AND released >= 0),
    CONSTRAINT ck_holds_released_within CHECK (released <= coalesce(quantity, 0)),
    CONSTRAINT ck_holds_reason_length CHECK (length(reason) BETWEEN 1 AND 200),
    CONSTRAINT ck_holds_note_length CHECK (length(note) BETWEEN 1 AND 2000),
    CONSTRAINT ck_holds_actor_length CHECK (length(actor) BETWEEN 1 AND 200),
    CONSTRAINT fk_holds_tenant_id_line_id FOREIGN KEY (tenant_id, line_id) REFERENCES stock_lines (tenant_id, id),
    CONSTRAINT fk_holds_tenant_id_lot_id FOREIGN KEY (tenant_id, lot_id) REFERENCES lots (tenant_id, id),
    CONSTRAINT fk_holds_tenant_id_location_id_bin_id FOREIGN KEY (tenant_id, location_id, bin_id)
        REFERENCES bins (tenant_id, location_id, id),
    CONSTRAINT fk_holds_tenant_id_product_id FOREIGN KEY (tenant_id, product_id) REFERENCES products (tenant_id, id),
    CONSTRAINT fk_holds_tenant_id_location_id FOREIGN KEY (tenant_id, location_id)
        REFERENCES locations (tenant_id, id)
);
CREATE INDEX ix_holds_active ON holds (tenant_id, id) WHERE state = 'ACTIVE';
CREATE INDEX ix_holds_of_line ON holds (tenant_id, line_id) WHERE state = 'ACTIVE' AND scope = 'LINE';
CREATE INDEX ix_holds_of_lot ON holds (tenant_id, lot_id) WHERE state = 'ACTIVE' AND scope = 'LOT';
CREATE INDEX ix_holds_of_bin ON holds (tenant_id, bin_id) WHERE state = 'ACTIVE' AND scope = 'BIN';
CREATE INDEX ix_holds_of_product ON holds (tenant_id, product_id, location_id)
    WHERE state = 'ACTIVE' AND scope = 'PRODUCT';

-- What is confirmed to come; a receipt closes it. A transfer is supply at its destination from dispatch.
CREATE TABLE supplies (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    product_id UUID NOT NULL,
    location_id UUID NOT NULL,
    quantity NUMERIC(18, 4) NOT NULL,
    received NUMERIC(18, 4) DEFAULT 0 NOT NULL,
    due_on DATE NOT NULL,
    state TEXT DEFAULT 'OPEN' NOT NULL,
    source_type TEXT,
    source_id TEXT,
    note TEXT,
    version INTEGER DEFAULT 1 NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_supplies PRIMARY KEY (tenant_id, id),
    CONSTRAINT ck_supplies_quantity_range CHECK (quantity <> 'NaN' AND quantity >= 0),
    CONSTRAINT ck_supplies_received_range CHECK (received <> 'NaN' AND received >= 0),
    CONSTRAINT ck_supplies_state_known CHECK (state IN ('OPEN', 'CLOSED', 'CANCELED')),
    CONSTRAINT ck_supplies_source_type_length CHECK (length(source_type) BETWEEN 1 AND 64),
    CONSTRAINT ck_supplies_source_id_length CHECK (length(source_id) BETWEEN 1 AND 200),
    CONSTRAINT ck_supplies_note_length CHECK (length(note) BETWEEN 1 AND 2000),
    CONSTRAINT fk_supplies_tenant_id_product_id FOREIGN KEY (tenant_id, product_id)
        REFERENCES products (tenant_id, id),
    CONSTRAINT fk_supplies_tenant_id_location_id FOREIGN KEY (tenant_id, location_id)
        REFERENCES locations (tenant_id, id)
);
CREATE INDEX ix_supplies_open ON supplies (tenant_id, product_id, location_id, due_on) WHERE state = 'OPEN';
CREATE INDEX ix_supplies_due ON supplies (tenant_id, location_id, due_on) WHERE state = 'OPEN';

-- Expired stock on its way out: moved aside with one posting, written off with another.
CREATE TABLE destructions (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    location_id UUID NOT NULL,
    state TEXT DEFAULT 'PENDING' NOT NULL,
    lines JSONB NOT NULL,
    note TEXT,
    transfer_posting_id UUID NOT NULL,
    write_off_posting_id UUID,
    witness TEXT,
    method TEXT,
    certificate_number TEXT,
    actor_id UUID,
    actor TEXT,
    destroyed_at TIMESTAMP WITH TIME ZONE,
    version INTEGER DEFAULT 1 NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_destructions PRIMARY KEY (tenant_id, id),
    CONSTRAINT ck_destructions_state_known CHECK (state IN ('PENDING', 'DESTROYED', 'CANCELED')),
    CONSTRAINT ck_destructions_note_length CHECK (length(note) BETWEEN 1 AND 2000),
    CONSTRAINT ck_destructions_witness_length CHECK (length(witness) BETWEEN 1 AND 200),
    CONSTRAINT ck_destructions_method_length CHECK (length(method) BETWEEN 1 AND 200),
    CONSTRAINT ck_destructions_certificate_number_length CHECK (length(certificate_number) BETWEEN 1 AND 200),
    CONSTRAINT ck_destructions_actor_length CHECK (length(actor) BETWEEN 1 AND 200),
    CONSTRAINT fk_destructions_tenant_id_location_id FOREIGN KEY (tenant_id, location_id)
        REFERENCES locations (tenant_id, id),
    CONSTRAINT fk_destructions_tenant_id_transfer_posting_id FOREIGN KEY (tenant_id, transfer_posting_id)
        REFERENCES postings (tenant_id, id),
    CONSTRAINT fk_destructions_tenant_id_write_off_posting_id FOREIGN KEY (tenant_id, write_off_posting_id)
        REFERENCES postings (tenant_id, id)
);
CREATE INDEX ix_destructions_tenant_id_location_id_id ON destructions (tenant_id, location_id, id);

-- Somebody asked what a line can give, at a moment with its ledger position.
CREATE TABLE availability_records (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    line_id UUID NOT NULL,
    product_id UUID NOT NULL,
    location_id UUID NOT NULL,
    position BIGINT NOT NULL,
    terms JSONB NOT NULL,
    drift NUMERIC(18, 4) NOT NULL,
    note TEXT,
    actor_id UUID,
    actor TEXT,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_availability_records PRIMARY KEY (tenant_id, id),
    CONSTRAINT ck_availability_records_note_length CHECK (length(note) BETWEEN 1 AND 2000),
    CONSTRAINT ck_availability_records_actor_length CHECK (length(actor) BETWEEN 1 AND 200),
    CONSTRAINT ck_availability_records_drift_range CHECK (drift <> 'NaN'),
    CONSTRAINT fk_availability_records_tenant_id_line_id FOREIGN KEY (tenant_id, line_id)
        REFERENCES stock_lines (tenant_id, id)
);
CREATE INDEX ix_availability_records_tenant_id_line_id_id ON availability_records (tenant_id, line_id, id);
CREATE INDEX ix_availability_records_drift ON availability_records (tenant_id, location_id, id) WHERE drift <> 0;

SELECT wall_off(
    'channels', 'channel_locations', 'channel_policies', 'channel_usage', 'reservations', 'reservation_lines',
    'holds', 'supplies', 'destructions', 'availability_records'
);
GRANT SELECT ON channels, channel_locations, channel_policies, channel_usage, reservations, reservation_lines, holds,
    supplies, destructions, availability_records TO storekeeper_app, storekeeper_ledger;
GRANT INSERT, UPDATE, DELETE ON channels, channel_locations, channel_policies TO storekeeper_app;
GRANT INSERT, UPDATE ON supplies, destructions TO storekeeper_app;
GRANT INSERT ON availability_records TO storekeeper_app;
-- Claims and holds are the ledger's, like the balances that they bind.
GRANT INSERT, UPDATE, DELETE ON reservations, reservation_lines, holds, channel_usage TO storekeeper_ledger;
GRANT SELECT ON stock_levels TO storekeeper_ledger;

SELECT audit_table('channels', 'channel');
SELECT audit_table('channel_locations', 'channel_location', '{channel_id,location_id}');
SELECT audit_table('channel_policies', 'channel_policy');
SELECT audit_table('reservations', 'reservation');
SELECT audit_table('holds', 'hold');
SELECT audit_table('supplies', 'supply');
SELECT audit_table('destructions', 'destruction');
SELECT audit_table('availability_records', 'availability_record');
RESET ROLE;
