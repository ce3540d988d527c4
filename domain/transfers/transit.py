"""What leaves transit: its posting, the supply that ends with it, and the cause where there must be one."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from uuid import UUID

from domain.access.model import Act
from domain.errors import DomainError, FieldError, not_found
from domain.ledger.model import Direction, Entry, Kind, Posted
from domain.transfers.acting import posting_of, told_plainly
from domain.transfers.model import ZERO, ArrivedLine, Missing, Transfer
from domain.transfers.ports import Cause, Delivered, TransferWork

FOUND, LOST = "FOUND", "LOST"
"""The tenant's reason codes for a surplus and for a loss, unless another one is named."""


async def moved(
    work: TransferWork,
    *,
    act: Act,
    transfer: Transfer,
    kind: Kind,
    entries: list[Entry],
    comment: str | None,
    reverses_id: UUID | None = None,
) -> Posted:
    """What is in transit moves although a hold lies on its lot: the hold goes with it."""
    posting = posting_of(act, transfer.id, kind, entries, comment=comment, force=True, reverses_id=reverses_id)
    try:
        return await work.post(posting)
    except DomainError as refused:
        raise told_plainly(refused) from None


def delivered(
    transfer: Transfer, received: Mapping[UUID, Decimal], left: Mapping[UUID, Decimal]
) -> list[Delivered]:
    """What came of each line's supply; where nothing is left on its way, no more is expected."""
    return [
        Delivered(
            id=line.supply_id,
            quantity=sum((received.get(one.id, ZERO) for one in line.picks), ZERO),
            ends=not any(left.get(one.id, ZERO) for one in line.picks),
        )
        for line in transfer.lines
        if line.supply_id is not None and line.in_transit > ZERO
    ]


async def named_causes(
    work: TransferWork, lines: Sequence[ArrivedLine | Missing], code: str, wrong: Direction
) -> tuple[Mapping[UUID, Cause], UUID | None]:
    """The reason codes that are named, and the usual one.

    Raises:
        FieldError: one is not there, not in use, or for the other direction.
    """
    ids = [one.reason_code_id for one in lines if one.reason_code_id is not None]
    causes, usual = await work.transfers.causes(ids, code)
    for id_ in ids:
        cause = causes.get(id_)
        if cause is None:
            raise not_found("reason code", field="reasonCodeId")
        if not cause.is_active or cause.direction is wrong:
            raise FieldError(("reasonCodeId", "is not in use, or is a reason for the other direction"))
    return causes, usual


def code_of(said: ArrivedLine | Missing, causes: Mapping[UUID, Cause], usual: UUID | None) -> UUID | None:
    return causes[said.reason_code_id].id if said.reason_code_id is not None else usual
