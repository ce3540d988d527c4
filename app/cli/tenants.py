"""Tenants, from the outside."""

import asyncio
import re

import click

from app.cli.console import emit_json, examples, say
from app.cli.tools import a_line, columns, opened
from domain.ledger.reasons import Pack

_SLUG = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")


@click.group(short_help="Tenants: create, list, disable, enable.")
def tenant() -> None:
    """The companies in this database, each alone behind its walls."""


def _slug(_context: click.Context, _parameter: click.Parameter, value: str) -> str:
    if _SLUG.fullmatch(value) is None:
        raise click.BadParameter("a tenant is named in addresses: small letters, digits and hyphens, at most 63")
    return value


@tenant.command(
    short_help="Make a tenant with an empty ledger.",
    epilog=examples(
        "storekeeper tenant create acme --name 'Acme Ltd'",
        "storekeeper tenant create clinic --name Clinic --pack healthcare",
    ),
)
@click.argument("slug", callback=_slug)
@click.option("--name", callback=a_line, help="What people call it; without it, as in addresses.")
@click.option(
    "--pack",
    "packs",
    multiple=True,
    type=click.Choice([str(pack) for pack in Pack]),
    help="Reason codes of a line of business, besides the general ones; may be repeated.",
)
def create(*, slug: str, name: str | None, packs: tuple[str, ...]) -> None:
    """Make a tenant with an empty ledger and the reason codes of its lines of business."""
    chosen = list(dict.fromkeys([Pack.GENERAL, *map(Pack, packs)]))
    with opened() as access:
        if asyncio.run(access.tools.find_tenant(access.url, slug)) is not None:
            raise click.UsageError(f"There is a tenant {slug!r} already.")
        made = asyncio.run(access.tools.create_tenant(access.url, slug, name or slug, packs=chosen))
    click.echo(made)
    say(f"The tenant {slug} is there. Let somebody in: `storekeeper user create … --tenant {slug} --role admin`.")


@tenant.command("list", epilog=examples("storekeeper tenant list --json | jq -r '.[].slug'"))
@click.option("--json", "as_json", is_flag=True, help="Print it for a script.")
def list_(*, as_json: bool) -> None:
    """List all tenants with how many may enter them and how much they have posted."""
    with opened() as access:
        rows = asyncio.run(access.tools.tenants(access.url))
    if as_json:
        emit_json(rows)
        return
    head = ("TENANT", "STATE", "PEOPLE", "KEYS", "MOVEMENTS", "NAME")
    click.echo(
        columns(
            [head]
            + [
                (r.slug, "active" if r.is_active else "disabled", r.people, r.keys, f"{r.movements:,}", r.name)
                for r in rows
            ]
        )
    )


@tenant.command(epilog=examples("storekeeper tenant disable acme"))
@click.argument("slug")
def disable(*, slug: str) -> None:
    """Let nobody in any more, person or key, from the next request on. Nothing is deleted."""
    _switch(slug, active=False)


@tenant.command(epilog=examples("storekeeper tenant enable acme"))
@click.argument("slug")
def enable(*, slug: str) -> None:
    """Let a disabled tenant's people and keys in again."""
    _switch(slug, active=True)


def _switch(slug: str, *, active: bool) -> None:
    with opened() as access:
        changed = asyncio.run(access.tools.switch_tenant(access.url, access.tenant(slug), active=active))
    state = "active" if active else "disabled"
    click.echo(f"The tenant {slug} is {state}." if changed else f"The tenant {slug} was {state} already.")
