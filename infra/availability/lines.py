"""The availability of stock lines: what each can give, and the documents behind what it cannot."""

from collections.abc import Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Any
from uuid import UUID

import msgspec

from domain.access.model import Scope
from domain.availability.claims import Place
from domain.availability.lines import (
    AvailabilityRecord,
    AvailableLine,
    Behind,
    LinesFound,
    LinesWanted,
    LineTerms,
    LineTotals,
    PlaceSummary,
    Settings,
)
from domain.values import new_id
from infra.db.pool import Database, Driver
from infra.db.work import SqlWork, encoded
from infra.ledger.queries.sql import AVAILABLE, EXPIRED, LOOKUPS, NOT_FOR_SALE, ON_HOLD, Query, into, within

# A claim that has run out by the clock claims nothing, swept or not.
CLAIMS = """
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(c.quantity), 0) AS reserved,
            coalesce(sum(c.quantity) FILTER (WHERE r.kind = 'HARD'), 0) AS picked
        FROM reservation_lines c JOIN reservations r ON r.tenant_id = c.tenant_id AND r.id = c.reservation_id
        WHERE s.reserved > 0 AND c.tenant_id = :tenant AND c.line_id = s.id
            AND (r.expires_at IS NULL OR r.expires_at > now())
    ) q
"""
GIVES = AVAILABLE.replace("s.reserved", "q.reserved")
RECALLED = "t.status = 'RECALLED'"
GONE = f"({EXPIRED} OR t.status = 'EXPIRED')"
IS_HELD = f"({NOT_FOR_SALE} OR s.held >= s.on_hand)"
OF_LINE = "".join(LOOKUPS[alias] for alias in ("l.", "b.", "t.")) + CLAIMS

