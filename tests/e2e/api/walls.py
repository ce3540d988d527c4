"""The two walls between tenants, and how a test takes one of them away.

The application's wall is the tenant in every WHERE, in its statements and in the database's functions: a statement
is changed on its way to the driver, a function in its place. The database's wall are the row-level policies.
"""

import re
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import asyncpg
import pytest

from infra.db.pool import TenantConnection

FILTER = re.compile(
    r"(?:\b\w+\.)?\btenant_id\s*=\s*(\$\d+|\(SELECT\s+\$\d+(?:::uuid)?\)|\b(?:v_|p_)?tenant\b)(?:::uuid)?",
    re.IGNORECASE,
)
_FUNCTIONS = """
    SELECT p.oid, pg_get_functiondef(p.oid) FROM pg_proc p
    WHERE p.pronamespace = 'public'::regnamespace AND p.prokind = 'f'
"""
_TABLES = """
    SELECT relname FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND relrowsecurity
"""

type Connection = asyncpg.Connection[Any]


def without_filter(statement: str) -> tuple[str, int]:
    """A statement that asks for everybody's rows, and how many filters it has lost."""
    return FILTER.subn(r"(\1::uuid IS NOT NULL)", statement)


@asynccontextmanager
async def filters_off(admin: Connection) -> AsyncGenerator[list[str]]:
    """Statements and functions without the tenant in them; the statements that were changed."""
    changed: list[str] = []
    original = asyncpg.Connection._get_statement  # type: ignore[attr-defined] # all statements with parameters

    async def unfiltered(self: Any, query: str, *args: Any, **options: Any) -> Any:
        query, lost = without_filter(query)
        if lost:
            changed.append(query)
        return await original(self, query, *args, **options)

    functions = await admin.fetch(_FUNCTIONS)
    async with AsyncExitStack() as undone:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(TenantConnection, "_get_statement", unfiltered)
            for row in functions:
                definition, lost = without_filter(row[1])
                if lost:
                    undone.push_async_callback(admin.execute, row[1])
                    await admin.execute(definition)
            yield changed


@asynccontextmanager
async def policies_off(admin: Connection) -> AsyncGenerator[None]:
    """Tables that show every row to everybody who may read them."""
    tables = [row[0] for row in await admin.fetch(_TABLES)]
    for table in tables:
        await admin.execute(f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY")
    try:
        yield
    finally:
        for table in tables:
            await admin.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
