"""The command line and the server processes that it minds, as a person and a script meet them."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import asyncpg
import httpx
import psutil
import pytest

from infra.postgres import Running
from infra.postgres.cluster import SUPERUSER
from tests.lab import DatabaseUrls, Served, a_free_port, execute, serve

# Compiled modules make each start seconds quicker.
BASE = {**os.environ, "PYTHONDONTWRITEBYTECODE": ""}
PASSWORD = "s3cret-of-the-database"


def storekeeper(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command line as a person does."""
    return subprocess.run(
        [sys.executable, "-m", "app", *arguments],
        env={**BASE, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def named(urls: DatabaseUrls) -> dict[str, str]:
    return {"DATABASE_URL": urls.app_url, "DATABASE_ADMIN_URL": urls.admin_url}


def eventually(holds: Callable[[], bool], *, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def is_listening(port: int) -> bool:
    with closing(socket.socket()) as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def own_data(tmp_path: Path) -> Iterator[dict[str, str]]:
    """Settings of an installation of its own, with the embedded server."""
    environment = {"STOREKEEPER_DATA": str(tmp_path / "data"), "DATABASE_URL": "", "DATABASE_ADMIN_URL": ""}
    yield environment
    storekeeper("db", "delete", "--yes", **environment)


@pytest.fixture
def empty_database(cluster: Running) -> Iterator[DatabaseUrls]:
    """A database without any table."""
    name = f"empty_{os.getpid()}"
    execute(cluster, f"CREATE DATABASE {name}")
    yield DatabaseUrls(
        name=name,
        admin_url=cluster.url(role=SUPERUSER, database=name),
        app_url=cluster.url(role="storekeeper_app", database=name),
    )
    execute(cluster, f"DROP DATABASE {name} WITH (FORCE)")


def test_help_teaches_each_command_and_the_exit_codes() -> None:
    said = storekeeper("--help").stdout

    assert all(
        f"\n  {command} " in said for command in ("db", "demo", "ledger", "migrate", "run", "serve", "settings")
    )
    assert "Exit codes: 0 all is well; 1 what was checked is not so; 2 wrong usage or settings;" in said


@pytest.mark.parametrize("command", ["serve", "run", "demo", "migrate", "ledger verify", "db start", "db shell"])
def test_the_help_of_a_command_shows_lines_to_copy(command: str) -> None:
    said = storekeeper(*command.split(), "--help").stdout

    assert f"Examples:\n    storekeeper {command}" in said.replace("DATABASE_URL=$(", "")


def test_settings_are_listed_without_passwords() -> None:
    url = f"postgresql://clerk:{PASSWORD}@db/stock"

    said = storekeeper("settings", DATABASE_URL=url)
    for_a_script = storekeeper("settings", "--json", DATABASE_URL=url)

    assert said.returncode == 0
    assert "DATABASE_URL=postgresql://clerk:***@db/stock" in said.stdout
    assert PASSWORD not in said.stdout + for_a_script.stdout
    assert {"name": "STOREKEEPER_PORT", "value": "8000"}.items() <= next(
        row for row in json.loads(for_a_script.stdout) if row["name"] == "STOREKEEPER_PORT"
    ).items()


FOREIGN = {"DATABASE_URL": "postgresql://db/stock"}
WRONG = [
    pytest.param(["nonsense"], {}, "No such command 'nonsense'.", id="no such command"),
    pytest.param(["serve", "--port", "0"], {}, "STOREKEEPER_PORT is '0'; it must be", id="out of bounds"),
    pytest.param(["settings"], {"STOREKEEPER_WORKER": "2"}, "mean STOREKEEPER_WORKERS?", id="a misspelt setting"),
    pytest.param(["db", "stop"], FOREIGN, "not Storekeeper's to stop", id="a server that is not ours"),
]


@pytest.mark.parametrize(("arguments", "environment", "sentence"), WRONG)
def test_wrong_usage_ends_with_2_and_a_sentence(
    arguments: list[str], environment: dict[str, str], sentence: str
) -> None:
    ended = storekeeper(*arguments, **environment)

    assert ended.returncode == 2
    assert sentence in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_database_that_does_not_answer_ends_with_3_and_a_sentence_without_the_password() -> None:
    url = f"postgresql://clerk:{PASSWORD}@127.0.0.1:{a_free_port()}/stock"

    ended = storekeeper("migrate", DATABASE_URL=url)

    assert ended.returncode == 3
    assert ended.stderr.startswith("Error: The database that DATABASE_URL names (127.0.0.1:")
    assert PASSWORD not in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_taken_port_ends_with_3_and_a_sentence_before_anything_is_started(own_data: dict[str, str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        ended = storekeeper("run", "--port", str(port), **own_data)

    assert ended.returncode == 3
    assert ended.stderr.startswith(f"Error: Port {port} on 127.0.0.1 is already in use")
    assert not Path(own_data["STOREKEEPER_DATA"], "pg18").exists()


def test_a_host_that_is_not_ours_ends_with_3_and_a_sentence() -> None:
    ended = storekeeper("serve", "--host", "192.0.2.1")

    assert ended.returncode == 3
    assert ended.stderr == "Error: 192.0.2.1 is not an address of this machine: set STOREKEEPER_HOST.\n"


def test_the_embedded_server_is_started_found_and_stopped(own_data: dict[str, str]) -> None:
    before = storekeeper("db", "status", **own_data)
    first = json.loads(storekeeper("db", "start", "--json", **own_data).stdout)
    second = json.loads(storekeeper("db", "start", "--json", **own_data).stdout)
    running = storekeeper("db", "status", "--json", **own_data)
    stopped = storekeeper("db", "stop", **own_data)
    after = storekeeper("db", "status", "--json", **own_data)

    assert (before.returncode, running.returncode, after.returncode) == (1, 0, 1)
    assert (first["started"], second["started"]) == (True, False)
    assert first["databaseUrl"] == second["databaseUrl"]
    assert json.loads(running.stdout)["pid"] == first["pid"]
    assert stopped.stdout == "The database is stopped.\n"
    assert json.loads(after.stdout)["state"] == "stopped"


def test_the_shell_opens_the_database_as_whom_one_asks_for(database_urls: DatabaseUrls) -> None:
    question = ["--", "--no-align", "--tuples-only", "--command=SELECT current_user"]

    owner = storekeeper("db", "shell", *question, **named(database_urls))
    application = storekeeper("db", "shell", "--as-app", *question, **named(database_urls))

    assert owner.stdout == "postgres\n"
    assert application.stdout == "storekeeper_app\n"


def test_serving_a_database_without_tables_ends_with_3_and_says_what_to_do(empty_database: DatabaseUrls) -> None:
    ended = storekeeper("serve", "--port", str(a_free_port()), **named(empty_database))

    assert ended.returncode == 3
    assert ended.stderr.endswith("run `storekeeper migrate`.\n")
    assert "Traceback" not in ended.stderr


def test_migrating_makes_a_database_fit_to_serve(empty_database: DatabaseUrls) -> None:
    migrated = storekeeper("migrate", **named(empty_database))

    assert migrated.returncode == 0
    with serve(empty_database, workers=1) as served:
        assert httpx.get(f"{served.url}/ready").json() == {"status": "ready"}


async def test_the_check_of_the_books_ends_with_0_while_they_agree_and_with_1_when_not(
    database_urls: DatabaseUrls,
) -> None:
    clean = storekeeper("ledger", "verify", "--json", **named(database_urls))
    owner = await asyncpg.connect(database_urls.admin_url)
    try:
        await owner.execute(FORGED)
        forged = storekeeper("ledger", "verify", **named(database_urls))
    finally:
        await owner.execute(UNFORGED)
        await owner.close()

    assert clean.returncode == 0
    assert json.loads(clean.stdout)["drift_count"] == 0
    assert forged.returncode == 1
    assert "\nDrift: " in forged.stdout


# A balance that no movement explains; the superuser alone can write one, and only with the walls down.
FORGED = """
    SET session_replication_role = replica;
    INSERT INTO tenants (id, slug, name) VALUES ('01890000-0000-7000-8000-000000000000', 'forged', 'Forged');
    INSERT INTO stock_lines (tenant_id, id, product_id, location_id, bin_id, lot_id, on_hand)
        SELECT id, id, id, id, id, id, 5 FROM tenants WHERE slug = 'forged'
"""
UNFORGED = "DELETE FROM stock_lines; DELETE FROM tenants WHERE slug = 'forged'"


async def test_a_request_under_way_is_answered_before_the_server_ends(database_urls: DatabaseUrls) -> None:
    owner = await asyncpg.connect(database_urls.admin_url)
    try:
        with serve(database_urls, workers=1) as served:
            answers: list[int] = []
            gate = owner.transaction()
            await gate.start()
            await owner.execute("LOCK TABLE alembic_version IN ACCESS EXCLUSIVE MODE")
            asking = threading.Thread(
                target=lambda: answers.append(httpx.get(f"{served.url}/ready", timeout=30).status_code)
            )
            asking.start()
            while not await owner.fetchval(  # noqa: ASYNC110 - PostgreSQL tells no one of a waiter
                "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'alembic_version'::regclass"
            ):
                await asyncio.sleep(0.02)

            served.process.terminate()
            eventually(lambda: any("Shutting down" in entry["event"] for entry in served.entries()))
            await gate.rollback()
            asking.join()
            code = served.process.wait(30)

        assert answers == [200]
        assert code == 0
    finally:
        await owner.close()


def test_a_killed_worker_is_replaced(served: Served) -> None:
    before = set(served.workers())

    os.kill(min(before), signal.SIGKILL)
    eventually(lambda: len(set(served.listening()) - before) == 1)

    assert httpx.get(f"{served.url}/health", timeout=30).is_success


def test_figures_are_those_of_all_workers_together(served: Served) -> None:
    name = 'storekeeper_http_requests_total{method="GET",route="/health",status="200"}'

    def counted() -> float:
        text = httpx.get(f"{served.url}/metrics").text
        return sum(float(line.split()[-1]) for line in text.splitlines() if line.startswith(name))

    before = counted()
    for _ in range(40):  # each on a connection of its own, so that both workers get some
        httpx.get(f"{served.url}/health")

    assert counted() == before + 40


def test_workers_do_not_outlive_the_process_that_minds_them(database_urls: DatabaseUrls) -> None:
    with serve(database_urls, workers=2) as served:
        workers = served.workers()
        port = int(served.url.rpartition(":")[2])

        served.process.kill()
        served.process.wait()

        eventually(lambda: not any(_is_alive(pid) for pid in workers))
        assert not is_listening(port)


def _is_alive(pid: int) -> bool:
    return psutil.pid_exists(pid) and bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)


def test_uvicorn_serves_as_well(database_urls: DatabaseUrls) -> None:
    with serve(database_urls, workers=1, environment={"STOREKEEPER_SERVER": "uvicorn"}) as served:
        assert httpx.get(f"{served.url}/health").headers.get("server") is None


def test_run_makes_everything_serves_and_leaves_nothing_running(own_data: dict[str, str], tmp_path: Path) -> None:
    starts = [run_until_interrupted(own_data, tmp_path / f"run{number}.log") for number in (1, 2)]

    for code, said in starts:
        assert code == 0
        assert "Storekeeper serves on http://127.0.0.1:" in said
    assert json.loads(storekeeper("db", "status", "--json", **own_data).stdout)["state"] == "stopped"


def run_until_interrupted(environment: dict[str, str], log: Path) -> tuple[int, str]:
    """`run` until it is ready, then Ctrl-C as a terminal sends it: to all of its processes."""
    port = a_free_port()
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "app", "run", "--no-demo", "--port", str(port)],
            env={**BASE, **environment},
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        eventually(lambda: is_listening(port), seconds=60)
        httpx.get(f"http://127.0.0.1:{port}/ready", timeout=30).raise_for_status()
        os.killpg(process.pid, signal.SIGINT)
        return process.wait(60), log.read_text()
    finally:
        process.kill()
        process.wait()
