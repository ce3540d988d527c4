"""A batch under its lock, and what another one holds of what it wants."""

from collections.abc import Sequence
from uuid import UUID

from domain.access.model import Act
from domain.counting.model import Action, Batch
from domain.counting.ports import CountingWork, Holder
from domain.counting.states import BATCH, COUNTING, facts_of
from domain.errors import DomainError, Reason, not_found


async def opened(
    work: CountingWork, *, act: Act, batch_id: UUID, action: Action, expected_version: int | None
) -> Batch:
    """The batch, locked, if the action may be done to it by this caller.

    Raises:
        DomainError: NOT_FOUND, LOCATION_DENIED, PERMISSION_DENIED, STALE_VERSION, INVALID_TRANSITION.
    """
    batch = await work.batch(batch_id)
    if batch is None:
        raise not_found("cycle count")
    act.caller.require_location(COUNTING, batch.location_id)
    if expected_version not in {None, batch.version}:
        raise DomainError(
            Reason.STALE_VERSION,
            "The cycle count has changed since you read it",
            expected=expected_version,
            actual=batch.version,
        )
    BATCH.require(batch.state, action, facts_of(batch, act.caller))
    return batch


async def stop_bins(work: CountingWork, batch: Batch) -> None:
    """Nothing moves in the batch's bins until it ends, but what it finds.

    Raises:
        DomainError: POSITION_FROZEN, naming the batches that have stopped some of them before.
    """
    holders = await work.freeze(batch.id)
    if holders:
        numbers = ", ".join(one.number for one in holders)
        raise DomainError(
            Reason.POSITION_FROZEN,
            f"Bins of this count are stopped by {numbers}",
            batchId=holders[0].id,
            batches=_named(holders),
        )


def held(holders: Sequence[Holder]) -> DomainError:
    numbers = ", ".join(one.number for one in holders)
    return DomainError(
        Reason.DUPLICATE,
        f"Positions of this count are in another that is open: {numbers}",
        batchId=holders[0].id if holders else None,
        batches=_named(holders),
    )


def _named(holders: Sequence[Holder]) -> list[dict[str, object]]:
    return [{"id": one.id, "number": one.number, "positions": one.positions} for one in holders]
