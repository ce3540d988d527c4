"""From stock lines to the pool that channels share. Pure functions."""

from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from uuid import UUID

import msgspec

from domain.availability.model import ZERO, Bucket, Pool


class PoolLine(msgspec.Struct, frozen=True, kw_only=True):
    """A stock line of one product at one location."""

    on_hand: Decimal
    held: Decimal = ZERO
    """By the union of its holds."""
    claimed: Decimal = ZERO
    """Allocated and reserved on it."""
    is_for_sale: bool = True
    """Whether its bin sells, and its lot is neither recalled nor out of use."""
    expires_on: date | None = None


def pool_of(
    lines: Iterable[PoolLine],
    *,
    product_id: UUID,
    location_id: UUID,
    today: date,
    hard: Decimal = ZERO,
    soft: Decimal = ZERO,
    safety_stock: Decimal = ZERO,
) -> Pool:
    """The lines as one pool: each unit is blocked, or held, or may expire, or is simply there."""
    on_hand = blocked = held = ZERO
    quantities: dict[date, Decimal] = {}
    claims: dict[date, Decimal] = {}
    for line in lines:
        on_hand += line.on_hand
        if not line.is_for_sale:
            blocked += line.on_hand
            continue
        held += line.held
        if line.expires_on is not None:
            rest = line.on_hand - line.held
            quantities[line.expires_on] = quantities.get(line.expires_on, ZERO) + rest
            # What is claimed beyond the rest is short, and wants other stock.
            claims[line.expires_on] = claims.get(line.expires_on, ZERO) + min(line.claimed, rest)
    return Pool(
        product_id=product_id,
        location_id=location_id,
        today=today,
        on_hand=on_hand,
        blocked=blocked,
        held=held,
        buckets=tuple(
            Bucket(expires_on=day, quantity=quantities[day], claimed=claims[day]) for day in sorted(quantities)
        ),
        hard=hard,
        soft=soft,
        safety_stock=safety_stock,
    )
