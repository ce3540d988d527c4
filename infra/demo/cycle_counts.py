"""The demonstration's cycle counts: one in each state, at the distribution centre.

One person counts, another counts again what differs, and a third decides: nobody decides upon their own.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from decimal import Decimal
from uuid import UUID

import msgspec

from domain.access.delegations import InForce
from domain.access.model import Act, Permission
from domain.counting import batches
from domain.counting.deciding import ResolveAction
from domain.counting.model import Batch, Count, Line, NewBatch, Sitting, Type, Waiver, Wanted
from domain.counting.recording import record
from domain.counting.resolving import Wished, resolve
from domain.counting.resolving_ports import Why
from domain.ledger.model import ReasonCode
from domain.settings.service import change_settings
from infra.counting.work import CountingSqlWork
from infra.db.pool import Database
from infra.db.work import beginning
from infra.demo.places import DC
from infra.demo.plan import Plan
from infra.settings.repository import SqlSettingsWork

IS_DONE = "SELECT EXISTS (SELECT FROM cycle_counts WHERE tenant_id = $1)"
PEOPLE = "SELECT g.role, g.user_id FROM grants g WHERE g.tenant_id = $1 AND g.location_id IS NULL"
REASON = """
    SELECT r.id, r.code, r.name, r.direction, r.requires_comment, r.requires_root_cause, r.is_active, r.pack
    FROM reason_codes r WHERE r.tenant_id = $1 AND r.code = 'COUNT_DIFFERENCE'
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
COUNTER, MANAGER, OPERATOR = "counter", "manager", "operator"
RULES = {
    "countToleranceUnits": 2,
    "approvalTiers": [{"above": 25, "approvals": 1}, {"above": 500, "approvals": 2}],
}
"""A count that is off by two at most is accepted by itself; what is worth more than a tier takes an approval."""
SLIGHTLY, FAR = 2, 7
"""By how much a count is off that is within that tolerance, and one beyond it."""
VALUABLE = 40
"""What a difference is worth that waits for an approval."""
MATTERS = (Permission.INVENTORY_READ, Permission.INVENTORY_CYCLECOUNT)


async def count_some(
    database: Database, act: Act, plan: Plan, *, products: Sequence[UUID], locations: Sequence[UUID]
) -> None:
    """Make it all in one transaction, once."""
    demand = plan.assortment.demand
    sought = sorted(range(len(products)), key=lambda number: (-sum(demand[number].lines), number))
    wanted = [products[number] for number in sought]
    async with database.bound(act.tenant_id) as reader:
        if await reader.fetchval(IS_DONE, act.tenant_id):
            return
        people = {row["role"]: row["user_id"] for row in await reader.fetch(PEOPLE, act.tenant_id)}
        now: dt.datetime = await reader.fetchval("SELECT clock_timestamp()")
        row = await reader.fetchrow(REASON, act.tenant_id)
    assert row is not None, "it is of the pack that every tenant begins with"
    reason = ReasonCode(**dict(row))
    async with beginning(database, SqlSettingsWork)(act) as settings:
        await change_settings(settings, act=act, changes=RULES, expected_version=None)
    act = msgspec.structs.replace(act, permission=Permission.INVENTORY_CYCLECOUNT)
    async with beginning(database, CountingSqlWork)(act) as work:
        rows = await work.driver.fetch(STOCKED, act.tenant_id, locations[DC], wanted)
        today: dt.date = await work.driver.fetchval(TODAY, act.tenant_id, locations[DC])
        stocked = [row["product_id"] for row in rows]
        hall = _Hall(work, act, locations[DC], people=people, reason=reason, now=now)
        parts = [stocked[n : n + EACH] for n in range(0, len(stocked), EACH)]
        for some, count in zip(parts, (hall.completed, hall.reviewed, hall.running, hall.canceled), strict=False):
            await count(some)
        for some in parts[4:]:
            await hall.batch(some, scheduled_for=today + dt.timedelta(days=1), note="Before the stock-taking")


