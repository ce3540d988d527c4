"""How the demonstration is replenished: rules for a part of the assortment, and a record in each state."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec

from domain.access.model import Act, Permission
from domain.replenishment.configuring import Wish, configure
from domain.replenishment.model import Method, SafetyMethod, Source
from domain.replenishment.records import NewRecord, cancel, close, create_record, trigger
from domain.replenishment.views import Record
from domain.transfers.reserving import pick
from domain.transfers.shipping import ship
from infra.db.pool import Database
from infra.db.work import beginning
from infra.demo.places import DC, LONDON, MANCHESTER
from infra.demo.plan import Plan
from infra.replenishment.configs import ConfigSqlWork
from infra.replenishment.work import ReplenishmentSqlWork

IS_DONE = "SELECT EXISTS (SELECT FROM replenishment_orders WHERE tenant_id = $1)"
# What stands in a shop and lies in the distribution centre in plenty, without lots, most in the centre first.
SHELVES = """
    SELECT t.product_id, trim_scale(t.on_hand) AS on_hand FROM stock_totals t
    JOIN stock_totals d ON d.tenant_id = t.tenant_id AND d.product_id = t.product_id AND d.location_id = $3
        AND d.sellable - d.held - d.reserved >= 100
    JOIN products p ON p.tenant_id = t.tenant_id AND p.id = t.product_id
        AND NOT p.is_lot_controlled AND p.is_active
    WHERE t.tenant_id = $1 AND t.location_id = $2 AND t.on_hand > 0
    ORDER BY d.sellable - d.held - d.reserved DESC, t.product_id LIMIT 60
"""
SUPPLIER = "Midlands Gift Wholesale"
PACK = Decimal(6)


async def plan_replenishment(
    database: Database, act: Act, plan: Plan, *, products: Sequence[UUID], locations: Sequence[UUID]
) -> None:
    """Make it all, once: the rules in one transaction, the records in another."""
    act = msgspec.structs.replace(act, permission=Permission.REPLENISHMENT_WRITE)
    async with beginning(database, ConfigSqlWork)(act) as work:
        if await work.driver.fetchval(IS_DONE, act.tenant_id):
            return
        shelves = {
            shop: await work.driver.fetch(SHELVES, act.tenant_id, locations[shop], locations[DC])
            for shop in (LONDON, MANCHESTER)
        }
        wishes = [
            _of_shop(n, row["product_id"], row["on_hand"], locations[shop], locations[DC])
            for shop, rows in shelves.items()
            for n, row in enumerate(rows)
        ]
        wishes += _of_centre(plan, products, locations[DC])
        await configure(work, act=act, wishes=wishes, at=[f"{n}." for n in range(len(wishes))])
    chosen = [row["product_id"] for row in shelves[LONDON]][:6]
    if len(chosen) == 6:  # noqa: PLR2004 - one for each state
        async with beginning(database, ReplenishmentSqlWork)(act) as records:
            await _keep_records(records, act, chosen, shop=locations[LONDON], centre=locations[DC])


def _of_shop(n: int, product_id: UUID, on_hand: Decimal, shop: UUID, centre: UUID) -> Wish:
    """A third of what is on the shelves has come down to its minimum."""
    is_due = n % 3 == 0
    low = on_hand + 1 if is_due else max(Decimal(1), on_hand // 2)
    return Wish(
        product_id=product_id,
        location_id=shop,
        changes={
            "method": Method.MIN_MAX,
            "min_qty": low,
            "max_qty": low + 4 * PACK,
            "order_multiple": PACK,
            "lead_time_days": 2,
            "source": Source.LOCATION if n % 2 else Source.SUPPLIER,
            "source_location_id": centre,
            **({} if n % 2 else {"supplier": SUPPLIER}),
        },
    )


def _of_centre(plan: Plan, products: Sequence[UUID], centre: UUID) -> list[Wish]:
    """The most valuable products are ordered at their levels, the next by what they sell."""
    wishes = []
    for number, product in enumerate(plan.assortment.products):
        changes: dict[str, Any] = {"supplier": SUPPLIER, "lead_time_days": plan.restock.lead_days(number)}
        if product.abc == "A":
            changes |= {"method": Method.REORDER_POINT}
        elif product.abc == "B" and number % 2:
            changes |= {
                "method": Method.EOQ,
                "order_cost": Decimal(20),
                "holding_cost": Decimal("0.5"),
                "reorder_qty": Decimal(plan.restock.level(number, DC).low),
            }
        elif product.abc == "B":
            changes |= {
                "method": Method.DEMAND,
                "safety_method": SafetyMethod.COMPUTED,
                "service_level": Decimal("0.95"),
            }
        else:
            continue
        wishes.append(Wish(product_id=products[number], location_id=centre, changes=changes))
    return wishes


async def _keep_records(
    work: ReplenishmentSqlWork, act: Act, products: Sequence[UUID], *, shop: UUID, centre: UUID
) -> None:
    """One for each state."""

    async def made(product_id: UUID, source: UUID | None) -> Record:
        new = NewRecord(
            product_id=product_id,
            location_id=shop,
            quantity=2 * PACK,
            source=Source.SUPPLIER if source is None else Source.LOCATION,
            source_location_id=source,
            note="For the demonstration",
        )
        return await create_record(work, act=act, new=new)

    opened, triggered, on_its_way, ordered, closed, canceled = products
    await made(opened, centre)
    for product_id in (triggered, on_its_way):
        record = await made(product_id, centre)
        record = await trigger(work, act=act, record_id=record.id, comment=None, expected_version=None)
        if product_id == on_its_way and record.transfer_id is not None:
            await pick(work, act=act, transfer_id=record.transfer_id)
            await ship(work, act=act, transfer_id=record.transfer_id)
    for product_id in (ordered, closed):
        record = await made(product_id, None)
        record = await trigger(work, act=act, record_id=record.id, comment=None, expected_version=None)
        if product_id == closed:
            await close(work, act=act, record_id=record.id, comment="It came by hand", expected_version=None)
    record = await made(canceled, centre)
    await cancel(work, act=act, record_id=record.id, comment="Sold less than planned", expected_version=None)
