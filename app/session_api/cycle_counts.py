"""Cycle counts, from their making to the review of what was counted: `/api/inventory/cycle-count`."""

from collections.abc import Sequence
from datetime import date
from enum import StrEnum
from http import HTTPStatus
from typing import Annotated, Protocol
from uuid import UUID

import msgspec
from litestar import Controller
from litestar.di import NamedDependency
from litestar.params import FromHeader, FromPath, FromQuery, JSONBody, QueryParameter, SkipValidation
from msgspec import Meta

from app.http.acts import Begin, Work, once
from app.http.headers import MinPosition, at_position
from app.http.paging import pagination, read_cursor, write_cursor
from app.http.routes import route
from app.http.wire import Body, Json, Text64, Text2000, Version
from app.session_api.catalog import Cursor, PageAt
from app.session_api.cycle_count_answers import BatchChanged, BatchData, BatchList, listed, whole
from app.session_api.inventory import LocationId, mark_of, require_mark
from domain.access.model import Act, Permission
from domain.counting import batches, recording
from domain.counting.model import Action, Batch, Count, NewBatch, Sitting, State, Type, Waiver, Wanted
from domain.counting.ports import BatchesWanted, CountingWork, CountReader, LinesWanted
from domain.errors import FieldError, Reason, not_found
from domain.values import Quantity

DEFAULT_LIMIT, LIMIT_MAX = 50, 200
LINES_DEFAULT, LINES_MAX = 100, 500
COUNTS_MOST, ASSIGNEES_MOST, BINS_MOST, PRODUCTS_MOST = 500, 50, 1000, 5000

type Assignees = Annotated[tuple[UUID, ...], Meta(max_length=ASSIGNEES_MOST)]


class Step(StrEnum):
    """What is done to a batch here; its variances are resolved elsewhere."""

    ASSIGN = "assign"
    CANCEL = "cancel"
    COMPLETE = "complete"
    RECORD = "record"
    START = "start"
    WAIVE = "waive"


class CountingUnit(CountingWork, Work, Protocol):
    """The unit of work as the HTTP layer needs it, with idempotency."""


class CreateRequest(Body, frozen=True, kw_only=True):
    """FULL is the whole location; PARTIAL and SPOT (up to 200 positions, also empty ones) name what is counted."""

    location_id: UUID
    type: Type
    product_master_ids: Annotated[tuple[UUID, ...], Meta(max_length=PRODUCTS_MOST)] = ()
    bin_ids: Annotated[tuple[UUID, ...], Meta(max_length=BINS_MOST)] = ()
    category_id: UUID | None = None
    blind: bool
    freeze: bool = False
    scheduled_for: date | None = None
    assignee_ids: Assignees = ()
    note: Text2000 | None = None


class CountItem(Body, frozen=True, kw_only=True):
    """A line of the batch, or what was found in a bin; `countedQty` null is "not counted", which is not zero."""

    line_id: UUID | None = None
    bin_id: UUID | None = None
    product_master_id: UUID | None = None
    lot_number: Text64 | None = None
    expiry_date: date | None = None
    counted_qty: Quantity | None
    note: Text2000 | None = None


class WaiverItem(Body, frozen=True, kw_only=True):
    line_id: UUID
    reason: Text2000


class BatchAction(Body, frozen=True, kw_only=True):
    """`record` takes `counts`, `assign` takes `assigneeIds`; `record`, `waive` and `complete` take `waive`."""

    action: Step
    counts: Annotated[list[CountItem], Meta(min_length=1, max_length=COUNTS_MOST)] | None = None
    waive: Annotated[list[WaiverItem], Meta(min_length=1, max_length=COUNTS_MOST)] | None = None
    assignee_ids: Assignees | None = None
    comment: Text2000 | None = None
    expected_version: Version | None = None


