"""What replenishment is computed from: one statement for all products of a location, one for what others can give.

Each part of the facts is added up by itself and the parts are put together by product, so that no plan depends on
how many rows the planner expects of any of them. Of all products of a location demand and stock each take about
half of the time, so where another connection is to spare, each has one to itself.
"""

import asyncio
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

from domain.access.model import Scope
from domain.availability.atp import cell_of
from domain.replenishment.model import ZERO, Facts, Found, Surplus
from domain.replenishment.ports import FactsWanted
from infra.availability.terms import decoded
from infra.db.pool import Database, Driver
from infra.ledger.queries.sql import AVAILABLE, EXPIRED, NOT_FOR_SALE, Query, into

# Cheap in the wide form: the rows of the location by its indexes. In the narrow one: of each product by its own.
_WIDE = """(
    SELECT * FROM {table} x WHERE x.tenant_id = :tenant AND x.location_id = :location AND {where}
) {alias}"""
_NARROW = """(
    SELECT x.* FROM unnest(:products::uuid[]) AS k(product_id) CROSS JOIN LATERAL (
        SELECT * FROM {table} x WHERE x.tenant_id = :tenant AND x.product_id = k.product_id
            AND x.location_id = :location AND {where} OFFSET 0
    ) x
) {alias}"""
# Demand is added up in ten-thousandths: whole numbers, for which floating point is exact (below 9e11 units) and
# takes half as long as numerics. Of all products it is read day by day, so that the sums of a day are few enough
# to stay in the processor's cache; of some products by their own rows, each looked up among the mornings.
_TOTALS = """
        SELECT d.product_id, sum(d.quantity) / 1e4::float8 AS total,
            sum(d.quantity * d.quantity) / 1e8::float8 AS squares, count(*)::int AS days
        FROM {days}
        GROUP BY d.product_id
"""
_QUANTITY = "-sum((v.delta * 10000)::int8::float8)"
_DAY_BY_DAY = f"""(
            SELECT (w.last_day - n)::timestamp AT TIME ZONE w.time_zone AS morning,
                (w.last_day - n + 1)::timestamp AT TIME ZONE w.time_zone AS night
            FROM place w CROSS JOIN generate_series(0, :days::int - 1) AS n OFFSET 0
        ) k
        CROSS JOIN LATERAL (
            SELECT v.product_id, {_QUANTITY} AS quantity
            FROM ({{moved}}) v
            GROUP BY v.product_id HAVING {_QUANTITY} <> 0
        ) d"""  # noqa: S608 - ours
_ROW_BY_ROW = f"""(
            SELECT v.product_id, {_QUANTITY} AS quantity
            FROM ({{moved}}) v
            GROUP BY v.product_id, width_bucket(v.effective_at, (
                SELECT ARRAY(
                    SELECT (w.last_day - n)::timestamp AT TIME ZONE w.time_zone
                    FROM generate_series(:days::int - 1, 0, -1) AS n
                ) FROM place w
            ))
            HAVING {_QUANTITY} <> 0
        ) d"""  # noqa: S608 - ours
_MOVED = """
                SELECT {columns} FROM {issued}
                UNION ALL
                SELECT {columns} FROM {consumed}
                UNION ALL
                SELECT {columns} FROM {reversed}
                WHERE m.posting_id IN (SELECT t.id FROM taken_back t)
            """
