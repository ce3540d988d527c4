"""Receiving what was shipped, in parts, and what is beyond it as found."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from uuid import UUID

import msgspec
from msgspec.structs import replace

from domain.access.model import Act
from domain.errors import DomainError, FieldError, Reason, not_found
from domain.ledger.model import Direction, Entry, Kind
from domain.transfers.acting import line_of, opened, told
from domain.transfers.model import (
    ZERO,
    ArrivedLine,
    ReceiptKind,
    ReceiptLine,
    Transfer,
    TransferAction,
    TransferLine,
    TransferPick,
    TransferState,
)
from domain.transfers.ports import Cause, LineChange, TransferWork
from domain.transfers.reserving import row_of
from domain.transfers.transit import FOUND, code_of, delivered, moved, named_causes
from domain.values import plain


class _Arrival(msgspec.Struct, frozen=True, kw_only=True):
    """A quantity of one pick, or a surplus of its lot, that goes to a bin (none: the default one)."""

    line: TransferLine
    pick: TransferPick
    bin_id: UUID | None
    quantity: Decimal
    surplus: Decimal
    wanted: ArrivedLine


async def receive(
    work: TransferWork,
    *,
    act: Act,
    transfer_id: UUID,
    lines: Sequence[ArrivedLine],
    comment: str | None = None,
    expected_version: int | None = None,
    is_sourced: bool = False,
) -> Transfer:
    """Take in what arrived, in the lots in which it left; what is beyond that is found stock, with its cause.

    Raises:
        FieldError: a quantity is not positive, or a lot was not shipped.
        DomainError: STALE_QUANTITY where more arrives than is on its way, and no reason is given.
    """
    transfer = await opened(
        work,
        act=act,
        transfer_id=transfer_id,
        action=TransferAction.RECEIVE,
        expected_version=expected_version,
        is_sourced=is_sourced,
    )
    arrivals = _arrivals(transfer, lines)
    await _require_bins(work, transfer, lines)
    causes, usual = await named_causes(work, lines, FOUND, Direction.OUT)
    entries = _entries(transfer, arrivals, causes, usual)
    posted = await moved(work, act=act, transfer=transfer, kind=Kind.TRANSFER_IN, entries=entries, comment=comment)
    received = _sums(arrivals)
    left = {one.id: one.in_transit - received.get(one.id, ZERO) for _, one in transfer.picks}
    await work.transfers.set_picks(
        [
            row_of(line, one, received=one.received + received[one.id])
            for line, one in transfer.picks
            if received.get(one.id)
        ]
    )
    await work.transfers.change_lines(
        [
            LineChange(id=one.line.id, surplus=one.surplus, discrepancy_reason=one.wanted.reason)
            for one in arrivals
            if one.surplus or one.wanted.reason is not None
        ]
    )
    await work.transfers.deliver(delivered(transfer, received, left))
    await work.transfers.receipt(
        transfer_id,
        ReceiptKind.RECEIVED,
        posting_id=posted.posting_id,
        lines=[
            ReceiptLine(
                line_id=one.line.id,
                lot_id=one.pick.lot_id,
                bin_id=one.bin_id,
                quantity=one.quantity + one.surplus,
                surplus=one.surplus,
                discrepancy_reason=one.wanted.reason,
            )
            for one in arrivals
        ],
        comment=comment,
    )
    await work.transfers.move(
        transfer_id, TransferState.IN_TRANSIT if any(left.values()) else TransferState.RECEIVED
    )
    return await told(
        work,
        act=act,
        transfer_id=transfer_id,
        event="received",
        action=TransferAction.RECEIVE,
        before=transfer.state,
        comment=comment,
        details={"transactionId": posted.posting_id},
    )


def _arrivals(transfer: Transfer, lines: Sequence[ArrivedLine]) -> list[_Arrival]:
    """Which picks what arrived belongs to, one line after the other."""
    left = {one.id: one.in_transit for _, one in transfer.picks}
    arrivals, problems = [], []
    if not lines:
        problems.append(("lines", "name what arrived"))
    for n, wanted in enumerate(lines):
        line = line_of(transfer, wanted.line_id, f"lines[{n}].lineId")
        of = [one for one in line.picks if one.shipped and wanted.lot_number in {None, one.lot_number}]
        if wanted.quantity <= ZERO:
            problems.append((f"lines[{n}].quantity", "must be greater than zero"))
            continue
        if not of:
            what = "was not shipped" if wanted.lot_number is None else "is no lot that was shipped"
            problems.append((f"lines[{n}].{'lotNumber' if wanted.lot_number else 'lineId'}", what))
            continue
        found = _shared_out(line, of, left, wanted, n)
        arrivals += found
    if problems:
        raise FieldError(*problems)
    return arrivals


def _shared_out(
    line: TransferLine, of: Sequence[TransferPick], left: dict[UUID, Decimal], wanted: ArrivedLine, n: int
) -> list[_Arrival]:
    bin_id, rest, arrivals = wanted.bin_id or line.to_bin_id, wanted.quantity, []
    under_way = sum((left[one.id] for one in of), ZERO)
    for one in of:
        quantity = min(rest, left[one.id])
        left[one.id] -= quantity
        rest -= quantity
        if quantity > ZERO:
            arrivals.append(
                _Arrival(line=line, pick=one, bin_id=bin_id, quantity=quantity, surplus=ZERO, wanted=wanted)
            )
    if rest > ZERO:
        if wanted.reason is None:
            raise DomainError(
                Reason.STALE_QUANTITY,
                "More arrives than is on its way: say why in discrepancyReason, and it is taken in as found",
                lineId=line.id,
                index=n,
                expected=plain(wanted.quantity),
                actual=plain(under_way),
            )
        arrivals.append(
            _Arrival(line=line, pick=of[-1], bin_id=bin_id, quantity=ZERO, surplus=rest, wanted=wanted)
        )
    return arrivals


def _entries(
    transfer: Transfer, arrivals: Sequence[_Arrival], causes: Mapping[UUID, Cause], usual: UUID | None
) -> list[Entry]:
    entries = []
    for one in arrivals:
        target = Entry(
            kind=Kind.TRANSFER_IN,
            product_id=one.line.product_master_id,
            location_id=transfer.destination_location_id,
            bin_id=one.bin_id,
            lot_id=one.pick.lot_id,
            comment=one.wanted.reason,
        )
        if one.quantity > ZERO:
            entries += [
                Entry(kind=Kind.TRANSFER_OUT, line_id=one.pick.transit_item_id, delta=-one.quantity),
                replace(target, delta=one.quantity),
            ]
        if one.surplus > ZERO:
            code = code_of(one.wanted, causes, usual)
            entries.append(replace(target, kind=Kind.ADJUSTMENT, delta=one.surplus, reason_code_id=code))
    return entries


def _sums(arrivals: Sequence[_Arrival]) -> dict[UUID, Decimal]:
    sums: dict[UUID, Decimal] = {}
    for one in arrivals:
        sums[one.pick.id] = sums.get(one.pick.id, ZERO) + one.quantity
    return sums


async def _require_bins(work: TransferWork, transfer: Transfer, lines: Sequence[ArrivedLine]) -> None:
    bins = [one.bin_id for one in lines if one.bin_id is not None]
    named = await work.transfers.named([], [], [], bins) if bins else None
    for n, one in enumerate(lines):
        if named is None or one.bin_id is None:
            continue
        found = named.bins.get(one.bin_id)
        if found is None or found.location_id != transfer.destination_location_id:
            raise not_found("bin at this location", field="toBinId", index=n)
