"""The ledger itself, one line's history, and single postings. One statement each.

The page of movements comes first, by position on the index of what is asked for. What would have to be counted
over a long history is counted up to just beyond `COUNTED_MAX`; of everything the total is the position itself, and
of a line its version: neither has gaps.
"""

from functools import lru_cache
from typing import Any
from uuid import UUID

import msgspec

from domain.access.model import Scope
from domain.ledger.history import Movement, MovementsWanted, Transaction, TransactionMovement
from domain.ledger.reading import COUNTED_MAX, Found
from infra.db.pool import Database
from infra.ledger.queries.sql import Query, into, size_for, within

LOOKUPS = """
    CROSS JOIN LATERAL (
        SELECT x.bin_id, x.lot_id FROM stock_lines x WHERE x.tenant_id = :tenant AND x.id = m.line_id OFFSET 0
    ) s
    CROSS JOIN LATERAL (
        SELECT x.sku, x.name FROM products x WHERE x.tenant_id = :tenant AND x.id = m.product_id OFFSET 0
    ) p
    CROSS JOIN LATERAL (
        SELECT x.name FROM locations x WHERE x.tenant_id = :tenant AND x.id = m.location_id OFFSET 0
    ) l
    CROSS JOIN LATERAL (
        SELECT x.name FROM bins x WHERE x.tenant_id = :tenant AND x.id = s.bin_id OFFSET 0
    ) b
    CROSS JOIN LATERAL (
        SELECT x.number, x.expires_on FROM lots x WHERE x.tenant_id = :tenant AND x.id = s.lot_id OFFSET 0
    ) t
    LEFT JOIN LATERAL (
        SELECT x.code, x.name FROM reason_codes x WHERE x.tenant_id = :tenant AND x.id = m.reason_code_id OFFSET 0
    ) r ON true
    CROSS JOIN LATERAL (
        SELECT x.kind, x.actor, x.comment, x.source_type, x.source_id FROM postings x
        WHERE x.tenant_id = :tenant AND x.id = m.posting_id OFFSET 0
    ) g
"""
"""What a movement `m` was of: its line `s`, names, reason `r` and posting `g`, each by its full key."""

QUANTITIES = """trim_scale(m.delta)::text AS delta, trim_scale(m.balance_after - m.delta)::text AS before,
            trim_scale(m.balance_after)::text AS after"""

_STATEMENT = """
    {matching}
    SELECT h.position AS head, {total} AS total, i.*
    FROM ledger_heads h {of}
    LEFT JOIN LATERAL (
        SELECT m.position, m.posting_id, g.kind AS transaction_type, m.kind, m.line_id, m.product_id,
            p.name AS product_name, p.sku, m.location_id, l.name AS location_name, s.bin_id, b.name AS bin_name,
            s.lot_id, nullif(t.number, '') AS lot_number, {quantities}, m.reason_code_id, r.code AS reason_code,
            coalesce(m.comment, g.comment) AS comment, m.root_cause, g.actor, g.source_type, g.source_id,
            m.effective_at, m.recorded_at, m.line_version
        FROM ({page}) m
        {lookups}
    ) i ON true
    WHERE h.tenant_id = :tenant
    ORDER BY i.position {down}
"""
_movement = into(Movement, 2)

_HIDDEN = {
    "line": "m.line_id = (SELECT :line::uuid)",
    "product": "m.product_id = (SELECT :product::uuid)",
    "reason": "m.reason_code_id = (SELECT :reason::uuid)",
}
"""What an index serves in the order of positions, alone: the value is the same to the planner, whatever it is."""

# Positions follow the times of recording but for the moment between a posting's clock and its lock of the head.
# So the positions of a time are found by halving, with a margin that is far more than a statement may take.
_FIRST_AT = """(
    WITH RECURSIVE narrowed (a, b) AS (
        SELECT 0::bigint, (SELECT x.position + 1 FROM ledger_heads x WHERE x.tenant_id = :tenant)
        UNION ALL
        SELECT CASE WHEN x.recorded_at < {time} THEN n.middle ELSE n.a END,
            CASE WHEN x.recorded_at < {time} THEN n.b ELSE n.middle END
        FROM (SELECT a, b, (a + b) / 2 AS middle FROM narrowed WHERE b - a > 1) n
        CROSS JOIN LATERAL (
            SELECT y.recorded_at FROM movements y WHERE y.tenant_id = :tenant AND y.position = n.middle OFFSET 0
        ) x
    )
    SELECT b FROM narrowed WHERE b - a <= 1
)"""
_MARGIN = "interval '10 minutes'"

