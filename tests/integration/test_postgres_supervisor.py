"""The embedded server through what happens to servers: kills, leftovers, rivals, full disks."""

import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import psutil
import pytest

from infra.postgres import DatabaseTrouble, Running, Server
from infra.postgres.binaries import find_binaries
from infra.postgres.cluster import SUPERUSER
from infra.postgres.errors import explain
from infra.postgres.lock import file_lock

is_root = os.geteuid() == 0


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that other accounts can enter; those of pytest they cannot."""
    folder = Path(tempfile.mkdtemp(prefix="storekeeper-", dir="/var/tmp"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """A data folder whose server, if any, is gone afterwards."""
    home = tmp_path / "data"
    yield home
    if home.exists():
        Server(home, profile="test").destroy()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for the tests that do not break it."""
    server = Server(tmp_path_factory.mktemp("shared") / "data", profile="test")
    yield server
    server.destroy()


async def ask(url: str, question: str) -> object:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(question)
    finally:
        await connection.close()


async def keep_a_row(running: Running) -> None:
    connection = await asyncpg.connect(running.admin_url)
    await connection.execute("CREATE TABLE kept (n int); INSERT INTO kept VALUES (41), (1)")
    await connection.close()


async def kept(running: Running) -> object:
    return await ask(running.admin_url, "SELECT sum(n)::int FROM kept")


def kill_postmaster(running: Running) -> None:
    os.kill(running.pid, signal.SIGKILL)
    deadline = time.monotonic() + 10
    while psutil.pid_exists(running.pid) and psutil.Process(running.pid).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline
        time.sleep(0.01)


async def test_the_first_start_makes_database_and_login_and_the_second_finds_them(shared: Server) -> None:
    first = shared.start()

    second = shared.start()

    assert (first.started, second.started) == (True, False)
    assert (second.pid, second.port) == (first.pid, first.port)
    assert (
        await ask(second.admin_url, "SELECT current_user || '@' || current_database()") == "postgres@storekeeper"
    )
    assert await ask(second.app_url, "SELECT current_user || '@' || current_database()") == (
        "storekeeper_app@storekeeper"
    )


async def test_the_application_logs_in_with_no_right_beyond_those_granted(shared: Server) -> None:
    running = shared.start()

    powers = await ask(
        running.app_url,
        "SELECT rolsuper OR rolbypassrls OR rolcreatedb OR rolcreaterole OR rolreplication OR rolinherit"
        " FROM pg_roles WHERE rolname = current_user",
    )

    assert powers is False


async def test_nobody_gets_in_without_a_password(shared: Server) -> None:
    running = shared.start()

    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(running.admin_url.replace(running.passwords[SUPERUSER], "guess"))


def test_passwords_are_kept_from_other_accounts(shared: Server) -> None:
    running = shared.start()

    files = list(running.data_dir.parent.glob("*.password"))

    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    assert all(password not in repr(running) for password in running.passwords.values())


async def test_text_is_folded_alike_on_every_machine(shared: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "POSIX")
    running = shared.start()

    assert await ask(running.admin_url, "SELECT upper('äöü')") == "ÄÖÜ"
    assert await ask(running.admin_url, "SHOW server_encoding") == "UTF8"


async def test_only_a_test_server_gives_up_durability(shared: Server, home: Path) -> None:
    durable = Server(home).start()
    settings = "SELECT string_agg(setting, ' ' ORDER BY name) FROM pg_settings WHERE name IN "
    names = "('fsync', 'full_page_writes', 'synchronous_commit')"

    assert await ask(durable.admin_url, settings + names) == "on on on"
    assert await ask(shared.start().admin_url, settings + names) == "off off off"


async def test_a_stop_ends_the_server_and_keeps_port_and_data(home: Path) -> None:
    server = Server(home, profile="test")
    before = server.start()
    await keep_a_row(before)

    stopped, again = server.stop(), server.stop()
    states = [server.status().state]
    after = server.start()
    states.append(server.status().state)

    assert (stopped, again) == (True, False)
    assert states == ["stopped", "running"]
    assert after.port == before.port
    assert await kept(after) == 42


