"""The list of expired stock and the list of destructions. One statement each.

Expired stock is found by the lots' expiry dates, oldest first, then lot by lot; what is expired where is for each
location's own date to decide. The totals are counted with the first page and carried in the cursor.
"""

from functools import lru_cache
from typing import Any
from uuid import UUID

import msgspec

from domain.access.model import Scope
from domain.expiry.destruction import Destruction
from domain.expiry.disposal import SOURCE
from domain.expiry.reading import (
    DestructionPage,
    DestructionsWanted,
    ExpiredAfter,
    ExpiredLine,
    ExpiredPage,
    ExpiredTotals,
    ExpiredWanted,
)
from infra.db.pool import Database
from infra.expiry.disposal import MARK_TYPE
from infra.expiry.rows import DESTRUCTION, destruction
from infra.ledger.queries.sql import Query, into, size_for, within

# Nowhere is it later than at UTC+14: no lot that expires after that day is past its expiry anywhere.
_LATEST = "(now() AT TIME ZONE 'UTC' + interval '14 hours')::date + :days::int"
_FOUND = """
    SELECT t.expires_on, s.id, s.product_id, s.location_id, s.bin_id, s.lot_id, s.on_hand, s.reserved, t.number,
        l.today
    FROM (
        SELECT x.id, x.product_id, x.expires_on, x.number FROM lots x
        WHERE x.tenant_id = :tenant AND x.expires_on < {latest} {of_lots}
        ORDER BY x.expires_on
    ) t
    CROSS JOIN LATERAL (
        SELECT * FROM stock_lines x
        WHERE x.tenant_id = :tenant AND x.lot_id = t.id AND x.on_hand > 0 {of_lines} OFFSET 0
    ) s
    CROSS JOIN LATERAL (
        SELECT (now() AT TIME ZONE x.time_zone)::date AS today FROM locations x
        WHERE x.tenant_id = :tenant AND x.id = s.location_id OFFSET 0
    ) l
    WHERE t.expires_on < l.today + :days::int
"""
_TOTALS = """(
    SELECT jsonb_build_array(count(*), coalesce(trim_scale(sum(f.on_hand)), 0),
        coalesce(trim_scale(round(sum(f.on_hand * p.unit_cost), 4)), 0))::text
    FROM ({found}) f
    CROSS JOIN LATERAL (
        SELECT x.unit_cost FROM products x WHERE x.tenant_id = :tenant AND x.id = f.product_id OFFSET 0
    ) p
)"""
_STATEMENT = """
    SELECT h.position, {totals} AS totals, i.*
    FROM ledger_heads h
    LEFT JOIN LATERAL (
        SELECT f.id, f.product_id, p.name AS product_name, p.sku, f.location_id, l.name AS location_name, f.bin_id,
            b.code AS bin_code, b.type AS bin_type, f.lot_id, nullif(f.number, '') AS lot_number, f.expires_on,
            f.expires_on - f.today AS days_left, f.expires_on < f.today AS expired,
            trim_scale(f.on_hand)::text AS on_hand, trim_scale(f.reserved)::text AS reserved,
            trim_scale(least(f.on_hand, m.marked))::text AS marked, trim_scale(p.unit_cost)::text AS unit_cost,
            trim_scale(round(f.on_hand * p.unit_cost, 4))::text AS value
        FROM ({found} {after} ORDER BY t.expires_on, s.id LIMIT {size}) f
        CROSS JOIN LATERAL (
            SELECT x.sku, x.name, x.unit_cost FROM products x
            WHERE x.tenant_id = :tenant AND x.id = f.product_id OFFSET 0
        ) p
        CROSS JOIN LATERAL (
            SELECT x.name FROM locations x WHERE x.tenant_id = :tenant AND x.id = f.location_id OFFSET 0
        ) l
        CROSS JOIN LATERAL (
            SELECT x.code, x.type FROM bins x WHERE x.tenant_id = :tenant AND x.id = f.bin_id OFFSET 0
        ) b
        CROSS JOIN LATERAL (
            SELECT coalesce(sum(coalesce(x.quantity - x.released, f.on_hand)), 0) AS marked FROM holds x
            WHERE x.tenant_id = :tenant AND x.line_id = f.id AND x.state = 'ACTIVE' AND x.scope = 'LINE'
                AND x.type = '{mark}' AND x.reason = '{source}'
        ) m
    ) i ON true
    WHERE h.tenant_id = :tenant
    ORDER BY i.expires_on, i.id
"""
_AFTER = "AND (t.expires_on, s.id) > (:after_day::date, :after::uuid)"
# So that the lots before it are not even looked at.
_LOTS_AFTER = "AND x.expires_on >= :after_day::date"
_FILTERS = {"product": "AND x.product_id = :product", "locations": "AND x.location_id = ANY (:locations)"}

