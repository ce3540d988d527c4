"""What may be asked for: `/api/stock-requests/products/…`."""

from collections.abc import Sequence
from typing import Annotated
from uuid import UUID

from litestar import Controller
from litestar.di import NamedDependency
from litestar.params import FromQuery, QueryParameter, SkipValidation

from app.http.headers import MinPosition, at_position
from app.http.routes import route
from app.http.wire import Answer, Json
from domain.access.model import Act, Permission
from domain.errors import FieldError, Reason
from domain.stock_requests.search import LIMIT_MAX, FoundProduct, ProductSearch, search_products
from domain.stock_requests.stocklists import StocklistReads, SuggestedLine, suggestions
from domain.values import clean_line

TEXT_LENGTH = 100


class FoundProducts(Answer, frozen=True, kw_only=True):
    data: Sequence[FoundProduct]


class SuggestedLines(Answer, frozen=True, kw_only=True):
    data: Sequence[SuggestedLine]


class StockRequestProductController(Controller):
    path = "/api/stock-requests/products"
    tags: Sequence[str] | None = ("Stock requests",)

    @route(
        "GET",
        "/search",
        operation="searchStockRequestProducts",
        summary="Search products for stock requests",
        permissions=[Permission.STOCKREQUESTS_READ, Permission.PRODUCTS_READ],
        description="By name, SKU or barcode, the best first: what is typed exactly, what begins so, what has it "
        "in it, and what is like it, typing errors included. `available` is what the origin can give now, by the "
        "same terms as availability.",
        query={"q": "Widget", "originLocationId": "{locationId}", "limit": 5},
    )
    async def search(
        self,
        *,
        act: NamedDependency[SkipValidation[Act]],
        product_search: NamedDependency[SkipValidation[ProductSearch]],
        text: Annotated[str, QueryParameter(name="q", min_length=1, max_length=TEXT_LENGTH)],
        origin_location_id: Annotated[UUID | None, QueryParameter(name="originLocationId")] = None,
        limit: FromQuery[Annotated[int, QueryParameter(name="limit", ge=1, le=LIMIT_MAX)]] = 20,
        min_position: MinPosition = None,
    ) -> Json[FoundProducts]:
        try:
            wanted = clean_line(text, longest=TEXT_LENGTH)
        except ValueError as problem:
            raise FieldError(("q", str(problem))) from None
        position, found = await search_products(
            product_search,
            tenant_id=act.tenant_id,
            text=wanted,
            origin_id=origin_location_id,
            scope=act.scope,
            limit=limit,
        )
        return at_position(FoundProducts(data=found), position, min_position)

    @route(
        "GET",
        "/stocklist",
        operation="getStockRequestStocklist",
        summary="Get stocklist for stock requests",
        permissions=Permission.STOCKREQUESTS_READ,
        description="The lines of the active stocklists from the origin to the destination, each with what the "
        "destination has and gets, and how much to ask for: `maximum` less all that, in whole packs.",
        errors=[Reason.NOT_FOUND],
        query={"originLocationId": "{spareLocationId}", "destinationLocationId": "{locationId}"},
    )
    async def stocklist(
        self,
        *,
        act: NamedDependency[SkipValidation[Act]],
        stocklist_reads: NamedDependency[SkipValidation[StocklistReads]],
        origin_location_id: Annotated[UUID, QueryParameter(name="originLocationId")],
        destination_location_id: Annotated[UUID, QueryParameter(name="destinationLocationId")],
        stocklist_id: Annotated[UUID | None, QueryParameter(name="stocklistId")] = None,
        min_position: MinPosition = None,
    ) -> Json[SuggestedLines]:
        needs = await stocklist_reads.needs(
            act.tenant_id,
            origin_id=origin_location_id,
            destination_id=destination_location_id,
            stocklist_id=stocklist_id,
            scope=act.scope,
        )
        lines = suggestions(
            needs, origin_id=origin_location_id, destination_id=destination_location_id, scope=act.scope
        )
        return at_position(SuggestedLines(data=list(lines)), needs.position, min_position)