def test_the_status_of_nothing_is_absent_and_makes_nothing(home: Path) -> None:
    assert Server(home).status().state == "absent"
    assert not home.exists()


async def test_a_killed_server_starts_again_with_every_committed_row(home: Path) -> None:
    server = Server(home)
    before = server.start()
    await keep_a_row(before)

    kill_postmaster(before)
    state = server.status().state
    after = server.start()

    assert state == "stopped"
    assert after.started
    assert await kept(after) == 42


async def test_a_pid_file_that_names_another_live_program_is_not_believed(home: Path) -> None:
    server = Server(home, profile="test")
    before = server.start()
    await keep_a_row(before)
    pid_file = before.data_dir / "postmaster.pid"
    lines = pid_file.read_text().splitlines()
    server.stop()

    pid_file.write_text("\n".join([str(os.getpid()), *lines[1:]]))
    state = server.status().state
    after = server.start()

    assert state == "stopped"
    assert after.pid != os.getpid()
    assert await kept(after) == 42


def test_processes_that_outlive_their_server_are_waited_for(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without its pid file nothing but this wait keeps a second server off the files of the first."""
    server = Server(home, profile="test")
    running = server.start()
    monkeypatch.setattr("infra.postgres.cluster._ORPHAN_SECONDS", 0.2)

    (running.data_dir / "postmaster.pid").rename(home / "hidden.pid")
    with pytest.raises(DatabaseTrouble, match="Processes of an earlier server still use"):
        server.start()

    (home / "hidden.pid").rename(running.data_dir / "postmaster.pid")
    assert server.status().pid == running.pid


START = """
import sys
from pathlib import Path
from infra.postgres import Server
running = Server(Path(sys.argv[1]), profile="test").start()
print(running.pid, running.started)
"""


def test_of_two_starters_at_once_one_starts_and_the_other_finds(home: Path) -> None:
    command = [sys.executable, "-c", START, str(home)]
    starters = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]

    said = [starter.communicate(timeout=120)[0].split() for starter in starters]

    pids, started = zip(*said, strict=True)
    assert pids[0] == pids[1]
    assert sorted(started) == ["False", "True"]


def test_who_waits_too_long_for_another_starter_is_told_so(tmp_path: Path) -> None:
    lock = tmp_path / "lock"

    with (
        file_lock(lock, seconds=1),
        pytest.raises(DatabaseTrouble, match="Another program has been starting or stopping"),
        file_lock(lock, seconds=0.1),
    ):
        pass


def test_a_folder_left_by_an_interrupted_set_up_is_made_anew(home: Path) -> None:
    half = home / "pg18.init"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n")

    running = Server(home, profile="test").start()

    assert running.started
    assert not half.exists()


def test_a_half_made_data_folder_is_refused_in_a_sentence(home: Path) -> None:
    half = home / "pg18"
    half.mkdir(parents=True)
    (half / "base").mkdir()

    with pytest.raises(DatabaseTrouble, match=r"is only half made or damaged .*: move it away or delete it"):
        Server(home).start()

    shutil.rmtree(half)


def test_data_of_another_major_version_are_refused_in_a_sentence(home: Path) -> None:
    other = home / "pg18"
    (other / "global").mkdir(parents=True)
    (other / "global" / "pg_control").touch()
    (other / "PG_VERSION").write_text("15\n")

    with pytest.raises(DatabaseTrouble, match=r"was made by PostgreSQL 15, but the programs in .* are version 18"):
        Server(home).start()

    shutil.rmtree(other)


def test_data_whose_version_is_not_installed_are_not_left_aside_for_an_empty_database(home: Path) -> None:
    old = home / "pg99"
    old.mkdir(parents=True)
    (old / "PG_VERSION").write_text("99\n")

    with pytest.raises(DatabaseTrouble, match="holds a PostgreSQL 99 database, but only PostgreSQL"):
        Server(home).start()

    shutil.rmtree(old)


def test_without_any_postgresql_the_sentence_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("infra.postgres.binaries._folders", lambda: iter(()))

    with pytest.raises(DatabaseTrouble, match=r"run `make setup`.*install PostgreSQL.*set DATABASE_URL"):
        find_binaries()


@pytest.mark.skipif(not list(Path("/usr/lib/postgresql").glob("*/bin")), reason="none is installed here")
async def test_without_the_embedded_one_the_postgresql_of_the_machine_serves(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("infra.postgres.binaries.importlib.util.find_spec", lambda _: None)
    server = Server(home, profile="test")

    running = server.start()

    assert running.binaries.is_relative_to("/usr/lib/postgresql")
    assert await ask(running.app_url, "SELECT upper('äöü')") == "ÄÖÜ"
    server.destroy()


def test_a_folder_that_cannot_be_made_is_refused_in_a_sentence() -> None:
    with pytest.raises(DatabaseTrouble, match="The folder /proc/storekeeper cannot be made"):
        Server(Path("/proc/storekeeper")).start()


def test_a_port_in_use_is_refused_in_a_sentence(home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        with pytest.raises(DatabaseTrouble, match=rf"Port {port} on 127.0.0.1 is already in use"):
            Server(home, profile="test", port=port).start()


def test_a_remembered_port_that_is_taken_is_given_up_for_another(home: Path) -> None:
    server = Server(home, profile="test")
    before = server.start()
    server.stop()

    with socket.create_server(("127.0.0.1", before.port)):
        after = server.start()

    assert after.port != before.port


def test_a_missing_password_is_refused_in_a_sentence_and_leaves_no_server(home: Path) -> None:
    server = Server(home, profile="test")
    server.start()
    server.stop()
    password = home / "pg18.postgres.password"
    kept_aside = password.read_text()
    password.unlink()

    with pytest.raises(DatabaseTrouble, match=r"password of the database in .* is missing"):
        server.start()

    assert server.status().state == "stopped"
    password.write_text(kept_aside)


DISK_FULL = 'initdb: error: could not write to file "pg_wal/xlogtemp.29": No space left on device'


def test_a_full_disk_is_told_in_a_sentence(tmp_path: Path) -> None:
    said = explain(DISK_FULL, home=tmp_path, port=None)

    assert said == (
        f"PostgreSQL did not start: the disk that holds {tmp_path} is full: free some space and start again."
    )


def test_a_disk_with_little_room_is_not_begun_to_be_filled(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("infra.postgres.cluster._ROOM_NEEDED", 1 << 60)

    with pytest.raises(DatabaseTrouble, match=r"has \d+ MB left and a new database needs"):
        Server(home).start()


@pytest.mark.skipif(not is_root, reason="only root has to become somebody else")
class TestAsRoot:
    def test_where_no_account_can_enter_the_server_runs_in_a_user_namespace(self, home: Path) -> None:
        home.parent.chmod(0o700)
        if not _can_unshare():
            pytest.skip("this system allows no user namespaces")

        running = Server(home, profile="test").start()

        assert running.data_dir == home / "pg18"
        assert running.data_dir.stat().st_uid == 0
        assert stat.S_IMODE(home.parent.stat().st_mode) == 0o700

    def test_where_that_is_forbidden_the_server_runs_from_a_copy(
        self, home: Path, open_folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        home.parent.chmod(0o700)
        elsewhere = open_folder / "storekeeper"
        monkeypatch.setattr("infra.postgres.runner._FALLBACK_HOME", elsewhere)
        monkeypatch.setattr("infra.postgres.runner.shutil.which", lambda _: "/bin/false")
        server = Server(home, profile="test")

        running = server.start()
        found = server.start()

        assert running.data_dir.is_relative_to(elsewhere)
        assert running.data_dir.stat().st_uid != 0
        assert found.pid == running.pid
        server.destroy()
        assert not running.data_dir.exists()

    def test_where_an_account_can_enter_the_server_runs_as_that_account(self, open_folder: Path) -> None:
        server = Server(open_folder / "data", profile="test")
        try:
            running = server.start()

            assert psutil.Process(running.pid).uids().effective == running.data_dir.stat().st_uid != 0
        finally:
            server.destroy()


def _can_unshare() -> bool:
    return subprocess.run(["unshare", "--user", "--map-user=65534", "true"], check=False).returncode == 0
