"""The list of stock lines: one statement gives the page, the total and the ledger's position.

Two forms. *Keyed*, when all is asked for by id: the page is a keyset on an index, and the total of everything and
of locations is kept by the ledger (`stock_counts`), so nothing grows with the table; of a product, a bin, a lot or
what most lines are it is counted once, and carried in the cursor. *Matched*, for search, expiry, rare states and
other orders: what matches is found and counted first, then sorted, which costs what it finds.
"""

from functools import lru_cache
from typing import Any

import msgspec

from domain.ledger.reading import After, Basis, Found, InventoryItem, LineSort, LineStatus, LinesWanted
from infra.db.pool import Database
from infra.ledger.queries.sql import (
    AVAILABLE,
    EXPIRED,
    JOINS,
    LOOKUPS,
    NOT_FOR_SALE,
    OF_LINE,
    ON_HOLD,
    Query,
    into,
    like,
    needed,
    size_for,
    within,
)


class _Shape(msgspec.Struct, frozen=True):
    """What a statement depends on, and nothing of the values in it."""

    filters: frozenset[str]
    size: int
    sort: LineSort
    status: LineStatus | None
    basis: Basis | None
    """None: as it stands."""
    starts: str
    """`first`, `after` a line, or at an `offset`."""

    @property
    def is_matched(self) -> bool:
        return (
            self.sort.field != "id"
            or not (self.status is None or self.status in _COMMON)
            or bool(self.filters & {"search", "expiring"})
        )


async def read_lines(database: Database, wanted: LinesWanted) -> Found[InventoryItem, After]:
    """One statement."""
    values: dict[str, Any] = {
        "product": wanted.product_id,
        "lot": wanted.lot_id,
        "bin": wanted.bin_id,
        "locations": within(wanted.scope, wanted.location_id),
        "search": None if wanted.search is None else like(wanted.search),
        "expiring": wanted.expiring_before,
    }
    shape = _Shape(
        frozenset(name for name, value in values.items() if value is not None),
        size_for(wanted.limit),
        wanted.sort,
        wanted.status,
        wanted.basis if wanted.as_of else None,
        "after" if wanted.after else "offset" if wanted.offset else "first",
    )
    values |= {"tenant": wanted.tenant_id, "offset": wanted.offset, "as_of": wanted.as_of}
    if wanted.after:
        values |= {"after": wanted.after.id, "key": wanted.after.key}
    async with database.bound(wanted.tenant_id) as driver:
        rows = await _statement(shape).fetch(driver, values)
    return _found(wanted, rows)


def _found(wanted: LinesWanted, rows: list[Any]) -> Found[InventoryItem, After]:
    position, total = rows[0][:2]
    shown = [] if rows[0]["id"] is None else rows[: wanted.limit]
    last = shown[-1] if len(rows) > wanted.limit else None
    return Found(
        rows=[_item(row) for row in shown],
        position=position,
        total=total,
        after=None if last is None else After(last["id"], last.get("key")),
    )


_item = into(InventoryItem, 2)
"""Position and total come before the item's columns, the key of another order than the id's after them."""

_STATEMENT = """
    {matching}
    SELECT h.position, {total} AS total, i.*
    FROM ledger_heads h
    LEFT JOIN LATERAL (
        SELECT s.id, s.product_id, p.name AS product_name, p.sku, s.location_id, l.name AS location_name,
            trim_scale({on_hand})::text AS on_hand, {claims}, s.lot_id, nullif(t.number, '') AS lot_number,
            t.expires_on, s.bin_id, b.name AS bin_name, b.type AS bin_type, u.code AS uom,
            trim_scale(p.unit_cost)::text AS unit_cost,
            trim_scale(round({on_hand} * p.unit_cost, 4))::text AS value,
            s.counted_at, s.updated_at, s.version {key}
        FROM ({page}) s
        {of_line}
        CROSS JOIN LATERAL (
            SELECT x.code FROM uoms x WHERE x.tenant_id = :tenant AND x.id = p.uom_id OFFSET 0
        ) u
        {as_of}
    ) i ON true
    WHERE h.tenant_id = :tenant
    ORDER BY {order}
"""
_CLAIMS = f"""trim_scale(s.reserved)::text AS reserved, trim_scale({AVAILABLE})::text AS available,
            trim_scale({ON_HOLD})::text AS on_hold"""
_NO_CLAIMS = "NULL AS reserved, NULL AS available, NULL AS on_hold"

