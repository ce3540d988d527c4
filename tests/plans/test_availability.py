"""How availability finds its rows among very many: the terms of a check, the list of lines, and claims."""

import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any

import asyncpg
import msgspec
import pytest

from domain.availability.claims import Place
from domain.availability.lines import LinesWanted
from domain.values import new_id
from infra.availability.claims import BEGIN, MAKE
from infra.availability.lines import SqlAvailabilityLines
from infra.availability.terms import TERMS, read_terms
from infra.db.pool import BIND
from tests.lab import DatabaseUrls
from tests.plans.conftest import Store
from tests.plans.explain import Plan, listening
from tests.plans.selling import Selling, make_selling, product_id
from tests.plans.stock import LINES_PER_PRODUCT, Stock
from tests.plans.test_posts import _EXPLAINED

ITEMS = 20
LINES_HERE = 8
"""Of a product at the largest location."""
ROWS_A_PLACE = 3 * LINES_HERE + 6
"""Each line with its lot and its bin, and what is kept of the place."""
PAGE = 50
SMALL = {"channels", "channel_locations"}
"""As many rows as a company has channels."""

type Explained = Callable[..., Awaitable[dict[str, Plan]]]


@pytest.fixture(scope="module")
async def selling(wide: Store, narrow: Store, wide_urls: DatabaseUrls, narrow_urls: DatabaseUrls) -> Selling:
    await make_selling(narrow_urls.admin_url, narrow.stock)
    return await make_selling(wide_urls.admin_url, wide.stock)


@pytest.fixture
async def explained(wide: Store, wide_urls: DatabaseUrls, selling: Selling) -> AsyncGenerator[Explained]:
    """Runs a statement some times, and tells the plans of all statements inside of its functions."""
    plans: list[dict[str, Any]] = []

    def note(_: object, message: Any) -> None:
        _, _, plan = message.message.partition("plan:\n")
        if plan:
            plans.append(json.loads(plan))

    connection = await asyncpg.connect(wide_urls.admin_url)
    await connection.execute(_EXPLAINED)
    await connection.execute("SET ROLE storekeeper_app")
    await connection.execute(BIND, str(wide.stock.tenant_id))
    connection.add_log_listener(note)

    async def run(statement: str, *arguments: Any) -> dict[str, Plan]:
        for _ in range(7):  # by then a connection has settled on its plans
            plans.clear()
            transaction = connection.transaction()
            await transaction.start()
            await connection.fetchval(statement, *arguments)
            await transaction.rollback()  # so that what was written can be written again
        return {plan["Query Text"]: Plan(plan["Plan"]) for plan in plans}

    yield run
    await connection.close()


def places(stock: Stock, count: int = ITEMS) -> list[Place]:
    apart = stock.lines // LINES_PER_PRODUCT // count
    return [(product_id(n * apart), stock.locations[0]) for n in range(count)]


def asked(some: list[Place]) -> tuple[list[Any], list[Any]]:
    return [place[0] for place in some], [place[1] for place in some]


def hurried(plans: dict[str, Plan]) -> dict[str, list[str]]:
    """Statements that read a table from end to end."""
    found = {text: [name for name in plan.scans if name not in SMALL] for text, plan in plans.items()}
    return {text: names for text, names in found.items() if names}


async def test_the_terms_of_a_check_are_read_by_index(wide: Store, explained: Explained) -> None:
    plans = await explained(TERMS, *asked(places(wide.stock)), True)

    assert len(plans) > 5, "the statements inside of the function are not seen"
    assert hurried(plans) == {}
    most = max(plan.examined for plan in plans.values())
    print(f"rows examined: {most}, sorted: {max(plan.most_sorted for plan in plans.values())}")
    assert most <= ITEMS * ROWS_A_PLACE
    assert max(plan.most_sorted for plan in plans.values()) <= ITEMS * LINES_HERE


