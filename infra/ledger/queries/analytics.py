"""Analytics of a period: one statement to know it, one to add it up.

The second reads the movements from the period's start (and those of a year before its end, for the ages), by the
index on when they took effect, whatever else the ledger holds; and the totals of the stock asked for. What came
after the period is read too: stock at a past day is today's, less what has moved since.
"""

from functools import lru_cache
from typing import Any
from uuid import UUID

import msgspec

from domain.errors import not_found
from domain.ledger.analytics import AGES, EXPIRIES, EXPIRY_HORIZON
from domain.ledger.figures import AnalyticsWanted, Figures, Frame, Period
from infra.db.pool import Database
from infra.ledger.queries.sql import Query, within

# When something last moved is asked of each location's last movements as recorded: those that are dated back among
# them do not make the stock look idle.
_FRAME = """
    WITH RECURSIVE tree AS (
        SELECT c.id FROM categories c WHERE c.tenant_id = :tenant AND c.id = :category
        UNION
        SELECT c.id FROM tree t JOIN categories c ON c.tenant_id = :tenant AND c.parent_id = t.id
    ), places AS MATERIALIZED (
        SELECT x.id, x.time_zone FROM locations x
        WHERE x.tenant_id = :tenant AND (:locations::uuid[] IS NULL OR x.id = ANY (:locations))
    ), zone AS (
        SELECT CASE WHEN count(DISTINCT time_zone) = 1 THEN min(time_zone) ELSE 'UTC' END AS name FROM places
    ), latest AS (
        SELECT max(m.effective_at) AS at FROM places l CROSS JOIN LATERAL (
            SELECT x.effective_at FROM movements x
            WHERE x.tenant_id = :tenant AND x.location_id = l.id ORDER BY x.position DESC LIMIT 100
        ) m
    )
    SELECT z.name AS time_zone, (now() AT TIME ZONE z.name)::date AS today,
        (latest.at AT TIME ZONE z.name)::date AS latest_day,
        ARRAY(SELECT id FROM tree) AS categories, EXISTS (SELECT FROM places) AS is_anywhere
    FROM zone z CROSS JOIN latest
"""

# Days are compared as moments, so that the index serves them.
_START = "(:from_day::date::timestamp AT TIME ZONE :zone::text)"
_END = "((:to_day::date + 1)::timestamp AT TIME ZONE :zone::text)"
_YEAR = "((:to_day::date - :oldest::int + 1)::timestamp AT TIME ZONE :zone::text)"

