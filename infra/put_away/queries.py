"""Put-away to read: tasks, one with its history, and what waits in receiving bins with a suggestion each."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from functools import lru_cache
from typing import Any
from uuid import UUID

import msgspec

from domain.access.model import Scope
from domain.catalog.views import Page, Window
from domain.errors import FieldError
from domain.put_away.model import ReadyLine, WholeTask
from domain.put_away.ports import ReadyFilter
from domain.put_away.suggesting import Facts, Want, suggest
from infra.catalog.queries import LIMITS, SqlShelf
from infra.db.pool import Database
from infra.put_away.facts import FACTS, NOBODY, facts_of
from infra.put_away.rows import ONE, TASK, whole_task
from infra.put_away.work import FREE

FILTERS = {
    "location_id": "b.location_id = {}::uuid",
    "bin_id": "b.id = {}::uuid",
    "product_id": "s.product_id = {}::uuid",
}
# Lines in the order of their making. Receiving bins are few, and their lines are found by their bin.
WAITING = """
    SELECT s.id AS line_id, s.location_id, s.bin_id, b.code AS bin_code, s.product_id, s.lot_id, s.on_hand, f.free
    FROM bins b
    JOIN stock_lines s ON s.tenant_id = $1 AND s.bin_id = b.id AND s.on_hand > 0
    CROSS JOIN LATERAL (SELECT {free} AS free) f
    WHERE b.tenant_id = $1 AND b.type = 'RECEIVING' AND f.free > 0{filters}
"""
READY = """
    WITH waiting AS ({waiting}),
    page AS (SELECT * FROM waiting {after} ORDER BY line_id LIMIT {limit} {offset}),
    wanted AS (SELECT DISTINCT product_id, location_id FROM page),
    asked AS (SELECT NULL::uuid AS id WHERE false),
    {facts}
    SELECT {total} AS total, k.places, t.shelves, (
        SELECT jsonb_agg(jsonb_build_object(
            'line_id', g.line_id, 'location_id', g.location_id, 'location_code', l.code, 'bin_id', g.bin_id,
            'bin_code', g.bin_code, 'product_id', g.product_id, 'sku', p.sku, 'product_name', p.name,
            'lot_id', g.lot_id, 'lot_number', nullif(o.number, ''), 'expires_on', o.expires_on,
            'quantity_on_hand', trim_scale(g.on_hand), 'quantity', trim_scale(g.free)
        ) ORDER BY g.line_id)
        FROM page g
        CROSS JOIN LATERAL (SELECT * FROM locations x WHERE x.tenant_id = $1 AND x.id = g.location_id OFFSET 0) l
        CROSS JOIN LATERAL (SELECT * FROM products x WHERE x.tenant_id = $1 AND x.id = g.product_id OFFSET 0) p
        CROSS JOIN LATERAL (SELECT * FROM lots x WHERE x.tenant_id = $1 AND x.id = g.lot_id OFFSET 0) o
    ) AS lines
    FROM known k CROSS JOIN told t
"""


class _Line(msgspec.Struct, frozen=True, kw_only=True):
    line_id: UUID
    location_id: UUID
    location_code: str
    bin_id: UUID
    bin_code: str
    product_id: UUID
    sku: str
    product_name: str
    lot_id: UUID
    lot_number: str | None
    expires_on: date | None
    quantity_on_hand: Decimal
    quantity: Decimal


_lines = msgspec.json.Decoder(list[_Line])


class SqlPutAwayReads:
    """The `PutAwayReads` port."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.tasks: SqlShelf[Any, Any] = SqlShelf(database, TASK)

    async def whole(self, tenant_id: UUID, task_id: UUID, scope: Scope) -> WholeTask | None:
        async with self._database.bound(tenant_id) as driver:
            row = await driver.fetchrow(ONE, tenant_id, task_id)
        if row is None or (scope is not None and row["location_id"] not in scope):
            return None
        return whole_task(row)

    async def ready(
        self, tenant_id: UUID, wanted: ReadyFilter, window: Window, *, scope: Scope
    ) -> Page[ReadyLine]:
        given = {name: value for name, value in msgspec.structs.asdict(wanted).items() if value is not None}
        arguments: list[Any] = [tenant_id, *given.values()]
        if scope is not None:
            arguments.append(list(scope))
        arguments.append((window.page - 1) * window.limit if window.after is None else _line_in(window.after))
        statement = _ready_sql(
            tuple(given),
            is_limited=scope is not None,
            is_after=window.after is not None,
            limit=next(size for size in LIMITS if size > window.limit),
        )
        async with self._database.bound(tenant_id) as driver:
            row = await driver.fetchrow(statement, *arguments)
        assert row is not None, "aggregates are one row"
        facts = facts_of(row["places"], row["shelves"])
        found = _lines.decode(row["lines"] or "[]")
        items = [_ready(line, facts) for line in found[: window.limit]]
        more = len(found) > window.limit
        return Page(items=items, total=row["total"], next_after=[str(items[-1].line_id)] if more else None)


@lru_cache(maxsize=64)
def _ready_sql(filters: tuple[str, ...], *, is_limited: bool, is_after: bool, limit: int) -> str:
    conditions = "".join(f" AND {FILTERS[name].format(f'${n}')}" for n, name in enumerate(filters, start=2))
    n = len(filters) + 2
    if is_limited:
        conditions += f" AND b.location_id = ANY (${n}::uuid[])"
        n += 1
    return READY.format(
        waiting=WAITING.format(free=FREE, filters=conditions),
        after=f"WHERE line_id > ${n}::uuid" if is_after else "",
        limit=limit,
        offset="" if is_after else f"OFFSET ${n}",
        facts=FACTS.replace("{without}", f"'{NOBODY}'::uuid"),
        total="NULL::bigint" if is_after else "(SELECT count(*) FROM waiting)",
    )


def _ready(line: _Line, facts: Facts) -> ReadyLine:
    want = Want(
        product_id=line.product_id,
        lot_id=line.lot_id,
        location_id=line.location_id,
        bin_id=line.bin_id,
        quantity=line.quantity,
    )
    return ReadyLine(**msgspec.structs.asdict(line), suggestion=suggest(want, facts))


def _line_in(after: Sequence[str | int]) -> UUID:
    try:
        (line,) = msgspec.convert(list(after), tuple[UUID])
    except msgspec.ValidationError:
        raise FieldError(("cursor", "is not a cursor of this list")) from None
    return line
