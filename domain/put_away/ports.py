"""What put-away needs from the outside."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Protocol
from uuid import UUID

import msgspec

from domain.access.model import Scope
from domain.catalog.ports import Shelf
from domain.catalog.views import Page, Window
from domain.documents import DocumentWork
from domain.put_away.model import ReadyLine, State, Task, TaskView, Waiting, WholeTask
from domain.put_away.suggesting import Facts

type Place = tuple[UUID, UUID]
"""A product at a location."""


class PutAwayWork(DocumentWork, Protocol):
    """One transaction of put-away.

    Locks, after those of `DocumentWork`'s order: the task, then who plans a location, the numbers, the bins that
    are filled (by id), and only then claims and lines.
    """

    async def plan_alone(self, location_ids: Sequence[UUID]) -> None:
        """Nobody else plans at these locations until we have committed: two plans must not fill one bin twice."""
        ...

    async def facts(
        self, places: Sequence[Place], *, bins: Sequence[UUID] = (), without: UUID | None = None
    ) -> Facts:
        """What is known of the products, and the bins that may take them, with these in any case.

        `without` leaves out what a task will bring.
        """
        ...

    async def lock_bins(self, bin_ids: Sequence[UUID]) -> None:
        """Nobody else brings anything to these bins, freezes or changes them, until the transaction ends."""
        ...

    async def waiting(self, line_id: UUID) -> Waiting | None: ...

    async def received(self, posting_id: UUID) -> Sequence[Waiting] | None:
        """What a posting brought to receiving bins and is on no task yet; None if there is no such posting."""
        ...

    async def lines_of(self, places: Sequence[Place], bin_ids: Sequence[UUID]) -> list[UUID]:
        """Lines of the products that have stock or claims, or stand in these bins."""
        ...

    async def lock(self, task_id: UUID) -> Task | None: ...

    async def add(self, task: Task) -> None: ...

    async def store(self, task: Task) -> None: ...

    async def whole(self, task_id: UUID) -> WholeTask: ...

    async def is_member(self, user_id: UUID) -> bool:
        """Whether an active member of the tenant."""
        ...


class TaskFilter(msgspec.Struct, frozen=True, kw_only=True):
    state: State | None = None
    location_id: UUID | None = None
    bin_id: UUID | None = None
    """From which it comes, or to which it goes."""
    assignee_id: UUID | None = None
    product_id: UUID | None = None
    is_open: bool | None = None
    """True: only what is pending or in progress."""


class ReadyFilter(msgspec.Struct, frozen=True, kw_only=True):
    location_id: UUID | None = None
    bin_id: UUID | None = None
    product_id: UUID | None = None


class PutAwayReads(Protocol):
    """Reads: one statement each."""

    @property
    def tasks(self) -> Shelf[TaskFilter, TaskView]: ...

    async def whole(self, tenant_id: UUID, task_id: UUID, scope: Scope) -> WholeTask | None: ...

    async def ready(
        self, tenant_id: UUID, wanted: ReadyFilter, window: Window, *, scope: Scope
    ) -> Page[ReadyLine]: ...


class NewTasks(msgspec.Struct, frozen=True, kw_only=True):
    """A wish for tasks: of one stock line, or of all that a receipt brought."""

    line_id: UUID | None = None
    receipt_posting_id: UUID | None = None
    quantity: Decimal | None = None
    to_bin_id: UUID | None = None
    override_reason: str | None = None
    assignee_id: UUID | None = None
    completes: bool = False
