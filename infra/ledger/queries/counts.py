"""Counts of whole products at locations, with what was counted in each place. One statement.

What was counted stands in the posting itself, since a place where nothing differed has no movement.
"""

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

import msgspec

from domain.ledger.history import CountedPlace, CountsAfter, CountSession, CountsWanted
from domain.ledger.reading import Found
from infra.db.pool import Database
from infra.ledger.queries.sql import Query, size_for, within

_STATEMENT = """
    SELECT h.position AS head, {total} AS total, i.*
    FROM ledger_heads h
    LEFT JOIN LATERAL (
        SELECT g.id, g.kind, p.id AS product_id, p.name AS product_name, p.sku, l.id AS location_id,
            l.name AS location_name, g.details ->> 'countedAt' AS counted_at,
            (g.details -> 'complete')::boolean AS complete, g.comment, g.actor, g.recorded_at, g.first_position,
            g.movement_count, c.lines
        FROM (
            SELECT x.* FROM postings x WHERE {where} {after}
            ORDER BY x.first_position DESC, x.id DESC LIMIT {size} {tail}
        ) g
        JOIN products p ON p.tenant_id = g.tenant_id AND p.id = (g.details ->> 'productMasterId')::uuid
        JOIN locations l ON l.tenant_id = g.tenant_id AND l.id = (g.details ->> 'locationId')::uuid
        CROSS JOIN LATERAL (
            SELECT jsonb_agg(
                y.line || jsonb_build_object('binCode', b.code, 'inventoryItemId', s.id) ORDER BY y.n
            ) AS lines
            FROM jsonb_array_elements(g.details -> 'lines') WITH ORDINALITY AS y(line, n)
            JOIN bins b ON b.tenant_id = g.tenant_id AND b.id = (y.line ->> 'binId')::uuid
            LEFT JOIN stock_lines s ON s.tenant_id = g.tenant_id AND s.product_id = p.id AND s.location_id = l.id
                AND s.bin_id = b.id AND s.lot_id = (y.line ->> 'lotId')::uuid
        ) c
    ) i ON true
    WHERE h.tenant_id = :tenant
    ORDER BY i.first_position DESC, i.id DESC
"""
_FILTERS = {
    "product": "x.details ->> 'productMasterId' = :product",
    "locations": "x.details ->> 'locationId' = ANY (:locations)",
}
_decoder = msgspec.json.Decoder(Sequence[CountedPlace])
_time: msgspec.json.Decoder[datetime] = msgspec.json.Decoder(datetime)


async def read_counts(database: Database, wanted: CountsWanted) -> Found[CountSession, CountsAfter]:
    """One statement."""
    locations = within(wanted.scope, wanted.location_id)
    values: dict[str, Any] = {
        "product": None if wanted.product_id is None else str(wanted.product_id),
        "locations": None if locations is None else [str(location) for location in locations],
    }
    filters = frozenset(name for name, value in values.items() if value is not None)
    values |= {"tenant": wanted.tenant_id, "offset": wanted.offset}
    if wanted.after is not None:
        values |= {"position": wanted.after.position, "id": wanted.after.id}
    query = _statement(filters, size_for(wanted.limit), wanted.after is not None)
    async with database.bound(wanted.tenant_id) as driver:
        rows = await query.fetch(driver, values)
    head, total = rows[0][:2]
    shown = [] if rows[0]["id"] is None else rows[: wanted.limit]
    last = shown[-1] if len(rows) > wanted.limit else None
    return Found(
        rows=[_session(row) for row in shown],
        position=head,
        total=total,
        after=None if last is None else CountsAfter(last["first_position"], last["id"]),
    )


@lru_cache(maxsize=128)
def _statement(filters: frozenset[str], size: int, is_continued: bool) -> Query:
    conditions = ["x.tenant_id = :tenant", "x.kind = 'COUNT'", "x.source_type = 'RECORD_STOCK'"]
    where = " AND ".join([*conditions, *(_FILTERS[name] for name in sorted(filters))])
    return Query(
        _STATEMENT,
        total="NULL::bigint" if is_continued else _TOTAL.format(where=where),
        where=where,
        after="AND (x.first_position, x.id) < (:position::bigint, :id::uuid)" if is_continued else "",
        size=str(size),
        tail="" if is_continued else "OFFSET :offset",
    )


_TOTAL = "(SELECT count(*) FROM postings x WHERE {where})"


def _session(row: Any) -> CountSession:
    counted_at = row["counted_at"]
    return CountSession(
        id=row["id"],
        transaction_type=row["kind"],
        product_master_id=row["product_id"],
        product_name=row["product_name"],
        global_sku=row["sku"],
        location_id=row["location_id"],
        location_name=row["location_name"],
        counted_at=row["recorded_at"] if counted_at is None else _time.decode(msgspec.json.encode(counted_at)),
        complete=row["complete"],
        comment=row["comment"],
        actor=row["actor"],
        created_at=row["recorded_at"],
        ledger_position=row["first_position"] + row["movement_count"] - 1,
        lines=_decoder.decode(row["lines"]) if row["lines"] else (),
    )
