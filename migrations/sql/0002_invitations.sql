-- People come by invitation: a person belongs to no tenant, so a tenant can neither make nor change one by itself.
SET LOCAL ROLE storekeeper_owner;

-- What somebody is called in this tenant, where that is not what they call themselves.
ALTER TABLE memberships ADD COLUMN name TEXT, ADD CONSTRAINT ck_memberships_name_length CHECK (length(name) BETWEEN 1 AND 200);
DROP TRIGGER access_is_announced ON memberships;
CREATE TRIGGER access_is_announced AFTER UPDATE ON memberships FOR EACH ROW
    WHEN ((OLD.is_active, OLD.name) IS DISTINCT FROM (NEW.is_active, NEW.name))
    EXECUTE FUNCTION announce_access('user', 'user_id');

-- Nobody becomes a member but by the function below, which asks for an invitation.
REVOKE INSERT, UPDATE ON memberships FROM storekeeper_app;
GRANT UPDATE (name, is_active, version, updated_at) ON memberships TO storekeeper_app;

CREATE POLICY for_authentication ON invitations FOR SELECT TO storekeeper_auth USING (true);
GRANT SELECT, UPDATE (accepted_at, accepted_by, version, updated_at) ON invitations TO storekeeper_auth;
GRANT INSERT (tenant_id, user_id, name) ON memberships TO storekeeper_auth;
GRANT INSERT (id, email, name, password_hash) ON users TO storekeeper_auth;
GRANT INSERT (tenant_id, id, user_id, role, location_id) ON grants TO storekeeper_auth;
RESET ROLE;

-- An invitation that can be accepted, by the hash of its token; with the account of its address, if there is one.
CREATE FUNCTION auth_by_invitation(p_token_hash bytea)
RETURNS TABLE (
    tenant_id uuid, tenant_slug text, tenant_name text, invitation_id uuid, email text, name text, grants jsonb,
    created_by uuid, user_id uuid, user_name text, password_hash text, is_active boolean
)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp
AS $$
    SELECT t.id, t.slug, t.name, i.id, i.email, i.name, i.grants, i.created_by, u.id, u.name, u.password_hash, u.is_active
    FROM invitations i
    JOIN tenants t ON t.id = i.tenant_id AND t.is_active
    LEFT JOIN users u ON u.email = i.email
    WHERE i.token_hash = p_token_hash AND i.accepted_at IS NULL AND i.revoked_at IS NULL AND i.expires_at > now()
$$;

-- Spend an invitation of the tenant that the connection is bound to: the person becomes a member, and is made if
-- there is none of this address. `p_known_hash` is the hash of the account that was found, whose password was
-- given; null where there was none.
-- The answer: DONE; GONE, it cannot be accepted any longer; CHANGED, the account is not what it was: look again.
CREATE FUNCTION auth_accept_invitation(
    p_token_hash bytea, p_user_id uuid, p_name text, p_known_hash text, p_new_hash text
) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp
AS $$
DECLARE
    v_tenant uuid := nullif(current_setting('app.tenant', true), '')::uuid;
    v_invitation invitations;
    v_account users;
BEGIN
    SELECT * INTO v_invitation FROM invitations i
    WHERE i.tenant_id = v_tenant AND i.token_hash = p_token_hash AND i.accepted_at IS NULL AND i.revoked_at IS NULL
        AND i.expires_at > now()
    FOR UPDATE;
    IF NOT FOUND THEN
        RETURN 'GONE';
    END IF;
    SELECT * INTO v_account FROM users u WHERE u.email = v_invitation.email;
    IF v_account.id IS DISTINCT FROM (CASE WHEN p_known_hash IS NOT NULL THEN p_user_id END)
        OR v_account.password_hash IS DISTINCT FROM p_known_hash OR NOT coalesce(v_account.is_active, true)
    THEN
        RETURN 'CHANGED';
    END IF;
    -- The membership first: it is what lets this tenant see the person at all.
    INSERT INTO memberships (tenant_id, user_id, name)
    VALUES (v_tenant, p_user_id, CASE WHEN p_known_hash IS NOT NULL THEN p_name END)
    ON CONFLICT DO NOTHING;
    IF NOT FOUND THEN
        RETURN 'GONE';
    END IF;
    IF p_known_hash IS NULL THEN
        INSERT INTO users (id, email, name, password_hash)
        VALUES (p_user_id, v_invitation.email, p_name, p_new_hash);
    END IF;
    INSERT INTO grants (tenant_id, id, user_id, role, location_id)
    SELECT v_tenant, ledger_line_id(), p_user_id, g ->> 'role', (g ->> 'location_id')::uuid
    FROM jsonb_array_elements(v_invitation.grants) g;
    UPDATE invitations i
    SET accepted_at = now(), accepted_by = p_user_id, version = i.version + 1, updated_at = now()
    WHERE i.tenant_id = v_tenant AND i.id = v_invitation.id;
    RETURN 'DONE';
EXCEPTION WHEN unique_violation THEN
    RETURN 'CHANGED';  -- somebody has made an account of this address since
END
$$;

REVOKE ALL ON FUNCTION auth_by_invitation(bytea), auth_accept_invitation(bytea, uuid, text, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION auth_by_invitation(bytea), auth_accept_invitation(bytea, uuid, text, text, text)
    TO storekeeper_app;
GRANT CREATE ON SCHEMA public TO storekeeper_auth;
ALTER FUNCTION auth_by_invitation(bytea) OWNER TO storekeeper_auth;
ALTER FUNCTION auth_accept_invitation(bytea, uuid, text, text, text) OWNER TO storekeeper_auth;

-- As before, but that somebody may be called otherwise here.
SET LOCAL ROLE storekeeper_auth;
CREATE OR REPLACE FUNCTION auth_by_session(p_token_hash bytea)
RETURNS TABLE (
    tenant_id uuid, tenant_slug text, tenant_name text, session_id uuid, user_id uuid, email text, name text,
    seen_at timestamptz, expires_at timestamptz, now_at timestamptz, roles jsonb, own_rules jsonb
)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp
AS $$
    SELECT s.tenant_id, t.slug, t.name, s.id, u.id, u.email, coalesce(m.name, u.name), s.seen_at, s.expires_at, now(),
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
