"""Imports on real PostgreSQL: what they write, what they refuse, and that nothing is done by halves."""

import asyncio
from datetime import date
from decimal import Decimal
from typing import Any

import asyncpg
import msgspec
import pytest

from domain.errors import ContentionError, DomainError, Reason
from domain.imports.model import Action, BadRecord, FileKind, Record
from domain.values import new_id
from infra.db.pool import BIND, Database
from infra.imports.reads import SqlImportReads
from tests.imports_lab import ALL_OR_NOTHING, DAY, ROW_BY_ROW, Site, a_record, numbered
from tests.ledger.conftest import admin, database
from tests.neighbours import insert

__all__ = ["admin", "database"]
LATER = date(2026, 2, 28)


@pytest.fixture
async def site(admin: "asyncpg.Connection[Any]", database: Database) -> Site:
    return await Site.made(admin, database)


async def test_an_import_makes_records_sets_them_and_leaves_what_is_the_same(site: Site) -> None:
    first = await site.imported(a_record(0, 10), a_record(1, 5, row=1))
    again = await site.imported(*numbered([a_record(0, 7), a_record(1, 5), a_record(0, 2, day=LATER)]))

    assert (first.created, first.updated, first.failed, first.is_applied) == (2, 0, 0, True)
    assert (again.created, again.updated, again.unchanged) == (1, 1, 1)
    assert [row.action for row in again.rows] == [Action.UPDATE, Action.UNCHANGED, Action.CREATE]
    assert (await site.of(0)).on_hand == 9
    assert (await site.of(0)).days == {DAY: 7, LATER: 2}
    assert again.posting_id is not None


async def test_stock_that_came_otherwise_stays_beside_the_records(site: Site) -> None:
    await site.moved(site.warehouse.shelf(0, lot=1), 100)

    await site.imported(a_record(0, 10))

    assert (await site.of(0)).on_hand == 110


async def test_what_left_is_taken_off_the_oldest_layers_before_a_record_is_set(site: Site) -> None:
    await site.imported(*numbered([a_record(0, 10), a_record(0, 10, day=LATER)]))
    await site.moved(site.warehouse.shelf(0, lot=1), -15)

    result = await site.imported(a_record(0, 12, day=LATER))

    assert result.rows[0].old == 5
    assert (await site.of(0)).on_hand == 12
    assert (await site.of(0)).days == {DAY: 0, LATER: 12}


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (a_record(name="product 0"), "Item with name 'product 0' does not exist"),
        (a_record(bin_="Bin 9"), "Bin with name 'Bin 9' does not exist"),
        (a_record(bin_="bin 0"), "Bin with name 'bin 0' does not exist"),
        (a_record(lot="LOT-9"), "Lot with name 'LOT-9' does not exist"),
        (a_record(uom="ea"), "UOM with name 'ea' does not exist"),
    ],
)
async def test_names_match_exactly_or_the_row_is_wrong(site: Site, record: Record, message: str) -> None:
    result = await site.imported(record, options=ROW_BY_ROW)

    assert [(error.row, error.message) for error in result.errors] == [(0, message)]


async def test_stock_under_lot_control_names_its_lot_where_the_company_keeps_lots(
    site: Site, admin: "asyncpg.Connection[Any]"
) -> None:
    await site.imported(a_record(0, 5, lot=""))
    await admin.execute(BIND, str(site.tenant_id))
    await admin.execute("UPDATE products SET is_lot_controlled = true WHERE name = 'Product 0'")

    refused = await site.imported(a_record(0, 6, lot=""), options=ROW_BY_ROW)
    named = await site.imported(a_record(0, 6))
    await admin.execute(
        "UPDATE tenants SET settings = settings || '{\"lotControl\": false}' WHERE id = $1", site.tenant_id
    )
    allowed = await site.imported(a_record(0, 6, lot=""))

    assert [error.message for error in refused.errors] == ["Lot with name '' does not exist"]
    assert (named.created, allowed.updated) == (1, 1)


