"""What the database's own catalogue says about its walls: each query lists what is not as it must be."""

import json
from typing import Any

import asyncpg

APP, LEDGER, AUTH, OWNER = "storekeeper_app", "storekeeper_ledger", "storekeeper_auth", "storekeeper_owner"
AUDIT = "storekeeper_audit"
GLOBAL_TABLES = {"tenants", "users", "alembic_version"}
"""The only tables without a tenant_id; the first two are under row-level security of their own."""

DEFINERS = {
    "audit_change": AUDIT,
    "audit_prune": AUDIT,
    "audit_refused": AUDIT,
    "auth_accept_invitation": AUTH,
    "auth_by_email": AUTH,
    "auth_by_invitation": AUTH,
    "auth_by_key": AUTH,
    "auth_by_session": AUTH,
    "auth_by_token": AUTH,
    "auth_set_password": AUTH,
    "claim_begin": LEDGER,
    "claim_make": LEDGER,
    "claim_resolve": LEDGER,
    "claim_settle": LEDGER,
    "event_append": LEDGER,
    "hold_change": LEDGER,
    "ledger_post": LEDGER,
    "login_device_is_ours": AUTH,
    "login_guess": AUTH,
    "login_guessed_right": AUTH,
    "product_search": AUTH,
    "rate_lease": AUTH,
    "webhook_due": AUTH,
}
"""The only functions that run with another's rights, and whose."""

STOCK = (
    "channel_usage",
    "events",
    "holds",
    "ledger_heads",
    "movements",
    "postings",
    "reservation_lines",
    "reservations",
    "stock_counts",
    "stock_lines",
    "stock_totals",
)
"""What only the ledger's statement may write."""

# As PostgreSQL prints it back.
OF_TENANT = "(tenant_id = (NULLIF(current_setting('app.tenant'::text, true), ''::text))::uuid)"

QUEUE = {
    "pgqueuer": "id priority queue_manager_id created updated heartbeat execute_after status entrypoint "
    "dedupe_key payload headers attempts slot",
    "pgqueuer_log": "id created job_id status priority entrypoint traceback aggregated",
    "schedules": "tenant_id type next_at",
    "tenants": "tenant_id",
}
"""All that is in the schema without walls: `payload` holds the ids of a tenant and a job, and nothing writes to
`headers` and `traceback`."""

_CONSTANTS = {
    ":global": f"'{{{','.join(sorted(GLOBAL_TABLES))}}}'::text[]",
    ":of_tenant": f"$text${OF_TENANT}$text$",
    ":queue": f"'{json.dumps({name: columns.split() for name, columns in QUEUE.items()})}'::jsonb",
    ":stock": f"'{{{','.join(STOCK)}}}'::text[]",
    ":definers": f"'{json.dumps(DEFINERS)}'::jsonb",
}

