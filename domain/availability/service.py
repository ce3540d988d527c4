"""Use cases of claims: check, reserve, extend, release, convert."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from uuid import UUID

import msgspec

from domain.access.model import Act
from domain.availability.claims import Grant, Need, Place, Portion, grant, summed
from domain.availability.periods import periods
from domain.availability.ports import (
    Availability,
    ClaimedLine,
    ClaimWork,
    Kind,
    NewClaim,
    Offered,
    Reservation,
    Wish,
)
from domain.availability.projection import earliest_date, project
from domain.availability.taking import terms
from domain.errors import DomainError, FieldError, Reason, not_found
from domain.ledger.model import Entry, Posted, Posting
from domain.ledger.model import Kind as MovementKind
from domain.values import new_id, plain


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """One item of a check or of a reservation, as it was asked for."""

    product_id: UUID | None = None
    sku: str | None = None
    location_id: UUID | None = None
    channel_id: UUID | None = None
    quantity: Decimal
    needed_by: date | None = None
    min_remaining_days: int = 0
    respects_fefo: bool = True


class Checked(msgspec.Struct, frozen=True, kw_only=True):
    """What could be reserved for an item now, and when the rest could be."""

    grant: Grant
    earliest: date | None


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """A reservation to be made."""

    items: Sequence[Item]
    ttl_seconds: int
    all_or_nothing: bool = True
    external_ref: str | None = None


async def check(
    reads: Availability, *, act: Act, items: Sequence[Item], horizon_days: int
) -> tuple[int, list[Checked]]:
    """What a reservation of these items would get: nothing is claimed. Equal items are summed first."""
    needs, places = await asked(reads, act=act, items=items)
    offered = await reads.offers(act.tenant_id, places)
    grants = grant(needs, offered.offers)
    return offered.position, [
        Checked(grant=given, earliest=_earliest(given, offered, horizon_days)) for given in grants
    ]


async def reserve(
    work: ClaimWork, *, needs: Sequence[Need], places: Sequence[Place], wanted: Wanted
) -> list[Reservation]:
    """Check and hold in one step, under locks, by the function that the check shows.

    Raises:
        DomainError: INSUFFICIENT_STOCK with the terms of each item that is short; nothing is claimed then. When
            not all is wanted, only if there is nothing at all.
    """
    offered = await work.begin(places)
    grants = grant(needs, offered.offers)
    short = [given for given in grants if given.shortfall > 0]
    if short and (wanted.all_or_nothing or not any(given.quantity for given in grants)):
        raise insufficient(short)
    group = new_id()
    claims = [
        _claim(given, portion, group, wanted)
        for given in grants
        for portion in given.portions
        if portion.quantity > 0
    ]
    return await work.make(claims)


async def extend(work: ClaimWork, *, id_: UUID, ttl_seconds: int, version: int | None) -> Reservation:
    """Let a soft claim live so long from now."""
    wish = Wish(id=id_, action="EXTEND", ttl_seconds=ttl_seconds, expected_version=version)
    return (await work.resolve(wish)).reservation


async def release(work: ClaimWork, *, id_: UUID, quantity: Decimal | None, version: int | None) -> Reservation:
    """Give back all of a claim, or a part."""
    wish = Wish(id=id_, action="RELEASE", quantity=quantity, expected_version=version)
    return (await work.resolve(wish)).reservation


async def allocate(work: ClaimWork, *, wish: Wish) -> Reservation:
    """A soft claim becomes a hard one, of its own id; what of it is not wanted is given back."""
    return (await work.resolve(msgspec.structs.replace(wish, action="ALLOCATE", new_id=new_id()))).reservation


async def consume(work: ClaimWork, *, act: Act, wish: Wish, comment: str | None) -> tuple[Reservation, Posted]:
    """What a claim stands on leaves the shelf: the claim and the stock go in one transaction."""
    resolved = await work.resolve(msgspec.structs.replace(wish, action="CONSUME"))
    posting = Posting(
        id=new_id(),
        kind=MovementKind.ISSUE,
        entries=tuple(
            Entry(kind=MovementKind.ISSUE, line_id=line.line_id, delta=-line.quantity) for line in resolved.lines
        ),
        source_type=wish.source_type or "RESERVATION",
        source_id=wish.source_id or str(wish.id),
        comment=comment,
        act=act,
    )
    return resolved.reservation, await work.post(posting)


async def asked(reads: Availability, *, act: Act, items: Sequence[Item]) -> tuple[list[Need], list[Place]]:
    """The needs of a check or a reservation, and the places that may meet them.

    Raises:
        DomainError: NOT_FOUND, or LOCATION_DENIED for a location that the caller's rights do not cover.
    """
    tenant_id, scope = act.tenant_id, act.scope
    for item in items:
        if item.location_id is not None:
            act.caller.require_location(act.permission, item.location_id)
    skus = [item.sku for item in items if item.product_id is None and item.sku is not None]
    by_sku = await reads.products_by_sku(tenant_id, skus) if skus else {}
    problems = []
    needs = []
    for n, item in enumerate(items):
        product_id = item.product_id or by_sku.get(item.sku or "")
        if product_id is None:
            problems.append((f"items[{n}].sku", "is no product's"))
            continue
        needs.append(
            Need(
                product_id=product_id,
                location_id=item.location_id,
                quantity=item.quantity,
                channel_id=item.channel_id,
                needed_by=item.needed_by,
                min_remaining_days=item.min_remaining_days,
                respects_fefo=item.respects_fefo,
            )
        )
    if problems:
        raise FieldError(*problems)
    needs = summed(needs)
    places = [(need.product_id, need.location_id) for need in needs if need.location_id is not None]
    if len(await reads.known(tenant_id, places)) < len(set(places)):
        raise not_found("product or location")
    for channel in {need.channel_id for need in needs if need.location_id is None}:
        products = [n.product_id for n in needs if n.location_id is None and n.channel_id == channel]
        places += await reads.places_of(tenant_id, products, channel, scope)
    return needs, sorted(set(places))


def _earliest(given: Grant, offered: Offered, horizon_days: int) -> date | None:
    """The first day on which one location could promise all of it."""
    found = []
    for portion in given.portions:
        pool = portion.cell.pool
        offer = offered.offers[pool.product_id, pool.location_id]
        channel = offer.terms_of(given.need.channel_id)
        channels = (*(c for c in offer.channels if c.channel_id != channel.channel_id), channel)
        horizon = date.fromordinal(pool.today.toordinal() + horizon_days)
        projection = project(
            offer.pool.net, supplies=offer.supplies, demands=offer.demands, today=pool.today, horizon=horizon
        )
        day = earliest_date(
            offer.pool, channels, projection, index=len(channels) - 1, quantity=given.need.quantity
        )
        if day is not None:
            found.append(day)
    return min(found, default=None)


def _claim(given: Grant, portion: Portion, group: UUID, wanted: Wanted) -> NewClaim:
    assert portion.split is not None
    pool = portion.cell.pool
    fence, ceiling = periods(portion.cell.channel.policy, pool.today)
    return NewClaim(
        id=new_id(),
        group_id=group,
        kind=Kind.SOFT,
        channel_id=given.need.channel_id,
        product_id=pool.product_id,
        location_id=pool.location_id,
        quantity=portion.quantity,
        mode=portion.split.mode,
        fence_quantity=portion.split.from_fence,
        fence_period=fence,
        ceiling_period=ceiling,
        ttl_seconds=wanted.ttl_seconds,
        external_ref=wanted.external_ref,
        source_type=None,
        source_id=None,
        lines=[ClaimedLine(line_id=part.line.line_id, quantity=part.quantity) for part in portion.parts],
    )


def insufficient(short: Sequence[Grant]) -> DomainError:
    """The refusal that shows for each need what there is, and by which terms."""
    items = [
        {
            "productMasterId": given.need.product_id,
            "locationId": given.need.location_id,
            "channelId": given.need.channel_id,
            "requested": plain(given.need.quantity),
            "available": plain(given.available),
            "shortfall": plain(given.need.quantity - min(given.need.quantity, given.available)),
            "terms": [
                {"locationId": portion.cell.pool.location_id, **terms(portion.cell)} for portion in given.portions
            ],
        }
        for given in short
    ]
    return DomainError(Reason.INSUFFICIENT_STOCK, "There is not enough stock that can be promised", items=items)
