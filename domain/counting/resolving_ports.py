"""What deciding upon counted lines needs from the outside."""

from collections.abc import Collection, Sequence
from decimal import Decimal
from typing import Protocol
from uuid import UUID

import msgspec

from domain.access.delegations import Authority
from domain.counting.deciding import Review
from domain.counting.model import LineState, Resolution
from domain.documents import DocumentWork
from domain.settings.model import TenantSettings


class Why(msgspec.Struct, frozen=True, kw_only=True):
    """What is said for posting a variance."""

    reason_code_id: UUID | None = None
    comment: str | None = None
    root_cause: str | None = None


class Standing(Review, frozen=True, kw_only=True):
    """A counted line with what a posting needs to know of it."""

    product_id: UUID
    bin_id: UUID
    lot_id: UUID
    stock_line_id: UUID | None
    """None where nothing has ever stood at the position."""
    round: int
    why: Why = Why()
    """What was said by who proposed or first approved this variance."""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """How a line is written after a decision."""

    id: UUID
    state: LineState
    round: int
    expected: Decimal
    variance: Decimal
    resolution: Resolution | None = None
    why: Why = Why()
    proposed_by: UUID | None = None
    on_behalf_of: UUID | None = None
    posting_id: UUID | None = None


class NewSignature(msgspec.Struct, frozen=True, kw_only=True):
    """An approval of a variance, or a proposal to accept it, to be kept for ever."""

    id: UUID
    line_id: UUID
    round: int
    variance: Decimal
    is_approval: bool
    authority: Authority | None
    why: Why


class ReviewWork(DocumentWork, Protocol):
    """The counted lines of a batch in one transaction; the batch itself is locked."""

    async def settings(self) -> TenantSettings: ...

    async def stock_lines_of(self, batch_id: UUID, line_ids: Collection[UUID] | None) -> list[UUID]:
        """The stock lines at the positions of lines of a batch; None: of all that are closed and undecided."""
        ...

    async def standing(self, batch_id: UUID, line_ids: Collection[UUID] | None) -> list[Standing]:
        """Lines of a batch as they stand now, in walking order; None: all that are closed and undecided.

        What was expected is what is on hand now without what has happened since the count. What was booked since
        as of an earlier time happened before it.
        """
        ...

    async def write_outcomes(self, batch_id: UUID, outcomes: Sequence[Outcome]) -> int:
        """How many lines of the batch are then not resolved; its accuracy is written with them."""
        ...

    async def write_signatures(self, batch_id: UUID, signatures: Sequence[NewSignature]) -> None: ...
