-- What the documents of the warehouse share: numbers of their own, and a history that nobody rewrites.
SET LOCAL ROLE storekeeper_owner;

CREATE TABLE document_numbers (
    tenant_id UUID NOT NULL,
    type TEXT NOT NULL,
    last BIGINT NOT NULL,
    CONSTRAINT pk_document_numbers PRIMARY KEY (tenant_id, type),
    CONSTRAINT ck_document_numbers_type_length CHECK (length(type) BETWEEN 1 AND 32),
    CONSTRAINT fk_document_numbers_tenant_id FOREIGN KEY (tenant_id) REFERENCES tenants (id)
);
CREATE TABLE document_history (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    type TEXT NOT NULL,
    document_id UUID NOT NULL,
    action TEXT NOT NULL,
    from_state TEXT,
    to_state TEXT NOT NULL,
    actor_id UUID,
    actor TEXT,
    on_behalf_of UUID,
    comment TEXT,
    details JSONB DEFAULT '{}' NOT NULL,
    recorded_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT pk_document_history PRIMARY KEY (tenant_id, id),
    CONSTRAINT ck_document_history_type_length CHECK (length(type) BETWEEN 1 AND 32),
    CONSTRAINT ck_document_history_action_length CHECK (length(action) BETWEEN 1 AND 64),
    CONSTRAINT ck_document_history_from_state_length CHECK (length(from_state) BETWEEN 1 AND 32),
    CONSTRAINT ck_document_history_to_state_length CHECK (length(to_state) BETWEEN 1 AND 32),
    CONSTRAINT ck_document_history_actor_length CHECK (length(actor) BETWEEN 1 AND 200),
    CONSTRAINT ck_document_history_comment_length CHECK (length(comment) BETWEEN 1 AND 2000),
    CONSTRAINT fk_document_history_tenant_id FOREIGN KEY (tenant_id) REFERENCES tenants (id)
);
CREATE INDEX ix_document_history_tenant_id_document_id_id ON document_history (tenant_id, document_id, id);

SELECT wall_off('document_numbers', 'document_history');
GRANT SELECT, INSERT, UPDATE ON document_numbers TO storekeeper_app;
GRANT SELECT, INSERT ON document_history TO storekeeper_app;
CREATE TRIGGER history_is_immutable BEFORE UPDATE OR DELETE OR TRUNCATE ON document_history
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
RESET ROLE;
