-- What every process keeps of a tenant (settings, reason codes) is forgotten where it changes.
SET LOCAL ROLE storekeeper_owner;
CREATE TRIGGER settings_are_announced AFTER UPDATE ON tenants FOR EACH ROW
    WHEN (OLD.settings IS DISTINCT FROM NEW.settings)
    EXECUTE FUNCTION announce_access('tenant', 'id');
CREATE TRIGGER settings_are_announced AFTER INSERT OR UPDATE OR DELETE ON reason_codes FOR EACH ROW
    EXECUTE FUNCTION announce_access('tenant', 'tenant_id');
RESET ROLE;
