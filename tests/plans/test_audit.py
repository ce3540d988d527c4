"""How the audit trail finds a page among very many records and postings: by index, and no more than it shows."""

from collections.abc import AsyncGenerator, Callable
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
import pytest

from domain.access.audit import AuditWanted, Outcome
from infra.access.audit_trail import SqlAuditReader
from tests.lab import DatabaseUrls
from tests.plans.conftest import Store
from tests.plans.explain import listening

PAGE = 50
RECORDS = 60_000
ACTORS, ENTITIES, TYPES = 50, 5_000, 12
SORTED_MAX = 2 * (PAGE + 1)
"""A page of the log and a page of postings are merged into one."""
EXAMINED_MAX = 12 * (PAGE + 1)
"""Both pages, and the movements of the postings shown."""

_FILL = f"""
    INSERT INTO audit_log (
        tenant_id, id, recorded_at, outcome, action, entity_type, entity_id, actor_id, location_ids
    )
    SELECT $1, (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '70008000'
            || lpad(to_hex(n), 12, '0'))::uuid, at, CASE WHEN n % 500 = 7 THEN 'REFUSED' ELSE 'DONE' END,
        'thing' || n % {TYPES} || '.changed', 'thing' || n % {TYPES}, (n % {ENTITIES})::text,
        ('00000000-0000-7000-8000-' || lpad((n % {ACTORS})::text, 12, '0'))::uuid, '{{}}'
    FROM (SELECT n, now() - interval '1 minute' * ({RECORDS} - n) AS at FROM generate_series(1, {RECORDS}) n) made
"""
_KEYS = """
    INSERT INTO api_keys (tenant_id, id, name, key_hash, prefix, last4, scopes)
    SELECT $1, ('00000000-0000-7000-8000-' || lpad(n::text, 12, '0'))::uuid, 'Key', sha256(n::text::bytea),
        'k', 'k', '{}'
    FROM generate_series(1, 3000) n
"""
_ACTORS = f"""
    UPDATE postings SET actor_id =
        ('00000000-0000-7000-8000-' || lpad((first_position / 5 % {ACTORS})::text, 12, '0'))::uuid
    WHERE tenant_id = $1
"""
ACTOR = UUID("00000000-0000-7000-8000-000000000007")


@pytest.fixture(scope="module")
async def trail(wide: Store, wide_urls: DatabaseUrls) -> AsyncGenerator[Store]:
    """The store with a log of a year, and somebody who made its postings."""
    connection = await asyncpg.connect(wide_urls.admin_url)
    try:
        await connection.execute("SET session_replication_role = replica")
        await connection.execute(_FILL, wide.stock.tenant_id)
        await connection.execute(_ACTORS, wide.stock.tenant_id)
        await connection.execute(_KEYS, wide.stock.tenant_id)
        await connection.execute("VACUUM ANALYZE audit_log, api_keys, postings")
        yield wide
    finally:
        await connection.close()


ASKED: dict[str, Callable[[Store], dict[str, Any]]] = {
    "everything": lambda _: {},
    "everything, on from a place": lambda store: {
        "after": UUID(int=int(store.stock.now.timestamp() * 1000 - 9e8) << 80)
    },
    "what somebody did": lambda _: {"actor_id": ACTOR},
    "what was done to a thing": lambda _: {"entity_type": "thing7", "entity_id": "4207"},
    "what was done to things of a kind": lambda _: {"entity_type": "thing3"},
    "what was refused": lambda _: {"outcome": Outcome.REFUSED},
    "a posting": lambda store: {"entity_type": "posting", "entity_id": str(store.stock.posting_id)},
    "the last day": lambda store: {"until": store.stock.now},
}


@pytest.mark.parametrize("name", ASKED)
async def test_a_page_of_the_trail_looks_at_no_more_than_it_shows(trail: Store, name: str) -> None:
    wanted = AuditWanted(tenant_id=trail.stock.tenant_id, scope=None, limit=PAGE)
    async with listening(trail.database) as sent:
        found = await SqlAuditReader(trail.database).records(msgspec.structs.replace(wanted, **ASKED[name](trail)))
    ((statement, arguments),) = sent

    assert found.rows
    for plan in (
        await trail.explain.kept(statement, arguments),
        await trail.explain.fresh(statement, arguments),
    ):
        assert plan.scans == []
        assert plan.most_sorted <= SORTED_MAX
        assert plan.examined <= EXAMINED_MAX + SORTED_MAX
