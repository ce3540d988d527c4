"""Check what can be promised, and reserve it: `…/availability/check` and `/api/inventory/reservations`."""

from collections.abc import Sequence
from datetime import date
from enum import StrEnum
from typing import Annotated
from uuid import UUID

import msgspec
from litestar import Controller
from litestar.di import NamedDependency
from litestar.params import FromHeader, FromPath, FromQuery, JSONBody, QueryParameter, SkipValidation
from msgspec import Meta

from app.http.acts import once
from app.http.headers import MinPosition, at_position
from app.http.paging import read_cursor, write_cursor
from app.http.routes import route
from app.http.wire import Answer, Body, Json, Text64, Text200, Text2000, Version
from app.session_api.catalog import Cursor
from app.session_api.inventory import LocationId, ProductId
from app.session_api.promised import CheckedItem, ReservationAnswer, answer_of, checked_item
from app.session_api.wanted_items import LIFE_DAYS_MAX, ItemRequest, Items, items_of
from domain.access.model import Act, Permission
from domain.availability import service
from domain.availability.ports import (
    Availability,
    BeginClaims,
    ClaimWork,
    ReservationsWanted,
    State,
    Wish,
)
from domain.availability.service import Wanted
from domain.errors import FieldError, Reason, not_found
from domain.values import Quantity

HORIZON_DAYS = 90
TTL_SHORTEST, TTL_DEFAULT, TTL_LONGEST = 10, 15 * 60, 30 * 24 * 3600
DEFAULT_LIMIT, LIMIT_MAX = 50, 200

type Ttl = Annotated[int, Meta(ge=TTL_SHORTEST, le=TTL_LONGEST)]


class CheckRequest(Body, frozen=True, kw_only=True):
    """Up to 100 items; equal ones are summed before they are checked. One alone may stand without `items`."""

    product_master_id: UUID | None = None
    sku: Text64 | None = None
    location_id: UUID | None = None
    channel_id: UUID | None = None
    quantity_needed: Quantity | None = None
    needed_by: date | None = None
    min_remaining_shelf_life_days: Annotated[int, Meta(ge=0, le=LIFE_DAYS_MAX)] = 0
    respect_fefo: bool = msgspec.field(default=True, name="respectFEFO")
    items: Items | None = None


class CheckAnswer(Answer, frozen=True, kw_only=True):
    items: Sequence[CheckedItem]


class ReserveRequest(Body, frozen=True, kw_only=True):
    """Hold what a check of the same items shows. All of it or nothing, unless `allOrNothing` is false."""

    items: Items
    external_ref: Text200 | None = None
    ttl_seconds: Ttl = TTL_DEFAULT
    all_or_nothing: bool = True


class Action(StrEnum):
    CONVERT = "convert"
    EXTEND = "extend"
    RELEASE = "release"


class Target(StrEnum):
    ALLOCATION = "ALLOCATION"
    ISSUE = "ISSUE"


class ActionRequest(Body, frozen=True, kw_only=True):
    """`extend` takes `ttlSeconds` (from now); `release` takes `quantity` for a part.

    `convert` makes a soft reservation an allocation with an id of its own (`to` ALLOCATION), or takes the stock
    off the shelf (`to` ISSUE, all that an allocation can become); what is beyond `quantity` is given back.
    """

    action: Action
    to: Target | None = None
    quantity: Quantity | None = None
    ttl_seconds: Ttl | None = None
    expected_version: Version | None = None
    comment: Text2000 | None = None


class ReservationData(Answer, frozen=True, kw_only=True):
    """With the `transactionId` of what was issued, if something was."""

    data: ReservationAnswer
    transaction_id: UUID | None = None


class ReservationsMade(Answer, frozen=True, kw_only=True):
    """One for each product and location; together they have the `groupId`."""

    data: Sequence[ReservationAnswer]


class ReservationList(Answer, frozen=True, kw_only=True):
    data: Sequence[ReservationAnswer]
    next_cursor: str | None


