-- The first tables. Migrations are never edited after a release; infra/db/tables holds today's shape.
--
-- Primary and unique keys come after the other indexes on purpose: while a table is small the planner finds all of
-- its indexes equally good and takes the newest, and a session keeps that plan when the table has grown.

SET LOCAL ROLE storekeeper_owner;

CREATE TABLE events (
    tenant_id UUID NOT NULL,
    position BIGINT NOT NULL,
    type TEXT NOT NULL,
    entity_type TEXT NOT NULL,
    entity_id UUID NOT NULL,
    location_ids UUID[] DEFAULT '{}' NOT NULL,
    payload JSONB NOT NULL,
    request_id TEXT,
    recorded_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT ck_events_type_length CHECK (length(type) BETWEEN 1 AND 100),
    CONSTRAINT ck_events_entity_type_length CHECK (length(entity_type) BETWEEN 1 AND 64),
    CONSTRAINT ck_events_request_id_length CHECK (length(request_id) BETWEEN 1 AND 128)
);

ALTER TABLE events ADD CONSTRAINT pk_events PRIMARY KEY (tenant_id, position);

CREATE TABLE idempotency_keys (
    tenant_id UUID NOT NULL,
    principal_id UUID NOT NULL,
    operation TEXT NOT NULL,
    key TEXT NOT NULL,
    fingerprint BYTEA NOT NULL,
    outcome JSONB,
    status SMALLINT,
    body BYTEA,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT ck_idempotency_keys_operation_length CHECK (length(operation) BETWEEN 1 AND 100),
    CONSTRAINT ck_idempotency_keys_key_length CHECK (length(key) BETWEEN 1 AND 255)
);

CREATE INDEX ix_idempotency_keys_tenant_id_created_at ON idempotency_keys (tenant_id, created_at);
ALTER TABLE idempotency_keys ADD CONSTRAINT pk_idempotency_keys PRIMARY KEY (tenant_id, principal_id, operation, key);

CREATE TABLE postings (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    kind TEXT NOT NULL,
    source_type TEXT,
    source_id TEXT,
    comment TEXT,
    actor_id UUID,
    actor TEXT,
    session_id UUID,
    request_id TEXT,
    idempotency_key TEXT,
    reverses_id UUID,
    first_position BIGINT NOT NULL,
    movement_count INTEGER NOT NULL,
    details JSONB,
    recorded_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT ck_postings_kind_known CHECK (kind IN ('RECEIPT', 'ISSUE', 'ADJUSTMENT', 'COUNT', 'LOT_CORRECTION', 'TRANSFER_OUT', 'TRANSFER_IN', 'PUT_AWAY', 'CONSUMPTION', 'DESTRUCTION', 'OPENING', 'IMPORT', 'REVERSAL')),
    CONSTRAINT ck_postings_source_type_length CHECK (length(source_type) BETWEEN 1 AND 64),
    CONSTRAINT ck_postings_source_id_length CHECK (length(source_id) BETWEEN 1 AND 200),
    CONSTRAINT ck_postings_comment_length CHECK (length(comment) BETWEEN 1 AND 2000),
    CONSTRAINT ck_postings_actor_length CHECK (length(actor) BETWEEN 1 AND 200),
    CONSTRAINT ck_postings_request_id_length CHECK (length(request_id) BETWEEN 1 AND 128),
    CONSTRAINT ck_postings_idempotency_key_length CHECK (length(idempotency_key) BETWEEN 1 AND 255)
);

CREATE INDEX ix_postings_source ON postings (tenant_id, source_type, source_id) WHERE source_id IS NOT NULL;
CREATE INDEX ix_postings_tenant_id_kind_first_position ON postings (tenant_id, kind, first_position);
CREATE UNIQUE INDEX uq_postings_reverses ON postings (tenant_id, reverses_id) WHERE reverses_id IS NOT NULL;
ALTER TABLE postings ADD CONSTRAINT pk_postings PRIMARY KEY (tenant_id, id);
ALTER TABLE postings ADD CONSTRAINT fk_postings_tenant_id_reverses_id FOREIGN KEY(tenant_id, reverses_id) REFERENCES postings (tenant_id, id);

