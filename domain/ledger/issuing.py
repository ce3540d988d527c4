"""Goods out: to a customer, or consumed in the house."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Protocol
from uuid import UUID

import msgspec

from domain.access.model import Act
from domain.catalog.model import Conversion
from domain.catalog.units import convert
from domain.errors import DomainError, Reason, not_found
from domain.ledger.allocation import Allocation, Candidate, Demand, Shortage, Take, allocate_fefo
from domain.ledger.model import Entry, Kind, Posted, Posting
from domain.ledger.places import Place, Recorded
from domain.ledger.ports import Answers, Ledger
from domain.values import new_id, plain

AT_ONCE = 2
"""How often an issue is tried beside all others."""
IN_TURN = 10
"""How often it is then tried with none of its own process beside it."""


class Purpose(StrEnum):
    """What the goods go out for."""

    CONSUMPTION = "CONSUMPTION"
    CUSTOMER = "CUSTOMER"


_KINDS = {Purpose.CONSUMPTION: Kind.CONSUMPTION, Purpose.CUSTOMER: Kind.ISSUE}


class IssueLine(msgspec.Struct, frozen=True, kw_only=True):
    """So much of a product, from anywhere or only from a bin or lot; or so much of one stock line."""

    quantity: Decimal
    product_id: UUID | None = None
    line_id: UUID | None = None
    bin_id: UUID | None = None
    lot_id: UUID | None = None
    uom_id: UUID | None = None


class Issue(msgspec.Struct, frozen=True, kw_only=True):
    location_id: UUID
    purpose: Purpose
    lines: Sequence[IssueLine]
    reference: str | None = None
    comment: str | None = None
    effective_at: datetime | None = None


class Article(msgspec.Struct, frozen=True, kw_only=True):
    """What an issue must know of a product."""

    id: UUID
    sku: str
    uom_id: UUID


class IssueFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What stands at the location, as one statement reads it."""

    answered: Posted | DomainError | None
    """What was answered under the act's key before."""
    on: date | None
    """The day of the issue at the location; None when there is no such location."""
    articles: Mapping[UUID, Article]
    candidates: Sequence[Candidate]
    """The lines of the products asked for that have anything, and each line that is named."""
    bin_ids: frozenset[UUID]
    """Those bins asked for that are at the location."""
    lots: Mapping[UUID, UUID]
    """The product of each lot asked for that exists."""
    conversions: Sequence[Conversion]


class IssueReads(Protocol):
    """What an issue is decided by."""

    async def facts(self, act: Act, issue: Issue) -> IssueFacts: ...

    def turn(self, act: Act, issue: Issue) -> AbstractAsyncContextManager[None]:
        """Waits until nobody else in this process is in a turn at the location: losers go one by one."""
        ...


async def issue_stock(reads: IssueReads, answers: Answers, ledger: Ledger, *, act: Act, issue: Issue) -> Recorded:
    """Take stock out, all lines or none, first expired first: two round trips when nobody interferes.

    The allocation is made from what was read and posted under the ledger's guards. When somebody else took the
    stock in between, it is made anew from what is there now; it is refused only if that does not suffice.
    """
    act.caller.require_location(act.permission, issue.location_id)
    for _ in range(AT_ONCE):
        recorded = await _attempt(reads, answers, ledger, act, issue)
        if recorded is not None:
            return recorded
    # Many that want the same scattered stock would all choose the same line again and again.
    async with reads.turn(act, issue):
        for _ in range(IN_TURN):
            recorded = await _attempt(reads, answers, ledger, act, issue)
            if recorded is not None:
                return recorded
    message = "The stock is being taken from many sides at once; try again shortly"
    raise DomainError(Reason.UNAVAILABLE, message, retryAfter=1)


