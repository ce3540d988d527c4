"""The one table of a stock request's life, and who may take which step.

Everything that decides is here: the act asks it, `allowedActions` shows it, and the list of what is to be
approved selects by it. Nobody decides on a request that they have made, changed or submitted, under whichever of
their names and in whosever place; and a decision is undone only by who could have made it.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from domain.access.delegations import Authority, Delegation, authority_over, may_decide
from domain.access.model import Caller, Permission
from domain.errors import DomainError, Reason
from domain.stock_requests.model import RequestAction as Action
from domain.stock_requests.model import RequestHead, StockRequest, Tier
from domain.stock_requests.model import RequestState as State
from domain.workflow import Move, Workflow

WRITE, APPROVE = Permission.STOCKREQUESTS_WRITE, Permission.STOCKREQUESTS_APPROVE


class Granted(msgspec.Struct, frozen=True):
    """A role that somebody holds, at a location or everywhere."""

    role: str
    location_id: UUID | None


class Decider(msgspec.Struct, frozen=True, kw_only=True):
    """A caller with all that decides what they may decide, at a moment of the database's clock."""

    caller: Caller
    at: datetime
    delegations: tuple[Delegation, ...] = ()
    """Those to the caller that are in force."""
    grants: Mapping[UUID, Sequence[Granted]] = {}
    """The roles of the caller and of those in whose place they decide."""

    def roles_at(self, user_id: UUID | None, location_id: UUID) -> frozenset[str]:
        held = () if user_id is None else self.grants.get(user_id, ())
        return frozenset(one.role for one in held if one.location_id in {None, location_id})


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """Whose approval a tier waits for: of a role, of people, or of anybody who approves requests there."""

    role: str | None
    user_ids: frozenset[UUID]
    is_escalated: bool = False

    def is_met_by(self, user_id: UUID | None, roles: frozenset[str]) -> bool:
        if self.role is None and not self.user_ids:
            return True
        return self.role in roles or user_id in self.user_ids


def asked_of(tier: Tier, now: datetime) -> Asked:
    """Whom a tier asks now: past its deadline, those whom it escalates to. No job needs to run for it."""
    others = tier.escalate_role is not None or tier.escalate_user_ids
    if others and tier.deadline_at is not None and now >= tier.deadline_at:
        return Asked(role=tier.escalate_role, user_ids=frozenset(tier.escalate_user_ids), is_escalated=True)
    return Asked(role=tier.role, user_ids=frozenset(tier.user_ids))


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """A request as one caller finds it."""

    request: StockRequest
    decider: Decider

    def refusal(self, permission: Permission) -> DomainError | None:
        if permission is APPROVE:
            try:
                self._authority()
            except DomainError as refused:
                return refused
            return None
        caller = self.decider.caller
        lacking = caller.refusal(permission)
        if lacking is not None:
            return lacking
        if self.request.is_deleted:
            return DomainError(
                Reason.INVALID_TRANSITION,
                "The stock request was deleted",
                state=self.request.state,
                isDeleted=True,
                allowedActions=[],
            )
        ends = {self.request.origin_location_id, self.request.destination_location_id}
        scope = caller.scope(permission)
        return None if scope is None or scope & ends else _elsewhere(self.request.origin_location_id)

    def at(self, location_id: UUID) -> DomainError | None:
        return self.decider.caller.refusal(WRITE, location_id)

    def _authority(self) -> Authority:
        request, decider = self.request, self.decider
        return authority_over(
            APPROVE,
            decider.at,
            decider.caller,
            decider.delegations,
            authors=frozenset(request.author_ids) | {request.requester_id},
            location_id=request.origin_location_id,
        )

    def authority(self, tier: Tier) -> Authority:
        """In whose name the caller decides a tier now.

        Raises:
            DomainError: PERMISSION_DENIED (the tier asks others, or the caller has decided already),
                LOCATION_DENIED, SELF_APPROVAL.
        """
        self._authority()
        asked = asked_of(tier, self.decider.at)
        given = self.request.standing_decisions
        have = frozenset(id_ for one in given for id_ in (*one.decider_ids, one.on_behalf_of) if id_)
        if self.decider.caller.identities & have:
            message = "You have approved this request already: the next approval must be somebody else's"
            raise DomainError(Reason.PERMISSION_DENIED, message, permission=APPROVE, tier=tier.tier)
        for authority in self._authorities():
            if authority.on_behalf_of not in have and self._is_asked(asked, authority):
                return authority
        raise _not_asked(tier, asked)

    def refused_tier(self) -> DomainError | None:
        """Why the caller does not decide now."""
        tier = self.request.tier
        assert tier is not None, "a pending request has a tier to decide"
        try:
            self.authority(tier)
        except DomainError as refused:
            return refused
        return None

    def refused_undo(self) -> DomainError | None:
        """Why the caller does not take the last decision back: who may not decide may not undo, either."""
        given = self.request.standing_decisions
        if not given:
            return None
        try:
            self._authority()
        except DomainError as refused:
            return refused
        last = given[-1]
        if self.decider.caller.identities & frozenset(last.decider_ids):
            return None
        tier = next(one for one in self.request.tiers if one.tier == last.tier)
        asked = asked_of(tier, self.decider.at)
        if any(self._is_asked(asked, authority) for authority in self._authorities()):
            return None
        return _not_asked(tier, asked)

    def _authorities(self) -> list[Authority]:
        """All in whose name the caller could decide here, themselves first."""
        authors = frozenset(self.request.author_ids) | {self.request.requester_id}
        found = may_decide(APPROVE, self.decider.at, self.decider.caller, self.decider.delegations)
        return [
            one
            for one in found
            if one.reaches(self.request.origin_location_id) and one.on_behalf_of not in authors
        ]

    def _is_asked(self, asked: Asked, authority: Authority) -> bool:
        person = authority.on_behalf_of or self.decider.caller.user_id
        return asked.is_met_by(person, self.decider.roles_at(person, self.request.origin_location_id))


