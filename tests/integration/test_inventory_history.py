"""Movements, histories, transactions and adjustments, against a plain reading of the ledger."""

from collections.abc import AsyncGenerator, Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import asyncpg
import pytest

from domain.ledger.history import AdjustmentsWanted, Movement, MovementsWanted
from domain.ledger.model import Kind, Posted
from domain.ledger.reading import ADJUSTING
from domain.values import new_id
from infra.db.pool import Database
from infra.ledger.queries import SqlMovementReader
from tests.lab import DatabaseUrls
from tests.ledger.builders import a_posting, a_reversal, an_entry
from tests.ledger.store import Row, Store, a_store

type Pick = Callable[[Store, list[Row]], dict[str, Any]]


@pytest.fixture(scope="module")
async def store(database_urls: DatabaseUrls) -> AsyncGenerator[Store]:
    admin = await asyncpg.connect(database_urls.admin_url)
    database = await Database.connect(database_urls.app_url, size=2)
    await a_store(admin, database, seed=2)  # a neighbour, of whom nothing must be seen
    yield await a_store(admin, database)
    await database.close()
    await admin.close()


def middle(rows: list[Row], time: str) -> Any:
    return sorted(row[time] for row in rows)[len(rows) // 2]


def busiest(rows: list[Row], what: str) -> Any:
    values = [row[what] for row in rows]
    return max(set(values), key=values.count)


ASKED: dict[str, Pick] = {
    "everything": lambda *_: {},
    "a location": lambda s, _: {"location_id": s.warehouse.locations[0]},
    "two locations": lambda s, _: {"scope": frozenset(s.warehouse.locations[1:])},
    "a location out of scope": lambda s, _: {
        "location_id": s.warehouse.locations[0],
        "scope": frozenset(s.warehouse.locations[1:]),
    },
    "a product": lambda s, _: {"product_id": s.warehouse.products[2]},
    "a line": lambda _, rows: {"line_id": busiest(rows, "line_id")},
    "a line out of scope": lambda _, rows: {"line_id": busiest(rows, "line_id"), "scope": frozenset()},
    "a reason": lambda s, _: {"reason_code_id": s.warehouse.reason_id},
    "a kind": lambda *_: {"kind": Kind.RECEIPT},
    "transfers, both ends": lambda *_: {"kind": Kind.TRANSFER_OUT},
    "a kind that never was": lambda *_: {"kind": Kind.DESTRUCTION},
    "a kind at a location": lambda s, _: {"kind": Kind.ISSUE, "location_id": s.warehouse.locations[1]},
    "a kind of a product": lambda s, _: {"kind": Kind.ADJUSTMENT, "product_id": s.warehouse.products[0]},
    "a transaction": lambda _, rows: {"posting_id": busiest(rows, "posting_id")},
    "a transaction at a location": lambda s, rows: {
        "posting_id": busiest(rows, "posting_id"),
        "location_id": s.warehouse.locations[0],
    },
    "happened since": lambda _, rows: {"effective_from": middle(rows, "effective_at")},
    "happened before": lambda _, rows: {"effective_to": middle(rows, "effective_at")},
    "happened between": lambda _, rows: {
        "effective_from": middle(rows, "effective_at") - timedelta(days=5),
        "effective_to": middle(rows, "effective_at") + timedelta(days=5),
    },
    "recorded since": lambda _, rows: {"recorded_from": middle(rows, "recorded_at")},
    "recorded before": lambda _, rows: {"recorded_to": middle(rows, "recorded_at")},
    "recorded between": lambda _, rows: {
        "recorded_from": rows[len(rows) // 3]["recorded_at"],
        "recorded_to": rows[len(rows) // 2]["recorded_at"],
    },
    "recorded in another century": lambda _, rows: {
        "recorded_from": rows[0]["recorded_at"] - timedelta(days=40_000),
        "recorded_to": rows[0]["recorded_at"] - timedelta(days=39_000),
    },
    "a line's adjustments of late": lambda _, rows: {
        "line_id": busiest(rows, "line_id"),
        "kind": Kind.ADJUSTMENT,
        "effective_from": middle(rows, "effective_at"),
        "effective_to": middle(rows, "effective_at") + timedelta(days=50),
    },
}


def keeps(row: Row, given: dict[str, Any]) -> bool:
    exact = ("location_id", "product_id", "line_id", "reason_code_id", "posting_id")
    spans = (("effective_from", "effective_to", "effective_at"), ("recorded_from", "recorded_to", "recorded_at"))
    return (
        all(row[name] == given[name] for name in exact if name in given)
        and given.get("kind") in {None, row["transaction_type"]}
        and (given.get("scope") is None or row["location_id"] in given["scope"])
        and all(
            given.get(start, row[time]) <= row[time] and (end not in given or row[time] < given[end])
            for start, end, time in spans
        )
    )


async def walk(store: Store, **given: Any) -> tuple[list[Movement], int | None]:
    reader = SqlMovementReader(store.database)
    wanted: dict[str, Any] = {"tenant_id": store.tenant_id, "scope": None, "limit": 7, **given}
    first = found = await reader.movements(MovementsWanted(**wanted))
    rows = list(found.rows)
    while found.after is not None:
        found = await reader.movements(MovementsWanted(**wanted, after=found.after))
        rows.extend(found.rows)
    assert first.is_exact
    return rows, first.total


@pytest.mark.parametrize("name", ASKED)
async def test_a_filter_finds_what_it_says_in_both_directions(store: Store, name: str) -> None:
    everything = await store.movements()
    given = ASKED[name](store, everything)
    wanted = [row["position"] for row in everything if keeps(row, given)]

    newest, total = await walk(store, **given)
    oldest, _ = await walk(store, **given, is_oldest_first=True)

    assert [movement.position for movement in oldest] == wanted
    assert newest == oldest[::-1]
    assert total == len(wanted)


async def test_a_movement_says_what_the_ledger_says(store: Store) -> None:
    rows = {row["position"]: row for row in await store.movements()}

    for movement in (await walk(store))[0]:
        row = rows[movement.position]
        assert movement.qty_after == row["balance_after"]
        assert movement.qty_after - movement.qty_before == movement.delta_qty == row["delta"]
        assert (movement.kind, movement.transaction_type) == (row["kind"], row["transaction_type"])
        assert movement.actor == "a test"


async def test_a_history_runs_its_balance(store: Store) -> None:
    reader = SqlMovementReader(store.database)
    for line in (await store.lines())[:5]:
        for is_oldest_first in (True, False):
            wanted = {
                "tenant_id": store.tenant_id,
                "scope": None,
                "line_id": line["id"],
                "limit": 3,
                "is_oldest_first": is_oldest_first,
            }
            found = await reader.history(MovementsWanted(**wanted))
            assert found is not None
            total, rows = found.total, list(found.rows)
            while found.after is not None:
                found = await reader.history(MovementsWanted(**wanted, after=found.after))
                assert found is not None
                rows.extend(found.rows)
            rows = rows if is_oldest_first else rows[::-1]

            balance = Decimal(0)
            for movement in rows:
                assert movement.qty_before == balance
                balance += movement.delta_qty
                assert movement.qty_after == balance
            assert balance == line["on_hand"]
            assert total == len(rows) == line["version"]


async def test_a_history_out_of_sight_is_not_there(store: Store) -> None:
    reader = SqlMovementReader(store.database)
    line = (await store.lines())[0]
    elsewhere = frozenset(store.warehouse.locations) - {line["location_id"]}
    theirs = await store.admin.fetchval("SELECT id FROM stock_lines WHERE tenant_id <> $1", store.tenant_id)

    for line_id, scope in ((line["id"], elsewhere), (theirs, None), (new_id(), None)):
        wanted = MovementsWanted(tenant_id=store.tenant_id, scope=scope, limit=5, line_id=line_id)
        assert await reader.history(wanted) is None


ADJUSTED: dict[str, Pick] = {
    name: ASKED[name]
    for name in (
        "everything",
        "a location",
        "two locations",
        "a product",
        "a line",
        "a reason",
        "recorded since",
        "recorded between",
    )
}


@pytest.mark.parametrize("name", ADJUSTED)
async def test_adjustments_are_what_corrected_the_books(store: Store, name: str) -> None:
    everything = await store.movements()
    given = ADJUSTED[name](store, everything)
    wanted = [
        row["position"] for row in everything[::-1] if row["transaction_type"] in ADJUSTING and keeps(row, given)
    ]
    reader = SqlMovementReader(store.database)
    asked: dict[str, Any] = {"tenant_id": store.tenant_id, "scope": None, "limit": 4, **given}

    found = await reader.adjustments(AdjustmentsWanted(**asked))
    assert found.total == len(wanted)
    by_cursor = list(found.rows)
    while found.after is not None:
        found = await reader.adjustments(AdjustmentsWanted(**asked, after=found.after))
        by_cursor.extend(found.rows)
    by_offset = [
        row
        for offset in range(0, len(wanted) + 1, 4)
        for row in (await reader.adjustments(AdjustmentsWanted(**asked, offset=offset))).rows
    ]

    assert [entry.position for entry in by_cursor] == wanted
    assert by_offset == by_cursor
    assert len(wanted) > 2


async def test_a_transaction_and_what_took_it_back_name_each_other(store: Store) -> None:
    reader = SqlMovementReader(store.database)
    shelf = store.warehouse.shelf()
    received = await store.posted(a_posting(an_entry(shelf, 7, kind=Kind.RECEIPT), comment="Back again"))
    taken = await store.posted(a_reversal(received))

    async def read(posted: Posted) -> Any:
        found = await reader.transaction(store.tenant_id, None, posted.posting_id)
        assert found is not None
        assert found.position >= posted.position
        return found.rows[0]

    first, second = await read(received), await read(taken)
    assert (first.reversed_by_id, second.reverses_id) == (taken.posting_id, received.posting_id)
    assert [movement.delta_qty for movement in first.movements] == [7]
    assert (first.comment, first.ledger_position) == ("Back again", received.position)


async def test_a_transaction_shows_what_lies_where_one_may_look(store: Store) -> None:
    reader = SqlMovementReader(store.database)
    here, there = store.warehouse.shelf(0, 0), store.warehouse.shelf(0, 1)
    posted = await store.posted(
        a_posting(an_entry(here, 1, kind=Kind.RECEIPT), an_entry(there, 2, kind=Kind.RECEIPT))
    )
    seen = {}
    for name, scope in (
        ("all", None),
        ("here", frozenset({here.location_id})),
        ("nowhere", frozenset({store.warehouse.locations[2]})),
    ):
        found = await reader.transaction(store.tenant_id, scope, posted.posting_id)
        seen[name] = found and [int(movement.delta_qty) for movement in found.rows[0].movements]

    assert seen == {"all": [1, 2], "here": [1], "nowhere": None}
    assert await reader.transaction(new_id(), None, posted.posting_id) is None
