"""Whether the server is of the right kind, set so that nothing acknowledged is lost, and not about to run out."""

import shutil
import time
from pathlib import Path

from infra.db.migrate import head
from infra.doctor.findings import Connection, Finding, Surroundings, fail, ok, warn
from infra.postgres.archive import SETTING
from infra.postgres.binaries import OLDEST_MAJOR

_SKEW_WARN, _SKEW_FAIL = 1.0, 60.0
_ROOM_FAIL = 256 * 1024**2
_ROOM_WARN = 1024**3
_ROOM_SHARE = 0.05
_BUSY = 0.8
_WAITING = 10
_XIDS_WARN, _XIDS_FAIL = 1_000_000_000, 1_800_000_000
_GIGABYTE = 1e9

_DURABLE = """
    SELECT name FROM pg_settings
    WHERE name IN ('fsync', 'full_page_writes', 'synchronous_commit') AND setting = 'off' ORDER BY 1
"""
_LOCALE = """
    SELECT pg_encoding_to_char(encoding) AS encoding, datcollate AS collate, datcollversion AS made_with,
        pg_database_collation_actual_version(oid) AS has
    FROM pg_database WHERE datname = current_database()
"""
_CHECKSUMS = """
    SELECT current_setting('data_checksums') = 'on' AS are_on,
        (SELECT coalesce(sum(checksum_failures), 0) FROM pg_stat_database) AS failures
"""
_ROOM_FOR = """
    SELECT current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
        - coalesce(current_setting('reserved_connections', true)::int, 0) AS room
"""
_ARCHIVER = """
    SELECT current_setting('archive_mode') AS mode, nullif(current_setting($1, true), '') AS folder,
        last_failed_wal, last_failed_time,
        last_failed_time > coalesce(last_archived_time, '-infinity') AS is_failing
    FROM pg_stat_archiver
"""
_READY = "SELECT count(*) FROM pg_ls_archive_statusdir() WHERE name LIKE '%.ready'"
_AGE = "SELECT max(age(datfrozenxid)) FROM pg_database"


async def version(connection: Connection, around: Surroundings) -> Finding:
    found = await connection.fetchval("SELECT current_setting('server_version')")
    what = f"PostgreSQL {found} answers{' (embedded)' if around.is_embedded else ''}"
    if connection.get_server_version().major < OLDEST_MAJOR:
        return fail("server", what, f"PostgreSQL {OLDEST_MAJOR} or newer is needed: move to one.")
    return ok("server", what)


async def migrations(connection: Connection, _: Surroundings) -> Finding:
    there = await connection.fetchval("SELECT to_regclass('public.alembic_version') IS NOT NULL")
    found = await connection.fetchval("SELECT version_num FROM alembic_version") if there else None
    if found == head():
        return ok("migrations", f"The tables are at {found}, as this version needs")
    return fail(
        "migrations",
        f"The tables are at {found or 'nothing'}, this version needs {head()}",
        "Run `storekeeper migrate`; if the tables are newer, run the version that made them.",
    )


async def clock(connection: Connection, _: Surroundings) -> Finding:
    before = time.time()
    theirs = float(await connection.fetchval("SELECT extract(epoch FROM clock_timestamp())"))
    after = time.time()
    apart = max(0.0, abs(theirs - (before + after) / 2) - (after - before) / 2)
    message = f"This machine's clock and the database's are {apart:.1f} s apart"
    advice = "Set both by NTP; the database's counts, but logs and certificates are read by this one."
    if apart > _SKEW_FAIL:
        return fail("clock", message, advice)
    return warn("clock", message, advice) if apart > _SKEW_WARN else ok("clock", message)


async def durability(connection: Connection, _: Surroundings) -> Finding:
    off = [row["name"] for row in await connection.fetch(_DURABLE)]
    if off:
        return fail(
            "durability",
            f"Off: {', '.join(off)}; a crash can lose what was acknowledged",
            "Set them to on in postgresql.conf, ALTER SYSTEM, ALTER ROLE or ALTER DATABASE, wherever it was done.",
        )
    return ok("durability", "What is acknowledged is on disk")


async def locale(connection: Connection, _: Surroundings) -> Finding:
    row = await connection.fetchrow(_LOCALE)
    assert row is not None
    if row["encoding"] != "UTF8":
        return fail(
            "locale",
            f"The database's encoding is {row['encoding']}",
            "Dump it, make it anew with ENCODING 'UTF8', load the dump.",
        )
    if row["made_with"] != row["has"]:
        return warn(
            "locale",
            f"The order of texts has changed with the system (version {row['made_with']}, now {row['has']})",
            "REINDEX DATABASE, then ALTER DATABASE … REFRESH COLLATION VERSION.",
        )
    return ok("locale", f"UTF8, ordered by {row['collate']}")


