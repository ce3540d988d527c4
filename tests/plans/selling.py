"""Channels, policies, claims, holds and supply on top of a made stock: what availability is computed from.

As the stock itself, written set by set; claims and holds agree with the lines and totals that they stand on.
"""

from uuid import UUID

import asyncpg
import msgspec

from tests.plans.stock import LINES_PER_PRODUCT, LOCATION, LOCATIONS, PRODUCT, Stock, _bound, _id

CHANNELS = 8
"""All of them sell from the largest location, half of them from the others, too."""
CHANNEL, POLICY, CLAIM, HOLD, SUPPLY, SPECIAL = range(11, 17)

_CHANNELS = f"""
INSERT INTO channels (tenant_id, id, code, name, type)
SELECT $1, {_id(CHANNEL, "n")}, 'CH-' || n, 'Channel ' || n, 'DTC' FROM generate_series(0, {CHANNELS - 1}) n;
INSERT INTO channel_locations (tenant_id, channel_id, location_id)
SELECT $1, {_id(CHANNEL, "n")}, {_id(LOCATION, "l")}
FROM generate_series(0, {CHANNELS - 1}) n CROSS JOIN generate_series(0, {LOCATIONS - 1}) l
WHERE l = 0 OR n < {CHANNELS // 2};
INSERT INTO channel_policies (tenant_id, id, channel_id, mode, priority, fence, buffer_units, buffer_percent,
    ceiling, ceiling_period, low_threshold, critical_threshold, min_remaining_days)
SELECT $1, {_id(POLICY, "n")}, {_id(CHANNEL, "n")}, mode, 1 + n, fence, units, percent, ceiling, 'DAY', 50, 10,
    days
FROM (VALUES (1, 'REGULAR', 20, 0, 0, NULL, 0), (2, 'IRON_RESERVE', 10, 0, 0, NULL, 0),
    (3, 'RESTRICT', 30, 0, 0, NULL, 0), (4, 'REGULAR', 0, 5, 0, NULL, 0), (5, 'REGULAR', 0, 0, 7.5, NULL, 0),
    (6, 'REGULAR', 0, 0, 0, 100, 0), (7, 'REGULAR', 5, 2, 0, NULL, 30))
    AS p(n, mode, fence, units, percent, ceiling, days);
INSERT INTO channel_policies (tenant_id, id, channel_id, location_id, priority, fence, low_threshold)
SELECT $1, {_id(POLICY, "10 + l")}, {_id(CHANNEL, "1")}, {_id(LOCATION, "l")}, 1, 25, 60
FROM generate_series(0, 2) l;
INSERT INTO channel_policies (tenant_id, id, channel_id, product_id, priority, fence, low_threshold)
SELECT $1, {_id(SPECIAL, "n")}, {_id(CHANNEL, "4")}, {_id(PRODUCT, "n")}, 9, 15, 20
FROM generate_series(0, $2 - 1, 10) n;
INSERT INTO supplies (tenant_id, id, product_id, location_id, quantity, due_on)
SELECT $1, {_id(SUPPLY, "n")}, {_id(PRODUCT, "n")}, {_id(LOCATION, "0")}, 200, current_date + 14
FROM generate_series(7, $2 - 1, 20) n;
"""

