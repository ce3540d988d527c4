"""Stock requests, many at once: the list, what waits for the caller, and the values to narrow both by."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

import msgspec
from litestar.di import NamedDependency
from litestar.params import FromQuery, QueryParameter, SkipValidation
from msgspec import Meta

from app.http.headers import position_header
from app.http.paging import Pagination
from app.http.routes import route
from app.http.wire import Answer, Json
from app.session_api.catalog import DEFAULT_LIMIT, Cursor, Limit, PageAt, Search, asked, listed, searched
from domain.access.model import Act, Permission
from domain.errors import FieldError
from domain.stock_requests.model import Priority, RequestState, RequestType
from domain.stock_requests.ports import Deciders
from domain.stock_requests.reading import (
    FilterChoices,
    PendingReads,
    RequestFilter,
    RequestItem,
    RequestLists,
    WaitingRequest,
    names_of,
    pending_approvals,
)

_time: msgspec.json.Decoder[datetime] = msgspec.json.Decoder(Annotated[datetime, Meta(tz=True)])

type RequestSort = Literal["createdAt", "-createdAt"]


def _moment(name: str, what: str) -> QueryParameter:
    return QueryParameter(name=name, max_length=40, description=f"{what}, as in 2026-01-31T00:00:00Z.")


# Plain aliases: the framework does not look into `type` aliases for what a parameter is called.
CreatedFrom = Annotated[str | None, _moment("createdFrom", "Made at or after")]
CreatedTo = Annotated[str | None, _moment("createdTo", "Made before")]
SubmittedFrom = Annotated[str | None, _moment("submittedFrom", "Submitted at or after")]
SubmittedTo = Annotated[str | None, _moment("submittedTo", "Submitted before")]
IssuedFrom = Annotated[str | None, _moment("issuedFrom", "Issued at or after")]
IssuedTo = Annotated[str | None, _moment("issuedTo", "Issued before")]
ReceivedFrom = Annotated[str | None, _moment("receivedFrom", "Received at or after")]
ReceivedTo = Annotated[str | None, _moment("receivedTo", "Received before")]


class RequestList(Answer, frozen=True, kw_only=True):
    data: Sequence[RequestItem]
    pagination: Pagination


class WaitingList(Answer, frozen=True, kw_only=True):
    data: Sequence[WaitingRequest]
    pagination: Pagination


class Choices(Answer, frozen=True, kw_only=True):
    data: FilterChoices


class StockRequestLists:
    """What the controller of stock requests lists; one address has one controller."""

    @route(
        "GET",
        "/",
        operation="listStockRequests",
        summary="List stock requests",
        permissions=Permission.STOCKREQUESTS_READ,
        description="Those with an end that your rights cover, the latest first; what was deleted is not among "
        "them. `mine` are those that you have asked for.",
        query={"status": "DRAFT", "destinationLocationId": "{locationId}", "limit": 5},
    )
    async def browse(
        self,
        *,
        act: NamedDependency[SkipValidation[Act]],
        request_lists: NamedDependency[SkipValidation[RequestLists]],
        status: FromQuery[RequestState | None] = None,
        type_: FromQuery[Annotated[RequestType | None, QueryParameter(name="type")]] = None,
        origin_location_id: Annotated[UUID | None, QueryParameter(name="originLocationId")] = None,
        destination_location_id: Annotated[UUID | None, QueryParameter(name="destinationLocationId")] = None,
        requester_id: Annotated[UUID | None, QueryParameter(name="requesterId")] = None,
        category_id: Annotated[UUID | None, QueryParameter(name="categoryId")] = None,
        uncategorized: FromQuery[bool | None] = None,
        product_master_id: Annotated[UUID | None, QueryParameter(name="productMasterId")] = None,
        stocklist_id: Annotated[UUID | None, QueryParameter(name="stocklistId")] = None,
        priority: FromQuery[Priority | None] = None,
        created_from: CreatedFrom = None,
        created_to: CreatedTo = None,
        submitted_from: SubmittedFrom = None,
        submitted_to: SubmittedTo = None,
        issued_from: IssuedFrom = None,
        issued_to: IssuedTo = None,
        received_from: ReceivedFrom = None,
        received_to: ReceivedTo = None,
        overdue: FromQuery[bool | None] = None,
        mine: FromQuery[bool | None] = None,
        search: Search = None,
        sort: FromQuery[RequestSort] = "-createdAt",
        page: PageAt = None,
        limit: Limit = DEFAULT_LIMIT,
        cursor: Cursor = None,
    ) -> Json[RequestList]:
        if uncategorized and category_id is not None:
            raise FieldError(("uncategorized", "cannot be asked for together with categoryId"))
        wanted = asked(sort=sort, page=page, limit=limit, cursor=cursor)
        moments = {
            "createdFrom": created_from,
            "createdTo": created_to,
            "submittedFrom": submitted_from,
            "submittedTo": submitted_to,
            "issuedFrom": issued_from,
            "issuedTo": issued_to,
            "receivedFrom": received_from,
            "receivedTo": received_to,
        }
        filters = RequestFilter(
            state=status,
            type=type_,
            origin_id=origin_location_id,
            destination_id=destination_location_id,
            requester_id=requester_id,
            category_id=category_id,
            product_id=product_master_id,
            stocklist_id=stocklist_id,
            priority=priority,
            is_overdue=overdue,
            is_uncategorized=uncategorized or None,
            of_people=names_of(act.caller) if mine else None,
            search=searched(search),
            **_moments(moments),
        )
        found = await request_lists.page(act.tenant_id, filters, wanted.window, scope=act.scope)
        return Json(listed(RequestList, wanted, found))

    @route(
        "GET",
        "/pending-approvals",
        operation="listPendingApprovals",
        summary="Get pending approvals",
        permissions=Permission.STOCKREQUESTS_APPROVE,
        deputies=True,
        description="Exactly those that you may decide now, in your own name or in another's place: never what is "
        "your own. The oldest first, with age, deadline and value, and with what approving each line as requested "
        "would take of what the origin can give.",
        query={"limit": 5},
    )
    async def pending(
        self,
        *,
        act: NamedDependency[SkipValidation[Act]],
        pending_reads: NamedDependency[SkipValidation[PendingReads]],
        deciders: NamedDependency[SkipValidation[Deciders]],
        page: PageAt = None,
        limit: Limit = DEFAULT_LIMIT,
        cursor: Cursor = None,
    ) -> Json[WaitingList]:
        wanted = asked(sort="submittedAt", page=page, limit=limit, cursor=cursor)
        position, found = await pending_approvals(pending_reads, deciders, act=act, window=wanted.window)
        return Json(listed(WaitingList, wanted, found), headers=position_header(position))

    @route(
        "GET",
        "/filters",
        operation="getStockRequestFilters",
        summary="Get stock request filter options",
        permissions=Permission.STOCKREQUESTS_READ,
        description="The values that some request has that you may look at, and how many have them.",
    )
    async def filters(
        self,
        act: NamedDependency[SkipValidation[Act]],
        request_lists: NamedDependency[SkipValidation[RequestLists]],
    ) -> Json[Choices]:
        return Json(Choices(data=await request_lists.choices(act.tenant_id, scope=act.scope)))


def _moments(sent: dict[str, str | None]) -> dict[str, datetime]:
    """The moments by the filter that they are, each with its time zone."""
    found = {}
    for name, text in sent.items():
        if text is None:
            continue
        try:
            found[snake(name)] = _time.decode(msgspec.json.encode(text))
        except msgspec.DecodeError:
            raise FieldError((name, "must be a time as in 2026-01-31T00:00:00Z")) from None
    return found


def snake(name: str) -> str:
    return "".join(f"_{char.lower()}" if char.isupper() else char for char in name)
