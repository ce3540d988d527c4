"""What becomes of counted lines: `/api/inventory/cycle-count/resolve`, and `approve` for who does not count."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Protocol
from uuid import UUID

from litestar import Controller
from litestar.di import NamedDependency
from litestar.params import JSONBody, SkipValidation
from msgspec import Meta

from app.http.acts import Begin, Work, once
from app.http.routes import route
from app.http.wire import Answer, Body, Json, Text2000, Version
from domain.access.delegations import Delegations, InForce
from domain.access.model import Act, Caller, Permission
from domain.counting.deciding import Decision, ResolveAction, Verdict
from domain.counting.model import LineState, Resolution, State
from domain.counting.ports import CountingWork
from domain.counting.resolving import Resolved, Wished, resolve
from domain.counting.resolving_ports import Outcome, Why
from domain.errors import Reason
from domain.ledger.model import Posted
from domain.ledger.ports import Reference
from domain.values import plain

RESOLUTIONS_MOST = 500
NOTHING_DELEGATED = InForce(at=datetime.max.replace(tzinfo=UTC), delegations=())
ERRORS = (
    Reason.NOT_FOUND,
    Reason.LOCATION_DENIED,
    Reason.SELF_APPROVAL,
    Reason.INVALID_TRANSITION,
    Reason.STALE_VERSION,
    Reason.COUNTED_SINCE,
    Reason.INSUFFICIENT_STOCK,
    Reason.POSITION_FROZEN,
)


class ResolvingUnit(CountingWork, Work, Protocol):
    """The unit of work as the HTTP layer needs it, with idempotency."""


class ResolutionItem(Body, frozen=True, kw_only=True):
    """ACCEPT posts the variance and names a reason; RECOUNT asks for another count; REJECT keeps the books."""

    line_id: UUID
    action: ResolveAction
    reason_code_id: UUID | None = None
    comment: Text2000 | None = None
    root_cause: Text2000 | None = None


class ResolveRequest(Body, frozen=True, kw_only=True):
    """Up to 500 lines of a batch in review, all or none."""

    batch_id: UUID
    resolutions: Annotated[list[ResolutionItem], Meta(min_length=1, max_length=RESOLUTIONS_MOST)]
    expected_version: Version | None = None


class ResolvedBatch(Answer, frozen=True, kw_only=True):
    id: UUID
    number: str
    status: State
    version: int


class ResolvedLine(Answer, frozen=True, kw_only=True):
    """`outcome`: POST, KEEP and RECOUNT are done; PROPOSE waits for an approval, APPROVE for another one."""

    line_id: UUID
    action: ResolveAction
    outcome: Verdict
    status: LineState
    resolution: Resolution | None
    round: int
    approvals_needed: int
    approvals_given: int
    on_behalf_of: UUID | None
    transaction_id: UUID | None


class CountTransaction(Answer, frozen=True, kw_only=True):
    """One movement of the posting `id`."""

    id: UUID
    inventory_item_id: UUID
    delta_qty: Decimal
    qty_before: Decimal
    qty_after: Decimal
    effective_at: datetime
    created_at: datetime


class BatchResolved(Answer, frozen=True, kw_only=True):
    """`transactions` are those that the accepted variances were posted with."""

    success: bool
    message: str
    batch: ResolvedBatch
    lines: Sequence[ResolvedLine]
    transactions: Sequence[CountTransaction]


class CountResolutionController(Controller):
    path = "/api/inventory/cycle-count"
    tags: Sequence[str] | None = ("Cycle counts",)

    @route(
        "POST",
        "/resolve",
        operation="resolveCycleCount",
        summary="Resolve cycle count discrepancies",
        permissions=Permission.INVENTORY_CYCLECOUNT,
        description="ACCEPT posts a variance as a difference, as of its count: beyond the tolerance once another "
        "person has counted the line again, above a tier of value once enough people have approved it. Who may "
        "not approve proposes. Nobody decides upon what they counted. RECOUNT is for somebody else to count; "
        "REJECT keeps the books and says why. The last line completes the batch.",
        errors=ERRORS,
        example={
            "batchId": "{reviewedCountId}",
            "resolutions": [
                {"lineId": "{reviewedLineId}", "action": "RECOUNT", "comment": "Look behind the rack"}
            ],
        },
    )
    async def resolve(
        self,
        data: JSONBody[ResolveRequest],
        act: NamedDependency[SkipValidation[Act]],
        begin_counting: NamedDependency[SkipValidation[Begin[ResolvingUnit]]],
        delegations: NamedDependency[SkipValidation[Delegations]],
        reference: NamedDependency[SkipValidation[Reference]],
    ) -> Json[BatchResolved]:
        return await _resolved(data, act, begin_counting, delegations, reference)

    @route(
        "POST",
        "/approve",
        operation="approveCycleCount",
        summary="Approve cycle count variances",
        permissions=Permission.INVENTORY_CYCLECOUNT_APPROVE,
        description="As `resolve`, for who approves and does not count, and for their delegates.",
        deputies=True,
        errors=ERRORS,
        example={
            "batchId": "{reviewedCountId}",
            "resolutions": [
                {"lineId": "{reviewedLineId}", "action": "RECOUNT", "comment": "Look behind the rack"}
            ],
        },
    )
    async def approve(
        self,
        data: JSONBody[ResolveRequest],
        act: NamedDependency[SkipValidation[Act]],
        begin_counting: NamedDependency[SkipValidation[Begin[ResolvingUnit]]],
        delegations: NamedDependency[SkipValidation[Delegations]],
        reference: NamedDependency[SkipValidation[Reference]],
    ) -> Json[BatchResolved]:
        return await _resolved(data, act, begin_counting, delegations, reference)


async def _resolved(
    data: ResolveRequest,
    act: Act,
    begin: Begin[ResolvingUnit],
    delegations: Delegations,
    reference: Reference,
) -> Json[BatchResolved]:
    wishes = [
        Wished(
            line_id=one.line_id,
            action=one.action,
            why=Why(reason_code_id=one.reason_code_id, comment=one.comment, root_cause=one.root_cause),
        )
        for one in data.resolutions
    ]
    in_force = await handed_to(delegations, act.caller)
    reasons = {reason.id: reason for reason in await reference.reasons(act.tenant_id)}

    async def do(work: ResolvingUnit) -> BatchResolved:
        done = await resolve(
            work,
            act=act,
            batch_id=data.batch_id,
            wishes=wishes,
            expected_version=data.expected_version,
            in_force=in_force,
            reasons=reasons,
        )
        return _told(done, wishes)

    return await once(begin, act, do)


async def handed_to(delegations: Delegations, caller: Caller) -> InForce:
    """What has been handed to the caller; a key is nobody's delegate."""
    if caller.user_id is None:
        return NOTHING_DELEGATED
    return await delegations.active_for(caller.tenant_id, caller.user_id)


