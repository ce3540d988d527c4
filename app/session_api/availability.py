"""What stock lines can give, and why: `/api/inventory/availability`."""

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated
from uuid import UUID

import msgspec
from litestar import Controller
from litestar.di import NamedDependency
from litestar.params import FromHeader, FromPath, FromQuery, JSONBody, QueryParameter, SkipValidation

from app.http.acts import once
from app.http.headers import MinPosition, at_position
from app.http.paging import read_cursor, write_cursor
from app.http.routes import route
from app.http.wire import Answer, Body, Json, Text2000
from app.session_api.catalog import Cursor
from app.session_api.inventory import LocationId, ProductId, mark_of, require_mark
from domain.access.model import Act, Permission
from domain.availability.lines import (
    AvailabilityLines,
    AvailableLine,
    BeginRecord,
    Behind,
    LinesWanted,
    LineTerms,
    LineTotals,
    PlaceSummary,
    RecordWork,
    Settings,
    record,
)
from domain.errors import FieldError, Reason, not_found
from domain.values import Quantity, plain

DEFAULT_LIMIT, LIMIT_MAX = 50, 200


class AvailabilityAnswer(Answer, frozen=True, kw_only=True):
    """`type` is `stockLines` or `summary`. `totals` are of all pages; a page by cursor does not repeat them.

    `count` is the number of entries on this page.
    """

    type: str
    count: int
    totals: LineTotals | None
    data: Sequence[AvailableLine | PlaceSummary]
    next_cursor: str | None


class Terms(Answer, frozen=True, kw_only=True):
    """`drift` is on hand less the sum of all movements: it must be 0."""

    on_hand: Decimal
    reserved: Decimal
    held: Decimal
    expired: Decimal
    recalled: Decimal
    available: Decimal
    expected_on_hand: Decimal
    expected_reserved: Decimal
    drift: Decimal


class LineAnswer(Answer, frozen=True, kw_only=True):
    data: AvailableLine
    terms: Terms
    documents: Sequence[Behind]
    """The holds and reservations behind the figures."""


class RecordRequest(Body, frozen=True, kw_only=True):
    """`safetyStock` and `availableFrom` are set for the line's product at its location, where they are given."""

    safety_stock: Quantity | None = None
    available_from: date | None = None
    note: Text2000 | None = None


class RecordAnswer(Answer, frozen=True, kw_only=True):
    """What was found when somebody asked, kept under its own id."""

    id: UUID
    inventory_item_id: UUID
    position: int
    terms: Terms
    drift: Decimal
    note: str | None
    actor: str | None
    created_at: datetime


class RecordData(Answer, frozen=True, kw_only=True):
    data: RecordAnswer


