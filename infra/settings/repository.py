"""A company's settings and reason codes inside a unit of work, and to read."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec
from asyncpg import Record

from domain.access.model import Act
from domain.errors import FieldError
from domain.ledger.model import ReasonCode, ReasonFacts
from domain.settings.model import SettingsView, TenantSettings
from domain.settings.ports import StoredSettings
from infra.catalog.kinds import Kind
from infra.catalog.repository import RETIRED_NUMBER, RecordsSql, SqlRecords
from infra.db.pool import Database, Driver
from infra.db.tables.ledger import reason_codes
from infra.db.work import SqlWork, encoded

LOCK = "SELECT version, settings FROM tenants WHERE id = $1 FOR NO KEY UPDATE"
STORE = "UPDATE tenants SET settings = $2, version = version + 1, updated_at = now() WHERE id = $1"
VIEW = "SELECT settings, version, updated_at FROM tenants WHERE id = $1"
UNNUMBERED = """
    SELECT count(*) FROM (
        SELECT FROM lots l
        JOIN products p ON p.tenant_id = l.tenant_id AND p.id = l.product_id AND p.is_lot_controlled
        JOIN stock_lines s ON s.tenant_id = l.tenant_id AND s.lot_id = l.id AND s.on_hand > 0
        WHERE l.tenant_id = $1 AND l.is_default LIMIT 1000
    ) counted
"""
# The lot that a product had before it came under lot control, or a new one.
OPEN = """
    WITH known AS (
        UPDATE lots l
        SET number = '', is_default = true, status = 'ACTIVE', version = l.version + 1, updated_at = now()
        FROM products p
        WHERE l.tenant_id = $1 AND l.number = $2
            AND p.tenant_id = $1 AND p.id = l.product_id AND p.is_lot_controlled
        RETURNING l.product_id
    )
    INSERT INTO lots (tenant_id, id, product_id, number, is_default)
    SELECT $1, ledger_line_id(), p.id, '', true FROM products p
    WHERE p.tenant_id = $1 AND p.is_lot_controlled AND p.id NOT IN (SELECT k.product_id FROM known k)
    ORDER BY p.id
    ON CONFLICT (tenant_id, product_id, number) DO NOTHING
"""
CLOSE = """
    WITH unused AS (
        DELETE FROM lots l USING products p
        WHERE l.tenant_id = $1 AND l.is_default
            AND p.tenant_id = $1 AND p.id = l.product_id AND p.is_lot_controlled
            AND NOT EXISTS (SELECT FROM stock_lines s WHERE s.tenant_id = $1 AND s.lot_id = l.id)
        RETURNING l.id
    )
    UPDATE lots l
    SET number = $2, is_default = false, status = 'INACTIVE', version = l.version + 1, updated_at = now()
    FROM products p
    WHERE l.tenant_id = $1 AND l.is_default AND p.tenant_id = $1 AND p.id = l.product_id AND p.is_lot_controlled
        AND l.id NOT IN (SELECT u.id FROM unused u)
"""

_own = msgspec.json.Decoder(dict[str, Any], float_hook=Decimal)
_settings = msgspec.json.Decoder(TenantSettings)

REASON = RecordsSql(Kind(name="reason code", table=reason_codes, facts=ReasonFacts, view=ReasonCode))


class SqlSettingsWork(SqlWork):
    """The `SettingsWork` port."""

    def __init__(self, driver: Driver, act: Act) -> None:
        super().__init__(driver, act)
        self.reasons: SqlRecords[ReasonFacts, ReasonCode] = SqlRecords(REASON, driver, act.tenant_id)

    async def lock_settings(self) -> StoredSettings:
        row = await self.driver.fetchrow(LOCK, self.act.tenant_id)
        assert row is not None, "the caller is of this tenant"
        return StoredSettings(version=row["version"], own=_own.decode(row["settings"]))

    def in_force(self, own: Mapping[str, Any]) -> TenantSettings:
        try:
            return _settings.decode(encoded(own))
        except msgspec.ValidationError as problem:
            text, _, path = str(problem).partition(" - at `$.")
            raise FieldError((path.rstrip("`"), text.replace("`", ""))) from None

    async def store_settings(self, own: Mapping[str, Any]) -> None:
        await self.driver.execute(STORE, self.act.tenant_id, encoded(own))

    async def view_settings(self) -> SettingsView:
        return _view(await self.driver.fetchrow(VIEW, self.act.tenant_id))

    async def unnumbered_stock(self) -> int:
        lines: int = await self.driver.fetchval(UNNUMBERED, self.act.tenant_id)
        return lines

    async def open_default_lots(self) -> None:
        await self.driver.execute(OPEN, self.act.tenant_id, RETIRED_NUMBER)

    async def close_default_lots(self) -> None:
        await self.driver.execute(CLOSE, self.act.tenant_id, RETIRED_NUMBER)


class SqlSettingsReader:
    """The `SettingsReader` port."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def view(self, tenant_id: UUID) -> SettingsView:
        async with self._database.bound(tenant_id) as driver:
            return _view(await driver.fetchrow(VIEW, tenant_id))


def _view(row: Record | None) -> SettingsView:
    assert row is not None, "the caller is of this tenant"
    settings = _settings.decode(row["settings"])
    return SettingsView(**msgspec.structs.asdict(settings), version=row["version"], updated_at=row["updated_at"])
