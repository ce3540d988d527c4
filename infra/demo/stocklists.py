"""The demonstration's stocklists: what one shop pulls every week, and what the warehouse pushes to the other."""

from collections.abc import Sequence
from decimal import Decimal
from uuid import UUID

from domain.access.model import Act, Permission
from domain.stock_requests.generating import generate
from domain.stock_requests.states import Decider
from domain.stock_requests.stocklists import StocklistFacts, StocklistLine, StocklistMode, create_stocklist
from infra.db.pool import Database
from infra.db.work import beginning
from infra.demo.places import DC, LONDON, MANCHESTER
from infra.demo.plan import Plan
from infra.stock_requests.generating import GeneratingSqlWork
from infra.stock_requests.stocklists import StocklistSqlWork

IS_DONE = "SELECT EXISTS (SELECT FROM stocklists WHERE tenant_id = $1)"
ACTIVE = """
    SELECT p.id FROM unnest($2::uuid[]) WITH ORDINALITY AS w(id, n)
    JOIN products p ON p.tenant_id = $1 AND p.id = w.id
    WHERE p.is_active AND NOT p.is_regulated ORDER BY w.n LIMIT 24
"""
# What lies in the shop now, so that the list wants some more of it.
HAS = """
    SELECT t.product_id, t.on_hand FROM stock_totals t
    WHERE t.tenant_id = $1 AND t.location_id = $2 AND t.product_id = ANY ($3)
"""
PACK, MORE = Decimal(6), Decimal(24)


async def list_stock(
    database: Database, act: Act, plan: Plan, *, products: Sequence[UUID], locations: Sequence[UUID]
) -> None:
    """Make them once, and one request of what is pulled."""
    demand = plan.assortment.demand
    sought = sorted(range(len(products)), key=lambda number: (-sum(demand[number].lines), number))
    async with beginning(database, StocklistSqlWork)(act) as work:
        if await work.driver.fetchval(IS_DONE, act.tenant_id):
            return
        rows = await work.driver.fetch(ACTIVE, act.tenant_id, [products[number] for number in sought[:200]])
        wanted = [row["id"] for row in rows]
        now = await work.driver.fetchval("SELECT clock_timestamp()")
        made = []
        for code, name, shop, mode, days in (
            ("LONDON-WEEKLY", "London, what sells every week", LONDON, StocklistMode.PULL, 7),
            ("MANCHESTER-FORTNIGHT", "Manchester, every two weeks", MANCHESTER, StocklistMode.PUSH, 14),
        ):
            has = {
                row["product_id"]: row["on_hand"]
                for row in await work.driver.fetch(HAS, act.tenant_id, locations[shop], wanted)
            }
            facts = StocklistFacts(
                code=code,
                name=name,
                origin_location_id=locations[DC],
                destination_location_id=locations[shop],
                mode=mode,
                review_period_days=days,
            )
            lines = [
                StocklistLine(product_id=id_, maximum=has.get(id_, Decimal(0)) + MORE, pack_multiple=PACK)
                for id_ in wanted[:12]
            ]
            if lines:
                made.append(await create_stocklist(work, act=act, facts=facts, lines=lines))
    if made and act.caller.allows(Permission.STOCKREQUESTS_WRITE):
        async with beginning(database, GeneratingSqlWork)(act) as generating:
            decider = Decider(caller=act.caller, at=now)
            await generate(generating, act=act, decider=decider, stocklist_id=made[0].id)
