"""The report as a picture: ratios beside their goals, rates over connections, latencies over sizes."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")

from matplotlib import pyplot as plt

from tests.bench.goals import Judged, Table
from tests.bench.runs import Cell

_COLOURS = {"met": "#2a9d5c", "missed": "#d1495b", "not measured": "#bbbbbb"}
_APP, _LIMIT = "#1d4e89", "#999999"


def draw(cells: Sequence[Cell], goals: Sequence[Judged], file: Path) -> None:
    figure, axes = plt.subplots(2, 2, figsize=(15, 11), constrained_layout=True)
    _goals(axes[0][0], goals)
    _rates(axes[0][1], cells, "adjust-spread", "Adjust, random lines")
    _rates(axes[1][0], cells, "adjust-hot", "Adjust, one line")
    _growth(axes[1][1], cells)
    figure.savefig(file, dpi=110)
    plt.close(figure)


def _goals(axis: Any, goals: Sequence[Judged]) -> None:
    """How far each figure is on the right side of its goal: to the right of 1 is better."""
    known = [(goal, reached) for goal in goals if (reached := _reached(goal)) is not None][::-1]
    axis.barh(
        [goal.name for goal, _ in known], [r for _, r in known], color=[_COLOURS[g.verdict] for g, _ in known]
    )
    axis.axvline(1, color="black", linewidth=1)
    if known:
        axis.set_xscale("log")
    axis.tick_params(axis="y", labelsize=7)
    for number, (goal, reached) in enumerate(known):
        axis.text(reached, number, f" {goal.figure:.2f} ({goal.goal})", va="center", fontsize=6)
    axis.set_title("Figures beside their goals (1 = just met)")


def _reached(goal: Judged) -> float | None:
    if not goal.figure:
        return None
    sign, bound = goal.goal.split()[:2]
    return goal.figure / float(bound) if sign == "≥" else float(bound) / goal.figure


def _rates(axis: Any, cells: Sequence[Cell], scenario: str, title: str) -> None:
    largest = max((cell.lines for cell in cells), default=0)
    ours = sorted((c for c in cells if c.scenario == scenario and c.lines == largest), key=lambda c: c.connections)
    for side, label, colour in (("app", "application", _APP), ("limit", "limit (pgbench)", _LIMIT)):
        points = [(c.connections, f.rate) for c in ours if (f := c.figures("app" if side == "app" else "limit"))]
        axis.plot([x for x, _ in points], [y for _, y in points], marker="o", label=label, color=colour)
    axis.set_xscale("log", base=2)
    axis.set_xticks([c.connections for c in ours], [str(c.connections) for c in ours])
    axis.set_ylim(bottom=0)
    axis.set_xlabel("connections")
    axis.set_ylabel("per second")
    axis.set_title(title)
    axis.legend()


def _growth(axis: Any, cells: Sequence[Cell]) -> None:
    table = Table(cells)
    for name in dict.fromkeys(cell.scenario for cell in cells):
        found = [(lines, cell.figures("app")) for lines in table.sizes if (cell := table.cell(name, 8, lines))]
        if len(found) == len(table.sizes) > 1:
            points = [(lines, figures.p50_ms) for lines, figures in found if figures]
            axis.plot([x for x, _ in points], [y for _, y in points], marker="o", label=name)
    axis.set_xscale("log")
    axis.set_ylim(bottom=0)
    axis.set_xlabel("stock lines")
    axis.set_ylabel("p50 ms, 8 connections")
    axis.set_title("Growth")
    if axis.lines:
        axis.legend()
