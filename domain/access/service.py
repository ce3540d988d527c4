"""Use cases of access: log in, log out, and turn a credential into a caller."""

from datetime import timedelta

import msgspec

from domain.access import credentials as secret
from domain.access.model import Caller
from domain.access.ports import (
    Account,
    Authenticated,
    Credentials,
    FoundSession,
    LoggedIn,
    Login,
    Membership,
    NewSession,
    Passwords,
    Policy,
    Revocations,
    Sessions,
)
from domain.access.rules import (
    SessionLimits,
    email_of,
    refuse_ended,
    refuse_spent,
    rights_of_grants,
    rights_of_scopes,
)
from domain.errors import DomainError, FieldError, Reason
from domain.values import new_id

USER_AGENT_LONGEST = 300
_ATTEMPTS = 3


class KnownSession(msgspec.Struct, frozen=True, kw_only=True):
    """Who has a session, and for how long that can be relied on without asking again."""

    authenticated: Authenticated
    remaining: timedelta
    """Until it ends, used or not."""
    unseen: timedelta
    """How long ago its use was last written down."""


class KnownKey(msgspec.Struct, frozen=True, kw_only=True):
    """Whose a key is, and how long it is valid if nobody revokes it; None is for ever."""

    caller: Caller
    remaining: timedelta | None


async def authenticate_session(
    found_by: Credentials, policy: Policy, *, token: str, idle: timedelta
) -> KnownSession:
    """The caller of a live session; what cannot be a session's secret is refused without a look-up."""
    found = await found_by.by_session(secret.hash_of(token)) if secret.is_session_token(token) else None
    if found is None:
        raise DomainError(Reason.UNAUTHENTICATED, "There is no such session; log in")
    refuse_ended(found, idle=idle)
    caller = await _caller(found, policy)
    return KnownSession(
        authenticated=Authenticated(caller=caller, csrf=secret.csrf_token(token)),
        remaining=found.expires_at - found.now_at,
        unseen=found.now_at - found.seen_at,
    )


async def authenticate_key(found_by: Credentials, *, key: str) -> KnownKey:
    """The caller that an API key stands for; what has not the form of a key is refused without a look-up."""
    found = await found_by.by_key(secret.hash_of(key)) if secret.is_api_key(key) else None
    if found is None:
        raise DomainError(Reason.INVALID_API_KEY, "This is no API key of ours")
    refuse_spent(found)
    caller = Caller(
        tenant_id=found.tenant_id,
        tenant_slug=found.tenant_slug,
        tenant_name=found.tenant_name,
        principal_id=found.key_id,
        user_id=None,
        actor=found.name,
        session_id=None,
        key_id=found.key_id,
        makers=found.makers,
        roles=(),
        rights=rights_of_scopes(found.scopes, found.location_ids),
    )
    remaining = None if found.expires_at is None else found.expires_at - found.now_at
    return KnownKey(caller=caller, remaining=remaining)


async def log_in(
    found_by: Credentials,
    sessions: Sessions,
    passwords: Passwords,
    policy: Policy,
    revocations: Revocations,
    *,
    login: Login,
    limits: SessionLimits,
) -> LoggedIn:
    """Begin a session in one tenant, and end the one that the client had until now.

    An unknown address, a wrong password, a person who may enter nowhere and a tenant that is not theirs are one
    answer, after the same work: nobody learns by asking who has an account.
    """
    token = secret.new_session_token()
    for _ in range(_ATTEMPTS):
        account, tenant = await proven(found_by, passwords, login)
        known_hash = account.password_hash
        if passwords.is_outdated(known_hash):
            known_hash = await passwords.hashed(login.password)
            await found_by.rehash(
                tenant_id=tenant.tenant_id,
                user_id=account.user_id,
                old_hash=account.password_hash,
                new_hash=known_hash,
            )
        session = NewSession(
            tenant_id=tenant.tenant_id,
            id=new_id(),
            user_id=account.user_id,
            token_hash=secret.hash_of(token),
            lifetime=limits.absolute,
            user_agent=readable(login.user_agent),
        )
        # Not where the password was changed since it was looked at: then it is looked at again.
        if await sessions.begin(session, known_hash=known_hash):
            break
    else:
        raise DomainError(Reason.UNAVAILABLE, "The account is being changed; try again shortly", retryAfter=1)
    if login.replaces is not None:
        await _end_old(found_by, sessions, revocations, login.replaces)
    known = await authenticate_session(found_by, policy, token=token, idle=limits.idle)
    return LoggedIn(caller=known.authenticated.caller, csrf=known.authenticated.csrf, token=token)


async def log_out(sessions: Sessions, revocations: Revocations, *, caller: Caller) -> None:
    """End the caller's session on the server."""
    if caller.session_id is None:
        raise DomainError(Reason.UNAUTHENTICATED, "There is no session to end: an API key is not logged in")
    await sessions.end(tenant_id=caller.tenant_id, session_id=caller.session_id)
    await revocations.confirm()


async def _caller(found: FoundSession, policy: Policy) -> Caller:
    roles = frozenset(grant.role for grant in found.grants)
    permissions = await policy.permissions(tenant_id=found.tenant_id, roles=roles, version=found.policy_version)
    return Caller(
        tenant_id=found.tenant_id,
        tenant_slug=found.tenant_slug,
        tenant_name=found.tenant_name,
        principal_id=found.user_id,
        user_id=found.user_id,
        actor=found.name,
        email=found.email,
        session_id=found.session_id,
        key_id=None,
        roles=tuple(sorted(roles)),
        rights=rights_of_grants(found.grants, permissions),
    )


async def proven(found_by: Credentials, passwords: Passwords, login: Login) -> tuple[Account, Membership]:
    """Who it is, and where they come in, if the password is right."""
    email = email_of(login.email)
    account = await found_by.by_email(email) if email is not None else None
    right = await passwords.matches(login.password, account.password_hash if account else None)
    if account is None or not right or not account.is_active:
        raise _wrong()
    return account, _entered(account, login.tenant_slug)


def _entered(account: Account, slug: str | None) -> Membership:
    """The tenant to enter: the one named, or the only one. The list is shown to nobody but its owner."""
    open_to = {membership.tenant_slug: membership for membership in account.memberships}
    if slug is not None:
        if slug not in open_to:
            raise _wrong()
        return open_to[slug]
    if not open_to:
        raise _wrong()
    if len(open_to) > 1:
        raise FieldError(("tenant", f"must be one of yours: {', '.join(sorted(open_to))}"))
    return next(iter(open_to.values()))


async def _end_old(found_by: Credentials, sessions: Sessions, revocations: Revocations, token: str) -> None:
    found = await found_by.by_session(secret.hash_of(token)) if secret.is_session_token(token) else None
    if found is not None:
        await sessions.end(tenant_id=found.tenant_id, session_id=found.session_id)
        await revocations.confirm()


def readable(user_agent: str | None) -> str | None:
    """What a client calls itself, fit to be shown."""
    text = "".join(char for char in user_agent or "" if char.isprintable())
    return text[:USER_AGENT_LONGEST] or None


def _wrong() -> DomainError:
    return DomainError(Reason.INVALID_CREDENTIALS, "The e-mail address or the password is not right")
