"""Laws of the house that no linter can state."""

import re
import tomllib
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

ROOT = Path(__file__).parents[2]

TOP_LEVEL = {
    "CHANGELOG.md",
    "LICENSE",
    "Makefile",
    "README.md",
    "app",
    "domain",
    "infra",
    "migrations",
    "policies",
    "pyproject.toml",
    "tests",
    "uv.lock",
}
MADE_BY_TARGETS = {"bench-report", "dist"}
PUBLIC = {"pypi.org", "files.pythonhosted.org"}


@pytest.fixture(scope="module")
def lock() -> dict[str, Any]:
    return tomllib.loads((ROOT / "uv.lock").read_text())


def hosts(text: str) -> set[str | None]:
    return {urlsplit(address).hostname for address in re.findall(r'https?://[^\s"]+', text)}


def test_the_top_level_holds_what_was_agreed_and_nothing_else() -> None:
    found = {path.name for path in ROOT.iterdir() if not path.name.startswith(".")}

    assert found - MADE_BY_TARGETS == TOP_LEVEL


def test_the_lock_names_public_addresses_only() -> None:
    assert hosts((ROOT / "uv.lock").read_text()) == PUBLIC


def test_a_private_address_in_a_lock_would_be_seen() -> None:
    assert hosts('url = "https://mirror.example:8443/simple/a-1.whl", hash = "x"') == {"mirror.example"}


def test_the_lock_pins_every_file_by_its_hash(lock: dict[str, Any]) -> None:
    files = [
        file
        for package in lock["package"]
        for file in [*package.get("wheels", []), *([package["sdist"]] if "sdist" in package else [])]
    ]

    assert files
    assert all(file["hash"].startswith("sha256:") for file in files)


def test_one_casbin_only_since_two_packages_would_share_a_folder(lock: dict[str, Any]) -> None:
    names = {package["name"] for package in lock["package"]}

    assert "pycasbin" in names
    assert "casbin" not in names


def test_every_target_that_the_readme_names_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    named = set(re.findall(r"\bmake ([a-z]+)\b(?=[ `\n])", (ROOT / "README.md").read_text()))

    assert named
    assert named <= targets


def test_ci_runs_what_a_developer_runs() -> None:
    assert (ROOT / ".ci" / "run").read_text().rstrip().endswith("exec make check")