_SHOWN = {
    "line": "m.line_id = :line",
    "product": "m.product_id = :product",
    "reason": "m.reason_code_id = :reason",
    "locations": "m.location_id = ANY (:locations)",
    # A posting's movements have positions without gaps: its own row says which.
    "posting": """m.position BETWEEN
            (SELECT x.first_position FROM postings x WHERE x.tenant_id = :tenant AND x.id = :posting)
        AND (SELECT x.first_position + x.movement_count - 1 FROM postings x
            WHERE x.tenant_id = :tenant AND x.id = :posting)""",
    "kind": """EXISTS (
        SELECT FROM postings x WHERE x.tenant_id = m.tenant_id AND x.id = m.posting_id AND x.kind = :kind
    )""",
    # Nothing is recorded more than a minute before it happens.
    "effective_from": f"""m.effective_at >= :effective_from
        AND m.position >= {_FIRST_AT.format(time=f":effective_from::timestamptz - {_MARGIN}")}""",
    "effective_to": "m.effective_at < :effective_to",
    "recorded_from": f"""m.recorded_at >= :recorded_from
        AND m.position >= {_FIRST_AT.format(time=f":recorded_from::timestamptz - {_MARGIN}")}""",
    "recorded_to": f"""m.recorded_at < :recorded_to
        AND m.position < {_FIRST_AT.format(time=f":recorded_to::timestamptz + {_MARGIN}")}""",
}

_PAGE = """
    SELECT m.* FROM movements m WHERE m.tenant_id = {tenant} {where} {after}
    ORDER BY m.{order} {down} LIMIT {size}
"""
_PAGE_OF_LOCATIONS = """
    SELECT m.* FROM unnest((SELECT :locations::uuid[])) AS w(id)
    CROSS JOIN LATERAL (
        SELECT * FROM movements m
        WHERE m.tenant_id = (SELECT :tenant::uuid) AND m.location_id = w.id {after}
        ORDER BY m.position {down} LIMIT {size}
    ) m
    ORDER BY m.position {down} LIMIT {size}
"""
_PAGE_OF_KIND = """
    SELECT m.* FROM (
        SELECT x.first_position, x.first_position + x.movement_count - 1 AS last_position FROM postings x
        WHERE x.tenant_id = (SELECT :tenant::uuid) AND x.kind = (SELECT :kind::text) AND x.movement_count > 0
            {postings_after}
        ORDER BY x.first_position {down} LIMIT {size}
    ) x
    CROSS JOIN LATERAL (
        SELECT * FROM movements m
        WHERE m.tenant_id = :tenant AND m.position BETWEEN x.first_position AND x.last_position {after} OFFSET 0
    ) m
    ORDER BY m.position {down} LIMIT {size}
"""
_MATCHING = """
    WITH matching AS MATERIALIZED (SELECT m.position FROM movements m WHERE m.tenant_id = :tenant {where})
"""
_MATCHED_PAGE = """
    SELECT x.* FROM (
        SELECT m.position FROM matching m WHERE true {after} ORDER BY m.position {down} LIMIT {size}
    ) m
    CROSS JOIN LATERAL (
        SELECT * FROM movements x WHERE x.tenant_id = :tenant AND x.position = m.position OFFSET 0
    ) x
"""
_AFTER = "AND m.position {past} (SELECT :after::bigint)"
# A line's versions follow the positions of its movements, and an index has them.
_AFTER_OF_LINE = """AND m.line_version {past} (
    SELECT x.line_version FROM movements x WHERE x.tenant_id = :tenant AND x.position = :after
)"""
# The posting that the last movement shown is of may have others.
_POSTINGS_AFTER = """AND x.first_position {past}= (
    SELECT y.first_position FROM movements z
    JOIN postings y ON y.tenant_id = z.tenant_id AND y.id = z.posting_id
    WHERE z.tenant_id = :tenant AND z.position = :after
)"""
_COUNTED = """(
    SELECT count(*) FROM (SELECT 1 FROM movements m WHERE m.tenant_id = :tenant {where} LIMIT {most}) c
)"""
_COUNTED_OF_KIND = """(
    SELECT coalesce(sum(c.movement_count), 0)::bigint FROM (
        SELECT x.movement_count FROM postings x
        WHERE x.tenant_id = (SELECT :tenant::uuid) AND x.kind = (SELECT :kind::text) AND x.movement_count > 0
        ORDER BY x.first_position LIMIT {most}
    ) c
)"""


