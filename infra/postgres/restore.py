"""A backup made a data folder again, brought forward by the archived log, to its end or to a moment."""

import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from infra.postgres.archive import SEGMENT, SETTING, fetching
from infra.postgres.backup import Backup, DamagedBackup, OnProgress, read_backup, run, verify_backup
from infra.postgres.binaries import find_binaries
from infra.postgres.cluster import SUPERUSER, Cluster
from infra.postgres.errors import DatabaseTrouble, explain
from infra.postgres.passwords import password_in
from infra.postgres.processes import postmaster
from infra.postgres.questions import ask, connection_of
from infra.postgres.runner import choose_runner
from infra.postgres.server import DATABASE, Running

_MEBIBYTE = 1024 * 1024
_ROOM = 1.2
"""So many times the backup's size must be free: recovery writes, too."""
_LOOK_SECONDS = 0.1
_ARCHIVE_SECONDS = 120
_LAST = re.compile(r"last completed transaction was at log time (.+)")
_FETCHED = re.compile(r'restored log file "([0-9A-F]{24})" from archive')
_START = re.compile(r"START WAL LOCATION: .*\(file ([0-9A-F]{24})\)")


class Restored(msgspec.Struct, frozen=True, kw_only=True):
    """A data folder that a server can be started on."""

    home: Path
    """What STOREKEEPER_DATA names to use it."""
    backup: Backup
    segments: int
    """How much of the archived log was replayed, in files of 16 MB."""
    last: str | None
    """The moment of the last change that is in it, as the server wrote it; None where the log told of none."""


def send_to_archive(running: Running, backup: Backup) -> bool:
    """Have the server archive all that has happened until now, if it is the one that `backup` was taken of."""
    archive = ask(running, f"SELECT current_setting('{SETTING}', true)")
    if not archive or archive != backup.archive:
        return False
    # A transaction that only takes a number: recovery finds the moment's end by the next commit.
    ask(running, "SELECT pg_current_xact_id()")
    wanted = ask(running, "SELECT pg_walfile_name(pg_switch_wal())")
    deadline = time.monotonic() + _ARCHIVE_SECONDS
    while ask(running, "SELECT coalesce(last_archived_wal, '') FROM pg_stat_archiver") < wanted:
        if time.monotonic() > deadline:
            raise DatabaseTrouble(
                f"The running server does not archive its log to {archive}: its own log says why, and "
                "`storekeeper doctor` what to do."
            )
        time.sleep(_LOOK_SECONDS)
    return True


def restore_backup(
    folder: Path, *, to: Path, at: datetime | None, archive: Path | None, progress: OnProgress
) -> Restored:
    """Make the new folder `to` from the backup in `folder`, as of `at` or of the archive's end.

    `archive` is where the log lies now, if it is no longer where the backup says.
    """
    folder, home = folder.absolute(), to.absolute()
    if home.exists() and (not home.is_dir() or any(home.iterdir())):
        raise DatabaseTrouble(f"{home} holds something already: a restore never overwrites, name a new folder.")
    major = _major(read_backup(folder))
    backup = verify_backup(folder, find_binaries(major=major), progress)
    log = _log_of(backup, archive)
    _refuse_moment(backup, at, log)
    home.mkdir(parents=True, exist_ok=True)
    home.chmod(0o755)  # ours, and the server's account must pass through it
    places = [home]
    try:
        name = f"pg{major}"
        runner = choose_runner(find_binaries(major=major), home=home, data_name=name)
        cluster = Cluster(runner=runner, name=name, profile="durable")
        places.append(cluster.home)  # as root, it may have to be elsewhere
        _copy(folder / "base", cluster, progress)
        segments, last = _recover(cluster, at=at, log=log, progress=progress)
        _new_password(cluster, home)
    except BaseException:
        for place in places:
            shutil.rmtree(place, ignore_errors=True)
        raise
    return Restored(home=home, backup=backup, segments=segments, last=last)


def prune_archive(folder: Path, archive: Path | None, progress: OnProgress) -> int:
    """Remove the archived log that only backups older than the one in `folder` need; how many segments that were.

    Raises:
        DamagedBackup: nothing is removed, since this backup could not take the place of the older ones.
    """
    backup = verify_backup(folder, find_binaries(major=_major(read_backup(folder))), progress)
    log = _log_of(backup, archive)
    if log is None:
        raise DatabaseTrouble("This backup was taken without an archived log.")
    first = _first_segment(folder / "base")
    old = [path for path in log.iterdir() if SEGMENT.match(path.name) and _is_before(path.name, first)]
    for path in old:
        path.unlink()
    return sum(1 for path in old if SEGMENT.fullmatch(path.name))


