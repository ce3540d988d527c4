"""One line of JSON for each promise that a test has shown, with its figures."""

import json
import os
import tempfile
from pathlib import Path

import pytest

SHARED = "PROMISES_FILE"
"""Where the lines are gathered, since tests may run in several processes: each inherits the name."""


def show(promise: str, **figures: object) -> None:
    """Say what was measured; the lines stand together at the end of the run as well."""
    line = json.dumps({"promise": promise, **figures}, default=str)
    print(line)
    if SHARED in os.environ:
        with Path(os.environ[SHARED]).open("a", encoding="utf-8") as shared:
            shared.write(f"{line}\n")


def pytest_configure(config: pytest.Config) -> None:
    """For the root's conftest to import."""
    if not hasattr(config, "workerinput"):
        handle, os.environ[SHARED] = tempfile.mkstemp(prefix="promises-")
        os.close(handle)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """For the root's conftest to import. Workers of a run have a terminal, too, which nobody sees."""
    if hasattr(terminalreporter.config, "workerinput"):
        return
    path = Path(os.environ.pop(SHARED))
    lines = path.read_text(encoding="utf-8").splitlines()
    path.unlink()
    if lines:
        terminalreporter.section("promises")
    for line in lines:
        terminalreporter.write_line(line)
