"""Refresh, batch delete and undo on real PostgreSQL: what they replace, what they leave, what they give back."""

from datetime import date
from decimal import Decimal
from typing import Any

import asyncpg
import msgspec
import pytest

from domain.errors import DomainError, Reason
from domain.imports.model import Action, DeleteFilters, DeleteRow, FileKind, RefreshScope
from domain.values import new_id
from infra.db.pool import BIND, Database
from infra.imports.reads import SqlImportReads
from tests.imports_lab import ALL_OR_NOTHING, DAY, ROW_BY_ROW, Site, Stock, a_record, named, numbered
from tests.ledger.builders import a_posting, an_entry
from tests.ledger.conftest import admin, database

__all__ = ["admin", "database"]
LATER = date(2026, 2, 28)


@pytest.fixture
async def site(admin: "asyncpg.Connection[Any]", database: Database) -> Site:
    return await Site.made(admin, database)


async def test_a_refresh_replaces_the_stock_in_its_scope_by_one_posting(site: Site) -> None:
    await site.imported(*numbered([a_record(0, 10), a_record(0, 5, day=LATER), a_record(1, 7)]))
    await site.moved(site.warehouse.shelf(2, lot=1), 3)
    position = await site.position()

    result = await site.refreshed(*numbered([a_record(0, 8), a_record(2, 4)]))

    assert (result.created, result.updated, result.deleted, result.failed) == (1, 1, 3, 0)
    assert [(row.action, row.row, str(row.old), str(row.new)) for row in result.rows] == [
        (Action.UPDATE, 0, "10", "8"),
        (Action.CREATE, 1, "None", "4"),
        (Action.DELETE, None, "5", "0"),
        (Action.DELETE, None, "7", "0"),
        (Action.DELETE, None, "3", "0"),
    ]
    assert (await site.of(0)).days == {DAY: 8}
    assert await site.of(1) == Stock(on_hand=Decimal(0), layers={})
    assert (await site.of(2)).on_hand == 4
    assert (await site.of(2)).days == {DAY: 4}
    assert result.position is not None
    assert result.position - position == 3
    assert result.change_percent == 60


@pytest.mark.parametrize(
    ("names", "left"),
    [
        ({"items": ["Product 0"]}, 1),
        ({"bins": ["Bin 1"]}, 1),
        ({"bins": ["L0/Bin 1"]}, 1),
        ({"lots": ["LOT-1"]}, 0),
        ({"locations": ["Location 0"], "items": ["Product 1"]}, 1),
        ({"locations": ["L0"]}, 0),
        ({"location_areas": ["Nowhere"]}, 2),
        ({"items": ["product 0"]}, 2),
    ],
)
async def test_a_refresh_leaves_what_is_outside_of_its_scope(
    site: Site, names: dict[str, list[str]], left: int
) -> None:
    await site.imported(*numbered([a_record(0, 10), a_record(1, 10, bin_="Bin 1")]))

    await site.refreshed(scope=RefreshScope(names=named(**names)))

    assert sum(stock.on_hand > 0 for stock in (await site.stock()).values()) == left


async def test_a_record_outside_of_the_scope_is_wrong(site: Site) -> None:
    result = await site.refreshed(
        *numbered([a_record(0), a_record(1)]), scope=RefreshScope(names=named(items=["Product 0"]))
    )

    assert not result.is_applied
    assert [(one.row, one.message) for one in result.errors] == [
        (1, "The record is outside of the scope of this refresh")
    ]


@pytest.mark.parametrize(
    "scope", [RefreshScope(), RefreshScope(everything=True, names=named(items=["Product 0"]))]
)
async def test_a_refresh_says_what_it_replaces(site: Site, scope: RefreshScope) -> None:
    with pytest.raises(DomainError) as refused:
        await site.refreshed(a_record(0), scope=scope)

    assert refused.value.reason is Reason.VALIDATION_ERROR