# Every tenth product has a claim of the first fenced channel, every fiftieth a hold on a part of a line.
_CLAIMS = f"""
CREATE TEMPORARY TABLE chosen AS
SELECT DISTINCT ON (s.product_id) s.id, s.product_id, s.location_id, k.n,
    CASE WHEN k.n % 10 = 3 THEN 5 ELSE 0 END AS claimed, CASE WHEN k.n % 50 = 9 THEN 10 ELSE 0 END AS held
FROM (
    SELECT n, {_id(PRODUCT, "n")} AS id FROM generate_series(0, $2 - 1) n WHERE n % 10 = 3 OR n % 50 = 9
) k
JOIN stock_lines s ON s.tenant_id = $1 AND s.product_id = k.id AND s.location_id = {_id(LOCATION, "0")}
JOIN bins b ON b.tenant_id = $1 AND b.id = s.bin_id AND b.type = 'STANDARD'
ORDER BY s.product_id, s.id;
INSERT INTO reservations (tenant_id, id, group_id, kind, state, channel_id, product_id, location_id, quantity,
    open_quantity, fence_quantity, fence_period, expires_at)
SELECT $1, {_id(CLAIM, "n")}, {_id(CLAIM, "n")}, 'SOFT', 'LIVE', {_id(CHANNEL, "1")}, product_id, location_id,
    claimed, claimed, claimed, 'F:' || {_id(POLICY, "10")} || ':1', now() + interval '30 days'
FROM chosen WHERE claimed > 0;
INSERT INTO reservation_lines (tenant_id, reservation_id, line_id, quantity)
SELECT $1, {_id(CLAIM, "n")}, id, claimed FROM chosen WHERE claimed > 0;
INSERT INTO channel_usage (tenant_id, product_id, location_id, channel_id, period, used)
SELECT $1, product_id, location_id, {_id(CHANNEL, "1")}, 'F:' || {_id(POLICY, "10")} || ':1', claimed
FROM chosen WHERE claimed > 0;
INSERT INTO holds (tenant_id, id, type, scope, line_id, quantity, reason)
SELECT $1, {_id(HOLD, "n")}, 'QUALITY', 'LINE', id, held, 'Looked at' FROM chosen WHERE held > 0;
UPDATE stock_lines s SET reserved = m.claimed, held = m.held, held_part = m.held
FROM chosen m WHERE s.tenant_id = $1 AND s.id = m.id;
UPDATE stock_totals t SET reserved = m.claimed, held = m.held
FROM chosen m WHERE t.tenant_id = $1 AND t.product_id = m.product_id AND t.location_id = m.location_id;
DROP TABLE chosen;
"""
_FREE = """
    SELECT s.id, s.product_id FROM stock_lines s
    JOIN bins b ON b.tenant_id = $1 AND b.id = s.bin_id AND b.type = 'STANDARD'
    JOIN lots l ON l.tenant_id = $1 AND l.id = s.lot_id AND l.expires_on IS NULL
    WHERE s.tenant_id = $1 AND s.location_id = $2 AND s.on_hand > s.held + s.reserved
    ORDER BY s.id OFFSET 100 LIMIT 1
"""


class Line(msgspec.Struct, frozen=True, kw_only=True):
    id: UUID
    product_id: UUID


class Selling(msgspec.Struct, frozen=True, kw_only=True):
    """What was made, by name."""

    channels: list[UUID]
    """The first one has no policy; the second and those after it have fences."""
    free_line: Line
    """At the largest location, of stock that can be reserved."""


def product_id(number: int) -> UUID:
    return _made(PRODUCT, number)


async def make_selling(admin_url: str, stock: Stock) -> Selling:
    """Let a made stock be sold."""
    values = f"'{stock.tenant_id}'::uuid", f"{stock.lines // LINES_PER_PRODUCT}::bigint"
    connection = await asyncpg.connect(admin_url)
    try:
        await connection.execute("SET session_replication_role = replica")
        await connection.execute(_bound(_CHANNELS, values))
        await connection.execute(_bound(_CLAIMS, values))
        await connection.execute("VACUUM ANALYZE")
        free = await connection.fetchrow(_FREE, stock.tenant_id, stock.locations[0])
        assert free is not None
    finally:
        await connection.close()
    return Selling(
        channels=[_made(CHANNEL, n) for n in range(CHANNELS)],
        free_line=Line(id=free["id"], product_id=free["product_id"]),
    )


def _made(kind: int, number: int) -> UUID:
    return UUID(f"{kind:08x}-0000-7000-8000-{number:012x}")
