"""Requests that follow from stocklists: by hand, and for all lists that are due."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Protocol
from uuid import UUID

import msgspec

from domain.access.model import Act
from domain.catalog.model import Stored
from domain.catalog.ports import Records
from domain.catalog.service import locked
from domain.errors import DomainError, Reason
from domain.stock_requests.editing import create_request, submit
from domain.stock_requests.model import NewLine, NewRequest, RequestType, StockRequest
from domain.stock_requests.ports import StockRequestWork
from domain.stock_requests.states import Decider
from domain.stock_requests.stocklists import (
    STOCKLIST,
    Needs,
    StocklistFacts,
    StocklistMode,
    StocklistView,
    require_active,
    require_keeper,
    suggestions,
)

DUE_AT_ONCE = 50


class GeneratingWork(StockRequestWork, Protocol):
    """One transaction that makes requests of stocklists."""

    @property
    def stocklists(self) -> Records[StocklistFacts, StocklistView]: ...
    async def needs(self, *, origin_id: UUID, destination_id: UUID, stocklist_id: UUID) -> Needs: ...
    async def draft_of(self, stocklist_id: UUID) -> UUID | None:
        """The draft that was made of it, and that nobody has submitted yet."""
        ...

    async def note_generated(self, stocklist_id: UUID, at: datetime) -> None: ...
    async def due(self, now: datetime, limit: int) -> Sequence[UUID]:
        """Active stocklists whose review is due, the longest first, but not those that another is at work with."""
        ...

    def savepoint(self) -> AbstractAsyncContextManager[None]: ...


class Generated(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a stocklist that was due: a request, or why there is none."""

    stocklist_id: UUID
    request_id: UUID | None = None
    reason: Reason | None = None
    message: str | None = None


async def generate(work: GeneratingWork, *, act: Act, decider: Decider, stocklist_id: UUID) -> StockRequest:
    """Make an E_REQUEST of what a stocklist is short of: a draft of what is pulled; what is pushed is submitted.

    Raises:
        DomainError: NO_CHANGE, nothing is short; DUPLICATE, a draft of it is waiting; INACTIVE.
    """
    stored = await locked(work.stocklists, STOCKLIST, stocklist_id, expected_version=None)
    require_keeper(act, stored.facts)
    return await _generated(work, decider, stored)


async def generate_due(work: GeneratingWork, *, decider: Decider, now: datetime) -> list[Generated]:
    """Generate what is due, each stocklist for itself: one that cannot be does not stop the others.

    At most `DUE_AT_ONCE`; whoever gets as many calls again.
    """
    found = []
    for id_ in await work.due(now, DUE_AT_ONCE):
        try:
            async with work.savepoint():
                stored = await locked(work.stocklists, STOCKLIST, id_, expected_version=None)
                request = await _generated(work, decider, stored)
                found.append(Generated(stocklist_id=id_, request_id=request.id))
        except DomainError as refused:
            # Its turn is over all the same: it is looked at again after its next period.
            await work.note_generated(id_, now)
            found.append(Generated(stocklist_id=id_, reason=refused.reason, message=refused.message))
    return found


async def _generated(work: GeneratingWork, decider: Decider, stored: Stored[StocklistFacts]) -> StockRequest:
    facts = stored.facts
    require_active(facts)
    draft = await work.draft_of(stored.id)
    if draft is not None:
        message = "There is a draft of this stocklist already: submit it, or delete it"
        raise DomainError(Reason.DUPLICATE, message, requestId=draft, field="stocklistId")
    ends = {"origin_id": facts.origin_location_id, "destination_id": facts.destination_location_id}
    needs = await work.needs(**ends, stocklist_id=stored.id)
    lines = [
        NewLine(product_id=line.product_id, quantity=line.suggested_quantity)
        for line in suggestions(needs, **ends, scope=None)
        if line.suggested_quantity
    ]
    if not lines:
        raise DomainError(Reason.NO_CHANGE, "The destination has, or gets, all that the stocklist wants")
    new = NewRequest(
        type=RequestType.E_REQUEST,
        origin_id=facts.origin_location_id,
        destination_id=facts.destination_location_id,
        description=f"Stocklist {facts.code}: {facts.name}",
        stocklist_id=stored.id,
        lines=lines,
    )
    request = await create_request(work, decider=decider, new=new)
    await work.note_generated(stored.id, request.created_at)
    if facts.mode is StocklistMode.PUSH:
        request = await submit(work, decider=decider, request_id=request.id, comment=None, expected_version=None)
    return request
