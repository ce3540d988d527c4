"""`storekeeper audit prune`: what is older than a tenant keeps goes, and nothing else."""

import json
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from infra.access.provision import create_tenant
from infra.access.pruning import prune
from infra.db.pool import BIND
from tests.e2e.test_cli import named, storekeeper
from tests.lab import DatabaseUrls

OLD = """
    INSERT INTO audit_log (tenant_id, id, recorded_at, outcome, action, entity_type)
    SELECT $1, (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '7'
        || substr(md5(n::text), 1, 19))::uuid, at, 'DONE', 'thing.changed', 'thing'
    FROM generate_series(1, $3::int) n CROSS JOIN (SELECT now() - make_interval(days => $2) AS at) t
"""


async def a_tenant(urls: DatabaseUrls, slug: str, *, keeps: int, records: dict[int, int]) -> UUID:
    """One that keeps its trail for so many days and has so many records of so many days ago."""
    tenant_id = await create_tenant(urls.admin_url, slug, slug)
    connection = await asyncpg.connect(urls.admin_url)
    try:
        await connection.execute(BIND, str(tenant_id))
        await connection.execute(
            "UPDATE tenants SET settings = $2 WHERE id = $1", tenant_id, json.dumps({"auditRetentionDays": keeps})
        )
        for days, count in records.items():
            await connection.execute(OLD, tenant_id, days, count)
    finally:
        await connection.close()
    return tenant_id


async def old_ones(urls: DatabaseUrls, tenant_id: UUID) -> Any:
    connection = await asyncpg.connect(urls.admin_url)
    try:
        return await connection.fetchval(
            "SELECT count(*) FROM audit_log WHERE tenant_id = $1 AND entity_type = 'thing'", tenant_id
        )
    finally:
        await connection.close()


async def test_what_is_older_than_a_tenant_keeps_goes(database_urls: DatabaseUrls) -> None:
    short = await a_tenant(database_urls, "short", keeps=40, records={39: 3, 41: 5, 4_000: 2})
    long = await a_tenant(database_urls, "long", keeps=400, records={399: 3, 401: 1})

    one = storekeeper("audit", "prune", "--tenant", "short", "--json", **named(database_urls))
    all_ = storekeeper("audit", "prune", **named(database_urls))

    assert one.returncode == 0, one.stderr
    assert json.loads(one.stdout) == [{"tenant": "short", "records": 7}]
    assert "long: 1 records removed." in all_.stdout
    assert "short: 0 records removed." in all_.stdout
    assert (await old_ones(database_urls, short), await old_ones(database_urls, long)) == (3, 3)


async def test_it_is_done_a_part_at_a_time(database_urls: DatabaseUrls) -> None:
    tenant_id = await a_tenant(database_urls, "large", keeps=30, records={31: 25, 29: 2})
    steps: list[tuple[int, int]] = []

    report = await prune(
        database_urls.admin_url,
        tenant_id,
        lambda _title, done, of: steps.append((done, of)),
        rows_at_once=10,
    )

    assert [(one.tenant, one.records) for one in report] == [("large", 25)]
    assert steps == [(10, 0), (20, 0), (25, 25)]
    assert await old_ones(database_urls, tenant_id) == 2


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO audit_log SELECT * FROM audit_log",
        "UPDATE audit_log SET actor = 'somebody else'",
        "DELETE FROM audit_log",
        "TRUNCATE audit_log",
        "SELECT audit_prune(1)",
    ],
)
async def test_the_application_itself_writes_nothing_into_the_trail_and_takes_nothing_out(
    database_urls: DatabaseUrls, statement: str
) -> None:
    tenant_id = await create_tenant(database_urls.admin_url, f"t{abs(hash(statement)) % 10**6}", "T")
    connection = await asyncpg.connect(database_urls.app_url)
    try:
        await connection.execute(BIND, str(tenant_id))
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(statement)
    finally:
        await connection.close()


async def test_not_even_the_owner_changes_what_was_recorded(database_urls: DatabaseUrls) -> None:
    connection = await asyncpg.connect(database_urls.admin_url)
    try:
        with pytest.raises(asyncpg.PostgresError, match="UPDATE on audit_log is refused"):
            await connection.execute("UPDATE audit_log SET actor = 'somebody else'")
    finally:
        await connection.close()


def test_a_tenant_that_is_not_there_is_a_wrong_usage(database_urls: DatabaseUrls) -> None:
    said = storekeeper("audit", "prune", "--tenant", "nobody", **named(database_urls))

    assert said.returncode == 2
    assert "No such tenant" in said.stderr