# The place and its days; and since a reversal takes effect when its original did, and so takes the demand of that
# very day back, what of the period was taken back: what a reversal of a reversal means is what its first original
# was.
_PERIOD = """
    place AS MATERIALIZED (
        SELECT l.id, l.code, l.name, l.time_zone, d.today,
            coalesce(:until::date, d.today) AS last_day,
            (coalesce(:until::date, d.today) - :days::int + 1)::timestamp AT TIME ZONE l.time_zone AS start,
            (coalesce(:until::date, d.today) + 1)::timestamp AT TIME ZONE l.time_zone AS stop
        FROM locations l
        CROSS JOIN LATERAL (SELECT (now() AT TIME ZONE l.time_zone)::date AS today) d
        WHERE l.tenant_id = :tenant AND l.id = :location
    ), undone AS (
        SELECT g.id, g.reverses_id
        FROM (
            SELECT DISTINCT m.posting_id FROM movements m
            WHERE m.tenant_id = :tenant AND m.location_id = :location AND m.kind = 'REVERSAL'
                AND m.effective_at >= (SELECT w.start FROM place w)
                AND m.effective_at < (SELECT w.stop FROM place w)
        ) v
        JOIN postings g ON g.tenant_id = :tenant AND g.id = v.posting_id
        UNION
        SELECT u.id, g.reverses_id FROM undone u
        JOIN postings g ON g.tenant_id = :tenant AND g.id = u.reverses_id
        WHERE g.kind = 'REVERSAL'
    ), taken_back AS MATERIALIZED (
        SELECT u.id FROM undone u JOIN postings g ON g.tenant_id = :tenant AND g.id = u.reverses_id
        WHERE g.kind IN ('ISSUE', 'CONSUMPTION')
    )
"""
_DEMAND = "WITH RECURSIVE {period} {used}"
_FACTS = """
    WITH RECURSIVE {period}, tree AS (
        SELECT c.id FROM categories c WHERE c.tenant_id = :tenant AND c.id = :category
        UNION
        SELECT c.id FROM tree t JOIN categories c ON c.tenant_id = :tenant AND c.parent_id = t.id
    ), used AS (
        {used}
    ), stock AS (
        SELECT s.product_id, sum(s.on_hand) AS on_hand, sum(s.on_hand) FILTER (WHERE s.is_withheld) AS blocked,
            sum(s.on_hand) FILTER (WHERE s.is_gone AND NOT s.is_withheld) AS expired,
            sum(s.held) FILTER (WHERE NOT s.is_gone AND NOT s.is_withheld) AS held,
            sum(s.reserved) FILTER (WHERE NOT s.is_gone AND NOT s.is_withheld) AS reserved,
            sum(s.available) AS available
        FROM (
            SELECT s.product_id, s.on_hand, s.held, s.reserved, {withheld} AS is_withheld, {gone} AS is_gone,
                {available} AS available
            FROM {lines}
            CROSS JOIN LATERAL (
                SELECT x.type FROM bins x WHERE x.tenant_id = :tenant AND x.id = s.bin_id OFFSET 0
            ) b
            CROSS JOIN LATERAL (
                SELECT x.status, x.expires_on FROM lots x WHERE x.tenant_id = :tenant AND x.id = s.lot_id OFFSET 0
            ) t
            CROSS JOIN place l
            OFFSET 0  -- each line is judged once, and not by each of the sums
        ) s
        GROUP BY s.product_id
    ), coming AS (
        SELECT u.product_id, sum(u.quantity - u.received) AS inbound,
            sum(u.quantity - u.received) FILTER (WHERE u.due_on < (SELECT w.today FROM place w)) AS overdue
        FROM {supplies} GROUP BY u.product_id
    ), planned AS (
        SELECT a.product_id, sum(a.quantity) AS planned
        FROM (
            SELECT o.product_id, o.quantity FROM {planned}
            UNION ALL
            SELECT b.product_id, b.quantity
            FROM transfers t
            CROSS JOIN LATERAL (
                SELECT x.product_id, x.quantity FROM transfer_lines x
                WHERE x.tenant_id = :tenant AND x.transfer_id = t.id OFFSET 0
            ) b
            WHERE t.tenant_id = :tenant AND t.state IN ('PENDING', 'PICKED')
                AND t.destination_location_id = :location AND t.origin_location_id <> :location
                AND t.source_type IS DISTINCT FROM 'REPLENISHMENT'
        ) a
        GROUP BY a.product_id
    ), facts AS MATERIALIZED (
        SELECT f.product_id, max(f.on_hand) AS on_hand, max(f.blocked) AS blocked, max(f.expired) AS expired,
            max(f.held) AS held, max(f.reserved) AS reserved, max(f.available) AS available,
            max(f.inbound) AS inbound, max(f.overdue) AS overdue, max(f.planned) AS planned,
            max(f.total) AS total, max(f.squares) AS squares, max(f.days) AS days
        FROM (
            SELECT v.product_id, NULL::numeric AS on_hand, NULL::numeric AS blocked, NULL::numeric AS expired,
                NULL::numeric AS held, NULL::numeric AS reserved, NULL::numeric AS available,
                NULL::numeric AS inbound, NULL::numeric AS overdue, NULL::numeric AS planned,
                NULL::float8 AS total, NULL::float8 AS squares, NULL::int AS days
            FROM {levels}
            UNION ALL
            SELECT s.product_id, s.on_hand, s.blocked, s.expired, s.held, s.reserved, s.available,
                NULL, NULL, NULL, NULL, NULL, NULL
            FROM stock s
            UNION ALL
            SELECT c.product_id, NULL, NULL, NULL, NULL, NULL, NULL, c.inbound, c.overdue, NULL, NULL, NULL, NULL
            FROM coming c
            UNION ALL
            SELECT p.product_id, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, p.planned, NULL, NULL, NULL
            FROM planned p
            UNION ALL
            SELECT d.product_id, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, d.total, d.squares, d.days
            FROM used d
        ) f
        GROUP BY f.product_id
    )
    SELECT h.position, w.code AS place_code, w.name AS place_name, w.today, w.last_day, i.*
    FROM place w
    JOIN ledger_heads h ON h.tenant_id = :tenant
    LEFT JOIN LATERAL (
        SELECT f.product_id, p.sku, p.name, u.code AS uom, u.decimals, v.method, trim_scale(v.min_qty)::text,
            trim_scale(v.reorder_qty)::text, trim_scale(v.max_qty)::text, v.safety_method,
            trim_scale(v.safety_stock)::text, v.service_level::float8, v.lead_time_days,
            v.lead_time_sd_days::float8, v.review_days, trim_scale(v.order_multiple)::text,
            trim_scale(v.min_order_qty)::text, v.order_cost::float8, v.holding_cost::float8, v.source,
            {source_location} AS source_location_id, v.supplier,
            trim_scale(coalesce(f.on_hand, 0))::text, trim_scale(coalesce(f.blocked, 0))::text,
            trim_scale(coalesce(f.expired, 0))::text, trim_scale(coalesce(f.held, 0))::text,
            trim_scale(coalesce(f.reserved, 0))::text, trim_scale(coalesce(f.available, 0))::text,
            trim_scale(coalesce(f.inbound, 0))::text, trim_scale(coalesce(f.overdue, 0))::text,
            trim_scale(coalesce(f.planned, 0))::text,
            coalesce(f.total, 0), coalesce(f.squares, 0), coalesce(f.days, 0)
        FROM facts f
        CROSS JOIN LATERAL (
            SELECT * FROM stock_levels x WHERE x.tenant_id = :tenant AND x.product_id = f.product_id
                AND x.location_id = :location AND x.method IS NOT NULL OFFSET 0
        ) v
        CROSS JOIN LATERAL (
            SELECT x.sku, x.name, x.uom_id, x.category_id FROM products x
            WHERE x.tenant_id = :tenant AND x.id = f.product_id AND x.is_active OFFSET 0
        ) p
        JOIN (SELECT x.id, x.code, x.decimals FROM uoms x WHERE x.tenant_id = :tenant OFFSET 0) u
            ON u.id = p.uom_id
        WHERE (:category::uuid IS NULL OR p.category_id IN (SELECT t.id FROM tree t))
    ) i ON true
"""


