"""The rules of delivery: what waits for what, when it is tried again, and when an endpoint is left alone.

Events of one thing are sent one after the other, and so are those that touch the same stock: a receiver that keeps
a balance must not see an older one later. An event that fails holds back those that share a key with it, and no
others.
"""

import random
from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

import msgspec

from domain.access.model import Permission, Scope
from domain.events.feed import GUARDED, Event
from domain.webhooks.model import Outcome, Sent

GONE = 410
BUSY = frozenset({429, 503})
"""Answers whose Retry-After holds for the whole endpoint."""
KEYS_MAX = 200
"""Lines that an event is ordered by; one that touches more waits for its thing's own events only."""


class Pace(msgspec.Struct, frozen=True, kw_only=True):
    """How often and how patiently. Waits are in seconds."""

    attempts_max: int = 10
    first_wait: float = 5.0
    factor: float = 4.0
    longest_wait: float = 21_600.0
    retry_after_max: float = 86_400.0
    rest_after: int = 5
    """Failures in a row after which the endpoint rests, longer each time."""
    pause_after: int = 20
    """Failures in a row after which it is paused: two days of nothing else."""
    batch: int = 32
    """Events that are begun before what became of them is written down."""
    parallel: int = 8
    """Calls of one endpoint at a time."""
    look_ahead: int = 500
    """Events that may wait; with as many no new ones are begun."""
    connect_seconds: float = 5.0
    read_seconds: float = 10.0
    total_seconds: float = 15.0

    def wait_after(self, attempt: int) -> float:
        """How long after an attempt the next one comes: exponential, a fifth of it by chance."""
        wait = min(self.first_wait * self.factor ** min(attempt - 1, 30), self.longest_wait)
        return wait * random.uniform(0.8, 1.2)  # noqa: S311 - jitter, no secret

    def rest_after_failures(self, failures: int) -> float | None:
        """How long an endpoint is left alone after so many failures in a row."""
        return None if failures < self.rest_after else self.wait_after(failures - self.rest_after + 1)


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """What an endpoint may be sent at this moment."""

    scope: Scope
    hidden: frozenset[str]
    types: tuple[str, ...]

    @classmethod
    def of(
        cls,
        rights: Mapping[Permission, Scope],
        *,
        types: tuple[str, ...],
        location_ids: Iterable[UUID] | None,
    ) -> "Standing | None":
        """What the maker may see of what the endpoint is for; None when they may see no events at all."""
        if Permission.EVENTS_READ not in rights:
            return None
        scope = rights[Permission.EVENTS_READ]
        if location_ids is not None:
            wanted = frozenset(location_ids)
            scope = wanted if scope is None else scope & wanted
        hidden = frozenset(area for area, permission in GUARDED.items() if permission not in rights)
        return cls(scope=scope, hidden=hidden, types=types)

    def shows(self, event: Event) -> bool:
        """Whether an event is for the endpoint."""
        if event.type.split(".", 1)[0] in self.hidden or not is_wanted(event.type, self.types):
            return False
        return self.scope is None or not self.scope.isdisjoint(event.location_ids)


def is_wanted(type_: str, types: tuple[str, ...]) -> bool:
    """Whether a type is one of those that were asked for; an area is `inventory.*`."""
    return not types or any(
        type_ == wanted or (wanted.endswith(".*") and type_.startswith(wanted[:-1])) for wanted in types
    )


def keys_of(event: Event) -> tuple[UUID, ...]:
    """What an event is ordered by: its thing, and the stock lines that it moved."""
    movements = event.payload.get("movements", ()) if isinstance(event.payload, dict) else ()
    lines = {line for movement in movements if (line := _line_of(movement)) is not None}
    return (event.entity_id, *sorted(lines)) if len(lines) <= KEYS_MAX else (event.entity_id,)


def _line_of(movement: Any) -> UUID | None:
    text = movement.get("line_id") if isinstance(movement, dict) else None
    return None if text is None else UUID(text)


def message_id(webhook_id: UUID, position: int) -> str:
    """The same for every attempt at an event and endpoint: who gets it twice can tell."""
    return f"msg_{webhook_id.hex}_{position}"


def outcome_of(sent: Sent, *, attempt: int, pace: Pace) -> Outcome:
    if sent.is_delivered:
        return Outcome.DELIVERED
    if sent.status == GONE:
        return Outcome.GONE
    return Outcome.DEAD if attempt >= pace.attempts_max else Outcome.FAILED
