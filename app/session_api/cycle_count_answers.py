"""Cycle counts as they are shown: with figures, and in types that have no place for any; `view` says which."""

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

from app.http.paging import Pagination
from app.http.wire import Answer
from domain.access.model import Caller
from domain.counting.blind import sees_figures, sees_line
from domain.counting.model import Action, Batch, LineState, Origin, Resolution, State, Type
from domain.counting.states import BATCH, facts_of
from domain.counting.views import BatchView, LineView, Person
from domain.documents import PastStep
from domain.values import plain

SHARE = Decimal("0.0001")


class BlindState(StrEnum):
    """A line's state as it is told to who counts blind: whether a count was right is not theirs to know."""

    CLOSED = "CLOSED"
    COUNTED = "COUNTED"
    PENDING = "PENDING"
    RECOUNT = "RECOUNT"


class BlindStep(Answer, frozen=True, kw_only=True):
    """A step of the history without what was said of it."""

    action: str
    from_state: str | None
    to_state: str
    actor: str | None
    recorded_at: datetime


class Progress(Answer, frozen=True, kw_only=True):
    lines: int
    counted: int
    waived: int
    left: int


class BatchHead(Answer, frozen=True, kw_only=True):
    """What everybody who counts may know of a batch."""

    id: UUID
    number: str
    location_id: UUID
    location_code: str
    location_name: str
    type: Type
    status: State
    blind: bool
    freeze: bool
    scheduled_for: date | None
    origin: Origin
    note: str | None
    assignees: Sequence[Person]
    progress: Progress
    created_by: str | None
    created_at: datetime
    started_at: datetime | None
    completed_at: datetime | None
    version: int
    allowed_actions: Sequence[Action]


class BlindBatch(BatchHead, frozen=True, kw_only=True, tag_field="view", tag="BLIND"):
    """A batch for who counts it blind, or may not see stock: it has no figure, and nothing that tells one."""


class SeenBatch(BatchHead, frozen=True, kw_only=True, tag_field="view", tag="FULL"):
    """`accuracy` is the share of the counted lines that were within tolerance; null until all are counted."""

    snapshot_position: int
    reviewed_at: datetime | None
    variances: int | None
    accuracy: Decimal | None


class BlindLine(Answer, frozen=True, kw_only=True, tag_field="view", tag="BLIND"):
    """A line to be counted. `countedQty` is what the caller has counted, nobody else's."""

    id: UUID
    sequence: int
    product_master_id: UUID
    global_sku: str
    product_name: str
    uom: str
    bin_id: UUID
    bin_code: str
    bin_name: str
    zone: str | None
    lot_id: UUID
    lot_number: str | None
    expiry_date: date | None
    status: BlindState
    round: int
    is_counted: bool
    counted_qty: Decimal | None
    note: str | None
    waived_reason: str | None
    version: int


class SeenLine(Answer, frozen=True, kw_only=True, tag_field="view", tag="FULL"):
    """`expectedQty` = `snapshotQty` + `movedQty`, the balance as it was counted; `variance` is beyond that."""

    id: UUID
    sequence: int
    inventory_item_id: UUID | None
    product_master_id: UUID
    global_sku: str
    product_name: str
    uom: str
    bin_id: UUID
    bin_code: str
    bin_name: str
    zone: str | None
    lot_id: UUID
    lot_number: str | None
    expiry_date: date | None
    abc_class: str | None
    unit_cost: Decimal
    status: LineState
    round: int
    snapshot_qty: Decimal
    snapshot_position: int
    moved_qty: Decimal | None
    expected_qty: Decimal | None
    counted_qty: Decimal | None
    variance: Decimal | None
    variance_value: Decimal | None
    counted_position: int | None
    counted_at: datetime | None
    counter_id: UUID | None
    counter: str | None
    note: str | None
    is_found: bool
    waived_reason: str | None
    waived_by: str | None
    resolution: Resolution | None
    reason_code_id: UUID | None
    root_cause: str | None
    comment: str | None
    proposed_by: UUID | None
    resolver_id: UUID | None
    resolver: str | None
    on_behalf_of: UUID | None
    transaction_id: UUID | None
    resolved_at: datetime | None
    version: int


class BlindWhole(BlindBatch, frozen=True, kw_only=True, tag_field="view", tag="BLIND"):
    lines: Sequence[BlindLine]
    history: Sequence[BlindStep]


class SeenWhole(SeenBatch, frozen=True, kw_only=True, tag_field="view", tag="FULL"):
    """`varianceValue` adds up variances at unit cost, `varianceValueGross` their sizes."""

    variance_value: Decimal | None
    variance_value_gross: Decimal | None
    lines: Sequence[SeenLine | BlindLine]
    history: Sequence[PastStep]


class BatchList(Answer, frozen=True, kw_only=True):
    data: Sequence[SeenBatch | BlindBatch]
    pagination: Pagination


class BatchData(Answer, frozen=True, kw_only=True):
    """With a page of its lines in walking order."""

    data: SeenWhole | BlindWhole
    pagination: Pagination


class BatchChanged(Answer, frozen=True, kw_only=True):
    """`lines` are those that were counted or waived now."""

    data: SeenWhole | BlindWhole


