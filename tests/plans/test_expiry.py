"""How expired stock and the trace of a lot are found among very many lines: by index, and what the page needs."""

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest

from domain.expiry.reading import DestructionsWanted, ExpiredAfter, ExpiredWanted, TraceWanted
from infra.expiry.expired import SqlExpiredReader
from infra.expiry.trace import SqlTraceReader
from tests.plans.conftest import Store
from tests.plans.explain import Sent, listening

PAGE = 50
PAGE_MAX = 14 * (PAGE + 1)
"""A page, the rows that tell the names of what is on it, and a lot's lines that are not in its order."""
YEAR = 365
EMPTY = {"destructions", "holds"}
"""Tables that have no rows here."""

type Ask = Callable[[Store], Awaitable[object]]


def expired(**fields: Any) -> Ask:
    async def ask(store: Store) -> object:
        given = {name: pick(store.stock) if callable(pick) else pick for name, pick in fields.items()}
        return await SqlExpiredReader(store.database).expired(
            ExpiredWanted(**{"tenant_id": store.stock.tenant_id, "scope": None, "limit": PAGE, **given})
        )

    return ask


def expired_on(**fields: Any) -> Ask:
    """The second page."""

    async def ask(store: Store) -> object:
        wanted = ExpiredWanted(tenant_id=store.stock.tenant_id, scope=None, limit=PAGE, **fields)
        async with store.database.bound(store.stock.tenant_id) as driver:
            row = await driver.fetchrow(
                """
                SELECT t.expires_on, s.id FROM lots t
                JOIN stock_lines s ON s.tenant_id = t.tenant_id AND s.lot_id = t.id
                WHERE t.tenant_id = $1 ORDER BY t.expires_on, s.id OFFSET 50 LIMIT 1
                """,
                store.stock.tenant_id,
            )
        assert row is not None
        after = ExpiredAfter(row["expires_on"], row["id"])
        return await SqlExpiredReader(store.database).expired(msgspec.structs.replace(wanted, after=after))

    return ask


def trace(**fields: Any) -> Ask:
    async def ask(store: Store) -> object:
        given = {name: pick(store.stock) if callable(pick) else pick for name, pick in fields.items()}
        return await SqlTraceReader(store.database).trace(
            TraceWanted(**{"tenant_id": store.stock.tenant_id, "scope": None, "limit": PAGE, **given})
        )

    return ask


def destructions(**fields: Any) -> Ask:
    async def ask(store: Store) -> object:
        return await SqlExpiredReader(store.database).destructions(
            DestructionsWanted(tenant_id=store.stock.tenant_id, scope=None, limit=PAGE, **fields)
        )

    return ask


PAGES: dict[str, Ask] = {
    "what expires within a year, on": expired_on(within_days=YEAR),
    "the expired stock of a product": expired(product_id=lambda s: s.product_id, within_days=YEAR),
    "the trace of a lot": trace(lot_id=lambda s: s.lot_id),
    "the trace of a lot at one place": trace(
        lot_id=lambda s: s.lot_id, scope=lambda s: frozenset(s.locations[:1])
    ),
    "the destructions": destructions(),
}
COUNTED: dict[str, Ask] = {
    "the expired stock": expired(),
    "the expired stock of a location": expired(location_id=lambda s: s.locations[0]),
    "what expires within a year": expired(within_days=YEAR),
}


async def statement_of(store: Store, ask: Ask) -> Sent:
    async with listening(store.database) as sent:
        await ask(store)
    return sent[-1]


@pytest.mark.parametrize("name", [*PAGES, *COUNTED])
async def test_no_table_is_read_as_a_whole(wide: Store, name: str) -> None:
    statement, arguments = await statement_of(wide, (PAGES | COUNTED)[name])

    for plan in (
        await wide.explain.kept(statement, arguments),
        await wide.explain.fresh(statement, arguments),
    ):
        assert set(plan.scans) <= EMPTY


@pytest.mark.parametrize("name", PAGES)
async def test_a_page_costs_a_page(wide: Store, name: str) -> None:
    statement, arguments = await statement_of(wide, PAGES[name])

    plan = await wide.explain.kept(statement, arguments)

    print(f"{name}: {plan.examined} rows, {plan.pages} pages")
    assert plan.examined <= PAGE_MAX
