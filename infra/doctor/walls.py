"""Whether the database still keeps tenants apart and stock in the ledger's hands.

The migrations make it so; this sees what somebody has changed by hand since. The tests hold the full list.
"""

import asyncpg

from infra.doctor.findings import Connection, Finding, Surroundings, fail, ok, warn

ROLES = (
    "storekeeper_owner",
    "storekeeper_app",
    "storekeeper_ledger",
    "storekeeper_auth",
    "storekeeper_audit",
)
STOCK = ("events", "ledger_heads", "movements", "postings", "stock_counts", "stock_lines", "stock_totals")
APPEND_ONLY = ("audit_log",)

_ROLE_FLAWS = """
    SELECT w.name, CASE
        WHEN r.oid IS NULL THEN 'does not exist'
        ELSE concat_ws(', ',
            CASE WHEN r.rolsuper THEN 'is a superuser' END,
            CASE WHEN r.rolbypassrls THEN 'bypasses row-level security' END,
            CASE WHEN r.rolcreaterole THEN 'may make roles' END,
            CASE WHEN r.rolcreatedb THEN 'may make databases' END,
            CASE WHEN r.rolreplication THEN 'may replicate' END)
        END AS flaw
    FROM unnest($1::text[]) w(name) LEFT JOIN pg_roles r ON r.rolname = w.name
"""
_COULD_BECOME = """
    SELECT r.rolname FROM pg_roles r
    WHERE r.rolname <> 'storekeeper_app' AND pg_has_role('storekeeper_app', r.oid, 'MEMBER')
        AND (r.rolsuper OR r.rolbypassrls OR r.rolname LIKE 'storekeeper%')
    ORDER BY 1
"""
_LOGIN = "SELECT rolname, rolsuper FROM pg_roles WHERE rolname = session_user"
_TENANT_TABLES = """
    SELECT c.oid, c.relname, c.relrowsecurity AND c.relforcerowsecurity AS is_forced
    FROM pg_class c
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND (
        c.relname IN ('tenants', 'users') OR EXISTS (
            SELECT FROM pg_attribute a
            WHERE a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped))
"""
_UNFORCED = f"SELECT relname FROM ({_TENANT_TABLES}) t WHERE NOT is_forced ORDER BY 1"  # noqa: S608 - constants
_WITHOUT_POLICY = f"""
    SELECT relname FROM ({_TENANT_TABLES}) t
    WHERE NOT EXISTS (
        SELECT FROM pg_policies p
        WHERE p.schemaname = 'public' AND p.tablename = t.relname AND p.policyname = 'of_tenant'
            AND p.qual LIKE '%NULLIF(current_setting(''app.tenant''%')
    ORDER BY 1
"""  # noqa: S608 - constants
_LETTING_THROUGH = """
    SELECT p.tablename || '.' || p.policyname FROM pg_policies p
    WHERE p.schemaname = 'public' AND p.permissive = 'PERMISSIVE'
        AND (p.roles @> '{public}' OR p.roles @> '{storekeeper_app}')
        AND (coalesce(p.qual, 'true') = 'true' OR p.with_check = 'true')
    ORDER BY 1
"""
_COUNT = f"SELECT count(*) FROM ({_TENANT_TABLES}) t"  # noqa: S608 - constants
_WRITABLE = """
    SELECT t || ': ' || string_agg(r, ', ' ORDER BY r) FROM unnest($1::text[]) t, unnest($2::text[]) r
    WHERE CASE
        WHEN to_regclass('public.' || t) IS NULL THEN false
        WHEN r IN ('INSERT', 'UPDATE') THEN has_any_column_privilege('storekeeper_app', 'public.' || t, r)
        ELSE has_table_privilege('storekeeper_app', 'public.' || t, r) END
    GROUP BY t ORDER BY t
"""
_OWNED = """
    SELECT c.relname FROM pg_class c
    WHERE c.relowner = 'storekeeper_app'::regrole AND c.relnamespace = 'public'::regnamespace
        AND c.relkind NOT IN ('i', 'I')
    ORDER BY 1
"""
_MAKES = "SELECT has_schema_privilege('storekeeper_app', 'public', 'CREATE')"
_WRITING = ("INSERT", "UPDATE", "DELETE", "TRUNCATE", "TRIGGER")


