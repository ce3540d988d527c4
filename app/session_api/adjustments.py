"""Adjustments: `/api/inventory/adjust` and `/api/inventory/adjustments`."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated
from uuid import UUID

from litestar import Controller
from litestar.di import NamedDependency
from litestar.params import JSONBody, SkipValidation
from msgspec import UNSET, Meta, UnsetType

from app.http.headers import ledger_headers
from app.http.routes import route
from app.http.wire import Answer, Body, Json, Text2000
from app.session_api.adjustment_lists import AdjustmentLists
from domain.access.model import Act, Permission
from domain.errors import FieldError, Reason
from domain.ledger.adjusting import Adjustment, adjust
from domain.ledger.model import Moved, Posted
from domain.ledger.ports import Ledger, Reference
from domain.values import Quantity

ITEMS_MAX = 500

type When = Annotated[datetime, Meta(tz=True)]


class AdjustmentType(StrEnum):
    INCREASE = "INCREASE"
    DECREASE = "DECREASE"


class AdjustItem(Body, frozen=True, kw_only=True):
    """A difference on one line, named by `inventoryItemId` or by product and location (bin and lot optional)."""

    inventory_item_id: UUID | None = None
    product_master_id: UUID | None = None
    location_id: UUID | None = None
    bin_id: UUID | None = None
    lot_id: UUID | None = None
    type: AdjustmentType
    quantity: Quantity
    reason_code_id: UUID
    comment: Text2000 | None = None
    root_cause: Text2000 | None = None
    effective_at: When | None = None


class AdjustRequest(Body, frozen=True, kw_only=True):
    """One adjustment in the body itself, or up to 500 as `items`, all or nothing."""

    inventory_item_id: UUID | None = None
    product_master_id: UUID | None = None
    location_id: UUID | None = None
    bin_id: UUID | None = None
    lot_id: UUID | None = None
    type: AdjustmentType | None = None
    quantity: Quantity | None = None
    reason_code_id: UUID | None = None
    comment: Text2000 | None = None
    root_cause: Text2000 | None = None
    effective_at: When | None = None
    items: Annotated[list[AdjustItem], Meta(min_length=1, max_length=ITEMS_MAX)] | None = None
    force: bool = False


class SetRequest(Body, frozen=True, kw_only=True):
    """The quantity that a line shall stand at."""

    inventory_item_id: UUID
    new_qty_on_hand: Quantity
    expected_quantity: Quantity | None = None
    reason_code_id: UUID
    comment: Text2000 | None = None
    root_cause: Text2000 | None = None
    force: bool = False


class Transaction(Answer, frozen=True, kw_only=True):
    """One movement of the posting `id`."""

    id: UUID
    inventory_item_id: UUID
    transaction_type: str
    delta_qty: Decimal
    qty_before: Decimal
    qty_after: Decimal
    reason_code_id: UUID
    created_at: datetime


class AdjustedItem(Answer, frozen=True, kw_only=True):
    id: UUID
    product_master_id: UUID
    location_id: UUID
    qty_on_hand: Decimal
    qty_available: Decimal
    qty_reserved: Decimal


class Adjusted(Answer, frozen=True, kw_only=True):
    """`transaction` and `inventoryItem` for one adjustment; the plural fields when `items` were sent."""

    success: bool
    message: str
    transaction: Transaction | UnsetType = UNSET
    inventory_item: AdjustedItem | UnsetType = UNSET
    transactions: Sequence[Transaction] | UnsetType = UNSET
    inventory_items: Sequence[AdjustedItem] | UnsetType = UNSET


class AdjustmentController(AdjustmentLists, Controller):
    path = "/api/inventory"
    tags: Sequence[str] | None = ("Adjustments",)

    @route(
        "POST",
        "/adjust",
        operation="adjustInventory",
        summary="Adjust inventory",
        permissions=Permission.INVENTORY_ADJUST,
        errors=[
            Reason.NO_CHANGE,
            Reason.NOT_FOUND,
            Reason.INSUFFICIENT_STOCK,
            Reason.COUNTED_SINCE,
            Reason.POSITION_FROZEN,
            Reason.INACTIVE,
            Reason.LOCATION_DENIED,
        ],
        example={
            "inventoryItemId": "{inventoryItemId}",
            "type": "INCREASE",
            "quantity": 2,
            "reasonCodeId": "{reasonCodeId}",
            "comment": "Two found behind the rack",
        },
    )
    async def adjust(
        self,
        data: JSONBody[AdjustRequest],
        act: NamedDependency[SkipValidation[Act]],
        ledger: NamedDependency[SkipValidation[Ledger]],
        reference: NamedDependency[SkipValidation[Reference]],
    ) -> Json[Adjusted]:
        adjustments = _adjustments(data)
        posted = await adjust(ledger, reference, act=act, adjustments=adjustments, force=data.force)
        return _answer(posted, adjustments, many=data.items is not None)

    @route(
        "POST",
        "/adjustments",
        operation="createInventoryAdjustment",
        summary="Create inventory adjustment",
        permissions=Permission.INVENTORY_ADJUST,
        errors=[
            Reason.NO_CHANGE,
            Reason.NOT_FOUND,
            Reason.INSUFFICIENT_STOCK,
            Reason.STALE_QUANTITY,
            Reason.COUNTED_SINCE,
            Reason.POSITION_FROZEN,
            Reason.LOCATION_DENIED,
        ],
        example={
            "inventoryItemId": "{inventoryItemId}",
            "newQtyOnHand": 1234,
            "reasonCodeId": "{reasonCodeId}",
            "comment": "Recounted after the shelf moved",
        },
    )
    async def set(
        self,
        data: JSONBody[SetRequest],
        act: NamedDependency[SkipValidation[Act]],
        ledger: NamedDependency[SkipValidation[Ledger]],
        reference: NamedDependency[SkipValidation[Reference]],
    ) -> Json[Adjusted]:
        if data.new_qty_on_hand < 0:
            raise FieldError(("newQtyOnHand", "must not be negative"))
        adjustment = Adjustment(
            line_id=data.inventory_item_id,
            target=data.new_qty_on_hand,
            expected=data.expected_quantity,
            reason_code_id=data.reason_code_id,
            comment=data.comment,
            root_cause=data.root_cause,
        )
        posted = await adjust(ledger, reference, act=act, adjustments=[adjustment], force=data.force)
        return _answer(posted, [adjustment], many=False)


def _adjustments(data: AdjustRequest) -> list[Adjustment]:
    """The items of a request, however it was written."""
    if data.items is None:
        missing = [
            (path, "is required")
            for path, value in (
                ("type", data.type),
                ("quantity", data.quantity),
                ("reasonCodeId", data.reason_code_id),
            )
            if value is None
        ]
        if missing:
            raise FieldError(*missing)
        single = {name: getattr(data, name) for name in AdjustItem.__struct_fields__}
        return [_adjustment(AdjustItem(**single), "")]
    if any(getattr(data, name) is not None for name in AdjustItem.__struct_fields__):
        raise FieldError(("items", "stand alone: send either one adjustment or items"))
    return [_adjustment(item, f"items[{n}].") for n, item in enumerate(data.items)]


def _adjustment(item: AdjustItem, at: str) -> Adjustment:
    if item.quantity <= 0:
        raise FieldError((f"{at}quantity", "must be greater than zero; `type` says the direction"))
    keys = (item.product_master_id, item.location_id, item.bin_id, item.lot_id)
    named_by_keys = item.product_master_id is not None and item.location_id is not None
    # Both would leave open which of them counts when they contradict each other.
    if not named_by_keys if item.inventory_item_id is None else any(key is not None for key in keys):
        message = "name the line by its id, or by productMasterId and locationId (binId and lotId optional)"
        raise FieldError((f"{at}inventoryItemId", message))
    sign = 1 if item.type is AdjustmentType.INCREASE else -1
    return Adjustment(
        line_id=item.inventory_item_id,
        product_id=item.product_master_id,
        location_id=item.location_id,
        bin_id=item.bin_id,
        lot_id=item.lot_id,
        delta=sign * item.quantity,
        reason_code_id=item.reason_code_id,
        comment=item.comment,
        root_cause=item.root_cause,
        effective_at=item.effective_at,
    )


def _answer(posted: Posted, adjustments: Sequence[Adjustment], *, many: bool) -> Json[Adjusted]:
    transactions = [
        _transaction(posted, moved, adjustments[moved.entry].reason_code_id) for moved in posted.movements
    ]
    items = [_item(moved) for moved in posted.movements]
    if many:
        answer = Adjusted(
            success=True,
            message=f"Adjusted {len(items)} item{'s' if len(items) > 1 else ''}",
            transactions=transactions,
            inventory_items=items,
        )
    else:
        answer = Adjusted(
            success=True,
            message=f"Adjusted {posted.movements[0].delta:+} units",
            transaction=transactions[0],
            inventory_item=items[0],
        )
    return Json(answer, headers=ledger_headers(posted))


def _transaction(posted: Posted, moved: Moved, reason_code_id: UUID) -> Transaction:
    return Transaction(
        id=posted.posting_id,
        inventory_item_id=moved.line_id,
        transaction_type=moved.kind,
        delta_qty=moved.delta,
        qty_before=moved.before,
        qty_after=moved.after,
        reason_code_id=reason_code_id,
        created_at=posted.recorded_at,
    )


def _item(moved: Moved) -> AdjustedItem:
    return AdjustedItem(
        id=moved.line_id,
        product_master_id=moved.product_id,
        location_id=moved.location_id,
        qty_on_hand=moved.after,
        qty_available=max(Decimal(0), moved.after - moved.reserved - moved.held),
        qty_reserved=moved.reserved,
    )
