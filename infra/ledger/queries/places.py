"""Stock by location and by bin. One statement each.

By location reads every line of the locations asked for, once: its cost is theirs. By bin reads the bins of a page.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from domain.access.model import Scope
from domain.ledger.reading import BinStock, Found, LocationStock
from infra.db.pool import Database
from infra.ledger.queries.sql import NOT_FOR_SALE, ON_HOLD, Query, into

# Expired lots are few and found by their dates, so the many lines need not be asked for theirs.
_LOCATIONS = """
    WITH places AS MATERIALIZED (
        SELECT x.id, x.code, x.name, x.type, (now() AT TIME ZONE x.time_zone)::date AS today
        FROM locations x WHERE x.tenant_id = :tenant {scope}
    ), filled AS (
        SELECT s.bin_id, count(*) AS lines, sum(s.on_hand) AS units, sum(s.on_hand * p.unit_cost) AS value,
            sum(s.reserved) AS reserved, sum(s.held) AS held
        FROM stock_lines s JOIN products p ON p.tenant_id = s.tenant_id AND p.id = s.product_id
        WHERE s.tenant_id = :tenant {lines}
        GROUP BY s.bin_id
    ), expired AS (
        SELECT s.location_id, sum(s.on_hand) AS units, sum(s.on_hand * p.unit_cost) AS value
        FROM lots t
        JOIN stock_lines s ON s.tenant_id = t.tenant_id AND s.lot_id = t.id
        JOIN products p ON p.tenant_id = s.tenant_id AND p.id = s.product_id
        JOIN places l ON l.id = s.location_id
        WHERE t.tenant_id = :tenant AND t.expires_on <= (now() AT TIME ZONE 'UTC')::date AND t.expires_on < l.today
        GROUP BY s.location_id
    ), summed AS (
        SELECT b.location_id, coalesce(sum(f.lines), 0)::bigint AS lines, sum(f.units) AS units,
            sum(f.value) AS value, sum(f.reserved) AS reserved,
            sum(CASE WHEN {not_for_sale} THEN f.units ELSE f.held END) AS held,
            count(*) AS bins, count(*) FILTER (WHERE f.units > 0) AS occupied,
            sum(b.capacity_units) AS capacity,
            coalesce(sum(f.units) FILTER (WHERE b.capacity_units IS NOT NULL), 0) AS measured
        FROM bins b LEFT JOIN filled f ON f.bin_id = b.id
        WHERE b.tenant_id = :tenant
        GROUP BY b.location_id
    )
    SELECT h.position, i.* FROM ledger_heads h LEFT JOIN LATERAL (
        SELECT l.id, l.code, l.name, l.type, coalesce(m.lines, 0) AS lines,
            trim_scale(coalesce(m.units, 0))::text AS units,
            trim_scale(round(coalesce(m.value, 0), 4))::text AS value,
            trim_scale(coalesce(m.reserved, 0))::text AS reserved, trim_scale(coalesce(m.held, 0))::text AS held,
            trim_scale(coalesce(e.units, 0))::text AS expired,
            trim_scale(round(coalesce(e.value, 0), 4))::text AS expired_value,
            coalesce(m.bins, 0) AS bins, coalesce(m.occupied, 0) AS occupied,
            trim_scale(m.capacity)::text AS capacity,
            round(m.measured / nullif(m.capacity, 0), 4)::text AS fill
        FROM places l LEFT JOIN summed m ON m.location_id = l.id LEFT JOIN expired e ON e.location_id = l.id
    ) i ON true
    WHERE h.tenant_id = :tenant
    ORDER BY i.code, i.id
