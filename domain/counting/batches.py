"""Batches of cycle counts, from their making to the review of what was counted.

A batch has a snapshot of each position: its quantity, and the ledger position as of which it is that. It is taken
when the batch is made, so that a plan can be looked at, and renewed when the count starts, which costs as little:
until then a draft holds nothing up, and stock that came since is in the batch. Counting comes after (`recording`).
"""

from collections.abc import Collection, Sequence
from uuid import UUID

from domain.access.model import Act
from domain.counting.ending import CREATE, finish, tell
from domain.counting.model import LINES_MOST, Action, Batch, NewBatch, Sitting, State, Type, Wanted
from domain.counting.opening import held, opened, stop_bins
from domain.counting.ports import CountingWork, Unknown
from domain.counting.recording import waive_lines
from domain.counting.reviewing import after_complete
from domain.counting.states import BATCH, COUNTING, facts_of
from domain.documents import DocumentType
from domain.errors import DomainError, FieldError, Reason, not_found
from domain.values import new_id

SPOT_MOST = 200
SHOWN_UNCOUNTED = 20
NEEDS_WANTED = "name products, bins or a category: without them a count is FULL"


async def create(work: CountingWork, *, act: Act, wanted: NewBatch) -> Batch:
    """Make a batch in DRAFT, with the positions that it is about, whatever their number in one statement.

    Raises:
        FieldError: it cannot be meant, or there is nothing to count.
        DomainError: LOCATION_DENIED, NOT_FOUND; DUPLICATE where a position is in another open batch.
    """
    act.caller.require_location(COUNTING, wanted.location_id)
    _require_meaning(wanted)
    _require_known(wanted, await work.unknown(wanted))
    id_ = new_id()
    await work.add_batch(id_, await work.number(DocumentType.CYCLE_COUNT), wanted)
    if wanted.assignee_ids:
        await work.assign(id_, wanted.assignee_ids)
    renewed = await work.renew(id_, wanted.type)
    most = SPOT_MOST if wanted.type is Type.SPOT else LINES_MOST
    if renewed.wanted == 0:
        raise FieldError(("", "there is nothing to count: no position is like that"))
    if renewed.wanted > most:
        raise FieldError(("type", f"there are more than {most:,} positions; count them in several batches"))
    if renewed.added < renewed.wanted:
        raise held(await work.holders(id_))
    batch = await work.change(id_, lines=renewed.total, position=renewed.position)
    await tell(work, action=CREATE, before=None, batch=batch, details={"origin": batch.origin})
    return batch


async def start(
    work: CountingWork, *, act: Act, batch_id: UUID, expected_version: int | None, comment: str | None = None
) -> Batch:
    """Begin to count: the snapshots are renewed, and the bins stop if the batch is one that freezes."""
    batch = await opened(work, act=act, batch_id=batch_id, action=Action.START, expected_version=expected_version)
    if batch.is_freezing:
        await stop_bins(work, batch)
    renewed = await work.renew(batch.id, batch.type)
    started = await work.change(
        batch.id,
        to=State.IN_PROGRESS,
        lines=renewed.total - batch.line_count,
        position=renewed.position,
    )
    if batch.is_freezing and renewed.added:
        await stop_bins(work, batch)
    await tell(work, action=Action.START, before=batch.state, batch=started, comment=comment)
    return started


async def complete(
    work: CountingWork,
    *,
    act: Act,
    batch_id: UUID,
    expected_version: int | None,
    sitting: Sitting | None = None,
    comment: str | None = None,
) -> Batch:
    """End the counting: every line is counted or waived, and what differs is up for review.

    Raises:
        DomainError: INVALID_TRANSITION, with the lines that are neither counted nor waived.
    """
    batch = await opened(
        work, act=act, batch_id=batch_id, action=Action.COMPLETE, expected_version=expected_version
    )
    if sitting is not None and sitting.waivers:
        batch = await waive_lines(work, act=act, batch=batch, waivers=sitting.waivers)
    if batch.left:
        left = await work.uncounted(batch.id, SHOWN_UNCOUNTED)
        raise DomainError(
            Reason.INVALID_TRANSITION,
            f"{batch.left} lines are neither counted nor waived",
            state=batch.state,
            action=Action.COMPLETE,
            allowedActions=BATCH.allowed(batch.state, facts_of(batch, act.caller)),
            left=batch.left,
            lineIds=left,
        )
    await work.close_counts(batch.id)
    await work.change(batch.id, to=State.REVIEW)
    closed = await work.tell_accuracy(batch.id)

    async def told() -> None:
        await tell(work, action=Action.COMPLETE, before=batch.state, batch=closed, comment=comment)

    return await after_complete(work, act=act, batch=closed, line_ids=None, tell=told)


