"""The embedded server: PostgreSQL's own programs, supervised."""

import shutil
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Literal

import msgspec

from infra.postgres.binaries import Binaries, find_binaries
from infra.postgres.cluster import HOST, SUPERUSER, Cluster
from infra.postgres.configuration import Profile
from infra.postgres.errors import DatabaseTrouble, explain
from infra.postgres.lock import file_lock
from infra.postgres.passwords import password_in, read_password
from infra.postgres.processes import PidFile, postmaster
from infra.postgres.runner import Runner, choose_runner, locate_home

DATABASE = "storekeeper"
APP_ROLE = "storekeeper_app"

_LOCK_SECONDS = 660  # longer than a start may take

# For psql. The first migration makes the role too (NOLOGIN) where the database is not ours.
_PREPARE = r"""
SELECT format('CREATE ROLE %I', :'role')
    WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'role') \gexec
ALTER ROLE :"role" WITH LOGIN PASSWORD :'password'
    NOSUPERUSER NOBYPASSRLS NOINHERIT NOCREATEDB NOCREATEROLE NOREPLICATION;
SELECT format('CREATE DATABASE %I', :'database')
    WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = :'database') \gexec
"""


class Running(msgspec.Struct, frozen=True, kw_only=True):
    """A server that answers, and how to reach it."""

    data_dir: Path
    log: Path
    pid: int
    port: int
    version: str
    binaries: Path
    started: bool
    """Whether this call started it, rather than found it."""
    passwords: dict[str, str]
    """By role: the superuser's and the application's."""

    def __repr__(self) -> str:
        return f"Running(port={self.port}, pid={self.pid}, data_dir={self.data_dir})"

    def url(self, *, role: str, database: str = DATABASE) -> str:
        return f"postgresql://{role}:{self.passwords[role]}@{HOST}:{self.port}/{database}"

    @property
    def admin_url(self) -> str:
        return self.url(role=SUPERUSER)

    @property
    def app_url(self) -> str:
        return self.url(role=APP_ROLE)


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """What there is of a server, without touching it."""

    state: Literal["running", "starting", "stopped", "absent"]
    data_dir: Path
    log: Path
    version: str
    pid: int | None = None
    port: int | None = None


class Server:
    """The one cluster of a data folder such as `.data`; its passwords and lock lie there as well."""

    def __init__(
        self,
        home: Path,
        *,
        profile: Profile = "durable",
        port: int | None = None,
        archive: Path | None = None,
    ) -> None:
        """`archive` is where the server, once started, keeps its log for restores to a moment."""
        self._home = home.absolute()
        self._profile: Profile = profile
        self._port = port
        self._archive = archive

    def start(self) -> Running:
        """Start the server, or find it running; make the cluster, its database and its login if need be."""
        try:
            self._make_home()
            with self._locked():
                return self._start()
        except DatabaseTrouble:
            raise
        except OSError as error:
            raise DatabaseTrouble(explain(str(error), home=self._home, port=None)) from error

    def _start(self) -> Running:
        cluster = self._cluster()
        pid = cluster.wait_until_up()
        started = pid is None
        try:
            if pid is None:
                if not cluster.is_made():
                    cluster.make(password=password_in(self._password_file(cluster, SUPERUSER)))
                cluster.clear_remains()
                pid = cluster.launch()
            return self._describe(cluster, pid=pid, started=started)
        except BaseException:
            # Also Ctrl-C: what this call began, it ends.
            if started and postmaster(cluster.data) is not None:
                cluster.stop()
            raise

    def stop(self) -> bool:
        """End the server, if there is one: its open transactions are rolled back; whether there was one."""
        if not self._home.is_dir():
            return False
        with self._locked():
            status = self.status()
            if status.pid is None:
                return False
            self._cluster().stop()
            return True

    def status(self) -> Status:
        binaries = _binaries_for(self._home)
        name = _name(binaries)
        home = locate_home(self._home, data_name=name)
        data = home / name
        pid = postmaster(data)
        cluster = Cluster(runner=Runner(binaries=binaries, home=home), name=name, profile=self._profile)
        state: Literal["running", "starting", "stopped", "absent"] = "absent"
        if pid is not None:
            state = "running" if cluster.answers() else "starting"
        elif data.exists():
            state = "stopped"
        return Status(
            state=state,
            data_dir=data,
            log=cluster.log,
            version=binaries.version,
            pid=pid,
            port=PidFile(data).port if pid else None,
        )

    def destroy(self) -> None:
        """Stop the server and delete its data, wherever they are."""
        self.stop()
        status = self.status()
        places = {self._home, status.data_dir.parent}
        for path in [path for place in places for path in place.glob(f"{status.data_dir.name}*")]:
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()

    def _describe(self, cluster: Cluster, *, pid: int, started: bool) -> Running:
        superuser, app = (self._password_file(cluster, role) for role in (SUPERUSER, APP_ROLE))
        admin_password = read_password(superuser)
        port = cluster.port
        if admin_password is None or port is None:
            raise DatabaseTrouble(
                f"The password of the database in {cluster.data} is missing: put {superuser} back, or move the "
                "data folder away."
            )
        new = read_password(app) is None
        app_password = password_in(app)
        if started or new:
            cluster.execute(
                _PREPARE,
                port=port,
                password=admin_password,
                variables={"role": APP_ROLE, "database": DATABASE, "password": app_password},
            )
        return Running(
            data_dir=cluster.data,
            log=cluster.log,
            pid=pid,
            port=port,
            version=cluster.runner.binaries.version,
            binaries=cluster.runner.binaries.folder,
            started=started,
            passwords={SUPERUSER: admin_password, APP_ROLE: app_password},
        )

    def _cluster(self) -> Cluster:
        binaries = _binaries_for(self._home)
        name = _name(binaries)
        runner = choose_runner(binaries, home=self._home, data_name=name)
        return Cluster(
            runner=runner, name=name, profile=self._profile, fixed_port=self._port, archive=self._archive
        )

    def _password_file(self, cluster: Cluster, role: str) -> Path:
        return self._home / f"{cluster.name}.{role}.password"

    def _locked(self) -> AbstractContextManager[None]:
        return file_lock(self._home / "database.lock", seconds=_LOCK_SECONDS)

    def _make_home(self) -> None:
        try:
            if not self._home.is_dir():
                self._home.mkdir(parents=True)
                self._home.chmod(0o755)  # ours, and the server's account must pass through it
        except OSError as error:
            raise DatabaseTrouble(
                f"The folder {self._home} cannot be made ({error.strerror}): set STOREKEEPER_DATA to another."
            ) from error


def _name(binaries: Binaries) -> str:
    return f"pg{binaries.major}"


def _binaries_for(home: Path) -> Binaries:
    """The programs of the version that made the data in `home`; where there are none yet, the best there are."""
    best = find_binaries()
    if (locate_home(home, data_name=_name(best)) / _name(best)).exists():
        return best
    made = sorted(int(path.parent.name[2:]) for path in home.glob("pg[0-9][0-9]/PG_VERSION"))
    return find_binaries(major=made[-1]) if made else best
