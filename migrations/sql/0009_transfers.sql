-- Transfers between locations and bins: what was asked for, from which stock lines it was taken, and what of it came.
SET LOCAL ROLE storekeeper_owner;

CREATE TABLE transfers (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    number TEXT NOT NULL,
    type TEXT NOT NULL,
    state TEXT NOT NULL,
    origin_location_id UUID NOT NULL,
    destination_location_id UUID NOT NULL,
    source_type TEXT,
    source_id TEXT,
    reference TEXT,
    due_on DATE,
    comment TEXT,
    actor_id UUID,
    actor TEXT,
    ship_posting_id UUID,
    shipped_at TIMESTAMP WITH TIME ZONE,
    received_at TIMESTAMP WITH TIME ZONE,
    closed_at TIMESTAMP WITH TIME ZONE,
    version INTEGER DEFAULT 1 NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_transfers PRIMARY KEY (tenant_id, id),
    CONSTRAINT ck_transfers_number_length CHECK (length(number) BETWEEN 1 AND 32),
    CONSTRAINT ck_transfers_type_known CHECK (type IN ('STANDARD', 'INTERNAL')),
    CONSTRAINT ck_transfers_state_known
        CHECK (state IN ('DRAFT', 'PENDING', 'PICKED', 'IN_TRANSIT', 'RECEIVED', 'COMPLETED', 'CANCELED')),
    CONSTRAINT ck_transfers_source_type_length CHECK (length(source_type) BETWEEN 1 AND 64),
    CONSTRAINT ck_transfers_source_id_length CHECK (length(source_id) BETWEEN 1 AND 200),
    CONSTRAINT ck_transfers_reference_length CHECK (length(reference) BETWEEN 1 AND 200),
    CONSTRAINT ck_transfers_comment_length CHECK (length(comment) BETWEEN 1 AND 2000),
    CONSTRAINT ck_transfers_actor_length CHECK (length(actor) BETWEEN 1 AND 200),
    CONSTRAINT ck_transfers_internal_is_in_one_place
        CHECK ((type = 'INTERNAL') = (origin_location_id = destination_location_id)),
    CONSTRAINT uq_transfers_tenant_id_number UNIQUE (tenant_id, number),
    CONSTRAINT fk_transfers_tenant_id_origin_location_id FOREIGN KEY (tenant_id, origin_location_id)
        REFERENCES locations (tenant_id, id),
    CONSTRAINT fk_transfers_tenant_id_destination_location_id FOREIGN KEY (tenant_id, destination_location_id)
        REFERENCES locations (tenant_id, id)
);
CREATE INDEX ix_transfers_tenant_id_state_id ON transfers (tenant_id, state, id);
CREATE INDEX ix_transfers_tenant_id_origin_location_id_id ON transfers (tenant_id, origin_location_id, id);
CREATE INDEX ix_transfers_tenant_id_destination_location_id_id ON transfers (tenant_id, destination_location_id, id);
CREATE INDEX ix_transfers_of_source ON transfers (tenant_id, source_id, id) WHERE source_id IS NOT NULL;

CREATE TABLE transfer_lines (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    transfer_id UUID NOT NULL,
    number INTEGER NOT NULL,
    product_id UUID NOT NULL,
    lot_id UUID,
    from_bin_id UUID,
    to_bin_id UUID,
    quantity NUMERIC(18, 4) NOT NULL,
    surplus NUMERIC(18, 4) DEFAULT 0 NOT NULL,
    supply_id UUID,
    pick_reason TEXT,
    discrepancy_reason TEXT,
    note TEXT,
    CONSTRAINT pk_transfer_lines PRIMARY KEY (tenant_id, id),
    CONSTRAINT ck_transfer_lines_quantity_range CHECK (quantity <> 'NaN' AND quantity >= 0),
    CONSTRAINT ck_transfer_lines_quantity_moves CHECK (quantity > 0),
    CONSTRAINT ck_transfer_lines_surplus_range CHECK (surplus <> 'NaN' AND surplus >= 0),
    CONSTRAINT ck_transfer_lines_pick_reason_length CHECK (length(pick_reason) BETWEEN 1 AND 200),
    CONSTRAINT ck_transfer_lines_discrepancy_reason_length CHECK (length(discrepancy_reason) BETWEEN 1 AND 200),
    CONSTRAINT ck_transfer_lines_note_length CHECK (length(note) BETWEEN 1 AND 2000),
    CONSTRAINT uq_transfer_lines_tenant_id_transfer_id_number UNIQUE (tenant_id, transfer_id, number),
    CONSTRAINT fk_transfer_lines_tenant_id_transfer_id FOREIGN KEY (tenant_id, transfer_id)
        REFERENCES transfers (tenant_id, id),
    CONSTRAINT fk_transfer_lines_tenant_id_product_id FOREIGN KEY (tenant_id, product_id)
        REFERENCES products (tenant_id, id),
    CONSTRAINT fk_transfer_lines_tenant_id_product_id_lot_id FOREIGN KEY (tenant_id, product_id, lot_id)
        REFERENCES lots (tenant_id, product_id, id),
    CONSTRAINT fk_transfer_lines_tenant_id_from_bin_id FOREIGN KEY (tenant_id, from_bin_id)
        REFERENCES bins (tenant_id, id),
    CONSTRAINT fk_transfer_lines_tenant_id_to_bin_id FOREIGN KEY (tenant_id, to_bin_id)
        REFERENCES bins (tenant_id, id),
    CONSTRAINT fk_transfer_lines_tenant_id_supply_id FOREIGN KEY (tenant_id, supply_id)
        REFERENCES supplies (tenant_id, id)
);
CREATE INDEX ix_transfer_lines_tenant_id_product_id ON transfer_lines (tenant_id, product_id);

