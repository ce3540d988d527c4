"""A tenant, and its catalog from the inside."""

from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from domain.access.model import Act, Permission
from domain.catalog import lots, measures, places, products
from domain.catalog.model import (
    Bin,
    Location,
    LocationType,
    Lot,
    Product,
    Uom,
)
from domain.catalog.views import (
    Window,
)
from domain.errors import DomainError
from domain.ledger.model import Entry, Kind, Posting
from domain.values import new_id
from infra.access.provision import create_tenant
from infra.catalog.queries import SqlCatalogQueries
from infra.catalog.repository import SqlCatalogWork
from infra.db.pool import Database
from infra.db.work import beginning
from infra.ledger.post import post
from tests.catalog_lab import an_act
from tests.lab import DatabaseUrls


class Store:
    """A tenant, and its catalog from the inside."""

    def __init__(self, database: Database, tenant_id: UUID, uom_id: UUID | None = None) -> None:
        self.database = database
        self.tenant_id = tenant_id
        self.begin = beginning(database, SqlCatalogWork)
        self.queries = SqlCatalogQueries(database)
        self.uom_id = uom_id or new_id()

    @property
    def act(self) -> Act:
        return an_act(self.tenant_id)

    @property
    def places_act(self) -> Act:
        return an_act(self.tenant_id, Permission.LOCATIONS_WRITE)

    async def build(self) -> "Store":
        async with self.begin(self.act) as work:
            self.uom_id = (await measures.create_uom(work, act=self.act, uom=Uom(code="EA", name="Each"))).id
        return self

    async def a_product(self, sku: str, **facts: Any) -> UUID:
        product = Product(sku=sku, name=sku, uom_id=self.uom_id, **facts)
        async with self.begin(self.act) as work:
            return (await products.create_product(work, act=self.act, product=product)).id

    async def a_location(self, code: str) -> UUID:
        location = Location(code=code, name=code, type=LocationType.STORE, time_zone="UTC")
        async with self.begin(self.places_act) as work:
            return (await places.create_location(work, act=self.places_act, location=location)).id

    async def a_bin(self, location_id: UUID, code: str, **facts: Any) -> UUID:
        place = Bin(location_id=location_id, code=code, name=code, **facts)
        async with self.begin(self.places_act) as work:
            return (await places.create_bin(work, act=self.places_act, place=place)).id

    async def a_lot(self, product_id: UUID, number: str, **facts: Any) -> UUID:
        lot = Lot(product_id=product_id, number=number, **facts)
        async with self.begin(self.act) as work:
            return (await lots.create_lot(work, act=self.act, lot=lot)).id

    async def change_product(self, product_id: UUID, **changes: object) -> None:
        async with self.begin(self.act) as work:
            await products.change_product(
                work, act=self.act, product_id=product_id, changes=changes, expected_version=None
            )

    async def change_bin(self, bin_id: UUID, **changes: object) -> None:
        async with self.begin(self.places_act) as work:
            await places.change_bin(
                work, act=self.places_act, bin_id=bin_id, changes=changes, expected_version=None
            )

    def entry(self, product_id: UUID, location_id: UUID, delta: int, **more: Any) -> Entry:
        kind = Kind.RECEIPT if delta > 0 else Kind.ISSUE
        return Entry(kind=kind, product_id=product_id, location_id=location_id, delta=Decimal(delta), **more)

    async def moves(self, product_id: UUID, location_id: UUID, delta: int, **more: Any) -> None:
        entry = self.entry(product_id, location_id, delta, **more)
        async with self.database.bound(self.tenant_id) as driver:
            (answer,) = await post(driver, [Posting(id=new_id(), kind=entry.kind, entries=(entry,))])
        if isinstance(answer, DomainError):
            raise answer

    async def value(self, sql: str, *arguments: object) -> Any:
        async with self.database.bound(self.tenant_id) as driver:
            return await driver.fetchval(sql, *arguments)


async def a_store(urls: DatabaseUrls, database: Database) -> Store:
    slug = f"store-{new_id().hex[-12:]}"
    return await Store(database, await create_tenant(urls.admin_url, slug, "A store")).build()


def window(**options: Any) -> Window:
    return Window(**{"sort": "code", "limit": 50, **options})


async def refusal_of(what: Any) -> DomainError:
    with pytest.raises(DomainError) as refused:
        await what
    return refused.value
