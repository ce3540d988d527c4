"""Reserving for approved requests, line by line; what is missing waits for supply, the oldest request first."""

from collections.abc import Sequence
from decimal import Decimal
from uuid import UUID

import msgspec

from domain.availability.allocating import Source, allot
from domain.availability.claims import Need
from domain.availability.ports import Wish
from domain.documents import DocumentType, Step
from domain.errors import not_found
from domain.stock_requests.acting import live, payload_of
from domain.stock_requests.model import STOCK_REQUEST, ZERO, RequestLine, RequestState, StockRequest
from domain.stock_requests.ports import StockRequestWork

AT_ONCE = 50
"""So many waiting requests are served in one transaction."""


class Served(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What a waiting request was given."""

    request_id: UUID
    number: str
    reserved: Decimal
    backordered: Decimal
    """What it still waits for."""


def source_of(request_id: UUID) -> Source:
    return Source(type=DocumentType.STOCK_REQUEST, id=request_id)


async def allocate(
    work: StockRequestWork, request: StockRequest, lines: Sequence[RequestLine]
) -> list[RequestLine]:
    """The lines with what could be reserved of what they still miss, first expired first."""
    wanting = [line for line in lines if line.open > line.reserved]
    if not wanting:
        return list(lines)
    needs = [
        Need(
            product_id=line.product_master_id,
            location_id=request.origin_location_id,
            quantity=line.open - line.reserved,
        )
        for line in wanting
    ]
    found = await allot(work, needs=needs, source=source_of(request.id), all_or_nothing=False)
    given = {line.id: got.grant.quantity for line, got in zip(wanting, found, strict=True)}
    return [reserving(line, line.reserved + given.get(line.id, ZERO)) for line in lines]


def reserving(line: RequestLine, quantity: Decimal) -> RequestLine:
    """The line with so much reserved of it; the rest of what is open waits."""
    return msgspec.structs.replace(line, reserved=quantity, backordered=line.open - quantity)


async def release(work: StockRequestWork, request_id: UUID) -> None:
    """Give back all that a request has reserved."""
    claims = await work.claims(request_id)
    await work.settle(request_id, [Wish(id=claim.id, action="RELEASE") for claim in claims])


async def allocate_backorders(
    work: StockRequestWork, *, location_id: UUID, product_ids: Sequence[UUID] | None = None, limit: int = AT_ONCE
) -> list[Served]:
    """Reserve what has arrived for those who wait for it, the oldest first.

    Every waiting request of the products is asked, not only those that the new stock would meet: who came first
    is served first, in parts if need be.

    Raises:
        DomainError: NOT_FOUND, there is no such location or product.
    """
    if location_id not in await work.ends([location_id]):
        raise not_found("location", field="locationId")
    if len(await work.goods(product_ids or ())) < len(set(product_ids or ())):
        raise not_found("product", field="productMasterIds")
    served = []
    for request_id in await work.backordered(location_id, product_ids, limit):
        before = await work.lock(request_id)
        if before is None or before.state not in {RequestState.APPROVED, RequestState.PICKING}:
            continue
        lines = live(before.lines)
        after = await allocate(work, before, lines)
        changed = [new for old, new in zip(lines, after, strict=True) if new.reserved != old.reserved]
        if not changed:
            continue
        await work.store_lines(changed)
        await work.store(before)
        gained = sum((line.reserved for line in after), ZERO) - sum((line.reserved for line in lines), ZERO)
        served.append(
            Served(
                request_id=request_id,
                number=before.number,
                reserved=gained,
                backordered=sum((line.backordered for line in after), ZERO),
            )
        )
        await work.step(
            DocumentType.STOCK_REQUEST,
            request_id,
            Step(
                action="allocate",
                from_state=before.state,
                to_state=before.state,
                details={"reserved": gained},
            ),
        )
    for one in served:
        stands = await work.view(one.request_id)
        await work.record(
            "stock_request.allocated.v1",
            STOCK_REQUEST,
            one.request_id,
            payload_of(stands),
            locations=sorted({stands.origin_location_id, stands.destination_location_id}),
        )
    return served