class _Place(msgspec.Struct, frozen=True, array_like=True):
    """A cursor: where it goes on, in which list, and what was known then."""

    mark: int
    page: Annotated[int, Meta(ge=1, le=2**31)]
    total: Annotated[int, Meta(ge=0, le=2**53)]
    after: UUID


class _LinePlace(msgspec.Struct, frozen=True, array_like=True):
    batch_id: UUID
    page: Annotated[int, Meta(ge=1, le=2**31)]
    sequence: Annotated[int, Meta(ge=-(2**31), le=2**31 - 1)]
    after: UUID


class CycleCountController(Controller):
    path = "/api/inventory/cycle-count"
    tags: Sequence[str] | None = ("Cycle counts",)

    @route(
        "GET",
        "/",
        operation="listCycleCounts",
        summary="List cycle count batches",
        permissions=Permission.INVENTORY_CYCLECOUNT,
        description="The newest first. Who may not see stock, or counts a blind batch, is shown batches without "
        "any figure.",
        query={"locationId": "{locationId}", "limit": 20},
    )
    async def browse(
        self,
        *,
        act: NamedDependency[SkipValidation[Act]],
        count_reader: NamedDependency[SkipValidation[CountReader]],
        location_id: FromQuery[LocationId] = None,
        in_state: FromQuery[Annotated[State | None, QueryParameter(name="status")]] = None,
        assignee_id: FromQuery[Annotated[UUID | None, QueryParameter(name="assigneeId")]] = None,
        scheduled_until: FromQuery[Annotated[date | None, QueryParameter(name="scheduledUntil")]] = None,
        page: FromQuery[PageAt] = None,
        limit: FromQuery[Annotated[int, QueryParameter(name="limit", ge=1, le=LIMIT_MAX)]] = DEFAULT_LIMIT,
        cursor: FromQuery[Cursor] = None,
        x_min_ledger_position: FromHeader[MinPosition] = None,
    ) -> Json[BatchList]:
        wanted = BatchesWanted(
            tenant_id=act.tenant_id,
            scope=act.scope,
            limit=limit,
            state=in_state,
            location_id=location_id,
            assignee_id=assignee_id,
            scheduled_until=scheduled_until,
        )
        place = read_cursor(cursor, _Place)
        mark, number = mark_of(wanted), page or 1
        if place is not None:
            _require_one(page)
            require_mark(place.mark, wanted)
            wanted, number = msgspec.structs.replace(wanted, after=place.after), place.page
        else:
            wanted = msgspec.structs.replace(wanted, page=number)
        found = await count_reader.batches(wanted)
        total = found.total if found.total is not None else place.total if place else 0
        more = None if found.after is None else write_cursor(mark, number + 1, total, found.after)
        answer = BatchList(
            data=[listed(one, act.caller) for one in found.batches],
            pagination=pagination(page=number, limit=limit, total=total, next_cursor=more),
        )
        return at_position(answer, found.position, x_min_ledger_position)

    @route(
        "POST",
        "/",
        operation="createCycleCount",
        summary="Create cycle count batch",
        permissions=Permission.INVENTORY_CYCLECOUNT,
        description="In DRAFT, with its positions in walking order. What the books say of each is taken now and "
        "again at the start. A position is in one open batch at most.",
        errors=[Reason.NOT_FOUND, Reason.LOCATION_DENIED, Reason.DUPLICATE],
        example={
            "locationId": "{locationId}",
            "type": "PARTIAL",
            "productMasterIds": ["{countableProductId}"],
            "blind": True,
            "note": "Before the audit",
        },
        status=HTTPStatus.CREATED,
    )
    async def create(
        self,
        *,
        data: JSONBody[CreateRequest],
        act: NamedDependency[SkipValidation[Act]],
        begin_counting: NamedDependency[SkipValidation[Begin[CountingUnit]]],
    ) -> Json[BatchChanged]:
        wanted = NewBatch(
            location_id=data.location_id,
            type=data.type,
            wanted=Wanted(
                product_master_ids=data.product_master_ids,
                bin_ids=data.bin_ids,
                category_id=data.category_id,
            ),
            is_blind=data.blind,
            is_freezing=data.freeze,
            scheduled_for=data.scheduled_for,
            assignee_ids=data.assignee_ids,
            note=data.note,
        )

        async def do(work: CountingUnit) -> BatchChanged:
            batch = await batches.create(work, act=act, wanted=wanted)
            return await _changed(work, act, batch)

        return await once(begin_counting, act, do, status=HTTPStatus.CREATED)

    @route(
        "GET",
        "/{batch_id:uuid}",
        operation="getCycleCount",
        summary="Get cycle count batch details",
        permissions=Permission.INVENTORY_CYCLECOUNT,
        description="With a page of its lines, in walking order. Who counts a blind batch while it is counted, "
        "and who may not see stock, gets lines that have no expected quantity, whatever the query.",
        errors=[Reason.NOT_FOUND],
        query={"limit": 100},
    )
    async def read(
        self,
        *,
        batch_id: FromPath[UUID],
        act: NamedDependency[SkipValidation[Act]],
        count_reader: NamedDependency[SkipValidation[CountReader]],
        page: FromQuery[PageAt] = None,
        limit: FromQuery[Annotated[int, QueryParameter(name="limit", ge=1, le=LINES_MAX)]] = LINES_DEFAULT,
        cursor: FromQuery[Cursor] = None,
        x_min_ledger_position: FromHeader[MinPosition] = None,
    ) -> Json[BatchData]:
        wanted = LinesWanted(tenant_id=act.tenant_id, scope=act.scope, batch_id=batch_id, limit=limit)
        place, number = read_cursor(cursor, _LinePlace), page or 1
        if place is None:
            wanted = msgspec.structs.replace(wanted, page=number)
        else:
            _require_one(page)
            if place.batch_id != batch_id:
                raise FieldError(("cursor", "belongs to another batch"))
            number = place.page
            wanted = msgspec.structs.replace(wanted, after=(place.sequence, place.after))
        found = await count_reader.batch(wanted)
        if found is None:
            raise not_found("cycle count")
        more = None if found.after is None else write_cursor(batch_id, number + 1, *found.after)
        answer = BatchData(
            data=whole(found.batch, found.lines, act.caller),
            pagination=pagination(page=number, limit=limit, total=found.batch.batch.line_count, next_cursor=more),
        )
        return at_position(answer, found.position, x_min_ledger_position)

    @route(
        "POST",
        "/{batch_id:uuid}",
        operation="actOnCycleCount",
        summary="Update cycle count batch",
        permissions=Permission.INVENTORY_CYCLECOUNT,
        description="`start`, `record` counts in as many sittings as it takes, `waive` lines, `complete` when "
        "every line is counted or waived, `cancel`, `assign`. The moment of a count is when it is recorded: "
        "expected is the balance at that moment, so stock may move while a batch is counted. Where people are "
        "assigned, they alone count. Null takes a count back; it is not zero.",
        errors=[
            Reason.NOT_FOUND,
            Reason.LOCATION_DENIED,
            Reason.DUPLICATE,
            Reason.INVALID_TRANSITION,
            Reason.POSITION_FROZEN,
            Reason.SELF_APPROVAL,
            Reason.STALE_VERSION,
        ],
        example={"action": "assign", "assigneeIds": ["{userId}"], "comment": "The night shift"},
    )
    async def act_on(
        self,
        *,
        batch_id: FromPath[UUID],
        data: JSONBody[BatchAction],
        act: NamedDependency[SkipValidation[Act]],
        begin_counting: NamedDependency[SkipValidation[Begin[CountingUnit]]],
    ) -> Json[BatchChanged]:
        sitting = _meant(data)

        async def do(work: CountingUnit) -> BatchChanged:
            if data.action in {Step.RECORD, Step.WAIVE}:
                done = await recording.record(
                    work,
                    act=act,
                    batch_id=batch_id,
                    sitting=sitting,
                    expected_version=data.expected_version,
                    action=Action(data.action),
                    comment=data.comment,
                )
                return await _changed(work, act, done.batch, done.line_ids)
            return await _changed(work, act, await _moved(work, act, batch_id, data, sitting))

        return await once(begin_counting, act, do)


