"""Where a claim comes from, a channel's own fence or the pool, and what a release gives back to which."""

from collections.abc import Sequence
from decimal import Decimal

import msgspec

from domain.availability.model import ZERO, Cell, ChannelTerms, Mode, Pool
from domain.errors import DomainError, Reason
from domain.values import plain


class Split(msgspec.Struct, frozen=True, kw_only=True):
    """A claim by its two sources; it keeps the mode by which it was taken, since policies change."""

    mode: Mode
    from_fence: Decimal = ZERO
    from_pool: Decimal = ZERO

    @property
    def quantity(self) -> Decimal:
        return self.from_fence + self.from_pool


def take(cell: Cell, quantity: Decimal) -> Split:
    """The sources of a claim by the cell's channel; it takes all of the quantity, or is refused.

    Raises:
        DomainError: INSUFFICIENT_STOCK, with the terms of the cell.
    """
    assert quantity > ZERO
    if quantity > cell.atp:
        raise insufficient(cell, quantity)
    mode = cell.channel.policy.mode
    if mode is Mode.IRON_RESERVE:
        unfenced = max(ZERO, cell.room - cell.effective_fence)
        from_pool = min(quantity, unfenced)
        return Split(mode=mode, from_fence=quantity - from_pool, from_pool=from_pool)
    # In the mode RESTRICT the fence suffices: the cell is not larger than it.
    from_fence = min(quantity, cell.effective_fence)
    return Split(mode=mode, from_fence=from_fence, from_pool=quantity - from_fence)


def give_back(split: Split, quantity: Decimal) -> Split:
    """What a release of a part of a claim gives back to each source.

    The last taken goes back first, so what is left is as if only so much had been taken in the first place.
    """
    assert ZERO < quantity <= split.quantity
    if split.mode is Mode.IRON_RESERVE:
        to_fence = min(quantity, split.from_fence)
        return Split(mode=split.mode, from_fence=to_fence, from_pool=quantity - to_fence)
    to_pool = min(quantity, split.from_pool)
    return Split(mode=split.mode, from_fence=quantity - to_pool, from_pool=to_pool)


def remaining(split: Split, returned: Split) -> Split:
    """The claim after a part of it was given back."""
    return Split(
        mode=split.mode,
        from_fence=split.from_fence - returned.from_fence,
        from_pool=split.from_pool - returned.from_pool,
    )


def reserved(
    pool: Pool, channels: Sequence[ChannelTerms], *, index: int, split: Split
) -> tuple[Pool, tuple[ChannelTerms, ...]]:
    """The pool and its channels once the channel with this index has reserved: to ask on before it is done."""
    return _moved(pool, channels, index=index, from_fence=split.from_fence, from_pool=split.from_pool)


def released(
    pool: Pool, channels: Sequence[ChannelTerms], *, index: int, split: Split
) -> tuple[Pool, tuple[ChannelTerms, ...]]:
    """The pool and its channels once the channel with this index has given back."""
    return _moved(pool, channels, index=index, from_fence=-split.from_fence, from_pool=-split.from_pool)


def _moved(
    pool: Pool, channels: Sequence[ChannelTerms], *, index: int, from_fence: Decimal, from_pool: Decimal
) -> tuple[Pool, tuple[ChannelTerms, ...]]:
    taken = from_fence + from_pool
    channel = msgspec.structs.replace(
        channels[index],
        fence_consumed=channels[index].fence_consumed + from_fence,
        ceiling_used=channels[index].ceiling_used + taken,
    )
    after = (*channels[:index], channel, *channels[index + 1 :])
    return msgspec.structs.replace(pool, soft=pool.soft + taken), after


def insufficient(cell: Cell, quantity: Decimal) -> DomainError:
    """The refusal of a claim, with everything that explains it."""
    short = plain(quantity - cell.atp)
    return DomainError(
        Reason.INSUFFICIENT_STOCK,
        f"There is not enough to promise: short of {short}",
        productMasterId=cell.pool.product_id,
        locationId=cell.pool.location_id,
        channelId=cell.channel.channel_id,
        policyId=cell.channel.policy.id,
        requested=plain(quantity),
        available=plain(cell.atp),
        shortfall=short,
        terms=terms(cell),
    )


def terms(cell: Cell) -> dict[str, object]:
    """The terms of a cell under their published names, in the order in which they are taken off."""
    pool = cell.pool
    figures = {
        "onHand": pool.on_hand,
        "blocked": pool.blocked,
        "held": pool.held,
        "expired": cell.expired,
        "allocated": pool.hard,
        "reserved": pool.soft,
        "safetyStock": pool.safety_stock,
        "projected": pool.projected,
        "net": cell.net,
        "poolNet": pool.net,
        "fencesRespected": cell.fences_respected,
        "buffer": cell.buffer,
        "fence": cell.fence,
        "effectiveFence": cell.effective_fence,
    }
    ceiling = cell.ceiling_left
    return {
        **{name: plain(figure) for name, figure in figures.items()},
        "ceilingLeft": None if ceiling is None else plain(ceiling),
        "limit": cell.bound,
    }