CREATE TABLE tenants (
    id UUID NOT NULL,
    slug TEXT NOT NULL,
    name TEXT NOT NULL,
    settings JSONB DEFAULT '{}' NOT NULL,
    is_active BOOLEAN DEFAULT true NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT ck_tenants_slug_length CHECK (length(slug) BETWEEN 1 AND 63),
    CONSTRAINT ck_tenants_name_length CHECK (length(name) BETWEEN 1 AND 200)
);

ALTER TABLE tenants ADD CONSTRAINT uq_tenants_slug UNIQUE (slug);
ALTER TABLE tenants ADD CONSTRAINT pk_tenants PRIMARY KEY (id);

CREATE TABLE users (
    id UUID NOT NULL,
    email TEXT NOT NULL,
    name TEXT NOT NULL,
    password_hash TEXT NOT NULL,
    is_active BOOLEAN DEFAULT true NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT ck_users_email_length CHECK (length(email) BETWEEN 1 AND 320),
    CONSTRAINT ck_users_name_length CHECK (length(name) BETWEEN 1 AND 200)
);

ALTER TABLE users ADD CONSTRAINT uq_users_email UNIQUE (email);
ALTER TABLE users ADD CONSTRAINT pk_users PRIMARY KEY (id);

CREATE TABLE api_keys (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    name TEXT NOT NULL,
    key_hash BYTEA NOT NULL,
    prefix TEXT NOT NULL,
    last4 TEXT NOT NULL,
    scopes TEXT[] NOT NULL,
    location_ids UUID[],
    created_by UUID,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    expires_at TIMESTAMP WITH TIME ZONE,
    revoked_at TIMESTAMP WITH TIME ZONE,
    used_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT fk_api_keys_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id),
    CONSTRAINT ck_api_keys_name_length CHECK (length(name) BETWEEN 1 AND 200),
    CONSTRAINT ck_api_keys_prefix_length CHECK (length(prefix) BETWEEN 1 AND 32),
    CONSTRAINT ck_api_keys_last4_length CHECK (length(last4) BETWEEN 1 AND 4)
);

CREATE INDEX ix_api_keys_key_hash ON api_keys (key_hash);
ALTER TABLE api_keys ADD CONSTRAINT uq_api_keys_tenant_id_key_hash UNIQUE (tenant_id, key_hash);
ALTER TABLE api_keys ADD CONSTRAINT pk_api_keys PRIMARY KEY (tenant_id, id);

CREATE TABLE categories (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    code TEXT NOT NULL,
    name TEXT NOT NULL,
    parent_id UUID,
    is_active BOOLEAN DEFAULT true NOT NULL,
    version INTEGER DEFAULT 1 NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT fk_categories_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id),
    CONSTRAINT ck_categories_code_length CHECK (length(code) BETWEEN 1 AND 64),
    CONSTRAINT ck_categories_name_length CHECK (length(name) BETWEEN 1 AND 200)
);

ALTER TABLE categories ADD CONSTRAINT uq_categories_tenant_id_code UNIQUE (tenant_id, code);
ALTER TABLE categories ADD CONSTRAINT pk_categories PRIMARY KEY (tenant_id, id);
ALTER TABLE categories ADD CONSTRAINT fk_categories_tenant_id_parent_id FOREIGN KEY(tenant_id, parent_id) REFERENCES categories (tenant_id, id);

CREATE TABLE ledger_heads (
    tenant_id UUID NOT NULL,
    position BIGINT DEFAULT 0 NOT NULL,
    event_position BIGINT DEFAULT 0 NOT NULL,
    quantity_in NUMERIC(30, 4) DEFAULT 0 NOT NULL,
    quantity_out NUMERIC(30, 4) DEFAULT 0 NOT NULL,
    CONSTRAINT fk_ledger_heads_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id)
);

ALTER TABLE ledger_heads ADD CONSTRAINT pk_ledger_heads PRIMARY KEY (tenant_id);

CREATE TABLE locations (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    code TEXT NOT NULL,
    name TEXT NOT NULL,
    type TEXT NOT NULL,
    time_zone TEXT NOT NULL,
    capabilities TEXT[] DEFAULT '{}' NOT NULL,
    is_active BOOLEAN DEFAULT true NOT NULL,
    version INTEGER DEFAULT 1 NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT fk_locations_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id),
    CONSTRAINT ck_locations_code_length CHECK (length(code) BETWEEN 1 AND 64),
    CONSTRAINT ck_locations_name_length CHECK (length(name) BETWEEN 1 AND 200),
    CONSTRAINT ck_locations_type_known CHECK (type IN ('WAREHOUSE', 'STORE', 'DEPOT', 'IN_TRANSIT', 'DESTRUCTION')),
    CONSTRAINT ck_locations_time_zone_length CHECK (length(time_zone) BETWEEN 1 AND 64)
);

