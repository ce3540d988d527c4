"""The command line: `storekeeper …`, or `python -m app …`."""

import sys
import traceback

import click

from app.cli.audit import audit
from app.cli.backup import backup, prune, restore
from app.cli.console import Exit, emit_json
from app.cli.database import db, migrate
from app.cli.doctor import doctor
from app.cli.keys import key
from app.cli.ledger import demo, ledger
from app.cli.serving import run, serve
from app.cli.tenants import tenant
from app.cli.users import user
from app.cli.work import jobs, work
from app.settings import SettingsError, load_settings, shown, table
from domain.errors import DomainError, Reason

_INTERRUPTED = 130
_CODES: tuple[tuple[type[Exception], Exit], ...] = (
    (SettingsError, Exit.USAGE),
    (DomainError, Exit.USAGE),
    (OSError, Exit.ENVIRONMENT),
)
_EPILOG = """\b
From nothing to a serving demo:
  storekeeper run
Step by step, as in production:
  export DATABASE_URL=postgresql://storekeeper_app:…@db.example/storekeeper
  export DATABASE_ADMIN_URL=postgresql://owner:…@db.example/storekeeper
  storekeeper migrate
  STOREKEEPER_ENV=production storekeeper serve --host 0.0.0.0 --workers 4
Prove that the books are right:
  storekeeper ledger verify

\b
Settings come from the environment; `storekeeper settings` lists them all.
Exit codes: 0 all is well; 1 what was checked is not so; 2 wrong usage or settings;
3 the machine refuses (database, port, disk); 4 a defect of Storekeeper."""


@click.group(epilog=_EPILOG, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="storekeeper", prog_name="storekeeper")
def storekeeper() -> None:
    """A stock ledger that cannot be oversold, served over HTTP."""


for command in (audit, run, serve, work, jobs, migrate, demo, ledger, db, tenant, user, key, doctor):
    storekeeper.add_command(command)
for command in (backup, restore, prune):
    db.add_command(command)


@storekeeper.command(short_help="List every setting and its value.")
@click.option("--json", "as_json", is_flag=True, help="Print it for a script.")
@click.option("--markdown", is_flag=True, help="Print the table of the README.")
def settings(*, as_json: bool, markdown: bool) -> None:
    """List every setting: its value now, its default, what it accepts, what it means."""
    if markdown:
        click.echo(_markdown())
        return
    values = shown(load_settings())
    rows = [(row, values.get(row.name, "")) for row in table()]
    if as_json:
        emit_json(
            [
                {"name": row.name, "value": value or None, "default": row.default or None, "meaning": row.meaning}
                for row, value in rows
            ]
        )
        return
    for row, value in rows:
        changed = f"  (default: {row.default or 'none'})" if value != row.default else ""
        click.echo(f"{row.name}={value}{changed}\n    {row.meaning}; {row.accepts}")


def _markdown() -> str:
    lines = ["| setting | default | accepts | meaning |", "| --- | --- | --- | --- |"]
    for row in table():
        default = f"`{row.default}`" if row.default else ""
        lines.append(f"| `{row.name}` | {default} | {row.accepts} | {row.meaning} |")
    return "\n".join(lines)


def main() -> None:
    """Run the command line and leave with the exit code that it documents."""
    try:
        storekeeper(prog_name="storekeeper", standalone_mode=False)
    except click.ClickException as wrong:
        wrong.show()
        sys.exit(Exit.USAGE)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(_INTERRUPTED)
    except BrokenPipeError:
        sys.exit(Exit.OK)  # whoever read our output has seen enough
    except Exception as error:  # noqa: BLE001 - the last resort: what nobody foresaw is our mistake, and says so
        sys.exit(_explain(error))


def _explain(error: Exception) -> Exit:
    if isinstance(error, DomainError) and error.reason is Reason.UNAVAILABLE:
        code = Exit.ENVIRONMENT
    else:
        code = next((code for kind, code in _CODES if isinstance(error, kind)), Exit.DEFECT)
    if code is Exit.DEFECT:
        traceback.print_exception(error)
    else:
        click.echo(f"Error: {error}", err=True)
    return code
