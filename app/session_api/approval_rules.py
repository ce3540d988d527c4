"""What needs whose approval: `/api/stock-requests/approval-rules`."""

from collections.abc import Sequence
from typing import Annotated
from uuid import UUID

from litestar import Controller
from litestar.di import NamedDependency
from litestar.params import JSONBody, SkipValidation
from msgspec import Meta

from app.http.acts import once
from app.http.routes import route
from app.http.wire import Answer, Body, Json, Text64, Text200
from app.session_api.stock_requests import BeginRequests, StockRequestUnit
from domain.access.model import Act, Permission
from domain.access.ports import Policy
from domain.errors import Reason
from domain.stock_requests.plans import (
    RULES_MAX,
    USERS_MAX,
    Approvals,
    Approvers,
    DeadlineHours,
    Rule,
    RulesView,
    TierNumber,
)
from domain.stock_requests.ports import StockRequestReads
from domain.stock_requests.ruling import set_rules
from domain.values import Quantity

type Ids = Annotated[Sequence[UUID], Meta(max_length=200)]


class RuleApprovers(Body, frozen=True, kw_only=True):
    """People with a role, or these people; with neither, anybody who approves requests at the origin."""

    role: Text64 | None = None
    user_ids: Annotated[Sequence[UUID], Meta(max_length=USERS_MAX)] = ()


class ApprovalRule(Body, frozen=True, kw_only=True):
    """A tier, and when it is needed: all conditions that it names must hold."""

    name: Text200
    tier: TierNumber = 1
    value_above: Quantity | None = None
    quantity_above: Quantity | None = None
    category_ids: Ids = ()
    is_regulated: bool | None = None
    origin_location_ids: Ids = ()
    approvers: RuleApprovers = RuleApprovers()
    approvals: Approvals = 1
    deadline_hours: DeadlineHours | None = None
    escalates_to: RuleApprovers | None = None


class SetApprovalRules(Body, frozen=True, kw_only=True):
    """In place of all that there are; none: nothing needs approval."""

    rules: Annotated[Sequence[ApprovalRule], Meta(max_length=RULES_MAX)]
    expected_version: Annotated[int, Meta(ge=0, le=2_147_483_647)] | None = None


class ApprovalRulesData(Answer, frozen=True, kw_only=True):
    data: RulesView


class ApprovalRuleController(Controller):
    path = "/api/stock-requests/approval-rules"
    tags: Sequence[str] | None = ("Stock requests",)

    @route(
        "GET",
        "/",
        operation="getApprovalRules",
        summary="Get the approval rules",
        permissions=Permission.STOCKREQUESTS_READ,
        description="While the company has set none (`isDefault`), one approval is needed where the fulfilling "
        "location has the capability APPROVES_REQUESTS.",
    )
    async def read(
        self,
        act: NamedDependency[SkipValidation[Act]],
        request_reads: NamedDependency[SkipValidation[StockRequestReads]],
    ) -> Json[ApprovalRulesData]:
        return Json(ApprovalRulesData(data=await request_reads.rules(act.tenant_id)))

    @route(
        "PUT",
        "/",
        operation="setApprovalRules",
        summary="Set the approval rules",
        permissions=Permission.ADMIN_SETTINGS,
        description="For what is submitted from now on: a request keeps the plan that it was submitted under.",
        errors=[Reason.STALE_VERSION, Reason.LOCATION_DENIED],
        example={
            "rules": [
                {
                    "name": "Supervisor",
                    "valueAbove": 100,
                    "approvers": {"role": "supervisor"},
                    "deadlineHours": 24,
                },
                {"name": "Manager", "tier": 2, "valueAbove": 5000, "approvers": {"role": "manager"}},
            ]
        },
    )
    async def change(
        self,
        *,
        data: JSONBody[SetApprovalRules],
        act: NamedDependency[SkipValidation[Act]],
        policy: NamedDependency[SkipValidation[Policy]],
        begin_requests: NamedDependency[SkipValidation[BeginRequests]],
    ) -> Json[ApprovalRulesData]:
        rules = [_rule(rule) for rule in data.rules]

        async def do(work: StockRequestUnit) -> ApprovalRulesData:
            view = await set_rules(work, policy, act=act, rules=rules, expected_version=data.expected_version)
            return ApprovalRulesData(data=view)

        return await once(begin_requests, act, do)


def _rule(rule: ApprovalRule) -> Rule:
    return Rule(
        name=rule.name,
        tier=rule.tier,
        value_above=rule.value_above,
        quantity_above=rule.quantity_above,
        category_ids=tuple(rule.category_ids),
        is_regulated=rule.is_regulated,
        origin_location_ids=tuple(rule.origin_location_ids),
        approvers=_approvers(rule.approvers),
        approvals=rule.approvals,
        deadline_hours=rule.deadline_hours,
        escalates_to=None if rule.escalates_to is None else _approvers(rule.escalates_to),
    )


def _approvers(who: RuleApprovers) -> Approvers:
    return Approvers(role=who.role, user_ids=tuple(who.user_ids))
