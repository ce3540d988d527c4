"""What may be promised, channel by location: `/api/inventory/channel-location`."""

from collections.abc import AsyncGenerator, Iterable, Sequence
from decimal import Decimal
from typing import Annotated
from uuid import UUID

import msgspec
from litestar import Controller
from litestar.di import NamedDependency
from litestar.params import FromHeader, FromQuery, QueryParameter, SkipValidation
from msgspec import Meta

from app.http.csv import Format, csv_answer
from app.http.headers import MinPosition, at_position, position_header
from app.http.paging import Pagination, read_cursor, write_cursor
from app.http.routes import route
from app.http.wire import Answer, Json
from app.session_api.catalog import Cursor, PageAt, Search, searched
from app.session_api.inventory import mark_of, require_mark
from domain.access.model import Act, Permission
from domain.availability.drilldown import Drilldown, DrillReads, drilled
from domain.availability.matrix import (
    CellTerms,
    Matrix,
    MatrixChannel,
    MatrixLocation,
    MatrixProduct,
    MatrixReads,
    MatrixWanted,
    matrix,
)
from domain.availability.model import Severity
from domain.errors import FieldError, Reason, not_found

DEFAULT_LIMIT, LIMIT_MAX = 50, 200
CHANNELS_MAX = 100
CSV_PART = 200
HORIZON_DAYS, HORIZON_MAX = 90, 730

TERMS = tuple(msgspec.structs.fields(CellTerms))
COLUMNS = (
    *("productMasterId", "globalSku", "productName", "channelId", "channelCode", "channelName"),
    *("atp", "onHand", "reserved", "available", "severity", "threshold", "policyId"),
    *(f"terms.{term.encode_name}" for term in TERMS),
)


class MatrixPagination(Pagination, frozen=True, kw_only=True):
    """`total` is exact, or the least that it is; under a `severity` it is how many were found so far."""

    is_total_exact: bool = msgspec.field(name="totalIsExact")


class MatrixAnswer(Answer, frozen=True, kw_only=True):
    """Cells of one location share its stock and do not add up; `poolNet` is what they share."""

    products: Sequence[MatrixProduct]
    channels: Sequence[MatrixChannel]
    location: MatrixLocation
    pagination: MatrixPagination


class _Place(msgspec.Struct, frozen=True, array_like=True):
    """A cursor: in which matrix, the page, what was counted by then, and the last product looked at."""

    mark: int
    page: Annotated[int, Meta(ge=1, le=2**31)]
    total: Annotated[int, Meta(ge=0, le=2**53)]
    is_exact: bool
    after: UUID


