"""What went out, and when it was counted: one statement for all products of a place; and runs that were kept.

The movements of the period are found by the index on when they took effect and added up before anything is joined
to them. A reversal counts as what it takes back, however often that was reversed: a line that goes out is one hit,
and one that comes back takes it away.
"""

from decimal import Decimal
from functools import lru_cache
from typing import Any
from uuid import UUID

import msgspec

from domain.access.model import Scope
from domain.catalog.model import AbcClass
from domain.counting.abc import Classified, Measure
from domain.counting.planning import Figures, PlanWanted, RunHead, Standing, StoredFigures
from domain.errors import not_found
from domain.ledger.figures import AnalyticsWanted, Frame, Period
from infra.db.pool import Database
from infra.ledger.queries.analytics import SqlAnalyticsReads
from infra.ledger.queries.sql import Query, within

# When something was issued or consumed last: what else moved since says nothing about demand.
_LATEST = """
    SELECT (max(greatest(
        (
            SELECT m.effective_at FROM movements m
            WHERE m.tenant_id = :tenant AND m.location_id = l.id AND m.kind = 'ISSUE'
            ORDER BY m.effective_at DESC LIMIT 1
        ), (
            SELECT m.effective_at FROM movements m
            WHERE m.tenant_id = :tenant AND m.location_id = l.id AND m.kind = 'CONSUMPTION'
            ORDER BY m.effective_at DESC LIMIT 1
        )
    )) AT TIME ZONE :zone::text)::date AS day
    FROM locations l WHERE l.tenant_id = :tenant AND (:locations::uuid[] IS NULL OR l.id = ANY (:locations))
"""
_MOVED = """
    WITH RECURSIVE moved AS MATERIALIZED (
        SELECT m.product_id, CASE WHEN m.kind = 'REVERSAL' THEN m.posting_id END AS posting_id,
            -sum(m.delta) AS quantity,
            count(*) FILTER (WHERE m.delta < 0) - count(*) FILTER (WHERE m.delta > 0) AS hits
        FROM movements m
        WHERE m.tenant_id = :tenant
            AND m.effective_at >= (:from_day::date::timestamp AT TIME ZONE :zone::text)
            AND m.effective_at < ((:to_day::date + 1)::timestamp AT TIME ZONE :zone::text)
            AND m.kind IN ('CONSUMPTION', 'ISSUE', 'REVERSAL') {at_m}
        GROUP BY 1, 2
    ), undone AS (
        SELECT g.id, g.reverses_id
        FROM (SELECT DISTINCT posting_id FROM moved WHERE posting_id IS NOT NULL) v
        JOIN postings g ON g.tenant_id = :tenant AND g.id = v.posting_id
        UNION
        SELECT u.id, g.reverses_id FROM undone u
        JOIN postings g ON g.tenant_id = :tenant AND g.id = u.reverses_id
        WHERE g.kind = 'REVERSAL'
    ), used AS (
        SELECT v.product_id, sum(v.quantity) AS quantity, sum(v.hits) AS hits FROM moved v
        WHERE v.posting_id IS NULL OR v.posting_id IN (
            SELECT u.id FROM undone u JOIN postings g ON g.tenant_id = :tenant AND g.id = u.reverses_id
            WHERE g.kind IN ('CONSUMPTION', 'ISSUE')
        )
        GROUP BY v.product_id
    )
"""
_COUNTED = """
    counted AS (
        SELECT s.product_id, count(*)::int AS lines, max(s.counted_at) AS last_counted_at,
            (min(coalesce(s.counted_at, s.created_at)) AT TIME ZONE :zone::text)::date AS oldest_day
        FROM stock_lines s WHERE s.tenant_id = :tenant AND s.on_hand > 0 {at_s} GROUP BY s.product_id
    ), busy AS (
        SELECT DISTINCT s.product_id FROM cycle_count_lines s WHERE s.tenant_id = :tenant AND s.is_open {at_s}
    )
"""
_AMOUNTS = {
    Measure.VALUE: "round(coalesce(u.quantity, 0) * p.unit_cost, 4)",
    Measure.QUANTITY: "coalesce(u.quantity, 0)",
    Measure.VELOCITY: "coalesce(u.hits, 0)",
}
_FIGURES = """
    SELECT h.position, x.* FROM ledger_heads h LEFT JOIN (
        SELECT p.id, p.sku, p.name, trim_scale({amount})::text AS amount, {override} AS override,
            coalesce(c.lines, 0) AS lines, c.last_counted_at,
            c.oldest_day, b.product_id IS NOT NULL AS is_being_counted
        FROM used u FULL JOIN counted c ON c.product_id = u.product_id
        JOIN products p ON p.tenant_id = :tenant AND p.id = coalesce(u.product_id, c.product_id)
        LEFT JOIN busy b ON b.product_id = p.id
        {levels}
    ) x ON true
    WHERE h.tenant_id = :tenant
"""
_LEVELS = """
    LEFT JOIN stock_levels v ON v.tenant_id = :tenant AND v.location_id = :location AND v.product_id = p.id
        AND v.abc_class IS NOT NULL
"""
_HEAD = """
    SELECT r.id, r.location_id, r.measure, r.from_day, r.to_day, trim_scale(r.threshold_a)::text AS threshold_a,
        trim_scale(r.threshold_b)::text AS threshold_b, trim_scale(r.total)::text AS total, r.products, r.position,
        r.actor, r.created_at
"""
_RUNS = f"""
    {_HEAD} FROM abc_runs r
    WHERE r.tenant_id = :tenant AND (:locations::uuid[] IS NULL OR r.location_id = ANY (:locations))
        AND (:after::uuid IS NULL OR r.id < :after) ORDER BY r.id DESC LIMIT {{limit}}
"""
_RUN = f"""
    {_HEAD}, h.position AS now, l.time_zone, (now() AT TIME ZONE l.time_zone)::date AS today
    FROM ledger_heads h JOIN abc_runs r ON r.tenant_id = h.tenant_id AND r.id = :run
    JOIN locations l ON l.tenant_id = r.tenant_id AND l.id = r.location_id
    WHERE h.tenant_id = :tenant AND (:locations::uuid[] IS NULL OR r.location_id = ANY (:locations))
"""
_LINES = f"""
    WITH {_COUNTED.replace("{at_s}", "AND s.location_id = :location")}
    SELECT p.id, p.sku, p.name, trim_scale(n.amount)::text AS amount, NULL AS override,
        coalesce(c.lines, 0) AS lines, c.last_counted_at,
            c.oldest_day, b.product_id IS NOT NULL AS is_being_counted, n.rank, n.abc_class, n.computed_class,
        n.is_overridden,
        trim_scale(n.share)::text AS share, trim_scale(n.cumulative_share)::text AS cumulative_share
    FROM abc_run_lines n
    JOIN products p ON p.tenant_id = n.tenant_id AND p.id = n.product_id
    LEFT JOIN counted c ON c.product_id = n.product_id
    LEFT JOIN busy b ON b.product_id = n.product_id
    WHERE n.tenant_id = :tenant AND n.run_id = :run ORDER BY n.rank
"""  # noqa: S608 - the pieces are this module's own
_latest = Query(_LATEST)
_run = Query(_RUN)
_lines = Query(_LINES)


