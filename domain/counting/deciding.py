"""What may become of a counted line, and by whom: one function, for the act and for whoever shows what is allowed.

Within its tolerance a count is accepted by itself. Beyond it the line is counted again by another person; what is
worth more than a tier is approved as well. Nobody decides upon what they counted, in whatever round, nor a key of
theirs, nor anybody in their place.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

import msgspec

from domain.access.delegations import Authority, InForce, authority_over
from domain.access.model import Caller, Permission
from domain.counting.approval import APPROVE, Signature, approvals_needed, authority_to_approve
from domain.counting.model import LineState
from domain.counting.tolerance import Variance, is_within, tolerance_of
from domain.errors import DomainError, Reason
from domain.settings.model import TenantSettings
from domain.values import plain

SEES = (Permission.INVENTORY_READ, APPROVE)
"""Who holds neither is shown no quantity, and so can judge none."""


class ResolveAction(StrEnum):
    """What is asked for. The values are published."""

    ACCEPT = "ACCEPT"
    RECOUNT = "RECOUNT"
    REJECT = "REJECT"


class Verdict(StrEnum):
    """What comes of it."""

    APPROVE = "APPROVE"
    """It is approved, and needs more who do."""
    KEEP = "KEEP"
    """The books stay as they are."""
    POST = "POST"
    PROPOSE = "PROPOSE"
    """It waits for somebody who may approve it."""
    RECOUNT = "RECOUNT"


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    verdict: Verdict
    authority: Authority | None = None
    """In whose name it is approved; None where nobody needs to."""
    needed: int = 0
    """How many approvals it takes in all."""


class Review(msgspec.Struct, frozen=True, kw_only=True):
    """A counted line as it stands now, and all who have had a hand in it."""

    id: UUID
    batch_id: UUID
    location_id: UUID
    state: LineState
    abc_class: str | None
    variance: Variance
    counted_at: datetime
    rounds: Sequence[frozenset[UUID]]
    """Who counted it, round by round, by all that they are known by."""
    proposer: frozenset[UUID] = frozenset()
    """Who has proposed to accept this variance; nobody, if it has become another one since."""
    signatures: Sequence[Signature] = ()
    """Who has approved this variance."""
    on_hand: Decimal
    """What its stock line holds now."""
    stock_counted_at: datetime | None = None
    """Of which moment the latest count in the books of its stock line is."""
    frozen_by: UUID | None = None
    """The batch that has stopped its bin."""

    @property
    def approvals_given(self) -> int:
        return len(self.signatures)

    @property
    def counters(self) -> frozenset[UUID]:
        return frozenset().union(*self.rounds)

    @property
    def is_recounted(self) -> bool:
        """Whether the last count was another person's than all before it."""
        before = frozenset[UUID]().union(*self.rounds[:-1])
        return len(self.rounds) > 1 and self.rounds[-1].isdisjoint(before)

    @property
    def obstacle(self) -> DomainError | None:
        """Why the variance cannot be posted, whoever agrees to it."""
        facts = {"lineId": self.id}
        if self.frozen_by not in {None, self.batch_id}:
            message = "Another count has stopped the bin"
            return DomainError(Reason.POSITION_FROZEN, message, batchId=self.frozen_by, **facts)
        if self.stock_counted_at is not None and self.counted_at < self.stock_counted_at:
            message = "The position was counted again after this count; count the line once more"
            return DomainError(Reason.COUNTED_SINCE, message, countedAt=self.stock_counted_at, **facts)
        if self.on_hand + self.variance.units < 0:
            message = "More has left since than was counted; count the line once more"
            return DomainError(
                Reason.INSUFFICIENT_STOCK,
                message,
                requested=plain(-self.variance.units),
                onHand=plain(self.on_hand),
                **facts,
            )
        return None

    def is_within(self, settings: TenantSettings) -> bool:
        return is_within(self.variance, tolerance_of(settings, self.abc_class))

    def approvals_needed(self, settings: TenantSettings) -> int:
        """How many people must approve the variance: none of one that is accepted by itself."""
        if self.is_within(settings):
            return 0
        return approvals_needed(settings.approval_tiers, self.variance.value)


