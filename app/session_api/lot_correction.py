"""Stock in the wrong lot, and lots with the wrong expiry: `/api/inventory/adjustments/lot-correction`."""

from collections.abc import Sequence
from datetime import date
from enum import StrEnum
from typing import Protocol
from uuid import UUID

import msgspec
from litestar import Controller
from litestar.di import NamedDependency
from litestar.params import JSONBody, SkipValidation
from msgspec import UNSET, UnsetType

from app.http.acts import Begin, Work, once
from app.http.headers import ledger_headers
from app.http.routes import route
from app.http.wire import Answer, Body, Json, Text64, Text2000, Version
from app.session_api.adjustments import When
from app.session_api.recorded import TransactionAnswer, positioned, transaction_fields
from domain.access.model import Act, Permission
from domain.catalog.views import LotView
from domain.errors import FieldError, Reason
from domain.ledger.lot_correction import (
    ExpiryWork,
    LotMove,
    LotMoveReads,
    correct_expiry,
    move_to_right_lot,
)
from domain.ledger.new_lots import BeginLots
from domain.ledger.ports import Answers, Ledger
from domain.values import Quantity


class LotAction(StrEnum):
    CORRECT_EXPIRY = "CORRECT_EXPIRY"
    MOVE = "MOVE"


class LotCorrectionRequest(Body, frozen=True, kw_only=True):
    """MOVE books `quantity` of `inventoryItemId` over to the lot `toLotId`, or `toLotNumber` (made if it is new).

    CORRECT_EXPIRY gives the lot `lotId` the `expiryDate`, wherever its stock is.
    """

    action: LotAction = LotAction.MOVE
    inventory_item_id: UUID | None = None
    quantity: Quantity | None = None
    to_lot_id: UUID | None = None
    to_lot_number: Text64 | None = None
    lot_id: UUID | None = None
    expiry_date: date | None = None
    expected_version: Version | None = None
    comment: Text2000 | None = None
    effective_at: When | None = None
    force: bool = False


_ON_WIRE = {field.name: field.encode_name for field in msgspec.structs.fields(LotCorrectionRequest)}


class LotCorrected(TransactionAnswer, frozen=True, kw_only=True):
    """A move has `lines`, two that add up to zero; a corrected expiry has the `lot` and no lines."""

    lot: LotView | UnsetType = UNSET


class LotCorrectedData(Answer, frozen=True, kw_only=True):
    data: LotCorrected


class ExpiryUnit(ExpiryWork, Work, Protocol):
    """A correction of a lot in one transaction, with its answer kept beside it."""


class LotCorrectionController(Controller):
    path = "/api/inventory/adjustments/lot-correction"
    tags: Sequence[str] | None = ("Adjustments",)

    @route(
        "POST",
        "/",
        operation="correctLot",
        summary="Create lot correction adjustment",
        permissions=Permission.INVENTORY_ADJUST,
        description="Moves a quantity from a wrong lot to the right one at the same place, or corrects the expiry "
        "date of a lot as a whole, which takes rights at all locations.",
        errors=[
            Reason.NOT_FOUND,
            Reason.NO_CHANGE,
            Reason.INSUFFICIENT_STOCK,
            Reason.COUNTED_SINCE,
            Reason.POSITION_FROZEN,
            Reason.INACTIVE,
            Reason.IN_USE,
            Reason.STALE_VERSION,
            Reason.LOCATION_DENIED,
        ],
        example={
            "inventoryItemId": "{lottedInventoryItemId}",
            "quantity": 1,
            "toLotNumber": "{rightLotNumber}",
            "expiryDate": "{rightLotExpiryDate}",
            "comment": "Two labels were swapped",
        },
    )
    async def correct(
        self,
        *,
        data: JSONBody[LotCorrectionRequest],
        act: NamedDependency[SkipValidation[Act]],
        lot_move_reads: NamedDependency[SkipValidation[LotMoveReads]],
        answers: NamedDependency[SkipValidation[Answers]],
        ledger: NamedDependency[SkipValidation[Ledger]],
        begin_lots: NamedDependency[SkipValidation[BeginLots]],
        begin_catalog: NamedDependency[SkipValidation[Begin[ExpiryUnit]]],
    ) -> Json[LotCorrectedData]:
        if data.action is LotAction.MOVE:
            move = _move(data)
            recorded = await move_to_right_lot(lot_move_reads, answers, ledger, begin_lots, act=act, move=move)
            moved = LotCorrected(**transaction_fields(recorded.posted, recorded.places))
            return Json(LotCorrectedData(data=moved), headers=ledger_headers(recorded.posted))
        lot_id, expires_on = _corrected(data)

        async def do(work: ExpiryUnit) -> LotCorrectedData:
            done = await correct_expiry(
                work,
                act=act,
                lot_id=lot_id,
                expires_on=expires_on,
                expected_version=data.expected_version,
                comment=data.comment,
            )
            return LotCorrectedData(data=LotCorrected(**transaction_fields(done.posted, {}), lot=done.lot))

        return positioned(await once(begin_catalog, act, do))


def _move(data: LotCorrectionRequest) -> LotMove:
    problems = _missing(data, "inventory_item_id", "quantity") + _astray(data, "lot_id", "expected_version")
    if data.quantity is not None and data.quantity <= 0:
        problems.append(("quantity", "must be greater than zero"))
    if (data.to_lot_id is None) == (data.to_lot_number is None):
        problems.append(("toLotNumber", "name the right lot, by its number or by its id"))
    if problems or data.inventory_item_id is None or data.quantity is None:
        raise FieldError(*problems)
    return LotMove(
        line_id=data.inventory_item_id,
        quantity=data.quantity,
        to_lot_id=data.to_lot_id,
        to_lot_number=data.to_lot_number,
        expires_on=data.expiry_date,
        comment=data.comment,
        effective_at=data.effective_at,
        force=data.force,
    )


def _corrected(data: LotCorrectionRequest) -> tuple[UUID, date]:
    problems = _missing(data, "lot_id", "expiry_date") + _astray(
        data, "inventory_item_id", "quantity", "to_lot_id", "to_lot_number", "effective_at"
    )
    if problems or data.lot_id is None or data.expiry_date is None:
        raise FieldError(*problems)
    return data.lot_id, data.expiry_date


def _missing(data: LotCorrectionRequest, *names: str) -> list[tuple[str, str]]:
    return [(_ON_WIRE[name], f"is required to {data.action}") for name in names if getattr(data, name) is None]


def _astray(data: LotCorrectionRequest, *names: str) -> list[tuple[str, str]]:
    return [
        (_ON_WIRE[name], f"has no meaning for {data.action}") for name in names if getattr(data, name) is not None
    ]
