"""The way to the database is as closed as the operator demands, for all that connects to it."""

from collections.abc import Awaitable, Callable

import asyncpg
import pytest

from infra.access.provision import create_user
from infra.db.pool import Database
from tests.lab import DatabaseUrls, migrate


async def _migrations(urls: DatabaseUrls) -> None:
    migrate(urls.admin_url)


async def _application(urls: DatabaseUrls) -> None:
    await (await Database.connect(urls.app_url, size=1)).close()


async def _command_line(urls: DatabaseUrls) -> None:
    await create_user(urls.admin_url, "ann@acme.example", "Ann", "correct horse battery staple")


@pytest.mark.parametrize("mode", ["require", "verify-full"])
@pytest.mark.parametrize("connecting", [_application, _migrations, _command_line])
async def test_where_tls_is_demanded_nobody_connects_to_a_database_without_it(
    database_urls: DatabaseUrls,
    monkeypatch: pytest.MonkeyPatch,
    connecting: Callable[[DatabaseUrls], Awaitable[None]],
    mode: str,
) -> None:
    await (await asyncpg.connect(database_urls.app_url)).close()  # which this one is, otherwise
    monkeypatch.setenv("PGSSLMODE", mode)

    with pytest.raises(Exception, match=r"rejected SSL|root certificate"):
        await connecting(database_urls)
