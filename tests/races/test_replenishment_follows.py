"""A record and what it follows are ended at once: whoever comes first ends both, and nobody waits in a circle.

Seen red (a deadlock) with the record locked before its transfer or its supply.
"""

import asyncio
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

import asyncpg
import msgspec
import pytest

from domain.access.model import Act, Permission
from domain.availability.supplies import change as change_supply
from domain.errors import ContentionError, DomainError
from domain.ledger.model import Kind
from domain.ledger.receiving import Goods, GoodsLine, receive_goods
from domain.replenishment.model import Source
from domain.replenishment.records import NewRecord, cancel, close, create_record, trigger
from domain.replenishment.views import Record
from domain.transfers.closing import cancel as cancel_transfer
from infra.availability.supplies import ReceivingSqlWork
from infra.db.pool import Database
from infra.db.work import beginning
from infra.ledger.answers import SqlAnswers
from infra.ledger.goods import SqlGoodsReads
from infra.replenishment.work import ReplenishmentSqlWork
from infra.transfers.work import TransferSqlWork
from tests.lab import DatabaseUrls
from tests.ledger.builders import Warehouse, a_move, a_warehouse, an_act
from tests.races.pools import Pools, gate

type Admin = asyncpg.Connection[Any]
type Racer = Callable[[Pools, Record], Awaitable[object]]

ORDERED = Decimal(5)
HOLD_SUPPLY = "SELECT 1 FROM supplies WHERE tenant_id = $1 AND id = $2 FOR UPDATE"
HOLD_TRANSFER = "SELECT 1 FROM transfers WHERE tenant_id = $1 AND id = $2 FOR UPDATE"
HOLD_RECORD = "SELECT 1 FROM replenishment_orders WHERE tenant_id = $1 AND id = $2 FOR UPDATE"
ENDED = """
    SELECT o.state, coalesce(t.state, u.state),
        (SELECT count(*) FROM document_history h WHERE h.tenant_id = $1 AND h.document_id = $2),
        (SELECT coalesce(sum(s.on_hand), 0) FROM stock_lines s
            WHERE s.tenant_id = $1 AND s.location_id = o.location_id)
    FROM replenishment_orders o
    LEFT JOIN transfers t ON (t.tenant_id, t.id) = (o.tenant_id, o.transfer_id)
    LEFT JOIN supplies u ON (u.tenant_id, u.id) = (o.tenant_id, o.supply_id)
    WHERE o.tenant_id = $1 AND o.id = $2
"""


def an_act_of(warehouse: Warehouse, permission: Permission) -> Act:
    act = an_act(warehouse.tenant_id)
    rights = dict.fromkeys((permission, Permission.TRANSFERS_WRITE), None)
    return msgspec.structs.replace(
        act, caller=msgspec.structs.replace(act.caller, rights=rights), permission=permission
    )


class Stand(msgspec.Struct, frozen=True, kw_only=True):
    """Who races for a record at a warehouse, each in a transaction of its own, on one of the pools."""

    warehouse: Warehouse
    pools: Pools

    async def recorded(self, source: Source) -> Record:
        here, there = self.warehouse.locations[:2]
        await self.pools.alone(0, a_move(self.warehouse.shelf(), 100), self.warehouse)
        new = NewRecord(
            product_id=self.warehouse.products[0],
            location_id=there,
            quantity=ORDERED,
            source=source,
            source_location_id=here if source is Source.LOCATION else None,
        )
        async with beginning(self.pools.databases[0], ReplenishmentSqlWork)(self._planner) as work:
            return await create_record(work, act=self._planner, new=new)

    async def triggering(self, record: Record) -> object:
        return await self._planned(trigger, record)

    async def closing(self, record: Record) -> object:
        return await self._planned(close, record)

    async def canceling(self, record: Record) -> object:
        return await self._planned(cancel, record)

    async def canceling_transfer(self, record: Record) -> object:
        act = an_act_of(self.warehouse, Permission.TRANSFERS_WRITE)
        assert record.transfer_id is not None
        async with beginning(self._other, TransferSqlWork)(act) as work:
            return await cancel_transfer(work, act=act, transfer_id=record.transfer_id)

    async def canceling_supply(self, record: Record) -> object:
        act = an_act_of(self.warehouse, Permission.INVENTORY_WRITE)
        assert record.supply_id is not None
        async with beginning(self._other, ReceivingSqlWork)(act) as work:
            return await change_supply(
                work, act=act, supply_id=record.supply_id, changes={}, cancel=True, expected_version=None
            )

    async def receiving(self, record: Record) -> object:
        act = an_act_of(self.warehouse, Permission.INVENTORY_WRITE)
        line = GoodsLine(product_id=record.product_id, quantity=ORDERED, supply_id=record.supply_id)
        goods = Goods(kind=Kind.RECEIPT, location_id=record.location_id, lines=[line], source_type="RECEIPT")
        reads, answers = SqlGoodsReads(self._other), SqlAnswers(self._other)
        begin = beginning(self._other, ReceivingSqlWork)
        return await receive_goods(reads, answers, self.pools.ledgers[1], begin, act=act, goods=goods)

    @property
    def _planner(self) -> Act:
        return an_act_of(self.warehouse, Permission.REPLENISHMENT_WRITE)

    @property
    def _other(self) -> Database:
        return self.pools.databases[1]

    async def _planned(self, do: Any, record: Record) -> object:
        async with beginning(self.pools.databases[0], ReplenishmentSqlWork)(self._planner) as work:
            return await do(work, act=self._planner, record_id=record.id, comment=None, expected_version=None)


