"""Records, places and products as partners see them: one statement each.

A list goes by ids, newest first: they are made in the order of time, and what is added comes before what was read.
"""

from collections.abc import Sequence
from functools import lru_cache
from uuid import UUID

import asyncpg

from domain.access.model import Scope
from domain.integrations.ports import Part
from domain.integrations.views import PlaceView, ProductRecord, Record
from infra.catalog.repository import SqlCatalogWork
from infra.db.pool import Database
from infra.integrations.sql import SHOWN, named

LIMITS = (51, 101, 201)
NEWEST = UUID(int=2**128 - 1)
"""Before everything that there is."""

# A record's place in the list is that of its first line, or of the empty record that was there before.
_FIRST = """
    FROM stock_lines s
    WHERE s.tenant_id = $1 AND s.id < $3 {within}
        AND NOT EXISTS (
            SELECT FROM stock_lines o
            WHERE o.tenant_id = $1 AND o.product_id = s.product_id AND o.location_id = s.location_id
                AND o.bin_id = s.bin_id AND o.id < s.id
        )
        AND NOT EXISTS (
            SELECT FROM empty_records e
            WHERE e.tenant_id = $1 AND e.bin_id = s.bin_id AND e.product_id = s.product_id
        )
    ORDER BY s.id DESC LIMIT {limit}
"""
_EMPTY = """
    FROM empty_records s WHERE s.tenant_id = $1 AND s.id < $3 {within} ORDER BY s.id DESC LIMIT {limit}
"""
_KEYS = "SELECT s.id, s.product_id, s.location_id, s.bin_id"
_PIECES = """
    CROSS JOIN LATERAL (SELECT * FROM products x WHERE x.tenant_id = $1 AND x.id = k.product_id OFFSET 0) p
    CROSS JOIN LATERAL (SELECT * FROM locations x WHERE x.tenant_id = $1 AND x.id = k.location_id OFFSET 0) l
    CROSS JOIN LATERAL (SELECT * FROM bins x WHERE x.tenant_id = $1 AND x.id = k.bin_id OFFSET 0) b
"""
_SUM = """
    CROSS JOIN LATERAL (
        SELECT trim_scale(coalesce(sum(x.on_hand), 0)) AS quantity FROM stock_lines x
        WHERE x.tenant_id = $1 AND x.product_id = k.product_id AND x.location_id = k.location_id
            AND x.bin_id = k.bin_id
    ) q
"""
_ANSWER = f"""
    SELECT h.position, r.* FROM ledger_heads h LEFT JOIN LATERAL (
        SELECT k.id, {SHOWN} AS location_code, p.sku AS sku_code, q.quantity FROM ({{keys}}) k {_PIECES} {_SUM}
    ) r ON true WHERE h.tenant_id = $1 ORDER BY {{order}}
"""  # noqa: S608 - of constants
_AT_PLACE = f"""
    SELECT x.id, x.product_id, x.location_id, x.bin_id FROM (
        SELECT min(s.id::text)::uuid AS id, s.product_id, s.location_id, s.bin_id
        FROM ({named("$3::text", active=False)}) n
        CROSS JOIN LATERAL (
            SELECT s.* FROM stock_lines s WHERE s.tenant_id = $1 AND s.bin_id = n.bin_id
        ) s
        GROUP BY s.product_id, s.location_id, s.bin_id
        UNION ALL
        SELECT e.id, e.product_id, e.location_id, e.bin_id
        FROM ({named("$3::text", active=False)}) n
        CROSS JOIN LATERAL (
            SELECT e.* FROM empty_records e WHERE e.tenant_id = $1 AND e.bin_id = n.bin_id AND NOT EXISTS (
                SELECT FROM stock_lines o
                WHERE o.tenant_id = $1 AND o.product_id = e.product_id AND o.location_id = e.location_id
                    AND o.bin_id = e.bin_id)
        ) e
    ) x
"""  # noqa: S608 - of constants
_OF_PRODUCT = """
    SELECT x.id, x.product_id, x.location_id, x.bin_id
    FROM (SELECT n.id FROM products n WHERE n.tenant_id = $1 AND n.sku = $3::text) n
    CROSS JOIN LATERAL (
        SELECT min(s.id::text)::uuid AS id, s.product_id, s.location_id, s.bin_id FROM stock_lines s
        WHERE s.tenant_id = $1 AND s.product_id = n.id AND ($2::uuid[] IS NULL OR s.location_id = ANY ($2))
        GROUP BY s.product_id, s.location_id, s.bin_id
        UNION ALL
        SELECT e.id, e.product_id, e.location_id, e.bin_id FROM empty_records e
        WHERE e.tenant_id = $1 AND e.product_id = n.id AND ($2::uuid[] IS NULL OR e.location_id = ANY ($2))
            AND NOT EXISTS (
                SELECT FROM stock_lines o
                WHERE o.tenant_id = $1 AND o.product_id = e.product_id AND o.location_id = e.location_id
                    AND o.bin_id = e.bin_id)
    ) x
"""
AT_PLACE = _ANSWER.format(keys=_AT_PLACE, order="r.sku_code, r.location_code")
OF_PRODUCT = _ANSWER.format(keys=_OF_PRODUCT, order="r.location_code")

