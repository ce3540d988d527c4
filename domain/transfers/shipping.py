"""Shipping: from the origin into transit, and supply at the destination from then on."""

from collections import defaultdict
from collections.abc import Sequence
from decimal import Decimal
from uuid import UUID

import msgspec

from domain.access.model import Act
from domain.availability.ports import Wish
from domain.errors import DomainError
from domain.ledger.model import Entry, Kind
from domain.transfers.acting import opened, posting_of, told, told_plainly
from domain.transfers.making import checked
from domain.transfers.model import ZERO, NewTransfer, Transfer, TransferAction, TransferState
from domain.transfers.ports import Expected, LineChange, PickRow, StockPlace, TransferWork, TransitBin
from domain.transfers.reserving import row_of
from domain.transfers.writing import written
from domain.values import new_id


class Claimed(msgspec.Struct, frozen=True, kw_only=True):
    """A quantity of a claim that leaves with a line of a transfer, counted from 0."""

    line: int
    claim_id: UUID
    quantity: Decimal


async def ship(
    work: TransferWork,
    *,
    act: Act,
    transfer_id: UUID,
    comment: str | None = None,
    expected_version: int | None = None,
    is_sourced: bool = False,
) -> Transfer:
    """Take what was picked from the origin into transit.

    Raises:
        DomainError: INSUFFICIENT_STOCK where it is not there any more, or is held; POSITION_FROZEN.
    """
    transfer = await opened(
        work,
        act=act,
        transfer_id=transfer_id,
        action=TransferAction.SHIP,
        expected_version=expected_version,
        is_sourced=is_sourced,
    )
    going = [(line, one) for line, one in transfer.picks if one.picked > ZERO]
    wishes = [Wish(id=one.claim_id, action="CONSUME", quantity=one.picked) for _, one in going if one.claim_id]
    transit = await work.transfers.transit(transfer.origin_location_id)
    known = await _known(work, transit, [one.inventory_item_id for _, one in going])
    await work.settle(transfer_id, wishes, lines=known)
    rows = [row_of(line, one, reserved=ZERO, shipped=one.picked) for line, one in going]
    await _depart(work, act=act, transfer=transfer, rows=rows, transit=transit, comment=comment)
    return await told(
        work,
        act=act,
        transfer_id=transfer_id,
        event="shipped",
        action=TransferAction.SHIP,
        before=transfer.state,
        comment=comment,
    )


async def dispatch(
    work: TransferWork,
    *,
    act: Act,
    new: NewTransfer,
    document_id: UUID,
    claimed: Sequence[Claimed],
) -> Transfer:
    """Ship at once what another document has claimed: its claims are consumed, the transfer begins in transit.

    For the document that the transfer is made for, in its transaction. It has locked its own rows and nothing of
    the stock: numbers come before stock in the order of locks.
    """
    await checked(work, act=act, new=new, is_sourced=True)
    transfer_id = await written(work, new, TransferState.DRAFT)
    transit = await work.transfers.transit(new.origin_id)
    wishes = [Wish(id=one.claim_id, action="CONSUME", quantity=one.quantity) for one in claimed]
    resolved = await work.settle(document_id, wishes)
    transfer = await work.transfers.view(transfer_id)
    rows = [
        PickRow(
            id=new_id(),
            line_id=transfer.lines[one.line].id,
            stock_line_id=part.line_id,
            picked=part.quantity,
            shipped=part.quantity,
        )
        for one, settled in zip(claimed, resolved, strict=True)
        for part in settled.lines
    ]
    # Written before they have a place in transit: with nothing shipped yet.
    await work.transfers.add_picks(
        transfer_id, [msgspec.structs.replace(row, picked=ZERO, shipped=ZERO) for row in rows]
    )
    await _depart(work, act=act, transfer=transfer, rows=rows, transit=transit, comment=new.comment)
    return await told(
        work,
        act=act,
        transfer_id=transfer_id,
        event="shipped",
        action=TransferAction.SHIP,
        before=None,
        comment=new.comment,
    )


async def _depart(
    work: TransferWork,
    *,
    act: Act,
    transfer: Transfer,
    rows: Sequence[PickRow],
    transit: TransitBin,
    comment: str | None,
) -> None:
    """The posting out of the origin into transit, and what follows from it."""
    places = await work.transfers.places([row.stock_line_id for row in rows])
    entries: list[Entry] = []
    arriving: dict[tuple[UUID, UUID], Decimal] = defaultdict(Decimal)
    for row in rows:
        place = places[row.stock_line_id]
        entries.append(Entry(kind=Kind.TRANSFER_OUT, line_id=row.stock_line_id, delta=-row.shipped))
        arriving[place.product_id, place.lot_id] += row.shipped
    entries += [
        Entry(
            kind=Kind.TRANSFER_IN,
            product_id=product_id,
            location_id=transit.location_id,
            bin_id=transit.bin_id,
            lot_id=lot_id,
            delta=quantity,
        )
        for (product_id, lot_id), quantity in arriving.items()
    ]
    try:
        posted = await work.post(posting_of(act, transfer.id, Kind.TRANSFER_OUT, entries, comment=comment))
    except DomainError as refused:
        raise told_plainly(refused) from None
    there = await work.transfers.lines_at(transit, list(arriving))
    await work.transfers.set_picks(
        [msgspec.structs.replace(row, transit_line_id=there[places[row.stock_line_id].lot_id]) for row in rows]
    )
    await _expect(work, transfer, rows, places)
    await work.transfers.move(transfer.id, TransferState.IN_TRANSIT, ship_posting_id=posted.posting_id)


async def _expect(
    work: TransferWork, transfer: Transfer, rows: Sequence[PickRow], places: dict[UUID, StockPlace]
) -> None:
    """One supply a line, as large as what has left."""
    shipped: dict[UUID, tuple[UUID, Decimal]] = {}
    for row in rows:
        product_id = places[row.stock_line_id].product_id
        shipped[row.line_id] = product_id, shipped.get(row.line_id, (product_id, ZERO))[1] + row.shipped
    supplies = {
        line_id: Expected(id=new_id(), product_id=product_id, quantity=quantity)
        for line_id, (product_id, quantity) in shipped.items()
    }
    await work.transfers.expect(
        transfer.id, transfer.destination_location_id, transfer.due_on, list(supplies.values())
    )
    await work.transfers.change_lines(
        [LineChange(id=line_id, supply_id=supply.id) for line_id, supply in supplies.items()]
    )


async def _known(work: TransferWork, transit: TransitBin, line_ids: Sequence[UUID]) -> list[UUID]:
    """The lines in transit that are there already, to be locked in one order with those that give."""
    places = await work.transfers.places(line_ids)
    lots = sorted({(place.product_id, place.lot_id) for place in places.values()})
    return sorted((await work.transfers.lines_at(transit, lots)).values())
