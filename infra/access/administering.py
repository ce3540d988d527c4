"""A transaction from the outside: as whoever may write everything, on a connection of its own."""

import getpass
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from infra.access.listener import confirm_once
from infra.db.errors import refusal

type Connection = asyncpg.Connection[Any]

_BIND = "SELECT set_config('app.tenant', $1, true)"
_ACT = "SELECT set_config('app.act', $1, true)"
_BOUND_BY_POLICY = "SELECT NOT (rolsuper OR rolbypassrls) FROM pg_roles WHERE rolname = current_user"


@asynccontextmanager
async def administering(
    admin_url: str, tenant_id: UUID | None = None, *, revokes: bool = False
) -> AsyncGenerator[Connection]:
    """One transaction, bound to a tenant where one is given; refusals come out in the domain's words.

    One that `revokes` ends when no running process believes any longer what was true before.
    """
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
    if revokes:
        await confirm_once(admin_url)


async def bind(connection: Connection, tenant_id: UUID) -> None:
    """Let the rest of the transaction be about this tenant."""
    await connection.execute(_BIND, str(tenant_id))


def _who() -> str:
    """Whom the audit trail names: the account at the terminal."""
    try:
        account = getpass.getuser()
    except (KeyError, OSError):  # an account without a name, as in some containers
        account = "unknown"
    return f"command line ({account})"