DONE: Mapping[Verdict, str] = {
    Verdict.APPROVE: "approved, waiting for more approvals",
    Verdict.KEEP: "rejected",
    Verdict.POST: "accepted",
    Verdict.PROPOSE: "proposed, waiting for approval",
    Verdict.RECOUNT: "to be counted again",
}


def _told(done: Resolved, wishes: Sequence[Wished]) -> BatchResolved:
    counts = {verdict: sum(one.verdict is verdict for one in done.decisions) for verdict in Verdict}
    batch = done.batch
    return BatchResolved(
        success=True,
        message=", ".join(f"{number} {DONE[verdict]}" for verdict, number in counts.items() if number),
        batch=ResolvedBatch(id=batch.id, number=batch.number, status=batch.state, version=batch.version),
        lines=[
            _resolved_line(wish, line.approvals_given, decision, outcome)
            for wish, line, decision, outcome in zip(
                wishes, done.lines, done.decisions, done.outcomes, strict=True
            )
        ],
        transactions=[] if done.posted is None else _transactions(done.posted),
    )


def _resolved_line(wish: Wished, given: int, decision: Decision, outcome: Outcome) -> ResolvedLine:
    is_approval = decision.authority is not None and decision.verdict is not Verdict.KEEP
    return ResolvedLine(
        line_id=wish.line_id,
        action=wish.action,
        outcome=decision.verdict,
        status=outcome.state,
        resolution=outcome.resolution,
        round=outcome.round,
        approvals_needed=decision.needed,
        approvals_given=given + is_approval,
        on_behalf_of=decision.authority.on_behalf_of if decision.authority else None,
        transaction_id=outcome.posting_id,
    )


def _transactions(posted: Posted) -> list[CountTransaction]:
    return [
        CountTransaction(
            id=posted.posting_id,
            inventory_item_id=moved.line_id,
            delta_qty=plain(moved.delta),
            qty_before=plain(moved.before),
            qty_after=plain(moved.after),
            effective_at=moved.effective_at,
            created_at=posted.recorded_at,
        )
        for moved in posted.movements
    ]
