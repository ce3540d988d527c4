"""The count of a product at a location: what it is compared with, in one statement, inside its transaction."""

from uuid import UUID

import msgspec

from domain.expiry.model import KnownLot, LotPolicy
from domain.ledger.counting_whole import CountFacts, StandingLine, WholeCount
from infra.catalog.lots import LotSqlWork
from infra.settings.sql import LOT_POLICY

# The balance at the moment is today's without what took effect later: that is little, since counts are recent.
FACTS = f"""
    SELECT moment.now, (moment.now AT TIME ZONE place.time_zone)::date AS day,
        (SELECT h.position FROM ledger_heads h WHERE h.tenant_id = $1) AS position,
        (
            SELECT {LOT_POLICY}
            FROM products p WHERE p.tenant_id = $1 AND p.id = $2
        ) AS policy,
        (
            SELECT jsonb_agg(jsonb_build_object('id', l.id, 'product_id', l.product_id, 'number', l.number,
                'expires_on', l.expires_on, 'status', l.status))
            FROM lots l WHERE l.tenant_id = $1 AND l.product_id = $2 AND l.number = ANY ($5)
        ) AS lots,
        (
            SELECT jsonb_object_agg(b.id, b.code) FROM bins b
            WHERE b.tenant_id = $1 AND b.location_id = $3 AND b.id = ANY ($6)
        ) AS bins,
        (
            SELECT jsonb_agg(jsonb_build_object('line_id', s.id, 'bin_id', s.bin_id, 'bin_code', b.code,
                'lot_id', s.lot_id, 'lot_number', l.number, 'expires_on', l.expires_on,
                'then', s.on_hand - coalesce(m.since, 0)) ORDER BY b.walk_order, b.code, l.number)
            FROM stock_lines s
            JOIN bins b ON b.tenant_id = $1 AND b.id = s.bin_id
            JOIN lots l ON l.tenant_id = $1 AND l.id = s.lot_id
            LEFT JOIN (
                SELECT x.line_id, sum(x.delta) AS since FROM movements x
                WHERE x.tenant_id = $1 AND x.product_id = $2 AND x.location_id = $3
                    AND x.effective_at > coalesce($4, moment.now)
                GROUP BY x.line_id
            ) m ON m.line_id = s.id
            WHERE s.tenant_id = $1 AND s.product_id = $2 AND s.location_id = $3
        ) AS standing
    FROM (SELECT statement_timestamp() AS now) moment
    LEFT JOIN locations place ON place.tenant_id = $1 AND place.id = $3
"""  # noqa: S608 - of constants

_policy = msgspec.json.Decoder(LotPolicy)
_lots = msgspec.json.Decoder(list[KnownLot])
_bins = msgspec.json.Decoder(dict[UUID, str])
_standing = msgspec.json.Decoder(list[StandingLine])


class CountSqlWork(LotSqlWork):
    """The `CountWork` port."""

    async def count_facts(self, count: WholeCount) -> CountFacts:
        """One statement."""
        row = await self.driver.fetchrow(
            FACTS,
            self.act.tenant_id,
            count.product_id,
            count.location_id,
            count.counted_at,
            list({line.lot_number or "" for line in count.lines} | {""}),
            list({line.bin_id for line in count.lines}),
        )
        assert row is not None
        return CountFacts(
            now=row["now"],
            on=row["day"],
            position=row["position"],
            policy=_policy.decode(row["policy"]) if row["policy"] else None,
            lots=_lots.decode(row["lots"] or "[]"),
            bins=_bins.decode(row["bins"] or "{}"),
            standing=_standing.decode(row["standing"] or "[]"),
        )
