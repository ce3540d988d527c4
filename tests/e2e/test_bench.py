"""The benchmark still measures. What it measures is a machine's, so no figure is asked for here."""

import subprocess
import sys
from pathlib import Path

import msgspec


def test_a_short_benchmark_reports_ratios_and_right_books(tmp_path: Path) -> None:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "tests.bench", "--quick", "--sizes=1000", "--seconds=0.5"),
            "--connections=8",
            *("--scenario=me", "--scenario=adjust-spread", "--scenario=check", "--scenario=reserve-hot"),
            "--scenario=request-flow",
            f"--out={tmp_path}",
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=600,  # it measures while other tests run
    )

    assert done.returncode == 0, done.stderr
    report = msgspec.json.decode((tmp_path / "report.json").read_bytes())
    cells = {cell["scenario"]: cell for cell in report["measured"]["cells"]}
    assert set(cells) == {"me", "adjust-spread", "check", "reserve-hot", "request-flow"}
    assert all(cell["ratio"] > 0 for name, cell in cells.items() if name != "request-flow")
    assert cells["me"]["statements"] == 0
    assert cells["adjust-spread"]["statements"] == 1
    assert cells["check"]["statements"] == 2
    assert all(size["checked"]["unequal_lines"] == 0 for size in report["measured"]["sizes"])
    assert all(size["checked"]["unequal_claims"] == 0 for size in report["measured"]["sizes"])
    assert "| ratio |" in (tmp_path / "report.md").read_text()
    assert (tmp_path / "report.png").stat().st_size > 0