class _Hall:
    """Batches in one transaction, each step by somebody who may take it."""

    def __init__(
        self,
        work: CountingSqlWork,
        act: Act,
        location: UUID,
        *,
        people: Mapping[str, UUID],
        reason: ReasonCode,
        now: dt.datetime,
    ) -> None:
        self._work = work
        self._act = act
        self._location = location
        self._people = people
        self._reason = reason
        self._in_force = InForce(at=now, delegations=())

    async def batch(self, products: Sequence[UUID], **fields: object) -> Batch:
        wanted = NewBatch(
            location_id=self._location,
            type=Type.PARTIAL,
            wanted=Wanted(product_master_ids=tuple(products)),
            **fields,  # type: ignore[arg-type] # those of a new batch
        )
        return await batches.create(self._work, act=self._act, wanted=wanted)

    async def completed(self, products: Sequence[UUID]) -> None:
        """Nearly as the books say: what was far off was counted again, and accepted or not believed."""
        batch = await self._started(products, note="Weekly count")
        lines = await self._lines(batch)
        off = dict(zip((line.id for line in lines), (FAR, FAR, SLIGHTLY, -1), strict=False))
        await self._record(batch, [_counted(line, off=off.get(line.id, 0)) for line in lines])
        await self._complete(batch)
        await self._count_again(batch, [_counted(line, off=FAR) for line in lines[:2]])
        found, doubted = (line.id for line in lines[:2])
        accepted = Why(reason_code_id=self._reason.id, comment="A carton stood behind the others")
        rejected = Why(comment="Counted with those of a return that was not booked yet")
        await self._resolve(
            batch,
            Wished(line_id=found, action=ResolveAction.ACCEPT, why=accepted),
            Wished(line_id=doubted, action=ResolveAction.REJECT, why=rejected),
        )

    async def reviewed(self, products: Sequence[UUID]) -> None:
        """Some are to be counted again, some were and wait for an approval, and one position nobody reached."""
        batch = await self._started(products, note="Weekly count, upper floor")
        lines = await self._lines(batch)
        *reached, unreached = lines
        off = {line.id: _worth(line, VALUABLE) for line in reached[:2]} | {line.id: FAR for line in reached[2:4]}
        waiver = Waiver(line_id=unreached.id, reason="Behind a pallet that nobody could move")
        await self._record(batch, [_counted(line, off=off.get(line.id, 0)) for line in reached], [waiver])
        await self._complete(batch)
        again = reached[:2]
        await self._count_again(batch, [_counted(line, off=off[line.id]) for line in again])
        why = Why(reason_code_id=self._reason.id, comment="A delivery that was booked short")
        proposed = [Wished(line_id=line.id, action=ResolveAction.ACCEPT, why=why) for line in again[:1]]
        await self._resolve(batch, *proposed, by=OPERATOR)
        await self._ask_for_recount(batch, reached[2:3])

    async def running(self, products: Sequence[UUID]) -> None:
        """Blind, and a half of it counted."""
        batch = await self._started(
            products,
            is_blind=True,
            assignee_ids=(self._people[COUNTER],),
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

    async def _record(
        self, batch: Batch, counts: Sequence[Count], waivers: Sequence[Waiver] = (), *, by: str = COUNTER
    ) -> None:
        theirs = self._work_of(by)
        sitting = Sitting(counts=counts, waivers=waivers)
        await record(theirs, act=theirs.act, batch_id=batch.id, sitting=sitting, expected_version=None)

    async def _count_again(self, batch: Batch, counts: Sequence[Count]) -> None:
        """By another person, who finds the same."""
        lines = await self._work.lines(batch.id, [count.line_id for count in counts if count.line_id])
        await self._ask_for_recount(batch, lines)
        await self._record(batch, counts, by=MANAGER)

    async def _ask_for_recount(self, batch: Batch, lines: Sequence[Line]) -> None:
        await self._resolve(batch, *(Wished(line_id=line.id, action=ResolveAction.RECOUNT) for line in lines))

    async def _resolve(self, batch: Batch, *wishes: Wished, by: str | None = None) -> None:
        theirs = self._work if by is None else self._work_of(by)
        await resolve(
            theirs,
            act=theirs.act,
            batch_id=batch.id,
            wishes=wishes,
            expected_version=None,
            in_force=self._in_force,
            reasons={self._reason.id: self._reason},
        )

    async def _complete(self, batch: Batch) -> None:
        await batches.complete(self._work, act=self._act, batch_id=batch.id, expected_version=None)

    def _work_of(self, role: str) -> CountingSqlWork:
        caller = msgspec.structs.replace(
            self._act.caller,
            principal_id=self._people[role],
            user_id=self._people[role],
            actor=f"{role}@demo.example",
            roles=(role,),
            rights=dict.fromkeys(MATTERS if role != COUNTER else MATTERS[1:]),
        )
        return CountingSqlWork(self._work.driver, msgspec.structs.replace(self._act, caller=caller))


def _counted(line: Line, *, off: int = 0) -> Count:
    return Count(line_id=line.id, quantity=max(Decimal(0), line.snapshot_quantity + off))


def _worth(line: Line, value: int) -> int:
    """How many pieces of it are worth that much, and a little more."""
    return int(value / max(line.unit_cost, Decimal("0.01"))) + 1