async def _attempt(reads: IssueReads, answers: Answers, ledger: Ledger, act: Act, issue: Issue) -> Recorded | None:
    """Read, allocate, post; None when the stock was taken by another meanwhile."""
    facts = await reads.facts(act, issue)
    if facts.answered is not None:
        return await answers.again(act, facts.answered)
    allocation = allocate_fefo(facts.candidates, _demands(issue, facts), on=_day(facts))
    if allocation.shortages:
        before = await answers.refuse(act, _insufficient(allocation.shortages, facts.articles))
        return await answers.again(act, before)
    try:
        posted = await ledger.post(_posting(act, issue, allocation.takes))
    except DomainError as refused:
        if refused.reason is Reason.INSUFFICIENT_STOCK and not refused.replayed:
            return None
        # The ledger's index is that of a take, which the caller never saw; the stock line says it.
        refused.facts.pop("entry", None)
        raise
    if posted.replayed:
        return await answers.again(act, posted)
    return Recorded(posted=posted, places=_places(allocation))


def _day(facts: IssueFacts) -> date:
    if facts.on is None:
        raise not_found("location", field="locationId")
    return facts.on


def _demands(issue: Issue, facts: IssueFacts) -> list[Demand]:
    """The lines as demands in base units, once all that they name is known to be there."""
    _day(facts)
    products = {candidate.line_id: candidate.product_id for candidate in facts.candidates}
    demands = []
    for n, line in enumerate(issue.lines):
        product_id = products.get(line.line_id) if line.line_id is not None else line.product_id
        if product_id is None:
            raise not_found("stock line at this location", field="inventoryItemId", index=n)
        article = facts.articles.get(product_id)
        if article is None:
            raise not_found("product", field="productMasterId", index=n)
        if line.bin_id is not None and line.bin_id not in facts.bin_ids:
            raise not_found("bin at this location", field="binId", index=n)
        if line.lot_id is not None and facts.lots.get(line.lot_id) != product_id:
            raise not_found("lot of this product", field="lotId", index=n)
        quantity = line.quantity
        if line.uom_id is not None:
            quantity = convert(
                quantity,
                from_uom_id=line.uom_id,
                to_uom_id=article.uom_id,
                product_id=product_id,
                conversions=facts.conversions,
                at=f"lines[{n}].quantity",
            )
        demands.append(
            Demand(
                product_id=product_id,
                quantity=quantity,
                line_id=line.line_id,
                bin_id=line.bin_id,
                lot_id=line.lot_id,
            )
        )
    return demands


def _posting(act: Act, issue: Issue, takes: Sequence[Take]) -> Posting:
    kind = _KINDS[issue.purpose]
    return Posting(
        id=new_id(),
        kind=kind,
        entries=tuple(
            Entry(
                kind=kind,
                line_id=take.candidate.line_id,
                delta=-take.quantity,
                effective_at=issue.effective_at,
            )
            for take in takes
        ),
        source_type=issue.purpose,
        source_id=issue.reference,
        comment=issue.comment,
        tentative=True,
        act=act,
    )


def _places(allocation: Allocation) -> dict[UUID, Place]:
    return {
        take.candidate.line_id: Place(
            bin_id=take.candidate.bin_id,
            bin_code=take.candidate.bin_code,
            lot_id=take.candidate.lot_id,
            lot_number=take.candidate.lot_number,
            expires_on=take.candidate.expires_on,
        )
        for take in allocation.takes
    }


def _insufficient(shortages: Sequence[Shortage], articles: Mapping[UUID, Article]) -> DomainError:
    """The refusal with its terms: those of one product for itself, or of each."""
    products = [
        {
            "productMasterId": shortage.product_id,
            "sku": articles[shortage.product_id].sku,
            "requested": plain(shortage.requested),
            "available": plain(shortage.available),
            "shortfall": plain(shortage.shortfall),
            "onHand": plain(shortage.on_hand),
            "reserved": plain(shortage.reserved),
            "held": plain(shortage.held),
            "expired": plain(shortage.expired),
            "blocked": plain(shortage.blocked),
        }
        for shortage in shortages
    ]
    short = ", ".join(f"{one['sku']} by {one['shortfall']}" for one in products[:3])
    more = f" and {len(products) - 3} more" if len(products) > 3 else ""  # noqa: PLR2004 - as many as named above
    facts: dict[str, object] = {"products": products}
    if len(products) == 1:
        facts = {name: value for name, value in products[0].items() if name != "sku"} | facts
    return DomainError(Reason.INSUFFICIENT_STOCK, f"There is not enough stock: short of {short}{more}", **facts)
