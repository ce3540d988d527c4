"""Undo: a whole import, refresh or batch delete is taken back, while nothing depends on it.

Something depends on it when, of a layer that it wrote, a later import has said something else; when stock that it
brought has left, or is promised, so that its lines could not give it back; or when one of its lines was counted
since, because a count says what is there. What else moved on its lines meanwhile stays.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from domain.access.model import Act
from domain.errors import DomainError, Reason, not_found
from domain.imports.applying import SOURCE
from domain.imports.facts import LayerNow, LayerWrite, Moved, Undoable
from domain.imports.model import ImportType, UndoResult
from domain.imports.ports import ImportWork
from domain.ledger.model import Entry, Kind, Posted, Posting
from domain.values import new_id

TOLD_MAX = 20
"""So many of the records that stand in the way are named."""
BLOCKING = {
    Reason.INSUFFICIENT_STOCK: "What it brought has left since, or is claimed: there is not enough to take back",
    Reason.COUNTED_SINCE: "A line of it has been counted since; the count stands, correct it by another import",
    Reason.POSITION_FROZEN: "A bin of it is being counted: its stock may not move until the count is resolved",
}


async def undo(work: ImportWork, *, act: Act, job_id: UUID) -> UndoResult:
    """Take a whole import, refresh or batch delete back while nothing depends on it.

    Raises:
        DomainError: NOT_FOUND; INVALID_TRANSITION if there is nothing to take back (`state`); REVERSAL_BLOCKED
            with what stands in its way (`records`); ALREADY_REVERSED if its posting was taken back by itself;
            LOCATION_DENIED for stock at other locations than the caller's.
    """
    found = await work.undoable(job_id)
    if found is None or (act.scope is not None and found.actor_id != act.caller.principal_id):
        raise not_found("import", jobLogId=job_id)
    _require_applied(found, job_id)
    if found.type == ImportType.REFRESH:
        await work.be_patient()
    moved = await work.moved(found.posting_id) if found.posting_id is not None else []
    layers = await work.layers_of(job_id)
    if not moved and not layers:
        raise _not_now(job_id, "UNCHANGED", "This import changed nothing: there is nothing to take back")
    await work.lock({one.line_id for one in moved} | {layer.line_id for layer in layers})
    layers = await work.layers_of(job_id)  # with the lines locked, nobody else writes them
    await _require_untouched(work, job_id, layers)
    await work.write_layers([_restored(layer) for layer in layers])
    posted = await _reverse(work, act, job_id, found, moved) if moved else None
    await work.mark_undone(job_id, posted.posting_id if posted else None)
    return UndoResult(
        job_id=job_id,
        restored=len(layers),
        posting_id=posted.posting_id if posted else None,
        position=posted.position if posted else None,
    )


def _require_applied(found: Undoable, job_id: UUID) -> None:
    if found.undone_at is not None:
        raise _not_now(job_id, "UNDONE", "This import was undone already")
    if found.is_dry_run:
        raise _not_now(job_id, "DRY_RUN", "This was a dry run: there is nothing to take back")
    if not found.is_applied:
        raise _not_now(job_id, "FAILED", "This import has changed nothing: there is nothing to take back")
    if not found.is_kept:
        message = "What this import changed is no longer kept, so it cannot be undone; import what should be there"
        raise _not_now(job_id, "NO_LONGER_KEPT", message)


def _not_now(job_id: UUID, state: str, message: str) -> DomainError:
    return DomainError(Reason.INVALID_TRANSITION, message, jobLogId=job_id, state=state, allowedActions=[])


async def _require_untouched(work: ImportWork, job_id: UUID, layers: Sequence[LayerNow]) -> None:
    changed = [layer for layer in layers if not _is_as_written(layer, job_id)]
    if not changed:
        return
    names = await work.names_of([layer.line_id for layer in changed[:TOLD_MAX]])
    records = [
        {**names.get(layer.line_id, {}), "date_filled": layer.day, "job_log_id": layer.now and layer.now.job_id}
        for layer in changed[:TOLD_MAX]
    ]
    message = f"{len(changed)} of its records have been imported or deleted anew since"
    raise DomainError(Reason.REVERSAL_BLOCKED, message, jobLogId=job_id, records=records)


def _is_as_written(layer: LayerNow, job_id: UUID) -> bool:
    if layer.after is None or layer.now is None:
        return layer.after is None and layer.now is None
    return layer.now.job_id == job_id


async def _reverse(work: ImportWork, act: Act, job_id: UUID, found: Undoable, moved: Sequence[Moved]) -> Posted:
    """The compensating posting; it takes effect when the import did, as every reversal."""
    entries = [
        Entry(
            kind=Kind.REVERSAL,
            line_id=one.line_id,
            delta=-one.delta,
            effective_at=one.effective_at,
            reason_code_id=one.reason_code_id,
        )
        for one in moved
    ]
    posting = Posting(
        id=new_id(),
        kind=Kind.REVERSAL,
        entries=tuple(entries),
        source_type=SOURCE,
        source_id=str(job_id),
        comment=f"Undo: {found.description}"[:2000],
        reverses_id=found.posting_id,
        act=act,
    )
    try:
        return await work.post_bulk(posting)
    except DomainError as refused:
        if refused.reason not in BLOCKING:
            raise
        facts: dict[str, Any] = {name: value for name, value in refused.facts.items() if name != "entry"}
        line_id = facts.pop("line_id", None)
        if line_id is not None:
            names = await work.names_of([UUID(str(line_id))])
            facts["records"] = list(names.values())
        raise DomainError(
            Reason.REVERSAL_BLOCKED, BLOCKING[refused.reason], jobLogId=job_id, cause=refused.reason, **facts
        ) from refused


def _restored(layer: LayerNow) -> LayerWrite:
    return LayerWrite(
        line_id=layer.line_id,
        day=layer.day,
        before=layer.now.quantity if layer.now is not None else None,
        after=layer.before,
        job_id=layer.before_job_id,
    )
