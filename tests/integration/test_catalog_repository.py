"""The catalog written on a real database: natural keys, versions, uses, tenants, races, thousands at once."""

import asyncio
from collections.abc import AsyncGenerator
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from domain.access.model import Act
from domain.catalog import lots, measures, places, products
from domain.catalog.model import (
    Area,
    Bin,
    BinType,
    Category,
    Conversion,
    Lot,
    Product,
    StockLevels,
    Uom,
)
from domain.catalog.views import (
    ProductFilter,
)
from domain.errors import DomainError, FieldError, Reason
from infra.db.pool import Database
from tests.catalog_store import Store, a_store, refusal_of, window
from tests.lab import DatabaseUrls

WAITS = """
    SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()
"""


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


async def test_a_natural_code_is_unique_in_its_tenant_and_free_in_another(store: Store, neighbour: Store) -> None:
    await store.a_product("TEA")
    await neighbour.a_product("TEA")

    refused = await refusal_of(store.a_product("TEA"))

    assert (refused.reason, refused.facts["field"]) == (Reason.DUPLICATE, "sku")


async def test_codes_compare_case_sensitively(store: Store) -> None:
    await store.a_product("tea")
    await store.a_product("TEA")

    page = await store.queries.products.page(store.tenant_id, ProductFilter(sku="tea"), window(sort="sku"))
    assert [product.sku for product in page.items] == ["tea"]


async def test_a_product_has_a_default_lot_unless_it_is_lot_controlled(store: Store) -> None:
    plain, controlled = await store.a_product("A"), await store.a_product("B", is_lot_controlled=True)

    count = "SELECT count(*) FROM lots WHERE product_id = $1 AND is_default AND number = ''"
    assert await store.value(count, plain) == 1
    assert await store.value(count, controlled) == 0


async def test_a_location_has_a_default_bin(store: Store) -> None:
    location = await store.a_location("L")

    view = await store.queries.locations.one(store.tenant_id, location)
    assert await store.value("SELECT is_default FROM bins WHERE id = $1", view.default_bin_id) is True


async def test_what_refers_to_another_tenants_things_does_not_find_them(store: Store, neighbour: Store) -> None:
    theirs, location = await neighbour.a_product("X"), await neighbour.a_location("X")
    mine = await store.a_product("X")
    foreign = Store(store.database, store.tenant_id, neighbour.uom_id)

    assert (await refusal_of(foreign.a_product("Y"))).facts["field"] == "uomId"
    assert (await refusal_of(store.a_product("Y", category_id=theirs))).facts["field"] == "categoryId"
    assert (await refusal_of(store.a_bin(location, "B"))).facts["field"] == "locationId"
    assert (await refusal_of(store.a_lot(theirs, "L"))).facts["field"] == "productMasterId"
    assert (await refusal_of(store.change_product(theirs, name="Mine"))).reason is Reason.NOT_FOUND
    async with store.begin(store.act) as work:
        refused = await refusal_of(
            products.put_levels(
                work,
                act=store.act,
                product_id=mine,
                location_id=location,
                levels=StockLevels(),
                expected_version=None,
            )
        )
    assert refused.facts["field"] == "locationId"


async def test_a_stale_version_changes_nothing_and_tells_the_actual_one(store: Store) -> None:
    product = await store.a_product("TEA")
    await store.change_product(product, name="Green tea")

    async with store.begin(store.act) as work:
        refused = await refusal_of(
            products.change_product(
                work, act=store.act, product_id=product, changes={"name": "Black tea"}, expected_version=1
            )
        )

    assert (refused.reason, refused.facts["expected"], refused.facts["actual"]) == (Reason.STALE_VERSION, 1, 2)
    assert (await store.queries.products.one(store.tenant_id, product)).name == "Green tea"


async def test_two_changes_at_once_are_made_one_after_the_other(store: Store) -> None:
    product = await store.a_product("TEA")

    async def change(name: str) -> object:
        async with store.begin(store.act) as work:
            return await products.change_product(
                work, act=store.act, product_id=product, changes={"name": name}, expected_version=1
            )

    outcomes = await asyncio.gather(*(change(f"Tea {n}") for n in range(6)), return_exceptions=True)

    stale = [one for one in outcomes if isinstance(one, DomainError) and one.reason is Reason.STALE_VERSION]
    assert len(stale) == 5
    assert (await store.queries.products.one(store.tenant_id, product)).version == 2


async def test_changing_nothing_makes_no_version_and_no_event(store: Store) -> None:
    product = await store.a_product("TEA")
    before = await store.value("SELECT event_position FROM ledger_heads")

    await store.change_product(product, name="TEA", unit_cost=Decimal("0.0000"))

    assert (await store.queries.products.one(store.tenant_id, product)).version == 1
    assert await store.value("SELECT event_position FROM ledger_heads") == before


async def delete_product(store: Store, product_id: UUID) -> None:
    async with store.begin(store.act) as work:
        await products.delete_product(work, act=store.act, product_id=product_id)


