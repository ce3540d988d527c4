"""`python -m tests.bench`: run the benchmark and write its report."""

import sys
import time
from pathlib import Path

import click

from tests.bench.documents import EVERYTHING
from tests.bench.generators import choose_generator
from tests.bench.machine import this_machine
from tests.bench.measuring import Bench, Player
from tests.bench.report import markdown, report_of, write
from tests.bench.scenarios import CONNECTIONS
from tests.lab import a_cluster, a_template

_SIZES = (10_000, 100_000, 1_000_000)
_QUICK_SIZES = (10_000,)
_LEAST_LINES = 1_000
_DATABASE_CONNECTIONS = 250  # one for each of pgbench's clients, besides those of the servers
_EPILOG = """\b
Examples:
  python -m tests.bench                     the whole table, some twenty minutes
  python -m tests.bench --quick             one size, one repeat: two minutes, to see that nothing is broken
  python -m tests.bench --scenario adjust-hot --connections 32,128 --sizes 100000

\b
Scenarios:
"""


def _numbers(_context: click.Context, parameter: click.Parameter, value: str | None) -> tuple[int, ...] | None:
    if value is None:
        return None
    try:
        numbers = tuple(int(part.replace("_", "")) for part in value.split(","))
    except ValueError:
        raise click.BadParameter("give whole numbers with commas between them", param=parameter) from None
    if min(numbers) < 1:
        raise click.BadParameter("give positive numbers", param=parameter)
    return numbers


@click.command(
    epilog=_EPILOG + "\n".join(f"  {s.name:19} {s.title}" for s in EVERYTHING),
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
@click.option("--quick", is_flag=True, help="10,000 lines, one repeat of a second: a trial, not a measurement.")
@click.option("--sizes", callback=_numbers, help="Stock lines, with commas between. [10000,100000,1000000]")
@click.option(
    "--scenario",
    "names",
    multiple=True,
    type=click.Choice([s.name for s in EVERYTHING]),
    help="Only this one; may be repeated.",
)
@click.option("--connections", callback=_numbers, help="Only with so many clients, such as 8,32. [1,8,32,128]")
@click.option("--seconds", type=click.FloatRange(min=0.5), help="Length of each run after its warm-up. [2.5]")
@click.option("--repeats", type=click.IntRange(min=1), help="Runs of everything. [3]")
@click.option("--workers", type=click.IntRange(min=1), default=1, show_default=True, help="Of both servers.")
@click.option("--python-client", is_flag=True, help="Send the load from Python although wrk is here.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("bench-report"),
    show_default=True,
    help="Folder of the report.",
)
def bench(
    *,
    quick: bool,
    sizes: tuple[int, ...] | None,
    names: tuple[str, ...],
    connections: tuple[int, ...] | None,
    seconds: float | None,
    repeats: int | None,
    workers: int,
    python_client: bool,
    out: Path,
) -> None:
    """Measure the server beside what could be had at best on the same database, within the same seconds.

    On PostgreSQL of its own with durable settings, and the real server over loopback. Writes report.md,
    report.json and report.png. Exits with 1 when the books are not right or requests are refused: figures are
    then worth nothing. A missed goal is a figure like any other.
    """
    plan = Bench(
        sizes=sizes or (_QUICK_SIZES if quick else _SIZES),
        scenarios=[s for s in EVERYTHING if not names or s.name in names],
        connections=connections or CONNECTIONS,
        seconds=seconds or (1.0 if quick else 2.5),
        repeats=repeats or (1 if quick else 3),
        workers=workers,
    )
    if min(plan.sizes) < _LEAST_LINES:
        raise click.BadParameter(f"at least {_LEAST_LINES}", param_hint="--sizes")
    began = time.perf_counter()
    generator = choose_generator(python=python_client)
    with a_cluster(profile="durable", connections=_DATABASE_CONNECTIONS) as cluster:
        machine = this_machine(cluster)
        measured = Player(plan, generator, _tell).play(cluster, a_template(cluster))
    took = time.perf_counter() - began
    report = report_of(plan, measured, machine, generator=generator.description, took_seconds=took)
    files = write(report, out)
    click.echo(markdown(report))
    _tell(f"took {took:.0f} s; written: {', '.join(str(file) for file in files)}")
    sys.exit(0 if report.is_sound else 1)


def _tell(text: str) -> None:
    click.echo(text, err=True)


def main() -> None:
    bench(prog_name="python -m tests.bench")
