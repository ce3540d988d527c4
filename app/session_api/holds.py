"""Stock that may not be promised, and what needs somebody's attention: `/api/inventory/holds`, `…/exceptions`."""

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from http import HTTPStatus
from typing import Annotated
from uuid import UUID

from litestar import Controller
from litestar.di import NamedDependency
from litestar.params import FromQuery, JSONBody, QueryParameter, SkipValidation

from app.http.acts import once
from app.http.paging import read_cursor, write_cursor
from app.http.routes import route
from app.http.wire import Answer, Body, Json, Text200, Text2000, Version
from app.session_api.catalog import Cursor
from app.session_api.inventory import LocationId, ProductId
from domain.access.model import Act, Permission
from domain.availability.holding import HoldType, Target
from domain.availability.holds import (
    BeginHolds,
    Changed,
    HoldReads,
    HoldScope,
    HoldState,
    HoldsWanted,
    HoldView,
    HoldWork,
    NewHold,
    Problem,
    Trouble,
    newly_short,
    place_hold,
)
from domain.errors import FieldError, Reason
from domain.values import Quantity, plain

DEFAULT_LIMIT, LIMIT_MAX = 50, 200

NEXT_STEP = {
    Trouble.SHORTAGE: "More is claimed here than is on hand: count the line, then release or move the claims "
    "(POST /api/inventory/reservations/{id}), or bring stock in.",
    Trouble.BLOCKED_CLAIM: "What is claimed here is held or expired: release the hold, or release the claims and "
    "reserve again from other stock.",
    Trouble.OVERDUE_SUPPLY: "Confirmed supply has not come: receive it, or give it another date, or cancel it "
    "(PATCH /api/inventory/supplies/{id}).",
    Trouble.DRIFT: "A balance was not the sum of its movements: run `ledger verify` and call an operator.",
}


class PlaceHold(Body, frozen=True, kw_only=True):
    """On a stock line (`quantity`: a part of it), a lot everywhere, a bin, or a product at a location.

    All but the part of a line also hold what arrives later.
    """

    type: HoldType
    inventory_item_id: UUID | None = None
    lot_id: UUID | None = None
    bin_id: UUID | None = None
    product_master_id: UUID | None = None
    location_id: UUID | None = None
    quantity: Quantity | None = None
    reason: Text200
    note: Text2000 | None = None
    expected_until: date | None = None


class ReleaseHold(Body, frozen=True, kw_only=True):
    """Without `quantity` all of it."""

    hold_id: UUID
    quantity: Quantity | None = None
    expected_version: Version | None = None


class HoldAnswer(Answer, frozen=True, kw_only=True):
    """`quantity` null: all that is there, now and later. `released` is what of a part was given free."""

    id: UUID
    type: HoldType
    scope: HoldScope
    state: HoldState
    inventory_item_id: UUID | None
    lot_id: UUID | None
    bin_id: UUID | None
    product_master_id: UUID | None
    location_id: UUID | None
    quantity: Decimal | None
    released: Decimal
    reason: str
    note: str | None
    expected_until: date | None
    actor: str | None
    created_at: datetime
    released_at: datetime | None
    version: int


class BrokenPromise(Answer, frozen=True, kw_only=True):
    """What was claimed of a line and is now held: it is among the exceptions until somebody has seen to it."""

    inventory_item_id: UUID
    product_master_id: UUID
    location_id: UUID
    reserved: Decimal
    short: Decimal


class HoldData(Answer, frozen=True, kw_only=True):
    """`linesAffected` have stock; `brokenPromises` are what the hold has taken from reservations."""

    data: HoldAnswer
    lines_affected: int
    quantity_held: Decimal
    broken_promises: Sequence[BrokenPromise]


class HoldList(Answer, frozen=True, kw_only=True):
    data: Sequence[HoldAnswer]
    next_cursor: str | None


class ExceptionItem(Answer, frozen=True, kw_only=True):
    """`toDo` says what to do next."""

    type: Trouble
    location_id: UUID
    product_master_id: UUID
    inventory_item_id: UUID | None
    document_id: UUID | None
    quantity: Decimal
    since: datetime | None
    to_do: str