"""
_location = into(LocationStock, 1)
_ALL = Query(_LOCATIONS, not_for_sale=NOT_FOR_SALE, scope="", lines="")
_SCOPED = Query(
    _LOCATIONS,
    not_for_sale=NOT_FOR_SALE,
    scope="AND x.id = ANY (:locations)",
    lines="AND s.location_id = ANY (:locations)",
)

_BINS = Query(
    """
    WITH expired AS MATERIALIZED (
        SELECT t.id FROM lots t
        WHERE t.tenant_id = :tenant AND t.expires_on < (
            SELECT (now() AT TIME ZONE l.time_zone)::date FROM locations l
            WHERE l.tenant_id = :tenant AND l.id = :location
        )
    )
    SELECT h.position, l.bins, i.*
    FROM ledger_heads h
    CROSS JOIN LATERAL (
        SELECT x.id, (
            SELECT count(*) FROM bins b WHERE b.tenant_id = :tenant AND b.location_id = x.id
        ) AS bins
        FROM locations x WHERE x.tenant_id = :tenant AND x.id = :location
    ) l
    LEFT JOIN LATERAL (
        SELECT b.id, b.code, b.name, b.type, b.zone, b.walk_order, m.lines,
            trim_scale(coalesce(m.units, 0))::text AS units,
            trim_scale(round(coalesce(m.value, 0), 4))::text AS value,
            trim_scale(coalesce(m.reserved, 0))::text AS reserved, trim_scale(coalesce(m.held, 0))::text AS held,
            trim_scale(coalesce(m.expired, 0))::text AS expired,
            trim_scale(round(coalesce(m.expired_value, 0), 4))::text AS expired_value,
            trim_scale(b.capacity_units)::text AS capacity,
            round(coalesce(m.units, 0) / nullif(b.capacity_units, 0), 4)::text AS fill
        FROM (
            SELECT * FROM bins b WHERE b.tenant_id = :tenant AND b.location_id = l.id
            ORDER BY b.walk_order, b.code LIMIT :limit OFFSET :offset
        ) b
        LEFT JOIN LATERAL (
            SELECT count(*) AS lines, sum(s.on_hand) AS units, sum(s.on_hand * p.unit_cost) AS value,
                sum(s.reserved) AS reserved, sum({on_hold}) AS held,
                sum(s.on_hand) FILTER (WHERE t.id IS NOT NULL) AS expired,
                sum(s.on_hand * p.unit_cost) FILTER (WHERE t.id IS NOT NULL) AS expired_value
            FROM stock_lines s
            JOIN products p ON p.tenant_id = s.tenant_id AND p.id = s.product_id
            LEFT JOIN expired t ON t.id = s.lot_id
            WHERE s.tenant_id = :tenant AND s.bin_id = b.id
        ) m ON true
    ) i ON true
    WHERE h.tenant_id = :tenant
    ORDER BY i.walk_order, i.code
    """,
    on_hold=ON_HOLD,
)
_bin = into(BinStock, 2)


async def read_locations(database: Database, tenant_id: UUID, scope: Scope) -> Found[LocationStock, None]:
    """One statement."""
    values = {"tenant": tenant_id, "locations": None if scope is None else sorted(scope)}
    async with database.bound(tenant_id) as driver:
        rows = await (_ALL if scope is None else _SCOPED).fetch(driver, values)
    found = [_location(row) for row in _there(rows)]
    return Found(rows=found, position=rows[0]["position"], total=len(found))


async def read_bins(
    database: Database, tenant_id: UUID, scope: Scope, location_id: UUID, *, limit: int, offset: int
) -> Found[BinStock, None] | None:
    """One statement; none for a location out of scope."""
    if scope is not None and location_id not in scope:
        return None
    values = {"tenant": tenant_id, "location": location_id, "limit": limit, "offset": offset}
    async with database.bound(tenant_id) as driver:
        rows = await _BINS.fetch(driver, values)
    if not rows:
        return None
    position, total = rows[0][:2]
    return Found(rows=[_bin(row) for row in _there(rows)], position=position, total=total)


def _there(rows: Sequence[Any]) -> Sequence[Any]:
    """Nothing found is one row with nothing in it."""
    return [] if rows[0]["id"] is None else rows
