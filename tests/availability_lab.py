"""Pools and channels to ask about."""

from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from uuid import UUID

from domain.availability.atp import cells
from domain.availability.model import (
    Bucket,
    Cell,
    ChannelTerms,
    Mode,
    Policy,
    Pool,
    Respects,
)

TODAY = date(2026, 3, 10)
BOLT, DEPOT = UUID(int=1), UUID(int=2)


def a_channel(
    number: int,
    *,
    fence: int | str = 0,
    consumed: int | str = 0,
    mode: Mode = Mode.REGULAR,
    priority: int = 500,
    respects: Respects = Respects.ALL_OTHERS,
    buffer: int | str = 0,
    percent: int | str = 0,
    ceiling: int | str | None = None,
    used: int | str = 0,
    low: int | str = 0,
    critical: int | str = 0,
    life: int = 0,
    served: bool = True,
    closed: bool = False,
) -> ChannelTerms:
    channel_id = UUID(int=100 + number)
    policy = Policy(
        id=UUID(int=200 + number),
        channel_id=channel_id,
        mode=mode,
        priority=priority,
        respects=respects,
        fence=Decimal(fence),
        buffer_units=Decimal(buffer),
        buffer_percent=Decimal(percent),
        ceiling=None if ceiling is None else Decimal(ceiling),
        low_threshold=Decimal(low),
        critical_threshold=Decimal(critical),
        min_remaining_days=life,
    )
    return ChannelTerms(
        channel_id=channel_id,
        policy=policy,
        is_served=served,
        is_closed=closed,
        fence_consumed=Decimal(consumed),
        ceiling_used=Decimal(used),
    )


def a_bucket(days: int, quantity: int | str, *, claimed: int | str = 0) -> Bucket:
    return Bucket(expires_on=TODAY + timedelta(days=days), quantity=Decimal(quantity), claimed=Decimal(claimed))


def a_pool(
    on_hand: int | str,
    *,
    blocked: int | str = 0,
    held: int | str = 0,
    buckets: Sequence[Bucket] = (),
    hard: int | str = 0,
    soft: int | str = 0,
    safety_stock: int | str = 0,
    projected: int | str = 0,
    ship_day: date | None = None,
    decimals: int = 4,
) -> Pool:
    return Pool(
        product_id=BOLT,
        location_id=DEPOT,
        today=TODAY,
        ship_day=ship_day,
        on_hand=Decimal(on_hand),
        blocked=Decimal(blocked),
        held=Decimal(held),
        buckets=tuple(buckets),
        hard=Decimal(hard),
        soft=Decimal(soft),
        safety_stock=Decimal(safety_stock),
        projected=Decimal(projected),
        decimals=decimals,
    )


def one(pool: Pool, channel: ChannelTerms | None = None) -> Cell:
    """The cell of a channel that is alone there."""
    (cell,) = cells(pool, [a_channel(0) if channel is None else channel])
    return cell


def atps(pool: Pool, channels: Sequence[ChannelTerms]) -> list[Decimal]:
    return [cell.atp for cell in cells(pool, channels)]
