"""The company's approval rules: set as a whole."""

from collections.abc import Sequence

import msgspec

from domain.access.model import Act
from domain.access.ports import Policy
from domain.catalog.rules import require_everywhere
from domain.errors import DomainError, FieldError, Reason
from domain.stock_requests.plans import Rule, RulesView, problems_of
from domain.stock_requests.ports import RulesKnown, StockRequestWork


async def set_rules(
    work: StockRequestWork, policy: Policy, *, act: Act, rules: Sequence[Rule], expected_version: int | None
) -> RulesView:
    """Put these rules in place of those there are; requests that are submitted keep their plan.

    Raises:
        FieldError: a rule cannot be meant, or names what is not there.
        DomainError: STALE_VERSION; LOCATION_DENIED, the caller's right is limited to locations.
    """
    require_everywhere(act)
    stored = await work.lock_rules()
    if expected_version is not None and expected_version != stored.version:
        message = "The approval rules have been changed since you read them"
        raise DomainError(Reason.STALE_VERSION, message, expected=expected_version, actual=stored.version)
    known = await work.known(rules)
    defaults = await policy.permissions(tenant_id=act.tenant_id, roles=frozenset(), version="")
    known = msgspec.structs.replace(known, roles=known.roles | defaults.keys())
    problems = list(problems_of(rules)) or _unknown(rules, known)
    if problems:
        raise FieldError(*problems)
    view = await work.store_rules(rules)
    payload = {"version": view.version, "rules": [rule.name for rule in rules]}
    await work.record("stock_request.approval_rules_changed.v1", "tenant", act.tenant_id, payload)
    return view


def _unknown(rules: Sequence[Rule], known: RulesKnown) -> list[tuple[str, str]]:
    problems = []
    for n, rule in enumerate(rules):
        for path, who in (("approvers", rule.approvers), ("escalatesTo", rule.escalates_to)):
            if who is None:
                continue
            if who.role is not None and who.role not in known.roles:
                problems.append((f"rules[{n}].{path}.role", "is no role of the company"))
            if set(who.user_ids) - known.user_ids:
                problems.append((f"rules[{n}].{path}.userIds", "must be active members"))
        if set(rule.category_ids) - known.category_ids:
            problems.append((f"rules[{n}].categoryIds", "must be categories"))
        if set(rule.origin_location_ids) - known.location_ids:
            problems.append((f"rules[{n}].originLocationIds", "must be locations"))
    return problems
