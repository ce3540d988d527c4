"""Which approvals a request needs: by value, quantity, category, product flags and origin, in their order."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from domain.stock_requests.plans import (
    Approvers,
    PlanLine,
    Rule,
    exceeds,
    plan_of,
    problems_of,
    started,
)
from domain.values import new_id

HERE, THERE, DRUGS, POISONS = new_id(), new_id(), new_id(), new_id()
NOW = datetime(2026, 5, 4, 9, tzinfo=UTC)


def a_line(quantity: int = 1, cost: int = 10, *, regulated: bool = False, poison: bool = False) -> PlanLine:
    return PlanLine(
        quantity=Decimal(quantity),
        unit_cost=Decimal(cost),
        category_ids=frozenset({DRUGS, POISONS} if poison else ()),
        is_regulated=regulated,
    )


@pytest.mark.parametrize(
    ("rule", "lines", "is_needed"),
    [
        (Rule(name="R"), [a_line()], True),
        (Rule(name="R", value_above=Decimal(100)), [a_line(10)], False),
        (Rule(name="R", value_above=Decimal(100)), [a_line(10), a_line(1, 1)], True),
        (Rule(name="R", quantity_above=Decimal(10)), [a_line(10), a_line(10)], False),
        (Rule(name="R", quantity_above=Decimal(10)), [a_line(11)], True),
        (Rule(name="R", category_ids=(DRUGS,)), [a_line()], False),
        (Rule(name="R", category_ids=(DRUGS,)), [a_line(), a_line(poison=True)], True),
        (Rule(name="R", is_regulated=True), [a_line()], False),
        (Rule(name="R", is_regulated=True), [a_line(), a_line(regulated=True)], True),
        (Rule(name="R", is_regulated=False), [a_line(regulated=True)], False),
        (Rule(name="R", origin_location_ids=(THERE,)), [a_line()], False),
        (Rule(name="R", origin_location_ids=(THERE, HERE)), [a_line()], True),
        (Rule(name="R", value_above=Decimal(1), is_regulated=True), [a_line()], False),
    ],
)
def test_a_tier_is_needed_where_all_conditions_of_its_rule_hold(
    rule: Rule, lines: list[PlanLine], is_needed: bool
) -> None:
    plan = plan_of([rule], lines=lines, origin_id=HERE, approves_requests=False)

    assert bool(plan) == is_needed
    assert all(tier.why for tier in plan)


def test_tiers_come_in_their_order_and_are_numbered_without_gaps() -> None:
    rules = [
        Rule(name="Director", tier=9, approvers=Approvers(role="admin")),
        Rule(name="Skipped", tier=5, value_above=Decimal(1_000_000)),
        Rule(name="Supervisor", tier=1, approvers=Approvers(role="supervisor"), deadline_hours=4),
        Rule(name="Second of the first", tier=1),
    ]
    plan = plan_of(rules, lines=[a_line()], origin_id=HERE, approves_requests=False)

    assert [(tier.tier, tier.name) for tier in plan] == [
        (1, "Supervisor"),
        (2, "Second of the first"),
        (3, "Director"),
    ]
    assert started(plan[0], NOW).deadline_at == NOW + timedelta(hours=4)
    assert started(plan[1], NOW).deadline_at is None


@pytest.mark.parametrize(("approves", "tiers"), [(True, 1), (False, 0)])
def test_a_company_without_rules_asks_where_the_fulfilling_location_approves(approves: bool, tiers: int) -> None:
    assert len(plan_of(None, lines=[a_line()], origin_id=HERE, approves_requests=approves)) == tiers
    assert plan_of([], lines=[a_line()], origin_id=HERE, approves_requests=approves) == ()


def test_a_plan_exceeds_what_was_agreed_by_the_tiers_that_nobody_was_asked_for() -> None:
    agreed = plan_of([Rule(name="A")], lines=[a_line()], origin_id=HERE, approves_requests=False)
    wanted = plan_of([Rule(name="A"), Rule(name="B")], lines=[a_line()], origin_id=HERE, approves_requests=False)

    assert exceeds(agreed, agreed) == []
    assert exceeds(wanted, agreed) == ["B"]


@pytest.mark.parametrize(
    ("rules", "path"),
    [
        ([Rule(name="A"), Rule(name="A")], "rules[1].name"),
        ([Rule(name="A", value_above=Decimal(-1))], "rules[0].valueAbove"),
        ([Rule(name="A", quantity_above=Decimal(-1))], "rules[0].quantityAbove"),
        ([Rule(name="A", escalates_to=Approvers(role="manager"))], "rules[0].escalatesTo"),
        ([Rule(name="A", deadline_hours=1, escalates_to=Approvers())], "rules[0].escalatesTo"),
        ([Rule(name="A", approvals=2, approvers=Approvers(user_ids=(HERE,)))], "rules[0].approvals"),
        ([Rule(name="A", approvers=Approvers(user_ids=(HERE,) * 21))], "rules[0].approvers.userIds"),
        ([Rule(name=str(n)) for n in range(101)], "rules"),
    ],
)
def test_rules_that_cannot_be_meant_are_named_by_their_path(rules: list[Rule], path: str) -> None:
    assert [at for at, _ in problems_of(rules)] == [path]
