"""Configurations of replenishment: rows of `stock_levels` that name a method."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal
from functools import lru_cache
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from domain.catalog.rules import path_of
from domain.catalog.views import Page
from domain.errors import FieldError, not_found
from domain.replenishment.model import Config, ConfigView, Found
from domain.replenishment.ports import ConfigsWanted, FactsWanted, Place
from infra.catalog.kinds import DIALECT, fields_of
from infra.catalog.repository import NATIVE
from infra.db.pool import Database
from infra.db.tables.catalog import stock_levels
from infra.documents.work import DocumentSqlWork
from infra.replenishment.facts import read_facts

FIELDS = Config.__struct_fields__
_TYPES = [str(stock_levels.c[name].type.compile(dialect=DIALECT)) for name in FIELDS]
_LIMITS = (21, 51, 101, 201)
# Whoever else configures the same anew waits here. A row of nothing yet has the version 0.
ENSURE = """
    INSERT INTO stock_levels (tenant_id, product_id, location_id, version)
    SELECT $1, u.product_id, u.location_id, 0
    FROM unnest($2::uuid[], $3::uuid[]) AS u(product_id, location_id)
    ORDER BY u.product_id, u.location_id
    ON CONFLICT (tenant_id, product_id, location_id) DO NOTHING
"""
LOCK = f"""
    SELECT v.product_id, v.location_id, v.version, {", ".join(f"v.{name}" for name in FIELDS)}
    FROM (
        SELECT * FROM unnest($2::uuid[], $3::uuid[]) AS u(product_id, location_id)
        ORDER BY u.product_id, u.location_id
    ) k
    CROSS JOIN LATERAL (
        SELECT * FROM stock_levels x
        WHERE x.tenant_id = $1 AND x.product_id = k.product_id AND x.location_id = k.location_id
        FOR NO KEY UPDATE
    ) v
"""  # noqa: S608 - the names are the struct's
_ARRAYS = ", ".join(f"${n}::{type_}[]" for n, type_ in enumerate(_TYPES, start=4))
STORE = f"""
    UPDATE stock_levels x
    SET {", ".join(f"{name} = u.{name}" for name in FIELDS)}, version = x.version + 1, updated_at = now()
    FROM unnest($2::uuid[], $3::uuid[], {_ARRAYS}) AS u(product_id, location_id, {", ".join(FIELDS)})
    WHERE x.tenant_id = $1 AND x.product_id = u.product_id AND x.location_id = u.location_id
"""  # noqa: S608 - the names are the struct's
STORE_SAFETY = """
    UPDATE stock_levels x SET safety_stock = u.safety_stock
    FROM unnest($2::uuid[], $3::uuid[], $4::numeric[]) AS u(product_id, location_id, safety_stock)
    WHERE x.tenant_id = $1 AND x.product_id = u.product_id AND x.location_id = u.location_id
        AND x.safety_stock <> u.safety_stock
"""
_OWN = {"global_sku": "p.sku", "product_name": "p.name", "location_code": "l.code"}
_NUMBERS = frozenset(
    name for name in FIELDS if "NUMERIC" in str(stock_levels.c[name].type.compile(dialect=DIALECT))
)


def _column(name: str) -> str:
    if name in _OWN:
        return f"{_OWN[name]} AS {name}"
    return f"trim_scale(x.{name}) AS {name}" if name in _NUMBERS else f"x.{name}"


_SHOWN = f"""
    SELECT {", ".join(_column(name) for name in ConfigView.__struct_fields__)}
    FROM {{rows}} x
    JOIN products p ON p.tenant_id = x.tenant_id AND p.id = x.product_id
    JOIN locations l ON l.tenant_id = x.tenant_id AND l.id = x.location_id
