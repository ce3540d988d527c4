"""The catalog inside a unit of work: one statement for each act, for one thing as for thousands."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from domain.access.model import Act
from domain.catalog.model import (
    Area,
    Bin,
    Category,
    Conversion,
    Location,
    Lot,
    LotStock,
    Product,
    StockLevels,
    Stored,
    Uom,
)
from domain.catalog.ports import LevelKey
from domain.catalog.rules import path_of
from domain.catalog.views import (
    AreaView,
    BinView,
    CategoryView,
    ConversionView,
    LocationView,
    LotView,
    ProductView,
    StockLevelsView,
    UomView,
)
from domain.errors import DomainError, FieldError, Reason, not_found
from domain.settings.model import TenantSettings
from domain.values import new_id
from infra.catalog.kinds import (
    AREA,
    BIN,
    CATEGORY,
    CONVERSION,
    DIALECT,
    LOCATION,
    LOT,
    PRODUCT,
    UOM,
    Kind,
    column_types,
    fields_of,
    uses_sql,
)
from infra.catalog.lots import LotSqlWork
from infra.db.pool import Driver
from infra.db.tables.catalog import stock_levels

NATIVE = (UUID, datetime, date, Decimal)
RETIRED_NUMBER = "(before lot control)"
"""What the default lot of a product is called while the product is under lot control."""

# Held until the transaction ends: whoever moves a category, or adds a conversion, decides by all the others.
LOCK_FOR = "SELECT pg_advisory_xact_lock(hashtextextended($2 || $1::text, 0))"
# UNION: should there ever be a circle, it ends.
CATEGORY_PATH = """
    WITH RECURSIVE above AS (
        SELECT c.id, c.parent_id FROM categories c WHERE c.tenant_id = $1 AND c.id = $2
        UNION
        SELECT c.id, c.parent_id FROM above a JOIN categories c ON c.tenant_id = $1 AND c.id = a.parent_id
    )
    SELECT id FROM above
"""
CONVERSIONS = """
    SELECT product_id, from_uom_id, to_uom_id, factor FROM uom_conversions
    WHERE tenant_id = $1 AND product_id IS NOT DISTINCT FROM $2
"""
LOT_STOCK = """
    SELECT coalesce(sum(s.on_hand) FILTER (WHERE l.is_default), 0) AS unnumbered,
        coalesce(sum(s.on_hand) FILTER (WHERE NOT l.is_default), 0) AS numbered
    FROM stock_lines s JOIN lots l ON l.tenant_id = s.tenant_id AND l.id = s.lot_id
    WHERE s.tenant_id = $1 AND s.product_id = $2
"""
RETIRE_DEFAULT_LOT = """
    WITH unused AS (
        DELETE FROM lots l WHERE l.tenant_id = $1 AND l.product_id = $2 AND l.is_default AND NOT EXISTS (
            SELECT FROM stock_lines s WHERE s.tenant_id = $1 AND s.lot_id = l.id
        ) RETURNING l.id
    )
    UPDATE lots l
    SET number = $3, is_default = false, status = 'INACTIVE', version = l.version + 1, updated_at = now()
    WHERE l.tenant_id = $1 AND l.product_id = $2 AND l.is_default AND l.id NOT IN (SELECT u.id FROM unused u)
"""
MAKE_DEFAULT_LOT = """
    WITH known AS (
        UPDATE lots l
        SET number = '', is_default = true, status = 'ACTIVE', version = l.version + 1, updated_at = now()
        WHERE l.tenant_id = $1 AND l.product_id = $2 AND l.number = $3 RETURNING l.id
    )
    INSERT INTO lots (tenant_id, id, product_id, number, is_default)
    SELECT $1, $4, $2, '', true WHERE NOT EXISTS (SELECT FROM known)
    ON CONFLICT (tenant_id, product_id, number) DO NOTHING
"""
SETTINGS = "SELECT settings FROM tenants WHERE id = $1 FOR SHARE"
"""They stay as they are until the transaction ends."""
IS_STOCKED = "SELECT EXISTS (SELECT FROM stock_lines WHERE tenant_id = $1 AND bin_id = $2)"
LOCK_LEVELS = """
    SELECT version FROM stock_levels WHERE tenant_id = $1 AND product_id = $2 AND location_id = $3
    FOR NO KEY UPDATE
"""
LEVELS = ("product_id", "location_id", *StockLevels.__struct_fields__)
LEVEL_TYPES = [str(stock_levels.c[name].type.compile(dialect=DIALECT)) for name in LEVELS]
# In the order of the key: two that set the same levels wait for each other and do not lock crosswise.
PUT_LEVELS = f"""
    INSERT INTO stock_levels AS x (tenant_id, {", ".join(LEVELS)})
    SELECT $1, u.* FROM unnest({", ".join(f"${n}::{type_}[]" for n, type_ in enumerate(LEVEL_TYPES, start=2))})
        AS u({", ".join(LEVELS)})
    ORDER BY u.product_id, u.location_id
    ON CONFLICT (tenant_id, product_id, location_id) DO UPDATE
    SET {", ".join(f"{name} = excluded.{name}" for name in LEVELS[2:])},
        version = x.version + 1, updated_at = now()
    RETURNING product_id, location_id, trim_scale(min_qty) AS min_qty, trim_scale(reorder_qty) AS reorder_qty,
        trim_scale(max_qty) AS max_qty, trim_scale(safety_stock) AS safety_stock, preferred_bin_id,
        source_location_id, lead_time_days, abc_class, version, updated_at
