-- The second wall. Every table of tenant data shows a connection the rows of the tenant that it is bound to.
-- After a transaction-local setting ends, current_setting gives '' and not NULL: nullif makes both mean "nobody".
CREATE FUNCTION wall_off(VARIADIC p_tables text[]) RETURNS void LANGUAGE plpgsql SET search_path = public, pg_temp
AS $$
DECLARE
    t text;
BEGIN
    FOREACH t IN ARRAY p_tables LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', t);
        EXECUTE format($policy$
            CREATE POLICY of_tenant ON %I
            USING (tenant_id = nullif(current_setting('app.tenant', true), '')::uuid)
            WITH CHECK (tenant_id = nullif(current_setting('app.tenant', true), '')::uuid)
        $policy$, t);
    END LOOP;
END
$$;
SELECT wall_off(VARIADIC ARRAY(
    SELECT c.table_name::text FROM information_schema.columns c
    WHERE c.table_schema = 'public' AND c.column_name = 'tenant_id'
));

ALTER TABLE tenants ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY of_tenant ON tenants
    USING (id = nullif(current_setting('app.tenant', true), '')::uuid)
    WITH CHECK (id = nullif(current_setting('app.tenant', true), '')::uuid);

ALTER TABLE users ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY of_tenant ON users
    USING (EXISTS (
        SELECT 1 FROM memberships m
        WHERE m.tenant_id = nullif(current_setting('app.tenant', true), '')::uuid AND m.user_id = users.id
    ));

-- The credential look-ups stand before any tenant is known; these tables, to read, and nothing else.
CREATE POLICY for_authentication ON tenants FOR SELECT TO storekeeper_auth USING (true);
CREATE POLICY for_authentication ON users FOR SELECT TO storekeeper_auth USING (true);
CREATE POLICY for_authentication ON memberships FOR SELECT TO storekeeper_auth USING (true);
CREATE POLICY for_authentication ON grants FOR SELECT TO storekeeper_auth USING (true);
CREATE POLICY for_authentication ON role_permissions FOR SELECT TO storekeeper_auth USING (true);
CREATE POLICY for_authentication ON sessions FOR SELECT TO storekeeper_auth USING (true);
CREATE POLICY for_authentication ON api_keys FOR SELECT TO storekeeper_auth USING (true);
GRANT SELECT ON tenants, users, memberships, grants, role_permissions, sessions, api_keys TO storekeeper_auth;

-- Tenants and people are made from the outside, by whoever owns the database and may be no superuser. The owner
-- cannot log in, and no function runs with its rights.
CREATE POLICY for_administration ON tenants TO storekeeper_owner USING (true) WITH CHECK (true);
CREATE POLICY for_administration ON users TO storekeeper_owner USING (true) WITH CHECK (true);

-- What the application may do itself. Stock is not among it.
GRANT SELECT ON ALL TABLES IN SCHEMA public TO storekeeper_app;
GRANT INSERT, UPDATE, DELETE ON
    categories, uoms, products, uom_conversions, locations, areas, bins, lots, stock_levels, reason_codes,
    roles, role_permissions, grants
    TO storekeeper_app;
GRANT INSERT, UPDATE ON memberships, sessions, api_keys, idempotency_keys TO storekeeper_app;
GRANT UPDATE (settings, name) ON tenants TO storekeeper_app;

-- What the ledger's statement may do.
GRANT SELECT ON products, locations, bins, lots, reason_codes TO storekeeper_ledger;
GRANT SELECT, INSERT, UPDATE, DELETE ON stock_lines TO storekeeper_ledger;
GRANT SELECT, INSERT, UPDATE ON stock_totals, stock_counts TO storekeeper_ledger;
GRANT SELECT, INSERT, UPDATE, DELETE ON idempotency_keys TO storekeeper_ledger;
GRANT SELECT, UPDATE ON ledger_heads TO storekeeper_ledger;
GRANT SELECT, INSERT ON postings, movements, events TO storekeeper_ledger;

-- A credential's hash in; who it is, and in which tenant, out.
CREATE FUNCTION auth_by_email(p_email text)
RETURNS TABLE (
    user_id uuid, email text, name text, password_hash text, is_active boolean,
    tenant_id uuid, tenant_slug text, tenant_name text
)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp
AS $$
    SELECT u.id, u.email, u.name, u.password_hash, u.is_active, t.id, t.slug, t.name
    FROM users u
    LEFT JOIN memberships m ON m.user_id = u.id AND m.is_active
    LEFT JOIN tenants t ON t.id = m.tenant_id AND t.is_active
    WHERE u.email = p_email
    ORDER BY m.created_at, t.slug
$$;

CREATE FUNCTION auth_by_session(p_token_hash bytea)
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

CREATE FUNCTION auth_by_key(p_key_hash bytea)
RETURNS TABLE (
    tenant_id uuid, tenant_slug text, tenant_name text, key_id uuid, name text, scopes text[], location_ids uuid[],
    expires_at timestamptz, revoked_at timestamptz, makers uuid[], now_at timestamptz
)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp
AS $$
    SELECT k.tenant_id, t.slug, t.name, k.id, k.name, k.scopes, k.location_ids, k.expires_at, k.revoked_at, ARRAY(
        -- who made the key, and who made the key that made it, and so on
        WITH RECURSIVE made AS (
            SELECT k.created_by AS id
            UNION
            SELECT m.created_by FROM made JOIN api_keys m ON m.tenant_id = k.tenant_id AND m.id = made.id
        )
        SELECT made.id FROM made WHERE made.id IS NOT NULL
    ), now()
    FROM api_keys k JOIN tenants t ON t.id = k.tenant_id AND t.is_active
    WHERE k.key_hash = p_key_hash
$$;

REVOKE ALL ON FUNCTION auth_by_email(text), auth_by_session(bytea), auth_by_key(bytea) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION auth_by_email(text), auth_by_session(bytea), auth_by_key(bytea) TO storekeeper_app;
GRANT CREATE ON SCHEMA public TO storekeeper_auth, storekeeper_ledger;
ALTER FUNCTION auth_by_email(text) OWNER TO storekeeper_auth;
ALTER FUNCTION auth_by_session(bytea) OWNER TO storekeeper_auth;
ALTER FUNCTION auth_by_key(bytea) OWNER TO storekeeper_auth;
