"""How the reads of stock find their rows among very many: by index, in order, and no more of them than they show.

Counted are rows looked at and pages touched, not milliseconds: they are the same on every machine.
"""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from domain.ledger.history import AdjustmentsWanted, MovementsWanted
from domain.ledger.model import Kind
from domain.ledger.reading import ADJUSTING, COUNTED_MAX, After, Basis, LineSort, LinesWanted
from infra.ledger.queries import SqlMovementReader, SqlStockReader
from tests.plans.conftest import Store
from tests.plans.explain import Sent, listening
from tests.plans.stock import Stock

PAGE = 50
SORTED_MAX = 9 * (PAGE + 1)
"""A page of each of nine locations is merged into one."""
EXAMINED_MAX = 12 * (PAGE + 1)
"""A page, and the rows that tell the names of what is on it."""


OF_KINDS_MAX = len(ADJUSTING) * (PAGE + 1) * 6
LOOKED_UP_MAX = 24 * (PAGE + 1)
"""Pages to look up the names on a page, each from the root of its index."""

type Ask = Callable[[Store], Awaitable[object]]


def lines(**fields: Callable[[Stock], Any]) -> Ask:
    def ask(store: Store) -> Awaitable[object]:
        stock = store.stock
        given = {name: pick(stock) for name, pick in fields.items()}
        return SqlStockReader(store.database).lines(
            LinesWanted(**{"tenant_id": stock.tenant_id, "scope": None, "limit": PAGE, **given})
        )

    return ask


def movements(**fields: Callable[[Stock], Any]) -> Ask:
    def ask(store: Store) -> Awaitable[object]:
        stock = store.stock
        given = {name: pick(stock) for name, pick in fields.items()}
        wanted = MovementsWanted(**{"tenant_id": stock.tenant_id, "scope": None, "limit": PAGE, **given})
        return SqlMovementReader(store.database).movements(wanted)

    return ask


def history(**fields: Callable[[Stock], Any]) -> Ask:
    def ask(store: Store) -> Awaitable[object]:
        given = {name: pick(store.stock) for name, pick in fields.items()}
        return SqlMovementReader(store.database).history(
            MovementsWanted(**{"tenant_id": store.stock.tenant_id, "scope": None, "limit": PAGE, **given})
        )

    return ask


def adjustments(**fields: Callable[[Stock], Any]) -> Ask:
    def ask(store: Store) -> Awaitable[object]:
        given = {name: pick(store.stock) for name, pick in fields.items()}
        return SqlMovementReader(store.database).adjustments(
            AdjustmentsWanted(**{"tenant_id": store.stock.tenant_id, "scope": None, "limit": PAGE, **given})
        )

    return ask


def the_middle(stock: Stock) -> After:
    return After(stock.line_id)


def half(stock: Stock) -> int:
    return stock.movements // 2


HOT: dict[str, Ask] = {
    "all lines": lines(),
    "all lines, on from the middle": lines(after=the_middle),
    "all lines, the last first": lines(sort=lambda _: LineSort.ID_DOWN),
    "the lines of a location": lines(location_id=lambda s: s.locations[0]),
    "the lines of a location, on": lines(location_id=lambda s: s.locations[0], after=the_middle),
    "the lines of nine locations": lines(scope=lambda s: frozenset(s.locations)),
    "the lines of nine locations, on": lines(scope=lambda s: frozenset(s.locations), after=the_middle),
    "the lines of a product": lines(product_id=lambda s: s.product_id),
    "the lines of a product, on": lines(product_id=lambda s: s.product_id, after=the_middle),
    "the lines of a bin": lines(bin_id=lambda s: s.bin_id),
    "the lines of a bin, on": lines(bin_id=lambda s: s.bin_id, after=the_middle),
    "the lines of a lot": lines(lot_id=lambda s: s.lot_id),
    "the lines of a lot, on": lines(lot_id=lambda s: s.lot_id, after=the_middle),
    "a product at a location": lines(product_id=lambda s: s.product_id, location_id=lambda s: s.locations[0]),
    "all movements": movements(),
    "all movements, on from the middle": movements(after=half),
    "all movements, the oldest first": movements(is_oldest_first=lambda _: True),
    "the movements of a product": movements(product_id=lambda s: s.product_id),
    "the movements of a location, on": movements(location_id=lambda s: s.locations[0], after=half),
    "the movements of nine locations, on": movements(scope=lambda s: frozenset(s.locations), after=half),
    "the movements of a line, on": movements(line_id=lambda s: s.hot_line_id, after=lambda s: s.movements - 99),
    "the movements for a reason, on": movements(reason_code_id=lambda s: s.reason_code_id, after=half),
    "a kind of transaction, on": movements(kind=lambda _: Kind.ADJUSTMENT, after=lambda s: s.movements),
    "a transaction": movements(posting_id=lambda s: s.posting_id),
    "a line's history": history(line_id=lambda s: s.hot_line_id),
    "a line's history, on": history(line_id=lambda s: s.hot_line_id, after=lambda _: 5_000),
}
"""What must not cost more when there is more: pages as they are asked for all day."""

