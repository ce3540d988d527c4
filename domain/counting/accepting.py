"""Posting what counts found, and accepting by themselves those within their tolerance."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from domain.access.model import Act
from domain.counting.model import LineState, Resolution
from domain.counting.resolving_ports import Outcome, ReviewWork, Standing, Why
from domain.documents import DocumentType
from domain.errors import DomainError, Reason
from domain.ledger.model import Entry, Kind, Posted, Posting
from domain.values import new_id

UNDECIDED = frozenset({LineState.MATCHED, LineState.VARIANCE})
"""Counted and closed, and nothing has come of it yet."""


async def accept_within(
    work: ReviewWork, *, act: Act, batch_id: UUID, line_ids: Sequence[UUID] | None = None
) -> int:
    """Accept by themselves lines that are within their tolerance; how many of the batch are then left open.

    `line_ids` are lines that were counted again; None is all of a batch whose counts were closed.

    All of them in one posting. What is exact is posted too: it was counted, and no difference found. A line that
    has been counted again since, or whose stock has left since, is left to people.

    Raises:
        DomainError: SELF_APPROVAL, a line was counted again by somebody who had counted it before.
    """
    settings = await work.settings()
    await work.settle(batch_id, (), lines=await work.stock_lines_of(batch_id, line_ids))
    lines = [line for line in await work.standing(batch_id, line_ids) if line.state in UNDECIDED]
    for line in lines if line_ids is not None else ():
        if not line.is_recounted:
            message = "Who has counted the line before cannot count it again: another person must"
            raise DomainError(Reason.SELF_APPROVAL, message, lineId=line.id)
    alone = [line for line in lines if line.variance.is_exact or (line.is_within(settings) and not line.obstacle)]
    entries = [entry_of(line, Why()) for line in alone if not line.obstacle]
    posted = await post_variances(work, act, batch_id, entries) if entries else None
    outcomes = [
        Outcome(
            id=line.id,
            state=LineState.RESOLVED,
            round=line.round,
            expected=line.variance.expected,
            variance=line.variance.units,
            resolution=Resolution.AUTO,
            posting_id=posted.posting_id if posted is not None and not line.obstacle else None,
        )
        for line in alone
    ]
    ids = {line.id for line in alone}
    outcomes += [_left(line) for line in lines if line.id not in ids]
    return await work.write_outcomes(batch_id, outcomes)


def entry_of(line: Standing, why: Why) -> Entry:
    place: dict[str, UUID] = (
        {"line_id": line.stock_line_id}
        if line.stock_line_id is not None
        else {
            "product_id": line.product_id,
            "location_id": line.location_id,
            "bin_id": line.bin_id,
            "lot_id": line.lot_id,
        }
    )
    said: Any = place
    return Entry(
        kind=Kind.COUNT,
        delta=line.variance.units,
        effective_at=line.counted_at,
        reason_code_id=why.reason_code_id,
        comment=why.comment,
        root_cause=why.root_cause,
        **said,
    )


async def post_variances(
    work: ReviewWork,
    act: Act,
    batch_id: UUID,
    entries: Sequence[Entry],
    named: Sequence[tuple[int, UUID]] = (),
) -> Posted:
    """One posting; `named` are the places in the call and the ids of the entries' lines, for refusals."""
    posting = Posting(
        id=new_id(),
        kind=Kind.COUNT,
        entries=tuple(entries),
        source_type=DocumentType.CYCLE_COUNT,
        source_id=str(batch_id),
        unchanged_ok=True,
        act=act,
    )
    try:
        return await work.post(posting)
    except DomainError as refused:
        entry = refused.facts.pop("entry", None)
        if named and isinstance(entry, int):
            index, line_id = named[entry]
            refused.facts |= {"index": index, "lineId": line_id}
        raise


def _left(line: Standing) -> Outcome:
    """A line that people must look at, with its variance as it is now."""
    return Outcome(
        id=line.id,
        state=LineState.VARIANCE,
        round=line.round,
        expected=line.variance.expected,
        variance=line.variance.units,
    )