class SqlPlanReads:
    """The `PlanReads` port over one process's pool."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._frames = SqlAnalyticsReads(database)

    async def frame(self, wanted: AnalyticsWanted) -> Frame:
        frame = await self._frames.frame(wanted)
        locations = within(wanted.scope, wanted.location_id)
        values = {"tenant": wanted.tenant_id, "locations": locations, "zone": frame.time_zone}
        async with self._database.bound(wanted.tenant_id) as driver:
            row = await _latest.fetch_row(driver, values)
        return msgspec.structs.replace(frame, latest_day=row["day"])

    async def figures(self, wanted: PlanWanted, frame: Frame, period: Period) -> Figures:
        locations = within(wanted.scope, wanted.location_id)
        values = {
            "tenant": wanted.tenant_id,
            "locations": locations,
            "location": wanted.location_id,
            "zone": frame.time_zone,
            "from_day": period.from_day,
            "to_day": period.to_day,
        }
        query = _figures(
            wanted.measure, is_scoped=locations is not None, is_located=wanted.location_id is not None
        )
        async with self._database.bound(wanted.tenant_id) as driver:
            rows = await query.fetch(driver, values)
        products = [_standing(row) for row in rows if row["id"] is not None]
        return Figures(position=rows[0]["position"] if rows else 0, products=products)

    async def stored(self, wanted: PlanWanted) -> StoredFigures:
        values = {
            "tenant": wanted.tenant_id,
            "run": wanted.run_id,
            "locations": within(wanted.scope, wanted.location_id),
        }
        async with self._database.bound(wanted.tenant_id) as driver:
            row = await _run.fetch_row(driver, values)
            if row is None:
                raise not_found("run of the ABC classes", field="runId")
            place = {"location": row["location_id"], "zone": row["time_zone"]}
            rows = await _lines.fetch(driver, values | place)
        return StoredFigures(
            position=row["now"],
            products=[_standing(line) for line in rows],
            run=_head(row),
            table=[_classified(line) for line in rows],
            today=row["today"],
        )

    async def runs(
        self, tenant_id: UUID, scope: Scope, *, location_id: UUID | None, limit: int, after: UUID | None
    ) -> list[RunHead]:
        values = {"tenant": tenant_id, "locations": within(scope, location_id), "after": after}
        async with self._database.bound(tenant_id) as driver:
            rows = await _runs(limit).fetch(driver, values)
        return [_head(row) for row in rows]


@lru_cache(maxsize=12)
def _figures(measure: Measure, *, is_scoped: bool, is_located: bool) -> Query:
    counted = _COUNTED.replace("{at_s}", "AND s.location_id = ANY (:locations)" if is_scoped else "")
    return Query(
        f"{_MOVED}, {counted} {_FIGURES}",
        at_m="AND m.location_id = ANY (:locations)" if is_scoped else "",
        amount=_AMOUNTS[measure],
        override="v.abc_class" if is_located else "NULL::text",
        levels=_LEVELS if is_located else "",
    )


@lru_cache(maxsize=256)
def _runs(limit: int) -> Query:
    return Query(_RUNS, limit=str(limit))


def _standing(row: Any) -> Standing:
    return Standing(
        product_id=row["id"],
        sku=row["sku"],
        product_name=row["name"],
        amount=Decimal(row["amount"]),
        override=None if row["override"] is None else AbcClass(row["override"]),
        lines=row["lines"],
        last_counted_at=row["last_counted_at"],
        oldest_day=row["oldest_day"],
        is_being_counted=row["is_being_counted"],
    )


def _classified(row: Any) -> Classified:
    return Classified(
        product_id=row["id"],
        rank=row["rank"],
        abc_class=AbcClass(row["abc_class"]),
        computed_class=AbcClass(row["computed_class"]),
        is_overridden=row["is_overridden"],
        amount=Decimal(row["amount"]),
        share=Decimal(row["share"]),
        cumulative_share=Decimal(row["cumulative_share"]),
    )


def _head(row: Any) -> RunHead:
    return RunHead(
        id=row["id"],
        location_id=row["location_id"],
        measure=Measure(row["measure"]),
        from_day=row["from_day"],
        to_day=row["to_day"],
        threshold_a=Decimal(row["threshold_a"]),
        threshold_b=Decimal(row["threshold_b"]),
        total=Decimal(row["total"]),
        products=row["products"],
        position=row["position"],
        actor=row["actor"],
        created_at=row["created_at"],
    )
