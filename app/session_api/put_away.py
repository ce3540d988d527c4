"""From the receiving bins to the shelves: `/api/inventory/put-away`."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Annotated, Literal, Protocol
from uuid import UUID

from litestar import Controller
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter, SkipValidation
from msgspec import UNSET

from app.http.acts import Begin, Work, once
from app.http.routes import route
from app.http.wire import Json
from app.session_api.catalog import DEFAULT_LIMIT, Cursor, Limit, PageAt, asked, listed
from app.session_api.inventory import LocationId, ProductId
from app.session_api.put_away_answers import (
    ChangedPutAwayData,
    ChangePutAway,
    CreatedPutAwayData,
    CreatePutAway,
    PutAwayReadyList,
    PutAwayTaskList,
    WholePutAwayData,
    changed_answer,
    created_answer,
    task_answer,
    whole_answer,
    with_position,
)
from domain.access.model import Act, Permission
from domain.catalog.rules import path_of
from domain.catalog.views import Page
from domain.errors import FieldError, Reason, not_found
from domain.put_away.creating import create_tasks
from domain.put_away.model import Action, State
from domain.put_away.ports import NewTasks, PutAwayReads, PutAwayWork, ReadyFilter, TaskFilter
from domain.put_away.service import (
    Changed,
    assign_task,
    cancel_task,
    complete_task,
    split_task,
    start_task,
)
from domain.stock_requests.ports import Followups

type Sort = Literal["createdAt", "-createdAt"]
# Plain, as the framework does not look into `type` aliases of parameters.
Status = Literal["READY", "OPEN", "PENDING", "IN_PROGRESS", "COMPLETED", "CANCELED"]
BinId = Annotated[UUID | None, QueryParameter(name="binId", description="It comes from there, or goes there.")]
USED: Mapping[Action, Sequence[str]] = {
    Action.START: (),
    Action.ASSIGN: ("assignee_id",),
    Action.COMPLETE: ("to_bin_id", "quantity", "override_reason", "close_rest"),
    Action.SPLIT: ("to_bin_id", "quantity", "override_reason"),
    Action.CANCEL: ("comment",),
}
"""What of a request has a meaning for which action."""
NEEDED = {Action.ASSIGN: "assignee_id", Action.SPLIT: "quantity"}
MOVING = [
    Reason.NOT_FOUND,
    Reason.LOCATION_DENIED,
    Reason.INSUFFICIENT_STOCK,
    Reason.BIN_UNFIT,
    Reason.POSITION_FROZEN,
    Reason.INACTIVE,
    Reason.COUNTED_SINCE,
    Reason.QUANTITY_OUT_OF_RANGE,
]


class PutAwayUnit(PutAwayWork, Work, Protocol):
    """The unit of work as the HTTP layer needs it, with idempotency."""


type BeginPutAway = Begin[PutAwayUnit]


class PutAwayController(Controller):
    path = "/api/inventory/put-away"
    tags: Sequence[str] | None = ("Put-away",)

    @route(
        "GET",
        "/",
        operation="listPutAway",
        summary="List put-away tasks",
        permissions=Permission.INVENTORY_READ,
        description="The oldest first. `status=READY` lists what waits in receiving bins and is on no task, with "
        "where it should go and why; it takes locationId, binId and productMasterId. OPEN: PENDING, IN_PROGRESS.",
        query={"status": "READY", "locationId": "{locationId}", "limit": 10},
    )
    async def browse(
        self,
        *,
        act: NamedDependency[SkipValidation[Act]],
        put_away_reads: NamedDependency[SkipValidation[PutAwayReads]],
        status: FromQuery[Status | None] = None,
        location_id: FromQuery[LocationId] = None,
        bin_id: FromQuery[BinId] = None,
        product_master_id: FromQuery[ProductId] = None,
        assignee_id: FromQuery[Annotated[UUID | None, QueryParameter(name="assigneeId")]] = None,
        sort: FromQuery[Sort] = "createdAt",
        page: PageAt = None,
        limit: Limit = DEFAULT_LIMIT,
        cursor: Cursor = None,
    ) -> Json[PutAwayTaskList | PutAwayReadyList]:
        wanted = asked(sort=sort, page=page, limit=limit, cursor=cursor)
        if status == "READY":
            if assignee_id is not None:
                raise FieldError(("assigneeId", "has no meaning for what is on no task yet"))
            if sort != "createdAt":
                raise FieldError(("sort", "must be createdAt for READY"))
            waiting = ReadyFilter(location_id=location_id, bin_id=bin_id, product_id=product_master_id)
            ready = await put_away_reads.ready(act.tenant_id, waiting, wanted.window, scope=act.scope)
            return Json(listed(PutAwayReadyList, wanted, ready))
        filters = TaskFilter(
            state=None if status is None or status == "OPEN" else State(status),
            is_open=True if status == "OPEN" else None,
            location_id=location_id,
            bin_id=bin_id,
            product_id=product_master_id,
            assignee_id=assignee_id,
        )
        found = await put_away_reads.tasks.page(act.tenant_id, filters, wanted.window, scope=act.scope)
        items = [task_answer(view, act.caller) for view in found.items]
        tasks = Page(items=items, total=found.total, next_after=found.next_after)
        return Json(listed(PutAwayTaskList, wanted, tasks))

    @route(
        "GET",
        "/{put_away_id:uuid}",
        operation="getPutAway",
        summary="Get a put-away task",
        permissions=Permission.INVENTORY_READ,
        description="With why its bin was suggested, and all that was done.",
        errors=[Reason.NOT_FOUND],
    )
    async def read(
        self,
        *,
        put_away_id: FromPath[UUID],
        act: NamedDependency[SkipValidation[Act]],
        put_away_reads: NamedDependency[SkipValidation[PutAwayReads]],
    ) -> Json[WholePutAwayData]:
        found = await put_away_reads.whole(act.tenant_id, put_away_id, act.scope)
        if found is None:
            raise not_found("put-away task")
        return Json(WholePutAwayData(data=whole_answer(found, act.caller)))

    @route(
        "POST",
        "/",
        operation="createPutAway",
        summary="Create put-away task",
        permissions=Permission.INVENTORY_WRITE,
        description="One task for each bin that takes a part of it, with the reason; the stock is claimed. In "
        "order: the preferred bin, the same lot, the same product, an empty bin in the product's zone, any other; "
        "never a receiving, hold, quarantine or damage bin, and never beyond a capacity or a mixing rule. What "
        "fits nowhere is answered as `unplaced`. `complete` moves it in the same transaction.",
        errors=[*MOVING, Reason.NO_CHANGE],
        status=HTTPStatus.CREATED,
        example={"inventoryItemId": "{receivedItemId}", "quantity": 2},
    )
    async def create(
        self,
        *,
        data: JSONBody[CreatePutAway],
        act: NamedDependency[SkipValidation[Act]],
        begin_put_away: NamedDependency[SkipValidation[BeginPutAway]],
    ) -> Json[CreatedPutAwayData]:
        _check_new(data)
        wanted = NewTasks(
            line_id=data.inventory_item_id,
            receipt_posting_id=data.transaction_id,
            quantity=data.quantity,
            to_bin_id=data.to_bin_id,
            override_reason=data.override_reason,
            assignee_id=data.assignee_id,
            completes=data.complete,
        )

        async def do(work: PutAwayUnit) -> CreatedPutAwayData:
            return created_answer(await create_tasks(work, act=act, wanted=wanted), act.caller)

        return with_position(await once(begin_put_away, act, do, status=HTTPStatus.CREATED))

    @route(
        "POST",
        "/{put_away_id:uuid}",
        operation="changePutAway",
        summary="Start, complete, split, assign or cancel a put-away task",
        permissions=Permission.INVENTORY_WRITE,
        description="A bin whose capacity or mixing rule is broken needs an `overrideReason`; receiving, hold, "
        "quarantine and damage bins, and those that are inactive or being counted, are refused in any case.",
        errors=[*MOVING, Reason.STALE_VERSION, Reason.INVALID_TRANSITION],
        example={"action": "complete", "quantity": 1},
    )
    async def change(
        self,
        *,
        put_away_id: FromPath[UUID],
        data: JSONBody[ChangePutAway],
        act: NamedDependency[SkipValidation[Act]],
        begin_put_away: NamedDependency[SkipValidation[BeginPutAway]],
        followups: NamedDependency[SkipValidation[Followups]],
    ) -> Json[ChangedPutAwayData]:
        _check_change(data)
        changed: Changed | None = None

        async def do(work: PutAwayUnit) -> ChangedPutAwayData:
            nonlocal changed
            changed = await _changed(work, act, put_away_id, data)
            return changed_answer(changed, act.caller)

        answer = with_position(await once(begin_put_away, act, do))
        if changed is not None and changed.posted is not None:
            followups.arrived(act, changed.task.view.location_id, [changed.task.view.product_id])
        return answer


async def _changed(work: PutAwayWork, act: Act, task_id: UUID, data: ChangePutAway) -> Changed:
    version = data.expected_version
    to_bin = None if data.to_bin_id is UNSET else data.to_bin_id
    reason = None if data.override_reason is UNSET else data.override_reason
    match data.action:
        case Action.START:
            return await start_task(work, act=act, task_id=task_id, expected_version=version)
        case Action.ASSIGN:
            assignee = None if data.assignee_id is UNSET else data.assignee_id
            return await assign_task(
                work, act=act, task_id=task_id, assignee_id=assignee, expected_version=version
            )
        case Action.COMPLETE:
            return await complete_task(
                work,
                act=act,
                task_id=task_id,
                to_bin_id=to_bin,
                quantity=None if data.quantity is UNSET else data.quantity,
                override_reason=reason,
                closes_rest=data.close_rest is True,
                expected_version=version,
            )
        case Action.SPLIT:
            assert data.quantity is not UNSET
            return await split_task(
                work,
                act=act,
                task_id=task_id,
                quantity=data.quantity,
                to_bin_id=to_bin,
                override_reason=reason,
                expected_version=version,
            )
        case Action.CANCEL:
            comment = None if data.comment is UNSET else data.comment
            return await cancel_task(work, act=act, task_id=task_id, comment=comment, expected_version=version)


def _check_new(data: CreatePutAway) -> None:
    problems: list[tuple[str, str]] = []
    if (data.inventory_item_id is None) == (data.transaction_id is None):
        problems.append(("inventoryItemId", "name a stock line or the transaction of a receipt, one of them"))
    if data.quantity is not None and data.quantity <= 0:
        problems.append(("quantity", "must be greater than zero"))
    if data.transaction_id is not None:
        said = {"quantity": data.quantity, "toBinId": data.to_bin_id}
        problems += [(name, "is for one stock line only") for name, value in said.items() if value is not None]
    if data.override_reason is not None and data.to_bin_id is None:
        problems.append(("overrideReason", "is for a bin that toBinId names"))
    if problems:
        raise FieldError(*problems)


def _check_change(data: ChangePutAway) -> None:
    names = {name for used in USED.values() for name in used}
    said = {name for name in names if getattr(data, name) is not UNSET}
    problems = [
        (path_of(name), f"has no meaning for {data.action}") for name in sorted(said - set(USED[data.action]))
    ]
    needed = NEEDED.get(data.action)
    if needed is not None and needed not in said:
        problems.append((path_of(needed), f"is required to {data.action}"))
    if data.quantity is not UNSET and data.quantity <= 0:
        problems.append(("quantity", "must be greater than zero"))
    if problems:
        raise FieldError(*problems)