RACES = {
    "received, then closed": (Source.SUPPLIER, Stand.receiving, Stand.closing, ("CLOSED", "CLOSED", 3, 5)),
    "received, then canceled": (Source.SUPPLIER, Stand.receiving, Stand.canceling, ("CLOSED", "CLOSED", 3, 5)),
    "closed, then received": (Source.SUPPLIER, Stand.closing, Stand.receiving, ("CLOSED", "CANCELED", 3, 0)),
    "supply canceled, then record": (
        *(Source.SUPPLIER, Stand.canceling_supply, Stand.canceling),
        ("CANCELED", "CANCELED", 3, 0),
    ),
    "record canceled, then supply": (
        *(Source.SUPPLIER, Stand.canceling, Stand.canceling_supply),
        ("CANCELED", "CANCELED", 3, 0),
    ),
    "transfer canceled, then record": (
        *(Source.LOCATION, Stand.canceling_transfer, Stand.canceling),
        ("CANCELED", "CANCELED", 3, 0),
    ),
    "record canceled, then transfer": (
        *(Source.LOCATION, Stand.canceling, Stand.canceling_transfer),
        ("CANCELED", "CANCELED", 3, 0),
    ),
}
"""Who comes first, who second, and what becomes of the record and of what it follows, in how many steps."""


@pytest.mark.parametrize("race", RACES)
async def test_who_comes_first_ends_both_and_the_second_is_told_so(
    admin: Admin, pools: Pools, database_urls: DatabaseUrls, race: str
) -> None:
    source, first, second, ended = RACES[race]
    stand = Stand(warehouse=await a_warehouse(admin, locations=2), pools=pools)
    record = await stand.triggering(await stand.recorded(source))
    assert isinstance(record, Record)
    held = (HOLD_TRANSFER, record.transfer_id) if record.transfer_id else (HOLD_SUPPLY, record.supply_id)

    async with gate(database_urls, held[0], stand.warehouse.tenant_id, held[1]) as closed:
        racers = []
        for number, racer in enumerate((first, second), start=1):
            racers.append(asyncio.create_task(racer(stand, record)))
            await closed.crowd(number)
    done, refused = await asyncio.gather(*racers, return_exceptions=True)

    assert not isinstance(done, BaseException), done
    assert isinstance(refused, DomainError), refused
    assert refused.reason == "INVALID_TRANSITION"
    assert tuple(await admin.fetchrow(ENDED, stand.warehouse.tenant_id, record.id) or ()) == ended


@pytest.mark.parametrize("source", Source)
async def test_who_cancels_while_a_record_is_triggered_does_it_again_and_finds_what_it_follows_by_then(
    admin: Admin, pools: Pools, database_urls: DatabaseUrls, source: Source
) -> None:
    stand = Stand(warehouse=await a_warehouse(admin, locations=2), pools=pools)
    record = await stand.recorded(source)

    async with gate(database_urls, HOLD_RECORD, stand.warehouse.tenant_id, record.id) as held:
        racers = []
        for number, racer in enumerate((stand.triggering, stand.canceling), start=1):
            racers.append(asyncio.create_task(racer(record)))
            await held.crowd(number)
    triggered, lost = await asyncio.gather(*racers, return_exceptions=True)

    assert isinstance(triggered, Record), triggered
    assert isinstance(lost, ContentionError), lost
    again = await stand.canceling(record)
    assert isinstance(again, Record)
    ended = await admin.fetchrow(ENDED, stand.warehouse.tenant_id, record.id)
    assert ended is not None
    assert tuple(ended)[:2] == ("CANCELED", "CANCELED")
