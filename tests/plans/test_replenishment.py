"""How suggestions find their facts among very many lines and movements: two statements, by index, in any plan."""

import msgspec
import pytest

from domain.access.model import Act, Permission, Scope
from domain.replenishment.asking import Asked, Suggestions, suggest
from domain.replenishment.ports import FactsWanted
from infra.db.pool import Database
from infra.replenishment.facts import SqlReplenishmentFacts
from tests.lab import DatabaseUrls
from tests.ledger.builders import an_act
from tests.plans.conftest import Store
from tests.plans.explain import Plan, Sent, listening
from tests.plans.stock import Stock

EMPTY = {"supplies", "replenishment_orders", "reservations", "holds", "transfers", "transfer_lines"}
"""Tables that have no rows here."""
CONFIGURED = """
    UPDATE stock_levels SET method = 'MIN_MAX', min_qty = 10, reorder_qty = 10, max_qty = 2000
    WHERE tenant_id = $1 AND location_id = $2
"""
DAYS = 30


def a_planner(stock: Stock) -> Act:
    act = an_act(stock.tenant_id)
    rights: dict[Permission, Scope] = {Permission.REPLENISHMENT_READ: None}
    caller = msgspec.structs.replace(act.caller, rights=rights)
    return msgspec.structs.replace(act, caller=caller, permission=Permission.REPLENISHMENT_READ)


@pytest.fixture(scope="module")
async def planned(wide: Store) -> Store:
    """What a third of the products is to be brought up to at the largest location, some of it due."""
    async with wide.database.transaction(wide.stock.tenant_id) as driver:
        await driver.execute(CONFIGURED, wide.stock.tenant_id, wide.stock.locations[0])
        await driver.execute(
            "UPDATE stock_levels SET min_qty = 1500, reorder_qty = 1500 WHERE tenant_id = $1 AND location_id = $2 "
            "AND product_id < $3",
            wide.stock.tenant_id,
            wide.stock.locations[0],
            wide.stock.product_id,
        )
    return wide


async def asked(store: Store, *, connections: int = 1, **more: object) -> tuple[Suggestions, list[Sent]]:
    wanted = Asked(**{"location_id": store.stock.locations[0], "days": DAYS, "limit": 50, **more})  # type: ignore[arg-type] # as given
    async with listening(store.database, connections=connections) as sent:
        found = await suggest(SqlReplenishmentFacts(store.database), act=a_planner(store.stock), asked=wanted)
    return found, sent


async def test_all_suggestions_of_a_location_are_two_statements(planned: Store) -> None:
    found, sent = await asked(planned)

    assert found.looked_at > 1000
    assert 50 == len(found.items) < found.due
    assert any(one.source is not None and one.source.location_id is not None for one in found.items)
    assert len(sent) == 2


@pytest.mark.parametrize("statement", [0, 1], ids=["facts", "surplus"])
async def test_no_table_is_read_as_a_whole(planned: Store, statement: int) -> None:
    _, sent = await asked(planned)
    sql, arguments = sent[statement]

    for plan in (await planned.explain.kept(sql, arguments), await planned.explain.fresh(sql, arguments)):
        assert set(plan.scans) <= EMPTY


async def test_demand_is_read_of_the_period_and_the_place_alone(planned: Store) -> None:
    _, sent = await asked(planned)
    plan = await planned.explain.kept(*sent[0])
    issued = await _issued(planned.database, planned.stock)

    assert moved(plan) == issued < planned.stock.movements / 10


async def test_of_one_product_only_its_own_lines_are_read(planned: Store) -> None:
    _, sent = await asked(planned, product_ids=[planned.stock.product_id], with_all=True)

    plan = await planned.explain.kept(*sent[0])

    # Its demand is found in that of the location, which the period bounds; its own history is bounded by nothing.
    print(f"one product: {plan.examined} rows, {moved(plan)} of them movements, {plan.pages} pages")
    assert plan.examined - moved(plan) < 200


async def test_some_products_have_the_demand_that_they_have_among_all(planned: Store) -> None:
    reads = SqlReplenishmentFacts(planned.database)
    wanted = FactsWanted(
        tenant_id=planned.stock.tenant_id, scope=None, location_id=planned.stock.locations[0], days=DAYS
    )

    every = await reads.facts(wanted)
    assert every is not None
    among = {row.product_id: row for row in every.rows}
    busy = sorted(among, key=lambda product: -among[product].used_days)[:5]
    some = await reads.facts(msgspec.structs.replace(wanted, product_ids=busy))

    assert some is not None
    assert among[busy[0]].used > among[busy[0]].used_days > 1
    assert {row.product_id: row for row in some.rows} == {product: among[product] for product in busy}


async def test_demand_and_stock_are_read_beside_each_other_where_a_connection_is_to_spare(
    planned: Store, wide_urls: DatabaseUrls
) -> None:
    alone, (whole, *_) = await asked(planned)
    database = await Database.connect(wide_urls.app_url, size=2)
    try:
        beside, sent = await asked(msgspec.structs.replace(planned, database=database), connections=2)
    finally:
        await database.close()

    assert beside == alone
    # Each in a transaction of its own, the second of the first's snapshot.
    reads = [one for one in sent if "place" in one[0]][:2]
    assert whole not in reads
    assert [moved(await planned.explain.kept(*one)) > 0 for one in reads].count(True) == 1
    for sql, arguments in reads:
        for plan in (await planned.explain.kept(sql, arguments), await planned.explain.fresh(sql, arguments)):
            assert set(plan.scans) <= EMPTY


def moved(plan: Plan) -> int:
    """The movements that a plan looks at."""
    return sum(
        round(node["Actual Rows"] * node["Actual Loops"] + node.get("Rows Removed by Filter", 0))
        for node in plan.nodes()
        if node.get("Relation Name") == "movements"
    )


async def _issued(database: Database, stock: Stock) -> int:
    async with database.bound(stock.tenant_id) as driver:
        found: int = await driver.fetchval(
            """
            SELECT count(*) FROM movements m WHERE m.tenant_id = $1 AND m.location_id = $2 AND m.kind = 'ISSUE'
                AND m.effective_at >= ((now() AT TIME ZONE 'Europe/Berlin')::date - $3::int + 1)::timestamp
                    AT TIME ZONE 'Europe/Berlin'
            """,
            stock.tenant_id,
            stock.locations[0],
            DAYS,
        )
    return found
