"""A product's levels at each location, with its stock there. One statement."""

from uuid import UUID

import msgspec

from domain.access.model import Scope
from domain.ledger.reading import Found, InventoryLevel, ProductLevels, level_status
from infra.db.pool import Database
from infra.ledger.queries.sql import AVAILABLE, Query, into

# A product has as many lines as places, so it is read line by line. Inbound is expected supply, transfers on
# their way among it.
_LEVELS = """
    SELECT h.position, p.sku, p.name AS product_name, u.code AS uom, i.*
    FROM ledger_heads h
    JOIN products p ON p.tenant_id = h.tenant_id AND p.id = :product
    JOIN uoms u ON u.tenant_id = p.tenant_id AND u.id = p.uom_id
    LEFT JOIN LATERAL (
        SELECT l.id, l.code, l.name, trim_scale(v.min_qty)::text AS min_qty,
            trim_scale(v.reorder_qty)::text AS reorder_qty, trim_scale(v.max_qty)::text AS max_qty,
            trim_scale(coalesce(v.safety_stock, 0))::text AS safety_stock,
            v.preferred_bin_id, b.code AS preferred_bin, r.id AS source_location_id, r.name AS source_location,
            v.lead_time_days, v.abc_class, trim_scale(coalesce(m.on_hand, 0))::text AS on_hand,
            trim_scale(coalesce(m.available, 0))::text AS available,
            trim_scale(coalesce(m.reserved, 0))::text AS reserved,
            trim_scale(coalesce(u.inbound, 0))::text AS inbound, NULL AS status, v.version
        FROM locations l
        LEFT JOIN stock_levels v ON v.tenant_id = l.tenant_id AND v.product_id = p.id AND v.location_id = l.id
        LEFT JOIN bins b ON b.tenant_id = v.tenant_id AND b.id = v.preferred_bin_id
        LEFT JOIN locations r ON r.tenant_id = v.tenant_id AND r.id = v.source_location_id {source}
        LEFT JOIN (
            SELECT s.location_id, sum(s.on_hand) AS on_hand, sum({available}) AS available,
                sum(s.reserved) AS reserved
            FROM stock_lines s
            CROSS JOIN LATERAL (
                SELECT (now() AT TIME ZONE x.time_zone)::date AS today FROM locations x
                WHERE x.tenant_id = :tenant AND x.id = s.location_id OFFSET 0
            ) l
            CROSS JOIN LATERAL (
                SELECT x.type FROM bins x WHERE x.tenant_id = :tenant AND x.id = s.bin_id OFFSET 0
            ) b
            CROSS JOIN LATERAL (
                SELECT x.status, x.expires_on FROM lots x WHERE x.tenant_id = :tenant AND x.id = s.lot_id OFFSET 0
            ) t
            WHERE s.tenant_id = :tenant AND s.product_id = :product
            GROUP BY s.location_id
        ) m ON m.location_id = l.id
        LEFT JOIN LATERAL (
            SELECT sum(x.quantity - x.received) AS inbound FROM supplies x
            WHERE x.tenant_id = :tenant AND x.product_id = :product AND x.location_id = l.id AND x.state = 'OPEN'
            OFFSET 0
        ) u ON true
        WHERE l.tenant_id = :tenant {scope} AND (v.product_id IS NOT NULL OR m.location_id IS NOT NULL)
    ) i ON true
    WHERE h.tenant_id = :tenant
    ORDER BY i.code, i.id
"""
_level = into(InventoryLevel, 4)
_ALL = Query(_LEVELS, available=AVAILABLE, scope="", source="")
# Where stock comes from is not told to those who may not look there.
_SCOPED = Query(
    _LEVELS,
    available=AVAILABLE,
    scope="AND l.id = ANY (:locations)",
    source="AND r.id = ANY (:locations)",
)


async def read_levels(
    database: Database, tenant_id: UUID, scope: Scope, product_id: UUID
) -> Found[ProductLevels, None] | None:
    """One statement."""
    locations = None if scope is None else sorted(scope)
    async with database.bound(tenant_id) as driver:
        query = _ALL if scope is None else _SCOPED
        rows = await query.fetch(driver, {"tenant": tenant_id, "product": product_id, "locations": locations})
    if not rows:
        return None
    levels = [_standing(_level(row)) for row in rows if row["id"] is not None]
    first = rows[0]
    product = ProductLevels(
        product_master_id=product_id,
        global_sku=first["sku"],
        product_name=first["product_name"],
        uom=first["uom"],
        data=levels,
    )
    return Found(rows=[product], position=first["position"], total=len(levels))


def _standing(level: InventoryLevel) -> InventoryLevel:
    status = level_status(
        level.qty_on_hand, minimum=level.min_qty, reorder=level.reorder_qty, maximum=level.max_qty
    )
    return msgspec.structs.replace(level, status=status)
