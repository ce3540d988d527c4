"""The ledger itself: movements, a line's history, single transactions."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import Controller
from litestar.di import NamedDependency
from litestar.params import FromHeader, FromPath, FromQuery, QueryParameter, SkipValidation
from msgspec import Meta

from app.http.headers import MinPosition, at_position
from app.http.paging import read_cursor, write_cursor
from app.http.routes import route
from app.http.wire import Answer, Json
from app.session_api.inventory import LocationId, ProductId, mark_of, moment, require_mark
from domain.access.model import Act, Permission
from domain.errors import FieldError, Reason, not_found
from domain.ledger.history import (
    Movement,
    MovementReader,
    MovementsWanted,
    Transaction,
)
from domain.ledger.model import Kind
from domain.ledger.reading import Found

DEFAULT_LIMIT, LIMIT_MAX = 50, 200
OFFSET_MAX = 100_000


class MovementSort(StrEnum):
    NEWEST = "-position"
    OLDEST = "position"


class Continuation(Answer, frozen=True, kw_only=True):
    """`total` is exact, or, where counting a long history would take long, the least that it is."""

    limit: int
    offset: int
    total: int
    is_total_exact: bool = msgspec.field(name="totalIsExact")
    next_cursor: str | None


class Movements(Answer, frozen=True, kw_only=True):
    data: Sequence[Movement]
    pagination: Continuation


class TransactionAnswer(Answer, frozen=True, kw_only=True):
    data: Transaction


class Place[A](msgspec.Struct, frozen=True, array_like=True):
    """A cursor: in which list, the last one shown, and the total that was known then."""

    mark: int
    after: A
    total: Annotated[int, Meta(ge=0, le=2**53)]
    is_exact: bool


type Position = Annotated[int, Meta(ge=0, le=2**63 - 1)]


LineId = Annotated[UUID | None, QueryParameter(name="inventoryItemId")]
ReasonId = Annotated[UUID | None, QueryParameter(name="reasonCodeId")]
Limit = Annotated[int, QueryParameter(name="limit", ge=1, le=LIMIT_MAX)]
Offset = Annotated[int, QueryParameter(name="offset", ge=0, le=OFFSET_MAX)]
Cursor = Annotated[
    str | None, QueryParameter(name="cursor", description="`pagination.nextCursor` of the part before.")
]
Sort = Annotated[MovementSort, QueryParameter(name="sort", description="Newest first, or oldest first.")]


def _time(name: str, description: str) -> QueryParameter:
    return QueryParameter(name=name, max_length=40, schema_extra={"format": "date-time"}, description=description)


class MovementController(Controller):
    path = "/api/inventory"
    tags: Sequence[str] | None = ("Ledger",)

    @route(
        "GET",
        "/movements",
        operation="listMovements",
        summary="List the movements of the ledger",
        permissions=Permission.INVENTORY_READ,
        description="In the order in which they were recorded, newest first. `transactionType` is of the whole "
        "transaction. Times are from (included) and to (excluded).",
        query={"productMasterId": "{productMasterId}", "limit": 20},
    )
    async def movements(
        self,
        *,
        act: NamedDependency[SkipValidation[Act]],
        history: NamedDependency[SkipValidation[MovementReader]],
        inventory_item_id: FromQuery[LineId] = None,
        product_master_id: FromQuery[ProductId] = None,
        location_id: FromQuery[LocationId] = None,
        transaction_id: FromQuery[Annotated[UUID | None, QueryParameter(name="transactionId")]] = None,
        transaction_type: FromQuery[Annotated[Kind | None, QueryParameter(name="transactionType")]] = None,
        reason_code_id: FromQuery[ReasonId] = None,
        effective_from: FromQuery[Annotated[str | None, _time("effectiveFrom", "Happened from.")]] = None,
        effective_to: FromQuery[Annotated[str | None, _time("effectiveTo", "Happened before.")]] = None,
        recorded_from: FromQuery[Annotated[str | None, _time("recordedFrom", "Recorded from.")]] = None,
        recorded_to: FromQuery[Annotated[str | None, _time("recordedTo", "Recorded before.")]] = None,
        sort: FromQuery[Sort] = MovementSort.NEWEST,
        limit: FromQuery[Limit] = DEFAULT_LIMIT,
        cursor: FromQuery[Cursor] = None,
        x_min_ledger_position: FromHeader[MinPosition] = None,
    ) -> Json[Movements]:
        wanted = MovementsWanted(
            tenant_id=act.tenant_id,
            scope=act.scope,
            limit=limit,
            is_oldest_first=sort is MovementSort.OLDEST,
            line_id=inventory_item_id,
            product_id=product_master_id,
            location_id=location_id,
            posting_id=transaction_id,
            reason_code_id=reason_code_id,
            kind=transaction_type,
            effective_from=moment("effectiveFrom", effective_from),
            effective_to=moment("effectiveTo", effective_to),
            recorded_from=moment("recordedFrom", recorded_from),
            recorded_to=moment("recordedTo", recorded_to),
        )
        place = placed(wanted, cursor, Place[Position])
        found = await history.movements(starting(wanted, place))
        answer = Movements(data=found.rows, pagination=continuation(wanted, found, place))
        return at_position(answer, found.position, x_min_ledger_position)

    @route(
        "GET",
        "/{line_id:uuid}/history",
        operation="getInventoryHistory",
        summary="Get the movements of an inventory item, with its running balance",
        permissions=Permission.INVENTORY_READ,
        errors=[Reason.NOT_FOUND],
        query={"limit": 20},
    )
    async def of_line(
        self,
        *,
        line_id: FromPath[UUID],
        act: NamedDependency[SkipValidation[Act]],
        history: NamedDependency[SkipValidation[MovementReader]],
        sort: FromQuery[Sort] = MovementSort.NEWEST,
        limit: FromQuery[Limit] = DEFAULT_LIMIT,
        cursor: FromQuery[Cursor] = None,
        x_min_ledger_position: FromHeader[MinPosition] = None,
    ) -> Json[Movements]:
        wanted = MovementsWanted(
            tenant_id=act.tenant_id,
            scope=act.scope,
            limit=limit,
            is_oldest_first=sort is MovementSort.OLDEST,
            line_id=line_id,
        )
        place = placed(wanted, cursor, Place[Position])
        found = await history.history(starting(wanted, place))
        if found is None:
            raise not_found("inventory item")
        answer = Movements(data=found.rows, pagination=continuation(wanted, found, place))
        return at_position(answer, found.position, x_min_ledger_position)

    @route(
        "GET",
        "/transactions/{transaction_id:uuid}",
        operation="getTransaction",
        summary="Get a transaction with its movements",
        permissions=Permission.INVENTORY_READ,
        description="Movements at locations that you may not look at are left out; a transaction without any "
        "other is not there.",
        errors=[Reason.NOT_FOUND],
    )
    async def transaction(
        self,
        *,
        transaction_id: FromPath[UUID],
        act: NamedDependency[SkipValidation[Act]],
        history: NamedDependency[SkipValidation[MovementReader]],
        x_min_ledger_position: FromHeader[MinPosition] = None,
    ) -> Json[TransactionAnswer]:
        found = await history.transaction(act.tenant_id, act.scope, transaction_id)
        if found is None:
            raise not_found("transaction")
        return at_position(TransactionAnswer(data=found.rows[0]), found.position, x_min_ledger_position)


def placed[A](
    wanted: msgspec.Struct, cursor: str | None, kind: type[Place[A]], *, offset: int = 0
) -> Place[A] | None:
    place = read_cursor(cursor, kind)
    if place is not None:
        if offset:
            raise FieldError(("cursor", "stands in place of offset: send one of them"))
        require_mark(place.mark, wanted)
    return place


def starting[W: msgspec.Struct](wanted: W, place: Place[Any] | None) -> W:
    return wanted if place is None else msgspec.structs.replace(wanted, after=place.after)


def continuation(
    wanted: Any, found: Found[Any, Any], place: Place[Any] | None, *, offset: int = 0
) -> Continuation:
    total, is_exact = found.total, found.is_exact
    if total is None:
        total, is_exact = (place.total, place.is_exact) if place else (0, True)
    next_cursor = None
    if found.after is not None:
        next_cursor = write_cursor(mark_of(wanted), found.after, total, is_exact)
    return Continuation(
        limit=wanted.limit, offset=offset, total=total, is_total_exact=is_exact, next_cursor=next_cursor
    )
