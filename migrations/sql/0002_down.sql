DO $$
DECLARE
    t text;
BEGIN
    FOR t IN SELECT tgrelid::regclass::text FROM pg_trigger WHERE tgname = 'access_is_announced' LOOP
        EXECUTE format('DROP TRIGGER access_is_announced ON %s', t);
    END LOOP;
END
$$;
DROP FUNCTION announce_access(), auth_set_password(uuid, text, text, boolean);
REVOKE UPDATE (password_hash, password_changed_at, version, updated_at) ON users FROM storekeeper_auth;
REVOKE UPDATE (ended_at) ON sessions FROM storekeeper_auth;
DO $$
DECLARE
    t text;
BEGIN
    FOR t IN SELECT tgrelid::regclass::text FROM pg_trigger WHERE tgname = 'changes_are_audited' LOOP
        EXECUTE format('DROP TRIGGER changes_are_audited ON %s', t);
    END LOOP;
END
$$;
DROP FUNCTION audit_change(), audit_table(regclass, text, text[], text[]), audit_refused(text, jsonb, uuid[], jsonb),
    audit_prune(int);
DROP TABLE audit_log, delegations, invitations;
REVOKE SELECT ON tenants FROM storekeeper_audit;
REVOKE UPDATE (version, updated_at) ON tenants FROM storekeeper_app;
ALTER TABLE api_keys DROP COLUMN rotates_id, DROP COLUMN version, DROP COLUMN updated_at;
ALTER TABLE roles DROP COLUMN version, DROP COLUMN updated_at;
ALTER TABLE memberships DROP COLUMN version, DROP COLUMN updated_at;
ALTER TABLE users DROP COLUMN version, DROP COLUMN password_changed_at, DROP COLUMN updated_at;
ALTER TABLE tenants DROP COLUMN version, DROP COLUMN updated_at;
