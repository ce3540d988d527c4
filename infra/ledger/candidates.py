"""What an issue is decided by: the stock that could be taken, in one statement."""

import asyncio
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from uuid import UUID
from weakref import WeakValueDictionary

import msgspec
from asyncpg import Record

from domain.access.model import Act
from domain.catalog.model import Conversion
from domain.ledger.allocation import Candidate
from domain.ledger.issuing import Article, Issue, IssueFacts
from infra.db.pool import Database
from infra.ledger.answers import KEYED, answered, key_of
from infra.ledger.moments import MOMENT

# Each look-up is one by full key or by the leading columns of a key, whatever the statistics say when the plan is
# made (LATERAL … OFFSET 0).
FACTS = f"""
    SELECT k.fingerprint, k.outcome, (moment.at AT TIME ZONE place.time_zone)::date AS day,
        (
            SELECT jsonb_agg(jsonb_build_object(
                'line_id', s.id, 'product_id', s.product_id, 'bin_id', s.bin_id, 'bin_code', b.code,
                'bin_sells', b.type NOT IN ('HOLD', 'QUARANTINE', 'DAMAGE')
                    AND place.type NOT IN ('IN_TRANSIT', 'DESTRUCTION'),
                'lot_id', s.lot_id, 'lot_number', t.number, 'lot_is_active', t.status = 'ACTIVE',
                'expires_on', t.expires_on, 'received_at', s.created_at,
                'on_hand', s.on_hand, 'reserved', s.reserved, 'held', s.held))
            FROM (
                SELECT x.* FROM unnest($6::uuid[]) AS w(id) CROSS JOIN LATERAL (
                    SELECT * FROM stock_lines l
                    WHERE l.tenant_id = $1 AND l.product_id = w.id AND l.location_id = $5
                        AND (l.on_hand > 0 OR l.id = ANY ($7)) OFFSET 0
                ) x
                UNION ALL
                SELECT x.* FROM unnest($7::uuid[]) AS w(id) CROSS JOIN LATERAL (
                    SELECT * FROM stock_lines l
                    WHERE l.tenant_id = $1 AND l.id = w.id AND l.location_id = $5
                        AND l.product_id <> ALL ($6) OFFSET 0
                ) x
            ) s
            CROSS JOIN LATERAL (SELECT * FROM bins x WHERE x.tenant_id = $1 AND x.id = s.bin_id OFFSET 0) b
            CROSS JOIN LATERAL (SELECT * FROM lots x WHERE x.tenant_id = $1 AND x.id = s.lot_id OFFSET 0) t
        ) AS candidates,
        (
            SELECT jsonb_agg(jsonb_build_object('id', p.id, 'sku', p.sku, 'uom_id', p.uom_id))
            FROM (
                SELECT w.id FROM unnest($6::uuid[]) AS w(id)
                UNION
                SELECT l.product_id FROM unnest($7::uuid[]) AS w(id) CROSS JOIN LATERAL (
                    SELECT * FROM stock_lines x WHERE x.tenant_id = $1 AND x.id = w.id OFFSET 0
                ) l
            ) w
            CROSS JOIN LATERAL (SELECT * FROM products x WHERE x.tenant_id = $1 AND x.id = w.id OFFSET 0) p
        ) AS articles,
        (
            SELECT jsonb_agg(x.id) FROM bins x
            WHERE x.tenant_id = $1 AND x.location_id = $5 AND x.id = ANY ($8)
        ) AS bins,
        (
            SELECT jsonb_object_agg(x.id, x.product_id) FROM lots x WHERE x.tenant_id = $1 AND x.id = ANY ($9)
        ) AS lots,
        (
            SELECT jsonb_agg(jsonb_build_object('product_id', c.product_id, 'from_uom_id', c.from_uom_id,
                'to_uom_id', c.to_uom_id, 'factor', c.factor))
            FROM uom_conversions c
            WHERE c.tenant_id = $1 AND $10 AND (
                c.product_id IS NULL OR c.product_id = ANY ($6) OR c.product_id IN (
                    SELECT l.product_id FROM stock_lines l WHERE l.tenant_id = $1 AND l.id = ANY ($7)))
        ) AS conversions
    FROM {MOMENT}
    {KEYED}
    LEFT JOIN LATERAL (
        SELECT x.time_zone, x.type FROM locations x WHERE x.tenant_id = $1 AND x.id = $5 OFFSET 0
    ) place ON true
"""  # noqa: S608 - of constants

_candidates = msgspec.json.Decoder(list[Candidate])
_articles = msgspec.json.Decoder(list[Article])
_ids = msgspec.json.Decoder(frozenset[UUID])
_lots = msgspec.json.Decoder(dict[UUID, UUID])
_conversions = msgspec.json.Decoder(list[Conversion])


class SqlIssueReads:
    """The `IssueReads` port."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._turns: WeakValueDictionary[tuple[UUID, UUID], asyncio.Lock] = WeakValueDictionary()

    @asynccontextmanager
    async def turn(self, act: Act, issue: Issue) -> AsyncGenerator[None]:
        # Weak: the lock of a location lives as long as somebody holds it or waits for it.
        lock = self._turns.setdefault((act.tenant_id, issue.location_id), asyncio.Lock())
        async with lock:
            yield

    async def facts(self, act: Act, issue: Issue) -> IssueFacts:
        """One statement."""
        lines = issue.lines
        async with self._database.bound(act.tenant_id) as driver:
            row = await driver.fetchrow(
                FACTS,
                *key_of(act),
                issue.location_id,
                _some(line.product_id for line in lines),
                _some(line.line_id for line in lines),
                _some(line.bin_id for line in lines),
                _some(line.lot_id for line in lines),
                any(line.uom_id is not None for line in lines),
                issue.effective_at,
            )
        assert row is not None
        return _facts(act, row)


def _some(ids: Iterable[UUID | None]) -> list[UUID]:
    return list({id_ for id_ in ids if id_ is not None})


def _facts(act: Act, row: Record) -> IssueFacts:
    return IssueFacts(
        answered=answered(act, row),
        on=row["day"],
        articles={article.id: article for article in _articles.decode(row["articles"] or "[]")},
        candidates=_candidates.decode(row["candidates"] or "[]"),
        bin_ids=_ids.decode(row["bins"] or "[]"),
        lots=_lots.decode(row["lots"] or "{}"),
        conversions=_conversions.decode(row["conversions"] or "[]"),
    )