def _demand(rows: str) -> str:
    """The demand of each product: all of the location's in one pass, or some products' by their own rows."""
    if rows is _WIDE:
        days, columns, first, last = _DAY_BY_DAY, "m.product_id, m.delta", "k.morning", "k.night"
    else:
        days, columns = _ROW_BY_ROW, "m.product_id, m.delta, m.effective_at"
        first, last = "(SELECT w.start FROM place w)", "(SELECT w.stop FROM place w)"
    within = f"x.effective_at >= {first} AND x.effective_at < {last}"
    moved = _MOVED.format(
        columns=columns,
        issued=rows.format(table="movements", alias="m", where=f"x.kind = 'ISSUE' AND {within}"),
        consumed=rows.format(table="movements", alias="m", where=f"x.kind = 'CONSUMPTION' AND {within}"),
        reversed=rows.format(table="movements", alias="m", where=f"x.kind = 'REVERSAL' AND {within}"),
    )
    return _TOTALS.format(days=days.format(moved=moved)).strip()


_NO_DEMAND = """
        SELECT NULL::uuid AS product_id, NULL::float8 AS total, NULL::float8 AS squares, NULL::int AS days
        WHERE false
"""


def _query(rows: str, *, is_scoped: bool, used: str | None = None) -> Query:
    def of(table: str, alias: str, where: str) -> str:
        return rows.format(table=table, alias=alias, where=where)

    return Query(
        _FACTS,
        period=_PERIOD,
        used=_demand(rows) if used is None else used,
        lines=of("stock_lines", "s", "x.on_hand > 0"),
        levels=of("stock_levels", "v", "x.method IS NOT NULL"),
        supplies=of("supplies", "u", "x.state = 'OPEN'"),
        planned=of("replenishment_orders", "o", "x.state IN ('OPEN', 'TRIGGERED')"),
        withheld=f"{NOT_FOR_SALE} OR t.status NOT IN ('ACTIVE', 'EXPIRED')",
        gone=f"({EXPIRED} OR t.status = 'EXPIRED')",
        available=AVAILABLE,
        # Where stock comes from is not told to those who may not look there.
        source_location="CASE WHEN v.source_location_id = ANY (:locations) THEN v.source_location_id END"
        if is_scoped
        else "v.source_location_id",
    )


