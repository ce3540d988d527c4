-- Webhooks: where events are sent to, how far each has come, what could not be delivered, and a log of the attempts.
SET LOCAL ROLE storekeeper_owner;

-- `types` empty is every type. What is sent is what the maker may see now: `user_id` or `key_id` is theirs.
CREATE TABLE webhooks (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    url TEXT NOT NULL,
    description TEXT,
    types TEXT[] DEFAULT '{}' NOT NULL,
    location_ids UUID[],
    state TEXT DEFAULT 'ACTIVE' NOT NULL,
    paused_reason TEXT,
    paused_at TIMESTAMP WITH TIME ZONE,
    user_id UUID,
    key_id UUID,
    maker TEXT NOT NULL,
    version INTEGER DEFAULT 1 NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_webhooks PRIMARY KEY (tenant_id, id),
    CONSTRAINT ck_webhooks_url_length CHECK (length(url) BETWEEN 1 AND 2000),
    CONSTRAINT ck_webhooks_description_length CHECK (length(description) BETWEEN 1 AND 500),
    CONSTRAINT ck_webhooks_state_known CHECK (state IN ('ACTIVE', 'PAUSED')),
    CONSTRAINT ck_webhooks_paused_reason_known
        CHECK (paused_reason IN ('BY_HAND', 'FAILING', 'GONE', 'RIGHTS_LOST')),
    CONSTRAINT ck_webhooks_paused_says_why CHECK ((state = 'PAUSED') = (paused_reason IS NOT NULL)),
    CONSTRAINT ck_webhooks_one_maker CHECK ((user_id IS NULL) <> (key_id IS NULL)),
    CONSTRAINT ck_webhooks_maker_length CHECK (length(maker) BETWEEN 1 AND 200),
    CONSTRAINT fk_webhooks_tenant_id FOREIGN KEY (tenant_id) REFERENCES tenants (id)
);
-- In a table of their own, so that no reading of webhooks can show them. They are kept readable, since they sign.
CREATE TABLE webhook_secrets (
    tenant_id UUID NOT NULL,
    webhook_id UUID NOT NULL,
    id UUID NOT NULL,
    secret TEXT NOT NULL,
    ends_at TIMESTAMP WITH TIME ZONE,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_webhook_secrets PRIMARY KEY (tenant_id, webhook_id, id),
    CONSTRAINT ck_webhook_secrets_secret_length CHECK (length(secret) BETWEEN 1 AND 200),
    CONSTRAINT fk_webhook_secrets_tenant_id_webhook_id FOREIGN KEY (tenant_id, webhook_id)
        REFERENCES webhooks (tenant_id, id)
);
-- Everything up to `position` was delivered, is in `webhook_deliveries`, or is not for this endpoint.
CREATE TABLE webhook_cursors (
    tenant_id UUID NOT NULL,
    webhook_id UUID NOT NULL,
    position BIGINT NOT NULL,
    failures INTEGER DEFAULT 0 NOT NULL,
    failing_since TIMESTAMP WITH TIME ZONE,
    resting_until TIMESTAMP WITH TIME ZONE,
    due_at TIMESTAMP WITH TIME ZONE,
    is_full BOOLEAN DEFAULT false NOT NULL,
    attempted_at TIMESTAMP WITH TIME ZONE,
    delivered_at TIMESTAMP WITH TIME ZONE,
    lease_owner UUID,
    lease_until TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_webhook_cursors PRIMARY KEY (tenant_id, webhook_id),
    CONSTRAINT fk_webhook_cursors_tenant_id_webhook_id FOREIGN KEY (tenant_id, webhook_id)
        REFERENCES webhooks (tenant_id, id)
);
-- What failed, and what waits behind it (`attempts` 0): PENDING until it is delivered, DEAD once it was given up.
CREATE TABLE webhook_deliveries (
    tenant_id UUID NOT NULL,
    webhook_id UUID NOT NULL,
    position BIGINT NOT NULL,
    id UUID NOT NULL,
    type TEXT NOT NULL,
    entity_type TEXT NOT NULL,
    entity_id UUID NOT NULL,
    keys UUID[] NOT NULL,
    state TEXT DEFAULT 'PENDING' NOT NULL,
    attempts INTEGER DEFAULT 0 NOT NULL,
    due_at TIMESTAMP WITH TIME ZONE,
    status INTEGER,
    error TEXT,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_webhook_deliveries PRIMARY KEY (tenant_id, webhook_id, position),
    CONSTRAINT ck_webhook_deliveries_type_length CHECK (length(type) BETWEEN 1 AND 100),
    CONSTRAINT ck_webhook_deliveries_entity_type_length CHECK (length(entity_type) BETWEEN 1 AND 64),
    CONSTRAINT ck_webhook_deliveries_state_known CHECK (state IN ('PENDING', 'DEAD')),
    CONSTRAINT ck_webhook_deliveries_error_length CHECK (length(error) BETWEEN 1 AND 300),
    CONSTRAINT uq_webhook_deliveries_tenant_id_id UNIQUE (tenant_id, id),
    CONSTRAINT fk_webhook_deliveries_tenant_id_webhook_id FOREIGN KEY (tenant_id, webhook_id)
        REFERENCES webhooks (tenant_id, id)
);
-- The delivery log: the newest thousand of each endpoint. A test call is of no event, and has no position.
CREATE TABLE webhook_attempts (
    tenant_id UUID NOT NULL,
    webhook_id UUID NOT NULL,
    id UUID NOT NULL,
    message_id TEXT NOT NULL,
    position BIGINT,
    type TEXT NOT NULL,
    entity_type TEXT,
    entity_id UUID,
    attempt INTEGER NOT NULL,
    outcome TEXT NOT NULL,
    status INTEGER,
    error TEXT,
    response TEXT,
    duration_ms INTEGER NOT NULL,
    attempted_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT pk_webhook_attempts PRIMARY KEY (tenant_id, webhook_id, id),
    CONSTRAINT ck_webhook_attempts_message_id_length CHECK (length(message_id) BETWEEN 1 AND 100),
    CONSTRAINT ck_webhook_attempts_type_length CHECK (length(type) BETWEEN 1 AND 100),
    CONSTRAINT ck_webhook_attempts_entity_type_length CHECK (length(entity_type) BETWEEN 1 AND 64),
    CONSTRAINT ck_webhook_attempts_outcome_known CHECK (outcome IN ('DELIVERED', 'FAILED', 'DEAD', 'GONE')),
    CONSTRAINT ck_webhook_attempts_error_length CHECK (length(error) BETWEEN 1 AND 300),
    CONSTRAINT ck_webhook_attempts_response_length CHECK (length(response) BETWEEN 1 AND 1000),
    CONSTRAINT fk_webhook_attempts_tenant_id_webhook_id FOREIGN KEY (tenant_id, webhook_id)
        REFERENCES webhooks (tenant_id, id)
);