ALTER TABLE locations ADD CONSTRAINT uq_locations_tenant_id_code UNIQUE (tenant_id, code);
ALTER TABLE locations ADD CONSTRAINT pk_locations PRIMARY KEY (tenant_id, id);

CREATE TABLE memberships (
    tenant_id UUID NOT NULL,
    user_id UUID NOT NULL,
    is_active BOOLEAN DEFAULT true NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT fk_memberships_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id)
);

ALTER TABLE memberships ADD CONSTRAINT pk_memberships PRIMARY KEY (tenant_id, user_id);

CREATE TABLE reason_codes (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    code TEXT NOT NULL,
    name TEXT NOT NULL,
    direction TEXT NOT NULL,
    requires_comment BOOLEAN DEFAULT false NOT NULL,
    requires_root_cause BOOLEAN DEFAULT false NOT NULL,
    pack TEXT NOT NULL,
    is_active BOOLEAN DEFAULT true NOT NULL,
    version INTEGER DEFAULT 1 NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT fk_reason_codes_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id),
    CONSTRAINT ck_reason_codes_code_length CHECK (length(code) BETWEEN 1 AND 64),
    CONSTRAINT ck_reason_codes_name_length CHECK (length(name) BETWEEN 1 AND 200),
    CONSTRAINT ck_reason_codes_direction_known CHECK (direction IN ('IN', 'OUT', 'BOTH')),
    CONSTRAINT ck_reason_codes_pack_length CHECK (length(pack) BETWEEN 1 AND 32)
);

ALTER TABLE reason_codes ADD CONSTRAINT uq_reason_codes_tenant_id_code UNIQUE (tenant_id, code);
ALTER TABLE reason_codes ADD CONSTRAINT pk_reason_codes PRIMARY KEY (tenant_id, id);

CREATE TABLE roles (
    tenant_id UUID NOT NULL,
    code TEXT NOT NULL,
    name TEXT NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT fk_roles_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id),
    CONSTRAINT ck_roles_code_length CHECK (length(code) BETWEEN 1 AND 63),
    CONSTRAINT ck_roles_name_length CHECK (length(name) BETWEEN 1 AND 200)
);

ALTER TABLE roles ADD CONSTRAINT pk_roles PRIMARY KEY (tenant_id, code);

CREATE TABLE uoms (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    code TEXT NOT NULL,
    name TEXT NOT NULL,
    decimals INTEGER DEFAULT 0 NOT NULL,
    is_active BOOLEAN DEFAULT true NOT NULL,
    version INTEGER DEFAULT 1 NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT fk_uoms_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id),
    CONSTRAINT ck_uoms_code_length CHECK (length(code) BETWEEN 1 AND 32),
    CONSTRAINT ck_uoms_name_length CHECK (length(name) BETWEEN 1 AND 200),
    CONSTRAINT ck_uoms_decimals_range CHECK (decimals BETWEEN 0 AND 4)
);

ALTER TABLE uoms ADD CONSTRAINT uq_uoms_tenant_id_code UNIQUE (tenant_id, code);
ALTER TABLE uoms ADD CONSTRAINT pk_uoms PRIMARY KEY (tenant_id, id);

CREATE TABLE areas (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    location_id UUID NOT NULL,
    code TEXT NOT NULL,
    name TEXT NOT NULL,
    is_active BOOLEAN DEFAULT true NOT NULL,
    version INTEGER DEFAULT 1 NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT ck_areas_code_length CHECK (length(code) BETWEEN 1 AND 64),
    CONSTRAINT ck_areas_name_length CHECK (length(name) BETWEEN 1 AND 200),
    CONSTRAINT fk_areas_tenant_id_location_id FOREIGN KEY(tenant_id, location_id) REFERENCES locations (tenant_id, id)
);

