-- Replenishment: levels, and what follows from them.
SET LOCAL ROLE storekeeper_owner;

-- A product is replenished at a location when its levels there name a method. What availability keeps back stays
-- `safety_stock`: it is kept in this one place, whether a planner gave it or it was computed.
ALTER TABLE stock_levels
    ADD COLUMN method TEXT,
    ADD COLUMN safety_method TEXT DEFAULT 'GIVEN' NOT NULL,
    ADD COLUMN service_level NUMERIC(18, 4),
    ADD COLUMN lead_time_sd_days NUMERIC(18, 4),
    ADD COLUMN review_days INTEGER,
    ADD COLUMN order_multiple NUMERIC(18, 4),
    ADD COLUMN min_order_qty NUMERIC(18, 4),
    ADD COLUMN order_cost NUMERIC(18, 4),
    ADD COLUMN holding_cost NUMERIC(18, 4),
    ADD COLUMN source TEXT DEFAULT 'SUPPLIER' NOT NULL,
    ADD COLUMN supplier TEXT,
    ADD CONSTRAINT ck_stock_levels_method_known
        CHECK (method IN ('MIN_MAX', 'REORDER_POINT', 'EOQ', 'DEMAND')),
    ADD CONSTRAINT ck_stock_levels_safety_method_known CHECK (safety_method IN ('GIVEN', 'COMPUTED')),
    ADD CONSTRAINT ck_stock_levels_service_level_range
        CHECK (service_level <> 'NaN' AND service_level BETWEEN 0.5 AND 0.9999),
    ADD CONSTRAINT ck_stock_levels_lead_time_sd_days_range
        CHECK (lead_time_sd_days <> 'NaN' AND lead_time_sd_days BETWEEN 0 AND 36500),
    ADD CONSTRAINT ck_stock_levels_review_days_range CHECK (review_days BETWEEN 1 AND 366),
    ADD CONSTRAINT ck_stock_levels_order_multiple_range CHECK (order_multiple <> 'NaN' AND order_multiple > 0),
    ADD CONSTRAINT ck_stock_levels_min_order_qty_range CHECK (min_order_qty <> 'NaN' AND min_order_qty >= 0),
    ADD CONSTRAINT ck_stock_levels_order_cost_range CHECK (order_cost <> 'NaN' AND order_cost >= 0),
    ADD CONSTRAINT ck_stock_levels_holding_cost_range CHECK (holding_cost <> 'NaN' AND holding_cost >= 0),
    ADD CONSTRAINT ck_stock_levels_source_known CHECK (source IN ('LOCATION', 'SUPPLIER')),
    ADD CONSTRAINT ck_stock_levels_supplier_length CHECK (length(supplier) BETWEEN 1 AND 200);
CREATE INDEX ix_stock_levels_replenished ON stock_levels (tenant_id, location_id, product_id) WHERE method IS NOT NULL;

-- Demand is read by place and time, whatever else the ledger holds, and from the index alone. It costs an entry of
-- some 80 bytes for each movement out by an issue, none for the others.
CREATE INDEX ix_movements_demand ON movements (tenant_id, location_id, kind, effective_at) INCLUDE (product_id, delta)
    WHERE kind IN ('ISSUE', 'CONSUMPTION', 'REVERSAL');

