"""What cycle counts need from the outside."""

from collections.abc import Collection, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Protocol
from uuid import UUID

import msgspec

from domain.access.model import Scope
from domain.counting.model import Batch, Count, Line, LineState, NewBatch, Type, Waiver
from domain.counting.model import State as BatchState
from domain.counting.resolving_ports import ReviewWork
from domain.counting.views import BatchView, LineView
from domain.expiry.model import KnownLot, LotFacts, LotKey, NewLot


class Unknown(msgspec.Struct, frozen=True, kw_only=True):
    """What a wanted batch names and what is not there."""

    has_location: bool
    has_category: bool
    product_ids: Collection[UUID]
    bin_ids: Collection[UUID]
    assignee_ids: Collection[UUID]


class Renewed(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a batch's lines, as one statement saw the stock."""

    position: int
    """The ledger position that all snapshots are of."""
    wanted: int
    """Positions that the batch is about; at most one more than a batch may have."""
    added: int
    total: int
    """Lines of the batch now."""


class Holder(msgspec.Struct, frozen=True, kw_only=True):
    """An open batch that has what another wants."""

    id: UUID
    number: str
    positions: int


class Located(msgspec.Struct, frozen=True, kw_only=True):
    """What a count names: a line of the batch, or a position that is none yet."""

    line: Line | None
    product_id: UUID | None
    bin_id: UUID | None
    lot_id: UUID | None


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """A position where stock was found, to be a line of the batch."""

    id: UUID
    product_id: UUID
    bin_id: UUID
    lot_id: UUID


class Tally(msgspec.Struct, frozen=True, kw_only=True):
    """A count of a line, decided upon."""

    line_id: UUID
    quantity: Decimal | None
    note: str | None
    matched: LineState
    """The state with the quantity that is expected at that moment."""
    differing: LineState
    """The state with another one."""


class CountingWork(ReviewWork, Protocol):
    """One transaction of a batch. Lock the batch first (`batch`): whatever is done to its lines waits for that."""

    async def unknown(self, wanted: NewBatch) -> Unknown: ...

    async def add_batch(self, id_: UUID, number: str, wanted: NewBatch) -> None: ...

    async def batch(self, batch_id: UUID) -> Batch | None:
        """The batch, locked until the transaction ends."""
        ...

    async def renew(self, batch_id: UUID, type_: Type) -> Renewed:
        """Bring the lines up to what the batch is about, all snapshots as of one ledger position.

        One statement, whose view of the database holds no half of a posting. Positions that are in another open
        batch are left out.
        """
        ...

    async def holders(self, batch_id: UUID, positions: Sequence[Found] | None = None) -> list[Holder]:
        """Other open batches with positions that this one is about, or with these."""
        ...

    async def assign(self, batch_id: UUID, user_ids: Collection[UUID]) -> None:
        """These, and nobody else."""
        ...

    async def strangers(self, user_ids: Collection[UUID]) -> set[UUID]:
        """Those who are no active members."""
        ...

    async def freeze(self, batch_id: UUID) -> list[Holder]:
        """Stop the bins of the batch's lines; or tell which batches have stopped some of them before."""
        ...

    async def release(self, batch_id: UUID) -> None:
        """Let go of the batch's bins and positions: they may be moved, and counted by others."""
        ...

    async def change(
        self,
        batch_id: UUID,
        *,
        to: BatchState | None = None,
        lines: int = 0,
        counted: int = 0,
        waived: int = 0,
        position: int | None = None,
    ) -> Batch:
        """Change the state and, by so many, the counters; the version goes on, the times follow the state."""
        ...

    async def locate(self, batch: Batch, counts: Sequence[Count]) -> list[Located]:
        """What each count names, in their order: one statement."""
        ...

    async def lot_facts(self, wanted: Collection[LotKey], *, location_id: UUID | None = None) -> LotFacts: ...
    async def ensure_lots(self, lots: Sequence[NewLot]) -> Mapping[LotKey, KnownLot]: ...

    async def add_found(self, batch: Batch, found: Sequence[Found]) -> int:
        """Make lines of them, with what the books say now; how many it made: others are in other open batches."""
        ...

    async def lines(self, batch_id: UUID, line_ids: Sequence[UUID]) -> list[Line]: ...

    async def count(self, batch: Batch, tallies: Sequence[Tally]) -> None:
        """Write counts and their entries, each against the balance as of one ledger position: one statement."""
        ...

    async def waive(self, batch: Batch, waivers: Sequence[Waiver]) -> None: ...

    async def close_counts(self, batch_id: UUID) -> None:
        """Counted lines become MATCHED or VARIANCE, waived ones RESOLVED."""
        ...

    async def tell_accuracy(self, batch_id: UUID) -> Batch:
        """Count anew which lines differ, and take the others to be accurate."""
        ...

    async def uncounted(self, batch_id: UUID, most: int) -> list[UUID]:
        """Lines that are neither counted nor waived, in walking order."""
        ...

    async def is_posted(self, batch_id: UUID) -> bool:
        """Whether a variance of it is in the ledger."""
        ...

    async def batch_view(self, batch_id: UUID) -> BatchView: ...
    async def line_views(self, batch_id: UUID, line_ids: Sequence[UUID]) -> list[LineView]: ...


class BatchesWanted(msgspec.Struct, frozen=True, kw_only=True):
    """A part of the list of batches, the newest first."""

    tenant_id: UUID
    scope: Scope
    limit: int
    page: int = 1
    after: UUID | None = None
    state: BatchState | None = None
    location_id: UUID | None = None
    assignee_id: UUID | None = None
    scheduled_until: date | None = None


class BatchPage(msgspec.Struct, frozen=True, kw_only=True):
    batches: Sequence[BatchView]
    total: int | None
    """Not counted again after a cursor."""
    after: UUID | None
    position: int


class LinesWanted(msgspec.Struct, frozen=True, kw_only=True):
    """A part of a batch's lines, in walking order."""

    tenant_id: UUID
    scope: Scope
    batch_id: UUID
    limit: int
    page: int = 1
    after: tuple[int, UUID] | None = None


class BatchWhole(msgspec.Struct, frozen=True, kw_only=True):
    batch: BatchView
    lines: Sequence[LineView]
    after: tuple[int, UUID] | None
    position: int


class CountReader(Protocol):
    """Reads: one statement each."""

    async def batches(self, wanted: BatchesWanted) -> BatchPage: ...

    async def batch(self, wanted: LinesWanted) -> BatchWhole | None:
        """With its history; None where it is at no location of the scope."""
        ...
