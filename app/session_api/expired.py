"""Stock that is past its expiry, and what becomes of it: `/api/inventory/expired`."""

from collections.abc import Collection, Sequence
from decimal import Decimal
from typing import Annotated, Protocol
from uuid import UUID

import msgspec
from litestar import Controller
from litestar.di import NamedDependency
from litestar.params import FromHeader, FromQuery, JSONBody, QueryParameter, SkipValidation
from msgspec import Meta

from app.http.acts import Begin, Work, once
from app.http.headers import MinPosition, at_position
from app.http.paging import read_cursor, write_cursor
from app.http.routes import route
from app.http.wire import Answer, Body, Json, Text2000
from app.session_api.adjustments import ITEMS_MAX
from app.session_api.inventory import LocationId, ProductId, mark_of, require_mark
from app.session_api.recorded import TransactionAnswer, positioned, transaction_fields
from domain.access.model import Act, Permission
from domain.errors import FieldError, Reason
from domain.expiry.destruction import Destruction, DestructionWork
from domain.expiry.disposal import Disposed, Marked, Shortage, Wish, consume_expired, mark_expired
from domain.expiry.putting_aside import plan_destruction
from domain.expiry.reading import ExpiredAfter, ExpiredLine, ExpiredReader, ExpiredTotals, ExpiredWanted
from domain.ledger.places import Place
from domain.values import Quantity

DEFAULT_LIMIT, LIMIT_MAX = 50, 200
WITHIN_DAYS_MAX = 36_500


class ExpiredLineRequest(Body, frozen=True, kw_only=True):
    """All of a stock line, or `quantity` of it."""

    inventory_item_id: UUID
    quantity: Quantity | None = None
    note: Text2000 | None = None


type Lines = Annotated[list[ExpiredLineRequest], Meta(min_length=1, max_length=ITEMS_MAX)]


class MarkExpiredRequest(Body, frozen=True, kw_only=True):
    lines: Lines


class MarkConsumedRequest(Body, frozen=True, kw_only=True):
    lines: Lines
    comment: Text2000 | None = None


class TransferDestructionRequest(Body, frozen=True, kw_only=True):
    """Lines of one location, put aside in `targetBinId`, or at `targetLocationId`, which is for destruction.

    Where neither is named, in the location's quarantine bin.
    """

    lines: Lines
    target_bin_id: UUID | None = None
    target_location_id: UUID | None = None
    note: Text2000 | None = None


class ShortageAnswer(Answer, frozen=True, kw_only=True):
    """What is reserved of a line beyond what it can give now."""

    inventory_item_id: UUID
    qty_reserved: Decimal
    qty_available: Decimal
    shortage: Decimal


class TotalsAnswer(Answer, frozen=True, kw_only=True):
    lines: int
    quantity: Decimal
    value: Decimal


class ExpiredContinuation(Answer, frozen=True, kw_only=True):
    limit: int
    total: int
    next_cursor: str | None


class ExpiredList(Answer, frozen=True, kw_only=True):
    """`totals` are of the whole list."""

    data: Sequence[ExpiredLine]
    totals: TotalsAnswer
    pagination: ExpiredContinuation


class MarkedLine(Answer, frozen=True, kw_only=True):
    """`qtyMarked` is what is marked of it; `marked` says whether this request has marked any of it."""

    inventory_item_id: UUID
    qty_on_hand: Decimal
    qty_marked: Decimal
    marked: bool


class MarkedExpired(Answer, frozen=True, kw_only=True):
    ledger_position: int
    lines: Sequence[MarkedLine]
    shortages: Sequence[ShortageAnswer]


class MarkedExpiredData(Answer, frozen=True, kw_only=True):
    data: MarkedExpired


class ConsumedExpired(TransactionAnswer, frozen=True, kw_only=True):
    shortages: Sequence[ShortageAnswer]


class ConsumedExpiredData(Answer, frozen=True, kw_only=True):
    data: ConsumedExpired


class PlannedDestruction(Answer, frozen=True, kw_only=True):
    ledger_position: int
    destruction: Destruction
    shortages: Sequence[ShortageAnswer]


class PlannedDestructionData(Answer, frozen=True, kw_only=True):
    data: PlannedDestruction


