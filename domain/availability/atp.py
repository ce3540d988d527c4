"""Available to promise: the one function behind the matrix, the drilldown, the check and the reservation."""

from bisect import bisect_right
from collections.abc import Sequence
from decimal import ROUND_CEILING, Decimal

from domain.availability.model import ZERO, Cell, ChannelTerms, Limit, Mode, Policy, Pool, Respects, Severity

HUNDRED = Decimal(100)
_STEPS = tuple(Decimal(1).scaleb(-places) for places in range(5))


type _Fence = tuple[Decimal, Decimal, Decimal]
"""A channel's own fence as planned, the same as cut, and what it leaves alone of the others'."""

_NO_FENCE: _Fence = (ZERO, ZERO, ZERO)
_UNFENCED = ZERO, ZERO


def cells(pool: Pool, channels: Sequence[ChannelTerms]) -> tuple[Cell, ...]:
    """What each channel may promise of one product at one location, in the order of the channels.

    All channels with a fence there must be among them; a caller without a channel may be (`NO_CHANNEL`).

        atp = max(0, min(net - fences respected - buffer,
                         ceiling - used             with a ceiling,
                         effective fence            in the mode RESTRICT))
        atp = 0                                     where the channel is not served or the location is closed

    where net = on hand - blocked - held - expired - hard - soft - safety stock + projected. When the pool's net is
    less than all fences together, they are cut: the highest priority gets its own first, of equal priorities the
    channel with the smaller id, which is the older one.
    """
    before_expiry = pool.before_expiry
    fences = _fences(before_expiry - pool.expired(0), channels)
    expired: dict[int, Decimal] = {}
    found = []
    for channel, fence in zip(channels, fences, strict=True):
        days = channel.policy.min_remaining_days
        if days not in expired:
            expired[days] = pool.expired(days)
        found.append(_cell(pool, channel, fence, expired=expired[days], net=before_expiry - expired[days]))
    return tuple(found)


def cell_of(pool: Pool, channels: Sequence[ChannelTerms], index: int) -> Cell:
    """One of the `cells`, without the others."""
    channel = channels[index]
    before_expiry = pool.before_expiry
    expired = pool.expired(channel.policy.min_remaining_days)
    fence = _fences(before_expiry - pool.expired(0), channels)[index]
    return _cell(pool, channel, fence, expired=expired, net=before_expiry - expired)


def explained(cell: Cell) -> Decimal:
    """The figure that the terms of a cell give, computed from nothing else: it equals `cell.atp`."""
    pool = cell.pool
    match cell.bound:
        case Limit.NOT_SERVED | Limit.CLOSED:
            return ZERO
        case Limit.CEILING:
            assert cell.ceiling_left is not None
            return max(ZERO, cell.ceiling_left)
        case Limit.FENCE:
            return max(ZERO, cell.effective_fence)
        case Limit.POOL:
            blocked = pool.blocked + pool.held + cell.expired
            net = pool.on_hand - blocked - pool.hard - pool.soft - pool.safety_stock + pool.projected
            return max(ZERO, net - cell.fences_respected - cell.buffer)


def _cell(pool: Pool, channel: ChannelTerms, fence: _Fence, *, expired: Decimal, net: Decimal) -> Cell:
    policy = channel.policy
    own, effective, respected = fence
    common = net - respected
    buffer = policy.buffer_units
    if policy.buffer_percent:
        buffer += _share(common, policy.buffer_percent, pool.decimals)
    bound, least = Limit.POOL, common - buffer
    ceiling_left = None
    if policy.ceiling is not None:
        ceiling_left = policy.ceiling - channel.ceiling_used
        if ceiling_left < least:
            bound, least = Limit.CEILING, ceiling_left
    if policy.mode is Mode.RESTRICT and effective < least:
        bound, least = Limit.FENCE, effective
    if channel.is_closed or policy.is_closed:
        bound, least = Limit.CLOSED, ZERO
    elif not channel.is_served:
        bound, least = Limit.NOT_SERVED, ZERO
    atp = max(ZERO, least)
    return Cell(
        pool=pool,
        channel=channel,
        expired=expired,
        net=net,
        fences_respected=respected,
        buffer=buffer,
        fence=own,
        effective_fence=effective,
        ceiling_left=ceiling_left,
        bound=bound,
        atp=atp,
        severity=_severity(atp, policy),
    )


def _severity(atp: Decimal, policy: Policy) -> Severity:
    if atp <= policy.critical_threshold:
        return Severity.CRITICAL
    return Severity.LOW if atp <= policy.low_threshold else Severity.OK


def _share(common: Decimal, percent: Decimal, decimals: int) -> Decimal:
    """A buffer in percent of what the channel could take from.

    Of that and not of the net: so it does not move when another channel uses its fence. Rounded up: what is in
    doubt is not promised.
    """
    if common <= ZERO:
        return ZERO
    return (common * percent / HUNDRED).quantize(_STEPS[decimals], rounding=ROUND_CEILING)


def _fences(pool_net: Decimal, channels: Sequence[ChannelTerms]) -> Sequence[_Fence]:
    fenced = [
        (channel.policy.priority, channel.channel_id.int, index, own)
        for index, channel in enumerate(channels)
        if channel.channel_id is not None and channel.policy.fence and (own := channel.fence)
    ]
    if not fenced:
        return [_NO_FENCE] * len(channels)
    fenced.sort()
    priorities = [priority for priority, _, _, _ in fenced]
    kept = [ZERO]  # by the fences of so many, from the highest priority on
    own_fences: dict[int, tuple[Decimal, Decimal]] = {}
    total, most = ZERO, max(ZERO, pool_net)
    for _, _, index, own in fenced:
        effective = min(own, most - total)
        total += effective
        kept.append(total)
        own_fences[index] = own, effective
    found = []
    for index, channel in enumerate(channels):
        own, effective = own_fences.get(index, _UNFENCED)
        policy = channel.policy
        if policy.respects is Respects.EQUAL_OR_HIGHER:
            found.append((own, effective, kept[bisect_right(priorities, policy.priority)] - effective))
        else:
            found.append((own, effective, total - effective))
    return found
