"""The database of an installation: a server named by the settings, or the embedded one."""

import asyncio
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol
from urllib.parse import parse_qsl, unquote, urlsplit

import asyncpg
import msgspec

from infra.postgres.binaries import OLDEST_MAJOR, find_binaries
from infra.postgres.errors import DatabaseTrouble
from infra.postgres.server import Running, Server, Status

_CONNECT_SECONDS = 10


class DatabaseSettings(Protocol):
    """What the settings say about the database."""

    @property
    def data(self) -> Path: ...
    @property
    def database_url(self) -> str | None: ...
    @property
    def database_admin_url(self) -> str | None: ...
    @property
    def db_archive(self) -> Path | None: ...


class Database(msgspec.Struct, frozen=True, kw_only=True):
    """The addresses of a database that answers."""

    admin_url: str
    app_url: str
    embedded: Running | None
    """The server of ours behind it; None for one that the settings name."""

    def __repr__(self) -> str:
        return f"Database(embedded={self.embedded!r})"

    @property
    def started(self) -> bool:
        """Whether this call started a server, which its caller then stops at the end."""
        return self.embedded is not None and self.embedded.started


class Shell(msgspec.Struct, frozen=True, kw_only=True):
    """A psql to run: the password is in its environment, where `ps` does not show it."""

    command: tuple[str, ...]
    environment: Mapping[str, str]


def start_database(settings: DatabaseSettings) -> Database:
    """The database that `DATABASE_URL` names, or the embedded one, started where it does not run yet."""
    if settings.database_url is None:
        running = Server(settings.data, archive=settings.db_archive).start()
        return Database(admin_url=running.admin_url, app_url=running.app_url, embedded=running)
    admin_url = settings.database_admin_url or settings.database_url
    for name, url in (("DATABASE_URL", settings.database_url), ("DATABASE_ADMIN_URL", admin_url)):
        asyncio.run(_must_answer(name, url))
    return Database(admin_url=admin_url, app_url=settings.database_url, embedded=None)


def stop_database(settings: DatabaseSettings) -> bool:
    """Stop the embedded server; whether it ran. One that the settings name is not ours to stop."""
    return settings.database_url is None and Server(settings.data).stop()


def delete_database(settings: DatabaseSettings) -> None:
    """Stop the embedded server and delete everything it ever stored."""
    assert settings.database_url is None, "only our own server is ours to delete"
    if settings.data.is_dir():
        Server(settings.data).destroy()


def database_status(settings: DatabaseSettings) -> Status | None:
    """What there is of the embedded server; None where the settings name another."""
    return None if settings.database_url else Server(settings.data).status()


def database_shell(settings: DatabaseSettings, *, as_application: bool = False) -> Shell:
    """The psql that opens the database: as the administrator, or as the application with its fewer rights."""
    database = start_database(settings)
    if database.embedded:
        psql = str(database.embedded.binaries / "psql")
    else:
        psql = shutil.which("psql") or find_binaries().path("psql")
    url = urlsplit(database.app_url if as_application else database.admin_url)
    parts = {
        "PGHOST": url.hostname,
        "PGPORT": str(url.port) if url.port else None,
        "PGUSER": unquote(url.username) if url.username else None,
        "PGPASSWORD": unquote(url.password) if url.password else None,
        "PGDATABASE": unquote(url.path.lstrip("/")) or None,
        **{f"PG{name.upper()}": value for name, value in parse_qsl(url.query)},
    }
    environment = {name: value for name, value in parts.items() if value}
    return Shell(command=(psql,), environment={**os.environ, **environment})


async def _must_answer(name: str, url: str) -> None:
    address = urlsplit(url)
    where = f"{address.hostname or 'the local socket'}:{address.port or 5432}{address.path}"
    try:
        connection = await asyncpg.connect(url, timeout=_CONNECT_SECONDS)
        try:
            major = connection.get_server_version().major
        finally:
            await connection.close()
    except (OSError, TimeoutError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        why = str(error) or type(error).__name__
        raise DatabaseTrouble(f"The database that {name} names ({where}) does not answer: {why}.") from error
    if major < OLDEST_MAJOR:
        raise DatabaseTrouble(
            f"The database that {name} names is PostgreSQL {major}; {OLDEST_MAJOR} or newer is needed."
        )
