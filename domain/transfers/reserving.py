"""Reserving a transfer at its origin, and picking what was reserved."""

from collections.abc import Sequence
from decimal import Decimal
from uuid import UUID

import msgspec

from domain.access.model import Act
from domain.availability import allocating
from domain.availability.allocating import Source, allot_lines
from domain.availability.claims import Need, Offer, grant
from domain.availability.ports import Wish
from domain.availability.service import insufficient
from domain.counting.tasks import report_short_pick
from domain.documents import DocumentType
from domain.errors import DomainError, FieldError, Reason
from domain.ledger.allocation import Candidate
from domain.transfers.acting import line_of, opened, told
from domain.transfers.model import (
    ZERO,
    PickedLine,
    Transfer,
    TransferAction,
    TransferLine,
    TransferPick,
    TransferState,
)
from domain.transfers.ports import LineChange, PickRow, TransferWork
from domain.values import new_id, plain


class _Take(msgspec.Struct, frozen=True, kw_only=True):
    line: TransferLine
    candidate: Candidate
    quantity: Decimal


async def submit(
    work: TransferWork,
    *,
    act: Act,
    transfer_id: UUID,
    comment: str | None = None,
    expected_version: int | None = None,
    is_sourced: bool = False,
) -> Transfer:
    """Reserve all of it at the origin, first expired first within what each line allows, or nothing.

    Raises:
        DomainError: INSUFFICIENT_STOCK with what there is of each line that is short, and by which terms.
    """
    transfer = await opened(
        work,
        act=act,
        transfer_id=transfer_id,
        action=TransferAction.SUBMIT,
        expected_version=expected_version,
        is_sourced=is_sourced,
    )
    if not transfer.lines:
        raise FieldError(("lines", "there is nothing to transfer"))
    origin = transfer.origin_location_id
    offered = await work.begin(sorted({(line.product_master_id, origin) for line in transfer.lines}))
    takes = _chosen(transfer, {place[0]: offer for place, offer in offered.offers.items()})
    claims = await allot_lines(
        work,
        wanted=[
            allocating.LineWanted(
                line_id=take.candidate.line_id,
                product_id=take.line.product_master_id,
                location_id=origin,
                quantity=take.quantity,
            )
            for take in takes
        ],
        source=Source(type=DocumentType.TRANSFER, id=transfer_id),
        leaves=True,
    )
    picks = [
        PickRow(
            id=new_id(),
            line_id=take.line.id,
            stock_line_id=take.candidate.line_id,
            claim_id=claim.id,
            reserved=take.quantity,
        )
        for take, claim in zip(takes, claims, strict=True)
    ]
    await work.transfers.add_picks(transfer_id, picks)
    await work.transfers.move(transfer_id, TransferState.PENDING)
    return await told(
        work,
        act=act,
        transfer_id=transfer_id,
        event="submitted",
        action=TransferAction.SUBMIT,
        before=transfer.state,
        comment=comment,
    )


async def pick(
    work: TransferWork,
    *,
    act: Act,
    transfer_id: UUID,
    lines: Sequence[PickedLine] = (),
    comment: str | None = None,
    expected_version: int | None = None,
    is_sourced: bool = False,
) -> Transfer:
    """Confirm what was picked: all that is reserved, but for the lines that say less; the rest is given back.

    Raises:
        FieldError: more than is reserved, less without a reason, or nothing at all.
    """
    transfer = await opened(
        work,
        act=act,
        transfer_id=transfer_id,
        action=TransferAction.PICK,
        expected_version=expected_version,
        is_sourced=is_sourced,
    )
    reasons: dict[UUID, str] = {}
    picked = _picked(transfer, lines, reasons)
    if not any(picked.values()):
        raise FieldError(("lines", "nothing was picked: cancel the transfer instead"))
    short = [(one, one.reserved - picked[one.id]) for _, one in transfer.picks if picked[one.id] < one.reserved]
    await work.settle(
        transfer_id,
        [Wish(id=_claim(one), action="RELEASE", quantity=rest) for one, rest in short],
    )
    await work.transfers.set_picks(
        [row_of(line, one, reserved=picked[one.id], picked=picked[one.id]) for line, one in transfer.picks]
    )
    await work.transfers.change_lines(
        [LineChange(id=line_id, pick_reason=reason) for line_id, reason in reasons.items()]
    )
    for line, one in transfer.picks:
        if picked[one.id] < one.reserved:
            await report_short_pick(
                work,
                line_id=one.inventory_item_id,
                source_type=DocumentType.TRANSFER,
                source_id=str(transfer_id),
                note=reasons.get(line.id),
            )
    await work.transfers.move(transfer_id, TransferState.PICKED)
    return await told(
        work,
        act=act,
        transfer_id=transfer_id,
        event="picked",
        action=TransferAction.PICK,
        before=transfer.state,
        comment=comment,
        details={
            "short": [{"inventoryItemId": one.inventory_item_id, "quantity": plain(rest)} for one, rest in short]
        }
        if short
        else None,
    )


