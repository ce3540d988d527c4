-- What the planner is to expect of tables that it has never looked at: rows of one tenant, at few locations.
--
-- Without it every index that leads with the tenant promises a single row, all plans cost alike, and a look-up by a
-- whole key may run over all that a tenant has. In a new installation the first thousands of stock lines then take
-- minutes (until autovacuum looks), as each looks at each.
DO $$
BEGIN
    IF current_setting('server_version_num')::int >= 180000 THEN  -- older ones cannot be told
        PERFORM pg_restore_attribute_stats(
            'version', current_setting('server_version_num')::int,
            'schemaname', n.nspname::text, 'relname', c.relname::text, 'attname', a.attname::text,
            'inherited', false, 'null_frac', 0::real, 'avg_width', 16, 'n_distinct', CASE a.attname WHEN 'tenant_id' THEN 1 ELSE 4 END::real
        )
        FROM pg_class c
        JOIN pg_namespace n ON n.oid = c.relnamespace
        JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname IN ('tenant_id', 'location_id')
        WHERE n.nspname = 'public' AND c.relkind = 'r' AND c.reltuples = -1;
    END IF;
END
$$;