CREATE TABLE replenishment_orders (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    number TEXT NOT NULL,
    location_id UUID NOT NULL,
    product_id UUID NOT NULL,
    quantity NUMERIC(18, 4) NOT NULL,
    method TEXT NOT NULL,
    state TEXT DEFAULT 'OPEN' NOT NULL,
    source TEXT NOT NULL,
    source_location_id UUID,
    supplier TEXT,
    needed_on DATE,
    note TEXT,
    reasoning JSONB DEFAULT '{}' NOT NULL,
    transfer_id UUID,
    supply_id UUID,
    actor_id UUID,
    actor TEXT,
    version INTEGER DEFAULT 1 NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT ck_replenishment_orders_number_length CHECK (length(number) BETWEEN 1 AND 32),
    CONSTRAINT ck_replenishment_orders_quantity_range CHECK (quantity <> 'NaN' AND quantity >= 0),
    CONSTRAINT ck_replenishment_orders_quantity_wanted CHECK (quantity > 0),
    CONSTRAINT ck_replenishment_orders_method_known
        CHECK (method IN ('MIN_MAX', 'REORDER_POINT', 'EOQ', 'DEMAND', 'MANUAL')),
    CONSTRAINT ck_replenishment_orders_state_known
        CHECK (state IN ('OPEN', 'TRIGGERED', 'ORDERED', 'TRANSFERRED', 'CLOSED', 'CANCELED')),
    CONSTRAINT ck_replenishment_orders_source_known CHECK (source IN ('LOCATION', 'SUPPLIER')),
    CONSTRAINT ck_replenishment_orders_supplier_length CHECK (length(supplier) BETWEEN 1 AND 200),
    CONSTRAINT ck_replenishment_orders_note_length CHECK (length(note) BETWEEN 1 AND 2000),
    CONSTRAINT ck_replenishment_orders_actor_length CHECK (length(actor) BETWEEN 1 AND 200),
    CONSTRAINT ck_replenishment_orders_source_named
        CHECK ((source = 'LOCATION') = (source_location_id IS NOT NULL) AND source_location_id <> location_id),
    CONSTRAINT fk_replenishment_orders_tenant_id FOREIGN KEY (tenant_id) REFERENCES tenants (id),
    CONSTRAINT fk_replenishment_orders_tenant_id_location_id
        FOREIGN KEY (tenant_id, location_id) REFERENCES locations (tenant_id, id),
    CONSTRAINT fk_replenishment_orders_tenant_id_product_id
        FOREIGN KEY (tenant_id, product_id) REFERENCES products (tenant_id, id),
    CONSTRAINT fk_replenishment_orders_tenant_id_source_location_id
        FOREIGN KEY (tenant_id, source_location_id) REFERENCES locations (tenant_id, id),
    CONSTRAINT fk_replenishment_orders_tenant_id_supply_id
        FOREIGN KEY (tenant_id, supply_id) REFERENCES supplies (tenant_id, id)
);
CREATE INDEX ix_replenishment_orders_tenant_id_location_id_id ON replenishment_orders (tenant_id, location_id, id);
CREATE INDEX ix_replenishment_orders_tenant_id_product_id_id ON replenishment_orders (tenant_id, product_id, id);
CREATE INDEX ix_replenishment_orders_state ON replenishment_orders (tenant_id, state, id);
CREATE INDEX ix_replenishment_orders_of_transfer ON replenishment_orders (tenant_id, transfer_id)
    WHERE transfer_id IS NOT NULL;
-- One at a time is under consideration for a product at a location: two planners do not order the same goods.
CREATE UNIQUE INDEX uq_replenishment_orders_open ON replenishment_orders (tenant_id, location_id, product_id)
    WHERE state IN ('OPEN', 'TRIGGERED');
ALTER TABLE replenishment_orders ADD CONSTRAINT uq_replenishment_orders_tenant_id_number UNIQUE (tenant_id, number);
ALTER TABLE replenishment_orders ADD CONSTRAINT pk_replenishment_orders PRIMARY KEY (tenant_id, id);

ALTER TABLE replenishment_orders ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY of_tenant ON replenishment_orders
    USING (tenant_id = nullif(current_setting('app.tenant', true), '')::uuid)
    WITH CHECK (tenant_id = nullif(current_setting('app.tenant', true), '')::uuid);
GRANT SELECT, INSERT, UPDATE ON replenishment_orders TO storekeeper_app;
SELECT audit_table('replenishment_orders', 'replenishment');
RESET ROLE;
