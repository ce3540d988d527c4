"""A transfer's row, under its number."""

from uuid import UUID

from domain.documents import DocumentType
from domain.transfers.model import NewTransfer, TransferState, TransferType
from domain.transfers.ports import TransferWork
from domain.values import new_id


async def written(work: TransferWork, new: NewTransfer, state: TransferState) -> UUID:
    """Write a transfer with its lines; its id. The number is the first thing that a transaction locks of it."""
    transfer_id = new_id()
    number = await work.number(DocumentType.TRANSFER)
    type_ = TransferType.INTERNAL if new.origin_id == new.destination_id else TransferType.STANDARD
    await work.transfers.add(transfer_id, number=number, type_=type_, state=state, new=new)
    return transfer_id
