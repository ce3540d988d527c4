"""What the figures are to be: ratios within one run, and growth over sizes."""

from collections.abc import Callable, Sequence
from statistics import median
from typing import Literal

import msgspec

from tests.bench.runs import Cell, Side

type Verdict = Literal["met", "missed", "not measured"]

# Measured with other programs on another day, on two cores as well: a bound for the order of magnitude, no more.
# InvenTree 1.x (Django, gunicorn x 2, tuned) and Saleor (GraphQL, uvicorn x 2), 100,000 stock items.
PEER_ADJUST, PEER_LIST, PEER_BULK = 55.0, 21.0, 12.0


class Goal(msgspec.Struct, frozen=True, kw_only=True):
    """A bound on one figure. `figure` is None where what it needs was not measured."""

    name: str
    bound: float
    figure: "Callable[[Table], float | None]"
    at_most: bool = False
    unit: str = ""

    def judged(self, table: "Table") -> "Judged":
        figure = self.figure(table)
        if figure is None:
            verdict: Verdict = "not measured"
        else:
            verdict = "met" if (figure <= self.bound if self.at_most else figure >= self.bound) else "missed"
        sign = "≤" if self.at_most else "≥"
        return Judged(name=self.name, goal=f"{sign} {self.bound:g}{self.unit}", figure=figure, verdict=verdict)


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    goal: str
    figure: float | None
    verdict: Verdict


class Table:
    """The cells by scenario, connections and size."""

    def __init__(self, cells: Sequence[Cell]) -> None:
        self._cells = {(cell.scenario, cell.connections, cell.lines): cell for cell in cells}
        self.sizes = sorted({cell.lines for cell in cells})

    def cell(self, scenario: str, connections: int, lines: int | None = None) -> Cell | None:
        """Without a size, of the largest ledger."""
        if lines is None and self.sizes:
            lines = self.sizes[-1]
        return self._cells.get((scenario, connections, lines or 0))

    def ratio(self, scenario: str, connections: int) -> float | None:
        cell = self.cell(scenario, connections)
        return None if cell is None else cell.ratio

    def rate(self, scenario: str, connections: int, side: Side = "app") -> float | None:
        cell = self.cell(scenario, connections)
        figures = None if cell is None else cell.figures(side)
        return None if figures is None else figures.rate

    def between(self, one: tuple[str, int], other: tuple[str, int]) -> float | None:
        """The rate of one cell over another's, repeat by repeat."""
        return _paired(self.cell(*one), self.cell(*other), lambda run: run.taken.rate)

    def slower(self, one: tuple[str, int], other: tuple[str, int]) -> float | None:
        """The median latency of one cell over another's, repeat by repeat."""
        return _paired(self.cell(*one), self.cell(*other), lambda run: run.taken.p50_ms)

    def tail(self, scenario: str, connections: int) -> float | None:
        cell = self.cell(scenario, connections)
        return None if cell is None else median(run.taken.p99_ms / run.taken.p50_ms for run in cell.runs("app"))

    def kept_mib(self, scenario: str, connections: int) -> float | None:
        """By how much more memory the server had at its height in the last repeat than in the first."""
        cell = self.cell(scenario, connections)
        peaks = [] if cell is None else [run.spent.memory_peak_mib for run in cell.runs("app")]
        return peaks[-1] - peaks[0] if len(peaks) > 1 else None

    def growth(self, scenario: str, connections: int) -> float | None:
        """The median latency on the largest ledger over that on the smallest."""
        if len(self.sizes) < 2:
            return None
        largest = self.cell(scenario, connections, self.sizes[-1])
        return _paired(largest, self.cell(scenario, connections, self.sizes[0]), lambda run: run.taken.p50_ms)


def _paired(one: Cell | None, other: Cell | None, of: Callable[..., float]) -> float | None:
    if one is None or other is None:
        return None
    return median(of(a) / of(b) for a, b in zip(one.runs("app"), other.runs("app"), strict=True))


def _over(value: float | None, by: float) -> float | None:
    return None if value is None else value / by


