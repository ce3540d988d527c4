"""Where a lot has been: its movements, each with its other end.

The lines of a numbered lot are few and have no history but the lot's, so a page is sorted from that. Of a product
without lot control the default lot's history is the product's: there the page comes in order from the product's.
"""

from functools import lru_cache
from typing import Any

import msgspec
from asyncpg import Record

from domain.expiry.reading import LotHead, TracePage, TracePlace, TraceStep, TraceWanted
from domain.ledger.model import INTERNAL
from domain.values import plain
from infra.db.pool import Database
from infra.ledger.queries.sql import Query, size_for, within

ENDS_SHOWN = 50
"""Of one movement's other ends; of those of a larger posting the rest is in the transaction itself."""

_HEAD = """
    SELECT t.id, nullif(t.number, '') AS number, t.product_id, p.sku, p.name, t.expires_on, t.manufactured_on,
        t.supplier_lot, t.status, t.is_default, h.position
    FROM lots t
    CROSS JOIN LATERAL (SELECT * FROM products x WHERE x.tenant_id = $1 AND x.id = t.product_id OFFSET 0) p
    CROSS JOIN LATERAL (SELECT * FROM ledger_heads x WHERE x.tenant_id = $1 OFFSET 0) h
    WHERE t.tenant_id = $1 AND t.id = $2
"""
_OF_LINES = """
    SELECT m.* FROM (
        SELECT x.id FROM stock_lines x WHERE x.tenant_id = :tenant AND x.lot_id = :lot {of_lines} OFFSET 0
    ) s
    CROSS JOIN LATERAL (
        SELECT * FROM movements x WHERE x.tenant_id = :tenant AND x.line_id = s.id {after} OFFSET 0
    ) m
    ORDER BY m.position LIMIT {size}
"""
_OF_PRODUCT = """
    SELECT x.* FROM movements x
    WHERE x.tenant_id = :tenant AND x.product_id = (SELECT :product::uuid) {of_lines} {after}
        AND EXISTS (
            SELECT FROM stock_lines s WHERE s.tenant_id = :tenant AND s.id = x.line_id AND s.lot_id = :lot OFFSET 0
        )
    ORDER BY x.position LIMIT {size}
"""
_PLACE = """jsonb_build_object('inventoryItemId', s.id, 'locationId', l.id, 'locationName', l.name, 'binId', b.id,
            'binCode', b.code, 'lotId', t.id, 'lotNumber', nullif(t.number, ''), 'quantity', abs({of}.delta))"""
_AT = """
    CROSS JOIN LATERAL (SELECT * FROM stock_lines y WHERE y.tenant_id = :tenant AND y.id = {of}.line_id OFFSET 0) s
    CROSS JOIN LATERAL (SELECT * FROM locations y WHERE y.tenant_id = :tenant AND y.id = s.location_id OFFSET 0) l
    CROSS JOIN LATERAL (SELECT * FROM bins y WHERE y.tenant_id = :tenant AND y.id = s.bin_id OFFSET 0) b
    CROSS JOIN LATERAL (SELECT * FROM lots y WHERE y.tenant_id = :tenant AND y.id = s.lot_id OFFSET 0) t
"""
# The other ends of a movement inside the house are those of its posting that go the other way: of the same lot, or
# where the lot itself was corrected, of the other one. A reversal is inside where what it takes back was.
_STATEMENT = """
    SELECT m.position, m.posting_id, g.kind AS transaction_type, m.kind, m.delta, m.balance_after, m.effective_at,
        m.recorded_at, g.source_type, g.source_id, coalesce(m.comment, g.comment) AS comment, g.actor,
        g.reverses_id, {place} AS place, (
            SELECT jsonb_agg(e.place ORDER BY e.position) FROM (
                SELECT o.position, {end_place} AS place
                FROM (
                    SELECT y.* FROM movements y
                    WHERE y.tenant_id = :tenant AND y.position >= g.first_position
                        AND y.position < g.first_position + g.movement_count
                        AND y.product_id = m.product_id AND sign(y.delta) <> sign(m.delta) {of_ends}
                ) o
                {end_at}
                WHERE g.inside = ANY (:internal) AND (t.id = :lot OR g.inside = 'LOT_CORRECTION')
                ORDER BY o.position LIMIT {ends}
            ) e
        ) AS ends
    FROM ({page}) m
    {at}
    CROSS JOIN LATERAL (
        SELECT y.*, CASE WHEN y.reverses_id IS NULL THEN m.kind ELSE (
            SELECT z.kind FROM postings z WHERE z.tenant_id = :tenant AND z.id = y.reverses_id
        ) END AS inside
        FROM postings y WHERE y.tenant_id = :tenant AND y.id = m.posting_id OFFSET 0
    ) g
    ORDER BY m.position
"""

