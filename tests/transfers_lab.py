"""Transfers without HTTP: the services over a database, each step in its own transaction."""

from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from domain.access.model import Act, Permission
from domain.errors import ContentionError, DomainError
from domain.ledger.model import Kind, Posted
from domain.transfers.arriving import receive
from domain.transfers.closing import cancel, close
from domain.transfers.making import change_draft, create_transfer
from domain.transfers.model import ArrivedLine, LineWanted, Missing, NewTransfer, PickedLine, Transfer
from domain.transfers.reserving import pick, submit
from domain.transfers.shipping import ship
from infra.db.pool import Database
from infra.db.work import beginning
from infra.transfers.work import TransferSqlWork
from tests.ledger.builders import Warehouse, a_posting, a_warehouse, an_act, an_entry

type Step = Callable[[TransferSqlWork], Awaitable[Transfer]]
STOCK = """
    SELECT coalesce(sum(s.on_hand) FILTER (WHERE s.location_id = $2), 0) AS origin,
        coalesce(sum(s.on_hand) FILTER (WHERE s.location_id = $3), 0) AS destination,
        coalesce(sum(s.on_hand) FILTER (WHERE l.type = 'IN_TRANSIT'), 0) AS transit,
        coalesce(sum(s.reserved), 0) AS reserved
    FROM stock_lines s JOIN locations l ON (l.tenant_id, l.id) = (s.tenant_id, s.location_id)
    WHERE s.tenant_id = $1
"""


class Stock(msgspec.Struct, frozen=True):
    """What is where: all of it, of all products."""

    origin: Decimal
    destination: Decimal
    transit: Decimal
    reserved: Decimal

    @property
    def total(self) -> Decimal:
        return self.origin + self.destination + self.transit


class Fleet(msgspec.Struct, frozen=True, kw_only=True):
    """Two locations of one company, and stock at the first of them."""

    warehouse: Warehouse

    @property
    def act(self) -> Act:
        act = an_act(self.warehouse.tenant_id)
        caller = msgspec.structs.replace(act.caller, rights={Permission.TRANSFERS_WRITE: None})
        return msgspec.structs.replace(act, caller=caller, permission=Permission.TRANSFERS_WRITE)

    async def stock(self, admin: "asyncpg.Connection[Any]") -> Stock:
        row = await admin.fetchrow(STOCK, self.warehouse.tenant_id, *self.warehouse.locations[:2])
        assert row is not None
        return Stock(*row)

    async def done(self, database: Database, step: Step) -> Transfer | DomainError:
        """In one transaction; what loses against others is tried again, as over HTTP."""
        try:
            async with beginning(database, TransferSqlWork)(self.act) as work:
                return await step(work)
        except ContentionError:
            return await self.done(database, step)
        except DomainError as refused:
            return refused

    def creating(self, *quantities: int) -> Step:
        """A draft of one line for each quantity, of the products in their order."""
        lines = [
            LineWanted(product_id=product, quantity=Decimal(quantity))
            for product, quantity in zip(self.warehouse.products, quantities, strict=False)
        ]
        origin, destination = self.warehouse.locations[:2]
        new = NewTransfer(origin_id=origin, destination_id=destination, lines=lines)
        return lambda work: create_transfer(work, act=self.act, new=new)

    def updating(self, id_: UUID) -> Step:
        return lambda work: change_draft(work, act=self.act, transfer_id=id_, changes={"reference": "R"})

    def submitting(self, id_: UUID, version: int | None = None) -> Step:
        return lambda work: submit(work, act=self.act, transfer_id=id_, expected_version=version)

    def picking(self, id_: UUID, *lines: PickedLine) -> Step:
        return lambda work: pick(work, act=self.act, transfer_id=id_, lines=lines)

    def shipping(self, id_: UUID, version: int | None = None) -> Step:
        return lambda work: ship(work, act=self.act, transfer_id=id_, expected_version=version)

    def receiving(self, id_: UUID, *lines: ArrivedLine, version: int | None = None) -> Step:
        return lambda work: receive(work, act=self.act, transfer_id=id_, lines=lines, expected_version=version)

    def closing(self, id_: UUID, *missing: Missing, version: int | None = None) -> Step:
        return lambda work: close(work, act=self.act, transfer_id=id_, missing=missing, expected_version=version)

    def canceling(self, id_: UUID, version: int | None = None) -> Step:
        return lambda work: cancel(work, act=self.act, transfer_id=id_, expected_version=version)

    async def under_way(self, database: Database, *quantities: int) -> Transfer:
        """A transfer that has been shipped."""
        transfer = await self.must(database, self.creating(*quantities))
        for step in (self.submitting, self.picking, self.shipping):
            transfer = await self.must(database, step(transfer.id))
        return transfer

    async def must(self, database: Database, step: Step) -> Transfer:
        done = await self.done(database, step)
        assert isinstance(done, Transfer), done
        return done


async def a_fleet(
    admin: "asyncpg.Connection[Any]", post: Callable[[Any, Warehouse], Awaitable[Any]], *, stock: int, **sizes: int
) -> Fleet:
    warehouse = await a_warehouse(admin, **({"products": 1, "locations": 2} | sizes))
    entries = [
        an_entry(warehouse.shelf(product, lot=lot, location=0), stock, kind=Kind.OPENING)
        for product in range(len(warehouse.products))
        for lot in range(len(warehouse.lots[warehouse.products[product]]))
    ]
    posted = await post(a_posting(*entries, kind=Kind.OPENING), warehouse)
    assert isinstance(posted, Posted), posted
    return Fleet(warehouse=warehouse)


def all_of(transfer: Transfer) -> list[ArrivedLine]:
    return [ArrivedLine(line_id=line.id, quantity=line.shipped) for line in transfer.lines]
