"""The stock that filters or rows tell of."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any
from uuid import UUID

from domain.access.model import Scope
from domain.imports.facts import BinPlace, Item, Place, ScopeLine
from domain.imports.model import DeleteRow, Names
from infra.db.pool import Driver

# Places go by their name or by their code; a bin also by its location's code and its name.
_FILTERS: Mapping[str, str] = {
    "items": "p.name = ANY ({})",
    "locations": "(w.name = ANY ({0}) OR w.code = ANY ({0}))",
    "location_areas": "(a.name = ANY ({0}) OR a.code = ANY ({0}))",
    "bins": "(b.name = ANY ({0}) OR w.code || '/' || b.name = ANY ({0}))",
    "lots": "t.number = ANY ({})",
    "scope": "s.location_id = ANY ({})",
}
_COLUMNS = """
    s.id, s.product_id, s.location_id, s.bin_id, s.lot_id, p.name AS item_name, p.uom_id,
    p.is_active AS item_is_active, b.name AS bin_name, b.is_active AND w.is_active AS bin_is_active,
    b.frozen_by IS NOT NULL AS is_frozen, w.code AS location_code, w.name AS location_name, a.code AS area_code,
    a.name AS area_name, t.number AS lot_name, u.code AS uom,
    EXISTS (SELECT 1 FROM bins x WHERE x.tenant_id = $1 AND x.name = b.name AND x.id <> b.id) AS is_shared
"""
_JOINS = """
    JOIN bins b ON b.tenant_id = $1 AND b.id = s.bin_id
    JOIN locations w ON w.tenant_id = $1 AND w.id = s.location_id
    JOIN lots t ON t.tenant_id = $1 AND t.id = s.lot_id
    JOIN uoms u ON u.tenant_id = $1 AND u.id = p.uom_id
    LEFT JOIN areas a ON a.tenant_id = $1 AND a.id = b.area_id
"""
_HAS_RECORDS = """
    s.tenant_id = $1
        AND (s.on_hand > 0 OR EXISTS (SELECT 1 FROM fill_layers f WHERE f.tenant_id = $1 AND f.line_id = s.id))
"""
BY_ROWS = f"""
    SELECT {_COLUMNS}, k.n
    FROM unnest($2::int[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[])
        AS k(n, item, location, area, bin, lot)
    JOIN products p ON p.tenant_id = $1 AND p.name = k.item
    JOIN stock_lines s ON s.tenant_id = $1 AND s.product_id = p.id
    {_JOINS}
    WHERE {_HAS_RECORDS}
        AND (k.location IS NULL OR k.location IN (w.name, w.code))
        AND (k.area IS NULL OR k.area IN (a.name, a.code))
        AND (k.bin IS NULL OR k.bin IN (b.name, w.code || '/' || b.name))
        AND (k.lot IS NULL OR k.lot = t.number)
        AND ($8::uuid[] IS NULL OR s.location_id = ANY ($8))
    ORDER BY k.n, s.id
"""  # noqa: S608 - of constants


@lru_cache
def _by_filters(present: tuple[str, ...]) -> str:
    conditions = [_FILTERS[name].format(f"${n}") for n, name in enumerate(present, start=2)]
    return f"""
        SELECT {_COLUMNS}, NULL::int AS n
        FROM stock_lines s JOIN products p ON p.tenant_id = $1 AND p.id = s.product_id
        {_JOINS}
        WHERE {" AND ".join([_HAS_RECORDS, *conditions])} ORDER BY s.id
    """  # noqa: S608 - of constants


async def by_names(
    driver: Driver,
    tenant_id: UUID,
    names: Names,
    scope: Scope,
    *,
    timeout: float | None = None,  # noqa: ASYNC109 - the driver's
) -> list[ScopeLine]:
    """One statement."""
    wanted: dict[str, Any] = {
        "items": names.items,
        "locations": names.locations,
        "location_areas": names.location_areas,
        "bins": names.bins,
        "lots": names.lots,
    }
    filters = {name: list(values) for name, values in wanted.items() if values}
    if scope is not None:
        filters["scope"] = sorted(scope)
    statement = _by_filters(tuple(filters))
    return _lines(await driver.fetch(statement, tenant_id, *filters.values(), timeout=timeout))


async def by_rows(driver: Driver, tenant_id: UUID, rows: Sequence[DeleteRow], scope: Scope) -> list[ScopeLine]:
    """One statement."""
    found = await driver.fetch(
        BY_ROWS,
        tenant_id,
        list(range(len(rows))),
        [row.item for row in rows],
        [row.location for row in rows],
        [row.location_area for row in rows],
        [row.bin for row in rows],
        [row.lot for row in rows],
        None if scope is None else sorted(scope),
    )
    return _lines(found)


def _lines(found: Sequence[Any]) -> list[ScopeLine]:
    rows: dict[UUID, list[int]] = {}
    first: dict[UUID, Any] = {}
    for row in found:
        first.setdefault(row["id"], row)
        if row["n"] is not None:
            rows.setdefault(row["id"], []).append(row["n"])
    return [_line(row, rows.get(line_id, [])) for line_id, row in first.items()]


def _line(row: Any, rows: Sequence[int]) -> ScopeLine:
    place = Place(
        product_id=row["product_id"],
        location_id=row["location_id"],
        bin_id=row["bin_id"],
        lot_id=row["lot_id"],
    )
    bin_ = BinPlace(
        id=row["bin_id"],
        name=row["bin_name"],
        location_id=row["location_id"],
        location_code=row["location_code"],
        location_name=row["location_name"],
        area_code=row["area_code"],
        area_name=row["area_name"],
        is_active=row["bin_is_active"],
        is_frozen=row["is_frozen"],
    )
    return ScopeLine(
        line_id=row["id"],
        place=place,
        item=Item(
            id=row["product_id"],
            name=row["item_name"],
            uom_id=row["uom_id"],
            is_active=row["item_is_active"],
        ),
        bin=bin_,
        bin_name=f"{bin_.location_code}/{bin_.name}" if row["is_shared"] else bin_.name,
        lot_name=row["lot_name"],
        uom=row["uom"],
        rows=tuple(rows),
    )
