SET LOCAL ROLE storekeeper_owner;
DROP TRIGGER changes_are_audited ON imports;
SELECT audit_table('imports', 'import', '{job_id}');
DROP TRIGGER changes_are_audited ON sessions;
SELECT audit_table('sessions', 'session', '{id}', '{token_hash,seen_at}');
DROP TRIGGER changes_are_audited ON jobs;
SELECT audit_table('jobs', 'job', '{id}', ARRAY['state', 'arguments', 'completed_steps', 'total_steps', 'current_step',
    'attempt', 'attempts_max', 'result', 'error', 'is_dead', 'not_before', 'started_at', 'completed_at', 'version']);
DROP POLICY what_is_old ON idempotency_keys;
DROP POLICY what_is_old ON import_files;
DROP POLICY what_ended_long_ago ON sessions;
DROP POLICY what_ended_long_ago ON jobs;
REVOKE DELETE ON idempotency_keys, import_files, jobs, sessions FROM storekeeper_app;
DROP INDEX ix_webhook_deliveries_dead, ix_sessions_tenant_id_expires_at, ix_jobs_ended, ix_imports_kept,
    ix_import_files_tenant_id_created_at;
ALTER TABLE imports DROP COLUMN kept;
RESET ROLE;