async def _moved(work: CountingUnit, act: Act, batch_id: UUID, data: BatchAction, sitting: Sitting) -> Batch:
    version, comment = data.expected_version, data.comment
    match Action(data.action):
        case Action.START:
            return await batches.start(work, act=act, batch_id=batch_id, expected_version=version, comment=comment)
        case Action.COMPLETE:
            return await batches.complete(
                work, act=act, batch_id=batch_id, expected_version=version, sitting=sitting, comment=comment
            )
        case Action.CANCEL:
            return await batches.cancel(
                work, act=act, batch_id=batch_id, expected_version=version, comment=comment
            )
        case _:
            return await batches.assign(
                work,
                act=act,
                batch_id=batch_id,
                assignee_ids=data.assignee_ids or (),
                expected_version=version,
                comment=comment,
            )


async def _changed(work: CountingUnit, act: Act, batch: Batch, line_ids: Sequence[UUID] = ()) -> BatchChanged:
    view = await work.batch_view(batch.id)
    lines = await work.line_views(batch.id, line_ids) if line_ids else []
    return BatchChanged(data=whole(view, lines, act.caller))


def _meant(data: BatchAction) -> Sitting:
    """What was counted and waived, if the fields go with the action."""
    problems = []
    action = Action(data.action)
    if (data.counts is not None) and action is not Action.RECORD:
        problems.append(("counts", "goes with record"))
    if data.waive is not None and action not in {Action.RECORD, Action.WAIVE, Action.COMPLETE}:
        problems.append(("waive", "goes with record, waive and complete"))
    if (data.assignee_ids is not None) != (action is Action.ASSIGN):
        problems.append(("assigneeIds", "goes with assign, and assign needs it"))
    if action is Action.RECORD and data.counts is None and data.waive is None:
        problems.append(("counts", "is required to record"))
    if action is Action.WAIVE and data.waive is None:
        problems.append(("waive", "is required to waive"))
    for n, one in enumerate(data.counts or ()):
        problems += [(f"counts[{n}].{name}", message) for name, message in _item_problems(one)]
    if problems:
        raise FieldError(*problems)
    return Sitting(
        counts=[
            Count(
                line_id=one.line_id,
                bin_id=one.bin_id,
                product_id=one.product_master_id,
                lot_number=one.lot_number,
                expires_on=one.expiry_date,
                quantity=one.counted_qty,
                note=one.note,
            )
            for one in data.counts or ()
        ],
        waivers=[Waiver(line_id=one.line_id, reason=one.reason) for one in data.waive or ()],
    )


def _item_problems(one: CountItem) -> list[tuple[str, str]]:
    problems = []
    if one.counted_qty is not None and one.counted_qty < 0:
        problems.append(("countedQty", "must not be negative"))
    if one.line_id is not None:
        named = {"binId": one.bin_id, "productMasterId": one.product_master_id, "lotNumber": one.lot_number}
        problems += [(name, "goes without lineId") for name, value in named.items() if value is not None]
    else:
        named = {"binId": one.bin_id, "productMasterId": one.product_master_id}
        problems += [(name, "is required without lineId") for name, value in named.items() if value is None]
    if one.expiry_date is not None and one.lot_number is None:
        problems.append(("expiryDate", "goes with lotNumber"))
    return problems


def _require_one(page: int | None) -> None:
    if page is not None:
        raise FieldError(("cursor", "stands in place of page: send one of them"))
