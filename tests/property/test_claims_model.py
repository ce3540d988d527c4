"""Claims and holds against a model in plain Python: in whatever order, both say and hold the same."""

from collections import Counter
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from domain.availability import service
from domain.availability.holding import HoldType, Target
from domain.availability.holds import NewHold, place_hold
from domain.availability.ports import Reservation, Wish
from domain.availability.service import Item, Wanted
from domain.errors import DomainError, Reason
from domain.ledger.model import Kind, Posted
from infra.availability.claims import ClaimSqlWork
from infra.availability.holds import HoldSqlWork
from infra.availability.reads import SqlAvailability
from infra.db.work import beginning
from infra.ledger.verify import verify
from tests.ledger.bench import Bench
from tests.ledger.builders import a_move, a_posting, a_warehouse, an_act, an_entry
from tests.ledger.promises import show

LINES = "SELECT id, on_hand, reserved, held FROM stock_lines WHERE tenant_id = $1"
AMOUNTS = st.integers(1, 8).map(Decimal)
PICKS = st.integers(0, 99)


class Line(msgspec.Struct):
    on_hand: Decimal
    parts: dict[UUID, Decimal] = {}
    """What holds cover of it; a whole hold counts without end."""

    @property
    def held(self) -> Decimal:
        return min(self.on_hand, sum(self.parts.values(), Decimal(0)))


class Claim(msgspec.Struct):
    lines: dict[UUID, Decimal]
    is_hard: bool = False

    @property
    def quantity(self) -> Decimal:
        return sum(self.lines.values(), Decimal(0))


