"""The demonstration's transfers: one in each state, from the distribution centre to the shops."""

import datetime as dt
from collections.abc import Awaitable, Callable, Sequence
from decimal import Decimal
from uuid import UUID

from domain.access.model import Act
from domain.transfers.arriving import receive
from domain.transfers.closing import cancel, close
from domain.transfers.making import create_transfer
from domain.transfers.model import ArrivedLine, LineWanted, Missing, NewTransfer, PickedLine, Transfer
from domain.transfers.reserving import pick
from domain.transfers.shipping import ship
from infra.db.pool import Database
from infra.db.work import beginning
from infra.demo.places import DC, LONDON, MANCHESTER
from infra.demo.plan import Plan
from infra.transfers.work import TransferSqlWork

IS_DONE = "SELECT EXISTS (SELECT FROM transfers WHERE tenant_id = $1)"
TODAY = """
    SELECT max((clock_timestamp() AT TIME ZONE l.time_zone)::date) FROM locations l WHERE l.tenant_id = $1
"""
# Plenty of it in one bin, in no lots and under no hold: what is moved is not missed.
PLENTY = """
    SELECT s.product_id FROM stock_lines s
    JOIN products p ON p.tenant_id = $1 AND p.id = s.product_id
    JOIN bins b ON b.tenant_id = $1 AND b.id = s.bin_id
    WHERE s.tenant_id = $1 AND s.location_id = $2 AND s.product_id = ANY ($3)
        AND NOT p.is_lot_controlled AND b.type NOT IN ('RECEIVING', 'HOLD', 'QUARANTINE', 'DAMAGE')
        AND s.on_hand - s.reserved - s.held >= 100
    GROUP BY s.product_id ORDER BY array_position($3, s.product_id) LIMIT 9
"""
FULLEST = """
    SELECT s.bin_id FROM stock_lines s WHERE s.tenant_id = $1 AND s.location_id = $2 AND s.product_id = $3
    ORDER BY s.on_hand DESC, s.id LIMIT 1
"""
STAGING = """
    SELECT b.id FROM bins b WHERE b.tenant_id = $1 AND b.location_id = $2 AND b.type = 'STAGING'
    ORDER BY b.walk_order LIMIT 1
"""
SENT = Decimal(24)


async def send_transfers(
    database: Database, act: Act, plan: Plan, *, products: Sequence[UUID], locations: Sequence[UUID]
) -> None:
    """Make it all in one transaction, once."""
    demand = plan.assortment.demand
    sought = sorted(range(len(products)), key=lambda number: (-sum(demand[number].lines), number))
    # Not of what most ask for: that is shared out among the channels.
    wanted = [products[number] for number in sought[60:600]] or list(products)
    async with beginning(database, TransferSqlWork)(act) as work:
        if await work.driver.fetchval(IS_DONE, act.tenant_id):
            return
        rows = await work.driver.fetch(PLENTY, act.tenant_id, locations[DC], wanted)
        today: dt.date = await work.driver.fetchval(TODAY, act.tenant_id)
        sender = _Sender(work, act, locations, today)
        for row, send in zip(rows, sender.all, strict=False):
            await send(row["product_id"])


class _Sender:
    """Makes one transfer in each state."""

    def __init__(self, work: TransferSqlWork, act: Act, locations: Sequence[UUID], today: dt.date) -> None:
        self._work = work
        self._act = act
        self._locations = locations
        self._today = today
        self.all: Sequence[Callable[[UUID], Awaitable[object]]] = (
            self.draft,
            self.under_way,
            self.partly_received,
            self.pending,
            self.closed_short,
            self.picked,
            self.received,
            self.canceled,
            self.moved,
        )

    async def draft(self, product_id: UUID) -> None:
        await self._made(product_id, LONDON, "Window display", submits=False)

    async def pending(self, product_id: UUID) -> Transfer:
        return await self._made(product_id, MANCHESTER, "Weekly run")

    async def picked(self, product_id: UUID) -> None:
        made = await self._made(product_id, LONDON, "Weekly run")
        short = PickedLine(line_id=made.lines[0].id, quantity=Decimal(20), reason="Four were crushed")
        await pick(self._work, act=self._act, transfer_id=made.id, lines=[short])

    async def under_way(self, product_id: UUID, *, to: int = LONDON) -> Transfer:
        made = await self._made(product_id, to, "Weekly run")
        await pick(self._work, act=self._act, transfer_id=made.id)
        return await ship(self._work, act=self._act, transfer_id=made.id, comment="Van 2")

    async def partly_received(self, product_id: UUID) -> Transfer:
        return await self._arrived(await self.under_way(product_id, to=MANCHESTER), Decimal(16))

    async def received(self, product_id: UUID) -> None:
        await self._arrived(await self.under_way(product_id), SENT)

    async def closed_short(self, product_id: UUID) -> None:
        sent = await self._arrived(await self.under_way(product_id), Decimal(23))
        missing = Missing(reason="One carton was missing on arrival")
        await close(self._work, act=self._act, transfer_id=sent.id, missing=[missing])

    async def canceled(self, product_id: UUID) -> None:
        sent = await self.under_way(product_id)
        await cancel(self._work, act=self._act, transfer_id=sent.id, comment="The van broke down")

    async def moved(self, product_id: UUID) -> None:
        here = self._locations[DC]
        tenant = self._act.tenant_id
        full = await self._work.driver.fetchval(FULLEST, tenant, here, product_id)
        staging = await self._work.driver.fetchval(STAGING, tenant, here)
        if staging is None or staging == full:
            return
        line = LineWanted(product_id=product_id, quantity=SENT, from_bin_id=full, to_bin_id=staging)
        new = NewTransfer(origin_id=here, destination_id=here, lines=[line], comment="Made ready for the morning")
        await create_transfer(self._work, act=self._act, new=new)

    async def _made(self, product_id: UUID, to: int, reference: str, *, submits: bool = True) -> Transfer:
        new = NewTransfer(
            origin_id=self._locations[DC],
            destination_id=self._locations[to],
            lines=[LineWanted(product_id=product_id, quantity=SENT)],
            due_on=self._today + dt.timedelta(days=2),
            reference=reference,
        )
        return await create_transfer(self._work, act=self._act, new=new, submits=submits)

    async def _arrived(self, sent: Transfer, quantity: Decimal) -> Transfer:
        lines = [ArrivedLine(line_id=sent.lines[0].id, quantity=quantity)]
        return await receive(self._work, act=self._act, transfer_id=sent.id, lines=lines)
