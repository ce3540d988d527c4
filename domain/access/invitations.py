"""How people come into a tenant: by the token of an invitation, which works once.

The address of an invitation may already be a person's, in this deployment's other tenants. Whoever invites is told
nothing of that, and nothing of theirs is changed: who accepts for an address that has a password must know it.
"""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

import msgspec

from domain.access.credentials import hash_of, is_invitation_token, new_invitation_token
from domain.access.limits import Guess, LoginThrottle
from domain.access.model import Act, Caller, Permission
from domain.access.passwords import refuse_weak
from domain.access.people import (
    Acceptance,
    BeginPeople,
    Invitations,
    InvitationState,
    InvitationView,
    Invited,
    NewInvitation,
    PeopleWork,
    flat,
    one_line,
)
from domain.access.ports import Grant, Passwords, Policy
from domain.access.rights import HeldRole, as_of_now
from domain.access.rules import covers, email_of, rights_of_grants
from domain.access.standing import require_may_give, roles_now
from domain.errors import DomainError, FieldError, Reason, not_found
from domain.values import new_id

HOURS, HOURS_LONGEST = 168, 720
_ATTEMPTS = 3


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """An invitation, and its token, which is told once and kept nowhere."""

    view: InvitationView
    token: str

    def __repr__(self) -> str:  # no secret gets into a log by way of a traceback or a formatted value
        return f"Told({self.view.id})"


