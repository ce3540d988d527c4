"""The life of the embedded database, and migrations."""

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import click
import msgspec

from app.cli.composition import Composition, Database, composition
from app.cli.console import Exit, emit_json, examples, say, step
from app.cli.demo import demo_file
from app.settings import Settings, load_settings


@contextmanager
def open_database(main: Composition, settings: Settings) -> Iterator[tuple[Database, Settings]]:
    """The database of `settings`, with settings that name it; one that was started for this ends after it."""
    with step("Starting the database" if settings.database_url is None else "Reaching the database"):
        database = main.start_database(settings)
    try:
        yield (
            database,
            msgspec.structs.replace(
                settings, database_url=database.app_url, database_admin_url=database.admin_url
            ),
        )
    finally:
        if database.started:
            with step("Stopping the database"):
                main.stop_database(settings)


@click.group("db", short_help="The embedded PostgreSQL: start, stop, status, shell.")
def db() -> None:
    """The embedded PostgreSQL server: start, stop, look at it, open it.

    It lives in STOREKEEPER_DATA (.data). Where DATABASE_URL names another server, that one is used instead and
    only `shell` has something to do.
    """


@db.command(
    epilog=examples("storekeeper db start", "DATABASE_URL=$(storekeeper db start --json | jq -r .databaseUrl)")
)
@click.option("--json", "as_json", is_flag=True, help="Print the addresses, passwords included, for a script.")
def start(*, as_json: bool) -> None:
    """Start the server and leave it running."""
    database = composition().start_database(load_settings())
    server = database.embedded
    if as_json:
        emit_json(
            {
                "databaseUrl": database.app_url,
                "databaseAdminUrl": database.admin_url,
                "started": database.started,
                "pid": server and server.pid,
                "port": server and server.port,
            }
        )
    elif server is None:
        click.echo("DATABASE_URL names a server, and it answers: there is nothing to start.")
    else:
        verb = "started" if database.started else "was running already"
        click.echo(f"PostgreSQL {server.version} {verb}: port {server.port}, pid {server.pid}.")


@db.command(short_help="Stop the server.")
def stop() -> None:
    """Stop the server. Open transactions are rolled back; nothing committed is lost."""
    settings = load_settings()
    if settings.database_url:
        raise click.UsageError("DATABASE_URL names a server that is not Storekeeper's to stop.")
    stopped = composition().stop_database(settings)
    click.echo("The database is stopped." if stopped else "The database was not running.")


@db.command(short_help="Delete the server with everything in it.")
@click.option("--yes", is_flag=True, help="Really: all data are lost.")
def delete(*, yes: bool) -> None:
    """Stop the server and delete it with everything in it, demo passwords included."""
    settings = load_settings()
    if settings.database_url:
        raise click.UsageError("DATABASE_URL names a server that is not Storekeeper's to delete.")
    if not yes:
        click.confirm(f"Delete the database in {settings.data} with everything in it?", abort=True)
    composition().delete_database(settings)
    demo_file(settings).unlink(missing_ok=True)
    click.echo("The database is deleted.")


@db.command(
    short_help="Tell whether it runs, and where.", epilog=examples("storekeeper db status --json | jq -r .state")
)
@click.option("--json", "as_json", is_flag=True, help="Print it for a script.")
def status(*, as_json: bool) -> None:
    """Tell whether the server runs, where its data are, and how to reach it. Exits with 1 when it does not run."""
    found = composition().database_status(load_settings())
    if found is None:
        raise click.UsageError("DATABASE_URL names a server that is not Storekeeper's: ask that one.")
    if as_json:
        emit_json(
            {
                "state": found.state,
                "version": found.version,
                "pid": found.pid,
                "port": found.port,
                "dataDir": found.data_dir,
            }
        )
    else:
        where = f": port {found.port}, pid {found.pid}" if found.pid else ""
        click.echo(f"PostgreSQL {found.version} is {found.state}{where}. Its data: {found.data_dir}")
    if found.state != "running":
        raise SystemExit(Exit.CHECK_FAILED)


@db.command(
    short_help="Open the database in psql.",
    context_settings={"ignore_unknown_options": True},
    epilog=examples(
        "storekeeper db shell",
        "storekeeper db shell --as-app",
        "storekeeper db shell -- -c 'SELECT count(*) FROM movements'",
    ),
)
@click.option("--as-app", is_flag=True, help="Log in as the application does, with its few rights.")
@click.argument("psql_arguments", nargs=-1, type=click.UNPROCESSED)
def shell(*, as_app: bool, psql_arguments: tuple[str, ...]) -> None:
    """Open the database in psql, with every right; arguments after -- go to psql."""
    main, settings = composition(), load_settings()
    with open_database(main, settings) as (_, named):
        psql = main.database_shell(named, as_application=as_app)
        # Ctrl-C is for psql, which cancels a query with it.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        done = subprocess.run(  # noqa: S603 - the very program that was asked for
            [*psql.command, *psql_arguments], env=dict(psql.environment), check=False
        )
    raise SystemExit(done.returncode)


@click.command(
    short_help="Bring the tables to the newest revision.",
    epilog=examples("storekeeper migrate", "storekeeper migrate --to 0001"),
)
@click.option("--to", default="head", show_default=True, help="Go no further than this revision.")
def migrate(*, to: str) -> None:
    """Bring the database's tables up to the newest revision, as the owner that DATABASE_ADMIN_URL names."""
    main, settings = composition(), load_settings()
    main.configure_logging(settings)
    with open_database(main, settings) as (_, named), step(f"Migrating to {to}"):
        main.migrate(named, to)
    say("The tables are up to date." if to == "head" else f"The tables are at {to}.")
