"""A large ledger in seconds: written set by set past the ledger, and right all the same."""

from typing import Any

import asyncpg

from tests.ledger.builders import Warehouse, a_warehouse

# Movement n is on line (n - 1) % lines, as its version (n - 1) / lines + 1; every posting has five.
_LINES = """
    INSERT INTO stock_lines (tenant_id, id, product_id, location_id, bin_id, lot_id, on_hand, version)
    SELECT $1, gen_random_uuid(), l.product_id, b.location_id, b.id, l.id, 0, 0
    FROM lots l, bins b WHERE l.tenant_id = $1 AND b.tenant_id = $1
"""
_POSTINGS = """
    INSERT INTO postings (tenant_id, id, kind, first_position, movement_count, recorded_at)
    SELECT $1, md5('posting' || n)::uuid, 'RECEIPT', n * 5 + 1, 5, now() FROM generate_series(0, $2 / 5 - 1) n
"""
_EVENTS = """
    INSERT INTO events (tenant_id, position, type, entity_type, entity_id, payload, recorded_at)
    SELECT $1, n + 1, 'inventory.received.v1', 'posting', md5('posting' || n)::uuid, '{}', now()
    FROM generate_series(0, $2 / 5 - 1) n
"""
_MOVEMENTS = """
    INSERT INTO movements (tenant_id, position, posting_id, line_id, line_version, product_id, location_id, kind,
        delta, balance_after, effective_at, recorded_at)
    SELECT $1, n + 1, md5('posting' || n / 5)::uuid, l.id, n / t.total + 1, l.product_id, l.location_id, 'RECEIPT',
        2, (n / t.total + 1) * 2, now(), now()
    FROM (SELECT count(*) AS total FROM stock_lines WHERE tenant_id = $1) t
    CROSS JOIN generate_series(0, $2::bigint - 1) n
    JOIN (
        SELECT *, row_number() OVER (ORDER BY id) - 1 AS number FROM stock_lines WHERE tenant_id = $1
    ) l ON l.number = n % t.total
"""
_REST = """
    UPDATE stock_lines s SET on_hand = m.total, version = m.n
    FROM (
        SELECT line_id, sum(delta) AS total, count(*) AS n FROM movements WHERE tenant_id = $1 GROUP BY line_id
    ) m
    WHERE s.tenant_id = $1 AND s.id = m.line_id;
    INSERT INTO stock_totals (tenant_id, product_id, location_id, on_hand, sellable)
    SELECT $1, s.product_id, s.location_id, sum(s.on_hand),
        coalesce(sum(s.on_hand) FILTER (WHERE b.type NOT IN ('HOLD', 'QUARANTINE', 'DAMAGE')), 0)
    FROM stock_lines s JOIN bins b ON b.tenant_id = $1 AND b.id = s.bin_id
    WHERE s.tenant_id = $1 GROUP BY s.product_id, s.location_id;
    INSERT INTO stock_counts (tenant_id, location_id, lines)
    SELECT $1, location_id, count(*) FROM stock_lines WHERE tenant_id = $1 GROUP BY location_id;
    UPDATE ledger_heads SET position = $2::bigint, event_position = $2::bigint / 5,
        quantity_in = $2::bigint * 2
    WHERE tenant_id = $1
"""


async def a_large_ledger(admin: "asyncpg.Connection[Any]", *, movements: int, lines: int = 2_000) -> Warehouse:
    """So many movements over about so many lines."""
    warehouse = await a_warehouse(admin, products=lines // 20, lots=2, locations=2, bins=5)
    async with admin.transaction():
        await admin.execute("SET LOCAL session_replication_role = replica")
        await admin.execute(_LINES, warehouse.tenant_id)
        for statement in (_POSTINGS, _EVENTS, _MOVEMENTS):
            await admin.execute(statement, warehouse.tenant_id, movements)
        for statement in _REST.split(";"):
            arguments = [warehouse.tenant_id, movements][: 2 if "$2" in statement else 1]
            await admin.execute(statement, *arguments)
    return warehouse
