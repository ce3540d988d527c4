"""Stock as it stands, or stood: `/api/inventory` and `/api/inventory/locations`."""

import zlib
from collections.abc import Sequence
from datetime import date, datetime
from typing import Annotated
from uuid import UUID

import msgspec
from litestar import Controller
from litestar.di import NamedDependency
from litestar.params import FromHeader, FromQuery, QueryParameter, SkipValidation
from msgspec import Meta

from app.http.headers import MinPosition, at_position
from app.http.paging import Pagination, pagination, read_cursor, write_cursor
from app.http.routes import route
from app.http.wire import Answer, Json
from app.session_api.catalog import SEARCH_LENGTH, Cursor, PageAt, searched
from domain.access.model import Act, Permission
from domain.errors import FieldError, Reason, not_found
from domain.ledger.reading import (
    After,
    Basis,
    BinStock,
    InventoryItem,
    LineSort,
    LineStatus,
    LinesWanted,
    LocationStock,
    StockReader,
)

DEFAULT_LIMIT, LIMIT_MAX = 20, 100
PLACES_LIMIT, PLACES_MAX = 50, 200

LocationId = Annotated[UUID | None, QueryParameter(name="locationId")]
ProductId = Annotated[UUID | None, QueryParameter(name="productMasterId")]
AsOf = Annotated[
    str | None,
    QueryParameter(
        name="asOf",
        max_length=40,
        schema_extra={"format": "date-time"},
        description="Stock as it stood at this time; what was claimed of it then is not known (null).",
    ),
]

_time: msgspec.json.Decoder[datetime] = msgspec.json.Decoder(Annotated[datetime, Meta(tz=True)])


class InventoryList(Answer, frozen=True, kw_only=True):
    items: Sequence[InventoryItem]
    pagination: Pagination


class LocationsAnswer(Answer, frozen=True, kw_only=True):
    """`data` is by location, or with `locationId` by bin."""

    data: Sequence[LocationStock | BinStock]
    pagination: Pagination


class _Place(msgspec.Struct, frozen=True, array_like=True):
    """A cursor: where it goes on, in which list, and what was known then, so that nothing is counted again."""

    mark: int
    page: Annotated[int, Meta(ge=1, le=2**31)]
    total: Annotated[int, Meta(ge=0, le=2**53)]
    after: After