def _not_asked(tier: Tier, asked: Asked) -> DomainError:
    return DomainError(
        Reason.PERMISSION_DENIED,
        f"{tier.name} is decided by others",
        permission=APPROVE,
        tier=tier.tier,
        role=asked.role,
        userIds=sorted(asked.user_ids),
        escalated=asked.is_escalated,
        deadlineAt=tier.deadline_at,
    )


def _elsewhere(location_id: UUID) -> DomainError:
    return DomainError(Reason.LOCATION_DENIED, "Your rights do not cover this location", locationId=location_id)


def _at_origin(standing: Standing) -> DomainError | None:
    return standing.at(standing.request.origin_location_id)


def _at_destination(standing: Standing) -> DomainError | None:
    return standing.at(standing.request.destination_location_id)


def _move(
    state: State, action: Action, *to: State, permission: Permission = WRITE, guard: object = None
) -> Move[State, Action, Standing]:
    guards = () if guard is None else (guard,)
    return Move(state=state, action=action, to=to, permission=permission, guards=guards)  # type: ignore[arg-type]


_TIER, _UNDO = Standing.refused_tier, Standing.refused_undo
MOVES = (
    _move(State.DRAFT, Action.UPDATE, State.DRAFT),
    _move(State.DRAFT, Action.DELETE, State.CANCELED),
    # Nobody needs to approve it: at once.
    _move(State.DRAFT, Action.SUBMIT, State.PENDING_APPROVAL, State.APPROVED),
    _move(State.DRAFT, Action.CANCEL, State.CANCELED),
    # A tier decides; the last one approves.
    _move(
        State.PENDING_APPROVAL,
        Action.APPROVE,
        State.PENDING_APPROVAL,
        State.APPROVED,
        permission=APPROVE,
        guard=_TIER,
    ),
    _move(State.PENDING_APPROVAL, Action.REJECT, State.REJECTED, permission=APPROVE, guard=_TIER),
    # The last approval is taken back, or, before there is one, the submission.
    _move(State.PENDING_APPROVAL, Action.ROLLBACK, State.PENDING_APPROVAL, State.DRAFT, guard=_UNDO),
    _move(State.PENDING_APPROVAL, Action.CANCEL, State.CANCELED),
    # What was rejected is a draft again as soon as it is changed: it cannot come back as approved.
    _move(State.REJECTED, Action.UPDATE, State.DRAFT),
    _move(State.REJECTED, Action.DELETE, State.CANCELED),
    _move(State.REJECTED, Action.SUBMIT, State.PENDING_APPROVAL, State.APPROVED),
    _move(State.REJECTED, Action.ROLLBACK, State.PENDING_APPROVAL, guard=_UNDO),
    _move(State.REJECTED, Action.CANCEL, State.CANCELED),
    _move(State.APPROVED, Action.PICK, State.PICKING, guard=_at_origin),
    # What needed no approval goes back to where it came from.
    _move(State.APPROVED, Action.ROLLBACK, State.PENDING_APPROVAL, State.DRAFT, guard=_UNDO),
    _move(State.APPROVED, Action.CANCEL, State.CANCELED),
    _move(State.PICKING, Action.PICK, State.PICKING, guard=_at_origin),
    _move(State.PICKING, Action.ISSUE, State.ISSUED, guard=_at_origin),
    _move(State.PICKING, Action.ROLLBACK, State.APPROVED, guard=_at_origin),
    _move(State.PICKING, Action.CANCEL, State.CANCELED, guard=_at_origin),
    _move(State.ISSUED, Action.RECEIVE, State.RECEIVED, guard=_at_destination),
    _move(State.ISSUED, Action.ROLLBACK, State.PICKING, guard=_at_origin),
    *(_move(state, Action.COMMENT, state) for state in State),
)
FLOW: Workflow[State, Action, Standing] = Workflow(MOVES)


def allowed(request: StockRequest, decider: Decider) -> Sequence[Action]:
    """What the caller may do with it now."""
    return FLOW.allowed(request.state, Standing(request=request, decider=decider))


def visible(request: RequestHead, scope: frozenset[UUID] | None) -> bool:
    """Who may see one of its ends sees the request."""
    return scope is None or bool(scope & {request.origin_location_id, request.destination_location_id})