def row_of(line: TransferLine, one: TransferPick, **changes: object) -> PickRow:
    """What is known of a pick, as it is to be written."""
    row = PickRow(
        id=one.id,
        line_id=line.id,
        stock_line_id=one.inventory_item_id,
        transit_line_id=one.transit_item_id,
        claim_id=one.claim_id,
        reserved=one.reserved,
        picked=one.picked,
        shipped=one.shipped,
        received=one.received,
        lost=one.lost,
        returned=one.returned,
    )
    return msgspec.structs.replace(row, **changes)


def _claim(one: TransferPick) -> UUID:
    assert one.claim_id is not None, "what is reserved is claimed"
    return one.claim_id


def _chosen(transfer: Transfer, offers: dict[UUID, Offer]) -> list[_Take]:
    """Which stock lines give for which lines: those that name a bin or a lot choose first."""
    free = {line.line_id: line.free for offer in offers.values() for line in offer.lines}
    takes, short = [], []
    for line in sorted(transfer.lines, key=lambda one: (-_narrow(one), one.number)):
        offer, rest = offers[line.product_master_id], line.quantity
        for candidate in offer.lines:
            quantity = min(rest, free[candidate.line_id])
            if quantity <= ZERO or not _admits(line, candidate) or not candidate.may_give(offer.pool.today):
                continue
            free[candidate.line_id] -= quantity
            rest -= quantity
            takes.append(_Take(line=line, candidate=candidate, quantity=quantity))
        if rest > ZERO:
            short.append((line, rest))
    if short:
        raise _insufficient(transfer, offers, short)
    return sorted(takes, key=lambda take: take.line.number)


def _narrow(line: TransferLine) -> int:
    return (line.from_bin_id is not None) + (line.lot_id is not None)


def _admits(line: TransferLine, candidate: Candidate) -> bool:
    return line.from_bin_id in {None, candidate.bin_id} and line.lot_id in {None, candidate.lot_id}


def _insufficient(
    transfer: Transfer, offers: dict[UUID, Offer], short: Sequence[tuple[TransferLine, Decimal]]
) -> DomainError:
    """With the terms of the location where that is what is short, else with what bin and lot still have."""
    needs: dict[UUID, Decimal] = {}
    for line in transfer.lines:
        needs[line.product_master_id] = needs.get(line.product_master_id, ZERO) + line.quantity
    origin = transfer.origin_location_id
    grants = grant(
        [Need(product_id=id_, location_id=origin, quantity=quantity) for id_, quantity in needs.items()],
        {(id_, origin): offer for id_, offer in offers.items()},
    )
    of_location = [given for given in grants if given.shortfall > ZERO]
    if of_location:
        return insufficient(of_location)
    items = [
        {
            "index": line.number - 1,
            "lineId": line.id,
            "productMasterId": line.product_master_id,
            "fromBinId": line.from_bin_id,
            "lotId": line.lot_id,
            "requested": plain(line.quantity),
            "available": plain(line.quantity - rest),
            "shortfall": plain(rest),
        }
        for line, rest in short
    ]
    return DomainError(
        Reason.INSUFFICIENT_STOCK, "There is not enough stock in the bin or lot that is named", items=items
    )


def _picked(transfer: Transfer, lines: Sequence[PickedLine], reasons: dict[UUID, str]) -> dict[UUID, Decimal]:
    """How much was picked of each of the picks; reasons by line go into `reasons`."""
    picked = {one.id: one.reserved for _, one in transfer.picks}
    said: set[UUID] = set()
    problems = []
    for n, wanted in enumerate(lines):
        line = line_of(transfer, wanted.line_id, f"lines[{n}].lineId")
        of = [one for one in line.picks if wanted.stock_line_id in {None, one.inventory_item_id}]
        if not of:
            problems.append((f"lines[{n}].inventoryItemId", "is not what was reserved for this line"))
            continue
        if said & {one.id for one in of}:
            problems.append((f"lines[{n}].lineId", "is named twice"))
            continue
        said |= {one.id for one in of}
        reserved = sum((one.reserved for one in of), ZERO)
        if not ZERO <= wanted.quantity <= reserved:
            problems.append((f"lines[{n}].quantity", f"must be between 0 and what is reserved: {plain(reserved)}"))
        elif wanted.quantity < reserved and wanted.reason is None:
            problems.append((f"lines[{n}].reason", "is required where less is picked than was reserved"))
        if wanted.reason is not None:
            reasons[line.id] = wanted.reason
        rest = wanted.quantity
        for one in of:
            picked[one.id] = min(one.reserved, max(ZERO, rest))
            rest -= picked[one.id]
    if problems:
        raise FieldError(*problems)
    return picked
