"""From bin to bin within a location: one posting, at once."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from uuid import UUID

import msgspec

from domain.access.model import Act
from domain.catalog.model import Mixing
from domain.errors import DomainError, Reason
from domain.ledger.model import Entry, Kind
from domain.put_away.fitting import MESSAGES
from domain.put_away.suggesting import Outcome
from domain.transfers.acting import posting_of, told, told_plainly
from domain.transfers.model import ZERO, LineWanted, NewTransfer, Transfer, TransferState
from domain.transfers.ports import PickRow, Room, Shelf, TransferWork
from domain.transfers.writing import written
from domain.values import new_id, plain


class _Move(msgspec.Struct, frozen=True, kw_only=True):
    line: int
    shelf: Shelf
    quantity: Decimal


async def move_at_once(work: TransferWork, *, act: Act, new: NewTransfer) -> Transfer:
    """Move stock between bins, first expired first within the bin or lot that a line names.

    Stock of a hold, quarantine or damage bin is moved only by who names the bin. What is reserved or held stays.

    Raises:
        DomainError: INSUFFICIENT_STOCK, BIN_UNFIT, POSITION_FROZEN, INACTIVE.
    """
    transfer_id = await written(work, new, TransferState.COMPLETED)
    rooms = await work.transfers.rooms(sorted({line.to_bin_id for line in new.lines if line.to_bin_id}))
    products = sorted({line.product_id for line in new.lines})
    seen = [shelf.line_id for id_ in products for shelf in await work.transfers.shelves(id_, new.origin_id)]
    await work.settle(transfer_id, [], lines=sorted(seen))
    shelves = {id_: await work.transfers.shelves(id_, new.origin_id) for id_ in products}
    moves = _chosen(new, shelves)
    _require_room(new, moves, rooms)
    entries = []
    for move in moves:
        line = new.lines[move.line]
        entries += [
            Entry(kind=Kind.TRANSFER_OUT, line_id=move.shelf.line_id, delta=-move.quantity),
            Entry(
                kind=Kind.TRANSFER_IN,
                product_id=line.product_id,
                location_id=new.destination_id,
                bin_id=line.to_bin_id,
                lot_id=move.shelf.lot_id,
                delta=move.quantity,
            ),
        ]
    try:
        posted = await work.post(posting_of(act, transfer_id, Kind.TRANSFER_OUT, entries, comment=new.comment))
    except DomainError as refused:
        raise told_plainly(refused) from None
    lines = (await work.transfers.view(transfer_id)).lines
    await work.transfers.add_picks(
        transfer_id,
        [
            PickRow(
                id=new_id(),
                line_id=lines[move.line].id,
                stock_line_id=move.shelf.line_id,
                picked=move.quantity,
                shipped=move.quantity,
                received=move.quantity,
            )
            for move in moves
        ],
    )
    await work.transfers.move(transfer_id, TransferState.COMPLETED, ship_posting_id=posted.posting_id)
    return await told(
        work,
        act=act,
        transfer_id=transfer_id,
        event="moved",
        action="move",
        before=None,
        comment=new.comment,
    )


def _chosen(new: NewTransfer, shelves: dict[UUID, list[Shelf]]) -> list[_Move]:
    """Those that name a bin or a lot choose first."""
    free = {shelf.line_id: shelf.free for of_product in shelves.values() for shelf in of_product}
    moves: list[_Move] = []
    order = sorted(
        range(len(new.lines)),
        key=lambda n: -(new.lines[n].from_bin_id is not None) - (new.lines[n].lot_id is not None),
    )
    for n in order:
        line = new.lines[n]
        rest = line.quantity
        for shelf in shelves[line.product_id]:
            quantity = min(rest, free[shelf.line_id])
            if quantity <= ZERO or not _admits(line, shelf):
                continue
            free[shelf.line_id] -= quantity
            rest -= quantity
            moves.append(_Move(line=n, shelf=shelf, quantity=quantity))
        if rest > ZERO:
            raise DomainError(
                Reason.INSUFFICIENT_STOCK,
                "There is not enough stock that may be moved",
                index=n,
                productMasterId=line.product_id,
                fromBinId=line.from_bin_id,
                lotId=line.lot_id,
                requested=plain(line.quantity),
                available=plain(line.quantity - rest),
            )
    return sorted(moves, key=lambda move: move.line)


def _require_room(new: NewTransfer, moves: Sequence[_Move], rooms: Mapping[UUID, Room]) -> None:
    """Bins take what their mixing rules and capacities let them."""
    for bin_id, room in rooms.items():
        coming = [move for move in moves if new.lines[move.line].to_bin_id == bin_id]
        lots = room.lots | {(new.lines[move.line].product_id, move.shelf.lot_id) for move in coming}
        quantity = sum((move.quantity for move in coming), ZERO)
        if room.mixing is not Mixing.ANY and len({product_id for product_id, _ in lots}) > 1:
            rule = Outcome.OTHER_PRODUCT
        elif room.mixing is Mixing.ONE_LOT and len(lots) > 1:
            rule = Outcome.OTHER_LOT
        elif room.capacity is not None and room.filled + quantity > room.capacity:
            rule = Outcome.NO_ROOM
        else:
            continue
        raise DomainError(
            Reason.BIN_UNFIT,
            MESSAGES[rule],
            toBinId=bin_id,
            rule=rule,
            requested=plain(quantity),
            room=None if room.capacity is None else plain(max(ZERO, room.capacity - room.filled)),
        )


def _admits(line: LineWanted, shelf: Shelf) -> bool:
    return (
        shelf.bin_id != line.to_bin_id
        and (shelf.sells if line.from_bin_id is None else shelf.bin_id == line.from_bin_id)
        and line.lot_id in {None, shelf.lot_id}
    )
