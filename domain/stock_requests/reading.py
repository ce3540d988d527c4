"""What is shown of many stock requests: lists, what waits for whom, and the values to narrow them by."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Protocol
from urllib.parse import urlencode
from uuid import UUID

import msgspec
from msgspec import field

from domain.access.model import Act, Caller, Scope
from domain.availability.claims import Offer
from domain.catalog.views import Page, View, Window
from domain.stock_requests.model import Priority, RequestState, RequestType
from domain.stock_requests.ports import Deciders
from domain.stock_requests.states import Decider
from domain.stock_requests.stocklists import given_by
from domain.values import plain

REQUESTS = "/api/stock-requests"
PENDING = f"{REQUESTS}/pending-approvals"


class RequestItem(View, frozen=True, kw_only=True):
    """A stock request in a list.

    It is `overdue` when its approval is past the deadline, or when it was needed by a day that is over at the
    destination and has not been issued.
    """

    id: UUID
    number: str
    type: RequestType
    state: RequestState
    origin_location_id: UUID
    origin_location_code: str
    origin_location_name: str
    destination_location_id: UUID
    destination_location_code: str
    destination_location_name: str
    requester_id: UUID
    requester: str
    priority: Priority
    needed_by: date | None
    description: str | None
    stocklist_id: UUID | None
    value: Decimal | None
    line_count: int
    is_overdue: bool = field(name="overdue")
    deadline_at: datetime | None
    submitted_at: datetime | None
    decided_at: datetime | None
    issued_at: datetime | None
    received_at: datetime | None
    canceled_at: datetime | None
    version: int
    created_at: datetime
    updated_at: datetime


class RequestFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which requests; what is None is any. Moments are from the first on, and before the second."""

    state: RequestState | None = None
    type: RequestType | None = None
    origin_id: UUID | None = None
    destination_id: UUID | None = None
    requester_id: UUID | None = None
    category_id: UUID | None = None
    product_id: UUID | None = None
    stocklist_id: UUID | None = None
    priority: Priority | None = None
    created_from: datetime | None = None
    created_to: datetime | None = None
    submitted_from: datetime | None = None
    submitted_to: datetime | None = None
    issued_from: datetime | None = None
    issued_to: datetime | None = None
    received_from: datetime | None = None
    received_to: datetime | None = None
    is_overdue: bool | None = None
    is_uncategorized: bool | None = None
    of_people: Sequence[UUID] | None = None
    search: str | None = None


class WaitingLine(View, frozen=True, kw_only=True):
    """`available` is what the origin can give now, and `taken` what approving as requested would take of it.

    `short` would be backordered then.
    """

    line_id: UUID
    product_id: UUID = field(name="productMasterId")
    sku: str
    product_name: str
    requested: Decimal
    available: Decimal
    taken: Decimal
    short: Decimal


class WaitingRequest(RequestItem, frozen=True, kw_only=True):
    """A request that waits for this caller, with what approving it would take from availability."""

    age_hours: Decimal
    is_escalated: bool = field(name="escalated")
    tier: int
    tier_name: str
    tier_count: int
    round: int
    lines: Sequence[WaitingLine]


class AskedLine(msgspec.Struct, frozen=True, kw_only=True):
    """A line that waits for approval, as it is stored."""

    request_id: UUID
    line_id: UUID
    product_id: UUID
    location_id: UUID
    sku: str
    product_name: str
    requested: Decimal


class Waiting(msgspec.Struct, frozen=True, kw_only=True):
    """A page of requests that wait, with their lines and what the origins have, as of a ledger position."""

    position: int
    page: Page[WaitingRequest]
    lines: Sequence[AskedLine]
    offers: Mapping[tuple[UUID, UUID], Offer]


class Choice(View, frozen=True, kw_only=True):
    """A value to filter by, and how many of the requests that you may look at have it."""

    value: str
    requests: int


class NamedChoice(View, frozen=True, kw_only=True):
    id: UUID
    code: str | None
    name: str
    requests: int


class FilterChoices(View, frozen=True, kw_only=True):
    """The values that requests have that you may look at; the category without a code is that of no category."""

    statuses: Sequence[Choice]
    types: Sequence[Choice]
    origins: Sequence[NamedChoice]
    destinations: Sequence[NamedChoice]
    requesters: Sequence[NamedChoice]
    categories: Sequence[NamedChoice]


class RequestLists(Protocol):
    """Many stock requests to read. Each call is one statement."""

    async def page(
        self, tenant_id: UUID, wanted: RequestFilter, window: Window, *, scope: Scope
    ) -> Page[RequestItem]: ...
    async def choices(self, tenant_id: UUID, *, scope: Scope) -> FilterChoices: ...


class PendingReads(Protocol):
    """What waits for a decider: the requests that `refused_tier` lets them decide. Each call is one statement."""

    async def waiting(self, decider: Decider, window: Window) -> Waiting: ...
    async def count(self, decider: Decider) -> int: ...


def link(path: str = REQUESTS, /, **query: object) -> str:
    """The list that a figure counts."""
    given = {name: _text(value) for name, value in query.items() if value is not None}
    return f"{path}?{urlencode(given)}" if given else path


async def pending_approvals(
    reads: PendingReads, deciders: Deciders, *, act: Act, window: Window
) -> tuple[int, Page[WaitingRequest]]:
    """Exactly those that the caller may decide now, the oldest first, with what each line would take."""
    decider = await deciders.of(act)
    found = await reads.waiting(decider, window)
    lines: dict[UUID, list[WaitingLine]] = {}
    for line in found.lines:
        available = given_by(found.offers[line.product_id, line.location_id])
        taken = min(available, line.requested)
        lines.setdefault(line.request_id, []).append(
            WaitingLine(
                line_id=line.line_id,
                product_id=line.product_id,
                sku=line.sku,
                product_name=line.product_name,
                requested=plain(line.requested),
                available=available,
                taken=plain(taken),
                short=plain(line.requested - taken),
            )
        )
    items = [msgspec.structs.replace(item, lines=lines.get(item.id, [])) for item in found.page.items]
    return found.position, msgspec.structs.replace(found.page, items=items)


def names_of(caller: Caller) -> list[UUID]:
    """All names under which the caller may have asked for something."""
    return sorted(caller.identities)


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    return str(value)
