"""Batches made of ABC classes, due dates and tasks: `POST /api/inventory/cycle-count/abc` and `…/tasks/batch`."""

import secrets
from collections.abc import Sequence
from datetime import date
from http import HTTPStatus
from typing import Annotated, Protocol
from uuid import UUID

from litestar import Controller
from litestar.di import NamedDependency
from litestar.params import JSONBody, SkipValidation
from msgspec import Meta

from app.http.acts import Begin, Work, once
from app.http.routes import route
from app.http.wire import Answer, Body, Json, Text64, Text2000
from app.session_api.abc_answers import thresholds_of
from app.session_api.cycle_count_answers import BlindWhole, SeenWhole, whole
from domain.access.model import Act, Permission
from domain.catalog.model import AbcClass
from domain.counting.abc import Measure
from domain.counting.model import Batch
from domain.counting.planned import PRODUCTS_MOST, TASKS_MOST, PlannedWork, Terms, create_of_plan, create_of_tasks
from domain.counting.planning import Chosen, PlanReads, PlanWanted, plan_counts
from domain.errors import FieldError, Reason
from domain.ledger.ports import Reference
from domain.values import Quantity


class PlannedUnit(PlannedWork, Work, Protocol):
    """The unit of work as the HTTP layer needs it, with idempotency."""


type BeginPlanned = Begin[PlannedUnit]
type Assignees = Annotated[tuple[UUID, ...], Meta(max_length=50)]


class CountClasses(Body, frozen=True, kw_only=True):
    """Products with stock of the `classes` (all), those that are due or not, all of them or `sampleSize`.

    A sample of what is due takes better classes first, and in each what waits longest; another is drawn by `seed`,
    which is made up if none is given. With nothing given but the location: what is due.
    """

    location_id: UUID
    classes: Annotated[tuple[AbcClass, ...], Meta(min_length=1, max_length=3)] | None = None
    due_only: bool | None = None
    sample_size: Annotated[int, Meta(ge=1, le=PRODUCTS_MOST)] | None = None
    seed: Text64 | None = None
    run_id: UUID | None = None
    by: Measure = Measure.VALUE
    from_date: date | None = None
    to_date: date | None = None
    a_threshold: Quantity | None = None
    b_threshold: Quantity | None = None
    blind: bool = True
    freeze: bool = False
    scheduled_for: date | None = None
    assignee_ids: Assignees = ()
    note: Text2000 | None = None


class CountTasks(Body, frozen=True, kw_only=True):
    """The tasks to count; without `taskIds` the oldest that are open at the location, up to a hundred."""

    location_id: UUID
    task_ids: Annotated[tuple[UUID, ...], Meta(min_length=1, max_length=TASKS_MOST)] | None = None
    blind: bool = True
    freeze: bool = False
    scheduled_for: date | None = None
    assignee_ids: Assignees = ()
    note: Text2000 | None = None


class Selection(Answer, frozen=True, kw_only=True):
    """How the products were chosen: with the same seed and table anybody draws the same."""

    classes: Sequence[AbcClass]
    due_only: bool
    sample_size: int | None
    seed: str | None
    products: int


class ClassesCounted(Answer, frozen=True, kw_only=True):
    data: SeenWhole | BlindWhole
    selection: Selection


class TasksCounted(Answer, frozen=True, kw_only=True):
    data: SeenWhole | BlindWhole
    task_ids: Sequence[UUID]


class CountPlanController(Controller):
    path = "/api/inventory/cycle-count"
    tags: Sequence[str] | None = ("Cycle counts",)

    @route(
        "POST",
        "/tasks/batch",
        operation="countTasks",
        summary="Create a spot count of tasks",
        permissions=Permission.INVENTORY_CYCLECOUNT,
        description="A SPOT batch in DRAFT of the positions that the tasks name. They are done when it is "
        "completed, and open again when it is canceled.",
        errors=[Reason.NOT_FOUND, Reason.LOCATION_DENIED, Reason.DUPLICATE, Reason.INVALID_TRANSITION],
        status=HTTPStatus.CREATED,
        example={"locationId": "{locationId}", "taskIds": ["{countableTaskId}"]},
    )
    async def count_tasks(
        self,
        *,
        data: JSONBody[CountTasks],
        act: NamedDependency[SkipValidation[Act]],
        begin_planned_counts: NamedDependency[SkipValidation[BeginPlanned]],
    ) -> Json[TasksCounted]:
        async def do(work: PlannedUnit) -> TasksCounted:
            batch, tasks = await create_of_tasks(
                work, act=act, location_id=data.location_id, task_ids=data.task_ids, terms=_terms(data)
            )
            return TasksCounted(data=await _shown(work, act, batch), task_ids=[task.id for task in tasks])

        return await once(begin_planned_counts, act, do, status=HTTPStatus.CREATED)


async def count_classes(
    data: CountClasses, *, act: Act, reads: PlanReads, reference: Reference, begin: BeginPlanned
) -> Json[ClassesCounted]:
    """Make a batch of what the classes, due dates or a sample say."""
    act.caller.require_location(act.permission, data.location_id)
    chosen = _chosen(data)
    settings = await reference.settings(act.tenant_id)
    plan = await plan_counts(
        reads,
        PlanWanted(
            tenant_id=act.tenant_id,
            scope=act.scope,
            location_id=data.location_id,
            measure=data.by,
            from_day=data.from_date,
            to_day=data.to_date,
            run_id=data.run_id,
        ),
        thresholds=thresholds_of(settings, data.a_threshold, data.b_threshold),
        every=settings.count_every_days,
    )

    async def do(work: PlannedUnit) -> ClassesCounted:
        batch, rows = await create_of_plan(
            work, act=act, location_id=data.location_id, plan=plan, chosen=chosen, terms=_terms(data)
        )
        return ClassesCounted(
            data=await _shown(work, act, batch),
            selection=Selection(
                classes=sorted(chosen.classes),
                due_only=chosen.due_only,
                sample_size=chosen.sample_size,
                seed=chosen.seed,
                products=len(rows),
            ),
        )

    return await once(begin, act, do, status=HTTPStatus.CREATED)


def _chosen(data: CountClasses) -> Chosen:
    due_only = data.due_only
    if due_only is None:
        due_only = data.classes is None and data.sample_size is None
    if data.seed is not None and data.sample_size is None:
        raise FieldError(("seed", "is of a sample: give sampleSize too"))
    seed = data.seed
    if seed is None and data.sample_size is not None and not due_only:
        seed = secrets.token_hex(4)
    return Chosen(
        classes=frozenset(data.classes or AbcClass),
        due_only=due_only,
        sample_size=data.sample_size,
        seed=seed,
    )


def _terms(data: CountClasses | CountTasks) -> Terms:
    return Terms(
        is_blind=data.blind,
        is_freezing=data.freeze,
        scheduled_for=data.scheduled_for,
        assignee_ids=data.assignee_ids,
        note=data.note,
    )


async def _shown(work: PlannedUnit, act: Act, batch: Batch) -> SeenWhole | BlindWhole:
    return whole(await work.batch_view(batch.id), [], act.caller)
