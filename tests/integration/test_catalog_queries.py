"""The catalog read from a real database: pages, places, filters, scopes, and what each read costs."""

from collections.abc import AsyncGenerator
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from domain.catalog import lots, measures, places, products
from domain.catalog.model import (
    Area,
    Bin,
    Category,
    Conversion,
    Lot,
    Product,
    Uom,
)
from domain.catalog.views import (
    AreaFilter,
    BinFilter,
    CategoryFilter,
    ConversionFilter,
    LocationFilter,
    LotFilter,
    ProductFilter,
    UomFilter,
    Window,
)
from domain.errors import Reason
from domain.values import new_id
from infra.catalog.queries import SqlCatalogQueries
from infra.db.pool import Database
from tests.catalog_store import Store, a_store, refusal_of, window
from tests.lab import DatabaseUrls


@pytest.fixture(scope="module")
async def database(database_urls: DatabaseUrls) -> AsyncGenerator[Database]:
    database = await Database.connect(database_urls.app_url)
    yield database
    await database.close()


@pytest.fixture
async def store(database_urls: DatabaseUrls, database: Database) -> Store:
    return await a_store(database_urls, database)


@pytest.fixture
async def neighbour(database_urls: DatabaseUrls, database: Database) -> Store:
    return await a_store(database_urls, database)


async def test_reads_of_another_tenants_things_answer_as_for_what_is_not_there(
    store: Store, neighbour: Store
) -> None:
    theirs = {
        "products": await neighbour.a_product("X"),
        "locations": await neighbour.a_location("X"),
        "uoms": neighbour.uom_id,
    }

    for shelf, id_ in theirs.items():
        foreign = await refusal_of(getattr(store.queries, shelf).one(store.tenant_id, id_))
        unknown = await refusal_of(getattr(store.queries, shelf).one(store.tenant_id, new_id()))
        assert (foreign.reason, foreign.message, foreign.facts) == (unknown.reason, unknown.message, unknown.facts)


