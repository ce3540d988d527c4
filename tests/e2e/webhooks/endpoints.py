"""A tenant that posts, and endpoints of it."""

from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from domain.access.model import Permission
from domain.values import new_id
from domain.webhooks.service import new_secret
from infra.access.provision import create_api_key
from infra.db.pool import Database
from infra.ledger.post import post
from tests.ledger.builders import Warehouse, a_move, a_warehouse, an_act
from tests.neighbours import insert

type Connection = asyncpg.Connection[Any]


class Site(msgspec.Struct, frozen=True, kw_only=True):
    """A tenant with stock, and whoever makes its endpoints."""

    warehouse: Warehouse
    key_id: UUID

    @property
    def tenant_id(self) -> UUID:
        return self.warehouse.tenant_id


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    id: UUID
    secret: str


async def a_site(
    admin: Connection, admin_url: str, *, permissions: tuple[Permission, ...] = (Permission.EVENTS_READ,)
) -> Site:
    """Ten stock lines at two locations, none with anything on it."""
    warehouse = await a_warehouse(admin, products=5, locations=2)
    key_id, _ = await create_api_key(admin_url, warehouse.tenant_id, "ERP", list(permissions))
    return Site(warehouse=warehouse, key_id=key_id)


async def an_endpoint(admin: Connection, site: Site, url: str, **facts: Any) -> Endpoint:
    """As the API makes one, from the beginning of the feed."""
    id_, secret = new_id(), new_secret()
    row = {"tenant_id": site.tenant_id, "id": id_, "url": url, "key_id": site.key_id, "maker": "ERP", **facts}
    await admin.execute("SELECT set_config('app.tenant', $1, false)", str(site.tenant_id))
    await insert(admin, "webhooks", row)
    of = {"tenant_id": site.tenant_id, "webhook_id": id_}
    await insert(admin, "webhook_secrets", {**of, "id": new_id(), "secret": secret})
    await insert(admin, "webhook_cursors", {**of, "position": 0})
    return Endpoint(id=id_, secret=secret)


async def move(database: Database, site: Site, *, product: int = 0, location: int = 0, quantity: int = 1) -> None:
    """One movement, told in one event."""
    posting = a_move(site.warehouse.shelf(product, location), Decimal(quantity))
    async with database.bound(site.tenant_id) as driver:
        await post(driver, [msgspec.structs.replace(posting, act=an_act(site.tenant_id))])
