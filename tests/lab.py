"""What tests are done with: real clusters, real databases, real servers, all gone afterwards."""

import fcntl
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import msgspec
import psutil

from infra.db.migrate import upgrade
from infra.postgres import APP_ROLE, Running, Server
from infra.postgres.cluster import SUPERUSER
from infra.postgres.configuration import Profile

_PREFIX = "storekeeper-test-"
_READY_SECONDS = 90
_STOP_SECONDS = 30


class DatabaseUrls(msgspec.Struct, frozen=True, kw_only=True):
    """A database of a test: as its owner sees it, and as the application does."""

    name: str
    admin_url: str
    app_url: str


class Served(msgspec.Struct, frozen=True, kw_only=True):
    """A server in processes of its own, answering on `url`."""

    url: str
    process: subprocess.Popen[bytes]
    log: Path

    def entries(self) -> list[dict[str, Any]]:
        """What it has logged, entry by entry."""
        return [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]

    def workers(self) -> list[int]:
        """The pids of the processes that serve requests."""
        return [child.pid for child in psutil.Process(self.process.pid).children() if _is_worker(child)]

    def listening(self) -> list[int]:
        """Those of its workers that have loaded: each listens on a socket of its own."""
        return [pid for pid in self.workers() if _listens(pid)]


def a_free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    assert isinstance(port, int)
    return port


@contextmanager
def a_cluster(*, profile: Profile = "test", connections: int | None = None) -> Iterator[Running]:
    """A PostgreSQL server of one's own; tests that kill it take the durable profile.

    `connections` is how many it shall take, where the profile's are not enough.
    """
    _remove_clusters_of_dead_tests()
    folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-"))
    folder.chmod(0o755)  # as root, the server runs as another account
    server = Server(folder / "data", profile=profile)
    try:
        running = server.start()
        if connections is not None:
            execute(running, f"ALTER SYSTEM SET max_connections = {connections}")
            server.stop()
            running = server.start()
        yield running
    finally:
        server.destroy()
        shutil.rmtree(folder)


def migrate(url: str) -> None:
    """Bring the schema up; in a thread, since migrations run an event loop and tests live in one."""
    with ThreadPoolExecutor(max_workers=1) as thread:
        thread.submit(upgrade, url).result()


def a_template(cluster: Running) -> str:
    """A migrated database that nobody enters, to be cloned."""
    name = "storekeeper_template"
    execute(cluster, f"CREATE DATABASE {name}")
    migrate(cluster.url(role=SUPERUSER, database=name))
    execute(cluster, f"ALTER DATABASE {name} IS_TEMPLATE true ALLOW_CONNECTIONS false")
    return name


@contextmanager
def a_database(cluster: Running, template: str) -> Iterator[DatabaseUrls]:
    """A fresh database as the migrations leave it."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    execute(cluster, f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
    try:
        yield DatabaseUrls(
            name=name,
            admin_url=cluster.url(role=SUPERUSER, database=name),
            app_url=cluster.url(role=APP_ROLE, database=name),
        )
    finally:
        execute(cluster, f"DROP DATABASE {name} WITH (FORCE)")


def execute(cluster: Running, statement: str) -> None:
    """Run `statement` as the superuser, outside any database of a test."""
    subprocess.run(
        [
            cluster.binaries / "psql",
            "--no-psqlrc",
            "--quiet",
            "--set=ON_ERROR_STOP=1",
            f"--command={statement}",
            cluster.url(role=SUPERUSER, database="postgres"),
        ],
        check=True,
    )


@contextmanager
def serve(
    urls: DatabaseUrls, *, workers: int = 2, environment: Mapping[str, str] | None = None
) -> Iterator[Served]:
    """The real server on a free port against the database of a test."""
    with tempfile.TemporaryDirectory(prefix=_PREFIX) as folder:
        port = a_free_port()
        log = Path(folder) / "server.log"
        settings = {
            "DATABASE_URL": urls.app_url,
            "DATABASE_ADMIN_URL": urls.admin_url,
            "STOREKEEPER_DATA": folder,
            "STOREKEEPER_PORT": str(port),
            "STOREKEEPER_WORKERS": str(workers),
            "STOREKEEPER_LOG_FORMAT": "json",
            # A test that runs as the night begins must see what it saw by day.
            "STOREKEEPER_SCHEDULES": "off",
            **(environment or {}),
        }
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "app", "serve"],
                # Compiled modules make each start seconds quicker.
                env={**os.environ, **settings, "PYTHONDONTWRITEBYTECODE": ""},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # so that all of it can be ended at once
            )
        served = Served(url=f"http://127.0.0.1:{port}", process=process, log=log)
        try:
            wait_until_ready(served)
            yield served
        finally:
            end(served)


def wait_until_ready(served: Served) -> None:
    """Ask until the server says that it is ready, or has ended, or has had time enough."""
    deadline = time.monotonic() + _READY_SECONDS
    while True:
        if served.process.poll() is not None:
            raise AssertionError(f"the server ended before it was ready:\n{served.log.read_text()}")
        with suppress(httpx.TransportError):
            # One of them answers; a test may kill that one, and then expects the others to.
            if httpx.get(f"{served.url}/ready", timeout=5).is_success and served.listening() == served.workers():
                return
        if time.monotonic() > deadline:
            raise AssertionError(f"the server was not ready in {_READY_SECONDS} s:\n{served.log.read_text()}")
        time.sleep(0.05)


def end(served: Served) -> None:
    """Stop the server gracefully, and whatever is left of it not."""
    process = served.process
    process.terminate()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _is_worker(process: psutil.Process) -> bool:
    # Python's own resource tracker is a child, too.
    return bool(process.status() != psutil.STATUS_ZOMBIE) and "resource_tracker" not in " ".join(process.cmdline())


def _listens(pid: int) -> bool:
    with suppress(psutil.NoSuchProcess):
        return any(end.status == psutil.CONN_LISTEN for end in psutil.Process(pid).net_connections("tcp"))
    return False


def _remove_clusters_of_dead_tests() -> None:
    """A test run that was killed could not clean up; the next one does, and of several at once the first."""
    there = Path(tempfile.gettempdir())
    with (there / f"{_PREFIX}cleaning-{os.geteuid()}").open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        for folder in there.glob(f"{_PREFIX}[0-9]*-*"):
            pid = int(folder.name.removeprefix(_PREFIX).split("-")[0])
            if not psutil.pid_exists(pid) and folder.stat().st_uid == os.geteuid():
                Server(folder / "data").destroy()
                shutil.rmtree(folder)
