"""The server's log kept elsewhere, segment by segment, so that a backup can be brought forward to any moment.

Each data folder archives into a folder of its own below the one that the settings name. A restored copy is another
data folder: were both to write into one place, their logs would mix and no later restore could be trusted.
"""

import re
import shlex
from collections.abc import Mapping
from pathlib import Path

from domain.values import new_id
from infra.postgres.binaries import Binaries
from infra.postgres.errors import DatabaseTrouble
from infra.postgres.runner import Runner

TIMEOUT_SECONDS = 60
"""The age at which an unfinished segment is archived all the same: what a lost disk can take with it."""
SETTING = "storekeeper.archive"
"""Under this name the server tells where it archives to."""
SEGMENT = re.compile(r"[0-9A-F]{24}")

_LIBRARY = "basic_archive"


def archiving(runner: Runner, *, into: Path, remembered: Path) -> Mapping[str, str]:
    """The settings of a server that archives below `into`; `remembered` holds the name of its own folder there."""
    folder = _own_folder(into.absolute(), remembered)
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o755)
        runner.give(folder)
    except OSError as error:
        raise DatabaseTrouble(
            f"The archive folder {folder} cannot be made ({error.strerror}): set another STOREKEEPER_DB_ARCHIVE."
        ) from error
    probe = runner.run(["/bin/sh", "-c", 'cd "$1" && test -w .', "sh", str(folder)])
    if probe.returncode:
        raise DatabaseTrouble(
            f"The account that the database server runs as cannot write into {folder}: set STOREKEEPER_DB_ARCHIVE "
            "to a folder that it may enter."
        )
    settings = {
        "archive_mode": "on",
        "archive_timeout": f"{TIMEOUT_SECONDS}s",
        SETTING: str(folder),
    }
    if _has_library(runner.binaries):
        # It copies under another name, syncs, renames, and accepts a segment that is there already and equal.
        return {**settings, "archive_library": _LIBRARY, f"{_LIBRARY}.archive_directory": str(folder)}
    return {**settings, "archive_command": _command(folder)}


def fetching(folder: Path) -> str:
    """The command with which a recovering server gets a segment."""
    return f"cp {_quoted(folder)}/%f %p"


def _own_folder(into: Path, remembered: Path) -> Path:
    try:
        name = remembered.read_text().strip()
    except FileNotFoundError:
        name = new_id().hex
        remembered.write_text(f"{name}\n")
    return into / name


def _has_library(binaries: Binaries) -> bool:
    root = binaries.folder.parent
    return any(next(root.glob(f"{lib}/**/{_LIBRARY}.so"), None) for lib in ("lib", "lib64"))


def _command(folder: Path) -> str:
    to, half = f"{_quoted(folder)}/%f", f"{_quoted(folder)}/.%f.part"
    return f"cmp -s %p {to} || (test ! -e {to} && cp %p {half} && sync {half} && mv {half} {to})"


def _quoted(folder: Path) -> str:
    return shlex.quote(str(folder)).replace("%", "%%")
