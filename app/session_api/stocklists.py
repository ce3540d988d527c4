"""What locations keep of each other's products: `/api/stocklists`."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Annotated, Literal, Protocol
from uuid import UUID

from litestar import Controller
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter, SkipValidation
from msgspec import UNSET, Meta, UnsetType, field

from app.http.acts import Begin, Work, once
from app.http.paging import Pagination
from app.http.routes import route
from app.http.wire import Answer, Body, Json, Text64, Text200, Version
from app.session_api.catalog import (
    DEFAULT_LIMIT,
    Active,
    Cursor,
    Limit,
    PageAt,
    Search,
    asked,
    changes_in,
    facts_in,
    listed,
    searched,
)
from domain.access.model import Act, Permission
from domain.errors import Reason
from domain.stock_requests.generating import GeneratingWork, generate
from domain.stock_requests.model import StockRequest
from domain.stock_requests.ports import Deciders
from domain.stock_requests.stocklists import (
    LINES_MAX,
    StocklistFacts,
    StocklistFilter,
    StocklistLine,
    StocklistMode,
    StocklistReads,
    StocklistView,
    StocklistWhole,
    StocklistWork,
    change_stocklist,
    create_stocklist,
    put_lines,
)
from domain.values import Quantity

type StocklistSort = Literal["code", "-code", "name", "-name"]
type PeriodDays = Annotated[int, Meta(ge=1, le=366)]


class StocklistUnit(StocklistWork, Work, Protocol):
    """The unit of work as the HTTP layer needs it, with idempotency."""


class GeneratingUnit(GeneratingWork, Work, Protocol):
    """The same, for requests that are made of stocklists."""


type BeginStocklists = Begin[StocklistUnit]
type BeginGenerating = Begin[GeneratingUnit]
SUBMIT_ERRORS = (Reason.INVALID_TRANSITION, Reason.INSUFFICIENT_STOCK)
"""What submitting may meet besides, where nobody needs to approve it."""


class PutStocklistLine(Body, frozen=True, kw_only=True):
    """Up to `maximum` of a product, in its base unit, in multiples of `packMultiple`.

    With a `minimum`, nothing is asked for as long as there is more than that.
    """

    product_master_id: UUID
    maximum: Quantity
    minimum: Quantity | None = None
    pack_multiple: Quantity | None = None


type Lines = Annotated[list[PutStocklistLine], Meta(max_length=LINES_MAX)]


class CreateStocklist(Body, frozen=True, kw_only=True):
    """PULL: the destination asks, and looks at each draft. PUSH: the origin sends, and requests are submitted.

    Every `reviewPeriodDays` a request is made of it; without them, only when somebody wants one.
    """

    code: Text64
    name: Text200
    origin_location_id: UUID
    destination_location_id: UUID
    mode: StocklistMode = StocklistMode.PULL
    review_period_days: PeriodDays | None = None
    is_active: bool = field(name="active", default=True)
    lines: Lines = field(default_factory=list)


class ChangeStocklist(Body, frozen=True, kw_only=True):
    """What is left out stays."""

    code: Text64 | UnsetType = UNSET
    name: Text200 | UnsetType = UNSET
    mode: StocklistMode | UnsetType = UNSET
    review_period_days: PeriodDays | UnsetType | None = UNSET
    is_active: bool | UnsetType = field(name="active", default=UNSET)
    expected_version: Version | None = None


class PutStocklistLines(Body, frozen=True, kw_only=True):
    """All lines, in the order in which they are shown; those that are not among them go."""

    lines: Lines
    expected_version: Version | None = None


class StocklistList(Answer, frozen=True, kw_only=True):
    data: Sequence[StocklistView]
    pagination: Pagination


class StocklistData(Answer, frozen=True, kw_only=True):
    data: StocklistWhole


class GeneratedRequest(Answer, frozen=True, kw_only=True):
    data: StockRequest


class StocklistController(Controller):
    path = "/api/stocklists"
    tags: Sequence[str] | None = ("Stock requests",)

    @route(
        "GET",
        "/",
        operation="listStocklists",
        summary="List stocklists",
        permissions=Permission.STOCKREQUESTS_READ,
        description="Those with an end that your rights cover.",
        query={"destinationLocationId": "{locationId}", "active": True, "limit": 5},
    )
    async def browse(
        self,
        *,
        act: NamedDependency[SkipValidation[Act]],
        stocklist_reads: NamedDependency[SkipValidation[StocklistReads]],
        search: Search = None,
        origin_location_id: Annotated[UUID | None, QueryParameter(name="originLocationId")] = None,
        destination_location_id: Annotated[UUID | None, QueryParameter(name="destinationLocationId")] = None,
        product_master_id: Annotated[UUID | None, QueryParameter(name="productMasterId")] = None,
        mode: FromQuery[StocklistMode | None] = None,
        active: Active = None,
        sort: FromQuery[StocklistSort] = "code",
        page: PageAt = None,
        limit: Limit = DEFAULT_LIMIT,
        cursor: Cursor = None,
    ) -> Json[StocklistList]:
        wanted = asked(sort=sort, page=page, limit=limit, cursor=cursor)
        filters = StocklistFilter(
            search=searched(search),
            origin_id=origin_location_id,
            destination_id=destination_location_id,
            product_id=product_master_id,
            mode=mode,
            is_active=active,
        )
        found = await stocklist_reads.page(act.tenant_id, filters, wanted.window, scope=act.scope)
        return Json(listed(StocklistList, wanted, found))

    @route(
        "POST",
        "/",
        operation="createStocklist",
        summary="Create a stocklist",
        permissions=Permission.STOCKREQUESTS_WRITE,
        description="For who may act at both ends. It is then kept by the end that acts on it: PULL by the "
        "destination, PUSH by the origin.",
        errors=[Reason.DUPLICATE, Reason.NOT_FOUND, Reason.LOCATION_DENIED],
        status=HTTPStatus.CREATED,
        example={
            "code": "WARD-7",
            "name": "Ward 7, weekly",
            "originLocationId": "{spareLocationId}",
            "destinationLocationId": "{locationId}",
            "reviewPeriodDays": 7,
            "lines": [{"productMasterId": "{productMasterId}", "maximum": 40, "minimum": 10, "packMultiple": 5}],
        },
    )
    async def create(
        self,
        data: JSONBody[CreateStocklist],
        act: NamedDependency[SkipValidation[Act]],
        begin_stocklists: NamedDependency[SkipValidation[BeginStocklists]],
    ) -> Json[StocklistData]:
        facts, lines = StocklistFacts(**facts_in(data, without=["lines"])), _lines(data.lines)

        async def do(work: StocklistUnit) -> StocklistData:
            return StocklistData(data=await create_stocklist(work, act=act, facts=facts, lines=lines))

        return await once(begin_stocklists, act, do, status=HTTPStatus.CREATED)

    @route(
        "GET",
        "/{stocklist_id:uuid}",
        operation="getStocklist",
        summary="Get a stocklist with its lines",
        permissions=Permission.STOCKREQUESTS_READ,
        errors=[Reason.NOT_FOUND],
    )
    async def one(
        self,
        stocklist_id: FromPath[UUID],
        act: NamedDependency[SkipValidation[Act]],
        stocklist_reads: NamedDependency[SkipValidation[StocklistReads]],
    ) -> Json[StocklistData]:
        return Json(StocklistData(data=await stocklist_reads.one(act.tenant_id, stocklist_id, scope=act.scope)))

    @route(
        "POST",
        "/{stocklist_id:uuid}/generate",
        operation="generateStocklistRequest",
        summary="Make a stock request of a stocklist",
        permissions=Permission.STOCKREQUESTS_WRITE,
        description="An E_REQUEST of what the destination is short of. What is pulled is a draft; what is pushed "
        "is submitted at once. 400 NO_CHANGE when nothing is short, 409 DUPLICATE while a draft of it waits.",
        errors=[
            Reason.DUPLICATE,
            Reason.INACTIVE,
            Reason.LOCATION_DENIED,
            Reason.NO_CHANGE,
            Reason.NOT_FOUND,
            *SUBMIT_ERRORS,
        ],
        status=HTTPStatus.CREATED,
    )
    async def generate(
        self,
        stocklist_id: FromPath[UUID],
        act: NamedDependency[SkipValidation[Act]],
        deciders: NamedDependency[SkipValidation[Deciders]],
        begin_generating: NamedDependency[SkipValidation[BeginGenerating]],
    ) -> Json[GeneratedRequest]:
        decider = await deciders.of(act)

        async def do(work: GeneratingUnit) -> GeneratedRequest:
            request = await generate(work, act=act, decider=decider, stocklist_id=stocklist_id)
            return GeneratedRequest(data=request)

        return await once(begin_generating, act, do, status=HTTPStatus.CREATED)

    @route(
        "PATCH",
        "/{stocklist_id:uuid}",
        operation="changeStocklist",
        summary="Change a stocklist, or deactivate it",
        permissions=Permission.STOCKREQUESTS_WRITE,
        errors=[Reason.DUPLICATE, Reason.NOT_FOUND, Reason.STALE_VERSION, Reason.LOCATION_DENIED],
        example={"name": "Ward 7, every two weeks", "reviewPeriodDays": 14},
    )
    async def change(
        self,
        stocklist_id: FromPath[UUID],
        data: JSONBody[ChangeStocklist],
        act: NamedDependency[SkipValidation[Act]],
        begin_stocklists: NamedDependency[SkipValidation[BeginStocklists]],
    ) -> Json[StocklistData]:
        changes = changes_in(data)

        async def do(work: StocklistUnit) -> StocklistData:
            whole = await change_stocklist(
                work,
                act=act,
                stocklist_id=stocklist_id,
                changes=changes,
                expected_version=data.expected_version,
            )
            return StocklistData(data=whole)

        return await once(begin_stocklists, act, do)

    @route(
        "PUT",
        "/{stocklist_id:uuid}/lines",
        operation="putStocklistLines",
        summary="Set all lines of a stocklist",
        permissions=Permission.STOCKREQUESTS_WRITE,
        errors=[Reason.NOT_FOUND, Reason.STALE_VERSION, Reason.LOCATION_DENIED],
        example={"lines": [{"productMasterId": "{productMasterId}", "maximum": 60}]},
    )
    async def put(
        self,
        stocklist_id: FromPath[UUID],
        data: JSONBody[PutStocklistLines],
        act: NamedDependency[SkipValidation[Act]],
        begin_stocklists: NamedDependency[SkipValidation[BeginStocklists]],
    ) -> Json[StocklistData]:
        lines = _lines(data.lines)

        async def do(work: StocklistUnit) -> StocklistData:
            whole = await put_lines(
                work, act=act, stocklist_id=stocklist_id, lines=lines, expected_version=data.expected_version
            )
            return StocklistData(data=whole)

        return await once(begin_stocklists, act, do)


def _lines(sent: Sequence[PutStocklistLine]) -> list[StocklistLine]:
    found = []
    for line in sent:
        facts = facts_in(line)
        found.append(StocklistLine(product_id=facts.pop("product_master_id"), **facts))
    return found