SELECT wall_off('webhooks', 'webhook_secrets', 'webhook_cursors', 'webhook_deliveries', 'webhook_attempts');
GRANT SELECT, INSERT, UPDATE, DELETE ON webhooks, webhook_cursors, webhook_deliveries TO storekeeper_app;
GRANT SELECT, INSERT, DELETE ON webhook_secrets, webhook_attempts TO storekeeper_app;
GRANT UPDATE (ends_at) ON webhook_secrets TO storekeeper_app;

SELECT audit_table('webhooks', 'webhook');
SELECT audit_table('webhook_secrets', 'webhook_secret', '{webhook_id,id}', '{secret}');

-- Which endpoints have something to be sent, of whichever tenant: the one look that a dispatcher takes past the
-- walls. It tells ids and nothing else; all that follows is done inside of the tenant.
GRANT SELECT ON webhooks, webhook_cursors, ledger_heads TO storekeeper_auth;
CREATE POLICY for_dispatch ON webhooks FOR SELECT TO storekeeper_auth USING (true);
CREATE POLICY for_dispatch ON webhook_cursors FOR SELECT TO storekeeper_auth USING (true);
CREATE POLICY for_dispatch ON ledger_heads FOR SELECT TO storekeeper_auth USING (true);
RESET ROLE;
CREATE FUNCTION webhook_due(p_limit int) RETURNS TABLE (tenant_id uuid, webhook_id uuid)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp
AS $$
    SELECT c.tenant_id, c.webhook_id
    FROM webhook_cursors c
    JOIN webhooks w ON w.tenant_id = c.tenant_id AND w.id = c.webhook_id AND w.state = 'ACTIVE'
    JOIN tenants t ON t.id = c.tenant_id AND t.is_active
    JOIN ledger_heads h ON h.tenant_id = c.tenant_id
    WHERE (c.lease_until IS NULL OR c.lease_until <= now())
        AND (c.resting_until IS NULL OR c.resting_until <= now())
        AND (c.due_at <= now() OR (NOT c.is_full AND h.event_position > c.position))
    ORDER BY c.attempted_at NULLS FIRST
    LIMIT p_limit
$$;
REVOKE ALL ON FUNCTION webhook_due(int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION webhook_due(int) TO storekeeper_app;
GRANT CREATE ON SCHEMA public TO storekeeper_auth;
ALTER FUNCTION webhook_due(int) OWNER TO storekeeper_auth;
REVOKE CREATE ON SCHEMA public FROM storekeeper_auth;