_line = into(ExpiredLine, 2)
_totals = msgspec.json.Decoder(ExpiredTotals)


class SqlExpiredReader:
    """The `ExpiredReader` port."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def expired(self, wanted: ExpiredWanted) -> ExpiredPage:
        after = wanted.after
        values: dict[str, Any] = {
            "product": wanted.product_id,
            "locations": within(wanted.scope, wanted.location_id),
        }
        filters = frozenset(name for name, value in values.items() if value is not None)
        values |= {
            "tenant": wanted.tenant_id,
            # The last usable day counts as near the expiry, not as past it.
            "days": 0 if wanted.within_days is None else wanted.within_days + 1,
            "after": after and after.id,
            "after_day": after and after.expires_on,
        }
        query = _expired(filters, size_for(wanted.limit), is_continued=after is not None)
        async with self._database.bound(wanted.tenant_id) as driver:
            rows = await query.fetch(driver, values)
        shown = [] if rows[0]["id"] is None else rows[: wanted.limit]
        last = shown[-1] if len(rows) > wanted.limit else None
        return ExpiredPage(
            rows=[_line(row) for row in shown],
            position=rows[0]["position"],
            totals=None if rows[0]["totals"] is None else _totals.decode(rows[0]["totals"]),
            after=None if last is None else ExpiredAfter(last["expires_on"], last["id"]),
        )

    async def destructions(self, wanted: DestructionsWanted) -> DestructionPage:
        values: dict[str, Any] = {
            "locations": within(wanted.scope, wanted.location_id),
            "state": wanted.state,
            "after": wanted.after,
        }
        filters = frozenset(name for name, value in values.items() if value is not None)
        query = _destructions(filters, size_for(wanted.limit))
        async with self._database.bound(wanted.tenant_id) as driver:
            rows = await query.fetch(driver, {"tenant": wanted.tenant_id, **values})
        shown = [destruction(row) for row in rows[: wanted.limit]]
        return DestructionPage(rows=shown, after=shown[-1].id if len(rows) > wanted.limit else None)

    async def destruction(self, tenant_id: UUID, scope: Scope, destruction_id: UUID) -> Destruction | None:
        async with self._database.bound(tenant_id) as driver:
            row = await driver.fetchrow(_ONE, tenant_id, destruction_id, within(scope, None))
        return None if row is None else destruction(row)


@lru_cache(maxsize=64)
def _expired(filters: frozenset[str], size: int, *, is_continued: bool) -> Query:
    of_product = _FILTERS["product"] if "product" in filters else ""
    of_lines = _FILTERS["locations"] if "locations" in filters else ""
    page = _FOUND.format(
        latest=_LATEST, of_lots=f"{of_product} {_LOTS_AFTER if is_continued else ''}", of_lines=of_lines
    )
    totals = _TOTALS.format(found=_FOUND.format(latest=_LATEST, of_lots=of_product, of_lines=of_lines))
    return Query(
        _STATEMENT,
        totals="NULL::text" if is_continued else totals,
        found=page,
        after=_AFTER if is_continued else "",
        size=str(size),
        mark=MARK_TYPE,
        source=SOURCE,
    )


_ONE = f"""{DESTRUCTION}
    WHERE d.tenant_id = $1 AND d.id = $2 AND ($3::uuid[] IS NULL OR d.location_id = ANY ($3))
"""
_PAGE = """
    SELECT d.*, l.name AS location_name FROM (
        SELECT d.* FROM destructions d WHERE d.tenant_id = :tenant {where} ORDER BY d.id DESC LIMIT {size}
    ) d
    CROSS JOIN LATERAL (
        SELECT x.name FROM locations x WHERE x.tenant_id = :tenant AND x.id = d.location_id OFFSET 0
    ) l
    ORDER BY d.id DESC
"""
_OF_DESTRUCTIONS = {
    "locations": "AND d.location_id = ANY (:locations)",
    "state": "AND d.state = :state",
    "after": "AND d.id < :after",
}


@lru_cache(maxsize=64)
def _destructions(filters: frozenset[str], size: int) -> Query:
    where = " ".join(_OF_DESTRUCTIONS[name] for name in sorted(filters))
    return Query(_PAGE, where=where, size=str(size))
