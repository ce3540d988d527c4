"""One PostgreSQL cluster on disk: made, started, asked, stopped."""

import contextlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

import msgspec

from infra.postgres.archive import archiving
from infra.postgres.configuration import Profile, configuration
from infra.postgres.errors import DatabaseTrouble, explain, is_port_taken
from infra.postgres.passwords import write_password
from infra.postgres.processes import PidFile, postmaster, wait_for_orphans
from infra.postgres.runner import Runner

SUPERUSER = "postgres"
HOST = "127.0.0.1"

_ROOM_NEEDED = 256 * 1024 * 1024
_LOG_MAX = 16 * 1024 * 1024
_MEBIBYTE = 1024 * 1024
_BUILTIN_LOCALES_SINCE = 17
_START_SECONDS = 600  # crash recovery may have a lot of log to replay
_STOP_SECONDS = 60
_ORPHAN_SECONDS = 15
# Below the ports that systems hand out by themselves, so that a remembered port is likely still free.
_PORTS = range(15432, 16432)
_PORT_ATTEMPTS = 5


class Cluster(msgspec.Struct, frozen=True, kw_only=True):
    """A data folder and what lies beside it: log, socket, port, our configuration."""

    runner: Runner
    name: str
    profile: Profile
    fixed_port: int | None = None
    archive: Path | None = None

    @property
    def home(self) -> Path:
        return self.runner.home

    @property
    def data(self) -> Path:
        return self.home / self.name

    @property
    def log(self) -> Path:
        return self.beside("log")

    def beside(self, suffix: str) -> Path:
        """What lies next to the data folder under its name."""
        return self.home / f"{self.name}.{suffix}"

    @property
    def port(self) -> int | None:
        return PidFile(self.data).port

    def answers(self) -> bool:
        port = self.port
        if port is None:
            return False
        asked = [self.runner.binaries.path("pg_isready"), "-q", "-h", HOST, "-p", str(port), "-t", "2"]
        return subprocess.run(asked, check=False).returncode == 0  # noqa: S603

    def wait_until_up(self) -> int | None:
        """The pid of the server once it answers, None when there is none; one that recovers is waited for."""
        deadline = time.monotonic() + _START_SECONDS
        while (pid := postmaster(self.data)) is not None:
            if self.answers():
                return pid
            if time.monotonic() > deadline:
                raise DatabaseTrouble(
                    f"The database server (pid {pid}) runs but has not answered for {_START_SECONDS} s: "
                    f"see {self.log}."
                )
            time.sleep(0.05)
        return None

    def is_made(self) -> bool:
        """Whether there is a data folder that these programs can use."""
        try:
            made_by = int((self.data / "PG_VERSION").read_text())
            (self.data / "global" / "pg_control").stat()
        except (FileNotFoundError, ValueError):
            if self.data.exists() and any(self.data.iterdir()):
                raise DatabaseTrouble(
                    f"The data folder {self.data} is only half made or damaged (PG_VERSION or global/pg_control "
                    "is missing): move it away or delete it, and start again."
                ) from None
            return False
        major = self.runner.binaries.major
        if made_by != major:
            raise DatabaseTrouble(
                f"The data folder {self.data} was made by PostgreSQL {made_by}, but the programs in "
                f"{self.runner.binaries.folder} are version {major}: use those of version {made_by}, or move "
                "the folder away."
            )
        return True

    def make(self, *, password: str) -> None:
        """Make the data folder under another name first, so that a half-made one is never used."""
        free = shutil.disk_usage(self.home).free
        if free < _ROOM_NEEDED:
            raise DatabaseTrouble(
                f"The disk that holds {self.home} has {free // _MEBIBYTE} MB left and a new database needs "
                f"{_ROOM_NEEDED // _MEBIBYTE} MB: free some space and start again."
            )
        half = self.beside("init")
        shutil.rmtree(half, ignore_errors=True)
        half.mkdir(mode=0o700)
        self.runner.give(half)
        password_file = self.beside("init-password")
        try:
            write_password(password_file, password)
            self.runner.give(password_file)
            self._initdb(half, password_file)
            half.rename(self.data)
        finally:
            password_file.unlink(missing_ok=True)
            shutil.rmtree(half, ignore_errors=True)

    def _initdb(self, folder: Path, password_file: Path) -> None:
        locale = ["--locale=C.UTF-8"]
        if self.runner.binaries.major >= _BUILTIN_LOCALES_SINCE:
            locale = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
        if self.profile == "test":
            locale.append("--no-sync")
        made = self.runner.program(
            "initdb",
            f"--pgdata={folder}",
            f"--username={SUPERUSER}",
            f"--pwfile={password_file}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            *locale,
            seconds=300,
        )
        if made.returncode:
            raise DatabaseTrouble(explain(made.stdout, home=self.home, port=None))
        # Through the account: what root wrote in a folder of another account could be led elsewhere by a link.
        include = f"include '../{self.beside('conf').name}'"
        script = 'printf "\\n%s\\n" "$2" >> "$1"/postgresql.conf'
        told = self.runner.run(["/bin/sh", "-c", script, "sh", str(folder), include])
        if told.returncode:
            raise DatabaseTrouble(explain(told.stdout, home=self.home, port=None))

    def clear_remains(self) -> None:
        """Remove what a killed server left and the next one would stumble over."""
        wait_for_orphans(self.data, seconds=_ORPHAN_SECONDS)
        PidFile(self.data).path.unlink(missing_ok=True)
        for socket_file in self.beside("sockets").glob(".s.PGSQL.*"):
            socket_file.unlink(missing_ok=True)

    def launch(self) -> int:
        """Start the server and wait until it answers; its pid."""
        more = {}
        if self.archive is not None:
            more = dict(archiving(self.runner, into=self.archive, remembered=self.beside("archive")))
        for attempt in range(1, _PORT_ATTEMPTS + 1):
            port = self.configure(more)
            words = self._pg_ctl_start()
            pid = self.wait_until_up()
            if pid is not None:
                self.beside("port").write_text(f"{port}\n")
                return pid
            # Somebody else can take the port between our look and the server's.
            if not is_port_taken(words) or self.fixed_port or attempt == _PORT_ATTEMPTS:
                raise DatabaseTrouble(explain(words, home=self.home, port=port, log=self.log))
        raise AssertionError("unreachable")

    def configure(self, more: Mapping[str, str]) -> int:
        """Write our configuration, with `more` over it; the port that it names."""
        sockets = self.beside("sockets")
        sockets.mkdir(mode=0o700, exist_ok=True)
        self.runner.give(sockets)
        self._open_log()
        port = self._choose_port()
        settings = self.beside("conf")
        settings.write_text(configuration(profile=self.profile, port=port, sockets=sockets, more=more))
        settings.chmod(0o644)
        return port

    def _pg_ctl_start(self) -> str:
        """What the server wrote until it answered or gave up."""
        before = self.log.stat().st_size
        command = ["start", "--wait", f"--timeout={_START_SECONDS}", f"--log={self.log}"]
        self.runner.run(
            [self.runner.binaries.path("pg_ctl"), f"--pgdata={self.data}", "--silent", *command],
            seconds=_START_SECONDS + 30,
            quiet=True,
        )
        with self.log.open(errors="replace") as log:
            log.seek(before)
            return log.read()

    def _open_log(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            if self.log.stat().st_size > _LOG_MAX:
                self.log.rename(self.beside("log.1"))
        os.close(os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW, 0o600))
        self.runner.give(self.log)

    def _choose_port(self) -> int:
        if self.fixed_port:
            if is_free(self.fixed_port):
                return self.fixed_port
            raise DatabaseTrouble(
                f"Port {self.fixed_port} on {HOST} is already in use by another program: stop it, or choose "
                "another port for the database."
            )
        with contextlib.suppress(FileNotFoundError, ValueError):
            remembered = int(self.beside("port").read_text())
            if is_free(remembered):
                return remembered
        for port in _PORTS:
            if is_free(port):
                return port
        raise DatabaseTrouble(f"No port from {_PORTS.start} to {_PORTS.stop - 1} is free on {HOST}.")

    def stop(self) -> None:
        """End the server: first letting nothing new in, after a minute at once (it then recovers at start)."""
        for mode, seconds in (("fast", _STOP_SECONDS), ("immediate", _STOP_SECONDS)):
            self.runner.program(
                "pg_ctl",
                f"--pgdata={self.data}",
                "--silent",
                "stop",
                "--wait",
                f"--mode={mode}",
                f"--timeout={seconds}",
                seconds=seconds + 30,
            )
            if postmaster(self.data) is None:
                return
        raise DatabaseTrouble(f"The database server (pid {postmaster(self.data)}) does not end: see {self.log}.")

    def execute(self, script: str, *, port: int, password: str, variables: Mapping[str, str]) -> None:
        """Run `script` as the superuser through psql: the server's own client, and no event loop needed.

        Variables go in on its input, not on a command line that everybody sees; they may not hold quotes.
        """
        settings = "".join(f"\\set {name} '{value}'\n" for name, value in variables.items())
        done = subprocess.run(  # noqa: S603
            [
                self.runner.binaries.path("psql"),
                "--no-psqlrc",
                "--quiet",
                "--set=ON_ERROR_STOP=1",
                f"--host={HOST}",
                f"--port={port}",
                f"--username={SUPERUSER}",
                "--dbname=postgres",
                "--no-password",
            ],
            input=settings + script,
            env={"PATH": os.environ.get("PATH", ""), "PGPASSWORD": password, "PGAPPNAME": "storekeeper"},
            capture_output=True,
            text=True,
            timeout=_START_SECONDS,
            check=False,
        )
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["psql said nothing"])[-1]
            raise DatabaseTrouble(f"The database refused its set-up: {last}")


def is_free(port: int) -> bool:
    """Whether a server could listen on `port` now; a port of a connection that just ended counts as free."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True
