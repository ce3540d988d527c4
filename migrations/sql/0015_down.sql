SET LOCAL ROLE storekeeper_owner;
DROP INDEX ix_bins_tenant_id_name_id;
DROP TABLE import_files, import_layers, import_rows, imports, fill_layers;
RESET ROLE;
