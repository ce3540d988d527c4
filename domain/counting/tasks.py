"""What should be counted because of what somebody met: a bin that an issue emptied, a short pick.

A bin that was emptied is not written down by whoever empties it: the ledger knows it, and the list of tasks reads
it there. A short pick is known to the picker alone, so it is stored, in the transaction that it is told in.
"""

from enum import StrEnum
from typing import Protocol
from uuid import UUID

import msgspec

from domain.values import new_id


class TaskReason(StrEnum):
    """Why something should be counted. The values are published."""

    DUE = "DUE"
    EMPTIED_BIN = "EMPTIED_BIN"
    MANUAL = "MANUAL"
    SHORT_PICK = "SHORT_PICK"


class TaskState(StrEnum):
    """BATCHED is in a batch that is not completed yet; DONE in one that is."""

    BATCHED = "BATCHED"
    DISMISSED = "DISMISSED"
    DONE = "DONE"
    OPEN = "OPEN"


class TaskOfLine(msgspec.Struct, frozen=True, kw_only=True):
    """To count a stock line; its bin, product and lot are those of the line."""

    id: UUID
    line_id: UUID
    reason: TaskReason
    source_type: str | None = None
    source_id: str | None = None
    note: str | None = None


class TaskRaising(Protocol):
    """A unit of work that can ask for a count: `infra.counting.raising.RaisesTasks`."""

    async def raise_task(self, task: TaskOfLine) -> None:
        """Store it; what waits to be counted for the same reason already is not stored twice."""
        ...


async def report_short_pick(
    work: TaskRaising, *, line_id: UUID, source_type: str, source_id: str, note: str | None = None
) -> None:
    """Ask for a count of a line that had less than the books say: in the pick's transaction, before it posts."""
    await work.raise_task(
        TaskOfLine(
            id=new_id(),
            line_id=line_id,
            reason=TaskReason.SHORT_PICK,
            source_type=source_type,
            source_id=source_id,
            note=note,
        )
    )
