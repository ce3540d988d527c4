"""Put-away tasks in a crowd: each is done once, nobody takes what one has claimed, and no bin is overfilled."""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from decimal import Decimal
from typing import Any, override
from uuid import UUID

import asyncpg
import msgspec
import pytest

from app.http.acts import once
from domain.access.model import Act, Permission
from domain.errors import DomainError, Reason
from domain.ledger.model import Kind, Posted
from domain.put_away.creating import create_tasks
from domain.put_away.model import State, TaskView
from domain.put_away.ports import NewTasks
from domain.put_away.service import cancel_task, complete_task, split_task, start_task
from domain.values import new_id
from infra.db.pool import Database
from infra.db.work import beginning
from infra.ledger.verify import verify
from infra.put_away.work import PutAwaySqlWork
from tests.lab import DatabaseUrls
from tests.ledger.builders import Shelf, Warehouse, a_move, a_warehouse, an_act
from tests.ledger.promises import show
from tests.neighbours import insert
from tests.races.pools import HOLD_HEAD, Pools, gate

type Admin = asyncpg.Connection[Any]
type Work[T] = Callable[[PutAwaySqlWork], Awaitable[T]]

IN_BIN = "SELECT coalesce(sum(on_hand), 0) FROM stock_lines WHERE tenant_id = $1 AND bin_id = $2"
OPEN = """
    SELECT coalesce(sum(quantity - done_quantity), 0) FROM put_away_tasks
    WHERE tenant_id = $1 AND state IN ('PENDING', 'IN_PROGRESS')
"""
SUMS = "SELECT sum(on_hand) AS on_hand, sum(reserved) AS reserved FROM stock_lines WHERE tenant_id = $1"


class Unlocked(PutAwaySqlWork):
    """One that does not wait for who else fills a bin."""

    @override
    async def lock_bins(self, bin_ids: Sequence[UUID]) -> None:
        pass


class Dock(msgspec.Struct, frozen=True, kw_only=True):
    """A company whose goods wait in a receiving bin, and have one small bin and one without limits to go to."""

    warehouse: Warehouse
    pools: Pools
    lines: tuple[UUID, ...]
    small: UUID
    wide: UUID

    @property
    def act(self) -> Act:
        act = an_act(self.warehouse.tenant_id)
        rights = {Permission.INVENTORY_WRITE: None}
        caller = msgspec.structs.replace(act.caller, rights=rights)
        return msgspec.structs.replace(act, caller=caller, permission=Permission.INVENTORY_WRITE)

    async def do[T](
        self, number: int, work: Work[T], *, kind: type[PutAwaySqlWork] = PutAwaySqlWork
    ) -> T | Reason:
        """In a transaction of one of the pools, again where it lost; the reason, if it was refused."""
        database: Database = self.pools.databases[number % len(self.pools.databases)]
        try:
            answer = await once(beginning(database, kind), self.act, work)
        except DomainError as refused:
            return refused.reason
        content: T = answer.content
        return content

    async def task(self, line: int, quantity: int, *, to: UUID | None = None) -> TaskView:
        wanted = NewTasks(
            line_id=self.lines[line],
            quantity=Decimal(quantity),
            to_bin_id=to or self.wide,
            override_reason="A test says so",
        )
        created = await self.do(0, lambda work: create_tasks(work, act=self.act, wanted=wanted))
        assert not isinstance(created, Reason), created
        return created.tasks[0].view

    async def complete(
        self, number: int, task: TaskView, *, kind: type[PutAwaySqlWork] = PutAwaySqlWork, **how: Any
    ) -> Reason | None:
        done = await self.do(
            number, lambda work: complete_task(work, act=self.act, task_id=task.id, **how), kind=kind
        )
        return done if isinstance(done, Reason) else None

    async def cancel(self, number: int, task: TaskView) -> Reason | None:
        done = await self.do(
            number,
            lambda work: cancel_task(work, act=self.act, task_id=task.id, comment=None, expected_version=None),
        )
        return done if isinstance(done, Reason) else None