_place = msgspec.json.Decoder(TracePlace)
_places = msgspec.json.Decoder(list[TracePlace])
_INTERNAL = sorted(INTERNAL)


class SqlTraceReader:
    """The `TraceReader` port."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def trace(self, wanted: TraceWanted) -> TracePage | None:
        """Two statements."""
        locations = within(wanted.scope, None)
        values: dict[str, Any] = {
            "tenant": wanted.tenant_id,
            "lot": wanted.lot_id,
            "locations": locations,
            "after": wanted.after,
            "internal": _INTERNAL,
        }
        async with self._database.bound(wanted.tenant_id) as driver:
            head = await driver.fetchrow(_HEAD, wanted.tenant_id, wanted.lot_id)
            if head is None:
                return None
            query = _query(
                size_for(wanted.limit),
                of_product=head["is_default"],
                is_narrow=locations is not None,
                is_continued=wanted.after is not None,
            )
            rows = await query.fetch(driver, values | {"product": head["product_id"]})
        shown = [_step(row) for row in rows[: wanted.limit]]
        return TracePage(
            lot=_lot(head),
            rows=shown,
            position=head["position"],
            after=shown[-1].position if len(rows) > wanted.limit else None,
        )


@lru_cache(maxsize=64)
def _query(size: int, *, of_product: bool, is_narrow: bool, is_continued: bool) -> Query:
    seen = "AND {of}.location_id = ANY (:locations)" if is_narrow else ""
    page = (_OF_PRODUCT if of_product else _OF_LINES).format(
        of_lines=seen.format(of="x"),
        after="AND x.position > :after" if is_continued else "",
        size=size,
    )
    return Query(
        _STATEMENT,
        page=page,
        place=_PLACE.format(of="m"),
        at=_AT.format(of="m"),
        end_place=_PLACE.format(of="o"),
        end_at=_AT.format(of="o"),
        of_ends=seen.format(of="y"),
        ends=str(ENDS_SHOWN),
    )


def _lot(row: Record) -> LotHead:
    return LotHead(
        row["id"],
        row["number"],
        row["product_id"],
        row["sku"],
        row["name"],
        row["expires_on"],
        row["manufactured_on"],
        row["supplier_lot"],
        row["status"],
    )


def _step(row: Record) -> TraceStep:
    here, ends = [_place.decode(row["place"])], _places.decode(row["ends"] or "[]")
    is_in = row["delta"] > 0
    return TraceStep(
        position=row["position"],
        transaction_id=row["posting_id"],
        transaction_type=row["transaction_type"],
        kind=row["kind"],
        delta_qty=plain(row["delta"]),
        qty_after=plain(row["balance_after"]),
        effective_at=row["effective_at"],
        recorded_at=row["recorded_at"],
        origins=ends if is_in else here,
        destinations=here if is_in else ends,
        source_type=row["source_type"],
        source_id=row["source_id"],
        comment=row["comment"],
        actor=row["actor"],
        reverses_id=row["reverses_id"],
    )