GOALS = (
    Goal(
        name="adjust, random lines, 8 connections / pgbench",
        bound=0.35,
        figure=lambda t: t.ratio("adjust-spread", 8),
    ),
    Goal(
        name="adjust, random lines, 32 connections / pgbench",
        bound=0.65,
        figure=lambda t: t.ratio("adjust-spread", 32),
    ),
    Goal(name="adjust, one line, 32 connections / pgbench", bound=2, figure=lambda t: t.ratio("adjust-hot", 32)),
    Goal(
        name="adjust, one line, 128 connections / pgbench", bound=15, figure=lambda t: t.ratio("adjust-hot", 128)
    ),
    Goal(
        name="adjust, one line, 128 / 32 connections",
        bound=0.9,
        figure=lambda t: t.between(("adjust-hot", 128), ("adjust-hot", 32)),
    ),
    Goal(
        name="adjust, one line / random lines, 32 connections",
        bound=0.7,
        figure=lambda t: t.between(("adjust-hot", 32), ("adjust-spread", 32)),
    ),
    Goal(
        name="adjust, one line, p99 / p50, 32 connections",
        bound=10,
        at_most=True,
        figure=lambda t: t.tail("adjust-hot", 32),
    ),
    Goal(
        name="adjust, random lines, p99 / p50, 8 connections",
        bound=4,
        at_most=True,
        figure=lambda t: t.tail("adjust-spread", 8),
    ),
    Goal(
        name="stock list, first page, 8 connections / bare", bound=0.85, figure=lambda t: t.ratio("list-first", 8)
    ),
    Goal(
        name="stock list, last page / first page, p50",
        bound=1.3,
        at_most=True,
        figure=lambda t: t.slower(("list-last", 8), ("list-first", 8)),
    ),
    Goal(name="stock list, last page / bare", bound=0.6, figure=lambda t: t.ratio("list-last", 8)),
    Goal(name="movements page, 8 connections / bare", bound=0.6, figure=lambda t: t.ratio("movements", 8)),
    Goal(
        name="ATP matrix page, 8 connections / stock list, first page",
        bound=1.5,
        figure=lambda t: t.between(("atp-page", 8), ("list-first", 8)),
    ),
    Goal(
        name="check of 20 items, 8 connections / bare",
        bound=0.6,
        figure=lambda t: t.ratio("check", 8),
    ),
    Goal(name="empty authenticated GET, 32 connections / bare", bound=0.25, figure=lambda t: t.ratio("me", 32)),
    Goal(
        name="stock list, first page, p50, largest / smallest ledger",
        bound=1.5,
        at_most=True,
        figure=lambda t: t.growth("list-first", 8),
    ),
    Goal(
        name="stock list, last page, p50, largest / smallest ledger",
        bound=1.5,
        at_most=True,
        figure=lambda t: t.growth("list-last", 8),
    ),
    Goal(
        name="movements page, p50, largest / smallest ledger",
        bound=1.5,
        at_most=True,
        figure=lambda t: t.growth("movements", 8),
    ),
    Goal(
        name="ATP matrix page, p50, largest / smallest ledger",
        bound=1.5,
        at_most=True,
        figure=lambda t: t.growth("atp-page", 8),
    ),
    Goal(
        name="check of 20 items, p50, largest / smallest ledger",
        bound=1.5,
        at_most=True,
        figure=lambda t: t.growth("check", 8),
    ),
    Goal(
        name="requests dashboard, p50, largest / smallest ledger",
        bound=2,
        at_most=True,
        figure=lambda t: t.growth("requests-dashboard", 8),
    ),
    Goal(
        name="requests pending, p50, largest / smallest ledger",
        bound=2,
        at_most=True,
        figure=lambda t: t.growth("requests-pending", 8),
    ),
    Goal(name="events, page of 100, 8 connections / bare", bound=0.6, figure=lambda t: t.ratio("events-page", 8)),
    Goal(
        name="events, page of 1,000, 8 connections / bare",
        bound=0.6,
        figure=lambda t: t.ratio("events-page-1000", 8),
    ),
    Goal(
        name="events, page of 100, p50, largest / smallest ledger",
        bound=1.5,
        at_most=True,
        figure=lambda t: t.growth("events-page", 8),
    ),
    Goal(
        name="1,000 quantities in one call / decode and one statement",
        bound=0.6,
        figure=lambda t: t.ratio("bulk-set-1000", 1),
    ),
    Goal(
        name="refresh from CSV / COPY and one statement",
        bound=0.6,
        figure=lambda t: t.ratio("csv-100k", 1),
    ),
    Goal(
        name="refresh from CSV, memory of the server, last repeat / first",
        bound=64,
        at_most=True,
        unit=" MiB more",
        figure=lambda t: t.kept_mib("csv-100k", 1),
    ),
    Goal(
        name="adjust, 8 connections / the best peer",
        bound=50,
        unit=" times",
        figure=lambda t: _over(t.rate("adjust-spread", 8), PEER_ADJUST),
    ),
    Goal(
        name="stock list, 8 connections / the best peer",
        bound=70,
        unit=" times",
        figure=lambda t: _over(t.rate("list-first", 8), PEER_LIST),
    ),
    Goal(
        name="100 items in one call / the best peer",
        bound=20,
        unit=" times",
        figure=lambda t: _over(t.rate("adjust-bulk", 8), PEER_BULK),
    ),
)


def judge(cells: Sequence[Cell]) -> list[Judged]:
    """Every goal, with what was measured."""
    table = Table(cells)
    return [goal.judged(table) for goal in GOALS]
