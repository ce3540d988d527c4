"""Backup and restore of the embedded server."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import click
import msgspec

from app.cli.composition import Composition, OnProgress, VerifyReport, composition
from app.cli.console import Exit, emit_json, examples, progress, say
from app.cli.database import open_database
from app.settings import Settings, load_settings, variable

_NOT_OURS = (
    "DATABASE_URL names a server that is not Storekeeper's: back it up with what its keeper has for it, such as "
    "pg_basebackup with an archived log, or the service's own backups (app/cli/README.md)."
)
_GIGABYTE = 1e9


class BackupTools(Protocol):
    """Backups of the embedded server."""

    DamagedBackup: type[Exception]

    def take_backup(self, running: Any, folder: Path, progress: OnProgress) -> Any: ...
    def read_backup(self, folder: Path) -> Any: ...
    def send_to_archive(self, running: Any, backup: Any) -> bool: ...
    def restore_backup(
        self, folder: Path, *, to: Path, at: datetime | None, archive: Path | None, progress: OnProgress
    ) -> Any: ...
    def prune_archive(self, folder: Path, archive: Path | None, progress: OnProgress) -> int: ...
    def check_files(self, running: Any, progress: OnProgress) -> bool: ...


@click.command(
    short_help="Copy the running server's files, checked.",
    epilog=examples(
        "storekeeper db backup /backups/2026-11-22",
        "STOREKEEPER_DB_ARCHIVE=/backups/log storekeeper db backup /backups/2026-11-22",
    ),
)
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print what was done for a script.")
def backup(*, folder: Path, as_json: bool) -> None:
    """Copy the embedded server's files into a new folder, while it serves, and check every file's SHA-256.

    With STOREKEEPER_DB_ARCHIVE set, `db restore --at` can bring the copy forward to any moment after it.
    """
    main, settings = composition(), load_settings()
    if settings.database_url:
        raise click.UsageError(_NOT_OURS)
    tools: BackupTools = main.backup_tools()
    with open_database(main, settings) as (database, _), progress() as report_progress:
        done = tools.take_backup(database.embedded, folder, report_progress)
    if as_json:
        emit_json(done)
        return
    click.echo(
        f"Backed up {done.bytes / _GIGABYTE:.2f} GB to {folder}, checked, as of {_shown(done.finished_at)}."
    )
    if done.archive:
        click.echo(f"The log since then is archived in {done.archive}.")
    else:
        say(f"No log is archived: a restore leads to this moment only ({variable('db_archive')} changes that).")


def _moment(_context: click.Context, _parameter: click.Parameter, value: str | None) -> datetime | None:
    if value is None:
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise click.BadParameter("a moment with its zone, such as 2026-11-22T10:00:00Z")
    return moment


@click.command(
    short_help="Make a new data folder from a backup, to a moment.",
    epilog=examples(
        "storekeeper db restore /backups/2026-11-22 --to .data-restored",
        "storekeeper db restore /backups/2026-11-22 --to .data-restored --at 2026-11-22T10:00:00Z",
    ),
)
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option(
    "--to", required=True, type=click.Path(path_type=Path), help="The new data folder; it must not exist yet."
)
@click.option("--at", callback=_moment, help="As of this moment; without it, all that the archived log holds.")
@click.option(
    "--archive",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Where the archived log is now, if it was moved.",
)
@click.option("--json", "as_json", is_flag=True, help="Print what was done for a script.")
def restore(*, folder: Path, to: Path, at: datetime | None, archive: Path | None, as_json: bool) -> None:
    """Make a new data folder from a backup, replay the archived log, start it, and prove its books.

    Nothing is overwritten: the server that runs goes on, and how to change over is told at the end. Exits with 1
    when the backup is not as it was written, or the restored books do not agree.
    """
    main, settings = composition(), load_settings()
    main.configure_logging(settings)
    tools: BackupTools = main.backup_tools()
    try:
        with progress() as report_progress:
            _send_the_rest(main, settings, tools, folder)
            restored = tools.restore_backup(folder, to=to, at=at, archive=archive, progress=report_progress)
            report = _prove(main, settings, tools, restored, report_progress)
    except tools.DamagedBackup as damaged:
        say(f"Error: {damaged}")
        raise SystemExit(Exit.CHECK_FAILED) from damaged
    if as_json:
        emit_json({"restored": restored, "ledger": report})
    else:
        _tell(restored, report, at)
    if report.drift_count:
        raise SystemExit(Exit.CHECK_FAILED)


@click.command(
    short_help="Remove the archived log that older backups need.",
    epilog=examples("storekeeper db prune --oldest /backups/2026-11-15"),
)
@click.option(
    "--oldest",
    "folder",
    required=True,
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="The oldest backup that is kept; it is checked first.",
)
@click.option(
    "--archive",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Where the archived log is now, if it was moved.",
)
def prune(*, folder: Path, archive: Path | None) -> None:
    """Remove the archived log that only older backups than the oldest one kept could use."""
    tools: BackupTools = composition().backup_tools()
    try:
        with progress() as report_progress:
            removed = tools.prune_archive(folder, archive, report_progress)
    except tools.DamagedBackup as damaged:
        say(f"Error: {damaged} Nothing was removed.")
        raise SystemExit(Exit.CHECK_FAILED) from damaged
    click.echo(f"{removed:,} segments of 16 MB removed.")


def _send_the_rest(main: Composition, settings: Settings, tools: BackupTools, folder: Path) -> None:
    """What has happened up to now shall be in the archive, too, while there is a server that can put it there."""
    if settings.database_url is None and settings.data.is_dir():
        found = main.database_status(settings)
        if found is not None and found.state == "running":
            tools.send_to_archive(main.start_database(settings).embedded, tools.read_backup(folder))


def _prove(
    main: Composition, settings: Settings, tools: BackupTools, restored: Any, report_progress: OnProgress
) -> VerifyReport:
    theirs = msgspec.structs.replace(
        settings, data=restored.home, db_archive=None, database_url=None, database_admin_url=None
    )
    with open_database(main, theirs) as (database, named):
        tools.check_files(database.embedded, report_progress)
        asyncio.run(main.refuse_unfit_database(named))
        return asyncio.run(main.verify_ledger(named, tenant=None, progress=report_progress))


def _tell(restored: Any, report: VerifyReport, at: datetime | None) -> None:
    of = f"as of {_shown(at)}" if at else f"as of its last change, {restored.last}" if restored.last else ""
    click.echo(f"Restored into {restored.home} {of or 'as of the backup'}; {restored.segments} segments replayed.")
    click.echo(f"{report.movements:,} movements recomputed. Drift: {report.drift_count or 'none'}.")
    say(
        "\nTo change over:\n"
        "  1. stop what serves, then: storekeeper db stop\n"
        f"  2. set {variable('data')}={restored.home} and start as always\n"
        "  3. take a backup: the log of the new folder is archived apart from the old one's"
    )


def _shown(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
