"""What people do about their own sessions and their password."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

import msgspec

from domain.access import credentials as secret
from domain.access.limits import Guess, LoginThrottle
from domain.access.model import Caller
from domain.access.passwords import refuse_weak
from domain.access.people import PeopleWork
from domain.access.ports import Credentials, LoggedIn, NewSession, Passwords, Policy, Revocations
from domain.access.rules import SessionLimits
from domain.access.service import authenticate_session, readable
from domain.errors import DomainError, FieldError, Reason, not_found
from domain.values import new_id


class WrongPasswordError(FieldError):
    """A guess that failed."""

    def __init__(self) -> None:
        super().__init__(("currentPassword", "is not your password"))


class OwnSession(msgspec.Struct, frozen=True, kw_only=True):
    """A session as its owner sees it."""

    id: UUID
    created_at: datetime
    seen_at: datetime
    expires_at: datetime
    user_agent: str | None


class PasswordChange(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody changes their password with, both exactly as they were typed."""

    caller: Caller
    current: str
    new: str
    request_id: str
    user_agent: str | None = None

    def __repr__(self) -> str:
        return f"PasswordChange({self.caller.actor!r})"


class NewPassword(msgspec.Struct, frozen=True, kw_only=True):
    """The hash that is to stand in the place of another, and the session that goes on."""

    caller: Caller
    old_hash: str
    new_hash: str
    session: NewSession
    request_id: str

    def __repr__(self) -> str:
        return f"NewPassword({self.caller.actor!r})"


class OwnSessions(Protocol):
    """The sessions of one person in one tenant."""

    async def live(self, *, tenant_id: UUID, user_id: UUID, idle: timedelta) -> Sequence[OwnSession]:
        """Those that have not ended and were not unused for too long, the latest first."""
        ...


class PasswordStore(Protocol):
    """Where the hash of a password is kept."""

    async def replace(self, new: NewPassword) -> bool:
        """Set it, end all sessions of the person in all tenants, and begin the new one: all of it, or nothing.

        Nothing, and the answer is no, where the hash is not the old one any more.
        """
        ...


class OwnAccess(Protocol):
    """What a caller may do about themselves."""

    async def own_sessions(self, caller: Caller) -> Sequence[OwnSession]: ...
    async def change_password(self, change: PasswordChange) -> LoggedIn: ...


async def own_sessions(found_in: OwnSessions, *, caller: Caller, idle: timedelta) -> Sequence[OwnSession]:
    """The caller's live sessions in the tenant that they are in; a key has none."""
    if caller.user_id is None:
        return ()
    return await found_in.live(tenant_id=caller.tenant_id, user_id=caller.user_id, idle=idle)


async def end_own_session(work: PeopleWork, *, caller: Caller, session_id: UUID) -> None:
    """End one of the caller's sessions. Others' are none."""
    if caller.user_id is None or not await work.end_session(caller.user_id, session_id):
        raise not_found("session", id=session_id)


async def change_password(
    found_by: Credentials,
    store: PasswordStore,
    passwords: Passwords,
    policy: Policy,
    revocations: Revocations,
    *,
    change: PasswordChange,
    limits: SessionLimits,
) -> LoggedIn:
    """Set another password, which ends all of the person's sessions everywhere, and begin one for this client."""
    caller = change.caller
    account = await found_by.by_email(caller.email) if caller.email is not None else None
    if caller.user_id is None or account is None or account.user_id != caller.user_id:
        raise not_found("password: only a person who is logged in has one")
    refuse_weak(change.new, of=(caller.email or "", caller.actor, caller.tenant_name, caller.tenant_slug))
    if not await passwords.matches(change.current, account.password_hash):
        raise WrongPasswordError
    if change.new == change.current:
        raise FieldError(("newPassword", "must be another than the current one"))
    token = secret.new_session_token()
    session = NewSession(
        tenant_id=caller.tenant_id,
        id=new_id(),
        user_id=caller.user_id,
        token_hash=secret.hash_of(token),
        lifetime=limits.absolute,
        user_agent=readable(change.user_agent),
    )
    new = NewPassword(
        caller=caller,
        old_hash=account.password_hash,
        new_hash=await passwords.hashed(change.new),
        session=session,
        request_id=change.request_id,
    )
    if not await store.replace(new):
        raise DomainError(Reason.STALE_VERSION, "Your password has just been changed elsewhere; log in again")
    await revocations.confirm()
    known = await authenticate_session(found_by, policy, token=token, idle=limits.idle)
    return LoggedIn(caller=known.authenticated.caller, csrf=known.authenticated.csrf, token=token)


async def change_password_slowed(
    throttle: LoginThrottle, own: OwnAccess, change: PasswordChange, guess: Guess
) -> LoggedIn:
    """Change it unless there have been too many wrong ones: a stolen session is no place to guess either."""
    counted = await throttle.count(guess)
    try:
        new = await own.change_password(change)
    except WrongPasswordError:
        raise
    except DomainError:
        await throttle.give_back(counted)
        raise
    if counted.device is None:
        await throttle.give_back(counted)
    else:  # the new password has made strangers of all browsers: this one knows it, too
        await throttle.succeed(counted, guess.device)
    return new
