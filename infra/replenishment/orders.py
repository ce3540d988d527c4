"""Replenishment records inside a transaction, and to read."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from domain.access.model import Act, Scope
from domain.catalog.rules import path_of
from domain.catalog.views import Page, Window
from domain.documents import DocumentType
from domain.errors import FieldError, not_found
from domain.replenishment.flow import State
from domain.replenishment.model import LEAD_TIME_DAYS, Source
from domain.replenishment.ports import NewOrder, OrderFacts, RecordFilter
from domain.replenishment.records import with_history
from domain.replenishment.views import OrderMethod, Record, RecordSummary
from infra.catalog.kinds import fields_of
from infra.db.pool import Database, Driver
from infra.db.tables.replenishment import replenishment_orders
from infra.db.work import encoded
from infra.documents.work import history

_LIMITS = (21, 51, 101, 201)
ADD = """
    INSERT INTO replenishment_orders (tenant_id, id, number, location_id, product_id, quantity, method, source,
        source_location_id, supplier, needed_on, note, reasoning, actor_id, actor)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
    ON CONFLICT (tenant_id, location_id, product_id) WHERE state IN ('OPEN', 'TRIGGERED') DO NOTHING RETURNING id
"""
OPEN = """
    SELECT id FROM replenishment_orders
    WHERE tenant_id = $1 AND location_id = $2 AND product_id = $3 AND state IN ('OPEN', 'TRIGGERED')
"""
# A transfer as transfers lock it themselves, a supply likewise: what is locked again later is not locked harder.
LOCK_FOLLOWED = """
    WITH o AS MATERIALIZED (
        SELECT transfer_id, supply_id FROM replenishment_orders WHERE tenant_id = $1 AND id = $2
    ), t AS MATERIALIZED (
        SELECT x.id FROM transfers x WHERE x.tenant_id = $1 AND x.id = (SELECT o.transfer_id FROM o) FOR UPDATE
    ), s AS MATERIALIZED (
        SELECT x.id FROM supplies x WHERE x.tenant_id = $1 AND x.id = (SELECT o.supply_id FROM o) FOR NO KEY UPDATE
    )
    SELECT coalesce((SELECT t.id FROM t), (SELECT s.id FROM s))
"""
LOCK = f"""
    SELECT o.id, o.number, o.product_id, o.location_id, o.quantity, o.state, o.source, o.source_location_id,
        o.transfer_id, o.supply_id, o.version, l.today,
        coalesce(o.needed_on, l.today + coalesce(v.lead_time_days, {LEAD_TIME_DAYS})) AS due_on
    FROM (SELECT * FROM replenishment_orders WHERE tenant_id = $1 AND id = $2 FOR NO KEY UPDATE) o
    CROSS JOIN LATERAL (
        SELECT (now() AT TIME ZONE x.time_zone)::date AS today FROM locations x
        WHERE x.tenant_id = $1 AND x.id = o.location_id OFFSET 0
    ) l
    LEFT JOIN LATERAL (
        SELECT x.lead_time_days FROM stock_levels x
        WHERE x.tenant_id = $1 AND x.product_id = o.product_id AND x.location_id = o.location_id OFFSET 0
    ) v ON true
"""  # noqa: S608 - ours
MOVE = """
    UPDATE replenishment_orders
    SET state = $3, transfer_id = coalesce($4, transfer_id), supply_id = coalesce($5, supply_id),
        version = version + 1, updated_at = now()
    WHERE tenant_id = $1 AND id = $2
