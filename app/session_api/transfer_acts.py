"""The steps of a transfer as a body says them: which of its fields mean something for which action."""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from datetime import date
from decimal import Decimal
from functools import partial
from typing import Annotated
from uuid import UUID

from msgspec import UNSET, Meta, UnsetType

from app.http.wire import Body, Text64, Text200, Text2000, Version
from domain.catalog.rules import path_of
from domain.errors import FieldError
from domain.transfers.arriving import receive
from domain.transfers.closing import cancel, close
from domain.transfers.making import change_draft
from domain.transfers.model import ArrivedLine, LineWanted, Missing, PickedLine, Transfer, TransferAction
from domain.transfers.reserving import pick, submit
from domain.transfers.shipping import ship
from domain.values import Quantity

LINES_MAX = 500


class TransferActLine(Body, frozen=True, kw_only=True):
    """What a line may say depends on the action.

    `update`: productMasterId, quantity, lotId, fromBinId, toBinId, note. `pick`: lineId, quantity, reason,
    inventoryItemId. `receive`: lineId, quantity, lotNumber, toBinId, discrepancyReason, reasonCodeId. `close`:
    lineId, discrepancyReason, reasonCodeId.
    """

    line_id: UUID | None = None
    product_master_id: UUID | None = None
    quantity: Quantity | None = None
    lot_id: UUID | None = None
    lot_number: Text64 | None = None
    from_bin_id: UUID | None = None
    to_bin_id: UUID | None = None
    inventory_item_id: UUID | None = None
    reason: Text200 | None = None
    discrepancy_reason: Text200 | None = None
    reason_code_id: UUID | None = None
    note: Text2000 | None = None


class TransferActRequest(Body, frozen=True, kw_only=True):
    """`dueOn` and `reference` belong to `update`; `discrepancyReason` and `reasonCodeId` to `close`, for all."""

    action: TransferAction
    lines: Annotated[Sequence[TransferActLine], Meta(min_length=1, max_length=LINES_MAX)] | None = None
    due_on: date | UnsetType | None = UNSET
    reference: Text200 | UnsetType | None = UNSET
    discrepancy_reason: Text200 | None = None
    reason_code_id: UUID | None = None
    comment: Text2000 | None = None
    expected_version: Version | None = None


type Do = Callable[..., Awaitable[Transfer]]
"""A step of a transfer that is named when it is done."""

HEAD_FIELDS = {
    TransferAction.UPDATE: {"lines", "due_on", "reference"},
    TransferAction.PICK: {"lines"},
    TransferAction.RECEIVE: {"lines"},
    TransferAction.CLOSE: {"lines", "discrepancy_reason", "reason_code_id"},
}
"""What an action may say beside its comment and the expected version."""
LINE_FIELDS = {
    TransferAction.UPDATE: (
        {"product_master_id", "quantity"},
        {"lot_id", "from_bin_id", "to_bin_id", "note"},
    ),
    TransferAction.PICK: ({"line_id", "quantity"}, {"inventory_item_id", "reason"}),
    TransferAction.RECEIVE: (
        {"line_id", "quantity"},
        {"lot_number", "to_bin_id", "discrepancy_reason", "reason_code_id"},
    ),
    TransferAction.CLOSE: ({"line_id", "discrepancy_reason"}, {"reason_code_id"}),
}
"""What a line of an action must say, and may say."""


def done(data: TransferActRequest) -> Do:
    """What an action does, once its body has been found to mean it.

    Raises:
        FieldError: a field has no meaning for the action, or one that it needs is missing.
    """
    problems = [*_of_head(data), *_of_lines(data)]
    if problems:
        raise FieldError(*problems)
    return partial(_DO[data.action](data), comment=data.comment, expected_version=data.expected_version)


def _of_head(data: TransferActRequest) -> Iterator[tuple[str, str]]:
    allowed = HEAD_FIELDS.get(data.action, set())
    for name in ("lines", "due_on", "reference", "discrepancy_reason", "reason_code_id"):
        value = getattr(data, name)
        if name not in allowed and value is not None and value is not UNSET:
            yield path_of(name), f"has no meaning for {data.action}"
    if data.action is TransferAction.RECEIVE and data.lines is None:
        yield "lines", "is required: what arrived"
    if data.action is TransferAction.UPDATE and data.lines is None and data.due_on is data.reference is UNSET:
        yield "", "names nothing to change; there are dueOn, reference, lines"


def _of_lines(data: TransferActRequest) -> Iterator[tuple[str, str]]:
    needed, more = LINE_FIELDS.get(data.action, (set(), set()))
    for n, line in enumerate(data.lines or ()):
        for name in line.__struct_fields__:
            said = getattr(line, name) is not None
            if said and name not in needed | more:
                yield f"lines[{n}].{_path(name)}", f"has no meaning for {data.action}"
            elif not said and name in needed:
                yield f"lines[{n}].{_path(name)}", "is required"


def _path(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(part.title() for part in rest)


def _update(data: TransferActRequest) -> Do:
    changes = {name: value for name in ("due_on", "reference") if (value := getattr(data, name)) is not UNSET}
    lines = None
    if data.lines is not None:
        lines = [
            LineWanted(
                product_id=_there(line.product_master_id),
                quantity=_there(line.quantity),
                lot_id=line.lot_id,
                from_bin_id=line.from_bin_id,
                to_bin_id=line.to_bin_id,
                note=line.note,
            )
            for line in data.lines
        ]
    return partial(change_draft, changes=changes, lines=lines)


def _pick(data: TransferActRequest) -> Do:
    lines = [
        PickedLine(
            line_id=_there(line.line_id),
            quantity=Decimal(_there(line.quantity)),
            stock_line_id=line.inventory_item_id,
            reason=line.reason,
        )
        for line in data.lines or ()
    ]
    return partial(pick, lines=lines)


def _receive(data: TransferActRequest) -> Do:
    lines = [
        ArrivedLine(
            line_id=_there(line.line_id),
            quantity=Decimal(_there(line.quantity)),
            lot_number=line.lot_number,
            bin_id=line.to_bin_id,
            reason=line.discrepancy_reason,
            reason_code_id=line.reason_code_id,
        )
        for line in data.lines or ()
    ]
    return partial(receive, lines=lines)


def _close(data: TransferActRequest) -> Do:
    missing = [
        Missing(reason=_there(line.discrepancy_reason), line_id=line.line_id, reason_code_id=line.reason_code_id)
        for line in data.lines or ()
    ]
    if data.discrepancy_reason is not None:
        missing.append(Missing(reason=data.discrepancy_reason, reason_code_id=data.reason_code_id))
    elif data.reason_code_id is not None:
        raise FieldError(("discrepancyReason", "is required beside reasonCodeId"))
    return partial(close, missing=missing)


_DO: dict[TransferAction, Callable[[TransferActRequest], Do]] = {
    TransferAction.CANCEL: lambda _: cancel,
    TransferAction.CLOSE: _close,
    TransferAction.PICK: _pick,
    TransferAction.RECEIVE: _receive,
    TransferAction.SHIP: lambda _: ship,
    TransferAction.SUBMIT: lambda _: submit,
    TransferAction.UPDATE: _update,
}


def _there[T](value: T | None) -> T:
    assert value is not None, "its presence has been checked"
    return value
