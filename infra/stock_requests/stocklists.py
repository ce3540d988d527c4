"""Stocklists inside a unit of work, and to read."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from domain.access.model import Act, Scope
from domain.catalog.views import Page, Window
from domain.errors import not_found
from domain.stock_requests.stocklists import (
    Needs,
    StocklistFacts,
    StocklistFilter,
    StocklistLine,
    StocklistLineView,
    StocklistView,
    StocklistWhole,
    Wanted,
)
from infra.availability.terms import decoded
from infra.catalog.kinds import SEARCHED, Key, Kind
from infra.catalog.queries import SqlShelf
from infra.catalog.repository import RecordsSql, SqlRecords
from infra.db.pool import Database, Driver
from infra.db.tables import stocklists as tables
from infra.db.work import SqlWork

STOCKLIST = Kind(
    name="stocklist",
    table=tables.stocklists,
    facts=StocklistFacts,
    view=StocklistView,
    shown={
        "origin_location_code": "o.code",
        "origin_location_name": "o.name",
        "destination_location_code": "d.code",
        "destination_location_name": "d.name",
        "line_count": "(SELECT count(*) FROM stocklist_lines n WHERE n.tenant_id = x.tenant_id "
        "AND n.stocklist_id = x.id)",
        "next_due_at": "CASE WHEN x.is_active "
        "THEN coalesce(x.generated_at, x.created_at) + make_interval(days => x.review_period_days) END",
    },
    joins="""
        JOIN locations o ON o.tenant_id = x.tenant_id AND o.id = x.origin_location_id
        JOIN locations d ON d.tenant_id = x.tenant_id AND d.id = x.destination_location_id
    """,
    filters={
        "search": SEARCHED.format("x.code || ' ' || x.name", "{}"),
        "origin_id": "x.origin_location_id = {}::uuid",
        "destination_id": "x.destination_location_id = {}::uuid",
        "product_id": "EXISTS (SELECT FROM stocklist_lines n WHERE n.tenant_id = x.tenant_id "
        "AND n.stocklist_id = x.id AND n.product_id = {}::uuid)",
        "mode": "x.mode = {}::text",
        "is_active": "x.is_active = {}::boolean",
    },
    sorts={"code": (Key("code", str),), "name": (Key("name", str), Key("id", UUID))},
    location="origin_location_id",
    other_location="destination_location_id",
)
STOCKLISTS = RecordsSql(STOCKLIST)

# In the order of the products, as whoever locks them does.
PUT = """
    WITH wanted AS (
        SELECT * FROM unnest($3::uuid[], $4::int[], $5::numeric[], $6::numeric[], $7::numeric[])
            AS u(product_id, position, maximum, minimum, pack_multiple)
    ), gone AS (
        DELETE FROM stocklist_lines l
        WHERE l.tenant_id = $1 AND l.stocklist_id = $2 AND l.product_id NOT IN (SELECT w.product_id FROM wanted w)
    )
    INSERT INTO stocklist_lines AS l (
        tenant_id, stocklist_id, product_id, position, maximum, minimum, pack_multiple)
    SELECT $1, $2, w.* FROM wanted w ORDER BY w.product_id
    ON CONFLICT (tenant_id, stocklist_id, product_id) DO UPDATE
    SET position = excluded.position, maximum = excluded.maximum, minimum = excluded.minimum,
        pack_multiple = excluded.pack_multiple
"""
_LINE = """
    SELECT l.product_id, p.sku, p.name AS product_name, u.code AS uom_code, trim_scale(l.maximum) AS maximum,
        trim_scale(l.minimum) AS minimum, trim_scale(l.pack_multiple) AS pack_multiple
    FROM stocklist_lines l
    JOIN products p ON p.tenant_id = l.tenant_id AND p.id = l.product_id
    JOIN uoms u ON u.tenant_id = p.tenant_id AND u.id = p.uom_id
"""
LINES = f"{_LINE} WHERE l.tenant_id = $1 AND l.stocklist_id = $2 ORDER BY l.position, p.sku"
ONE = f"""
    SELECT s.*, (
        SELECT coalesce(jsonb_agg(to_jsonb(n) - 'position' ORDER BY n.position, n.sku), '[]')
        FROM ({_LINE.replace("SELECT l.product_id", "SELECT l.position, l.product_id")}
            WHERE l.tenant_id = $1 AND l.stocklist_id = $2) n
    ) AS lines
    FROM ({STOCKLIST.select("stocklists")}
        WHERE x.tenant_id = $1 AND x.id = $2 AND ($3::uuid[] IS NULL OR {STOCKLIST.within("$3")})) s