async def cancel(
    work: CountingWork, *, act: Act, batch_id: UUID, expected_version: int | None, comment: str | None = None
) -> Batch:
    """Give up a count: what was counted stays on record and changes nothing.

    Raises:
        DomainError: INVALID_TRANSITION; also when a variance of it is in the ledger already.
    """
    batch = await opened(work, act=act, batch_id=batch_id, action=Action.CANCEL, expected_version=expected_version)
    if batch.state is State.REVIEW and await work.is_posted(batch.id):
        raise DomainError(
            Reason.INVALID_TRANSITION,
            "Variances of this count are in the ledger: resolve the others",
            state=batch.state,
            action=Action.CANCEL,
            allowedActions=[
                action
                for action in BATCH.allowed(batch.state, facts_of(batch, act.caller))
                if action is not Action.CANCEL
            ],
        )
    return await finish(work, batch=batch, to=State.CANCELED, action=Action.CANCEL, comment=comment)


async def assign(
    work: CountingWork,
    *,
    act: Act,
    batch_id: UUID,
    assignee_ids: Sequence[UUID],
    expected_version: int | None,
    comment: str | None = None,
) -> Batch:
    """Name who counts, in place of those before; nobody named is everybody."""
    batch = await opened(work, act=act, batch_id=batch_id, action=Action.ASSIGN, expected_version=expected_version)
    _require_members(assignee_ids, await work.strangers(assignee_ids) if assignee_ids else set())
    await work.assign(batch.id, assignee_ids)
    assigned = await work.change(batch.id)
    details = {"assigneeIds": list(assignee_ids)}
    await tell(work, action=Action.ASSIGN, before=batch.state, batch=assigned, comment=comment, details=details)
    return assigned


def _require_meaning(wanted: NewBatch) -> None:
    problems = []
    if wanted.type is Type.FULL and wanted.wanted != Wanted():
        problems.append(("type", "FULL is the whole location: leave out products, bins and category"))
    if wanted.type is not Type.FULL and wanted.wanted == Wanted():
        problems.append(("type", NEEDS_WANTED))
    for name, ids in (
        ("productMasterIds", wanted.wanted.product_master_ids),
        ("binIds", wanted.wanted.bin_ids),
        ("assigneeIds", wanted.assignee_ids),
    ):
        problems += _twice(name, ids)
    if problems:
        raise FieldError(*problems)


def _twice(name: str, ids: Sequence[UUID]) -> list[tuple[str, str]]:
    first = {id_: n for n, id_ in reversed(list(enumerate(ids)))}
    return [(f"{name}[{n}]", "is named twice") for n, id_ in enumerate(ids) if first[id_] != n]


def _require_known(wanted: NewBatch, unknown: Unknown) -> None:
    if not unknown.has_location:
        raise not_found("location", field="locationId")
    if not unknown.has_category:
        raise not_found("category", field="categoryId")
    for what, name, ids in (
        ("product", "productMasterIds", unknown.product_ids),
        ("bin at this location", "binIds", unknown.bin_ids),
    ):
        if ids:
            raise not_found(what, field=name, ids=sorted(ids))
    _require_members(wanted.assignee_ids, unknown.assignee_ids)


def _require_members(assignee_ids: Sequence[UUID], strangers: Collection[UUID]) -> None:
    problems = _twice("assigneeIds", assignee_ids)
    if strangers:
        raise not_found("user", field="assigneeIds", ids=sorted(strangers))
    if problems:
        raise FieldError(*problems)
