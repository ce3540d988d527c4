-- The audit trail: a row for each row that changes, written by the database in the same transaction, so that no
-- path can forget it. Postings are not repeated here: the ledger is their record (infra/decisions/0005).
SET LOCAL ROLE storekeeper_owner;

CREATE TABLE audit_log (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    recorded_at TIMESTAMP WITH TIME ZONE NOT NULL,
    outcome TEXT NOT NULL,
    action TEXT NOT NULL,
    entity_type TEXT NOT NULL,
    entity_id TEXT,
    location_ids UUID[] DEFAULT '{}' NOT NULL,
    actor_id UUID,
    actor TEXT,
    session_id UUID,
    key_id UUID,
    request_id TEXT,
    before JSONB,
    after JSONB,
    CONSTRAINT pk_audit_log PRIMARY KEY (tenant_id, id),
    CONSTRAINT ck_audit_log_outcome_known CHECK (outcome IN ('DONE', 'REFUSED'))
);
CREATE INDEX ix_audit_log_tenant_id_actor_id_id ON audit_log (tenant_id, actor_id, id);
CREATE INDEX ix_audit_log_tenant_id_entity_id_id ON audit_log (tenant_id, entity_id, id);
CREATE INDEX ix_audit_log_tenant_id_entity_type_id ON audit_log (tenant_id, entity_type, id);
CREATE INDEX ix_audit_log_refused ON audit_log (tenant_id, id) WHERE outcome = 'REFUSED';
-- The trail shows what a person posted beside what they changed.
CREATE INDEX ix_postings_tenant_id_actor_id_id ON postings (tenant_id, actor_id, id);

ALTER TABLE audit_log ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY of_tenant ON audit_log
    USING (tenant_id = nullif(current_setting('app.tenant', true), '')::uuid)
    WITH CHECK (tenant_id = nullif(current_setting('app.tenant', true), '')::uuid);
CREATE TRIGGER history_is_immutable BEFORE UPDATE OR TRUNCATE ON audit_log
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
GRANT SELECT ON audit_log TO storekeeper_app;
GRANT SELECT, INSERT, DELETE ON audit_log TO storekeeper_audit;
GRANT SELECT ON tenants TO storekeeper_audit;

RESET ROLE;

-- Arguments: the entity's type, the columns that name it, and the columns that are no change worth a record
-- (secrets among them: nothing of theirs is ever written).
-- Who it was stands in the transaction's setting app.act: {actorId, actor, sessionId, keyId, requestId}.
CREATE FUNCTION audit_change() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp
AS $$
DECLARE
    v_tenant uuid := nullif(current_setting('app.tenant', true), '')::uuid;
    v_act jsonb := coalesce(nullif(current_setting('app.act', true), '')::jsonb, '{}');
    v_before jsonb;
    v_after jsonb;
    v_row jsonb;
    v_changed text[];
BEGIN
    IF v_tenant IS NULL THEN
        RETURN NULL;  -- a person outside of any tenant: made from the outside, and seen by nobody yet
    END IF;
    IF TG_OP <> 'INSERT' THEN
        v_before := to_jsonb(OLD) - TG_ARGV[2]::text[] - 'tenant_id';
    END IF;
    IF TG_OP <> 'DELETE' THEN
        v_after := to_jsonb(NEW) - TG_ARGV[2]::text[] - 'tenant_id';
    END IF;
    v_row := coalesce(v_after, v_before);
    IF TG_OP = 'UPDATE' THEN
        SELECT array_agg(a.key) INTO v_changed
        FROM jsonb_each(v_after) a WHERE a.value IS DISTINCT FROM v_before -> a.key;
        IF v_changed IS NULL THEN
            RETURN NULL;
        END IF;
        SELECT jsonb_object_agg(b.key, b.value) INTO v_before FROM jsonb_each(v_before) b WHERE b.key = ANY (v_changed);
        SELECT jsonb_object_agg(a.key, a.value) INTO v_after FROM jsonb_each(v_after) a WHERE a.key = ANY (v_changed);
    END IF;
    INSERT INTO audit_log (tenant_id, id, recorded_at, outcome, action, entity_type, entity_id, location_ids,
        actor_id, actor, session_id, key_id, request_id, before, after)
    VALUES (v_tenant, ledger_line_id(), clock_timestamp(), 'DONE',
        TG_ARGV[0] || CASE TG_OP WHEN 'INSERT' THEN '.created' WHEN 'UPDATE' THEN '.changed' ELSE '.deleted' END,
        TG_ARGV[0],
        (SELECT string_agg(v_row ->> c, ':' ORDER BY n) FROM unnest(TG_ARGV[1]::text[]) WITH ORDINALITY AS k(c, n)),
        CASE
            WHEN TG_TABLE_NAME = 'locations' THEN ARRAY[(v_row ->> 'id')::uuid]
            WHEN v_row ->> 'location_id' IS NOT NULL THEN ARRAY[(v_row ->> 'location_id')::uuid]
            ELSE '{}'
        END,
        coalesce((v_act ->> 'actorId')::uuid, CASE WHEN TG_TABLE_NAME = 'sessions' THEN (v_row ->> 'user_id')::uuid END),
        v_act ->> 'actor', (v_act ->> 'sessionId')::uuid, (v_act ->> 'keyId')::uuid, v_act ->> 'requestId',
        v_before, v_after);
    RETURN NULL;