class InventoryController(Controller):
    path = "/api/inventory"
    tags: Sequence[str] | None = ("Inventory",)

    @route(
        "GET",
        "/",
        operation="listInventory",
        summary="List inventory items",
        permissions=Permission.INVENTORY_READ,
        description="One product at one location, bin and lot each, in the order of their ids. Other orders need "
        "something that bounds what is sorted: `productMasterId`, `lotId`, `binId`, `search` or `expiringBefore`. "
        "By `cursor` every page costs the same; by number it costs what lies before it.",
        query={"locationId": "{locationId}", "limit": 50},
    )
    async def items(
        self,
        *,
        act: NamedDependency[SkipValidation[Act]],
        stock: NamedDependency[SkipValidation[StockReader]],
        location_id: FromQuery[LocationId] = None,
        product_master_id: FromQuery[ProductId] = None,
        lot_id: FromQuery[Annotated[UUID | None, QueryParameter(name="lotId")]] = None,
        bin_id: FromQuery[Annotated[UUID | None, QueryParameter(name="binId")]] = None,
        search: FromQuery[
            Annotated[
                str | None,
                QueryParameter(
                    name="search",
                    max_length=SEARCH_LENGTH,
                    description="A part of the product's code, name or barcode, of the lot's number, or of the "
                    "bin's code or name, in any case.",
                ),
            ]
        ] = None,
        status: FromQuery[
            Annotated[LineStatus | None, QueryParameter(name="status", description="As it stands now.")]
        ] = None,
        expiring_before: FromQuery[
            Annotated[
                date | None,
                QueryParameter(name="expiringBefore", description="Lots whose last good day lies before this."),
            ]
        ] = None,
        as_of: FromQuery[AsOf] = None,
        as_of_basis: FromQuery[
            Annotated[
                Basis,
                QueryParameter(
                    name="asOfBasis",
                    description="Whether `asOf` means what had happened by then, whenever we learned of it, or "
                    "what was on record then.",
                ),
            ]
        ] = Basis.EFFECTIVE,
        sort: FromQuery[Annotated[LineSort, QueryParameter(name="sort")]] = LineSort.ID,
        page: FromQuery[PageAt] = None,
        limit: FromQuery[Annotated[int, QueryParameter(name="limit", ge=1, le=LIMIT_MAX)]] = DEFAULT_LIMIT,
        cursor: FromQuery[Cursor] = None,
        x_min_ledger_position: FromHeader[MinPosition] = None,
    ) -> Json[InventoryList]:
        wanted = LinesWanted(
            tenant_id=act.tenant_id,
            scope=act.scope,
            limit=limit,
            offset=0 if page is None else (page - 1) * limit,
            sort=sort,
            location_id=location_id,
            product_id=product_master_id,
            lot_id=lot_id,
            bin_id=bin_id,
            search=searched(search),
            status=status,
            expiring_before=expiring_before,
            as_of=moment("asOf", as_of),
            basis=as_of_basis,
        )
        _refuse_unaffordable(wanted)
        place = _placed(wanted, page, cursor)
        if place is not None:
            wanted = msgspec.structs.replace(wanted, after=place.after)
        found = await stock.lines(wanted)
        number = place.page if place else page or 1
        total = found.total if found.total is not None else place.total if place else 0
        next_cursor = None
        if found.after is not None:
            next_cursor = write_cursor(mark_of(wanted), number + 1, total, found.after)
        answer = InventoryList(
            items=found.rows,
            pagination=pagination(page=number, limit=limit, total=total, next_cursor=next_cursor),
        )
        return at_position(answer, found.position, x_min_ledger_position)

    @route(
        "GET",
        "/locations",
        operation="listInventoryByLocation",
        summary="List inventory by location",
        permissions=Permission.INVENTORY_READ,
        description="Lines, units, value at today's unit cost, and what of it is reserved, held or expired, by "
        "location, all of them at once. With `locationId` by bin, in walking order, by page.",
        errors=[Reason.NOT_FOUND],
        query={"locationId": "{locationId}"},
    )
    async def locations(
        self,
        *,
        act: NamedDependency[SkipValidation[Act]],
        stock: NamedDependency[SkipValidation[StockReader]],
        location_id: FromQuery[LocationId] = None,
        page: FromQuery[Annotated[int, QueryParameter(name="page", ge=1, le=100_000)]] = 1,
        limit: FromQuery[Annotated[int, QueryParameter(name="limit", ge=1, le=PLACES_MAX)]] = PLACES_LIMIT,
        x_min_ledger_position: FromHeader[MinPosition] = None,
    ) -> Json[LocationsAnswer]:
        if location_id is None:
            by_location = await stock.locations(act.tenant_id, act.scope)
            rows = by_location.rows[(page - 1) * limit : page * limit]
            total = len(by_location.rows)
            shown = LocationsAnswer(data=rows, pagination=_numbered(page, limit, total))
            return at_position(shown, by_location.position, x_min_ledger_position)
        by_bin = await stock.bins(act.tenant_id, act.scope, location_id, limit=limit, offset=(page - 1) * limit)
        if by_bin is None:
            raise not_found("location", field="locationId")
        shown = LocationsAnswer(data=by_bin.rows, pagination=_numbered(page, limit, by_bin.total or 0))
        return at_position(shown, by_bin.position, x_min_ledger_position)


def moment(name: str, text: str | None) -> datetime | None:
    """A time in a query, if there is one.

    Raises:
        FieldError: it is not RFC 3339 with an offset (in an address a plus is written %2B).
    """
    if text is None:
        return None
    try:
        return _time.decode(msgspec.json.encode(text))
    except msgspec.DecodeError:
        message = "must be a time as in 2025-12-31T23:59:59Z"
        raise FieldError((name, message)) from None


def _refuse_unaffordable(wanted: LinesWanted) -> None:
    if wanted.sort.field != "id" and not wanted.is_bounded:
        message = "needs productMasterId, lotId, binId, search or expiringBefore beside it"
        raise FieldError(("sort", f"{wanted.sort} {message}"))
    if wanted.as_of is not None:
        if wanted.status is not None:
            raise FieldError(("status", "is known of now only: leave asOf out"))
        if wanted.sort.field == "quantityOnHand":
            raise FieldError(("sort", "by quantity is known of now only: leave asOf out"))


def _placed(wanted: LinesWanted, page: int | None, cursor: str | None) -> _Place | None:
    place = read_cursor(cursor, _Place)
    if place is None:
        return None
    if page is not None:
        raise FieldError(("cursor", "stands in place of page: send one of them"))
    require_mark(place.mark, wanted)
    return place


_OF_THE_PAGE = frozenset({"tenant_id", "scope", "limit", "offset", "after"})


def mark_of(wanted: msgspec.Struct) -> int:
    """Which list is wanted, whatever the page: a cursor goes on in the list that it was made for."""
    fields = wanted.__struct_fields__
    asked = tuple(getattr(wanted, name) for name in fields if name not in _OF_THE_PAGE)
    return zlib.crc32(msgspec.json.encode(asked))


def require_mark(mark: int, wanted: msgspec.Struct) -> None:
    """Refuse a cursor of another list."""
    if mark != mark_of(wanted):
        raise FieldError(("cursor", "belongs to other filters or another order"))


def _numbered(page: int, limit: int, total: int) -> Pagination:
    return pagination(page=page, limit=limit, total=total, next_cursor=None)