"""
# Where it comes from is not told to those who may not look there.
_SHOWN = """
    SELECT x.id, x.number, x.product_id, p.sku AS global_sku, p.name AS product_name, x.location_id,
        l.code AS location_code, trim_scale(x.quantity) AS quantity, x.method, x.state, x.source,
        s.id AS source_location_id, s.code AS source_location_code, x.supplier, x.needed_on, x.note, x.reasoning,
        t.id AS transfer_id, t.number AS transfer_number, t.state AS transfer_state, x.supply_id,
        u.due_on AS supply_due_on, x.actor, x.version, x.created_at, x.updated_at
    FROM {rows} x
    JOIN products p ON p.tenant_id = x.tenant_id AND p.id = x.product_id
    JOIN locations l ON l.tenant_id = x.tenant_id AND l.id = x.location_id
    LEFT JOIN locations s ON s.tenant_id = x.tenant_id AND s.id = x.source_location_id
        AND ($2::uuid[] IS NULL OR s.id = ANY ($2))
    LEFT JOIN transfers t ON t.tenant_id = x.tenant_id AND t.id = x.transfer_id
    LEFT JOIN supplies u ON u.tenant_id = x.tenant_id AND u.id = x.supply_id
"""
ONE = _SHOWN.format(
    rows="""(
        SELECT * FROM replenishment_orders y
        WHERE y.tenant_id = $1 AND y.id = $3 AND ($2::uuid[] IS NULL OR y.location_id = ANY ($2))
    )"""
)
OWN = _SHOWN.format(rows="(SELECT * FROM replenishment_orders y WHERE y.tenant_id = $1 AND y.id = $3)")
OF_TRANSFER = "SELECT id FROM replenishment_orders WHERE tenant_id = $1 AND transfer_id = $2"
# By its number, which has an index.
OF_SUPPLY = "SELECT id FROM replenishment_orders WHERE tenant_id = $1 AND number = $3 AND supply_id = $2"
_FILTERS = {
    "state": "x.state = ${n}",
    "location_id": "x.location_id = ${n}",
    "product_id": "x.product_id = ${n}",
    "source": "x.source = ${n}",
}
_FIELDS = RecordSummary.__struct_fields__
_SHOWN_FIELDS = tuple(name for name in _FIELDS if name != "allowed_actions")
_CHOICES: Mapping[str, Any] = {"method": OrderMethod, "state": State, "source": Source}
_reasoning = msgspec.json.Decoder(dict[str, Any])


class SqlOrderStore:
    """The `OrderStore` port."""

    def __init__(self, driver: Driver, act: Act) -> None:
        self._driver = driver
        self._act = act
        self._tenant = act.tenant_id

    async def add(self, id_: UUID, number: str, new: NewOrder) -> UUID | None:
        caller = self._act.caller
        values = (
            self._tenant,
            id_,
            number,
            new.location_id,
            new.product_id,
            new.quantity,
            new.method,
            new.source,
            new.source_location_id,
            new.supplier,
            new.needed_on,
            new.note,
            encoded(new.reasoning),
            caller.principal_id,
            caller.actor,
        )
        try:
            made = await self._driver.fetchval(ADD, *values)
        except asyncpg.ForeignKeyViolationError as problem:
            column = fields_of(replenishment_orders).get(problem.constraint_name or "", "id")
            raise not_found(column.removesuffix("_id").replace("_", " "), field=path_of(column)) from problem
        if made is not None:
            return None
        known: UUID | None = await self._driver.fetchval(OPEN, self._tenant, new.location_id, new.product_id)
        return known or id_

    async def lock_followed(self, id_: UUID) -> UUID | None:
        followed: UUID | None = await self._driver.fetchval(LOCK_FOLLOWED, self._tenant, id_)
        return followed

    async def lock(self, id_: UUID) -> OrderFacts | None:
        row = await self._driver.fetchrow(LOCK, self._tenant, id_)
        if row is None:
            return None
        return OrderFacts(**(dict(row) | {"state": State(row["state"]), "source": Source(row["source"])}))

    async def of_transfer(self, transfer_id: UUID) -> UUID | None:
        id_: UUID | None = await self._driver.fetchval(OF_TRANSFER, self._tenant, transfer_id)
        return id_

    async def of_supply(self, supply_id: UUID, number: str) -> UUID | None:
        id_: UUID | None = await self._driver.fetchval(OF_SUPPLY, self._tenant, supply_id, number)
        return id_

    async def move(
        self, id_: UUID, to: State, *, transfer_id: UUID | None = None, supply_id: UUID | None = None
    ) -> None:
        await self._driver.execute(MOVE, self._tenant, id_, to, transfer_id, supply_id)

    async def view(self, id_: UUID) -> RecordSummary:
        scope = self._act.scope
        row = await self._driver.fetchrow(OWN, self._tenant, None if scope is None else list(scope), id_)
        assert row is not None, "it was added or locked by this very transaction"
        return _summary(row)


class SqlRecordReads:
    """The `RecordReads` port."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(
        self, tenant_id: UUID, scope: Scope, wanted: RecordFilter, window: Window
    ) -> Page[RecordSummary]:
        given = {name: value for name, value in msgspec.structs.asdict(wanted).items() if value is not None}
        is_after = window.after is not None
        last = (window.page - 1) * window.limit if window.after is None else _place(window.after)
        statement = _listed(
            tuple(given),
            next(size for size in _LIMITS if size > window.limit),
            is_descending=window.sort.startswith("-"),
            is_after=is_after,
        )
        locations = None if scope is None else sorted(scope)
        async with self._database.bound(tenant_id) as driver:
            rows = await driver.fetch(statement, tenant_id, locations, *given.values(), last)
        shown = [_summary(row) for row in rows if row["id"] is not None]
        more = shown[window.limit - 1] if len(shown) > window.limit else None
        return Page(
            items=shown[: window.limit],
            total=None if is_after else rows[0]["total"],
            next_after=None if more is None else [str(more.id)],
        )

    async def one(self, tenant_id: UUID, scope: Scope, id_: UUID) -> Record:
        async with self._database.bound(tenant_id) as driver:
            row = await driver.fetchrow(ONE, tenant_id, None if scope is None else sorted(scope), id_)
            if row is None:
                raise not_found("replenishment")
            steps = await history(driver, tenant_id, DocumentType.REPLENISHMENT, id_)
        return with_history(_summary(row), steps)