async def test_the_terms_are_the_same_with_lines_and_without(narrow: Store, selling: Selling) -> None:
    some = places(narrow.stock, 500)
    async with narrow.database.bound(narrow.stock.tenant_id) as driver:
        without, with_lines = await read_terms(driver, some), await read_terms(driver, some, with_lines=True)

    pools = [offer.pool for offer in without.offers.values()]
    assert pools == [offer.pool for offer in with_lines.offers.values()]
    assert sum(bool(pool.buckets) for pool in pools) > 10
    assert sum(bool(pool.held) for pool in pools) > 1


async def test_a_check_touches_as_many_pages_of_many_lines_as_of_few(
    narrow: Store, wide: Store, selling: Selling
) -> None:
    few, many = [
        (await store.explain.kept(TERMS, (*asked(places(store.stock)), True))).pages for store in (narrow, wide)
    ]
    print(f"pages: {few}, {many}")
    assert many <= 1.5 * few + 10


async def test_a_claim_looks_at_what_it_may_stand_on_only(wide: Store, explained: Explained) -> None:
    some = places(wide.stock, 2)
    plans = await explained(BEGIN, *asked(some), '{"actor": "Somebody"}')

    assert len(plans) > 5
    assert hurried(plans) == {}
    assert max(plan.examined for plan in plans.values()) <= len(some) * ROWS_A_PLACE


async def test_a_claim_is_written_by_index(wide: Store, explained: Explained, selling: Selling) -> None:
    claim = {
        "id": new_id(),
        "group_id": new_id(),
        "kind": "SOFT",
        "channel_id": selling.channels[0],
        "product_id": selling.free_line.product_id,
        "location_id": wide.stock.locations[0],
        "quantity": 1,
        "ttl_seconds": 900,
        "lines": [{"line_id": selling.free_line.id, "quantity": 1}],
    }

    plans = await explained(MAKE, msgspec.json.encode([claim]).decode(), '{"actor": "Somebody"}')

    assert len(plans) > 10
    assert hurried(plans) == {}
    assert [(text, plan.examined) for text, plan in plans.items() if plan.examined > LINES_HERE] == []


LISTED: dict[str, Callable[[Stock], dict[str, Any]]] = {
    "a location, on from the middle": lambda s: {
        "location_id": s.locations[0],
        "after": (s.product_id, s.locations[0]),
        "with_totals": False,
    },
    "a product": lambda s: {"product_id": s.product_id},
    "a product within nine locations": lambda s: {"product_id": s.product_id, "scope": frozenset(s.locations)},
    "a lot": lambda s: {"lot_id": s.lot_id},
}


@pytest.mark.parametrize("name", LISTED)
async def test_a_page_of_lines_looks_at_what_it_shows(wide: Store, selling: Selling, name: str) -> None:
    wanted = LinesWanted(
        **{"tenant_id": wide.stock.tenant_id, "scope": None, "limit": PAGE, **LISTED[name](wide.stock)}
    )
    async with listening(wide.database) as sent:
        found = await SqlAvailabilityLines(wide.database).lines(wanted)
        await SqlAvailabilityLines(wide.database).summary(wanted)

    assert found.lines
    for statement, arguments in sent:
        for plan in (
            await wide.explain.kept(statement, arguments),
            await wide.explain.fresh(statement, arguments),
        ):
            assert plan.scans == []
            assert plan.most_sorted <= PAGE * LINES_HERE
            assert plan.examined <= PAGE * ROWS_A_PLACE


async def test_the_totals_of_a_location_read_its_lines_once(wide: Store, selling: Selling) -> None:
    location = wide.stock.locations[0]
    wanted = LinesWanted(tenant_id=wide.stock.tenant_id, scope=None, limit=PAGE, location_id=location)
    async with listening(wide.database) as sent:
        found = await SqlAvailabilityLines(wide.database).lines(wanted)
    (statement, arguments), here = sent[1], wide.stock.lines * LINES_HERE // LINES_PER_PRODUCT

    plan = await wide.explain.kept(statement, arguments)

    assert found.totals is not None
    assert plan.scans == []
    print(f"rows examined for {here} lines: {plan.examined}, pages: {plan.pages}")
    assert plan.examined <= 2 * here