_MOVED = """
    WITH RECURSIVE goods AS MATERIALIZED (
        SELECT p.id, p.unit_cost FROM products p WHERE p.tenant_id = :tenant {of_category}
    ), moved AS MATERIALIZED (
        SELECT m.product_id, m.location_id, m.kind, m.reason_code_id, m.delta > 0 AS is_in,
            least((m.effective_at AT TIME ZONE :zone::text)::date, :to_day::date + 1) AS day,
            CASE WHEN m.kind = 'REVERSAL' THEN m.posting_id END AS posting_id,
            count(*) AS movements, sum(m.delta) AS quantity, sum(m.delta) * min(p.unit_cost) AS value
        FROM movements m JOIN goods p ON p.id = m.product_id
        WHERE m.tenant_id = :tenant AND m.effective_at >= {start} {at_m}
        GROUP BY 1, 2, 3, 4, 5, 6, 7
    ), undone AS (
        SELECT g.id, g.reverses_id
        FROM (SELECT DISTINCT posting_id FROM moved WHERE posting_id IS NOT NULL) v
        JOIN postings g ON g.tenant_id = :tenant AND g.id = v.posting_id
        UNION
        SELECT u.id, g.reverses_id FROM undone u
        JOIN postings g ON g.tenant_id = :tenant AND g.id = u.reverses_id
        WHERE g.kind = 'REVERSAL'
    ), within AS MATERIALIZED (
        SELECT v.*, coalesce(o.kind, v.kind) AS meant
        FROM moved v
        LEFT JOIN (
            SELECT u.id, g.kind FROM undone u
            JOIN postings g ON g.tenant_id = :tenant AND g.id = u.reverses_id AND g.kind <> 'REVERSAL'
        ) o ON o.id = v.posting_id
        WHERE v.day <= :to_day
    )
"""
_STANDING = """
    , nets AS MATERIALIZED (
        SELECT product_id, location_id, day, sum(quantity) AS quantity FROM moved GROUP BY 1, 2, 3
    ), standing AS MATERIALIZED (
        SELECT t.product_id, t.location_id, p.unit_cost, t.on_hand,
            t.on_hand - coalesce(n.quantity, 0) AS at_end
        FROM stock_totals t
        JOIN goods p ON p.id = t.product_id
        LEFT JOIN nets n ON n.product_id = t.product_id AND n.location_id = t.location_id AND n.day > :to_day
        WHERE t.tenant_id = :tenant {at_t}
    ), closings AS (
        SELECT n.product_id, n.location_id, n.day, t.on_hand - coalesce(sum(n.quantity) OVER (
                PARTITION BY n.product_id, n.location_id ORDER BY n.day DESC
                ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
            ), 0) AS closing,
            lag(n.day, 1, :to_day::date + 1) OVER (
                PARTITION BY n.product_id, n.location_id ORDER BY n.day DESC
            ) AS until
        FROM nets n JOIN standing t ON t.product_id = n.product_id AND t.location_id = n.location_id
    ), arrivals AS (
        SELECT m.product_id, m.location_id, sum(m.delta) AS quantity,
            width_bucket(:to_day::date - (m.effective_at AT TIME ZONE :zone::text)::date, :ages::int[]) - 1 AS age
        FROM movements m JOIN goods p ON p.id = m.product_id
        WHERE m.tenant_id = :tenant AND m.effective_at >= {year} AND m.effective_at < {end} AND m.delta > 0
            AND m.kind NOT IN ('PUT_AWAY', 'LOT_CORRECTION', 'REVERSAL') {at_m}
            AND NOT EXISTS (
                SELECT FROM postings r WHERE r.tenant_id = :tenant AND r.reverses_id = m.posting_id
                    AND NOT EXISTS (SELECT FROM postings x WHERE x.tenant_id = :tenant AND x.reverses_id = r.id)
            )
        GROUP BY m.product_id, m.location_id, age
    ), layers AS (
        SELECT a.age, a.quantity, greatest(t.at_end, 0) AS at_end, t.unit_cost,
            sum(a.quantity) OVER (PARTITION BY a.product_id, a.location_id ORDER BY a.age) AS so_far
        FROM arrivals a JOIN standing t ON t.product_id = a.product_id AND t.location_id = a.location_id
    ), aged AS (
        SELECT age, unit_cost, least(at_end, so_far) - least(at_end, so_far - quantity) AS quantity FROM layers
    )
"""
# The kinds of counts to come say it in other ways, so only details of this one are read as its own.
_COUNTED_AT = """
    CASE WHEN g.source_type = 'RECORD_STOCK' THEN (g.details ->> 'countedAt')::timestamptz END
"""
# A count says which of its lines it found right; one that was reversed says nothing any more.
_COUNTED = """
    , counted AS MATERIALIZED (
        SELECT g.id, g.details -> 'lines' AS lines FROM postings g
        WHERE g.tenant_id = :tenant AND g.kind = 'COUNT' AND g.source_type = 'RECORD_STOCK'
            AND g.recorded_at >= {start}
            AND {counted_at} >= {start} AND {counted_at} < {end}
            AND NOT EXISTS (SELECT FROM postings r WHERE r.tenant_id = :tenant AND r.reverses_id = g.id)
            {at_count} {of_count}
    )
"""
_OUTCOME = """
    SELECT jsonb_build_object(
        'position', (SELECT h.position FROM ledger_heads h WHERE h.tenant_id = :tenant),
        'now', (
            SELECT jsonb_build_object('quantity', coalesce(sum(on_hand), 0),
                'value', coalesce(sum(on_hand * unit_cost), 0)) FROM standing
        ),
        'since', (
            SELECT jsonb_build_object('quantity', coalesce(sum(quantity), 0), 'value', coalesce(sum(value), 0))
            FROM moved WHERE day > :to_day
        ),
        'moved', (
            SELECT coalesce(jsonb_agg(to_jsonb(x)), '[]') FROM (
                SELECT day, meant AS kind, sum(movements)::bigint AS movements, sum(quantity) AS quantity,
                    sum(value) AS value
                FROM within GROUP BY day, meant
            ) x
        ),
        'reasons', (
            SELECT coalesce(jsonb_agg(jsonb_build_object('reasonCodeId', x.reason_code_id, 'reasonCode', r.code,
                'reasonName', r.name, 'transactionType', x.meant, 'movements', x.movements,
                'quantityIn', trim_scale(x.came), 'quantityOut', trim_scale(x.went),
                'quantity', trim_scale(x.came - x.went), 'value', trim_scale(round(x.value, 4))
            ) ORDER BY x.value, r.code, x.meant), '[]')
            FROM (
                SELECT reason_code_id, meant, sum(movements)::bigint AS movements, sum(value) AS value,
                    coalesce(sum(quantity) FILTER (WHERE is_in), 0) AS came,
                    coalesce(-sum(quantity) FILTER (WHERE NOT is_in), 0) AS went
                FROM within WHERE meant IN ('ADJUSTMENT', 'COUNT') GROUP BY reason_code_id, meant
            ) x
            LEFT JOIN reason_codes r ON r.tenant_id = :tenant AND r.id = x.reason_code_id
        ),
        'ages', (
            SELECT coalesce(jsonb_agg(to_jsonb(x)), '[]') FROM (
                SELECT age AS number, sum(quantity) AS quantity, sum(quantity * unit_cost) AS value
                FROM aged GROUP BY age
            ) x
        ),
        'expiring', (
            SELECT coalesce(jsonb_agg(to_jsonb(x)), '[]') FROM (
                SELECT width_bucket(t.expires_on - :today::date, :expiries::int[]) AS number,
                    sum(s.on_hand) AS quantity, sum(s.on_hand * p.unit_cost) AS value
                FROM lots t
                JOIN stock_lines s ON s.tenant_id = t.tenant_id AND s.lot_id = t.id
                JOIN goods p ON p.id = s.product_id
                WHERE t.tenant_id = :tenant AND t.expires_on <= :today::date + :horizon::int {at_s}
                GROUP BY 1
            ) x
        ),
        'outs', (
            SELECT jsonb_build_object(
                'stocked', (
                    SELECT count(*) FROM standing s WHERE s.at_end > 0 OR EXISTS (
                        SELECT FROM nets n WHERE n.product_id = s.product_id
                            AND n.location_id = s.location_id AND n.day <= :to_day
                    )
                ),
                'begun', count(*), 'products', count(DISTINCT (product_id, location_id)),
                'days', coalesce(sum(until - day), 0), 'at_end', count(*) FILTER (WHERE until > :to_day)
            ) FROM closings WHERE closing <= 0 AND day <= :to_day
        ),
        'counts', (
            SELECT jsonb_build_object('counts', count(DISTINCT c.id), 'lines', count(l.line),
                'accurate', count(*) FILTER (WHERE (l.line ->> 'deltaQty')::numeric = 0))
            FROM counted c LEFT JOIN LATERAL jsonb_array_elements(c.lines) AS l(line) ON true
        )
    )
"""
_figures = msgspec.json.Decoder(Figures)


