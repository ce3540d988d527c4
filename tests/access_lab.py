"""An authenticator on a real database, with its look-ups counted and its clock in hand."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from typing import override
from uuid import UUID

from domain.access.ports import FoundKey, FoundSession, NewSession
from domain.access.rules import SessionLimits
from infra.access.authenticator import CachedAuthenticator
from infra.access.changes import Change, Kind
from infra.access.listener import AccessListener
from infra.access.passwords import Argon2Passwords
from infra.access.store import SqlAccess
from infra.authz.policy import CasbinPolicy
from infra.db.pool import Database
from tests.lab import DatabaseUrls


class CountedAccess(SqlAccess):
    """Real look-ups, counted; `gate` holds each back after it has read, until it is opened."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.lookups = 0
        self.seen_writes: list[UUID] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.at_gate = asyncio.Event()
        self.before_a_session: Callable[[], Awaitable[None]] | None = None

    @override
    async def begin(self, session: NewSession, *, known_hash: str) -> bool:
        meanwhile, self.before_a_session = self.before_a_session, None
        if meanwhile is not None:
            await meanwhile()
        return await super().begin(session, known_hash=known_hash)

    @override
    async def by_session(self, token_hash: bytes) -> FoundSession | None:
        self.lookups += 1
        found = await super().by_session(token_hash)
        self.at_gate.set()
        await self.gate.wait()
        return found

    @override
    async def by_key(self, key_hash: bytes) -> FoundKey | None:
        self.lookups += 1
        return await super().by_key(key_hash)

    @override
    async def seen(self, kind: Kind, tenant_id: UUID, ids: Iterable[UUID]) -> None:
        ids = list(ids)
        self.seen_writes += ids
        await super().seen(kind, tenant_id, ids)


class Clock:
    """A monotonic clock that moves when it is told to."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


class WatchedAuthenticator(CachedAuthenticator):
    """Tells when it has heard of a change."""

    heard: asyncio.Queue[Change | None]

    @override
    def forget(self, change: Change | None) -> None:
        super().forget(change)
        self.heard.put_nowait(change)


class AccessLab:
    """One process's authenticator."""

    def __init__(self, store: CountedAccess, clock: Clock, authenticator: WatchedAuthenticator) -> None:
        self.store = store
        self.clock = clock
        self.authenticator = authenticator

    async def hears(self, change: Change | None, *, seconds: float = 5) -> None:
        """Wait until this process has heard of a change."""
        async with asyncio.timeout(seconds):
            while await self.authenticator.heard.get() != change:
                pass


@asynccontextmanager
async def a_process(
    urls: DatabaseUrls, *, limits: SessionLimits | None = None, size: int = 100, listens: bool = True
) -> AsyncGenerator[AccessLab]:
    """An authenticator that listens already (or, not listening, remembers nothing)."""
    database = await Database.connect(urls.app_url, size=4)
    try:
        store, clock = CountedAccess(database), Clock()
        authenticator = WatchedAuthenticator(
            store,
            await CasbinPolicy.load(store),
            Argon2Passwords(),
            listener=AccessListener(urls.app_url),
            limits=limits or SessionLimits(),
            monotonic=clock,
            size=size,
        )
        authenticator.heard = asyncio.Queue()
        if listens:
            await authenticator.start()
            await asyncio.wait_for(authenticator.listener.wait_until_up(), 10)
            authenticator.heard = asyncio.Queue()  # what it forgot on beginning to listen is no news
        try:
            yield AccessLab(store, clock, authenticator)
        finally:
            store.gate.set()
            await authenticator.stop()
    finally:
        await database.close()
