"""A tenant with very many stock lines and a history, made set by set: data for plans and growth, not for rules.

Whoever wants the ledger's own truth posts to it; this writes its tables directly, as the superuser, because a
million postings are not what is measured here. The books are right all the same: each balance is the sum of its
movements, totals and counts agree with the lines, and positions have no gaps.
"""

from datetime import datetime
from uuid import UUID

import asyncpg
import msgspec

TENANT = UUID("10000000-0000-7000-8000-000000000001")
NEIGHBOUR = UUID("20000000-0000-7000-8000-000000000002")
LOCATIONS = 9
LINES_PER_PRODUCT = 20
HOT_HISTORY = 10_000
"""Movements of the one line that is touched all day."""

# How the twenty lines of a product lie over the locations: one holds four tenths of all, six a twentieth each.
SHARES = (0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 3, 4, 5, 6, 7, 8)
_SHARES = f"ARRAY{list(SHARES)}"


class Stock(msgspec.Struct, frozen=True, kw_only=True):
    """What was made, by name."""

    tenant_id: UUID
    lines: int
    movements: int
    locations: list[UUID]
    """The largest first."""
    product_id: UUID
    bin_id: UUID
    lot_id: UUID
    line_id: UUID
    hot_line_id: UUID
    posting_id: UUID
    reason_code_id: UUID
    now: datetime
    """When it was made: its history is that of the year before."""


def _id(kind: int, number: str) -> str:
    """An id in the order of its number, as version 7 has them in the order of time."""
    return (
        f"(lpad(to_hex({kind}), 8, '0') || '-0000-7000-8000-' || lpad(to_hex(({number})::bigint), 12, '0'))::uuid"
    )


PRODUCT, LOCATION, BIN, LOT, LINE, POSTING, REASON = range(1, 8)

_CATALOG = f"""
INSERT INTO tenants (id, slug, name) VALUES ($1, 't' || left($1::text, 1), 'Tenant');
INSERT INTO ledger_heads (tenant_id) VALUES ($1);
INSERT INTO uoms (tenant_id, id, code, name) VALUES ($1, {_id(9, "1")}, 'EA', 'Each');
INSERT INTO categories (tenant_id, id, code, name)
SELECT $1, {_id(10, "n")}, 'C' || n, 'Category ' || n FROM generate_series(0, 19) n;
INSERT INTO reason_codes (tenant_id, id, code, name, direction, pack)
SELECT $1, {_id(REASON, "n")}, 'R' || n, 'Reason ' || n, 'BOTH', 'general' FROM generate_series(0, 19) n;
INSERT INTO locations (tenant_id, id, code, name, type, time_zone)
SELECT $1, {_id(LOCATION, "n")}, 'L' || n, 'Location ' || n, 'WAREHOUSE', 'Europe/Berlin'
FROM generate_series(0, {LOCATIONS - 1}) n;
INSERT INTO bins (tenant_id, id, location_id, code, name, type, walk_order, capacity_units, is_default)
SELECT $1, {_id(BIN, "n")}, {_id(LOCATION, f"n % {LOCATIONS}")}, 'B' || n, 'Bin ' || n,
    CASE WHEN n % 97 = 11 THEN 'QUARANTINE' ELSE 'STANDARD' END, n, 100000, n < {LOCATIONS}
FROM generate_series(0, $3 * {LOCATIONS} - 1) n;
INSERT INTO products (tenant_id, id, sku, name, barcode, category_id, uom_id, unit_cost, is_lot_controlled)
SELECT $1, {_id(PRODUCT, "n")}, 'SKU-' || lpad(n::text, 7, '0'), 'Product ' || md5(n::text),
    '4' || lpad(n::text, 12, '0'), {_id(10, "n % 20")}, {_id(9, "1")}, 1 + n % 100, n % 5 = 0
FROM generate_series(0, $2 - 1) n;
INSERT INTO lots (tenant_id, id, product_id, number, expires_on, is_default)
SELECT $1, {_id(LOT, "n * 4 + k")}, {_id(PRODUCT, "n")},
    CASE WHEN n % 5 = 0 THEN 'LOT-' || n || '-' || k ELSE '' END,
    CASE WHEN n % 5 = 0 THEN current_date + (((n / 5 * 7 + k * 3) % 700) - 10)::int END, n % 5 <> 0
FROM generate_series(0, $2 - 1) n CROSS JOIN generate_series(0, 3) k WHERE k = 0 OR n % 5 = 0;
INSERT INTO stock_levels (tenant_id, product_id, location_id, min_qty, reorder_qty, max_qty, safety_stock,
    method)
SELECT $1, {_id(PRODUCT, "n")}, {_id(LOCATION, "n % 3")}, 10, 20, 500, 5, 'DEMAND'
FROM generate_series(0, $2 - 1) n;
"""

# The n-th line by product and share; ids follow another order, as stock comes in at no place in particular.
_LINES = f"""
INSERT INTO stock_lines (tenant_id, id, product_id, location_id, bin_id, lot_id, on_hand, version)
SELECT $1, {_id(LINE, "n * 7919 % $4")}, {_id(PRODUCT, "p")}, {_id(LOCATION, "l")},
    {_id(BIN, f"((p * 31 + k * 7) % $3) * {LOCATIONS} + l")},
    {_id(LOT, "p * 4 + CASE WHEN p % 5 = 0 THEN k % 4 ELSE 0 END")},
    CASE WHEN n * 7919 % $4 = 0 THEN 1000000 - {HOT_HISTORY} + 1 ELSE 99 END,
    CASE WHEN n * 7919 % $4 = 0 THEN {HOT_HISTORY} ELSE 2 END
FROM (
    SELECT n, n % $2 AS p, n / $2 AS k, ({_SHARES})[n / $2 + 1] AS l FROM generate_series(0, $4 - 1) n
) made;
"""

