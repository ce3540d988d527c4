"""Tokens of the import surface: for a time, a program acts for the person whose password it knows.

A token has its person's rights as they are when it is used. It ends by itself after `LIFETIME`, and before that
when it is revoked, when the person's password is changed, and when they may not come in any more; whoever is let
in again needs another.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

import msgspec

from domain.access import credentials as secret
from domain.access.limits import Guess, LoginThrottle
from domain.access.model import Caller
from domain.access.ports import Credentials, Grant, Login, Passwords, Policy
from domain.access.rules import rights_of_grants
from domain.access.service import proven, readable
from domain.errors import DomainError, Reason, not_found
from domain.values import new_id

LIFETIME = timedelta(days=30)
LIVE_MAX = 50
"""Of one person in one tenant: with one more the oldest ends, so that a program may take one for each run."""
_ATTEMPTS = 3


class FoundToken(msgspec.Struct, frozen=True, kw_only=True):
    """A token that nobody has ended, as it stood at `now_at` of the database's clock. It may have expired."""

    tenant_id: UUID
    tenant_slug: str
    tenant_name: str
    token_id: UUID
    user_id: UUID
    email: str
    name: str
    expires_at: datetime
    now_at: datetime
    grants: tuple[Grant, ...]
    policy_version: str
    """The version of the tenant's own rules at that moment."""


class KnownToken(msgspec.Struct, frozen=True, kw_only=True):
    """For whom a token acts, and how long it is valid if nobody ends it."""

    caller: Caller
    remaining: timedelta


class NewToken(msgspec.Struct, frozen=True, kw_only=True):
    """A token to be kept from now on, by the database's clock."""

    tenant_id: UUID
    id: UUID
    user_id: UUID
    token_hash: bytes
    last4: str
    lifetime: timedelta
    live_max: int
    user_agent: str | None

    def __repr__(self) -> str:
        return f"NewToken({self.id})"


class TokenView(msgspec.Struct, frozen=True, kw_only=True):
    """A live token as its owner sees it."""

    id: UUID
    last4: str
    created_at: datetime
    expires_at: datetime
    used_at: datetime | None
    user_agent: str | None


class Tokens(Protocol):
    """Where tokens are kept."""

    async def by_token(self, token_hash: bytes) -> FoundToken | None: ...

    async def issue(self, token: NewToken, *, known_hash: str) -> bool:
        """Keep it, and say yes; or no, where the person's password has another hash by now, or they are kept out.

        A change of the password that is under way is waited for.
        """
        ...

    async def live(self, *, tenant_id: UUID, user_id: UUID) -> Sequence[TokenView]:
        """A person's tokens that still open something, the latest first."""
        ...


class TokenWork(Protocol):
    """Tokens in one transaction."""

    async def end_token(self, user_id: UUID, token_id: UUID) -> bool:
        """One of a person's in this tenant; whether there was such a live one."""
        ...


class OwnTokens(Protocol):
    """What a caller may see and make of tokens."""

    async def create_token(self, login: Login) -> str: ...
    async def own_tokens(self, caller: Caller) -> Sequence[TokenView]: ...


async def authenticate_token(found_by: Tokens, policy: Policy, *, token: str) -> KnownToken:
    """The caller that a token stands for; what has not the form of one is refused without a look-up."""
    found = await found_by.by_token(secret.hash_of(token)) if secret.is_import_token(token) else None
    if found is None:
        raise refused_token()
    if found.now_at >= found.expires_at:
        raise DomainError(Reason.UNAUTHENTICATED, "The token has expired; create another")
    roles = frozenset(grant.role for grant in found.grants)
    permissions = await policy.permissions(tenant_id=found.tenant_id, roles=roles, version=found.policy_version)
    caller = Caller(
        tenant_id=found.tenant_id,
        tenant_slug=found.tenant_slug,
        tenant_name=found.tenant_name,
        principal_id=found.user_id,
        user_id=found.user_id,
        actor=found.name,
        email=found.email,
        session_id=None,
        key_id=None,
        token_id=found.token_id,
        roles=tuple(sorted(roles)),
        rights=rights_of_grants(found.grants, permissions),
    )
    return KnownToken(caller=caller, remaining=found.expires_at - found.now_at)


def refused_token() -> DomainError:
    """One refusal for all that is no token here: nobody learns whether it is one elsewhere."""
    return DomainError(Reason.UNAUTHENTICATED, "This token is not known here, or has ended; create another")


async def create_token(found_by: Credentials, tokens: Tokens, passwords: Passwords, *, login: Login) -> str:
    """A new token for whom the password proves; its text is told here, once.

    An unknown address, a wrong password, and a tenant that is not theirs are one answer, after the same work.
    """
    token_id = new_id()
    token = secret.new_import_token(token_id)
    for _ in range(_ATTEMPTS):
        account, tenant = await proven(found_by, passwords, login)
        new = NewToken(
            tenant_id=tenant.tenant_id,
            id=token_id,
            user_id=account.user_id,
            token_hash=secret.hash_of(token),
            last4=secret.last4_of(token),
            lifetime=LIFETIME,
            live_max=LIVE_MAX,
            user_agent=readable(login.user_agent),
        )
        # Not where the password was changed since it was looked at: then it is looked at again.
        if await tokens.issue(new, known_hash=account.password_hash):
            return token
    raise DomainError(Reason.UNAVAILABLE, "The account is being changed; try again shortly", retryAfter=1)


async def create_token_slowed(throttle: LoginThrottle, own: OwnTokens, login: Login, guess: Guess) -> str:
    """Create it unless there have been too many wrong passwords: here they are counted with those of the login."""
    counted = await throttle.count(guess)
    try:
        token = await own.create_token(login)
    except DomainError as refused:
        if refused.reason is Reason.UNAVAILABLE:
            await throttle.give_back(counted)
        raise
    await throttle.give_back(counted)
    return token


async def own_tokens(found_in: Tokens, *, caller: Caller) -> Sequence[TokenView]:
    """The caller's live tokens in the tenant that they are in; a key has none."""
    if caller.user_id is None:
        return ()
    return await found_in.live(tenant_id=caller.tenant_id, user_id=caller.user_id)


async def end_own_token(work: TokenWork, *, caller: Caller, token_id: UUID) -> None:
    """End one of the caller's tokens. Others' are none."""
    if caller.user_id is None or not await work.end_token(caller.user_id, token_id):
        raise not_found("token", id=token_id)