def check_files(running: Running, progress: OnProgress) -> bool:
    """Have PostgreSQL check its tables and indexes for damage; False where it has no program for it.

    Raises:
        DatabaseTrouble: something is damaged.
    """
    program = running.binaries / "pg_amcheck"
    if not program.is_file():
        return False
    had = ask(running, "SELECT count(*) FROM pg_extension WHERE extname = 'amcheck'", database=DATABASE)
    command = [str(program), f"--database={DATABASE}", "--install-missing=pg_catalog", "--progress"]
    run([*command, "--no-password"], connection_of(running), lambda *at: progress("Checking tables", *at))
    if had == "0":
        ask(running, "DROP EXTENSION IF EXISTS amcheck", database=DATABASE)
    return True


def _log_of(backup: Backup, archive: Path | None) -> Path | None:
    if archive is not None:
        # Named as in the settings, or the data folder's own in it.
        own = archive / Path(backup.archive).name if backup.archive else archive
        found = (own if own.is_dir() else archive).absolute()
        if not any(SEGMENT.fullmatch(path.name) for path in found.glob("*")):
            raise DatabaseTrouble(f"{found} holds no archived log.")
        return found
    if backup.archive is None:
        return None
    if not Path(backup.archive).is_dir():
        raise DatabaseTrouble(f"The archive {backup.archive} is not there: name its new place with --archive.")
    return Path(backup.archive)


def _refuse_moment(backup: Backup, at: datetime | None, log: Path | None) -> None:
    if at is None:
        return
    if log is None:
        raise DatabaseTrouble(
            "This backup was taken without an archived log, so it holds one moment only "
            f"({_shown(backup.finished_at)}): leave --at away, and set STOREKEEPER_DB_ARCHIVE for the next time."
        )
    if at < backup.finished_at:
        raise DatabaseTrouble(
            f"This backup was finished at {_shown(backup.finished_at)} and goes only forward from there: take an "
            "earlier one."
        )


def _major(backup: Backup) -> int:
    return int(backup.version.split(".")[0])


