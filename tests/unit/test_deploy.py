"""The files for production name what there is: settings, commands, addresses, files."""

import configparser
import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from app.cli import storekeeper
from app.http.tracing import QUIET
from app.settings import Settings, load_settings, table

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "infra" / "deploy"
SETTINGS = {row.name for row in table()}
OF_THE_CONTAINER = {"PATH", "PYTHONUNBUFFERED"}
OF_POSTGRES = {"POSTGRES_DB", "POSTGRES_PASSWORD", "APP_PASSWORD"}
"""The image's own, and the one that roles.sh reads."""


@pytest.fixture(scope="module")
def services() -> dict[str, dict[str, Any]]:
    read: dict[str, dict[str, Any]] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
    return read


@pytest.fixture(scope="module")
def unit() -> configparser.SectionProxy:
    parser = configparser.RawConfigParser(delimiters=["="], comment_prefixes=["#"])
    parser.optionxform = str  # type: ignore[assignment, method-assign] # its keys tell capitals apart
    parser.read(DEPLOY / "storekeeper.service")
    return parser["Service"]


def instructions(name: str) -> list[str]:
    """What the container file's last stage says with an instruction."""
    text = (DEPLOY / "Containerfile").read_text().replace("\\\n", " ")
    last = text.rpartition("\nFROM ")[2]
    return re.findall(rf"^{name} +(.+)$", last, flags=re.MULTILINE)


def is_command(*words: str, whole: bool = True) -> bool:
    """Whether these words are a command; with `whole`, one that lacks no argument and has no wrong option."""
    found: click.Command = storekeeper
    rest = list(words)
    while isinstance(found, click.Group):
        found = found.commands[rest.pop(0)]
    found.make_context("storekeeper", rest, resilient_parsing=not whole)
    return True


def accepted(environment: Mapping[str, str]) -> Settings:
    """The settings as the application reads them from these variables."""
    return load_settings({name: value for name, value in environment.items() if name not in OF_THE_CONTAINER})


def without_placeholders(environment: Mapping[str, str]) -> dict[str, str]:
    """The variables with what compose puts in: the default that stands there, else a text."""
    return {
        name: re.sub(r"\$\{\w+(?::[-?]([^}]*))?\}", lambda m: m[1] if m[1] is not None else "x", str(value))
        for name, value in environment.items()
    }


def test_compose_says_only_what_the_application_knows(services: dict[str, dict[str, Any]]) -> None:
    assert set(services) == {"database", "migrate", "app"}
    for name in ("migrate", "app"):
        assert accepted(without_placeholders(services[name]["environment"])).database_url is not None
        assert is_command(*services[name]["command"])
    assert set(services["database"]["environment"]) == OF_POSTGRES
    assert "DATABASE_ADMIN_URL" not in services["app"]["environment"]


def test_compose_gives_every_service_little(services: dict[str, dict[str, Any]]) -> None:
    for service in services.values():
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert service["user"] not in {"root", "0"}
    assert all(port.startswith("127.0.0.1:") for port in services["app"]["ports"])
    assert services["app"]["depends_on"]["migrate"]["condition"] == "service_completed_successfully"


def test_no_password_stands_in_the_files() -> None:
    text = "".join(path.read_text() for path in DEPLOY.iterdir())

    assert re.findall(r"://\w+:(?!\$\{)[^@\s]+@", text) == []


def test_the_container_runs_what_there_is_as_nobody_in_particular() -> None:
    environment = dict(pair.split("=", 1) for line in instructions("ENV") for pair in shlex.split(line))

    assert accepted(environment).is_production
    assert instructions("USER") == ["10001"]
    assert instructions("ENTRYPOINT") == ['["storekeeper"]']
    assert is_command(*yaml.safe_load(instructions("CMD")[-1]))


def test_the_container_is_made_of_files_that_are_there_and_sent() -> None:
    sent = set((ROOT / ".dockerignore").read_text().split())
    copied = re.findall(r"^COPY (?!--)(.+) \S+$", (DEPLOY / "Containerfile").read_text(), flags=re.MULTILINE)
    names = [name for line in copied for name in line.split()]

    assert names
    assert all((ROOT / name).exists() and f"!{name}" in sent for name in names)


def test_health_is_asked_at_an_address_that_there_is(services: dict[str, dict[str, Any]]) -> None:
    asked = [services["app"]["healthcheck"]["test"][-1], (DEPLOY / "Containerfile").read_text()]

    assert all(re.findall(r"127\.0\.0\.1:8000(/\w+)'", text) == ["/ready"] for text in asked)
    assert "/ready" in QUIET


def test_the_unit_says_only_what_the_application_knows(unit: configparser.SectionProxy) -> None:
    program, *words = shlex.split(unit["ExecStart"])
    environment = dict(pair.split("=", 1) for pair in shlex.split(unit["Environment"]))

    assert program == "/opt/storekeeper/.venv/bin/storekeeper"
    assert is_command(*words)
    assert accepted(environment).is_production
    assert unit["User"] != "root"
    assert unit["EnvironmentFile"] == "/etc/storekeeper/storekeeper.env"
    assert unit["ProtectSystem"] == "strict"
    assert unit["CapabilityBoundingSet"] == ""


def test_the_page_names_commands_settings_and_files_that_there_are() -> None:
    page = (DEPLOY / "README.md").read_text()
    prose = " ".join(page.split())

    named = re.findall(r"`storekeeper ((?:[a-z]+ ?)+)`", prose)
    assert named
    for words in named:
        assert is_command(*words.split(), whole=False)
    assert is_command(*re.findall(r"run --rm migrate (\w+ \w+ \w+ --name \w+)", prose)[0].split())
    assert set(re.findall(r"\b(STOREKEEPER_\w+|DATABASE_\w+)", page)) <= SETTINGS
    assert all((ROOT / path).is_file() for path in re.findall(r"\binfra/[\w/.]+\.\w+", page))
    assert len(page.splitlines()) <= 60
