"""Products by a text, with the terms of what a location can give of them: one statement.

Trigrams are matched by `product_search` (migrations/sql/0012_stocklists.sql), which alone may use their index:
under row-level security no pattern is an index condition.
"""

from decimal import Decimal
from uuid import UUID

import msgspec

from domain.stock_requests.search import LIMIT_MAX, Hit, Hits
from infra.availability.terms import decoded
from infra.db.pool import Database

FIND = f"""
    WITH found AS MATERIALIZED (
        SELECT s.product_id, s.score FROM product_search($2, {LIMIT_MAX}) s ORDER BY s.score DESC LIMIT $4
    )
    SELECT (
        SELECT coalesce(jsonb_agg(to_jsonb(h) ORDER BY h.score DESC, h.sku), '[]')
        FROM (
            SELECT p.id, p.sku, p.name, p.barcode, p.category_id, c.name AS category_name, u.code AS uom_code,
                trim_scale(p.unit_cost) AS unit_cost, p.is_regulated, round(f.score::numeric, 3) AS score
            FROM found f
            CROSS JOIN LATERAL (SELECT * FROM products x WHERE x.tenant_id = $1 AND x.id = f.product_id OFFSET 0) p
            CROSS JOIN LATERAL (SELECT x.code FROM uoms x WHERE x.tenant_id = $1 AND x.id = p.uom_id OFFSET 0) u
            LEFT JOIN LATERAL (
                SELECT x.name FROM categories x WHERE x.tenant_id = $1 AND x.id = p.category_id OFFSET 0
            ) c ON true
        ) h
    ) AS hits, availability_terms(
        CASE WHEN $3::uuid IS NULL THEN '{{}}' ELSE ARRAY(SELECT f.product_id FROM found f) END,
        CASE WHEN $3::uuid IS NULL THEN '{{}}' ELSE ARRAY(SELECT $3::uuid FROM found f) END, false) AS terms
"""  # noqa: S608 - ours
_hits = msgspec.json.Decoder(list[Hit], float_hook=Decimal)


class SqlProductSearch:
    """The `ProductSearch` port."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(self, tenant_id: UUID, text: str, *, origin_id: UUID | None, limit: int) -> Hits:
        async with self._database.bound(tenant_id) as driver:
            row = await driver.fetchrow(FIND, tenant_id, text, origin_id, limit)
        assert row is not None
        terms = decoded(row["terms"])
        return Hits(position=terms.position, hits=_hits.decode(row["hits"]), offers=terms.offers)