class CheckController(Controller):
    path = "/api/inventory/availability"
    tags: Sequence[str] | None = ("Availability",)

    @route(
        "POST",
        "/check",
        operation="checkAvailability",
        summary="Check availability",
        permissions=Permission.INVENTORY_READ,
        description="What a reservation of these items would get, with the terms behind it and the lines it would "
        "stand on; nothing is reserved. `earliestDate` counts on confirmed supply.",
        errors=[Reason.NOT_FOUND],
        example={
            "items": [
                {"productMasterId": "{productMasterId}", "locationId": "{locationId}", "quantityNeeded": 2},
            ]
        },
    )
    async def check(
        self,
        *,
        data: JSONBody[CheckRequest],
        act: NamedDependency[SkipValidation[Act]],
        availability: NamedDependency[SkipValidation[Availability]],
        x_min_ledger_position: FromHeader[MinPosition] = None,
    ) -> Json[CheckAnswer]:
        position, checked = await service.check(
            availability,
            act=act,
            items=items_of(_asked(data)),
            horizon_days=HORIZON_DAYS,
        )
        return at_position(
            CheckAnswer(items=[checked_item(one) for one in checked]), position, x_min_ledger_position
        )


class ReservationController(Controller):
    path = "/api/inventory/reservations"
    tags: Sequence[str] | None = ("Availability",)

    @route(
        "POST",
        "/",
        operation="reserveInventory",
        summary="Reserve stock",
        permissions=Permission.INVENTORY_WRITE,
        description="Check and hold in one step, by the function that the check and the matrix show.",
        errors=[Reason.NOT_FOUND, Reason.INSUFFICIENT_STOCK, Reason.LOCATION_DENIED],
        example={
            "items": [
                {"productMasterId": "{productMasterId}", "locationId": "{locationId}", "quantityNeeded": 1},
            ],
            "externalRef": "CART-1",
            "ttlSeconds": 900,
        },
    )
    async def reserve(
        self,
        *,
        data: JSONBody[ReserveRequest],
        act: NamedDependency[SkipValidation[Act]],
        availability: NamedDependency[SkipValidation[Availability]],
        begin_claims: NamedDependency[SkipValidation[BeginClaims]],
    ) -> Json[ReservationsMade]:
        items = items_of(data.items)
        wanted = Wanted(
            items=items,
            ttl_seconds=data.ttl_seconds,
            all_or_nothing=data.all_or_nothing,
            external_ref=data.external_ref,
        )
        needs, places = await service.asked(availability, act=act, items=items)

        async def do(work: ClaimWork) -> ReservationsMade:
            made = await service.reserve(work, needs=needs, places=places, wanted=wanted)
            return ReservationsMade(data=[answer_of(one) for one in made])

        return await once(begin_claims, act, do)

    @route(
        "GET",
        "/",
        operation="listReservations",
        summary="List reservations",
        permissions=Permission.INVENTORY_READ,
        description="The newest first.",
        query={"locationId": "{locationId}", "limit": 10},
    )
    async def reservations(
        self,
        *,
        act: NamedDependency[SkipValidation[Act]],
        availability: NamedDependency[SkipValidation[Availability]],
        location_id: FromQuery[LocationId] = None,
        product_master_id: FromQuery[ProductId] = None,
        channel_id: FromQuery[Annotated[UUID | None, QueryParameter(name="channelId")]] = None,
        external_ref: FromQuery[Annotated[str | None, QueryParameter(name="externalRef", max_length=200)]] = None,
        status: FromQuery[Annotated[State | None, QueryParameter(name="status")]] = None,
        limit: FromQuery[Annotated[int, QueryParameter(name="limit", ge=1, le=LIMIT_MAX)]] = DEFAULT_LIMIT,
        cursor: FromQuery[Cursor] = None,
    ) -> Json[ReservationList]:
        after = read_cursor(cursor, tuple[UUID])
        found = await availability.reservations(
            ReservationsWanted(
                tenant_id=act.tenant_id,
                scope=act.scope,
                limit=limit + 1,
                location_id=location_id,
                product_id=product_master_id,
                channel_id=channel_id,
                external_ref=external_ref,
                state=status,
                after=after[0] if after else None,
            )
        )
        shown = found[:limit]
        more = write_cursor(shown[-1].id) if len(found) > limit else None
        return Json(ReservationList(data=[answer_of(one) for one in shown], next_cursor=more))

    @route(
        "GET",
        "/{reservation_id:uuid}",
        operation="getReservation",
        summary="Get a reservation",
        permissions=Permission.INVENTORY_READ,
        errors=[Reason.NOT_FOUND],
    )
    async def reservation(
        self,
        *,
        reservation_id: FromPath[UUID],
        act: NamedDependency[SkipValidation[Act]],
        availability: NamedDependency[SkipValidation[Availability]],
    ) -> Json[ReservationData]:
        found = await availability.reservation(act.tenant_id, reservation_id, act.scope)
        if found is None:
            raise not_found("reservation")
        return Json(ReservationData(data=answer_of(found)))

    @route(
        "POST",
        "/{reservation_id:uuid}",
        operation="actOnReservation",
        summary="Extend, release or convert a reservation",
        permissions=Permission.INVENTORY_WRITE,
        description="Each is resolved exactly once, whoever races; one that has run out by the clock is not "
        "extended. An expired or resolved one is 409 with its state.",
        errors=[
            Reason.NOT_FOUND,
            Reason.LOCATION_DENIED,
            Reason.STALE_VERSION,
            Reason.IN_USE,
            Reason.INVALID_TRANSITION,
            Reason.INSUFFICIENT_STOCK,
        ],
        example={"action": "extend", "ttlSeconds": 1800},
    )
    async def act_on(
        self,
        *,
        reservation_id: FromPath[UUID],
        data: JSONBody[ActionRequest],
        act: NamedDependency[SkipValidation[Act]],
        begin_claims: NamedDependency[SkipValidation[BeginClaims]],
    ) -> Json[ReservationData]:
        _require_meaning(data)
        wish = Wish(
            id=reservation_id,
            action="",
            quantity=data.quantity,
            expected_version=data.expected_version,
        )

        async def do(work: ClaimWork) -> ReservationData:
            match data.action:
                case Action.EXTEND:
                    assert data.ttl_seconds is not None
                    found = await service.extend(
                        work, id_=reservation_id, ttl_seconds=data.ttl_seconds, version=data.expected_version
                    )
                case Action.RELEASE:
                    found = await service.release(
                        work, id_=reservation_id, quantity=data.quantity, version=data.expected_version
                    )
                case Action.CONVERT if data.to is Target.ISSUE:
                    found, posted = await service.consume(work, act=act, wish=wish, comment=data.comment)
                    return ReservationData(data=answer_of(found), transaction_id=posted.posting_id)
                case _:
                    found = await service.allocate(work, wish=wish)
            return ReservationData(data=answer_of(found))

        return await once(begin_claims, act, do)


def _asked(data: CheckRequest) -> Sequence[ItemRequest]:
    alone = {name: getattr(data, name) for name in data.__struct_fields__ if name != "items"}
    if data.items is not None:
        if data != CheckRequest(items=data.items):
            raise FieldError(("items", "send one item, or items"))
        return data.items
    if data.quantity_needed is None:
        raise FieldError(("quantityNeeded", "is required"))
    return [ItemRequest(**alone)]


def _require_meaning(data: ActionRequest) -> None:
    problems = []
    if (data.action is Action.EXTEND) != (data.ttl_seconds is not None):
        problems.append(("ttlSeconds", "goes with extend, and extend needs it"))
    if data.to is not None and data.action is not Action.CONVERT:
        problems.append(("to", "goes with convert"))
    if data.quantity is not None and data.action is Action.EXTEND:
        problems.append(("quantity", "goes with release and convert"))
    if data.quantity is not None and data.quantity <= 0:
        problems.append(("quantity", "must be greater than zero"))
    if data.comment is not None and data.to is not Target.ISSUE:
        problems.append(("comment", "goes with an issue"))
    if problems:
        raise FieldError(*problems)
