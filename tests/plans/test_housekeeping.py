"""Housekeeping finds what is old by an index, however much is kept."""

from collections.abc import AsyncGenerator
from uuid import UUID

import asyncpg
import msgspec
import pytest

from infra.access.provision import create_tenant, create_user, grant
from infra.jobs.housekeeping import CLOSE_IMPORTS, EMPTY_IMPORTS, IS_LITTERED, JOBS, OTHERS, SUM_UP_IMPORTS, Litter
from tests.lab import DatabaseUrls
from tests.plans.explain import Explainer, Plan

OLD, KEPT = 40, 6_000
# $1 the tenant, $2 a person, $3 how many: the first forty of each table are old.
_MADE = f"""
    CREATE TEMP TABLE made ON COMMIT DROP AS
    SELECT n, at, (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '7'
        || substr(md5(n::text || $1::uuid::text), 1, 19))::uuid AS id
    FROM (
        SELECT n, now() - CASE WHEN n <= {OLD} THEN interval '400 days' ELSE interval '1 hour' END AS at
        FROM generate_series(1, $3::int) n WHERE $2::uuid IS NOT NULL
    ) t
"""
_ROWS = (
    f"""
    INSERT INTO jobs (tenant_id, id, type, description, arguments, attempts_max, created_by, creator, permission,
        request_id, state, created_at, completed_at)
    SELECT $1, CASE WHEN n <= {OLD} THEN gen_random_uuid() ELSE id END, 't', 'D', '{{}}', 1, $2, 'C', 'p', 'r',
        'SUCCEEDED', at, at FROM made
    """,
    """
    INSERT INTO imports (tenant_id, job_id, type, description, options, is_applied, is_dry_run, message, actor_id,
        actor, total, created, updated, unchanged, deleted, failed, created_at)
    SELECT $1, id, 'inventory-import', 'D', '{}', false, false, 'M', $2, 'A', 0, 0, 0, 0, 0, 0, at FROM made
    """,
    """
    INSERT INTO import_rows (tenant_id, job_id, n, action, item_name, bin_name, lot_name, date_filled, quantity,
        uom, messages)
    SELECT $1, id, k, 'error', '', '', '', '', '', '', ''
    FROM made, generate_series(1, 3) k WHERE $2::uuid IS NOT NULL
    """,
    """
    INSERT INTO import_layers (tenant_id, job_id, line_id, date_filled)
    SELECT $1, id, id, date '2026-01-01' + k FROM made, generate_series(1, 3) k WHERE $2::uuid IS NOT NULL
    """,
    """
    INSERT INTO import_files (tenant_id, job_id, name, content, created_at)
    SELECT $1, id, 'a.csv', '', at FROM made WHERE $2::uuid IS NOT NULL
    """,
    """
    INSERT INTO idempotency_keys (tenant_id, principal_id, operation, key, fingerprint, created_at)
    SELECT $1, $2, 'op', n::text, '', at FROM made
    """,
    """
    INSERT INTO sessions (tenant_id, id, user_id, token_hash, created_at, seen_at, expires_at)
    SELECT $1, id, $2, convert_to(id::text, 'UTF8'), at, at, at FROM made
    """,
    """
    INSERT INTO webhooks (tenant_id, id, url, user_id, maker)
    SELECT $1, id, 'https://erp.example/', $2, 'M' FROM made WHERE n BETWEEN 101 AND 110
    """,
    """
    INSERT INTO webhook_deliveries (tenant_id, webhook_id, position, id, type, entity_type, entity_id, keys, state,
        updated_at)
    SELECT $1, w.id, m.n, m.id, 't', 'e', m.id, '{}', 'DEAD', m.at
    FROM made m JOIN made w ON w.n = 101 + m.n % 10 WHERE $2::uuid IS NOT NULL
    """,
    """
    INSERT INTO webhook_attempts (tenant_id, webhook_id, id, message_id, type, attempt, outcome, duration_ms)
    SELECT $1, w.id, m.id, 'm', 't', 1, 'DEAD', 1 FROM made m JOIN made w ON w.n = 101 + m.n % 10
    WHERE $2::uuid IS NOT NULL
    """,
)


class Filled(msgspec.Struct, frozen=True, kw_only=True):
    """A tenant with very much that is kept, and a little that is old."""

    explain: Explainer
    tenant_id: UUID
    old_imports: list[UUID]


@pytest.fixture(scope="module")
async def filled(database_urls: DatabaseUrls) -> AsyncGenerator[Filled]:
    url = database_urls.admin_url
    user_id = await create_user(url, "clerk@tidy.example", "Clerk", "correct horse battery staple")
    connection = await asyncpg.connect(url)
    try:
        other, tenant_id = [await create_tenant(url, slug, slug) for slug in ("other", "tidy")]
        for one in (other, tenant_id):
            await grant(url, one, user_id, "viewer")
            async with connection.transaction():
                await connection.execute("SET LOCAL session_replication_role = replica")
                await connection.execute(_MADE, one, user_id, KEPT)
                for statement in _ROWS:
                    await connection.execute(statement, one, user_id)
        await connection.execute("ANALYZE")
        imports = "SELECT job_id FROM imports WHERE tenant_id = $1 AND created_at < now() - interval '90 days'"
        old = await connection.fetch(imports, tenant_id)
    finally:
        await connection.close()
    async with Explainer.opened(database_urls.app_url, tenant_id) as explain:
        yield Filled(explain=explain, tenant_id=tenant_id, old_imports=[row["job_id"] for row in old])


def of_index(plan: Plan) -> bool:
    """But for the few endpoints it reads no table from end to end, and of each about as much as is old."""
    return set(plan.scans) <= {"webhooks"} and plan.examined < KEPT / 4


async def test_to_see_whether_there_is_anything_reads_no_table(filled: Filled) -> None:
    assert of_index(await filled.explain.kept(IS_LITTERED, [filled.tenant_id]))


async def test_no_import_is_looked_for_among_those_that_are_kept(filled: Filled) -> None:
    given = (filled.tenant_id, filled.old_imports)

    assert len(filled.old_imports) == OLD
    assert of_index(await filled.explain.kept(CLOSE_IMPORTS, given[:1]))
    for statement in (*EMPTY_IMPORTS, SUM_UP_IMPORTS):
        assert of_index(await filled.explain.kept(statement, given)), statement


@pytest.mark.parametrize("litter", [JOBS, *OTHERS], ids=lambda litter: litter.name)
async def test_what_is_old_is_removed_by_an_index(filled: Filled, litter: Litter) -> None:
    part = msgspec.structs.replace(litter, at_once=OLD // 4)

    plan = await filled.explain.kept(part.remove, [filled.tenant_id])

    assert of_index(plan)
    assert plan.examined