_PLACE = f"""
    SELECT b.id, {SHOWN} AS code, CASE WHEN b.is_default THEN l.name ELSE b.name END AS name, b.zone,
        CASE WHEN NOT b.is_default THEN l.code END AS parent_code, l.is_active AND b.is_active AS is_active
"""
PLACES_CALLED = f"""
    {_PLACE} FROM ({named("$3::text", active=False)}) k
    CROSS JOIN LATERAL (SELECT * FROM locations x WHERE x.tenant_id = $1 AND x.id = k.location_id OFFSET 0) l
    CROSS JOIN LATERAL (SELECT * FROM bins x WHERE x.tenant_id = $1 AND x.id = k.bin_id OFFSET 0) b
    ORDER BY l.code, b.code LIMIT 10
"""  # noqa: S608 - of constants
# The unit of time is a millisecond; what is on hand is summed by location already.
_PRODUCT = """
    SELECT p.id, p.sku, p.name, u.code AS unit, trim_scale(p.unit_cost) AS cost, p.barcode, p.is_active, (
        SELECT trim_scale(coalesce(sum(t.on_hand), 0)) FROM stock_totals t
        WHERE t.tenant_id = $1 AND t.product_id = p.id AND ($2::uuid[] IS NULL OR t.location_id = ANY ($2))
    ) AS quantity
"""
_UNIT_OF = "JOIN uoms u ON u.tenant_id = p.tenant_id AND u.id = p.uom_id"
PRODUCT = f"{_PRODUCT} FROM products p {_UNIT_OF} WHERE p.tenant_id = $1 AND p.sku = $3"
UNIT = """
    SELECT id FROM uoms
    WHERE tenant_id = $1 AND CASE WHEN $2::text IS NULL THEN is_active ELSE code = $2 END
    ORDER BY code <> 'EA', id LIMIT 1
"""


@lru_cache(maxsize=8)
def records_sql(limit: int, *, is_limited: bool) -> str:
    """A part of all records. Where the caller is limited to locations, each of them is read by its own index."""
    parts = []
    for source in (_FIRST, _EMPTY):
        if is_limited:
            inner = source.format(within="AND s.location_id = m.id", limit=limit)
            rows = f"CROSS JOIN LATERAL ({_KEYS} {inner}) i"
            parts.append(f"SELECT i.* FROM unnest($2::uuid[]) AS m(id) {rows}")  # noqa: S608 - ours
        else:
            parts.append(f"({_KEYS} {source.format(within='', limit=limit)})")
    keys = f"SELECT * FROM ({' UNION ALL '.join(parts)}) u ORDER BY u.id DESC LIMIT {limit}"  # noqa: S608 - ours
    return _ANSWER.format(keys=keys, order="r.id DESC")


@lru_cache(maxsize=8)
def places_sql(limit: int, *, is_limited: bool) -> str:
    within = "AND b.location_id = ANY ($2::uuid[])" if is_limited else ""
    return f"""
        {_PLACE} FROM bins b CROSS JOIN LATERAL (
            SELECT * FROM locations x WHERE x.tenant_id = $1 AND x.id = b.location_id OFFSET 0
        ) l
        WHERE b.tenant_id = $1 AND b.id < $3 AND b.is_active AND l.is_active {within}
        ORDER BY b.id DESC LIMIT {limit}
    """  # noqa: S608 - ours


