"""Making a transfer, and changing it while it is a draft."""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from uuid import UUID

import msgspec

from domain.access.model import Act
from domain.errors import DomainError, FieldError, Reason, not_found
from domain.transfers.acting import opened, told
from domain.transfers.flow import Standing
from domain.transfers.model import (
    LineWanted,
    NewTransfer,
    Transfer,
    TransferAction,
    TransferState,
)
from domain.transfers.moving import move_at_once
from domain.transfers.ports import Named, TransferWork
from domain.transfers.reserving import submit
from domain.transfers.writing import written

NO_END = frozenset({"IN_TRANSIT"})
"""Types of locations that no transfer begins or ends at."""


async def create_transfer(
    work: TransferWork, *, act: Act, new: NewTransfer, submits: bool = False, is_sourced: bool = False
) -> Transfer:
    """Make a transfer: a draft, one that is submitted at once, or one from bin to bin that is done at once.

    Raises:
        FieldError: what it asks for cannot be.
        DomainError: NOT_FOUND, INACTIVE, LOCATION_DENIED; INSUFFICIENT_STOCK, POSITION_FROZEN where stock moves.
    """
    await checked(work, act=act, new=new, is_sourced=is_sourced)
    if new.origin_id == new.destination_id:
        return await move_at_once(work, act=act, new=new)
    transfer_id = await written(work, new, TransferState.DRAFT)
    made = await told(
        work,
        act=act,
        transfer_id=transfer_id,
        event="created",
        action="create",
        before=None,
        comment=new.comment,
    )
    if not submits:
        return made
    return await submit(work, act=act, transfer_id=transfer_id, is_sourced=is_sourced)


async def change_draft(
    work: TransferWork,
    *,
    act: Act,
    transfer_id: UUID,
    changes: dict[str, object],
    lines: Sequence[LineWanted] | None = None,
    comment: str | None = None,
    expected_version: int | None = None,
    is_sourced: bool = False,
) -> Transfer:
    """Change a draft's due date, reference or comment, and all of its lines if there are any."""
    transfer = await opened(
        work,
        act=act,
        transfer_id=transfer_id,
        action=TransferAction.UPDATE,
        expected_version=expected_version,
        is_sourced=is_sourced,
    )
    stands = NewTransfer(
        origin_id=transfer.origin_location_id,
        destination_id=transfer.destination_location_id,
        lines=lines or (),
        due_on=transfer.due_on,
        reference=transfer.reference,
        comment=transfer.comment,
    )
    new = msgspec.structs.replace(stands, **changes)
    await checked(work, act=act, new=new, is_sourced=is_sourced)
    await work.transfers.replace(transfer_id, new, with_lines=lines is not None)
    return await told(
        work,
        act=act,
        transfer_id=transfer_id,
        event="updated",
        action=TransferAction.UPDATE,
        before=transfer.state,
        comment=comment,
    )


async def checked(work: TransferWork, *, act: Act, new: NewTransfer, is_sourced: bool) -> Named:
    """All that a transfer names is there, and where it is said to be.

    Raises:
        FieldError: with all that cannot be meant.
        DomainError: LOCATION_DENIED, NOT_FOUND, INACTIVE.
    """
    standing = Standing(
        caller=act.caller, origin_id=new.origin_id, destination_id=new.destination_id, is_sourced=is_sourced
    )
    if (denied := standing.refusal_at(new.origin_id)) is not None:
        raise denied
    named = await work.transfers.named(
        [new.origin_id, new.destination_id],
        [line.product_id for line in new.lines],
        [line.lot_id for line in new.lines if line.lot_id is not None],
        [bin_id for line in new.lines for bin_id in (line.from_bin_id, line.to_bin_id) if bin_id is not None],
    )
    for field, id_ in (("originLocationId", new.origin_id), ("destinationLocationId", new.destination_id)):
        end = named.locations.get(id_)
        if end is None:
            raise not_found("location", field=field)
        if end.type in NO_END:
            raise FieldError((field, "is where stock is on its way; name the place where it goes"))
        if not end.is_active:
            raise DomainError(Reason.INACTIVE, "The location is not active", locationId=id_)
    for n, line in enumerate(new.lines):
        _require_known(line, new, named, n)
    problems = [problem for n, line in enumerate(new.lines) for problem in _problems(line, new, n)]
    today = named.locations[new.destination_id].today
    if new.due_on is not None and new.due_on < today:
        problems.append(("dueOn", f"lies in the past: it is {today} at the destination"))
    if problems:
        raise FieldError(*problems)
    return named


def _require_known(line: LineWanted, new: NewTransfer, named: Named, n: int) -> None:
    if line.product_id not in named.products:
        raise not_found("product", field="productMasterId", index=n)
    if not named.products[line.product_id]:
        raise DomainError(Reason.INACTIVE, "The product is not active", index=n, productMasterId=line.product_id)
    if line.lot_id is not None and named.lots.get(line.lot_id) != line.product_id:
        raise not_found("lot of this product", field="lotId", index=n)
    for field, bin_id, location_id in (
        ("fromBinId", line.from_bin_id, new.origin_id),
        ("toBinId", line.to_bin_id, new.destination_id),
    ):
        if bin_id is None:
            continue
        found = named.bins.get(bin_id)
        if found is None or found.location_id != location_id:
            raise not_found("bin at this location", field=field, index=n)
        if field == "toBinId" and not found.is_active:
            raise DomainError(Reason.INACTIVE, "The bin is not active", index=n, binId=bin_id)


def _problems(line: LineWanted, new: NewTransfer, n: int) -> Iterator[tuple[str, str]]:
    if line.quantity <= Decimal(0):
        yield f"lines[{n}].quantity", "must be greater than zero"
    if new.origin_id == new.destination_id:
        if line.to_bin_id is None:
            yield f"lines[{n}].toBinId", "is required within a location"
        elif line.to_bin_id == line.from_bin_id:
            yield f"lines[{n}].toBinId", "is the bin that it comes from"
