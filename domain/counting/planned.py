"""Batches that are made from a plan: of ABC classes and due dates, and of tasks that came up by the way."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Protocol
from uuid import UUID

import msgspec

from domain.access.model import Act
from domain.catalog.model import AbcClass
from domain.counting import batches
from domain.counting.model import Batch, NewBatch, Origin, Type, Wanted
from domain.counting.planning import Chosen, Plan, Planned, choose
from domain.counting.ports import CountingWork
from domain.counting.tasks import TASK, Task, TaskAction, TaskFacts, TaskWork
from domain.errors import FieldError

PRODUCTS_MOST = 5000
TASKS_MOST = 100


class PlannedWork(CountingWork, TaskWork, Protocol):
    """One transaction that makes a batch of a plan."""

    async def set_line_classes(self, batch_id: UUID, classes: Mapping[UUID, AbcClass]) -> None:
        """Write the class that each product was chosen by on its lines."""
        ...

    async def open_task_ids(self, location_id: UUID, *, most: int) -> list[UUID]:
        """The tasks there that nobody has decided about, the oldest first."""
        ...


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """How a batch is to be counted."""

    is_blind: bool = True
    is_freezing: bool = False
    scheduled_for: date | None = None
    assignee_ids: tuple[UUID, ...] = ()
    note: str | None = None


async def create_of_plan(
    work: PlannedWork, *, act: Act, location_id: UUID, plan: Plan, chosen: Chosen, terms: Terms
) -> tuple[Batch, Sequence[Planned]]:
    """A batch of the products that are chosen from the plan; each line says the class that it was chosen by.

    Raises:
        FieldError: nothing is left to count, or too much for one batch.
        DomainError: as `batches.create`.
    """
    act.caller.require_location(act.permission, location_id)
    rows = choose(plan, chosen)
    if not rows:
        raise FieldError(
            ("", "there is nothing to count: no product with stock is like that, or all are in batches")
        )
    if len(rows) > PRODUCTS_MOST:
        raise FieldError(("sampleSize", f"{len(rows):,} products are like that; take at most {PRODUCTS_MOST:,}"))
    wanted = NewBatch(
        location_id=location_id,
        type=Type.PARTIAL,
        wanted=Wanted(product_master_ids=tuple(one.row.product_id for one in rows)),
        is_blind=terms.is_blind,
        is_freezing=terms.is_freezing,
        scheduled_for=terms.scheduled_for,
        assignee_ids=terms.assignee_ids,
        origin=Origin.ABC,
        note=terms.note or _said(chosen),
    )
    batch = await batches.create(work, act=act, wanted=wanted)
    await work.set_line_classes(batch.id, {one.row.product_id: one.row.abc_class for one in rows})
    return batch, rows


def _said(chosen: Chosen) -> str:
    """How the products were chosen, so that anybody can draw them again."""
    classes = ", ".join(sorted(chosen.classes))
    due = ", due" if chosen.due_only else ""
    sample = "" if chosen.sample_size is None else f", at most {chosen.sample_size}"
    seed = "" if chosen.seed is None else f", drawn with the seed {chosen.seed}"
    return f"Classes {classes}{due}{sample}{seed}"


async def create_of_tasks(
    work: PlannedWork, *, act: Act, location_id: UUID, task_ids: Sequence[UUID] | None, terms: Terms
) -> tuple[Batch, Sequence[Task]]:
    """A spot count of what tasks ask for, those named or the oldest that are open; they are in the batch then.

    A task of a bin without a product has all of the bin counted.

    Raises:
        FieldError: there is none, or one that is not there, or at another location.
        DomainError: INVALID_TRANSITION for one that is not open; as `batches.create`.
    """
    act.caller.require_location(act.permission, location_id)
    ids = task_ids if task_ids is not None else await work.open_task_ids(location_id, most=TASKS_MOST)
    tasks = await work.lock_tasks(sorted(set(ids)))
    here = [task for task in tasks if task.location_id == location_id]
    if task_ids is not None and len(here) < len(set(task_ids)):
        raise FieldError(("taskIds", "names a task that is not at this location"))
    if not here:
        raise FieldError(("", "there is nothing to count: no task is open"))
    for task in here:
        facts = TaskFacts(caller=act.caller, location_id=task.location_id)
        TASK.require(task.state, TaskAction.BATCH, facts)
    batch = await batches.create(work, act=act, wanted=_spot(location_id, here, terms))
    await work.close_tasks(here, comment=None, batch_id=batch.id)
    return batch, here


def _spot(location_id: UUID, tasks: Sequence[Task], terms: Terms) -> NewBatch:
    products = {task.product_id for task in tasks if task.product_id is not None}
    of_bins = any(task.product_id is None for task in tasks)
    return NewBatch(
        location_id=location_id,
        type=Type.SPOT,
        wanted=Wanted(
            product_master_ids=() if of_bins else tuple(sorted(products)),
            bin_ids=tuple(sorted({task.bin_id for task in tasks})),
        ),
        is_blind=terms.is_blind,
        is_freezing=terms.is_freezing,
        scheduled_for=terms.scheduled_for,
        assignee_ids=terms.assignee_ids,
        origin=Origin.TASK,
        note=terms.note,
    )
