"""Lots on a real database: lot control switched, and lots that come in."""

import asyncio
from collections.abc import AsyncGenerator
from datetime import date

import pytest

from domain.catalog import lots, places
from domain.catalog.model import (
    Location,
    LocationType,
)
from domain.errors import FieldError, Reason
from domain.expiry.model import Incoming, LotStatus, NewLot
from domain.expiry.service import admit
from infra.catalog.repository import RETIRED_NUMBER
from infra.db.pool import Database
from tests.catalog_store import Store, a_store, refusal_of
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
    # A day apart to the second, whatever the time is.
    east = Location(code="E", name="E", type=LocationType.STORE, time_zone="Pacific/Kiritimati")
    west = Location(code="W", name="W", type=LocationType.STORE, time_zone="Pacific/Honolulu")
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
