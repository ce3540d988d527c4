"""What goods that come in are checked against, in one statement."""

from uuid import UUID

import msgspec
from asyncpg import Record

from domain.access.model import Act
from domain.catalog.model import Conversion
from domain.expiry.model import LotPolicy
from domain.ledger.receiving import Goods, GoodsFacts, StockedLot
from infra.db.pool import Database
from infra.ledger.answers import KEYED, answered, key_of
from infra.ledger.moments import MOMENT
from infra.settings.sql import LOT_POLICY

# Each look-up is one by full key or by the leading columns of a key, whatever the statistics say when the plan is
# made (LATERAL … OFFSET 0).
FACTS = f"""
    SELECT k.fingerprint, k.outcome, (moment.at AT TIME ZONE place.time_zone)::date AS day,
        (
            SELECT jsonb_agg(jsonb_build_object(
                'policy', {LOT_POLICY}, 'uom_id', p.uom_id))
            FROM (SELECT DISTINCT w.product_id FROM unnest($6::uuid[]) AS w(product_id)) w
            CROSS JOIN LATERAL (SELECT * FROM products x WHERE x.tenant_id = $1 AND x.id = w.product_id OFFSET 0) p
        ) AS articles,
        (
            SELECT jsonb_agg(jsonb_build_object('id', l.id, 'product_id', l.product_id, 'number', l.number,
                'expires_on', l.expires_on, 'status', l.status, 'manufactured_on', l.manufactured_on))
            FROM (
                SELECT x.* FROM (
                    SELECT DISTINCT w.product_id, w.number
                    FROM unnest($6::uuid[], $7::text[]) AS w(product_id, number)
                ) w
                CROSS JOIN LATERAL (
                    SELECT * FROM lots l
                    WHERE l.tenant_id = $1 AND l.product_id = w.product_id AND l.number = w.number OFFSET 0
                ) x
                UNION
                SELECT x.* FROM unnest($8::uuid[]) AS w(id)
                CROSS JOIN LATERAL (SELECT * FROM lots l WHERE l.tenant_id = $1 AND l.id = w.id OFFSET 0) x
            ) l
        ) AS lots,
        (
            SELECT jsonb_object_agg(b.id, b.code) FROM bins b
            WHERE b.tenant_id = $1 AND b.location_id = $5 AND (b.is_default OR b.id = ANY ($9))
        ) AS bins,
        (
            SELECT b.id FROM bins b WHERE b.tenant_id = $1 AND b.location_id = $5 AND b.is_default
        ) AS default_bin,
        (
            SELECT jsonb_agg(jsonb_build_object('product_id', c.product_id, 'from_uom_id', c.from_uom_id,
                'to_uom_id', c.to_uom_id, 'factor', c.factor))
            FROM uom_conversions c
            WHERE c.tenant_id = $1 AND $10 AND (c.product_id IS NULL OR c.product_id = ANY ($6))
        ) AS conversions
    FROM {MOMENT}
    {KEYED}
    LEFT JOIN LATERAL (
        SELECT x.time_zone FROM locations x WHERE x.tenant_id = $1 AND x.id = $5 OFFSET 0
    ) place ON true
"""  # noqa: S608 - of constants


class _Article(msgspec.Struct, frozen=True):
    policy: LotPolicy
    uom_id: UUID


_articles = msgspec.json.Decoder(list[_Article])
_lots = msgspec.json.Decoder(list[StockedLot])
_bins = msgspec.json.Decoder(dict[UUID, str])
_conversions = msgspec.json.Decoder(list[Conversion])


class SqlGoodsReads:
    """The `GoodsReads` port."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def facts(self, act: Act, goods: Goods) -> GoodsFacts:
        """One statement."""
        lines = goods.lines
        async with self._database.bound(act.tenant_id) as driver:
            row = await driver.fetchrow(
                FACTS,
                *key_of(act),
                goods.location_id,
                [line.product_id for line in lines],
                [line.lot_number or "" for line in lines],
                [line.lot_id for line in lines if line.lot_id is not None],
                [line.bin_id for line in lines if line.bin_id is not None],
                any(line.uom_id is not None for line in lines),
                goods.effective_at,
            )
        assert row is not None
        return _facts(act, row)


def _facts(act: Act, row: Record) -> GoodsFacts:
    articles = _articles.decode(row["articles"] or "[]")
    return GoodsFacts(
        answered=answered(act, row),
        on=row["day"],
        policies={article.policy.product_id: article.policy for article in articles},
        base_uoms={article.policy.product_id: article.uom_id for article in articles},
        lots=_lots.decode(row["lots"] or "[]"),
        bins=_bins.decode(row["bins"] or "{}"),
        default_bin_id=row["default_bin"],
        conversions=_conversions.decode(row["conversions"] or "[]"),
    )
