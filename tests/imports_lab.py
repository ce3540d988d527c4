"""A tenant to import into, and imports in one line."""

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from domain.access.model import Act, Permission, Scope
from domain.imports.facts import Layer
from domain.imports.model import (
    BadRecord,
    DeleteFilters,
    DeleteResult,
    DeleteRow,
    ImportResult,
    Names,
    Options,
    Record,
    RefreshScope,
    UndoResult,
)
from domain.imports.service import batch_delete, process, refresh, undo
from domain.ledger.model import Posted, Posting
from domain.values import new_id
from infra.db.pool import Database
from infra.db.work import beginning
from infra.imports.layers import read_layers
from infra.imports.work import ImportSqlWork
from infra.ledger.post import post
from tests.ledger.builders import Shelf, Warehouse, a_move, a_warehouse, an_act

ALL_OR_NOTHING = Options(allow_record_creation=True, allow_record_update=True, should_continue_on_error=False)
ROW_BY_ROW = msgspec.structs.replace(ALL_OR_NOTHING, should_continue_on_error=True)
DAY = date(2026, 1, 31)
EVERYTHING = RefreshScope(everything=True)
LINES = """
    SELECT s.id, s.product_id, s.location_id, s.bin_id, s.lot_id, s.on_hand, (
        SELECT json_agg(json_build_array(f.date_filled, f.quantity, f.job_id)) FROM fill_layers f
        WHERE f.tenant_id = $1 AND f.line_id = s.id
    ) AS layers
    FROM stock_lines s WHERE s.tenant_id = $1
"""


def a_record(
    item: int = 0,
    quantity: Decimal | int | str = 1,
    *,
    row: int = 0,
    lot: str = "LOT-1",
    bin_: str = "Bin 0",
    day: date = DAY,
    uom: str = "EA",
    name: str | None = None,
) -> Record:
    """Of the products that `builders` makes."""
    return Record(
        row=row,
        item_name=name or f"Product {item}",
        bin_name=bin_,
        lot_name=lot,
        date_filled=day,
        quantity=Decimal(quantity),
        uom=uom,
    )


def numbered(records: Sequence[Record]) -> list[Record]:
    return [msgspec.structs.replace(record, row=row) for row, record in enumerate(records)]


class Stock(msgspec.Struct, frozen=True, kw_only=True):
    """What stands on a line, and of what days."""

    on_hand: Decimal
    layers: Mapping[date, Layer]

    @property
    def days(self) -> dict[date, Decimal]:
        return {day: layer.quantity for day, layer in sorted(self.layers.items())}


class Site:
    """A tenant with its stock."""

    def __init__(self, database: Database, warehouse: Warehouse) -> None:
        self.database = database
        self.warehouse = warehouse
        self.begin = beginning(database, ImportSqlWork)

    @classmethod
    async def made(cls, admin: "asyncpg.Connection[Any]", database: Database, **sizes: int) -> "Site":
        return cls(database, await a_warehouse(admin, **{"products": 3, "lots": 2, "bins": 2, **sizes}))

    @property
    def tenant_id(self) -> UUID:
        return self.warehouse.tenant_id

    def act(self, *, scope: Scope = None, principal_id: UUID | None = None, adjusts: bool = False) -> Act:
        act = an_act(self.tenant_id, scope=scope, principal_id=principal_id)
        rights = {Permission.IMPORTS_WRITE: scope} | ({Permission.INVENTORY_ADJUST: scope} if adjusts else {})
        caller = msgspec.structs.replace(act.caller, rights=rights)
        return msgspec.structs.replace(act, caller=caller, permission=Permission.IMPORTS_WRITE)

    async def imported(
        self,
        *records: Record | BadRecord,
        options: Options = ALL_OR_NOTHING,
        act: Act | None = None,
        job_id: UUID | None = None,
        keep: bool | None = None,
    ) -> ImportResult:
        act = act or self.act()
        async with self.begin(act) as work:
            return await process(
                work,
                act=act,
                job_id=job_id or new_id(),
                records=records,
                options=options,
                description="A test",
                keep=keep,
            )

    async def refreshed(
        self,
        *records: Record | BadRecord,
        scope: RefreshScope = EVERYTHING,
        max_change_percent: Decimal | None = None,
        options: Options = ALL_OR_NOTHING,
        act: Act | None = None,
        job_id: UUID | None = None,
    ) -> ImportResult:
        act = act or self.act()
        async with self.begin(act) as work:
            return await refresh(
                work,
                act=act,
                job_id=job_id or new_id(),
                records=records,
                options=options,
                scope=scope,
                max_change_percent=max_change_percent,
                description="A test",
            )

    async def deleted(
        self,
        *rows: DeleteRow,
        filters: DeleteFilters | None = None,
        force: bool = False,
        act: Act | None = None,
    ) -> DeleteResult:
        act = act or self.act()
        async with self.begin(act) as work:
            return await batch_delete(work, act=act, job_id=new_id(), rows=rows, filters=filters, force=force)

    async def undone(self, job_id: UUID, *, act: Act | None = None) -> UndoResult:
        act = act or self.act()
        async with self.begin(act) as work:
            return await undo(work, act=act, job_id=job_id)

    async def post(self, posting: Posting) -> Posted:
        async with self.database.bound(self.tenant_id) as driver:
            (answer,) = await post(driver, [posting])
        assert isinstance(answer, Posted), answer
        return answer

    async def moved(self, shelf: Shelf, quantity: Decimal | int) -> Posted:
        return await self.post(a_move(shelf, quantity))

    async def stock(self) -> dict[Shelf, Stock]:
        async with self.database.bound(self.tenant_id) as driver:
            rows = await driver.fetch(LINES, self.tenant_id)
        return {
            Shelf(
                product_id=row["product_id"],
                location_id=row["location_id"],
                bin_id=row["bin_id"],
                lot_id=row["lot_id"],
            ): Stock(on_hand=row["on_hand"], layers=read_layers(row["layers"]))
            for row in rows
        }

    async def of(self, product: int = 0, *, lot: int = 1, bin_: int = 0, location: int = 0) -> Stock:
        shelf = self.warehouse.shelf(product, location, bin_=bin_, lot=lot)
        return (await self.stock()).get(shelf, Stock(on_hand=Decimal(0), layers={}))

    async def position(self) -> int:
        async with self.database.bound(self.tenant_id) as driver:
            found: int = await driver.fetchval(
                "SELECT position FROM ledger_heads WHERE tenant_id = $1", self.tenant_id
            )
        return found


def named(**names: Sequence[str]) -> Names:
    return Names(**{kind: tuple(values) for kind, values in names.items()})