"""  # noqa: S608 - the names are the struct's


class SqlRecords[F: msgspec.Struct, V: msgspec.Struct]:
    """The `Records` port for one kind."""

    def __init__(self, sql: "RecordsSql", driver: Driver, tenant_id: UUID) -> None:
        self._sql = sql
        self._driver = driver
        self._tenant = tenant_id

    async def add(self, rows: Mapping[UUID, F]) -> None:
        values = [self._sql.values(facts) for facts in rows.values()]
        columns = [list(column) for column in zip(*values, strict=True)]
        with self._sql.refused():
            await self._driver.execute(self._sql.insert, self._tenant, list(rows), *columns)

    async def lock(self, id_: UUID) -> Stored[F] | None:
        row = await self._driver.fetchrow(self._sql.lock, self._tenant, id_)
        if row is None:
            return None
        fields = {name: row[name] for name in self._sql.names}
        facts: Any = msgspec.convert(fields, self._sql.kind.facts, builtin_types=NATIVE)
        return Stored(id=id_, version=row["version"], facts=facts)

    async def store(self, id_: UUID, facts: F) -> None:
        with self._sql.refused():
            await self._driver.execute(self._sql.update, self._tenant, id_, *self._sql.values(facts))

    async def view(self, id_: UUID) -> V:
        row = await self._driver.fetchrow(self._sql.view, self._tenant, id_)
        assert row is not None, "it was added or locked by this very transaction"
        view: Any = self._sql.kind.view(**dict(row))
        shown: V = view
        return shown

    async def uses(self, id_: UUID) -> Mapping[str, int]:
        if not self._sql.kind.uses:
            return {}
        row = await self._driver.fetchrow(self._sql.uses, self._tenant, id_)
        assert row is not None
        return dict(row)

    async def remove(self, id_: UUID) -> None:
        with self._sql.refused():
            await self._driver.execute(self._sql.delete, self._tenant, id_)


class RecordsSql:
    """The statements of one kind, made once."""

    def __init__(self, kind: Kind) -> None:
        types = column_types(kind)
        self.kind = kind
        self.names = tuple(types)
        table, listed = kind.table.name, ", ".join(types)
        arrays = ", ".join(f"${n}::{type_}[]" for n, type_ in enumerate(types.values(), start=3))
        columns = ", ".join(_kept(kind, name, f"u.{name}") for name in types)
        changes = ", ".join(f"{name} = {_kept(kind, name, f'${n}')}" for n, name in enumerate(types, start=3))
        parts = "".join(
            f"p{n} AS (DELETE FROM {part} WHERE tenant_id = $1 AND {which}), "  # noqa: S608 - ours
            for n, (part, which) in enumerate(kind.parts.items())
        )
        # In the order of ids, which is that of their making: two loads never lock crosswise.
        self.insert = (
            f"INSERT INTO {table} (tenant_id, id, {listed}) SELECT $1, u.id, {columns} "  # noqa: S608 - ours
            f"FROM unnest($2::uuid[], {arrays}) AS u(id, {listed}) ORDER BY u.id"
        )
        strength = "UPDATE" if kind.is_referred else "NO KEY UPDATE"
        mine = "tenant_id = $1 AND id = $2"
        self.lock = f"SELECT version, {listed} FROM {table} WHERE {mine} FOR {strength}"  # noqa: S608 - ours
        self.update = f"UPDATE {table} SET {changes}, version = version + 1, updated_at = now() WHERE {mine}"  # noqa: S608 - ours
        self.view = f"{kind.select(table)} WHERE x.tenant_id = $1 AND x.id = $2"
        self.uses = uses_sql(kind)
        self.delete = f"WITH {parts}done AS (SELECT) DELETE FROM {table} WHERE {mine}"  # noqa: S608 - ours
        self._fields = fields_of(kind.table)

    def values(self, facts: msgspec.Struct) -> tuple[Any, ...]:
        """The facts in the order of the columns."""
        values = (getattr(facts, name) for name in self.names)
        return tuple(",".join(value) if isinstance(value, tuple) else value for value in values)

    @contextmanager
    def refused(self) -> Iterator[None]:
        """What the database refuses, with the field that it is about."""
        try:
            yield
        except asyncpg.UniqueViolationError as problem:
            field = path_of(self._fields.get(problem.constraint_name or "", "id"))
            message = f"There is a {self.kind.name} with this {field} already"
            raise DomainError(Reason.DUPLICATE, message, field=field) from problem
        except asyncpg.ForeignKeyViolationError as problem:
            if "still referenced" in (problem.detail or ""):
                message = f"The {self.kind.name} has come into use and cannot be deleted"
                used_by = {path_of(str(problem.table_name)): 1}
                raise DomainError(Reason.IN_USE, message, usedBy=used_by) from problem
            raise _nobody(problem, self._fields) from problem
        except asyncpg.InvalidParameterValueError as problem:
            raise FieldError(("timeZone", "is not known to the database")) from problem


def _kept(kind: Kind, name: str, value: str) -> str:
    return kind.kept.get(name, "{}").format(value)


def _nobody(problem: asyncpg.ForeignKeyViolationError, fields: Mapping[str, str]) -> DomainError:
    """What is named by the column that the violated constraint is about is not there."""
    column = fields.get(problem.constraint_name or "", "id")
    return not_found(column.removesuffix("_id").replace("_", " "), field=path_of(column))


SQL = {kind.name: RecordsSql(kind) for kind in (CATEGORY, UOM, CONVERSION, PRODUCT, LOCATION, AREA, BIN, LOT)}


class SqlCatalogWork(LotSqlWork):
    """The `CatalogWork` port."""

    def __init__(self, driver: Driver, act: Act) -> None:
        super().__init__(driver, act)
        tenant = act.tenant_id
        self.categories: SqlRecords[Category, CategoryView] = SqlRecords(SQL["category"], driver, tenant)
        self.uoms: SqlRecords[Uom, UomView] = SqlRecords(SQL["uom"], driver, tenant)
        self.conversions: SqlRecords[Conversion, ConversionView] = SqlRecords(SQL["conversion"], driver, tenant)
        self.products: SqlRecords[Product, ProductView] = SqlRecords(SQL["product"], driver, tenant)
        self.locations: SqlRecords[Location, LocationView] = SqlRecords(SQL["location"], driver, tenant)
        self.areas: SqlRecords[Area, AreaView] = SqlRecords(SQL["area"], driver, tenant)
        self.bins: SqlRecords[Bin, BinView] = SqlRecords(SQL["bin"], driver, tenant)
        self.lots: SqlRecords[Lot, LotView] = SqlRecords(SQL["lot"], driver, tenant)

    async def category_path(self, category_id: UUID) -> Sequence[UUID]:
        """Two statements."""
        await self.driver.execute(LOCK_FOR, str(self.act.tenant_id), "categories")
        rows = await self.driver.fetch(CATEGORY_PATH, self.act.tenant_id, category_id)
        return [row["id"] for row in rows]

    async def conversions_for(self, product_id: UUID | None) -> Sequence[Conversion]:
        """Two statements."""
        await self.driver.execute(LOCK_FOR, str(self.act.tenant_id), "conversions")
        rows = await self.driver.fetch(CONVERSIONS, self.act.tenant_id, product_id)
        return [Conversion(**dict(row)) for row in rows]

    async def tenant_settings(self) -> TenantSettings:
        settings = await self.driver.fetchval(SETTINGS, self.act.tenant_id)
        return msgspec.json.decode(settings, type=TenantSettings)

    async def lot_stock(self, product_id: UUID) -> LotStock:
        row = await self.driver.fetchrow(LOT_STOCK, self.act.tenant_id, product_id)
        assert row is not None
        return LotStock(unnumbered=row["unnumbered"], numbered=row["numbered"])

    async def make_default_lot(self, product_id: UUID) -> None:
        await self.driver.execute(MAKE_DEFAULT_LOT, self.act.tenant_id, product_id, RETIRED_NUMBER, new_id())

    async def retire_default_lot(self, product_id: UUID) -> None:
        await self.driver.execute(RETIRE_DEFAULT_LOT, self.act.tenant_id, product_id, RETIRED_NUMBER)

    async def is_stocked(self, bin_id: UUID) -> bool:
        stocked: bool = await self.driver.fetchval(IS_STOCKED, self.act.tenant_id, bin_id)
        return stocked

    async def lock_levels(self, product_id: UUID, location_id: UUID) -> int:
        version = await self.driver.fetchval(LOCK_LEVELS, self.act.tenant_id, product_id, location_id)
        return version or 0

    async def put_levels(self, levels: Mapping[LevelKey, StockLevels]) -> Sequence[StockLevelsView]:
        values = [
            (*key, *(getattr(facts, name) for name in StockLevels.__struct_fields__))
            for key, facts in levels.items()
        ]
        columns = [list(column) for column in zip(*values, strict=True)]
        try:
            rows = await self.driver.fetch(PUT_LEVELS, self.act.tenant_id, *columns)
        except asyncpg.ForeignKeyViolationError as problem:
            raise _nobody(problem, fields_of(stock_levels)) from problem
        return [StockLevelsView(**dict(row)) for row in rows]
