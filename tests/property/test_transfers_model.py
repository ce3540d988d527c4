"""The life of transfers against a model in plain Python: stock is kept, and claims are what is open."""

from collections import Counter
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from domain.errors import DomainError, Reason
from domain.transfers.model import ArrivedLine, Missing, PickedLine, Transfer, TransferState
from infra.ledger.verify import verify
from tests.ledger.bench import Bench
from tests.ledger.promises import show
from tests.transfers_lab import Fleet, Step, a_fleet

STOCK = Decimal(30)
AMOUNTS = st.integers(1, 9)
PICKS = st.integers(0, 99)
SUPPLIED = """
    SELECT coalesce(sum(quantity - received), 0) FROM supplies WHERE tenant_id = $1 AND state = 'OPEN'
"""


class Trip(msgspec.Struct):
    """A transfer of one line, as it should be."""

    line_id: UUID
    state: TransferState
    wanted: Decimal
    claimed: Decimal = Decimal(0)
    under_way: Decimal = Decimal(0)
    received: Decimal = Decimal(0)


class TransfersMachine(RuleBasedStateMachine):
    bench: Bench
    answers: Counter[str]

    def __init__(self) -> None:
        super().__init__()
        self.fleet: Fleet = self.bench.run(
            a_fleet(
                self.bench.admin,
                lambda posting, warehouse: self.bench.ledger.post(posting, tenant_id=warehouse.tenant_id),
                stock=int(STOCK) // 3,
                lots=3,
            )
        )
        self.trips: dict[UUID, Trip] = {}
        self.origin, self.destination = STOCK, Decimal(0)
        self.found, self.lost = Decimal(0), Decimal(0)

    @property
    def claimed(self) -> Decimal:
        return sum((trip.claimed for trip in self.trips.values()), Decimal(0))

    @property
    def under_way(self) -> Decimal:
        return sum((trip.under_way for trip in self.trips.values()), Decimal(0))

    def run(self, step: Step) -> Transfer | DomainError:
        return self.bench.run(self.fleet.done(self.bench.database, step))

    def chosen(self, pick: int) -> tuple[UUID, Trip]:
        id_ = sorted(self.trips)[pick % len(self.trips)]
        return id_, self.trips[id_]

    def judged(self, trip: Trip, step: Step, *states: TransferState) -> Transfer | None:
        """What was done, if the trip is in one of these states; else it must have been refused."""
        done = self.run(step)
        if trip.state not in states:
            assert isinstance(done, DomainError)
            assert done.reason is Reason.INVALID_TRANSITION, done
            assert done.facts["state"] == trip.state
            self.answers["refused"] += 1
            return None
        assert isinstance(done, Transfer), (done, trip)
        trip.state = done.state
        return done

    @rule(quantity=AMOUNTS, part=AMOUNTS, steps=st.integers(0, 4))
    def create(self, quantity: int, part: int, steps: int) -> None:
        made = self.run(self.fleet.creating(quantity))
        assert isinstance(made, Transfer)
        self.trips[made.id] = Trip(made.lines[0].id, made.state, Decimal(quantity))
        for _ in range(steps):
            self.go_on(sorted(self.trips).index(made.id), part)

    @precondition(lambda self: self.trips)
    @rule(pick=PICKS)
    def submit(self, pick: int) -> None:
        id_, trip = self.chosen(pick)
        if trip.state is TransferState.DRAFT and self.origin - self.claimed < trip.wanted:
            refused = self.run(self.fleet.submitting(id_))
            assert isinstance(refused, DomainError)
            assert refused.reason is Reason.INSUFFICIENT_STOCK
            self.answers["short"] += 1
        elif self.judged(trip, self.fleet.submitting(id_), TransferState.DRAFT):
            assert trip.state is TransferState.PENDING
            trip.claimed = trip.wanted

    @precondition(lambda self: self.trips)
    @rule(pick=PICKS, part=AMOUNTS)
    def pick_some(self, pick: int, part: int) -> None:
        id_, trip = self.chosen(pick)
        quantity = min(Decimal(part), trip.claimed or Decimal(1))
        line = PickedLine(line_id=trip.line_id, quantity=quantity, reason="no more there")
        if self.judged(trip, self.fleet.picking(id_, line), TransferState.PENDING):
            assert trip.state is TransferState.PICKED
            trip.claimed = quantity

    @precondition(lambda self: self.trips)
    @rule(pick=PICKS)
    def ship(self, pick: int) -> None:
        id_, trip = self.chosen(pick)
        if self.judged(trip, self.fleet.shipping(id_), TransferState.PICKED):
            assert trip.state is TransferState.IN_TRANSIT
            self.origin -= trip.claimed
            trip.under_way, trip.claimed = trip.claimed, Decimal(0)
            self.answers["shipped"] += 1

    @precondition(lambda self: self.trips)
    @rule(pick=PICKS, part=AMOUNTS, explained=st.booleans())
    def receive(self, pick: int, part: int, *, explained: bool) -> None:
        id_, trip = self.chosen(pick)
        line = ArrivedLine(line_id=trip.line_id, quantity=Decimal(part), reason="found it" if explained else None)
        step, is_open = self.fleet.receiving(id_, line), {TransferState.IN_TRANSIT, TransferState.RECEIVED}
        if trip.state in is_open and part > trip.under_way and not explained:
            refused = self.run(step)
            assert isinstance(refused, DomainError)
            assert refused.reason is Reason.STALE_QUANTITY
            self.answers["too much"] += 1
            return
        if self.judged(trip, step, *is_open):
            arrived = min(Decimal(part), trip.under_way)
            trip.under_way -= arrived
            trip.received += arrived
            self.destination += part
            self.found += part - arrived
            assert trip.state is (TransferState.IN_TRANSIT if trip.under_way else TransferState.RECEIVED)
            self.answers["received"] += 1

    @precondition(lambda self: self.trips)
    @rule(pick=PICKS, part=AMOUNTS)
    def go_on(self, pick: int, part: int) -> None:
        """The usual way: by chance alone few trips would get under way."""
        _, trip = self.chosen(pick)
        match trip.state:
            case TransferState.DRAFT:
                self.submit(pick)
            case TransferState.PENDING:
                self.pick_some(pick, part + 5)
            case TransferState.PICKED:
                self.ship(pick)
            case TransferState.IN_TRANSIT:
                self.receive(pick, part, explained=False)

    @precondition(lambda self: self.trips)
    @rule(pick=PICKS)
    def close(self, pick: int) -> None:
        id_, trip = self.chosen(pick)
        step = self.fleet.closing(id_, Missing(reason="lost on the road"))
        if self.judged(trip, step, TransferState.IN_TRANSIT, TransferState.RECEIVED):
            assert trip.state is TransferState.COMPLETED
            self.lost += trip.under_way
            trip.under_way = Decimal(0)
            self.answers["closed"] += 1

    @precondition(lambda self: self.trips)
    @rule(pick=PICKS)
    def cancel(self, pick: int) -> None:
        id_, trip = self.chosen(pick)
        states = (
            TransferState.DRAFT,
            TransferState.PENDING,
            TransferState.PICKED,
            TransferState.IN_TRANSIT,
        )
        if self.judged(trip, self.fleet.canceling(id_), *states):
            assert trip.state is TransferState.CANCELED
            self.origin += trip.under_way
            trip.under_way = trip.claimed = Decimal(0)
            self.answers["canceled"] += 1

    @invariant()
    def stock_is_where_the_model_says(self) -> None:
        stock = self.bench.run(self.fleet.stock(self.bench.admin))
        found: list[Any] = [stock.origin, stock.destination, stock.transit, stock.reserved]
        assert found == [self.origin, self.destination, self.under_way, self.claimed]
        assert stock.total == STOCK + self.found - self.lost
        expected = self.bench.run(self.bench.admin.fetchval(SUPPLIED, self.fleet.warehouse.tenant_id))
        assert expected == self.under_way

    def teardown(self) -> None:
        assert self.bench.run(verify(self.bench.admin, self.fleet.warehouse.tenant_id)).drifts == ()


@pytest.mark.parametrize("histories", [10, pytest.param(500, marks=pytest.mark.long)])
def test_transfers_keep_stock_as_the_model_does(bench: Bench, histories: int) -> None:
    size = settings(
        max_examples=histories,
        stateful_step_count=20,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    answers: Counter[str] = Counter()
    machine = type("Machine", (TransfersMachine,), {"bench": bench, "answers": answers})

    run_state_machine_as_test(machine, settings=size)

    assert answers["shipped"], "histories are long enough to get somewhere"
    show("P-08", histories=histories, answers=answers, differences=0, drift=0)
