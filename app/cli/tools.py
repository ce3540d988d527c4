"""What the operator's commands ask of the adapters; `app.main` says which those are."""

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any, Protocol
from uuid import UUID

import click
import msgspec

from app.cli.composition import composition
from app.cli.database import open_database
from app.settings import load_settings
from domain.access.model import Permission
from domain.ledger.reasons import Pack
from domain.values import clean_line


class AccessTools(Protocol):
    """Tenants, people, grants and keys from the outside, each call a transaction at this address."""

    async def create_tenant(
        self, admin_url: str, slug: str, name: str, *, packs: Sequence[Pack] = ...
    ) -> UUID: ...
    async def find_tenant(self, admin_url: str, slug: str) -> UUID | None: ...
    async def tenants(self, admin_url: str) -> Sequence[Any]: ...
    async def switch_tenant(self, admin_url: str, tenant_id: UUID, *, active: bool) -> bool: ...
    async def create_user(self, admin_url: str, email: str, name: str, password: str) -> UUID: ...
    async def find_user(self, admin_url: str, email: str) -> UUID | None: ...
    async def people(self, admin_url: str, tenant_id: UUID | None = None) -> Sequence[Any]: ...
    async def switch_user(self, admin_url: str, user_id: UUID, *, active: bool) -> bool: ...
    async def switch_membership(self, admin_url: str, tenant_id: UUID, user_id: UUID, *, active: bool) -> bool: ...
    async def password(self, admin_url: str, user_id: UUID, new: str) -> None: ...
    async def find_location(self, admin_url: str, tenant_id: UUID, code: str) -> UUID | None: ...
    async def grant(
        self, admin_url: str, tenant_id: UUID, user_id: UUID, role: str, location_id: UUID | None = None
    ) -> None: ...
    async def revoke_grant(
        self, admin_url: str, tenant_id: UUID, user_id: UUID, role: str, location_id: UUID | None = None
    ) -> bool: ...
    async def create_api_key(
        self,
        admin_url: str,
        tenant_id: UUID,
        name: str,
        scopes: Iterable[Permission],
        *,
        location_ids: Iterable[UUID] | None = None,
        expires_at: datetime | None = None,
    ) -> tuple[UUID, str]: ...
    async def keys(self, admin_url: str, tenant_id: UUID) -> Sequence[Any]: ...
    async def revoke_key(self, admin_url: str, tenant_id: UUID, key_id: UUID) -> bool: ...
    async def rotate_key(
        self, admin_url: str, tenant_id: UUID, key_id: UUID, overlap: timedelta
    ) -> tuple[UUID, str, datetime]: ...


class Access(msgspec.Struct, frozen=True):
    """The tools, and the database that they are used on."""

    tools: AccessTools
    url: str

    def tenant(self, slug: str) -> UUID:
        """The tenant of this name, or a sentence that there is none."""
        found = asyncio.run(self.tools.find_tenant(self.url, slug))
        if found is None:
            raise click.UsageError(f"There is no tenant {slug!r}: `storekeeper tenant list` shows them.")
        return found

    def user(self, email: str) -> UUID:
        found = asyncio.run(self.tools.find_user(self.url, email))
        if found is None:
            raise click.UsageError(f"There is no user {email!r}: `storekeeper user list` shows them.")
        return found

    def location(self, tenant_id: UUID, code: str) -> UUID:
        found = asyncio.run(self.tools.find_location(self.url, tenant_id, code))
        if found is None:
            raise click.UsageError(f"There is no location {code!r} in this tenant.")
        return found


@contextmanager
def opened() -> Iterator[Access]:
    """The database of the settings, started where need be, once it is known to have the tables."""
    main, settings = composition(), load_settings()
    main.configure_logging(settings)
    with open_database(main, settings) as (database, named):
        asyncio.run(main.refuse_unfit_database(named))
        yield Access(main.access_tools(), database.admin_url)


def a_line(_context: click.Context, _parameter: click.Parameter, value: str | None) -> str | None:
    """A name as it is stored; click says what is wrong with one that cannot be."""
    if value is None:
        return None
    try:
        return clean_line(value, longest=200)
    except ValueError as problem:
        raise click.BadParameter(str(problem)) from problem


def columns(rows: Sequence[Sequence[object]]) -> str:
    """Rows as lines whose columns stand under each other; the first row is the head."""
    texts = [["" if cell is None else str(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in texts
    )


def day(moment: datetime | None) -> str:
    return "" if moment is None else f"{moment:%Y-%m-%d %H:%M}"