async def test_a_refresh_that_changes_too_much_changes_nothing(site: Site) -> None:
    await site.imported(*numbered([a_record(0, 80), a_record(1, 20)]))
    job_id = new_id()

    stopped = await site.refreshed(a_record(0, 80), max_change_percent=Decimal("19.9"), job_id=job_id)
    allowed = await site.refreshed(a_record(0, 80), max_change_percent=Decimal(20))

    assert stopped.message == (
        "The stock in the scope would change by 20.00 %, and 19.9 % is allowed: nothing was changed"
    )
    assert (stopped.is_applied, stopped.deleted, allowed.is_applied) == (False, 0, True)
    status = await SqlImportReads(site.database).status(site.act(), job_id)
    assert status is not None
    assert (status.state, status.error) == ("FAILED", stopped.message)


async def test_a_row_that_is_refused_keeps_the_stock_of_its_item(site: Site) -> None:
    await site.imported(*numbered([a_record(0, 10), a_record(1, 7), a_record(2, 5)]))

    result = await site.refreshed(*numbered([a_record(0, 3), a_record(1, 9, lot="L0T-1")]), options=ROW_BY_ROW)

    assert result.is_applied
    assert [(await site.of(n)).on_hand for n in range(3)] == [3, 7, 0]


async def test_a_frozen_bin_is_not_emptied(site: Site, admin: "asyncpg.Connection[Any]") -> None:
    await admin.execute(BIND, str(site.tenant_id))
    await site.imported(*numbered([a_record(0, 10), a_record(1, 7, bin_="Bin 1")]))
    bin_id = site.warehouse.shelf(0, bin_=1).bin_id
    await admin.execute("UPDATE bins SET frozen_by = $1 WHERE id = $2", new_id(), bin_id)

    kept_back = await site.refreshed(a_record(0, 3))
    applied = await site.refreshed(a_record(0, 3), options=ROW_BY_ROW)
    deleted = await site.deleted(DeleteRow(item="Product 1"))

    assert (kept_back.is_applied, applied.is_applied) == (False, True)
    assert applied.errors[0].row is None
    assert "is being counted" in applied.errors[0].message
    assert (await site.of(1, bin_=1)).on_hand == 7
    assert (deleted.deleted_count, len(deleted.refusals)) == (0, 1)


async def test_a_refresh_gives_a_file_that_can_be_imported_again(site: Site) -> None:
    await site.imported(*numbered([a_record(0, 10), a_record(1, 7)]))
    job_id = new_id()

    await site.refreshed(a_record(0, "3.5"), job_id=job_id)

    columns, parts = SqlImportReads(site.database).rows(site.act(), job_id, FileKind.OUTPUT)
    rows = [dict(zip(columns, row, strict=True)) async for part in parts for row in part]
    assert [(row["item_name"], row["quantity"], row["action"]) for row in rows] == [
        ("Product 0", Decimal("3.5"), "update"),
        ("Product 1", Decimal(0), "delete"),
    ]


async def test_rows_delete_what_agrees_with_all_that_they_name(site: Site) -> None:
    await site.imported(
        *numbered([a_record(0, 10), a_record(0, 5, day=LATER), a_record(0, 3, bin_="Bin 1"), a_record(1, 2)])
    )
    await site.moved(site.warehouse.shelf(0, lot=1, bin_=1), 4)

    of_a_day = await site.deleted(DeleteRow(item="Product 0", bin="Bin 0", lot="LOT-1", date_filled=DAY))
    unknown = await site.deleted(DeleteRow(item="Product 9"), DeleteRow(item="Product 0", lot="LOT-9"))
    sparse = await site.deleted(DeleteRow(item="Product 0", location="L0"), DeleteRow(item="Product 0"))

    assert (of_a_day.deleted_count, unknown.deleted_count, sparse.deleted_count) == (1, 0, 3)
    assert [stock.on_hand for stock in (await site.stock()).values() if stock.on_hand] == [2]
    assert (await site.of(0)).days == {}


async def test_filters_delete_what_agrees_with_one_of_each(site: Site) -> None:
    await site.imported(*numbered([a_record(0, 10), a_record(0, 5, day=LATER), a_record(1, 2), a_record(2, 1)]))
    dated = DeleteFilters(names=named(items=["Product 0", "Product 1"]), date_filled_to=DAY)

    by_date = await site.deleted(filters=dated)
    rest = await site.deleted(filters=DeleteFilters(names=named(items=["Product 0", "Product 9"])))

    assert (by_date.deleted_count, rest.deleted_count) == (2, 1)
    assert [stock.on_hand for stock in (await site.stock()).values() if stock.on_hand] == [1]