@lru_cache(maxsize=256)
def _listed(filters: tuple[str, ...], limit: int, *, is_descending: bool, is_after: bool) -> str:
    """The page first, by the index of its filters, what is joined to it then."""
    where = "x.tenant_id = $1 AND ($2::uuid[] IS NULL OR x.location_id = ANY ($2))"
    where += "".join(f" AND {_FILTERS[name].format(n=n)}" for n, name in enumerate(filters, start=3))
    n = len(filters) + 3
    direction, beyond = ("DESC", "<") if is_descending else ("ASC", ">")
    order = f"ORDER BY x.id {direction}"
    if is_after:
        rows = (
            f"(SELECT * FROM replenishment_orders x WHERE {where} AND x.id {beyond} ${n} "  # noqa: S608 - ours
            f"{order} LIMIT {limit})"
        )
        return f"{_SHOWN.format(rows=rows)} {order}"
    rows = f"(SELECT * FROM replenishment_orders x WHERE {where} {order} LIMIT {limit} OFFSET ${n})"  # noqa: S608 - ours
    counted = f"SELECT count(*) AS total FROM replenishment_orders x WHERE {where}"  # noqa: S608 - ours
    # One row at least, so that the total of a page beyond the end is known, too.
    return (
        f"SELECT t.total, x.* FROM ({counted}) t "  # noqa: S608 - ours
        f"LEFT JOIN LATERAL ({_SHOWN.format(rows=rows)}) x ON true {order}"
    )


def _summary(row: asyncpg.Record) -> RecordSummary:
    fields = {name: row[name] for name in _SHOWN_FIELDS}
    fields |= {name: kind(fields[name]) for name, kind in _CHOICES.items()}
    return RecordSummary(**(fields | {"reasoning": _reasoning.decode(fields["reasoning"])}))


def _place(after: Sequence[str | int]) -> UUID:
    try:
        (id_,) = after
        return UUID(str(id_))
    except ValueError:
        raise FieldError(("cursor", "is not a cursor of this list")) from None
