"""What the code never does, whatever it is asked: read off its syntax."""

import ast
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SERVED = sorted(path for folder in ("app", "domain", "infra") for path in (ROOT / folder).rglob("*.py"))

RUNS_DATA = {
    *("eval()", "exec()", "compile()", "__import__()"),
    *("pickle", "marshal", "shelve", "dill", "yaml", "jinja2", "mako"),
}
"""What would make code, objects or templates of data."""
PARSES_XML = {"xml", "lxml", "xmltodict"}
SPEAKS_TO_OTHERS = {
    *("aiohttp", "http.client", "httpx", "requests", "urllib.request", "urllib3", "boto3", "ftplib", "telnetlib"),
    *("imaplib", "poplib", "smtplib", "ldap", "ldap3", "memcache", "pymemcache", "redis", "paramiko"),
}
"""What would connect to an address of somebody's choice; the database and OTLP are not spoken to through these."""
WEAK = {"md5", "sha1", "DES", "ARC4", "Crypto", "cryptography", "ssl"}
"""Hashes that are broken, and ciphers, of which there are none."""
COURIER = "infra/webhooks/courier.py"
"""The one place that calls addresses of users' choice, after it has looked at them (tests/e2e/webhooks)."""
CHANCE = {
    "app/http/acts.py",
    "domain/webhooks/delivering.py",
    "infra/db/errors.py",
    "infra/demo",
    "infra/doctor/examination.py",
    "infra/jobs/runner.py",
    "infra/jobs/schedules.py",
    "infra/stock_requests/followups.py",
}
"""Where chance that can be guessed will do: pauses before a retry, a sample, a demo."""


@cache
def names(path: Path) -> frozenset[str]:
    """All that a module imports, and what it calls: by its name `eval()`, or dotted `hashlib.sha1`."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Call):
            found.add(called(node))
    return frozenset(found)


def called(call: ast.Call) -> str:
    match call.func:
        case ast.Name(id=name):
            return f"{name}()"
        case ast.Attribute(value=ast.Name(id=module), attr=name):
            return f"{module}.{name}"
        case ast.Attribute(attr=name):
            return f".{name}"
        case _:
            return ""


def users_of(forbidden: set[str]) -> set[str]:
    return {
        f"{path.relative_to(ROOT)}: {name}"
        for path in SERVED
        for name in names(path)
        if name in forbidden or any(name.startswith(f"{module}.") for module in forbidden)
    }


@pytest.mark.parametrize(
    "forbidden", [RUNS_DATA, PARSES_XML, SPEAKS_TO_OTHERS], ids=["runs data", "parses XML", "speaks to others"]
)
def test_the_code_never(forbidden: set[str]) -> None:
    assert {user for user in users_of(forbidden) if not user.startswith(COURIER)} == set()


def test_one_place_calls_addresses_of_users_choice() -> None:
    assert {user.partition(":")[0] for user in users_of({"httpx"})} == {COURIER}


def test_no_hash_that_is_broken_and_no_cipher_is_used() -> None:
    used = users_of({*WEAK, *(f"hashlib.{name}" for name in WEAK)})

    assert used <= {f"{COURIER}: ssl"}  # it names the type of what httpx checks certificates with


def test_secrets_come_from_the_operating_system_and_chance_serves_nothing_else() -> None:
    used = {user.partition(":")[0] for user in users_of({"random"})}

    assert {path for path in used if not any(path.startswith(known) for known in CHANCE)} == set()
    assert "domain/access/credentials.py: secrets" in users_of({"secrets"})


def test_programs_are_started_without_a_shell() -> None:
    shells = {"os.system", "os.popen", "asyncio.create_subprocess_shell", "subprocess.getoutput"}

    assert users_of(shells) == set()
    assert [path for path in SERVED if "shell=True" in path.read_text()] == []


def test_what_a_web_request_reaches_starts_no_program() -> None:
    inside = [
        p
        for p in SERVED
        if p.is_relative_to(ROOT / "app" / "http") or p.is_relative_to(ROOT / "app" / "session_api")
    ]

    assert inside
    assert not [path for path in inside if "subprocess" in names(path)]


def test_a_forbidden_name_would_be_seen(tmp_path: Path) -> None:
    sample = tmp_path / "sample.py"
    sample.write_text("import pickle\nfrom hashlib import md5\nimport random as r\neval('1')\nhashlib.sha1(b'')\n")

    assert {"pickle", "hashlib.md5", "random", "eval()", "hashlib.sha1"} <= names(sample)
