"""Demo data and the check of the ledger."""

import asyncio
from pathlib import Path

import click

from app.cli.composition import composition
from app.cli.console import Exit, emit_json, examples, progress
from app.cli.database import open_database
from app.cli.demo import demo_summary, load_demo_data, show_users
from app.settings import load_settings

_DRIFT_SHOWN = 20


@click.command(
    short_help="Fill a demo tenant with a real retailer's year.",
    epilog=examples("storekeeper demo --days 30", "storekeeper demo --source online_retail.csv.xz"),
)
@click.option(
    "--source",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Order lines to derive the data from: the full online_retail.csv.xz instead of the file shipped.",
)
@click.option("--days", type=click.IntRange(min=1), help="Only this many last days; without it, the whole year.")
@click.option("--json", "as_json", is_flag=True, help="Print the report for a script.")
def demo(*, source: Path | None, days: int | None, as_json: bool) -> None:
    """Fill a demo tenant with a real retailer's year: products, bins, lots, receipts, issues, returns."""
    main, settings = composition(), load_settings()
    main.configure_logging(settings)
    with open_database(main, settings) as (_, named):
        report = load_demo_data(main, settings, named, source=source, days=days)
    if as_json:
        emit_json(report)
    else:
        show_users(demo_summary(settings))


@click.group()
def ledger() -> None:
    """Questions about the books themselves."""


@ledger.command(
    short_help="Recompute every balance from the movements.",
    epilog=examples("storekeeper ledger verify", "storekeeper ledger verify --tenant demo --json | jq .drifts"),
)
@click.option("--tenant", help="Check one tenant, by its name in addresses; without it, all.")
@click.option("--json", "as_json", is_flag=True, help="Print the report for a script.")
def verify(*, tenant: str | None, as_json: bool) -> None:
    """Recompute every balance from the movements and compare. Exits with 1 when one differs."""
    main, settings = composition(), load_settings()
    main.configure_logging(settings)
    with open_database(main, settings) as (_, named), progress() as report_progress:
        report = asyncio.run(main.verify_ledger(named, tenant=tenant, progress=report_progress))
    if as_json:
        emit_json(report)
    else:
        click.echo(f"{report.movements:,} movements on {report.lines:,} lines recomputed.")
        for drift in report.drifts[:_DRIFT_SHOWN]:
            click.echo(f"  {drift}")
        rest = report.drift_count - min(len(report.drifts), _DRIFT_SHOWN)
        if rest:
            click.echo(f"  ... and {rest:,} more")
        click.echo(f"Drift: {report.drift_count or 'none'}.")
    if report.drift_count:
        raise SystemExit(Exit.CHECK_FAILED)
