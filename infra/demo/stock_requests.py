"""The demonstration's stock requests: rules with two tiers, a delegation, and a request in each state."""

import datetime as dt
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from decimal import Decimal
from uuid import UUID

import msgspec

from domain.access.model import Act, Permission
from domain.access.people import NewDelegation
from domain.stock_requests.deciding import approve, reject
from domain.stock_requests.editing import create_request, submit
from domain.stock_requests.ending import cancel, comment_on
from domain.stock_requests.issuing import issue
from domain.stock_requests.model import (
    NewLine,
    NewRequest,
    PickedLine,
    Priority,
    ReceivedLine,
    RequestType,
    StockRequest,
)
from domain.stock_requests.picking import pick
from domain.stock_requests.plans import Approvers, Rule
from domain.stock_requests.receiving import receive
from domain.stock_requests.states import Decider, Granted
from domain.values import new_id
from infra.access.people import SqlPeopleWork
from infra.db.pool import Database
from infra.db.work import beginning
from infra.demo.places import DC, LONDON, MANCHESTER
from infra.demo.plan import Plan
from infra.stock_requests.work import StockRequestSqlWork

IS_DONE = "SELECT EXISTS (SELECT FROM approval_rules WHERE tenant_id = $1)"
PEOPLE = "SELECT g.role, g.user_id FROM grants g WHERE g.tenant_id = $1 AND g.location_id IS NULL"
# Plenty of it, in no lots and under no hold: what is asked for is not missed.
PLENTY = """
    SELECT s.product_id, p.unit_cost FROM stock_lines s
    JOIN products p ON p.tenant_id = $1 AND p.id = s.product_id
    JOIN bins b ON b.tenant_id = $1 AND b.id = s.bin_id
    WHERE s.tenant_id = $1 AND s.location_id = $2 AND s.product_id = ANY ($3) AND NOT p.is_lot_controlled
        AND NOT p.is_regulated AND p.unit_cost > 0
        AND b.type NOT IN ('RECEIVING', 'HOLD', 'QUARANTINE', 'DAMAGE') AND s.on_hand - s.reserved - s.held >= 60
    GROUP BY s.product_id, p.unit_cost ORDER BY array_position($3, s.product_id) LIMIT 24
"""
ASKED = Decimal(12)
FAR_TOO_MANY = Decimal(100_000)
SUPERVISOR, MANAGER, REQUESTER, OPERATOR = "supervisor", "manager", "requester", "operator"


async def ask_for_stock(
    database: Database, act: Act, plan: Plan, *, products: Sequence[UUID], locations: Sequence[UUID]
) -> None:
    """Make it all, once."""
    demand = plan.assortment.demand
    sought = sorted(range(len(products)), key=lambda number: (-sum(demand[number].lines), number))
    wanted = [products[number] for number in sought[100:900]] or list(products)
    async with database.bound(act.tenant_id) as driver:
        if await driver.fetchval(IS_DONE, act.tenant_id):
            return
        people = {row["role"]: row["user_id"] for row in await driver.fetch(PEOPLE, act.tenant_id)}
        rows = await driver.fetch(PLENTY, act.tenant_id, locations[DC], wanted)
        now: dt.datetime = await driver.fetchval("SELECT clock_timestamp()")
    if not {SUPERVISOR, MANAGER, REQUESTER, OPERATOR} <= people.keys() or not rows:
        return
    office = _Office(database, act, people, locations, now)
    await office.decide_how(min(row["unit_cost"] for row in rows) * ASKED)
    found = [row["product_id"] for row in rows]
    for number, make in enumerate(office.all):
        await make([found[(2 * number) % len(found)], found[(2 * number + 1) % len(found)]])


