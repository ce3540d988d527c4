"""API keys, from the outside. A key's text is printed once, on standard output, and kept nowhere."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import UUID

import click

from app.cli.console import Exit, emit_json, examples, say
from app.cli.tools import a_line, columns, day, opened
from domain.access.model import Permission

_in_tenant = click.option("--tenant", required=True, help="Of this tenant, by its name in addresses.")
_as_json = click.option("--json", "as_json", is_flag=True, help="Print it for a script.")


@click.group(short_help="API keys: create, list, revoke, rotate.")
def key() -> None:
    """The keys that programs send, each with its scopes."""


def _expiry(_context: click.Context, _parameter: click.Parameter, value: datetime | None) -> datetime | None:
    return None if value is None else value.replace(tzinfo=value.tzinfo or UTC)


@key.command(
    short_help="Make a key and tell it, once.",
    epilog=examples(
        "storekeeper key create ERP --tenant acme --scope inventory.read --scope inventory.write",
        "KEY=$(storekeeper key create Shop --tenant acme --scope inventory.read --expires 2027-01-01)",
    ),
)
@click.argument("name", callback=a_line)
@_in_tenant
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    required=True,
    type=click.Choice([str(permission) for permission in Permission]),
    metavar="SCOPE",
    help="What it may do, such as inventory.read; may be repeated.",
)
@click.option("--location", "locations", multiple=True, help="At this location alone; may be repeated.")
@click.option(
    "--expires",
    type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%S%z"]),
    callback=_expiry,
    help="When it ends by itself, UTC unless it says otherwise; without it, never.",
)
@_as_json
def create(
    *,
    name: str,
    tenant: str,
    scopes: tuple[str, ...],
    locations: tuple[str, ...],
    expires: datetime | None,
    as_json: bool,
) -> None:
    """Make a key. Its text is printed once; only a hash of it is kept."""
    with opened() as access:
        place = access.tenant(tenant)
        where = [access.location(place, code) for code in locations] or None
        made, text = asyncio.run(
            access.tools.create_api_key(
                access.url, place, name, map(Permission, scopes), location_ids=where, expires_at=expires
            )
        )
    _tell(made, text, as_json=as_json)


@key.command("list", epilog=examples("storekeeper key list --tenant acme"))
@_in_tenant
@_as_json
def list_(*, tenant: str, as_json: bool) -> None:
    """List a tenant's keys: by their first and last characters, with scopes, end and last use."""
    with opened() as access:
        rows = asyncio.run(access.tools.keys(access.url, access.tenant(tenant)))
    if as_json:
        emit_json(rows)
        return
    lines = [("ID", "NAME", "KEY", "STATE", "EXPIRES", "LAST USED", "LOCATIONS", "SCOPES")]
    lines += [
        (
            str(row.id),
            row.name,
            row.shown,
            row.state,
            day(row.expires_at),
            day(row.used_at),
            "all" if row.locations is None else ",".join(row.locations),
            ",".join(row.scopes),
        )
        for row in rows
    ]
    click.echo(columns(lines))


@key.command(epilog=examples("storekeeper key revoke 0193e2c4-… --tenant acme"))
@click.argument("key_id", type=click.UUID)
@_in_tenant
def revoke(*, key_id: UUID, tenant: str) -> None:
    """End a key for good, from the next request on. Exits with 1 when it was not in use."""
    with opened() as access:
        revoked = asyncio.run(access.tools.revoke_key(access.url, access.tenant(tenant), key_id))
    if not revoked:
        click.echo(f"There is no such key in use: `storekeeper key list --tenant {tenant}` shows them.", err=True)
        raise SystemExit(Exit.CHECK_FAILED)
    click.echo("The key is revoked.")


@key.command(
    short_help="Make a successor, and let the old key run out.",
    epilog=examples(
        "storekeeper key rotate 0193e2c4-… --tenant acme",
        "storekeeper key rotate 0193e2c4-… --tenant acme --overlap-hours 1",
    ),
)
@click.argument("key_id", type=click.UUID)
@_in_tenant
@click.option(
    "--overlap-hours",
    type=click.IntRange(0, 24 * 90),
    default=24,
    show_default=True,
    help="How long the old key still works.",
)
@_as_json
def rotate(*, key_id: UUID, tenant: str, overlap_hours: int, as_json: bool) -> None:
    """Make a key with the same rights, printed once; the old one ends after the overlap."""
    with opened() as access:
        made, text, ends = asyncio.run(
            access.tools.rotate_key(access.url, access.tenant(tenant), key_id, timedelta(hours=overlap_hours))
        )
    _tell(made, text, as_json=as_json)
    say(f"The old key ends at {ends:%Y-%m-%d %H:%M:%S} UTC.")


def _tell(key_id: UUID, text: str, *, as_json: bool) -> None:
    if as_json:
        emit_json({"id": key_id, "key": text})
    else:
        click.echo(text)
        say(f"That is the key {key_id}; it is not shown again.")
