"""The report: Markdown to read, JSON to compare, a plot to look at."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from tests.bench.documents import EVERYTHING
from tests.bench.goals import Judged, Table, judge
from tests.bench.machine import Machine
from tests.bench.measuring import Bench, Measured
from tests.bench.plot import draw
from tests.bench.runs import Cell, Figures

_TITLES = {scenario.name: scenario.title for scenario in EVERYTHING}
_NONE = "-"
_SIGNS = {"met": "met", "missed": "**missed**", "not measured": _NONE}
_MUCH_BY_OTHERS = 0.1

HOW = """\
Each figure is the median of the repeats. Application and limit run one after the other, in turn first, and a ratio
is the median of the ratios of such neighbours: read the ratios, the rates are this machine's. The **CPU ratio** is
what a request costs the limit's processes over what it costs ours: it suffers least from a busy machine, and tells
nothing of waiting. Clients, server and database share the cores. The clients of a run each wait for their answer
before they ask again.

- **CPU** is per request, of all processes of the server and of PostgreSQL, from the kernel's accounts.
- **Statements** is what a lone request sends to the database in steady state, noted off the driver.
  **Transactions** is how many that wrote there were per request under load, counted by transaction ids: below 1
  where postings were grouped.
- **Others** is the share of one core that processes without a part in the run took (the worst repeat): above
  10 % read the cell with care.
- The limit of writes is the application's own call of the ledger, by `pgbench -M prepared` with as many clients on
  the same database; of reads, a bare ASGI application under the same server that runs the same statements with the
  same arguments on the driver and encodes the rows (statement by statement where the answer is streamed); of a
  login, the check of the hash alone.
- The limit of reservations is pgbench in one transaction of four round trips: BEGIN, the application's call that
  locks and tells, its call that writes, COMMIT. It decides nothing: it takes the first line that has one left.
- A flow is the whole life of a document: its requests in their order by one client, each made of the answer to the
  one before, and it counts as one. Its statements are all that it sends, BEGIN and COMMIT among them, so as many
  round trips; it looks at how the document ended. It has no limit, since statements that make rows and name them
  again cannot be repeated: what the database's processes burn of it is what no server in front of it could save.
- **Memory** is by how much the server's processes grew within a run, at most, seen every half second.
- The limit of what comes in bulk is a bare ASGI application again: it decodes the same JSON, or gives the same
  file to COPY, and upserts balances and inserts as many movements by one statement, in tables of its own with the
  ledger's indexes, without policies, totals, postings, events or audit (tests/bench/by_hand.py tells all that it
  leaves out). A refresh is measured from the upload until its job is done, looked at every 50 ms.
- The bare routes of availability and of the feed hand on the JSON that the database made, and compute no cell
  of it.
"""


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """All there is to tell. Times in it are what the machine's clock said."""

    machine: Machine
    generator: str
    took_seconds: float
    bench: Bench
    goals: list[Judged]
    measured: Measured

    @property
    def is_sound(self) -> bool:
        """Whether what was measured is what was meant: books right, nothing refused."""
        return not self.measured.wrong and not self.measured.unserved


def report_of(
    bench: Bench, measured: Measured, machine: Machine, *, generator: str, took_seconds: float
) -> Report:
    return Report(
        machine=machine,
        generator=generator,
        took_seconds=took_seconds,
        bench=bench,
        goals=judge(measured.cells),
        measured=measured,
    )


def write(report: Report, folder: Path) -> list[Path]:
    """`report.md`, `report.json` and `report.png`."""
    folder.mkdir(parents=True, exist_ok=True)
    text, data, plot = (folder / f"report.{kind}" for kind in ("md", "json", "png"))
    text.write_text(markdown(report))
    data.write_bytes(msgspec.json.format(msgspec.json.encode(_plain(report)), indent=1))
    draw(report.measured.cells, report.goals, plot)
    return [text, data, plot]


def _plain(report: Report) -> dict[str, object]:
    cells = [
        {
            **msgspec.structs.asdict(cell),
            "ratio": cell.ratio,
            "cpuRatio": cell.cpu_ratio,
            "app": cell.figures("app"),
            "limit": cell.figures("limit"),
        }
        for cell in report.measured.cells
    ]
    bench = {**msgspec.structs.asdict(report.bench), "scenarios": [s.name for s in report.bench.scenarios]}
    measured = {**msgspec.structs.asdict(report.measured), "cells": cells}
    return {**msgspec.structs.asdict(report), "bench": bench, "measured": measured}


def markdown(report: Report) -> str:
    bench = report.bench
    parts = [
        "# Benchmark\n",
        _head(report),
        _trouble(report),
        "## Goals\n",
        _table(
            ("figure", "goal", "measured", ""),
            [(g.name, g.goal, _number(g.figure), _SIGNS[g.verdict]) for g in report.goals],
        ),
        f"## Beside the limit, {max(bench.sizes):,} lines\n",
        _beside(report.measured.cells, max(bench.sizes)),
        "## What a request costs\n",
        _costs(report.measured.cells, max(bench.sizes)),
        "## Growth\n",
        _growth(report.measured.cells),
        "## Books\n",
        _books(report.measured),
        "## How it was measured\n",
        HOW,
        "![the same as a picture](report.png)\n",
    ]
    return "\n".join(part for part in parts if part)