def listed(view: BatchView, caller: Caller) -> SeenBatch | BlindBatch:
    if sees_figures(view.batch, caller):
        return SeenBatch(**_head(view, caller), **_figures(view.batch))
    return BlindBatch(**_head(view, caller))


def whole(view: BatchView, lines: Sequence[LineView], caller: Caller) -> SeenWhole | BlindWhole:
    batch = view.batch
    if not sees_figures(batch, caller):
        return BlindWhole(
            **_head(view, caller),
            lines=[_blind_line(line, caller) for line in lines],
            history=[_blind_step(step) for step in view.history],
        )
    is_told = batch.state in {State.REVIEW, State.COMPLETED, State.CANCELED}
    return SeenWhole(
        **_head(view, caller),
        **_figures(batch),
        variance_value=view.variance_value if is_told else None,
        variance_value_gross=view.variance_value_gross if is_told else None,
        lines=[
            _seen_line(line) if sees_line(batch, line.line, caller) else _blind_line(line, caller)
            for line in lines
        ],
        history=view.history,
    )


def _head(view: BatchView, caller: Caller) -> dict[str, Any]:
    batch = view.batch
    return {
        "id": batch.id,
        "number": batch.number,
        "location_id": batch.location_id,
        "location_code": view.location_code,
        "location_name": view.location_name,
        "type": batch.type,
        "status": batch.state,
        "blind": batch.is_blind,
        "freeze": batch.is_freezing,
        "scheduled_for": batch.scheduled_for,
        "origin": batch.origin,
        "note": batch.note,
        "assignees": view.assignees,
        "progress": Progress(
            lines=batch.line_count, counted=batch.counted_count, waived=batch.waived_count, left=batch.left
        ),
        "created_by": batch.actor,
        "created_at": batch.created_at,
        "started_at": batch.started_at,
        "completed_at": batch.completed_at,
        "version": batch.version,
        "allowed_actions": BATCH.allowed(batch.state, facts_of(batch, caller)),
    }


def _figures(batch: Batch) -> dict[str, Any]:
    is_told = batch.reviewed_at is not None
    counted = batch.counted_count
    return {
        "snapshot_position": batch.snapshot_position,
        "reviewed_at": batch.reviewed_at,
        "variances": batch.variance_count if is_told else None,
        "accuracy": (
            plain((Decimal(batch.accurate_count) / counted).quantize(SHARE)) if is_told and counted else None
        ),
    }


def _blind_step(step: PastStep) -> BlindStep:
    return BlindStep(
        action=step.action,
        from_state=step.from_state,
        to_state=step.to_state,
        actor=step.actor,
        recorded_at=step.recorded_at,
    )


_BLIND = {
    LineState.PENDING: BlindState.PENDING,
    LineState.COUNTED: BlindState.COUNTED,
    LineState.RECOUNT: BlindState.RECOUNT,
}


def _blind_line(view: LineView, caller: Caller) -> BlindLine:
    line = view.line
    is_own = line.counter_id == caller.principal_id and line.state is not LineState.RECOUNT
    return BlindLine(
        **_position(view),
        status=_BLIND.get(line.state, BlindState.CLOSED),
        is_counted=line.counted_quantity is not None and line.state is not LineState.RECOUNT,
        counted_qty=line.counted_quantity if is_own else None,
        note=line.note if is_own else None,
    )


def _seen_line(view: LineView) -> SeenLine:
    line = view.line
    moved = None if line.expected_quantity is None else plain(line.expected_quantity - line.snapshot_quantity)
    return SeenLine(
        **_position(view),
        inventory_item_id=line.line_id,
        abc_class=line.abc_class,
        unit_cost=line.unit_cost,
        status=line.state,
        snapshot_qty=line.snapshot_quantity,
        snapshot_position=line.snapshot_position,
        moved_qty=moved,
        expected_qty=line.expected_quantity,
        counted_qty=line.counted_quantity,
        variance=line.variance,
        variance_value=None if line.variance is None else plain(line.variance * line.unit_cost),
        counted_position=line.counted_position,
        counted_at=line.counted_at,
        counter_id=line.counter_id,
        counter=line.counter,
        note=line.note,
        is_found=line.is_found,
        waived_by=view.waiver,
        resolution=line.resolution,
        reason_code_id=view.reason_code_id,
        root_cause=view.root_cause,
        comment=view.comment,
        proposed_by=view.proposed_by,
        resolver_id=view.resolver_id,
        resolver=view.resolver,
        on_behalf_of=view.on_behalf_of,
        transaction_id=view.posting_id,
        resolved_at=view.resolved_at,
    )


def _position(view: LineView) -> dict[str, Any]:
    line = view.line
    return {
        "id": line.id,
        "sequence": line.sequence,
        "product_master_id": line.product_id,
        "global_sku": view.sku,
        "product_name": view.product_name,
        "uom": view.uom,
        "bin_id": line.bin_id,
        "bin_code": view.bin_code,
        "bin_name": view.bin_name,
        "zone": view.zone,
        "lot_id": line.lot_id,
        "lot_number": view.lot_number or None,
        "expiry_date": view.expires_on,
        "round": line.round,
        "waived_reason": line.waived_reason,
        "version": line.version,
    }