class DisposalUnit(DestructionWork, Work, Protocol):
    """What becomes of expired stock in one transaction, with its answer kept beside it."""


class _At(msgspec.Struct, frozen=True, array_like=True):
    """A cursor: in which list, the last line shown, and the totals that were known then."""

    mark: int
    after: ExpiredAfter
    totals: ExpiredTotals


class ExpiredController(Controller):
    path = "/api/inventory/expired"
    tags: Sequence[str] | None = ("Expiry and lot control",)

    @route(
        "GET",
        "/",
        operation="listExpired",
        summary="List expired inventory",
        permissions=Permission.INVENTORY_READ,
        description="Stock lines whose lot is past its expiry by the date at their location, the longest expired "
        "first: stock is good through its expiry day. With `withinDays` those too that expire within so many "
        "days; 0 adds those whose last day is today.",
        query={"limit": 20},
    )
    async def browse(
        self,
        *,
        act: NamedDependency[SkipValidation[Act]],
        expired_stock: NamedDependency[SkipValidation[ExpiredReader]],
        within_days: FromQuery[
            Annotated[int | None, QueryParameter(name="withinDays", ge=0, le=WITHIN_DAYS_MAX)]
        ] = None,
        location_id: FromQuery[LocationId] = None,
        product_master_id: FromQuery[ProductId] = None,
        limit: FromQuery[Annotated[int, QueryParameter(name="limit", ge=1, le=LIMIT_MAX)]] = DEFAULT_LIMIT,
        cursor: FromQuery[
            Annotated[
                str | None,
                QueryParameter(name="cursor", description="`pagination.nextCursor` of the part before."),
            ]
        ] = None,
        x_min_ledger_position: FromHeader[MinPosition] = None,
    ) -> Json[ExpiredList]:
        wanted = ExpiredWanted(
            tenant_id=act.tenant_id,
            scope=act.scope,
            limit=limit,
            within_days=within_days,
            location_id=location_id,
            product_id=product_master_id,
        )
        at = read_cursor(cursor, _At)
        if at is not None:
            require_mark(at.mark, wanted)
            wanted = msgspec.structs.replace(wanted, after=at.after)
        found = await expired_stock.expired(wanted)
        totals = at.totals if at is not None else found.totals
        assert totals is not None
        after = None if found.after is None else write_cursor(mark_of(wanted), found.after, totals)
        answer = ExpiredList(
            data=found.rows,
            totals=TotalsAnswer(lines=totals.lines, quantity=totals.quantity, value=totals.value),
            pagination=ExpiredContinuation(limit=limit, total=totals.lines, next_cursor=after),
        )
        return at_position(answer, found.position, x_min_ledger_position)

    @route(
        "POST",
        "/mark-expired",
        operation="markExpired",
        summary="Mark inventory as expired",
        permissions=Permission.INVENTORY_WRITE,
        description="Takes expired stock out of availability where it stands, whatever becomes of its date: a "
        "hold (type QUARANTINE, reason EXPIRED) is put on the line, and can be released like any other. What is "
        "marked already stays as it is. What is reserved of it and cannot be given any more is told.",
        errors=[Reason.NOT_FOUND, Reason.NOT_EXPIRED, Reason.INSUFFICIENT_STOCK, Reason.LOCATION_DENIED],
        example={"lines": [{"inventoryItemId": "{expiredInventoryItemId}", "note": "Found on the shelf"}]},
    )
    async def mark(
        self,
        *,
        data: JSONBody[MarkExpiredRequest],
        act: NamedDependency[SkipValidation[Act]],
        begin_disposal: NamedDependency[SkipValidation[Begin[DisposalUnit]]],
    ) -> Json[MarkedExpiredData]:
        wishes = _wishes(data.lines)

        async def do(work: DisposalUnit) -> MarkedExpiredData:
            marked = await mark_expired(work, act=act, wishes=wishes)
            answer = MarkedExpired(
                ledger_position=await work.position(),
                lines=[_marked(one) for one in marked],
                shortages=_shortages([one.shortage for one in marked if one.shortage is not None]),
            )
            return MarkedExpiredData(data=answer)

        return positioned(await once(begin_disposal, act, do))

    @route(
        "POST",
        "/mark-consumed",
        operation="markExpiredConsumed",
        summary="Mark expired inventory as consumed",
        permissions=Permission.INVENTORY_WRITE,
        description="Takes expired stock off the books because it was used after all. Reservations do not keep "
        "it: what is short then is told. What is held for another reason is kept.",
        errors=[
            Reason.NOT_FOUND,
            Reason.NOT_EXPIRED,
            Reason.INSUFFICIENT_STOCK,
            Reason.LOCATION_DENIED,
        ],
        example={
            "lines": [{"inventoryItemId": "{expiredInventoryItemId}", "quantity": 1}],
            "comment": "Staff meal",
        },
    )
    async def consume(
        self,
        *,
        data: JSONBody[MarkConsumedRequest],
        act: NamedDependency[SkipValidation[Act]],
        begin_disposal: NamedDependency[SkipValidation[Begin[DisposalUnit]]],
    ) -> Json[ConsumedExpiredData]:
        wishes = _wishes(data.lines)

        async def do(work: DisposalUnit) -> ConsumedExpiredData:
            disposed = await consume_expired(work, act=act, wishes=wishes, comment=data.comment)
            fields = transaction_fields(disposed.posted, _places(disposed))
            return ConsumedExpiredData(data=ConsumedExpired(**fields, shortages=_shortages(disposed.shortages)))

        return positioned(await once(begin_disposal, act, do))

    @route(
        "POST",
        "/transfer-destruction",
        operation="transferForDestruction",
        summary="Transfer expired inventory for destruction",
        permissions=Permission.INVENTORY_WRITE,
        description="Puts expired stock of one location aside, in one transaction that adds up to zero, and makes "
        "a destruction that is PENDING until it is decided (`POST /api/inventory/destructions/{id}`).",
        errors=[
            Reason.NOT_FOUND,
            Reason.NOT_EXPIRED,
            Reason.INSUFFICIENT_STOCK,
            Reason.INACTIVE,
            Reason.LOCATION_DENIED,
        ],
        example={
            "lines": [{"inventoryItemId": "{expiredInventoryItemId}", "quantity": 1}],
            "targetBinId": "{quarantineBinId}",
            "note": "Past its date",
        },
    )
    async def transfer(
        self,
        *,
        data: JSONBody[TransferDestructionRequest],
        act: NamedDependency[SkipValidation[Act]],
        begin_disposal: NamedDependency[SkipValidation[Begin[DisposalUnit]]],
    ) -> Json[PlannedDestructionData]:
        wishes = _wishes(data.lines)

        async def do(work: DisposalUnit) -> PlannedDestructionData:
            planned = await plan_destruction(
                work,
                act=act,
                wishes=wishes,
                target_bin_id=data.target_bin_id,
                target_location_id=data.target_location_id,
                note=data.note,
            )
            answer = PlannedDestruction(
                ledger_position=planned.disposed.posted.position,
                destruction=planned.destruction,
                shortages=_shortages(planned.disposed.shortages),
            )
            return PlannedDestructionData(data=answer)

        return positioned(await once(begin_disposal, act, do))


def _wishes(lines: Sequence[ExpiredLineRequest]) -> list[Wish]:
    problems = [
        (f"lines[{n}].quantity", "must be greater than zero")
        for n, line in enumerate(lines)
        if line.quantity is not None and line.quantity <= 0
    ]
    if problems:
        raise FieldError(*problems)
    return [Wish(line_id=line.inventory_item_id, quantity=line.quantity, note=line.note) for line in lines]


def _marked(one: Marked) -> MarkedLine:
    return MarkedLine(
        inventory_item_id=one.stock.line_id,
        qty_on_hand=one.stock.on_hand,
        qty_marked=one.quantity,
        marked=one.is_new,
    )


def _shortages(found: Collection[Shortage]) -> list[ShortageAnswer]:
    return [
        ShortageAnswer(
            inventory_item_id=one.line_id,
            qty_reserved=one.reserved,
            qty_available=one.available,
            shortage=one.shortage,
        )
        for one in found
    ]


def _places(disposed: Disposed) -> dict[UUID, Place]:
    return {line_id: one.place for line_id, one in disposed.stock.items()}
