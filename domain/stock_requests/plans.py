"""Approval plans: which rules of the company a request meets, and so who must agree to it, in which order.

A company without rules of its own has one: where the fulfilling location approves requests, somebody who may do so
there agrees. With rules, what meets none of them needs no approval. The plan is frozen at submission; a later
change of the rules does not touch it.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import Meta

from domain.stock_requests.model import StockRequest, Tier
from domain.values import plain

RULES_MAX = 100
TIERS_MAX = 10
USERS_MAX = 20

type TierNumber = Annotated[int, Meta(ge=1, le=TIERS_MAX)]
type Approvals = Annotated[int, Meta(ge=1, le=5)]
type DeadlineHours = Annotated[int, Meta(ge=1, le=8784)]


class Approvers(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Who decides: people with a role, or these people; with neither, anybody who approves requests there."""

    role: str | None = None
    user_ids: Sequence[UUID] = ()


class Rule(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A tier, and when it is needed: all of its conditions must hold; one without conditions always does."""

    name: str
    tier: TierNumber = 1
    """Lower ones decide first; of the same, the one that stands first."""
    value_above: Decimal | None = None
    """The request is worth more."""
    quantity_above: Decimal | None = None
    """A line asks for more."""
    category_ids: Sequence[UUID] = ()
    """A product is of one of these categories, or of one below them."""
    is_regulated: bool | None = None
    """True: a product is regulated."""
    origin_location_ids: Sequence[UUID] = ()
    approvers: Approvers = Approvers()
    approvals: Approvals = 1
    """So many different people."""
    deadline_hours: DeadlineHours | None = None
    escalates_to: Approvers | None = None
    """With whom the tier is once its deadline has passed."""


class RulesView(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """`isDefault`: the company has not set any."""

    rules: Sequence[Rule]
    is_default: bool
    version: int
    updated_at: datetime | None


class PlanLine(msgspec.Struct, frozen=True, kw_only=True):
    """What the rules look at in a line."""

    quantity: Decimal
    unit_cost: Decimal
    category_ids: frozenset[UUID]
    """Its category and those above it."""
    is_regulated: bool

    @property
    def value(self) -> Decimal:
        return self.quantity * self.unit_cost


DEFAULT_TIER = Tier(tier=1, name="Approval", why=("the fulfilling location approves requests",))


def plan_of(
    rules: Sequence[Rule] | None, *, lines: Sequence[PlanLine], origin_id: UUID, approves_requests: bool
) -> tuple[Tier, ...]:
    """The tiers that a request needs, numbered from 1; none: it needs no approval."""
    if rules is None:
        return (DEFAULT_TIER,) if approves_requests else ()
    found: list[tuple[Rule, tuple[str, ...]]] = []
    for rule in sorted(rules, key=lambda one: one.tier):
        why = _why(rule, lines, origin_id)
        if why is not None:
            found.append((rule, why))
    return tuple(_tier(number, rule, why) for number, (rule, why) in enumerate(found, start=1))


def started(tier: Tier, now: datetime) -> Tier:
    """The tier from the moment when it is its turn; its deadline runs from then."""
    hours = tier.deadline_hours
    deadline = None if hours is None else now + timedelta(hours=hours)
    return msgspec.structs.replace(tier, started_at=now, deadline_at=deadline, finished_at=None)


def exceeds(plan: Sequence[Tier], agreed: Sequence[Tier]) -> list[str]:
    """The tiers of a plan whose like is not among those that have agreed."""
    known = {one.name for one in agreed}
    return [one.name for one in plan if one.name not in known]


def approvals_of(request: StockRequest, tier: int) -> int:
    """How many people have approved in a tier."""
    return sum(one.tier == tier for one in request.standing_decisions)


def problems_of(rules: Sequence[Rule]) -> Iterator[tuple[str, str]]:
    """What is wrong with rules, beyond what their types say, by path."""
    if len(rules) > RULES_MAX:
        yield "rules", f"must be at most {RULES_MAX}"
    names: set[str] = set()
    for n, rule in enumerate(rules):
        if rule.name in names:
            yield f"rules[{n}].name", "is the name of another rule"
        names.add(rule.name)
        for path, problem in _problems(rule):
            yield f"rules[{n}].{path}", problem


def _problems(rule: Rule) -> Iterator[tuple[str, str]]:
    for path, number in (("valueAbove", rule.value_above), ("quantityAbove", rule.quantity_above)):
        if number is not None and number < 0:
            yield path, "must not be negative"
    if rule.escalates_to is not None and rule.deadline_hours is None:
        yield "escalatesTo", "needs deadlineHours"
    if rule.escalates_to == Approvers():
        yield "escalatesTo", "must name a role or people"
    for path, who in (("approvers", rule.approvers), ("escalatesTo", rule.escalates_to or Approvers())):
        if len(who.user_ids) > USERS_MAX:
            yield f"{path}.userIds", f"must be at most {USERS_MAX}"
    if rule.approvers.role is None and 0 < len(set(rule.approvers.user_ids)) < rule.approvals:
        yield "approvals", "must not be more than the people who are named"


def _tier(number: int, rule: Rule, why: tuple[str, ...]) -> Tier:
    others = rule.escalates_to or Approvers()
    return Tier(
        tier=number,
        name=rule.name,
        role=rule.approvers.role,
        user_ids=tuple(rule.approvers.user_ids),
        approvals=rule.approvals,
        deadline_hours=rule.deadline_hours,
        escalate_role=others.role,
        escalate_user_ids=tuple(others.user_ids),
        why=why,
    )


def _why(rule: Rule, lines: Sequence[PlanLine], origin_id: UUID) -> tuple[str, ...] | None:
    """What in the request meets the rule; None where a condition does not hold."""
    value = sum((line.value for line in lines), Decimal(0))
    most = max((line.quantity for line in lines), default=Decimal(0))
    wanted = frozenset(rule.category_ids)
    checks: list[tuple[bool, bool, str]] = [
        (
            rule.value_above is not None,
            rule.value_above is not None and value > rule.value_above,
            f"it is worth {plain(value)}, more than {rule.value_above}",
        ),
        (
            rule.quantity_above is not None,
            rule.quantity_above is not None and most > rule.quantity_above,
            f"a line asks for {plain(most)}, more than {rule.quantity_above}",
        ),
        (
            bool(wanted),
            any(line.category_ids & wanted for line in lines),
            "a product is of a category that needs it",
        ),
        (
            rule.is_regulated is not None,
            any(line.is_regulated for line in lines) == rule.is_regulated,
            "a product is regulated" if rule.is_regulated else "no product is regulated",
        ),
        (
            bool(rule.origin_location_ids),
            origin_id in rule.origin_location_ids,
            "it is to be fulfilled by this location",
        ),
    ]
    if not all(holds for is_asked, holds, _ in checks if is_asked):
        return None
    return tuple(why for is_asked, _, why in checks if is_asked) or ("every request needs it",)