END
$$;

-- Have a table audited: call it in the migration that makes the table.
CREATE FUNCTION audit_table(p_table regclass, p_entity text, p_key text[] DEFAULT '{id}', p_silent text[] DEFAULT '{}')
RETURNS void LANGUAGE plpgsql SET search_path = public, pg_temp
AS $$
BEGIN
    EXECUTE format(
        'CREATE TRIGGER changes_are_audited AFTER INSERT OR UPDATE OR DELETE ON %s
            FOR EACH ROW EXECUTE FUNCTION audit_change(%L, %L, %L)',
        p_table, p_entity, p_key, p_silent || ARRAY['updated_at']);
END
$$;

-- An authorization that was refused.
CREATE FUNCTION audit_refused(p_action text, p_after jsonb, p_location_ids uuid[], p_act jsonb) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp
AS $$
    INSERT INTO audit_log (tenant_id, id, recorded_at, outcome, action, entity_type, location_ids,
        actor_id, actor, session_id, key_id, request_id, after)
    VALUES (nullif(current_setting('app.tenant', true), '')::uuid, ledger_line_id(), clock_timestamp(), 'REFUSED',
        p_action, 'request', p_location_ids, (p_act ->> 'actorId')::uuid, p_act ->> 'actor',
        (p_act ->> 'sessionId')::uuid, (p_act ->> 'keyId')::uuid, p_act ->> 'requestId', p_after)
$$;

-- What is older than the tenant keeps its audit trail (setting auditRetentionDays, ten years unless it says
-- otherwise); at most so many rows a call.
CREATE FUNCTION audit_prune(p_rows int) RETURNS int LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp
AS $$
DECLARE
    v_tenant uuid := nullif(current_setting('app.tenant', true), '')::uuid;
    v_until timestamptz;
    v_end uuid;
    v_pruned int;
BEGIN
    SELECT now() - make_interval(days => greatest(coalesce((t.settings ->> 'auditRetentionDays')::int, 3650), 30))
    INTO STRICT v_until FROM tenants t WHERE t.id = v_tenant;
    -- Ids begin with the time of their making, so that what is kept need not be looked at.
    v_end := (lpad(to_hex((extract(epoch FROM v_until + interval '1 hour') * 1000)::bigint), 12, '0')
        || repeat('0', 20))::uuid;
    DELETE FROM audit_log a WHERE a.tenant_id = v_tenant AND a.id IN (
        SELECT o.id FROM audit_log o
        WHERE o.tenant_id = v_tenant AND o.id < v_end AND o.recorded_at < v_until
        ORDER BY o.id LIMIT p_rows
    );
    GET DIAGNOSTICS v_pruned = ROW_COUNT;
    RETURN v_pruned;
END
$$;

REVOKE ALL ON FUNCTION audit_change(), audit_refused(text, jsonb, uuid[], jsonb), audit_prune(int),
    audit_table(regclass, text, text[], text[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION audit_refused(text, jsonb, uuid[], jsonb) TO storekeeper_app;
GRANT EXECUTE ON FUNCTION audit_change(), audit_table(regclass, text, text[], text[]) TO storekeeper_owner;
GRANT EXECUTE ON FUNCTION audit_prune(int) TO storekeeper_owner;
GRANT CREATE ON SCHEMA public TO storekeeper_audit;
ALTER FUNCTION audit_change() OWNER TO storekeeper_audit;
ALTER FUNCTION audit_refused(text, jsonb, uuid[], jsonb) OWNER TO storekeeper_audit;
ALTER FUNCTION audit_prune(int) OWNER TO storekeeper_audit;
REVOKE CREATE ON SCHEMA public FROM storekeeper_audit;

SET LOCAL ROLE storekeeper_owner;
SELECT audit_table('tenants', 'tenant');
SELECT audit_table('users', 'user', '{id}', '{password_hash}');
SELECT audit_table('memberships', 'membership', '{user_id}');
SELECT audit_table('roles', 'role', '{code}');
SELECT audit_table('role_permissions', 'role_permission', '{role,permission}');
SELECT audit_table('grants', 'grant');
SELECT audit_table('sessions', 'session', '{id}', '{token_hash,seen_at}');
SELECT audit_table('api_keys', 'api_key', '{id}', '{key_hash,used_at}');
SELECT audit_table('invitations', 'invitation', '{id}', '{token_hash}');
SELECT audit_table('delegations', 'delegation');
SELECT audit_table('reason_codes', 'reason_code');
SELECT audit_table('categories', 'category');
SELECT audit_table('uoms', 'uom');
SELECT audit_table('uom_conversions', 'uom_conversion');
SELECT audit_table('products', 'product');
SELECT audit_table('locations', 'location');
SELECT audit_table('areas', 'area');
SELECT audit_table('bins', 'bin');
SELECT audit_table('lots', 'lot');
SELECT audit_table('stock_levels', 'stock_levels', '{product_id,location_id}');
RESET ROLE;
