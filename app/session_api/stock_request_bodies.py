"""What the steps of a stock request are asked with, and what they answer."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated
from uuid import UUID

from msgspec import Meta

from app.http.wire import Answer, Body, Text2000, Version
from domain.stock_requests.allocating import Served
from domain.stock_requests.model import (
    LINES_MAX,
    RequestAction,
    RequestComment,
    RequestState,
    RequestStep,
)
from domain.values import Quantity

type Text500 = Annotated[str, Meta(min_length=1, max_length=500)]


class SubmitRequest(Body, frozen=True, kw_only=True):
    expected_version: Version | None = None
    comment: Text2000 | None = None


class ApprovedRequestLine(Body, frozen=True, kw_only=True):
    """At most what was requested, and what tiers before have approved."""

    line_id: UUID
    approved_qty: Quantity


class ApproveRequest(Body, frozen=True, kw_only=True):
    """`expectedVersion` is what was seen. Lines that are not named are approved as they stand."""

    expected_version: Version
    lines: Annotated[Sequence[ApprovedRequestLine], Meta(max_length=LINES_MAX)] = ()
    comment: Text2000 | None = None


class RejectRequest(Body, frozen=True, kw_only=True):
    comment: Text2000
    expected_version: Version | None = None


class RollBackRequest(Body, frozen=True, kw_only=True):
    expected_version: Version | None = None
    comment: Text2000 | None = None


class Substitute(Body, frozen=True, kw_only=True):
    """Another product in place of what is not picked of a line."""

    product_master_id: UUID
    quantity: Quantity


class MovedRequestLine(Body, frozen=True, kw_only=True):
    """To pick: pickedQty, reason where it is less than is open, substitute. To receive: receivedQty, reason."""

    line_id: UUID
    picked_qty: Quantity | None = None
    received_qty: Quantity | None = None
    reason: Text500 | None = None
    substitute: Substitute | None = None


class MoveRequest(Body, frozen=True, kw_only=True):
    """An `action`, or the `status` that it leads to. Without lines all is picked, or all has arrived."""

    action: RequestAction | None = None
    status: RequestState | None = None
    lines: Annotated[Sequence[MovedRequestLine], Meta(min_length=1, max_length=LINES_MAX)] | None = None
    comment: Text2000 | None = None
    expected_version: Version | None = None


class CommentOnRequest(Body, frozen=True, kw_only=True):
    comment: Text2000


class AllocateBackorders(Body, frozen=True, kw_only=True):
    """Without products, for all of them."""

    location_id: UUID
    product_master_ids: Annotated[Sequence[UUID], Meta(min_length=1, max_length=LINES_MAX)] | None = None


class StatusData(Answer, frozen=True, kw_only=True):
    """Where it stands, and what this caller may do with it."""

    id: UUID
    number: str
    state: RequestState
    version: int
    current_tier: int | None
    deadline_at: datetime | None
    allowed_actions: Sequence[RequestAction]
    history: Sequence[RequestStep]


class StatusAnswer(Answer, frozen=True, kw_only=True):
    data: StatusData


class CommentAnswer(Answer, frozen=True, kw_only=True):
    data: RequestComment


class ServedAnswer(Answer, frozen=True, kw_only=True):
    """The requests that were given something, the oldest first."""

    data: Sequence[Served]
