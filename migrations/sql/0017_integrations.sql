-- The integrations surface: what partners call our fields, and records that were set to nothing before anything stood
-- there.
SET LOCAL ROLE storekeeper_owner;

-- What a key's owner calls our fields (domain/integrations/mapping.py). No row: they are called as we call them.
CREATE TABLE field_mappings (
    tenant_id UUID NOT NULL,
    key_id UUID NOT NULL,
    mapping JSONB NOT NULL,
    version INTEGER DEFAULT 1 NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_field_mappings PRIMARY KEY (tenant_id, key_id),
    CONSTRAINT fk_field_mappings_tenant_id_key_id FOREIGN KEY (tenant_id, key_id) REFERENCES api_keys (tenant_id, id)
);
-- A record is the quantity of a product at a place. Where stock has ever stood, stock lines tell it; the ledger makes
-- no line for nothing, so a record that was set to 0 before that is kept here.
CREATE TABLE empty_records (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    product_id UUID NOT NULL,
    location_id UUID NOT NULL,
    bin_id UUID NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_empty_records PRIMARY KEY (tenant_id, id),
    CONSTRAINT uq_empty_records_tenant_id_bin_id_product_id UNIQUE (tenant_id, bin_id, product_id),
    CONSTRAINT fk_empty_records_tenant_id_product_id FOREIGN KEY (tenant_id, product_id)
        REFERENCES products (tenant_id, id),
    CONSTRAINT fk_empty_records_tenant_id_location_id_bin_id FOREIGN KEY (tenant_id, location_id, bin_id)
        REFERENCES bins (tenant_id, location_id, id)
);
CREATE INDEX ix_empty_records_tenant_id_product_id ON empty_records (tenant_id, product_id);
CREATE INDEX ix_empty_records_tenant_id_location_id_id ON empty_records (tenant_id, location_id, id);
-- A bin is looked up by its code alone.
CREATE INDEX ix_bins_tenant_id_code ON bins (tenant_id, code);

ALTER TABLE field_mappings ENABLE ROW LEVEL SECURITY;
ALTER TABLE field_mappings FORCE ROW LEVEL SECURITY;
CREATE POLICY of_tenant ON field_mappings
    USING (tenant_id = nullif(current_setting('app.tenant', true), '')::uuid)
    WITH CHECK (tenant_id = nullif(current_setting('app.tenant', true), '')::uuid);
ALTER TABLE empty_records ENABLE ROW LEVEL SECURITY;
ALTER TABLE empty_records FORCE ROW LEVEL SECURITY;
CREATE POLICY of_tenant ON empty_records
    USING (tenant_id = nullif(current_setting('app.tenant', true), '')::uuid)
    WITH CHECK (tenant_id = nullif(current_setting('app.tenant', true), '')::uuid);
GRANT SELECT, INSERT, UPDATE, DELETE ON field_mappings TO storekeeper_app;
GRANT SELECT, INSERT, DELETE ON empty_records TO storekeeper_app;
SELECT audit_table('field_mappings', 'field_mapping', '{key_id}');
SELECT audit_table('empty_records', 'empty_record');
-- Every process keeps the mappings of the keys that call it.
CREATE TRIGGER access_is_announced AFTER INSERT OR UPDATE OR DELETE ON field_mappings FOR EACH ROW
    EXECUTE FUNCTION announce_access('key', 'key_id');
RESET ROLE;