_QUERIES = {
    (is_narrow, is_scoped): _query(_NARROW if is_narrow else _WIDE, is_scoped=is_scoped)
    for is_narrow in (False, True)
    for is_scoped in (False, True)
}
_STOCK = {is_scoped: _query(_WIDE, is_scoped=is_scoped, used=_NO_DEMAND) for is_scoped in (False, True)}
_USED = Query(_DEMAND, period=_PERIOD, used=_demand(_WIDE))
NARROW_MAX = 200
"""So many products are looked up one by one; more are read with all of the location."""
_row = into(Facts, 5)
_UNUSED = (0.0, 0.0, 0)

# Of each product the places with the most that might be given: what they can really promise is computed. A store
# for which no levels are set has not said what it wants to keep, and keeps what it has.
PLACES_MAX = 8
_ELSEWHERE = Query(
    """
    WITH places AS MATERIALIZED (
        SELECT t.product_id, t.location_id
        FROM unnest(:products::uuid[]) AS k(product_id)
        CROSS JOIN LATERAL (
            SELECT x.product_id, x.location_id FROM stock_totals x
            WHERE x.tenant_id = :tenant AND x.product_id = k.product_id AND x.location_id <> :location
                AND x.sellable - x.held - x.reserved > 0
                AND (:locations::uuid[] IS NULL OR x.location_id = ANY (:locations))
                AND EXISTS (
                    SELECT FROM locations l WHERE l.tenant_id = :tenant AND l.id = x.location_id AND l.is_active
                        AND (l.type IN ('WAREHOUSE', 'DEPOT') OR l.type = 'STORE' AND EXISTS (
                            SELECT FROM stock_levels v
                            WHERE v.tenant_id = :tenant AND v.product_id = x.product_id
                                AND v.location_id = x.location_id
                                AND coalesce(v.max_qty, v.reorder_qty, v.min_qty) IS NOT NULL
                        ))
                )
            ORDER BY x.sellable - x.held - x.reserved DESC LIMIT {most}
        ) t
    )
    SELECT availability_terms(
            ARRAY(SELECT p.product_id FROM places p ORDER BY p.product_id, p.location_id),
            ARRAY(SELECT p.location_id FROM places p ORDER BY p.product_id, p.location_id), false
        ) AS terms,
        ARRAY(
            SELECT ROW(l.code, l.name, coalesce(v.max_qty, v.reorder_qty, v.min_qty, 0)) FROM places p
            CROSS JOIN LATERAL (
                SELECT x.code, x.name FROM locations x
                WHERE x.tenant_id = :tenant AND x.id = p.location_id OFFSET 0
            ) l
            LEFT JOIN LATERAL (
                SELECT x.max_qty, x.reorder_qty + x.safety_stock AS reorder_qty,
                    x.min_qty + x.safety_stock AS min_qty
                FROM stock_levels x
                WHERE x.tenant_id = :tenant AND x.product_id = p.product_id AND x.location_id = p.location_id
                OFFSET 0
            ) v ON true
            ORDER BY p.product_id, p.location_id
        ) AS kept
    """,
    most=str(PLACES_MAX),
)


