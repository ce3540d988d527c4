"""A transaction from the outside: as whoever may write everything, on a connection of its own."""

import getpass
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from infra.access.changes import CHANNEL, Change
from infra.db.errors import refusal

type Connection = asyncpg.Connection[Any]

_BIND = "SELECT set_config('app.tenant', $1, true)"
_ACT = "SELECT set_config('app.act', $1, true)"
_BOUND_BY_POLICY = "SELECT NOT (rolsuper OR rolbypassrls) FROM pg_roles WHERE rolname = current_user"


@asynccontextmanager
async def administering(admin_url: str, tenant_id: UUID | None = None) -> AsyncGenerator[Connection]:
    """One transaction, bound to a tenant where one is given; refusals come out in the domain's words."""
    connection = await asyncpg.connect(admin_url, server_settings={"application_name": "storekeeper-admin"})
    try:
        async with connection.transaction():
            if await connection.fetchval(_BOUND_BY_POLICY):
                await connection.execute("SET LOCAL ROLE storekeeper_owner")
            await connection.execute(_ACT, msgspec.json.encode({"actor": _who()}).decode())
            if tenant_id is not None:
                await bind(connection, tenant_id)
            yield connection
    except (asyncpg.PostgresError, OSError) as error:
        told = refusal(error)
        if told is None:
            raise
        raise told from error
    finally:
        await connection.close()


async def bind(connection: Connection, tenant_id: UUID) -> None:
    """Let the rest of the transaction be about this tenant."""
    await connection.execute(_BIND, str(tenant_id))


async def announce(connection: Connection, change: Change) -> None:
    """Tell every running process of it, with the commit."""
    await connection.execute("SELECT pg_notify($1, $2)", CHANNEL, str(change))


def _who() -> str:
    """Whom the audit trail names: the account at the terminal."""
    try:
        account = getpass.getuser()
    except (KeyError, OSError):  # an account without a name, as in some containers
        account = "unknown"
    return f"command line ({account})"