CHECKS: dict[str, str] = {
    "a table without a tenant": """
        SELECT c.relname FROM pg_class c
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
            AND c.relname <> ALL (:global)
            AND NOT EXISTS (
                SELECT FROM pg_attribute a
                WHERE a.attrelid = c.oid AND a.attname = 'tenant_id' AND a.attnotnull AND NOT a.attisdropped)
    """,
    "a table without forced row-level security": """
        SELECT c.relname FROM pg_class c
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
            AND c.relname <> 'alembic_version' AND NOT (c.relrowsecurity AND c.relforcerowsecurity)
    """,
    "a tenant table without the tenant's policy": """
        SELECT c.relname FROM pg_class c
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
            AND c.relname <> ALL (:global)
            AND NOT EXISTS (
                SELECT FROM pg_policies p
                WHERE p.tablename = c.relname AND p.permissive = 'PERMISSIVE' AND p.cmd = 'ALL'
                    AND p.roles = '{public}' AND p.qual = :of_tenant AND p.with_check = :of_tenant)
    """,
    "another policy that lets rows through": """
        SELECT p.tablename || '.' || p.policyname FROM pg_policies p
        WHERE p.permissive = 'PERMISSIVE'
            AND NOT (p.qual = :of_tenant AND p.with_check = :of_tenant AND p.tablename <> ALL (:global))
            AND NOT (p.roles = '{storekeeper_auth}' AND p.cmd = 'SELECT')
            AND NOT (p.tablename IN ('tenants', 'users') AND p.policyname = 'of_tenant')
            AND NOT (p.tablename IN ('tenants', 'users') AND p.roles = '{storekeeper_owner}')
    """,
    "a unique key that is not led by the tenant": """
        SELECT i.indexrelid::regclass::text FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
        WHERE c.relnamespace = 'public'::regnamespace AND i.indisunique AND c.relname <> ALL (:global)
            AND (SELECT a.attname FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum = i.indkey[0])
                IS DISTINCT FROM 'tenant_id'
    """,
    "a foreign key that can leave the tenant": """
        SELECT k.conname FROM pg_constraint k
        JOIN pg_class child ON child.oid = k.conrelid
        JOIN pg_class parent ON parent.oid = k.confrelid
        WHERE k.contype = 'f' AND child.relnamespace = 'public'::regnamespace
            AND NOT EXISTS (
                SELECT FROM unnest(k.conkey, k.confkey) AS pair(mine, theirs)
                JOIN pg_attribute m ON m.attrelid = k.conrelid AND m.attnum = pair.mine
                JOIN pg_attribute t ON t.attrelid = k.confrelid AND t.attnum = pair.theirs
                WHERE m.attname = 'tenant_id'
                    AND t.attname = CASE WHEN parent.relname = 'tenants' THEN 'id' ELSE 'tenant_id' END)
    """,
    "a view, whose owner's rights stand in for the reader's": """
        SELECT c.relname FROM pg_class c
        WHERE c.relnamespace = 'public'::regnamespace
            AND (c.relkind IN ('m', 'f')
                OR (c.relkind = 'v' AND NOT coalesce('security_invoker=true' = ANY (c.reloptions), false)))
    """,
    "a function with another's rights": """
        SELECT p.proname FROM pg_proc p JOIN pg_roles r ON r.oid = p.proowner
        JOIN pg_namespace n ON n.oid = p.pronamespace AND n.nspname NOT IN ('pg_catalog', 'information_schema')
        WHERE p.prosecdef
            AND NOT coalesce(n.nspname = 'public' AND :definers ->> p.proname = r.rolname, false)
    """,
    "a function with another's rights that trusts the caller's search path, or everybody": """
        SELECT p.proname FROM pg_proc p JOIN pg_roles r ON r.oid = p.proowner
        WHERE p.prosecdef AND p.pronamespace = 'public'::regnamespace
            AND (NOT coalesce('search_path=public, pg_temp' = ANY (p.proconfig), false)
                OR p.proacl IS NULL OR EXISTS (SELECT FROM aclexplode(p.proacl) a WHERE a.grantee = 0))
    """,
    "a role that row-level security does not hold": """
        SELECT r.rolname FROM pg_roles r
        WHERE r.rolname LIKE 'storekeeper_%'
            AND (r.rolsuper OR r.rolbypassrls OR r.rolcreaterole OR r.rolcreatedb OR r.rolreplication)
    """,
    "a role that the application could become": """
        SELECT r.rolname FROM pg_auth_members m
        JOIN pg_roles r ON r.oid = m.roleid JOIN pg_roles app ON app.oid = m.member
        WHERE app.rolname IN ('storekeeper_app', 'storekeeper_ledger', 'storekeeper_auth', 'storekeeper_audit')
    """,
    "a thing that the application owns": """
        SELECT pg_describe_object(d.classid, d.objid, d.objsubid) FROM pg_shdepend d
        JOIN pg_database b ON b.datname = current_database() AND d.dbid IN (0, b.oid)
        WHERE d.deptype = 'o' AND d.refclassid = 'pg_authid'::regclass AND d.refobjid = 'storekeeper_app'::regrole
    """,
    "a table that a function's owner owns": """
        SELECT c.relname FROM pg_class c
        WHERE c.relowner IN (
            'storekeeper_ledger'::regrole, 'storekeeper_auth'::regrole, 'storekeeper_audit'::regrole)
    """,
    "stock that the application may write": """
        SELECT t || ': ' || r FROM unnest(:stock) t, unnest('{INSERT,UPDATE,REFERENCES}'::text[]) r
        WHERE has_any_column_privilege('storekeeper_app', t, r)
        UNION ALL
        SELECT t || ': ' || r FROM unnest(:stock) t, unnest('{DELETE,TRUNCATE,TRIGGER}'::text[]) r
        WHERE has_table_privilege('storekeeper_app', t, r)
    """,
    "a table that can be emptied past row-level security": """
        SELECT c.relname || ': ' || r.rolname FROM pg_class c, pg_roles r
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
            AND r.rolname IN ('storekeeper_app', 'storekeeper_ledger', 'storekeeper_auth', 'storekeeper_audit')
            AND has_table_privilege(r.oid, c.oid, 'TRUNCATE')
    """,
    "a schema aside that the application may enter": """
        SELECT n.nspname FROM pg_namespace n
        WHERE n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'public')
            AND n.nspname <> 'queue'
            AND (n.nspname <> 'limits' OR has_schema_privilege('storekeeper_app', n.oid, 'USAGE'))
    """,
    # The queue wakes workers for whatever comes next, whosesoever it is, without walls: it tells only ids.
    "something in the queue that is more than ids": """
        SELECT c.relname || '.' || a.attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
        WHERE c.relnamespace = 'queue'::regnamespace AND c.relkind IN ('r', 'p') AND a.attnum > 0
            AND NOT a.attisdropped AND NOT coalesce(:queue -> c.relname ? a.attname, false)
    """,
    "a counter that the application may read or write": """
        SELECT c.relname || ': ' || r FROM pg_class c, unnest('{SELECT,INSERT,UPDATE,REFERENCES}'::text[]) r
        WHERE c.relnamespace = 'limits'::regnamespace AND c.relkind IN ('r', 'p')
            AND has_any_column_privilege('storekeeper_app', c.oid, r)
    """,
    "a schema where the application may make things": """
        SELECT n.nspname FROM pg_namespace n, pg_roles r
        WHERE r.rolname IN ('storekeeper_app', 'storekeeper_ledger', 'storekeeper_auth', 'storekeeper_audit')
            AND n.nspname !~ '^pg_' AND has_schema_privilege(r.oid, n.oid, 'CREATE')
    """,
}


async def findings(connection: "asyncpg.Connection[Any]") -> set[str]:
    """Everything that breaches a wall, as `what: which`."""
    found = set()
    for what, query in CHECKS.items():
        for name, text in _CONSTANTS.items():
            query = query.replace(name, text)  # noqa: PLW2901 - the same query, completed
        found |= {f"{what}: {row[0]}" for row in await connection.fetch(query)}
    return found