async def test_nothing_named_deletes_nothing(site: Site) -> None:
    for filters in (None, DeleteFilters()):
        with pytest.raises(DomainError) as refused:
            await site.deleted(filters=filters)
        assert refused.value.reason is Reason.VALIDATION_ERROR


async def test_rows_win_over_filters(site: Site) -> None:
    await site.imported(*numbered([a_record(0, 10), a_record(1, 2)]))

    await site.deleted(
        DeleteRow(item="Product 1"), filters=DeleteFilters(names=named(items=["Product 0", "Product 1"]))
    )

    assert (await site.of(0)).on_hand == 10


async def test_what_is_claimed_is_refused_record_by_record_unless_who_may_adjust_forces_it(
    site: Site, admin: "asyncpg.Connection[Any]"
) -> None:
    await site.imported(*numbered([a_record(0, 10), a_record(0, 5, day=LATER), a_record(1, 2)]))
    await admin.execute(
        "UPDATE stock_lines SET reserved = 4 WHERE tenant_id = $1 AND product_id = $2",
        site.tenant_id,
        site.warehouse.products[0],
    )
    rows = (DeleteRow(item="Product 0"), DeleteRow(item="Product 1"))

    refused = await site.deleted(*rows)
    with pytest.raises(DomainError) as denied:
        await site.deleted(*rows, force=True)
    forced = await site.deleted(*rows, force=True, act=site.act(adjusts=True))

    assert refused.deleted_count == 2
    (refusal,) = refused.refusals
    assert (refusal.row, refusal.date_filled) == (0, LATER)
    assert refusal.message == "4 of this stock is reserved or held, and 0 would be left"
    assert denied.value.reason is Reason.PERMISSION_DENIED
    assert forced.deleted_count == 1
    assert (await site.of(0)).on_hand == 0


async def test_who_is_limited_to_locations_deletes_nothing_elsewhere(site: Site) -> None:
    await site.imported(a_record(0, 10))

    result = await site.deleted(DeleteRow(item="Product 0"), act=site.act(scope=frozenset({new_id()})))

    assert result.deleted_count == 0
    assert (await site.of(0)).on_hand == 10


async def test_an_undo_gives_back_every_record_as_it_was(site: Site) -> None:
    await site.imported(*numbered([a_record(0, 10), a_record(1, 4)]))
    await site.moved(site.warehouse.shelf(0, lot=1), 2)
    before = await site.stock()
    jobs = [
        (await site.imported(*numbered([a_record(0, 3), a_record(0, 2, day=LATER)]))).job_id,
        (await site.refreshed(*numbered([a_record(1, 9), a_record(2, 1)]))).job_id,
    ]
    jobs.append((await site.deleted(filters=DeleteFilters(names=named(lots=["LOT-1"])))).job_id)

    for job_id in reversed(jobs):
        await site.undone(job_id)

    after = {shelf: stock for shelf, stock in (await site.stock()).items() if stock.on_hand or stock.layers}
    assert after == before
    with pytest.raises(DomainError) as refused:
        await site.undone(jobs[0])
    assert (refused.value.reason, refused.value.facts["state"]) == (Reason.INVALID_TRANSITION, "UNDONE")


async def test_what_a_later_import_said_stands_in_the_way_of_an_undo(site: Site) -> None:
    first = await site.imported(*numbered([a_record(0, 10), a_record(1, 1)]))
    await site.imported(a_record(0, 11))

    with pytest.raises(DomainError) as refused:
        await site.undone(first.job_id)

    assert refused.value.reason is Reason.REVERSAL_BLOCKED
    records = refused.value.facts["records"]
    assert isinstance(records, list)
    assert [(one["item_name"], one["date_filled"]) for one in records] == [("Product 0", DAY)]
    assert (await site.of(1)).on_hand == 1


