SET LOCAL ROLE storekeeper_owner;
DROP INDEX ix_bins_tenant_id_code;
DROP TABLE empty_records, field_mappings;
RESET ROLE;
