"""The check-up: what is set up wrong, and what to do."""

import asyncio
from collections.abc import Sequence
from typing import Any

import click

from app.cli.composition import composition
from app.cli.console import Exit, emit_json, examples, step
from app.cli.database import open_database
from app.settings import Environment, Settings, SettingsError, load_settings, variable

type Line = dict[str, Any]


@click.command(
    short_help="Check the set-up, and say what to do.",
    epilog=examples("storekeeper doctor", "storekeeper doctor --json | jq '.[] | select(.verdict != \"OK\")'"),
)
@click.option("--json", "as_json", is_flag=True, help="Print it for a script.")
def doctor(*, as_json: bool) -> None:
    """Check settings, server, tables, roles, walls, durability, archive, disk, clock and books.

    It only looks. Each check is OK, WARN or FAIL with what to do; exits with 1 when one is FAIL.
    """
    lines = _examined()
    if as_json:
        emit_json(lines)
    else:
        for line in lines:
            click.echo(f"{line['verdict']:<4}  {line['check']:<12}  {line['message']}")
            if line["advice"]:
                click.echo(f"{'':<20}→ {line['advice']}")
    if any(line["verdict"] == "FAIL" for line in lines):
        raise SystemExit(Exit.CHECK_FAILED)


def _examined() -> Sequence[Line]:
    try:
        settings = load_settings()
    except SettingsError as wrong:
        return [_line("settings", "FAIL", str(wrong), "`storekeeper settings` lists them all.")]
    lines = [_of_settings(settings)]
    main = composition()
    main.configure_logging(settings)
    try:
        with open_database(main, settings) as (_, named), step("Looking"):
            found = asyncio.run(main.examine(named, embedded=settings.database_url is None))
    except OSError as trouble:
        return [*lines, _line("server", "FAIL", str(trouble), "Nothing else could be looked at.")]
    return [*lines, *(_line(f.check, str(f.verdict), f.message, f.advice) for f in found)]


def _of_settings(settings: Settings) -> Line:
    if settings.database_url and not settings.database_admin_url:
        return _line(
            "settings",
            "WARN",
            "DATABASE_URL serves as the owner's address, too",
            "Let DATABASE_URL name storekeeper_app and DATABASE_ADMIN_URL the owner.",
        )
    if settings.env is Environment.DEVELOPMENT and settings.host not in {"127.0.0.1", "localhost", "::1"}:
        return _line(
            "settings",
            "WARN",
            f"It listens on {settings.host} with the settings of development: cookies travel without Secure",
            f"Set {variable('env')}=production, behind something that speaks TLS.",
        )
    return _line("settings", "OK", "They can be read and do not contradict each other", None)


def _line(check: str, verdict: str, message: str, advice: str | None) -> Line:
    return {"check": check, "verdict": verdict, "message": message, "advice": advice}
