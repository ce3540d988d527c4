"""An endpoint, as it is kept and as it is shown."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

import msgspec
from msgspec import field

WEBHOOKS_MAX = 100
"""Endpoints of a tenant: all of them are shown at once."""
TYPES_MAX = 50
SECRETS_MAX = 5
"""That sign at the same time."""
OVERLAP = timedelta(hours=24)
OVERLAP_LONGEST_HOURS = 168
LOG_KEPT = 1_000
DEAD_MAX = 1_000
"""Dead letters of an endpoint; with more it is paused, and none is dropped."""


class WebhookState(StrEnum):
    """Whether anything is sent. The values are published."""

    ACTIVE = "ACTIVE"
    PAUSED = "PAUSED"


class PausedReason(StrEnum):
    """Why nothing is sent. The values are published."""

    BY_HAND = "BY_HAND"
    FAILING = "FAILING"
    """Nothing but failures, again and again, or too many dead letters."""
    GONE = "GONE"
    """The receiver answered 410."""
    RIGHTS_LOST = "RIGHTS_LOST"
    """Its maker may read events no more."""


class Outcome(StrEnum):
    """What became of an attempt. The values are published."""

    DELIVERED = "DELIVERED"
    FAILED = "FAILED"
    """It is tried again."""
    DEAD = "DEAD"
    """It was the last one."""
    GONE = "GONE"
    """The receiver wants no more."""


class WebhookFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What an endpoint is for. Without types it gets every type, without locations those of all."""

    url: str
    description: str | None = None
    types: tuple[str, ...] = ()
    location_ids: tuple[UUID, ...] | None = None


class Maker(msgspec.Struct, frozen=True, kw_only=True):
    """Whose rights decide what an endpoint is sent: a person or a key."""

    user_id: UUID | None
    key_id: UUID | None
    name: str


class StoredWebhook(msgspec.Struct, frozen=True, kw_only=True):
    """An endpoint as it stands."""

    id: UUID
    facts: WebhookFacts
    state: WebhookState
    paused_reason: PausedReason | None
    maker: Maker
    position: int
    version: int


class View(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Repeat `kw_only=True` on each subclass: it is not inherited, the rest is."""


class WebhookView(View, frozen=True, kw_only=True):
    """An endpoint without its secrets. What it is sent is what `maker` may see."""

    id: UUID
    url: str
    description: str | None
    types: Sequence[str]
    location_ids: Sequence[UUID] | None
    state: WebhookState
    paused_reason: PausedReason | None
    paused_at: datetime | None
    maker: str
    position: int
    """The last position of the feed that it has come to."""
    behind: int
    """How many positions it is behind the feed."""
    pending: int
    """Events that are tried again, or wait behind one that is."""
    dead: int
    failures: int
    """Failed attempts since the last that succeeded."""
    failing_since: datetime | None
    resting_until: datetime | None
    attempted_at: datetime | None
    delivered_at: datetime | None
    secrets: int
    """How many sign: more than one while a new one overlaps the old."""
    version: int
    created_at: datetime
    updated_at: datetime


class AttemptView(View, frozen=True, kw_only=True):
    """One attempt, as the log has it. `position` null: a test call."""

    id: UUID
    message_id: str
    position: int | None
    type: str
    entity_type: str | None
    entity_id: UUID | None
    attempt: int
    outcome: Outcome
    status: int | None
    error: str | None
    response: str | None
    """What the receiver answered, its beginning."""
    duration_ms: int
    attempted_at: datetime


class DeadLetter(View, frozen=True, kw_only=True):
    """An event that was given up."""

    id: UUID
    position: int
    type: str
    entity_type: str
    entity_id: UUID
    attempts: int
    status: int | None
    error: str | None
    failed_at: datetime = field(name="failedAt")


class Sent(msgspec.Struct, frozen=True, kw_only=True):
    """What a call came to. No `status`: there was no answer, and `error` says why."""

    status: int | None
    error: str | None
    response: str | None
    duration_ms: int
    retry_after: float | None = None
    """Seconds that the receiver asked for."""

    @property
    def is_delivered(self) -> bool:
        return self.error is None


class TestCall(msgspec.Struct, frozen=True, kw_only=True):
    """A test call that was made."""

    message_id: str
    sent: Sent


class Secret(msgspec.Struct, frozen=True, kw_only=True):
    """What signs; never shown, but once when it is made."""

    id: UUID
    text: str
    ends_at: datetime | None

    def __repr__(self) -> str:  # no secret gets into a log by way of a traceback or a formatted value
        return f"Secret({self.id})"
