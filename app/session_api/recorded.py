"""A posting as the answer to the request that caused it."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from http import HTTPStatus
from typing import Any
from uuid import UUID

import msgspec

from app.http.headers import ledger_headers, position_header
from app.http.wire import Answer, Json, encode
from domain.ledger.model import Moved, Posted
from domain.ledger.places import Place, Recorded


class TransactionLine(Answer, frozen=True, kw_only=True):
    """One movement. A product without lot control has no `lotNumber`."""

    inventory_item_id: UUID
    product_master_id: UUID
    location_id: UUID
    bin_id: UUID
    bin_code: str
    lot_id: UUID
    lot_number: str | None
    expiry_date: date | None
    transaction_type: str
    delta_qty: Decimal
    qty_before: Decimal
    qty_after: Decimal
    effective_at: datetime


class TransactionAnswer(Answer, frozen=True, kw_only=True):
    """A posting with its movements, in the order in which they were made."""

    id: UUID
    transaction_type: str
    created_at: datetime
    ledger_position: int
    lines: Sequence[TransactionLine]


class TransactionData(Answer, frozen=True, kw_only=True):
    data: TransactionAnswer


def recorded_answer(recorded: Recorded) -> Json[TransactionData]:
    """The posting, with the ledger's position and whether this is the answer to a retry in the headers."""
    answer = TransactionAnswer(**transaction_fields(recorded.posted, recorded.places))
    return Json(TransactionData(data=answer), headers=ledger_headers(recorded.posted))


def transaction_fields(posted: Posted, places: Mapping[UUID, Place]) -> dict[str, Any]:
    """The fields of a `TransactionAnswer`."""
    return {
        "id": posted.posting_id,
        "transaction_type": posted.kind,
        "created_at": posted.recorded_at,
        "ledger_position": posted.position,
        "lines": [transaction_line(moved, places[moved.line_id]) for moved in posted.movements],
    }


class _Positioned(msgspec.Struct, frozen=True, rename="camel"):
    ledger_position: int


class _Data(msgspec.Struct, frozen=True):
    data: _Positioned


_data = msgspec.json.Decoder(_Data)


def positioned[T](answer: Json[T]) -> Json[T]:
    """An answer of `once` with the ledger's position that it states, also when it is the stored one to a retry."""
    if answer.status_code == HTTPStatus.OK:
        content = answer.content if isinstance(answer.content, bytes) else encode(answer.content)
        answer.headers |= position_header(_data.decode(content).data.ledger_position)
    return answer


def transaction_line(moved: Moved, place: Place) -> TransactionLine:
    return TransactionLine(
        inventory_item_id=moved.line_id,
        product_master_id=moved.product_id,
        location_id=moved.location_id,
        bin_id=place.bin_id,
        bin_code=place.bin_code,
        lot_id=place.lot_id,
        lot_number=place.lot_number or None,
        expiry_date=place.expires_on,
        transaction_type=moved.kind,
        delta_qty=moved.delta,
        qty_before=moved.before,
        qty_after=moved.after,
        effective_at=moved.effective_at,
    )
