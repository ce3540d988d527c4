"""Whether a database is fit to serve from."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from infra.db.errors import AWAY
from infra.db.migrate import head
from infra.db.pool import Database

_log = structlog.get_logger("storekeeper.db")

_LONGEST_PAUSE = 2.0

ROLE = """
    SELECT current_user AS role, r.rolsuper OR r.rolbypassrls AS bypasses, s.rolsuper AS superuser_login,
        EXISTS (SELECT 1 FROM pg_class c WHERE c.relowner = r.oid AND c.relkind = 'r') AS owns
    FROM pg_roles r, pg_roles s WHERE r.rolname = current_user AND s.rolname = session_user
"""
REVISION = "SELECT version_num FROM alembic_version"


class UnfitDatabase(OSError):  # noqa: N818 - it is read by people, as a sentence
    """The database must not be served from; `str()` says why in one sentence.

    An OSError, as a taken port is: the set-up is wrong, not the program, and the command line ends alike.
    """


async def refuse_unfit(database: Database, *, production: bool) -> None:
    """Refuse a role that row-level security would not hold, and a schema that is not this version's.

    Raises:
        UnfitDatabase: what is wrong and what to do.
    """
    async with database.unbound() as driver:
        role = await driver.fetchrow(ROLE)
        assert role is not None
        if role["bypasses"] or role["owns"]:
            raise UnfitDatabase(
                f"The application would run as {role['role']}, which row-level security does not hold: "
                "let it connect as storekeeper_app."
            )
        if production and role["superuser_login"]:
            raise UnfitDatabase(
                "In production the application must not log in as a superuser: let it connect as storekeeper_app."
            )
    trouble = await schema_trouble(database)
    if trouble:
        raise UnfitDatabase(trouble)


async def patiently[T](attempt: Callable[[], Awaitable[T]]) -> T:
    """What an attempt gives, once the database does not answer it by being away."""
    pause = 0.05
    while True:
        try:
            return await attempt()
        except UnfitDatabase:
            raise
        except AWAY as error:
            _log.warning("database_away", error=type(error).__name__, retry_seconds=pause)
        await asyncio.sleep(pause)
        pause = min(pause * 2, _LONGEST_PAUSE)


async def schema_trouble(database: Database) -> str | None:
    """What is wrong with the schema's revision; None when it is the one needed."""
    async with database.unbound() as driver:
        there = await driver.fetchval("SELECT to_regclass('alembic_version') IS NOT NULL")
        found = await driver.fetchval(REVISION) if there else None
    wanted = head()
    if found == wanted:
        return None
    return f"The schema is at revision {found or 'none'}, this version needs {wanted}: run `storekeeper migrate`."
