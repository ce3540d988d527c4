"""All that is behind one product at one location, in one round trip."""

from decimal import Decimal
from uuid import UUID

import msgspec

from domain.availability.drilldown import (
    SHOWN_MAX,
    Behind,
    DrilledHold,
    DrilledProduct,
    DrilledReservation,
    LineBehind,
)
from domain.availability.matrix import MatrixLocation
from infra.availability.matrix import columns_of
from infra.availability.terms import decoded
from infra.db.pool import Database
from infra.ledger.queries.sql import NOT_FOR_SALE, Query

# The database names the fields as the wire does, or as the struct: each list decodes straight into its structs.
_BEHIND = Query(
    """
    WITH here AS MATERIALIZED (
        SELECT s.*, b.code AS bin_code, b.type AS bin_type, NOT ({not_for_sale}) AS sells, t.number, t.status,
            t.expires_on
        FROM stock_lines s
        CROSS JOIN LATERAL (
            SELECT x.code, x.type FROM bins x WHERE x.tenant_id = :tenant AND x.id = s.bin_id OFFSET 0
        ) b
        CROSS JOIN LATERAL (
            SELECT x.number, x.status, x.expires_on FROM lots x
            WHERE x.tenant_id = :tenant AND x.id = s.lot_id OFFSET 0
        ) t
        WHERE s.tenant_id = :tenant AND s.product_id = :product AND s.location_id = :location AND s.on_hand > 0
    ), claims AS MATERIALIZED (
        SELECT r.* FROM reservations r
        WHERE r.tenant_id = :tenant AND r.product_id = :product AND r.location_id = :location AND r.state = 'LIVE'
            AND (r.expires_at IS NULL OR r.expires_at > now())
    ), held AS MATERIALIZED (
        SELECT h.* FROM holds h
        WHERE h.tenant_id = :tenant AND h.product_id = :product AND h.location_id = :location
            AND h.state = 'ACTIVE' AND h.scope = 'PRODUCT'
        UNION
        SELECT h.* FROM here s CROSS JOIN LATERAL (
            SELECT * FROM holds x WHERE x.tenant_id = :tenant AND x.line_id = s.id
                AND x.state = 'ACTIVE' AND x.scope = 'LINE' OFFSET 0
        ) h
        UNION
        SELECT h.* FROM (SELECT DISTINCT lot_id FROM here) s CROSS JOIN LATERAL (
            SELECT * FROM holds x WHERE x.tenant_id = :tenant AND x.lot_id = s.lot_id
                AND x.state = 'ACTIVE' AND x.scope = 'LOT' OFFSET 0
        ) h
        UNION
        SELECT h.* FROM (SELECT DISTINCT bin_id FROM here) s CROSS JOIN LATERAL (
            SELECT * FROM holds x WHERE x.tenant_id = :tenant AND x.bin_id = s.bin_id
                AND x.state = 'ACTIVE' AND x.scope = 'BIN' OFFSET 0
        ) h
    )
    SELECT l.name AS location, p.sku, p.name,
        availability_terms(ARRAY[:product::uuid], ARRAY[:location::uuid], true) AS terms,
        (SELECT count(*) FROM here) AS lines_all, (SELECT count(*) FROM claims) AS claims_all,
        (SELECT count(*) FROM held) AS held_all,
        (
            SELECT jsonb_agg(jsonb_build_object('id', s.id, 'bin_id', s.bin_id, 'bin_code', s.bin_code,
                'bin_type', s.bin_type, 'is_for_sale', s.sells, 'lot_id', s.lot_id,
                'lot_number', nullif(s.number, ''), 'lot_status', s.status,
                'expires_on', s.expires_on, 'on_hand', s.on_hand, 'held', s.held,
                'reserved', s.reserved - ledger_lapsed(:tenant, s.id, now())))
            FROM (SELECT * FROM here ORDER BY expires_on NULLS LAST, created_at, id LIMIT {most}) s
        ) AS lines,
        (
            SELECT jsonb_agg(jsonb_build_object('id', r.id, 'groupId', r.group_id, 'kind', r.kind,
                'channelId', r.channel_id, 'openQuantity', trim_scale(r.open_quantity),
                'fenceQuantity', trim_scale(r.fence_quantity), 'externalRef', r.external_ref,
                'sourceType', r.source_type, 'sourceId', r.source_id, 'actor', r.actor, 'expiresAt', r.expires_at,
                'createdAt', r.created_at))
            FROM (SELECT * FROM claims ORDER BY id LIMIT {most}) r
        ) AS claims,
        (
            SELECT jsonb_agg(jsonb_build_object('id', h.id, 'type', h.type, 'scope', h.scope,
                'inventoryItemId', h.line_id, 'lotId', h.lot_id, 'binId', h.bin_id,
                'quantity', trim_scale(h.quantity - h.released), 'reason', h.reason,
                'expectedUntil', h.expected_until, 'actor', h.actor, 'createdAt', h.created_at))
            FROM (SELECT * FROM held ORDER BY id LIMIT {most}) h
        ) AS held
    FROM locations l
    CROSS JOIN LATERAL (
        SELECT x.sku, x.name FROM products x WHERE x.tenant_id = :tenant AND x.id = :product OFFSET 0
    ) p
    WHERE l.tenant_id = :tenant AND l.id = :location
    """,
    not_for_sale=NOT_FOR_SALE,
    most=str(SHOWN_MAX),
)
_lines = msgspec.json.Decoder(tuple[LineBehind, ...], float_hook=Decimal)
_claims = msgspec.json.Decoder(tuple[DrilledReservation, ...], float_hook=Decimal)
_held = msgspec.json.Decoder(tuple[DrilledHold, ...], float_hook=Decimal)


class SqlDrillReads:
    """The `DrillReads` port."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def behind(self, tenant_id: UUID, product_id: UUID, location_id: UUID) -> Behind | None:
        given = {"tenant": tenant_id, "product": product_id, "location": location_id}
        async with self._database.bound(tenant_id) as driver:
            row = await _BEHIND.fetch_row(driver, given)
        if row is None:
            return None
        terms = decoded(row["terms"])
        return Behind(
            position=terms.position,
            product=DrilledProduct(id=product_id, sku=row["sku"], name=row["name"]),
            location=MatrixLocation(id=location_id, name=row["location"]),
            columns=columns_of(terms, location_id),
            offer=terms.offers[product_id, location_id],
            lines=_lines.decode(row["lines"] or "[]"),
            line_count=row["lines_all"],
            reservations=_claims.decode(row["claims"] or "[]"),
            reservation_count=row["claims_all"],
            holds=_held.decode(row["held"] or "[]"),
            hold_count=row["held_all"],
        )
