-- People, and what they may do: versions for compare-and-set, invitations, delegations.
SET LOCAL ROLE storekeeper_owner;

ALTER TABLE tenants
    ADD COLUMN version INTEGER DEFAULT 1 NOT NULL,
    ADD COLUMN updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL;
ALTER TABLE users
    ADD COLUMN version INTEGER DEFAULT 1 NOT NULL,
    ADD COLUMN password_changed_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    ADD COLUMN updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL;
ALTER TABLE memberships
    ADD COLUMN version INTEGER DEFAULT 1 NOT NULL,
    ADD COLUMN updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL;
ALTER TABLE roles
    ADD COLUMN version INTEGER DEFAULT 1 NOT NULL,
    ADD COLUMN updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL;
ALTER TABLE api_keys
    ADD COLUMN rotates_id UUID,
    ADD COLUMN version INTEGER DEFAULT 1 NOT NULL,
    ADD COLUMN updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    ADD CONSTRAINT fk_api_keys_tenant_id_rotates_id FOREIGN KEY (tenant_id, rotates_id)
        REFERENCES api_keys (tenant_id, id);

CREATE TABLE invitations (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    email TEXT NOT NULL,
    name TEXT NOT NULL,
    token_hash BYTEA NOT NULL,
    grants JSONB NOT NULL,
    created_by UUID,
    expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
    accepted_at TIMESTAMP WITH TIME ZONE,
    accepted_by UUID,
    revoked_at TIMESTAMP WITH TIME ZONE,
    version INTEGER DEFAULT 1 NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_invitations PRIMARY KEY (tenant_id, id),
    CONSTRAINT ck_invitations_email_length CHECK (length(email) BETWEEN 1 AND 320),
    CONSTRAINT ck_invitations_name_length CHECK (length(name) BETWEEN 1 AND 200),
    CONSTRAINT fk_invitations_tenant_id FOREIGN KEY (tenant_id) REFERENCES tenants (id),
    CONSTRAINT uq_invitations_tenant_id_token_hash UNIQUE (tenant_id, token_hash)
);
CREATE INDEX ix_invitations_token_hash ON invitations (token_hash);

-- For a dated period somebody decides in another's place.
CREATE TABLE delegations (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    from_user_id UUID NOT NULL,
    to_user_id UUID NOT NULL,
    permissions TEXT[] NOT NULL,
    starts_at TIMESTAMP WITH TIME ZONE NOT NULL,
    ends_at TIMESTAMP WITH TIME ZONE NOT NULL,
    note TEXT,
    ended_at TIMESTAMP WITH TIME ZONE,
    version INTEGER DEFAULT 1 NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_delegations PRIMARY KEY (tenant_id, id),
    CONSTRAINT ck_delegations_ends_later CHECK (ends_at > starts_at),
    CONSTRAINT ck_delegations_to_another CHECK (from_user_id <> to_user_id),
    CONSTRAINT ck_delegations_note_length CHECK (length(note) BETWEEN 1 AND 2000),
    CONSTRAINT fk_delegations_tenant_id_from_user_id FOREIGN KEY (tenant_id, from_user_id)
        REFERENCES memberships (tenant_id, user_id),
    CONSTRAINT fk_delegations_tenant_id_to_user_id FOREIGN KEY (tenant_id, to_user_id)
        REFERENCES memberships (tenant_id, user_id)
);
CREATE INDEX ix_delegations_tenant_id_from_user_id ON delegations (tenant_id, from_user_id);
CREATE INDEX ix_delegations_tenant_id_to_user_id ON delegations (tenant_id, to_user_id);

SELECT wall_off('invitations', 'delegations');
GRANT SELECT, INSERT, UPDATE ON invitations, delegations TO storekeeper_app;
GRANT UPDATE (settings, name, version, updated_at) ON tenants TO storekeeper_app;

RESET ROLE;