ALTER TABLE areas ADD CONSTRAINT uq_areas_tenant_id_location_id_code UNIQUE (tenant_id, location_id, code);
ALTER TABLE areas ADD CONSTRAINT uq_areas_tenant_id_location_id_id UNIQUE (tenant_id, location_id, id);
ALTER TABLE areas ADD CONSTRAINT pk_areas PRIMARY KEY (tenant_id, id);

CREATE TABLE grants (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    user_id UUID NOT NULL,
    role TEXT NOT NULL,
    location_id UUID,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT ck_grants_role_length CHECK (length(role) BETWEEN 1 AND 63),
    CONSTRAINT fk_grants_tenant_id_user_id FOREIGN KEY(tenant_id, user_id) REFERENCES memberships (tenant_id, user_id),
    CONSTRAINT fk_grants_tenant_id_location_id FOREIGN KEY(tenant_id, location_id) REFERENCES locations (tenant_id, id)
);

ALTER TABLE grants ADD CONSTRAINT uq_grants_tenant_id_user_id_role_location_id UNIQUE NULLS NOT DISTINCT (tenant_id, user_id, role, location_id);
ALTER TABLE grants ADD CONSTRAINT pk_grants PRIMARY KEY (tenant_id, id);

CREATE TABLE products (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    sku TEXT NOT NULL,
    name TEXT NOT NULL,
    description TEXT,
    barcode TEXT,
    category_id UUID,
    uom_id UUID NOT NULL,
    unit_cost NUMERIC(18, 4) DEFAULT 0 NOT NULL,
    is_lot_controlled BOOLEAN DEFAULT false NOT NULL,
    is_expiry_required BOOLEAN DEFAULT false NOT NULL,
    is_regulated BOOLEAN DEFAULT false NOT NULL,
    shelf_life_days INTEGER,
    min_remaining_shelf_life_days INTEGER,
    expiry_warning_days INTEGER,
    lot_pattern TEXT,
    is_active BOOLEAN DEFAULT true NOT NULL,
    version INTEGER DEFAULT 1 NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT ck_products_sku_length CHECK (length(sku) BETWEEN 1 AND 64),
    CONSTRAINT ck_products_name_length CHECK (length(name) BETWEEN 1 AND 300),
    CONSTRAINT ck_products_description_length CHECK (length(description) BETWEEN 1 AND 4000),
    CONSTRAINT ck_products_barcode_length CHECK (length(barcode) BETWEEN 1 AND 64),
    CONSTRAINT ck_products_unit_cost_range CHECK (unit_cost <> 'NaN' AND unit_cost >= 0),
    CONSTRAINT ck_products_shelf_life_days_range CHECK (shelf_life_days BETWEEN 0 AND 36500),
    CONSTRAINT ck_products_min_remaining_shelf_life_days_range CHECK (min_remaining_shelf_life_days BETWEEN 0 AND 36500),
    CONSTRAINT ck_products_expiry_warning_days_range CHECK (expiry_warning_days BETWEEN 0 AND 36500),
    CONSTRAINT ck_products_lot_pattern_length CHECK (length(lot_pattern) BETWEEN 1 AND 200),
    CONSTRAINT fk_products_tenant_id_category_id FOREIGN KEY(tenant_id, category_id) REFERENCES categories (tenant_id, id),
    CONSTRAINT fk_products_tenant_id_uom_id FOREIGN KEY(tenant_id, uom_id) REFERENCES uoms (tenant_id, id)
);

CREATE INDEX ix_products_tenant_id_barcode ON products (tenant_id, barcode) WHERE barcode IS NOT NULL;
CREATE INDEX ix_products_tenant_id_category_id_sku ON products (tenant_id, category_id, sku);
CREATE INDEX ix_products_tenant_id_name_id ON products (tenant_id, name, id);
CREATE INDEX ix_products_tenant_id_uom_id ON products (tenant_id, uom_id);
ALTER TABLE products ADD CONSTRAINT uq_products_tenant_id_sku UNIQUE (tenant_id, sku);
ALTER TABLE products ADD CONSTRAINT pk_products PRIMARY KEY (tenant_id, id);

CREATE TABLE role_permissions (
    tenant_id UUID NOT NULL,
    role TEXT NOT NULL,
    permission TEXT NOT NULL,
    CONSTRAINT ck_role_permissions_permission_length CHECK (length(permission) BETWEEN 1 AND 63),
    CONSTRAINT fk_role_permissions_tenant_id_role FOREIGN KEY(tenant_id, role) REFERENCES roles (tenant_id, code)
);