_AS_OF = {
    # What happened later is taken back, whenever it was recorded.
    Basis.EFFECTIVE: """
        CROSS JOIN LATERAL (
            SELECT s.on_hand - coalesce(sum(m.delta), 0) AS on_hand FROM movements m
            WHERE m.tenant_id = :tenant AND m.line_id = s.id
                AND m.effective_at > (SELECT :as_of::timestamptz)
        ) w
    """,
    # A line's movements are recorded in the order of its versions: the writer holds the line's lock.
    Basis.RECORDED: """
        CROSS JOIN LATERAL (
            SELECT coalesce((
                SELECT m.balance_after FROM movements m
                WHERE m.tenant_id = :tenant AND m.line_id = s.id
                    AND m.recorded_at <= (SELECT :as_of::timestamptz)
                ORDER BY m.line_version DESC LIMIT 1
            ), 0) AS on_hand
        ) w
    """,
}


@lru_cache(maxsize=4096)
def _statement(shape: _Shape) -> Query:
    down = "DESC" if shape.sort.is_down else ""
    return Query(
        _STATEMENT,
        **(_matched(shape) if shape.is_matched else _keyed(shape)),
        order=f"i.sort_key {down}, i.id {down}" if shape.is_matched else f"i.id {down}",
        of_line=OF_LINE,
        on_hand="w.on_hand" if shape.basis else "s.on_hand",
        claims=_NO_CLAIMS if shape.basis else _CLAIMS,
        as_of=_AS_OF[shape.basis] if shape.basis else "",
    )


_BY_ID = {
    "product": ("s.product_id = {}", "uuid"),
    "lot": ("s.lot_id = {}", "uuid"),
    "bin": ("s.bin_id = {}", "uuid"),
    "locations": ("s.location_id = ANY ({}::uuid[])", "uuid[]"),
}


def _by_id(filters: frozenset[str], *, hidden: bool) -> list[str]:
    """Conditions on a line's keys. `hidden` values are the same to the planner, whatever they are."""

    def value(name: str, kind: str) -> str:
        return f"(SELECT :{name}::{kind})" if hidden else f":{name}::{kind}"

    return [
        f"s.tenant_id = {value('tenant', 'uuid')}",
        *(condition.format(value(name, kind)) for name, (condition, kind) in _BY_ID.items() if name in filters),
    ]


_PAGE = """
    SELECT s.* FROM stock_lines s {lookups} WHERE {where} {after}
    ORDER BY s.id {down} LIMIT {size} {tail}
"""
# An index cannot give the lines of several locations in the order of their ids: a page of each is merged.
_PAGE_OF_LOCATIONS = """
    SELECT s.* FROM unnest((SELECT :locations::uuid[])) AS w(id)
    CROSS JOIN LATERAL (
        SELECT s.* FROM stock_lines s {lookups}
        WHERE s.tenant_id = (SELECT :tenant::uuid) AND s.location_id = w.id AND {status} {after}
        ORDER BY s.id {down} LIMIT {reach}
    ) s
    ORDER BY s.id {down} LIMIT {size} {tail}
"""
_KEPT_TOTAL = """(
    SELECT coalesce(sum(c.lines), 0)::bigint FROM stock_counts c WHERE c.tenant_id = :tenant {where}
)"""
_COUNTED_TOTAL = "(SELECT count(*) FROM stock_lines s {joins} WHERE {where})"


def _keyed(shape: _Shape) -> dict[str, str]:
    """The page by keyset on an index; what the ledger counts is not counted."""
    past, down = ("<", "DESC") if shape.sort.is_down else (">", "")
    status = _STATUSES[shape.status] if shape.status else "true"
    tail = "OFFSET (SELECT :offset::bigint)" if shape.starts == "offset" else ""
    template = _PAGE_OF_LOCATIONS if shape.filters == {"locations"} else _PAGE
    page = template.format(
        lookups=needed(LOOKUPS, status),
        where=" AND ".join([*_by_id(shape.filters, hidden=True), status]),
        status=status,
        after=f"AND s.id {past} (SELECT :after::uuid)" if shape.starts == "after" else "",
        down=down,
        size=shape.size,
        reach=f"(SELECT :offset::bigint) + {shape.size}" if tail else shape.size,
        tail=tail,
    )
    return {"matching": "", "page": page, "total": _keyed_total(shape, status), "key": ""}


def _keyed_total(shape: _Shape, status: str) -> str:
    if shape.filters <= {"locations"} and shape.status is None:
        at = "AND c.location_id = ANY ((SELECT :locations::uuid[])::uuid[])"
        return _KEPT_TOTAL.format(where=at if shape.filters else "")
    if shape.starts == "after":
        return "NULL::bigint"
    where = " AND ".join([*_by_id(shape.filters, hidden=True), status])
    return _COUNTED_TOTAL.format(joins=needed(JOINS, status), where=where)


