"""Tenants, people and keys from the command line, and what a running server makes of it."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable

import httpx
import pytest

from tests.lab import DatabaseUrls, Served

PASSWORD = "correct horse battery staple"
ANOTHER = "staple battery horse correct"


class Terminal:
    """The command line on a database, as a script uses it."""

    def __init__(self, urls: DatabaseUrls) -> None:
        self._named = {"DATABASE_URL": urls.app_url, "DATABASE_ADMIN_URL": urls.admin_url}

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
    return Terminal(database_urls)


@pytest.fixture(scope="module")
def acme(terminal: Terminal) -> str:
    """A tenant with an administrator."""
    terminal("tenant", "create", "acme", "--name", "Acme Ltd", "--pack", "retail")
    terminal(
        *("user", "create", "ann@acme.example", "--name", "Ann", "--tenant", "acme", "--role", "admin"),
        says=PASSWORD + "\n",
    )
    return "acme"


def eventually(status: int, ask: Callable[[], httpx.Response], *, seconds: float = 20) -> None:
    """The news travels to other processes; soon, not at once."""
    deadline = time.monotonic() + seconds
    while (found := ask().status_code) != status:
        assert time.monotonic() < deadline, found
        time.sleep(0.02)


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
    eventually(401, lambda: read(made["key"]))
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
    eventually(401, who)
    assert log_in(served, PASSWORD).status_code == 401
    session = log_in(served, ANOTHER)
    assert who().status_code == 200
    terminal("user", "disable", "ann@acme.example", "--tenant", acme)
    eventually(401, who)
    terminal("user", "enable", "ann@acme.example", "--tenant", acme)
    session = log_in(served, ANOTHER)
    assert who().status_code == 200
    terminal("tenant", "disable", acme)
    eventually(401, who)
    terminal("tenant", "enable", acme)
    eventually(200, lambda: log_in(served, ANOTHER))


def test_roles_are_given_and_taken(terminal: Terminal, acme: str) -> None:
    terminal("user", "create", "bob@acme.example", "--name", "Bob", says=PASSWORD)
    terminal("user", "grant", "bob@acme.example", "viewer", "--tenant", acme)
    terminal("user", "grant", "bob@acme.example", "counter", "--tenant", acme)
    terminal("user", "revoke", "bob@acme.example", "viewer", "--tenant", acme)

    people = {row["email"]: row for row in json.loads(terminal("user", "list", "--tenant", acme, "--json"))}
    assert people["bob@acme.example"]["grants"] == ["counter"]
    assert people["ann@acme.example"]["grants"] == ["admin"]
    assert "does not hold that" in terminal.refused(
        "user", "revoke", "bob@acme.example", "viewer", "--tenant", acme
    )
    terminal("user", "disable", "bob@acme.example")
    assert "bob@acme.example  disabled  Bob" in terminal("user", "list")
    assert "acme    active" in terminal("tenant", "list")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["tenant", "create", "Acme & Co"], "a tenant is named in addresses"),
        (["tenant", "create", "acme"], "There is a tenant 'acme' already."),
        (["tenant", "disable", "ghost"], "There is no tenant 'ghost'"),
        (["user", "create", "nobody", "--name", "N"], "is not an e-mail address"),
        (["user", "create", "cat@acme.example", "--name", "\x07"], "must not have control characters"),
        (["user", "create", "cat@acme.example", "--name", "Cat", "--tenant", "acme"], "belong together"),
        (["user", "grant", "ann@acme.example", "emperor", "--tenant", "acme"], "No such role"),
        (
            ["user", "grant", "ann@acme.example", "viewer", "--tenant", "acme", "--location", "X"],
            "no location 'X'",
        ),
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
    assert "A password has" in terminal.refused(*make, says="short\n")


@pytest.mark.parametrize("command", ["tenant create", "user create", "user password", "key create", "key rotate"])
def test_the_help_of_a_command_shows_lines_to_copy(terminal: Terminal, command: str) -> None:
    assert f"storekeeper {command} " in terminal(*command.split(), "--help").partition("Examples:")[2]
