"""The audit trail, from the outside."""

import asyncio

import click

from app.cli.composition import composition
from app.cli.console import emit_json, examples, progress
from app.cli.database import open_database
from app.settings import load_settings


@click.group(short_help="The audit trail: remove what is no longer kept.")
def audit() -> None:
    """What each tenant keeps of who did what, for as long as its setting auditRetentionDays says."""


@audit.command(
    short_help="Remove what is older than each tenant keeps.",
    epilog=examples("storekeeper audit prune", "storekeeper audit prune --tenant acme --json | jq '.[].records'"),
)
@click.option("--tenant", help="Of one tenant, by its name in addresses; without it, of all.")
@click.option("--json", "as_json", is_flag=True, help="Print the report for a script.")
def prune(*, tenant: str | None, as_json: bool) -> None:
    """Remove records that are older than their tenant keeps them, some thousands at a time; run it daily."""
    main, settings = composition(), load_settings()
    main.configure_logging(settings)
    with open_database(main, settings) as (_, named), progress() as report_progress:
        report = asyncio.run(main.prune_audit(named, tenant=tenant, progress=report_progress))
    if as_json:
        emit_json(report)
        return
    for one in report:
        click.echo(f"{one.tenant}: {one.records:,} records removed.")
