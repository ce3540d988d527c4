"""A stock request: what is asked for, who must agree, what was decided, and what became of each line."""

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

import msgspec

ZERO = Decimal(0)
STOCK_REQUEST = "stock_request"
LINES_MAX = 500


class RequestType(StrEnum):
    """STOCK restocks, ADHOC is for once, an E_REQUEST comes from a stocklist."""

    ADHOC = "ADHOC"
    E_REQUEST = "E_REQUEST"
    STOCK = "STOCK"


class RequestState(StrEnum):
    DRAFT = "DRAFT"
    PENDING_APPROVAL = "PENDING_APPROVAL"
    APPROVED = "APPROVED"
    """Reserved at the origin, as far as there is stock; the rest waits for supply."""
    REJECTED = "REJECTED"
    PICKING = "PICKING"
    ISSUED = "ISSUED"
    """It has left the origin."""
    RECEIVED = "RECEIVED"
    CANCELED = "CANCELED"
    """Also what was deleted: nothing vanishes."""


class RequestAction(StrEnum):
    APPROVE = "approve"
    CANCEL = "cancel"
    COMMENT = "comment"
    DELETE = "delete"
    ISSUE = "issue"
    PICK = "pick"
    RECEIVE = "receive"
    REJECT = "reject"
    ROLLBACK = "rollback"
    SUBMIT = "submit"
    UPDATE = "update"


class Priority(StrEnum):
    LOW = "LOW"
    NORMAL = "NORMAL"
    HIGH = "HIGH"
    URGENT = "URGENT"


class Verdict(StrEnum):
    APPROVED = "APPROVED"
    REJECTED = "REJECTED"


class RequestLine(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """So much of a product. requested = issued + open + canceled; reserved never exceeds approved."""

    id: UUID
    line_no: int
    product_master_id: UUID
    global_sku: str
    product_name: str
    requested: Decimal
    approved: Decimal | None = None
    """By the last decision; none yet where nobody has decided."""
    reserved: Decimal = ZERO
    backordered: Decimal = ZERO
    """Approved, and not there: it is reserved when supply arrives, the oldest request first."""
    picked: Decimal = ZERO
    issued: Decimal = ZERO
    received: Decimal = ZERO
    open: Decimal
    """Still to be issued."""
    canceled: Decimal = ZERO
    """What nobody will issue: not approved, not found, substituted, or given up."""
    unit_cost: Decimal | None = None
    """As it was at submission."""
    substitutes_line_id: UUID | None = None
    """The line in whose place this one was picked."""
    short_reason: str | None = None
    discrepancy_reason: str | None = None
    note: str | None = None


class Tier(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One step of the approval plan: so many approvals of people with a role, of these people, or of anybody.

    After its deadline it is with those whom it escalates to, if it names any.
    """

    tier: int
    name: str
    role: str | None = None
    user_ids: Sequence[UUID] = ()
    approvals: int = 1
    deadline_hours: int | None = None
    escalate_role: str | None = None
    escalate_user_ids: Sequence[UUID] = ()
    why: Sequence[str] = ()
    """What in the request calls for it."""
    started_at: datetime | None = None
    deadline_at: datetime | None = None
    finished_at: datetime | None = None


class Decision(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What somebody decided, for which version; one that was rolled back stays, with when it was."""

    id: UUID
    round: int
    tier: int
    decision: Verdict
    decider_id: UUID
    decider: str
    decider_ids: Sequence[UUID] = ()
    """All that the person is known by."""
    on_behalf_of: UUID | None = None
    delegation_id: UUID | None = None
    version_seen: int
    quantities: dict[str, Decimal] = {}
    """What was approved of each line, by its id."""
    comment: str | None = None
    decided_at: datetime
    withdrawn_at: datetime | None = None


class RequestComment(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    id: UUID
    author_id: UUID
    author: str
    body: str
    created_at: datetime


class RequestStep(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What was done to it."""

    action: str
    from_state: RequestState | None
    to_state: RequestState
    actor_id: UUID | None
    actor: str | None
    on_behalf_of: UUID | None
    comment: str | None
    details: dict[str, Any]
    recorded_at: datetime


class RequestHead(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A request without its lines. `value` is frozen at submission; `deadlineAt` is that of the current tier."""

    id: UUID
    number: str
    type: RequestType
    state: RequestState
    origin_location_id: UUID
    origin_location_code: str
    origin_location_name: str
    destination_location_id: UUID
    destination_location_code: str
    destination_location_name: str
    requester_id: UUID
    requester: str
    author_ids: Sequence[UUID]
    """Everybody who made, changed or submitted it, by each of their names: they do not decide on it."""
    priority: Priority
    needed_by: date | None
    description: str | None
    stocklist_id: UUID | None
    value: Decimal | None
    round: int
    """How often it was submitted."""
    current_tier: int | None
    deadline_at: datetime | None
    submitted_at: datetime | None
    decided_at: datetime | None
    issued_at: datetime | None
    received_at: datetime | None
    canceled_at: datetime | None
    issue_transaction_id: UUID | None
    """Where the destination keeps no stock: what was issued is consumed."""
    transfer_id: UUID | None
    """In which what was issued travels."""
    is_deleted: bool
    version: int
    created_at: datetime
    updated_at: datetime


class StockRequest(RequestHead, frozen=True, kw_only=True):
    """A request with all that is known of it. `allowedActions` is what this caller may do with it now."""

    lines: Sequence[RequestLine]
    tiers: Sequence[Tier]
    """The plan of the current round."""
    decisions: Sequence[Decision]
    comments: Sequence[RequestComment]
    history: Sequence[RequestStep]
    allowed_actions: Sequence[RequestAction] = ()

    @property
    def standing_decisions(self) -> list[Decision]:
        """Those of this round that nobody has taken back, in their order."""
        return [one for one in self.decisions if one.round == self.round and one.withdrawn_at is None]

    @property
    def tier(self) -> Tier | None:
        """The one that is to decide."""
        return next((one for one in self.tiers if one.tier == self.current_tier), None)


class NewLine(msgspec.Struct, frozen=True, kw_only=True):
    product_id: UUID
    quantity: Decimal
    note: str | None = None


class NewRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A request as it is asked for."""

    type: RequestType
    origin_id: UUID
    destination_id: UUID
    priority: Priority = Priority.NORMAL
    needed_by: date | None = None
    description: str | None = None
    stocklist_id: UUID | None = None
    lines: Sequence[NewLine] = ()


class ApprovedLine(msgspec.Struct, frozen=True, kw_only=True):
    line_id: UUID
    quantity: Decimal


class PickedLine(msgspec.Struct, frozen=True, kw_only=True):
    """So much of a line was picked; less than is open needs a reason, and another product may take its place."""

    line_id: UUID
    quantity: Decimal
    reason: str | None = None
    substitute_id: UUID | None = None
    substitute_quantity: Decimal = ZERO


class ReceivedLine(msgspec.Struct, frozen=True, kw_only=True):
    """So much of a line arrived; another quantity than was issued needs a cause."""

    line_id: UUID
    quantity: Decimal
    reason: str | None = None
