-- Five roles, of which none can bypass row-level security and only one can log in:
--   storekeeper_owner   owns every table; row-level security is forced on it too
--   storekeeper_app     what the application runs as: owns nothing
--   storekeeper_ledger  owns ledger_post, the one statement that writes stock
--   storekeeper_auth    owns the look-ups that turn a credential into a tenant
--   storekeeper_audit   owns the functions that write the audit trail
-- Roles belong to the whole cluster, so they may be there already, made by another database or by the operator.
DO $$
DECLARE
    wanted text;
BEGIN
    FOREACH wanted IN ARRAY ARRAY[
        'storekeeper_owner', 'storekeeper_app', 'storekeeper_ledger', 'storekeeper_auth', 'storekeeper_audit'
    ] LOOP
        IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = wanted) THEN
            BEGIN
                EXECUTE format('CREATE ROLE %I NOLOGIN NOSUPERUSER NOBYPASSRLS NOINHERIT', wanted);
            EXCEPTION WHEN duplicate_object OR unique_violation THEN
                NULL;  -- another database of the cluster is migrating at this moment
            END;
        END IF;
        IF (SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = wanted) THEN
            RAISE EXCEPTION 'role % may bypass row-level security; alter it first', wanted;
        END IF;
        IF NOT pg_has_role(current_user, wanted, 'MEMBER') THEN
            EXECUTE format('GRANT %I TO CURRENT_USER', wanted);
        END IF;
    END LOOP;
END
$$;

GRANT USAGE ON SCHEMA public TO
    storekeeper_owner, storekeeper_app, storekeeper_ledger, storekeeper_auth, storekeeper_audit;
GRANT CREATE ON SCHEMA public TO storekeeper_owner;