# Each line receives once and issues once; one line is issued from all day. Five movements make a posting.
_MOVEMENTS = f"""
INSERT INTO movements (tenant_id, position, posting_id, line_id, line_version, product_id, location_id, kind,
    delta, balance_after, reason_code_id, effective_at, recorded_at)
SELECT $1, m.position, {_id(POSTING, "(m.position - 1) / 5")}, s.id, m.version, s.product_id, s.location_id,
    k.kind, CASE WHEN m.version > 1 THEN -1 WHEN m.line = 0 THEN 1000000 ELSE 100 END,
    CASE WHEN m.line = 0 THEN 1000000 ELSE 100 END - (m.version - 1),
    CASE WHEN k.kind IN ('ADJUSTMENT', 'COUNT') THEN {_id(REASON, "m.position % 20")} END, m.at, m.at
FROM (
    SELECT n + 1 AS position, v.line, v.version, now() - interval '1 year' * (1 - (n + 1.0) / $5) AS at
    FROM generate_series(0, $5 - 1) n
    CROSS JOIN LATERAL (
        SELECT CASE WHEN n < 2 * $4 THEN n % $4 ELSE 0 END AS line,
            CASE WHEN n < 2 * $4 THEN n / $4 + 1 ELSE n - 2 * $4 + 3 END AS version
    ) v
) m
JOIN stock_lines s ON s.tenant_id = $1 AND s.id = {_id(LINE, "m.line")}
CROSS JOIN LATERAL (
    SELECT CASE WHEN m.position <= $4 THEN 'RECEIPT' WHEN (m.position - 1) / 5 % 50 = 7 THEN 'ADJUSTMENT'
        WHEN (m.position - 1) / 5 % 500 = 9 THEN 'COUNT' ELSE 'ISSUE' END AS kind
) k
ORDER BY m.position;
INSERT INTO postings (tenant_id, id, kind, actor, source_type, first_position, movement_count, recorded_at)
SELECT $1, m.posting_id, min(m.kind), 'Generated', 'GENERATED', min(m.position), count(*), max(m.recorded_at)
FROM movements m WHERE m.tenant_id = $1 GROUP BY m.posting_id;
"""

_SUMS = """
INSERT INTO stock_totals (tenant_id, product_id, location_id, on_hand, sellable)
SELECT s.tenant_id, s.product_id, s.location_id, sum(s.on_hand),
    coalesce(sum(s.on_hand) FILTER (WHERE b.type = 'STANDARD'), 0)
FROM stock_lines s JOIN bins b ON b.tenant_id = s.tenant_id AND b.id = s.bin_id
WHERE s.tenant_id = $1 GROUP BY 1, 2, 3;
INSERT INTO stock_counts (tenant_id, location_id, lines)
SELECT tenant_id, location_id, count(*) FROM stock_lines WHERE tenant_id = $1 GROUP BY 1, 2;
UPDATE ledger_heads SET position = $5 WHERE tenant_id = $1;
"""


async def make_stock(admin_url: str, lines: int) -> Stock:
    """Fill an empty, migrated database: the tenant with `lines` lines, and a small neighbour."""
    connection = await asyncpg.connect(admin_url)
    try:
        await connection.execute("SET session_replication_role = replica")
        await connection.execute("SET synchronous_commit = off")
        await connection.execute("SET maintenance_work_mem = '256MB'")
        await _fill(connection, NEIGHBOUR, 2_000)
        made = await _fill(connection, TENANT, lines)
        await connection.execute("VACUUM ANALYZE")
        return made
    finally:
        await connection.close()


async def _fill(connection: "asyncpg.Connection[asyncpg.Record]", tenant_id: UUID, lines: int) -> Stock:
    products = lines // LINES_PER_PRODUCT
    bins = max(64, lines // 1000)
    movements = 2 * lines + HOT_HISTORY - 2
    values = (
        f"'{tenant_id}'::uuid",
        f"{products}::bigint",
        f"{bins}::bigint",
        f"{lines}::bigint",
        f"{movements}::bigint",
    )
    for script in (_CATALOG, _LINES, _MOVEMENTS, _SUMS):
        await connection.execute(_bound(script, values))
    line = await connection.fetchrow(
        "SELECT * FROM stock_lines WHERE tenant_id = $1"
        " AND lot_id IN (SELECT id FROM lots WHERE expires_on > current_date) ORDER BY id OFFSET $2 LIMIT 1",
        tenant_id,
        lines // 20,
    )
    assert line is not None
    identify = (
        f"SELECT {_id(LINE, '0')} AS hot, {_id(POSTING, '7')} AS posting, {_id(REASON, '7')} AS reason, now()"
    )
    named = await connection.fetchrow(identify)
    assert named is not None
    return Stock(
        tenant_id=tenant_id,
        lines=lines,
        movements=movements,
        locations=[await connection.fetchval(f"SELECT {_id(LOCATION, str(n))}") for n in range(LOCATIONS)],
        product_id=line["product_id"],
        bin_id=line["bin_id"],
        lot_id=line["lot_id"],
        line_id=line["id"],
        hot_line_id=named["hot"],
        posting_id=named["posting"],
        reason_code_id=named["reason"],
        now=named["now"],
    )


def _bound(script: str, values: tuple[str, ...]) -> str:
    """The script with its values in place: several statements in one call take no parameters."""
    for n, value in reversed(list(enumerate(values, start=1))):
        script = script.replace(f"${n}", value)
    return script