@lru_cache(maxsize=8)
def products_sql(limit: int) -> str:
    page = f"""
        SELECT * FROM products x WHERE x.tenant_id = $1 AND x.id < $3 AND x.is_active
        ORDER BY x.id DESC LIMIT {limit}
    """  # noqa: S608 - ours
    return f"{_PRODUCT} FROM ({page}) p {_UNIT_OF} ORDER BY p.id DESC"


class SqlIntegrationReads:
    """The `IntegrationReads` port."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def records(self, tenant_id: UUID, scope: Scope, *, after: UUID | None, limit: int) -> Part[Record]:
        statement = records_sql(_rows(limit), is_limited=scope is not None)
        async with self._database.bound(tenant_id) as driver:
            rows = await driver.fetch(statement, tenant_id, _places(scope), after or NEWEST)
        found = [row for row in rows if row["id"] is not None]
        shown = found[:limit]
        return Part(
            items=[_record(row) for row in shown],
            after=shown[-1]["id"] if len(found) > limit else None,
            position=rows[0]["position"],
        )

    async def at_place(self, tenant_id: UUID, scope: Scope, code: str) -> tuple[int, Sequence[Record]]:
        return await self._records(AT_PLACE, tenant_id, scope, code)

    async def of_product(self, tenant_id: UUID, scope: Scope, sku: str) -> tuple[int, Sequence[Record]]:
        return await self._records(OF_PRODUCT, tenant_id, scope, sku)

    async def _records(
        self, statement: str, tenant_id: UUID, scope: Scope, text: str
    ) -> tuple[int, Sequence[Record]]:
        async with self._database.bound(tenant_id) as driver:
            rows = await driver.fetch(statement, tenant_id, _places(scope), text)
        return rows[0]["position"], [_record(row) for row in rows if row["id"] is not None]

    async def places(self, tenant_id: UUID, scope: Scope, *, after: UUID | None, limit: int) -> Part[PlaceView]:
        statement = places_sql(_rows(limit), is_limited=scope is not None)
        async with self._database.bound(tenant_id) as driver:
            rows = await driver.fetch(statement, tenant_id, _places(scope), after or NEWEST)
        shown = rows[:limit]
        return Part(
            items=[PlaceView(**dict(row)) for row in shown],
            after=shown[-1]["id"] if len(rows) > limit else None,
        )

    async def places_called(self, tenant_id: UUID, scope: Scope, code: str) -> Sequence[PlaceView]:
        async with self._database.bound(tenant_id) as driver:
            rows = await driver.fetch(PLACES_CALLED, tenant_id, _places(scope), code)
        return [PlaceView(**dict(row)) for row in rows]

    async def products(
        self, tenant_id: UUID, scope: Scope, *, after: UUID | None, limit: int
    ) -> Part[ProductRecord]:
        async with self._database.bound(tenant_id) as driver:
            rows = await driver.fetch(products_sql(_rows(limit)), tenant_id, _places(scope), after or NEWEST)
        shown = rows[:limit]
        return Part(
            items=[ProductRecord(**dict(row)) for row in shown],
            after=shown[-1]["id"] if len(rows) > limit else None,
        )

    async def product(self, tenant_id: UUID, scope: Scope, sku: str) -> ProductRecord | None:
        async with self._database.bound(tenant_id) as driver:
            row = await driver.fetchrow(PRODUCT, tenant_id, _places(scope), sku)
        return None if row is None else ProductRecord(**dict(row))


class CodedSqlWork(SqlCatalogWork):
    """The `CodedWork` port."""

    async def places_called(self, code: str) -> Sequence[PlaceView]:
        rows = await self.driver.fetch(PLACES_CALLED, self.act.tenant_id, _places(self.act.scope), code)
        return [PlaceView(**dict(row)) for row in rows]

    async def product_called(self, sku: str) -> ProductRecord | None:
        row = await self.driver.fetchrow(PRODUCT, self.act.tenant_id, _places(self.act.scope), sku)
        return None if row is None else ProductRecord(**dict(row))

    async def unit_called(self, code: str | None) -> UUID | None:
        found: UUID | None = await self.driver.fetchval(UNIT, self.act.tenant_id, code)
        return found


def _rows(limit: int) -> int:
    """One more than is shown, from a few sizes: each is a statement of its own."""
    return next(size for size in LIMITS if size > limit)


def _places(scope: Scope) -> list[UUID] | None:
    return None if scope is None else list(scope)


def _record(row: asyncpg.Record) -> Record:
    return Record(location_code=row["location_code"], sku_code=row["sku_code"], quantity=row["quantity"])