ALTER TABLE role_permissions ADD CONSTRAINT pk_role_permissions PRIMARY KEY (tenant_id, role, permission);

CREATE TABLE sessions (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    token_hash BYTEA NOT NULL,
    user_id UUID NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    seen_at TIMESTAMP WITH TIME ZONE NOT NULL,
    expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
    ended_at TIMESTAMP WITH TIME ZONE,
    user_agent TEXT,
    CONSTRAINT fk_sessions_tenant_id_user_id FOREIGN KEY(tenant_id, user_id) REFERENCES memberships (tenant_id, user_id)
);

CREATE INDEX ix_sessions_tenant_id_user_id ON sessions (tenant_id, user_id);
CREATE INDEX ix_sessions_token_hash ON sessions (token_hash);
ALTER TABLE sessions ADD CONSTRAINT uq_sessions_tenant_id_token_hash UNIQUE (tenant_id, token_hash);
ALTER TABLE sessions ADD CONSTRAINT pk_sessions PRIMARY KEY (tenant_id, id);

CREATE TABLE stock_counts (
    tenant_id UUID NOT NULL,
    location_id UUID NOT NULL,
    lines BIGINT DEFAULT 0 NOT NULL,
    CONSTRAINT fk_stock_counts_tenant_id_location_id FOREIGN KEY(tenant_id, location_id) REFERENCES locations (tenant_id, id)
);

ALTER TABLE stock_counts ADD CONSTRAINT pk_stock_counts PRIMARY KEY (tenant_id, location_id);

CREATE TABLE bins (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    location_id UUID NOT NULL,
    area_id UUID,
    code TEXT NOT NULL,
    name TEXT NOT NULL,
    type TEXT DEFAULT 'STANDARD' NOT NULL,
    zone TEXT,
    walk_order INTEGER DEFAULT 0 NOT NULL,
    capacity_units NUMERIC(18, 4),
    capacity_volume NUMERIC(18, 4),
    capacity_weight NUMERIC(18, 4),
    mixing TEXT DEFAULT 'ANY' NOT NULL,
    is_default BOOLEAN DEFAULT false NOT NULL,
    frozen_by UUID,
    is_active BOOLEAN DEFAULT true NOT NULL,
    version INTEGER DEFAULT 1 NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT ck_bins_code_length CHECK (length(code) BETWEEN 1 AND 64),
    CONSTRAINT ck_bins_name_length CHECK (length(name) BETWEEN 1 AND 200),
    CONSTRAINT ck_bins_type_known CHECK (type IN ('STANDARD', 'RECEIVING', 'PICKING', 'REPLENISHMENT', 'STAGING', 'HOLD', 'QUARANTINE', 'DAMAGE')),
    CONSTRAINT ck_bins_zone_length CHECK (length(zone) BETWEEN 1 AND 64),
    CONSTRAINT ck_bins_capacity_units_range CHECK (capacity_units <> 'NaN' AND capacity_units >= 0),
    CONSTRAINT ck_bins_capacity_volume_range CHECK (capacity_volume <> 'NaN' AND capacity_volume >= 0),
    CONSTRAINT ck_bins_capacity_weight_range CHECK (capacity_weight <> 'NaN' AND capacity_weight >= 0),
    CONSTRAINT ck_bins_mixing_known CHECK (mixing IN ('ANY', 'ONE_PRODUCT', 'ONE_LOT')),
    CONSTRAINT fk_bins_tenant_id_location_id FOREIGN KEY(tenant_id, location_id) REFERENCES locations (tenant_id, id),
    CONSTRAINT fk_bins_tenant_id_location_id_area_id FOREIGN KEY(tenant_id, location_id, area_id) REFERENCES areas (tenant_id, location_id, id)
);

CREATE INDEX ix_bins_tenant_id_area_id ON bins (tenant_id, area_id);
CREATE UNIQUE INDEX uq_bins_default ON bins (tenant_id, location_id) WHERE is_default;
ALTER TABLE bins ADD CONSTRAINT uq_bins_tenant_id_location_id_code UNIQUE (tenant_id, location_id, code);
ALTER TABLE bins ADD CONSTRAINT uq_bins_tenant_id_location_id_id UNIQUE (tenant_id, location_id, id);
ALTER TABLE bins ADD CONSTRAINT pk_bins PRIMARY KEY (tenant_id, id);