async def test_stock_that_has_left_stands_in_the_way_of_an_undo_and_what_came_does_not(site: Site) -> None:
    first = await site.imported(a_record(0, 10))
    shelf = site.warehouse.shelf(0, lot=1)
    await site.moved(shelf, -3)

    with pytest.raises(DomainError) as refused:
        await site.undone(first.job_id)
    await site.moved(shelf, 5)
    await site.undone(first.job_id)

    assert refused.value.reason is Reason.REVERSAL_BLOCKED
    assert refused.value.facts["cause"] == Reason.INSUFFICIENT_STOCK
    assert refused.value.facts["records"] == [{"item_name": "Product 0", "bin_name": "Bin 0", "lot_name": "LOT-1"}]
    assert await site.of(0) == Stock(on_hand=Decimal(2), layers={})


async def test_a_count_since_stands_in_the_way_of_an_undo(site: Site) -> None:
    first = await site.imported(a_record(0, 10))
    entry = an_entry(site.warehouse.shelf(0, lot=1), target=Decimal(9), kind="COUNT")
    await site.post(a_posting(entry))

    with pytest.raises(DomainError) as refused:
        await site.undone(first.job_id)

    assert (refused.value.reason, refused.value.facts["cause"]) == (Reason.REVERSAL_BLOCKED, Reason.COUNTED_SINCE)


async def test_only_what_was_applied_here_can_be_undone(site: Site) -> None:
    failed = await site.imported(a_record(0, 10, lot="LOT-9"))
    dry = await site.imported(
        a_record(0, 10), options=msgspec.structs.replace(ALL_OR_NOTHING, dry_run=True), keep=True
    )
    reversed_ = await site.imported(a_record(0, 10))
    async with site.database.bound(site.tenant_id) as driver:
        found = await driver.fetchrow(
            "SELECT line_id, delta FROM movements WHERE tenant_id = $1 AND posting_id = $2",
            site.tenant_id,
            reversed_.posting_id,
        )
    assert found is not None
    back = a_posting(
        an_entry(found["line_id"], -found["delta"], kind="REVERSAL"),
        kind="REVERSAL",
        reverses_id=reversed_.posting_id,
    )
    await site.post(back)

    told = {}
    for name, job_id in (
        ("unknown", new_id()),
        ("failed", failed.job_id),
        ("dry", dry.job_id),
        ("reversed", reversed_.job_id),
    ):
        with pytest.raises(DomainError) as refused:
            await site.undone(job_id)
        told[name] = (refused.value.reason, refused.value.facts.get("state"))
    with pytest.raises(DomainError) as elsewhere:
        await site.undone(reversed_.job_id, act=site.act(scope=frozenset(), principal_id=new_id()))

    assert told == {
        "unknown": (Reason.NOT_FOUND, None),
        "failed": (Reason.INVALID_TRANSITION, "FAILED"),
        "dry": (Reason.INVALID_TRANSITION, "DRY_RUN"),
        "reversed": (Reason.ALREADY_REVERSED, None),
    }
    assert elsewhere.value.reason is Reason.NOT_FOUND


async def test_an_import_that_sets_anew_what_has_left_stands_in_the_way_of_an_undo(site: Site) -> None:
    first = await site.imported(a_record(0, 10))
    await site.moved(site.warehouse.shelf(0, lot=1), -10)
    second = await site.imported(a_record(0, 10))

    with pytest.raises(DomainError) as refused:
        await site.undone(first.job_id)
    await site.undone(second.job_id)

    assert refused.value.reason is Reason.REVERSAL_BLOCKED
    assert (await site.of(0)).on_hand == 0


async def test_stock_outside_of_the_scope_does_not_loosen_the_safety_stop(site: Site) -> None:
    await site.imported(*numbered([a_record(0, 10), a_record(1, 1000)]))

    result = await site.refreshed(
        *numbered([a_record(0, 1), a_record(1, 1000)]),
        scope=RefreshScope(names=named(items=["Product 0"])),
        max_change_percent=Decimal(5),
        options=ROW_BY_ROW,
    )

    assert (result.is_applied, result.change_percent) == (False, Decimal(90))
