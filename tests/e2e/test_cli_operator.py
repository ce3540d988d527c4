"""Tenants, people and keys from the command line, and what a running server makes of it."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.lab import DatabaseUrls, Served

PASSWORD = "violin harbour teacup 47"
ANOTHER = "lantern 86 mosaic turnip"


class Terminal:
    """The command line on a database, as a script uses it."""

    def __init__(self, **environment: str) -> None:
        self._named = environment

    def run(self, *arguments: str, says: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "app", *arguments],
            env={**os.environ, **self._named, "PYTHONDONTWRITEBYTECODE": ""},
            input=says,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def __call__(self, *arguments: str, says: str = "") -> str:
        """What it prints; it must end well."""
        ended = self.run(*arguments, says=says)
        assert ended.returncode == 0, ended.stderr
        return ended.stdout.strip()

    def refused(self, *arguments: str, says: str = "") -> str:
        """The sentence with which it refuses; never a traceback."""
        ended = self.run(*arguments, says=says)
        assert ended.returncode == 2, ended.stderr
        assert "Traceback" not in ended.stderr
        return ended.stderr


@pytest.fixture(scope="module")
def terminal(database_urls: DatabaseUrls) -> Terminal:
    return Terminal(DATABASE_URL=database_urls.app_url, DATABASE_ADMIN_URL=database_urls.admin_url)


@pytest.fixture(scope="module")
def acme(terminal: Terminal) -> str:
    """A tenant with an administrator."""
    terminal("tenant", "create", "acme", "--name", "Acme Ltd", "--pack", "retail")
    terminal(
        *("user", "create", "ann@acme.example", "--name", "Ann", "--tenant", "acme", "--role", "admin"),
        says=PASSWORD + "\n",
    )
    return "acme"


def log_in(served: Served, password: str) -> httpx.Response:
    credentials = {"email": "ann@acme.example", "password": password}
    return httpx.post(f"{served.url}/api/auth/login", json=credentials, timeout=30)


def test_a_key_from_the_command_line_opens_the_door_until_it_is_rotated_and_revoked(
    terminal: Terminal, acme: str, served: Served
) -> None:
    made = json.loads(terminal("key", "create", "ERP", "--tenant", acme, "--scope", "inventory.read", "--json"))

    def read(key: str) -> httpx.Response:
        return httpx.get(f"{served.url}/api/inventory", headers={"Authorization": f"Bearer {key}"}, timeout=30)

    assert read(made["key"]).status_code == 200
    successor = terminal("key", "rotate", made["id"], "--tenant", acme)
    assert read(successor).status_code == read(made["key"]).status_code == 200
    terminal("key", "revoke", made["id"], "--tenant", acme)
    assert read(made["key"]).status_code == 401
    assert read(successor).status_code == 200
    assert terminal.run("key", "revoke", made["id"], "--tenant", acme).returncode == 1
    listed = json.loads(terminal("key", "list", "--tenant", acme, "--json"))
    assert [(row["name"], row["state"]) for row in listed] == [("ERP", "revoked"), ("ERP", "active")]
    assert made["key"] not in json.dumps(listed)


def test_a_person_is_let_in_locked_out_and_given_another_password(
    terminal: Terminal, acme: str, served: Served
) -> None:
    session = log_in(served, PASSWORD)

    def who() -> httpx.Response:
        return httpx.get(f"{served.url}/api/auth/me", cookies=session.cookies, timeout=30)

    assert session.status_code == who().status_code == 200
    terminal("user", "password", "ann@acme.example", says=ANOTHER + "\n")
    assert who().status_code == 401
    assert log_in(served, PASSWORD).status_code == 401
    session = log_in(served, ANOTHER)
    assert who().status_code == 200
    terminal("user", "disable", "ann@acme.example", "--tenant", acme)
    assert who().status_code == 401
    terminal("user", "enable", "ann@acme.example", "--tenant", acme)
    session = log_in(served, ANOTHER)
    assert who().status_code == 200
    terminal("tenant", "disable", acme)
    assert who().status_code == 401
    terminal("tenant", "enable", acme)
    assert log_in(served, ANOTHER).status_code == 200


def test_roles_are_given_and_taken(terminal: Terminal, acme: str) -> None:
    terminal(
        *("user", "create", "bob@acme.example", "--name", "Bob", "--tenant", acme, "--role", "viewer"),
        says=PASSWORD,
    )
    terminal("user", "grant", "bob@acme.example", "counter", "--tenant", acme)
    take = ["user", "revoke", "bob@acme.example", "viewer", "--tenant", acme]
    terminal(*take)

    assert "does not hold that" in terminal.refused(*take)
    assert "bob@acme.example  active  Bob   counter" in terminal("user", "list", "--tenant", acme)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["tenant", "create", "Acme & Co"], "a tenant is named in addresses"),
        (["tenant", "create", "acme"], "There is a tenant 'acme' already."),
        (["key", "list", "--tenant", "ghost"], "There is no tenant 'ghost'"),
        (["user", "create", "cat@acme.example", "--name", "\x07"], "must not have control characters"),
        (["user", "create", "cat@acme.example", "--name", "Cat", "--tenant", "acme"], "belong together"),
        (["user", "grant", "ann@acme.example", "emperor", "--tenant", "acme"], "No such role"),
        (["key", "create", "K", "--tenant", "acme", "--scope", "everything"], "'everything' is not one of"),
        (["key", "rotate", "01890000-0000-7000-8000-000000000000", "--tenant", "acme"], "No such key"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_a_sentence(
    terminal: Terminal, acme: str, arguments: list[str], sentence: str
) -> None:
    assert sentence in terminal.refused(*arguments, says=PASSWORD)


def test_a_password_must_come_and_be_long_enough(terminal: Terminal, acme: str) -> None:
    make = ["user", "create", "dan@acme.example", "--name", "Dan"]

    assert "No password came" in terminal.refused(*make)
    assert "The password must have at least 15" in terminal.refused(*make, says="short\n")
    assert "The password is too easily guessed" in terminal.refused(*make, says="dan@acme.example 12345\n")


@pytest.mark.parametrize(
    "command",
    [
        "tenant create",
        "user create",
        "user password",
        "key create",
        "key rotate",
        "db backup",
        "db restore",
        "doctor",
    ],
)
def test_the_help_of_a_command_shows_lines_to_copy(terminal: Terminal, command: str) -> None:
    assert f"storekeeper {command}" in terminal(*command.split(), "--help").partition("Examples:")[2]


@pytest.fixture
def folder() -> Iterator[Path]:
    """One that other accounts can enter: as root, the server runs as one."""
    folder = Path(tempfile.mkdtemp(prefix="storekeeper-cli-", dir="/var/tmp"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def at_home(folder: Path) -> Iterator[Terminal]:
    """The command line of an installation with an embedded server that archives its log."""
    home = Terminal(
        DATABASE_URL="",
        DATABASE_ADMIN_URL="",
        STOREKEEPER_DATA=str(folder / "data"),
        STOREKEEPER_DB_ARCHIVE=str(folder / "log"),
    )
    yield home
    home("db", "delete", "--yes")


def test_a_backup_is_restored_beside_the_server_that_goes_on_and_a_damaged_one_is_not(
    at_home: Terminal, folder: Path
) -> None:
    copy, new = str(folder / "copy"), str(folder / "new")
    at_home("db", "start")
    at_home("migrate")
    at_home("tenant", "create", "before")
    taken = json.loads(at_home("db", "backup", copy, "--json"))
    at_home("tenant", "create", "after")
    moment = taken["finishedAt"]

    as_of_then = json.loads(at_home("db", "restore", copy, "--to", new, "--at", moment, "--json"))
    theirs = Terminal(DATABASE_URL="", DATABASE_ADMIN_URL="", STOREKEEPER_DATA=new)
    assert [row["slug"] for row in json.loads(theirs("tenant", "list", "--json"))] == ["before"]
    assert as_of_then["ledger"]["drift_count"] == 0
    Path(copy, "base", "global", "pg_control").unlink()
    damaged = at_home.run("db", "restore", copy, "--to", str(folder / "never"))
    assert damaged.returncode == 1
    assert "is damaged" in damaged.stderr
    found = {one["check"]: one["verdict"] for one in json.loads(at_home("doctor", "--json"))}
    assert found["archive"] == found["durability"] == found["ledger"] == found["settings"] == "OK"


def test_doctor_ends_with_1_when_something_is_wrong_and_says_what(terminal: Terminal) -> None:
    ended = terminal.run("doctor")  # of a server for tests, which is not durable

    assert ended.returncode == 1
    assert "FAIL  durability    Off: fsync, full_page_writes, synchronous_commit" in ended.stdout
    assert "Traceback" not in ended.stderr


def test_doctor_reports_settings_that_are_wrong_and_a_server_that_is_away() -> None:
    wrong = Terminal(STOREKEEPER_PORT="0").run("doctor")
    away = Terminal(DATABASE_URL="postgresql://clerk:s3cret@127.0.0.1:1/stock").run("doctor")

    assert (wrong.returncode, away.returncode) == (1, 1)
    assert "FAIL  settings      STOREKEEPER_PORT is '0'" in wrong.stdout
    assert "FAIL  server        The database that DATABASE_URL names" in away.stdout
    assert "s3cret" not in away.stdout + away.stderr


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["db", "backup", "/nowhere"], "not Storekeeper's: back it up"),
        (["db", "restore", "/", "--to", "/nowhere", "--at", "yesterday"], "a moment with its zone"),
        (["db", "restore", "/", "--to", "/nowhere", "--at", "2026-11-22T10:00:00"], "a moment with its zone"),
        (["db", "restore", "/nowhere", "--to", "/nowhere"], "does not exist"),
    ],
)
def test_backup_and_restore_refuse_what_cannot_be_meant(
    terminal: Terminal, arguments: list[str], sentence: str
) -> None:
    assert sentence in terminal.refused(*arguments)