class ExceptionList(Answer, frozen=True, kw_only=True):
    data: Sequence[ExceptionItem]
    next_cursor: str | None


class HoldController(Controller):
    path = "/api/inventory/holds"
    tags: Sequence[str] | None = ("Holds",)

    @route(
        "GET",
        "/",
        operation="listHolds",
        summary="List inventory holds",
        permissions=Permission.INVENTORY_READ,
        description="The newest first. Holds on lots lie everywhere: callers of some locations do not see them "
        "here, but their effect on stock.",
        query={"status": "ACTIVE", "limit": 10},
    )
    async def holds(
        self,
        *,
        act: NamedDependency[SkipValidation[Act]],
        hold_reads: NamedDependency[SkipValidation[HoldReads]],
        status: FromQuery[Annotated[HoldState | None, QueryParameter(name="status")]] = None,
        type_: FromQuery[Annotated[HoldType | None, QueryParameter(name="type")]] = None,
        location_id: FromQuery[LocationId] = None,
        product_master_id: FromQuery[ProductId] = None,
        lot_id: FromQuery[Annotated[UUID | None, QueryParameter(name="lotId")]] = None,
        inventory_item_id: FromQuery[Annotated[UUID | None, QueryParameter(name="inventoryItemId")]] = None,
        limit: FromQuery[Annotated[int, QueryParameter(name="limit", ge=1, le=LIMIT_MAX)]] = DEFAULT_LIMIT,
        cursor: FromQuery[Cursor] = None,
    ) -> Json[HoldList]:
        after = read_cursor(cursor, tuple[UUID])
        found = await hold_reads.holds(
            HoldsWanted(
                tenant_id=act.tenant_id,
                scope=act.scope,
                limit=limit + 1,
                state=status,
                type=type_,
                location_id=location_id,
                product_id=product_master_id,
                lot_id=lot_id,
                line_id=inventory_item_id,
                after=after[0] if after else None,
            )
        )
        more = write_cursor(found[limit - 1].id) if len(found) > limit else None
        return Json(HoldList(data=[_hold(one) for one in found[:limit]], next_cursor=more))

    @route(
        "POST",
        "/",
        operation="placeHold",
        summary="Create inventory hold",
        permissions=Permission.INVENTORY_WRITE,
        description="Several holds may lie on the same stock: what they block is their union.",
        errors=[Reason.NOT_FOUND, Reason.LOCATION_DENIED],
        status=HTTPStatus.CREATED,
        example={
            "type": "QUALITY",
            "inventoryItemId": "{inventoryItemId}",
            "quantity": 1,
            "reason": "Scratched",
        },
    )
    async def place(
        self,
        *,
        data: JSONBody[PlaceHold],
        act: NamedDependency[SkipValidation[Act]],
        begin_holds: NamedDependency[SkipValidation[BeginHolds]],
    ) -> Json[HoldData]:
        hold = NewHold(
            type=data.type,
            target=Target(
                line_id=data.inventory_item_id,
                lot_id=data.lot_id,
                bin_id=data.bin_id,
                product_id=data.product_master_id,
                location_id=data.location_id,
            ),
            quantity=data.quantity,
            reason=data.reason,
            note=data.note,
            expected_until=data.expected_until,
        )
        if data.location_id is not None:
            act.caller.require_location(act.permission, data.location_id)

        async def do(work: HoldWork) -> HoldData:
            return _changed(await place_hold(work, hold=hold))

        return await once(begin_holds, act, do, status=HTTPStatus.CREATED)

    @route(
        "POST",
        "/release",
        operation="releaseHold",
        summary="Release inventory hold",
        permissions=Permission.INVENTORY_WRITE,
        description="Once. What other holds cover stays held.",
        errors=[
            Reason.NOT_FOUND,
            Reason.LOCATION_DENIED,
            Reason.STALE_VERSION,
            Reason.INVALID_TRANSITION,
            Reason.QUANTITY_OUT_OF_RANGE,
        ],
        example={"holdId": "{holdId}"},
    )
    async def release(
        self,
        *,
        data: JSONBody[ReleaseHold],
        act: NamedDependency[SkipValidation[Act]],
        begin_holds: NamedDependency[SkipValidation[BeginHolds]],
    ) -> Json[HoldData]:
        if data.quantity is not None and data.quantity <= 0:
            raise FieldError(("quantity", "must be greater than zero"))

        async def do(work: HoldWork) -> HoldData:
            return _changed(
                await work.release(data.hold_id, quantity=data.quantity, version=data.expected_version)
            )

        return await once(begin_holds, act, do)


