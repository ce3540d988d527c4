-- Tokens of the import surface: what a program proves with that it acts for a person, as a session does for a
-- browser. A token has the person's rights as they are when it is used, and ends with the password that it was
-- made with, with its time, with the membership, or when it is revoked.
SET LOCAL ROLE storekeeper_owner;

CREATE TABLE tokens (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    user_id UUID NOT NULL,
    token_hash BYTEA NOT NULL,
    last4 TEXT NOT NULL,
    -- When the password was set that it was made with: with another password it is none any more.
    password_set_at TIMESTAMP WITH TIME ZONE NOT NULL,
    user_agent TEXT,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
    used_at TIMESTAMP WITH TIME ZONE,
    revoked_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_tokens PRIMARY KEY (tenant_id, id),
    CONSTRAINT ck_tokens_last4_length CHECK (length(last4) BETWEEN 1 AND 4),
    CONSTRAINT ck_tokens_user_agent_length CHECK (length(user_agent) BETWEEN 1 AND 300),
    CONSTRAINT fk_tokens_tenant_id_user_id FOREIGN KEY (tenant_id, user_id) REFERENCES memberships (tenant_id, user_id),
    CONSTRAINT uq_tokens_tenant_id_token_hash UNIQUE (tenant_id, token_hash)
);
CREATE INDEX ix_tokens_token_hash ON tokens (token_hash);
CREATE INDEX ix_tokens_tenant_id_user_id ON tokens (tenant_id, user_id);

SELECT wall_off('tokens');
GRANT SELECT, INSERT, UPDATE, DELETE ON tokens TO storekeeper_app;
CREATE POLICY for_authentication ON tokens FOR SELECT TO storekeeper_auth USING (true);
GRANT SELECT ON tokens TO storekeeper_auth;
SELECT audit_table('tokens', 'token', '{id}', '{token_hash,used_at}');

CREATE TRIGGER access_is_announced AFTER UPDATE ON tokens FOR EACH ROW
    WHEN ((OLD.expires_at, OLD.revoked_at) IS DISTINCT FROM (NEW.expires_at, NEW.revoked_at))
    EXECUTE FUNCTION announce_access('token', 'id');
-- A new password ends tokens, so it is announced as well.
DROP TRIGGER access_is_announced ON users;
CREATE TRIGGER access_is_announced AFTER UPDATE ON users FOR EACH ROW
    WHEN ((OLD.email, OLD.name, OLD.is_active, OLD.password_changed_at)
        IS DISTINCT FROM (NEW.email, NEW.name, NEW.is_active, NEW.password_changed_at))
    EXECUTE FUNCTION announce_access('user', 'id');

-- Whoever is let in again begins with no token that somebody may have kept.
CREATE FUNCTION tokens_end_with_membership() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp
AS $$
BEGIN
    UPDATE tokens SET revoked_at = now()
    WHERE tenant_id = NEW.tenant_id AND user_id = NEW.user_id AND revoked_at IS NULL;
    RETURN NULL;
END
$$;
CREATE TRIGGER tokens_end AFTER UPDATE ON memberships FOR EACH ROW
    WHEN (OLD.is_active AND NOT NEW.is_active)
    EXECUTE FUNCTION tokens_end_with_membership();
RESET ROLE;

-- The token's hash in; for whom it acts, in which tenant and with what rights now, out. It may have expired.
CREATE FUNCTION auth_by_token(p_token_hash bytea)
RETURNS TABLE (
    tenant_id uuid, tenant_slug text, tenant_name text, token_id uuid, user_id uuid, email text, name text,
    expires_at timestamptz, now_at timestamptz, roles jsonb, own_rules jsonb
)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp
AS $$
    SELECT k.tenant_id, t.slug, t.name, k.id, u.id, u.email, coalesce(m.name, u.name), k.expires_at, now(),
        coalesce((
            SELECT jsonb_agg(jsonb_build_object('role', g.role, 'location_id', g.location_id))
            FROM grants g WHERE g.tenant_id = k.tenant_id AND g.user_id = k.user_id
        ), '[]'),
        coalesce((
            SELECT jsonb_agg(jsonb_build_object('role', r.role, 'permission', r.permission))
            FROM role_permissions r WHERE r.tenant_id = k.tenant_id
        ), '[]')
    FROM tokens k
    JOIN tenants t ON t.id = k.tenant_id AND t.is_active
    JOIN memberships m ON m.tenant_id = k.tenant_id AND m.user_id = k.user_id AND m.is_active
    JOIN users u ON u.id = k.user_id AND u.is_active AND u.password_changed_at = k.password_set_at
    WHERE k.token_hash = p_token_hash AND k.revoked_at IS NULL
$$;

REVOKE ALL ON FUNCTION auth_by_token(bytea) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION auth_by_token(bytea) TO storekeeper_app;
GRANT CREATE ON SCHEMA public TO storekeeper_auth;
ALTER FUNCTION auth_by_token(bytea) OWNER TO storekeeper_auth;
REVOKE CREATE ON SCHEMA public FROM storekeeper_auth;