class _Shape(msgspec.Struct, frozen=True):
    """What a statement depends on, and nothing of the values in it."""

    filters: frozenset[str]
    size: int
    is_oldest_first: bool
    is_continued: bool

    @property
    def is_matched(self) -> bool:
        """A span of effective times lies anywhere in the order of positions: it is found by its own index."""
        return self.filters >= {"effective_from", "effective_to"}

    @property
    def is_capped(self) -> bool:
        return bool(self.filters) and not self.is_matched

    @property
    def where(self) -> str:
        return "".join(f" AND {_SHOWN[name]}" for name in sorted(self.filters))

    @property
    def past(self) -> str:
        return ">" if self.is_oldest_first else "<"

    @property
    def down(self) -> str:
        return "" if self.is_oldest_first else "DESC"


async def read_movements(database: Database, wanted: MovementsWanted) -> Found[Movement, int]:
    """One statement."""
    values: dict[str, Any] = {
        "line": wanted.line_id,
        "product": wanted.product_id,
        "reason": wanted.reason_code_id,
        "locations": within(wanted.scope, wanted.location_id),
        "posting": wanted.posting_id,
        "kind": wanted.kind,
        "effective_from": wanted.effective_from,
        "effective_to": wanted.effective_to,
        "recorded_from": wanted.recorded_from,
        "recorded_to": wanted.recorded_to,
    }
    filters = frozenset(name for name, value in values.items() if value is not None)
    shape = _Shape(filters, size_for(wanted.limit), wanted.is_oldest_first, wanted.after is not None)
    values |= {"tenant": wanted.tenant_id, "after": wanted.after}
    async with database.bound(wanted.tenant_id) as driver:
        rows = await _statement(shape).fetch(driver, values)
    found = _found(wanted, rows, "position")
    if shape.is_capped and found.total is not None and found.total > COUNTED_MAX:
        return msgspec.structs.replace(found, total=COUNTED_MAX, is_exact=False)
    return found


async def read_history(database: Database, wanted: MovementsWanted) -> Found[Movement, int] | None:
    """One statement."""
    assert wanted.line_id is not None
    values: dict[str, Any] = {
        "tenant": wanted.tenant_id,
        "line": wanted.line_id,
        "locations": within(wanted.scope, None),
        "after": wanted.after,
    }
    shape = _Shape(frozenset({"line"}), size_for(wanted.limit), wanted.is_oldest_first, wanted.after is not None)
    async with database.bound(wanted.tenant_id) as driver:
        rows = await _history(shape).fetch(driver, values)
    return _found(wanted, rows, "line_version") if rows else None


def _found(wanted: MovementsWanted, rows: list[Any], key: str) -> Found[Movement, int]:
    head, total = rows[0][:2]
    shown = [] if rows[0]["position"] is None else rows[: wanted.limit]
    return Found(
        rows=[_movement(row) for row in shown],
        position=head,
        total=total,
        after=shown[-1][key] if len(rows) > wanted.limit else None,
    )


@lru_cache(maxsize=4096)
def _statement(shape: _Shape) -> Query:
    matching = _MATCHING.format(where=shape.where) if shape.is_matched else ""
    return _query(shape, matching=matching, total=_total(shape), page=_page(shape), of="")


@lru_cache(maxsize=64)
def _history(shape: _Shape) -> Query:
    after = f"AND m.line_version {shape.past} (SELECT :after::bigint)"
    page = _PAGE.format(
        tenant="(SELECT :tenant::uuid)",
        where=f"AND {_HIDDEN['line']}",
        after=after if shape.is_continued else "",
        order="line_version",
        down=shape.down,
        size=shape.size,
    )
    return _query(shape, matching="", total="o.version", page=page, of=_OF)


# The line itself, where the caller may look; a line has as many movements as its version says.
_OF = """
    JOIN stock_lines o ON o.tenant_id = h.tenant_id AND o.id = :line
        AND (:locations::uuid[] IS NULL OR o.location_id = ANY (:locations))
"""