async def checksums(connection: Connection, _: Surroundings) -> Finding:
    row = await connection.fetchrow(_CHECKSUMS)
    assert row is not None
    if row["failures"]:
        return fail(
            "checksums",
            f"{row['failures']} pages were read that are not as they were written",
            "Stop, keep the folder, restore the last backup (`storekeeper db restore`) on another disk.",
        )
    if not row["are_on"]:
        return warn(
            "checksums",
            "Off: a disk that returns wrong bytes is not noticed",
            "Stop the server and run `pg_checksums --enable`.",
        )
    return ok("checksums", "On, and no page has failed")


async def connections(connection: Connection, around: Surroundings) -> Finding:
    # One more a worker listens for changes of access, and one takes up jobs.
    needed = around.workers * (around.pool_size + 2)
    room = await connection.fetchval(_ROOM_FOR)
    message = f"Workers: {around.workers}; together they take up to {needed} connections of {room}"
    advice = "Lower STOREKEEPER_WORKERS or STOREKEEPER_POOL_SIZE, or raise the server's max_connections."
    if needed > room:
        return fail("connections", message, advice)
    return warn("connections", message, advice) if needed > room * _BUSY else ok("connections", message)


async def transactions(connection: Connection, _: Surroundings) -> Finding:
    age = await connection.fetchval(_AGE)
    message = f"{age:,} transactions since the oldest that is not yet frozen"
    advice = (
        "Let autovacuum work (is it on? does an old transaction or a replication slot hold it up?), or VACUUM."
    )
    if age > _XIDS_FAIL:
        return fail("transactions", message, advice)
    return warn("transactions", message, advice) if age > _XIDS_WARN else ok("transactions", message)


async def disk(connection: Connection, around: Surroundings) -> Finding:
    if not around.is_embedded:
        return ok("disk", "The server's disk is its keeper's to watch; it cannot be seen from here")
    folders = [Path(await connection.fetchval("SELECT current_setting('data_directory')"))]
    if around.archive is not None and around.archive.is_dir():
        folders.append(around.archive)
    return _room(folders)


def _room(folders: list[Path]) -> Finding:
    worst = min((shutil.disk_usage(folder) for folder in folders), key=lambda usage: usage.free)
    message = f"{worst.free / _GIGABYTE:.1f} GB are free of {worst.total / _GIGABYTE:.0f}"
    advice = "Free space, or move the data (STOREKEEPER_DATA) or the archive: when it is full, writes are refused."
    if worst.free < _ROOM_FAIL:
        return fail("disk", message, advice)
    if worst.free < max(_ROOM_WARN, worst.total * _ROOM_SHARE):
        return warn("disk", message, advice)
    return ok("disk", message)


async def archive(connection: Connection, around: Surroundings) -> Finding:
    row = await connection.fetchrow(_ARCHIVER, SETTING)
    assert row is not None
    if row["mode"] == "off":
        return _unarchived(around)
    if row["is_failing"]:
        return fail(
            "archive",
            f"Archiving has failed since {row['last_failed_time']:%Y-%m-%d %H:%M:%S}, at {row['last_failed_wal']}",
            "The server's log says why: a full disk or a folder that its account cannot write to. The log is kept "
            "until then, so the data disk fills up.",
        )
    if around.is_embedded and row["folder"] is not None and _is_gone(row["folder"]):
        return fail("archive", f"{row['folder']} is gone", "Bring it back, and take a backup.")
    waiting = await connection.fetchval(_READY)
    if waiting > _WAITING:
        return warn(
            "archive", f"{waiting} segments wait to be archived", "See whether the archive's disk is slow."
        )
    return ok("archive", f"The log is archived{' in ' + row['folder'] if row['folder'] else ''}")


def _is_gone(folder: str) -> bool:
    return not Path(folder).is_dir()


def _unarchived(around: Surroundings) -> Finding:
    message = "The log is not archived: a lost disk takes everything since the last backup with it"
    if not around.is_embedded:
        return warn("archive", message, "Ask the server's keeper for archive_mode, or for their kind of backups.")
    if around.archive is not None:
        return warn(
            "archive", message, "STOREKEEPER_DB_ARCHIVE is set but the server runs without: restart the database."
        )
    return warn(
        "archive", message, "Set STOREKEEPER_DB_ARCHIVE to a folder on another disk; restart the database."
    )
