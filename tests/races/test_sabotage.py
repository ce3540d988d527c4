"""Each race test is red against a ledger without the guard that it is about."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.races.sabotage import SABOTAGES

HERE = Path(__file__).parent
FAILED = 1

pytestmark = pytest.mark.long


@pytest.mark.parametrize(
    ("sabotage", "module"),
    [(name, module) for name, sabotage in SABOTAGES.items() for module in sabotage.red.split()],
)
def test_a_guard_taken_out_is_noticed(sabotage: str, module: str) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-m", "not long", "-p", "no:cacheprovider"]
    environment = {**os.environ, "STOREKEEPER_SABOTAGE": sabotage}

    ended = subprocess.run(
        [*command, HERE / module], env=environment, capture_output=True, text=True, timeout=300, check=False
    )

    assert ended.returncode == FAILED, ended.stdout
    assert f"FAILED tests/races/{module}" in ended.stdout, ended.stdout  # and not an error on the way to it
