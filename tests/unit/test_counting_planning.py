"""When products are due, which of them are chosen, and the state table of tasks."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.access.model import Caller, Permission
from domain.catalog.model import AbcClass
from domain.counting.abc import Measure, Ranked, Thresholds, classify
from domain.counting.planning import (
    Chosen,
    Plan,
    Planned,
    PlanWanted,
    Standing,
    choose,
    due_day,
    period_of,
    propose,
)
from domain.counting.tasks import TASK, TaskAction, TaskFacts, TaskState
from domain.errors import DomainError, FieldError, Reason
from domain.ledger.figures import Frame, Period
from domain.settings.model import CountEveryDays
from domain.values import new_id

TODAY = date(2026, 6, 30)
EVERY = CountEveryDays()
A, B, C = AbcClass.A, AbcClass.B, AbcClass.C


def standing(
    n: int, *, amount: int = 1, lines: int = 1, oldest: int | None = 0, counted: bool = True, busy: bool = False
) -> Standing:
    """A product whose oldest line was counted, or made, so many days ago."""
    return Standing(
        product_id=UUID(int=n),
        sku=f"{n:04}",
        product_name="Thing",
        amount=Decimal(amount),
        override=None,
        lines=lines,
        last_counted_at=datetime(2026, 6, 1, tzinfo=UTC) if counted else None,
        oldest_day=None if oldest is None else TODAY - timedelta(days=oldest),
        is_being_counted=busy,
    )


def a_plan(*products: Standing) -> Plan:
    table = classify([Ranked(product_id=one.product_id, sku=one.sku, amount=one.amount) for one in products])
    by_id = {one.product_id: one for one in products}
    rows = []
    for row in table:
        due_on = due_day(by_id[row.product_id], row.abc_class, today=TODAY, every=EVERY)
        is_due = due_on is not None and due_on <= TODAY
        rows.append(Planned(row=row, product=by_id[row.product_id], due_on=due_on, is_due=is_due))
    return Plan(
        measure=Measure.VALUE,
        period=Period(from_day=TODAY, to_day=TODAY),
        time_zone="UTC",
        thresholds=Thresholds(),
        total=Decimal(1),
        position=1,
        rows=rows,
    )


@pytest.mark.parametrize(
    ("product", "class_", "due"),
    [
        (standing(1, oldest=29), A, TODAY + timedelta(days=1)),
        (standing(1, oldest=30), A, TODAY),
        (standing(1, oldest=30), B, TODAY + timedelta(days=60)),
        (standing(1, oldest=200), C, TODAY - timedelta(days=20)),
        (standing(1, oldest=3, counted=False), C, TODAY - timedelta(days=3)),
        (standing(1, oldest=0, counted=False), A, TODAY),
        (standing(1, lines=0, oldest=None), A, None),
    ],
)
def test_a_product_is_due_so_many_days_after_its_oldest_line_was_counted(
    product: Standing, class_: AbcClass, due: date | None
) -> None:
    assert due_day(product, class_, today=TODAY, every=EVERY) == due


def test_the_proposal_takes_better_classes_first_and_in_each_what_waits_longest() -> None:
    plan = a_plan(
        standing(1, amount=40, oldest=31),
        standing(2, amount=40, oldest=99),
        standing(3, amount=12, oldest=89),
        standing(4, amount=8, oldest=400),
        standing(5, amount=0, oldest=500, busy=True),
        standing(6, amount=0, lines=0, oldest=None),
    )

    assert [one.row.product_id.int for one in propose(plan)] == [2, 1, 4]
    assert [one.row.product_id.int for one in propose(plan, size=1)] == [2]
    assert [one.row.product_id.int for one in choose(plan, Chosen(classes=frozenset({B, C})))] == [3, 4]


@given(st.sets(st.integers(1, 500), min_size=1, max_size=40), st.integers(1, 50), st.text(max_size=8))
def test_a_sample_is_of_its_size_and_does_not_depend_on_what_else_is_in_the_table(
    numbers: set[int], size: int, seed: str
) -> None:
    chosen = Chosen(sample_size=size, seed=seed)
    drawn = {one.row.product_id for one in choose(a_plan(*map(standing, numbers)), chosen)}
    some = {one.int for one in drawn}

    assert len(drawn) == min(size, len(numbers))
    again = choose(a_plan(*(standing(n, amount=n) for n in numbers)), chosen)
    assert {one.row.product_id for one in again} == drawn
    assert {one.row.product_id for one in choose(a_plan(*map(standing, some)), chosen)} == drawn


def test_without_days_the_period_is_the_year_up_to_the_last_issue() -> None:
    frame = Frame(time_zone="UTC", today=TODAY, latest_day=TODAY - timedelta(days=9), categories=())
    wanted = PlanWanted(tenant_id=new_id(), scope=None)

    period = period_of(wanted, frame)

    assert (period.to_day, period.days) == (TODAY - timedelta(days=9), 365)
    with pytest.raises(FieldError, match="fromDate"):
        period_of(PlanWanted(tenant_id=new_id(), scope=None, from_day=date(2020, 1, 1)), frame)
    with pytest.raises(FieldError, match="fromDate"):
        period_of(PlanWanted(tenant_id=new_id(), scope=None, from_day=TODAY, to_day=date(2026, 1, 1)), frame)


def a_caller(*permissions: Permission) -> Caller:
    return Caller(
        tenant_id=new_id(),
        tenant_slug="t",
        tenant_name="T",
        principal_id=new_id(),
        user_id=new_id(),
        actor="Somebody",
        session_id=None,
        key_id=None,
        roles=(),
        rights=dict.fromkeys(permissions),
    )


COUNTS, DECIDES = Permission.INVENTORY_CYCLECOUNT, Permission.INVENTORY_CYCLECOUNT_APPROVE
MOVES = {
    (TaskState.OPEN, TaskAction.BATCH): (COUNTS, TaskState.BATCHED),
    (TaskState.OPEN, TaskAction.DISMISS): (DECIDES, TaskState.DISMISSED),
}


@pytest.mark.parametrize("state", TaskState)
@pytest.mark.parametrize("action", TaskAction)
@pytest.mark.parametrize("held", [(), (COUNTS,), (DECIDES,), (COUNTS, DECIDES)])
def test_a_task_goes_where_the_table_says_and_nowhere_else(
    state: TaskState, action: TaskAction, held: tuple[Permission, ...]
) -> None:
    facts = TaskFacts(caller=a_caller(*held), location_id=new_id())
    expected = MOVES.get((state, action))

    if expected is not None and expected[0] in held:
        assert TASK.require(state, action, facts).to == (expected[1],)
        assert action in TASK.allowed(state, facts)
        return
    with pytest.raises(DomainError) as refused:
        TASK.require(state, action, facts)
    assert refused.value.reason is (Reason.INVALID_TRANSITION if expected is None else Reason.PERMISSION_DENIED)
    assert action not in TASK.allowed(state, facts)
