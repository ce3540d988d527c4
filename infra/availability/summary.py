"""What the summary of channels counts: most products in groups, in one pass over the totals of the locations."""

from collections.abc import Sequence
from decimal import Decimal
from uuid import UUID

import msgspec

from domain.access.model import Scope
from domain.availability.claims import Offer
from domain.availability.matrix import MatrixLocation
from domain.availability.summary import Counted, PlaceCounted, Plain
from infra.availability.matrix import NO_PRODUCT, columns_of
from infra.availability.terms import read_terms
from infra.db.pool import Database

# Its cost is that of the totals of these locations (100,000 of them: some 150 ms), whatever else there is.
# A product is not plain where a policy names it, a channel has taken of it, a claim on it has run out unswept, it
# is not to be promised yet, or stock of it is of a lot that is out of use or, for some channel, too old.
COUNTED = """
    WITH places AS MATERIALIZED (
        SELECT l.id, l.name, (now() AT TIME ZONE l.time_zone)::date AS today FROM locations l
        WHERE l.tenant_id = $1 AND ($2::uuid[] IS NULL OR l.id = ANY ($2))
            AND EXISTS (SELECT FROM channel_locations c WHERE c.tenant_id = $1 AND c.location_id = l.id)
    ), needed AS MATERIALIZED (
        SELECT coalesce(max(p.min_remaining_days), 0) AS days FROM channel_policies p WHERE p.tenant_id = $1
    ), old AS MATERIALIZED (
        -- By the day at the place where it is latest: a lot more or less is only computed by itself.
        SELECT t.id FROM lots t WHERE t.tenant_id = $1 AND (t.status <> 'ACTIVE'
            OR t.expires_on < (SELECT max(w.today) FROM places w) + (SELECT n.days FROM needed n))
    ), special AS MATERIALIZED (
        SELECT p.product_id, w.id AS location_id FROM channel_policies p
        JOIN places w ON p.location_id IS NULL OR p.location_id = w.id
        WHERE p.tenant_id = $1 AND p.product_id IS NOT NULL
        UNION
        SELECT u.product_id, u.location_id FROM channel_usage u WHERE u.tenant_id = $1 AND u.used > 0
        UNION
        SELECT r.product_id, r.location_id FROM reservations r
        WHERE r.tenant_id = $1 AND r.state = 'LIVE' AND r.expires_at <= now()
        UNION
        SELECT v.product_id, v.location_id FROM stock_levels v JOIN places w ON w.id = v.location_id
        WHERE v.tenant_id = $1 AND v.available_from > w.today
        UNION
        SELECT s.product_id, s.location_id FROM old t
        CROSS JOIN LATERAL (
            SELECT x.product_id, x.location_id FROM stock_lines x
            WHERE x.tenant_id = $1 AND x.lot_id = t.id AND x.on_hand > 0 OFFSET 0
        ) s
    ), totals AS MATERIALIZED (
        SELECT t.location_id, t.product_id, x.product_id IS NOT NULL AS is_special,
            t.sellable - t.held - t.reserved - coalesce(v.safety_stock, 0) AS net
        FROM stock_totals t
        JOIN places w ON w.id = t.location_id
        LEFT JOIN stock_levels v ON v.tenant_id = t.tenant_id AND v.product_id = t.product_id
            AND v.location_id = t.location_id AND v.safety_stock > 0
        LEFT JOIN special x ON x.product_id = t.product_id AND x.location_id = t.location_id
        WHERE t.tenant_id = $1
    )
    SELECT w.id, w.name, (
            SELECT coalesce(sum(s.quantity - s.received), 0) FROM supplies s
            WHERE s.tenant_id = $1 AND s.location_id = w.id AND s.state = 'OPEN' AND s.quantity > s.received
        ) AS on_order, (
            SELECT jsonb_object_agg(c.channel_id, c.quantity::text) FROM (
                SELECT r.channel_id, sum(r.open_quantity) AS quantity FROM reservations r
                WHERE r.tenant_id = $1 AND r.location_id = w.id AND r.state = 'LIVE'
                    AND r.channel_id IS NOT NULL AND (r.expires_at IS NULL OR r.expires_at > now())
                GROUP BY r.channel_id
            ) c
        ) AS reserved, (
            SELECT array_agg(t.product_id ORDER BY t.product_id) FROM totals t
            WHERE t.location_id = w.id AND t.is_special
        ) AS special, g.nets, g.counts
    FROM places w
    LEFT JOIN (
        SELECT n.location_id, array_agg(n.net) AS nets, array_agg(n.products) AS counts FROM (
            SELECT t.location_id, t.net, count(*) AS products FROM totals t
            WHERE NOT t.is_special GROUP BY t.location_id, t.net
        ) n
        GROUP BY n.location_id
    ) g ON g.location_id = w.id
    ORDER BY w.name, w.id
"""
_reserved = msgspec.json.Decoder(dict[UUID, Decimal], float_hook=Decimal)


class SqlSummaryReads:
    """The `SummaryReads` port."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def counted(self, tenant_id: UUID, location_ids: Scope) -> Counted:
        within = None if location_ids is None else sorted(location_ids)
        async with self._database.bound(tenant_id) as driver:
            rows = await driver.fetch(COUNTED, tenant_id, within)
            terms = await read_terms(driver, [(NO_PRODUCT, row["id"]) for row in rows])
        places = []
        for row in rows:
            nets: Sequence[Decimal] = row["nets"] or ()
            places.append(
                PlaceCounted(
                    location=MatrixLocation(id=row["id"], name=row["name"]),
                    columns=columns_of(terms, row["id"]),
                    template=terms.offers[NO_PRODUCT, row["id"]],
                    plain=tuple(
                        Plain(net=net, products=count)
                        for net, count in zip(nets, row["counts"] or (), strict=True)
                    ),
                    special=tuple(row["special"] or ()),
                    on_order=row["on_order"],
                    reserved=_reserved.decode(row["reserved"] or "{}"),
                )
            )
        return Counted(position=terms.position, places=tuple(places))

    async def offers(self, tenant_id: UUID, location_id: UUID, product_ids: Sequence[UUID]) -> Sequence[Offer]:
        async with self._database.bound(tenant_id) as driver:
            terms = await read_terms(driver, [(id_, location_id) for id_ in product_ids])
        return list(terms.offers.values())
