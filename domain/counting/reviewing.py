"""What happens to counts that have just been closed: the batch's, or those of a recount."""

from collections.abc import Awaitable, Callable, Sequence
from uuid import UUID

from domain.access.model import Act
from domain.counting.accepting import accept_within
from domain.counting.ending import finish
from domain.counting.model import Action, Batch, State
from domain.counting.ports import CountingWork


async def after_complete(
    work: CountingWork,
    *,
    act: Act,
    batch: Batch,
    line_ids: Sequence[UUID] | None,
    tell: Callable[[], Awaitable[None]],
) -> Batch:
    """Look at lines that became MATCHED or VARIANCE: all of the batch (None), or those that were counted again.

    The batch is locked and in REVIEW. Whoever finds nothing left to decide ends it (`ending.finish`). `tell`
    announces what has led here: after the posting, as events are the last of all locks.
    """
    left = await accept_within(work, act=act, batch_id=batch.id, line_ids=line_ids)
    await tell()
    if left == 0:
        action = Action.COMPLETE if line_ids is None else Action.RECORD
        return await finish(work, batch=batch, to=State.COMPLETED, action=action)
    after = await work.batch(batch.id)
    assert after is not None, "it is locked"
    return after