class _Office:
    """Makes one request in each state, each step by somebody who may take it."""

    def __init__(
        self,
        database: Database,
        act: Act,
        people: Mapping[str, UUID],
        locations: Sequence[UUID],
        now: dt.datetime,
    ) -> None:
        self._database = database
        self._act = act
        self._people = people
        self._locations = locations
        self._now = now
        self.all = (
            self.draft,
            self.pending,
            self.half_approved,
            self.approved,
            self.backordered,
            self.rejected,
            self.picking,
            self.issued,
            self.received,
            self.received_short,
            self.canceled,
        )

    async def decide_how(self, little: Decimal) -> None:
        """Two tiers by value, and somebody who decides in the supervisor's place for a fortnight."""
        rules = (
            Rule(
                name="Supervisor",
                approvers=Approvers(role=SUPERVISOR),
                deadline_hours=24,
                escalates_to=Approvers(role=MANAGER),
            ),
            Rule(
                name="Manager",
                tier=2,
                value_above=little.quantize(Decimal(1)) * 10,
                approvers=Approvers(role=MANAGER),
            ),
            Rule(name="Regulated goods", tier=3, is_regulated=True, approvers=Approvers(role=MANAGER)),
        )
        async with beginning(self._database, StockRequestSqlWork)(self._act) as work:
            await work.lock_rules()
            await work.store_rules(rules)
        async with beginning(self._database, SqlPeopleWork)(self._as(SUPERVISOR)) as people:
            await people.add_delegation(
                NewDelegation(
                    id=new_id(),
                    from_user_id=self._people[SUPERVISOR],
                    to_user_id=self._people[MANAGER],
                    permissions=(Permission.STOCKREQUESTS_APPROVE,),
                    starts_at=self._now,
                    ends_at=self._now + dt.timedelta(days=14),
                    note="Summer leave",
                )
            )

    async def draft(self, products: Sequence[UUID]) -> StockRequest:
        return await self._asked(products, LONDON, "For the window", submits=False)

    async def pending(self, products: Sequence[UUID]) -> StockRequest:
        asked = await self._asked(products, LONDON, "For the weekend")
        async with self._begin(OPERATOR) as work:
            await comment_on(
                work, decider=self._decider(OPERATOR), request_id=asked.id, body="We can pick it today."
            )
        return asked

    async def half_approved(self, products: Sequence[UUID]) -> StockRequest:
        """Worth so much that a second tier decides."""
        return await self._agreed(await self._asked(products, MANCHESTER, "New range", quantity=ASKED * 500))

    async def approved(self, products: Sequence[UUID], *, to: int = MANCHESTER) -> StockRequest:
        request = await self._asked(products, to, "Shelves are empty", priority=Priority.HIGH)
        return await self._agreed(request, whole=True)

    async def backordered(self, products: Sequence[UUID]) -> StockRequest:
        request = await self._asked(products[:1], LONDON, "Whatever comes in", quantity=FAR_TOO_MANY)
        return await self._agreed(request, whole=True)

    async def rejected(self, products: Sequence[UUID]) -> StockRequest:
        request = await self._asked(products, LONDON, "Twice the usual", quantity=ASKED * 3)
        async with self._begin(SUPERVISOR) as work:
            return await reject(
                work,
                decider=self._decider(SUPERVISOR),
                request_id=request.id,
                expected_version=request.version,
                comment="There is a delivery on Tuesday: ask again after that.",
            )

    async def picking(self, products: Sequence[UUID]) -> StockRequest:
        request = await self.approved(products)
        line = request.lines[0]
        short = PickedLine(line_id=line.id, quantity=line.reserved - 2, reason="Two were crushed")
        return await self._picked(request, [short])

    async def issued(self, products: Sequence[UUID], *, to: int = LONDON) -> StockRequest:
        request = await self._picked(await self.approved(products, to=to), None)
        async with self._begin(OPERATOR) as work:
            return await issue(
                work,
                act=self._as(OPERATOR),
                decider=self._decider(OPERATOR),
                request_id=request.id,
                comment="Van 1",
                expected_version=None,
            )

    async def received(self, products: Sequence[UUID]) -> StockRequest:
        return await self._arrived(await self.issued(products), None)

    async def received_short(self, products: Sequence[UUID]) -> StockRequest:
        request = await self.issued(products, to=MANCHESTER)
        first, *others = request.lines
        came = [ReceivedLine(line_id=first.id, quantity=first.issued - 1, reason="One was broken on arrival")]
        came += [ReceivedLine(line_id=line.id, quantity=line.issued) for line in others]
        return await self._arrived(request, came)

    async def canceled(self, products: Sequence[UUID]) -> StockRequest:
        request = await self.approved(products)
        async with self._begin(REQUESTER) as work:
            return await cancel(
                work,
                decider=self._decider(REQUESTER),
                request_id=request.id,
                comment="The promotion was called off",
                expected_version=None,
            )

    async def _asked(
        self,
        products: Sequence[UUID],
        to: int,
        why: str,
        *,
        quantity: Decimal = ASKED,
        priority: Priority = Priority.NORMAL,
        submits: bool = True,
    ) -> StockRequest:
        new = NewRequest(
            type=RequestType.STOCK,
            origin_id=self._locations[DC],
            destination_id=self._locations[to],
            priority=priority,
            needed_by=(self._now + dt.timedelta(days=3)).date(),
            description=why,
            lines=[NewLine(product_id=product_id, quantity=quantity) for product_id in dict.fromkeys(products)],
        )
        async with self._begin(REQUESTER) as work:
            decider = self._decider(REQUESTER)
            request = await create_request(work, decider=decider, new=new)
            if not submits:
                return request
            return await submit(work, decider=decider, request_id=request.id, comment=None, expected_version=None)

    async def _agreed(self, request: StockRequest, *, whole: bool = False) -> StockRequest:
        """Approved by the first tier, or by all of them."""
        for role in (SUPERVISOR, MANAGER):
            if request.tier is None or request.tier.role != role:
                continue
            async with self._begin(role) as work:
                request = await approve(
                    work,
                    decider=self._decider(role),
                    request_id=request.id,
                    expected_version=request.version,
                    comment="As usual",
                )
            if not whole:
                break
        return request

    async def _picked(self, request: StockRequest, lines: Sequence[PickedLine] | None) -> StockRequest:
        async with self._begin(OPERATOR) as work:
            return await pick(
                work,
                decider=self._decider(OPERATOR),
                request_id=request.id,
                lines=lines,
                comment=None,
                expected_version=None,
            )

    async def _arrived(self, request: StockRequest, lines: Sequence[ReceivedLine] | None) -> StockRequest:
        async with self._begin(REQUESTER) as work:
            return await receive(
                work,
                act=self._as(REQUESTER),
                decider=self._decider(REQUESTER),
                request_id=request.id,
                lines=lines,
                comment=None,
                expected_version=None,
            )

    def _begin(self, role: str) -> AbstractAsyncContextManager[StockRequestSqlWork]:
        return beginning(self._database, StockRequestSqlWork)(self._as(role))

    def _as(self, role: str) -> Act:
        caller = msgspec.structs.replace(
            self._act.caller,
            principal_id=self._people[role],
            user_id=self._people[role],
            actor=f"{role}@demo.example",
            roles=(role,),
        )
        return msgspec.structs.replace(self._act, caller=caller)

    def _decider(self, role: str) -> Decider:
        grants = {self._people[role]: (Granted(role, None),)}
        return Decider(caller=self._as(role).caller, at=self._now, grants=grants)