BOUNDED: dict[str, tuple[Ask, int]] = {
    # Lines of a page of which each has a history of two movements, one of them a long one.
    "stock as it stood": (lines(as_of=lambda s: s.now, after=the_middle), EXAMINED_MAX),
    "stock as it was on record": (
        lines(as_of=lambda s: s.now, basis=lambda _: Basis.RECORDED, after=the_middle),
        EXAMINED_MAX,
    ),
    "the movements of a location": (movements(location_id=lambda s: s.locations[0]), 10_001 + EXAMINED_MAX),
    "the movements of a time": (
        movements(recorded_from=lambda s: s.now - timedelta(days=7), recorded_to=lambda s: s.now),
        10_001 + EXAMINED_MAX,
    ),
    # A page of transactions of each kind, with five movements each.
    "the adjustments, on": (adjustments(after=lambda s: s.movements - 99), OF_KINDS_MAX + EXAMINED_MAX),
}
"""What counts up to so many, or reads the history of what it shows."""


async def statement_of(store: Store, ask: Ask) -> Sent:
    async with listening(store.database) as sent:
        await ask(store)
    assert len(sent) == 1, [statement for statement, _ in sent]
    return sent[0]


@pytest.mark.parametrize("name", HOT)
async def test_a_hot_read_looks_at_no_more_than_it_shows(wide: Store, name: str) -> None:
    statement, arguments = await statement_of(wide, HOT[name])

    for plan in (
        await wide.explain.kept(statement, arguments),
        await wide.explain.fresh(statement, arguments),
    ):
        assert plan.scans == []
        assert plan.most_sorted <= SORTED_MAX
        assert plan.examined <= EXAMINED_MAX + SORTED_MAX


@pytest.mark.parametrize("name", HOT)
async def test_a_hot_read_is_planned_once(wide: Store, name: str) -> None:
    statement, arguments = await statement_of(wide, HOT[name])

    assert await wide.explain.choice(statement, arguments) == "kept"


@pytest.mark.parametrize("name", HOT)
async def test_a_hot_read_touches_as_many_pages_of_many_lines_as_of_few(
    narrow: Store, wide: Store, name: str
) -> None:
    pages = {}
    for store in (narrow, wide):
        statement, arguments = await statement_of(store, HOT[name])
        pages[store.stock.lines] = (await store.explain.kept(statement, arguments)).pages
    print(f"{name}: {pages}")

    # An index of more rows is a level deeper, and what is looked up again is kept while few things are looked up.
    few, many = pages.values()
    assert many <= max(1.5 * few + 10, LOOKED_UP_MAX)


@pytest.mark.parametrize("name", BOUNDED)
async def test_a_read_that_counts_or_recalls_stays_within_its_bound(wide: Store, name: str) -> None:
    ask, most = BOUNDED[name]
    statement, arguments = await statement_of(wide, ask)

    plan = await wide.explain.kept(statement, arguments)

    assert plan.scans == []
    assert plan.most_sorted <= OF_KINDS_MAX
    assert plan.examined <= most


async def test_a_long_history_is_counted_so_far_and_says_so(wide: Store) -> None:
    reader = SqlMovementReader(wide.database)
    wanted = MovementsWanted(tenant_id=wide.stock.tenant_id, scope=None, limit=PAGE)

    everything = await reader.movements(wanted)
    somewhere = await reader.movements(msgspec.structs.replace(wanted, location_id=wide.stock.locations[0]))

    assert (everything.total, everything.is_exact) == (everything.position, True)
    assert (somewhere.total, somewhere.is_exact) == (COUNTED_MAX, False)


async def test_the_last_page_costs_what_the_first_one_does(wide: Store) -> None:
    reader = SqlStockReader(wide.database)
    wanted = LinesWanted(tenant_id=wide.stock.tenant_id, scope=None, limit=PAGE)
    total = (await reader.lines(wanted)).total
    assert total is not None
    before = await reader.lines(msgspec.structs.replace(wanted, offset=total - 2 * PAGE))
    async with listening(wide.database) as sent:
        await reader.lines(wanted)
        last = await reader.lines(msgspec.structs.replace(wanted, after=before.after))
    assert (len(last.rows), last.after) == (PAGE, None)

    first_pages, last_pages = [(await wide.explain.kept(*one)).pages for one in sent]
    print(f"pages touched by the first page of lines: {first_pages}, by the last: {last_pages}")
    assert last_pages <= 1.3 * first_pages
