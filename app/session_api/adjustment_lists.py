"""What corrected the books, as lists: of adjustments, and of counts of whole products.

The classes stand beside the controllers that write under the same paths, and become part of them: the framework
takes all methods of a path from one controller.
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated

import msgspec
from litestar.di import NamedDependency
from litestar.params import FromHeader, FromQuery, QueryParameter, SkipValidation

from app.http.headers import MinPosition, at_position
from app.http.routes import route
from app.http.wire import Answer, Json
from app.session_api.inventory import LocationId, ProductId, moment
from app.session_api.movements import (
    DEFAULT_LIMIT,
    Continuation,
    Cursor,
    Limit,
    LineId,
    Offset,
    Place,
    Position,
    ReasonId,
    continuation,
    placed,
    starting,
)
from domain.access.model import Act, Permission
from domain.ledger.history import (
    AdjustmentEntry,
    AdjustmentsWanted,
    CountsAfter,
    CountSession,
    CountsWanted,
    MovementReader,
)

_date: msgspec.json.Decoder[date] = msgspec.json.Decoder(date)


class Adjustments(Answer, frozen=True, kw_only=True):
    entries: Sequence[AdjustmentEntry]
    pagination: Continuation


class Counts(Answer, frozen=True, kw_only=True):
    data: Sequence[CountSession]
    pagination: Continuation


class AdjustmentLists:
    """Routes for the controller of `/api/inventory/adjustments`."""

    @route(
        "GET",
        "/adjustments",
        operation="listInventoryAdjustments",
        summary="List inventory adjustments",
        permissions=Permission.INVENTORY_ADJUST,
        description="What corrected the books, newest first: adjustments, counts, lot corrections and reversals. "
        "`startDate` and `endDate` are days in UTC, both included, or times.",
        query={"locationId": "{locationId}"},
    )
    async def adjustments(
        self,
        *,
        act: NamedDependency[SkipValidation[Act]],
        history: NamedDependency[SkipValidation[MovementReader]],
        inventory_item_id: FromQuery[LineId] = None,
        product_master_id: FromQuery[ProductId] = None,
        location_id: FromQuery[LocationId] = None,
        reason_code_id: FromQuery[ReasonId] = None,
        start_date: FromQuery[Annotated[str | None, QueryParameter(name="startDate", max_length=40)]] = None,
        end_date: FromQuery[Annotated[str | None, QueryParameter(name="endDate", max_length=40)]] = None,
        limit: FromQuery[Limit] = DEFAULT_LIMIT,
        offset: FromQuery[Offset] = 0,
        cursor: FromQuery[Cursor] = None,
        x_min_ledger_position: FromHeader[MinPosition] = None,
    ) -> Json[Adjustments]:
        wanted = AdjustmentsWanted(
            tenant_id=act.tenant_id,
            scope=act.scope,
            limit=limit,
            offset=offset,
            line_id=inventory_item_id,
            product_id=product_master_id,
            location_id=location_id,
            reason_code_id=reason_code_id,
            recorded_from=day_start("startDate", start_date),
            recorded_to=day_end("endDate", end_date),
        )
        place = placed(wanted, cursor, Place[Position], offset=offset)
        found = await history.adjustments(starting(wanted, place))
        pagination = continuation(wanted, found, place, offset=offset)
        return at_position(
            Adjustments(entries=found.rows, pagination=pagination), found.position, x_min_ledger_position
        )


class CountLists:
    """Routes for the controller of `/api/inventory/adjustments/record-stock`."""

    @route(
        "GET",
        "/adjustments/record-stock",
        operation="listRecordedStock",
        summary="List recorded stock adjustments",
        permissions=Permission.INVENTORY_ADJUST,
        description="The counts of whole products at locations, newest first, with what was in each place.",
        query={"locationId": "{locationId}"},
    )
    async def counts(
        self,
        *,
        act: NamedDependency[SkipValidation[Act]],
        history: NamedDependency[SkipValidation[MovementReader]],
        product_master_id: FromQuery[ProductId] = None,
        location_id: FromQuery[LocationId] = None,
        limit: FromQuery[Limit] = DEFAULT_LIMIT,
        offset: FromQuery[Offset] = 0,
        cursor: FromQuery[Cursor] = None,
        x_min_ledger_position: FromHeader[MinPosition] = None,
    ) -> Json[Counts]:
        wanted = CountsWanted(
            tenant_id=act.tenant_id,
            scope=act.scope,
            limit=limit,
            offset=offset,
            product_id=product_master_id,
            location_id=location_id,
        )
        place = placed(wanted, cursor, Place[CountsAfter], offset=offset)
        found = await history.counts(starting(wanted, place))
        pagination = continuation(wanted, found, place, offset=offset)
        return at_position(Counts(data=found.rows, pagination=pagination), found.position, x_min_ledger_position)


def day_start(name: str, text: str | None) -> datetime | None:
    """A day in UTC from its beginning, or a time."""
    day = _day(text)
    return moment(name, text) if day is None else datetime.combine(day, time.min, UTC)


def day_end(name: str, text: str | None) -> datetime | None:
    """The end of a day in UTC, that is the beginning of the next, or a time."""
    day = _day(text)
    if day is None:
        return moment(name, text)
    if day == date.max:
        return datetime.max.replace(tzinfo=UTC)  # there is no next one
    return datetime.combine(day + timedelta(days=1), time.min, UTC)


def _day(text: str | None) -> date | None:
    try:
        return None if text is None else _date.decode(msgspec.json.encode(text))
    except msgspec.DecodeError:
        return None
