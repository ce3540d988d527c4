"""The check-up sees each kind of damage that it looks for, and says what to do."""

import shutil
import time
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any, NamedTuple

import asyncpg
import msgspec
import pytest

from domain.values import new_id
from infra.access.provision import create_tenant
from infra.doctor.examination import CHECKS, examine
from infra.doctor.findings import Connection, Finding, Surroundings, Verdict
from tests.lab import DatabaseUrls


@pytest.fixture(scope="module")
def around(database_urls: DatabaseUrls) -> Surroundings:
    return Surroundings(
        admin_url=database_urls.admin_url,
        app_url=database_urls.app_url,
        archive=None,
        workers=2,
        pool_size=8,
        is_production=True,
        is_embedded=True,
    )


@pytest.fixture
async def admin(database_urls: DatabaseUrls) -> AsyncGenerator[Connection]:
    """The superuser, whose changes are undone."""
    connection = await asyncpg.connect(database_urls.admin_url)
    transaction = connection.transaction()
    await transaction.start()
    try:
        yield connection
    finally:
        await transaction.rollback()
        await connection.close()


async def finding(check: str, admin: Connection, around: Surroundings) -> Finding:
    return await CHECKS[check](admin, around)


# Of a cluster for tests, which is not durable and archives nothing.
EXPECTED = {"durability": Verdict.FAIL, "archive": Verdict.WARN}


async def test_a_sound_installation_is_found_sound(around: Surroundings, database_urls: DatabaseUrls) -> None:
    await create_tenant(database_urls.admin_url, "sound", "Sound")

    found = {one.check: one for one in await examine(around)}

    assert list(found) == list(CHECKS)
    assert {one.check: one.verdict for one in found.values()} | {"disk": Verdict.OK} == {
        check: EXPECTED.get(check, Verdict.OK) for check in CHECKS
    }
    assert "of 1 of 1 tenants recomputed" in found["ledger"].message
    assert all(one.advice for one in found.values() if one.verdict is not Verdict.OK)


@pytest.mark.parametrize(
    ("check", "damage", "sentence"),
    [
        ("migrations", "UPDATE alembic_version SET version_num = '0001'", "The tables are at 0001"),
        ("migrations", "DROP TABLE alembic_version", "The tables are at nothing"),
        ("roles", "ALTER ROLE storekeeper_app BYPASSRLS", "storekeeper_app bypasses row-level security"),
        ("roles", "ALTER ROLE storekeeper_ledger SUPERUSER", "storekeeper_ledger is a superuser"),
        ("roles", "ALTER ROLE storekeeper_audit RENAME TO gone", "storekeeper_audit does not exist"),
        ("roles", "GRANT storekeeper_owner TO storekeeper_app", "could become storekeeper_owner"),
        ("row security", "ALTER TABLE lots NO FORCE ROW LEVEL SECURITY", "Not forced on lots"),
        ("row security", "ALTER TABLE users DISABLE ROW LEVEL SECURITY", "Not forced on users"),
        ("row security", "DROP POLICY of_tenant ON bins", "missing or another on bins"),
        ("row security", "CREATE POLICY more ON lots USING (true)", "show every tenant's rows: lots.more"),
        ("rights", "GRANT UPDATE (on_hand) ON stock_lines TO storekeeper_app", "stock_lines: UPDATE"),
        ("rights", "GRANT DELETE, TRUNCATE ON movements TO PUBLIC", "movements: DELETE, TRUNCATE"),
        ("rights", "GRANT INSERT ON audit_log TO storekeeper_app", "audit_log: INSERT"),
        ("rights", "ALTER TABLE lots OWNER TO storekeeper_app", "The application owns lots"),
        ("rights", "GRANT CREATE ON SCHEMA public TO PUBLIC", "make things in the schema public"),
        ("durability", "SET LOCAL synchronous_commit = off", "synchronous_commit"),
    ],
)
async def test_damage_to_the_database_is_a_failure(
    admin: Connection, around: Surroundings, check: str, damage: str, sentence: str
) -> None:
    await admin.execute(damage)

    found = await finding(check, admin, around)

    assert found.verdict is Verdict.FAIL
    assert sentence in found.message
    assert found.advice


async def test_a_superuser_as_the_application_fails_in_production_and_warns_elsewhere(
    admin: Connection, around: Surroundings
) -> None:
    wrong = msgspec.structs.replace(around, app_url=around.admin_url)

    assert (await finding("login", admin, wrong)).verdict is Verdict.FAIL
    at_home = msgspec.structs.replace(wrong, is_production=False)
    assert (await finding("login", admin, at_home)).verdict is Verdict.WARN


