"""Approving and rejecting: tier by tier, on the version that was seen, and never on one's own request."""

from collections.abc import Sequence
from decimal import Decimal
from uuid import UUID

import msgspec

from domain.access.delegations import Authority
from domain.errors import FieldError
from domain.stock_requests.acting import line_of, live, opened, refuse_repeated, told
from domain.stock_requests.allocating import allocate
from domain.stock_requests.editing import approved
from domain.stock_requests.model import (
    ZERO,
    ApprovedLine,
    Decision,
    RequestAction,
    RequestLine,
    RequestState,
    StockRequest,
    Tier,
    Verdict,
)
from domain.stock_requests.plans import approvals_of, started
from domain.stock_requests.ports import StockRequestWork
from domain.stock_requests.states import Decider, Standing
from domain.values import new_id, plain


async def approve(
    work: StockRequestWork,
    *,
    decider: Decider,
    request_id: UUID,
    expected_version: int,
    lines: Sequence[ApprovedLine] = (),
    comment: str | None = None,
) -> StockRequest:
    """Approve in the tier whose turn it is; the last approval reserves at the origin, line by line.

    Raises:
        FieldError: more than was asked for, or approved before; or nothing at all.
        DomainError: SELF_APPROVAL; PERMISSION_DENIED, the tier asks others; STALE_VERSION with what happened.
    """
    before, standing = await opened(
        work,
        decider=decider,
        request_id=request_id,
        action=RequestAction.APPROVE,
        expected_version=expected_version,
    )
    tier, authority = _turn(before, standing)
    now = await work.now()
    agreed = _agreed(before, lines)
    decision = _decision(standing, authority, Verdict.APPROVED, tier=tier, lines=agreed, comment=comment)
    await work.add_decision(request_id, decision)
    request = before
    is_done = approvals_of(before, tier.tier) + 1 >= tier.approvals
    if is_done:
        await work.store_tier(request_id, before.round, msgspec.structs.replace(tier, finished_at=now))
        following = next((one for one in before.tiers if one.tier == tier.tier + 1), None)
        if following is not None:
            following = started(following, now)
            await work.store_tier(request_id, before.round, following)
        request = msgspec.structs.replace(
            before,
            state=RequestState.PENDING_APPROVAL if following else RequestState.APPROVED,
            current_tier=following.tier if following else None,
            deadline_at=following.deadline_at if following else None,
            decided_at=None if following else now,
        )
    if request.state is RequestState.APPROVED:
        agreed = await allocate(work, request, [approved(line, line.approved or ZERO) for line in agreed])
    await work.store_lines(agreed)
    await work.store(request)
    return await told(
        work,
        decider=decider,
        before=before,
        request_id=request_id,
        action=RequestAction.APPROVE,
        comment=comment,
        on_behalf_of=authority.on_behalf_of,
        details=_details(tier, authority, expected_version),
    )


async def reject(
    work: StockRequestWork,
    *,
    decider: Decider,
    request_id: UUID,
    expected_version: int | None,
    comment: str,
) -> StockRequest:
    """Refuse it, saying why. Once it is changed it is a draft again."""
    before, standing = await opened(
        work,
        decider=decider,
        request_id=request_id,
        action=RequestAction.REJECT,
        expected_version=expected_version,
    )
    tier, authority = _turn(before, standing)
    decision = _decision(standing, authority, Verdict.REJECTED, tier=tier, comment=comment)
    await work.add_decision(request_id, decision)
    await work.store(
        msgspec.structs.replace(
            before,
            state=RequestState.REJECTED,
            current_tier=None,
            deadline_at=None,
            decided_at=await work.now(),
        )
    )
    return await told(
        work,
        decider=decider,
        before=before,
        request_id=request_id,
        action=RequestAction.REJECT,
        comment=comment,
        on_behalf_of=authority.on_behalf_of,
        details=_details(tier, authority, before.version),
    )


def _turn(request: StockRequest, standing: Standing) -> tuple[Tier, Authority]:
    tier = request.tier
    assert tier is not None, "a pending request has a tier to decide"
    return tier, standing.authority(tier)


def _agreed(request: StockRequest, lines: Sequence[ApprovedLine]) -> list[RequestLine]:
    """The lines with what is approved of them: by default all that was asked for, or approved before."""
    refuse_repeated([line.line_id for line in lines])
    stands = {line.id: _limit(line) for line in live(request.lines)}
    problems: list[tuple[str, str]] = []
    for n, line in enumerate(lines):
        found = line_of(request, line.line_id, f"lines[{n}].lineId")
        limit = stands.get(line.line_id, ZERO)
        if line.quantity < ZERO:
            problems.append((f"lines[{n}].approvedQty", "must not be negative"))
        elif line.quantity > _limit(found):
            what = "what was asked for" if found.approved is None else "what was approved before"
            problems.append((f"lines[{n}].approvedQty", f"must be at most {what} ({plain(limit)})"))
        stands[line.line_id] = line.quantity
    if not problems and not any(stands.values()):
        problems.append(("lines", "approve nothing: reject the request instead"))
    if problems:
        raise FieldError(*problems)
    return [msgspec.structs.replace(line, approved=stands[line.id]) for line in live(request.lines)]


def _limit(line: RequestLine) -> Decimal:
    return line.requested if line.approved is None else line.approved


def _decision(
    standing: Standing,
    authority: Authority,
    verdict: Verdict,
    *,
    tier: Tier,
    lines: Sequence[RequestLine] = (),
    comment: str | None,
) -> Decision:
    request, decider = standing.request, standing.decider
    return Decision(
        id=new_id(),
        round=request.round,
        tier=tier.tier,
        decision=verdict,
        decider_id=decider.caller.principal_id,
        decider=decider.caller.actor,
        decider_ids=tuple(sorted(decider.caller.identities)),
        on_behalf_of=authority.on_behalf_of,
        delegation_id=authority.delegation_id,
        version_seen=request.version,
        quantities={str(line.id): line.approved or ZERO for line in lines},
        comment=comment,
        decided_at=decider.at,
    )


def _details(tier: Tier, authority: Authority, version: int) -> dict[str, object]:
    return {
        "tier": tier.tier,
        "tierName": tier.name,
        "versionSeen": version,
        "delegationId": authority.delegation_id,
    }
