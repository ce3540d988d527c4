"""The facts of put-away: products at locations, and the bins that may take them, in one statement."""

from decimal import Decimal
from uuid import UUID

import msgspec

from domain.put_away.suggesting import Facts, ProductPlace, Shelf
from infra.db.tables.put_away import OPEN

EMPTY_BINS, OTHER_BINS = 100, 20
"""So many empty bins of a zone, and of a location, and so many others that mix, are looked at, in walking order.
What does not fit into them is unplaced, though a bin further on might have room."""

# `wanted` names products at locations; `asked` bins that are told in any case. Each look-up of rows is one by full
# key or by an index of what is open now (LATERAL … OFFSET 0): plans do not depend on what a table looks like. A
# bin's contents are summed up only if it has a capacity, and looked at only as its mixing rule asks for: the first
# and the last; else any one, which says that it is not empty. $1 is the tenant, {without} a task to leave out.
_FACTS = """
    wanted_zone AS (
        SELECT w.product_id, w.location_id, u.decimals, v.preferred_bin_id, z.zone
        FROM wanted w
        CROSS JOIN LATERAL (
            SELECT y.decimals FROM products x JOIN uoms y ON y.tenant_id = $1 AND y.id = x.uom_id
            WHERE x.tenant_id = $1 AND x.id = w.product_id OFFSET 0
        ) u
        LEFT JOIN LATERAL (
            SELECT x.preferred_bin_id FROM stock_levels x
            WHERE x.tenant_id = $1 AND x.product_id = w.product_id AND x.location_id = w.location_id OFFSET 0
        ) v ON true
        LEFT JOIN LATERAL (
            SELECT coalesce(b.zone, b.area_id::text) AS zone
            FROM stock_lines s
            CROSS JOIN LATERAL (SELECT * FROM bins y WHERE y.tenant_id = $1 AND y.id = s.bin_id OFFSET 0) b
            WHERE s.tenant_id = $1 AND s.product_id = w.product_id AND s.location_id = w.location_id
                AND b.type IN {storage} AND NOT b.is_default
                AND (b.zone IS NOT NULL OR b.area_id IS NOT NULL)
            ORDER BY s.on_hand > 0 DESC, s.updated_at DESC, s.id LIMIT 1
        ) z ON true
    ), stands AS (
        SELECT w.product_id, w.location_id, s.bin_id, s.lot_id FROM wanted w CROSS JOIN LATERAL (
            SELECT x.bin_id, x.lot_id FROM stock_lines x
            WHERE x.tenant_id = $1 AND x.product_id = w.product_id AND x.location_id = w.location_id
                AND x.on_hand > 0
            OFFSET 0
        ) s
        UNION
        SELECT w.product_id, w.location_id, t.suggested_bin_id, t.lot_id FROM wanted w CROSS JOIN LATERAL (
            SELECT x.suggested_bin_id, x.lot_id FROM put_away_tasks x
            WHERE x.tenant_id = $1 AND x.product_id = w.product_id AND x.location_id = w.location_id
                AND x.{open}
            OFFSET 0
        ) t
    ), empty AS (
        SELECT e.id FROM (
            SELECT DISTINCT location_id, zone FROM wanted_zone WHERE zone IS NOT NULL
            UNION ALL SELECT DISTINCT location_id, NULL::text FROM wanted
        ) p
        CROSS JOIN LATERAL (
            SELECT b.id FROM bins b
            WHERE b.tenant_id = $1 AND b.location_id = p.location_id AND b.is_active AND b.frozen_by IS NULL
                AND b.type IN {storage} AND NOT b.is_default
                AND (p.zone IS NULL OR coalesce(b.zone, b.area_id::text) = p.zone)
                AND NOT EXISTS (
                    SELECT FROM stock_lines s WHERE s.tenant_id = $1 AND s.bin_id = b.id AND s.on_hand > 0)
                AND NOT EXISTS (
                    SELECT FROM put_away_tasks t WHERE t.tenant_id = $1 AND t.suggested_bin_id = b.id
                        AND t.{open})
            ORDER BY b.walk_order, b.code LIMIT {empty}
        ) e
    ), others AS (
        SELECT o.id FROM (SELECT DISTINCT location_id FROM wanted) p
        CROSS JOIN LATERAL (
            SELECT b.id FROM bins b
            WHERE b.tenant_id = $1 AND b.location_id = p.location_id AND b.is_active AND b.frozen_by IS NULL
                AND b.type IN {storage} AND b.mixing = 'ANY' AND NOT b.is_default
                AND (b.capacity_units IS NULL OR b.capacity_units > (
                    SELECT coalesce(sum(s.on_hand), 0) FROM stock_lines s
                    WHERE s.tenant_id = $1 AND s.bin_id = b.id
                ) + (
                    SELECT coalesce(sum(t.quantity - t.done_quantity), 0) FROM put_away_tasks t
                    WHERE t.tenant_id = $1 AND t.suggested_bin_id = b.id AND t.{open}))
            ORDER BY b.walk_order, b.code LIMIT {others}
        ) o
        UNION ALL
        SELECT b.id FROM (SELECT DISTINCT location_id FROM wanted) p
        CROSS JOIN LATERAL (
            SELECT x.id FROM bins x
            WHERE x.tenant_id = $1 AND x.location_id = p.location_id AND x.is_default OFFSET 0
        ) b
    ), shelves AS (
        SELECT k.id FROM (
            SELECT id FROM asked UNION SELECT bin_id FROM stands UNION SELECT id FROM empty
            UNION SELECT id FROM others UNION SELECT preferred_bin_id FROM wanted_zone
        ) k
    ), told AS (
        SELECT jsonb_agg(jsonb_build_object(
            'id', b.id, 'code', b.code, 'location_id', b.location_id, 'type', b.type,
            'zone', coalesce(b.zone, b.area_id::text), 'walk_order', b.walk_order, 'capacity', b.capacity_units,
            'mixing', b.mixing, 'is_default', b.is_default, 'is_active', b.is_active AND l.is_active,
            'frozen_by', b.frozen_by, 'filled', f.filled, 'coming', c.coming, 'there', n.there,
            'promised', m.promised
        ) ORDER BY b.walk_order, b.code, b.id) AS shelves
        FROM shelves k
        CROSS JOIN LATERAL (SELECT * FROM bins x WHERE x.tenant_id = $1 AND x.id = k.id OFFSET 0) b
        CROSS JOIN LATERAL (
            SELECT x.is_active FROM locations x WHERE x.tenant_id = $1 AND x.id = b.location_id OFFSET 0
        ) l
        CROSS JOIN LATERAL (
            SELECT coalesce(sum(s.on_hand), 0) AS filled FROM stock_lines s
            WHERE b.capacity_units IS NOT NULL AND s.tenant_id = $1 AND s.bin_id = b.id
        ) f
        CROSS JOIN LATERAL (
            SELECT coalesce(sum(t.quantity - t.done_quantity), 0) AS coming FROM put_away_tasks t
            WHERE b.capacity_units IS NOT NULL AND t.tenant_id = $1 AND t.suggested_bin_id = b.id
                AND t.{open} AND t.id <> {without}
        ) c
        CROSS JOIN LATERAL (
            SELECT coalesce(jsonb_agg(jsonb_build_object('product_id', x.product_id, 'lot_id', x.lot_id)), '[]')
                AS there
            FROM (
                (SELECT s.product_id, s.lot_id FROM stock_lines s
                WHERE b.mixing = 'ANY' AND s.tenant_id = $1 AND s.bin_id = b.id AND s.on_hand > 0 LIMIT 1)
                UNION
                (SELECT s.product_id, s.lot_id FROM stock_lines s
                WHERE b.mixing <> 'ANY' AND s.tenant_id = $1 AND s.bin_id = b.id AND s.on_hand > 0
                ORDER BY s.product_id, s.lot_id LIMIT 1)
                UNION
                (SELECT s.product_id, s.lot_id FROM stock_lines s
                WHERE b.mixing <> 'ANY' AND s.tenant_id = $1 AND s.bin_id = b.id AND s.on_hand > 0
                ORDER BY s.product_id DESC, s.lot_id DESC LIMIT 1)
            ) x
        ) n
        CROSS JOIN LATERAL (
            SELECT coalesce(jsonb_agg(jsonb_build_object('product_id', x.product_id, 'lot_id', x.lot_id)), '[]')
                AS promised
            FROM (
                SELECT DISTINCT t.product_id, t.lot_id FROM put_away_tasks t
                WHERE t.tenant_id = $1 AND t.suggested_bin_id = b.id AND t.{open}
                    AND t.id <> {without}
            ) x
        ) m
    ), known AS (
        SELECT jsonb_agg(jsonb_build_object(
            'product_id', z.product_id, 'location_id', z.location_id, 'decimals', z.decimals,
            'preferred_bin_id', z.preferred_bin_id, 'zone', z.zone, 'stands', (
                SELECT coalesce(jsonb_agg(jsonb_build_object('bin_id', s.bin_id, 'lot_id', s.lot_id)), '[]')
                FROM stands s WHERE s.product_id = z.product_id AND s.location_id = z.location_id
            )
        )) AS places
        FROM wanted_zone z
    )
"""
FACTS = (
    _FACTS.replace("{empty}", str(EMPTY_BINS))
    .replace("{others}", str(OTHER_BINS))
    .replace("{storage}", "('STANDARD', 'PICKING', 'REPLENISHMENT')")
    .replace("{open}", OPEN)
)
"""Common table expressions, after `wanted` and `asked`; `told` and `known` are what they tell."""

_shelves = msgspec.json.Decoder(list[Shelf], float_hook=Decimal)
_places = msgspec.json.Decoder(list[ProductPlace])
NOBODY = UUID(int=0)


def facts_of(places: str | None, shelves: str | None) -> Facts:
    """What `known` and `told` tell, as the domain reads it."""
    return Facts(
        places={(one.product_id, one.location_id): one for one in _places.decode(places or "[]")},
        shelves={one.id: one for one in _shelves.decode(shelves or "[]")},
    )
