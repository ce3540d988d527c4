"""The demonstration's cycle counts: one in each state, at the distribution centre."""

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal
from uuid import UUID

import msgspec

from domain.access.model import Act, Permission
from domain.counting import batches
from domain.counting.model import Batch, Count, Line, NewBatch, Sitting, Type, Waiver, Wanted
from domain.counting.recording import record
from infra.counting.work import CountingSqlWork
from infra.db.pool import Database
from infra.db.work import beginning
from infra.demo.places import DC
from infra.demo.plan import Plan

IS_DONE = "SELECT EXISTS (SELECT FROM cycle_counts WHERE tenant_id = $1)"
COUNTER = """
    SELECT u.id, u.email FROM users u JOIN memberships m ON m.tenant_id = $1 AND m.user_id = u.id
    WHERE u.email LIKE 'counter@%' ORDER BY u.email LIMIT 1
"""
TODAY = (
    "SELECT (clock_timestamp() AT TIME ZONE l.time_zone)::date FROM locations l WHERE tenant_id = $1 AND id = $2"
)
STOCKED = """
    SELECT s.product_id FROM stock_lines s
    WHERE s.tenant_id = $1 AND s.location_id = $2 AND s.product_id = ANY ($3) AND s.on_hand > 0
    GROUP BY s.product_id ORDER BY array_position($3, s.product_id) LIMIT 50
"""
LINES = "SELECT id FROM cycle_count_lines WHERE tenant_id = $1 AND batch_id = $2 ORDER BY sequence, id"
EACH = 10
"""Products in a batch."""
OFF = (0, -7, 0, 2)
"""By how much a count with variances is off, line by line."""


async def count_some(
    database: Database, act: Act, plan: Plan, *, products: Sequence[UUID], locations: Sequence[UUID]
) -> None:
    """Make it all in one transaction, once."""
    demand = plan.assortment.demand
    sought = sorted(range(len(products)), key=lambda number: (-sum(demand[number].lines), number))
    wanted = [products[number] for number in sought]
    async with beginning(database, CountingSqlWork)(act) as work:
        driver = work.driver
        if await driver.fetchval(IS_DONE, act.tenant_id):
            return
        rows = await driver.fetch(STOCKED, act.tenant_id, locations[DC], wanted)
        today: dt.date = await driver.fetchval(TODAY, act.tenant_id, locations[DC])
        counter = await driver.fetchrow(COUNTER, act.tenant_id)
        stocked = [row["product_id"] for row in rows]
        hall = _Hall(work, act, locations[DC], counter["id"] if counter else None)
        parts = [stocked[n : n + EACH] for n in range(0, len(stocked), EACH)]
        for some, count in zip(parts, (hall.completed, hall.reviewed, hall.running, hall.canceled), strict=False):
            await count(some)
        for some in parts[4:]:
            await hall.batch(some, scheduled_for=today + dt.timedelta(days=1), note="Before the stock-taking")


class _Hall:
    """Batches in one transaction; whoever counts is not who reviews."""

    def __init__(self, work: CountingSqlWork, act: Act, location: UUID, counter: UUID | None) -> None:
        self._work = work
        self._act = act
        self._location = location
        self._counter = counter

    async def batch(self, products: Sequence[UUID], **fields: object) -> Batch:
        wanted = NewBatch(
            location_id=self._location,
            type=Type.PARTIAL,
            wanted=Wanted(product_master_ids=tuple(products)),
            **fields,  # type: ignore[arg-type] # those of a new batch
        )
        return await batches.create(self._work, act=self._act, wanted=wanted)

    async def completed(self, products: Sequence[UUID]) -> None:
        """All as the books say."""
        batch = await self._started(products, note="Weekly count")
        await self._record(batch, [_counted(line) for line in await self._lines(batch)])
        await self._complete(batch)

    async def reviewed(self, products: Sequence[UUID]) -> None:
        """Some of it missing, a little too much of some, and a position that nobody reached."""
        batch = await self._started(products, note="Weekly count, upper floor")
        lines = await self._lines(batch)
        unreached = lines[-1:] if len(lines) > 1 else []
        counts = [
            _counted(line, off=OFF[n % len(OFF)]) for n, line in enumerate(lines[: len(lines) - len(unreached)])
        ]
        waivers = [Waiver(line_id=line.id, reason="Behind a pallet that nobody could move") for line in unreached]
        await self._record(batch, counts, waivers)
        await self._complete(batch)

    async def running(self, products: Sequence[UUID]) -> None:
        """Blind, and a half of it counted."""
        batch = await self._started(
            products,
            is_blind=True,
            assignee_ids=() if self._counter is None else (self._counter,),
            note="Blind count",
        )
        lines = await self._lines(batch)
        await self._record(batch, [_counted(line) for line in lines[: len(lines) // 2 or 1]])

    async def canceled(self, products: Sequence[UUID]) -> None:
        batch = await self.batch(products)
        await batches.cancel(
            self._work, act=self._act, batch_id=batch.id, expected_version=None, comment="A delivery came first"
        )

    async def _started(self, products: Sequence[UUID], **fields: object) -> Batch:
        batch = await self.batch(products, **fields)
        return await batches.start(self._work, act=self._act, batch_id=batch.id, expected_version=None)

    async def _lines(self, batch: Batch) -> list[Line]:
        rows = await self._work.driver.fetch(LINES, self._act.tenant_id, batch.id)
        return await self._work.lines(batch.id, [row["id"] for row in rows])

    async def _record(self, batch: Batch, counts: Sequence[Count], waivers: Sequence[Waiver] = ()) -> None:
        # Written by whoever counted: what differs is reviewed by somebody else.
        theirs = (
            self._work if self._counter is None else CountingSqlWork(self._work.driver, self._act_of_counter())
        )
        await record(
            theirs,
            act=theirs.act,
            batch_id=batch.id,
            sitting=Sitting(counts=counts, waivers=waivers),
            expected_version=None,
        )

    async def _complete(self, batch: Batch) -> None:
        await batches.complete(self._work, act=self._act, batch_id=batch.id, expected_version=None)

    def _act_of_counter(self) -> Act:
        assert self._counter is not None
        caller = msgspec.structs.replace(
            self._act.caller,
            principal_id=self._counter,
            user_id=self._counter,
            actor="counter@demo.example",
            roles=("counter",),
            rights={Permission.INVENTORY_CYCLECOUNT: None},
        )
        return msgspec.structs.replace(self._act, caller=caller, permission=Permission.INVENTORY_CYCLECOUNT)


def _counted(line: Line, *, off: int = 0) -> Count:
    return Count(line_id=line.id, quantity=max(Decimal(0), line.snapshot_quantity + off))
