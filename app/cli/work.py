"""Doing background jobs in processes of their own, and looking after them."""

import asyncio

import click

from app.cli.composition import composition
from app.cli.console import emit_json, examples, say
from app.cli.database import open_database
from app.settings import load_settings, variable


@click.command(
    short_help="Do background jobs until Ctrl-C.",
    epilog=examples("storekeeper work", "STOREKEEPER_JOB_HANDS=8 storekeeper work"),
)
def work() -> None:
    """Do background jobs in this process, beside as many others as you like; it serves no requests.

    Where STOREKEEPER_JOBS is `outside`, what serves does no jobs, and this is who does. When it is told to stop,
    what soon ends is ended, and the rest is handed back for another to go on with.
    """
    main, settings = composition(), load_settings()
    main.configure_logging(settings)
    with open_database(main, settings) as (_, named):
        asyncio.run(main.refuse_unfit_database(named))
        say(f"Doing jobs, {settings.job_hands} at a time ({variable('job_hands')}); Ctrl-C stops it.")
        asyncio.run(main.work(named))


@click.group(short_help="Background jobs: list them, have regular work done now.")
def jobs() -> None:
    """What is done in the background, and what a tenant's schedule has done."""


@jobs.command(
    "list",
    short_help="List a tenant's jobs, the newest first.",
    epilog=examples("storekeeper jobs list --tenant acme --dead", "storekeeper jobs list --tenant acme --json"),
)
@click.option("--tenant", required=True, help="The tenant, by its name in addresses.")
@click.option(
    "--state",
    type=click.Choice(["QUEUED", "RUNNING", "SUCCEEDED", "FAILED", "CANCELED"]),
    help="Only those in this state.",
)
@click.option("--dead", is_flag=True, help="Only those that were given up.")
@click.option("--limit", type=click.IntRange(1, 200), default=20, show_default=True, help="How many.")
@click.option("--json", "as_json", is_flag=True, help="Print them for a script.")
def list_(*, tenant: str, state: str | None, dead: bool, limit: int, as_json: bool) -> None:
    """List a tenant's jobs, the newest first."""
    main, settings = composition(), load_settings()
    with open_database(main, settings) as (_, named):
        found = asyncio.run(main.list_jobs(named, tenant=tenant, state=state, dead=dead, limit=limit))
    if as_json:
        emit_json(found)
        return
    for job in found:
        end = f": {job.error}" if job.error else ""
        click.echo(f"{job.id}  {job.created_at:%Y-%m-%d %H:%M:%S}  {job.state:<9}  {job.type}{end}")


@jobs.command(
    short_help="Have a tenant's regular work done now.",
    epilog=examples("storekeeper jobs run ledger-verify --tenant acme"),
)
@click.argument("type_", metavar="TYPE")
@click.option("--tenant", required=True, help="The tenant, by its name in addresses.")
def run(*, type_: str, tenant: str) -> None:
    """Ask for a job of TYPE now, whether its turn has come or not; a worker that runs takes it up.

    TYPE is one of reservation-sweep, request-escalation, stocklist-generation, backorder-allocation,
    expiry-marking, ledger-verify, abc-run and housekeeping.
    """
    main, settings = composition(), load_settings()
    with open_database(main, settings) as (_, named):
        id_ = asyncio.run(main.run_job(named, tenant=tenant, type_=type_))
    click.echo(id_)
