"""People and what they may do, from the outside."""

import asyncio
import sys
from typing import Any

import click

from app.cli.console import emit_json, examples, say
from app.cli.tools import a_line, columns, opened
from domain.access.passwords import refuse_weak
from domain.errors import FieldError


@click.group(short_help="People: create, list, disable, enable, password, grant, revoke.")
def user() -> None:
    """The people who log in, and their roles in the tenants.

    Passwords are asked for at a terminal, or read as one line from standard input; never from the command line,
    which others can see.
    """


_tenant = click.option("--tenant", help="In this tenant, by its name in addresses.")
_location = click.option("--location", help="At this location alone, by its code; without it, at all.")


@user.command(
    short_help="Make a person who can log in.",
    epilog=examples(
        "storekeeper user create ann@acme.example --name Ann --tenant acme --role admin",
        "pass show acme/ann | storekeeper user create ann@acme.example --name Ann",
    ),
)
@click.argument("email")
@click.option("--name", required=True, callback=a_line, help="The name that the records show.")
@_tenant
@click.option("--role", help="Give them this role there at once; needs --tenant.")
@_location
def create(*, email: str, name: str, tenant: str | None, role: str | None, location: str | None) -> None:
    """Make a person; without --tenant and --role they may enter nowhere yet (see `user grant`)."""
    if (tenant is None) != (role is None):
        raise click.UsageError("--tenant and --role belong together: a role is held in a tenant.")
    if location and not tenant:
        raise click.UsageError("--location needs --tenant and --role.")
    with opened() as access:
        place = access.tenant(tenant) if tenant else None
        where = access.location(place, location) if place and location else None
        if asyncio.run(access.tools.find_user(access.url, email)) is not None:
            raise click.UsageError(f"There is a user {email!r} already: `user grant` lets them into a tenant.")
        made = asyncio.run(access.tools.create_user(access.url, email, name, _ask_password(email, name)))
        if place and role:
            asyncio.run(access.tools.grant(access.url, place, made, role, where))
    click.echo(made)
    say(f"{email} can log in{f' to {tenant} as {role}' if tenant else ', but may enter no tenant yet'}.")


@user.command("list", epilog=examples("storekeeper user list --tenant acme", "storekeeper user list --json"))
@_tenant
@click.option("--json", "as_json", is_flag=True, help="Print it for a script.")
def list_(*, tenant: str | None, as_json: bool) -> None:
    """List everybody, or with --tenant its members and their roles."""
    with opened() as access:
        rows = asyncio.run(access.tools.people(access.url, access.tenant(tenant) if tenant else None))
    if as_json:
        emit_json(rows)
        return
    lines = [("EMAIL", "STATE", "NAME", "ROLES" if tenant else "")]
    for row in rows:
        state = "disabled" if not row.is_active else "active" if row.is_member in (None, True) else "locked out"
        lines.append((row.email, state, row.name, ", ".join(row.grants)))
    click.echo(columns(lines))


@user.command(
    epilog=examples(
        "storekeeper user disable ann@acme.example", "storekeeper user disable ann@acme.example --tenant acme"
    )
)
@click.argument("email")
@_tenant
def disable(*, email: str, tenant: str | None) -> None:
    """Let a person in nowhere any more, or not into one tenant. Their sessions end."""
    _switch(email, tenant, active=False)


@user.command(epilog=examples("storekeeper user enable ann@acme.example"))
@click.argument("email")
@_tenant
def enable(*, email: str, tenant: str | None) -> None:
    """Let a disabled person in again, with the roles that they had."""
    _switch(email, tenant, active=True)


def _switch(email: str, tenant: str | None, *, active: bool) -> None:
    with opened() as access:
        who = access.user(email)
        if tenant is None:
            changed = asyncio.run(access.tools.switch_user(access.url, who, active=active))
        else:
            place = access.tenant(tenant)
            members = asyncio.run(access.tools.people(access.url, place))
            if who not in {member.id for member in members}:
                raise click.UsageError(f"{email} is no member of {tenant}: `user grant` makes them one.")
            changed = asyncio.run(access.tools.switch_membership(access.url, place, who, active=active))
    state, where = "active" if active else "disabled", f" in {tenant}" if tenant else ""
    click.echo(f"{email} is {state}{where}." if changed else f"{email} was {state}{where} already.")


@user.command(
    epilog=examples(
        "storekeeper user password ann@acme.example",
        "pass show acme/ann | storekeeper user password ann@acme.example",
    )
)
@click.argument("email")
def password(*, email: str) -> None:
    """Give a person another password, asked for or read from standard input. Their sessions end."""
    with opened() as access:
        who = access.user(email)
        asyncio.run(access.tools.password(access.url, who, _ask_password(email)))
    click.echo(f"{email} has a new password; their sessions have ended.")


@user.command(
    epilog=examples(
        "storekeeper user grant ann@acme.example controller --tenant acme",
        "storekeeper user grant ann@acme.example operator --tenant acme --location BERLIN",
    )
)
@click.argument("email")
@click.argument("role")
@click.option("--tenant", required=True, help="In this tenant, by its name in addresses.")
@_location
def grant(*, email: str, role: str, tenant: str, location: str | None) -> None:
    """Give a person a role in a tenant, everywhere or at one location."""
    with opened() as access:
        place, who = access.tenant(tenant), access.user(email)
        where = access.location(place, location) if location else None
        asyncio.run(access.tools.grant(access.url, place, who, role, where))
    click.echo(f"{email} is {role} in {tenant}{f' at {location}' if location else ''}.")


@user.command(
    epilog=examples(
        "storekeeper user revoke ann@acme.example controller --tenant acme",
        "storekeeper user revoke ann@acme.example operator --tenant acme --location BERLIN",
    )
)
@click.argument("email")
@click.argument("role")
@click.option("--tenant", required=True, help="In this tenant, by its name in addresses.")
@_location
def revoke(*, email: str, role: str, tenant: str, location: str | None) -> None:
    """Take a role away again, exactly as it was given: with --location, or without."""
    with opened() as access:
        place, who = access.tenant(tenant), access.user(email)
        where = access.location(place, location) if location else None
        held = asyncio.run(access.tools.revoke_grant(access.url, place, who, role, where))
    if not held:
        raise click.UsageError(f"{email} does not hold that: `storekeeper user list --tenant {tenant}` shows all.")
    click.echo(f"{email} is no longer {role} in {tenant}{f' at {location}' if location else ''}.")


def _ask_password(*own: str) -> str:
    """A password as strong as the application asks of everybody; `own` is what its owner's would be guessed by."""
    if sys.stdin.isatty():
        given = str(click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True))
    else:
        given = sys.stdin.readline().rstrip("\r\n")
        if not given:
            raise click.UsageError("No password came on standard input: `… | storekeeper user …`, or a terminal.")
    try:
        refuse_weak(given, of=own)
    except FieldError as weak:
        problems: Any = weak.facts["fields"]
        raise click.UsageError(f"The password {problems[0]['message']}.") from weak
    return given
