"""A physical backup of the running embedded server: its files, a manifest of their SHA-256, and what was done.

<folder>/base/…           the data folder, with the log that makes it consistent
<folder>/base/backup_manifest   every file with its size and checksum, as PostgreSQL writes and checks it
<folder>/backup.json      when, of which version, where the server archives to, and the manifest's own checksum
"""

import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated

import msgspec

from infra.postgres.archive import SETTING
from infra.postgres.binaries import Binaries
from infra.postgres.errors import DatabaseTrouble
from infra.postgres.questions import ask, connection_of
from infra.postgres.server import Running

type OnProgress = Callable[[str, int, int], None]

_COUNTED = re.compile(r"(\d+)/(\d+) (?:kB|relations)")
_DESCRIPTION = "backup.json"
_VERIFY_TELLS_SINCE = 16


class Backup(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What lies in a backup's folder."""

    form: Annotated[int, msgspec.Meta(ge=1, le=1)] = 1
    version: str
    system: str
    """The identifier that a cluster and its copies share."""
    began_at: datetime
    finished_at: datetime
    """By the server's clock; no restore can go to before this."""
    bytes: int
    archive: str | None
    """Where the server archives its log to; None where it does not."""
    manifest_sha256: str


class DamagedBackup(DatabaseTrouble):
    """Not what was once written, so nothing is restored from it."""


def take_backup(running: Running, folder: Path, progress: OnProgress) -> Backup:
    """Copy the server's files into a new `folder`, and read them all again to see that they are as copied."""
    folder = folder.absolute()
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise DatabaseTrouble(f"{folder} holds something already: a backup gets a folder of its own.")
    half = folder.with_name(f".{folder.name}.{os.getpid()}")
    try:
        half.mkdir(parents=True, mode=0o700)
        began_at = _now(running)
        base = half / "base"
        run(_basebackup(running, base), connection_of(running), lambda *at: progress("Copying, kB", *at))
        system, archive = (
            ask(running, question)
            for question in (
                "SELECT system_identifier FROM pg_control_system()",
                f"SELECT current_setting('{SETTING}', true)",
            )
        )
        backup = Backup(
            version=running.version,
            system=system,
            began_at=began_at,
            finished_at=_now(running),
            bytes=sum(path.stat().st_size for path in base.rglob("*") if path.is_file()),
            archive=archive or None,
            manifest_sha256=_sha256(base / "backup_manifest"),
        )
        _write(half / _DESCRIPTION, msgspec.json.format(msgspec.json.encode(backup), indent=2))
        verify_backup(half, Binaries(folder=running.binaries, version=running.version), progress)
        if folder.exists():
            folder.rmdir()
        half.rename(folder)
    except OSError as error:
        if isinstance(error, DatabaseTrouble):
            raise
        raise DatabaseTrouble(f"The backup could not be written to {folder}: {error.strerror}.") from error
    finally:
        shutil.rmtree(half, ignore_errors=True)
    return backup


def read_backup(folder: Path) -> Backup:
    """What a backup says about itself."""
    try:
        return msgspec.json.decode((folder / _DESCRIPTION).read_bytes(), type=Backup)
    except FileNotFoundError:
        raise DamagedBackup(f"{folder} holds no backup: there is no {_DESCRIPTION} in it.") from None
    except (OSError, msgspec.DecodeError) as error:
        raise DamagedBackup(f"{folder / _DESCRIPTION} cannot be read ({error}).") from error


def verify_backup(folder: Path, binaries: Binaries, progress: OnProgress) -> Backup:
    """Compare every file with the manifest, and the manifest with its own checksum.

    Raises:
        DamagedBackup: something is missing, too much, or not as it was written.
    """
    backup, base = read_backup(folder), folder / "base"
    try:
        found = _sha256(base / "backup_manifest")
    except OSError:
        found = ""
    if found != backup.manifest_sha256:
        raise DamagedBackup(f"The backup in {folder} is damaged: its manifest is not the one that was written.")
    progressing = ["--progress"] if binaries.major >= _VERIFY_TELLS_SINCE else []
    command = [binaries.path("pg_verifybackup"), *progressing, str(base)]
    try:
        run(
            command, {"PATH": os.environ.get("PATH", ""), "LC_ALL": "C"}, lambda *at: progress("Checking, kB", *at)
        )
    except DatabaseTrouble as error:
        raise DamagedBackup(f"The backup in {folder} is damaged: {error}") from error
    return backup


def _basebackup(running: Running, to: Path) -> Sequence[str]:
    return [
        str(running.binaries / "pg_basebackup"),
        f"--pgdata={to}",
        "--format=plain",
        "--wal-method=stream",
        "--checkpoint=fast",
        "--manifest-checksums=SHA256",
        "--label=storekeeper",
        "--progress",
        "--no-password",
    ]


def run(command: Sequence[str], environment: Mapping[str, str], progress: Callable[[int, int], None]) -> None:
    """Run one of PostgreSQL's programs and pass on how far it says that it is."""
    said: list[str] = []
    try:
        with subprocess.Popen(  # noqa: S603
            command,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",  # with universal newlines, a carriage return ends a line
        ) as process:
            assert process.stdout is not None
            for line in process.stdout:
                counted = _COUNTED.search(line)
                if counted:
                    progress(int(counted[1]), int(counted[2]))
                elif line.strip():
                    said.append(line.strip())
    except OSError as error:
        raise DatabaseTrouble(f"{command[0]} could not be run: {error.strerror}.") from error
    if process.returncode:
        told = next((line for line in said if "error:" in line), said[-1] if said else "it said nothing")
        raise DatabaseTrouble(f"{Path(command[0]).name}: {told.partition('error: ')[2] or told}.")


def _now(running: Running) -> datetime:
    return datetime.fromisoformat(ask(running, "SELECT to_json(clock_timestamp())::text").strip('"'))


def _sha256(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _write(file: Path, content: bytes) -> None:
    with file.open("wb") as opened:
        opened.write(content)
        opened.flush()
        os.fsync(opened.fileno())
