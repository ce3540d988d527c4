"""What came up by the way and should be counted: `/api/inventory/cycle-count/tasks`.

Whoever may count but not read stock is shown where to go and nothing else: that a bin was emptied would tell them
what the books say.
"""

from collections.abc import Sequence
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any, Literal, Protocol
from uuid import UUID

from litestar import Controller
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter, SkipValidation

from app.http.acts import Begin, Work, once
from app.http.paging import Pagination, pagination, read_cursor, write_cursor
from app.http.routes import route
from app.http.wire import Answer, Body, Json, Text2000, Version
from app.session_api.abc_answers import may_read
from app.session_api.catalog import Cursor, Limit, PageAt
from app.session_api.inventory import LocationId
from domain.access.model import Act, Permission
from domain.counting.tasks import (
    TASK,
    NewTask,
    TaskAction,
    TaskFacts,
    TaskReads,
    TaskReason,
    TaskState,
    TasksWanted,
    TaskView,
    TaskWork,
    create_task,
    dismiss_task,
)
from domain.errors import DomainError, FieldError, Reason

DEFAULT_LIMIT = 50


class TaskUnit(TaskWork, Work, Protocol):
    """The unit of work as the HTTP layer needs it, with idempotency."""


type BeginTasks = Begin[TaskUnit]


class TaskPlace(Answer, frozen=True, kw_only=True, tag_field="view", tag="COUNTER"):
    """Where to count: a bin, or a product in it."""

    id: UUID
    location_id: UUID
    bin_id: UUID
    bin_code: str
    product_master_id: UUID | None
    global_sku: str | None
    product_name: str | None
    lot_id: UUID | None
    lot_number: str | None
    state: TaskState
    batch_id: UUID | None
    batch_number: str | None
    created_at: datetime
    allowed_actions: Sequence[TaskAction]


class TaskItem(TaskPlace, frozen=True, kw_only=True, tag_field="view", tag="PLANNER"):
    """And why. `sourceType` and `sourceId` are the document, or the posting that took the last."""

    version: int
    reason: TaskReason
    note: str | None
    source_type: str | None
    source_id: str | None
    actor: str | None
    closed_at: datetime | None
    closed_by: str | None
    closing_comment: str | None


class TaskData(Answer, frozen=True, kw_only=True):
    data: TaskItem | TaskPlace


class TaskList(Answer, frozen=True, kw_only=True):
    data: Sequence[TaskItem | TaskPlace]
    pagination: Pagination


class AddTask(Body, frozen=True, kw_only=True):
    """To count a bin, or a product in it."""

    bin_id: UUID
    product_master_id: UUID | None = None
    lot_id: UUID | None = None
    note: Text2000 | None = None


class ActOnTask(Body, frozen=True, kw_only=True):
    action: Literal["dismiss"]
    comment: Text2000
    expected_version: Version | Literal[0] | None = None


