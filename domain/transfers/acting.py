"""What every step of a transfer does: open it under its lock, and tell what has become of it."""

from typing import Any
from uuid import UUID

import msgspec

from domain.access.model import Act
from domain.documents import DocumentType, Step
from domain.errors import DomainError, Reason, not_found
from domain.ledger.model import Entry, Kind, Posting
from domain.transfers.flow import FLOW, allowed, standing_of
from domain.transfers.model import TRANSFER, Transfer, TransferAction, TransferLine, TransferState, TransferStep
from domain.transfers.ports import TransferWork
from domain.values import new_id


async def opened(
    work: TransferWork,
    *,
    act: Act,
    transfer_id: UUID,
    action: TransferAction,
    expected_version: int | None,
    is_sourced: bool,
) -> Transfer:
    """The transfer, locked, if the action may be done to it by this caller.

    Raises:
        DomainError: NOT_FOUND, LOCATION_DENIED, STALE_VERSION, IN_USE, INVALID_TRANSITION.
    """
    transfer = await work.transfers.locked(transfer_id)
    if transfer is None:
        raise not_found("transfer")
    standing = standing_of(transfer, act.caller, is_sourced=is_sourced)
    denied = standing.refusal_at(transfer.origin_location_id)
    if denied is not None and standing.refusal_at(transfer.destination_location_id) is not None:
        raise denied  # neither end is the caller's: not even its state is theirs to know
    if expected_version not in {None, transfer.version}:
        raise DomainError(
            Reason.STALE_VERSION,
            "The transfer has been changed since you read it",
            expected=expected_version,
            actual=transfer.version,
        )
    FLOW.require(transfer.state, action, standing)
    return transfer


async def told(
    work: TransferWork,
    *,
    act: Act,
    transfer_id: UUID,
    event: str,
    action: str,
    before: TransferState | None,
    comment: str | None = None,
    details: dict[str, Any] | None = None,
) -> Transfer:
    """Write the step into the history, tell the feed, and show the transfer as it is now."""
    after = await work.transfers.view(transfer_id)
    step = Step(action=action, from_state=before, to_state=after.state, comment=comment, details=details or {})
    past = await work.step(DocumentType.TRANSFER, transfer_id, step)
    done = msgspec.convert(past, TransferStep, from_attributes=True)
    transfer = msgspec.structs.replace(after, history=(*after.history, done))
    await work.record(
        f"transfer.{event}.v1",
        TRANSFER,
        transfer_id,
        _payload(transfer) | (details or {}),
        locations=sorted({transfer.origin_location_id, transfer.destination_location_id}),
    )
    await work.followed(transfer)
    return msgspec.structs.replace(transfer, allowed_actions=allowed(transfer, act.caller))


def unbounded(act: Act) -> Act:
    """The act for a posting whose ends have been asked about: what is in transit is in nobody's locations."""
    caller = act.caller
    return msgspec.structs.replace(
        act, caller=msgspec.structs.replace(caller, rights={**caller.rights, act.permission: None})
    )


def posting_of(
    act: Act,
    transfer_id: UUID,
    kind: Kind,
    entries: list[Entry],
    *,
    comment: str | None = None,
    force: bool = False,
    reverses_id: UUID | None = None,
) -> Posting:
    """One posting of a transfer."""
    return Posting(
        id=new_id(),
        kind=kind,
        entries=tuple(entries),
        source_type=DocumentType.TRANSFER,
        source_id=str(transfer_id),
        comment=comment,
        force=force,
        reverses_id=reverses_id,
        act=unbounded(act),
    )


def told_plainly(refused: DomainError) -> DomainError:
    """A refusal of the ledger without the index of an entry that nobody sent."""
    refused.facts.pop("entry", None)
    return refused


def line_of(transfer: Transfer, line_id: UUID, at: str) -> TransferLine:
    found = next((line for line in transfer.lines if line.id == line_id), None)
    if found is None:
        raise not_found("line of this transfer", field=at)
    return found


def _payload(transfer: Transfer) -> dict[str, Any]:
    return {
        "id": transfer.id,
        "number": transfer.number,
        "type": transfer.type,
        "state": transfer.state,
        "version": transfer.version,
        "originLocationId": transfer.origin_location_id,
        "destinationLocationId": transfer.destination_location_id,
        "sourceType": transfer.source_type,
        "sourceId": transfer.source_id,
        "dueOn": transfer.due_on,
        "lines": [
            {
                "lineId": line.id,
                "productMasterId": line.product_master_id,
                "quantity": line.quantity,
                "reserved": line.reserved,
                "picked": line.picked,
                "shipped": line.shipped,
                "received": line.received,
                "lost": line.lost,
                "returned": line.returned,
                "surplus": line.surplus,
            }
            for line in transfer.lines
        ],
    }