async def test_a_product_with_stock_lines_is_in_use_even_when_they_are_empty(store: Store) -> None:
    product, location = await store.a_product("TEA"), await store.a_location("L")
    await store.moves(product, location, 5)
    await store.moves(product, location, -5)

    refused = await refusal_of(delete_product(store, product))

    assert (refused.reason, refused.facts["usedBy"]) == (Reason.IN_USE, {"stockLines": 1})


async def test_a_product_goes_with_what_belongs_to_it_alone(store: Store) -> None:
    product, location = await store.a_product("TEA"), await store.a_location("L")
    async with store.begin(store.act) as work:
        case = await measures.create_uom(work, act=store.act, uom=Uom(code="CS", name="Case"))
        conversion = Conversion(
            product_id=product, from_uom_id=case.id, to_uom_id=store.uom_id, factor=Decimal(12)
        )
        await measures.create_conversion(work, act=store.act, conversion=conversion)
        await products.put_levels(
            work,
            act=store.act,
            product_id=product,
            location_id=location,
            levels=StockLevels(min_qty=Decimal(1)),
            expected_version=0,
        )

    await delete_product(store, product)

    for table in ("lots", "uom_conversions", "stock_levels"):
        assert await store.value(f"SELECT count(*) FROM {table} WHERE product_id = $1", product) == 0


async def test_whatever_is_referred_to_says_by_what(store: Store) -> None:
    act = store.act
    async with store.begin(act) as work:
        top = await products.create_category(work, act=act, category=Category(code="TOP", name="Top"))
        await products.create_category(work, act=act, category=Category(code="LOW", name="Low", parent_id=top.id))
    await store.a_product("TEA", category_id=top.id)
    location = await store.a_location("L")
    async with store.begin(store.places_act) as work:
        area = await places.create_area(
            work, act=store.places_act, area=Area(location_id=location, code="A", name="A")
        )
    await store.a_bin(location, "B", area_id=area.id)

    async def tried(delete: Any, act: Act, **named: UUID) -> object:
        async with store.begin(act) as work:
            return (await refusal_of(delete(work, act=act, **named))).facts["usedBy"]

    assert await tried(products.delete_category, act, category_id=top.id) == {"products": 1, "subcategories": 1}
    assert await tried(measures.delete_uom, act, uom_id=store.uom_id) == {"products": 1}
    assert await tried(places.delete_area, store.places_act, area_id=area.id) == {"bins": 1}
    assert await tried(places.delete_location, store.places_act, location_id=location) == {"bins": 1, "areas": 1}


async def test_a_default_bin_goes_with_its_location_only(store: Store) -> None:
    location = await store.a_location("L")
    bin_id = (await store.queries.locations.one(store.tenant_id, location)).default_bin_id

    async with store.begin(store.places_act) as work:
        refused = await refusal_of(places.delete_bin(work, act=store.places_act, bin_id=bin_id))
    async with store.begin(store.places_act) as work:
        await places.delete_location(work, act=store.places_act, location_id=location)

    assert refused.reason is Reason.IN_USE
    assert await store.value("SELECT count(*) FROM bins WHERE id = $1", bin_id) == 0


async def test_a_category_cannot_come_to_stand_below_itself(store: Store) -> None:
    act = store.act
    ids: list[UUID] = []
    async with store.begin(act) as work:
        for n in range(4):
            category = Category(code=f"C{n}", name="C", parent_id=ids[-1] if ids else None)
            ids.append((await products.create_category(work, act=act, category=category)).id)

    for parent in ids:
        async with store.begin(act) as work:
            refused = await refusal_of(
                products.change_category(
                    work, act=act, category_id=ids[0], changes={"parent_id": parent}, expected_version=None
                )
            )
        assert isinstance(refused, FieldError)


async def test_two_categories_that_move_below_each_other_at_once_make_no_circle(store: Store) -> None:
    act = store.act
    async with store.begin(act) as work:
        a = await products.create_category(work, act=act, category=Category(code="A", name="A"))
        b = await products.create_category(work, act=act, category=Category(code="B", name="B"))
    both = asyncio.Barrier(2)

    async def move(category: UUID, below: UUID) -> None:
        async with store.begin(act) as work:
            await both.wait()
            await products.change_category(
                work, act=act, category_id=category, changes={"parent_id": below}, expected_version=None
            )

    outcomes = await asyncio.gather(move(a.id, b.id), move(b.id, a.id), return_exceptions=True)

    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["FieldError", "NoneType"]


async def test_a_bin_changes_sides_only_before_stock_has_been_in_it(store: Store) -> None:
    product, location = await store.a_product("TEA"), await store.a_location("L")
    bin_id = await store.a_bin(location, "B")

    await store.change_bin(bin_id, type=BinType.HOLD)
    await store.change_bin(bin_id, type=BinType.PICKING)
    await store.moves(product, location, 1, bin_id=bin_id)
    await store.change_bin(bin_id, type=BinType.STAGING)
    refused = await refusal_of(store.change_bin(bin_id, type=BinType.QUARANTINE))
    await store.moves(product, location, -1, bin_id=bin_id)
    still = await refusal_of(store.change_bin(bin_id, type=BinType.QUARANTINE))

    assert (refused.reason, still.reason) == (Reason.IN_USE, Reason.IN_USE)