-- What a line takes from one stock line at the origin, and what becomes of it: the same lots arrive that left.
-- shipped = received + lost + returned + still in transit.
CREATE TABLE transfer_picks (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    transfer_id UUID NOT NULL,
    line_id UUID NOT NULL,
    stock_line_id UUID NOT NULL,
    transit_line_id UUID,
    claim_id UUID,
    reserved NUMERIC(18, 4) DEFAULT 0 NOT NULL,
    picked NUMERIC(18, 4) DEFAULT 0 NOT NULL,
    shipped NUMERIC(18, 4) DEFAULT 0 NOT NULL,
    received NUMERIC(18, 4) DEFAULT 0 NOT NULL,
    lost NUMERIC(18, 4) DEFAULT 0 NOT NULL,
    returned NUMERIC(18, 4) DEFAULT 0 NOT NULL,
    CONSTRAINT pk_transfer_picks PRIMARY KEY (tenant_id, id),
    CONSTRAINT ck_transfer_picks_reserved_range CHECK (reserved <> 'NaN' AND reserved >= 0),
    CONSTRAINT ck_transfer_picks_picked_range CHECK (picked <> 'NaN' AND picked >= 0),
    CONSTRAINT ck_transfer_picks_shipped_range CHECK (shipped <> 'NaN' AND shipped >= 0),
    CONSTRAINT ck_transfer_picks_received_range CHECK (received <> 'NaN' AND received >= 0),
    CONSTRAINT ck_transfer_picks_lost_range CHECK (lost <> 'NaN' AND lost >= 0),
    CONSTRAINT ck_transfer_picks_returned_range CHECK (returned <> 'NaN' AND returned >= 0),
    CONSTRAINT ck_transfer_picks_nothing_from_nowhere CHECK (received + lost + returned <= shipped),
    CONSTRAINT ck_transfer_picks_on_its_way_somewhere
        CHECK (shipped = received + lost + returned OR transit_line_id IS NOT NULL),
    CONSTRAINT ck_transfer_picks_claimed_by_name CHECK (reserved = 0 OR claim_id IS NOT NULL),
    CONSTRAINT fk_transfer_picks_tenant_id_transfer_id FOREIGN KEY (tenant_id, transfer_id)
        REFERENCES transfers (tenant_id, id),
    CONSTRAINT fk_transfer_picks_tenant_id_line_id FOREIGN KEY (tenant_id, line_id)
        REFERENCES transfer_lines (tenant_id, id),
    CONSTRAINT fk_transfer_picks_tenant_id_stock_line_id FOREIGN KEY (tenant_id, stock_line_id)
        REFERENCES stock_lines (tenant_id, id),
    CONSTRAINT fk_transfer_picks_tenant_id_transit_line_id FOREIGN KEY (tenant_id, transit_line_id)
        REFERENCES stock_lines (tenant_id, id),
    CONSTRAINT fk_transfer_picks_tenant_id_claim_id FOREIGN KEY (tenant_id, claim_id)
        REFERENCES reservations (tenant_id, id)
);
CREATE INDEX ix_transfer_picks_tenant_id_transfer_id_id ON transfer_picks (tenant_id, transfer_id, id);
CREATE INDEX ix_transfer_picks_tenant_id_line_id_id ON transfer_picks (tenant_id, line_id, id);

-- What arrived, was written off or came back, act by act.
CREATE TABLE transfer_receipts (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    transfer_id UUID NOT NULL,
    kind TEXT NOT NULL,
    posting_id UUID,
    lines JSONB NOT NULL,
    comment TEXT,
    actor_id UUID,
    actor TEXT,
    recorded_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT pk_transfer_receipts PRIMARY KEY (tenant_id, id),
    CONSTRAINT ck_transfer_receipts_kind_known CHECK (kind IN ('RECEIVED', 'LOST', 'RETURNED')),
    CONSTRAINT ck_transfer_receipts_comment_length CHECK (length(comment) BETWEEN 1 AND 2000),
    CONSTRAINT ck_transfer_receipts_actor_length CHECK (length(actor) BETWEEN 1 AND 200),
    CONSTRAINT fk_transfer_receipts_tenant_id_transfer_id FOREIGN KEY (tenant_id, transfer_id)
        REFERENCES transfers (tenant_id, id)
);
CREATE INDEX ix_transfer_receipts_tenant_id_transfer_id_id ON transfer_receipts (tenant_id, transfer_id, id);

SELECT wall_off('transfers', 'transfer_lines', 'transfer_picks', 'transfer_receipts');
GRANT SELECT, INSERT, UPDATE ON transfers, transfer_picks TO storekeeper_app;
-- Lines are replaced while the transfer is a draft.
GRANT SELECT, INSERT, UPDATE, DELETE ON transfer_lines TO storekeeper_app;
GRANT SELECT, INSERT ON transfer_receipts TO storekeeper_app;
CREATE TRIGGER history_is_immutable BEFORE UPDATE OR DELETE OR TRUNCATE ON transfer_receipts
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
SELECT audit_table('transfers', 'transfer');
SELECT audit_table('transfer_lines', 'transfer_line');
RESET ROLE;
