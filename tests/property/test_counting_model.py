"""Counting while stock moves, against the physical truth, whatever happens from snapshot to resolve (P-09).

The model knows what stands on each shelf, and why the books say otherwise: what was taken and never booked, what
will be booked late, what was booked by mistake. A count that is posted ends all of that which was there when its
shelf was counted, and nothing else. So at any moment the books are the truth without what is still outstanding.
"""

from collections import Counter
from collections.abc import Coroutine, Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from domain.counting.deciding import ResolveAction
from domain.counting.model import Batch, State
from domain.errors import DomainError, Reason
from domain.ledger.counting_whole import CountedLine, WholeCount, record_count
from domain.ledger.model import Kind, Posted, Posting
from infra.db.work import beginning
from infra.ledger.counts import CountSqlWork
from infra.ledger.verify import verify
from tests.count_bench import Counting, CountLine, a_person, decree, lines_of, people
from tests.ledger.bench import Bench
from tests.ledger.builders import Shelf, Warehouse, a_posting, a_warehouse, an_act, an_entry
from tests.ledger.promises import show

SIZES = {"products": 2, "lots": 1, "locations": 1, "bins": 3}
SHELVES = 2 * 3
TOLERANCE = 1
ON_HAND = "SELECT product_id, location_id, bin_id, lot_id, on_hand FROM stock_lines WHERE tenant_id = $1"
picks, amounts = st.integers(0, 99), st.integers(1, 9)


class Outstanding:
    """A difference between the books and the truth, since a moment."""

    def __init__(self, shelf: Shelf, units: int, since: int) -> None:
        self.shelf, self.units, self.since = shelf, Decimal(units), since


