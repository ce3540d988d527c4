"""From what was judged to the ledger and the layers."""

from collections.abc import Sequence
from uuid import UUID

from domain.errors import ContentionError, DomainError, Reason
from domain.imports.facts import LayerChange, LayerWrite
from domain.imports.judging import Book, Judgement
from domain.imports.ports import ImportWork
from domain.ledger.model import Entry, Kind, Posted, Posting
from domain.ledger.shortage import ShortLine, tell_shortage
from domain.values import Quantity

SOURCE = "IMPORT"
"""The source type of postings; the source is the job."""
RACED = frozenset({Reason.POSITION_FROZEN, Reason.INACTIVE, Reason.NOT_FOUND, Reason.QUANTITY_OUT_OF_RANGE})
"""What the ledger refuses though it was looked at: it changed in between, and is looked at again."""


def entry_of(book: Book, kind: Kind, *, reason_code_id: UUID | None = None) -> Entry:
    """The difference of one line."""
    if book.line_id is not None:
        return Entry(kind=kind, line_id=book.line_id, delta=book.delta, reason_code_id=reason_code_id)
    place = book.place
    return Entry(
        kind=kind,
        product_id=place.product_id,
        location_id=place.location_id,
        bin_id=place.bin_id,
        lot_id=place.lot_id,
        delta=book.delta,
        reason_code_id=reason_code_id,
    )


async def post(work: ImportWork, posting: Posting) -> Posted:
    """Post what was judged under locks.

    Raises:
        ContentionError: master data changed in between; judged again, it becomes a row's error.
    """
    try:
        return await work.post_bulk(posting)
    except DomainError as refused:
        if refused.reason in RACED:
            message = "What is imported was changed at this moment; try again"
            raise ContentionError(Reason.UNAVAILABLE, message, retryAfter=1) from refused
        raise


async def apply(
    work: ImportWork, job_id: UUID, posting: Posting | None, judgement: Judgement, *, keep: bool
) -> Posted | None:
    """Write the layers and post the differences.

    The posting comes as late as can be: from then on whoever else posts in this tenant waits for our commit. Only
    layers of lines that it makes come after it.
    """
    changes = judgement.changes
    await _write_layers(
        work, job_id, [(one.line_id, one) for one in changes if one.line_id is not None], keep=keep
    )
    if posting is None:
        return None
    posted = await post(work, posting)
    new = [change for change in changes if change.line_id is None]
    if new:
        made = await work.lines_of(list({change.place for change in new}))
        await _write_layers(work, job_id, [(made[change.place], change) for change in new], keep=keep)
    await tell_shortage(work, posted.posting_id, _short(judgement.moved))
    return posted


async def _write_layers(
    work: ImportWork, job_id: UUID, layers: Sequence[tuple[UUID, LayerChange]], *, keep: bool
) -> None:
    if not layers:
        return
    await work.write_layers(
        [
            LayerWrite(line_id=line_id, day=change.day, before=change.before, after=change.after, job_id=job_id)
            for line_id, change in layers
        ]
    )
    if keep:
        await work.keep_layers(job_id, layers)


def _short(moved: Sequence[Book]) -> list[ShortLine]:
    return [
        ShortLine(
            inventory_item_id=book.standing.line_id,
            product_master_id=book.place.product_id,
            location_id=book.place.location_id,
            bin_id=book.place.bin_id,
            on_hand=Quantity.of(book.on_hand),
            reserved=Quantity.of(book.standing.reserved),
            held=Quantity.of(min(book.standing.held, book.on_hand)),
            short_by=Quantity.of(book.short_by),
        )
        for book in moved
        if book.standing is not None and book.delta < 0 and book.short_by > 0
    ]
