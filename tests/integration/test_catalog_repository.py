"""The catalog on a real database: natural keys, versions, uses, tenants, races, and what each read costs."""

import asyncio
from collections.abc import AsyncGenerator
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from domain.access.model import Act, Permission
from domain.catalog import lots, measures, places, products
from domain.catalog.model import (
    Area,
    Bin,
    BinType,
    Category,
    Conversion,
    Location,
    LocationType,
    Lot,
    Product,
    StockLevels,
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
from domain.errors import DomainError, FieldError, Reason
from domain.expiry.model import Incoming, LotStatus, NewLot
from domain.expiry.service import admit
from domain.ledger.model import Entry, Kind, Posting
from domain.values import new_id
from infra.access.provision import create_tenant
from infra.catalog.queries import SqlCatalogQueries
from infra.catalog.repository import RETIRED_NUMBER, SqlCatalogWork
from infra.db.pool import Database
from infra.db.work import beginning
from infra.ledger.post import post
from tests.catalog_lab import an_act
from tests.lab import DatabaseUrls

WAITS = """
    SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()
"""


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


@pytest.fixture(scope="module")
async def database(database_urls: DatabaseUrls) -> AsyncGenerator[Database]:
    database = await Database.connect(database_urls.app_url)
    yield database
    await database.close()


async def a_store(urls: DatabaseUrls, database: Database) -> Store:
    slug = f"store-{new_id().hex[-12:]}"
    return await Store(database, await create_tenant(urls.admin_url, slug, "A store")).build()


@pytest.fixture
async def store(database_urls: DatabaseUrls, database: Database) -> Store:
    return await a_store(database_urls, database)


@pytest.fixture
async def neighbour(database_urls: DatabaseUrls, database: Database) -> Store:
    return await a_store(database_urls, database)


def window(**options: Any) -> Window:
    return Window(**{"sort": "code", "limit": 50, **options})


async def refusal_of(what: Any) -> DomainError:
    with pytest.raises(DomainError) as refused:
        await what
    return refused.value


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


async def test_lot_control_is_switched_when_nothing_is_on_hand_of_the_other_kind(store: Store) -> None:
    product, location = await store.a_product("TEA"), await store.a_location("L")
    await store.moves(product, location, 5)

    refused = await refusal_of(store.change_product(product, is_lot_controlled=True))
    assert refused.reason is Reason.IN_USE
    await store.moves(product, location, -5)
    await store.change_product(product, is_lot_controlled=True)

    # The lot with the history stays under a name, and whoever names no lot is told to.
    old = await store.value("SELECT number || ' ' || status FROM lots WHERE product_id = $1", product)
    assert old == f"{RETIRED_NUMBER} INACTIVE"
    assert (await refusal_of(store.moves(product, location, 1))).reason is Reason.LOT_REQUIRED

    lot = await store.a_lot(product, "L-1")
    await store.moves(product, location, 2, lot_id=lot)
    refused = await refusal_of(store.change_product(product, is_lot_controlled=False))
    assert refused.reason is Reason.IN_USE
    await store.moves(product, location, -2, lot_id=lot)
    await store.change_product(product, is_lot_controlled=False)

    await store.moves(product, location, 3)
    lines = await store.value("SELECT count(*) FROM stock_lines WHERE product_id = $1", product)
    assert lines == 2, "the stock is in the default lot that it was in before"


async def test_a_default_lot_that_was_never_used_goes_when_lot_control_comes(store: Store) -> None:
    product = await store.a_product("TEA")

    await store.change_product(product, is_lot_controlled=True)
    assert await store.value("SELECT count(*) FROM lots WHERE product_id = $1", product) == 0
    await store.change_product(product, is_lot_controlled=False)
    assert await store.value("SELECT count(*) FROM lots WHERE product_id = $1 AND is_default", product) == 1


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


async def test_lots_that_come_in_twice_at_once_are_made_once(store: Store) -> None:
    product, location = await store.a_product("TEA", is_lot_controlled=True), await store.a_location("L")
    all_in = asyncio.Barrier(6)

    async def bring(expiry: date) -> None:
        async with store.begin(store.act) as work:
            await all_in.wait()
            line = Incoming(product_id=product, lot_number="L-1", expires_on=expiry)
            await admit(work, location_id=location, lines=[line])

    expiries = [date(2031, 1, 1)] * 5 + [date(2032, 2, 2)]
    outcomes = await asyncio.gather(*map(bring, expiries), return_exceptions=True)

    assert await store.value("SELECT count(*) FROM lots WHERE product_id = $1", product) == 1
    kept = await store.value("SELECT expires_on FROM lots WHERE product_id = $1", product)
    refused = [isinstance(outcome, FieldError) for outcome in outcomes]
    assert refused == [expiry != kept for expiry in expiries]


async def test_ensured_lots_tell_which_of_them_are_new(store: Store) -> None:
    product = await store.a_product("TEA", is_lot_controlled=True)
    await store.a_lot(product, "OLD")

    async with store.begin(store.act) as work:
        known = await work.ensure_lots([NewLot(product_id=product, number=number) for number in ("OLD", "NEW")])

    assert {number: lot.is_new for (_, number), lot in known.items()} == {"OLD": False, "NEW": True}


async def test_expiry_is_judged_by_the_date_at_the_location(store: Store) -> None:
    east = Location(code="E", name="E", type=LocationType.STORE, time_zone="Pacific/Kiritimati")
    west = Location(code="W", name="W", type=LocationType.STORE, time_zone="Pacific/Pago_Pago")
    async with store.begin(store.places_act) as work:
        ids = await places.create_locations_many(work, act=store.places_act, locations=[east, west])
        dates = [(await work.lot_facts([], location_id=id_)).today for id_ in ids]

    assert (dates[0] - dates[1]).days == 1


async def test_what_expired_or_is_recalled_is_not_changed_by_hand(store: Store) -> None:
    product = await store.a_product("TEA", is_lot_controlled=True)
    lot = await store.a_lot(product, "L-1", status=LotStatus.RECALLED)

    async with store.begin(store.act) as work:
        refused = await refusal_of(
            lots.change_lot(
                work,
                act=store.act,
                lot_id=lot,
                changes={"status": LotStatus.ACTIVE},
                expected_version=None,
            )
        )

    assert refused.reason is Reason.INVALID_TRANSITION


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
