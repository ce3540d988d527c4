"""Credentials to callers, remembered for a while, so that in steady state a request asks the database nothing.

Three things keep a remembered credential honest. It is read again after a minute at most. A change of access, in
any process, is announced with its commit and dropped here, and whoever made it can wait for that (`listener.py`).
And while announcements cannot be heard, nothing is remembered. A look-up that was under way when an announcement
came may have read what is no longer true, so it serves those who were waiting for it and is not kept.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Self
from uuid import UUID

import msgspec

from domain.access import own_sessions, service, tokens
from domain.access.credentials import hash_of
from domain.access.model import Caller
from domain.access.own_sessions import OwnSession, PasswordChange
from domain.access.ports import Authenticated, LoggedIn, Login, Passwords, Policy
from domain.access.rules import SessionLimits
from domain.access.tokens import TokenView
from domain.errors import DomainError
from infra.access.changes import Change, Kind
from infra.access.listener import AccessListener
from infra.access.memory import Memory
from infra.access.own_sessions import SqlOwnSessions
from infra.access.passwords import QUEUE_LIMIT, Argon2Passwords
from infra.access.seen import SeenWriter
from infra.access.store import SqlAccess
from infra.access.tokens import SqlTokens
from infra.authz.policy import CasbinPolicy
from infra.db.pool import Database
from infra.observability.metrics import LOGINS

FRESH_SECONDS = 60.0
"""The longest that anything is believed without being read again, and the shortest between two notes of a use."""
REMEMBERED = 10_000
_SEEN_PAUSE = 5.0


class _Known(msgspec.Struct, kw_only=True):
    """A credential's caller, with times of this process's monotonic clock."""

    authenticated: Authenticated
    until: float
    """When it must be read again."""
    note_at: float
    """When its use is next to be written down."""

    @property
    def subject(self) -> tuple[Kind, UUID]:
        caller = self.authenticated.caller
        if caller.session_id is not None:
            return Kind.SESSION, caller.session_id
        if caller.token_id is not None:
            return Kind.TOKEN, caller.token_id
        assert caller.key_id is not None
        return Kind.KEY, caller.key_id


class CachedAuthenticator:
    """The ports `Authenticator`, `OwnAccess` and `OwnTokens` over one process's pool."""

    def __init__(
        self,
        store: SqlAccess,
        policy: Policy,
        passwords: Argon2Passwords,
        *,
        listener: AccessListener,
        limits: SessionLimits,
        monotonic: Callable[[], float] = time.monotonic,
        size: int = REMEMBERED,
    ) -> None:
        self._store = store
        self._own = SqlOwnSessions(store.database)
        self._tokens = SqlTokens(store.database)
        self._policy = policy
        self._passwords = passwords
        self._limits = limits
        self._monotonic = monotonic
        # Where sessions are short, uses are noted more often, or the limit would end sessions that are in use.
        self._fresh = min(FRESH_SECONDS, limits.idle.total_seconds() / 4)
        self._memory: Memory[bytes, _Known] = Memory(size)
        self._epoch = 0
        self._reading: dict[bytes, asyncio.Task[_Known]] = {}
        self._tasks: set[asyncio.Task[_Known]] = set()
        self.listener = listener
        listener.subscribe(self.forget)
        self._seen = SeenWriter(store.seen, pause=min(_SEEN_PAUSE, self._fresh / 2))

    @classmethod
    async def connect(
        cls,
        database: Database,
        *,
        listener: AccessListener,
        limits: SessionLimits,
        password_queue: int = QUEUE_LIMIT,
    ) -> Self:
        """With everything it needs, and the reviewed policy loaded.

        Raises:
            PolicyError: the policy cannot be trusted; do not start.
        """
        store = SqlAccess(database)
        policy = await CasbinPolicy.load(store)
        passwords = Argon2Passwords(queue_limit=password_queue)
        return cls(store, policy, passwords, listener=listener, limits=limits)

    @property
    def passwords(self) -> Passwords:
        """The process's one queue for slow hashes, which logins wait in, too."""
        return self._passwords

    async def start(self) -> None:
        """Begin to listen. Until that succeeds every credential is looked up."""
        self.listener.start()
        self._seen.start()

    async def stop(self) -> None:
        await self.listener.stop()
        await self._seen.stop()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._passwords.close()

    async def by_session(self, token: str) -> Authenticated:
        known = await self._known(_remembered_as(Kind.SESSION, token), lambda: self._read_session(token))
        return known.authenticated

    async def by_key(self, key: str) -> Caller:
        known = await self._known(_remembered_as(Kind.KEY, key), lambda: self._read_key(key))
        return known.authenticated.caller

    async def by_token(self, tenant_slug: str, token: str) -> Caller:
        known = await self._known(_remembered_as(Kind.TOKEN, token), lambda: self._read_token(token))
        caller = known.authenticated.caller
        if caller.tenant_slug != tenant_slug:
            raise tokens.refused_token()
        return caller

    async def create_token(self, login: Login) -> str:
        return await tokens.create_token(self._store, self._tokens, self._passwords, login=login)

    async def own_tokens(self, caller: Caller) -> Sequence[TokenView]:
        return await tokens.own_tokens(self._tokens, caller=caller)

    async def login(self, login: Login) -> LoggedIn:
        try:
            new = await service.log_in(
                self._store,
                self._store,
                self._passwords,
                self._policy,
                self.listener,
                login=login,
                limits=self._limits,
            )
        except DomainError as refused:
            LOGINS.labels(refused.reason).inc()
            raise
        LOGINS.labels("LOGGED_IN").inc()
        return new

    async def logout(self, caller: Caller) -> None:
        await service.log_out(self._store, self.listener, caller=caller)

    async def own_sessions(self, caller: Caller) -> Sequence[OwnSession]:
        return await own_sessions.own_sessions(self._own, caller=caller, idle=self._limits.idle)

    async def change_password(self, change: PasswordChange) -> LoggedIn:
        return await own_sessions.change_password(
            self._store,
            self._own,
            self._passwords,
            self._policy,
            self.listener,
            change=change,
            limits=self._limits,
        )

    def forget(self, change: Change | None) -> None:
        """Drop what a change concerns; all of it when it is not known what changed."""
        self._epoch += 1
        self._reading.clear()
        if change is None:
            self._memory.clear()
        else:
            self._memory.forget_where(lambda known: _concerns(change, known.authenticated.caller))

    async def _known(self, digest: bytes, read: Callable[[], Awaitable[_Known]]) -> _Known:
        now = self._monotonic()
        known = self._memory.get(digest) if self.listener.is_up else None
        if known is None or now >= known.until:
            known = await self._read_once(digest, read)
        if now >= known.note_at:
            known.note_at = now + self._fresh
            kind, id_ = known.subject
            self._seen.note(kind, known.authenticated.caller.tenant_id, id_)
        return known

    async def _read_once(self, digest: bytes, read: Callable[[], Awaitable[_Known]]) -> _Known:
        """One look-up for all who come with the same credential at the same time.

        Where nobody says what has changed meanwhile, what another one reads may be older than the request.
        """
        task = self._reading.get(digest) if self.listener.is_up else None
        if task is None:
            task = asyncio.create_task(self._read(digest, read))
            self._reading[digest] = task
            self._tasks.add(task)
            task.add_done_callback(self._done)
        # One that goes away must not take the answer from the others.
        return await asyncio.shield(task)

    async def _read(self, digest: bytes, read: Callable[[], Awaitable[_Known]]) -> _Known:
        epoch = self._epoch
        try:
            known = await read()
            if self.listener.is_up and self._epoch == epoch:
                self._memory.put(digest, known)
            return known
        finally:
            if self._reading.get(digest) is asyncio.current_task():
                del self._reading[digest]

    def _done(self, task: asyncio.Task[_Known]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # looked at: those who waited have it, or have gone

    async def _read_session(self, token: str) -> _Known:
        asked_at = self._monotonic()
        session = await service.authenticate_session(
            self._store, self._policy, token=token, idle=self._limits.idle
        )
        return _Known(
            authenticated=session.authenticated,
            until=asked_at + min(self._fresh, session.remaining.total_seconds()),
            note_at=asked_at + self._fresh - session.unseen.total_seconds(),
        )

    async def _read_token(self, token: str) -> _Known:
        asked_at = self._monotonic()
        known = await tokens.authenticate_token(self._tokens, self._policy, token=token)
        return _Known(
            authenticated=Authenticated(caller=known.caller, csrf=""),
            until=asked_at + min(self._fresh, known.remaining.total_seconds()),
            note_at=asked_at,
        )

    async def _read_key(self, key: str) -> _Known:
        asked_at = self._monotonic()
        known = await service.authenticate_key(self._store, key=key)
        remaining = self._fresh if known.remaining is None else known.remaining.total_seconds()
        return _Known(
            authenticated=Authenticated(caller=known.caller, csrf=""),
            until=asked_at + min(self._fresh, remaining),
            note_at=asked_at,
        )


def _remembered_as(kind: Kind, secret: str) -> bytes:
    """What is remembered of one kind of credential opens nothing as another kind."""
    return kind.encode() + hash_of(secret)


def _concerns(change: Change, caller: Caller) -> bool:
    match change.kind:
        case Kind.TENANT:
            return caller.tenant_id == change.id
        case Kind.USER:
            return caller.user_id == change.id
        case Kind.SESSION:
            return caller.session_id == change.id
        case Kind.KEY:
            return caller.key_id == change.id
        case Kind.TOKEN:
            return caller.token_id == change.id