async def test_one_bad_row_keeps_everything_back_and_each_is_reported(site: Site) -> None:
    records: list[Record | BadRecord] = [
        a_record(0, 10),
        a_record(0, 1, row=1, lot="LOT-9"),
        BadRecord(row=2, raw={"item_name": "?"}, messages=("quantity must be a number",)),
    ]
    position = await site.position()

    result = await site.imported(*records)

    assert (result.is_applied, result.created, result.failed) == (False, 0, 2)
    assert [error.row for error in result.errors] == [1, 2]
    assert result.message == "2 of 3 rows are wrong: nothing was changed"
    assert await site.position() == position
    assert (await site.of(0)).layers == {}


async def test_records_are_made_and_changed_only_where_that_is_allowed(site: Site) -> None:
    await site.imported(a_record(0, 10))
    no_updates = msgspec.structs.replace(ROW_BY_ROW, allow_record_update=False)
    no_creations = msgspec.structs.replace(ROW_BY_ROW, allow_record_creation=False)

    first = await site.imported(a_record(0, 11), a_record(1, 1, row=1), options=no_updates)
    second = await site.imported(a_record(0, 12), a_record(2, 1, row=1), options=no_creations)

    assert [(row.action, row.messages) for row in first.rows] == [
        (Action.ERROR, ("The record exists already, and allow_record_update is false",)),
        (Action.CREATE, ()),
    ]
    assert [(row.action, row.messages) for row in second.rows] == [
        (Action.UPDATE, ()),
        (Action.ERROR, ("The record does not exist, and allow_record_creation is false",)),
    ]


async def test_of_a_record_that_comes_twice_the_last_stands(site: Site) -> None:
    result = await site.imported(*numbered([a_record(0, 10), a_record(0, 4)]))

    assert (result.created, result.updated) == (1, 1)
    assert (await site.of(0)).on_hand == 4


async def test_a_dry_run_tells_the_difference_and_writes_nothing(site: Site) -> None:
    await site.imported(a_record(0, 10))
    position = await site.position()
    dry = msgspec.structs.replace(ALL_OR_NOTHING, dry_run=True)
    job_id = new_id()

    result = await site.imported(a_record(0, 7), a_record(1, 1, row=1), options=dry, job_id=job_id)

    assert [(row.action, row.old, row.new) for row in result.rows] == [
        (Action.UPDATE, Decimal(10), Decimal(7)),
        (Action.CREATE, None, Decimal(1)),
    ]
    assert (result.created, result.updated, result.is_applied) == (1, 1, False)
    assert await site.position() == position
    assert await SqlImportReads(site.database).status(site.act(), job_id) is None


async def test_quantities_come_in_any_unit_that_converts(site: Site, admin: "asyncpg.Connection[Any]") -> None:
    await admin.execute(BIND, str(site.tenant_id))
    base = await admin.fetchval("SELECT id FROM uoms WHERE tenant_id = $1", site.tenant_id)
    case, pallet = new_id(), new_id()
    for id_, code, name in ((case, "CS", "Case of 12"), (pallet, "PAL", "Pallet")):
        await insert(admin, "uoms", {"tenant_id": site.tenant_id, "id": id_, "code": code, "name": name})
    conversion = {"id": new_id(), "from_uom_id": case, "to_uom_id": base, "factor": Decimal(12)}
    await insert(admin, "uom_conversions", {"tenant_id": site.tenant_id, **conversion})

    result = await site.imported(
        *numbered([a_record(0, 2, uom="CS"), a_record(1, "0.5", uom="Case of 12"), a_record(2, 1, uom="PAL")]),
        options=ROW_BY_ROW,
    )

    assert [row.new for row in result.rows[:2]] == [24, 6]
    assert result.errors[0].message == "quantity cannot be converted from PAL to the item's own unit"


