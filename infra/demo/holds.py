"""What the demonstration may not sell: lots of a day long gone are brought up to today, and some stock is held."""

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal
from uuid import UUID

from domain.access.model import Act
from domain.availability.holding import HoldType, Target
from domain.availability.holds import NewHold, place_hold
from infra.availability.holds import HoldSqlWork
from infra.db.pool import Database
from infra.db.work import beginning
from infra.demo.places import DC, LONDON
from infra.demo.plan import Plan

IS_DONE = "SELECT EXISTS (SELECT FROM holds WHERE tenant_id = $1)"
TODAY = "SELECT current_date"
REDATE = """
    UPDATE lots SET expires_on = expires_on + $2::int,
        manufactured_on = manufactured_on + $2::int, version = version + 1
    WHERE tenant_id = $1 AND NOT is_default
"""
# One in thirty of the lots on the shelves has expired by yesterday, the others follow as they lie.
FIRST_GONE = """
    SELECT percentile_disc(1 / 30.0) WITHIN GROUP (ORDER BY t.expires_on)
    FROM stock_lines s JOIN lots t ON t.tenant_id = $1 AND t.id = s.lot_id
    WHERE s.tenant_id = $1 AND s.on_hand > 0 AND t.expires_on IS NOT NULL
"""
# The lots of which there is most, and the largest lines of the products that most order lines ask for.
LOTS = """
    SELECT s.lot_id FROM stock_lines s JOIN lots t ON t.tenant_id = $1 AND t.id = s.lot_id
    WHERE s.tenant_id = $1 AND NOT t.is_default AND t.expires_on > $2
    GROUP BY s.lot_id ORDER BY sum(s.on_hand) DESC, s.lot_id LIMIT 2
"""
LINES = """
    SELECT s.id FROM stock_lines s
    WHERE s.tenant_id = $1 AND s.product_id = ANY ($2) AND s.on_hand >= 12
    ORDER BY array_position($2, s.product_id), s.on_hand DESC, s.id LIMIT 12
"""
PART = Decimal(6)


async def hold_some(
    database: Database, act: Act, plan: Plan, *, products: Sequence[UUID], locations: Sequence[UUID]
) -> None:
    """Make it all in one transaction, once."""
    demand = plan.assortment.demand
    sought = sorted(range(len(products)), key=lambda number: (-sum(demand[number].lines), number))
    wanted = [products[number] for number in sought[:40]]
    async with beginning(database, HoldSqlWork)(act) as work:
        if await work.driver.fetchval(IS_DONE, act.tenant_id):
            return
        today: dt.date = await work.driver.fetchval(TODAY)
        gone: dt.date | None = await work.driver.fetchval(FIRST_GONE, act.tenant_id)
        if gone is not None:
            await work.driver.execute(REDATE, act.tenant_id, (today - gone).days - 1)
        lots = [row["lot_id"] for row in await work.driver.fetch(LOTS, act.tenant_id, today)]
        lines = [row["id"] for row in await work.driver.fetch(LINES, act.tenant_id, wanted)]
        later = today + dt.timedelta(days=14)
        for hold in (
            *(_of_lot(lot) for lot in lots[:1]),
            *(
                NewHold(
                    type=HoldType.QUALITY,
                    target=Target(lot_id=lot),
                    reason="Sample at the laboratory",
                    expected_until=later,
                )
                for lot in lots[1:]
            ),
            *(
                NewHold(type=HoldType.DAMAGE, target=Target(line_id=line), quantity=PART, reason="Crushed carton")
                for line in lines[::2]
            ),
            *(
                NewHold(
                    type=HoldType.QUALITY,
                    target=Target(line_id=line),
                    reason="Colour differs",
                    expected_until=later,
                )
                for line in lines[1::4]
            ),
            NewHold(
                type=HoldType.LEGAL,
                target=Target(product_id=wanted[-1], location_id=locations[LONDON]),
                reason="Trade mark in dispute",
            ),
            NewHold(
                type=HoldType.QUARANTINE,
                target=Target(product_id=wanted[-2], location_id=locations[DC]),
                reason="Customs papers are missing",
                expected_until=later,
            ),
        ):
            await place_hold(work, hold=hold)


def _of_lot(lot_id: UUID) -> NewHold:
    return NewHold(
        type=HoldType.RECALL,
        target=Target(lot_id=lot_id),
        reason="Recalled by its maker",
        note="All customers of this lot are told: see its trace.",
    )
