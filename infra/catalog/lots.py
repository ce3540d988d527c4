"""Lots that come in: what is known of them in one statement, and the missing ones made in one."""

from collections.abc import Collection, Mapping, Sequence
from uuid import UUID

import asyncpg
from asyncpg import Record

from domain.errors import not_found
from domain.expiry.model import KnownLot, LotFacts, LotKey, LotPolicy, LotStatus, NewLot
from domain.values import new_id
from infra.db.pool import Database, Driver
from infra.db.work import SqlWork
from infra.settings.sql import EXPIRY_WARNING, LOTS_DEMANDED

# Each look-up is one by full key, whatever the statistics say when the plan is made (LATERAL … OFFSET 0).
FACTS = f"""
    SELECT place.today, w.product_id AS wanted, p.*, l.*
    FROM (
        SELECT (now() AT TIME ZONE coalesce(x.time_zone, 'UTC'))::date AS today
        FROM (SELECT 1) one LEFT JOIN locations x ON x.tenant_id = $1 AND x.id = $2
        WHERE $2::uuid IS NULL OR x.id IS NOT NULL
    ) place
    LEFT JOIN unnest($3::uuid[], $4::text[]) AS w(product_id, number) ON true
    LEFT JOIN LATERAL (
        SELECT x.id AS product_id, x.sku, x.is_lot_controlled, {LOTS_DEMANDED} AS is_lot_demanded,
            x.is_expiry_required, x.is_regulated, x.shelf_life_days, x.min_remaining_shelf_life_days,
            coalesce(x.expiry_warning_days, {EXPIRY_WARNING}) AS expiry_warning_days, x.lot_pattern, x.is_active
        FROM products x WHERE x.tenant_id = $1 AND x.id = w.product_id OFFSET 0
    ) p ON true
    LEFT JOIN LATERAL (
        SELECT x.id AS lot_id, x.number, x.expires_on, x.status
        FROM lots x WHERE x.tenant_id = $1 AND x.product_id = w.product_id AND x.number = w.number OFFSET 0
    ) l ON true
"""  # noqa: S608 - of constants
HELD_FACTS = f"""
    SELECT f.*, EXISTS (
        SELECT FROM holds h
        WHERE h.tenant_id = $1 AND h.lot_id = f.lot_id AND h.state = 'ACTIVE' AND h.scope = 'LOT'
    ) AS is_held
    FROM ({FACTS}) f
"""  # noqa: S608 - of constants
# In the order of the keys: two that make the same lots wait for each other and do not lock crosswise.
MAKE = """
    INSERT INTO lots (tenant_id, id, product_id, number, expires_on, manufactured_on, supplier_lot, is_default)
    SELECT $1, n.id, n.product_id, n.number, n.expires_on, n.manufactured_on, n.supplier_lot, n.number = ''
    FROM unnest($2::uuid[], $3::uuid[], $4::text[], $5::date[], $6::date[], $7::text[])
        AS n(id, product_id, number, expires_on, manufactured_on, supplier_lot)
    ORDER BY n.product_id, n.number
    ON CONFLICT (tenant_id, product_id, number) DO NOTHING
    RETURNING id AS lot_id, product_id, number, expires_on, status
"""
FIND = """
    SELECT l.id AS lot_id, l.product_id, l.number, l.expires_on, l.status
    FROM unnest($2::uuid[], $3::text[]) AS w(product_id, number)
    CROSS JOIN LATERAL (
        SELECT * FROM lots x
        WHERE x.tenant_id = $1 AND x.product_id = w.product_id AND x.number = w.number OFFSET 0
    ) l
"""

_POLICY = tuple(LotPolicy.__struct_fields__)


class LotSqlWork(SqlWork):
    """The `LotWork` port; an area that brings lots in builds its unit of work on it."""

    async def lot_facts(self, wanted: Collection[LotKey], *, location_id: UUID | None = None) -> LotFacts:
        """One statement."""
        return await read_facts(self.driver, self.act.tenant_id, wanted, location_id)

    async def ensure_lots(self, lots: Sequence[NewLot]) -> Mapping[LotKey, KnownLot]:
        """One statement; two when another transaction made one of them since."""
        tenant_id = self.act.tenant_id
        try:
            rows = await self.driver.fetch(
                MAKE,
                tenant_id,
                [new_id() for _ in lots],
                [lot.product_id for lot in lots],
                [lot.number for lot in lots],
                [lot.expires_on for lot in lots],
                [lot.manufactured_on for lot in lots],
                [lot.supplier_lot for lot in lots],
            )
        except asyncpg.ForeignKeyViolationError as problem:
            raise not_found("product", field="productMasterId") from problem
        found = {lot.key: lot for lot in (_known(row, is_new=True) for row in rows)}
        others = [lot.key for lot in lots if lot.key not in found]
        if others:
            numbers = [number for _, number in others]
            rows = await self.driver.fetch(FIND, tenant_id, [product for product, _ in others], numbers)
            found |= {lot.key: lot for lot in (_known(row) for row in rows)}
        return found


class SqlLotQueries:
    """The `LotQueries` port."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def lot_facts(
        self, tenant_id: UUID, wanted: Collection[LotKey], *, location_id: UUID | None = None
    ) -> LotFacts:
        async with self._database.bound(tenant_id) as driver:
            return await read_facts(driver, tenant_id, wanted, location_id)


async def read_facts(
    driver: Driver,
    tenant_id: UUID,
    wanted: Collection[LotKey],
    location_id: UUID | None,
    *,
    with_holds: bool = False,
) -> LotFacts:
    """The facts in one statement, if wanted with whether a hold lies on each lot."""
    keys = list(wanted)
    products, numbers = [product for product, _ in keys], [number for _, number in keys]
    rows = await driver.fetch(HELD_FACTS if with_holds else FACTS, tenant_id, location_id, products, numbers)
    if not rows:
        raise not_found("location", field="locationId")
    known = [row for row in rows if row["product_id"] is not None]
    lots = (_known(row) for row in known if row["lot_id"] is not None)
    return LotFacts(
        policies={row["product_id"]: LotPolicy(**{name: row[name] for name in _POLICY}) for row in known},
        lots={lot.key: lot for lot in lots},
        today=rows[0]["today"],
    )


def _known(row: Record, *, is_new: bool = False) -> KnownLot:
    return KnownLot(
        id=row["lot_id"],
        product_id=row["product_id"],
        number=row["number"],
        expires_on=row["expires_on"],
        status=LotStatus(row["status"]),
        is_new=is_new,
        is_held=bool(row.get("is_held")),
    )
