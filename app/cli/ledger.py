"""Demo data and the check of the ledger."""

import asyncio
from pathlib import Path
from typing import Any

import click
import msgspec

from app.cli.composition import composition
from app.cli.console import Exit, emit_json, examples, progress, say
from app.cli.database import open_database
from app.settings import Settings, load_settings

_DRIFT_SHOWN = 20


class DemoUser(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who can log in to the demo."""

    email: str
    password: str
    role: str


class DemoSummary(msgspec.Struct, frozen=True, kw_only=True):
    """What a newcomer needs to know of the demo: who may log in, and calls to try, with `{url}` in them."""

    users: tuple[DemoUser, ...] = ()
    calls: tuple[str, ...] = ()


def demo_file(settings: Settings) -> Path:
    """Where the demo's passwords are kept, for its owner alone; the database has only their hashes."""
    return settings.data / "demo.json"


def load_demo_data(settings: Settings, *, source: Path | None, days: int | None) -> Any:
    """Load the demo with progress, keep its summary beside the database, and return the whole report."""
    with progress() as report_progress:
        report = asyncio.run(composition().load_demo(settings, source=source, days=days, progress=report_progress))
    summary = msgspec.convert(report, DemoSummary, from_attributes=True)
    file = demo_file(settings)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch(mode=0o600)
    file.write_bytes(msgspec.json.encode(summary))
    return report


def demo_summary(settings: Settings) -> DemoSummary:
    """What was kept when the demo was loaded; empty when that was done from somewhere else."""
    try:
        return msgspec.json.decode(demo_file(settings).read_bytes(), type=DemoSummary)
    except (FileNotFoundError, msgspec.DecodeError):
        return DemoSummary()


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
        report = load_demo_data(named, source=source, days=days)
    if as_json:
        emit_json(report)
    else:
        show_users(demo_summary(settings))


def show_users(summary: DemoSummary) -> None:
    """List who can log in."""
    if not summary.users:
        say("  The demo was loaded from elsewhere: its passwords are not known here.")
        return
    wide = max(len(user.email) for user in summary.users)
    for user in summary.users:
        say(f"  {user.email:<{wide}}  {user.password}  {user.role}")


@click.group()
def ledger() -> None:
    """Questions about the books themselves."""


@ledger.command(
    short_help="Recompute every balance from the movements.",
    epilog=examples("storekeeper ledger verify", "storekeeper ledger verify --tenant demo --json | jq .drift"),
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
        for drift in report.drift[:_DRIFT_SHOWN]:
            click.echo(f"  {drift}")
        rest = len(report.drift) - _DRIFT_SHOWN
        if rest > 0:
            click.echo(f"  … and {rest:,} more; --json lists all.")
        click.echo(f"Drift: {len(report.drift) or 'none'}.")
    if report.drift:
        raise SystemExit(Exit.CHECK_FAILED)
