"""Cycle counts: a batch, its lines, and every counting of them."""

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

import msgspec

LINES_MOST = 50_000
"""More positions than this are counted in several batches."""


class Type(StrEnum):
    FULL = "FULL"
    """Every position of the location that has stock, or was counted before."""
    PARTIAL = "PARTIAL"
    """The positions of some products, bins or a category."""
    SPOT = "SPOT"
    """A few positions, named; also those that the records do not know."""


class Origin(StrEnum):
    """Where a batch comes from."""

    ABC = "ABC"
    MANUAL = "MANUAL"
    TASK = "TASK"


class State(StrEnum):
    DRAFT = "DRAFT"
    IN_PROGRESS = "IN_PROGRESS"
    REVIEW = "REVIEW"
    COMPLETED = "COMPLETED"
    CANCELED = "CANCELED"


OPEN = (State.DRAFT, State.IN_PROGRESS, State.REVIEW)


class Action(StrEnum):
    """What is done to a batch."""

    START = "start"
    RECORD = "record"
    WAIVE = "waive"
    COMPLETE = "complete"
    RESOLVE = "resolve"
    ASSIGN = "assign"
    CANCEL = "cancel"


class LineState(StrEnum):
    PENDING = "PENDING"
    COUNTED = "COUNTED"
    MATCHED = "MATCHED"
    """The count is what was expected."""
    VARIANCE = "VARIANCE"
    RECOUNT = "RECOUNT"
    """Somebody else is to count it again; the count before stays until they do."""
    APPROVED = "APPROVED"
    """Accepted by whom it takes; a difference is posted when it is resolved."""
    REJECTED = "REJECTED"
    """The count is not believed: the balance stays."""
    RESOLVED = "RESOLVED"


class LineAction(StrEnum):
    """What is done to a line."""

    COUNT = "count"
    CLEAR = "clear"
    WAIVE = "waive"
    CLOSE = "close"
    RECOUNT = "recount"
    ACCEPT = "accept"
    REJECT = "reject"
    RESOLVE = "resolve"


class Resolution(StrEnum):
    """How a line ended."""

    ACCEPT = "ACCEPT"
    AUTO = "AUTO"
    """Within tolerance: nobody had to look."""
    REJECT = "REJECT"


class Wanted(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """Which positions a batch is about; nothing given is the whole location."""

    product_master_ids: tuple[UUID, ...] = ()
    bin_ids: tuple[UUID, ...] = ()
    category_id: UUID | None = None


class NewBatch(msgspec.Struct, frozen=True, kw_only=True):
    """A batch that somebody wants."""

    location_id: UUID
    type: Type
    wanted: Wanted = Wanted()
    is_blind: bool = False
    is_freezing: bool = False
    scheduled_for: date | None = None
    assignee_ids: tuple[UUID, ...] = ()
    origin: Origin = Origin.MANUAL
    note: str | None = None


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """A batch as the state machine sees it; its lines are read beside it."""

    id: UUID
    number: str
    location_id: UUID
    type: Type
    state: State
    is_blind: bool
    is_freezing: bool
    scheduled_for: date | None
    origin: Origin
    wanted: Wanted
    note: str | None
    snapshot_position: int
    line_count: int
    counted_count: int
    waived_count: int
    variance_count: int
    """Lines whose first count, all counts closed, was another quantity than expected."""
    accurate_count: int
    """Lines counted within tolerance: IRA is their share of those counted."""
    actor_id: UUID | None
    actor: str | None
    started_at: datetime | None
    reviewed_at: datetime | None
    completed_at: datetime | None
    version: int
    created_at: datetime
    updated_at: datetime
    assignee_ids: tuple[UUID, ...] = ()

    @property
    def left(self) -> int:
        """Lines that are neither counted nor waived."""
        return self.line_count - self.counted_count - self.waived_count


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """A position of a batch.

    expected = snapshot + movements in (snapshot_position, counted_position], the balance at the moment of the
    count; variance = counted - expected.
    """

    id: UUID
    batch_id: UUID
    line_id: UUID | None
    """The stock line; none where nothing was known at the position."""
    product_id: UUID
    location_id: UUID
    bin_id: UUID
    lot_id: UUID
    sequence: int
    """Walking order."""
    abc_class: str | None
    unit_cost: Decimal
    """As it was when the batch was made."""
    snapshot_quantity: Decimal
    snapshot_position: int
    state: LineState
    round: int
    """1, and one more with each recount that is asked for."""
    counted_quantity: Decimal | None
    expected_quantity: Decimal | None
    variance: Decimal | None
    counted_position: int | None
    counted_at: datetime | None
    counter_id: UUID | None
    counter: str | None
    note: str | None
    is_found: bool
    waived_reason: str | None
    resolution: Resolution | None
    version: int


class Count(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody counted at one position, named by the batch's line or by what stands where.

    A quantity of None is "not counted", which is not zero: it takes back a count that is not closed yet.
    """

    line_id: UUID | None = None
    bin_id: UUID | None = None
    product_id: UUID | None = None
    lot_number: str | None = None
    """None: of no lot."""
    expires_on: date | None = None
    """Of a lot that is not known yet."""
    quantity: Decimal | None
    note: str | None = None


class Waiver(msgspec.Struct, frozen=True, kw_only=True):
    """A line that nobody is going to count, and why."""

    line_id: UUID
    reason: str


class Sitting(msgspec.Struct, frozen=True, kw_only=True):
    """What was counted and waived in one go."""

    counts: Sequence[Count] = ()
    waivers: Sequence[Waiver] = ()
