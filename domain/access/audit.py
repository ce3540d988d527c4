"""Reading the audit trail: what is on record, how it is asked for, and the port that finds it.

A record is a row that changed, a posting to the ledger, or an authorization that was refused.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Protocol
from uuid import UUID

import msgspec

from domain.access.model import Scope
from domain.ledger.model import Kind

POSTING = "posting"
"""The entity of a posting's record."""
ACTIONS: dict[Kind, str] = {
    Kind.RECEIPT: "inventory.received",
    Kind.OPENING: "inventory.opened",
    Kind.ISSUE: "inventory.issued",
    Kind.ADJUSTMENT: "inventory.adjusted",
    Kind.COUNT: "inventory.counted",
    Kind.LOT_CORRECTION: "inventory.lot_corrected",
    Kind.TRANSFER_OUT: "inventory.transferred",
    Kind.TRANSFER_IN: "inventory.transferred",
    Kind.PUT_AWAY: "inventory.put_away",
    Kind.CONSUMPTION: "inventory.consumed",
    Kind.DESTRUCTION: "inventory.destroyed",
    Kind.IMPORT: "inventory.imported",
    Kind.REVERSAL: "inventory.reversed",
}
"""What a posting of each kind is called, as in the feed of events."""

CLOCKS_APART = timedelta(hours=1)
"""How far the time in a record's id may lie from when it was recorded: a posting has its id before."""


class Outcome(StrEnum):
    DONE = "DONE"
    REFUSED = "REFUSED"


class AuditRecord(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One record. Of a change `before` and `after` have the fields that changed; of a posting its lines' stock."""

    id: UUID
    recorded_at: datetime
    outcome: Outcome
    action: str
    entity_type: str
    entity_id: str | None
    location_ids: Sequence[UUID]
    actor_id: UUID | None
    actor: str | None
    session_id: UUID | None
    key_id: UUID | None
    request_id: str | None
    before: msgspec.Raw | None
    after: msgspec.Raw | None


class AuditWanted(msgspec.Struct, frozen=True, kw_only=True):
    """Which records, newest first. `since` is included, `until` is not."""

    tenant_id: UUID
    scope: Scope
    limit: int
    actor_id: UUID | None = None
    entity_type: str | None = None
    entity_id: str | None = None
    action: str | None = None
    outcome: Outcome | None = None
    request_id: str | None = None
    location_id: UUID | None = None
    since: datetime | None = None
    until: datetime | None = None
    after: UUID | None = None

    @property
    def kinds(self) -> tuple[Kind, ...] | None:
        """The kinds of postings that the action is of; None where any is wanted."""
        if self.action is None:
            return None
        return tuple(kind for kind, action in ACTIONS.items() if action == self.action)

    @property
    def ids(self) -> tuple[UUID | None, UUID | None]:
        """Between which ids the times lie, the later one not included: ids begin with the time of their making."""
        since, until = self.since, self.until
        sent_at = _time_in(self.request_id)
        if sent_at is not None:
            since = max(filter(None, (since, sent_at)))
            until = min(filter(None, (until, sent_at + CLOCKS_APART)))
        return (
            None if since is None else _first_id_of(since, -CLOCKS_APART),
            None if until is None else _first_id_of(until, CLOCKS_APART),
        )


class AuditPage(msgspec.Struct, frozen=True, kw_only=True):
    rows: Sequence[AuditRecord]
    after: UUID | None
    """Where the next page begins; None at the end."""


class AuditReader(Protocol):
    async def records(self, wanted: AuditWanted) -> AuditPage: ...


_VERSION = 7
_MILLISECOND = timedelta(milliseconds=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_RANDOM_BITS = 80
_LATEST = datetime.max.replace(tzinfo=UTC) - CLOCKS_APART
_LAST = (1 << 48) - 1


def _first_id_of(moment: datetime, margin: timedelta) -> UUID:
    """The least id that may have been made at a time."""
    milliseconds = (moment - _EPOCH) // _MILLISECOND + margin // _MILLISECOND
    return UUID(int=min(max(milliseconds, 0), _LAST) << _RANDOM_BITS)


def _time_in(request_id: str | None) -> datetime | None:
    """When a request came whose id we made ourselves; one that was sent along tells nothing."""
    try:
        made = UUID(hex=request_id or "")
    except ValueError:
        return None
    if made.version != _VERSION or made.hex != request_id:
        return None
    try:
        sent_at = _EPOCH + (made.int >> _RANDOM_BITS) * _MILLISECOND
    except OverflowError:
        return None
    return sent_at if sent_at <= _LATEST else None