def decide(
    review: Review, action: ResolveAction, *, caller: Caller, in_force: InForce, settings: TenantSettings
) -> Decision:
    """What comes of it when this caller asks for it now.

    Raises:
        DomainError: PERMISSION_DENIED, LOCATION_DENIED, SELF_APPROVAL; INVALID_TRANSITION, with what
            must come first; COUNTED_SINCE or INSUFFICIENT_STOCK where the variance cannot be posted.
    """
    if review.state is not LineState.VARIANCE:
        raise _impossible(review, action, f"{action} is not possible for a line in state {review.state}")
    if action is ResolveAction.RECOUNT:
        return Decision(verdict=Verdict.RECOUNT)
    _require_judge(review, caller)
    needed = review.approvals_needed(settings)
    if action is ResolveAction.REJECT:
        # To keep the books against a count is as much of a decision as to change them.
        authority = _authority_to_reject(review, caller, in_force) if needed else None
        return Decision(verdict=Verdict.KEEP, authority=authority, needed=needed)
    if not review.is_within(settings) and not review.is_recounted:
        message = "The count is beyond the tolerance: another person must count the line again first"
        others = (ResolveAction.RECOUNT, ResolveAction.REJECT)
        able = allowed_actions(review, others, caller=caller, in_force=in_force, settings=settings)
        raise _impossible(review, action, message, able, needs="RECOUNT")
    if review.obstacle is not None:
        raise review.obstacle
    if needed == 0:
        return Decision(verdict=Verdict.POST)
    return _approved(review, caller, in_force, needed)


def allowed_actions(
    review: Review,
    of: Iterable[ResolveAction] = ResolveAction,
    *,
    caller: Caller,
    in_force: InForce,
    settings: TenantSettings,
) -> list[ResolveAction]:
    """What this caller may ask for now: what `decide` does not refuse."""
    return [
        action
        for action in of
        if not isinstance(_tried(review, action, caller=caller, in_force=in_force, settings=settings), DomainError)
    ]


def awaits(review: Review, *, caller: Caller, in_force: InForce, settings: TenantSettings) -> bool:
    """Whether the line waits for an approval that this caller can give: that theirs would count as one."""
    tried = _tried(review, ResolveAction.ACCEPT, caller=caller, in_force=in_force, settings=settings)
    return isinstance(tried, Decision) and tried.authority is not None


def _tried(
    review: Review, action: ResolveAction, *, caller: Caller, in_force: InForce, settings: TenantSettings
) -> Decision | DomainError:
    try:
        return decide(review, action, caller=caller, in_force=in_force, settings=settings)
    except DomainError as refused:
        return refused


def _require_judge(review: Review, caller: Caller) -> None:
    sees = [scope for permission in SEES if (scope := caller.rights.get(permission, frozenset())) != frozenset()]
    if not sees:
        permission = Permission.INVENTORY_READ
        raise DomainError(Reason.PERMISSION_DENIED, f"You lack the permission {permission}", permission=permission)
    if not any(scope is None or review.location_id in scope for scope in sees):
        raise DomainError(
            Reason.LOCATION_DENIED, "Your rights do not cover this location", locationId=review.location_id
        )
    if caller.identities & review.counters:
        raise DomainError(
            Reason.SELF_APPROVAL, "Nobody decides upon a variance that they counted", lineId=review.id
        )


def _approved(review: Review, caller: Caller, in_force: InForce, needed: int) -> Decision:
    try:
        authority = authority_to_approve(
            caller,
            in_force,
            counters=review.counters,
            proposers=review.proposer,
            signatures=review.signatures,
            location_id=review.location_id,
        )
    except DomainError as refused:
        if refused.reason is Reason.SELF_APPROVAL or review.proposer or review.signatures:
            refused.facts["lineId"] = review.id
            raise
        return Decision(verdict=Verdict.PROPOSE, needed=needed)
    is_last = review.approvals_given + 1 >= needed
    return Decision(
        verdict=Verdict.POST if is_last else Verdict.APPROVE,
        authority=authority,
        needed=needed,
    )


def _authority_to_reject(review: Review, caller: Caller, in_force: InForce) -> Authority:
    return authority_over(
        APPROVE,
        in_force.at,
        caller,
        in_force.delegations,
        authors=review.counters,
        location_id=review.location_id,
    )


def _impossible(
    review: Review, action: ResolveAction, message: str, able: Sequence[ResolveAction] = (), **facts: object
) -> DomainError:
    return DomainError(
        Reason.INVALID_TRANSITION,
        message,
        lineId=review.id,
        state=review.state,
        action=action,
        allowedActions=list(able),
        **facts,
    )
