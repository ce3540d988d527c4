"""Ending a transfer: closed with a cause for what is missing, or canceled, and what is under way brought back."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from domain.access.model import Act
from domain.availability.ports import Wish
from domain.errors import FieldError
from domain.ledger.model import Direction, Entry, Kind, Posted
from domain.transfers.acting import line_of, opened, told
from domain.transfers.model import (
    ZERO,
    Missing,
    ReceiptKind,
    ReceiptLine,
    Transfer,
    TransferAction,
    TransferLine,
    TransferPick,
    TransferState,
)
from domain.transfers.ports import LineChange, TransferWork
from domain.transfers.reserving import row_of
from domain.transfers.transit import LOST, code_of, delivered, moved, named_causes
from domain.values import plain


async def close(
    work: TransferWork,
    *,
    act: Act,
    transfer_id: UUID,
    missing: Sequence[Missing] = (),
    comment: str | None = None,
    expected_version: int | None = None,
    is_sourced: bool = False,
) -> Transfer:
    """End it; what is still on its way is written off, each line with its cause.

    Raises:
        FieldError: a line is short, and nothing says why.
    """
    transfer = await opened(
        work,
        act=act,
        transfer_id=transfer_id,
        action=TransferAction.CLOSE,
        expected_version=expected_version,
        is_sourced=is_sourced,
    )
    short = [(line, one) for line, one in transfer.picks if one.in_transit > ZERO]
    why = _why(transfer, missing, {line.id: line for line, _ in short})
    posted = None
    if short:
        causes, usual = await named_causes(work, missing, LOST, Direction.IN)
        entries = [
            Entry(
                kind=Kind.ADJUSTMENT,
                line_id=one.transit_item_id,
                delta=-one.in_transit,
                reason_code_id=code_of(why[line.id], causes, usual),
                comment=why[line.id].reason,
            )
            for line, one in short
        ]
        posted = await moved(
            work, act=act, transfer=transfer, kind=Kind.ADJUSTMENT, entries=entries, comment=comment
        )
        await work.transfers.set_picks([row_of(line, one, lost=one.lost + one.in_transit) for line, one in short])
        await work.transfers.change_lines(
            [
                LineChange(id=line_id, discrepancy_reason=why[line_id].reason)
                for line_id in {line.id for line, _ in short}
            ]
        )
        await work.transfers.deliver(delivered(transfer, {}, {}))
        await work.transfers.receipt(
            transfer_id,
            ReceiptKind.LOST,
            posting_id=posted.posting_id,
            lines=[_left(line, one, why[line.id].reason) for line, one in short],
            comment=comment,
        )
    await work.transfers.move(transfer_id, TransferState.COMPLETED)
    return await told(
        work,
        act=act,
        transfer_id=transfer_id,
        event="closed",
        action=TransferAction.CLOSE,
        before=transfer.state,
        comment=comment,
        details=None if posted is None else {"transactionId": posted.posting_id},
    )


async def cancel(
    work: TransferWork,
    *,
    act: Act,
    transfer_id: UUID,
    comment: str | None = None,
    expected_version: int | None = None,
    is_sourced: bool = False,
) -> Transfer:
    """Give back what is reserved; what is on its way comes back to where it was taken from.

    What has been received stays received. The goods come back by a posting of their own, which is the reversal of
    the shipment when nothing of it had arrived.

    Raises:
        DomainError: POSITION_FROZEN where a count has stopped the bin that it would come back to.
    """
    transfer = await opened(
        work,
        act=act,
        transfer_id=transfer_id,
        action=TransferAction.CANCEL,
        expected_version=expected_version,
        is_sourced=is_sourced,
    )
    claims = [one for _, one in transfer.picks if one.reserved > ZERO]
    wishes = [Wish(id=one.claim_id, action="RELEASE") for one in claims if one.claim_id is not None]
    await work.settle(transfer_id, wishes)
    back = [(line, one) for line, one in transfer.picks if one.in_transit > ZERO]
    await work.transfers.set_picks(
        [row_of(line, one, reserved=ZERO) for line, one in transfer.picks if one.reserved > ZERO]
    )
    details = None
    if back:
        posted = await _bring_back(work, act, transfer, back, comment)
        details = {"transactionId": posted.posting_id}
    await work.transfers.move(transfer_id, TransferState.CANCELED)
    return await told(
        work,
        act=act,
        transfer_id=transfer_id,
        event="canceled",
        action=TransferAction.CANCEL,
        before=transfer.state,
        comment=comment,
        details=details,
    )


async def _bring_back(
    work: TransferWork,
    act: Act,
    transfer: Transfer,
    back: Sequence[tuple[TransferLine, TransferPick]],
    comment: str | None,
) -> Posted:
    entries = []
    for _, one in back:
        entries += [
            Entry(kind=Kind.TRANSFER_OUT, line_id=one.transit_item_id, delta=-one.in_transit),
            Entry(kind=Kind.TRANSFER_IN, line_id=one.inventory_item_id, delta=one.in_transit),
        ]
    is_whole = all(one.in_transit == one.shipped for _, one in transfer.picks)
    posted = await moved(
        work,
        act=act,
        transfer=transfer,
        kind=Kind.TRANSFER_IN,
        entries=entries,
        comment=comment,
        reverses_id=transfer.ship_transaction_id if is_whole else None,
    )
    await work.transfers.set_picks([row_of(line, one, returned=one.in_transit) for line, one in back])
    await work.transfers.deliver(delivered(transfer, {}, {}))
    await work.transfers.receipt(
        transfer.id,
        ReceiptKind.RETURNED,
        posting_id=posted.posting_id,
        lines=[_left(line, one, None) for line, one in back],
        comment=comment,
    )
    return posted


def _left(line: TransferLine, one: TransferPick, reason: str | None) -> ReceiptLine:
    return ReceiptLine(
        line_id=line.id,
        lot_id=one.lot_id,
        bin_id=None if reason else one.bin_id,
        quantity=one.in_transit,
        discrepancy_reason=reason,
    )


def _why(
    transfer: Transfer, missing: Sequence[Missing], short: Mapping[UUID, TransferLine]
) -> dict[UUID, Missing]:
    """The cause of each line that is short."""
    general = next((one for one in missing if one.line_id is None), None)
    why: dict[UUID, Missing] = {}
    for n, one in enumerate([one for one in missing if one.line_id is not None]):
        assert one.line_id is not None
        line_of(transfer, one.line_id, f"lines[{n}].lineId")
        if one.line_id not in short:
            raise FieldError((f"lines[{n}].lineId", "is not short: nothing of it is on its way"))
        if one.line_id in why:
            raise FieldError((f"lines[{n}].lineId", "is named twice"))
        why[one.line_id] = one
    if general is not None:
        why = dict.fromkeys(short, general) | why
    unexplained = [line for id_, line in short.items() if id_ not in why]
    if unexplained:
        open_ = ", ".join(f"line {line.number}: {plain(line.in_transit)}" for line in unexplained[:5])
        raise FieldError(("discrepancyReason", f"is required, as not all has arrived ({open_})"))
    return why