class AvailabilityController(Controller):
    path = "/api/inventory/availability"
    tags: Sequence[str] | None = ("Availability",)

    @route(
        "GET",
        "/",
        operation="listAvailability",
        summary="List availability records",
        permissions=Permission.INVENTORY_READ,
        description="By product and location, within them in the order of use: first expired, first out. Pages "
        "are of products at locations (`limit`), each with all of its lines. Needs `locationId`, "
        "`productMasterId`, `lotId` or `binId`. With `summary` one entry for each product at a location.",
        query={"locationId": "{locationId}", "includeExpired": "true"},
    )
    async def lines(
        self,
        *,
        act: NamedDependency[SkipValidation[Act]],
        availability_lines: NamedDependency[SkipValidation[AvailabilityLines]],
        location_id: FromQuery[LocationId] = None,
        product_master_id: FromQuery[ProductId] = None,
        lot_id: FromQuery[Annotated[UUID | None, QueryParameter(name="lotId")]] = None,
        bin_id: FromQuery[Annotated[UUID | None, QueryParameter(name="binId")]] = None,
        include_expired: FromQuery[Annotated[bool, QueryParameter(name="includeExpired")]] = False,
        include_recalled: FromQuery[Annotated[bool, QueryParameter(name="includeRecalled")]] = False,
        include_on_hold: FromQuery[Annotated[bool, QueryParameter(name="includeOnHold")]] = False,
        summary: FromQuery[Annotated[bool, QueryParameter(name="summary")]] = False,
        include_stock_lines: FromQuery[Annotated[bool, QueryParameter(name="includeStockLines")]] = True,
        limit: FromQuery[Annotated[int, QueryParameter(name="limit", ge=1, le=LIMIT_MAX)]] = DEFAULT_LIMIT,
        cursor: FromQuery[Cursor] = None,
        x_min_ledger_position: FromHeader[MinPosition] = None,
    ) -> Json[AvailabilityAnswer]:
        wanted = LinesWanted(
            tenant_id=act.tenant_id,
            scope=act.scope,
            limit=limit,
            location_id=location_id,
            product_id=product_master_id,
            lot_id=lot_id,
            bin_id=bin_id,
            with_expired=include_expired,
            with_recalled=include_recalled,
            with_on_hold=include_on_hold,
        )
        if {location_id, product_master_id, lot_id, bin_id} == {None}:
            raise FieldError(("locationId", "name a location, a product, a lot or a bin"))
        mark = mark_of(wanted)
        place = read_cursor(cursor, tuple[int, UUID, UUID])
        if place is not None:
            require_mark(place[0], wanted)
            wanted = msgspec.structs.replace(wanted, after=place[1:], with_totals=False)
        if summary or not include_stock_lines:
            position, places, after = await availability_lines.summary(wanted)
            shown: Sequence[AvailableLine | PlaceSummary] = places
            totals = None
        else:
            found = await availability_lines.lines(wanted)
            position, shown, after, totals = found.position, found.lines, found.after, found.totals
        answer = AvailabilityAnswer(
            type="summary" if summary or not include_stock_lines else "stockLines",
            count=len(shown),
            totals=totals,
            data=shown,
            next_cursor=None if after is None else write_cursor(mark, *after),
        )
        return at_position(answer, position, x_min_ledger_position)

    @route(
        "GET",
        "/{item_id:uuid}",
        operation="getAvailability",
        summary="Get availability record",
        permissions=Permission.INVENTORY_READ,
        description="One stock line, with the terms of its figure and the documents behind them.",
        errors=[Reason.NOT_FOUND],
    )
    async def line(
        self,
        *,
        item_id: FromPath[UUID],
        act: NamedDependency[SkipValidation[Act]],
        availability_lines: NamedDependency[SkipValidation[AvailabilityLines]],
        x_min_ledger_position: FromHeader[MinPosition] = None,
    ) -> Json[LineAnswer]:
        found = await availability_lines.terms(act.tenant_id, item_id, act.scope)
        if found is None:
            raise not_found("inventory item")
        answer = LineAnswer(data=found.line, terms=_terms(found), documents=found.behind)
        return at_position(answer, found.position, x_min_ledger_position)

    @route(
        "POST",
        "/{item_id:uuid}",
        operation="recordAvailability",
        summary="Create availability record",
        permissions=Permission.INVENTORY_WRITE,
        description="Verifies the line against the ledger and its claims, and keeps what was found. Drift must be "
        "none; where there is some, it shows among the exceptions.",
        errors=[Reason.NOT_FOUND, Reason.LOCATION_DENIED],
        example={"note": "Asked for by the planner", "safetyStock": 2},
    )
    async def record(
        self,
        *,
        item_id: FromPath[UUID],
        data: JSONBody[RecordRequest],
        act: NamedDependency[SkipValidation[Act]],
        begin_record: NamedDependency[SkipValidation[BeginRecord]],
    ) -> Json[RecordData]:
        if data.safety_stock is not None and data.safety_stock < 0:
            raise FieldError(("safetyStock", "must not be negative"))
        settings = Settings(safety_stock=data.safety_stock, available_from=data.available_from)

        async def do(work: RecordWork) -> RecordData:
            made = await record(work, act=act, line_id=item_id, settings=settings, note=data.note)
            if made is None:
                raise not_found("inventory item")
            found, kept = made
            return RecordData(
                data=RecordAnswer(
                    id=kept.id,
                    inventory_item_id=found.line.id,
                    position=kept.position,
                    terms=_terms(found),
                    drift=plain(kept.drift),
                    note=kept.note,
                    actor=kept.actor,
                    created_at=kept.created_at,
                )
            )

        return await once(begin_record, act, do)


def _terms(found: LineTerms) -> Terms:
    line = found.line
    return Terms(
        on_hand=line.qty_on_hand,
        reserved=line.qty_reserved,
        held=line.qty_on_hold,
        expired=line.qty_expired,
        recalled=line.qty_recalled,
        available=line.qty_available,
        expected_on_hand=plain(found.expected_on_hand),
        expected_reserved=plain(found.expected_reserved),
        drift=plain(found.drift),
    )
