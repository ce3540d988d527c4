"""Everything behind one cell of the matrix, and what it will be. Pure functions; the figures add up."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Protocol
from uuid import UUID

import msgspec
from msgspec import field

from domain.availability.atp import cells
from domain.availability.claims import Offer
from domain.availability.matrix import Column, MatrixCell, MatrixLocation, number, pool_terms, shown_cell
from domain.availability.model import ZERO, Cell, Mode, Period, Respects
from domain.availability.ports import Kind
from domain.availability.projection import Projection, earliest_date, project, promised_on
from domain.catalog.views import View
from domain.errors import not_found
from domain.expiry.model import LotStatus

SHOWN_MAX = 500
"""So many lines, reservations and holds are shown; they are counted all."""


class DrilledProduct(View, frozen=True, kw_only=True):
    id: UUID
    sku: str
    name: str


class DrilledChannel(View, frozen=True, kw_only=True):
    id: UUID
    code: str
    name: str
    type: str
    is_served: bool = field(name="served")


class DrilledPolicy(View, frozen=True, kw_only=True):
    """The policy that counts here, the most special one; `policyId` null are the defaults alone.

    `fenceConsumed` and `ceilingUsed` are what the channel has taken of this product here.
    """

    policy_id: UUID | None
    is_closed: bool = field(name="closed")
    mode: Mode
    priority: int
    respects: Respects
    fence: Decimal
    fence_consumed: Decimal
    buffer_units: Decimal
    buffer_percent: Decimal
    ceiling: Decimal | None
    ceiling_period: Period
    ceiling_used: Decimal
    low_threshold: Decimal
    critical_threshold: Decimal
    min_remaining_days: int = field(name="minRemainingShelfLifeDays")


class DrilledLine(View, frozen=True, kw_only=True):
    """A stock line. `blocked`, `held` and `expired` (too old for this channel) are parts of `onHand`.

    Over all lines they add up to the cell's terms.
    """

    inventory_item_id: UUID
    bin_id: UUID
    bin_code: str
    bin_type: str
    lot_id: UUID
    lot_number: str | None
    lot_status: LotStatus
    expiry_date: date | None
    on_hand: Decimal
    blocked: Decimal
    held: Decimal
    expired: Decimal
    reserved: Decimal


class DrilledReservation(View, frozen=True, kw_only=True):
    """A claim that stands: a HARD one is among `allocated`, a SOFT one among `reserved`."""

    id: UUID
    group_id: UUID
    kind: Kind
    channel_id: UUID | None
    open_quantity: Decimal
    fence_quantity: Decimal
    external_ref: str | None
    source_type: str | None
    source_id: str | None
    actor: str | None
    expires_at: datetime | None
    created_at: datetime


class HoldScope(StrEnum):
    BIN = "BIN"
    LINE = "LINE"
    LOT = "LOT"
    PRODUCT = "PRODUCT"


class DrilledHold(View, frozen=True, kw_only=True):
    """A hold on something here; `quantity` null is all there is of it. Those on the same stock count once."""

    id: UUID
    type: str
    scope: HoldScope
    inventory_item_id: UUID | None
    lot_id: UUID | None
    bin_id: UUID | None
    quantity: Decimal | None
    reason: str
    expected_until: date | None
    actor: str | None
    created_at: datetime


class DrilledFence(View, frozen=True, kw_only=True):
    """A channel's own fence; those that are `respected` add up to the cell's `fencesRespected`."""

    channel_id: UUID
    channel_name: str
    policy_id: UUID | None
    priority: int
    fence: Decimal
    effective_fence: Decimal
    is_own: bool = field(name="own")
    is_respected: bool = field(name="respected")


class DrilledSupply(View, frozen=True, kw_only=True):
    id: UUID
    due_on: date
    quantity: Decimal


class DrilledStep(View, frozen=True, kw_only=True):
    """From this day on: what comes and goes, what there is for all, and what this channel could promise for it."""

    day: date
    supply: Decimal
    demand: Decimal
    projected: Decimal
    promise: Decimal
    atp: Decimal


class Drilldown(View, frozen=True, kw_only=True):
    """One cell with all that it is made of. `earliestDate` is for the quantity that was asked about."""

    product: DrilledProduct
    location: MatrixLocation
    channel: DrilledChannel
    today: date
    cell: MatrixCell
    policy: DrilledPolicy
    lines: Sequence[DrilledLine]
    line_count: int
    reservations: Sequence[DrilledReservation]
    reservation_count: int
    holds: Sequence[DrilledHold]
    hold_count: int
    fences: Sequence[DrilledFence]
    inbound: Sequence[DrilledSupply]
    overdue: Sequence[DrilledSupply]
    projection: Sequence[DrilledStep]
    horizon: date
    earliest_date: date | None


class LineBehind(msgspec.Struct, frozen=True, kw_only=True):
    """A stock line as it stands; `reserved` without what has run out."""

    id: UUID
    bin_id: UUID
    bin_code: str
    bin_type: str
    is_for_sale: bool
    """Whether its bin sells."""
    lot_id: UUID
    lot_number: str | None
    lot_status: LotStatus
    expires_on: date | None
    on_hand: Decimal
    held: Decimal
    reserved: Decimal


class Behind(msgspec.Struct, frozen=True, kw_only=True):
    """What is behind one product at one location, as one statement reads it."""

    position: int
    product: DrilledProduct
    location: MatrixLocation
    columns: tuple[Column, ...]
    offer: Offer
    lines: tuple[LineBehind, ...]
    line_count: int
    reservations: tuple[DrilledReservation, ...]
    reservation_count: int
    holds: tuple[DrilledHold, ...]
    hold_count: int


class DrillReads(Protocol):
    async def behind(self, tenant_id: UUID, product_id: UUID, location_id: UUID) -> Behind | None:
        """One statement. None: there is no such product or location."""
        ...


def drilled(behind: Behind, *, channel_id: UUID, horizon_days: int, quantity: Decimal) -> Drilldown:
    """The cell of a channel with what it is made of.

    Raises:
        DomainError: NOT_FOUND, there is no such channel, or it is not active.
    """
    index = next((n for n, column in enumerate(behind.columns) if column.id == channel_id), None)
    if index is None:
        raise not_found("active channel", field="channelId")
    offer, column = behind.offer, behind.columns[index]
    pool = offer.pool
    computed = cells(pool, offer.channels)
    horizon = pool.today + timedelta(days=horizon_days)
    projection = project(
        pool.net, supplies=offer.supplies, demands=offer.demands, today=pool.today, horizon=horizon
    )
    return Drilldown(
        product=behind.product,
        location=behind.location,
        channel=DrilledChannel(
            id=column.id, code=column.code, name=column.name, type=column.type, is_served=column.is_served
        ),
        today=pool.today,
        cell=shown_cell(computed[index], column, pool_terms(pool)),
        policy=_policy(computed[index]),
        lines=[_line(line, computed[index]) for line in behind.lines],
        line_count=behind.line_count,
        reservations=behind.reservations,
        reservation_count=behind.reservation_count,
        holds=behind.holds,
        hold_count=behind.hold_count,
        fences=_fences(behind.columns, computed, index),
        inbound=[
            DrilledSupply(id=supply.source_id, due_on=supply.due, quantity=number(supply.quantity))
            for supply in offer.supplies
            if pool.today <= supply.due <= horizon
        ],
        overdue=[
            DrilledSupply(id=supply.source_id, due_on=supply.due, quantity=number(supply.quantity))
            for supply in projection.overdue
        ],
        projection=_steps(offer, projection, index),
        horizon=horizon,
        earliest_date=earliest_date(pool, offer.channels, projection, index=index, quantity=quantity),
    )


def _steps(offer: Offer, projection: Projection, index: int) -> list[DrilledStep]:
    return [
        DrilledStep(
            day=step.day,
            supply=number(step.supply),
            demand=number(step.demand),
            projected=number(step.projected),
            promise=number(step.promise),
            atp=number(promised_on(offer.pool, offer.channels, projection, step.day)[index].atp),
        )
        for step in projection.steps
    ]


def _policy(cell: Cell) -> DrilledPolicy:
    policy = cell.channel.policy
    return DrilledPolicy(
        policy_id=policy.id,
        is_closed=policy.is_closed or cell.channel.is_closed,
        mode=policy.mode,
        priority=policy.priority,
        respects=policy.respects,
        fence=number(policy.fence),
        fence_consumed=number(cell.channel.fence_consumed),
        buffer_units=number(policy.buffer_units),
        buffer_percent=number(policy.buffer_percent),
        ceiling=None if policy.ceiling is None else number(policy.ceiling),
        ceiling_period=policy.ceiling_period,
        ceiling_used=number(cell.channel.ceiling_used),
        low_threshold=number(policy.low_threshold),
        critical_threshold=number(policy.critical_threshold),
        min_remaining_days=policy.min_remaining_days,
    )


def _line(line: LineBehind, cell: Cell) -> DrilledLine:
    """The line by the rules of the pool: each unit is blocked, or held, or too old, or there to be promised."""
    pool = cell.pool
    blocked = held = expired = ZERO
    rest = line.on_hand - line.held
    if not line.is_for_sale:
        blocked = line.on_hand
    elif line.lot_status in {LotStatus.RECALLED, LotStatus.INACTIVE}:
        blocked, held = rest, line.held
    else:
        held = line.held
        last_day = line.expires_on
        if line.lot_status is LotStatus.EXPIRED:
            last_day = min(last_day or date.min, pool.today - timedelta(days=1))
        if last_day is not None and last_day < _needed(cell):
            claimed = min(rest, line.reserved) if last_day >= pool.today else ZERO
            expired = rest - claimed
    return DrilledLine(
        inventory_item_id=line.id,
        bin_id=line.bin_id,
        bin_code=line.bin_code,
        bin_type=line.bin_type,
        lot_id=line.lot_id,
        lot_number=line.lot_number,
        lot_status=line.lot_status,
        expiry_date=line.expires_on,
        on_hand=number(line.on_hand),
        blocked=number(blocked),
        held=number(held),
        expired=number(expired),
        reserved=number(line.reserved),
    )


def _needed(cell: Cell) -> date:
    """The day on which stock must still be usable for the channel."""
    pool = cell.pool
    return (pool.ship_day or pool.today) + timedelta(days=cell.channel.policy.min_remaining_days)


def _fences(columns: Sequence[Column], computed: Sequence[Cell], index: int) -> list[DrilledFence]:
    own = computed[index].channel.policy
    return [
        DrilledFence(
            channel_id=column.id,
            channel_name=column.name,
            policy_id=cell.channel.policy.id,
            priority=cell.channel.policy.priority,
            fence=number(cell.fence),
            effective_fence=number(cell.effective_fence),
            is_own=n == index,
            is_respected=n != index
            and (own.respects is Respects.ALL_OTHERS or cell.channel.policy.priority <= own.priority),
        )
        for n, (column, cell) in enumerate(zip(columns, computed, strict=True))
        if cell.fence
    ]
