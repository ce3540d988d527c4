"""Each migration goes up, down and up again, on a database of its own."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import asyncpg
import pytest
from alembic.script import Script, ScriptDirectory

from infra.db.migrate import config, downgrade, upgrade
from infra.postgres import Running
from infra.postgres.cluster import SUPERUSER
from tests.lab import execute

OBJECTS = """
    SELECT 'table ' || relname FROM pg_class
        WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'S')
    UNION ALL SELECT 'function ' || proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace
    UNION ALL SELECT 'type ' || typname FROM pg_type
        WHERE typnamespace = 'public'::regnamespace AND typtype IN ('d', 'e')
    UNION ALL SELECT 'schema ' || nspname FROM pg_namespace
        WHERE nspname NOT LIKE 'pg\\_%' AND nspname NOT IN ('information_schema', 'public')
"""


def revisions_oldest_first() -> list[Script]:
    return list(reversed(list(ScriptDirectory.from_config(config("postgresql://")).walk_revisions())))


@pytest.fixture(scope="module")
def empty(cluster: Running) -> Iterator[str]:
    """The address of a database without any table."""
    name = f"stairs_{os.getpid()}"
    execute(cluster, f"CREATE DATABASE {name}")
    yield cluster.url(role=SUPERUSER, database=name)
    execute(cluster, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="module")
def thread() -> Iterator[ThreadPoolExecutor]:
    """Migrations run an event loop of their own, and tests live in one."""
    with ThreadPoolExecutor(max_workers=1) as executor:
        yield executor


@pytest.mark.parametrize("revision", revisions_oldest_first(), ids=lambda script: script.revision)
def test_each_migration_goes_up_down_and_up_again(
    revision: Script, empty: str, thread: ThreadPoolExecutor
) -> None:
    before = revision.down_revision or "base"
    assert isinstance(before, str)

    thread.submit(upgrade, empty, revision.revision).result()
    thread.submit(downgrade, empty, before).result()
    thread.submit(upgrade, empty, revision.revision).result()


async def test_nothing_is_left_after_going_all_the_way_down(empty: str, thread: ThreadPoolExecutor) -> None:
    thread.submit(upgrade, empty).result()
    thread.submit(downgrade, empty, "base").result()

    connection = await asyncpg.connect(empty)
    left = [row[0] for row in await connection.fetch(OBJECTS)]
    await connection.close()

    assert left == ["table alembic_version"]
