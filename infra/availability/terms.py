"""What the database says of stock and channels, as the values that ATP is computed from.

One statement (`availability_terms`) for one cell, a page of the matrix or a check of many items; `claim_begin`
says the same under locks. So what is shown and what is enforced come from one place, through one function.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import msgspec

from domain.availability.claims import Offer, Place
from domain.availability.model import ZERO, Bucket, ChannelTerms, Policy, Pool
from domain.availability.periods import periods
from domain.availability.policies import Policies
from domain.availability.projection import Supply
from domain.expiry.model import LotStatus
from domain.ledger.allocation import Candidate
from infra.db.pool import Driver

TERMS = "SELECT availability_terms($1, $2, $3)"


class _Lot(msgspec.Struct, frozen=True):
    expires_on: date | None
    status: LotStatus
    quantity: Decimal
    claimed: Decimal


class _Line(msgspec.Struct, frozen=True):
    line_id: UUID
    lot_id: UUID
    lot_number: str | None
    expires_on: date | None
    status: LotStatus
    bin_id: UUID
    bin_code: str
    on_hand: Decimal
    held: Decimal
    reserved: Decimal
    created_at: datetime


class _Supply(msgspec.Struct, frozen=True):
    id: UUID
    due_on: date
    quantity: Decimal


class _Pool(msgspec.Struct, frozen=True):
    product_id: UUID
    location_id: UUID
    today: date
    is_open: bool
    on_hand: Decimal
    sellable: Decimal
    held: Decimal
    reserved: Decimal
    allocated: Decimal
    lapsed: Decimal
    safety_stock: Decimal
    lots: tuple[_Lot, ...] | None = None
    lines: tuple[_Line, ...] | None = None
    supplies: tuple[_Supply, ...] | None = None


class Channel(msgspec.Struct, frozen=True):
    """An active channel, and which of the locations asked about serve it."""

    id: UUID
    code: str
    name: str
    type: str
    location_ids: frozenset[UUID]


class _Usage(msgspec.Struct, frozen=True):
    product_id: UUID
    location_id: UUID
    channel_id: UUID
    period: str
    used: Decimal


class _Terms(msgspec.Struct, frozen=True):
    position: int
    now: datetime
    pools: tuple[_Pool, ...]
    channels: tuple[Channel, ...]
    policies: tuple[Policy, ...]
    usage: tuple[_Usage, ...]


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """The offers that were asked for, in their order, as of a ledger position."""

    position: int
    now: datetime
    offers: dict[Place, Offer]
    channels: tuple[Channel, ...]
    policies: Policies


_NOTHING: Mapping[tuple[UUID, str], Decimal] = {}
_decoder = msgspec.json.Decoder(_Terms, float_hook=Decimal)


async def read_terms(driver: Driver, places: Sequence[Place], *, with_lines: bool = False) -> Terms:
    """One statement, on a bound connection."""
    products, locations = [place[0] for place in places], [place[1] for place in places]
    return decoded(await driver.fetchval(TERMS, products, locations, with_lines))


def decoded(text: str) -> Terms:
    """The terms as the database wrote them."""
    raw = _decoder.decode(text)
    policies = Policies(raw.policies)
    used: dict[Place, dict[tuple[UUID, str], Decimal]] = defaultdict(dict)
    for usage in raw.usage:
        used[usage.product_id, usage.location_id][usage.channel_id, usage.period] = usage.used
    special = {policy.product_id for policy in raw.policies}
    usual: dict[tuple[UUID, bool], tuple[ChannelTerms, ...]] = {}
    offers: dict[Place, Offer] = {}
    for pool in raw.pools:
        place = pool.product_id, pool.location_id
        taken = used.get(place, _NOTHING)
        # Most products have no policy of their own, and nothing taken: their channels are those of the location.
        is_usual = not taken and pool.product_id not in special
        channels = usual.get((pool.location_id, pool.is_open)) if is_usual else None
        if channels is None:
            channels = tuple(_channel(channel, pool, policies, taken) for channel in raw.channels)
            if is_usual:
                usual[pool.location_id, pool.is_open] = channels
        offers[place] = Offer(
            pool=_pool(pool),
            channels=channels,
            lines=tuple(_line(pool, line) for line in pool.lines or ()),
            supplies=tuple(
                Supply(source_id=supply.id, due=supply.due_on, quantity=supply.quantity)
                for supply in pool.supplies or ()
            ),
            channelless=_channelless(pool, policies),
        )
    return Terms(position=raw.position, now=raw.now, offers=offers, channels=raw.channels, policies=policies)


def _channel(
    channel: Channel, pool: _Pool, policies: Policies, used: Mapping[tuple[UUID, str], Decimal]
) -> ChannelTerms:
    policy = policies.most_specific(
        channel_id=channel.id, location_id=pool.location_id, product_id=pool.product_id
    )
    fence, ceiling = periods(policy, pool.today)
    return ChannelTerms(
        channel_id=channel.id,
        policy=policy,
        is_served=pool.location_id in channel.location_ids,
        is_closed=not pool.is_open,
        fence_consumed=used.get((channel.id, fence), ZERO) if fence else ZERO,
        ceiling_used=used.get((channel.id, ceiling), ZERO) if ceiling else ZERO,
    )


def _channelless(pool: _Pool, policies: Policies) -> ChannelTerms:
    policy = policies.most_specific(channel_id=None, location_id=pool.location_id, product_id=pool.product_id)
    return ChannelTerms(channel_id=None, policy=policy, is_closed=not pool.is_open)


def _pool(raw: _Pool) -> Pool:
    lots = (raw.lots or ()) if raw.lines is None else [_lot(line) for line in raw.lines if _counts(line)]
    withdrawn = (LotStatus.RECALLED, LotStatus.INACTIVE)
    unusable = sum((lot.quantity for lot in lots if lot.status in withdrawn), ZERO)
    return Pool(
        product_id=raw.product_id,
        location_id=raw.location_id,
        today=raw.today,
        on_hand=raw.on_hand,
        blocked=raw.on_hand - raw.sellable + unusable,
        held=raw.held,
        buckets=_buckets((lot for lot in lots if lot.status not in withdrawn), raw.today),
        hard=raw.allocated,
        soft=raw.reserved - raw.allocated - raw.lapsed,
        safety_stock=raw.safety_stock,
    )


def _counts(line: _Line) -> bool:
    """Whether it is of what the database else tells by lots."""
    return line.on_hand > line.held and (line.expires_on is not None or line.status is not LotStatus.ACTIVE)


def _lot(line: _Line) -> _Lot:
    free = line.on_hand - line.held
    return _Lot(expires_on=line.expires_on, status=line.status, quantity=free, claimed=min(free, line.reserved))


def _buckets(lots: Iterable[_Lot], today: date) -> tuple[Bucket, ...]:
    """Stock by the last day on which it may be used: a lot that is marked as expired has had its last day."""
    quantities: dict[date, tuple[Decimal, Decimal]] = {}
    gone = today - timedelta(days=1)
    for lot in lots:
        day = lot.expires_on
        if lot.status is LotStatus.EXPIRED:
            day = min(day or gone, gone)
        if day is not None:
            quantity, claimed = quantities.get(day, (ZERO, ZERO))
            quantities[day] = quantity + lot.quantity, claimed + lot.claimed
    return tuple(
        Bucket(expires_on=day, quantity=quantities[day][0], claimed=quantities[day][1])
        for day in sorted(quantities)
    )


def _line(pool: _Pool, line: _Line) -> Candidate:
    return Candidate(
        line_id=line.line_id,
        product_id=pool.product_id,
        bin_id=line.bin_id,
        bin_code=line.bin_code,
        bin_sells=True,
        lot_id=line.lot_id,
        lot_number=line.lot_number or "",
        lot_is_active=line.status is LotStatus.ACTIVE,
        expires_on=line.expires_on,
        received_at=line.created_at,
        on_hand=line.on_hand,
        reserved=line.reserved,
        held=line.held,
    )