@pytest.fixture
async def dock(admin: Admin, pools: Pools) -> Dock:
    """Three products, a hundred of each at the dock; the small bin takes five."""
    warehouse = await a_warehouse(admin, products=3, bins=1)
    tenant, location = warehouse.tenant_id, warehouse.locations[0]
    bins = {"DOCK": new_id(), "SMALL": new_id(), "WIDE": new_id()}
    fields: dict[str, dict[str, object]] = {
        "DOCK": {"type": "RECEIVING"},
        "SMALL": {"capacity_units": Decimal(5)},
        "WIDE": {},
    }
    for code, id_ in bins.items():
        row = {"tenant_id": tenant, "id": id_, "location_id": location, "code": code, "name": code}
        of_kind = fields[code]
        await insert(admin, "bins", {**row, **of_kind})
    lines = []
    for product in warehouse.products:
        lot = warehouse.lots[product][0]
        shelf = Shelf(product_id=product, location_id=location, bin_id=bins["DOCK"], lot_id=lot)
        posted = await pools.alone(0, a_move(shelf, 100, kind=Kind.RECEIPT), warehouse)
        assert isinstance(posted, Posted)
        lines.append(posted.movements[0].line_id)
    return Dock(warehouse=warehouse, pools=pools, lines=tuple(lines), small=bins["SMALL"], wide=bins["WIDE"])


@pytest.mark.parametrize(
    ("kind", "told", "filled"),
    [
        pytest.param(PutAwaySqlWork, {None: 1, Reason.BIN_UNFIT: 1}, 4, id="locked"),
        pytest.param(Unlocked, {None: 2}, 8, id="seen red without the lock"),
    ],
)
async def test_two_who_bring_stock_to_one_bin_do_not_overfill_it(
    dock: Dock,
    admin: Admin,
    database_urls: DatabaseUrls,
    *,
    kind: type[PutAwaySqlWork],
    told: dict[Reason | None, int],
    filled: int,
) -> None:
    tasks = [await dock.task(line, 4, to=dock.small) for line in (0, 1)]
    tenant = dock.warehouse.tenant_id

    async with gate(database_urls, HOLD_HEAD, tenant) as held:
        racers = [asyncio.create_task(dock.complete(n, task, kind=kind)) for n, task in enumerate(tasks)]
        await held.crowd(2)  # one at the head and one at the bin; without the bin's lock both at the head
    answers = Counter(await asyncio.gather(*racers))

    assert answers == told
    assert await admin.fetchval(IN_BIN, tenant, dock.small) == filled
    assert (await verify(admin, tenant)).drifts == ()


@pytest.mark.parametrize("racing", ["complete", "cancel"])
async def test_a_task_is_ended_once_whoever_else_ends_it(
    dock: Dock, admin: Admin, database_urls: DatabaseUrls, racing: str
) -> None:
    tenant = dock.warehouse.tenant_id
    task = await dock.task(0, 10)
    others = [dock.complete if racing == "complete" else dock.cancel for _ in range(3)]

    async with gate(database_urls, "SELECT 1 FROM put_away_tasks WHERE id = $1 FOR UPDATE", task.id) as held:
        racers = [asyncio.create_task(end(n, task)) for n, end in enumerate([*others, dock.complete])]
        await held.crowd(4)
    answers = await asyncio.gather(*racers)

    assert sorted(map(str, answers)) == [*(["INVALID_TRANSITION"] * 3), "None"]
    moved = await admin.fetchval(IN_BIN, tenant, dock.wide)
    state = await admin.fetchval("SELECT state FROM put_away_tasks WHERE id = $1", task.id)
    assert (state, moved) in {(State.COMPLETED, 10), (State.CANCELED, 0)}
    assert (await admin.fetchrow(SUMS, tenant) or {})["reserved"] == 0
    assert (await verify(admin, tenant)).drifts == ()


async def test_nobody_issues_what_a_task_has_claimed_while_it_is_brought(
    dock: Dock, admin: Admin, database_urls: DatabaseUrls
) -> None:
    tenant = dock.warehouse.tenant_id
    task = await dock.task(0, 96)

    async with gate(database_urls, HOLD_HEAD, tenant) as held:
        racers: list[asyncio.Task[Any]] = [asyncio.create_task(dock.complete(0, task, quantity=Decimal(50)))]
        await held.crowd(1)
        issues = [dock.pools.alone(n, a_move(dock.lines[0], -3, kind=Kind.ISSUE), dock.warehouse) for n in (1, 2)]
        racers += map(asyncio.ensure_future, issues)
        await held.crowd(3)
    completed, *issued = await asyncio.gather(*racers)

    assert completed is None
    assert Counter(isinstance(answer, Posted) for answer in issued) == {True: 1, False: 1}
    assert await admin.fetchval(IN_BIN, tenant, dock.wide) == 50
    row = await admin.fetchrow("SELECT on_hand, reserved FROM stock_lines WHERE id = $1", dock.lines[0])
    assert dict(row or {}) == {"on_hand": 47, "reserved": 46}