async def test_a_name_that_several_have_is_told_apart_by_the_lot_or_by_the_location(
    admin: "asyncpg.Connection[Any]", database: Database
) -> None:
    site = await Site.made(admin, database, locations=2)
    await admin.execute(BIND, str(site.tenant_id))
    first, second = site.warehouse.products[:2]
    await admin.execute("UPDATE products SET name = 'Wine' WHERE id = ANY ($1)", [first, second])
    await admin.execute("UPDATE lots SET number = 'ONLY' WHERE id = $1", site.warehouse.lots[second][1])

    result = await site.imported(
        *numbered(
            [
                a_record(name="Wine", bin_="L1/Bin 0", lot="ONLY"),
                a_record(name="Wine", bin_="L1/Bin 0", lot="LOT-9"),
                a_record(2, bin_="Bin 0"),
            ]
        ),
        options=ROW_BY_ROW,
    )
    of_one = await site.imported(
        a_record(2, bin_="Bin 0"), act=site.act(scope=frozenset({site.warehouse.locations[1]}))
    )

    assert result.rows[0].action is Action.CREATE
    assert (await site.of(1, location=1)).on_hand == 1
    assert [error.message for error in result.errors] == [
        "Item with name 'Wine' is not unique: 2 items have it",
        "Bin with name 'Bin 0' is not unique: 2 bins have it; name its location, as in 'L0/Bin 0'",
    ]
    assert of_one.is_applied
    assert (await site.of(2, location=1)).on_hand == 1


async def test_rights_freezes_and_closures_are_errors_of_their_rows(
    site: Site, admin: "asyncpg.Connection[Any]"
) -> None:
    await admin.execute(BIND, str(site.tenant_id))
    elsewhere = site.act(scope=frozenset({new_id()}))
    denied = await site.imported(a_record(0), options=ROW_BY_ROW, act=elsewhere)
    bin_id = site.warehouse.shelf(0, bin_=1).bin_id
    await admin.execute("UPDATE bins SET frozen_by = $1 WHERE id = $2", new_id(), bin_id)
    await admin.execute("UPDATE products SET is_active = false WHERE id = $1", site.warehouse.products[1])

    refused = await site.imported(
        *numbered([a_record(0, bin_="Bin 1"), a_record(1), a_record(2)]), options=ROW_BY_ROW
    )

    assert denied.errors[0].message == "Your rights do not cover the location of the bin 'Bin 0'"
    assert [error.message for error in refused.errors] == [
        "Bin with name 'Bin 1' is being counted: its stock may not move until the count is resolved",
        "Item with name 'Product 1' is not active: no stock may come in",
    ]
    assert (await site.of(2)).on_hand == 1


async def test_less_than_is_held_is_accepted_and_told_as_a_shortage(
    site: Site, admin: "asyncpg.Connection[Any]"
) -> None:
    await site.imported(a_record(0, 10))
    await admin.execute("UPDATE stock_lines SET reserved = 8 WHERE tenant_id = $1", site.tenant_id)

    result = await site.imported(a_record(0, 3))

    assert result.is_applied
    event = await admin.fetchrow(
        "SELECT payload FROM events WHERE tenant_id = $1 AND type = 'inventory.shortage.v1'", site.tenant_id
    )
    assert event is not None
    assert msgspec.json.decode(event["payload"])["lines"][0]["shortBy"] == 5


