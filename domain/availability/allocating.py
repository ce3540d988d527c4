"""Hard claims of documents: decided by the same function as every promise, resolved by the document alone."""

from collections.abc import Sequence
from decimal import Decimal
from uuid import UUID

import msgspec

from domain.availability.claims import Grant, Need, Place, grant
from domain.availability.periods import periods
from domain.availability.ports import ClaimedLine, ClaimWork, Kind, NewClaim, Reservation
from domain.availability.service import insufficient
from domain.documents import DocumentType
from domain.errors import DomainError, Reason, not_found
from domain.values import new_id, plain


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """The document that claims."""

    type: DocumentType
    id: UUID


class Allotment(msgspec.Struct, frozen=True, kw_only=True):
    """What a need got: no claim at all, one, or one from each location that gives."""

    grant: Grant
    claims: tuple[Reservation, ...]


class LineWanted(msgspec.Struct, frozen=True, kw_only=True):
    """A quantity of one stock line."""

    line_id: UUID
    product_id: UUID
    location_id: UUID
    quantity: Decimal


async def allot(
    work: ClaimWork, *, needs: Sequence[Need], source: Source, all_or_nothing: bool = True
) -> list[Allotment]:
    """Claim for needs that name their location, first expired first, as far as availability goes.

    One answer per need, in their order; later needs see what earlier ones took.

    Raises:
        DomainError: INSUFFICIENT_STOCK with the terms of each need that is short, if all is wanted; nothing is
            claimed then.
    """
    offered = await work.begin(_places([(need.product_id, need.location_id) for need in needs]))
    grants = grant(needs, offered.offers)
    short = [given for given in grants if given.shortfall > 0]
    if short and all_or_nothing:
        raise insufficient(short)
    claims = [[_claim(given, n, source) for n in _giving(given)] for given in grants]
    flat = [claim for of_need in claims for claim in of_need]
    made = {one.id: one for one in (await work.make(flat) if flat else [])}
    return [
        Allotment(grant=given, claims=tuple(made[claim.id] for claim in of_need))
        for given, of_need in zip(grants, claims, strict=True)
    ]


async def allot_lines(
    work: ClaimWork, *, wanted: Sequence[LineWanted], source: Source, leaves: bool
) -> list[Reservation]:
    """Claim quantities of chosen stock lines; one claim each, in their order.

    What leaves the location must also be there to promise: fences and buffers of channels hold against it, while a
    move from bin to bin takes nothing from them.

    Raises:
        DomainError: NOT_FOUND for a line that gives nothing (empty, or in a hold, quarantine or damage bin);
            INSUFFICIENT_STOCK with what the line, or the location, still has.
    """
    offered = await work.begin(_places([(want.product_id, want.location_id) for want in wanted]))
    free = {line.line_id: line.free for offer in offered.offers.values() for line in offer.lines}
    whole: dict[Place, Decimal] = {}
    for n, want in enumerate(wanted):
        if want.line_id not in free:
            raise not_found("stock line with stock to give", inventoryItemId=want.line_id, index=n)
        if want.quantity > free[want.line_id]:
            raise DomainError(
                Reason.INSUFFICIENT_STOCK,
                "There is not enough stock on this line",
                index=n,
                inventoryItemId=want.line_id,
                requested=plain(want.quantity),
                available=plain(free[want.line_id]),
            )
        free[want.line_id] -= want.quantity
        place = want.product_id, want.location_id
        whole[place] = whole.get(place, Decimal(0)) + want.quantity
    if leaves:
        needs = [
            Need(product_id=product, location_id=location, quantity=quantity, respects_fefo=False)
            for (product, location), quantity in whole.items()
        ]
        short = [given for given in grant(needs, offered.offers) if given.quantity < given.need.quantity]
        if short:
            raise insufficient(short)
    return await work.make([_exact(want, source) for want in wanted])


def _places(places: Sequence[tuple[UUID, UUID | None]]) -> list[Place]:
    named = []
    for product_id, location_id in places:
        assert location_id is not None, "a document claims at a location"
        named.append((product_id, location_id))
    return sorted(set(named))


def _giving(given: Grant) -> list[int]:
    return [n for n, portion in enumerate(given.portions) if portion.quantity > 0]


def _claim(given: Grant, n: int, source: Source) -> NewClaim:
    portion = given.portions[n]
    assert portion.split is not None
    pool = portion.cell.pool
    fence, ceiling = periods(portion.cell.channel.policy, pool.today)
    return NewClaim(
        id=new_id(),
        group_id=source.id,
        kind=Kind.HARD,
        channel_id=given.need.channel_id,
        product_id=pool.product_id,
        location_id=pool.location_id,
        quantity=portion.quantity,
        mode=portion.split.mode,
        fence_quantity=portion.split.from_fence,
        fence_period=fence,
        ceiling_period=ceiling,
        ttl_seconds=None,
        external_ref=None,
        source_type=source.type,
        source_id=str(source.id),
        document_id=source.id,
        lines=[ClaimedLine(line_id=part.line.line_id, quantity=part.quantity) for part in portion.parts],
    )


def _exact(want: LineWanted, source: Source) -> NewClaim:
    return NewClaim(
        id=new_id(),
        group_id=source.id,
        kind=Kind.HARD,
        channel_id=None,
        product_id=want.product_id,
        location_id=want.location_id,
        quantity=want.quantity,
        mode="REGULAR",
        fence_quantity=Decimal(0),
        fence_period=None,
        ceiling_period=None,
        ttl_seconds=None,
        external_ref=None,
        source_type=source.type,
        source_id=str(source.id),
        document_id=source.id,
        lines=[ClaimedLine(line_id=want.line_id, quantity=want.quantity)],
    )