def _head(report: Report) -> str:
    bench, machine = report.bench, report.machine
    return (
        f"{machine.processor}, {machine.cores} cores, {machine.memory_gib} GiB, {machine.system}; "
        f"a flush to the disk takes {machine.flush_ms:.2f} ms. "
        f"PostgreSQL {machine.postgresql} with durable settings, Python {machine.python}, "
        f"granian {machine.granian}, Litestar {machine.litestar}, {_count(bench.workers, 'worker')}. "
        f"Load from {report.generator}. {_count(bench.repeats, 'repeat')} of {bench.seconds:g} s "
        f"after a warm-up; {report.took_seconds / 60:.0f} min in all.\n"
    )


def _trouble(report: Report) -> str:
    lines = [f"- {text}" for text in report.measured.wrong]
    lines += [f"- {name} was not measured: {why}" for name, why in report.measured.unserved.items()]
    return "## Wrong\n\n" + "\n".join(lines) + "\n" if lines else ""


def _beside(cells: Sequence[Cell], lines: int) -> str:
    head = (
        "scenario",
        "clients",
        "per s",
        "p50 ms",
        "p95",
        "p99",
        "limit per s",
        "p50 ms",
        "p99",
        "ratio",
        "CPU ratio",
        "others",
    )
    rows = []
    for cell, app, limit in _with_figures(cells):
        if cell.lines != lines:
            continue
        theirs = (_number(limit.rate), _ms(limit.p50_ms), _ms(limit.p99_ms)) if limit else (_NONE, _NONE, _NONE)
        others = max(app.others, limit.others if limit else 0.0)
        rows.append(
            (
                _TITLES[cell.scenario],
                str(cell.connections),
                _number(app.rate),
                _ms(app.p50_ms),
                _ms(app.p95_ms),
                _ms(app.p99_ms),
                *theirs,
                f"**{_number(cell.ratio)}**",
                _number(cell.cpu_ratio),
                f"{others:.0%}" + (" (!)" if others > _MUCH_BY_OTHERS else ""),
            )
        )
    return _table(head, rows)


def _costs(cells: Sequence[Cell], lines: int) -> str:
    head = (
        "scenario",
        "clients",
        "server CPU ms",
        "database CPU ms",
        "clients' CPU ms",
        "limit: server",
        "limit: database",
        "statements",
        "transactions",
        "log bytes",
        "memory MiB",
    )
    rows = [
        (
            _TITLES[cell.scenario],
            str(cell.connections),
            _ms(app.server_ms),
            _ms(app.database_ms),
            _ms(app.client_ms),
            _ms(limit.server_ms) if limit else _NONE,
            _ms(limit.database_ms) if limit else _NONE,
            _NONE if cell.statements is None else str(cell.statements),
            _number(app.transactions),
            _number(app.wal_bytes),
            _number(app.memory_mib),
        )
        for cell, app, limit in _with_figures(cells)
        if cell.lines == lines
    ]
    return _table(head, rows)


def _growth(cells: Sequence[Cell]) -> str:
    table = Table(cells)
    if len(table.sizes) < 2:
        return "Of one size there is none.\n"
    names = [
        name
        for name in dict.fromkeys(cell.scenario for cell in cells)
        if all(table.cell(name, 8, lines) for lines in table.sizes)
    ]
    head = ("p50 ms at 8 connections", *(f"{lines:,} lines" for lines in table.sizes), "growth")
    rows = []
    for name in names:
        figures = [cell.figures("app") for lines in table.sizes if (cell := table.cell(name, 8, lines))]
        rows.append((_TITLES[name], *(_ms(f.p50_ms) for f in figures if f), _number(table.growth(name, 8))))
    return _table(head, rows)


def _books(measured: Measured) -> str:
    head = (
        "lines",
        "made in s",
        "movements",
        "lines ≠ Σ movements",
        "claims ≠ lines",
        "drift",
        "verified in s",
    )
    rows = [
        (
            f"{size.lines:,}",
            f"{size.made_seconds:.0f}",
            f"{size.checked.verified.movements:,}",
            str(size.checked.unequal_lines),
            str(size.checked.unequal_claims),
            str(size.checked.verified.drift_count),
            f"{size.checked.verified.seconds:.1f}",
        )
        for size in measured.sizes
        if size.checked is not None
    ]
    told = (
        "After every run that writes: acknowledged ≤ stored ≤ sent; after every run that reserves: Σ claims = "
        "what lines have reserved = totals. At the end, of every size:\n\n"
    )
    return told + _table(head, rows)


def _with_figures(cells: Iterable[Cell]) -> list[tuple[Cell, Figures, Figures | None]]:
    return [(cell, app, cell.figures("limit")) for cell in cells if (app := cell.figures("app")) is not None]


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [" | ".join(head), " | ".join(["---"] * len(head)), *(" | ".join(row) for row in rows)]
    return "\n".join(f"| {line} |" for line in lines) + "\n"


def _number(value: float | None) -> str:
    if value is None:
        return _NONE
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.2f}" if value else "0"


def _ms(value: float) -> str:
    return f"{value:.2f}" if value < 100 else f"{value:.0f}"


def _count(number: int, what: str) -> str:
    return f"{number} {what}" + ("" if number == 1 else "s")