async def test_stock_that_comes_while_a_bin_changes_sides_is_summed_up_on_the_right_side(
    store: Store, database_urls: DatabaseUrls
) -> None:
    product, location = await store.a_product("TEA"), await store.a_location("L")
    bin_id = await store.a_bin(location, "B")
    watcher = await asyncpg.connect(database_urls.admin_url)

    async def waits() -> None:
        async with asyncio.timeout(10):
            while not await watcher.fetchval(WAITS):  # noqa: ASYNC110 - another process is waited for
                await asyncio.sleep(0.01)

    async with store.begin(store.places_act) as work:
        await places.change_bin(
            work,
            act=store.places_act,
            bin_id=bin_id,
            changes={"type": BinType.HOLD},
            expected_version=None,
        )
        arrival = asyncio.create_task(store.moves(product, location, 7, bin_id=bin_id))
        await waits()
    await arrival
    await watcher.close()

    assert await store.value("SELECT on_hand FROM stock_totals WHERE product_id = $1", product) == 7
    assert await store.value("SELECT sellable FROM stock_totals WHERE product_id = $1", product) == 0


async def test_conversions_do_not_contradict_each_other(store: Store) -> None:
    act = store.act

    async def say(from_: UUID, to: UUID, factor: int, product: UUID | None = None) -> None:
        conversion = Conversion(product_id=product, from_uom_id=from_, to_uom_id=to, factor=Decimal(factor))
        async with store.begin(act) as work:
            await measures.create_conversion(work, act=act, conversion=conversion)

    async with store.begin(act) as work:
        case, pallet = await measures.create_uoms_many(
            work, act=act, uoms=[Uom(code="CS", name="Case"), Uom(code="PL", name="Pallet")]
        )
    await say(case, store.uom_id, 12)
    await say(pallet, case, 40)

    assert (await refusal_of(say(case, store.uom_id, 12))).reason is Reason.DUPLICATE
    assert (await refusal_of(say(store.uom_id, case, 12))).reason is Reason.DUPLICATE
    assert isinstance(await refusal_of(say(pallet, store.uom_id, 500)), FieldError)
    await say(pallet, store.uom_id, 480)
    await say(case, store.uom_id, 24, await store.a_product("TEA"))


async def test_thousands_are_made_by_one_statement_and_one_event(store: Store) -> None:
    act, count = store.act, 3000
    wanted = [Product(sku=f"SKU-{n:05}", name=f"Product {n}", uom_id=store.uom_id) for n in range(count)]
    location = await store.a_location("L")
    before = await store.value("SELECT event_position FROM ledger_heads")

    async with store.begin(act) as work:
        ids = await products.create_products_many(work, act=act, products=wanted)
        await places.create_bins_many(
            work,
            act=store.places_act,
            bins=[Bin(location_id=location, code=f"B-{n}", name="B", walk_order=n) for n in range(count)],
        )
        await lots.create_lots_many(
            work, act=act, lots=[Lot(product_id=id_, number="L-1", expires_on=date(2031, 1, 1)) for id_ in ids]
        )

    assert await store.value("SELECT count(*) FROM lots WHERE is_default") == count
    assert (await store.queries.products.one(store.tenant_id, ids[1234])).sku == "SKU-01234"
    assert await store.value("SELECT event_position FROM ledger_heads") == before + 3


async def test_the_levels_of_many_products_are_set_and_set_again(store: Store) -> None:
    ids, location = [await store.a_product(f"S{n}") for n in range(5)], await store.a_location("L")

    for most in (10, 20):
        levels = {
            (id_, location): StockLevels(min_qty=Decimal(n), max_qty=Decimal(most)) for n, id_ in enumerate(ids)
        }
        async with store.begin(store.act) as work:
            await products.put_levels_many(work, act=store.act, levels=levels)

    assert await store.value("SELECT sum(max_qty * version) FROM stock_levels") == 5 * 20 * 2
    wrong = {(ids[0], location): StockLevels(), (ids[1], location): StockLevels(source_location_id=location)}
    async with store.begin(store.act) as work:
        refused: Any = await refusal_of(products.put_levels_many(work, act=store.act, levels=wrong))
    assert refused.facts["fields"][0]["path"] == "levels[1].sourceLocationId"


async def test_many_with_one_wrong_among_them_make_nothing(store: Store) -> None:
    wanted = [Product(sku=f"S{n}", name="x" if n != 7 else " ", uom_id=store.uom_id) for n in range(9)]

    async def make() -> None:
        async with store.begin(store.act) as work:
            await products.create_products_many(work, act=store.act, products=wanted)

    refused: Any = await refusal_of(make())

    assert [field["path"] for field in refused.facts["fields"]] == ["products[7].name"]
    assert await store.value("SELECT count(*) FROM products") == 0