CREATE TABLE lots (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    product_id UUID NOT NULL,
    number TEXT NOT NULL,
    expires_on DATE,
    manufactured_on DATE,
    supplier_lot TEXT,
    status TEXT DEFAULT 'ACTIVE' NOT NULL,
    is_default BOOLEAN DEFAULT false NOT NULL,
    version INTEGER DEFAULT 1 NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT ck_lots_number_length CHECK (length(number) <= 64),
    CONSTRAINT ck_lots_supplier_lot_length CHECK (length(supplier_lot) BETWEEN 1 AND 64),
    CONSTRAINT ck_lots_status_known CHECK (status IN ('ACTIVE', 'EXPIRED', 'RECALLED', 'INACTIVE')),
    CONSTRAINT ck_lots_default_is_unnumbered CHECK (is_default = (number = '')),
    CONSTRAINT ck_lots_default_does_not_expire CHECK (NOT is_default OR expires_on IS NULL),
    CONSTRAINT fk_lots_tenant_id_product_id FOREIGN KEY(tenant_id, product_id) REFERENCES products (tenant_id, id)
);

CREATE INDEX ix_lots_tenant_id_expires_on ON lots (tenant_id, expires_on);
CREATE INDEX ix_lots_tenant_id_number ON lots (tenant_id, number);
ALTER TABLE lots ADD CONSTRAINT uq_lots_tenant_id_product_id_number UNIQUE (tenant_id, product_id, number);
ALTER TABLE lots ADD CONSTRAINT uq_lots_tenant_id_product_id_id UNIQUE (tenant_id, product_id, id);
ALTER TABLE lots ADD CONSTRAINT pk_lots PRIMARY KEY (tenant_id, id);

CREATE TABLE stock_totals (
    tenant_id UUID NOT NULL,
    product_id UUID NOT NULL,
    location_id UUID NOT NULL,
    on_hand NUMERIC(18, 4) DEFAULT 0 NOT NULL,
    sellable NUMERIC(18, 4) DEFAULT 0 NOT NULL,
    reserved NUMERIC(18, 4) DEFAULT 0 NOT NULL,
    allocated NUMERIC(18, 4) DEFAULT 0 NOT NULL,
    held NUMERIC(18, 4) DEFAULT 0 NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT ck_stock_totals_on_hand_range CHECK (on_hand <> 'NaN' AND on_hand >= 0),
    CONSTRAINT ck_stock_totals_sellable_range CHECK (sellable <> 'NaN' AND sellable >= 0),
    CONSTRAINT ck_stock_totals_reserved_range CHECK (reserved <> 'NaN' AND reserved >= 0),
    CONSTRAINT ck_stock_totals_allocated_range CHECK (allocated <> 'NaN' AND allocated >= 0),
    CONSTRAINT ck_stock_totals_held_range CHECK (held <> 'NaN' AND held >= 0),
    CONSTRAINT fk_stock_totals_tenant_id_product_id FOREIGN KEY(tenant_id, product_id) REFERENCES products (tenant_id, id),
    CONSTRAINT fk_stock_totals_tenant_id_location_id FOREIGN KEY(tenant_id, location_id) REFERENCES locations (tenant_id, id)
);

CREATE INDEX ix_stock_totals_tenant_id_location_id_product_id ON stock_totals (tenant_id, location_id, product_id);
ALTER TABLE stock_totals ADD CONSTRAINT pk_stock_totals PRIMARY KEY (tenant_id, product_id, location_id);

CREATE TABLE uom_conversions (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    product_id UUID,
    from_uom_id UUID NOT NULL,
    to_uom_id UUID NOT NULL,
    factor NUMERIC(18, 9) NOT NULL,
    version INTEGER DEFAULT 1 NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT ck_uom_conversions_factor_range CHECK (factor <> 'NaN' AND factor > 0),
    CONSTRAINT ck_uom_conversions_two_units CHECK (from_uom_id <> to_uom_id),
    CONSTRAINT fk_uom_conversions_tenant_id_product_id FOREIGN KEY(tenant_id, product_id) REFERENCES products (tenant_id, id),
    CONSTRAINT fk_uom_conversions_tenant_id_from_uom_id FOREIGN KEY(tenant_id, from_uom_id) REFERENCES uoms (tenant_id, id),
    CONSTRAINT fk_uom_conversions_tenant_id_to_uom_id FOREIGN KEY(tenant_id, to_uom_id) REFERENCES uoms (tenant_id, id)
);