class SqlAnalyticsReads:
    """The `AnalyticsReads` port over one process's pool."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def frame(self, wanted: AnalyticsWanted) -> Frame:
        locations = within(wanted.scope, wanted.location_id)
        values = {"tenant": wanted.tenant_id, "locations": locations, "category": wanted.category_id}
        async with self._database.bound(wanted.tenant_id) as driver:
            row = await _frame.fetch_row(driver, values)
        if wanted.location_id is not None and not row["is_anywhere"]:
            raise not_found("location", field="locationId")
        if wanted.category_id is not None and not row["categories"]:
            raise not_found("category", field="categoryId")
        return Frame(
            time_zone=row["time_zone"],
            today=row["today"],
            latest_day=row["latest_day"],
            categories=row["categories"],
        )

    async def figures(self, wanted: AnalyticsWanted, frame: Frame, period: Period) -> Figures:
        locations: list[UUID] | None = within(wanted.scope, wanted.location_id)
        values: dict[str, Any] = {
            "tenant": wanted.tenant_id,
            "locations": locations,
            "places": None if locations is None else [str(id_) for id_ in locations],
            "categories": frame.categories,
            "zone": frame.time_zone,
            "from_day": period.from_day,
            "to_day": period.to_day,
            "today": frame.today,
            "ages": AGES[:-1],
            "oldest": AGES[-1],
            "expiries": EXPIRIES,
            "horizon": EXPIRY_HORIZON,
        }
        query = _statement(is_located=locations is not None, is_of_category=wanted.category_id is not None)
        async with self._database.bound(wanted.tenant_id) as driver:
            row = await query.fetch_row(driver, values)
        return _figures.decode(row[0])


_frame = Query(_FRAME)


@lru_cache(maxsize=4)
def _statement(*, is_located: bool, is_of_category: bool) -> Query:
    def at(alias: str) -> str:
        return f"AND {alias}.location_id = ANY (:locations)" if is_located else ""

    return Query(
        _MOVED + _STANDING + _COUNTED + _OUTCOME,
        start=_START,
        end=_END,
        year=_YEAR,
        counted_at=_COUNTED_AT.strip(),
        of_category="AND p.category_id = ANY (:categories)" if is_of_category else "",
        at_m=at("m"),
        at_t=at("t"),
        at_s=at("s"),
        at_count="AND g.details ->> 'locationId' = ANY (:places::text[])" if is_located else "",
        of_count="AND g.details ->> 'productMasterId' IN (SELECT id::text FROM goods)" if is_of_category else "",
    )
