"""What is in a tenant's tables, for tests of what must change nothing."""

from typing import Any
from uuid import UUID

import asyncpg

# Uses of a credential are noted, whatever comes of the request.
_NOTED = {"sessions": "seen_at", "api_keys": "used_at", "tokens": "used_at"}
_APPLIED = "(SELECT i.is_applied FROM imports i WHERE i.tenant_id = t.tenant_id AND i.job_id = t.job_id)"
_REFUSED = {
    "audit_log": """
        AND outcome = 'DONE' AND NOT (entity_type = 'import' AND coalesce(after ->> 'is_applied', '') = 'false')
        AND NOT (entity_type = 'job' AND EXISTS (
            SELECT FROM imports i
            WHERE i.tenant_id = t.tenant_id AND i.job_id::text = t.entity_id::text AND NOT i.is_applied))
    """,
    "jobs": """
        AND NOT EXISTS (
            SELECT FROM imports i WHERE i.tenant_id = t.tenant_id AND i.job_id = t.id AND NOT i.is_applied)
    """,
    "import_rows": f"AND {_APPLIED}",
    "imports": "AND is_applied",
}
"""A refusal changes nothing but the record of refusals. The rows of a refused import are kept, to be read,
with a job that has failed."""

_TABLES = """
    SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id'
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' ORDER BY 1
"""


async def state_of(admin: "asyncpg.Connection[Any]", *tenant_ids: UUID) -> dict[str, tuple[int, int]]:
    """For each table the number of the tenants' rows, and a sum over all that is in them."""
    tables = [row[0] for row in await admin.fetch(_TABLES)]
    queries = [
        f"SELECT '{table}', count(*), coalesce(sum(hashtextextended({_text(table)}, 0)), 0) FROM {table} t "
        f"WHERE tenant_id = ANY ($1) {_REFUSED.get(table, '')}"
        for table in tables
    ]
    rows = await admin.fetch(" UNION ALL ".join(queries), list(tenant_ids))
    return {name: (count, int(total)) for name, count, total in rows}


def _text(table: str) -> str:
    return f"(to_jsonb(t) - '{_NOTED[table]}')::text" if table in _NOTED else "t::text"