@pytest.mark.parametrize(("seconds", "verdict"), [(0, "OK"), (5, "WARN"), (-5, "WARN"), (-3_600, "FAIL")])
async def test_clocks_that_disagree_are_told(
    admin: Connection, around: Surroundings, monkeypatch: pytest.MonkeyPatch, seconds: int, verdict: str
) -> None:
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + seconds)

    assert (await finding("clock", admin, around)).verdict == verdict


@pytest.mark.parametrize(("workers", "verdict"), [(4, "OK"), (27, "WARN"), (64, "FAIL")])
async def test_more_connections_than_there_are_is_told(
    admin: Connection, around: Surroundings, workers: int, verdict: str
) -> None:
    many = msgspec.structs.replace(around, workers=workers)  # of 10 connections each, and 300 less 3

    assert (await finding("connections", admin, many)).verdict == verdict


class Usage(NamedTuple):
    total: int
    used: int
    free: int


@pytest.mark.parametrize(("free", "verdict"), [(100, "FAIL"), (900, "WARN"), (9_000, "WARN"), (50_000, "OK")])
async def test_a_disk_that_fills_up_is_told(
    admin: Connection, around: Surroundings, monkeypatch: pytest.MonkeyPatch, free: int, verdict: str
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(200_000 << 20, 0, free << 20))

    assert (await finding("disk", admin, around)).verdict == verdict


async def test_a_database_in_another_encoding_or_order_is_told(admin: Connection, around: Surroundings) -> None:
    await admin.execute("UPDATE pg_database SET encoding = 0 WHERE datname = current_database()")
    assert (await finding("locale", admin, around)).verdict is Verdict.FAIL
    await admin.execute(
        "UPDATE pg_database SET encoding = 6, datcollversion = '0' WHERE datname = current_database()"
    )
    assert (await finding("locale", admin, around)).verdict is Verdict.WARN


class Answers:
    """A database that answers every question with one row: for states that no healthy server can be brought to."""

    def __init__(self, **row: Any) -> None:
        self._row = row

    async def fetchrow(self, _query: str, *_arguments: object) -> dict[str, Any]:
        return self._row

    async def fetchval(self, _query: str, *_arguments: object) -> Any:
        return self._row["value"]


@pytest.mark.parametrize(
    ("check", "row", "verdict"),
    [
        ("checksums", {"are_on": True, "failures": 3}, "FAIL"),
        ("checksums", {"are_on": False, "failures": 0}, "WARN"),
        ("transactions", {"value": 1_900_000_000}, "FAIL"),
        ("transactions", {"value": 1_100_000_000}, "WARN"),
        ("archive", {"mode": "on", "is_failing": None, "folder": "/nowhere", "value": 0}, "FAIL"),
        ("archive", {"mode": "on", "is_failing": None, "folder": "/", "value": 50}, "WARN"),
        ("archive", {"mode": "on", "is_failing": False, "folder": "/", "value": 0}, "OK"),
    ],
)
async def test_what_a_server_says_of_itself_is_judged(
    around: Surroundings, check: str, row: dict[str, Any], verdict: str
) -> None:
    found = await CHECKS[check](Answers(**row), around)  # type: ignore[arg-type]

    assert found.verdict == verdict


async def test_an_archive_that_was_set_but_is_not_used_is_told(admin: Connection, around: Surroundings) -> None:
    wanted = msgspec.structs.replace(around, archive=Path("/backups/log"))

    assert "restart the database" in str((await finding("archive", admin, wanted)).advice)


async def test_books_that_do_not_agree_are_a_failure(around: Surroundings, database_urls: DatabaseUrls) -> None:
    tenant = await create_tenant(database_urls.admin_url, f"forged-{new_id().hex[:8]}", "Forged")
    owner = await asyncpg.connect(database_urls.admin_url)
    try:
        await owner.execute("UPDATE ledger_heads SET quantity_in = 5 WHERE tenant_id = $1", tenant)

        found = (await examine(around))[-1]

        assert (found.check, found.verdict) == ("ledger", Verdict.FAIL)
        assert "in the books of forged-" in found.message
    finally:
        await owner.execute("UPDATE ledger_heads SET quantity_in = 0 WHERE tenant_id = $1", tenant)
        await owner.close()


async def test_a_server_that_does_not_answer_is_a_failure(around: Surroundings) -> None:
    silent = msgspec.structs.replace(around, admin_url="postgresql://postgres:secret@127.0.0.1:1/stock")

    (found,) = await examine(silent)

    assert (found.check, found.verdict) == ("server", Verdict.FAIL)
    assert "secret" not in found.message
