-- What background work leaves behind is removed by regular work of the tenant (infra/jobs/housekeeping.py): the rights
-- to do it, walls around what it may take, and an index for each look at what is old.
SET LOCAL ROLE storekeeper_owner;

-- What is left of an import: all of it; less, as its rows are being removed, so that it cannot be undone any more;
-- or nothing but its row here, which says what its posting was.
ALTER TABLE imports
    ADD COLUMN kept TEXT DEFAULT 'WHOLE' NOT NULL,
    ADD CONSTRAINT ck_imports_kept_known CHECK (kept IN ('WHOLE', 'GOING', 'SUMMARY'));

CREATE INDEX ix_import_files_tenant_id_created_at ON import_files (tenant_id, created_at);
CREATE INDEX ix_imports_kept ON imports (tenant_id, created_at) WHERE kept <> 'SUMMARY';
CREATE INDEX ix_jobs_ended ON jobs (tenant_id, completed_at) WHERE completed_at IS NOT NULL;
CREATE INDEX ix_sessions_tenant_id_expires_at ON sessions (tenant_id, expires_at);
CREATE INDEX ix_webhook_deliveries_dead ON webhook_deliveries (tenant_id, updated_at) WHERE state = 'DEAD';

GRANT DELETE ON idempotency_keys, import_files, jobs, sessions TO storekeeper_app;
-- Whatever is asked for, these go only once they have ended, or are older than anybody was promised them.
CREATE POLICY what_ended_long_ago ON jobs AS RESTRICTIVE FOR DELETE TO storekeeper_app
    USING (completed_at < now() - interval '30 days');
CREATE POLICY what_ended_long_ago ON sessions AS RESTRICTIVE FOR DELETE TO storekeeper_app
    USING (expires_at < now() - interval '30 days');
CREATE POLICY what_is_old ON import_files AS RESTRICTIVE FOR DELETE TO storekeeper_app
    USING (created_at < now() - interval '30 days');
CREATE POLICY what_is_old ON idempotency_keys AS RESTRICTIVE FOR DELETE TO storekeeper_app
    USING (created_at < now() - interval '30 days');

-- That they are gone is no change worth a record: the trail keeps for longer who asked for a job and who logged in.
DROP TRIGGER changes_are_audited ON jobs;
CREATE TRIGGER changes_are_audited AFTER INSERT OR UPDATE ON jobs FOR EACH ROW
    EXECUTE FUNCTION audit_change('job', '{id}',
        '{state,arguments,completed_steps,total_steps,current_step,attempt,attempts_max,result,error,is_dead,'
        'not_before,started_at,completed_at,version,updated_at}');
DROP TRIGGER changes_are_audited ON sessions;
CREATE TRIGGER changes_are_audited AFTER INSERT OR UPDATE ON sessions FOR EACH ROW
    EXECUTE FUNCTION audit_change('session', '{id}', '{token_hash,seen_at,updated_at}');
DROP TRIGGER changes_are_audited ON imports;
SELECT audit_table('imports', 'import', '{job_id}', '{kept}');
RESET ROLE;