_KEYS = {
    "id": ("s.id", "uuid"),
    "globalSku": ("p.sku", "text"),
    "productName": ("left(p.name, 80)", "text"),  # so that a cursor stays short
    "expiryDate": ("coalesce(t.expires_on, 'infinity')", "date"),
    "quantityOnHand": ("s.on_hand", "numeric"),
    "updatedAt": ("s.updated_at", "timestamptz"),
}
"""What each order sorts by (never null), and its type; cursors carry it as text."""

_STATUSES = {
    LineStatus.AVAILABLE: f"{AVAILABLE} > 0",
    # The first line is true whenever the second is, and what an index and its statistics can use.
    LineStatus.EXPIRED: f"""(t.expires_on <= (now() AT TIME ZONE 'UTC')::date OR t.status = 'EXPIRED')
        AND ({EXPIRED} OR t.status = 'EXPIRED')""",
    LineStatus.IN_STOCK: "s.on_hand > 0",
    LineStatus.ON_HOLD: f"(s.held > 0 OR {NOT_FOR_SALE})",
    LineStatus.OUT_OF_STOCK: "s.on_hand = 0",
    LineStatus.RECALLED: "t.status = 'RECALLED'",
    LineStatus.RESERVED: "s.reserved > 0",
}
_COMMON = {LineStatus.AVAILABLE, LineStatus.IN_STOCK}
"""What most lines are: a page is full long before the last line is looked at."""

# Row-level security lets no index serve a search within texts: the catalog is read through, the stock is not.
_SEARCH = """
    s.id IN (
        SELECT f.id FROM products x
        CROSS JOIN LATERAL (
            SELECT i.id FROM stock_lines i WHERE i.tenant_id = :tenant AND i.product_id = x.id OFFSET 0
        ) f
        WHERE x.tenant_id = :tenant AND (x.sku ILIKE :search OR x.name ILIKE :search OR x.barcode ILIKE :search)
        UNION ALL
        SELECT f.id FROM lots x
        CROSS JOIN LATERAL (
            SELECT i.id FROM stock_lines i WHERE i.tenant_id = :tenant AND i.lot_id = x.id OFFSET 0
        ) f
        WHERE x.tenant_id = :tenant AND x.number ILIKE :search
        UNION ALL
        SELECT f.id FROM bins x
        CROSS JOIN LATERAL (
            SELECT i.id FROM stock_lines i WHERE i.tenant_id = :tenant AND i.bin_id = x.id OFFSET 0
        ) f
        WHERE x.tenant_id = :tenant AND (x.code ILIKE :search OR x.name ILIKE :search)
    )
"""
_MATCHING = """
    WITH matching AS MATERIALIZED (
        SELECT s.id, {expression} AS key FROM stock_lines s {joins} WHERE {where}
    )
"""
_MATCHED_PAGE = """
    SELECT x.*, m.key FROM (
        SELECT m.id, m.key FROM matching m {after}
        ORDER BY m.key {down}, m.id {down} LIMIT {size} {tail}
    ) m
    CROSS JOIN LATERAL (SELECT * FROM stock_lines x WHERE x.tenant_id = :tenant AND x.id = m.id OFFSET 0) x
"""


def _matched(shape: _Shape) -> dict[str, str]:
    """What matches is found and counted, then its page is sorted out of it."""
    expression, kind = _KEYS[shape.sort.field]
    conditions = _by_id(shape.filters, hidden=False)
    if "search" in shape.filters:
        conditions.append(_SEARCH)
    if "expiring" in shape.filters:
        conditions.append("t.expires_on < :expiring")
    if shape.status is not None:
        conditions.append(_STATUSES[shape.status])
    where = " AND ".join(conditions)
    past, down = ("<", "DESC") if shape.sort.is_down else (">", "")
    after = f"WHERE (m.key, m.id) {past} ((:key::text)::{kind}, :after::uuid)"
    return {
        "matching": _MATCHING.format(expression=expression, joins=needed(JOINS, where, expression), where=where),
        "page": _MATCHED_PAGE.format(
            after=after if shape.starts == "after" else "",
            down=down,
            size=shape.size,
            tail="OFFSET :offset" if shape.starts == "offset" else "",
        ),
        "total": "(SELECT count(*) FROM matching)",
        "key": ", s.key::text AS key, s.key AS sort_key",
    }