def _query(shape: _Shape, **pieces: str) -> Query:
    return Query(_STATEMENT, **pieces, down=shape.down, quantities=QUANTITIES, lookups=LOOKUPS)


def _page(shape: _Shape) -> str:
    (only,) = shape.filters if len(shape.filters) == 1 else (None,)
    hidden = (only is None and not shape.filters) or only in _HIDDEN
    of_line = "line" in shape.filters
    template = {"locations": _PAGE_OF_LOCATIONS, "kind": _PAGE_OF_KIND}.get(only or "", _PAGE)
    after = (_AFTER_OF_LINE if of_line and not shape.is_matched else _AFTER).format(past=shape.past)
    return (_MATCHED_PAGE if shape.is_matched else template).format(
        tenant="(SELECT :tenant::uuid)" if hidden else ":tenant",
        where=f"AND {_HIDDEN[only]}" if only in _HIDDEN else shape.where,
        after=after if shape.is_continued else "",
        postings_after=_POSTINGS_AFTER.format(past=shape.past) if shape.is_continued else "",
        order="line_version" if of_line else "position",
        down=shape.down,
        size=shape.size,
    )


def _total(shape: _Shape) -> str:
    if shape.is_matched:
        return "(SELECT count(*) FROM matching)"
    if not shape.filters:
        return "h.position"
    if shape.is_continued:
        return "NULL::bigint"
    template = _COUNTED_OF_KIND if shape.filters == {"kind"} else _COUNTED
    return template.format(where=shape.where, most=COUNTED_MAX + 1)


_TRANSACTION = Query(
    """
    SELECT h.position AS head, g.id, g.kind, g.source_type, g.source_id, g.comment, g.actor, g.actor_id,
        g.request_id, g.reverses_id, v.id AS reversed_by_id, g.details, g.recorded_at,
        g.first_position + g.movement_count - 1 AS last_position, g.movement_count, i.*
    FROM ledger_heads h
    JOIN postings g ON g.tenant_id = h.tenant_id AND g.id = :posting
    LEFT JOIN postings v ON v.tenant_id = g.tenant_id AND v.reverses_id = g.id
    LEFT JOIN LATERAL (
        SELECT m.position, m.line_id, m.kind AS movement_kind, m.product_id, p.name AS product_name, p.sku,
            m.location_id, l.name AS location_name, s.bin_id, b.name AS bin_name, s.lot_id,
            nullif(t.number, '') AS lot_number, t.expires_on, {quantities}, m.reason_code_id,
            r.code AS reason_code, m.comment AS movement_comment, m.root_cause, m.effective_at
        FROM (
            SELECT * FROM movements m
            WHERE m.tenant_id = :tenant
                AND m.position BETWEEN g.first_position AND g.first_position + g.movement_count - 1
                AND (:locations::uuid[] IS NULL OR m.location_id = ANY (:locations))
        ) m
        {lookups}
    ) i ON true
    WHERE h.tenant_id = :tenant
    ORDER BY i.position
    """,
    quantities=QUANTITIES,
    lookups=LOOKUPS,
)
_transaction_movement = into(TransactionMovement, 15)


async def read_transaction(
    database: Database, tenant_id: UUID, scope: Scope, posting_id: UUID
) -> Found[Transaction, None] | None:
    """One statement."""
    values = {"tenant": tenant_id, "posting": posting_id, "locations": within(scope, None)}
    async with database.bound(tenant_id) as driver:
        rows = await _TRANSACTION.fetch(driver, values)
    if not rows or (scope is not None and rows[0]["position"] is None):
        return None
    first = rows[0]
    movements = [_transaction_movement(row) for row in rows if row["position"] is not None]
    # What else its source tells may be about movements that the caller must not see.
    told = first["details"] if len(movements) == first["movement_count"] else None
    transaction = Transaction(
        id=first["id"],
        transaction_type=first["kind"],
        source_type=first["source_type"],
        source_id=first["source_id"],
        comment=first["comment"],
        actor=first["actor"],
        actor_id=first["actor_id"],
        request_id=first["request_id"],
        reverses_id=first["reverses_id"],
        reversed_by_id=first["reversed_by_id"],
        details=None if told is None else msgspec.Raw(told.encode()),
        created_at=first["recorded_at"],
        ledger_position=first["last_position"],
        movements=movements,
    )
    return Found(rows=[transaction], position=first["head"], total=len(movements))