async def roles(connection: Connection, _: Surroundings) -> Finding:
    flaws = [f"{row['name']} {row['flaw']}" for row in await connection.fetch(_ROLE_FLAWS, ROLES) if row["flaw"]]
    if any("does not exist" in flaw for flaw in flaws):
        return fail("roles", "; ".join(flaws), "Run `storekeeper migrate`, which makes them.")
    if flaws:
        return fail(
            "roles",
            "; ".join(flaws),
            "ALTER ROLE … NOSUPERUSER NOBYPASSRLS NOCREATEROLE NOCREATEDB NOREPLICATION as a superuser.",
        )
    others = await _names(connection, _COULD_BECOME)
    if others:
        return fail(
            "roles",
            f"The application could become {', '.join(others)}",
            "REVOKE … FROM storekeeper_app, for each of them.",
        )
    return ok("roles", f"All {len(ROLES)} are there; none may bypass row-level security")


async def login(_: Connection, around: Surroundings) -> Finding:
    """As whom the application itself logs in."""
    own = await asyncpg.connect(around.app_url, timeout=10)
    try:
        row = await own.fetchrow(_LOGIN)
    finally:
        await own.close()
    assert row is not None
    if not row["rolsuper"]:
        return ok("login", f"The application logs in as {row['rolname']}, which is no superuser")
    judge = fail if around.is_production else warn
    return judge(
        "login",
        f"The application logs in as {row['rolname']}, a superuser, and only then becomes storekeeper_app",
        "Give storekeeper_app a password (ALTER ROLE storekeeper_app LOGIN PASSWORD …), name it in DATABASE_URL, "
        "and the owner in DATABASE_ADMIN_URL.",
    )


async def row_security(connection: Connection, _: Surroundings) -> Finding:
    unforced = await _names(connection, _UNFORCED)
    if unforced:
        return fail(
            "row security",
            f"Not forced on {', '.join(unforced)}: the tenants' wall has a hole",
            "ALTER TABLE … ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY, and find out who turned it off.",
        )
    bare = await _names(connection, _WITHOUT_POLICY)
    if bare:
        return fail(
            "row security",
            f"The tenant's policy is missing or another on {', '.join(bare)}",
            "Compare with migrations/sql/0001_walls.sql and make the policy of_tenant anew.",
        )
    through = await _names(connection, _LETTING_THROUGH)
    if through:
        return fail(
            "row security",
            f"Policies that show every tenant's rows: {', '.join(through)}",
            "DROP POLICY …, and find out who made it.",
        )
    return ok(
        "row security", f"Forced, with the tenant's policy, on all {await connection.fetchval(_COUNT)} tables"
    )


async def rights(connection: Connection, _: Surroundings) -> Finding:
    writable = await _names(connection, _WRITABLE, [*STOCK, *APPEND_ONLY], _WRITING)
    if writable:
        return fail(
            "rights",
            f"The application may write past the ledger: {'; '.join(writable)}",
            "REVOKE INSERT, UPDATE, DELETE, TRUNCATE, TRIGGER ON … FROM storekeeper_app, PUBLIC.",
        )
    owned = await _names(connection, _OWNED)
    if owned:
        return fail(
            "rights",
            f"The application owns {', '.join(owned)}, so its rights end nowhere there",
            "ALTER TABLE … OWNER TO storekeeper_owner.",
        )
    if await connection.fetchval(_MAKES):
        return fail(
            "rights",
            "The application may make things in the schema public",
            "REVOKE CREATE ON SCHEMA public FROM storekeeper_app, PUBLIC.",
        )
    return ok("rights", "The application owns nothing and cannot write stock or history past the ledger")


async def _names(connection: Connection, query: str, *arguments: object) -> list[str]:
    return [row[0] for row in await connection.fetch(query, *arguments)]