class SqlReplenishmentFacts:
    """The `ReplenishmentFacts` port: one statement each, but that facts of all products may be two at once."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def facts(self, wanted: FactsWanted) -> Found | None:
        if not _is_narrow(wanted) and self._database.has_spare():
            return await self._side_by_side(wanted)
        async with self._database.bound(wanted.tenant_id) as driver:
            return await read_facts(driver, wanted)

    async def _side_by_side(self, wanted: FactsWanted) -> Found | None:
        given = _given(wanted)
        async with self._database.same_moment(wanted.tenant_id) as (one, other):
            # Both are waited for whatever becomes of either: no connection is given back while it is read from.
            done: tuple[Any, Any] = await asyncio.gather(
                _STOCK[wanted.scope is not None].fetch(one, given),
                _USED.fetch(other, given),
                return_exceptions=True,
            )
        for outcome in done:
            if isinstance(outcome, BaseException):
                raise outcome
        stock, used = done
        return _found(wanted, stock, {row["product_id"]: row[1:] for row in used})

    async def surplus(
        self, tenant_id: UUID, scope: Scope, location_id: UUID, product_ids: Sequence[UUID]
    ) -> list[Surplus]:
        async with self._database.bound(tenant_id) as driver:
            return await read_surplus(driver, tenant_id, scope, location_id, product_ids)


async def read_facts(driver: Driver, wanted: FactsWanted) -> Found | None:
    rows = await _QUERIES[_is_narrow(wanted), wanted.scope is not None].fetch(driver, _given(wanted))
    return _found(wanted, rows)


def _is_narrow(wanted: FactsWanted) -> bool:
    return wanted.product_ids is not None and len(wanted.product_ids) <= NARROW_MAX


def _given(wanted: FactsWanted) -> dict[str, Any]:
    return {
        "tenant": wanted.tenant_id,
        "location": wanted.location_id,
        "products": None if wanted.product_ids is None else list(wanted.product_ids),
        "category": wanted.category_id,
        "days": wanted.days,
        "until": wanted.until,
        "locations": None if wanted.scope is None else sorted(wanted.scope),
    }


def _found(
    wanted: FactsWanted, rows: Sequence[Any], used: Mapping[UUID, Sequence[float]] | None = None
) -> Found | None:
    """What was read, with the demand where that was read by itself."""
    if not rows:
        return None
    there = [row for row in rows if row["product_id"] is not None]
    if wanted.product_ids is not None and not _is_narrow(wanted):
        chosen = set(wanted.product_ids)
        there = [row for row in there if row["product_id"] in chosen]
    if used is None:
        found = [_row(row) for row in there]
    else:
        found = [_row(row, *used.get(row["product_id"], _UNUSED)) for row in there]
    first = rows[0]
    return Found(
        position=first["position"],
        location_code=first["place_code"],
        location_name=first["place_name"],
        today=first["today"],
        last_day=first["last_day"],
        rows=found,
    )


async def read_surplus(
    driver: Driver, tenant_id: UUID, scope: Scope, location_id: UUID, product_ids: Sequence[UUID]
) -> list[Surplus]:
    if not product_ids:
        return []
    given = {
        "tenant": tenant_id,
        "location": location_id,
        "products": list(product_ids),
        "locations": None if scope is None else sorted(scope),
    }
    row = await _ELSEWHERE.fetch_row(driver, given)
    terms = decoded(row["terms"])
    found = []
    kept_in_order: list[tuple[str, str, Decimal]] = row["kept"]
    for (product, location), (code, name, kept) in zip(sorted(terms.offers), kept_in_order, strict=True):
        offer = terms.offers[product, location]
        cell = cell_of(offer.pool, (*offer.channels, offer.channelless), len(offer.channels))
        # Its safety stock is out of the net already; what it keeps has it in it.
        quantity = min(cell.atp, cell.net + offer.pool.safety_stock - kept)
        if quantity > ZERO:
            found.append(
                Surplus(
                    product_id=product,
                    location_id=location,
                    location_code=code,
                    location_name=name,
                    available=cell.atp,
                    kept=kept,
                    quantity=quantity,
                )
            )
    return found