class ExceptionController(Controller):
    path = "/api/inventory/exceptions"
    tags: Sequence[str] | None = ("Holds",)

    @route(
        "GET",
        "/",
        operation="listExceptions",
        summary="List what needs attention",
        permissions=Permission.INVENTORY_READ,
        description="Shortages, claims on blocked stock, overdue supply and drift, in this order, each with what "
        "to do next. One disappears when its cause does.",
        query={"limit": 10},
    )
    async def exceptions(
        self,
        *,
        act: NamedDependency[SkipValidation[Act]],
        hold_reads: NamedDependency[SkipValidation[HoldReads]],
        type_: FromQuery[Annotated[Trouble | None, QueryParameter(name="type")]] = None,
        limit: FromQuery[Annotated[int, QueryParameter(name="limit", ge=1, le=LIMIT_MAX)]] = DEFAULT_LIMIT,
        cursor: FromQuery[Cursor] = None,
    ) -> Json[ExceptionList]:
        at = read_cursor(cursor, tuple[Trouble, str])
        order = list(NEXT_STEP) if type_ is None else [type_]
        if at is not None:
            if at[0] not in order:
                raise FieldError(("cursor", "belongs to other filters"))
            order = order[order.index(at[0]) :]
        found: list[Problem] = []
        for trouble in order:
            after = at[1] if at is not None and at[0] is trouble else None
            found += await hold_reads.problems(
                act.tenant_id, act.scope, trouble=trouble, limit=limit + 1 - len(found), after=after
            )
            if len(found) > limit:
                break
        more = write_cursor(found[limit - 1].trouble, found[limit - 1].key) if len(found) > limit else None
        return Json(ExceptionList(data=[_exception(one) for one in found[:limit]], next_cursor=more))


def _hold(one: HoldView) -> HoldAnswer:
    return HoldAnswer(
        id=one.id,
        type=one.type,
        scope=one.scope,
        state=one.state,
        inventory_item_id=one.line_id,
        lot_id=one.lot_id,
        bin_id=one.bin_id,
        product_master_id=one.product_id,
        location_id=one.location_id,
        quantity=None if one.quantity is None else plain(one.quantity),
        released=plain(one.released),
        reason=one.reason,
        note=one.note,
        expected_until=one.expected_until,
        actor=one.actor,
        created_at=one.created_at,
        released_at=one.released_at,
        version=one.version,
    )


def _changed(changed: Changed) -> HoldData:
    return HoldData(
        data=_hold(changed.hold),
        lines_affected=len(changed.lines),
        quantity_held=plain(sum((line.held for line in changed.lines), Decimal(0))),
        broken_promises=[
            BrokenPromise(
                inventory_item_id=line.line_id,
                product_master_id=line.product_id,
                location_id=line.location_id,
                reserved=plain(line.reserved),
                short=plain(line.newly_short),
            )
            for line in newly_short(changed.lines)
        ],
    )


def _exception(one: Problem) -> ExceptionItem:
    return ExceptionItem(
        type=one.trouble,
        location_id=one.location_id,
        product_master_id=one.product_id,
        inventory_item_id=one.line_id,
        document_id=one.document_id,
        quantity=plain(one.quantity),
        since=one.since,
        to_do=NEXT_STEP[one.trouble],
    )
