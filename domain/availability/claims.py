"""Reserving: the check and the claim are one function over the same terms. Pure functions."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from uuid import UUID

import msgspec

from domain.availability.atp import cell_of
from domain.availability.fefo import Order, Wanted, suggest
from domain.availability.model import NO_CHANNEL, ZERO, Cell, ChannelTerms, Pool
from domain.availability.projection import DatedDemand, Supply
from domain.availability.taking import Split, reserved, take
from domain.ledger.allocation import Candidate

type Place = tuple[UUID, UUID]
"""A product at a location."""


class Offer(msgspec.Struct, frozen=True, kw_only=True):
    """One product at one location: what there is, who may take of it, and from which lines."""

    pool: Pool
    channels: tuple[ChannelTerms, ...]
    lines: tuple[Candidate, ...] = ()
    supplies: tuple[Supply, ...] = ()
    demands: tuple[DatedDemand, ...] = ()
    channelless: ChannelTerms = NO_CHANNEL
    """What holds for a caller without a channel: it, too, finds the location or the product closed."""

    def terms_of(self, channel_id: UUID | None) -> ChannelTerms:
        """The channel here; one that is not known, or not active, is not served."""
        if channel_id is None:
            return self.channelless
        found = next((c for c in self.channels if c.channel_id == channel_id), None)
        return found or ChannelTerms(channel_id=channel_id, is_served=False)


class Need(msgspec.Struct, frozen=True, kw_only=True):
    """So much of a product for a channel, at a location or anywhere, with so much life left when it leaves."""

    product_id: UUID
    location_id: UUID | None
    quantity: Decimal
    channel_id: UUID | None = None
    needed_by: date | None = None
    """The day on which it leaves, if not today: the life that must be left counts from then."""
    min_remaining_days: int = 0
    respects_fefo: bool = True


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """A quantity from one line."""

    line: Candidate
    quantity: Decimal


class Portion(msgspec.Struct, frozen=True, kw_only=True):
    """What one location gives: at most what the cell allows, and what lines can be named for."""

    cell: Cell
    available: Decimal
    """What could be claimed here before any of it was."""
    parts: tuple[Part, ...] = ()
    split: Split | None = None
    """Where the claim comes from; None when nothing is given."""

    @property
    def quantity(self) -> Decimal:
        return sum((part.quantity for part in self.parts), ZERO)


class Grant(msgspec.Struct, frozen=True, kw_only=True):
    """What a need gets, location by location."""

    need: Need
    portions: tuple[Portion, ...]

    @property
    def quantity(self) -> Decimal:
        return sum((portion.quantity for portion in self.portions), ZERO)

    @property
    def available(self) -> Decimal:
        return sum((portion.available for portion in self.portions), ZERO)

    @property
    def shortfall(self) -> Decimal:
        return self.need.quantity - self.quantity


def summed(needs: Iterable[Need]) -> list[Need]:
    """Equal needs as one: two lines that ask for the same must not be promised the same stock twice."""
    found: dict[tuple[object, ...], Need] = {}
    for need in needs:
        key = (
            need.product_id,
            need.location_id,
            need.channel_id,
            need.needed_by,
            need.min_remaining_days,
            need.respects_fefo,
        )
        known = found.get(key)
        found[key] = (
            need if known is None else msgspec.structs.replace(known, quantity=known.quantity + need.quantity)
        )
    return list(found.values())


def grant(needs: Sequence[Need], offers: Mapping[Place, Offer]) -> list[Grant]:
    """What each need gets, one after the other: later ones see what earlier ones have taken.

    This is the whole of the decision: a check shows it, a reservation writes it. Where no location is named, the
    one that can give most goes first, so that a need is met from as few as possible.
    """
    left = dict(offers)
    found = []
    for need in needs:
        portions, open_ = [], need.quantity
        for place in _here(need, left):
            portion, left[place] = _portion(need, left[place], open_)
            portions.append(portion)
            open_ -= portion.quantity
        found.append(Grant(need=need, portions=tuple(portions)))
    return found


def _here(need: Need, left: Mapping[Place, Offer]) -> list[Place]:
    """The places that may meet a need, in the order in which they are asked."""
    if need.location_id is not None:
        place = need.product_id, need.location_id
        return [place] if place in left else []
    here = [place for place in left if place[0] == need.product_id]
    here.sort(key=lambda place: (-_portion(need, left[place], need.quantity)[0].available, place[1].int))
    return here


def _portion(need: Need, offer: Offer, quantity: Decimal) -> tuple[Portion, Offer]:
    """At most so much for a need from one location, and what is left there."""
    channels, index = _with(offer, need.channel_id)
    ship_day = max(need.needed_by or offer.pool.today, offer.pool.today)
    asked = msgspec.structs.replace(offer.pool, ship_day=ship_day)
    cell = cell_of(asked, channels, index)
    usual = cell.channel.policy.min_remaining_days
    days = max(need.min_remaining_days, usual)
    limit = cell.atp if days == usual else _stricter(asked, channels, index, days)
    usable = sum((line.free for line in offer.lines if line.may_give(ship_day + timedelta(days=days))), ZERO)
    available = max(ZERO, min(limit, usable))
    wanted = min(quantity, available)
    if wanted <= ZERO:
        return Portion(cell=cell, available=available), offer
    chosen = suggest(
        offer.lines,
        [Wanted(product_id=need.product_id, quantity=wanted, min_remaining_days=days)],
        ship_day=ship_day,
        order=Order.FIRST_EXPIRED if need.respects_fefo else Order.FIRST_RECEIVED,
    )
    parts = tuple(Part(line=take_.candidate, quantity=take_.quantity) for take_ in chosen.takes)
    split = take(cell, wanted)
    pool, after = reserved(offer.pool, channels, index=index, split=split)
    return (
        Portion(cell=cell, available=available, parts=parts, split=split),
        msgspec.structs.replace(offer, pool=pool, channels=after, lines=_claimed(offer.lines, parts)),
    )


def _with(offer: Offer, channel_id: UUID | None) -> tuple[tuple[ChannelTerms, ...], int]:
    """The channels with the one that asks among them, and where it stands."""
    for index, channel in enumerate(offer.channels):
        if channel.channel_id == channel_id:
            return offer.channels, index
    return (*offer.channels, offer.terms_of(channel_id)), len(offer.channels)


def _stricter(pool: Pool, channels: tuple[ChannelTerms, ...], index: int, days: int) -> Decimal:
    """The cell as if the channel's policy asked for so many days of life."""
    channel = channels[index]
    strict = msgspec.structs.replace(
        channel, policy=msgspec.structs.replace(channel.policy, min_remaining_days=days)
    )
    return cell_of(pool, (*channels[:index], strict, *channels[index + 1 :]), index).atp


def _claimed(lines: tuple[Candidate, ...], parts: tuple[Part, ...]) -> tuple[Candidate, ...]:
    taken = {part.line.line_id: part.quantity for part in parts}
    return tuple(
        msgspec.structs.replace(line, reserved=line.reserved + taken[line.line_id])
        if line.line_id in taken
        else line
        for line in lines
    )