ALTER TABLE uom_conversions ADD CONSTRAINT uq_uom_conversions_tenant_id_product_id_from_uom_id_to_uom_id UNIQUE NULLS NOT DISTINCT (tenant_id, product_id, from_uom_id, to_uom_id);
ALTER TABLE uom_conversions ADD CONSTRAINT pk_uom_conversions PRIMARY KEY (tenant_id, id);

CREATE TABLE stock_levels (
    tenant_id UUID NOT NULL,
    product_id UUID NOT NULL,
    location_id UUID NOT NULL,
    min_qty NUMERIC(18, 4),
    reorder_qty NUMERIC(18, 4),
    max_qty NUMERIC(18, 4),
    safety_stock NUMERIC(18, 4) DEFAULT 0 NOT NULL,
    preferred_bin_id UUID,
    source_location_id UUID,
    lead_time_days INTEGER,
    abc_class TEXT,
    version INTEGER DEFAULT 1 NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT ck_stock_levels_min_qty_range CHECK (min_qty <> 'NaN' AND min_qty >= 0),
    CONSTRAINT ck_stock_levels_reorder_qty_range CHECK (reorder_qty <> 'NaN' AND reorder_qty >= 0),
    CONSTRAINT ck_stock_levels_max_qty_range CHECK (max_qty <> 'NaN' AND max_qty >= 0),
    CONSTRAINT ck_stock_levels_safety_stock_range CHECK (safety_stock <> 'NaN' AND safety_stock >= 0),
    CONSTRAINT ck_stock_levels_lead_time_days_range CHECK (lead_time_days BETWEEN 0 AND 36500),
    CONSTRAINT ck_stock_levels_abc_class_known CHECK (abc_class IN ('A', 'B', 'C')),
    CONSTRAINT ck_stock_levels_in_order CHECK (min_qty <= reorder_qty AND reorder_qty <= max_qty),
    CONSTRAINT fk_stock_levels_tenant_id_product_id FOREIGN KEY(tenant_id, product_id) REFERENCES products (tenant_id, id),
    CONSTRAINT fk_stock_levels_tenant_id_location_id FOREIGN KEY(tenant_id, location_id) REFERENCES locations (tenant_id, id),
    CONSTRAINT fk_stock_levels_tenant_id_location_id_preferred_bin_id FOREIGN KEY(tenant_id, location_id, preferred_bin_id) REFERENCES bins (tenant_id, location_id, id),
    CONSTRAINT fk_stock_levels_tenant_id_source_location_id FOREIGN KEY(tenant_id, source_location_id) REFERENCES locations (tenant_id, id)
);

ALTER TABLE stock_levels ADD CONSTRAINT pk_stock_levels PRIMARY KEY (tenant_id, product_id, location_id);

CREATE TABLE stock_lines (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    product_id UUID NOT NULL,
    location_id UUID NOT NULL,
    bin_id UUID NOT NULL,
    lot_id UUID NOT NULL,
    on_hand NUMERIC(18, 4) DEFAULT 0 NOT NULL,
    reserved NUMERIC(18, 4) DEFAULT 0 NOT NULL,
    held NUMERIC(18, 4) DEFAULT 0 NOT NULL,
    held_part NUMERIC(18, 4) DEFAULT 0 NOT NULL,
    whole_holds INTEGER DEFAULT 0 NOT NULL,
    version BIGINT DEFAULT 0 NOT NULL,
    counted_at TIMESTAMP WITH TIME ZONE,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT ck_stock_lines_on_hand_range CHECK (on_hand <> 'NaN' AND on_hand >= 0),
    CONSTRAINT ck_stock_lines_reserved_range CHECK (reserved <> 'NaN' AND reserved >= 0),
    CONSTRAINT ck_stock_lines_held_range CHECK (held <> 'NaN' AND held >= 0),
    CONSTRAINT ck_stock_lines_held_part_range CHECK (held_part <> 'NaN' AND held_part >= 0),
    CONSTRAINT ck_stock_lines_held_within CHECK (held <= on_hand AND whole_holds >= 0),
    CONSTRAINT fk_stock_lines_tenant_id_product_id FOREIGN KEY(tenant_id, product_id) REFERENCES products (tenant_id, id),
    CONSTRAINT fk_stock_lines_tenant_id_location_id_bin_id FOREIGN KEY(tenant_id, location_id, bin_id) REFERENCES bins (tenant_id, location_id, id),
    CONSTRAINT fk_stock_lines_tenant_id_product_id_lot_id FOREIGN KEY(tenant_id, product_id, lot_id) REFERENCES lots (tenant_id, product_id, id)
);