"""  # noqa: S608 - ours
# One statement, the terms of both ends with it: what is suggested is of one moment.
NEEDS = f"""
    WITH lines AS MATERIALIZED (
        SELECT x.id AS stocklist_id, x.code AS stocklist_code, x.name AS stocklist_name, x.mode, l.position,
            l.product_id, p.sku, p.name AS product_name, u.code AS uom_code, l.maximum, l.minimum, l.pack_multiple
        FROM stocklists x
        JOIN stocklist_lines l ON l.tenant_id = x.tenant_id AND l.stocklist_id = x.id
        JOIN products p ON p.tenant_id = l.tenant_id AND p.id = l.product_id AND p.is_active
        JOIN uoms u ON u.tenant_id = p.tenant_id AND u.id = p.uom_id
        WHERE x.tenant_id = $1 AND x.origin_location_id = $2 AND x.destination_location_id = $3
            AND ($4::uuid IS NULL OR x.id = $4) AND (x.is_active OR x.id = $4)
            AND ($5::uuid[] IS NULL OR {STOCKLIST.within("$5")})
    )
    SELECT (
        SELECT coalesce(jsonb_agg(to_jsonb(n) - 'position' ORDER BY n.stocklist_code, n.position, n.sku), '[]')
        FROM (
            SELECT l.*, s.inbound, r.requested FROM lines l
            CROSS JOIN LATERAL (
                SELECT coalesce(sum(y.quantity - y.received), 0) AS inbound FROM supplies y
                WHERE y.tenant_id = $1 AND y.product_id = l.product_id AND y.location_id = $3 AND y.state = 'OPEN'
            ) s
            CROSS JOIN LATERAL (
                SELECT coalesce(sum(y.open), 0) AS requested
                FROM stock_request_lines y
                CROSS JOIN LATERAL (
                    SELECT q.state, q.destination_location_id FROM stock_requests q
                    WHERE q.tenant_id = $1 AND q.id = y.request_id OFFSET 0
                ) q
                WHERE y.tenant_id = $1 AND y.product_id = l.product_id AND y.open > 0
                    AND q.destination_location_id = $3 AND q.state IN ('PENDING_APPROVAL', 'APPROVED', 'PICKING')
            ) r
        ) n
    ) AS lines, availability_terms(
        ARRAY(SELECT l.product_id FROM lines l ORDER BY l.product_id)
            || ARRAY(SELECT l.product_id FROM lines l ORDER BY l.product_id),
        ARRAY(SELECT $2::uuid FROM lines) || ARRAY(SELECT $3::uuid FROM lines), false) AS terms
"""  # noqa: S608 - ours


class _Wanted(Wanted, frozen=True, kw_only=True):
    """A line as the database writes it."""


class _Line(msgspec.Struct, frozen=True, kw_only=True):
    product_id: UUID
    sku: str
    product_name: str
    uom_code: str
    maximum: Decimal
    minimum: Decimal | None
    pack_multiple: Decimal | None


_lines = msgspec.json.Decoder(list[_Line], float_hook=Decimal)
_wanted = msgspec.json.Decoder(list[_Wanted], float_hook=Decimal)


class StocklistSql:
    """What a unit of work adds to have stocklists."""

    def __init__(self, driver: Driver, act: Act) -> None:
        self._driver = driver
        self._tenant = act.tenant_id
        self.stocklists: SqlRecords[StocklistFacts, StocklistView] = SqlRecords(STOCKLISTS, driver, act.tenant_id)

    async def put_lines(self, stocklist_id: UUID, lines: Sequence[StocklistLine]) -> None:
        columns = (
            [line.product_id for line in lines],
            list(range(1, len(lines) + 1)),
            [line.maximum for line in lines],
            [line.minimum for line in lines],
            [line.pack_multiple for line in lines],
        )
        try:
            await self._driver.execute(PUT, self._tenant, stocklist_id, *columns)
        except asyncpg.ForeignKeyViolationError as problem:
            raise not_found("product", field="productMasterId") from problem

    async def lines(self, stocklist_id: UUID) -> Sequence[StocklistLineView]:
        rows = await self._driver.fetch(LINES, self._tenant, stocklist_id)
        return [StocklistLineView(**dict(row)) for row in rows]


class StocklistSqlWork(SqlWork):
    """The `StocklistWork` port."""

    def __init__(self, driver: Driver, act: Act) -> None:
        super().__init__(driver, act)
        kept = StocklistSql(driver, act)
        self.stocklists = kept.stocklists
        self.put_lines = kept.put_lines
        self.lines = kept.lines


class SqlStocklistReads:
    """The `StocklistReads` port."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._shelf: SqlShelf[Any, Any] = SqlShelf(database, STOCKLIST)

    async def page(
        self, tenant_id: UUID, wanted: StocklistFilter, window: Window, *, scope: Scope
    ) -> Page[StocklistView]:
        return await self._shelf.page(tenant_id, wanted, window, scope=scope)

    async def one(self, tenant_id: UUID, stocklist_id: UUID, *, scope: Scope) -> StocklistWhole:
        async with self._database.bound(tenant_id) as driver:
            row = await driver.fetchrow(ONE, tenant_id, stocklist_id, None if scope is None else list(scope))
        if row is None:
            raise not_found("stocklist")
        fields = dict(row)
        lines = _lines.decode(fields.pop("lines"))
        return StocklistWhole(
            **fields, lines=[StocklistLineView(**msgspec.structs.asdict(line)) for line in lines]
        )

    async def needs(
        self, tenant_id: UUID, *, origin_id: UUID, destination_id: UUID, stocklist_id: UUID | None, scope: Scope
    ) -> Needs:
        async with self._database.bound(tenant_id) as driver:
            return await read_needs(
                driver, tenant_id, origin_id, destination_id, stocklist_id=stocklist_id, scope=scope
            )


async def read_needs(
    driver: Driver,
    tenant_id: UUID,
    origin_id: UUID,
    destination_id: UUID,
    *,
    stocklist_id: UUID | None,
    scope: Scope,
) -> Needs:
    """One statement, on a bound connection."""
    within = None if scope is None else list(scope)
    row = await driver.fetchrow(NEEDS, tenant_id, origin_id, destination_id, stocklist_id, within)
    assert row is not None
    terms = decoded(row["terms"])
    return Needs(position=terms.position, wanted=_wanted.decode(row["lines"]), offers=terms.offers)