"""  # noqa: S608 - the names are the struct's
VIEWS = _SHOWN.format(
    rows="""(
        SELECT v.* FROM unnest($2::uuid[], $3::uuid[]) WITH ORDINALITY AS u(product_id, location_id, n)
        CROSS JOIN LATERAL (
            SELECT * FROM stock_levels y
            WHERE y.tenant_id = $1 AND y.product_id = u.product_id AND y.location_id = u.location_id OFFSET 0
        ) v
    )"""
)
_FILTERS = {
    "scope": "x.location_id = ANY (${n}::uuid[])",
    "location": "x.location_id = ${n}",
    "product": "x.product_id = ${n}",
    "method": "x.method = ${n}",
}
_AFTER = "(x.location_id, x.product_id) > (${n}, ${m})"


class ConfigSqlWork(DocumentSqlWork):
    """The `ConfigWork` port."""

    async def lock_configs(self, places: Sequence[Place]) -> Mapping[Place, tuple[int, Config]]:
        """Two statements."""
        products, locations = _columns(places)
        with _named():
            await self.driver.execute(ENSURE, self.act.tenant_id, products, locations)
        rows = await self.driver.fetch(LOCK, self.act.tenant_id, products, locations)
        return {(row["product_id"], row["location_id"]): (row["version"], _config(row)) for row in rows}

    async def store_configs(self, configs: Mapping[Place, Config]) -> None:
        products, locations = _columns(list(configs))
        values = [[getattr(config, name) for config in configs.values()] for name in FIELDS]
        with _named():
            await self.driver.execute(STORE, self.act.tenant_id, products, locations, *values)

    async def store_safety(self, safety: Mapping[Place, Decimal]) -> None:
        products, locations = _columns(list(safety))
        await self.driver.execute(
            STORE_SAFETY, self.act.tenant_id, products, locations, list(map(Decimal, safety.values()))
        )

    async def config_views(self, places: Sequence[Place]) -> list[ConfigView]:
        rows = await self.driver.fetch(VIEWS, self.act.tenant_id, *_columns(places))
        shown = {(row["product_id"], row["location_id"]): ConfigView(**dict(row)) for row in rows}
        return [shown[place] for place in places]

    async def facts(self, wanted: FactsWanted) -> Found | None:
        return await read_facts(self.driver, wanted)


class SqlConfigReads:
    """The `ConfigReads` port."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def configs(self, wanted: ConfigsWanted) -> Page[ConfigView]:
        values: dict[str, Any] = {
            "scope": None if wanted.scope is None else sorted(wanted.scope),
            "location": wanted.location_id,
            "product": wanted.product_id,
            "method": wanted.method,
        }
        given = {name: value for name, value in values.items() if value is not None}
        size = next(size for size in _LIMITS if size > wanted.limit)
        is_after = wanted.after is not None
        place = (wanted.offset,) if wanted.after is None else _place(wanted.after)
        async with self._database.bound(wanted.tenant_id) as driver:
            rows = await driver.fetch(
                _listed(tuple(given), size, is_after=is_after), wanted.tenant_id, *given.values(), *place
            )
        shown = [row for row in rows if row["product_id"] is not None]
        items = [ConfigView(**{name: row[name] for name in ConfigView.__struct_fields__}) for row in shown]
        more = items[wanted.limit - 1] if len(items) > wanted.limit else None
        return Page(
            items=items[: wanted.limit],
            total=None if is_after else rows[0]["total"],
            next_after=None if more is None else [str(more.location_id), str(more.product_id)],
        )


@lru_cache(maxsize=256)
def _listed(filters: tuple[str, ...], limit: int, *, is_after: bool) -> str:
    """The page first, in the order of the index of what is replenished, what is joined to it then."""
    where = "x.tenant_id = $1 AND x.method IS NOT NULL"
    where += "".join(f" AND {_FILTERS[name].format(n=n)}" for n, name in enumerate(filters, start=2))
    n = len(filters) + 2
    order = "ORDER BY x.location_id, x.product_id"
    if is_after:
        where_after = f"{where} AND {_AFTER.format(n=n, m=n + 1)}"
        rows = f"(SELECT * FROM stock_levels x WHERE {where_after} {order} LIMIT {limit})"  # noqa: S608 - ours
        return f"{_SHOWN.format(rows=rows)} {order}"
    rows = f"(SELECT * FROM stock_levels x WHERE {where} {order} LIMIT {limit} OFFSET ${n})"  # noqa: S608 - ours
    counted = f"SELECT count(*) AS total FROM stock_levels x WHERE {where}"  # noqa: S608 - ours
    # One row at least, so that the total of a page beyond the end is known, too.
    return (
        f"SELECT t.total, x.* FROM ({counted}) t "  # noqa: S608 - ours
        f"LEFT JOIN LATERAL ({_SHOWN.format(rows=rows)}) x ON true {order}"
    )


def _columns(places: Sequence[Place]) -> tuple[list[UUID], list[UUID]]:
    return [product for product, _ in places], [location for _, location in places]


def _config(row: asyncpg.Record) -> Config:
    return msgspec.convert({name: row[name] for name in FIELDS}, Config, builtin_types=NATIVE)


def _place(after: Sequence[str | int]) -> tuple[UUID, UUID]:
    try:
        location, product = map(str, after)
        return UUID(location), UUID(product)
    except ValueError:
        raise FieldError(("cursor", "is not a cursor of this list")) from None


@contextmanager
def _named() -> Iterator[None]:
    """What is not there, by the field that names it."""
    try:
        yield
    except asyncpg.ForeignKeyViolationError as problem:
        column = fields_of(stock_levels).get(problem.constraint_name or "", "id")
        raise not_found(column.removesuffix("_id").replace("_", " "), field=path_of(column)) from problem
