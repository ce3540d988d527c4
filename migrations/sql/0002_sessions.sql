-- Changes of access are announced by the database, with the commit that makes them, so that no path can forget it:
-- every process that remembers whom a credential belongs to hears of them (infra/decisions/0006). Ids only.
SET LOCAL ROLE storekeeper_owner;

-- Arguments: of what the notice tells, and the column that names it.
CREATE FUNCTION announce_access() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp
AS $$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        PERFORM pg_notify('storekeeper_access', TG_ARGV[0] || ':' || (to_jsonb(OLD) ->> TG_ARGV[1]));
    END IF;
    IF TG_OP <> 'DELETE' THEN
        PERFORM pg_notify('storekeeper_access', TG_ARGV[0] || ':' || (to_jsonb(NEW) ->> TG_ARGV[1]));
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER access_is_announced AFTER UPDATE ON tenants FOR EACH ROW
    WHEN ((OLD.slug, OLD.name, OLD.is_active) IS DISTINCT FROM (NEW.slug, NEW.name, NEW.is_active))
    EXECUTE FUNCTION announce_access('tenant', 'id');
CREATE TRIGGER access_is_announced AFTER UPDATE ON users FOR EACH ROW
    WHEN ((OLD.email, OLD.name, OLD.is_active) IS DISTINCT FROM (NEW.email, NEW.name, NEW.is_active))
    EXECUTE FUNCTION announce_access('user', 'id');
CREATE TRIGGER access_is_announced AFTER UPDATE ON memberships FOR EACH ROW
    WHEN (OLD.is_active IS DISTINCT FROM NEW.is_active)
    EXECUTE FUNCTION announce_access('user', 'user_id');
CREATE TRIGGER access_is_announced AFTER INSERT OR UPDATE OR DELETE ON grants FOR EACH ROW
    EXECUTE FUNCTION announce_access('user', 'user_id');
CREATE TRIGGER access_is_announced AFTER INSERT OR UPDATE OR DELETE ON role_permissions FOR EACH ROW
    EXECUTE FUNCTION announce_access('tenant', 'tenant_id');
CREATE TRIGGER access_is_announced AFTER UPDATE ON sessions FOR EACH ROW
    WHEN ((OLD.ended_at, OLD.expires_at) IS DISTINCT FROM (NEW.ended_at, NEW.expires_at))
    EXECUTE FUNCTION announce_access('session', 'id');
CREATE TRIGGER access_is_announced AFTER UPDATE ON api_keys FOR EACH ROW
    WHEN ((OLD.name, OLD.scopes, OLD.location_ids, OLD.expires_at, OLD.revoked_at)
        IS DISTINCT FROM (NEW.name, NEW.scopes, NEW.location_ids, NEW.expires_at, NEW.revoked_at))
    EXECUTE FUNCTION announce_access('key', 'id');

-- What the function below may do; the rows are those of the tenant that the connection is bound to.
GRANT UPDATE (password_hash, password_changed_at, version, updated_at) ON users TO storekeeper_auth;
GRANT UPDATE (ended_at) ON sessions TO storekeeper_auth;
RESET ROLE;

-- A person's password belongs to the person and not to a tenant. Whoever replaces it must know what it is: nothing
-- happens, and the answer is no, where the hash is another one by now. A new password ends all sessions of the
-- person, in every tenant; the same password with another hash (parameters grow) ends none.
CREATE FUNCTION auth_set_password(p_user_id uuid, p_old text, p_new text, p_same boolean) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp
AS $$
DECLARE
    v_bound text := current_setting('app.tenant', true);
    v_tenant uuid;
BEGIN
    IF p_same THEN
        UPDATE users SET password_hash = p_new WHERE id = p_user_id AND password_hash = p_old AND is_active;
        RETURN FOUND;
    END IF;
    UPDATE users SET password_hash = p_new, password_changed_at = now(), version = version + 1, updated_at = now()
    WHERE id = p_user_id AND password_hash = p_old AND is_active;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    -- Each tenant's sessions as in that tenant: they are told of in its audit trail, and in no other's.
    FOR v_tenant IN SELECT m.tenant_id FROM memberships m WHERE m.user_id = p_user_id ORDER BY m.tenant_id LOOP
        PERFORM set_config('app.tenant', v_tenant::text, true);
        UPDATE sessions SET ended_at = now()
        WHERE tenant_id = v_tenant AND user_id = p_user_id AND ended_at IS NULL;
    END LOOP;
    PERFORM set_config('app.tenant', v_bound, true);
    RETURN true;
END
$$;

REVOKE ALL ON FUNCTION auth_set_password(uuid, text, text, boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION auth_set_password(uuid, text, text, boolean) TO storekeeper_app;
ALTER FUNCTION auth_set_password(uuid, text, text, boolean) OWNER TO storekeeper_auth;