class CountingMachine(RuleBasedStateMachine):
    bench: Bench
    seen: Counter[str]

    def __init__(self) -> None:
        super().__init__()
        self.warehouse: Warehouse = self.bench.run(a_warehouse(self.bench.admin, **SIZES))
        self.counting = Counting(self.bench.database, self.warehouse)
        self.bench.run(decree(self.bench.admin, self.warehouse, countToleranceUnits=TOLERANCE))
        self.shelves = self.warehouse.shelves()
        self.truth = dict.fromkeys(self.shelves, Decimal(0))
        self.outstanding: list[Outstanding] = []
        self.late: list[tuple[Outstanding, datetime]] = []
        self.mistakes: list[tuple[Outstanding, Posted]] = []
        self.clock = self.steps = 0
        self.batch: Batch | None = None
        self.counted: dict[Shelf, int] = {}
        """When each shelf was counted last in the open batch."""
        self.posted: set[UUID] = set()
        self.people = people(30)
        for shelf in self.shelves[:4]:
            self.move(a_posting(an_entry(shelf, 10, kind=Kind.RECEIPT)), {shelf: 10})

    # What happens, and is booked as it does

    @rule(pick=picks, amount=amounts)
    def receive(self, pick: int, amount: int) -> None:
        shelf = self.shelf(pick)
        self.move(a_posting(an_entry(shelf, amount, kind=Kind.RECEIPT)), {shelf: amount})

    @rule(pick=picks, amount=amounts)
    def issue(self, pick: int, amount: int) -> None:
        shelf = self.shelf(pick)
        if self.truth[shelf] >= amount:
            self.move(a_posting(an_entry(shelf, -amount, kind=Kind.ISSUE)), {shelf: -amount})

    @rule(pick=picks, to=picks, amount=amounts)
    def transfer(self, pick: int, to: int, amount: int) -> None:
        source = self.shelf(pick)
        target = [one for one in self.shelves if one.product_id == source.product_id][to % 3]
        if source != target and self.truth[source] >= amount:
            entries = [
                an_entry(source, -amount, kind=Kind.PUT_AWAY),
                an_entry(target, amount, kind=Kind.PUT_AWAY),
            ]
            self.move(a_posting(*entries), {source: -amount, target: amount})

    # What happens and is not booked, or is booked and did not happen

    @rule(pick=picks, amount=st.integers(-3, 3))
    def lose_or_find(self, pick: int, amount: int) -> None:
        shelf = self.shelf(pick)
        units = max(amount, -int(self.truth[shelf]))
        self.truth[shelf] += units
        self.owe(shelf, units)

    @rule(pick=picks, amount=amounts)
    def issue_and_book_later(self, pick: int, amount: int) -> None:
        shelf = self.shelf(pick)
        if self.truth[shelf] >= amount:
            self.truth[shelf] -= amount
            at = self.bench.run(self.bench.admin.fetchval("SELECT clock_timestamp()"))
            self.late.append((self.owe(shelf, -amount), at))

    @precondition(lambda self: self.late)
    @rule(pick=picks)
    def book_late(self, pick: int) -> None:
        owed, at = self.late[pick % len(self.late)]
        answer = self.ask(a_posting(an_entry(owed.shelf, owed.units, kind=Kind.ISSUE, effective_at=at)))
        self.booked_afterwards("late", owed, answer)

    @rule(pick=picks, amount=amounts)
    def book_by_mistake(self, pick: int, amount: int) -> None:
        shelf = self.shelf(pick)
        answer = self.ask(a_posting(an_entry(shelf, -amount, kind=Kind.ISSUE)))
        if isinstance(answer, Posted):
            self.mistakes.append((self.owe(shelf, amount), answer))

    @precondition(lambda self: self.mistakes)
    @rule(pick=picks)
    def take_back_a_mistake(self, pick: int) -> None:
        owed, wrong = self.mistakes[pick % len(self.mistakes)]
        entries = [
            an_entry(m.line_id, -m.delta, kind=Kind.REVERSAL, effective_at=m.effective_at) for m in wrong.movements
        ]
        answer = self.ask(a_posting(*entries, kind=Kind.REVERSAL, reverses_id=wrong.posting_id))
        self.booked_afterwards("taken back", owed, answer)

    @rule(pick=picks, is_wanted=st.sampled_from([False, False, False, True]))
    def count_a_product_at_once(self, pick: int, is_wanted: bool) -> None:
        """By the form for one product: it is posted there and then, over the head of any batch."""
        if not is_wanted:
            return
        product = self.warehouse.products[pick % len(self.warehouse.products)]
        shelves = [shelf for shelf in self.shelves if shelf.product_id == product]
        count = WholeCount(
            product_id=product,
            location_id=self.warehouse.locations[0],
            lines=[CountedLine(bin_id=shelf.bin_id, counted=self.truth[shelf]) for shelf in shelves],
            complete=True,
        )
        act = an_act(self.warehouse.tenant_id)

        async def record() -> None:
            async with beginning(self.bench.database, CountSqlWork)(act) as work:
                await record_count(work, act=act, count=count)

        refused = self.tried(record())
        if isinstance(refused, DomainError):
            assert refused.reason is Reason.POSITION_FROZEN
            return
        self.seen["counted at once"] += 1
        self.end(shelves, before=self.tick())

    # A batch, from its snapshot to its end

    @precondition(lambda self: self.batch is None)
    @rule(is_blind=st.booleans(), is_freezing=st.sampled_from([False, False, True]))
    def begin(self, is_blind: bool, is_freezing: bool) -> None:
        act = a_person(self.warehouse, self.people[0])
        self.batch = self.bench.run(self.counting.begin(act, is_blind=is_blind, is_freezing=is_freezing))
        self.counted = {}
        self.seen[f"blind {is_blind}"] += 1

    @precondition(lambda self: self.is_in(State.IN_PROGRESS))
    @rule(number=st.sets(st.integers(0, SHELVES - 1), min_size=1), by=st.integers(1, 3))
    def count(self, number: set[int], by: int) -> None:
        self.record([self.shelves[n] for n in sorted(number)], by=self.people[by])

    @precondition(lambda self: self.is_in(State.IN_PROGRESS))
    @rule(by=st.integers(1, 3))
    def complete(self, by: int) -> None:
        missing = [shelf for shelf in self.shelves if shelf not in self.counted]
        if missing:
            self.record(missing, by=self.people[by])
        assert self.batch is not None
        self.batch = self.bench.run(
            self.counting.complete(a_person(self.warehouse, self.people[0]), self.batch.id)
        )
        lines = self.look()
        for shelf, line in lines.items():
            wrong = self.owed(shelf, before=self.counted[shelf])
            if line.posting_id is None and line.state == "VARIANCE":
                assert line.variance == wrong
        self.close_if_over()

    @precondition(lambda self: self.is_in(State.REVIEW))
    @rule(pick=picks, action=st.sampled_from(ResolveAction), number=st.integers(1, 3))
    def decide(self, pick: int, action: ResolveAction, number: int) -> None:
        open_ = [line for line in self.look().values() if line.state == "VARIANCE"]
        if open_:
            self.resolve([open_[(pick + n) % len(open_)] for n in range(min(number, len(open_)))], action)

    @precondition(lambda self: self.is_in(State.REVIEW))
    @rule()
    def count_again(self) -> None:
        """By somebody who has not counted before."""
        again = {shelf: line for shelf, line in self.look().items() if line.state == "RECOUNT"}
        if again:
            rounds = max(line.round for line in again.values())
            self.record(again, by=self.people[3 + rounds])
            self.look()
            self.close_if_over()

    @precondition(lambda self: self.is_in(State.IN_PROGRESS, State.REVIEW))
    @rule(is_wanted=st.sampled_from([False, False, False, True]))
    def cancel(self, is_wanted: bool) -> None:
        if not is_wanted:
            return
        assert self.batch is not None
        refused = self.tried(self.counting.cancel(a_person(self.warehouse, self.people[0]), self.batch.id))
        if isinstance(refused, DomainError):
            assert refused.reason is Reason.INVALID_TRANSITION
        else:
            self.batch = None

    @invariant()
    def a_count_goes_on_beside_it(self) -> None:
        """By itself, or hardly any would get as far as a decision."""
        self.steps += 1
        if self.steps % 3 == 0:
            self.go_on()

    @invariant()
    def the_books_are_the_truth_without_what_is_outstanding(self) -> None:
        books = self.balances()
        for shelf, stands in self.truth.items():
            assert books.get(shelf, 0) == stands - self.owed(shelf, before=self.clock + 1), shelf

    def teardown(self) -> None:
        assert self.bench.run(verify(self.bench.admin, self.warehouse.tenant_id)).drifts == ()

    # The model

    def go_on(self) -> None:
        """What usually comes next."""
        if self.batch is None:
            self.begin(is_blind=self.steps % 2 == 0, is_freezing=self.steps % 5 == 0)
        elif self.batch.state is State.IN_PROGRESS:
            self.complete(1)
        elif any(line.state == "RECOUNT" for line in self.look().values()):
            self.count_again()
        else:
            open_ = [line for line in self.look().values() if line.state == "VARIANCE"]
            once = [line for line in open_ if line.round == 1]
            self.resolve(once or open_, ResolveAction.RECOUNT if once else ResolveAction.ACCEPT)

    def shelf(self, pick: int) -> Shelf:
        return self.shelves[pick % len(self.shelves)]

    def tick(self) -> int:
        self.clock += 1
        return self.clock

    def is_in(self, *states: State) -> bool:
        return self.batch is not None and self.batch.state in states

    def owe(self, shelf: Shelf, units: int) -> Outstanding:
        owed = Outstanding(shelf, units, self.tick())
        self.outstanding.append(owed)
        return owed

    def owed(self, shelf: Shelf, *, before: int) -> Decimal:
        return sum(
            (one.units for one in self.outstanding if one.shelf == shelf and one.since < before), Decimal(0)
        )

    def end(self, shelves: Iterable[Shelf], *, before: int) -> None:
        """A count of these shelves, at that time, is in the books."""
        there = set(shelves)
        self.outstanding = [one for one in self.outstanding if one.shelf not in there or one.since >= before]

    def move(self, posting: Posting, by: dict[Shelf, int]) -> None:
        self.tick()
        if isinstance(self.ask(posting), Posted):
            for shelf, units in by.items():
                self.truth[shelf] += units

    def ask(self, posting: Posting) -> Posted | DomainError:
        answer = self.tried(self.bench.ledger.post(posting, tenant_id=self.warehouse.tenant_id))
        if isinstance(answer, DomainError):
            assert answer.reason in {
                Reason.ALREADY_REVERSED,
                Reason.COUNTED_SINCE,
                Reason.INSUFFICIENT_STOCK,
                Reason.POSITION_FROZEN,
            }
        return answer

    def tried[T](self, work: Coroutine[Any, Any, T]) -> T | DomainError:
        try:
            return self.bench.run(work)
        except DomainError as refused:
            return refused

    def resolve(self, lines: Sequence[CountLine], action: ResolveAction) -> None:
        before = self.balances()
        assert self.batch is not None
        act = a_person(self.warehouse, self.people[-1])
        ids = [line.id for line in lines]
        done = self.tried(self.counting.resolve(act, self.batch.id, ids, action))
        if isinstance(done, DomainError):
            self.seen[f"{action} {done.reason}"] += 1
            assert done.facts["lineId"] in ids
            assert self.balances() == before, "a refusal changes nothing"
            return
        self.seen[action] += 1
        self.batch = done.batch
        self.look()
        self.close_if_over()

    def booked_afterwards(self, how: str, owed: Outstanding, answer: Posted | DomainError) -> None:
        """What is still outstanding can be booked; what a count has found already cannot."""
        if isinstance(answer, Posted):
            self.seen[how] += 1
            assert owed in self.outstanding, "a count had found it"
            self.outstanding.remove(owed)
            self.late = [one for one in self.late if one[0] is not owed]
            self.mistakes = [one for one in self.mistakes if one[0] is not owed]
        elif answer.reason is Reason.COUNTED_SINCE:
            self.seen[f"{how}: counted since"] += 1
            assert owed not in self.outstanding

    def record(self, shelves: Iterable[Shelf], *, by: UUID) -> None:
        assert self.batch is not None
        found = {shelf: self.truth[shelf] for shelf in shelves}
        when = self.tick()
        act = a_person(self.warehouse, by)
        self.batch = self.bench.run(self.counting.record(act, self.batch.id, found))
        self.counted |= dict.fromkeys(found, when)

    def look(self) -> dict[Shelf, CountLine]:
        """The lines as they are; what has been posted of them since the last look is at an end."""
        assert self.batch is not None
        place: dict[Any, Shelf] = {(one.product_id, one.bin_id, one.lot_id): one for one in self.shelves}
        lines = {
            place[line.product_id, line.bin_id, line.lot_id]: line
            for line in self.bench.run(lines_of(self.bench.admin, self.warehouse, self.batch.id))
        }
        for shelf, line in lines.items():
            if line.posting_id is not None and line.id not in self.posted:
                self.posted.add(line.id)
                self.seen[f"posted {line.resolution}"] += 1
                self.end([shelf], before=self.counted[shelf])
        return lines

    def close_if_over(self) -> None:
        if self.is_in(State.COMPLETED):
            self.seen["completed"] += 1
            self.batch = None

    def balances(self) -> dict[Shelf, Decimal]:
        rows = self.bench.run(self.bench.admin.fetch(ON_HAND, self.warehouse.tenant_id))
        return {
            Shelf(
                product_id=row["product_id"],
                location_id=row["location_id"],
                bin_id=row["bin_id"],
                lot_id=row["lot_id"],
            ): row["on_hand"]
            for row in rows
        }


@pytest.mark.parametrize("histories", [8, pytest.param(500, marks=pytest.mark.long)])
def test_a_count_corrects_what_was_wrong_when_it_was_counted_and_nothing_else(
    bench: Bench, histories: int
) -> None:
    size = settings(
        max_examples=histories,
        stateful_step_count=50,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
    )
    seen: Counter[str] = Counter()
    machine = type("Machine", (CountingMachine,), {"bench": bench, "seen": seen})

    run_state_machine_as_test(machine, settings=size)

    show("P-09", histories=histories, mismatches=0, drift=0, **seen)