class ChannelLocationController(Controller):
    path = "/api/inventory/channel-location"
    tags: Sequence[str] | None = ("Availability",)

    @route(
        "GET",
        "/",
        operation="getChannelLocationMatrix",
        summary="Get channel × location ATP matrix",  # noqa: RUF001 - as published
        permissions=Permission.INVENTORY_READ,
        description="Every product that the location has or had, in the order of their ids, with what each "
        "channel that it serves may promise: what a check and a reservation of that channel would find. The "
        "cells of one location do not add up, as they share one pool (`poolNet`); those of one channel at several "
        "locations do. Severity: CRITICAL when `atp` is 0 (or the policy's critical threshold) or less, LOW when "
        "it is `threshold` or less, else OK. With `severity` only products with such a cell are shown; they are "
        "looked for from the cursor on, so a page may be short or empty and still have a `nextCursor`. As CSV the "
        "whole matrix is streamed, a row a cell.",
        errors=[Reason.NOT_FOUND],
        query={"locationId": "{locationId}", "limit": 20},
        csv=True,
    )
    async def matrix(
        self,
        *,
        act: NamedDependency[SkipValidation[Act]],
        channel_matrix: NamedDependency[SkipValidation[MatrixReads]],
        location_id: FromQuery[Annotated[UUID, QueryParameter(name="locationId")]],
        search: Search = None,
        channels: FromQuery[
            Annotated[
                str | None,
                QueryParameter(
                    name="channels",
                    max_length=CHANNELS_MAX * 37,
                    description="Ids of the channels to show, with commas between them.",
                ),
            ]
        ] = None,
        severity: FromQuery[Annotated[Severity | None, QueryParameter(name="severity")]] = None,
        page: PageAt = None,
        limit: FromQuery[Annotated[int, QueryParameter(name="limit", ge=1, le=LIMIT_MAX)]] = DEFAULT_LIMIT,
        cursor: FromQuery[Cursor] = None,
        format_: FromQuery[Annotated[Format, QueryParameter(name="format")]] = Format.JSON,
        x_min_ledger_position: FromHeader[MinPosition] = None,
    ) -> Json[MatrixAnswer]:
        wanted = MatrixWanted(
            tenant_id=act.tenant_id,
            scope=act.scope,
            limit=limit if format_ is Format.JSON else CSV_PART,
            location_id=location_id,
            offset=0 if page is None else (page - 1) * limit,
            search=searched(search),
            channels=_ids(channels),
            severity=severity,
        )
        place = _placed(wanted, page, cursor)
        if place is not None:
            wanted = msgspec.structs.replace(wanted, after=place.after)
        found = await matrix(channel_matrix, wanted)
        if format_ is Format.CSV:
            refuse_older(found.position, x_min_ledger_position)
            streamed: Json[MatrixAnswer] = csv_answer(
                "channel-location",
                COLUMNS,
                _parts(channel_matrix, wanted, found),
                headers=position_header(found.position),
            )
            return streamed
        answer = MatrixAnswer(
            products=found.products,
            channels=found.channels,
            location=found.location,
            pagination=_pagination(wanted, found, place, page),
        )
        return at_position(answer, found.position, x_min_ledger_position)

    @route(
        "GET",
        "/drilldown",
        operation="drillDownChannelLocation",
        summary="Drill down into channel-location ATP",
        permissions=Permission.INVENTORY_READ,
        description="One cell of the matrix with everything behind it: each line, reservation, hold and fence, "
        "what is on its way and what is overdue, and what the channel could promise for a later day. The terms "
        "add up to the cell, and the lines to the terms. `quantity` is what `earliestDate` is asked for.",
        errors=[Reason.NOT_FOUND],
        query={
            "productMasterId": "{productMasterId}",
            "channelId": "{channelId}",
            "locationId": "{locationId}",
            "horizonDays": 90,
        },
    )
    async def drilldown(
        self,
        *,
        act: NamedDependency[SkipValidation[Act]],
        channel_drilldown: NamedDependency[SkipValidation[DrillReads]],
        product_master_id: FromQuery[Annotated[UUID, QueryParameter(name="productMasterId")]],
        channel_id: FromQuery[Annotated[UUID, QueryParameter(name="channelId")]],
        location_id: FromQuery[Annotated[UUID, QueryParameter(name="locationId")]],
        horizon_days: FromQuery[
            Annotated[int, QueryParameter(name="horizonDays", ge=0, le=HORIZON_MAX)]
        ] = HORIZON_DAYS,
        quantity: FromQuery[Annotated[int, QueryParameter(name="quantity", ge=1, le=10**12)]] = 1,
        x_min_ledger_position: FromHeader[MinPosition] = None,
    ) -> Json[Drilldown]:
        behind = None
        if act.scope is None or location_id in act.scope:
            behind = await channel_drilldown.behind(act.tenant_id, product_master_id, location_id)
        if behind is None:
            raise not_found("product or location")
        shown = drilled(behind, channel_id=channel_id, horizon_days=horizon_days, quantity=Decimal(quantity))
        return at_position(shown, behind.position, x_min_ledger_position)


def refuse_older(position: int, wanted: int | None) -> None:
    at_position(None, position, wanted)


def _ids(text: str | None) -> tuple[UUID, ...]:
    if text is None:
        return ()
    try:
        return tuple(msgspec.convert(text.split(","), list[UUID]))
    except msgspec.ValidationError:
        raise FieldError(("channels", "must be ids with commas between them")) from None


def _placed(wanted: MatrixWanted, page: int | None, cursor: str | None) -> _Place | None:
    place = read_cursor(cursor, _Place)
    if place is None:
        if page is not None and page > 1 and wanted.severity is not None:
            raise FieldError(("page", "is not known under a severity: go on by cursor"))
        return None
    if page is not None:
        raise FieldError(("cursor", "stands in place of page: send one of them"))
    require_mark(place.mark, wanted)
    return place


def _pagination(wanted: MatrixWanted, found: Matrix, place: _Place | None, page: int | None) -> MatrixPagination:
    number = place.page if place else page or 1
    if wanted.severity is not None:
        total, is_exact = (found.total or 0) + (place.total if place else 0), found.is_exact
    elif found.total is not None:
        total, is_exact = found.total, found.is_exact
    else:
        total, is_exact = (place.total, place.is_exact) if place else (0, True)
    next_cursor = None
    if found.after is not None:
        next_cursor = write_cursor(mark_of(wanted), number + 1, total, is_exact, found.after)
    return MatrixPagination(
        page=number,
        page_size=wanted.limit,
        total=total,
        total_pages=-(-total // wanted.limit),
        next_cursor=next_cursor,
        is_total_exact=is_exact,
    )


async def _parts(
    reads: MatrixReads, wanted: MatrixWanted, found: Matrix
) -> AsyncGenerator[list[Sequence[object]]]:
    """The matrix from its first part on; between two parts nothing of the database is kept busy."""
    while True:
        yield [row for product in found.products for row in _rows(product, found.codes)]
        if found.after is None:
            return
        found = await matrix(reads, msgspec.structs.replace(wanted, offset=0, after=found.after))


def _rows(product: MatrixProduct, codes: Iterable[str]) -> Iterable[Sequence[object]]:
    for cell, code in zip(product.channels, codes, strict=True):
        yield (
            *(product.product_id, product.global_sku, product.product_name, cell.channel_id, code),
            *(cell.channel_name, cell.atp, cell.on_hand, cell.reserved, cell.available, cell.severity),
            *(cell.threshold, cell.policy_id),
            *msgspec.structs.astuple(cell.terms),
        )