class CountTaskController(Controller):
    path = "/api/inventory/cycle-count/tasks"
    tags: Sequence[str] | None = ("Cycle counts",)

    @route(
        "GET",
        "/",
        operation="listCountTasks",
        summary="List tasks of counting",
        permissions=Permission.INVENTORY_CYCLECOUNT,
        description="Bins that an issue emptied within thirty days, short picks, and what people asked for; the "
        "newest first, those that are open unless `status` says otherwise. A task is done when its place has been "
        "counted. Callers without `inventory.read` are shown where to count, not why.",
        query={"locationId": "{locationId}", "limit": 10},
    )
    async def tasks(
        self,
        *,
        act: NamedDependency[SkipValidation[Act]],
        count_tasks: NamedDependency[SkipValidation[TaskReads]],
        location_id: FromQuery[LocationId] = None,
        status: FromQuery[Annotated[TaskState, QueryParameter(name="status")]] = TaskState.OPEN,
        reason: FromQuery[Annotated[TaskReason | None, QueryParameter(name="reason")]] = None,
        bin_id: FromQuery[Annotated[UUID | None, QueryParameter(name="binId")]] = None,
        page: FromQuery[PageAt] = None,
        limit: FromQuery[Limit] = DEFAULT_LIMIT,
        cursor: FromQuery[Cursor] = None,
    ) -> Json[TaskList]:
        sees = may_read(act, location_id)
        if reason is not None and not sees:
            needed = Permission.INVENTORY_READ
            message = f"You lack the permission {needed} that shows why something is to be counted"
            raise DomainError(Reason.PERMISSION_DENIED, message, permission=needed)
        after = read_cursor(cursor, tuple[datetime, UUID])
        if after is not None and (page is not None or after[0].tzinfo is None):
            raise FieldError(("cursor", "stands in place of page: send one of them"))
        found = await count_tasks.tasks(
            TasksWanted(
                tenant_id=act.tenant_id,
                scope=act.scope,
                location_id=location_id,
                state=status,
                reason=reason,
                bin_id=bin_id,
                page=page or 1,
                limit=limit,
                after=after,
            )
        )
        shown = found.tasks[:limit]
        more = write_cursor(shown[-1].created_at, shown[-1].id) if len(found.tasks) > limit else None
        return Json(
            TaskList(
                data=[_task(act, one, sees=sees) for one in shown],
                pagination=pagination(page=page or 1, limit=limit, total=found.total, next_cursor=more),
            )
        )

    @route(
        "POST",
        "/",
        operation="createCountTask",
        summary="Ask for a count of a bin",
        permissions=Permission.INVENTORY_CYCLECOUNT,
        description="The same thing waits once: asked for again, the task that waits is answered.",
        errors=[Reason.NOT_FOUND, Reason.LOCATION_DENIED],
        status=HTTPStatus.CREATED,
        example={"binId": "{binId}", "productMasterId": "{productMasterId}", "note": "The label is torn off"},
    )
    async def create(
        self,
        *,
        data: JSONBody[AddTask],
        act: NamedDependency[SkipValidation[Act]],
        begin_count_tasks: NamedDependency[SkipValidation[BeginTasks]],
    ) -> Json[TaskData]:
        task = NewTask(bin_id=data.bin_id, product_id=data.product_master_id, lot_id=data.lot_id, note=data.note)

        async def do(work: TaskUnit) -> TaskData:
            view = await create_task(work, act=act, task=task)
            return TaskData(data=_task(act, view, sees=may_read(act, view.location_id)))

        return await once(begin_count_tasks, act, do, status=HTTPStatus.CREATED)

    @route(
        "POST",
        "/{count_task_id:uuid}",
        operation="actOnCountTask",
        summary="Dismiss a task of counting",
        permissions=Permission.INVENTORY_CYCLECOUNT_APPROVE,
        description="With the reason why it is not counted.",
        errors=[Reason.NOT_FOUND, Reason.INVALID_TRANSITION, Reason.STALE_VERSION, Reason.LOCATION_DENIED],
        example={"action": "dismiss", "comment": "The bin was taken down"},
    )
    async def dismiss(
        self,
        *,
        count_task_id: FromPath[UUID],
        data: JSONBody[ActOnTask],
        act: NamedDependency[SkipValidation[Act]],
        begin_count_tasks: NamedDependency[SkipValidation[BeginTasks]],
    ) -> Json[TaskData]:
        async def do(work: TaskUnit) -> TaskData:
            view = await dismiss_task(
                work,
                act=act,
                task_id=count_task_id,
                comment=data.comment,
                expected_version=data.expected_version,
            )
            return TaskData(data=_task(act, view, sees=may_read(act, view.location_id)))

        return await once(begin_count_tasks, act, do)


def _task(act: Act, one: TaskView, *, sees: bool) -> TaskItem | TaskPlace:
    place: dict[str, Any] = {
        "id": one.id,
        "location_id": one.location_id,
        "bin_id": one.bin_id,
        "bin_code": one.bin_code,
        "product_master_id": one.product_id,
        "global_sku": one.sku,
        "product_name": one.product_name,
        "lot_id": one.lot_id,
        "lot_number": one.lot_number,
        "state": one.state,
        "batch_id": one.batch_id,
        "batch_number": one.batch_number,
        "created_at": one.created_at,
        "allowed_actions": TASK.allowed(one.state, TaskFacts(caller=act.caller, location_id=one.location_id)),
    }
    if not sees:
        return TaskPlace(**place)
    return TaskItem(
        **place,
        version=one.version,
        reason=one.reason,
        note=one.note,
        source_type=one.source_type,
        source_id=one.source_id,
        actor=one.actor,
        closed_at=one.closed_at,
        closed_by=one.closed_by,
        closing_comment=one.closing_comment,
    )
