"""The list of adjustments: what corrected the books, newest first. One statement.

Transactions have an index by kind and position, so what else the ledger holds is not looked at. With filters all
adjustments are, or all movements of the line or product asked for.
"""

from functools import lru_cache
from typing import Any

import msgspec

from domain.ledger.history import AdjustmentEntry, AdjustmentsWanted
from domain.ledger.reading import ADJUSTING, Found
from infra.db.pool import Database
from infra.ledger.queries.movements import LOOKUPS, QUANTITIES
from infra.ledger.queries.sql import Query, into, size_for, within

_STATEMENT = """
    {matching}
    SELECT h.position AS head, {total} AS total, i.*
    FROM ledger_heads h
    LEFT JOIN LATERAL (
        SELECT m.posting_id, m.line_id, m.kind, {quantities}, m.reason_code_id, r.code AS reason_code,
            r.name AS reason_name, coalesce(m.comment, g.comment) AS comment, m.root_cause, g.actor, m.recorded_at,
            m.effective_at, m.position, m.product_id, p.name AS product_name, p.sku, m.location_id,
            l.name AS location_name, s.bin_id, b.name AS bin_name, s.lot_id, nullif(t.number, '') AS lot_number
        FROM ({page}) m
        {lookups}
    ) i ON true
    WHERE h.tenant_id = :tenant
    ORDER BY i.position DESC
"""
_entry = into(AdjustmentEntry, 2)

# As many transactions of each kind as entries are wanted, each with an entry or more: the newest are among them.
_PAGE = """
    SELECT m.* FROM unnest((SELECT :kinds::text[])) AS k(kind)
    CROSS JOIN LATERAL (
        SELECT x.first_position, x.first_position + x.movement_count - 1 AS last_position FROM postings x
        WHERE x.tenant_id = (SELECT :tenant::uuid) AND x.kind = k.kind AND x.movement_count > 0 {postings_after}
        ORDER BY x.first_position DESC LIMIT {reach}
    ) x
    CROSS JOIN LATERAL (
        SELECT * FROM movements m
        WHERE m.tenant_id = :tenant AND m.position BETWEEN x.first_position AND x.last_position {after} OFFSET 0
    ) m
    ORDER BY m.position DESC LIMIT {size} {tail}
"""
_TOTAL = """(
    SELECT coalesce(sum(c.movements), 0)::bigint FROM unnest((SELECT :kinds::text[])) AS k(kind)
    CROSS JOIN LATERAL (
        SELECT sum(x.movement_count) AS movements FROM postings x
        WHERE x.tenant_id = (SELECT :tenant::uuid) AND x.kind = k.kind
    ) c
)"""
_MATCHING = """
    WITH matching AS MATERIALIZED (SELECT m.position FROM {found} WHERE true {where})
"""
# From the adjustments to their movements, or, where these are few, the other way round.
_OF_POSTINGS = """
    postings x
    CROSS JOIN LATERAL (
        SELECT * FROM movements m WHERE m.tenant_id = :tenant
            AND m.position BETWEEN x.first_position AND x.first_position + x.movement_count - 1 OFFSET 0
    ) m
"""
_OF_MOVEMENTS = """
    movements m
    CROSS JOIN LATERAL (
        SELECT * FROM postings x WHERE x.tenant_id = :tenant AND x.id = m.posting_id OFFSET 0
    ) x
"""
_MATCHED_PAGE = """
    SELECT y.* FROM (
        SELECT m.position FROM matching m WHERE true {after} ORDER BY m.position DESC LIMIT {size} {tail}
    ) m
    CROSS JOIN LATERAL (
        SELECT * FROM movements y WHERE y.tenant_id = :tenant AND y.position = m.position OFFSET 0
    ) y
"""
_FILTERS = {
    "line": "m.line_id = :line",
    "product": "m.product_id = :product",
    "reason": "m.reason_code_id = :reason",
    "locations": "m.location_id = ANY (:locations)",
    "recorded_from": "x.recorded_at >= :recorded_from",
    "recorded_to": "x.recorded_at < :recorded_to",
}
_FEW = {"line", "product"}


class _Shape(msgspec.Struct, frozen=True):
    filters: frozenset[str]
    size: int
    starts: str


async def read_adjustments(database: Database, wanted: AdjustmentsWanted) -> Found[AdjustmentEntry, int]:
    """One statement."""
    values: dict[str, Any] = {
        "line": wanted.line_id,
        "product": wanted.product_id,
        "reason": wanted.reason_code_id,
        "locations": within(wanted.scope, wanted.location_id),
        "recorded_from": wanted.recorded_from,
        "recorded_to": wanted.recorded_to,
    }
    filters = frozenset(name for name, value in values.items() if value is not None)
    starts = "first" if wanted.after is None and not wanted.offset else "offset" if wanted.offset else "after"
    values |= {
        "tenant": wanted.tenant_id,
        "kinds": list(ADJUSTING),
        "after": wanted.after,
        "offset": wanted.offset,
    }
    query = _statement(_Shape(filters, size_for(wanted.limit), starts))
    async with database.bound(wanted.tenant_id) as driver:
        rows = await query.fetch(driver, values)
    head, total = rows[0][:2]
    shown = [] if rows[0]["position"] is None else rows[: wanted.limit]
    return Found(
        rows=[_entry(row) for row in shown],
        position=head,
        total=total,
        after=shown[-1]["position"] if len(rows) > wanted.limit else None,
    )


@lru_cache(maxsize=1024)
def _statement(shape: _Shape) -> Query:
    is_continued = shape.starts == "after"
    tail = "OFFSET (SELECT :offset::bigint)" if shape.starts == "offset" else ""
    after = "AND m.position < (SELECT :after::bigint)" if is_continued else ""
    base = "m" if shape.filters & _FEW else "x"
    where = f"AND {base}.tenant_id = :tenant AND x.kind = ANY (:kinds)" + "".join(
        f" AND {_FILTERS[name]}" for name in sorted(shape.filters)
    )
    found = _OF_MOVEMENTS if base == "m" else _OF_POSTINGS
    page = (_MATCHED_PAGE if shape.filters else _PAGE).format(
        after=after,
        postings_after="AND x.first_position < (SELECT :after::bigint)" if is_continued else "",
        size=shape.size,
        reach=f"(SELECT :offset::bigint) + {shape.size}" if tail else shape.size,
        tail=tail,
    )
    total = "(SELECT count(*) FROM matching)" if shape.filters else "NULL::bigint" if is_continued else _TOTAL
    return Query(
        _STATEMENT,
        matching=_MATCHING.format(found=found, where=where) if shape.filters else "",
        total=total,
        page=page,
        quantities=QUANTITIES,
        lookups=LOOKUPS,
    )