def _copy(base: Path, cluster: Cluster, progress: OnProgress) -> None:
    """Copy under another name first, so that a half-made folder is never taken for a whole one."""
    files = [path for path in base.rglob("*") if path.is_file()]
    total = sum(path.stat().st_size for path in files)
    free = shutil.disk_usage(cluster.home).free
    if free < total * _ROOM:
        raise DatabaseTrouble(
            f"The disk that holds {cluster.home} has {free // _MEBIBYTE} MB left and the restore needs "
            f"{round(total * _ROOM) // _MEBIBYTE} MB."
        )
    half = cluster.beside("init")
    half.mkdir(mode=0o700)
    cluster.runner.give(half)
    for path in base.rglob("*"):
        if path.is_dir():
            made = half / path.relative_to(base)
            made.mkdir(mode=0o700)
            cluster.runner.give(made)
    done = 0
    for path in files:
        copy = half / path.relative_to(base)
        shutil.copyfile(path, copy)
        copy.chmod(0o600)
        cluster.runner.give(copy)
        done += path.stat().st_size
        progress("Copying, MB", done // _MEBIBYTE, total // _MEBIBYTE)
    (half / "backup_manifest").unlink(missing_ok=True)
    half.rename(cluster.data)


def _recover(
    cluster: Cluster, *, at: datetime | None, log: Path | None, progress: OnProgress
) -> tuple[int, str | None]:
    """Run the server until it has replayed what is wanted, and stop it; segments replayed, and the last moment."""
    settings = {"archive_mode": "off", "hot_standby": "off", "log_min_messages": "log"}
    wanted: list[str] = []
    if log is not None:
        _refuse_unreadable(cluster, log)
        wanted = _segments(log, _first_segment(cluster.data))
        settings |= {
            "restore_command": fetching(log),
            # The log of a copy that was once made from this one is another history: do not wander off into it.
            "recovery_target_timeline": "current",
            "recovery_target_action": "promote",
        }
        if at is not None:
            settings["recovery_target_time"] = at.astimezone(UTC).isoformat(sep=" ")
        signal = cluster.data / "recovery.signal"
        signal.touch(mode=0o600)
        cluster.runner.give(signal)
    cluster.configure(settings)
    try:
        replayed = _follow(cluster, len(wanted), progress)
    finally:
        if postmaster(cluster.data) is not None:
            cluster.stop()
    if at is None and wanted and wanted[-1] not in replayed:
        # Recovery ends where it cannot read on, and takes that for the end.
        raise DamagedBackup(
            f"The archived log breaks off in {(replayed or wanted)[-1]}, though it goes on to {wanted[-1]}: a "
            "segment is missing or damaged. What is before it can be had by naming a moment with --at."
        )
    last = _LAST.findall(cluster.log.read_text(errors="replace"))
    return len(replayed), last[-1].strip() if last else None


def _first_segment(data: Path) -> str:
    """The oldest part of the log that a copied data folder needs."""
    found: list[str] = _START.findall((data / "backup_label").read_text())
    return found[0]


def _is_before(name: str, first: str) -> bool:
    return name[:8] == first[:8] and name[:24] < first


def _segments(log: Path, first: str) -> list[str]:
    """What is archived from `first` on, on its timeline."""
    names = (path.name for path in log.iterdir() if SEGMENT.fullmatch(path.name))
    return sorted(name for name in names if name >= first and name[:8] == first[:8])


def _follow(cluster: Cluster, total: int, progress: OnProgress) -> list[str]:
    """Start the server on the data folder and look on; the segments that it fetched until it was done."""
    began = cluster.runner.run(
        [
            cluster.runner.binaries.path("pg_ctl"),
            f"--pgdata={cluster.data}",
            "--silent",
            "start",
            "--no-wait",
            f"--log={cluster.log}",
        ],
        quiet=True,
    )
    replayed: list[str] = []
    progress("Replaying the log, segments", 0, total)
    with cluster.log.open(errors="replace") as log:
        for answers in _looks(cluster):
            replayed += [found[1] for line in log if (found := _FETCHED.search(line))]
            progress("Replaying the log, segments", len(replayed), max(total, len(replayed) + 1))
            if answers:
                progress("Replaying the log, segments", len(replayed), len(replayed))
                return replayed
    raise _why(cluster, began)


def _looks(cluster: Cluster) -> Iterator[bool]:
    """Look again and again whether the server answers, while there is one."""
    missing = 0
    while missing < 20:  # noqa: PLR2004 - two seconds in which a starting server writes its pid
        alive = postmaster(cluster.data) is not None
        missing = 0 if alive else missing + 1
        yield alive and cluster.answers()
        time.sleep(_LOOK_SECONDS)


def _why(cluster: Cluster, began: subprocess.CompletedProcess[str]) -> DatabaseTrouble:
    words = cluster.log.read_text(errors="replace")
    if "recovery ended before configured recovery target was reached" in words:
        last = _LAST.findall(words)
        where = f" (its last change is of {last[-1].strip()})" if last else ""
        return DatabaseTrouble(
            f"The archived log ends before that moment{where}: choose an earlier one, or leave --at away."
        )
    if "requested recovery stop point is before consistent recovery point" in words:
        return DamagedBackup("That moment lies before the end of the backup: take an earlier backup.")
    return DatabaseTrouble(explain(words or str(began.returncode), home=cluster.home, port=None))


def _refuse_unreadable(cluster: Cluster, log: Path) -> None:
    script = 'cd "$1" && for f in *; do test -r "$f" || { echo "$f"; exit 1; }; done'
    told = cluster.runner.run(["/bin/sh", "-c", script, "sh", str(log)], seconds=300)
    if told.returncode:
        raise DatabaseTrouble(
            f"The account that the database server runs as cannot read {log} ({told.stdout.strip()[-200:]}): let "
            "it, or copy the archive to where it can and name that with --archive."
        )


def _new_password(cluster: Cluster, home: Path) -> None:
    """Give the superuser a password that this folder knows: the backup holds only the old one's hash."""
    password = password_in(home / f"{cluster.name}.{SUPERUSER}.password")
    script = cluster.beside("password.sql")
    try:
        script.touch(mode=0o600)
        script.write_text(f"ALTER ROLE {SUPERUSER} PASSWORD '{password}'\n")
        cluster.runner.give(script)
        told = cluster.runner.run(
            [
                *("/bin/sh", "-c", '"$1" --single -D "$2" postgres < "$3"', "sh"),
                *(cluster.runner.binaries.path("postgres"), str(cluster.data), str(script)),
            ],
            seconds=600,
        )
    finally:
        script.unlink(missing_ok=True)
    if told.returncode or "ERROR" in told.stdout:
        raise DatabaseTrouble(explain(told.stdout, home=cluster.home, port=None))


def _shown(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
