"""Serving requests, alone or with everything that has to be there first."""

import asyncio
import errno
import os
import shutil
import signal
import socket
from collections.abc import Mapping
from typing import Any, NoReturn

import click
import msgspec

from app.cli.composition import Composition, composition
from app.cli.console import examples, say, step
from app.cli.database import open_database
from app.cli.demo import demo_summary, load_demo_data, show_users
from app.settings import Environment, Server, Settings, load_settings, to_environment, variable

# How long requests may still take after a stop. A worker that is told to stop in the instant between loading and
# serving does not hear it, and then a person at a terminal should not wait half a minute.
_GRACE_SECONDS = {Environment.PRODUCTION: 30, Environment.DEVELOPMENT: 5}
_DEMO_DAYS = 30


def _settings_with(**overrides: str | int | None) -> Settings:
    """The settings with what the command line says over them, under the same rules."""
    said = {variable(name): str(value) for name, value in overrides.items() if value is not None}
    return load_settings({**os.environ, **said})


@click.command(
    short_help="Serve requests until Ctrl-C.",
    epilog=examples(
        "storekeeper serve", "STOREKEEPER_ENV=production storekeeper serve --host 0.0.0.0 --workers 4"
    ),
)
@click.option("--host", help="Address to listen on; 0.0.0.0 for every network.")
@click.option("--port", type=int, help="Port to listen on.")
@click.option("--workers", type=int, help="Processes that serve requests.")
def serve(*, host: str | None, port: int | None, workers: int | None) -> None:
    """Serve requests until Ctrl-C; tables and data have to be there (see `run`, `migrate`).

    Requests that are being answered when it is told to stop are answered first.
    """
    settings = _settings_with(host=host, port=port, workers=workers)
    address = _free_address(settings)
    main = _begin(settings)
    with open_database(main, settings) as (_, named):
        _serve(main, named, address)


@click.command(
    short_help="From nothing to a serving demo.",
    epilog=examples("storekeeper run", "storekeeper run --port 8001 --days 365"),
)
@click.option("--host", help="Address to listen on; 0.0.0.0 for every network.")
@click.option("--port", type=int, help="Port to listen on.")
@click.option("--workers", type=int, help="Processes that serve requests.")
@click.option(
    "--days",
    type=click.IntRange(min=1),
    default=_DEMO_DAYS,
    show_default=True,
    help="How much of the demo's year to load the first time.",
)
@click.option("--no-demo", is_flag=True, help="Load no demo data.")
def run(*, host: str | None, port: int | None, workers: int | None, days: int, no_demo: bool) -> None:
    """From nothing to a serving demo: database, tables, data, server. This is what `make run` does.

    The first start makes everything, later ones find it. Ctrl-C stops the server, then the database.
    """
    settings = _settings_with(host=host, port=port, workers=workers)
    address = _free_address(settings)
    main = _begin(settings)
    with open_database(main, settings) as (_, named):
        with step("Bringing the tables up to date"):
            main.migrate(named, "head")
        if not no_demo and not asyncio.run(main.has_demo(named)):
            load_demo_data(main, settings, named, source=None, days=days)
        _greet(settings, demo=not no_demo)
        _serve(main, named, address)


def _begin(settings: Settings) -> Composition:
    # A service manager says goodbye with SIGTERM: let everything that was begun be ended, as with Ctrl-C.
    signal.signal(signal.SIGTERM, _leave)
    # Workers add their figures up through files, and where those are is read when the metrics are first loaded.
    folder = settings.data.absolute() / "metrics" / str(settings.port)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder)
    with step("Loading the application"):
        return composition()


def _leave(number: int, _frame: object) -> NoReturn:
    raise SystemExit(128 + number)


def _free_address(settings: Settings) -> str:
    """The address to listen on, once nobody else does.

    The server binds with SO_REUSEPORT, so that it would quietly share a taken port and get half the requests.
    """
    wrong = f"{settings.host} is not an address of this machine: set {variable('host')}."
    try:
        found = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise OSError(wrong) from error
    family, kind, _, _, address = found[0]
    with socket.socket(family, kind) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
        except PermissionError:
            raise OSError(f"Port {settings.port} is for the administrator: set {variable('port')}.") from None
        except OSError as error:
            if error.errno == errno.EADDRNOTAVAIL:
                raise OSError(wrong) from error
            raise OSError(
                f"Port {settings.port} on {settings.host} is already in use: stop what listens there, or choose "
                f"another with {variable('port')}."
            ) from None
    return str(address[0])


def _greet(settings: Settings, *, demo: bool) -> None:
    summary = demo_summary(settings)
    say(f"\nStorekeeper serves on {settings.url} (Ctrl-C stops it)\n")
    if not demo:
        return
    say("Users of the demo:")
    show_users(summary)
    if summary.calls:
        say("\nTry, in another terminal:")
    for call in summary.calls:
        say(f"\n  {call.replace('{url}', settings.url)}")
    say()


def _serve(main: Composition, settings: Settings, address: str) -> None:
    asyncio.run(main.refuse_unfit_database(settings))
    logs = main.configure_logging(settings)
    # What serves requests never learns the owner's address.
    environment = to_environment(msgspec.structs.replace(settings, database_admin_url=None))
    os.environ.pop(variable("database_admin_url"), None)
    os.environ.update(environment)
    if settings.server is Server.UVICORN:
        _uvicorn(settings, address, logs)
    else:
        _granian(settings, address, logs)


def _granian(settings: Settings, address: str, logs: Mapping[str, Any]) -> None:
    from granian import Granian  # noqa: PLC0415 - only the command that serves needs it
    from granian.constants import Interfaces  # noqa: PLC0415
    from granian.http import HTTP1Settings  # noqa: PLC0415
    from granian.log import LogLevels  # noqa: PLC0415

    server = Granian(
        "app.cli.worker:granian_application",
        factory=True,
        address=address,
        port=settings.port,
        interface=Interfaces.ASGI,
        workers=settings.workers,
        websockets=False,
        respawn_failed_workers=True,
        # Connections that a worker holds at a time: more than it answers, so that it can refuse.
        backpressure=settings.in_flight_limit * 4,
        http1_settings=HTTP1Settings(max_buffer_size=settings.header_limit_bytes),
        workers_kill_timeout=_GRACE_SECONDS[settings.env],
        log_dictconfig=dict(logs),
        log_level=LogLevels(settings.log_level),
    )
    try:
        server.serve()
    except SystemExit as ended:
        if ended.code:
            raise OSError("A worker could not serve: the log above says why.") from ended


def _uvicorn(settings: Settings, address: str, logs: Mapping[str, Any]) -> None:
    import uvicorn  # noqa: PLC0415 - only who chose it needs it

    uvicorn.run(
        "app.cli.worker:application",
        factory=True,
        host=address,
        port=settings.port,
        workers=settings.workers,
        lifespan="on",
        ws="none",
        access_log=False,
        server_header=False,
        proxy_headers=False,  # whose word is taken is a setting of ours
        timeout_graceful_shutdown=_GRACE_SECONDS[settings.env],
        log_config=dict(logs),
        log_level=str(settings.log_level),
    )
