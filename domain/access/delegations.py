"""Deciding in another's place, for a dated period.

A delegation hands on what its giver holds, and no longer than they hold it: it gives nothing by itself, and what
was delegated cannot be delegated further. Several may overlap; the record of a decision names the one it was made
by. Separation of duties binds both sides: the delegate decides neither upon what is their own nor upon what is the
giver's, who could not do so either.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

import msgspec

from domain.access.model import Act, Caller, Permission, Scope
from domain.access.people import DelegationState, DelegationView, NewDelegation, PeopleWork
from domain.access.ports import Policy
from domain.access.rights import as_of_now
from domain.errors import DomainError, FieldError, Reason, not_found
from domain.values import new_id

DELEGABLE = frozenset({Permission.INVENTORY_CYCLECOUNT_APPROVE, Permission.STOCKREQUESTS_APPROVE})
LONGEST = timedelta(days=366)


class Delegation(msgspec.Struct, frozen=True, kw_only=True):
    """A delegation as a decision needs it, with what its giver may do at this moment."""

    id: UUID
    from_user_id: UUID
    to_user_id: UUID
    permissions: frozenset[Permission]
    starts_at: datetime
    ends_at: datetime
    ended_at: datetime | None = None
    rights: Mapping[Permission, Scope]


class Authority(msgspec.Struct, frozen=True, kw_only=True):
    """In whose name a caller may decide, and where. Without a delegation: in their own."""

    scope: Scope
    on_behalf_of: UUID | None = None
    delegation_id: UUID | None = None

    def reaches(self, location_id: UUID) -> bool:
        return self.scope is None or location_id in self.scope


class InForce(msgspec.Struct, frozen=True, kw_only=True):
    """The delegations that are in force at a moment of the database's clock."""

    at: datetime
    delegations: tuple[Delegation, ...]


class Delegations(Protocol):
    """What others have handed to somebody."""

    async def active_for(self, tenant_id: UUID, user_id: UUID, at: datetime | None = None) -> InForce:
        """The delegations to a user that are in force at a moment, by default now.

        None of people who are no longer active members. One statement.
        """
        ...


def may_decide(
    permission: Permission, at: datetime, caller: Caller, delegations: Iterable[Delegation]
) -> tuple[Authority, ...]:
    """In whose name the caller may decide: their own first, then of those who have delegated to them."""
    own = (Authority(scope=caller.rights[permission]),) if caller.allows(permission) else ()
    return own + tuple(
        Authority(scope=given.rights[permission], on_behalf_of=given.from_user_id, delegation_id=given.id)
        for given in delegations
        if given.to_user_id == caller.user_id
        and permission in given.permissions & DELEGABLE
        and permission in given.rights
        and given.starts_at <= at < given.ends_at
        and (given.ended_at is None or at < given.ended_at)
    )


def authority_over(
    permission: Permission,
    at: datetime,
    caller: Caller,
    delegations: Iterable[Delegation],
    *,
    authors: frozenset[UUID],
    location_id: UUID,
) -> Authority:
    """In whose name the caller decides upon a document at a location that `authors` have made.

    `authors` are all identities of those who made it (`Caller.identities`): a key is its maker's.

    Raises:
        DomainError: PERMISSION_DENIED; LOCATION_DENIED; SELF_APPROVAL, the document is the caller's own, or that
            of everybody in whose place they could decide.
    """
    found = may_decide(permission, at, caller, delegations)
    if not found:
        raise DomainError(Reason.PERMISSION_DENIED, f"You lack the permission {permission}", permission=permission)
    here = [authority for authority in found if authority.reaches(location_id)]
    if not here:
        raise DomainError(Reason.LOCATION_DENIED, "Your rights do not cover this location", locationId=location_id)
    if authors & caller.identities:
        raise DomainError(Reason.SELF_APPROVAL, "Nobody decides upon what is their own")
    for authority in here:
        if authority.on_behalf_of not in authors:
            return authority
    raise DomainError(Reason.SELF_APPROVAL, "Nobody decides upon what is theirs in whose place they decide")


async def delegate(
    work: PeopleWork,
    policy: Policy,
    *,
    act: Act,
    to_user_id: UUID,
    permissions: Sequence[Permission],
    starts_at: datetime,
    ends_at: datetime,
    note: str | None,
) -> DelegationView:
    """Hand approvals that the caller holds to an active member, for a period that is not over.

    Raises:
        DomainError: PERMISSION_DENIED, the caller does not hold one of them; NOT_FOUND, there is no such member.
    """
    user_id = act.caller.user_id
    assert user_id is not None, "only people delegate"
    _refuse_impossible(permissions, starts_at, ends_at, now=await work.now())
    if to_user_id == user_id:
        raise FieldError(("toUserId", "must be somebody else"))
    for permission in permissions:
        # As of now, and by the caller's own grants: what was delegated to them is not theirs to hand on.
        await as_of_now(work, policy, msgspec.structs.replace(act, permission=permission))
    if not await work.is_active_member(to_user_id):
        raise not_found("user", field="toUserId")
    delegation = NewDelegation(
        id=new_id(),
        from_user_id=user_id,
        to_user_id=to_user_id,
        permissions=tuple(sorted(set(permissions))),
        starts_at=starts_at,
        ends_at=ends_at,
        note=note,
    )
    await work.add_delegation(delegation)
    view = await work.delegation_view(delegation.id)
    await _told(work, "created", view)
    return view


async def end_delegation(work: PeopleWork, *, act: Act, delegation_id: UUID, is_admin: bool) -> DelegationView:
    """End a delegation before its time: either side may, and who administers users.

    Raises:
        DomainError: INVALID_TRANSITION, it is over.
    """
    stored = await work.lock_delegation(delegation_id)
    user_id = act.caller.user_id
    if stored is None or not (is_admin or user_id in {stored.from_user_id, stored.to_user_id}):
        raise not_found("delegation")
    if stored.state is DelegationState.ENDED:
        raise DomainError(Reason.INVALID_TRANSITION, "The delegation is over", state=stored.state, allowed=[])
    await work.end_delegation(delegation_id)
    view = await work.delegation_view(delegation_id)
    await _told(work, "ended", view)
    return view


def _refuse_impossible(
    permissions: Sequence[Permission], starts_at: datetime, ends_at: datetime, *, now: datetime
) -> None:
    problems = [
        (f"permissions[{n}]", f"must be one of {', '.join(sorted(DELEGABLE))}")
        for n, permission in enumerate(permissions)
        if permission not in DELEGABLE
    ]
    if ends_at <= starts_at:
        problems.append(("endsAt", "must be after startsAt"))
    elif ends_at <= now:
        problems.append(("endsAt", "must not be over already"))
    elif ends_at - starts_at > LONGEST or starts_at - now > LONGEST:
        problems.append(
            ("endsAt", f"must be at most {LONGEST.days} days after startsAt, and that as soon from now")
        )
    if problems:
        raise FieldError(*problems)


async def _told(work: PeopleWork, what: str, view: DelegationView) -> None:
    payload = {
        "id": view.id,
        "version": view.version,
        "fromUserId": view.from_user_id,
        "toUserId": view.to_user_id,
        "permissions": view.permissions,
        "startsAt": view.starts_at,
        "endsAt": view.ends_at,
    }
    await work.record(f"access.delegation.{what}.v1", "delegation", view.id, payload)
