DO $$
DECLARE
    t text;
BEGIN
    FOR t IN SELECT tgrelid::regclass::text FROM pg_trigger WHERE tgname = 'access_is_announced' LOOP
        EXECUTE format('DROP TRIGGER access_is_announced ON %s', t);
    END LOOP;
END
$$;
DROP TRIGGER settings_are_announced ON tenants;
DROP TRIGGER settings_are_announced ON reason_codes;
DROP INDEX ix_postings_tenant_id_actor_id_id;
DROP FUNCTION announce_access(), auth_set_password(uuid, text, text, boolean);
REVOKE UPDATE (password_hash, password_changed_at, version, updated_at) ON users FROM storekeeper_auth;
REVOKE UPDATE (ended_at) ON sessions FROM storekeeper_auth;
DROP FUNCTION auth_by_invitation(bytea), auth_accept_invitation(bytea, uuid, text, text, text);
GRANT CREATE ON SCHEMA public TO storekeeper_auth;
SET LOCAL ROLE storekeeper_auth;
CREATE OR REPLACE FUNCTION auth_by_session(p_token_hash bytea)
RETURNS TABLE (
    tenant_id uuid, tenant_slug text, tenant_name text, session_id uuid, user_id uuid, email text, name text,
    seen_at timestamptz, expires_at timestamptz, now_at timestamptz, roles jsonb, own_rules jsonb
)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp
AS $$
    SELECT s.tenant_id, t.slug, t.name, s.id, u.id, u.email, u.name, s.seen_at, s.expires_at, now(),
        coalesce((
            SELECT jsonb_agg(jsonb_build_object('role', g.role, 'location_id', g.location_id))
            FROM grants g WHERE g.tenant_id = s.tenant_id AND g.user_id = s.user_id
        ), '[]'),
        coalesce((
            SELECT jsonb_agg(jsonb_build_object('role', r.role, 'permission', r.permission))
            FROM role_permissions r WHERE r.tenant_id = s.tenant_id
        ), '[]')
    FROM sessions s
    JOIN tenants t ON t.id = s.tenant_id AND t.is_active
    JOIN memberships m ON m.tenant_id = s.tenant_id AND m.user_id = s.user_id AND m.is_active
    JOIN users u ON u.id = s.user_id AND u.is_active
    WHERE s.token_hash = p_token_hash AND s.ended_at IS NULL
$$;
RESET ROLE;
REVOKE CREATE ON SCHEMA public FROM storekeeper_auth;
REVOKE INSERT (tenant_id, user_id, name) ON memberships FROM storekeeper_auth;
REVOKE INSERT (id, email, name, password_hash) ON users FROM storekeeper_auth;
REVOKE INSERT (tenant_id, id, user_id, role, location_id) ON grants FROM storekeeper_auth;
REVOKE UPDATE (name, is_active, version, updated_at) ON memberships FROM storekeeper_app;
ALTER TABLE memberships DROP COLUMN name;
GRANT INSERT, UPDATE ON memberships TO storekeeper_app;
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