async def fill(store: Store) -> UUID:
    """Some of everything; a location's id."""
    act = store.act
    location = await store.a_location("L")
    async with store.begin(act) as work:
        uoms = await measures.create_uoms_many(
            work, act=act, uoms=[Uom(code=f"U{n}", name=f"Unit {9 - n}") for n in range(7)]
        )
        ids = await products.create_products_many(
            work,
            act=act,
            products=[Product(sku=f"S{n}", name=f"Name {n % 3}", uom_id=store.uom_id) for n in range(7)],
        )
        await products.create_categories_many(
            work, act=act, categories=[Category(code=f"C{n}", name=f"Name {n % 3}") for n in range(7)]
        )
        await measures.create_conversions_many(
            work,
            act=act,
            conversions=[
                Conversion(product_id=id_, from_uom_id=uoms[0], to_uom_id=store.uom_id, factor=Decimal(2))
                for id_ in ids
            ],
        )
        await lots.create_lots_many(
            work,
            act=act,
            lots=[
                Lot(product_id=ids[n % 2], number=f"L{n}", expires_on=None if n % 3 else date(2030, 1, 1 + n))
                for n in range(7)
            ],
        )
        await places.create_areas_many(
            work,
            act=store.places_act,
            areas=[Area(location_id=location, code=f"A{n}", name=f"Name {n % 3}") for n in range(7)],
        )
        await places.create_bins_many(
            work,
            act=store.places_act,
            bins=[Bin(location_id=location, code=f"B{n}", name="B", walk_order=9 - n // 2) for n in range(7)],
        )
    for n in range(6):
        await store.a_location(f"M{n}")
    return location


SHELVES: dict[str, tuple[Any, tuple[str, ...]]] = {
    "categories": (CategoryFilter(), ("code", "name")),
    "uoms": (UomFilter(), ("code", "name")),
    "conversions": (ConversionFilter(), ("createdAt",)),
    "products": (ProductFilter(), ("sku", "name", "createdAt")),
    "locations": (LocationFilter(), ("code", "name")),
    "areas": (AreaFilter(), ("code", "name")),
    "bins": (BinFilter(), ("code", "walkOrder")),
    "lots": (LotFilter(is_default=False), ("lotNumber", "expiryDate", "createdAt")),
}


async def test_every_order_shows_everything_once_by_pages_and_by_places(store: Store) -> None:
    await fill(store)

    for shelf, (wanted, sorts) in SHELVES.items():
        page = getattr(store.queries, shelf).page
        for sort in [direction + sort for sort in sorts for direction in ("", "-")]:
            whole = await page(store.tenant_id, wanted, Window(sort=sort, limit=200))
            ids = [item.id for item in whole.items]
            by_page = [
                item.id
                for number in range(1, 6)
                for item in (await page(store.tenant_id, wanted, Window(sort=sort, limit=3, page=number))).items
            ]
            by_place: list[UUID] = []
            after: Any = None
            while True:
                part = await page(store.tenant_id, wanted, Window(sort=sort, limit=3, after=after))
                by_place += [item.id for item in part.items]
                after = part.next_after
                if after is None:
                    break

            assert whole.total == len(ids) == len(set(ids)) >= 7, (shelf, sort)
            assert by_page == ids, (shelf, sort)
            assert by_place == ids, (shelf, sort)


async def test_lots_are_sorted_first_expired_first_and_no_expiry_last(store: Store) -> None:
    await fill(store)

    page = await store.queries.lots.page(store.tenant_id, LotFilter(is_default=False), window(sort="expiryDate"))

    expiries = [lot.expires_on for lot in page.items]
    assert expiries == sorted(expiries, key=lambda day: day or date.max)
    assert expiries[-1] is None


async def test_a_scope_limits_what_belongs_to_locations(store: Store) -> None:
    location = await fill(store)
    mine, nothing = frozenset({location}), frozenset[UUID]()

    for shelf in ("locations", "areas", "bins"):
        wanted = SHELVES[shelf][0]
        page = getattr(store.queries, shelf).page
        everything = await page(store.tenant_id, wanted, window())
        some = await page(store.tenant_id, wanted, window(), scope=mine)
        none = await page(store.tenant_id, wanted, window(), scope=nothing)
        assert 0 < some.total <= everything.total
        assert {getattr(item, "location_id", item.id) for item in some.items} == {location}
        assert (none.total, none.items) == (0, [])
    other = await store.a_location("ELSEWHERE")
    refused = await refusal_of(store.queries.locations.one(store.tenant_id, other, scope=mine))
    assert refused.reason is Reason.NOT_FOUND


async def test_a_category_is_looked_for_with_those_below_it(store: Store) -> None:
    act = store.act
    async with store.begin(act) as work:
        drinks = await products.create_category(work, act=act, category=Category(code="D", name="Drinks"))
        tea = await products.create_category(
            work, act=act, category=Category(code="T", name="Tea", parent_id=drinks.id)
        )
        green = await products.create_category(
            work, act=act, category=Category(code="G", name="Green", parent_id=tea.id)
        )
    await store.a_product("SENCHA", category_id=green.id)
    await store.a_product("WATER", category_id=drinks.id)
    await store.a_product("BREAD")

    found = await store.queries.products.page(
        store.tenant_id, ProductFilter(category_id=drinks.id), window(sort="sku")
    )

    assert [product.sku for product in found.items] == ["SENCHA", "WATER"]


async def test_a_search_finds_a_part_in_any_case_and_takes_no_wildcards(store: Store) -> None:
    for sku, name, barcode in (("A_1", "50% Wool", None), ("B", "Wool", "5012345678900"), ("C", "Silk", None)):
        product = Product(sku=sku, name=name, barcode=barcode, uom_id=store.uom_id)
        async with store.begin(store.act) as work:
            await products.create_product(work, act=store.act, product=product)

    async def found(search: str) -> list[str]:
        page = await store.queries.products.page(store.tenant_id, ProductFilter(search=search), window(sort="sku"))
        return [product.sku for product in page.items]

    assert await found("wOOl") == ["A_1", "B"]
    assert await found("%") == ["A_1"]
    assert await found("_") == ["A_1"]
    assert await found("45678") == ["B"]


@pytest.fixture
async def counted(database_urls: DatabaseUrls) -> AsyncGenerator[tuple[Database, list[str]]]:
    """A database with one connection, and the statements that it has run."""
    database = await Database.connect(database_urls.app_url, size=1)
    ran: list[str] = []
    async with database.unbound() as driver:
        driver.add_query_logger(lambda record: ran.append(record.query))
    yield database, ran
    await database.close()


async def test_each_read_is_one_statement(store: Store, counted: tuple[Database, list[str]]) -> None:
    await fill(store)
    database, ran = counted
    queries = SqlCatalogQueries(database)
    await queries.uoms.page(store.tenant_id, UomFilter(), window())  # binds the connection to the tenant
    ran.clear()

    for shelf, (wanted, sorts) in SHELVES.items():
        page = await getattr(queries, shelf).page(store.tenant_id, wanted, window(sort=sorts[0], limit=2))
        assert len(ran) == 1, shelf
        await getattr(queries, shelf).page(
            store.tenant_id, wanted, window(sort=sorts[0], limit=2, after=page.next_after)
        )
        assert len(ran) == 2, shelf
        await getattr(queries, shelf).one(store.tenant_id, page.items[0].id)
        assert len(ran) == 3, shelf
        ran.clear()
