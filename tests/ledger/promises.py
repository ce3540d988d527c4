"""One line of JSON for each promise that a test has shown, with its figures."""

import json

import pytest

_SHOWN: list[str] = []


def show(promise: str, **figures: object) -> None:
    """Say what was measured; the lines stand together at the end of the run as well."""
    line = json.dumps({"promise": promise, **figures}, default=str)
    print(line)
    _SHOWN.append(line)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """For a conftest to import."""
    if _SHOWN:
        terminalreporter.section("promises")
    while _SHOWN:
        terminalreporter.write_line(_SHOWN.pop(0))