class Crew:
    """Workers who make, begin, bring, split and cancel tasks at will, while others issue."""

    def __init__(self, dock: Dock) -> None:
        self.dock = dock
        self.tasks: list[TaskView] = []
        self.done: Counter[str] = Counter()

    async def worker(self, number: int, turns: int) -> None:
        chance = random.Random(number)
        for _ in range(turns):
            if not self.tasks or chance.random() < 0.25:
                await self.make(chance, number)
            elif chance.random() < 0.2:
                await self.issue(chance, number)
            else:
                await self.act(chance, number, chance.choice(self.tasks[-8:]))

    async def make(self, chance: random.Random, number: int) -> None:
        wanted = NewTasks(
            line_id=chance.choice(self.dock.lines),
            quantity=Decimal(chance.randint(1, 6)),
            completes=chance.random() < 0.3,
        )
        made = await self.dock.do(number, lambda work: create_tasks(work, act=self.dock.act, wanted=wanted))
        if not isinstance(made, Reason):
            self.tasks += [task.view for task in made.tasks]
        self.note("made", made)

    async def issue(self, chance: random.Random, number: int) -> None:
        move = a_move(chance.choice(self.dock.lines), -chance.randint(1, 4), kind=Kind.ISSUE)
        answer = await self.dock.pools.grouped(number, move, self.dock.warehouse)
        if isinstance(answer, Posted):
            self.done["units issued"] -= int(answer.movements[0].delta)
        self.note("issued", answer.reason if isinstance(answer, DomainError) else answer)

    async def act(self, chance: random.Random, number: int, task: TaskView) -> None:
        act, one = self.dock.act, Decimal(1)
        works: dict[str, Work[Any]] = {
            "started": lambda work: start_task(work, act=act, task_id=task.id, expected_version=None),
            "brought a part": lambda work: complete_task(work, act=act, task_id=task.id, quantity=one),
            "completed": lambda work: complete_task(work, act=act, task_id=task.id),
            "brought to the small bin": lambda work: complete_task(
                work, act=act, task_id=task.id, quantity=one, to_bin_id=self.dock.small, closes_rest=True
            ),
            "split": lambda work: split_task(work, act=act, task_id=task.id, quantity=one),
            "canceled": lambda work: cancel_task(
                work, act=act, task_id=task.id, comment=None, expected_version=None
            ),
        }
        what = chance.choice(list(works))
        answer = await self.dock.do(number, works[what])
        if what == "split" and not isinstance(answer, Reason):
            self.tasks.append(answer.child.view)
        self.note(what, answer)

    def note(self, what: str, answer: object) -> None:
        known = {
            Reason.INVALID_TRANSITION,
            Reason.INSUFFICIENT_STOCK,
            Reason.BIN_UNFIT,
            Reason.VALIDATION_ERROR,
        }
        assert not isinstance(answer, Reason) or answer in known, answer
        self.done["refused" if isinstance(answer, Reason) else what] += 1


@pytest.mark.parametrize("turns", [12, pytest.param(200, marks=pytest.mark.long)])
async def test_a_crew_at_will_loses_nothing_and_overfills_nothing(dock: Dock, admin: Admin, turns: int) -> None:
    tenant = dock.warehouse.tenant_id
    crew = Crew(dock)

    await asyncio.gather(*(crew.worker(number, turns) for number in range(12)))

    sums = await admin.fetchrow(SUMS, tenant) or {}
    assert sums["on_hand"] == 300 - crew.done["units issued"]
    assert sums["reserved"] == await admin.fetchval(OPEN, tenant)
    assert await admin.fetchval(IN_BIN, tenant, dock.small) <= 5
    assert (await verify(admin, tenant)).drifts == ()
    assert {"made", "issued", "refused"} <= crew.done.keys()
    show("P-07", race="put-away", workers=12, turns=turns, **crew.done)