class Accepting(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody accepts an invitation with. The name is what they want to be called; else it is as invited."""

    token: str
    password: str
    name: str | None = None
    request_id: str
    guess: Guess
    """By what a wrong password is counted; the address is the invitation's."""

    def __repr__(self) -> str:
        return f"Accepting({self.request_id!r})"


class Joined(msgspec.Struct, frozen=True, kw_only=True):
    """Who has become a member, and of what: all that is needed to log in, but for the password."""

    email: str
    tenant_slug: str
    tenant_name: str


async def invite(
    work: PeopleWork,
    policy: Policy,
    *,
    act: Act,
    email: str,
    name: str,
    grants: Sequence[HeldRole],
    lifetime: timedelta,
) -> Told:
    """Invite somebody with roles that the caller could give.

    Raises:
        DomainError: DUPLICATE, the tenant knows somebody of this address, or has an invitation open; those of
            `require_may_give`.
    """
    address = email_of(email)
    if address is None:
        raise FieldError(("email", "is not an e-mail address"))
    act, roles = await as_of_now(work, policy, act)
    _refuse_unknown(grants, frozenset(roles))
    given = flat(grants)
    await require_may_give(work, policy, caller=act.caller, grants=given)
    if await work.is_member(address):
        raise DomainError(Reason.DUPLICATE, "There is a user with this address already", field="email")
    if await work.is_invited(address):
        message = "There is an open invitation for this address already; revoke it to send another"
        raise DomainError(Reason.DUPLICATE, message, field="email")
    token = new_invitation_token()
    invitation = NewInvitation(
        id=new_id(),
        email=address,
        name=one_line("name", name),
        token_hash=hash_of(token),
        grants=given,
        created_by=act.caller.principal_id,
        lifetime=lifetime,
    )
    await work.add_invitation(invitation)
    view = await work.invitation_view(invitation.id)
    # Neither the token nor who is invited: the feed is read by many.
    payload = {"id": view.id, "createdBy": view.created_by, "grants": view.grants, "expiresAt": view.expires_at}
    await _told(work, "created", view.id, payload, given)
    return Told(view=view, token=token)


async def revoke_invitation(work: PeopleWork, policy: Policy, *, act: Act, invitation_id: UUID) -> InvitationView:
    """Take an open invitation back."""
    act, _ = await as_of_now(work, policy, act)
    stored = await work.lock_invitation(invitation_id)
    if stored is None:
        raise not_found("invitation")
    for grant in stored.grants:
        _require_reach(act, grant)
    if stored.state is not InvitationState.OPEN:
        message = f"The invitation is {stored.state.lower()} and cannot be revoked"
        raise DomainError(Reason.INVALID_TRANSITION, message, state=stored.state, allowed=[])
    await work.revoke_invitation(invitation_id)
    view = await work.invitation_view(invitation_id)
    await _told(work, "revoked", view.id, {"id": view.id, "version": view.version}, stored.grants)
    return view


async def accept_invitation(
    invitations: Invitations,
    begin: BeginPeople,
    passwords: Passwords,
    policy: Policy,
    throttle: LoginThrottle,
    *,
    accepting: Accepting,
) -> Joined:
    """Become a member. A new person gets the password; one who is known here must give the one they have.

    Raises:
        DomainError: NOT_FOUND for a token that is no token, was used, revoked, has expired, or whose maker could
            not give today what it gives: all alike. INVALID_CREDENTIALS for a wrong password, and
            RATE_LIMITED after some of them: an invitation is no way around the login's limits.
    """
    for _ in range(_ATTEMPTS):
        found = None
        if is_invitation_token(accepting.token):
            found = await invitations.by_invitation(hash_of(accepting.token))
        if found is None:
            raise _not_valid()
        new_hash = await _password(passwords, throttle, found, accepting)
        act = _act(found, accepting)
        async with begin(act) as work:
            done = await _accept(work, policy, found, act.caller.principal_id, accepting, new_hash=new_hash)
        if done is Acceptance.DONE:
            return Joined(email=found.email, tenant_slug=found.tenant_slug, tenant_name=found.tenant_name)
        if done is Acceptance.GONE:
            raise _not_valid()
    raise DomainError(Reason.UNAVAILABLE, "The account is being changed; try again shortly", retryAfter=1)


async def _password(
    passwords: Passwords, throttle: LoginThrottle, found: Invited, accepting: Accepting
) -> str | None:
    """The hash of a new person's password; none for one who has shown to know the old one."""
    if found.account is None:
        own = (found.email, found.tenant_name, found.tenant_slug, accepting.name or found.name)
        refuse_weak(accepting.password, of=own, field="password")
        return await passwords.hashed(accepting.password)
    counted = await throttle.count(msgspec.structs.replace(accepting.guess, email=found.email))
    try:
        right = await passwords.matches(accepting.password, found.account.password_hash)
    except DomainError:  # nobody has looked at it
        await throttle.give_back(counted)
        raise
    if not right or not found.account.is_active:
        message = "This address has an account already: accept with the password of that account"
        raise DomainError(Reason.INVALID_CREDENTIALS, message)
    await throttle.give_back(counted)
    return None


async def _accept(
    work: PeopleWork,
    policy: Policy,
    found: Invited,
    user_id: UUID,
    accepting: Accepting,
    *,
    new_hash: str | None,
) -> Acceptance:
    await work.hold_access()
    if not await _could_still_give(work, policy, found):
        return Acceptance.GONE
    account = found.account
    name = None if accepting.name is None else one_line("name", accepting.name)
    done = await work.accept(
        token_hash=hash_of(accepting.token),
        user_id=user_id,
        name=name if account is not None else name or found.name,
        known_hash=None if account is None else account.password_hash,
        new_hash=new_hash,
    )
    if done is Acceptance.DONE:
        payload = {"id": found.invitation_id, "userId": user_id}
        await _told(work, "accepted", found.invitation_id, payload, found.grants)
    return done


async def _could_still_give(work: PeopleWork, policy: Policy, found: Invited) -> bool:
    """Whether who has invited holds today what the invitation gives: it outlives neither them nor their rights."""
    roles = await roles_now(work, policy)
    wanted = rights_of_grants(found.grants, roles)
    if found.created_by is None:
        return False
    rights = dict(rights_of_grants(await work.grants_of(found.created_by), roles))
    key = await work.scopes_of(found.created_by)
    if key is not None:
        rights |= key.rights
    if Permission.ADMIN_USERS not in rights or not covers(rights, wanted):
        return False
    places = {grant.location_id for grant in found.grants}
    reach = rights[Permission.ADMIN_USERS]
    return reach is None or places <= reach


def _act(found: Invited, accepting: Accepting) -> Act:
    """The act of one who is about to become a member, and may do nothing yet."""
    user_id = new_id() if found.account is None else found.account.user_id
    caller = Caller(
        tenant_id=found.tenant_id,
        tenant_slug=found.tenant_slug,
        tenant_name=found.tenant_name,
        principal_id=user_id,
        user_id=user_id,
        actor=accepting.name or found.name,
        session_id=None,
        key_id=None,
        roles=(),
        rights={},
    )
    return Act(
        caller=caller,
        permission=Permission.ADMIN_USERS,
        operation="acceptInvitation",
        request_id=accepting.request_id,
    )


def _refuse_unknown(grants: Sequence[HeldRole], roles: frozenset[str]) -> None:
    problems = []
    for n, held in enumerate(grants):
        if held.role not in roles:
            problems.append((f"grants[{n}].role", "is not a role here"))
        if held.role in {other.role for other in grants[:n]}:
            problems.append((f"grants[{n}].role", "is given twice"))
        if held.location_ids is not None and len(set(held.location_ids)) != len(held.location_ids):
            problems.append((f"grants[{n}].locationIds", "names a location twice"))
    if problems:
        raise FieldError(*problems)


def _require_reach(act: Act, grant: Grant) -> None:
    if act.scope is not None and grant.location_id not in act.scope:
        raise DomainError(Reason.LOCATION_DENIED, "Your rights do not cover all that this invitation leads to")


async def _told(work: PeopleWork, what: str, id_: UUID, payload: object, grants: Sequence[Grant]) -> None:
    places = sorted({grant.location_id for grant in grants if grant.location_id is not None})
    await work.record(f"access.invitation.{what}.v1", "invitation", id_, payload, locations=places)


def _not_valid() -> DomainError:
    return not_found("invitation that could be accepted: it was used, revoked, or has expired, or never was")