async def test_status_and_files_tell_what_became_of_each_row(site: Site) -> None:
    reads, job_id = SqlImportReads(site.database), new_id()
    bad = BadRecord(row=2, raw={"item_name": "=1+1", "quantity": "-5"}, messages=("one", "two"))

    await site.imported(*numbered([a_record(0, 10), a_record(1, 2)]), bad, options=ROW_BY_ROW, job_id=job_id)

    status = await reads.status(site.act(), job_id)
    assert status is not None
    assert (status.state, status.created, status.failed, status.can_undo) == ("SUCCEEDED", 2, 1, True)
    async with site.database.bound(site.tenant_id) as driver:
        job = await driver.fetchrow("SELECT type, state, result FROM jobs WHERE id = $1", job_id)
    assert job is not None
    assert (job["type"], job["state"]) == ("inventory-import", "SUCCEEDED")
    assert msgspec.json.decode(job["result"])["created"] == 2
    assert status.files == (FileKind.STAGING, FileKind.OUTPUT, FileKind.ERRORS)
    columns, parts = reads.rows(site.act(), job_id, FileKind.ERRORS)
    rows = [row async for part in parts for row in part]
    assert [dict(zip(columns, row, strict=True)) for row in rows] == [
        {
            "item_name": "=1+1",
            "bin_name": "",
            "lot_name": "",
            "date_filled": "",
            "quantity": Decimal(-5),
            "uom": "",
            "row": 2,
            "errors": "one; two",
        }
    ]
    assert await reads.status(site.act(scope=frozenset(), principal_id=new_id()), job_id) is None
    assert await reads.status(site.act(scope=frozenset()), job_id) is not None


async def test_an_import_is_applied_once_whoever_repeats_it(site: Site) -> None:
    job_id = new_id()
    await site.imported(a_record(0, 10), job_id=job_id)

    with pytest.raises(DomainError) as refused:
        await site.imported(a_record(0, 11), job_id=job_id)

    assert refused.value.reason is Reason.INVALID_TRANSITION
    assert (await site.of(0)).on_hand == 10


async def test_a_thousand_rows_cost_sixteen_statements_at_most(
    admin: "asyncpg.Connection[Any]", database: Database
) -> None:
    site = await Site.made(admin, database, products=100, lots=6, bins=2)
    lots = [f"LOT-{n}" for n in range(1, 6)]
    records = [
        a_record(item, 5, lot=lot, bin_=bin_) for item in range(100) for lot in lots for bin_ in ("Bin 0", "Bin 1")
    ]
    sent: list[str] = []
    await site.imported(a_record(99, 1))
    async with database.bound(site.tenant_id) as driver:
        connection = driver._con  # type: ignore[attr-defined]
    connection.add_query_logger(lambda query: sent.append(query.query))
    try:
        result = await site.imported(*numbered(records))
    finally:
        for logger in list(connection._query_loggers):
            connection.remove_query_logger(logger.cb)

    assert (result.created, result.updated) == (999, 1)
    assert len([query for query in sent if "pg_catalog" not in query and "typeinfo" not in query]) <= 16


async def test_two_imports_of_one_new_record_at_a_time_do_not_both_make_it(site: Site) -> None:
    async def made(quantity: int) -> bool:
        for _ in range(20):
            try:
                await site.imported(a_record(0, quantity))
            except ContentionError:
                continue
            return True
        return False

    assert all(await asyncio.gather(*(made(n) for n in range(1, 5))))
    stock = await site.of(0)
    assert stock.on_hand == stock.days[DAY]


async def test_rows_together_do_what_the_same_rows_do_one_by_one(
    admin: "asyncpg.Connection[Any]", database: Database
) -> None:
    together, singly = await Site.made(admin, database), await Site.made(admin, database)
    records = numbered(
        [
            a_record(0, 10),
            a_record(0, 4, lot="LOT-9"),
            a_record(0, 3, day=LATER),
            a_record(0, 7),
            a_record(1, 99_999_999_999_999),
            a_record(1, 1, day=LATER),
            a_record(2, 5, bin_="Bin 1"),
            a_record(0, 7),
        ]
    )

    at_once = await together.imported(*records, options=ROW_BY_ROW)
    one_by_one = [(await singly.imported(record, options=ROW_BY_ROW)).rows[0] for record in records]

    assert list(at_once.rows) == one_by_one
    for shelf in ((0, 0), (1, 0), (2, 1)):
        assert (await together.of(shelf[0], bin_=shelf[1])).days == (await singly.of(shelf[0], bin_=shelf[1])).days