_PLACES = {
    "locations": "k.location_id = ANY (:locations)",
    "product": "k.product_id = :product",
    "lot": """k.product_id = (SELECT x.product_id FROM lots x WHERE x.tenant_id = :tenant AND x.id = :lot)
        AND EXISTS (SELECT FROM stock_lines x WHERE x.tenant_id = :tenant AND x.product_id = k.product_id
            AND x.location_id = k.location_id AND x.lot_id = :lot)""",
    "bin": """k.location_id = (SELECT x.location_id FROM bins x WHERE x.tenant_id = :tenant AND x.id = :bin)
        AND EXISTS (SELECT FROM stock_lines x WHERE x.tenant_id = :tenant AND x.product_id = k.product_id
            AND x.location_id = k.location_id AND x.bin_id = :bin)""",
    "after": "(k.product_id, k.location_id) > (:after_product, :after_location)",
}
_OF_PLACES = {"lot": "s.lot_id = :lot", "bin": "s.bin_id = :bin"}
_LINES = """
    FROM places k
    CROSS JOIN LATERAL (
        SELECT * FROM stock_lines x
        WHERE x.tenant_id = :tenant AND x.product_id = k.product_id AND x.location_id = k.location_id
            AND x.on_hand > 0 OFFSET 0
    ) s
    {of_line}
    WHERE k.n <= {limit} {where}
"""
_WITH_PLACES = """
    WITH places AS MATERIALIZED (
        SELECT k.product_id, k.location_id, row_number() OVER (ORDER BY k.product_id, k.location_id) AS n
        FROM stock_totals k
        WHERE k.tenant_id = :tenant AND k.on_hand > 0 {places}
        ORDER BY k.product_id, k.location_id {page}
    )
"""
_COLUMNS = """
    s.id, s.product_id, s.location_id, s.lot_id, nullif(t.number, '') AS lot_number, t.expires_on, s.bin_id,
    b.code AS bin_code, trim_scale(s.on_hand)::text AS on_hand, trim_scale({gives})::text AS available,
    trim_scale({held})::text AS held, trim_scale(q.picked)::text AS picked,
    trim_scale(q.reserved)::text AS reserved,
    trim_scale(CASE WHEN {recalled} THEN s.on_hand ELSE 0 END)::text AS recalled,
    trim_scale(CASE WHEN {gone} THEN s.on_hand ELSE 0 END)::text AS expired,
    CASE WHEN {recalled} THEN 'RECALLED' WHEN {gone} THEN 'EXPIRED' WHEN t.status <> 'ACTIVE' THEN 'INACTIVE'
        WHEN {is_held} THEN 'ON_HOLD' WHEN {gives} = 0 THEN 'RESERVED' ELSE 'AVAILABLE' END AS status
"""
_SUMS = """
    trim_scale(coalesce(sum(s.on_hand), 0))::text, trim_scale(coalesce(sum({gives}), 0))::text,
    trim_scale(coalesce(sum({held}), 0))::text, trim_scale(coalesce(sum(q.picked), 0))::text,
    {reserved}
    trim_scale(coalesce(sum(s.on_hand) FILTER (WHERE {recalled}), 0))::text,
    trim_scale(coalesce(sum(s.on_hand) FILTER (WHERE {gone}), 0))::text
"""
_PIECES = {"gives": GIVES, "held": ON_HOLD, "recalled": RECALLED, "gone": GONE, "is_held": IS_HELD}
# The last place that is shown, if there are more: places whose lines are all left out count, too.
_PAGE = """
    {with_places}
    SELECT h.position, i.*, e.product_id AS last_product, e.location_id AS last_location
    FROM ledger_heads h
    LEFT JOIN places e ON e.n = {limit} AND EXISTS (SELECT FROM places x WHERE x.n > {limit})
    LEFT JOIN LATERAL (
        SELECT {columns}, row_number() OVER (
            ORDER BY s.product_id, s.location_id, t.expires_on NULLS LAST, s.created_at, s.id) AS n
        {lines}
    ) i ON true
    WHERE h.tenant_id = :tenant ORDER BY i.n
"""
_TOTALS = "{with_places} SELECT count(*), {sums} {lines}"
_SUMMARY = """
    {with_places}
    SELECT h.position, i.*, e.product_id AS last_product, e.location_id AS last_location
    FROM ledger_heads h
    LEFT JOIN places e ON e.n = {limit} AND EXISTS (SELECT FROM places x WHERE x.n > {limit})
    LEFT JOIN LATERAL (
        SELECT k.product_id, k.location_id, count(*), {sums} {lines} GROUP BY k.product_id, k.location_id
    ) i ON true
    WHERE h.tenant_id = :tenant ORDER BY i.product_id, i.location_id
"""
_LINE = """
    SELECT h.position, {columns}, s.on_hand - m.moved AS drift, trim_scale(m.moved) AS moved,
        trim_scale(c.claimed) AS claimed, trim_scale(s.reserved - c.lapsed) AS claims_kept, d.behind
    FROM stock_lines s
    {of_line}
    CROSS JOIN (SELECT position FROM ledger_heads WHERE tenant_id = :tenant) h
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(x.delta), 0) AS moved FROM movements x WHERE x.tenant_id = :tenant AND x.line_id = s.id
    ) m
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(x.quantity) FILTER (WHERE r.expires_at <= now()), 0) AS lapsed,
            coalesce(sum(x.quantity) FILTER (WHERE (r.expires_at <= now()) IS NOT TRUE), 0) AS claimed
        FROM reservation_lines x JOIN reservations r ON r.tenant_id = x.tenant_id AND r.id = x.reservation_id
        WHERE x.tenant_id = :tenant AND x.line_id = s.id
    ) c
    CROSS JOIN LATERAL (
        SELECT coalesce(jsonb_agg(jsonb_build_object('type', o.type, 'id', o.id, 'kind', o.kind,
            'quantity', o.quantity, 'sourceType', o.source_type, 'sourceId', o.source_id, 'reference', o.reference,
            'actor', o.actor, 'createdAt', o.created_at, 'until', o.until)
            ORDER BY o.created_at, o.id), '[]') AS behind
        FROM (
            SELECT 'RESERVATION' AS type, r.id, r.kind, trim_scale(x.quantity) AS quantity, r.source_type,
                r.source_id, r.external_ref AS reference, r.actor, r.created_at, r.expires_at AS until
            FROM reservation_lines x JOIN reservations r ON r.tenant_id = x.tenant_id AND r.id = x.reservation_id
            WHERE x.tenant_id = :tenant AND x.line_id = s.id AND (r.expires_at IS NULL OR r.expires_at > now())
            UNION ALL
            SELECT 'HOLD', o.id, o.type, trim_scale(o.quantity - o.released), o.scope, NULL, o.reason, o.actor,
                o.created_at, o.expected_until::timestamptz
            FROM holds o
            WHERE o.tenant_id = :tenant AND o.state = 'ACTIVE' AND (
                (o.scope = 'LINE' AND o.line_id = s.id) OR (o.scope = 'LOT' AND o.lot_id = s.lot_id)
                OR (o.scope = 'BIN' AND o.bin_id = s.bin_id)
                OR (o.scope = 'PRODUCT' AND o.product_id = s.product_id AND o.location_id = s.location_id))
        ) o
    ) d
    WHERE s.tenant_id = :tenant AND s.id = :line
"""
KEEP = """
    INSERT INTO availability_records
        (tenant_id, id, line_id, product_id, location_id, position, terms, drift, note, actor_id, actor)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) RETURNING created_at
"""
SET_LEVELS = """
    INSERT INTO stock_levels AS x (tenant_id, product_id, location_id, safety_stock, available_from)
    VALUES ($1, $2, $3, coalesce($4, 0), $5)
    ON CONFLICT (tenant_id, product_id, location_id) DO UPDATE
    SET safety_stock = coalesce($4, x.safety_stock), available_from = coalesce($5, x.available_from),
        version = x.version + 1, updated_at = now()
"""

_line = into(AvailableLine, 1)
_totals = into(LineTotals, 0)
_summary = into(PlaceSummary, 1)
_behind = msgspec.json.Decoder(list[Behind], float_hook=Decimal)
_COLUMNS_OF_LINE = _COLUMNS.format(**_PIECES)
_QUERY = Query(_LINE, columns=_COLUMNS_OF_LINE, of_line=OF_LINE)


