"""Imports on real PostgreSQL: what they write, what they refuse, and that nothing is done by halves."""

from collections.abc import AsyncGenerator
from datetime import date
from decimal import Decimal
from typing import Any

import asyncpg
import msgspec
import pytest

from domain.imports.model import Action, BadRecord
from infra.db.pool import Database
from tests.imports_lab import ALL_OR_NOTHING, DAY, ROW_BY_ROW, Site, a_record, numbered
from tests.ledger.conftest import admin, database

__all__ = ["admin", "database"]
LATER = date(2026, 2, 28)


@pytest.fixture
async def site(admin: "asyncpg.Connection[Any]", database: Database) -> AsyncGenerator[Site]:
    yield await Site.made(admin, database)


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
    shelf = site.warehouse.shelf(0, lot=1)
    await site.moved(shelf, 100)

    await site.imported(a_record(0, 10))

    assert (await site.of(0)).on_hand == 110


async def test_what_left_is_taken_off_the_oldest_layers_before_a_record_is_set(site: Site) -> None:
    await site.imported(*numbered([a_record(0, 10), a_record(0, 10, day=LATER)]))
    await site.moved(site.warehouse.shelf(0, lot=1), -15)

    result = await site.imported(a_record(0, 12, day=LATER))

    assert result.rows[0].old == 5
    assert (await site.of(0)).on_hand == 12
    assert (await site.of(0)).days == {DAY: 0, LATER: 12}
