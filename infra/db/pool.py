"""Connections, each bound to one tenant at a time.

Row-level security shows a connection the rows of the tenant in its setting `app.tenant`. The setting is the
session's, and each connection remembers what it last set: a request of the same tenant as the one before pays no
round trip for it, another pays one. A connection whose setting is in doubt (an error or a cancellation while it
was being set) counts as bound to nobody and is set anew. Nothing is ever set inside a transaction, where a
rollback would silently take it back. See infra/decisions/0001.
"""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, Self
from uuid import UUID

import asyncpg
import msgspec
from asyncpg.pool import PoolConnectionProxy

from domain.errors import DomainError, Reason
from infra.observability.metrics import DB_CONNECTIONS_IN_USE, DB_WAIT_SECONDS
from infra.observability.tracing import watch

BIND = "SELECT set_config('app.tenant', $1, false)"
APP_ROLE = "storekeeper_app"

type Driver = PoolConnectionProxy[Any]


class TenantConnection(asyncpg.Connection):  # generic in its stubs only
    """A connection that knows which tenant it is bound to."""

    tenant: UUID | None = None
    statements: int = 0

    def get_reset_query(self) -> str:
        # We set nothing on a connection but the tenant, so the pool's reset would be a round trip for nothing.
        # An open transaction is still rolled back by the driver on release.
        return ""


class Database:
    """The process's pool. `bound` for one statement, `transaction` for several that belong together."""

    def __init__(
        self,
        url: str,
        *,
        size: int = 8,
        statement_timeout_ms: int = 30_000,
        lock_timeout_ms: int = 5_000,
        acquire_timeout: float = 5.0,
        as_role: str | None = APP_ROLE,
    ) -> None:
        self._url = url
        self._size = size
        self._statement_timeout_ms = statement_timeout_ms
        self._acquire_timeout = acquire_timeout
        self._settings = {
            "application_name": "storekeeper",
            "statement_timeout": str(statement_timeout_ms),
            "lock_timeout": str(lock_timeout_ms),
            "idle_in_transaction_session_timeout": str(statement_timeout_ms),
            "jit": "off",
        }
        if as_role is not None:
            # Where the login is not the application's role itself, it becomes it at connect.
            self._settings["role"] = as_role
        self._pool: asyncpg.Pool[Any] | None = None

    @classmethod
    async def connect(cls, url: str, **options: Any) -> Self:
        """An open database; the options are those of the constructor."""
        database = cls(url, **options)
        await database.open()
        return database

    async def open(self) -> None:
        """Connect once, so that a wrong address shows at the start, and keep the rest for when they are needed."""
        self._pool = await asyncpg.create_pool(
            self._url,
            min_size=1,
            max_size=self._size,
            max_queries=0x7FFFFFFF,
            max_inactive_connection_lifetime=0,
            connection_class=TenantConnection,
            server_settings=self._settings,
            init=_init,
            command_timeout=self._statement_timeout_ms / 1000 + 5,
            timeout=10,
        )

    @property
    def pool(self) -> "asyncpg.Pool[Any]":
        assert self._pool is not None, "the database is opened first"
        return self._pool

    async def close(self) -> None:
        """Close gracefully, and without mercy after five seconds."""
        try:
            async with asyncio.timeout(5):
                await self.pool.close()
        except TimeoutError:
            self.pool.terminate()

    @asynccontextmanager
    async def unbound(self) -> AsyncGenerator[Driver]:
        """A connection for what stands before or outside any tenant: look-ups of credentials, health."""
        async with self._acquired() as driver:
            yield driver

    @asynccontextmanager
    async def bound(self, tenant_id: UUID) -> AsyncGenerator[Driver]:
        """A connection bound to a tenant; each statement is its own transaction."""
        async with self._acquired() as driver:
            connection: TenantConnection = driver._con  # type: ignore[attr-defined]  # noqa: SLF001 - hidden by the proxy
            if connection.tenant != tenant_id:
                connection.tenant = None
                await driver.execute(BIND, str(tenant_id))
                connection.tenant = tenant_id
            yield driver

    @asynccontextmanager
    async def transaction(self, tenant_id: UUID) -> AsyncGenerator[Driver]:
        """A bound connection inside one transaction: a clean exit commits, an error rolls back."""
        async with self.bound(tenant_id) as driver, driver.transaction():
            yield driver

    def has_spare(self) -> bool:
        """Whether two connections would be lent without waiting."""
        return self.pool.get_idle_size() + self.pool.get_max_size() - self.pool.get_size() >= 2  # noqa: PLR2004 - two

    @asynccontextmanager
    async def same_moment(self, tenant_id: UUID) -> AsyncGenerator[tuple[Driver, Driver]]:
        """Two connections that read what is committed at one moment, for statements that run beside each other."""
        async with (
            self.bound(tenant_id) as one,
            self.bound(tenant_id) as other,
            one.transaction(isolation="repeatable_read", readonly=True),
            other.transaction(isolation="repeatable_read", readonly=True),
        ):
            snapshot = await one.fetchval("SELECT pg_export_snapshot()")
            await other.execute(f"SET TRANSACTION SNAPSHOT '{snapshot}'")
            yield one, other

    @asynccontextmanager
    async def _acquired(self) -> AsyncGenerator[Driver]:
        started = time.perf_counter()
        try:
            acquired = await self.pool.acquire(timeout=self._acquire_timeout)
        except TimeoutError as problem:
            message = "All database connections are busy; try again shortly"
            raise DomainError(Reason.UNAVAILABLE, message, retryAfter=1) from problem
        DB_WAIT_SECONDS.observe(time.perf_counter() - started)
        DB_CONNECTIONS_IN_USE.inc()
        try:
            yield acquired
        finally:
            DB_CONNECTIONS_IN_USE.dec()
            await self.pool.release(acquired)


async def _init(connection: "asyncpg.Connection[Any]") -> None:
    watch(connection)
    for name in ("json", "jsonb"):
        await connection.set_type_codec(
            name,
            schema="pg_catalog",
            encoder=lambda value: value if isinstance(value, str) else msgspec.json.encode(value).decode(),
            decoder=_same,
        )


def _same(value: str) -> str:
    # JSON stays text: whoever reads it decodes it into its own type.
    return value