@lru_cache(maxsize=1024)
def _query(text: str, filters: frozenset[str], limit: int | None) -> Query:
    places = "".join(f" AND {sql}" for name, sql in _PLACES.items() if name in filters)
    shown = [sql for name, sql in _OF_PLACES.items() if name in filters]
    left_out = {"expired": GONE, "recalled": RECALLED, "on_hold": IS_HELD}
    shown += [f"NOT {sql}" for name, sql in left_out.items() if name not in filters]
    last = 2**31 if limit is None else limit
    return Query(
        text,
        with_places=_WITH_PLACES.format(places=places, page="" if limit is None else f"LIMIT {limit + 1}"),
        columns=_COLUMNS_OF_LINE,
        sums=_SUMS.format(
            reserved="trim_scale(coalesce(sum(q.reserved), 0))::text," if text is _SUMMARY else "", **_PIECES
        ),
        lines=_LINES.format(of_line=OF_LINE, limit=last, where="".join(f" AND {sql}" for sql in shown)),
        limit=str(last),
    )


class SqlAvailabilityLines:
    """The `AvailabilityLines` port."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def lines(self, wanted: LinesWanted) -> LinesFound:
        filters, values = _asked(wanted)
        async with self._database.bound(wanted.tenant_id) as driver:
            rows = await _query(_PAGE, filters, wanted.limit).fetch(driver, values)
            totals = None
            if wanted.with_totals:
                totals = _totals(await _query(_TOTALS, filters - {"after"}, None).fetch_row(driver, values))
        shown = [] if rows[0]["id"] is None else [_line(row) for row in rows]
        return LinesFound(position=rows[0]["position"], lines=shown, after=_last(rows[0]), totals=totals)

    async def summary(self, wanted: LinesWanted) -> tuple[int, list[PlaceSummary], Place | None]:
        filters, values = _asked(wanted)
        async with self._database.bound(wanted.tenant_id) as driver:
            rows = await _query(_SUMMARY, filters, wanted.limit).fetch(driver, values)
        shown = [] if rows[0]["product_id"] is None else [_summary(row) for row in rows]
        return rows[0]["position"], shown, _last(rows[0])

    async def terms(self, tenant_id: UUID, line_id: UUID, scope: Scope) -> LineTerms | None:
        async with self._database.bound(tenant_id) as driver:
            found = await _terms(driver, tenant_id, line_id)
        return None if found is None or (scope is not None and found.line.location_id not in scope) else found


class RecordSqlWork(SqlWork):
    """The `RecordWork` port."""

    async def verified(self, line_id: UUID) -> LineTerms | None:
        return await _terms(self.driver, self.act.tenant_id, line_id)

    async def keep(self, terms: LineTerms, note: str | None) -> AvailabilityRecord:
        caller, line, id_ = self.act.caller, terms.line, new_id()
        told: dict[str, Any] = msgspec.to_builtins(line, builtin_types=(Decimal, UUID)) | {
            "expectedOnHand": terms.expected_on_hand,
            "expectedReserved": terms.expected_reserved,
        }
        created_at = await self.driver.fetchval(
            KEEP,
            self.act.tenant_id,
            id_,
            line.id,
            line.product_master_id,
            line.location_id,
            terms.position,
            encoded(told),
            terms.drift,
            note,
            caller.principal_id,
            caller.actor,
        )
        return AvailabilityRecord(
            id=id_,
            position=terms.position,
            terms=told,
            drift=terms.drift,
            note=note,
            actor=caller.actor,
            created_at=created_at,
        )

    async def set_levels(self, place: Place, settings: Settings) -> None:
        await self.driver.execute(
            SET_LEVELS, self.act.tenant_id, *place, settings.safety_stock, settings.available_from
        )


async def _terms(driver: Driver, tenant_id: UUID, line_id: UUID) -> LineTerms | None:
    row = await _QUERY.fetch_row(driver, {"tenant": tenant_id, "line": line_id})
    if row is None:
        return None
    return LineTerms(
        position=row["position"],
        line=msgspec.structs.replace(_line(row), qty_reserved=row["claims_kept"]),
        behind=_behind.decode(row["behind"]),
        expected_on_hand=row["moved"],
        expected_reserved=row["claimed"],
        drift=row["drift"],
    )


def _last(row: Any) -> Place | None:
    return None if row["last_product"] is None else (row["last_product"], row["last_location"])


def _asked(wanted: LinesWanted) -> tuple[frozenset[str], Mapping[str, Any]]:
    values: dict[str, Any] = {
        "locations": within(wanted.scope, wanted.location_id),
        "product": wanted.product_id,
        "lot": wanted.lot_id,
        "bin": wanted.bin_id,
        "after": wanted.after,
        "expired": wanted.with_expired or None,
        "recalled": wanted.with_recalled or None,
        "on_hold": wanted.with_on_hold or None,
    }
    filters = frozenset(name for name, value in values.items() if value is not None)
    values["tenant"] = wanted.tenant_id
    if wanted.after:
        values["after_product"], values["after_location"] = wanted.after
    return filters, values