class ClaimsMachine(RuleBasedStateMachine):
    bench: Bench
    answers: Counter[str]

    def __init__(self) -> None:
        super().__init__()
        self.warehouse = self.bench.run(a_warehouse(self.bench.admin, products=1, lots=3, locations=1, bins=1))
        self.act = an_act(self.warehouse.tenant_id)
        opening = a_posting(
            *(an_entry(shelf, 9, kind=Kind.OPENING) for shelf in self.warehouse.shelves()), kind=Kind.OPENING
        )
        posted = self.bench.run(self.bench.ledger.post(opening, tenant_id=self.warehouse.tenant_id))
        self.lines = {movement.line_id: Line(Decimal(9)) for movement in posted.movements}
        self.claims: dict[UUID, Claim] = {}
        self.holds: dict[UUID, UUID] = {}

    def reserved(self, line_id: UUID) -> Decimal:
        return sum((claim.lines.get(line_id, Decimal(0)) for claim in self.claims.values()), Decimal(0))

    def free(self, line_id: UUID) -> Decimal:
        line = self.lines[line_id]
        return max(Decimal(0), line.on_hand - line.held - self.reserved(line_id))

    @property
    def promise(self) -> Decimal:
        """What lines can give, less what is claimed of others beyond what they can."""
        owed = sum((line.on_hand - line.held - self.reserved(id_) for id_, line in self.lines.items()), Decimal(0))
        return max(Decimal(0), min(owed, sum(map(self.free, self.lines), Decimal(0))))

    @rule(quantity=AMOUNTS)
    def reserve(self, quantity: Decimal) -> None:
        due = quantity <= self.promise
        made = self.bench.run(self._reserve(quantity))
        assert isinstance(made, DomainError) is not due, (quantity, self.promise, made)
        self.answers["reserved" if due else "refused"] += 1
        if isinstance(made, DomainError):
            assert made.reason is Reason.INSUFFICIENT_STOCK
            return
        for one in made:
            taken = {line.line_id: line.quantity for line in one.lines}
            assert all(quantity <= self.free(line_id) for line_id, quantity in taken.items())
            self.claims[one.id] = Claim(taken)
        assert sum(one.quantity for one in made) == quantity

    @precondition(lambda self: self.claims)
    @rule(pick=PICKS, part=AMOUNTS, action=st.sampled_from(["RELEASE", "ALLOCATE", "CONSUME"]))
    def resolve(self, pick: int, part: Decimal, action: str) -> None:
        id_ = sorted(self.claims)[pick % len(self.claims)]
        claim = self.claims[id_]
        if action == "ALLOCATE" and claim.is_hard:
            due = "INVALID_TRANSITION"
        elif part > claim.quantity:
            due = "VALIDATION_ERROR"
        else:
            due = "DONE"
        wish = Wish(id=id_, action=action, quantity=part)
        found = self.bench.run(self._resolve(wish))
        if isinstance(found, DomainError):
            # What is held, or claimed by others beyond what is there, does not leave the shelf.
            is_blocked = found.reason is Reason.INSUFFICIENT_STOCK and action == "CONSUME"
            assert found.reason.name == due or is_blocked, (due, found)
            self.answers["blocked" if is_blocked else due] += 1
            return
        assert due == "DONE"
        self.answers[action.lower()] += 1
        self._learn(id_, action, part, found)

    def _learn(self, id_: UUID, action: str, part: Decimal, found: Reservation) -> None:
        before = self.claims.pop(id_)
        if action == "CONSUME":
            rows = {row["id"]: row["on_hand"] for row in self._rows()}
            gone = {line_id: line.on_hand - rows[line_id] for line_id, line in self.lines.items()}
            assert sum(gone.values()) == part
            assert all(gone[line_id] <= before.lines.get(line_id, 0) for line_id in gone)
            for line_id, quantity in gone.items():
                self.lines[line_id].on_hand -= quantity
        elif found.open_quantity:
            left = {line.line_id: line.quantity for line in self.bench.run(self._claimed(found.id)).lines}
            assert all(quantity <= before.lines[line_id] for line_id, quantity in left.items())
            self.claims[found.id] = Claim(left, before.is_hard or action == "ALLOCATE")
            assert sum(left.values()) == (part if action == "ALLOCATE" else before.quantity - part)

    @rule(pick=PICKS, quantity=st.none() | AMOUNTS)
    def hold(self, pick: int, quantity: Decimal | None) -> None:
        line_id = sorted(self.lines)[pick % len(self.lines)]
        held = self.bench.run(self._hold(line_id, quantity))
        self.lines[line_id].parts = self.lines[line_id].parts | {
            held: Decimal(10**6) if quantity is None else quantity
        }
        self.holds[held] = line_id
        self.answers["held"] += 1

    @precondition(lambda self: self.holds)
    @rule(pick=PICKS)
    def let_go(self, pick: int) -> None:
        id_ = sorted(self.holds)[pick % len(self.holds)]
        self.bench.run(self._let_go(id_))
        line = self.lines[self.holds.pop(id_)]
        line.parts = {held: quantity for held, quantity in line.parts.items() if held != id_}

    @rule(pick=PICKS, quantity=AMOUNTS)
    def issue(self, pick: int, quantity: Decimal) -> None:
        line_id = sorted(self.lines)[pick % len(self.lines)]
        is_due = quantity <= self.free(line_id)
        answer = self.bench.run(self._issue(line_id, quantity))
        assert isinstance(answer, Posted) is is_due, answer
        if is_due:
            self.lines[line_id].on_hand -= quantity
        self.answers["issued" if is_due else "not issued"] += 1

    @invariant()
    def lines_say_what_the_model_says(self) -> None:
        assert {row["id"]: (row["on_hand"], row["reserved"], row["held"]) for row in self._rows()} == {
            id_: (line.on_hand, self.reserved(id_), line.held) for id_, line in self.lines.items()
        }

    def teardown(self) -> None:
        assert self.bench.run(verify(self.bench.admin, self.warehouse.tenant_id)).drifts == ()

    def _rows(self) -> list[Any]:
        return self.bench.run(self.bench.admin.fetch(LINES, self.warehouse.tenant_id))

    async def _issue(self, line_id: UUID, quantity: Decimal) -> Posted | DomainError:
        try:
            return await self.bench.ledger.post(a_move(line_id, -quantity), tenant_id=self.warehouse.tenant_id)
        except DomainError as refused:
            return refused

    async def _reserve(self, quantity: Decimal) -> list[Reservation] | DomainError:
        item = Item(
            product_id=self.warehouse.products[0], location_id=self.warehouse.locations[0], quantity=quantity
        )
        database = self.bench.database
        needs, places = await service.asked(SqlAvailability(database), act=self.act, items=[item])
        try:
            async with beginning(database, ClaimSqlWork)(self.act) as work:
                return await service.reserve(
                    work, needs=needs, places=places, wanted=Wanted(items=[item], ttl_seconds=600)
                )
        except DomainError as refused:
            return refused

    async def _resolve(self, wish: Wish) -> Reservation | DomainError:
        try:
            async with beginning(self.bench.database, ClaimSqlWork)(self.act) as work:
                match wish.action:
                    case "RELEASE":
                        return await service.release(work, id_=wish.id, quantity=wish.quantity, version=None)
                    case "ALLOCATE":
                        return await service.allocate(work, wish=wish)
                    case _:
                        found, _ = await service.consume(work, act=self.act, wish=wish, comment=None)
                        return found
        except DomainError as refused:
            return refused

    async def _claimed(self, id_: UUID) -> Reservation:
        found = await SqlAvailability(self.bench.database).reservation(self.warehouse.tenant_id, id_, None)
        assert found is not None
        return found

    async def _hold(self, line_id: UUID, quantity: Decimal | None) -> UUID:
        hold = NewHold(type=HoldType.QUALITY, target=Target(line_id=line_id), quantity=quantity, reason="Wet")
        async with beginning(self.bench.database, HoldSqlWork)(self.act) as work:
            return (await place_hold(work, hold=hold)).hold.id

    async def _let_go(self, id_: UUID) -> None:
        async with beginning(self.bench.database, HoldSqlWork)(self.act) as work:
            await work.release(id_, quantity=None, version=None)


@pytest.mark.parametrize("histories", [20, pytest.param(500, marks=pytest.mark.long)])
def test_claims_and_holds_say_and_hold_what_the_model_does(bench: Bench, histories: int) -> None:
    size = settings(
        max_examples=histories,
        stateful_step_count=20,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    answers: Counter[str] = Counter()
    machine = type("Machine", (ClaimsMachine,), {"bench": bench, "answers": answers})

    run_state_machine_as_test(machine, settings=size)

    show("P-07", histories=histories, answers=answers, differences=0, drift=0)