CREATE INDEX ix_stock_lines_tenant_id_bin_id_id ON stock_lines (tenant_id, bin_id, id);
CREATE INDEX ix_stock_lines_tenant_id_location_id_id ON stock_lines (tenant_id, location_id, id);
CREATE INDEX ix_stock_lines_tenant_id_lot_id_id ON stock_lines (tenant_id, lot_id, id);
CREATE INDEX ix_stock_lines_tenant_id_product_id_id ON stock_lines (tenant_id, product_id, id);
ALTER TABLE stock_lines ADD CONSTRAINT uq_stock_lines_tenant_id_product_id_location_id_bin_id_lot_id UNIQUE (tenant_id, product_id, location_id, bin_id, lot_id);
ALTER TABLE stock_lines ADD CONSTRAINT pk_stock_lines PRIMARY KEY (tenant_id, id);

CREATE TABLE movements (
    tenant_id UUID NOT NULL,
    position BIGINT NOT NULL,
    posting_id UUID NOT NULL,
    line_id UUID NOT NULL,
    line_version BIGINT NOT NULL,
    product_id UUID NOT NULL,
    location_id UUID NOT NULL,
    kind TEXT NOT NULL,
    delta NUMERIC(18, 4) NOT NULL,
    balance_after NUMERIC(18, 4) NOT NULL,
    reason_code_id UUID,
    comment TEXT,
    root_cause TEXT,
    effective_at TIMESTAMP WITH TIME ZONE NOT NULL,
    recorded_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT ck_movements_kind_known CHECK (kind IN ('RECEIPT', 'ISSUE', 'ADJUSTMENT', 'COUNT', 'LOT_CORRECTION', 'TRANSFER_OUT', 'TRANSFER_IN', 'PUT_AWAY', 'CONSUMPTION', 'DESTRUCTION', 'OPENING', 'IMPORT', 'REVERSAL')),
    CONSTRAINT ck_movements_delta_range CHECK (delta <> 'NaN'),
    CONSTRAINT ck_movements_delta_moves CHECK (delta <> 0),
    CONSTRAINT ck_movements_balance_after_range CHECK (balance_after <> 'NaN' AND balance_after >= 0),
    CONSTRAINT ck_movements_comment_length CHECK (length(comment) BETWEEN 1 AND 2000),
    CONSTRAINT ck_movements_root_cause_length CHECK (length(root_cause) BETWEEN 1 AND 2000),
    CONSTRAINT fk_movements_tenant_id_posting_id FOREIGN KEY(tenant_id, posting_id) REFERENCES postings (tenant_id, id),
    CONSTRAINT fk_movements_tenant_id_line_id FOREIGN KEY(tenant_id, line_id) REFERENCES stock_lines (tenant_id, id),
    CONSTRAINT fk_movements_tenant_id_reason_code_id FOREIGN KEY(tenant_id, reason_code_id) REFERENCES reason_codes (tenant_id, id)
);

CREATE INDEX ix_movements_reason ON movements (tenant_id, reason_code_id, position) WHERE reason_code_id IS NOT NULL;
CREATE INDEX ix_movements_tenant_id_effective_at ON movements (tenant_id, effective_at);
CREATE INDEX ix_movements_tenant_id_location_id_position ON movements (tenant_id, location_id, position);
CREATE INDEX ix_movements_tenant_id_product_id_position ON movements (tenant_id, product_id, position);
ALTER TABLE movements ADD CONSTRAINT uq_movements_tenant_id_line_id_line_version UNIQUE (tenant_id, line_id, line_version);
ALTER TABLE movements ADD CONSTRAINT pk_movements PRIMARY KEY (tenant_id, position);

RESET ROLE;
