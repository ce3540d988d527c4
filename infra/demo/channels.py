"""How the demonstration sells: channels, how they share its stock, and what is on its way."""

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal
from uuid import UUID

from domain.access.model import Act
from domain.availability.channels import Channel, PolicyFacts, create_channel, put_policy
from domain.availability.model import Mode, Period, Respects
from domain.availability.supplies import SupplyFacts, announce
from infra.availability.channels import SqlChannelWork
from infra.availability.supplies import ReceivingSqlWork
from infra.db.pool import Database
from infra.db.work import beginning
from infra.demo.places import DC, LONDON, MANCHESTER
from infra.demo.plan import Plan

WEB, MARKET, TRADE, SHOPS = "WEB", "MARKET", "TRADE", "SHOPS"
CHANNELS = (
    (WEB, "Web shop", "DTC", (DC, LONDON, MANCHESTER)),
    (MARKET, "Marketplace", "MARKETPLACE", (DC,)),
    (TRADE, "Trade accounts", "WHOLESALE", (DC,)),
    (SHOPS, "Shops", "RETAIL", (LONDON, MANCHESTER)),
)
SOUGHT = 40
"""So many products that most order lines ask for are shared out by policies of their own."""
EXPECTED = 60
"""So many are on their way."""
LATE = 10
"""Each of which the how-manieth should have come."""
IS_OPEN = "SELECT EXISTS (SELECT FROM channels WHERE tenant_id = $1)"
TODAY = "SELECT current_date"


async def open_channels(
    database: Database, act: Act, plan: Plan, *, products: Sequence[UUID], locations: Sequence[UUID]
) -> None:
    """Make it all in one transaction, once."""
    async with database.bound(act.tenant_id) as driver:
        if await driver.fetchval(IS_OPEN, act.tenant_id):
            return
        today: dt.date = await driver.fetchval(TODAY)
    demand = plan.assortment.demand
    # Equal demand in the order of the products, so that the same rows always give the same.
    sought = sorted(range(len(products)), key=lambda number: (-sum(demand[number].lines), number))
    async with beginning(database, _Selling)(act) as work:
        for n, number in enumerate(sought[:EXPECTED]):
            days = 2 + n * 11 % 40 if (n + 1) % LATE else -(n % 7) - 1
            await announce(
                work,
                act=act,
                supply=SupplyFacts(
                    product_id=products[number],
                    location_id=locations[DC],
                    quantity=Decimal(24 * (1 + n % 5)),
                    due_on=today + dt.timedelta(days=days),
                    source_type="PURCHASE_ORDER",
                    source_id=f"PO-{4001 + n}",
                ),
            )
        channels = {}
        for code, name, type_, served in CHANNELS:
            channel = Channel(code=code, name=name, type=type_, location_ids=tuple(locations[n] for n in served))
            channels[code] = (await create_channel(work, act=act, channel=channel)).id
        for policy in _policies(channels, locations, [products[number] for number in sought[:SOUGHT]]):
            await put_policy(work, act=act, policy=policy, expected_version=None)


class _Selling(SqlChannelWork, ReceivingSqlWork):
    """Channels and supplies in one transaction."""


def _policies(
    channels: dict[str, UUID], locations: Sequence[UUID], sought: Sequence[UUID]
) -> Sequence[PolicyFacts]:
    """What holds for each channel, and what is kept of the products that everybody wants."""
    dc = locations[DC]
    general = [
        PolicyFacts(channel_id=channels[WEB], buffer_percent=Decimal(5), low_threshold=Decimal(20)),
        PolicyFacts(
            channel_id=channels[MARKET],
            buffer_units=Decimal(10),
            ceiling=Decimal(500),
            ceiling_period=Period.WEEK,
            low_threshold=Decimal(25),
            critical_threshold=Decimal(5),
            min_remaining_days=30,
        ),
        PolicyFacts(
            channel_id=channels[TRADE],
            priority=10,
            respects=Respects.EQUAL_OR_HIGHER,
            low_threshold=Decimal(100),
            min_remaining_days=90,
        ),
        PolicyFacts(
            channel_id=channels[SHOPS],
            location_id=locations[LONDON],
            fence=Decimal(6),
            low_threshold=Decimal(12),
        ),
        PolicyFacts(
            channel_id=channels[SHOPS],
            location_id=locations[MANCHESTER],
            fence=Decimal(4),
            low_threshold=Decimal(8),
        ),
    ]
    kept = []
    for n, product in enumerate(sought):
        kept.append(
            PolicyFacts(
                channel_id=channels[TRADE],
                location_id=dc,
                product_id=product,
                fence=Decimal(48),
                priority=10,
                low_threshold=Decimal(100),
            )
        )
        if n % 2:
            kept.append(
                PolicyFacts(
                    channel_id=channels[WEB],
                    location_id=dc,
                    product_id=product,
                    mode=Mode.IRON_RESERVE,
                    fence=Decimal(20),
                    priority=20,
                    low_threshold=Decimal(30),
                )
            )
        if n % 3 == 0:
            kept.append(
                PolicyFacts(
                    channel_id=channels[MARKET],
                    location_id=dc,
                    product_id=product,
                    mode=Mode.RESTRICT,
                    fence=Decimal(24),
                    priority=30,
                    low_threshold=Decimal(12),
                    is_closed=n == SOUGHT - 1,
                )
            )
    return [*general, *kept]
